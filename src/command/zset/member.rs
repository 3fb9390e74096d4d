//! Members by name: ZADD, ZINCRBY, ZREM; ZSCORE, ZMSCORE, ZRANK, ZREVRANK.

use smallvec::SmallVec;

use super::{READ, ROW, limits};
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::protocol::{Reply, number};
use crate::types::Collection;
use crate::types::zset::{Change, Zset};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zadd",
        run: zadd,
        arity: -4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        since: "1.2.0",
        summary: "Adds members to a sorted set, or changes their scores.",
        complexity: "O(log(N)) for each member, where N is the number of members of the set",
        syntax: "key [condition: NX | XX] [comparison: GT | LT] [change: CH] [increment: INCR] (data: score member) ...",
        ..ROW
    },
    Command {
        name: "zincrby",
        run: zincrby,
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        since: "1.2.0",
        summary: "Adds to the score of a member of a sorted set; one that is not there counts from 0.",
        complexity: "O(log(N)) where N is the number of members of the set",
        syntax: "key increment member",
        ..ROW
    },
    Command {
        name: "zrem",
        run: zrem,
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        since: "1.2.0",
        summary: "Removes members from a sorted set, and the set with the last one.",
        complexity: "O(M*log(N)) for M of N members",
        syntax: "key member [member ...]",
        ..ROW
    },
    Command {
        name: "zscore",
        run: zscore,
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        since: "1.2.0",
        summary: "Answers the score of a member of a sorted set.",
        syntax: "key member",
        ..READ
    },
    Command {
        name: "zmscore",
        run: zmscore,
        arity: -3,
        flags: Flags::READONLY.union(Flags::FAST),
        since: "6.2.0",
        summary: "Answers the scores of several members of a sorted set.",
        complexity: "O(N) in the number of members asked for",
        syntax: "key member [member ...]",
        ..READ
    },
    Command {
        name: "zrank",
        run: zrank,
        summary: "Answers how many members of a sorted set are before one.",
        ..RANK
    },
    Command {
        name: "zrevrank",
        run: zrevrank,
        summary: "Answers how many members of a sorted set are behind one.",
        ..RANK
    },
];

/// What the rows that answer a rank have in common.
const RANK: Command = Command {
    arity: -3,
    flags: Flags::READONLY.union(Flags::FAST),
    since: "2.0.0",
    complexity: "O(log(N)) where N is the number of members of the set",
    syntax: "key member [WITHSCORE]",
    ..READ
};

/// Under which conditions ZADD sets a score, and what it answers.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    /// Only of members that are not there yet.
    new_only: bool,
    /// Only of members that are there.
    existing_only: bool,
    /// Only to a higher one.
    higher_only: bool,
    /// Only to a lower one.
    lower_only: bool,
    /// Counts members whose score changed, too.
    count_changes: bool,
    /// Adds to the score, and answers it.
    increment: bool,
}

