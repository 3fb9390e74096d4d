//! Several sorted sets made into one: ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD. Sets may be among them.

use std::ops::{ControlFlow, Range};

use smallvec::SmallVec;

use super::{ROW, answer, limits, store};
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome, numkeys};
use crate::keyspace::effects::Event;
use crate::keyspace::{Db, Key};
use crate::protocol::number;
use crate::types::set::Set;
use crate::types::zset::Zset;
use crate::types::zset::algebra::{self, Aggregate, Found, Input, Source};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zunion",
        run: zunion,
        summary: "Answers what any of the given sorted sets holds.",
        complexity: UNION,
        syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE (aggregate: SUM | MIN | MAX)] [WITHSCORES]",
        ..READ
    },
    Command {
        name: "zinter",
        run: zinter,
        summary: "Answers what all of the given sorted sets hold.",
        complexity: INTERSECTION,
        syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE (aggregate: SUM | MIN | MAX)] [WITHSCORES]",
        ..READ
    },
    Command {
        name: "zdiff",
        run: zdiff,
        summary: "Answers what the first of the given sorted sets holds and none of the others does.",
        complexity: DIFFERENCE,
        syntax: "numkeys key [key ...] [WITHSCORES]",
        ..READ
    },
    Command {
        name: "zintercard",
        run: zintercard,
        since: "7.0.0",
        summary: "Answers how many members all of the given sorted sets hold.",
        complexity: "O(N*K) for N members of the smallest of K sets",
        syntax: "numkeys key [key ...] [LIMIT limit]",
        ..READ
    },
    Command {
        name: "zunionstore",
        run: zunionstore,
        since: "2.0.0",
        summary: "Stores what any of the given sorted sets holds.",
        complexity: UNION,
        syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE (aggregate: SUM | MIN | MAX)]",
        ..STORE
    },
    Command {
        name: "zinterstore",
        run: zinterstore,
        since: "2.0.0",
        summary: "Stores what all of the given sorted sets hold.",
        complexity: INTERSECTION,
        syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE (aggregate: SUM | MIN | MAX)]",
        ..STORE
    },
    Command {
        name: "zdiffstore",
        run: zdiffstore,
        summary: "Stores what the first of the given sorted sets holds and none of the others does.",
        complexity: DIFFERENCE,
        syntax: "destination numkeys key [key ...]",
        ..STORE
    },
];

const UNION: &str = "O(N)+O(M*log(M)) for N members of all sets and M of the result";
const INTERSECTION: &str =
    "O(N*K)+O(M*log(M)) for N members of the smallest of K sets and M of the result";
const DIFFERENCE: &str = "O(N)+O(M*log(M)) for N members of all sets and M of the result";

/// What the rows that only read have in common.
const READ: Command = Command {
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    since: "6.2.0",
    ..ROW
};

