//! Walks: a database's keys in hash order, a slice at a time.
//!
//! A walk has no state but a hash position, so it goes on wherever growth, shrinking and other clients have put the
//! keys by then, and it visits every key that is there throughout. A slice stays inside one shard, which it
//! locks unless the command holds it already.

use std::ops::ControlFlow;

use super::db::{self, Db};
use super::entry::EntryRef;
use crate::table::Sweep;

/// Draws before a random key is looked for in hash order. Only where nearly all keys are dead do so many fail.
const DRAWS: usize = 100;

/// Steps of a table that a random key's search takes under one lock: some tens of microseconds.
const SEARCH_SLICE: usize = 256;

impl Db<'_> {
    /// Visits the live keys from a hash position on, within one shard, until `steps` is used up: a step of a well-filled
    /// table visits some six keys. Returns the position to go on from, or `None` at the end of the keyspace.
    ///
    /// Dead keys that it meets are removed, if they may be now.
    pub fn walk(
        &mut self,
        position: u64,
        steps: &mut usize,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> Option<u64> {
        let keyspace = self.locked.keyspace();
        let number = keyspace.shard_of(position);
        let (database, moment, effects) = (self.index, self.moment, self.effects);
        let is_exclusive = self.locked.is_exclusive();
        let rest = self.locked.visit(number, |shard| {
            if shard.table(database).is_none_or(|table| table.is_empty()) {
                return None;
            }
            let mut position = position;
            while *steps > 0 {
                *steps -= 1;
                while moment.may_expire
                    && let Sweep::Found { place, .. } = shard.table_mut(database).sweep(
                        db::MARK_DEADLINE,
                        position,
                        &mut 1,
                        |entry| db::is_dead(entry, moment.now),
                    )
                {
                    if let Some(entry) = db::remove_dead(shard, database, place, effects) {
                        keyspace.reclaimer.discard(entry);
                    }
                    if !is_exclusive {
                        effects.submit();
                    }
                }
                position = shard.table_mut(database).scan(position, |entry| {
                    if !db::is_dead(entry, moment.now) {
                        visit(entry);
                    }
                })?;
            }
            Some(position)
        });
        rest.or_else(|| (number + 1 < keyspace.shards()).then(|| keyspace.start_of(number + 1)))
    }

    /// Visits one live key, each as likely as any other; answers whether there was one.
    pub fn random(&mut self, visit: impl FnOnce(EntryRef<'_>)) -> bool {
        let keyspace = self.locked.keyspace();
        let (database, moment, effects) = (self.index, self.moment, self.effects);
        let is_exclusive = self.locked.is_exclusive();
        let mut rng = fastrand::Rng::new();
        let mut visit = Some(visit);
        let mut lens: Vec<usize> = (0..keyspace.shards())
            .map(|number| {
                self.locked.visit(number, |shard| {
                    shard.table(database).map_or(0, |table| table.len())
                })
            })
            .collect();
        for _ in 0..DRAWS {
            let Some(number) = weighted(&lens, &mut rng) else {
                return false;
            };
            let drawn = self.locked.visit(number, |shard| {
                let table = shard.table_mut(database);
                let Some(place) = table.random(&mut rng) else {
                    lens[number] = 0;
                    return ControlFlow::Continue(());
                };
                let entry = table.get(place);
                if !db::is_dead(entry, moment.now) {
                    visit.take().expect("the first live key ends the draw")(entry);
                    return ControlFlow::Break(());
                }
                if moment.may_expire {
                    if let Some(entry) = db::remove_dead(shard, database, place, effects) {
                        keyspace.reclaimer.discard(entry);
                    }
                    if !is_exclusive {
                        effects.submit();
                    }
                    lens[number] -= 1;
                }
                ControlFlow::Continue(())
            });
            if drawn.is_break() {
                return true;
            }
        }
        // Round the keyspace once, from anywhere.
        let begin = rng.u64(..);
        let mut position = Some(begin);
        let mut wrapped = false;
        while let Some(at) = position.filter(|&at| !wrapped || at < begin) {
            position = self.walk(at, &mut { SEARCH_SLICE }, |entry| {
                if let Some(visit) = visit.take() {
                    visit(entry);
                }
            });
            if visit.is_none() {
                return true;
            }
            if position.is_none() && !wrapped {
                wrapped = true;
                position = Some(0);
            }
        }
        false
    }
}

/// A number drawn with a probability in proportion to its weight; `None` if all weights are zero.
fn weighted(weights: &[usize], rng: &mut fastrand::Rng) -> Option<usize> {
    let total: usize = weights.iter().sum();
    let mut ticket = (total > 0).then(|| rng.usize(..total))?;
    weights
        .iter()
        .position(|&weight| match ticket.checked_sub(weight) {
            Some(rest) => {
                ticket = rest;
                false
            }
            None => true,
        })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::access::{AccessClock, Record};
    use super::super::db::{Expiry, Key, Moment};
    use super::super::effects::Effects;
    use super::super::entry::NewValue;
    use super::super::shard::{Keyspace, Locked};
    use super::*;

    const NOW: u64 = 1_000_000;

    fn db<'a>(locked: Locked<'a>, effects: &'a Effects, may_expire: bool) -> Db<'a> {
        let moment = Moment {
            now: NOW,
            access: AccessClock::new(NOW, Record::Date, 10, 1),
            may_expire,
        };
        Db::new(locked, 0, moment, effects)
    }

    fn set(keyspace: &Keyspace, effects: &Effects, name: &str, expiry: Expiry) {
        let key = Key::new(name.as_bytes());
        db(keyspace.lock_one(key.hash), effects, true).set(key, NewValue::Int(1), expiry);
    }

    fn delete(keyspace: &Keyspace, effects: &Effects, name: &str) {
        let key = Key::new(name.as_bytes());
        db(keyspace.lock_one(key.hash), effects, true).delete(key);
    }

    fn name_of(entry: EntryRef<'_>) -> String {
        String::from_utf8(entry.key().to_vec()).unwrap()
    }

    /// How often a whole walk visits each key.
    fn visits(
        keyspace: &Keyspace,
        effects: &Effects,
        mut meanwhile: impl FnMut(),
    ) -> HashMap<String, usize> {
        let mut visits = HashMap::new();
        let mut position = Some(0);
        while let Some(at) = position {
            position = db(keyspace.lock_none(), effects, true).walk(at, &mut 1, |entry| {
                *visits.entry(name_of(entry)).or_default() += 1;
            });
            meanwhile();
        }
        visits
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn a_walk_visits_what_is_there_throughout_whatever_comes_and_goes(
            staying in 0usize..2000, passing in 0usize..4000, each_step in 1usize..200,
        ) {
            let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
            for n in 0..staying {
                set(&keyspace, &effects, &format!("stays:{n}"), Expiry::Never);
            }
            let mut changes = (0..passing)
                .map(|n| (n, true))
                .chain((0..passing).map(|n| (n, false)));
            let visits = visits(&keyspace, &effects, || {
                for (n, comes) in changes.by_ref().take(each_step) {
                    let name = format!("passes:{n}");
                    if comes {
                        set(&keyspace, &effects, &name, Expiry::Never);
                    } else {
                        delete(&keyspace, &effects, &name);
                    }
                }
            });
            for n in 0..staying {
                let name = format!("stays:{n}");
                prop_assert!(visits.contains_key(&name), "{} was missed", name);
            }
        }
    }

    #[test]
    fn a_walk_over_a_keyspace_at_rest_visits_each_key_once() {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        for n in 0..5000 {
            set(&keyspace, &effects, &n.to_string(), Expiry::Never);
        }
        let visits = visits(&keyspace, &effects, || ());
        assert_eq!(visits.len(), 5000);
        assert!(visits.values().all(|&times| times == 1));
    }

    #[test]
    fn a_walk_removes_the_dead_unless_that_is_forbidden() {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        for n in 0..1000 {
            let expiry = if n % 2 == 0 {
                Expiry::At(NOW - 1)
            } else {
                Expiry::At(NOW)
            };
            set(&keyspace, &effects, &n.to_string(), expiry);
        }
        let mut position = Some(0);
        let mut seen = 0;
        while let Some(at) = position {
            position = db(keyspace.lock_none(), &effects, false).walk(at, &mut 50, |_| seen += 1);
        }
        assert_eq!((seen, keyspace.lock_all().len(0)), (500, 1000));
        assert_eq!(visits(&keyspace, &effects, || ()).len(), 500);
        assert_eq!(
            (keyspace.lock_all().len(0), effects.expired.get()),
            (500, 500)
        );
    }

    #[test]
    fn every_key_is_as_likely_to_be_drawn() {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        let (keys, draws) = (50, 20_000);
        for n in 0..keys {
            set(&keyspace, &effects, &n.to_string(), Expiry::Never);
        }
        let mut drawn: HashMap<String, f64> = HashMap::new();
        for _ in 0..draws {
            assert!(
                db(keyspace.lock_none(), &effects, true)
                    .random(|entry| *drawn.entry(name_of(entry)).or_default() += 1.0)
            );
        }
        let expected = f64::from(draws) / f64::from(keys);
        let distance: f64 = (0..keys)
            .map(|n| {
                (drawn.get(&n.to_string()).copied().unwrap_or(0.0) - expected).powi(2) / expected
            })
            .sum();
        // 49 degrees of freedom: a fair draw goes beyond this once in a million runs.
        assert!(distance < 112.0, "chi-square {distance}");
    }

    #[test]
    fn a_draw_among_the_dead_finds_who_lives_and_ends_if_nobody_does() {
        for may_expire in [true, false] {
            let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
            assert!(!db(keyspace.lock_none(), &effects, may_expire).random(|_| ()));
            for n in 0..3000 {
                set(&keyspace, &effects, &n.to_string(), Expiry::At(NOW - 1));
            }
            assert!(!db(keyspace.lock_none(), &effects, may_expire).random(|_| ()));
            for n in 0..3000 {
                set(&keyspace, &effects, &n.to_string(), Expiry::At(NOW - 1));
            }
            set(&keyspace, &effects, "alive", Expiry::Never);
            let mut found = String::new();
            assert!(
                db(keyspace.lock_none(), &effects, may_expire)
                    .random(|entry| found = name_of(entry))
            );
            assert_eq!(found, "alive");
        }
    }
}
