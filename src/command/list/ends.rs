//! The ends of a list: LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LMPOP.

use super::{ROW, TAKES, end, layout, pop_command, popped, pushed};
use crate::command::numkeys::{self, NumberedPop};
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::Key;
use crate::types::Collection;
use crate::types::list::{End, List};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lpush",
        run: lpush,
        summary: "Adds elements at the beginning of a list, each before the last; a key that does not exist is set.",
        ..PUSH
    },
    Command {
        name: "rpush",
        run: rpush,
        summary: "Adds elements at the end of a list; a key that does not exist is set.",
        ..PUSH
    },
    Command {
        name: "lpushx",
        run: lpushx,
        since: "2.2.0",
        summary: "Adds elements at the beginning of a list, if the key exists.",
        ..PUSH
    },
    Command {
        name: "rpushx",
        run: rpushx,
        since: "2.2.0",
        summary: "Adds elements at the end of a list, if the key exists.",
        ..PUSH
    },
    Command {
        name: "lpop",
        run: lpop,
        summary: "Removes elements from the beginning of a list and answers them.",
        ..POP
    },
    Command {
        name: "rpop",
        run: rpop,
        summary: "Removes elements from the end of a list and answers them, the last one first.",
        ..POP
    },
    Command {
        name: "lmpop",
        run: lmpop,
        arity: -4,
        flags: Flags::WRITE,
        keys: &[KeySpec::counted(1, TAKES)],
        since: "7.0.0",
        summary: "Removes elements from an end of the first list that is there, and answers its key and them.",
        complexity: "O(N+M) where N is the number of keys and M the number of elements answered",
        syntax: "numkeys key [key ...] (where: LEFT | RIGHT) [COUNT count]",
        ..ROW
    },
];

const PUSH: Command = Command {
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    complexity: "O(N) in the number of elements added",
    syntax: "key element [element ...]",
    ..ROW
};

const POP: Command = Command {
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::at(1, TAKES)],
    complexity: "O(N) in the number of elements answered",
    syntax: "key [count]",
    ..ROW
};

fn lpush(call: &mut Call<'_>) -> Outcome {
    push(call, End::Front)
}

fn rpush(call: &mut Call<'_>) -> Outcome {
    push(call, End::Back)
}

fn lpushx(call: &mut Call<'_>) -> Outcome {
    push_if_there(call, End::Front)
}

fn rpushx(call: &mut Call<'_>) -> Outcome {
    push_if_there(call, End::Back)
}

#[inline]
fn push(call: &mut Call<'_>, end: End) -> Outcome {
    let (key, layout, elements) = (call.key(1), layout(call), call.args_from(2));
    let len = call.db.update_or_insert::<List, _>(key, |list| {
        list.push(end, elements, &layout);
        list.view().len()
    })?;
    call.db.changed_by(key, pushed(end), call.len() - 2);
    call.reply.count(len);
    Ok(())
}

fn push_if_there(call: &mut Call<'_>, end: End) -> Outcome {
    let (key, layout, elements) = (call.key(1), layout(call), call.args_from(2));
    let len = call.db.update::<List, _>(key, |list| {
        list.push(end, elements, &layout);
        list.view().len()
    })?;
    if len.is_some() {
        call.db.changed_by(key, pushed(end), call.len() - 2);
    }
    call.reply.count(len.unwrap_or(0));
    Ok(())
}

fn lpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Front)
}

fn rpop(call: &mut Call<'_>) -> Outcome {
    pop(call, End::Back)
}

#[inline]
fn pop(call: &mut Call<'_>, end: End) -> Outcome {
    let count = match call.len() {
        2 => None,
        3 => Some(call.count(2)?),
        _ => return Err(Error::Arity(call.command.full_name.clone())),
    };
    let (key, layout) = (call.key(1), layout(call));
    let removed = call.db.update::<List, _>(key, |list| {
        let taken = count.unwrap_or(1).min(list.view().len());
        if count.is_some() {
            call.reply.array(taken);
        }
        list.pop(end, taken, &layout, |element| {
            element.answer(&mut call.reply);
        });
        (taken, list.is_empty())
    })?;
    match removed {
        Some((taken, emptied)) => {
            call.db.removed(key, popped(end), taken, emptied);
        }
        None if count.is_some() => call.reply.null_array(),
        None => call.reply.null(),
    }
    Ok(())
}

fn lmpop(call: &mut Call<'_>) -> Outcome {
    let NumberedPop { keys, end, count } = numkeys::pop(call, 1, end)?;
    for place in keys {
        let key = call.key(place);
        if pop_named(call, key, end, count)? {
            return Ok(());
        }
    }
    call.reply.null_array();
    Ok(())
}

/// Removes up to `count` elements at an end of a list and answers its key and them; answers nothing if the key is not there, and
/// tells whether it is.
pub(super) fn pop_named(
    call: &mut Call<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
) -> Result<bool, Error> {
    let layout = layout(call);
    let removed = call.db.update::<List, _>(key, |list| {
        let taken = count.min(list.view().len());
        call.reply.array(2);
        call.reply.bulk(key.bytes);
        call.reply.array(taken);
        list.pop(end, taken, &layout, |element| {
            element.answer(&mut call.reply);
        });
        (taken, list.is_empty())
    })?;
    let Some((taken, emptied)) = removed else {
        return Ok(false);
    };
    call.db.removed(key, popped(end), taken, emptied);
    // Other keys were not there, or were not looked at.
    let mut room = itoa::Buffer::new();
    let count = room.format(taken).as_bytes();
    let scribe = call.db.scribe();
    scribe.instead(&[pop_command(end), key.bytes, count]);
    Ok(true)
}
