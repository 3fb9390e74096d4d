//! What a command sees of the keyspace: one database, through the shards that it holds.
//!
//! Every look-up applies expiry, so no command ever sees a dead key; every change goes through the
//! [effects](super::effects) funnel. All operations are O(1) in the number of keys.

use super::access::{AccessClock, Record};
use super::effects::{Effects, Event};
use super::entry::{Entry, EntryMut, EntryRef, MAX_INLINE_PACKED, NewValue, ValueMut, ValueRef};
use super::evict::Fate;
use super::propagation::Scribe;
use super::shard::{Locked, Shard};
use crate::table::hash;
use crate::table::{Place, SWEPT_MARKS, Table};
use crate::types::{Collection, Object, Packing, WrongType};

/// A key and its hash, computed once.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The name.
    pub bytes: &'a [u8],
    /// Its place.
    pub hash: u64,
}

impl<'a> Key<'a> {
    /// Hashes a name.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Key<'a> {
        Key {
            bytes,
            hash: hash::of(bytes),
        }
    }
}

/// What a write does to the deadline of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Leaves it as it is.
    Keep,
    /// The key lives until it is removed.
    Never,
    /// Milliseconds since the epoch.
    At(u64),
}

/// The mark on slots whose entry has a deadline: the sweep looks at these, and at those with the next mark, only.
pub(super) const MARK_DEADLINE: u8 = SWEPT_MARKS[0];
/// The mark on slots whose value has fields with deadlines of their own.
pub(super) const MARK_FIELDS: u8 = SWEPT_MARKS[1];
/// The mark on slots whose value has a home of its own.
pub(super) const MARK_OBJECT: u8 = 4;

const _: () = assert!(MARK_OBJECT & (MARK_DEADLINE | MARK_FIELDS) == 0);

/// What is the same for all commands of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since the epoch.
    pub now: u64,
    /// How accesses are recorded.
    pub access: AccessClock,
    /// Whether dead keys may be removed now; while clients are paused they are only hidden.
    pub may_expire: bool,
}

/// One database, through the shards that a command holds.
#[derive(Debug)]
pub struct Db<'a> {
    /// The shards held.
    pub locked: Locked<'a>,
    /// The database's number.
    pub index: usize,
    /// The time, and what it means for entries.
    pub moment: Moment,
    /// False for clients under CLIENT NO-TOUCH: their reads leave no trace on the entry.
    pub touch: bool,
    pub(super) effects: &'a Effects,
}

