//! Members between two bounds: ZRANGE and the commands that it replaces, ZRANGESTORE, ZREMRANGEBY..., ZCOUNT, ZLEXCOUNT.

use std::ops::Range;

use super::{READ, ROW, answer, limits, store};
use crate::command::error::until_zero;
use crate::command::{Call, Command, Deprecated, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::protocol::number;
use crate::types::Collection;
use crate::types::zset::{Bound, Span, Zset, ZsetRef};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zcount",
        run: zcount,
        since: "2.0.0",
        summary: "Answers how many members of a sorted set have a score between two bounds.",
        syntax: "key min max",
        ..COUNT
    },
    Command {
        name: "zlexcount",
        run: zlexcount,
        since: "2.8.9",
        summary: "Answers how many members of a sorted set are between two bounds.",
        syntax: "key min<string> max<string>",
        ..COUNT
    },
    Command {
        name: "zrange",
        run: zrange,
        since: "1.2.0",
        summary: "Answers the members of a sorted set between two ranks, scores or members.",
        syntax: "key start<string> stop<string> [sortby: BYSCORE | BYLEX] [REV] [LIMIT (limit: offset count)] [WITHSCORES]",
        ..RANGE
    },
    Command {
        name: "zrangebylex",
        run: zrangebylex,
        since: "2.8.9",
        summary: "Answers the members of a sorted set between two members.",
        syntax: "key min<string> max<string> [LIMIT (limit: offset count)]",
        deprecated: instead("`ZRANGE` with the `BYLEX` argument"),
        ..RANGE
    },
    Command {
        name: "zrangebyscore",
        run: zrangebyscore,
        since: "1.0.5",
        summary: "Answers the members of a sorted set whose scores are between two bounds.",
        syntax: "key min max [WITHSCORES] [LIMIT (limit: offset count)]",
        deprecated: instead("`ZRANGE` with the `BYSCORE` argument"),
        ..RANGE
    },
    Command {
        name: "zrevrange",
        run: zrevrange,
        since: "1.2.0",
        summary: "Answers the members of a sorted set between two ranks, the last first.",
        syntax: "key start stop [WITHSCORES]",
        deprecated: instead("`ZRANGE` with the `REV` argument"),
        ..RANGE
    },
    Command {
        name: "zrevrangebylex",
        run: zrevrangebylex,
        since: "2.8.9",
        summary: "Answers the members of a sorted set between two members, the last first.",
        syntax: "key max<string> min<string> [LIMIT (limit: offset count)]",
        deprecated: instead("`ZRANGE` with the `REV` and `BYLEX` arguments"),
        ..RANGE
    },
    Command {
        name: "zrevrangebyscore",
        run: zrevrangebyscore,
        since: "2.2.0",
        summary: "Answers the members of a sorted set whose scores are between two bounds, the last first.",
        syntax: "key max min [WITHSCORES] [LIMIT (limit: offset count)]",
        deprecated: instead("`ZRANGE` with the `REV` and `BYSCORE` arguments"),
        ..RANGE
    },
    Command {
        name: "zrangestore",
        run: zrangestore,
        arity: -5,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[
            KeySpec::at(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::at(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ],
        since: "6.2.0",
        summary: "Stores the members of a sorted set between two ranks, scores or members.",
        complexity: "O(log(N)+M) for M of N members",
        syntax: "dst src min<string> max<string> [sortby: BYSCORE | BYLEX] [REV] [LIMIT (limit: offset count)]",
        ..ROW
    },
    Command {
        name: "zremrangebylex",
        run: zremrangebylex,
        since: "2.8.9",
        summary: "Removes the members of a sorted set between two members.",
        syntax: "key min<string> max<string>",
        ..REMOVE
    },
    Command {
        name: "zremrangebyrank",
        run: zremrangebyrank,
        since: "2.0.0",
        summary: "Removes the members of a sorted set between two ranks.",
        syntax: "key start stop",
        ..REMOVE
    },
    Command {
        name: "zremrangebyscore",
        run: zremrangebyscore,
        since: "1.2.0",
        summary: "Removes the members of a sorted set whose scores are between two bounds.",
        syntax: "key min max",
        ..REMOVE
    },
];

/// What the rows that count have in common.
const COUNT: Command = Command {
    arity: 4,
    flags: Flags::READONLY.union(Flags::FAST),
    complexity: "O(log(N)) where N is the number of members of the set",
    ..READ
};

/// What the rows that answer members have in common.
const RANGE: Command = Command {
    arity: -4,
    complexity: "O(log(N)+M) for M of N members",
    ..READ
};

/// What the rows that remove have in common.
const REMOVE: Command = Command {
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    complexity: "O(log(N)+M) for M of N members",
    ..ROW
};

const fn instead(instead: &'static str) -> Option<Deprecated> {
    Some(Deprecated {
        since: "6.2.0",
        instead,
    })
}

/// What bounds are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// Reads the bounds of a span.
///
/// # Errors
/// When they are no numbers, or not marked as included or excluded members.
fn span<'a>(call: &Call<'a>, by: By, min: usize, max: usize) -> Result<Span<'a>, Error> {
    match by {
        By::Rank => Ok(Span::Ranks(call.int(min)?, call.int(max)?)),
        By::Score => score_bound(call.arg(min))
            .zip(score_bound(call.arg(max)))
            .map(|(min, max)| Span::Scores(min, max))
            .ok_or(Error::text("ERR min or max is not a float")),
        By::Member => member_bound(call.arg(min))
            .zip(member_bound(call.arg(max)))
            .map(|(min, max)| Span::Members(min, max))
            .ok_or(Error::text("ERR min or max not valid string range item")),
    }
}

