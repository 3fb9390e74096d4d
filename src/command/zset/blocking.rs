//! For clients that wait for members: BZPOPMIN, BZPOPMAX, BZMPOP.

use super::ROW;
use super::pop::{End, Form, TAKEN, end, pop, pop_named};
use crate::command::keyspec::{Begin, Find};
use crate::command::numkeys::{self, NumberedPop};
use crate::command::{Call, Command, Flags, KeySpec, Outcome};
use crate::keyspace::waiters::Wanted;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bzpopmin",
        run: bzpopmin,
        summary: "Takes the member with the lowest score out of the first sorted set that is there, or waits for one.",
        ..POP
    },
    Command {
        name: "bzpopmax",
        run: bzpopmax,
        summary: "Takes the member with the highest score out of the first sorted set that is there, or waits for one.",
        ..POP
    },
    Command {
        name: "bzmpop",
        run: bzmpop,
        arity: -5,
        flags: Flags::WRITE.union(Flags::BLOCKING),
        keys: &[KeySpec::counted(2, TAKEN)],
        since: "7.0.0",
        summary: "Takes members with the lowest or highest scores out of the first sorted set that is there, or waits for one.",
        complexity: "O(K) + O(M*log(N)) for K keys and M of N members",
        syntax: "timeout<double> numkeys key [key ...] (where: MIN | MAX) [COUNT count]",
        ..ROW
    },
];

/// What the rows for one member have in common.
const POP: Command = Command {
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST).union(Flags::BLOCKING),
    keys: &[KeySpec {
        flags: TAKEN,
        begin: Begin::Index(1),
        find: Find::Range { last: -2, step: 1 },
    }],
    since: "5.0.0",
    complexity: "O(log(N)) in the number of members",
    syntax: "key [key ...] timeout<double>",
    ..ROW
};

fn bzpopmin(call: &mut Call<'_>) -> Outcome {
    pop_one(call, End::Lowest)
}

fn bzpopmax(call: &mut Call<'_>) -> Outcome {
    pop_one(call, End::Highest)
}

fn pop_one(call: &mut Call<'_>, end: End) -> Outcome {
    let last = call.len() - 1;
    let most = call.patience_in_seconds(last)?;
    for place in 1..last {
        let key = call.key(place);
        if call.is_turn(key, Wanted::SortedSet) && pop(call, key, end, 1, Form::One)?.is_some() {
            call.db.scribe().instead(&[end.pop_command(), key.bytes]);
            return Ok(());
        }
    }
    if !call.waits_for(Wanted::SortedSet, 1..last, most) {
        call.reply.null_array();
    }
    Ok(())
}

fn bzmpop(call: &mut Call<'_>) -> Outcome {
    let NumberedPop { keys, end, count } = numkeys::pop(call, 2, end)?;
    let most = call.patience_in_seconds(1)?;
    for place in keys.clone() {
        let key = call.key(place);
        if call.is_turn(key, Wanted::SortedSet) && pop_named(call, key, end, count)? {
            return Ok(());
        }
    }
    if !call.waits_for(Wanted::SortedSet, keys, most) {
        call.reply.null_array();
    }
    Ok(())
}
