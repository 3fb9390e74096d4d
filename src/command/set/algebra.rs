//! Several sets made into one: SINTER, SUNION, SDIFF, their STORE forms, SINTERCARD.
//!
//! The result goes into the reply, or into the new set, as it is found; no set is copied to be read.

use std::ops::{ControlFlow, Range};

use smallvec::SmallVec;

use super::limits;
use crate::command::{
    Begin, Call, Command, Error, Find, Flags, Group, KeyFlags, KeySpec, Outcome, numkeys,
};
use crate::keyspace::effects::Event;
use crate::keyspace::{Db, Key};
use crate::types::Collection;
use crate::types::set::{Set, SetRef, algebra};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sinter",
        run: sinter,
        summary: "Answers what all of the given sets hold.",
        complexity: "O(N*M) in the members of the smallest set and the number of sets",
        ..READ
    },
    Command {
        name: "sunion",
        run: sunion,
        summary: "Answers what any of the given sets holds.",
        complexity: "O(N) in the members of all sets",
        ..READ
    },
    Command {
        name: "sdiff",
        run: sdiff,
        summary: "Answers what the first of the given sets holds and none of the others does.",
        complexity: "O(N) in the members of all sets",
        ..READ
    },
    Command {
        name: "sinterstore",
        run: sinterstore,
        keys: &[
            KeySpec::at(1, KeyFlags::RW.union(KeyFlags::UPDATE)),
            KeySpec::from(2, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ],
        summary: "Stores what all of the given sets hold.",
        complexity: "O(N*M) in the members of the smallest set and the number of sets",
        ..STORE
    },
    Command {
        name: "sunionstore",
        run: sunionstore,
        summary: "Stores what any of the given sets holds.",
        complexity: "O(N) in the members of all sets",
        ..STORE
    },
    Command {
        name: "sdiffstore",
        run: sdiffstore,
        summary: "Stores what the first of the given sets holds and none of the others does.",
        complexity: "O(N) in the members of all sets",
        ..STORE
    },
    Command {
        name: "sintercard",
        run: sintercard,
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec {
            flags: KeyFlags::RO.union(KeyFlags::ACCESS),
            begin: Begin::Index(1),
            find: Find::Count {
                count: 0,
                first: 1,
                step: 1,
            },
        }],
        group: Group::Set,
        since: "7.0.0",
        summary: "Answers how many members all of the given sets hold.",
        complexity: "O(N*M) in the members of the smallest set and the number of sets",
        syntax: "numkeys key [key ...] [LIMIT limit]",
        ..Command::DEFAULT
    },
];

/// What the rows that answer a set have in common.
const READ: Command = Command {
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::from(1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Set,
    syntax: "key [key ...]",
    tips: &["nondeterministic_output_order"],
    ..Command::DEFAULT
};

/// What the rows that store a set have in common.
const STORE: Command = Command {
    arity: -3,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::at(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::from(2, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    group: Group::Set,
    syntax: "destination key [key ...]",
    ..Command::DEFAULT
};

/// Room for the keys, and for the sets under them, of an ordinary call.
type Few<T> = SmallVec<[T; 8]>;

/// Looks the keys at these arguments up, all of which must be sets or missing.
fn look_up<'a>(call: &mut Call<'a>, places: Range<usize>) -> Result<Few<Key<'a>>, Error> {
    places
        .map(|place| {
            let key = call.key(place);
            call.db.collection::<Set>(key)?;
            Ok(key)
        })
        .collect()
}

/// The sets under keys that [`look_up`] found to be none of another type.
fn sets<'d>(db: &'d Db<'_>, keys: &[Key<'_>]) -> impl Iterator<Item = Option<SetRef<'d>>> {
    keys.iter()
        .map(|&key| db.view(key)?.collection::<Set>().ok())
}

/// The sets under these keys; none if one is missing, as nothing is in all of them then.
fn all_sets<'d>(db: &'d Db<'_>, keys: &[Key<'_>]) -> Few<SetRef<'d>> {
    sets(db, keys).collect::<Option<_>>().unwrap_or_default()
}

