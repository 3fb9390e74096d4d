//! Fields as numbers: HINCRBY in 64-bit integers, HINCRBYFLOAT in decimals.

use super::limits;
use crate::command::{Call, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::protocol::decimal::Extended;
use crate::types::hash::Hash;
use crate::types::string::{Decimal, StringRef};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hincrby",
        run: hincrby,
        since: "2.0.0",
        summary: "Adds to the integer in a field of a hash; a field that does not exist counts from 0.",
        syntax: "key field increment",
        ..COUNTER
    },
    Command {
        name: "hincrbyfloat",
        run: hincrbyfloat,
        since: "2.6.0",
        summary: "Adds to the decimal number in a field of a hash; a field that does not exist counts from 0.",
        syntax: "key field increment<double>",
        ..COUNTER
    },
];

/// What these rows have in common.
const COUNTER: Command = Command {
    arity: 4,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::at(
        1,
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
    )],
    group: Group::Hash,
    ..Command::DEFAULT
};

fn hincrby(call: &mut Call<'_>) -> Outcome {
    let increment = call.int(3)?;
    let (key, field, limits) = (call.key(1), call.arg(2), limits(call.config));
    let add = |hash: &mut Hash| {
        let slot = hash.slot(field);
        let value = match hash.at(slot) {
            Some(value) => value
                .integer()
                .ok_or_else(|| Error::text("ERR hash value is not an integer"))?,
            None => 0,
        };
        let sum = value.checked_add(increment).ok_or(Error::Overflow)?;
        hash.set_at(slot, field, StringRef::Int(sum), limits);
        Ok(sum)
    };
    let sum: Result<i64, Error> = call.db.update_or_insert(key, add)?;
    let sum = sum?;
    call.db.changed(key, Event::HINCRBY);
    call.reply.int(sum);
    Ok(())
}

fn hincrbyfloat(call: &mut Call<'_>) -> Outcome {
    let increment = Extended::parse(call.arg(3)).ok_or(Error::NotFloat)?;
    if increment.is_infinite() {
        return Err(Error::text("ERR value is NaN or Infinity"));
    }
    let (key, field, limits) = (call.key(1), call.arg(2), limits(call.config));
    let add = |hash: &mut Hash| {
        let slot = hash.slot(field);
        let mut room = Decimal::default();
        let value = hash
            .at(slot)
            .map_or(&b"0"[..], |value| value.bytes(&mut room));
        let value =
            Extended::parse(value).ok_or_else(|| Error::text("ERR hash value is not a float"))?;
        let sum = value + increment;
        if sum.is_nan() || sum.is_infinite() {
            return Err(Error::SumNotFinite);
        }
        let mut text = Vec::new();
        sum.write_human(&mut text);
        hash.set_at(slot, field, StringRef::Bytes(&text), limits);
        Ok(text)
    };
    let text: Result<Vec<u8>, Error> = call.db.update_or_insert(key, add)?;
    let text = text?;
    call.db.changed(key, Event::HINCRBYFLOAT);
    call.reply.bulk(&text);
    Ok(())
}
