//! What writers hand over, on its way to the saver's thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::{Busy, Kind};
use crate::keyspace::entry::Entry;
use crate::keyspace::reclaim;
use crate::table::{Place, Table, hash};

/// Something that a snapshot got and has not yet passed on.
#[derive(Debug)]
pub(super) enum Handed {
    /// An entry, that of a database's number at the beginning.
    Entry(usize, Entry),
    /// A database's part of a shard, some of whose entries may be wanted.
    Table(usize, Table<Entry>),
    /// The collection of this number, which is taken in part, is here now.
    Elsewhere(u64, Location),
}

/// Where a key is.
#[derive(Clone, Debug)]
pub(super) struct Location {
    /// The database, by the number that it had when the snapshot began.
    pub(super) origin: usize,
    pub(super) hash: u64,
    pub(super) key: Box<[u8]>,
}

impl Location {
    pub(super) fn new(origin: usize, key: &[u8]) -> Location {
        Location {
            origin,
            hash: hash::of(key),
            key: key.into(),
        }
    }

    /// The place in a table of that database.
    pub(super) fn place(&self, table: &Table<Entry>) -> Option<Place> {
        table.find(self.hash, &self.key)
    }
}

/// What a collection that is taken in pieces was when the snapshot began.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) database: usize,
    pub(super) key: Box<[u8]>,
    pub(super) deadline: Option<u64>,
    pub(super) access: u32,
    pub(super) kind: Kind,
    pub(super) count: usize,
}

impl Handed {
    /// About how many bytes this holds.
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Handed::Entry(_, entry) => {
                let entry = entry.as_ref();
                entry.size() + reclaim::value_bytes(entry.value())
            }
            Handed::Table(_, table) => reclaim::table_bytes(table),
            Handed::Elsewhere(..) => 0,
        };
        bytes as u64
    }
}

/// What was handed over, and what was counted as held for it.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) handed: Handed,
    pub(super) bytes: u64,
}

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const CANCELLED: u8 = 2;

/// Whether a snapshot runs, and what it was handed. There is one for each keyspace, as there is one snapshot at a time.
#[derive(Debug, Default)]
pub struct Control {
    /// Read and written under the lock of any shard, or by the saver's thread, whose walk takes the lock of every shard after
    /// a change: so who finds a shard already walked over knows the change, too.
    state: AtomicU8,
    /// A leaf: who holds it locks nothing else.
    queue: Mutex<Vec<Load>>,
    held_bytes: AtomicU64,
    /// A leaf, too. By number; a tree, because it never takes long to grow.
    parts: Mutex<BTreeMap<u64, Part>>,
    next_part: AtomicU64,
}

impl Control {
    /// Whether there is a snapshot; one that was cancelled is there until it is cleared away.
    pub fn is_running(&self) -> bool {
        self.state.load(Relaxed) != IDLE
    }

    /// Ends the snapshot that runs, if any, as soon as its thread comes by. The file that it was for must not be used.
    pub fn cancel(&self) {
        let _ = self
            .state
            .compare_exchange(RUNNING, CANCELLED, Relaxed, Relaxed);
    }

    /// About how many bytes a snapshot keeps that are no longer part of the keyspace.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Relaxed)
    }

    pub(super) fn begin(&self) -> Result<(), Busy> {
        self.state
            .compare_exchange(IDLE, RUNNING, Relaxed, Relaxed)
            .map_or(Err(Busy), |_| Ok(()))
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.state.load(Relaxed) == CANCELLED
    }

    /// Tells whether the snapshot came to its end without being cancelled.
    pub(super) fn end(&self) -> bool {
        self.parts.lock().clear();
        self.state.swap(IDLE, Relaxed) == RUNNING
    }

    pub(super) fn push(&self, handed: Handed) {
        let bytes = handed.bytes();
        self.held_bytes.fetch_add(bytes, Relaxed);
        self.queue.lock().push(Load { handed, bytes });
    }

    /// Takes note of a collection that is to be taken in pieces, and gives it a number.
    pub(super) fn begin_part(&self, part: Part) -> u64 {
        let id = self.next_part.fetch_add(1, Relaxed);
        self.parts.lock().insert(id, part);
        id
    }

    /// What there is to know of such a collection, told once.
    pub(super) fn take_part(&self, id: u64) -> Option<Part> {
        self.parts.lock().remove(&id)
    }

    /// Whether nothing was handed over that was not yet taken.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.lock().is_empty()
    }

    /// All that was handed over, in that order.
    pub(super) fn take(&self) -> Vec<Load> {
        std::mem::take(&mut *self.queue.lock())
    }

    /// Takes note that something was freed.
    pub(super) fn released(&self, bytes: u64) {
        self.held_bytes.fetch_sub(bytes, Relaxed);
    }
}
