//! The saver's walk: every shard, every database that it had at the beginning, every position; and what is handed over meanwhile.
//!
//! Each step does one thing. The first of these that there is: some elements of the collection that is being passed on in pieces,
//! some entries of a table that was handed over, something else that was, a piece of a long string, the next collection in
//! pieces, the next slice of the keyspace. So what takes memory that the keyspace has given up goes first, but never between the pieces of a collection.
//!
//! A collection may be renamed, moved or removed between two of its pieces. Then what became of it is in the queue.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Piece;
use super::hooks::LARGE_BYTES;
use super::queue::{Control, Handed, Load, Location};
use crate::keyspace::entry::{Entry, EntryMut, EntryRef, Generation, NewValue, ValueMut, ValueRef};
use crate::keyspace::reclaim::{self, Garbage};
use crate::keyspace::shard::Keyspace;
use crate::table::{IntoIter, Place};
use crate::types::Object;
use crate::types::member::Member;

/// Home buckets whose entries are fetched from memory at once: enough that their cache misses overlap.
const GROUP: usize = 4;

/// Work under one lock, in bytes copied.
const SLICE: usize = 256 << 10;

/// What an entry costs beside its bytes: to be found and allocated.
const ENTRY: usize = 1024;

/// Where a walk is, and what it has taken.
pub(super) struct Walk {
    control: Arc<Control>,
    /// That of all shards.
    generation: Generation,
    shard: usize,
    /// The database, by the number that it had at the beginning: as such it is found wherever it is now.
    origin: usize,
    position: u64,
    /// Work under one lock.
    slice: usize,
    taken: Vec<(usize, Entry)>,
    /// Collections to be passed on in pieces that the walk has come across.
    parts: Vec<Location>,
    /// Long strings that it has come across.
    strings: Vec<Location>,
    copying: Option<Copying>,
    open: Option<Open>,
    members: Vec<Member>,
    handed: VecDeque<Load>,
    table: Option<OpenTable>,
}

/// The collection that is being passed on in pieces.
#[derive(Debug)]
struct Open {
    source: Source,
    /// Its number, when the first piece was passed on.
    id: Option<u64>,
    /// What was counted as held for it.
    bytes: u64,
    /// Elements still to come.
    left: usize,
}

/// A long string that is being copied. Its entry counts as taken in part meanwhile, and whoever changes or removes it hands it
/// over whole: then this copy is given up.
struct Copying {
    location: Location,
    copy: Vec<u8>,
}

#[derive(Debug)]
enum Source {
    /// Where it is in the keyspace.
    At(Location),
    /// It was removed, and is here.
    Removed(Entry),
}

/// A table that was handed over.
struct OpenTable {
    origin: usize,
    entries: IntoIter<Entry>,
    bytes: u64,
}

impl Walk {
    pub(super) fn new(control: Arc<Control>, keyspace: &Keyspace) -> Walk {
        Walk {
            control,
            generation: keyspace.lock(0).generation,
            shard: 0,
            origin: 0,
            position: 0,
            slice: SLICE,
            taken: Vec::new(),
            parts: Vec::new(),
            strings: Vec::new(),
            copying: None,
            open: None,
            members: Vec::new(),
            handed: VecDeque::new(),
            table: None,
        }
    }

    /// A walk in the smallest slices.
    #[cfg(test)]
    pub(super) fn in_steps(control: Arc<Control>, keyspace: &Keyspace) -> Walk {
        Walk {
            slice: 1,
            ..Walk::new(control, keyspace)
        }
    }