/// What the rows that store have in common.
const STORE: Command = Command {
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::at(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    since: "6.2.0",
    ..ROW
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// Room for what an ordinary call has several of.
type Few<T> = SmallVec<[T; 8]>;

/// Which sets to combine, and how.
struct Query<'a> {
    keys: Few<Key<'a>>,
    weights: Few<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Of the members that ZINTERCARD counts.
    limit: Option<usize>,
}

/// Which options there are.
#[derive(Clone, Copy, Debug, Default)]
struct Allowed {
    weights: bool,
    scores: bool,
    limit: bool,
}

impl<'a> Query<'a> {
    /// Reads the number of keys at `place` and all that follows, and looks the keys up.
    fn parse(call: &mut Call<'a>, place: usize, allowed: Allowed) -> Result<Query<'a>, Error> {
        call.int(place)?;
        let no_keys = format!(
            "ERR at least 1 input key is needed for '{}' command",
            call.command.full_name
        );
        let places = numkeys::keys(call, place, Error::text(no_keys), Error::Syntax)?;
        let mut options = places.end;
        let keys = look_up(call, places)?;
        let mut query = Query {
            weights: keys.iter().map(|_| 1.0).collect(),
            keys,
            aggregate: Aggregate::default(),
            with_scores: false,
            limit: None,
        };
        while options < call.len() {
            options = query.option(call, options, allowed)?;
        }
        Ok(query)
    }

    /// Reads an option; answers where the next one begins.
    fn option(&mut self, call: &Call<'_>, place: usize, allowed: Allowed) -> Result<usize, Error> {
        let values = call.len() - place - 1;
        let value = place + 1;
        if allowed.weights && values >= self.keys.len() && call.is(place, "WEIGHTS") {
            for (offset, weight) in self.weights.iter_mut().enumerate() {
                *weight = number::parse_f64(call.arg(value + offset))
                    .ok_or(Error::text("ERR weight value is not a float"))?;
            }
            return Ok(value + self.keys.len());
        }
        if allowed.weights && values >= 1 && call.is(place, "AGGREGATE") {
            self.aggregate = if call.is(value, "SUM") {
                Aggregate::Sum
            } else if call.is(value, "MIN") {
                Aggregate::Min
            } else if call.is(value, "MAX") {
                Aggregate::Max
            } else {
                return Err(Error::Syntax);
            };
            return Ok(value + 1);
        }
        if allowed.scores && call.is(place, "WITHSCORES") {
            self.with_scores = true;
            return Ok(value);
        }
        if allowed.limit && values >= 1 && call.is(place, "LIMIT") {
            let limit = call.count(value).map_err(|_| Error::NegativeLimit)?;
            self.limit = (limit > 0).then_some(limit);
            return Ok(value + 1);
        }
        Err(Error::Syntax)
    }

    /// The sets under the keys.
    fn inputs<'d>(&self, db: &'d Db<'_>) -> Few<Input<'d>> {
        self.keys
            .iter()
            .zip(&self.weights)
            .map(|(&key, &weight)| Input {
                source: source(db, key),
                weight,
            })
            .collect()
    }

    /// What the sets make together, in order.
    fn combine<'d>(&self, db: &'d Db<'_>, operation: Operation) -> Found<'d> {
        let mut inputs = self.inputs(db);
        let mut found = match operation {
            Operation::Union => algebra::union(&mut inputs, self.aggregate),
            Operation::Intersection => {
                let mut found = Vec::new();
                algebra::intersection(&mut inputs, self.aggregate, |member, score| {
                    found.push((member, score));
                    ControlFlow::Continue(())
                });
                found
            }
            Operation::Difference => {
                let sources: Few<Source<'d>> = inputs.iter().map(|input| input.source).collect();
                algebra::difference(&sources)
            }
        };
        algebra::sort(&mut found);
        found
    }
}

/// Looks the keys at these arguments up, all of which must be sorted sets, sets or missing.
fn look_up<'a>(call: &mut Call<'a>, places: Range<usize>) -> Result<Few<Key<'a>>, Error> {
    places
        .map(|place| {
            let key = call.key(place);
            if let Some(entry) = call.db.read(key)
                && entry.collection::<Zset>().is_err()
            {
                entry.collection::<Set>()?;
            }
            Ok(key)
        })
        .collect()
}

/// What is under a key that [`look_up`] found to be of no other type.
fn source<'d>(db: &'d Db<'_>, key: Key<'_>) -> Source<'d> {
    let Some(entry) = db.view(key) else {
        return Source::Empty;
    };
    match (entry.collection::<Zset>(), entry.collection::<Set>()) {
        (Ok(zset), _) => Source::Zset(zset),
        (_, Ok(set)) => Source::Set(set),
        _ => Source::Empty,
    }
}

fn zunion(call: &mut Call<'_>) -> Outcome {
    answer_combined(call, Operation::Union)
}

fn zinter(call: &mut Call<'_>) -> Outcome {
    answer_combined(call, Operation::Intersection)
}

fn zdiff(call: &mut Call<'_>) -> Outcome {
    answer_combined(call, Operation::Difference)
}

fn answer_combined(call: &mut Call<'_>, operation: Operation) -> Outcome {
    let allowed = Allowed {
        weights: operation != Operation::Difference,
        scores: true,
        limit: false,
    };
    let query = Query::parse(call, 1, allowed)?;
    let found = query.combine(&call.db, operation);
    answer(&mut call.reply, found.iter().copied(), query.with_scores);
    Ok(())
}

fn zintercard(call: &mut Call<'_>) -> Outcome {
    let allowed = Allowed {
        limit: true,
        ..Allowed::default()
    };
    let query = Query::parse(call, 1, allowed)?;
    let mut count = 0;
    let mut inputs = query.inputs(&call.db);
    algebra::intersection(&mut inputs, query.aggregate, |_, _| {
        count += 1;
        if query.limit == Some(count) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    call.reply.count(count);
    Ok(())
}

fn zunionstore(call: &mut Call<'_>) -> Outcome {
    store_combined(call, Operation::Union, Event::ZUNIONSTORE)
}

fn zinterstore(call: &mut Call<'_>) -> Outcome {
    store_combined(call, Operation::Intersection, Event::ZINTERSTORE)
}

fn zdiffstore(call: &mut Call<'_>) -> Outcome {
    store_combined(call, Operation::Difference, Event::ZDIFFSTORE)
}

fn store_combined(call: &mut Call<'_>, operation: Operation, event: Event) -> Outcome {
    let allowed = Allowed {
        weights: operation != Operation::Difference,
        ..Allowed::default()
    };
    let query = Query::parse(call, 2, allowed)?;
    let found = query.combine(&call.db, operation);
    let result = Zset::from_sorted(found.iter().copied(), limits(call.config));
    store(call, call.key(1), result, event);
    Ok(())
}
