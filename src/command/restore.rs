//! RESTORE: a key from the bytes that DUMP made of one, here or on a Redis server.

use super::{Call, Categories, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome, load};
use crate::keyspace::effects::Event;
use crate::keyspace::{Entry, Key};
use crate::persistence::rdb::decode::{self, DecodeError};
use crate::persistence::rdb::format::{FormatError, Input, payload};
use crate::persistence::rdb::record::Attributes;

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "restore",
    run: restore,
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[KeySpec::at(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
    group: Group::Generic,
    categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
    since: "2.6.0",
    summary: "Creates a key from the bytes that DUMP answered.",
    complexity: "O(1) to create the key and O(N*M) to read the value, where N is its number of elements and M their average \
                 size; for sorted sets O(N*M*log(N))",
    syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    ..Command::DEFAULT
}];

/// What may be said behind the payload.
#[derive(Debug, Default)]
struct Arguments {
    replace: bool,
    absolute: bool,
    attributes: Attributes,
}

impl Arguments {
    fn read(call: &Call<'_>) -> Result<Arguments, Error> {
        let mut arguments = Arguments::default();
        let attributes = &mut arguments.attributes;
        let mut place = 4;
        while place < call.len() {
            let has_more = place + 1 < call.len();
            if call.is(place, "REPLACE") {
                arguments.replace = true;
            } else if call.is(place, "ABSTTL") {
                arguments.absolute = true;
            } else if call.is(place, "IDLETIME") && has_more && attributes.frequency.is_none() {
                place += 1;
                let seconds = u64::try_from(call.int(place)?);
                let invalid = |_| Error::text("ERR Invalid IDLETIME value, must be >= 0");
                attributes.idle = Some(seconds.map_err(invalid)?);
            } else if call.is(place, "FREQ") && has_more && attributes.idle.is_none() {
                place += 1;
                let frequency = u8::try_from(call.int(place)?);
                let invalid = |_| Error::text("ERR Invalid FREQ value, must be >= 0 and <= 255");
                attributes.frequency = Some(frequency.map_err(invalid)?);
            } else {
                return Err(Error::Syntax);
            }
            place += 1;
        }
        Ok(arguments)
    }
}

fn restore(call: &mut Call<'_>) -> Outcome {
    let arguments = Arguments::read(call)?;
    let key = call.key(1);
    if !arguments.replace && call.db.peek(key).is_some() {
        return Err(Error::BusyKey);
    }
    let ttl = u64::try_from(call.int(2)?)
        .map_err(|_| Error::text("ERR Invalid TTL value, must be >= 0"))?;
    let deadline = match (ttl, arguments.absolute) {
        (0, _) => None,
        (ttl, true) => Some(ttl),
        (ttl, false) => Some(call.db.now().saturating_add(ttl)),
    };
    let body = payload::body(call.arg(3))
        .ok_or_else(|| Error::text("ERR DUMP payload version or checksum are wrong"))?;
    let mut entry = entry(call, key, body, deadline).map_err(|error| {
        tracing::debug!("RESTORE of '{}': {error}", key.bytes.escape_ascii());
        Error::text("ERR Bad data format")
    })?;
    if deadline.is_some_and(|deadline| deadline <= call.db.now()) {
        if call.db.delete(key) {
            call.db.changed(key, Event::DEL);
            call.db.scribe().instead(&[b"DEL", key.bytes]);
        }
    } else {
        let access = arguments.attributes.access(call.db.moment.access);
        entry.as_mut().set_access(access);
        call.db.put(key, entry);
        call.db.changed(key, Event::RESTORE);
        repeat_with_deadline(call, deadline.filter(|_| !arguments.absolute));
    }
    call.reply.ok();
    Ok(())
}

/// The entry that a payload's type and value make.
fn entry(
    call: &Call<'_>,
    key: Key<'_>,
    body: &[u8],
    deadline: Option<u64>,
) -> Result<Entry, DecodeError> {
    let rules = load::rules(call.instance, call.config, true);
    let mut input = Input::new(body);
    let kind = input.byte()?;
    let entry = decode::value(kind, &mut input, &rules, |value| {
        Entry::new(key.bytes, value, deadline)
    })?;
    match entry {
        Some(entry) if input.remaining() == 0 => Ok(entry),
        // A collection without elements is no value.
        _ => Err(FormatError::Kind(kind).into()),
    }
}

/// Lets the command be repeated with a deadline that does not depend on when that is.
fn repeat_with_deadline(call: &Call<'_>, deadline: Option<u64>) {
    let Some(deadline) = deadline else { return };
    if let Some(mut command) = call.db.scribe().instead_of(call.len() + 1) {
        for (place, word) in call.request.iter().enumerate() {
            if place == 2 {
                command.word(itoa::Buffer::new().format(deadline).as_bytes());
            } else {
                command.word(word);
            }
        }
        command.word(b"ABSTTL");
    }
}
