//! For clients that wait for elements: BLPOP, BRPOP, BLMPOP, BLMOVE, and BRPOPLPUSH, which it replaced.

use super::ends::pop_named;
use super::transfer::{TRANSFER, transfer};
use super::{ROW, TAKES, end, layout, pop_command, popped};
use crate::command::keyspec::{Begin, Find};
use crate::command::numkeys::{self, NumberedPop};
use crate::command::{Call, Command, Deprecated, Flags, KeySpec, Outcome};
use crate::keyspace::waiters::Wanted;
use crate::types::Collection;
use crate::types::list::{End, List};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "blpop",
        run: blpop,
        summary: "Removes the first element of the first list that is there, or waits for one, and answers key and element.",
        ..POP
    },
    Command {
        name: "brpop",
        run: brpop,
        summary: "Removes the last element of the first list that is there, or waits for one, and answers key and element.",
        ..POP
    },
    Command {
        name: "blmpop",
        run: blmpop,
        arity: -5,
        flags: Flags::WRITE.union(Flags::BLOCKING),
        keys: &[KeySpec::counted(2, TAKES)],
        since: "7.0.0",
        summary: "Removes elements from an end of the first list that is there, or waits for one, and answers its key and them.",
        complexity: "O(N+M) where N is the number of keys and M the number of elements answered",
        syntax: "timeout<double> numkeys key [key ...] (where: LEFT | RIGHT) [COUNT count]",
        ..ROW
    },
    Command {
        name: "blmove",
        run: blmove,
        arity: 6,
        flags: TRANSFER.flags.union(Flags::BLOCKING),
        since: "6.2.0",
        summary: "Takes an element from an end of one list, or waits for one, adds it at an end of another and answers it.",
        syntax: "source destination (wherefrom: LEFT | RIGHT) (whereto: LEFT | RIGHT) timeout<double>",
        ..TRANSFER
    },
    Command {
        name: "brpoplpush",
        run: brpoplpush,
        arity: 4,
        flags: TRANSFER.flags.union(Flags::BLOCKING),
        since: "2.2.0",
        summary: "Takes the last element of one list, or waits for one, adds it at the beginning of another and answers it.",
        syntax: "source destination timeout<double>",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            instead: "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
        }),
        ..TRANSFER
    },
];

const POP: Command = Command {
    arity: -3,
    flags: Flags::WRITE.union(Flags::BLOCKING),
    keys: &[KeySpec {
        flags: TAKES,
        begin: Begin::Index(1),
        find: Find::Range { last: -2, step: 1 },
    }],
    since: "2.0.0",
    complexity: "O(N) in the number of keys",
    syntax: "key [key ...] timeout<double>",
    ..ROW
};

fn blpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Front)
}

fn brpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Back)
}

fn pop(call: &mut Call<'_>, end: End) -> Outcome {
    let last = call.len() - 1;
    let most = call.patience_in_seconds(last)?;
    let layout = layout(call);
    for place in 1..last {
        let key = call.key(place);
        if !call.is_turn(key, Wanted::List) {
            continue;
        }
        let removed = call.db.update::<List, _>(key, |list| {
            call.reply.array(2);
            call.reply.bulk(key.bytes);
            list.pop(end, 1, &layout, |element| element.answer(&mut call.reply));
            list.is_empty()
        })?;
        if let Some(emptied) = removed {
            call.db.removed(key, popped(end), 1, emptied);
            call.db.scribe().instead(&[pop_command(end), key.bytes]);
            return Ok(());
        }
    }
    if !call.waits_for(Wanted::List, 1..last, most) {
        call.reply.null_array();
    }
    Ok(())
}

fn blmpop(call: &mut Call<'_>) -> Outcome {
    let NumberedPop { keys, end, count } = numkeys::pop(call, 2, end)?;
    let most = call.patience_in_seconds(1)?;
    for place in keys.clone() {
        let key = call.key(place);
        if call.is_turn(key, Wanted::List) && pop_named(call, key, end, count)? {
            return Ok(());
        }
    }
    if !call.waits_for(Wanted::List, keys, most) {
        call.reply.null_array();
    }
    Ok(())
}

fn blmove(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (end(call, 3)?, end(call, 4)?);
    let most = call.patience_in_seconds(5)?;
    transfer_or_wait(call, from, to, most, b"LMOVE")
}

fn brpoplpush(call: &mut Call<'_>) -> Outcome {
    let most = call.patience_in_seconds(3)?;
    transfer_or_wait(call, End::Back, End::Front, most, b"RPOPLPUSH")
}

fn transfer_or_wait(
    call: &mut Call<'_>,
    from: End,
    to: End,
    most: Option<u64>,
    repeated_as: &[u8],
) -> Outcome {
    let source = call.key(1);
    if call.is_turn(source, Wanted::List) && transfer(call, from, to)? {
        // All arguments but the last one, the time.
        let rest = call.args_from(1).take(call.len() - 2);
        if let Some(mut command) = call.db.scribe().instead_of(call.len() - 1) {
            command.word(repeated_as);
            command.words(rest);
        }
    } else if !call.waits_for(Wanted::List, 1..2, most) {
        call.reply.null();
    }
    Ok(())
}
