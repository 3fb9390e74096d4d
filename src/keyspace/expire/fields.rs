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

/// Whether some fields of a hash may be dead.
pub(super) fn are_due(entry: EntryRef<'_>, now: u64) -> bool {
    entry.value().soonest().is_some_and(|at| at <= now)
}

/// Removes dead fields of the hash at a place of a shard's table, as far as the budget goes, and the hash with the last one;
/// answers how many there were, and the hash if it is gone.
pub(super) fn reap(
    shard: &mut Shard,
    database: usize,
    place: Place,
    now: u64,
    effects: &Effects,
    budget: &mut usize,
) -> (usize, Option<Entry>) {
    let (table, watches) = shard.watched_table_mut(database);
    let reaped = update(table, place, |hash: &mut Hash| hash.reap(now, budget));
    let Ok((count, emptied)) = reaped else {
        debug_assert!(false, "only hashes have fields that die");
        table.set_marks(place, table.marks(place) & !MARK_FIELDS);
        return (0, None);
    };
    if count > 0 {
        effects.fields_expired(watches, database, table.get(place).key(), count, emptied);
    }
    (count, emptied.then(|| table.remove(place)))
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
        let now = self.now();
        self.expire_if_allowed(key, |hash| {
            names.filter(|name| hash.live_slot(name, now).1).count()
        });
    }

    /// Removes all dead fields of a hash. While clients are paused they stay. Linear if some may be dead.
    pub fn expire_all_fields(&mut self, key: Key<'_>) {
        let now = self.now();
        if self.peek(key).is_some_and(|entry| are_due(entry, now)) {
            let mut budget = usize::MAX;
            self.expire_if_allowed(key, |hash| hash.reap(now, &mut budget));
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
            let watches = &self.locked.shard(key).watches;
            self.effects
                .fields_expired(watches, self.index, key.bytes, count, emptied);
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
