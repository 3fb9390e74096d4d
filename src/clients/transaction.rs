//! What a client keeps between MULTI and EXEC, and since WATCH.

use smallvec::SmallVec;

use crate::keyspace::watch::Touched;
use crate::keyspace::{Key, Keyspace};
use crate::protocol::{Request, Span};

/// The commands since MULTI. Their arguments lie one behind the other in one piece of memory, so that a client which has gone through
/// one transaction needs no new memory for the next.
#[derive(Debug, Default)]
pub struct Transaction {
    /// In the order in which they came.
    queue: Vec<Queued>,
    /// All arguments.
    arguments: Vec<u8>,
    /// Where each argument lies, from the beginning of its command's.
    spans: Vec<Span>,
    /// The hashes of the keys that the commands name, in their order.
    pub hashes: SmallVec<[u64; 16]>,
    /// How many commands may change the configuration.
    pub config_changes: usize,
    /// Whether a command needs all shards.
    pub needs_all: bool,
    /// Whether a command was refused, so that EXEC will refuse the rest.
    pub refused: bool,
    /// Whether a command may change keys.
    pub writes: bool,
    /// Whether a command may be of concern elsewhere although it changes no key.
    pub is_replicated: bool,
    /// Whether a command may use more memory.
    pub needs_memory: bool,
}

/// A command that waits for EXEC: where what belongs to it ends.
#[derive(Clone, Copy, Debug, Default)]
struct Queued {
    command: usize,
    arguments: usize,
    spans: usize,
    hashes: usize,
}

/// Up to so many bytes are kept for a client's next transaction.
const MAX_KEPT: usize = 4096;

impl Transaction {
    /// Adds a command, by its [`Entry::id`](crate::command::registry::Entry), the hashes of whose keys were added before.
    pub fn push(&mut self, command: usize, request: Request<'_>) {
        let start = self.arguments.len();
        for argument in request.iter() {
            let first = self.arguments.len() - start;
            self.arguments.extend_from_slice(argument);
            self.spans.push(Span {
                start: first,
                end: first + argument.len(),
            });
        }
        self.queue.push(Queued {
            command,
            arguments: self.arguments.len(),
            spans: self.spans.len(),
            hashes: self.hashes.len(),
        });
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The commands in their order, each with its request and the hashes of its keys.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Request<'_>, &[u64])> {
        let mut from = Queued::default();
        self.queue.iter().map(move |to| {
            let arguments = &self.arguments[from.arguments..to.arguments];
            let request = Request::new(arguments, &self.spans[from.spans..to.spans]);
            let hashes = &self.hashes[from.hashes..to.hashes];
            from = *to;
            (to.command, request, hashes)
        })
    }

    /// Bytes of all arguments.
    pub fn bytes(&self) -> usize {
        self.arguments.len()
    }

    /// Bytes allocated for the commands' arguments.
    pub fn allocated(&self) -> usize {
        self.arguments.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// What it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        let hashes = match self.hashes.spilled() {
            true => self.hashes.capacity() * size_of::<u64>(),
            false => 0,
        };
        let queue = self.queue.capacity() * size_of::<Queued>();
        size_of::<Transaction>() + queue + hashes + self.allocated()
    }

    /// Takes note that a command was refused. Nothing more is kept of it.
    pub fn refuse(&mut self) {
        *self = Transaction {
            refused: true,
            writes: self.writes,
            is_replicated: self.is_replicated,
            needs_memory: self.needs_memory,
            ..Transaction::default()
        };
    }

    /// One without commands in the memory of this one, unless that is much.
    pub fn emptied(mut self: Box<Self>) -> Option<Box<Transaction>> {
        if self.memory() > MAX_KEPT {
            return None;
        }
        self.queue.clear();
        self.arguments.clear();
        self.spans.clear();
        self.hashes.clear();
        self.config_changes = 0;
        (self.needs_all, self.refused) = (false, false);
        (self.writes, self.is_replicated, self.needs_memory) = (false, false, false);
        Some(self)
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