/// A score as C's `strtod` reads it to the end of a C string, behind `(` if it is excluded.
fn score_bound(text: &[u8]) -> Option<Bound<f64>> {
    let score = |text: &[u8]| match until_zero(text) {
        [] => Some(0.0),
        text => {
            let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
            let blanks = text.iter().take_while(|byte| is_space(byte)).count();
            number::parse_f64_saturating(&text[blanks..])
        }
    };
    match text {
        [b'(', text @ ..] => score(text).map(Bound::Excluded),
        text => score(text).map(Bound::Included),
    }
}

fn member_bound(text: &[u8]) -> Option<Bound<&[u8]>> {
    match text {
        b"-" => Some(Bound::First),
        b"+" => Some(Bound::Last),
        [b'(', member @ ..] => Some(Bound::Excluded(member)),
        [b'[', member @ ..] => Some(Bound::Included(member)),
        _ => None,
    }
}

/// Which members a command of the ZRANGE kind asks for.
struct Query<'a> {
    span: Span<'a>,
    reverse: bool,
    offset: i64,
    /// Negative for all.
    count: i64,
    with_scores: bool,
}

impl<'a> Query<'a> {
    /// Reads the bounds behind the key at `source`, and the options behind them. What the command's name does not tell is
    /// left open for options to decide.
    fn parse(
        call: &Call<'a>,
        source: usize,
        by: Option<By>,
        reverse: Option<bool>,
    ) -> Result<Query<'a>, Error> {
        let storing = source > 1;
        let (mut chosen_by, mut chosen_reverse) = (by, reverse);
        let (mut offset, mut count, mut with_scores) = (0, -1, false);
        let mut place = source + 3;
        while place < call.len() {
            if !storing && call.is(place, "WITHSCORES") {
                with_scores = true;
            } else if call.is(place, "LIMIT") && place + 2 < call.len() {
                (offset, count) = (call.int(place + 1)?, call.int(place + 2)?);
                place += 2;
            } else if chosen_reverse.is_none() && call.is(place, "REV") {
                chosen_reverse = Some(true);
            } else if chosen_by.is_none() && call.is(place, "BYLEX") {
                chosen_by = Some(By::Member);
            } else if chosen_by.is_none() && call.is(place, "BYSCORE") {
                chosen_by = Some(By::Score);
            } else {
                return Err(Error::Syntax);
            }
            place += 1;
        }
        let (by, reverse) = (
            chosen_by.unwrap_or(By::Rank),
            chosen_reverse.unwrap_or(false),
        );
        if count != -1 && by == By::Rank {
            return Err(Error::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Member {
            return Err(Error::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        // Going backward, the higher bound comes first; ranks are counted from the other end.
        let (min, max) = if reverse && by != By::Rank {
            (source + 2, source + 1)
        } else {
            (source + 1, source + 2)
        };
        Ok(Query {
            span: span(call, by, min, max)?,
            reverse,
            offset,
            count,
            with_scores,
        })
    }

    /// The ranks of the members asked for.
    fn ranks(&self, zset: ZsetRef<'_>) -> Range<usize> {
        let ranks = zset.ranks(self.span);
        if let Span::Ranks(..) = self.span {
            return if self.reverse {
                zset.len() - ranks.end..zset.len() - ranks.start
            } else {
                ranks
            };
        }
        // A negative offset is never reached.
        let skipped = usize::try_from(self.offset).map_or(ranks.len(), |n| n.min(ranks.len()));
        let left = ranks.len() - skipped;
        let taken = usize::try_from(self.count).map_or(left, |n| n.min(left));
        if self.reverse {
            let end = ranks.end - skipped;
            end - taken..end
        } else {
            let start = ranks.start + skipped;
            start..start + taken
        }
    }
}

fn zrange(call: &mut Call<'_>) -> Outcome {
    range(call, None, None)
}

fn zrevrange(call: &mut Call<'_>) -> Outcome {
    range(call, Some(By::Rank), Some(true))
}

fn zrangebyscore(call: &mut Call<'_>) -> Outcome {
    range(call, Some(By::Score), Some(false))
}

fn zrevrangebyscore(call: &mut Call<'_>) -> Outcome {
    range(call, Some(By::Score), Some(true))
}

fn zrangebylex(call: &mut Call<'_>) -> Outcome {
    range(call, Some(By::Member), Some(false))
}

fn zrevrangebylex(call: &mut Call<'_>) -> Outcome {
    range(call, Some(By::Member), Some(true))
}

fn range(call: &mut Call<'_>, by: Option<By>, reverse: Option<bool>) -> Outcome {
    let query = Query::parse(call, 1, by, reverse)?;
    let Some(zset) = call.db.collection::<Zset>(call.key(1))? else {
        call.reply.empty_array();
        return Ok(());
    };
    let members = zset.range(query.ranks(zset), query.reverse);
    answer(&mut call.reply, members, query.with_scores);
    Ok(())
}

fn zrangestore(call: &mut Call<'_>) -> Outcome {
    let query = Query::parse(call, 2, None, None)?;
    let (destination, limits) = (call.key(1), limits(call.config));
    let zset = call.db.collection::<Zset>(call.key(2))?;
    let result = zset.map_or_else(Zset::default, |zset| {
        Zset::from_sorted(zset.range(query.ranks(zset), false), limits)
    });
    store(call, destination, result, Event::ZRANGESTORE);
    Ok(())
}

fn zcount(call: &mut Call<'_>) -> Outcome {
    count(call, By::Score)
}

fn zlexcount(call: &mut Call<'_>) -> Outcome {
    count(call, By::Member)
}

fn count(call: &mut Call<'_>, by: By) -> Outcome {
    let span = span(call, by, 2, 3)?;
    let zset = call.db.collection::<Zset>(call.key(1))?;
    call.reply
        .count(zset.map_or(0, |zset| zset.ranks(span).len()));
    Ok(())
}

fn zremrangebyrank(call: &mut Call<'_>) -> Outcome {
    remove(call, By::Rank, Event::ZREMRANGEBYRANK)
}

fn zremrangebyscore(call: &mut Call<'_>) -> Outcome {
    remove(call, By::Score, Event::ZREMRANGEBYSCORE)
}

fn zremrangebylex(call: &mut Call<'_>) -> Outcome {
    remove(call, By::Member, Event::ZREMRANGEBYLEX)
}

fn remove(call: &mut Call<'_>, by: By, event: Event) -> Outcome {
    let span = span(call, by, 2, 3)?;
    let key = call.key(1);
    let change = |zset: &mut Zset| {
        let ranks = zset.view().ranks(span);
        zset.remove_range(ranks.clone());
        (ranks.len(), zset.is_empty())
    };
    let (count, emptied) = call.db.update(key, change)?.unwrap_or_default();
    call.db.removed(key, event, count, emptied);
    call.reply.count(count);
    Ok(())
}
