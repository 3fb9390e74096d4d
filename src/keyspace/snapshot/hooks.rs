//! What a shard does for a snapshot when its entries change.
//!
//! Everything here is called with the shard locked. Each of these functions begins with a look whether a snapshot runs.

use std::sync::Arc;

use super::queue::{Control, Handed};
use crate::keyspace::entry::{Entry, EntryMut, EntryRef, Generation};
use crate::keyspace::shard::Shard;
use crate::table::{Place, Table};

/// A shard's part in the snapshot that runs.
#[derive(Debug)]
pub(in crate::keyspace) struct Ongoing {
    control: Arc<Control>,
    /// The number that each database had at the beginning, by the number that it has now.
    origins: Box<[usize]>,
}

impl Ongoing {
    /// Which database is now what `origin` was at the beginning.
    pub(super) fn index_of(&self, origin: usize) -> Option<usize> {
        self.origins.iter().position(|&other| other == origin)
    }

    /// Two databases change places.
    pub(in crate::keyspace) fn swap(&mut self, a: usize, b: usize) {
        self.origins.swap(a, b);
    }

    /// Whether an entry is part of the snapshot and not yet taken.
    fn wants(&self, entry: EntryRef<'_>, generation: Generation) -> bool {
        !entry.is_of(generation) && !self.control.is_cancelled()
    }
}

/// Takes an entry that is wanted: it counts as taken from now on, and what comes back is what it was.
pub(super) fn take(mut entry: EntryMut<'_>, generation: Generation) -> Entry {
    entry.set_generation(generation);
    entry.as_ref().twin()
}

impl Shard {
    pub(super) fn begin_snapshot(&mut self, control: &Arc<Control>, databases: usize) {
        self.generation = self.generation.next();
        self.snapshot = Some(Box::new(Ongoing {
            control: Arc::clone(control),
            origins: (0..databases).collect(),
        }));
    }

    /// To be called before the entry at a place is changed in place, or taken out in order to be stored elsewhere.
    #[inline]
    pub(in crate::keyspace) fn preserve(&mut self, database: usize, place: Place) {
        if self.snapshot.is_some() {
            self.hand_copy_over(database, place);
        }
    }

    #[cold]
    fn hand_copy_over(&mut self, database: usize, place: Place) {
        let Some(ongoing) = &self.snapshot else {
            return;
        };
        let entry = self.databases[database].get_mut(place);
        if ongoing.wants(entry.as_ref(), self.generation) {
            let copy = take(entry, self.generation);
            let origin = ongoing.origins[database];
            ongoing.control.push(Handed::Entry(origin, copy));
        }
    }

    /// Whether the entry at a place must not be overwritten, but [replaced](Shard::replace).
    #[inline]
    pub(in crate::keyspace) fn must_keep(&self, database: usize, place: Place) -> bool {
        self.snapshot.as_ref().is_some_and(|ongoing| {
            ongoing.wants(self.databases[database].get(place), self.generation)
        })
    }

    /// Hands an entry over that was removed or replaced, or gives it back to be freed.
    #[inline]
    fn part_with(&self, database: usize, entry: Entry) -> Option<Entry> {
        match &self.snapshot {
            Some(ongoing) if ongoing.wants(entry.as_ref(), self.generation) => {
                let origin = ongoing.origins[database];
                ongoing.control.push(Handed::Entry(origin, entry));
                None
            }
            _ => Some(entry),
        }
    }

    /// Adds an entry whose key is absent.
    #[inline]
    pub(in crate::keyspace) fn insert(
        &mut self,
        database: usize,
        hash: u64,
        mut entry: Entry,
    ) -> Place {
        entry.as_mut().set_generation(self.generation);
        self.table_mut(database).insert(hash, entry)
    }

    /// Puts another entry of the same key at a place, and gives the former one back to be freed, unless a snapshot keeps it.
    /// The marks stay.
    #[inline]
    pub(in crate::keyspace) fn replace(
        &mut self,
        database: usize,
        place: Place,
        mut entry: Entry,
    ) -> Option<Entry> {
        entry.as_mut().set_generation(self.generation);
        let former = self.databases[database].replace(place, entry);
        self.part_with(database, former)
    }

    /// Removes the entry at a place and gives it back to be freed, unless a snapshot keeps it.
    #[inline]
    pub(in crate::keyspace) fn remove(&mut self, database: usize, place: Place) -> Option<Entry> {
        let entry = self.databases[database].remove(place);
        self.part_with(database, entry)
    }

    /// Takes a table that was removed, and gives it back to be freed unless a snapshot keeps it.
    pub(in crate::keyspace) fn part_with_table(
        &self,
        database: usize,
        table: Table<Entry>,
    ) -> Option<Table<Entry>> {
        match &self.snapshot {
            Some(ongoing) if !ongoing.control.is_cancelled() && !table.is_empty() => {
                let origin = ongoing.origins[database];
                ongoing.control.push(Handed::Table(origin, table));
                None
            }
            _ => Some(table),
        }
    }
}
