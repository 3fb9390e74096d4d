//! Fields that die before their hash does: HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT set when, HPERSIST takes it back, and
//! HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME tell.
//!
//! All of them answer an array with a number for each field.

use crate::command::expire::{Condition, Origin, Unit};
use crate::command::{Call, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::keyspace::expire::Changes;
use crate::types::Collection;
use crate::types::hash::Hash;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hexpire",
        run: |call| expire(call, Unit::Seconds, Origin::Now),
        summary: "Lets fields of a hash die after so many seconds.",
        syntax: "key seconds [condition: NX | XX | GT | LT] FIELDS (fields: numfields field [field ...])",
        ..SET
    },
    Command {
        name: "hexpireat",
        run: |call| expire(call, Unit::Seconds, Origin::Epoch),
        summary: "Lets fields of a hash die at a moment given in seconds since the epoch.",
        syntax: "key unix-time-seconds [condition: NX | XX | GT | LT] FIELDS (fields: numfields field [field ...])",
        ..SET
    },
    Command {
        name: "hexpiretime",
        run: |call| tell(call, Unit::Seconds, Origin::Epoch),
        summary: "Answers when fields of a hash will die, in seconds since the epoch.",
        ..TOLD
    },
    Command {
        name: "hpersist",
        run: hpersist,
        arity: TOLD.arity,
        summary: "Lets fields live as long as their hash.",
        syntax: TOLD.syntax,
        ..SET
    },
    Command {
        name: "hpexpire",
        run: |call| expire(call, Unit::Milliseconds, Origin::Now),
        summary: "Lets fields of a hash die after so many milliseconds.",
        syntax: "key milliseconds [condition: NX | XX | GT | LT] FIELDS (fields: numfields field [field ...])",
        ..SET
    },
    Command {
        name: "hpexpireat",
        run: |call| expire(call, Unit::Milliseconds, Origin::Epoch),
        summary: "Lets fields of a hash die at a moment given in milliseconds since the epoch.",
        syntax: "key unix-time-milliseconds [condition: NX | XX | GT | LT] FIELDS (fields: numfields field [field ...])",
        ..SET
    },
    Command {
        name: "hpexpiretime",
        run: |call| tell(call, Unit::Milliseconds, Origin::Epoch),
        summary: "Answers when fields of a hash will die, in milliseconds since the epoch.",
        ..TOLD
    },
    Command {
        name: "hpttl",
        run: |call| tell(call, Unit::Milliseconds, Origin::Now),
        summary: "Answers how many milliseconds fields of a hash have left.",
        tips: &["nondeterministic_output"],
        ..TOLD
    },
    Command {
        name: "httl",
        run: |call| tell(call, Unit::Seconds, Origin::Now),
        summary: "Answers how many seconds fields of a hash have left.",
        tips: &["nondeterministic_output"],
        ..TOLD
    },
];

const TOLD: Command = Command {
    arity: -5,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Hash,
    since: "7.4.0",
    complexity: "O(N) in the number of fields named",
    syntax: "key FIELDS (fields: numfields field [field ...])",
    ..Command::DEFAULT
};

const SET: Command = Command {
    arity: -6,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    ..TOLD
};

/// There is no such field.
const NO_FIELD: i64 = -2;
/// The field has no deadline.
const NO_DEADLINE: i64 = -1;
/// The condition forbids it.
const REFUSED: i64 = 0;
/// It is done.
const DONE: i64 = 1;
/// The field is gone, as the moment has passed.
const ENDED: i64 = 2;

/// What is said of a number of fields that is none.
pub(super) const NO_COUNT: &str = "ERR Number of fields must be a positive integer";

/// The latest moment: 46 bits of milliseconds since the epoch.
const LATEST: i64 = (1 << 46) - 1;

/// Refuses a key that holds no hash, before anything is said about the other arguments.
pub(super) fn check_type(call: &mut Call<'_>) -> Result<(), Error> {
    if let Some(entry) = call.db.peek(call.key(1)) {
        entry.value().collection::<Hash>()?;
    }
    Ok(())
}

