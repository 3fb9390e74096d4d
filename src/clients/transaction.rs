//! What a client keeps between MULTI and EXEC, and since WATCH.

use crate::keyspace::watch::Touched;
use crate::keyspace::{Key, Keyspace};
use crate::protocol::{OwnedRequest, Request};

/// The commands since MULTI.
#[derive(Debug, Default)]
pub struct Transaction {
    /// In the order in which they came.
    pub queue: Vec<Queued>,
    /// Bytes of all arguments.
    pub bytes: usize,
    /// Bytes allocated for them.
    allocated: usize,
    /// Whether a command was refused, so that EXEC will refuse the rest.
    pub refused: bool,
    /// Whether a command may change keys.
    pub writes: bool,
    /// Whether a command may use more memory.
    pub needs_memory: bool,
}

/// A command that waits for EXEC.
#[derive(Debug)]
pub struct Queued {
    /// The command, as [`Entry::id`](crate::command::registry::Entry).
    pub command: usize,
    /// Its arguments.
    pub request: OwnedRequest,
}

impl Transaction {
    /// Adds a command. Nothing more is kept of a transaction that will be refused.
    pub fn push(&mut self, command: usize, request: Request<'_>) {
        if self.refused {
            return;
        }
        self.bytes += request.iter().map(<[u8]>::len).sum::<usize>();
        let request = OwnedRequest::from(request);
        self.allocated += request.allocated();
        self.queue.push(Queued { command, request });
    }

    /// Bytes allocated for the commands' arguments.
    pub fn allocated(&self) -> usize {
        self.allocated
    }

    /// What it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Transaction>() + self.queue.capacity() * size_of::<Queued>() + self.allocated
    }

    /// Takes note that a command was refused.
    pub fn refuse(&mut self) {
        *self = Transaction {
            refused: true,
            writes: self.writes,
            needs_memory: self.needs_memory,
            ..Transaction::default()
        };
    }
}

/// The keys that a client watches.
#[derive(Debug, Default)]
pub struct Watching {
    /// Raised when one of them changes.
    pub touched: Touched,
    /// Each once.
    pub keys: Vec<WatchedKey>,
    /// Bytes of their names.
    names: usize,
}

/// What a watch takes beyond two copies of the key's name: here and in the key's shard, in bytes, about.
const WATCH: usize = 150;

/// A watched key.
#[derive(Debug, PartialEq, Eq)]
pub struct WatchedKey {
    /// Its database.
    pub database: usize,
    /// Its name.
    pub name: Box<[u8]>,
}

impl Watching {
    /// Adds a key, which is not among them yet.
    pub fn push(&mut self, watched: WatchedKey) {
        self.names += watched.name.len();
        self.keys.push(watched);
    }

    /// What it takes, in bytes, about.
    pub(super) fn memory(&self) -> usize {
        self.keys.len() * WATCH + 2 * self.names
    }

    /// Takes the watches off their shards, locking one after the other; no shard may be locked by the caller.
    pub fn end(self, keyspace: &Keyspace) {
        for watched in &self.keys {
            let key = Key::new(&watched.name);
            let mut shard = keyspace.lock(keyspace.shard_of(key.hash));
            shard.observers.remove(|observers| {
                observers
                    .watches
                    .remove(watched.database, key.bytes, &self.touched)
            });
        }
    }
}
