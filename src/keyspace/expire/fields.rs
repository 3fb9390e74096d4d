//! Fields of hashes whose time is over: who finds them removes and announces them here.
//!
//! A command removes those that it was asked for by name; the cycle finds the others by the mark of their key, and takes a
//! hash with many of them in slices: the hash itself knows how far its sweep got.

use crate::keyspace::db::{Db, Key, MARK_FIELDS, update};
use crate::keyspace::effects::{Effects, Event};
use crate::keyspace::entry::{Entry, EntryRef};
use crate::keyspace::shard::Shard;
use crate::table::Place;
use crate::types::Collection;
use crate::types::hash::Hash;
use crate::types::string::Decimal;

/// Whether some fields of a hash may be dead.
pub(super) fn are_due(entry: EntryRef<'_>, now: u64) -> bool {
    entry.value().soonest().is_some_and(|at| at <= now)
}

/// Removes dead fields of the hash at a place of a shard's table, as far as the budget goes, and the hash with the last one;
/// answers how many there were, and the hash if it is gone and to be freed.
pub(super) fn reap(
    shard: &mut Shard,
    database: usize,
    place: Place,
    now: u64,
    effects: &Effects,
    budget: &mut usize,
) -> (usize, Option<Entry>) {
    let scribe = effects.scribe(database);
    let table = shard.table_mut(database);
    let key = scribe.is_on().then(|| table.get(place).key().to_vec());
    let reaped = update(shard, database, place, |hash: &mut Hash| {
        hash.reap(now, budget, |name| {
            if let Some(key) = &key {
                scribe.field_went(key, name.bytes(&mut Decimal::default()));
            }
        })
    });
    let (table, observers) = shard.observed_table_mut(database);
    let Ok((count, emptied)) = reaped else {
        debug_assert!(false, "only hashes have fields that die");
        table.set_marks(place, table.marks(place) & !MARK_FIELDS);
        return (0, None);
    };
    if count > 0 {
        effects.fields_expired(observers, database, table.get(place).key(), count, emptied);
    }
    let removed = emptied.then(|| shard.remove(database, place));
    (count, removed.flatten())
}

/// What a command did to the fields of a hash and their deadlines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    /// Fields that were found dead and removed.
    pub expired: usize,
    /// Fields that were removed because the deadline that they were given had passed.
    pub ended: usize,
    /// Fields that were changed otherwise.
    pub changed: usize,
    /// Whether the hash is gone with its last field.
    pub emptied: bool,
}