/// The first set and the others, missing ones left out; none if the first is missing.
fn first_and_others<'d>(db: &'d Db<'_>, keys: &[Key<'_>]) -> Option<(SetRef<'d>, Few<SetRef<'d>>)> {
    let mut sets = sets(db, keys);
    Some((sets.next()??, sets.flatten().collect()))
}

fn sinter(call: &mut Call<'_>) -> Outcome {
    let keys = look_up(call, 1..call.len())?;
    let mut sets = all_sets(&call.db, &keys);
    let (begin, mut len) = (call.reply.deferred(), 0);
    algebra::intersection(&mut sets, |member| {
        member.answer(&mut call.reply);
        len += 1;
        ControlFlow::Continue(())
    });
    call.reply.end_set(begin, len);
    Ok(())
}

fn sunion(call: &mut Call<'_>) -> Outcome {
    let keys = look_up(call, 1..call.len())?;
    let mut sets: Few<_> = sets(&call.db, &keys).flatten().collect();
    let (begin, mut len) = (call.reply.deferred(), 0);
    algebra::union(&mut sets, |member| {
        member.answer(&mut call.reply);
        len += 1;
    });
    call.reply.end_set(begin, len);
    Ok(())
}

fn sdiff(call: &mut Call<'_>) -> Outcome {
    let keys = look_up(call, 1..call.len())?;
    let (begin, mut len) = (call.reply.deferred(), 0);
    if let Some((first, mut others)) = first_and_others(&call.db, &keys) {
        algebra::difference(first, &mut others, |member| {
            member.answer(&mut call.reply);
            len += 1;
        });
    }
    call.reply.end_set(begin, len);
    Ok(())
}

fn sinterstore(call: &mut Call<'_>) -> Outcome {
    let keys = look_up(call, 2..call.len())?;
    let limits = limits(call.config);
    let result = Set::of_intersection(&mut all_sets(&call.db, &keys), &limits);
    store(call, result, Event::SINTERSTORE)
}

fn sunionstore(call: &mut Call<'_>) -> Outcome {
    let keys = look_up(call, 2..call.len())?;
    let limits = limits(call.config);
    let mut result = Set::default();
    for set in sets(&call.db, &keys).flatten() {
        set.iter().for_each(|member| {
            result.add(member, &limits);
        });
    }
    store(call, result, Event::SUNIONSTORE)
}

fn sdiffstore(call: &mut Call<'_>) -> Outcome {
    let keys = look_up(call, 2..call.len())?;
    let limits = limits(call.config);
    let mut result = Set::default();
    if let Some((first, mut others)) = first_and_others(&call.db, &keys) {
        algebra::difference(first, &mut others, |member| {
            result.add(member, &limits);
        });
    }
    store(call, result, Event::SDIFFSTORE)
}

/// Stores a result under the first key, which goes if there is nothing to store, and answers its size.
fn store(call: &mut Call<'_>, result: Set, event: Event) -> Outcome {
    let len = result.view().len();
    call.db.store(call.key(1), result, event);
    call.reply.count(len);
    Ok(())
}

fn sintercard(call: &mut Call<'_>) -> Outcome {
    let places = numkeys::keys(
        call,
        1,
        Error::NumKeys,
        Error::text("ERR Number of keys can't be greater than number of args"),
    )?;
    let mut limit = 0;
    for option in (places.end..call.len()).step_by(2) {
        if !call.is(option, "LIMIT") || option + 1 == call.len() {
            return Err(Error::Syntax);
        }
        limit = call.count(option + 1).map_err(|_| Error::NegativeLimit)?;
    }
    let keys = look_up(call, places)?;
    let mut sets = all_sets(&call.db, &keys);
    let mut len = 0;
    algebra::intersection(&mut sets, |_| {
        len += 1;
        if len == limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    call.reply.count(len);
    Ok(())
}
