//! Fields as numbers: HINCRBY in 64-bit integers, HINCRBYFLOAT in decimals. A field keeps its deadline.

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
    let add = |value: Option<StringRef<'_>>| {
        let value = match value {
            Some(value) => value
                .integer()
                .ok_or_else(|| Error::text("ERR hash value is not an integer"))?,
            None => 0,
        };
        value.checked_add(increment).ok_or(Error::Overflow)
    };
    let (sum, _) = change(call, Event::HINCRBY, add, |&sum| StringRef::Int(sum))?;
    call.reply.int(sum);
    Ok(())
}

fn hincrbyfloat(call: &mut Call<'_>) -> Outcome {
    let increment = Extended::parse(call.arg(3)).ok_or(Error::NotFloat)?;
    if increment.is_infinite() {
        return Err(Error::text("ERR value is NaN or Infinity"));
    }
    let add = |value: Option<StringRef<'_>>| {
        let mut room = Decimal::default();
        let value = value.map_or(&b"0"[..], |value| value.bytes(&mut room));
        let value =
            Extended::parse(value).ok_or_else(|| Error::text("ERR hash value is not a float"))?;
        let sum = value + increment;
        if sum.is_nan() || sum.is_infinite() {
            return Err(Error::SumNotFinite);
        }
        let mut text = Vec::new();
        sum.write_human(&mut text);
        Ok(text)
    };
    let (text, deadline) = change(call, Event::HINCRBYFLOAT, add, |text| {
        StringRef::Bytes(text)
    })?;
    // Not every reader of the log adds up decimals in the same way.
    let (key, name, scribe) = (call.arg(1), call.arg(2), call.db.scribe());
    match deadline {
        None => scribe.instead(&[b"HSET", key, name, &text]),
        Some(_) => scribe.instead(&[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", name, &text]),
    }
    call.reply.bulk(&text);
    Ok(())
}

/// Puts what `add` makes of the value of the field that is the second argument in its place, as `value` gives it. Answers the field's
/// deadline, too.
fn change<S>(
    call: &mut Call<'_>,
    event: Event,
    add: impl FnOnce(Option<StringRef<'_>>) -> Result<S, Error>,
    value: impl FnOnce(&S) -> StringRef<'_>,
) -> Result<(S, Option<u64>), Error> {
    let (key, name, now) = (call.key(1), call.arg(2), call.db.now());
    let (limits, scribe) = (limits(call.config), call.db.scribe());
    let (sum, deadline, expired) = call.db.update_or_insert(key, |hash: &mut Hash| {
        let (slot, expired) = hash.live_slot(name, now);
        if expired {
            scribe.field_went(key.bytes, name);
        }
        let field = hash.at(slot);
        let deadline = field.and_then(|field| field.deadline);
        let sum = add(field.map(|field| field.value));
        if let Ok(sum) = &sum {
            hash.set_at(slot, name, value(sum), deadline, limits);
        }
        (sum, deadline, expired)
    })?;
    call.db.fields_expired(key, expired.into(), false);
    if sum.is_ok() {
        call.db.changed(key, event);
    }
    sum.map(|sum| (sum, deadline))
}
