//! Deadlines: EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT set them, PERSIST clears them, and TTL, PTTL, EXPIRETIME, PEXPIRETIME
//! tell them.

use super::{Call, Categories, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;

const TOLD: Command = Command {
    arity: 2,
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Generic,
    categories: Categories::KEYSPACE,
    syntax: "key",
    ..Command::DEFAULT
};

const SET: Command = Command {
    arity: -3,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    ..TOLD
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "expire",
        run: |call| set(call, Unit::Seconds, Origin::Now),
        summary: "Lets a key die after so many seconds.",
        syntax: "key seconds [condition: NX | XX | GT | LT]",
        ..SET
    },
    Command {
        name: "expireat",
        run: |call| set(call, Unit::Seconds, Origin::Epoch),
        since: "1.2.0",
        summary: "Lets a key die at a moment given in seconds since the epoch.",
        syntax: "key unix-time-seconds [condition: NX | XX | GT | LT]",
        ..SET
    },
    Command {
        name: "expiretime",
        run: |call| tell(call, Unit::Seconds, Origin::Epoch),
        since: "7.0.0",
        summary: "Answers when a key will die, in seconds since the epoch.",
        ..TOLD
    },
    Command {
        name: "persist",
        run: persist,
        arity: 2,
        since: "2.2.0",
        summary: "Lets a key live until it is removed.",
        syntax: "key",
        ..SET
    },
    Command {
        name: "pexpire",
        run: |call| set(call, Unit::Milliseconds, Origin::Now),
        since: "2.6.0",
        summary: "Lets a key die after so many milliseconds.",
        syntax: "key milliseconds [condition: NX | XX | GT | LT]",
        ..SET
    },
    Command {
        name: "pexpireat",
        run: |call| set(call, Unit::Milliseconds, Origin::Epoch),
        since: "2.6.0",
        summary: "Lets a key die at a moment given in milliseconds since the epoch.",
        syntax: "key unix-time-milliseconds [condition: NX | XX | GT | LT]",
        ..SET
    },
    Command {
        name: "pexpiretime",
        run: |call| tell(call, Unit::Milliseconds, Origin::Epoch),
        since: "7.0.0",
        summary: "Answers when a key will die, in milliseconds since the epoch.",
        ..TOLD
    },
    Command {
        name: "pttl",
        run: |call| tell(call, Unit::Milliseconds, Origin::Now),
        since: "2.6.0",
        summary: "Answers how many milliseconds a key has left.",
        tips: &["nondeterministic_output"],
        ..TOLD
    },
    Command {
        name: "ttl",
        run: |call| tell(call, Unit::Seconds, Origin::Now),
        summary: "Answers how many seconds a key has left.",
        tips: &["nondeterministic_output"],
        ..TOLD
    },
];

/// What a time is given or told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

/// What a time counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Now,
    Epoch,
}

/// Which deadlines a new one may take the place of. A key without one counts as living forever.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(call: &Call<'_>, from: usize) -> Result<Condition, Error> {
        let mut condition = Condition::default();
        for argument in from..call.len() {
            if !condition.add(call, argument) {
                let option = call.arg(argument);
                return Err(Error::quoting("ERR Unsupported option ", option, ""));
            }
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(Error::text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.gt && condition.lt {
            return Err(Error::text(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(condition)
    }

    /// Adds the condition that an argument spells; answers whether it does.
    pub(super) fn add(&mut self, call: &Call<'_>, argument: usize) -> bool {
        let words = [
            ("NX", &mut self.nx),
            ("XX", &mut self.xx),
            ("GT", &mut self.gt),
            ("LT", &mut self.lt),
        ];
        for (word, flag) in words {
            if call.is(argument, word) {
                *flag = true;
                return true;
            }
        }
        false
    }

    /// Whether a deadline may take the place of the current one.
    pub(super) fn allows(self, current: Option<i64>, new: i64) -> bool {
        match current {
            None => !self.xx && !self.gt,
            Some(_) if self.nx => false,
            Some(current) if self.gt => new > current,
            Some(current) if self.lt => new < current,
            Some(_) => true,
        }
    }
}

/// Sets a deadline; one that has passed removes the key at once.
fn set(call: &mut Call<'_>, unit: Unit, origin: Origin) -> Outcome {
    let key = call.key(1);
    let condition = Condition::parse(call, 3)?;
    let time = call.time.cast_signed();
    let deadline = deadline(call.int(2)?, unit, origin, time)
        .ok_or(Error::ExpireTime(call.command.row.name))?;
    let Some(entry) = call.db.write(key) else {
        call.reply.int(0);
        return Ok(());
    };
    let current = entry.as_ref().deadline().map(u64::cast_signed);
    if !condition.allows(current, deadline) {
        call.reply.int(0);
        return Ok(());
    }
    if deadline <= call.db.now().cast_signed() {
        call.db.delete(key);
        call.db.changed(key, Event::DEL);
        call.db.scribe().removes(key.bytes);
    } else {
        let deadline = deadline.cast_unsigned();
        call.db.set_deadline(key, Some(deadline));
        call.db.changed(key, Event::EXPIRE);
        call.db.scribe().sets_deadline(key.bytes, deadline);
    }
    call.reply.int(1);
    Ok(())
}

/// Milliseconds since the epoch, if 64 bits can hold them.
fn deadline(time: i64, unit: Unit, origin: Origin, now: i64) -> Option<i64> {
    let time = if unit == Unit::Seconds {
        time.checked_mul(1000)?
    } else {
        time
    };
    if origin == Origin::Now {
        time.checked_add(now)
    } else {
        Some(time)
    }
}

fn persist(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let mortal = call
        .db
        .write(key)
        .is_some_and(|entry| entry.as_ref().deadline().is_some());
    if mortal {
        call.db.set_deadline(key, None);
        call.db.changed(key, Event::PERSIST);
    }
    call.reply.int(mortal.into());
    Ok(())
}

/// Answers a key's deadline, -1 if it has none, or -2 if there is no such key.
fn tell(call: &mut Call<'_>, unit: Unit, origin: Origin) -> Outcome {
    let time = match call
        .db
        .peek_counted(call.key(1))
        .map(|entry| entry.deadline())
    {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => {
            let time = if origin == Origin::Now {
                deadline - call.db.now()
            } else {
                deadline
            };
            let rounded = if unit == Unit::Seconds {
                (time + 500) / 1000
            } else {
                time
            };
            rounded.cast_signed()
        }
    };
    call.reply.int(time);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_refused_only_if_64_bits_cannot_hold_it() {
        let now = 1_700_000_000_000;
        let seconds = |time, origin| deadline(time, Unit::Seconds, origin, now);
        assert_eq!(seconds(-5, Origin::Now), Some(now - 5000));
        assert_eq!(
            seconds(i64::MAX / 1000, Origin::Epoch),
            Some(i64::MAX / 1000 * 1000)
        );
        assert_eq!(seconds(i64::MAX / 1000, Origin::Now), None);
        assert_eq!(seconds(i64::MAX / 1000 + 1, Origin::Epoch), None);
        assert_eq!(seconds(i64::MIN / 1000 - 1, Origin::Now), None);
        let milliseconds = |time, origin| deadline(time, Unit::Milliseconds, origin, now);
        assert_eq!(milliseconds(i64::MAX - now, Origin::Now), Some(i64::MAX));
        assert_eq!(milliseconds(i64::MAX - now + 1, Origin::Now), None);
        assert_eq!(milliseconds(i64::MIN, Origin::Now), Some(i64::MIN + now));
    }
}
