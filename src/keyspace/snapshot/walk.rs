//! The saver's walk: every shard, every database that it had at the beginning, every position.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Piece;
use super::hooks;
use super::queue::{Control, Handed, Load};
use crate::keyspace::entry::Entry;
use crate::keyspace::reclaim;
use crate::keyspace::shard::Keyspace;
use crate::table::Place;

/// Home buckets whose entries are fetched from memory at once: enough that their cache misses overlap.
const GROUP: usize = 4;

/// Work under one lock, in bytes copied.
const SLICE: usize = 256 << 10;

/// What an entry costs beside its bytes: to be found and allocated.
const ENTRY: usize = 1024;

/// Where a walk is, and what it has taken.
#[derive(Debug)]
pub(super) struct Walk {
    control: Arc<Control>,
    shard: usize,
    /// The database, by the number that it had at the beginning: as such it is found wherever it is now.
    origin: usize,
    position: u64,
    /// Work under one lock.
    slice: usize,
    taken: Vec<(usize, Entry)>,
}

impl Walk {
    pub(super) fn new(control: Arc<Control>) -> Walk {
        Walk {
            control,
            shard: 0,
            origin: 0,
            position: 0,
            slice: SLICE,
            taken: Vec::new(),
        }
    }

    /// A walk in the smallest slices.
    #[cfg(test)]
    pub(super) fn in_steps(control: Arc<Control>) -> Walk {
        Walk {
            slice: 1,
            ..Walk::new(control)
        }
    }

    /// Goes on for a slice; answers whether there is more. An error of the consumer cancels the snapshot; then the steps that
    /// follow clear up.
    pub(super) fn step<E>(
        &mut self,
        keyspace: &Keyspace,
        consume: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let result = self.pass_on(keyspace, consume);
        if result.is_err() {
            self.control.cancel();
        }
        result
    }

    fn pass_on<E>(
        &mut self,
        keyspace: &Keyspace,
        consume: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        // What was handed over takes memory that the keyspace has given up, so it goes first.
        let loads = self.control.take();
        let is_walking = self.shard < keyspace.shards();
        let mut result = Ok(is_walking || !loads.is_empty());
        for Load { handed, bytes } in loads {
            if result.is_ok() {
                result = self
                    .pass_on_handed(keyspace, handed, consume)
                    .map(|()| true);
            } else {
                drop(handed);
            }
            self.control.released(bytes);
        }
        if is_walking {
            self.slice(keyspace);
            for (database, entry) in self.taken.drain(..) {
                let entry = entry.as_ref();
                if result.is_ok() && !self.control.is_cancelled() {
                    result = consume(Piece::Entry { database, entry }).map(|()| true);
                }
            }
        }
        result
    }

    fn pass_on_handed<E>(
        &self,
        keyspace: &Keyspace,
        handed: Handed,
        consume: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pass_on = |database, entry: Entry, is_wanted: bool| {
            let result = if is_wanted && !self.control.is_cancelled() {
                let entry = entry.as_ref();
                consume(Piece::Entry { database, entry })
            } else {
                Ok(())
            };
            keyspace.reclaimer.discard(entry);
            result
        };
        match handed {
            Handed::Entry(database, entry) => pass_on(database, entry, true),
            Handed::Table(database, table) => {
                let generation = keyspace.lock(0).generation;
                table.into_iter().try_for_each(|entry| {
                    let is_wanted = !entry.as_ref().is_of(generation);
                    pass_on(database, entry, is_wanted)
                })
            }
        }
    }

    /// Takes what is wanted from here on, within one database of one shard.
    fn slice(&mut self, keyspace: &Keyspace) {
        let is_cancelled = self.control.is_cancelled();
        let mut shard = keyspace.lock(self.shard);
        let generation = shard.generation;
        let index = shard
            .snapshot
            .as_ref()
            .and_then(|ongoing| ongoing.index_of(self.origin));
        let table = index.and_then(|index| shard.databases.get_mut(index));
        let mut next = Some(self.position);
        if let Some(table) = table {
            let mut work = 0;
            let mut places: SmallVec<[Place; 64]> = SmallVec::new();
            while work < self.slice && next.is_some() {
                for _ in 0..GROUP {
                    next = next.and_then(|position| {
                        table.scan_places(position, |place| {
                            table.prefetch(place);
                            places.push(place);
                        })
                    });
                }
                for place in places.drain(..) {
                    let mut entry = table.get_mut(place);
                    work += ENTRY;
                    if entry.as_ref().is_of(generation) {
                        continue;
                    }
                    if is_cancelled {
                        entry.set_generation(generation);
                        continue;
                    }
                    let copy = hooks::take(entry, generation);
                    work += copy.as_ref().size() + reclaim::value_bytes(copy.as_ref().value());
                    self.taken.push((self.origin, copy));
                }
            }
        } else {
            next = None;
        }
        match next {
            Some(next) => self.position = next,
            None => self.leave_database(keyspace),
        }
    }

    fn leave_database(&mut self, keyspace: &Keyspace) {
        self.origin += 1;
        if self.origin == keyspace.databases() {
            self.origin = 0;
            self.shard += 1;
        }
        if self.shard < keyspace.shards() {
            self.position = keyspace.start_of(self.shard);
        }
    }

    /// Ends the snapshot; answers whether it is complete.
    pub(super) fn finish(self, keyspace: &Keyspace) -> bool {
        for number in 0..keyspace.shards() {
            keyspace.lock(number).snapshot = None;
        }
        for Load { handed, bytes } in self.control.take() {
            drop(handed);
            self.control.released(bytes);
        }
        self.control.end()
    }
}
