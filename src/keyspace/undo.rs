//! Undo: what the entries of a shard were before a script began to change them.
//!
//! A script runs on the shards of the keys that it names. Should it need others, and somebody else hold them, it has to start over
//! with everything locked; what it did until then must not have happened. So while it runs, each of its shards keeps what the script's
//! first change to an entry takes away. Nobody else sees the shard meanwhile.
//!
//! Values that would take long to copy are not changed under this: whoever runs the script looks at [`Shard::can_undo`] first.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::db::{Key, marks_of};
use super::entry::{Entry, NewValue, ValueMut, ValueRef};
use super::shard::Shard;
use crate::table::{Place, Table, hash};
use crate::types::Object;

/// A collection of more elements, or a list of more blocks, is not copied.
const MAX_ELEMENTS: usize = 256;
/// Nor is a value of more bytes.
const MAX_BYTES: usize = 64 << 10;

/// By database, what was there; `None` for nothing.
type Former = SmallVec<[(usize, Option<Entry>); 1]>;

/// What was there under each key.
#[derive(Debug, Default)]
pub(super) struct Undo(HashMap<Box<[u8]>, Former, RandomState>);

impl Undo {
    fn knows(&self, database: usize, key: &[u8]) -> bool {
        let known = self.0.get(key).into_iter().flatten();
        known.clone().any(|(other, _)| *other == database)
    }

    fn keep(&mut self, database: usize, key: &[u8], former: Option<Entry>) {
        match self.0.get_mut(key) {
            Some(known) => known.push((database, former)),
            None => {
                let known = SmallVec::from_iter([(database, former)]);
                self.0.insert(key.into(), known);
            }
        }
    }
}

impl Shard {
    /// From now on, keeps what is needed to undo changes.
    pub fn begin_undo(&mut self) {
        self.undo = Some(Undo::default());
    }

    /// As [`begin_undo`](Self::begin_undo), unless that is so.
    pub fn go_on_with_undo(&mut self) {
        self.undo.get_or_insert_default();
    }

    /// Lets what was done stand. What comes back is to be freed.
    pub fn end_undo(&mut self) -> impl Iterator<Item = Entry> + use<> {
        let undo = self.undo.take().unwrap_or_default();
        let former = undo.0.into_values().flatten();
        former.filter_map(|(_, entry)| entry)
    }

    /// Makes everything as it was when [`begin_undo`](Self::begin_undo) was called. What comes back is to be freed.
    pub fn undo(&mut self) -> Vec<Entry> {
        let undo = self.undo.take().unwrap_or_default();
        let mut freed = Vec::new();
        for (key, versions) in undo.0 {
            let hash = hash::of(&key);
            for (database, former) in versions {
                let place = self.table_mut(database).find(hash, &key);
                let gone = match (former, place) {
                    (Some(entry), place) => {
                        let marks = marks_of(entry.as_ref());
                        let (place, gone) = match place {
                            Some(place) => (place, self.replace(database, place, entry)),
                            None => (self.insert(database, hash, entry), None),
                        };
                        self.table_mut(database).set_marks(place, marks);
                        gone
                    }
                    (None, Some(place)) => self.remove(database, place),
                    (None, None) => None,
                };
                freed.extend(gone);
            }
        }
        freed
    }

    /// Whether a change to a key would be cheap to undo.
    pub fn can_undo(&self, database: usize, key: Key<'_>) -> bool {
        /// Elements that tell the size of the others.
        const SAMPLES: usize = 5;
        let found = self.table(database).and_then(|table| {
            let place = table.find(key.hash, key.bytes)?;
            Some(table.get(place))
        });
        let Some(entry) = found else {
            return true;
        };
        let ValueRef::Object(object) = entry.value() else {
            return true;
        };
        if entry.is_in_part() {
            return false;
        }
        match object {
            // Its chunks are shared.
            Object::List(list) => list.blocks() <= MAX_ELEMENTS,
            other => {
                other
                    .members()
                    .is_none_or(|members| members.len() <= MAX_ELEMENTS)
                    && other.memory(SAMPLES) <= MAX_BYTES
            }
        }
    }

    /// To be called before the entry at a place is changed in place, or taken out in order to be stored elsewhere.
    #[cold]
    pub(super) fn remember_copy(&mut self, database: usize, place: Place) {
        let table = &mut self.databases[database];
        if let Some(undo) = &mut self.undo
            && !undo.knows(database, table.get(place).key())
        {
            let copy = copy(table, place);
            undo.keep(database, table.get(place).key(), Some(copy));
        }
    }

    /// To be called before an entry is added whose key is absent.
    #[cold]
    pub(super) fn remember_absent(&mut self, database: usize, key: &[u8]) {
        if let Some(undo) = &mut self.undo
            && !undo.knows(database, key)
        {
            undo.keep(database, key, None);
        }
    }

    /// Whether the entry at a place must not be overwritten.
    #[inline]
    pub(super) fn must_remember(&self, database: usize, place: Place) -> bool {
        self.undo
            .as_ref()
            .is_some_and(|undo| !undo.knows(database, self.databases[database].get(place).key()))
    }

    /// Keeps an entry that was removed or replaced, or gives it back.
    #[inline]
    pub(super) fn remember(&mut self, database: usize, entry: Entry) -> Option<Entry> {
        match &mut self.undo {
            Some(undo) if !undo.knows(database, entry.as_ref().key()) => {
                let key: SmallVec<[u8; 64]> = entry.as_ref().key().into();
                undo.keep(database, &key, Some(entry));
                None
            }
            _ => Some(entry),
        }
    }
}

/// A copy of the entry at a place; of a list, one that shares its chunks.
pub(super) fn copy(table: &mut Table<Entry>, place: Place) -> Entry {
    let look = table.get(place);
    let (deadline, access) = (look.deadline(), look.access());
    if let ValueMut::Object(Object::List(list)) = table.get_mut(place).into_value() {
        let list = Box::new(Object::List(list.share()));
        let key = table.get(place).key();
        let mut entry = Entry::new(key, NewValue::Object(list), deadline);
        entry.as_mut().set_access(access);
        return entry;
    }
    table.get(place).twin()
}
