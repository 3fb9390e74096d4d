//! Strings as numbers: INCR, DECR and their kin in 64-bit integers, INCRBYFLOAT in decimals.

use crate::command::{Call, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::NewValue;
use crate::keyspace::effects::Event;
use crate::protocol::decimal::Extended;
use crate::types::string::{Decimal, StringMut};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "incr",
        run: incr,
        arity: 2,
        summary: "Adds one to the integer that a key holds; a key that does not exist counts from 0.",
        syntax: "key",
        ..COUNTER
    },
    Command {
        name: "decr",
        run: decr,
        arity: 2,
        summary: "Takes one from the integer that a key holds; a key that does not exist counts from 0.",
        syntax: "key",
        ..COUNTER
    },
    Command {
        name: "incrby",
        run: incrby,
        summary: "Adds to the integer that a key holds; a key that does not exist counts from 0.",
        syntax: "key increment",
        ..COUNTER
    },
    Command {
        name: "decrby",
        run: decrby,
        summary: "Takes from the integer that a key holds; a key that does not exist counts from 0.",
        syntax: "key decrement",
        ..COUNTER
    },
    Command {
        name: "incrbyfloat",
        run: incrbyfloat,
        since: "2.6.0",
        summary: "Adds to the decimal number that a key holds; a key that does not exist counts from 0.",
        syntax: "key increment<double>",
        ..COUNTER
    },
];

/// What these rows have in common.
const COUNTER: Command = Command {
    arity: 3,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::at(
        1,
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
    )],
    group: Group::String,
    ..Command::DEFAULT
};

fn incr(call: &mut Call<'_>) -> Outcome {
    add(call, 1)
}

fn decr(call: &mut Call<'_>) -> Outcome {
    add(call, -1)
}

fn incrby(call: &mut Call<'_>) -> Outcome {
    let increment = call.int(2)?;
    add(call, increment)
}

fn decrby(call: &mut Call<'_>) -> Outcome {
    let increment = call
        .int(2)?
        .checked_neg()
        .ok_or_else(|| Error::text("ERR decrement would overflow"))?;
    add(call, increment)
}

fn add(call: &mut Call<'_>, increment: i64) -> Outcome {
    let key = call.key(1);
    let sum = match call
        .db
        .write(key)
        .map(|entry| entry.into_string())
        .transpose()?
    {
        Some(StringMut::Int(n)) => {
            *n = n.checked_add(increment).ok_or(Error::Overflow)?;
            *n
        }
        Some(other) => {
            let n = other.as_ref().integer().ok_or(Error::NotInteger)?;
            let sum = n.checked_add(increment).ok_or(Error::Overflow)?;
            call.db.replace(key, NewValue::Int(sum));
            sum
        }
        None => {
            call.db.insert(key, NewValue::Int(increment), None);
            increment
        }
    };
    call.db.changed(key, Event::INCRBY);
    call.reply.int(sum);
    Ok(())
}

fn incrbyfloat(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let mut room = Decimal::default();
    let value = match call.db.write(key) {
        Some(entry) => Extended::parse(entry.as_ref().string()?.bytes(&mut room)),
        None => Extended::parse(b"0"),
    };
    let increment = Extended::parse(call.arg(2));
    let sum = value
        .zip(increment)
        .map(|(value, increment)| value + increment)
        .ok_or(Error::NotFloat)?;
    if sum.is_nan() || sum.is_infinite() {
        return Err(Error::SumNotFinite);
    }
    let mut text = Vec::new();
    sum.write_human(&mut text);
    // Never as an integer, even when it is one.
    call.db.replace(key, NewValue::Bytes(&text));
    call.db.changed(key, Event::INCRBYFLOAT);
    // Not every reader of the log adds up decimals in the same way.
    let scribe = call.db.scribe();
    scribe.instead(&[b"SET", key.bytes, &text, b"KEEPTTL"]);
    call.reply.bulk(&text);
    Ok(())
}
