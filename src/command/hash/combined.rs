//! Two things at once: HGETDEL answers fields and removes them, HGETEX answers them and sets when they die, HSETEX does so
//! with fields that it sets.

use super::deadline::{NO_COUNT, check_type, moment, names};
use super::limits;
use crate::command::expire::{Origin, Unit};
use crate::command::{Call, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::keyspace::expire::Changes;
use crate::types::Collection;
use crate::types::hash::Hash;
use crate::types::string::StringRef;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hgetdel",
        run: hgetdel,
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        )],
        summary: "Answers the values of fields of a hash and removes them, and the hash with the last one.",
        syntax: "key FIELDS (fields: numfields field [field ...])",
        ..COMBINED
    },
    Command {
        name: "hgetex",
        run: hgetex,
        summary: "Answers the values of fields of a hash, and may set when they die.",
        syntax: "key [expiration: EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] \
                 FIELDS (fields: numfields field [field ...])",
        ..COMBINED
    },
    Command {
        name: "hsetex",
        run: hsetex,
        arity: -6,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        summary: "Sets the values of fields of a hash, and may set when they die.",
        syntax: "key [condition: FNX | FXX] [expiration: EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                 PXAT unix-time-milliseconds | KEEPTTL] FIELDS (fields: numfields (data: field value) ...)",
        ..COMBINED
    },
];

/// What these rows have in common.
const COMBINED: Command = Command {
    arity: -5,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::at(
        1,
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
    )],
    group: Group::Hash,
    since: "8.0.0",
    complexity: "O(N) in the number of fields named",
    ..Command::DEFAULT
};

/// What is to become of the deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    /// Nothing is said about them.
    Unsaid,
    /// They stay, or there are none.
    Keep,
    /// There are none.
    Never,
    /// In milliseconds since the epoch.
    At(u64),
}

/// The unit and origin of the time behind an option.
fn timed(call: &Call<'_>, place: usize) -> Option<(Unit, Origin)> {
    let known = [
        ("EX", Unit::Seconds, Origin::Now),
        ("PX", Unit::Milliseconds, Origin::Now),
        ("EXAT", Unit::Seconds, Origin::Epoch),
        ("PXAT", Unit::Milliseconds, Origin::Epoch),
    ];
    let found = known.into_iter().find(|(word, ..)| call.is(place, word));
    found.map(|(_, unit, origin)| (unit, origin))
}

fn hgetdel(call: &mut Call<'_>) -> Outcome {
    check_type(call)?;
    let first = names(call, 2, NO_COUNT)?;
    let changes = answer(call, first, Event::HDEL, |hash, name, _, changes| {
        hash.remove(name);
        changes.changed += 1;
    })?;
    if changes.changed > 0 {
        repeat_removal(call, call.args_from(first));
    }
    Ok(())
}

/// Lets the removal of these fields be repeated.
fn repeat_removal<'n>(call: &Call<'_>, names: impl Iterator<Item = &'n [u8]> + Clone) {
    if let Some(mut words) = call.db.scribe().instead_of(2 + names.clone().count()) {
        words.word(b"HDEL");
        words.word(call.arg(1));
        words.words(names);
    }
}

