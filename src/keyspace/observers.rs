//! Observers: who wants to hear of changes to the keys of one shard.
//!
//! The effects funnel tells them of every change, under the shard's lock. Most shards have none, most of the time; then a change
//! costs the one comparison of looking whether anybody is there.

use super::effects::{Effects, Event};
use super::tracked::Tracked;
use super::waiters::Waiters;
use super::watch::{Presence, Watches};

/// Who observes the keys of one shard.
#[derive(Debug, Default)]
pub struct Observers(Option<Box<Parties>>);

/// The observers of one shard by what they are there for.
#[derive(Debug, Default)]
pub struct Parties {
    /// Transactions that depend on keys.
    pub watches: Watches,
    /// Clients that keep copies of keys.
    pub tracked: Tracked,
    /// Clients that are blocked until keys hold something.
    pub waiters: Waiters,
}

impl Observers {
    /// Whoever is there already, for adding to.
    pub fn add(&mut self) -> &mut Parties {
        self.0.get_or_insert_default()
    }

    /// Whoever is there, for looking.
    pub fn get(&self) -> Option<&Parties> {
        self.0.as_deref()
    }

    /// Takes observers away, if there are any.
    pub fn remove<R>(&mut self, remove: impl FnOnce(&mut Parties) -> R) -> Option<R> {
        let parties = self.0.as_deref_mut()?;
        let removed = remove(parties);
        if parties.is_empty() {
            self.0 = None;
        }
        Some(removed)
    }

    /// Tells of a change to a key.
    #[inline]
    pub(super) fn tell(&mut self, effects: &Effects, database: usize, key: &[u8], event: Event) {
        if let Some(parties) = &mut self.0 {
            parties.tell(effects, database, key, event);
            if parties.is_empty() {
                self.0 = None;
            }
        }
    }

    /// Tells that all keys of a database went, and others may have come.
    pub(super) fn tell_replaced(
        &mut self,
        effects: &Effects,
        database: usize,
        before: impl Fn(&[u8]) -> Presence,
        after: impl Fn(&[u8]) -> Presence,
    ) {
        if let Some(parties) = self.0.as_deref_mut() {
            let waiters = &mut parties.waiters;
            waiters.tell_replaced(&effects.ready, database, &after);
            parties.watches.touch_replaced(database, before, after);
            parties.tracked.clear(&effects.invalidations);
        }
    }
}

impl Parties {
    #[cold]
    fn tell(&mut self, effects: &Effects, database: usize, key: &[u8], event: Event) {
        self.watches.touch(database, key, event);
        self.tracked.tell(&effects.invalidations, key);
        self.waiters.tell(&effects.ready, database, key, event);
    }

    fn is_empty(&self) -> bool {
        let Parties {
            watches,
            tracked,
            waiters,
        } = self;
        watches.is_empty() && tracked.is_empty() && waiters.is_empty()
    }
}