    /// Goes on for a slice; answers whether there is more. An error of the consumer cancels the snapshot; then the steps that
    /// follow clear up.
    pub(super) fn step<E>(
        &mut self,
        keyspace: &Keyspace,
        consume: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let control = Arc::clone(&self.control);
        let mut pass_on = |piece: Piece<'_>| {
            if control.is_cancelled() {
                return Ok(());
            }
            consume(piece).inspect_err(|_| control.cancel())
        };
        if let Some(open) = self.open.take() {
            return self.advance(keyspace, open, &mut pass_on).map(|()| true);
        }
        if let Some(table) = self.table.take() {
            return self.empty(keyspace, table, &mut pass_on).map(|()| true);
        }
        if self.handed.is_empty() {
            self.handed.extend(self.control.take());
        }
        if let Some(load) = self.handed.pop_front() {
            return self.receive(keyspace, load, &mut pass_on).map(|()| true);
        }
        if let Some(copying) = self.copying.take() {
            return match self.copy_on(keyspace, copying) {
                Some((database, entry)) => {
                    let entry = entry.as_ref();
                    pass_on(Piece::Entry { database, entry }).map(|()| true)
                }
                None => Ok(true),
            };
        }
        if let Some(location) = self.strings.pop() {
            self.copying = Some(Copying {
                location,
                copy: Vec::new(),
            });
            return Ok(true);
        }
        if let Some(location) = self.parts.pop() {
            self.open = Some(Open::new(Source::At(location), 0));
            return Ok(true);
        }
        if self.shard == keyspace.shards() {
            return Ok(false);
        }
        self.slice(keyspace);
        let mut result = Ok(true);
        for (database, entry) in self.taken.drain(..) {
            let entry = entry.as_ref();
            if result.is_ok() {
                result = pass_on(Piece::Entry { database, entry }).map(|()| true);
            }
        }
        result
    }

    /// Passes something on that was handed over, or makes ready to do so in pieces.
    fn receive<E>(
        &mut self,
        keyspace: &Keyspace,
        load: Load,
        pass_on: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Load { handed, bytes } = load;
        match handed {
            Handed::Entry(database, entry) => {
                self.receive_entry(keyspace, database, entry, bytes, pass_on)
            }
            Handed::Table(origin, table) => {
                let entries = table.into_iter();
                self.table = Some(OpenTable {
                    origin,
                    entries,
                    bytes,
                });
                Ok(())
            }
            Handed::Elsewhere(_, location) => {
                self.open = Some(Open::new(Source::At(location), bytes));
                Ok(())
            }
        }
    }

    fn receive_entry<E>(
        &mut self,
        keyspace: &Keyspace,
        database: usize,
        entry: Entry,
        bytes: u64,
        pass_on: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if id_of(entry.as_ref()).is_some() && !self.control.is_cancelled() {
            self.open = Some(Open::new(Source::Removed(entry), bytes));
            return Ok(());
        }
        let look = entry.as_ref();
        let result = pass_on(Piece::Entry {
            database,
            entry: look,
        });
        keyspace.reclaimer.discard(entry);
        self.control.released(bytes);
        result
    }

    /// Passes on what is wanted of a table that was handed over, some entries at a time.
    fn empty<E>(
        &mut self,
        keyspace: &Keyspace,
        mut table: OpenTable,
        pass_on: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        const AT_A_TIME: usize = 64;
        for _ in 0..AT_A_TIME {
            let Some(entry) = table.entries.next() else {
                self.control.released(table.bytes);
                return Ok(());
            };
            if entry.as_ref().is_of(self.generation) {
                keyspace.reclaimer.discard(entry);
                continue;
            }
            let received = self.receive_entry(keyspace, table.origin, entry, 0, pass_on);
            if received.is_err() || self.open.is_some() {
                self.table = Some(table);
                return received;
            }
        }
        self.table = Some(table);
        Ok(())
    }

    /// Passes on some elements of a collection in pieces.
    fn advance<E>(
        &mut self,
        keyspace: &Keyspace,
        mut open: Open,
        pass_on: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let advanced = match &mut open.source {
            Source::At(location) => self.advance_at(keyspace, location, open.id),
            Source::Removed(entry) => {
                let entry = entry.as_mut();
                walk_on(entry, open.id, self.slice, &mut self.members)
            }
        };
        let Some((id, is_over)) = advanced else {
            // It was not there when it was come for: what became of it is told elsewhere.
            if let Some(id) = open.id {
                self.follow(open, id);
            }
            return Ok(());
        };
        let begun = match open.id {
            Some(_) => Ok(()),
            None => self.begin(&mut open, id, pass_on),
        };
        let members = std::mem::take(&mut self.members);
        open.left = open.left.wrapping_sub(members.len());
        let mut result = begun.and_then(|()| pass_on(Piece::Members(&members)));
        self.members = members;
        self.members.clear();
        if !is_over {
            self.open = Some(open);
            return result;
        }
        debug_assert!(
            open.left == 0 || self.control.is_cancelled(),
            "elements were missed or came twice"
        );
        result = result.and_then(|()| pass_on(Piece::End));
        if let Source::Removed(entry) = open.source {
            keyspace.reclaimer.discard(entry);
        }
        self.control.released(open.bytes);
        result
    }

    fn begin<E>(
        &self,
        open: &mut Open,
        id: u64,
        pass_on: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        open.id = Some(id);
        let Some(part) = self.control.take_part(id) else {
            debug_assert!(false, "a collection in pieces is told once");
            return Ok(());
        };
        open.left = part.count;
        pass_on(Piece::Begin {
            database: part.database,
            key: &part.key,
            deadline: part.deadline,
            access: part.access,
            kind: part.kind,
            count: part.count,
        })
    }

    /// Walks on in a collection that is in the keyspace; `None` if it is not there any more. Answers its number, too, which must
    /// be `id` if that is known.
    fn advance_at(
        &mut self,
        keyspace: &Keyspace,
        location: &Location,
        id: Option<u64>,
    ) -> Option<(u64, bool)> {
        let mut shard = keyspace.lock(keyspace.shard_of(location.hash));
        let index = shard.snapshot.as_ref()?.index_of(location.origin)?;
        let table = shard.databases.get_mut(index)?;
        let place = location.place(table)?;
        let advanced = walk_on(table.get_mut(place), id, self.slice, &mut self.members)?;
        if let (_, true) = advanced {
            table.get_mut(place).set_generation(self.generation);
        }
        Some(advanced)
    }

    /// Goes on copying a string. Answers the copy when it is complete.
    fn copy_on(&mut self, keyspace: &Keyspace, copying: Copying) -> Option<(usize, Entry)> {
        /// Bytes under one lock: fresh memory is slow to be written.
        const SOME: usize = 64 << 10;
        let Copying { location, mut copy } = copying;
        let mut shard = keyspace.lock(keyspace.shard_of(location.hash));
        let index = shard.snapshot.as_ref()?.index_of(location.origin)?;
        let table = shard.databases.get_mut(index)?;
        let place = location.place(table)?;
        let entry = table.get(place);
        let ValueRef::Object(Object::String(bytes)) = entry.value() else {
            return None;
        };
        if !entry.is_in_part() {
            return None;
        }
        if self.control.is_cancelled() {
            table.get_mut(place).set_generation(self.generation);
            return None;
        }
        let rest = &bytes[copy.len()..];
        if rest.len() > SOME {
            copy.reserve_exact(rest.len());
            copy.extend_from_slice(&rest[..SOME]);
            self.copying = Some(Copying { location, copy });
            return None;
        }
        copy.extend_from_slice(rest);
        let (deadline, access) = (entry.deadline(), entry.access());
        table.get_mut(place).set_generation(self.generation);
        drop(shard);
        let value = NewValue::growing(copy);
        let mut entry = Entry::new(&location.key, value, deadline);
        entry.as_mut().set_access(access);
        Some((location.origin, entry))
    }

    /// Finds the collection again that is being passed on and was not where it had been: whoever took it away said so, unless
    /// the snapshot was cancelled by then.
    fn follow(&mut self, mut open: Open, id: u64) {
        self.handed.extend(self.control.take());
        let mut is_found = false;
        let mut number = 0;
        while let Some(load) = self.handed.get_mut(number) {
            number += 1;
            match (&mut load.handed, &open.source) {
                (Handed::Elsewhere(other, _), _) if *other == id => {}
                (Handed::Entry(_, entry), _) if id_of(entry.as_ref()) == Some(id) => {}
                (Handed::Table(origin, table), Source::At(location))
                    if location.origin == *origin
                        && let Some(place) = location.place(table)
                        && id_of(table.get(place)) == Some(id) =>
                {
                    open.source = Source::Removed(table.remove(place));
                    is_found = true;
                    continue;
                }
                _ => continue,
            }
            number -= 1;
            is_found = true;
            let Some(Load { handed, bytes }) = self.handed.remove(number) else {
                continue;
            };
            open.bytes += bytes;
            match handed {
                Handed::Elsewhere(_, location) => open.source = Source::At(location),
                Handed::Entry(_, entry) => open.source = Source::Removed(entry),
                Handed::Table(..) => {}
            }
        }
        if is_found {
            self.open = Some(open);
        } else {
            debug_assert!(self.control.is_cancelled(), "a collection is lost");
            self.control.cancel();
            self.control.released(open.bytes);
        }
    }

    /// Takes what is wanted from here on, within one database of one shard.
    fn slice(&mut self, keyspace: &Keyspace) {
        let is_cancelled = self.control.is_cancelled();
        let mut guard = keyspace.lock(self.shard);
        let shard = &mut *guard;
        let ongoing = shard.snapshot.as_mut();
        let found = ongoing.and_then(|ongoing| {
            let index = ongoing.index_of(self.origin)?;
            Some((ongoing, index, shard.databases.get_mut(index)?))
        });
        let Some((ongoing, index, table)) = found else {
            return self.leave_database(keyspace);
        };
        let mut next = Some(self.position);
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
                let entry = table.get(place);
                work += ENTRY;
                if entry.is_of(self.generation) {
                    continue;
                }
                if !entry.is_in_part() {
                    if is_cancelled {
                        table.get_mut(place).set_generation(self.generation);
                        continue;
                    }
                    if let ValueRef::Object(Object::String(bytes)) = entry.value()
                        && bytes.len() > LARGE_BYTES
                    {
                        let location = ongoing.location(index, entry);
                        table.get_mut(place).set_in_part();
                        self.strings.push(location);
                        continue;
                    }
                    if let Some(copy) = ongoing.take(index, table, place, self.generation) {
                        let look = copy.as_ref();
                        work += look.size() + reclaim::value_bytes(look.value());
                        self.taken.push((self.origin, copy));
                        continue;
                    }
                }
                let location = ongoing.location(index, table.get(place));
                self.parts.push(location);
            }
        }
        match next {
            Some(next) => self.position = next,
            None => {
                // What it came across and has not yet finished is still there, and so may be what was moved there.
                let is_done = self.parts.is_empty() && self.strings.is_empty();
                if is_done && self.control.is_idle() {
                    ongoing.has_passed(self.origin);
                }
                self.leave_database(keyspace);
            }
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

    /// Ends the snapshot when there are no more steps; answers whether it is complete.
    pub(super) fn finish(self, keyspace: &Keyspace) -> bool {
        for number in 0..keyspace.shards() {
            keyspace.lock(number).snapshot = None;
        }
        // Tables that were thrown away since the last step hold nothing that was wanted.
        for Load { handed, bytes } in self.control.take() {
            match handed {
                Handed::Table(_, table) => keyspace.reclaimer.free(Garbage::Table(table)),
                Handed::Entry(_, entry) => keyspace.reclaimer.discard(entry),
                Handed::Elsewhere(..) => {}
            }
            self.control.released(bytes);
        }
        self.control.end()
    }
}

impl Open {
    fn new(source: Source, bytes: u64) -> Open {
        Open {
            source,
            id: None,
            bytes,
            left: 0,
        }
    }
}

/// The number of a collection that is in part taken.
pub(super) fn id_of(entry: EntryRef<'_>) -> Option<u64> {
    match entry.value() {
        ValueRef::Object(object) if entry.is_in_part() => object.members()?.preserved_as(),
        _ => None,
    }
}

/// Walks on in an entry, if that is a collection that is in part taken, and has this number if one is given. Answers its number,
/// and whether it is over.
fn walk_on(
    entry: EntryMut<'_>,
    id: Option<u64>,
    work: usize,
    members: &mut Vec<Member>,
) -> Option<(u64, bool)> {
    let found = id_of(entry.as_ref())?;
    if id.is_some_and(|id| id != found) {
        return None;
    }
    match entry.into_value() {
        ValueMut::Object(object) => Some((found, object.walk()?.advance(work, members))),
        _ => None,
    }
}