/// Reads `FIELDS numfields` at an argument, of which the row's arity says that it is there; answers where the names begin, which are the rest of the arguments.
pub(super) fn names(call: &Call<'_>, place: usize, no_count: &'static str) -> Result<usize, Error> {
    if !call.is(place, "FIELDS") {
        return Err(Error::text(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    if place + 1 == call.len() {
        return Err(Error::Arity(call.command.full_name.clone()));
    }
    let count = call.int(place + 1).ok().filter(|&count| count > 0);
    let count = count.ok_or(Error::text(no_count))?;
    let first = place + 2;
    if usize::try_from(count) != Ok(call.len() - first) {
        return Err(Error::text(
            "ERR The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(first)
}

/// Reads a moment, in milliseconds since the epoch.
pub(super) fn moment(
    call: &Call<'_>,
    place: usize,
    unit: Unit,
    origin: Origin,
) -> Result<u64, Error> {
    let time = call.int(place)?;
    if time < 0 {
        return Err(Error::text("ERR invalid expire time, must be >= 0"));
    }
    let begin = match origin {
        Origin::Now => call.time.cast_signed(),
        Origin::Epoch => 0,
    };
    let time = match unit {
        Unit::Seconds => time.saturating_mul(1000),
        Unit::Milliseconds => time,
    };
    time.checked_add(begin)
        .filter(|&moment| moment <= LATEST)
        .map(i64::cast_unsigned)
        .ok_or(Error::ExpireTime(call.command.row.name))
}

fn expire(call: &mut Call<'_>, unit: Unit, origin: Origin) -> Outcome {
    check_type(call)?;
    let deadline = moment(call, 2, unit, origin)?;
    let mut condition = Condition::default();
    let place = 3 + usize::from(condition.add(call, 3));
    let no_count = "ERR Parameter `numFields` should be greater than 0";
    let first = names(call, place, no_count)?;
    let (key, scribe) = (call.arg(1), call.db.scribe());
    let changes = change(call, first, Event::HEXPIRE, |hash, name, now, changes| {
        let (slot, expired) = hash.live_slot(name, now);
        if expired {
            changes.expired += 1;
            scribe.field_went(key, name);
        }
        let Some(field) = hash.at(slot) else {
            return NO_FIELD;
        };
        let current = field.deadline.map(u64::cast_signed);
        if !condition.allows(current, deadline.cast_signed()) {
            return REFUSED;
        }
        if deadline <= now {
            hash.remove(name);
            changes.ended += 1;
            scribe.instead(&[b"HDEL", key, name]);
            return ENDED;
        }
        hash.set_deadline(slot, Some(deadline));
        changes.changed += 1;
        DONE
    })?;
    if changes.changed > 0
        && let Some(mut words) = scribe.instead_of(call.len())
    {
        words.word(b"HPEXPIREAT");
        words.word(key);
        words.number(deadline);
        words.words(call.args_from(3));
    }
    Ok(())
}

fn hpersist(call: &mut Call<'_>) -> Outcome {
    check_type(call)?;
    let first = names(call, 2, NO_COUNT)?;
    let (key, scribe) = (call.arg(1), call.db.scribe());
    change(call, first, Event::HPERSIST, |hash, name, now, changes| {
        let (slot, expired) = hash.live_slot(name, now);
        if expired {
            changes.expired += 1;
            scribe.field_went(key, name);
        }
        match hash.at(slot).map(|field| field.deadline) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(_)) => {
                hash.set_deadline(slot, None);
                changes.changed += 1;
                DONE
            }
        }
    })?;
    Ok(())
}

/// Does something to each field and answers what became of it; the `event` is announced if some changed. Tells what was done.
fn change(
    call: &mut Call<'_>,
    first: usize,
    event: Event,
    each: impl Fn(&mut Hash, &[u8], u64, &mut Changes) -> i64,
) -> Result<Changes, Error> {
    let (key, names, now) = (call.key(1), call.args_from(first), call.db.now());
    let reply = &mut call.reply;
    reply.array(call.request.len() - first);
    let changes = call.db.update(key, |hash: &mut Hash| {
        let mut changes = Changes::default();
        for name in names.clone() {
            reply.int(each(hash, name, now, &mut changes));
        }
        changes.emptied = hash.is_empty();
        changes
    })?;
    match changes {
        Some(changes) => call.db.fields_changed(key, changes, event),
        None => names.for_each(|_| call.reply.int(NO_FIELD)),
    }
    Ok(changes.unwrap_or_default())
}

fn tell(call: &mut Call<'_>, unit: Unit, origin: Origin) -> Outcome {
    let (key, now) = (call.key(1), call.db.now());
    check_type(call)?;
    let first = names(call, 2, NO_COUNT)?;
    let names = call.args_from(first);
    let hash = call.db.collection::<Hash>(key)?;
    call.reply.array(call.request.len() - first);
    for name in names {
        let field = hash.and_then(|hash| hash.find(name));
        let field = field.filter(|field| !field.is_dead(now));
        let time = match field.map(|field| field.deadline) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => {
                let time = match origin {
                    Origin::Now => deadline - now,
                    Origin::Epoch => deadline,
                };
                let rounded = match unit {
                    Unit::Seconds => time.div_ceil(1000),
                    Unit::Milliseconds => time,
                };
                rounded.cast_signed()
            }
        };
        call.reply.int(time);
    }
    Ok(())
}