impl Db<'_> {
    /// Removes those of these fields of a hash that are dead, as a reader found out. While clients are paused they stay.
    #[cold]
    pub fn expire_fields<'n>(&mut self, key: Key<'_>, names: impl Iterator<Item = &'n [u8]>) {
        let (now, scribe) = (self.now(), self.scribe());
        self.expire_if_allowed(key, |hash| {
            let expired = names.filter(|name| hash.live_slot(name, now).1);
            expired
                .inspect(|name| scribe.field_went(key.bytes, name))
                .count()
        });
    }

    /// Removes all dead fields of a hash. While clients are paused they stay. Linear if some may be dead.
    pub fn expire_all_fields(&mut self, key: Key<'_>) {
        let (now, scribe) = (self.now(), self.scribe());
        if self.peek(key).is_some_and(|entry| are_due(entry, now)) {
            let mut budget = usize::MAX;
            self.expire_if_allowed(key, |hash| {
                hash.reap(now, &mut budget, |name| {
                    scribe.field_went(key.bytes, name.bytes(&mut Decimal::default()));
                })
            });
        }
    }

    fn expire_if_allowed(&mut self, key: Key<'_>, expire: impl FnOnce(&mut Hash) -> usize) {
        if !self.moment.may_expire {
            return;
        }
        let change = |hash: &mut Hash| (expire(hash), hash.is_empty());
        if let Ok(Some((count, emptied))) = self.update(key, change) {
            self.fields_expired(key, count, emptied);
        }
    }

    /// Announces that a command found so many fields of a hash dead and removed them, and the hash with them if that `emptied`
    /// it.
    pub fn fields_expired(&mut self, key: Key<'_>, count: usize, emptied: bool) {
        if count > 0 {
            let observers = &mut self.locked.shard(key).observers;
            self.effects
                .fields_expired(observers, self.index, key.bytes, count, emptied);
        }
    }

    /// Announces what a command did to fields of a hash: an `event` if it changed some.
    pub fn fields_changed(&mut self, key: Key<'_>, changes: Changes, event: Event) {
        self.fields_expired(key, changes.expired, false);
        self.effects.expired_fields.add(changes.ended as u64);
        for (count, event) in [(changes.ended, Event::HDEL), (changes.changed, event)] {
            self.removed(key, event, count, false);
        }
        self.removed(key, event, 0, changes.emptied);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::keyspace::access::{AccessClock, Record};
    use crate::keyspace::db::{Expiry, Moment};
    use crate::keyspace::entry::NewValue;
    use crate::keyspace::expire::Cycle;
    use crate::keyspace::shard::{Counts, Keyspace};
    use crate::types::Limits;
    use crate::types::string::StringRef;

    const NOW: u64 = 1_000_000_000;
    const LONG: Duration = Duration::from_secs(600);

    fn with_db<R>(
        keyspace: &Keyspace,
        effects: &Effects,
        name: &str,
        act: impl FnOnce(&mut Db<'_>, Key<'_>) -> R,
    ) -> R {
        let key = Key::new(name.as_bytes());
        let moment = Moment {
            now: NOW,
            access: AccessClock::new(NOW, Record::Date, 10, 1),
            may_expire: true,
        };
        act(
            &mut Db::new(keyspace.lock_one(key.hash), 0, moment, effects),
            key,
        )
    }

    /// A hash of so many fields for each of these deadlines; it is packed up to eight of them.
    fn add(keyspace: &Keyspace, name: &str, fields: usize, deadlines: &[Option<u64>]) {
        const LIMITS: Limits = Limits {
            entries: 8,
            value: 64,
        };
        let fill = |hash: &mut Hash| {
            for n in 0..fields {
                for (nth, &deadline) in deadlines.iter().enumerate() {
                    let field = format!("{nth}:{n}");
                    let slot = hash.slot(field.as_bytes());
                    hash.set_at(slot, field.as_bytes(), StringRef::Int(1), deadline, LIMITS);
                }
            }
        };
        with_db(keyspace, &Effects::default(), name, |db, key| {
            db.update_or_insert(key, fill)
        })
        .expect("a hash");
    }

    fn counts(keyspace: &Keyspace) -> Counts {
        keyspace.lock_none().counts()[0]
    }

    #[test]
    fn the_cycle_removes_the_dead_fields_of_all_hashes_and_hashes_that_have_no_others() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(1, 1), Effects::default(), Cycle::new());
        for n in 0..40 {
            let fields = 1 + 20 * (n % 2);
            add(&keyspace, &format!("dead:{n}"), fields, &[Some(NOW)]);
            let mixed = [None, Some(NOW), Some(NOW + 1)];
            add(&keyspace, &format!("mixed:{n}"), fields, &mixed);
            add(&keyspace, &format!("never:{n}"), fields, &[None]);
        }
        let before = counts(&keyspace);
        assert_eq!((before.keys, before.fields_expire), (120, 80));
        let report = cycle.run(&keyspace, &effects, NOW, 1, LONG);
        assert_eq!((report.expired_fields, report.expired), (2 * 20 * 22, 0));
        assert_eq!(effects.expired_fields.get(), report.expired_fields);
        assert_eq!(effects.expired.get(), 0);
        let after = counts(&keyspace);
        assert_eq!((after.keys, after.fields_expire), (80, 40));
        for n in 0..40 {
            let fields = 2 * (1 + 20 * (n % 2));
            with_db(&keyspace, &effects, &format!("mixed:{n}"), |db, key| {
                let hash = db.collection::<Hash>(key).expect("a hash").expect("a key");
                assert_eq!(hash.len(), fields);
            });
        }
        cycle.run(&keyspace, &effects, NOW + 1, 1, LONG);
        assert_eq!(counts(&keyspace).fields_expire, 0);
        assert_eq!(counts(&keyspace).keys, 80);
    }

    #[test]
    fn a_large_hash_is_left_and_taken_up_again() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(1, 1), Effects::default(), Cycle::new());
        add(&keyspace, "large", 10_000, &[Some(NOW)]);
        let mut runs = 0;
        while counts(&keyspace).keys > 0 {
            let report = cycle.run(&keyspace, &effects, NOW, 1, Duration::ZERO);
            assert!(report.expired_fields <= 200, "more than fits a slice");
            runs += 1;
            assert!(runs < 10_000);
        }
        assert!(runs >= 50);
        assert_eq!(effects.expired_fields.get(), 10_000);
    }

    #[test]
    fn a_large_hash_in_which_something_always_dies_does_not_hold_the_cycle() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(1, 1), Effects::default(), Cycle::new());
        let deadlines: Vec<_> = (0..10_000).map(|n| Some(NOW + n)).collect();
        add(&keyspace, "large", 1, &deadlines);
        for n in 0..50 {
            add(&keyspace, &format!("dead:{n}"), 1, &[Some(NOW)]);
        }
        let mut runs = 0;
        while counts(&keyspace).keys > 1 {
            cycle.run(&keyspace, &effects, NOW + runs, 1, Duration::ZERO);
            runs += 1;
            assert!(runs < 1000, "{:?} left", counts(&keyspace));
        }
    }

    #[test]
    fn whatever_takes_the_place_of_a_hash_takes_its_mark_away() {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        for (fields, name) in [(1, "packed"), (20, "large")] {
            for replaced_by in ["string", "hash", "nothing"] {
                add(&keyspace, name, fields, &[Some(NOW + 1)]);
                assert_eq!(counts(&keyspace).fields_expire, 1);
                with_db(&keyspace, &effects, name, |db, key| match replaced_by {
                    "string" => db.set(key, NewValue::Bytes(b"0:0 is short"), Expiry::Never),
                    "hash" => {
                        let clear = |hash: &mut Hash| {
                            for n in 0..fields {
                                hash.set_deadline(hash.slot(format!("0:{n}").as_bytes()), None);
                            }
                        };
                        db.update(key, clear).expect("a hash");
                    }
                    _ => assert!(db.delete(key)),
                });
                assert_eq!(counts(&keyspace).fields_expire, 0, "{name} {replaced_by}");
                with_db(&keyspace, &effects, name, |db, key| db.delete(key));
            }
        }
    }

    #[test]
    fn readers_leave_the_dead_alone_while_nothing_may_expire() {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        add(&keyspace, "h", 3, &[Some(NOW)]);
        with_db(&keyspace, &effects, "h", |db, key| {
            db.moment.may_expire = false;
            db.expire_all_fields(key);
            db.expire_fields(key, [&b"0:0"[..]].into_iter());
        });
        assert_eq!(effects.expired_fields.get(), 0);
        with_db(&keyspace, &effects, "h", |db, key| {
            db.expire_fields(key, [&b"0:0"[..], b"0:0", b"none"].into_iter());
            assert_eq!(effects.expired_fields.get(), 1);
            db.expire_all_fields(key);
        });
        assert_eq!(effects.expired_fields.get(), 3);
        assert_eq!(counts(&keyspace).keys, 0);
    }
}
