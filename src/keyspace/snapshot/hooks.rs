//! What a shard does for a snapshot when its entries change.
//!
//! Everything here is called with the shard locked. Each of these functions begins with a look whether a snapshot runs.

use std::sync::Arc;

use super::queue::{Control, Handed, Location, Part};
use super::{Kind, walk};
use crate::keyspace::entry::{Entry, EntryRef, Generation, ValueMut, ValueRef};
use crate::keyspace::shard::Shard;
use crate::keyspace::undo;
use crate::table::{Place, Table};
use crate::types::{Collection, Object};

/// Collections of more elements are walked in pieces, and changed while that goes on.
const LARGE: usize = 256;

/// So are those of more bytes; and the saver copies longer strings in pieces.
pub(super) const LARGE_BYTES: usize = 64 << 10;

/// A shard's part in the snapshot that runs.
#[derive(Debug)]
pub(in crate::keyspace) struct Ongoing {
    control: Arc<Control>,
    /// The number that each database had at the beginning, by the number that it has now.
    origins: Box<[usize]>,
    /// By the number at the beginning: whether nothing that the snapshot wants can be in the database's table any more.
    done: Box<[bool]>,
}

impl Ongoing {
    /// Which database is now what `origin` was at the beginning.
    pub(super) fn index_of(&self, origin: usize) -> Option<usize> {
        self.origins.iter().position(|&other| other == origin)
    }

    /// Takes note that the walk has passed a database.
    pub(super) fn has_passed(&mut self, origin: usize) {
        self.done[origin] = true;
    }

    /// Two databases change places.
    pub(in crate::keyspace) fn swap(&mut self, a: usize, b: usize) {
        self.origins.swap(a, b);
    }

    /// Whether something of an entry is part of the snapshot and not yet taken.
    fn wants(&self, entry: EntryRef<'_>, generation: Generation) -> bool {
        !entry.is_of(generation) && !self.control.is_cancelled()
    }

    /// Where the saver's thread finds an entry that is in part taken, whatever becomes of the databases.
    pub(super) fn location(&self, database: usize, entry: EntryRef<'_>) -> Location {
        Location::new(self.origins[database], entry.key())
    }

    /// Takes an entry that is wanted. It counts as taken from now on, and what comes back is what it was; or it is in part taken
    /// from now on, and remembers by itself what it was.
    pub(super) fn take(
        &self,
        database: usize,
        table: &mut Table<Entry>,
        place: Place,
        generation: Generation,
    ) -> Option<Entry> {
        if let ValueRef::Object(object) = table.get(place).value()
            && let Some((kind, count)) = in_pieces(object)
        {
            let look = table.get(place);
            let id = self.control.begin_part(Part {
                database: self.origins[database],
                key: look.key().into(),
                deadline: look.deadline(),
                access: look.access(),
                kind,
                count,
            });
            if let ValueMut::Object(object) = table.get_mut(place).into_value()
                && let Some(mut walk) = object.walk()
            {
                walk.begin(id);
            }
            table.get_mut(place).set_in_part();
            return None;
        }
        table.get_mut(place).set_generation(generation);
        Some(undo::copy(table, place))
    }
}

/// What a collection is that is large enough to be walked in pieces, and how many elements it has.
fn in_pieces(object: &Object) -> Option<(Kind, usize)> {
    /// Elements that tell the size of the others.
    const SAMPLES: usize = 5;
    let count = object.members()?.len();
    if count <= LARGE && object.memory(SAMPLES) <= LARGE_BYTES {
        return None;
    }
    let kind = match object {
        Object::Set(_) => Kind::Set,
        Object::Zset(_) => Kind::Zset,
        Object::Hash(hash) => Kind::Hash {
            soonest: hash.soonest(),
        },
        Object::String(_) | Object::List(_) => return None,
    };
    Some((kind, count))
}

impl Shard {
    pub(super) fn begin_snapshot(&mut self, control: &Arc<Control>, databases: usize) {
        self.generation = self.generation.next();
        self.snapshot = Some(Box::new(Ongoing {
            control: Arc::clone(control),
            origins: (0..databases).collect(),
            done: vec![false; databases].into(),
        }));
    }

    /// To be called before the entry at a place is changed in place, or taken out in order to be stored elsewhere.
    #[inline]
    pub(in crate::keyspace) fn preserve(&mut self, database: usize, place: Place) {
        if self.snapshot.is_some() {
            self.hand_copy_over(database, place);
        }
        if self.undo.is_some() {
            self.remember_copy(database, place);
        }
    }

    #[cold]
    fn hand_copy_over(&mut self, database: usize, place: Place) {
        let Some(ongoing) = &self.snapshot else {
            return;
        };
        let table = &mut self.databases[database];
        let entry = table.get(place);
        if ongoing.wants(entry, self.generation)
            && walk::id_of(entry).is_none()
            && let Some(copy) = ongoing.take(database, table, place, self.generation)
        {
            let origin = ongoing.origins[database];
            ongoing.control.push(Handed::Entry(origin, copy));
        }
    }

    /// Whether the entry at a place must not be overwritten, but [replaced](Shard::replace).
    #[inline]
    pub(in crate::keyspace) fn must_keep(&self, database: usize, place: Place) -> bool {
        self.snapshot.as_ref().is_some_and(|ongoing| {
            ongoing.wants(self.databases[database].get(place), self.generation)
        }) || self.must_remember(database, place)
    }

    /// Hands an entry over that was removed or replaced, or gives it back to be freed.
    #[inline]
    fn part_with(&mut self, database: usize, entry: Entry) -> Option<Entry> {
        match &self.snapshot {
            Some(ongoing) if ongoing.wants(entry.as_ref(), self.generation) => {
                let origin = ongoing.origins[database];
                if self.undo.is_some() {
                    let copy = entry.as_ref().twin();
                    ongoing.control.push(Handed::Entry(origin, copy));
                    return self.remember(database, entry);
                }
                ongoing.control.push(Handed::Entry(origin, entry));
                None
            }
            _ => self.remember(database, entry),
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
        self.adopt(database, &mut entry);
        if self.undo.is_some() {
            self.remember_absent(database, entry.as_ref().key());
        }
        self.table_mut(database).insert(hash, entry)
    }

    /// Gives an entry that comes the generation that entries have; one that a snapshot has in part taken must be found again.
    #[inline]
    fn adopt(&mut self, database: usize, entry: &mut Entry) {
        if entry.as_ref().is_in_part()
            && let Some(ongoing) = &mut self.snapshot
            && let Some(id) = walk::id_of(entry.as_ref())
        {
            let location = ongoing.location(database, entry.as_ref());
            ongoing.done[location.origin] = false;
            ongoing.control.push(Handed::Elsewhere(id, location));
        } else {
            entry.as_mut().set_generation(self.generation);
        }
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
        self.adopt(database, &mut entry);
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
        &mut self,
        database: usize,
        table: Table<Entry>,
    ) -> Option<Table<Entry>> {
        let Some(ongoing) = &mut self.snapshot else {
            return Some(table);
        };
        let origin = ongoing.origins[database];
        if ongoing.control.is_cancelled() || ongoing.done[origin] || table.is_empty() {
            return Some(table);
        }
        ongoing.done[origin] = true;
        ongoing.control.push(Handed::Table(origin, table));
        None
    }
}
