//! Defragmentation: what lies on sparse pages is moved together, so that whole pages become free.
//!
//! Where sizes change over time, the allocator ends up with many pages of a size that is no longer asked for and a few blocks
//! on each, which hold the whole page. A walk in hash order looks where each entry and its value lie, and gives those on
//! sparse pages a new block, which comes from a fuller one. Entries are owned by the table's slots alone, so nothing else has to
//! be told. Of collections in many pieces only the roots are moved.
//!
//! A shard is locked for some tens of microseconds at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::entry::{Entry, ValueMut, ValueRef};
use super::shard::Keyspace;
use crate::allocator::pages::SparsePages;
use crate::priority::Pace;
use crate::table::{Place, Table};
use crate::types::Object;

/// Pages used to this percentage or less are sparse; they are looked for once a round.
const SPARSE: usize = 80;

/// Buckets under one lock.
const SLICE: usize = 32;

/// What has been moved.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Blocks that were moved.
    pub moved: AtomicU64,
    /// Keys that were looked at and left where they were.
    pub left: AtomicU64,
    /// Keys of which something was moved.
    pub keys: AtomicU64,
    /// Whether it goes on now.
    pub is_running: AtomicBool,
}

impl Statistics {
    /// Starts counting again.
    pub fn reset(&self) {
        for count in [&self.moved, &self.left, &self.keys] {
            count.store(0, Relaxed);
        }
    }
}

/// A walk over all databases that never ends.
#[derive(Debug, Default)]
pub struct Walk {
    position: u64,
    database: usize,
    sparse: SparsePages,
}

impl Walk {
    /// Goes on for about as long as `budget`. No shard may be locked by this thread.
    pub fn run(&mut self, keyspace: &Keyspace, budget: Duration) {
        let begin = Instant::now();
        let (mut shards, mut pace) = (0, Pace::new());
        while begin.elapsed() < budget && shards < keyspace.shards() {
            if self.position == 0 && self.database == 0 {
                self.sparse = SparsePages::find(SPARSE, || pace.step());
            }
            shards += usize::from(self.slice(keyspace));
            pace.step();
        }
    }

    /// Goes on for a while within one shard; tells whether that is done.
    fn slice(&mut self, keyspace: &Keyspace) -> bool {
        let number = keyspace.shard_of(self.position);
        let mut shard = keyspace.lock(number);
        if shard.table(self.database).is_none() {
            self.database = 0;
            self.position = keyspace.start_of((number + 1) % keyspace.shards());
            return true;
        }
        let table = shard.table_mut(self.database);
        let mut places: SmallVec<[Place; 256]> = SmallVec::new();
        let mut next = Some(self.position);
        for _ in 0..SLICE {
            next = next.and_then(|position| {
                table.scan_places(position, |place| {
                    table.prefetch(place);
                    places.push(place);
                })
            });
        }
        let (mut moved, mut keys) = (0, 0);
        for &place in &places {
            let blocks = move_together(table, place, &mut self.sparse);
            moved += blocks;
            keys += u64::from(blocks > 0);
        }
        match next {
            Some(next) => self.position = next,
            None => {
                self.database += 1;
                self.position = keyspace.start_of(number);
            }
        }
        drop(shard);
        let statistics = &keyspace.defragmentation;
        statistics.moved.fetch_add(moved, Relaxed);
        statistics.keys.fetch_add(keys, Relaxed);
        let left = places.len() as u64 - keys;
        statistics.left.fetch_add(left, Relaxed);
        false
    }
}

/// Moves the blocks of an entry that lie on sparse pages; tells how many.
fn move_together(table: &mut Table<Entry>, place: Place, sparse: &mut SparsePages) -> u64 {
    let mut moved = 0;
    if sparse.hold(table.get(place).block()) {
        table.update(place, Entry::moved);
        sparse.forget(table.get(place).block());
        moved += 1;
    }
    if let ValueRef::Object(object) = table.get(place).value() {
        if sparse.hold(object) {
            table.get_mut(place).move_object();
            moved += 1;
            if let ValueRef::Object(object) = table.get(place).value() {
                sparse.forget(object);
            }
        }
        if let ValueMut::Object(object) = table.get_mut(place).into_value() {
            moved += u64::from(move_content(object, sparse));
        }
    }
    moved
}

/// Moves the content of a value that is one buffer, if it lies on a sparse page; answers whether it did.
fn move_content(object: &mut Object, sparse: &mut SparsePages) -> bool {
    let is_moving = first_byte(object).is_some_and(|first| sparse.hold(first));
    if is_moving {
        match &mut *object {
            Object::String(bytes) => {
                // With the room that it had: it may be growing.
                let mut moved = Vec::with_capacity(bytes.capacity());
                moved.extend_from_slice(bytes);
                *bytes = moved;
            }
            other => *other = other.clone(),
        }
        if let Some(first) = first_byte(object) {
            sparse.forget(first);
        }
    }
    is_moving
}

/// The first byte of the content, if that is one buffer.
fn first_byte(object: &Object) -> Option<&u8> {
    let buffer = match object {
        Object::String(bytes) => Some(&bytes[..]),
        other => other.packed().map(|(_, bytes)| bytes),
    };
    buffer?.first()
}

#[cfg(test)]
mod tests {
    use super::super::access::{AccessClock, Record};
    use super::super::db::{Db, Expiry, Key, Moment};
    use super::super::effects::Effects;
    use super::super::entry::NewValue;
    use super::*;

    #[test]
    fn a_walk_changes_no_key() {
        let keyspace = Keyspace::new(2, 1);
        let effects = Effects::default();
        let moment = Moment {
            now: 1000,
            access: AccessClock::new(1000, Record::Date, 10, 1),
            may_expire: true,
        };
        let name = |n: usize| format!("key:{n}").into_bytes();
        let value = |n: usize| vec![n as u8; n * 7 % 9000];
        let each = |act: &mut dyn FnMut(usize, &mut Db<'_>, Key<'_>)| {
            for n in 0..3000 {
                let name = name(n);
                let key = Key::new(&name);
                let locked = keyspace.lock_one(key.hash);
                act(n, &mut Db::new(locked, n % 2, moment, &effects), key);
            }
        };
        each(&mut |n, db, key| {
            let deadline = if n % 3 == 0 {
                Expiry::At(5000 + n as u64)
            } else {
                Expiry::Never
            };
            db.set(key, NewValue::Bytes(&value(n)), deadline);
        });
        // Two of three go, so that pages are sparse.
        each(&mut |n, db, key| {
            if n % 9 > 2 {
                db.delete(key);
            }
        });
        Walk::default().run(&keyspace, Duration::from_secs(600));
        each(&mut |n, db, key| {
            let Some(entry) = db.peek(key) else {
                assert!(n % 9 > 2, "{n} is gone");
                return;
            };
            let mut room = Default::default();
            let bytes = entry.string().expect("a string").bytes(&mut room).to_vec();
            assert_eq!(bytes, value(n));
            let deadline = (n % 3 == 0).then_some(5000 + n as u64);
            assert_eq!(entry.deadline(), deadline);
        });
        let counts = keyspace.lock_none().counts();
        assert_eq!(counts[0].expires + counts[1].expires, 3000usize.div_ceil(9));
        let statistics = &keyspace.defragmentation;
        let looked_at = statistics.keys.load(Relaxed) + statistics.left.load(Relaxed);
        assert_eq!(looked_at as usize, counts[0].keys + counts[1].keys);
    }
}
