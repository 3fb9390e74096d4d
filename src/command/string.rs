//! String commands.

use super::{Call, Command, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::keyspace::{Expiry, NewValue};
use crate::protocol::Reply;
use crate::types::string::{self, StringRef};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        run: get,
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: Group::String,
        summary: "Answers the string value of a key.",
        syntax: "key",
        ..Command::DEFAULT
    },
    Command {
        name: "set",
        run: set,
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW
                .union(KeyFlags::ACCESS)
                .union(KeyFlags::UPDATE)
                .union(KeyFlags::VARIABLE_FLAGS),
        )],
        group: Group::String,
        summary: "Sets the string value of a key, whatever its type was.",
        syntax: "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        ..Command::DEFAULT
    },
];

fn get(call: &mut Call<'_>) -> Outcome {
    match call.db.read(call.key(1)) {
        Some(entry) => answer(&mut call.reply, entry.string()?),
        None => call.reply.null(),
    }
    Ok(())
}

/// Answers a string value as a bulk string.
pub(super) fn answer(reply: &mut Reply<'_>, value: StringRef<'_>) {
    match value {
        StringRef::Int(n) => reply.bulk_int(n),
        StringRef::Bytes(bytes) => reply.bulk(bytes),
    }
}

fn set(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let value = call.arg(2);
    let value = string::as_integer(value).map_or(NewValue::Bytes(value), NewValue::Int);
    call.db.set(key, value, Expiry::Never);
    call.db.changed(key, Event::SET);
    call.reply.ok();
    Ok(())
}
