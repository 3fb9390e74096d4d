//! Fields by name: HGET, HMGET, HEXISTS, HSTRLEN. A dead field that is met is removed behind the reply.

use std::iter;

use crate::command::{Call, Command, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::protocol::Reply;
use crate::types::WrongType;
use crate::types::hash::{Hash, HashRef};
use crate::types::string::StringRef;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hexists",
        run: hexists,
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        summary: "Tells whether a hash has a field.",
        ..READ
    },
    Command {
        name: "hget",
        run: hget,
        summary: "Answers the value of a field of a hash.",
        ..READ
    },
    Command {
        name: "hmget",
        run: hmget,
        arity: -3,
        summary: "Answers the values of several fields of a hash.",
        complexity: "O(N) in the number of fields asked for",
        syntax: "key field [field ...]",
        ..READ
    },
    Command {
        name: "hstrlen",
        run: hstrlen,
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        since: "3.2.0",
        summary: "Answers the length of the value of a field of a hash.",
        ..READ
    },
];

/// What these rows have in common.
const READ: Command = Command {
    arity: 3,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Hash,
    since: "2.0.0",
    syntax: "key field",
    ..Command::DEFAULT
};

/// Looks at the value of the field that is the second argument, if key and field are there.
fn look<R>(
    call: &mut Call<'_>,
    at: impl FnOnce(StringRef<'_>) -> R,
) -> Result<Option<R>, WrongType> {
    let (key, name, now) = (call.key(1), call.arg(2), call.db.now());
    let hash = call.db.collection::<Hash>(key)?;
    match hash.and_then(|hash| hash.find(name)) {
        Some(field) if field.is_dead(now) => {
            call.db.expire_fields(key, iter::once(name));
            Ok(None)
        }
        field => Ok(field.map(|field| at(field.value))),
    }
}

fn hexists(call: &mut Call<'_>) -> Outcome {
    let found = look(call, |_| ())?.is_some();
    call.reply.int(found.into());
    Ok(())
}

fn hget(call: &mut Call<'_>) -> Outcome {
    let (key, name, now) = (call.key(1), call.arg(2), call.db.now());
    let hash = call.db.collection::<Hash>(key)?;
    if answer(&mut call.reply, hash, name, now) {
        call.db.expire_fields(key, iter::once(name));
    }
    Ok(())
}

fn hmget(call: &mut Call<'_>) -> Outcome {
    let (key, names, now) = (call.key(1), call.args_from(2), call.db.now());
    let hash = call.db.collection::<Hash>(key)?;
    call.reply.array(call.request.len() - 2);
    let mut dead = false;
    for name in names.clone() {
        dead |= answer(&mut call.reply, hash, name, now);
    }
    if dead {
        call.db.expire_fields(key, names);
    }
    Ok(())
}

/// Answers the value of a field, or null; tells whether the field is dead.
#[inline]
fn answer(reply: &mut Reply<'_>, hash: Option<HashRef<'_>>, name: &[u8], now: u64) -> bool {
    let field = hash.and_then(|hash| hash.find(name));
    let dead = field.is_some_and(|field| field.is_dead(now));
    match field {
        Some(field) if !dead => field.value.answer(reply),
        _ => reply.null(),
    }
    dead
}

fn hstrlen(call: &mut Call<'_>) -> Outcome {
    let length = look(call, |value| value.len())?.unwrap_or(0);
    call.reply.count(length);
    Ok(())
}
