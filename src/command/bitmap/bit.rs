//! One bit: GETBIT, SETBIT.

use super::{ROW, offset};
use crate::command::string::edit;
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::types::bits;
use crate::types::string::Decimal;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "getbit",
        run: getbit,
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "2.2.0",
        summary: "Answers one bit of the string value of a key; bits behind its end are 0.",
        syntax: "key offset",
        ..ROW
    },
    Command {
        name: "setbit",
        run: setbit,
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        since: "2.2.0",
        summary: "Sets or clears one bit of the string value of a key, filling up with zero bytes before it.",
        syntax: "key offset value<integer>",
        ..ROW
    },
];

fn getbit(call: &mut Call<'_>) -> Outcome {
    let offset = offset(call, call.arg(2), 1)?;
    let bit = match call.db.read(call.key(1)) {
        Some(entry) => bits::get(entry.string()?.bytes(&mut Decimal::default()), offset),
        None => false,
    };
    call.reply.int(bit.into());
    Ok(())
}

fn setbit(call: &mut Call<'_>) -> Outcome {
    let offset = offset(call, call.arg(2), 1)?;
    let bit = match call.arg(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(Error::text("ERR bit is not an integer or out of range")),
    };
    let key = call.key(1);
    let edited = edit(&mut call.db, key, bits::byte_of(offset) + 1, |bytes| {
        bits::set(bytes, offset, bit)
    })?;
    if edited.grew || edited.answer != bit {
        call.db.changed(key, Event::SETBIT);
    }
    call.reply.int(edited.answer.into());
    Ok(())
}