fn hgetex(call: &mut Call<'_>) -> Outcome {
    check_type(call)?;
    let (expiry, place) = match timed(call, 2) {
        Some((unit, origin)) => (Expiry::At(moment(call, 3, unit, origin)?), 4),
        None if call.is(2, "PERSIST") => (Expiry::Never, 3),
        None => (Expiry::Unsaid, 2),
    };
    let first = names(call, place, NO_COUNT)?;
    let options = place;
    let event = match expiry {
        Expiry::Never => Event::HPERSIST,
        _ => Event::HEXPIRE,
    };
    let changes = answer(call, first, event, |hash, name, now, changes| {
        let slot = hash.slot(name);
        let had_deadline = hash.at(slot).is_some_and(|field| field.deadline.is_some());
        match expiry {
            Expiry::At(deadline) if deadline <= now => {
                hash.remove(name);
                changes.ended += 1;
            }
            Expiry::At(deadline) => {
                hash.set_deadline(slot, Some(deadline));
                changes.changed += 1;
            }
            Expiry::Never if had_deadline => {
                hash.set_deadline(slot, None);
                changes.changed += 1;
            }
            Expiry::Never | Expiry::Unsaid | Expiry::Keep => {}
        }
    })?;
    let rest = call.args_from(options);
    match expiry {
        _ if changes.ended > 0 => repeat_removal(call, call.args_from(first)),
        Expiry::At(deadline) if changes.changed > 0 => {
            let words = 3 + call.len() - options;
            if let Some(mut words) = call.db.scribe().instead_of(words) {
                words.word(b"HPEXPIREAT");
                words.word(call.arg(1));
                words.number(deadline);
                words.words(rest);
            }
        }
        _ if changes.changed > 0 => {
            let words = 2 + call.len() - options;
            if let Some(mut words) = call.db.scribe().instead_of(words) {
                words.word(b"HPERSIST");
                words.word(call.arg(1));
                words.words(rest);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Answers the value of each field that is alive, and then does something to it; the `event` is announced if some changed. Tells
/// what was done.
fn answer(
    call: &mut Call<'_>,
    first: usize,
    event: Event,
    then: impl Fn(&mut Hash, &[u8], u64, &mut Changes),
) -> Result<Changes, Error> {
    let (key, names, now) = (call.key(1), call.args_from(first), call.db.now());
    let scribe = call.db.scribe();
    let reply = &mut call.reply;
    reply.array(call.request.len() - first);
    let changes = call.db.update(key, |hash: &mut Hash| {
        let mut changes = Changes::default();
        for name in names.clone() {
            let (slot, expired) = hash.live_slot(name, now);
            if expired {
                changes.expired += 1;
                scribe.field_went(key.bytes, name);
            }
            match hash.at(slot) {
                Some(field) => {
                    field.value.answer(reply);
                    then(hash, name, now, &mut changes);
                }
                None => reply.null(),
            }
        }
        changes.emptied = hash.is_empty();
        changes
    })?;
    match changes {
        Some(changes) => call.db.fields_changed(key, changes, event),
        None => names.for_each(|_| call.reply.null()),
    }
    Ok(changes.unwrap_or_default())
}

/// What stands before the fields of HSETEX, and where they begin.
struct Options {
    expiry: Expiry,
    /// Whether all fields, or none of them, must be there.
    all_there: Option<bool>,
    first: usize,
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Options, Error> {
        let mut options = Options {
            expiry: Expiry::Unsaid,
            all_there: None,
            first: 0,
        };
        let mut place = 2;
        while place < call.len() {
            let word = place;
            place += 1;
            if call.is(word, "FIELDS") {
                options.first = pairs(call, place)?;
                return Ok(options);
            } else if let Some((unit, origin)) = timed(call, word) {
                options.require_no_expiry()?;
                if place == call.len() {
                    return Err(Error::text("ERR missing expire time"));
                }
                options.expiry = Expiry::At(moment(call, place, unit, origin)?);
                place += 1;
            } else if call.is(word, "KEEPTTL") {
                options.require_no_expiry()?;
                options.expiry = Expiry::Keep;
            } else if call.is(word, "FXX") || call.is(word, "FNX") {
                if options.all_there.is_some() {
                    return Err(Error::text(
                        "ERR Only one of FXX or FNX arguments can be specified",
                    ));
                }
                options.all_there = Some(call.is(word, "FXX"));
            } else {
                let word = call.arg(word);
                return Err(Error::quoting("ERR unknown argument: ", word, ""));
            }
        }
        Err(Error::Arity(call.command.full_name.clone()))
    }

    fn require_no_expiry(&self) -> Result<(), Error> {
        match self.expiry {
            Expiry::Unsaid => Ok(()),
            _ => Err(Error::text(
                "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
            )),
        }
    }
}

/// Reads the number of fields at an argument; answers where they begin, each with its value.
fn pairs(call: &Call<'_>, place: usize) -> Result<usize, Error> {
    let arity = || Error::Arity(call.command.full_name.clone());
    let first = place + 1;
    if first + 2 > call.len() {
        return Err(arity());
    }
    let count = call.int(place).ok();
    let count = count.filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.ok_or(Error::text("ERR invalid number of fields"))?;
    if usize::try_from(2 * count) != Ok(call.len() - first) {
        return Err(arity());
    }
    Ok(first)
}

fn hsetex(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call)?;
    let (key, request, now) = (call.key(1), call.request, call.db.now());
    let (limits, scribe) = (limits(call.config), call.db.scribe());
    let pairs = (options.first..request.len()).step_by(2);
    let (set, changes) = call.db.update_or_insert(key, |hash: &mut Hash| {
        let (mut changes, mut expired) = (Changes::default(), 0);
        let mut live_slot = |hash: &mut Hash, name: &[u8]| {
            let (slot, was_dead) = hash.live_slot(name, now);
            if was_dead {
                expired += 1;
                scribe.field_went(key.bytes, name);
            }
            slot
        };
        let allowed = options.all_there.is_none_or(|wanted| {
            let mut names = pairs.clone().map(|place| request.arg(place));
            names.all(|name| {
                let slot = live_slot(hash, name);
                hash.at(slot).is_some() == wanted
            })
        });
        if allowed {
            hash.expect(pairs.len(), limits);
            for place in pairs.clone() {
                let (name, value) = (request.arg(place), request.arg(place + 1));
                let slot = live_slot(hash, name);
                let deadline = match options.expiry {
                    Expiry::At(deadline) => Some(deadline),
                    Expiry::Keep => hash.at(slot).and_then(|field| field.deadline),
                    Expiry::Never | Expiry::Unsaid => None,
                };
                if deadline.is_some_and(|deadline| deadline <= now) {
                    hash.remove(name);
                    changes.ended += 1;
                } else {
                    hash.set_at(slot, name, StringRef::Bytes(value), deadline, limits);
                    let timed = matches!(options.expiry, Expiry::At(_));
                    changes.changed += usize::from(timed);
                }
            }
        }
        changes.expired = expired;
        changes.emptied = hash.is_empty();
        (allowed, changes)
    })?;
    call.db.fields_expired(key, changes.expired, false);
    if set {
        call.db.changed_by(key, Event::HSET, pairs.len());
    }
    let changes = Changes {
        expired: 0,
        // A hash that was never there is not gone.
        emptied: changes.emptied && (set || changes.expired > 0),
        ..changes
    };
    call.db.fields_changed(key, changes, Event::HEXPIRE);
    match options.expiry {
        _ if changes.ended > 0 => {
            repeat_removal(call, pairs.map(|place| request.arg(place)));
        }
        Expiry::At(deadline) if set => {
            let fields = options.first - 2;
            if let Some(mut words) = scribe.instead_of(4 + call.len() - fields) {
                words.word(b"HSETEX");
                words.word(key.bytes);
                words.word(b"PXAT");
                words.number(deadline);
                words.words(call.args_from(fields));
            }
        }
        _ => {}
    }
    call.reply.int(set.into());
    Ok(())
}
