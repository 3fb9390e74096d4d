//! What writers hand over, on its way to the saver's thread.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::Busy;
use crate::keyspace::entry::Entry;
use crate::keyspace::reclaim;
use crate::table::Table;

/// Something that a snapshot got and has not yet passed on.
#[derive(Debug)]
pub(super) enum Handed {
    /// An entry, that of a database's number at the beginning.
    Entry(usize, Entry),
    /// A database's part of a shard, some of whose entries may be wanted.
    Table(usize, Table<Entry>),
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
        self.state.swap(IDLE, Relaxed) == RUNNING
    }

    pub(super) fn push(&self, handed: Handed) {
        let bytes = handed.bytes();
        self.held_bytes.fetch_add(bytes, Relaxed);
        self.queue.lock().push(Load { handed, bytes });
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
