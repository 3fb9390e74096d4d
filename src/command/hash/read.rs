//! Fields by name: HGET, HMGET, HEXISTS, HSTRLEN.

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

/// The value of the field that is the second argument, if key and field are there.
#[inline]
fn value<'c>(call: &'c mut Call<'_>) -> Result<Option<StringRef<'c>>, WrongType> {
    let field = call.arg(2);
    let hash = call.db.collection::<Hash>(call.key(1))?;
    Ok(hash.and_then(|hash| hash.get(field)))
}

fn hexists(call: &mut Call<'_>) -> Outcome {
    let found = value(call)?.is_some();
    call.reply.int(found.into());
    Ok(())
}

fn hget(call: &mut Call<'_>) -> Outcome {
    let hash = call.db.collection::<Hash>(call.key(1))?;
    answer(&mut call.reply, hash, call.request.arg(2));
    Ok(())
}

fn hmget(call: &mut Call<'_>) -> Outcome {
    let fields = call.args_from(2);
    let hash = call.db.collection::<Hash>(call.key(1))?;
    call.reply.array(call.request.len() - 2);
    for field in fields {
        answer(&mut call.reply, hash, field);
    }
    Ok(())
}

/// Answers the value of a field, or null.
#[inline]
fn answer(reply: &mut Reply<'_>, hash: Option<HashRef<'_>>, field: &[u8]) {
    match hash.and_then(|hash| hash.get(field)) {
        Some(value) => value.answer(reply),
        None => reply.null(),
    }
}

fn hstrlen(call: &mut Call<'_>) -> Outcome {
    let length = value(call)?.map_or(0, StringRef::len);
    call.reply.count(length);
    Ok(())
}
