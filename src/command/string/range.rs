//! Parts of a string: APPEND, STRLEN, GETRANGE (once SUBSTR), SETRANGE.

use std::collections::TryReserveError;

use super::edit;
use crate::command::{Call, Command, Deprecated, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::config::Config;
use crate::keyspace::NewValue;
use crate::keyspace::effects::Event;
use crate::types::string::{self, Decimal};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "append",
        run: append,
        arity: 3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::INSERT))],
        group: Group::String,
        since: "2.0.0",
        summary: "Appends to the string value of a key; a key that does not exist is set.",
        complexity: "O(N) in the length of what is appended, amortised",
        syntax: "key value",
        ..Command::DEFAULT
    },
    Command {
        name: "strlen",
        run: strlen,
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        group: Group::String,
        since: "2.2.0",
        summary: "Answers the length of the string value of a key.",
        syntax: "key",
        ..Command::DEFAULT
    },
    Command {
        name: "getrange",
        since: "2.4.0",
        ..GETRANGE
    },
    Command {
        name: "substr",
        deprecated: Some(Deprecated {
            since: "2.0.0",
            instead: "`GETRANGE`",
        }),
        ..GETRANGE
    },
    Command {
        name: "setrange",
        run: setrange,
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        group: Group::String,
        since: "2.2.0",
        summary: "Overwrites a part of the string value of a key, filling up with zero bytes before it.",
        complexity: "O(N) in the length of the part and of the filling",
        syntax: "key offset value",
        ..Command::DEFAULT
    },
];

/// One command under two names.
const GETRANGE: Command = Command {
    run: getrange,
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::String,
    summary: "Answers a part of the string value of a key.",
    complexity: "O(N) in the length of the part",
    syntax: "key start end",
    ..Command::DEFAULT
};

fn append(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let tail = call.arg(2);
    let length = match call.db.write(key) {
        Some(entry) => {
            let string = entry.into_string()?;
            let length = string.as_ref().len();
            check_size(call.config, length, tail)?;
            let (outcome, grown) = string.edit(|bytes| {
                bytes.try_reserve(tail.len())?;
                bytes.extend_from_slice(tail);
                Ok::<_, TryReserveError>(())
            });
            outcome?;
            if let Some(grown) = grown {
                call.db.replace(key, NewValue::growing(grown));
            }
            length + tail.len()
        }
        None => {
            call.db.insert(key, NewValue::string(tail), None);
            tail.len()
        }
    };
    call.db.changed(key, Event::APPEND);
    call.reply.count(length);
    Ok(())
}

fn strlen(call: &mut Call<'_>) -> Outcome {
    let length = match call.db.read(call.key(1)) {
        Some(entry) => entry.string()?.len(),
        None => 0,
    };
    call.reply.count(length);
    Ok(())
}

fn getrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.int(2)?, call.int(3)?);
    let mut room = Decimal::default();
    let part = match call.db.read(call.key(1)) {
        Some(entry) => string::range(entry.string()?.bytes(&mut room), start, end),
        None => &[],
    };
    call.reply.bulk(part);
    Ok(())
}

fn setrange(call: &mut Call<'_>) -> Outcome {
    let offset =
        usize::try_from(call.int(2)?).map_err(|_| Error::text("ERR offset is out of range"))?;
    let part = call.arg(3);
    let key = call.key(1);
    let length = match call.db.peek(key) {
        Some(entry) => entry.string()?.len(),
        None => 0,
    };
    if part.is_empty() {
        call.reply.count(length);
        return Ok(());
    }
    check_size(call.config, offset, part)?;
    let end = offset + part.len();
    edit(&mut call.db, key, end, |bytes| {
        bytes[offset..end].copy_from_slice(part);
    })?;
    call.db.changed(key, Event::SETRANGE);
    call.reply.count(length.max(end));
    Ok(())
}

/// Refuses a string of `length` bytes and a further `part` when no client could send it whole.
fn check_size(config: &Config, length: usize, part: &[u8]) -> Outcome {
    match length.checked_add(part.len()) {
        Some(total) if total <= config.clients.proto_max_bulk_len => Ok(()),
        _ => Err(Error::text(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        )),
    }
}
