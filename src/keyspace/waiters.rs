//! Waiters: the clients that are blocked until a key holds something, in the shard of each key.
//!
//! Each has a *ticket*, taken when its call began to wait, and stands with it in the line of every key that it would take from.
//! Whoever fills a key finds the line under the shard's lock, and notes the key as [`Ready`] with its own worker. When its command (or
//! transaction, or script) is over that worker serves the line, lowest ticket first: so who came first is served first, whichever workers
//! the clients and the key's changes belong to.
//!
//! While a line is not empty and its key holds what it waits for, some worker has noted the key.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::db::Key;
use super::effects::{Class, Event};
use super::entry::ValueRef;
use super::shard::Locked;
use super::watch::Presence;
use crate::types::{Object, Packing};

/// What a waiter wants to find under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A list.
    List,
    /// A sorted set.
    SortedSet,
}

impl Wanted {
    /// What those wait for who may take something from this value.
    pub fn of(value: ValueRef<'_>) -> Option<Wanted> {
        match value {
            ValueRef::Packed(Packing::List, _) | ValueRef::Object(Object::List(_)) => {
                Some(Wanted::List)
            }
            ValueRef::Packed(Packing::Zset, _) | ValueRef::Object(Object::Zset(_)) => {
                Some(Wanted::SortedSet)
            }
            _ => None,
        }
    }
}

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Its place in time: whoever came later has a higher one.
    pub ticket: u64,
    /// The client's id.
    pub client: u64,
}

/// The waiters of one shard.
#[derive(Debug, Default)]
pub struct Waiters(HashMap<Box<[u8]>, Vec<Line>>);

/// Those who wait for one key of one database to hold one kind of value.
#[derive(Debug)]
struct Line {
    database: usize,
    wanted: Wanted,
    /// Clients by their tickets.
    clients: BTreeMap<u64, u64>,
}

impl Waiters {
    /// Adds a waiter to the line of a key; answers whether it is the first to wait for that key. O(log n) of those who wait there.
    pub fn add(&mut self, database: usize, key: &[u8], wanted: Wanted, waiter: Waiter) -> bool {
        if !self.0.contains_key(key) {
            self.0.insert(key.into(), Vec::new());
        }
        let lines = self.0.get_mut(key).expect("it was just put there");
        let is_first = lines.iter().all(|line| line.database != database);
        let is_it = |line: &&mut Line| line.database == database && line.wanted == wanted;
        match lines.iter_mut().find(is_it) {
            Some(line) => {
                line.clients.insert(waiter.ticket, waiter.client);
            }
            None => lines.push(Line {
                database,
                wanted,
                clients: BTreeMap::from([(waiter.ticket, waiter.client)]),
            }),
        }
        is_first
    }

    /// Takes a waiter out of the line of a key, if it is there; answers whether it was the last who waited for that key. O(log n) of
    /// those who wait there.
    pub fn remove(&mut self, database: usize, key: &[u8], ticket: u64) -> bool {
        let Some(lines) = self.0.get_mut(key) else {
            return false;
        };
        let left =
            |line: &mut Line| line.database == database && line.clients.remove(&ticket).is_some();
        if !lines.iter_mut().any(left) {
            return false;
        }
        lines.retain(|line| !line.clients.is_empty());
        let was_last = lines.iter().all(|line| line.database != database);
        if lines.is_empty() {
            self.0.remove(key);
        }
        was_last
    }

    /// Who has waited longest for a key to hold this.
    pub fn first(&self, database: usize, key: &[u8], wanted: Wanted) -> Option<Waiter> {
        let lines = self.0.get(key)?;
        let mut lines = lines.iter();
        let line = lines.find(|line| line.database == database && line.wanted == wanted)?;
        let (&ticket, &client) = line.clients.first_key_value()?;
        Some(Waiter { ticket, client })
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether anybody waits for a key to hold this, or anything.
    fn is_awaited(&self, database: usize, key: &[u8], wanted: Option<Wanted>) -> bool {
        let mut lines = self.0.get(key).into_iter().flatten();
        lines.any(|line| {
            line.database == database && wanted.is_none_or(|wanted| line.wanted == wanted)
        })
    }

    /// Notes a key as ready if the event may have filled it and somebody waits for it.
    pub(super) fn tell(&self, ready: &Ready, database: usize, key: &[u8], event: Event) {
        // Threads that only remove keys serve nobody, so nothing may be noted with them.
        let filled = match event.class {
            Class::List => Some(Wanted::List),
            Class::Zset => Some(Wanted::SortedSet),
            Class::Generic if event != Event::DEL => None,
            _ => return,
        };
        if self.is_awaited(database, key, filled) {
            ready.note(database, key);
        }
    }

    /// Notes those awaited keys of a database as ready that are there `after` it was replaced.
    pub(super) fn tell_replaced(
        &self,
        ready: &Ready,
        database: usize,
        after: impl Fn(&[u8]) -> Presence,
    ) {
        for key in self.0.keys() {
            if self.is_awaited(database, key, None) && after(key) == Presence::Alive {
                ready.note(database, key);
            }
        }
    }
}

/// What the waiters of all shards have in common.
#[derive(Debug, Default)]
pub struct Waitroom {
    last_ticket: AtomicU64,
    keys: AtomicUsize,
}

impl Waitroom {
    /// A ticket for who begins to wait; the shards of the keys must be held, so that each line is in the order of its tickets.
    pub fn ticket(&self) -> u64 {
        self.last_ticket.fetch_add(1, Relaxed) + 1
    }

