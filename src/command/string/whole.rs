//! Reading and replacing a whole string: GET, SET and the commands that were there before SET had options.

use super::store;
use crate::command::{Call, Command, Deprecated, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::Expiry;
use crate::keyspace::effects::Event;
use crate::protocol::number;

/// The rows of these commands.
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
        syntax: "key value [condition: NX | XX | IFEQ comparison-value] [GET] [expiration: EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                 PXAT unix-time-milliseconds | KEEPTTL]",
        ..Command::DEFAULT
    },
    Command {
        name: "setnx",
        run: setnx,
        arity: 3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::OW.union(KeyFlags::INSERT))],
        group: Group::String,
        summary: "Sets the string value of a key that does not exist.",
        syntax: "key value",
        deprecated: Some(Deprecated {
            since: "2.6.12",
            instead: "`SET` with the `NX` argument",
        }),
        ..Command::DEFAULT
    },
    Command {
        name: "setex",
        run: setex,
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::at(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
        group: Group::String,
        since: "2.0.0",
        summary: "Sets the string value of a key and how many seconds it lives.",
        syntax: "key seconds value",
        deprecated: Some(Deprecated {
            since: "2.6.12",
            instead: "`SET` with the `EX` argument",
        }),
        ..Command::DEFAULT
    },
    Command {
        name: "psetex",
        run: psetex,
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::at(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
        group: Group::String,
        since: "2.6.0",
        summary: "Sets the string value of a key and how many milliseconds it lives.",
        syntax: "key milliseconds value",
        deprecated: Some(Deprecated {
            since: "2.6.12",
            instead: "`SET` with the `PX` argument",
        }),
        ..Command::DEFAULT
    },
    Command {
        name: "getset",
        run: getset,
        arity: 3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        group: Group::String,
        summary: "Sets the string value of a key and answers the old one.",
        syntax: "key value",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            instead: "`SET` with the `!GET` argument",
        }),
        ..Command::DEFAULT
    },
    Command {
        name: "getdel",
        run: getdel,
        arity: 2,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        )],
        group: Group::String,
        since: "6.2.0",
        summary: "Answers the string value of a key and removes the key.",
        syntax: "key",
        ..Command::DEFAULT
    },
    Command {
        name: "getex",
        run: getex,
        arity: -2,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        group: Group::String,
        since: "6.2.0",
        summary: "Answers the string value of a key and sets how long the key lives.",
        syntax: "key [expiration: EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
        ..Command::DEFAULT
    },
];

/// How an argument tells when a key's life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// `EX`: in so many seconds.
    Seconds,
    /// `PX`: in so many milliseconds.
    Millis,
    /// `EXAT`: at so many seconds since the epoch.
    UnixSeconds,
    /// `PXAT`: at so many milliseconds since the epoch.
    UnixMillis,
}

impl Clock {
    fn of(word: &[u8]) -> Option<Clock> {
        let clocks = [
            ("EX", Clock::Seconds),
            ("PX", Clock::Millis),
            ("EXAT", Clock::UnixSeconds),
            ("PXAT", Clock::UnixMillis),
        ];
        clocks
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, clock)| clock)
    }

    /// The end of life in milliseconds since the epoch, which must be a positive 64-bit integer.
    fn deadline(self, call: &Call<'_>, amount: &[u8]) -> Result<u64, Error> {
        let amount = number::parse_i64(amount).ok_or(Error::NotInteger)?;
        let millis = match self {
            Clock::Seconds | Clock::UnixSeconds => amount.checked_mul(1000),
            Clock::Millis | Clock::UnixMillis => Some(amount),
        };
        let base = match self {
            Clock::Seconds | Clock::Millis => call.time.cast_signed(),
            Clock::UnixSeconds | Clock::UnixMillis => 0,
        };
        millis
            .filter(|&millis| millis > 0)
            .and_then(|millis| base.checked_add(millis))
            .map(i64::cast_unsigned)
            .ok_or(Error::ExpireTime(call.command.row.name))
    }
}

/// What the options say about a key's life. The same option may come twice; two that differ contradict each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lifetime<'a> {
    #[default]
    Unsaid,
    /// By the one word that the command has for it: `KEEPTTL` or `PERSIST`.
    Word,
    /// It ends when the clock says so.
    Ends(Clock, &'a [u8]),
}

impl<'a> Lifetime<'a> {
    /// Takes in the option at `place` and tells how many arguments it has; `None` if it is no such option or contradicts
    /// an earlier one.
    fn take(&mut self, call: &Call<'a>, place: usize, word: &str) -> Option<usize> {
        let (said, length) = if call.is(place, word) {
            (Lifetime::Word, 1)
        } else {
            let clock = Clock::of(call.arg(place)).filter(|_| place + 1 < call.len())?;
            (Lifetime::Ends(clock, call.arg(place + 1)), 2)
        };
        let agrees = match (*self, said) {
            (Lifetime::Unsaid, _) | (Lifetime::Word, Lifetime::Word) => true,
            (Lifetime::Ends(before, _), Lifetime::Ends(clock, _)) => before == clock,
            _ => false,
        };
        *self = said;
        agrees.then_some(length)
    }
}

