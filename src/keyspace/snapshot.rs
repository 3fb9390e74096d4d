//! Snapshots: the whole keyspace as it was at one moment, while everybody goes on changing it.
//!
//! **One bit in each entry** tells its *generation*. A snapshot begins by turning over the generation of all shards, under the
//! exclusive section; entries that are still of the former one are part of it and not yet taken. What is new is born with the
//! present generation and never concerns it.
//!
//! **The saver's thread** walks all hash positions, takes a copy of each such entry and gives it the present generation. It
//! holds a shard for some tens of microseconds at a time, and nothing while its consumer works.
//!
//! **Whoever changes an entry** that is not yet taken hands it over first (`hooks`): one that is removed or replaced moves into
//! the snapshot's queue, one that is changed in place is copied. So no entry is ever late, and none comes twice.
//! While no snapshot runs that costs a look at a field of the shard.
//!
//! **Large sets, sorted sets and hashes** are neither copied nor moved at once. They remember by themselves what they were
//! ([`Members`](crate::types::members)): who changes an element leaves the former one with the collection, and the walk passes over
//! some elements at a time. Meanwhile the entry counts as taken *in part*, whatever its name and wherever it is: who renames or
//! moves it says where it went, and the saver follows. **Large lists** share their chunks with the copy that the snapshot gets.
//!
//! Databases may change places meanwhile, and be emptied: each shard remembers which database its tables were at the beginning,
//! and a table that is thrown away moves into the queue whole.
//!
//! A snapshot that is cancelled, or whose consumer fails, walks on without copying until all entries are of one generation
//! again. Nobody else hands anything over from then on.

mod hooks;
mod queue;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use thiserror::Error;

use super::entry::EntryRef;
use super::shard::{Counts, Keyspace, Locked};
use crate::priority::Pace;
use crate::types::member::Member;
pub(super) use hooks::Ongoing;
pub use queue::Control;
use walk::Walk;

/// Something that a snapshot holds. Keys come in any order, also those of one database.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// A key with its whole value.
    Entry {
        /// The number that the database had when the snapshot began.
        database: usize,
        /// The key, its deadline, its access clock and its value.
        entry: EntryRef<'a>,
    },
    /// A large set, sorted set or hash begins: its elements follow, and nothing else comes before its end.
    Begin {
        /// The number that the database had when the snapshot began.
        database: usize,
        /// The key.
        key: &'a [u8],
        /// The moment from which it is dead, in milliseconds since the epoch.
        deadline: Option<u64>,
        /// The bits of its access clock (see [`super::access`]).
        access: u32,
        /// What it is.
        kind: Kind,
        /// How many elements it has.
        count: usize,
    },
    /// Some elements, in any order.
    Members(&'a [Member]),
    /// There are no more.
    End,
}

/// A type whose large values come in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Members are keys, their values empty.
    Set,
    /// Members are keys; [`MemberRef::score`](crate::types::member::MemberRef::score) tells their values.
    Zset,
    /// Fields with their values.
    Hash {
        /// A moment before which no field dies, if any has a deadline.
        soonest: Option<u64>,
    },
}

/// Another snapshot is running, or not yet cleared away.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("another snapshot is in progress")]
pub struct Busy;

/// Why a snapshot is not complete.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Aborted<E> {
    /// Somebody called [`Control::cancel`].
    #[error("the snapshot was cancelled")]
    Cancelled,
    /// The consumer could not go on.
    #[error(transparent)]
    Failed(E),
}

/// A snapshot whose moment is fixed. It must be [run](Snapshot::run), or [given up](Snapshot::abandon): until then writers
/// hand over what they change, and no other snapshot can begin.
#[must_use = "what is handed over waits until the snapshot is run or abandoned"]
#[derive(Debug)]
pub struct Snapshot {
    control: Arc<Control>,
    counts: Vec<Counts>,
}

impl Snapshot {
    /// Fixes the moment: the snapshot will hold what the keyspace holds now. The exclusive section must be held. Takes time in
    /// the number of shards, not of keys.
    ///
    /// # Errors
    /// When there is a snapshot already.
    pub fn begin(locked: &mut Locked<'_>) -> Result<Snapshot, Busy> {
        let keyspace = locked.keyspace();
        let control = Arc::clone(&keyspace.snapshots);
        control.begin()?;
        let counts = locked.counts();
        for shard in locked.all() {
            shard.begin_snapshot(&control, keyspace.databases());
        }
        Ok(Snapshot { control, counts })
    }

    /// What each database held at that moment, by its number; dead keys that were not yet removed are among them, and will be
    /// in the snapshot.
    pub fn counts(&self) -> &[Counts] {
        &self.counts
    }

    /// Passes everything to `consume`, with nothing locked. Steps back where others want to work, but it is up to the caller to
    /// lower the priority of the thread.
    ///
    /// # Errors
    /// When the snapshot is cancelled, or with the first error of `consume`. The keyspace is in order then, too.
    pub fn run<E>(
        self,
        keyspace: &Keyspace,
        mut consume: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), Aborted<E>> {
        let mut walk = Walk::new(self.control, keyspace);
        let mut pace = Pace::new();
        let mut failure = None;
        loop {
            match walk.step(keyspace, &mut consume) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => failure = Some(error),
            }
            pace.step();
        }
        match (failure, walk.finish(keyspace)) {
            (Some(error), _) => Err(Aborted::Failed(error)),
            (None, false) => Err(Aborted::Cancelled),
            (None, true) => Ok(()),
        }
    }

    /// Gives the snapshot up, which takes a walk over the keyspace.
    pub fn abandon(self, keyspace: &Keyspace) {
        self.control.cancel();
        let ended = self.run(keyspace, |_| Ok::<(), Busy>(()));
        debug_assert_eq!(ended, Err(Aborted::Cancelled));
    }
}