    /// How many keys are waited for.
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed)
    }
}

impl Locked<'_> {
    /// Adds a waiter to the line of a key, whose shard must be held.
    pub fn join_line(&mut self, database: usize, key: Key<'_>, wanted: Wanted, waiter: Waiter) {
        let waiters = &mut self.shard(key).observers.add().waiters;
        if waiters.add(database, key.bytes, wanted, waiter) {
            self.keyspace().waitroom.keys.fetch_add(1, Relaxed);
        }
    }

    /// Takes a waiter out of the line of a key, whose shard must be held, if it is there.
    pub fn leave_line(&mut self, database: usize, key: Key<'_>, ticket: u64) {
        let observers = &mut self.shard(key).observers;
        let was_last = observers.remove(|all| all.waiters.remove(database, key.bytes, ticket));
        if was_last == Some(true) {
            self.keyspace().waitroom.keys.fetch_sub(1, Relaxed);
        }
    }
}

/// A key that somebody may be served from: its database and name.
pub type ReadyKey = (usize, Box<[u8]>);

/// The keys that the commands of one worker filled while somebody waited for them, in that order and each once.
#[derive(Debug, Default)]
pub struct Ready {
    /// The common case is one look at this.
    any: AtomicBool,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    order: VecDeque<Arc<ReadyKey>>,
    known: HashSet<Arc<ReadyKey>>,
}

impl Ready {
    /// Whether there is any. Only the worker itself may ask.
    #[inline]
    pub fn any(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// Adds a key, behind the others and unless it is among them.
    pub fn note(&self, database: usize, key: &[u8]) {
        let key = Arc::new((database, Box::from(key)));
        let mut keys = self.keys.lock();
        if keys.known.insert(Arc::clone(&key)) {
            keys.order.push_back(key);
            self.any.store(true, Relaxed);
        }
    }

    /// Takes the one that was filled first.
    pub fn next(&self) -> Option<Arc<ReadyKey>> {
        let mut keys = self.keys.lock();
        let next = keys.order.pop_front();
        if let Some(next) = &next {
            keys.known.remove(next);
        }
        self.any.store(!keys.order.is_empty(), Relaxed);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(ticket: u64) -> Waiter {
        Waiter {
            ticket,
            client: 100 + ticket,
        }
    }

    #[test]
    fn whoever_came_first_is_first_in_the_line_of_their_kind() {
        let mut waiters = Waiters::default();
        assert!(waiters.add(0, b"k", Wanted::List, waiter(2)));
        assert!(!waiters.add(0, b"k", Wanted::SortedSet, waiter(1)));
        assert!(!waiters.add(0, b"k", Wanted::List, waiter(3)));
        assert!(waiters.add(1, b"k", Wanted::List, waiter(0)));
        let first = |waiters: &Waiters, wanted| waiters.first(0, b"k", wanted);
        assert_eq!(first(&waiters, Wanted::List), Some(waiter(2)));
        assert_eq!(first(&waiters, Wanted::SortedSet), Some(waiter(1)));
        assert!(!waiters.remove(0, b"k", 2));
        assert!(!waiters.remove(0, b"k", 2), "it is gone");
        assert_eq!(first(&waiters, Wanted::List), Some(waiter(3)));
        assert!(!waiters.remove(0, b"k", 3));
        assert_eq!(first(&waiters, Wanted::List), None);
        assert!(
            waiters.remove(0, b"k", 1),
            "in this database it was the last"
        );
        assert!(!waiters.is_empty());
        assert!(waiters.remove(1, b"k", 0));
        assert!(waiters.is_empty());
    }

    #[test]
    fn what_may_fill_an_awaited_key_makes_it_ready_once_and_in_order() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"a", Wanted::List, waiter(1));
        waiters.add(0, b"b", Wanted::List, waiter(1));
        let ready = Ready::default();
        for (database, key, event) in [
            (1, "a", Event::LPUSH),
            (0, "c", Event::LPUSH),
            (0, "a", Event::DEL),
            (0, "a", Event::EXPIRED),
            (0, "a", Event::EVICTED),
        ] {
            waiters.tell(&ready, database, key.as_bytes(), event);
            assert!(!ready.any(), "{event:?} of {key}");
        }
        for (key, event) in [
            ("a", Event::ZADD),
            ("b", Event::RENAME_TO),
            ("a", Event::LPUSH),
            ("b", Event::RPUSH),
        ] {
            waiters.tell(&ready, 0, key.as_bytes(), event);
        }
        for key in ["b", "a"] {
            assert!(ready.any());
            let next = ready.next().map(|key| key.1.clone());
            assert_eq!(next.as_deref(), Some(key.as_bytes()));
        }
        assert!(!ready.any());
        assert!(ready.next().is_none());
        waiters.tell_replaced(&ready, 0, |key| {
            if key == b"a" {
                Presence::Alive
            } else {
                Presence::Dead
            }
        });
        assert_eq!(ready.next().map(|key| key.1[0]), Some(b'a'));
        assert!(ready.next().is_none());
    }
}