/// On what a SET depends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Condition<'a> {
    #[default]
    Always,
    /// `NX`
    Absent,
    /// `XX`
    Present,
    /// `IFEQ`: there is a string, and it is this one.
    Equal(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// As [`Lifetime::take`].
    fn take(&mut self, call: &Call<'a>, place: usize) -> Option<usize> {
        let (said, length) = if call.is(place, "NX") {
            (Condition::Absent, 1)
        } else if call.is(place, "XX") {
            (Condition::Present, 1)
        } else if call.is(place, "IFEQ") && place + 1 < call.len() && *self == Condition::Always {
            (Condition::Equal(call.arg(place + 1)), 2)
        } else {
            return None;
        };
        let agrees = *self == Condition::Always || *self == said;
        *self = said;
        agrees.then_some(length)
    }
}

fn get(call: &mut Call<'_>) -> Outcome {
    match call.db.read(call.key(1)) {
        Some(entry) => entry.string()?.answer(&mut call.reply),
        None => call.reply.null(),
    }
    Ok(())
}

fn set(call: &mut Call<'_>) -> Outcome {
    let mut condition = Condition::Always;
    let mut lifetime = Lifetime::Unsaid;
    let mut answers_old = false;
    let mut place = 3;
    while place < call.len() {
        place += if call.is(place, "GET") {
            answers_old = true;
            1
        } else {
            condition
                .take(call, place)
                .or_else(|| lifetime.take(call, place, "KEEPTTL"))
                .ok_or(Error::Syntax)?
        };
    }
    let expiry = match lifetime {
        Lifetime::Unsaid => Expiry::Never,
        Lifetime::Word => Expiry::Keep,
        Lifetime::Ends(clock, amount) => Expiry::At(clock.deadline(call, amount)?),
    };
    let key = call.key(1);
    if answers_old {
        get(call)?;
    }
    let met = match condition {
        Condition::Always => true,
        Condition::Absent => call.db.write(key).is_none(),
        Condition::Present => call.db.peek(key).is_some(),
        Condition::Equal(value) => match call.db.peek(key) {
            None => false,
            Some(entry) => entry.string()?.equals(value),
        },
    };
    if met {
        let value = call.arg(2);
        store(call, key, value, expiry);
        // The condition is met, and nobody waits for the old value.
        let scribe = call.db.scribe();
        match expiry {
            Expiry::Never if call.len() > 3 => scribe.instead(&[b"SET", key.bytes, value]),
            Expiry::Keep => scribe.instead(&[b"SET", key.bytes, value, b"KEEPTTL"]),
            Expiry::Never | Expiry::At(_) => {}
        }
    }
    match (answers_old, met) {
        (true, _) => {}
        (false, true) => call.reply.ok(),
        (false, false) => call.reply.null(),
    }
    Ok(())
}

fn setnx(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let absent = call.db.write(key).is_none();
    if absent {
        store(call, key, call.arg(2), Expiry::Never);
    }
    call.reply.int(absent.into());
    Ok(())
}

fn setex(call: &mut Call<'_>) -> Outcome {
    set_until(call, Clock::Seconds)
}

fn psetex(call: &mut Call<'_>) -> Outcome {
    set_until(call, Clock::Millis)
}

fn set_until(call: &mut Call<'_>, clock: Clock) -> Outcome {
    let deadline = clock.deadline(call, call.arg(2))?;
    store(call, call.key(1), call.arg(3), Expiry::At(deadline));
    call.reply.ok();
    Ok(())
}

fn getset(call: &mut Call<'_>) -> Outcome {
    get(call)?;
    let (key, value) = (call.key(1), call.arg(2));
    store(call, key, value, Expiry::Never);
    call.db.scribe().instead(&[b"SET", key.bytes, value]);
    Ok(())
}

fn getdel(call: &mut Call<'_>) -> Outcome {
    get(call)?;
    let key = call.key(1);
    if call.db.delete(key) {
        call.db.changed(key, Event::DEL);
        call.db.scribe().removes(key.bytes);
    }
    Ok(())
}

fn getex(call: &mut Call<'_>) -> Outcome {
    let mut lifetime = Lifetime::Unsaid;
    let mut place = 2;
    while place < call.len() {
        place += lifetime.take(call, place, "PERSIST").ok_or(Error::Syntax)?;
    }
    let key = call.key(1);
    // A key that is missing or no string is reported rather than an amount that is none.
    get(call)?;
    let Some(entry) = call.db.peek(key) else {
        return Ok(());
    };
    let lives_on = entry.deadline().is_some();
    match lifetime {
        Lifetime::Ends(clock, amount) => {
            let deadline = clock.deadline(call, amount)?;
            if deadline > call.db.now() {
                call.db.set_deadline(key, Some(deadline));
                call.db.changed(key, Event::EXPIRE);
                call.db.scribe().sets_deadline(key.bytes, deadline);
            } else {
                call.db.delete(key);
                call.db.changed(key, Event::DEL);
                call.db.scribe().removes(key.bytes);
            }
        }
        Lifetime::Word if lives_on => {
            call.db.set_deadline(key, None);
            call.db.changed(key, Event::PERSIST);
            call.db.scribe().instead(&[b"PERSIST", key.bytes]);
        }
        Lifetime::Word | Lifetime::Unsaid => {}
    }
    Ok(())
}