impl Options {
    /// Reads the words behind the key; answers where the scores begin, too.
    fn parse(call: &Call<'_>) -> Result<(Options, usize), Error> {
        let mut options = Options::default();
        let mut place = 2;
        while place < call.len() {
            let option = [
                ("NX", &mut options.new_only),
                ("XX", &mut options.existing_only),
                ("GT", &mut options.higher_only),
                ("LT", &mut options.lower_only),
                ("CH", &mut options.count_changes),
                ("INCR", &mut options.increment),
            ]
            .into_iter()
            .find(|(word, _)| call.is(place, word));
            let Some((_, option)) = option else {
                break;
            };
            *option = true;
            place += 1;
        }
        let elements = call.len() - place;
        if elements == 0 || !elements.is_multiple_of(2) {
            return Err(Error::Syntax);
        }
        if options.new_only && options.existing_only {
            return Err(Error::text(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        let comparisons = [options.higher_only, options.lower_only, options.new_only];
        if comparisons.into_iter().filter(|&given| given).count() > 1 {
            return Err(Error::text(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if options.increment && elements > 2 {
            return Err(Error::text(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok((options, place))
    }

    /// The score that a member gets, told the one it has; `None` if it is left alone.
    ///
    /// # Errors
    /// When the sum of the scores is not a number.
    #[inline]
    fn decide(self, old: Option<f64>, score: f64) -> Result<Option<f64>, Error> {
        let Some(old) = old else {
            return Ok((!self.existing_only).then_some(score));
        };
        if self.new_only {
            return Ok(None);
        }
        let new = if self.increment { old + score } else { score };
        if new.is_nan() {
            return Err(Error::text("ERR resulting score is not a number (NaN)"));
        }
        let refused = self.higher_only && new <= old || self.lower_only && new >= old;
        Ok((!refused).then_some(new))
    }
}

fn zadd(call: &mut Call<'_>) -> Outcome {
    let (options, first) = Options::parse(call)?;
    add(call, options, first)
}

fn zincrby(call: &mut Call<'_>) -> Outcome {
    // It takes ZADD's options for what they are, and so has no place left for a score.
    let (options, first) = Options::parse(call)?;
    let options = Options {
        increment: true,
        ..options
    };
    add(call, options, first)
}

/// Sets the scores that begin at argument `first`, each with its member behind it: all of them, or none if one is no number.
fn add(call: &mut Call<'_>, options: Options, first: usize) -> Outcome {
    let (key, request, limits) = (call.key(1), call.request, limits(call.config));
    let places = (first..call.len()).step_by(2);
    let scores: SmallVec<[f64; 4]> = places
        .clone()
        .map(|place| number::parse_f64(request.arg(place)).ok_or(Error::NotFloat))
        .collect::<Result<_, _>>()?;
    let (mut added, mut updated) = (0, 0);
    // Of the last member; only INCR looks at it, and has only one.
    let mut decision = Ok(None);
    let change = |zset: &mut Zset| {
        zset.expect(scores.len(), limits);
        for (place, &score) in places.zip(&scores) {
            let change = zset.set(request.arg(place + 1), limits, |old| {
                decision = options.decide(old, score);
                decision.clone().ok().flatten()
            });
            match change {
                Change::Added => added += 1,
                Change::Updated => updated += 1,
                Change::None => {}
            }
        }
    };
    if options.existing_only {
        call.db.update(key, change)?;
    } else {
        call.db.update_or_insert(key, change)?;
    }
    let decision = decision?;
    if added + updated > 0 {
        let event = if options.increment {
            Event::ZINCR
        } else {
            Event::ZADD
        };
        call.db.changed_by(key, event, added + updated);
    }
    if options.increment {
        answer_score(&mut call.reply, decision);
    } else {
        call.reply.count(if options.count_changes {
            added + updated
        } else {
            added
        });
    }
    Ok(())
}

fn zrem(call: &mut Call<'_>) -> Outcome {
    let (key, members) = (call.key(1), call.args_from(2));
    let change = |zset: &mut Zset| {
        let count = members.filter(|member| zset.remove(member)).count();
        (count, zset.is_empty())
    };
    let (count, emptied) = call.db.update(key, change)?.unwrap_or_default();
    call.db.removed(key, Event::ZREM, count, emptied);
    call.reply.count(count);
    Ok(())
}

fn zscore(call: &mut Call<'_>) -> Outcome {
    let member = call.arg(2);
    let zset = call.db.collection::<Zset>(call.key(1))?;
    let score = zset.and_then(|zset| zset.score(member));
    answer_score(&mut call.reply, score);
    Ok(())
}

fn zmscore(call: &mut Call<'_>) -> Outcome {
    let members = call.args_from(2);
    let zset = call.db.collection::<Zset>(call.key(1))?;
    call.reply.array(call.request.len() - 2);
    for member in members {
        let score = zset.and_then(|zset| zset.score(member));
        answer_score(&mut call.reply, score);
    }
    Ok(())
}

/// Answers a score, or null where there is none.
#[inline]
fn answer_score(reply: &mut Reply<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

fn zrank(call: &mut Call<'_>) -> Outcome {
    rank(call, false)
}

fn zrevrank(call: &mut Call<'_>) -> Outcome {
    rank(call, true)
}

fn rank(call: &mut Call<'_>, reverse: bool) -> Outcome {
    let with_score = match call.len() {
        3 => false,
        4 if call.is(3, "WITHSCORE") => true,
        4 => return Err(Error::Syntax),
        _ => return Err(Error::Arity(call.command.full_name.clone())),
    };
    let member = call.arg(2);
    let zset = call.db.collection::<Zset>(call.key(1))?;
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(member)?;
        let rank = if reverse { zset.len() - 1 - rank } else { rank };
        Some((rank, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            call.reply.array(2);
            call.reply.count(rank);
            call.reply.double(score);
        }
        Some((rank, _)) => call.reply.count(rank),
        None if with_score => call.reply.null_array(),
        None => call.reply.null(),
    }
    Ok(())
}