impl<'a> Db<'a> {
    /// A database seen through `locked`.
    pub fn new(locked: Locked<'a>, index: usize, moment: Moment, effects: &'a Effects) -> Db<'a> {
        Db {
            locked,
            index,
            moment,
            touch: true,
            effects,
        }
    }

    /// The time of this command, in milliseconds since the epoch.
    pub fn now(&self) -> u64 {
        self.moment.now
    }

    /// Reads a key: counts a hit or a miss and records the access.
    #[inline]
    pub fn read(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let Some(place) = self.find(key) else {
            self.effects.misses.add(1);
            self.effects.notify(self.index, key.bytes, Event::KEYMISS);
            return None;
        };
        self.effects.hits.add(1);
        self.touch(key, place);
        Some(self.table(key).get(place))
    }

    /// Reads the collection under a key, as [`Db::read`]; `None` if the key is not there.
    ///
    /// # Errors
    /// When the value is of another type.
    #[inline]
    pub fn collection<T: Collection>(
        &mut self,
        key: Key<'_>,
    ) -> Result<Option<T::Ref<'_>>, WrongType> {
        match self.read(key) {
            Some(entry) => entry.value().collection::<T>().map(Some),
            None => Ok(None),
        }
    }

    /// Looks at a key and leaves no trace.
    #[inline]
    pub fn peek(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let place = self.find(key)?;
        Some(self.table(key).get(place))
    }

    /// Looks at a key of which others may be looked at the same time, and leaves no trace: neither is a dead key removed.
    pub fn view(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let entry = self.even_dead(key)?;
        (!is_dead(entry, self.moment.now)).then_some(entry)
    }

    /// As [`Db::view`], but a key whose time is over is still there.
    pub fn even_dead(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let table = self.locked.shard_ref(key).table(self.index)?;
        Some(table.get(table.find(key.hash, key.bytes)?))
    }

    /// Looks at a key and counts a hit or a miss, but records no access.
    pub fn peek_counted(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let found = self.find(key);
        if found.is_none() {
            self.effects.notify(self.index, key.bytes, Event::KEYMISS);
        }
        self.counted(key, found)
    }

    /// As [`Db::peek_counted`], but tells nobody of a miss.
    pub fn peek_silently(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let found = self.find(key);
        self.counted(key, found)
    }

    fn counted(&mut self, key: Key<'_>, found: Option<Place>) -> Option<EntryRef<'_>> {
        match found {
            Some(_) => self.effects.hits.add(1),
            None => self.effects.misses.add(1),
        }
        found.map(|place| self.table(key).get(place))
    }

    /// A key's entry, for changing its value in place. The caller announces the change with [`Db::changed`].
    #[inline]
    pub fn write(&mut self, key: Key<'_>) -> Option<EntryMut<'_>> {
        let place = self.find(key)?;
        self.touch(key, place);
        self.locked.shard(key).preserve(self.index, place);
        Some(self.table(key).get_mut(place))
    }

    /// Stores a value under a key, whatever was there before; that counts as an access. The caller announces the change.
    #[inline]
    pub fn set(&mut self, key: Key<'_>, value: NewValue<'_>, expiry: Expiry) {
        match (self.find(key), expiry) {
            (Some(place), _) => {
                self.touch(key, place);
                self.replace_at(key, place, value, expiry);
            }
            (None, Expiry::At(deadline)) => self.insert(key, value, Some(deadline)),
            (None, Expiry::Keep | Expiry::Never) => self.insert(key, value, None),
        }
    }

    /// Stores another value under a key that was just looked up, and leaves deadline and access clock as they are. The caller
    /// announces the change.
    #[inline]
    pub fn replace(&mut self, key: Key<'_>, value: NewValue<'_>) {
        match self.find(key) {
            Some(place) => self.replace_at(key, place, value, Expiry::Keep),
            None => self.insert(key, value, None),
        }
    }

    #[inline]
    fn replace_at(&mut self, key: Key<'_>, place: Place, value: NewValue<'_>, expiry: Expiry) {
        let index = self.index;
        let shard = self.locked.shard(key);
        let must_keep = shard.must_keep(index, place);
        let table = shard.table_mut(index);
        let mut entry = table.get_mut(place);
        let deadline = match expiry {
            Expiry::Keep => entry.as_ref().deadline(),
            Expiry::Never => None,
            Expiry::At(deadline) => Some(deadline),
        };
        if !must_keep && entry.overwrite(&value, deadline) {
            if table.marks(place) & MARK_FIELDS != 0
                || matches!(value, NewValue::Packed(Packing::TimedHash, _))
            {
                mark(table, place);
            }
            return;
        }
        let access = entry.as_ref().access();
        let mut entry = Entry::new(key.bytes, value, deadline);
        entry.as_mut().set_access(access);
        self.put_at(key, place, entry);
    }

    /// Puts another entry of a key in the place of the former one.
    fn put_at(&mut self, key: Key<'_>, place: Place, entry: Entry) {
        let index = self.index;
        let shard = self.locked.shard(key);
        let former = shard.replace(index, place, entry);
        mark(shard.table_mut(index), place);
        self.discard_all(former);
    }

    /// Stores a value under a key that is not there (as a look-up just told). The caller announces the change.
    pub fn insert(&mut self, key: Key<'_>, value: NewValue<'_>, deadline: Option<u64>) {
        let mut entry = Entry::new(key.bytes, value, deadline);
        entry.as_mut().set_access(self.moment.access.fresh());
        let marks = marks_of(entry.as_ref());
        let index = self.index;
        self.effects.notify(index, key.bytes, Event::NEW);
        let shard = self.locked.shard(key);
        let place = shard.insert(index, key.hash, entry);
        if marks != 0 {
            shard.table_mut(index).set_marks(place, marks);
        }
    }

    /// Changes the collection under a key, which is removed if that leaves it empty; `None` if the key is not there. The
    /// caller announces the change.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn update<T: Collection, R>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<R>, WrongType> {
        match self.find(key) {
            Some(place) => self.update_at(key, place, change).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Db::update`], on an empty collection if the key is not there.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn update_or_insert<T: Collection, R>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<R, WrongType> {
        if let Some(place) = self.find(key) {
            return self.update_at(key, place, change);
        }
        let mut value = T::default();
        let result = change(&mut value);
        if !value.is_empty() {
            with_new_value(value, |value| self.insert(key, value, None));
        }
        Ok(result)
    }

    fn update_at<T: Collection, R>(
        &mut self,
        key: Key<'_>,
        place: Place,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<R, WrongType> {
        self.touch(key, place);
        let index = self.index;
        let shard = self.locked.shard(key);
        let (result, emptied) = update(shard, index, place, change)?;
        if emptied {
            let entry = shard.remove(index, place);
            self.discard_all(entry);
        }
        Ok(result)
    }

    /// Stores a collection under a key, whatever was there before, and announces it; an empty one removes the key.
    pub fn store<T: Collection>(&mut self, key: Key<'_>, value: T, event: Event) {
        if !value.is_empty() {
            with_new_value(value, |value| self.set(key, value, Expiry::Never));
            self.changed(key, event);
        } else if self.delete(key) {
            self.changed(key, Event::DEL);
        }
    }

    /// Removes a key and hands its entry over; give it to [`Db::discard`] when it is no longer needed. The caller
    /// announces the change.
    pub fn remove(&mut self, key: Key<'_>) -> Option<Entry> {
        let place = self.find(key)?;
        self.locked.shard(key).preserve(self.index, place);
        Some(self.table(key).remove(place))
    }

    /// Puts an entry that was taken out or copied elsewhere under `key`, whatever was there before. The entry's own name
    /// must be that of `key`. The caller announces the change.
    pub fn put(&mut self, key: Key<'_>, entry: Entry) {
        debug_assert_eq!(entry.as_ref().key(), key.bytes);
        let found = self.find(key);
        self.effects.notify(self.index, key.bytes, Event::NEW);
        if let Some(place) = found {
            return self.put_at(key, place, entry);
        }
        let index = self.index;
        let shard = self.locked.shard(key);
        let place = shard.insert(index, key.hash, entry);
        mark(shard.table_mut(index), place);
    }

    /// Removes a key and frees it, heavy values elsewhere; answers whether it was there. The caller
    /// announces the change.
    pub fn delete(&mut self, key: Key<'_>) -> bool {
        let Some(place) = self.find(key) else {
            return false;
        };
        let entry = self.locked.shard(key).remove(self.index, place);
        self.discard_all(entry);
        true
    }

    /// Frees what is given.
    #[inline]
    fn discard_all(&self, entries: impl IntoIterator<Item = Entry>) {
        entries.into_iter().for_each(|entry| self.discard(entry));
    }

    /// Frees an entry; a heavy value is handed to the reclaimer.
    #[inline]
    pub fn discard(&self, entry: Entry) {
        self.locked.keyspace().reclaimer.discard(entry);
    }

    /// As [`Db::discard`], for a value that has left its entry.
    pub fn free(&self, value: Object) {
        self.locked.keyspace().reclaimer.discard_value(value);
    }

    /// Sets or clears the deadline of a key that exists. The caller announces the change.
    pub fn set_deadline(&mut self, key: Key<'_>, deadline: Option<u64>) -> bool {
        let Some(place) = self.find(key) else {
            return false;
        };
        let index = self.index;
        let shard = self.locked.shard(key);
        shard.preserve(index, place);
        let table = shard.table_mut(index);
        let mut entry = table.get_mut(place);
        if let (Some(_), Some(deadline)) = (entry.as_ref().deadline(), deadline) {
            entry.replace_deadline(deadline);
            return true;
        }
        if entry.as_ref().deadline() != deadline {
            table.update(place, |entry| entry.with_deadline(deadline));
            mark(table, place);
        }
        true
    }

    /// Does something in another database. The shards held serve all databases, as a key has the same place in each.
    pub fn within<R>(&mut self, database: usize, act: impl FnOnce(&mut Self) -> R) -> R {
        let own = std::mem::replace(&mut self.index, database);
        let result = act(self);
        self.index = own;
        result
    }

    /// Whether a key is there but its time is over. Removes nothing.
    pub fn is_dead(&mut self, key: Key<'_>) -> bool {
        let now = self.moment.now;
        let table = self.table(key);
        let place = table.find(key.hash, key.bytes);
        place.is_some_and(|place| is_dead(table.get(place), now))
    }

    /// Announces that a key was changed.
    #[inline]
    pub fn changed(&mut self, key: Key<'_>, event: Event) {
        let observers = &mut self.locked.shard(key).observers;
        self.effects.record(observers, self.index, key.bytes, event);
    }

    /// Announces that `count` elements of a key's value were changed by one command.
    #[inline]
    pub fn changed_by(&mut self, key: Key<'_>, event: Event, count: usize) {
        self.changed(key, event);
        self.effects.dirty.add(count as u64 - 1);
    }

    /// Announces that `count` elements of a key's value are gone, and the key with them if that `emptied` it.
    #[inline]
    pub fn removed(&mut self, key: Key<'_>, event: Event, count: usize, emptied: bool) {
        if count > 0 {
            self.changed_by(key, event, count);
        }
        if emptied {
            self.changed_too(key, Event::DEL);
        }
    }

    /// Announces a further side of a change that was just announced; it is not counted again.
    #[inline]
    pub fn changed_too(&mut self, key: Key<'_>, event: Event) {
        let observers = &mut self.locked.shard(key).observers;
        self.effects
            .record_side(observers, self.index, key.bytes, event);
    }

    /// Who writes down how to repeat a change that the command as it came would not repeat.
    pub fn scribe(&self) -> Scribe<'a> {
        self.effects.scribe(self.index)
    }

    /// Keys in this database. The exclusive section must be held.
    pub fn len(&mut self) -> usize {
        self.locked.len(self.index)
    }

    /// Whether the database has no keys. The exclusive section must be held.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn table(&mut self, key: Key<'_>) -> &mut Table<Entry> {
        let index = self.index;
        self.locked.shard(key).table_mut(index)
    }

    #[inline]
    fn touch(&mut self, key: Key<'_>, place: Place) {
        if !self.touch {
            return;
        }
        let access = self.moment.access;
        let mut entry = self.table(key).get_mut(place);
        let before = entry.as_ref().access();
        let after = access.touched(before);
        if after == before {
            return;
        }
        entry.set_access(after);
        if access.record() == Record::Class {
            let densities = &self.locked.keyspace().densities;
            let fate = Fate::used(access.class(before), access.age(before));
            self.locked.shard(key).note(fate, densities);
        }
    }

    /// The place of a live key.
    #[inline]
    fn find(&mut self, key: Key<'_>) -> Option<Place> {
        let now = self.moment.now;
        let table = self.table(key);
        let place = table.find(key.hash, key.bytes)?;
        if table.marks(place) & MARK_DEADLINE != 0
            && table.get(place).deadline().is_some_and(|at| at < now)
        {
            self.expire(key, place);
            return None;
        }
        Some(place)
    }

    #[cold]
    fn expire(&mut self, key: Key<'_>, place: Place) {
        if self.moment.may_expire {
            let entry = self.locked.shard(key).remove(self.index, place);
            self.discard_all(entry);
            self.changed(key, Event::EXPIRED);
        }
    }
}

/// Changes the collection at a place of a shard's table, and answers whether that left it empty: then the caller removes the
/// entry.
#[inline]
pub(super) fn update<T: Collection, R>(
    shard: &mut Shard,
    database: usize,
    place: Place,
    change: impl FnOnce(&mut T) -> R,
) -> Result<(R, bool), WrongType> {
    /// Room for a short element more, so that most changes of a copy allocate once.
    const SLACK: usize = 64;
    shard.preserve(database, place);
    let table = shard.table_mut(database);
    let (result, emptied) = match table.get_mut(place).into_value() {
        ValueMut::Object(object) => {
            let value = T::of_mut(object).ok_or(WrongType)?;
            (change(value), value.is_empty())
        }
        ValueMut::Packed(packing, bytes) => {
            let mut copy = Vec::with_capacity(bytes.len() + SLACK);
            copy.extend_from_slice(bytes);
            let mut value = T::from_packed(packing, copy).ok_or(WrongType)?;
            let (result, emptied) = (change(&mut value), value.is_empty());
            if !emptied {
                settle(table, place, value);
            }
            (result, emptied)
        }
        ValueMut::Int(_) | ValueMut::Inline(_) => return Err(WrongType),
    };
    if T::MAY_BE_TIMED && !emptied {
        mark(table, place);
    }
    Ok((result, emptied))
}

/// Stores the changed copy of a packed collection where it was, keeping deadline and access clock.
fn settle<T: Collection>(table: &mut Table<Entry>, place: Place, value: T) {
    let deadline = table.get(place).deadline();
    let old = with_new_value(value, |value| {
        if table.get_mut(place).overwrite(&value, deadline) {
            return None;
        }
        let former = table.get(place);
        let mut entry = Entry::new(former.key(), value, deadline);
        entry.as_mut().inherit(former);
        let old = table.replace(place, entry);
        mark(table, place);
        Some(old)
    });
    drop(old);
}

/// Passes a collection on in the form in which an entry takes it.
fn with_new_value<T: Collection, R>(value: T, take: impl FnOnce(NewValue<'_>) -> R) -> R {
    match value.packed() {
        Some((packing, bytes)) if bytes.len() <= MAX_INLINE_PACKED => {
            take(NewValue::Packed(packing, bytes))
        }
        _ => take(NewValue::Object(Box::new(value.into_object()))),
    }
}

/// Marks a slot as its entry is now.
fn mark(table: &mut Table<Entry>, place: Place) {
    let marks = marks_of(table.get(place));
    table.set_marks(place, marks);
}

/// What the slot of an entry is marked with.
pub(super) fn marks_of(entry: EntryRef<'_>) -> u8 {
    let deadline = entry.deadline().map_or(0, |_| MARK_DEADLINE);
    let value = entry.value();
    let fields = value.soonest().map_or(0, |_| MARK_FIELDS);
    let object = match value {
        ValueRef::Object(_) => MARK_OBJECT,
        _ => 0,
    };
    deadline | fields | object
}

/// Whether an entry's time is over.
pub fn is_dead(entry: EntryRef<'_>, now: u64) -> bool {
    entry.deadline().is_some_and(|at| at < now)
}

/// Removes a dead entry at a place of a shard's table. What comes back is to be freed.
pub(super) fn remove_dead(
    shard: &mut Shard,
    database: usize,
    place: Place,
    effects: &Effects,
) -> Option<Entry> {
    remove_unasked(shard, database, place, Event::EXPIRED, effects)
}

/// Removes an entry that no command named, and announces why. What comes back is to be freed.
pub(super) fn remove_unasked(
    shard: &mut Shard,
    database: usize,
    place: Place,
    event: Event,
    effects: &Effects,
) -> Option<Entry> {
    let (table, observers) = shard.observed_table_mut(database);
    effects.record(observers, database, table.get(place).key(), event);
    shard.remove(database, place)
}
