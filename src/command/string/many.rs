//! Strings of several keys at once: MGET, MSET, MSETNX.

use super::store;
use crate::command::{Call, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::Expiry;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "mget",
        run: mget,
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::from(1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: Group::String,
        summary: "Answers the string values of several keys, as they are at one moment.",
        complexity: "O(N) in the number of keys",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard"],
        ..Command::DEFAULT
    },
    Command {
        name: "mset",
        run: mset,
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::from(1, 2, KeyFlags::OW.union(KeyFlags::UPDATE))],
        group: Group::String,
        since: "1.0.1",
        summary: "Sets the string values of several keys at one moment.",
        complexity: "O(N) in the number of keys",
        syntax: "key value [key value ...]",
        tips: &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        ..Command::DEFAULT
    },
    Command {
        name: "msetnx",
        run: msetnx,
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::from(1, 2, KeyFlags::OW.union(KeyFlags::INSERT))],
        group: Group::String,
        since: "1.0.1",
        summary: "Sets the string values of several keys at one moment, if none of the keys exists.",
        complexity: "O(N) in the number of keys",
        syntax: "key value [key value ...]",
        ..Command::DEFAULT
    },
];

fn mget(call: &mut Call<'_>) -> Outcome {
    call.reply.array(call.len() - 1);
    for place in 1..call.len() {
        match call
            .db
            .read(call.key(place))
            .and_then(|entry| entry.string().ok())
        {
            Some(value) => value.answer(&mut call.reply),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn mset(call: &mut Call<'_>) -> Outcome {
    check_pairs(call)?;
    set_all(call);
    call.reply.ok();
    Ok(())
}

fn msetnx(call: &mut Call<'_>) -> Outcome {
    check_pairs(call)?;
    let free = (1..call.len())
        .step_by(2)
        .all(|place| call.db.write(call.key(place)).is_none());
    if free {
        set_all(call);
    }
    call.reply.int(free.into());
    Ok(())
}

/// Every key needs its value.
fn check_pairs(call: &Call<'_>) -> Outcome {
    if call.len().is_multiple_of(2) {
        return Err(Error::Arity(call.command.full_name.clone()));
    }
    Ok(())
}

fn set_all(call: &mut Call<'_>) {
    for place in (1..call.len()).step_by(2) {
        store(call, call.key(place), call.arg(place + 1), Expiry::Never);
    }
}
