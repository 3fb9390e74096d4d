//! Watches: the keys that transactions depend on, in the shard of each key.
//!
//! A client that watches a key leaves a flag with it, and whoever changes the key raises the flag while the shard is
//! locked. EXEC looks at the flag with the same shard locked, so that nothing can come between.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::effects::{Class, Event};

/// A flag that a change to any watched key raises. The shards' locks order its accesses.
#[derive(Clone, Debug, Default)]
pub struct Touched(Arc<AtomicBool>);

impl Touched {
    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Relaxed)
    }

    fn raise(&self) {
        self.0.store(true, Relaxed);
    }

    fn is(&self, other: &Touched) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Debug)]
struct Watch {
    database: usize,
    touched: Touched,
    /// The key was dead already, though not yet removed: for the watcher it was not there, and its removal is no change.
    was_dead: bool,
}

/// The watched keys of one shard.
#[derive(Debug, Default)]
pub struct Watches(HashMap<Box<[u8]>, Vec<Watch>>);

impl Watches {
    /// Raises `touched` from now on when the key changes. One key of one database is watched once with the same flag.
    pub fn add(&mut self, database: usize, key: &[u8], touched: &Touched, was_dead: bool) {
        let watch = Watch {
            database,
            touched: touched.clone(),
            was_dead,
        };
        match self.0.get_mut(key) {
            Some(watches) => watches.push(watch),
            None => {
                self.0.insert(key.into(), vec![watch]);
            }
        }
    }

    /// Takes back what [`Watches::add`] did; answers whether the key is known to have been dead, so that it cannot die
    /// again.
    pub fn remove(&mut self, database: usize, key: &[u8], touched: &Touched) -> bool {
        let Some(watches) = self.0.get_mut(key) else {
            return false;
        };
        let mine = |watch: &Watch| watch.database == database && watch.touched.is(touched);
        let was_dead = watches.iter().any(|watch| mine(watch) && watch.was_dead);
        watches.retain(|watch| !mine(watch));
        if watches.is_empty() {
            self.0.remove(key);
        }
        was_dead
    }

    /// Whether nobody watches.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells the watchers of a key that something happened to it.
    pub(super) fn touch(&self, database: usize, key: &[u8], event: Event) {
        for watch in self.0.get(key).into_iter().flatten() {
            let unseen = watch.was_dead && event.class == Class::Expired;
            if watch.database == database && !unseen {
                watch.touched.raise();
            }
        }
    }

    /// Tells the watchers in a database that all its keys went, and others may have come. A dead key is as good as none.
    pub(super) fn touch_replaced(
        &mut self,
        database: usize,
        before: impl Fn(&[u8]) -> Presence,
        after: impl Fn(&[u8]) -> Presence,
    ) {
        for (key, watches) in &mut self.0 {
            let (before, after) = (before(key), after(key));
            for watch in watches
                .iter_mut()
                .filter(|watch| watch.database == database)
            {
                let was_there = before != Presence::Absent && !watch.was_dead;
                if was_there || after == Presence::Alive {
                    watch.touched.raise();
                }
                watch.was_dead = after == Presence::Dead;
            }
        }
    }
}

/// What is found under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Nothing.
    Absent,
    /// A key.
    Alive,
    /// A key whose time is over.
    Dead,
}
