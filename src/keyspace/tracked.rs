//! Tracked keys: of which keys clients keep copies, in the shard of each key (client-side caching).
//!
//! A read leaves the id of its client with the key, under the lock that it reads under; a change takes the ids away under that same lock
//! and notes them with the [`Invalidations`] of its worker. Before the change's shards are let go these go to the clients' workers. So
//! whoever can see the change, or be told of it, comes after the invalidation.
//!
//! Keys are known by name alone, whatever their database, for so do the clients. The id of a client that is gone stays until its
//! key changes.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::effects::{Class, Event};

/// Clients, by their ids, in ascending order.
pub type Clients = SmallVec<[u64; 2]>;

/// The tracked keys of one shard.
#[derive(Debug, Default)]
pub struct Tracked(IndexMap<Box<[u8]>, Clients>);

/// What is new in what was added to the tracked keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The key.
    Key,
    /// That this client keeps a copy of it.
    Client,
    /// Nothing.
    Nothing,
}

impl Tracked {
    /// Remembers that a client keeps a copy of a key. O(log n) of those who do, and a move of ids if it did not.
    pub fn add(&mut self, key: &[u8], client: u64) -> Added {
        let Some(clients) = self.0.get_mut(key) else {
            self.0.insert(key.into(), Clients::from_slice(&[client]));
            return Added::Key;
        };
        match clients.binary_search(&client) {
            Ok(_) => Added::Nothing,
            Err(place) => {
                clients.insert(place, client);
                Added::Client
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the clients of any key away, as if it had changed; answers whether there was one.
    pub fn invalidate_any(&mut self, invalidations: &Invalidations) -> bool {
        let len = self.0.len();
        let any = (len > 0).then(|| self.0.swap_remove_index(fastrand::usize(..len)));
        let Some((key, clients)) = any.flatten() else {
            return false;
        };
        invalidations.note(|draft| draft.copies.push((key, clients)));
        self.shrink();
        true
    }

    pub(super) fn tell(&mut self, invalidations: &Invalidations, key: &[u8]) {
        if let Some((key, clients)) = self.0.swap_remove_entry(key) {
            invalidations.note(|draft| draft.copies.push((key, clients)));
            self.shrink();
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self, invalidations: &Invalidations) {
        let clients = self.0.values().map(|clients| clients.len()).sum::<usize>();
        let keys = std::mem::take(&mut self.0).len();
        invalidations.note(|draft| {
            draft.forgotten.keys += keys;
            draft.forgotten.clients += clients;
        });
    }

    fn shrink(&mut self) {
        const KEPT: usize = 16;
        let (len, capacity) = (self.0.len(), self.0.capacity());
        if capacity > KEPT && len < capacity / 4 {
            self.0.shrink_to(2 * len);
        }
    }
}

/// How much is tracked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Keys.
    pub keys: usize,
    /// Pairs of a key and a client.
    pub clients: usize,
}

/// What clients are to be told of a command, a transaction or a script.
#[derive(Debug, Default)]
pub struct Draft {
    /// Keys that were tracked, with their clients.
    pub copies: Vec<(Box<[u8]>, Clients)>,
    /// All keys that were changed, in order, and whether that was by the command itself: others die or have to go while it runs.
    /// Only while somebody wants to know of all.
    pub changes: Vec<(Box<[u8]>, bool)>,
    /// Whether all copies of everything are worth nothing any more.
    pub is_everything: bool,
    /// What was tracked before that.
    pub forgotten: Count,
}

/// Who knows which clients keep copies, and the way to them.
pub trait Audience: Debug + Send + Sync {
    /// Tells clients that copies which they keep are not good any more. What was changed is still locked.
    fn tell(&self, draft: &Draft, author: Option<Author<'_>>);
}

/// The client whose command made changes.
#[derive(Debug)]
pub struct Author<'a> {
    /// Its id.
    pub id: u64,
    /// What it is sent behind the command's reply.
    pub pushes: &'a mut Vec<u8>,
}

/// What one worker's commands made of the copies that clients keep.
#[derive(Debug, Default)]
pub struct Invalidations {
    audience: OnceLock<Arc<dyn Audience>>,
    /// Whether somebody wants to know of all changes.
    wants_all: OnceLock<Arc<AtomicBool>>,
    /// The client that the worker serves; 0 for none.
    author: AtomicU64,
    has_news: AtomicBool,
    draft: Mutex<Draft>,
    /// What the author is sent behind the reply of its command.
    own: Mutex<Vec<u8>>,
}

impl Invalidations {
    /// Names the audience, once, and where it says whether it wants to know of all changes.
    pub fn attach(&self, audience: Arc<dyn Audience>, wants_all: Arc<AtomicBool>) {
        let attached = self.audience.set(audience).is_ok() && self.wants_all.set(wants_all).is_ok();
        debug_assert!(attached, "there is one audience");
    }

    /// Names the client whose commands make changes from now on, 0 for none; answers which one it was before.
    pub fn act_for(&self, client: u64) -> u64 {
        let before = self.author.load(Relaxed);
        self.author.store(client, Relaxed);
        before
    }

    /// Takes note of a change to a key, for those who want to know of all.
    #[inline]
    pub(super) fn changed(&self, key: &[u8], event: Event) {
        let wants_all = self.wants_all.get();
        if wants_all.is_some_and(|wanted| wanted.load(Relaxed)) {
            let by_author = !matches!(event.class, Class::Expired | Class::Evicted);
            self.note(|draft| draft.changes.push((key.into(), by_author)));
        }
    }

    /// Takes note that the data are others now.
    pub(super) fn everything(&self) {
        self.note(|draft| draft.is_everything = true);
    }

    #[cold]
    fn note(&self, note: impl FnOnce(&mut Draft)) {
        if self.audience.get().is_some() {
            note(&mut self.draft.lock());
            self.has_news.store(true, Relaxed);
        }
    }

    /// Whether something has gathered, for others or for the author.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.has_news.load(Relaxed)
    }

    /// Hands over what gathered since the last time, if anything. What was changed must still be locked.
    #[inline]
    pub fn send(&self) {
        if self.has_news() {
            self.send_draft();
        }
    }

    #[cold]
    fn send_draft(&self) {
        let draft = std::mem::take(&mut *self.draft.lock());
        let mut own = self.own.lock();
        let author = match self.author.load(Relaxed) {
            0 => None,
            id => Some(Author {
                id,
                pushes: &mut own,
            }),
        };
        if let Some(audience) = self.audience.get() {
            audience.tell(&draft, author);
        }
        self.has_news.store(!own.is_empty(), Relaxed);
    }

    /// Moves what the author is to be sent behind `pushes`.
    pub fn take_own(&self, pushes: &mut Vec<u8>) {
        if self.has_news() {
            pushes.append(&mut self.own.lock());
            self.has_news.store(false, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was told, in words.
    #[derive(Debug, Default)]
    struct Told(Mutex<Vec<String>>);

    impl Audience for Told {
        fn tell(&self, draft: &Draft, author: Option<Author<'_>>) {
            let mut told = self.0.lock();
            for (key, clients) in &draft.copies {
                told.push(format!("{} {clients:?}", key.escape_ascii()));
            }
            for (key, by_author) in &draft.changes {
                told.push(format!("{} {by_author}", key.escape_ascii()));
            }
            if draft.is_everything {
                told.push(format!("all {:?}", draft.forgotten));
            }
            if let Some(author) = author {
                author.pushes.push(author.id as u8);
            }
        }
    }

    fn invalidations() -> (Invalidations, Arc<Told>, Arc<AtomicBool>) {
        let (told, wants_all) = (Arc::new(Told::default()), Arc::default());
        let invalidations = Invalidations::default();
        invalidations.attach(told.clone(), Arc::clone(&wants_all));
        (invalidations, told, wants_all)
    }

    #[test]
    fn a_key_is_told_once_for_each_time_it_was_added() {
        let (invalidations, told, _) = invalidations();
        let mut tracked = Tracked::default();
        let added = [(b"a", 7), (b"b", 7), (b"a", 3), (b"a", 7)];
        let added = added.map(|(key, client)| tracked.add(key, client));
        assert_eq!(
            added,
            [Added::Key, Added::Key, Added::Client, Added::Nothing]
        );
        for key in [b"a", b"c", b"a"] {
            tracked.tell(&invalidations, key);
        }
        invalidations.send();
        invalidations.send();
        assert_eq!(*told.0.lock(), ["a [3, 7]"]);
        assert!(tracked.invalidate_any(&invalidations) && !tracked.invalidate_any(&invalidations));
        assert!(tracked.is_empty());
    }

    #[test]
    fn all_changes_gather_while_somebody_wants_to_know() {
        let (invalidations, told, wants_all) = invalidations();
        invalidations.changed(b"unwanted", Event::SET);
        wants_all.store(true, Relaxed);
        invalidations.changed(b"a", Event::SET);
        invalidations.changed(b"b", Event::EXPIRED);
        let mut tracked = Tracked::default();
        tracked.add(b"a", 1);
        tracked.add(b"a", 2);
        tracked.clear(&invalidations);
        invalidations.everything();
        invalidations.act_for(9);
        invalidations.send();
        let all = "all Count { keys: 1, clients: 2 }";
        assert_eq!(*told.0.lock(), ["a true", "b false", all]);
        let mut pushes = vec![1];
        assert!(invalidations.has_news(), "the author has not been told yet");
        invalidations.take_own(&mut pushes);
        assert_eq!((pushes, invalidations.has_news()), (vec![1, 9], false));
    }
}
