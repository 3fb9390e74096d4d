//! Defragmentation: what lies on sparse pages is moved together, so that whole pages become free.
//!
//! Where sizes change over time, the allocator ends up with many pages of a size that is no longer asked for and a few blocks
//! on each, which hold the whole page. A walk in hash order looks where each entry and its value lie, and gives those on
//! sparse pages a new block, which comes from a fuller one. Entries are owned by the table's slots alone, so nothing else has to
//! be told. A large collection is passed through in slices, as the keys are.
//!
//! A shard is locked for some tens of microseconds at a time, or two hundred where much is to be moved.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use smallvec::SmallVec;

use super::db::MARK_OBJECT;
use super::entry::{Entry, EntryRef, ValueMut, ValueRef};
use super::shard::Keyspace;
use crate::allocator::pages::SparsePages;
use crate::priority::Pace;
use crate::table::{Place, Table, hash};
use crate::types::relocate::Relocated;

/// Pages used to this percentage or less are sparse.
const SPARSE: usize = 80;

/// To look for them takes one part in so many of a processor's time.
const SEARCH_SHARE: u32 = 64;

/// Buckets under one lock.
const SLICE: usize = 32;

/// Buckets whose entries are fetched from memory at once.
const GROUP: usize = 4;
/// After so long under one lock no further group is begun.
const HELD: Duration = Duration::from_micros(100);

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

/// A large collection of which a part was looked at.
#[derive(Clone, Copy, Debug)]
struct Rest {
    database: usize,
    /// The hash of its key.
    hash: u64,
    /// Its address. Another value that comes to lie there is as welcome.
    home: usize,
    /// Where to go on.
    position: u64,
}

/// A walk over all databases that never ends.
#[derive(Debug, Default)]
pub struct Walk {
    position: u64,
    database: usize,
    sparse: SparsePages,
    /// When sparse pages are looked for again.
    next_search: Option<Instant>,
    /// Large collections that the walk has met and is not done with: the last one comes first.
    rest: Vec<Rest>,
}

impl Walk {
    /// One that moves whatever it meets.
    #[cfg(test)]
    pub fn moving_all() -> Walk {
        Walk {
            sparse: SparsePages::all(),
            ..Walk::default()
        }
    }

    /// Goes on for about as long as `budget`. No shard may be locked by this thread.
    pub fn run(&mut self, keyspace: &Keyspace, budget: Duration) {
        let begin = Instant::now();
        let (mut shards, mut pace) = (0, Pace::new());
        while begin.elapsed() < budget && shards < keyspace.shards() {
            if self.next_search.is_none_or(|then| then <= Instant::now()) {
                let before = processor_time();
                self.sparse.choose(SPARSE, || pace.step());
                let taken = processor_time().saturating_sub(before);
                self.next_search = Some(Instant::now() + SEARCH_SHARE * taken);
            }
            shards += usize::from(self.slice(keyspace));
            pace.step();
        }
    }

    /// Goes on for a while within one shard; tells whether that is done.
    fn slice(&mut self, keyspace: &Keyspace) -> bool {
        if let Some(rest) = self.rest.pop() {
            self.go_on(keyspace, rest);
            return false;
        }
        let number = keyspace.shard_of(self.position);
        let mut shard = keyspace.lock(number);
        if shard.table(self.database).is_none() {
            self.database = 0;
            self.position = keyspace.start_of((number + 1) % keyspace.shards());
            return true;
        }
        let table = shard.table_mut(self.database);
        let (mut next, mut looked_at, mut moved, mut keys) = (Some(self.position), 0, 0, 0);
        let since = Instant::now();
        for _ in 0..SLICE / GROUP {
            let mut places: SmallVec<[Place; 64]> = SmallVec::new();
            for _ in 0..GROUP {
                let Some(position) = next else { break };
                next = table.scan_places(position, |place| {
                    looked_at += 1;
                    // An entry that stays is not even touched.
                    let is_object = table.marks(place) & MARK_OBJECT != 0;
                    if is_object || self.sparse.hold(table.get(place).block()) {
                        table.prefetch(place);
                        places.push(place);
                    }
                });
            }
            for place in places {
                let (blocks, more) = move_together(table, place, &mut self.sparse);
                moved += blocks;
                keys += u64::from(blocks > 0);
                let entry = table.get(place);
                if let (Some(position), Some(home)) = (more, home(entry)) {
                    self.rest.push(Rest {
                        database: self.database,
                        hash: hash::of(entry.key()),
                        home,
                        position,
                    });
                }
            }
            if next.is_none() || since.elapsed() >= HELD {
                break;
            }
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
        let left = looked_at - keys;
        statistics.left.fetch_add(left, Relaxed);
        false
    }

    /// Goes on for a while within one large collection, if it is still there.
    fn go_on(&mut self, keyspace: &Keyspace, rest: Rest) {
        let mut shard = keyspace.lock(keyspace.shard_of(rest.hash));
        let is_it = |entry: EntryRef<'_>| home(entry) == Some(rest.home);
        let table = shard.table(rest.database);
        let Some(place) = table.and_then(|table| table.find_like(rest.hash, is_it)) else {
            return;
        };
        let table = shard.table_mut(rest.database);
        let relocated = relocate(table, place, rest.position, &mut self.sparse);
        drop(shard);
        let moved = &keyspace.defragmentation.moved;
        moved.fetch_add(relocated.moved, Relaxed);
        if let Some(position) = relocated.next {
            self.rest.push(Rest { position, ..rest });
        }
    }
}

/// What the calling thread has taken of a processor's time.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Moves the blocks of an entry that lie on sparse pages; tells how many, and where to go on if there is more.
fn move_together(
    table: &mut Table<Entry>,
    place: Place,
    sparse: &mut SparsePages,
) -> (u64, Option<u64>) {
    let mut moved = 0;
    let is_marked = table.marks(place) & MARK_OBJECT != 0;
    debug_assert_eq!(home(table.get(place)).is_some(), is_marked);
    if sparse.hold(table.get(place).block()) {
        table.update(place, Entry::moved);
        sparse.has_come(table.get(place).block());
        moved += 1;
    }
    let ValueRef::Object(object) = table.get(place).value() else {
        return (moved, None);
    };
    if sparse.hold(object) {
        table.get_mut(place).move_object();
        moved += 1;
        if let ValueRef::Object(object) = table.get(place).value() {
            sparse.has_come(object);
        }
    }
    let relocated = relocate(table, place, 0, sparse);
    (moved + relocated.moved, relocated.next)
}

fn relocate(
    table: &mut Table<Entry>,
    place: Place,
    position: u64,
    sparse: &mut SparsePages,
) -> Relocated {
    match table.get_mut(place).into_value() {
        ValueMut::Object(object) => object.relocate(position, sparse),
        _ => Relocated::default(),
    }
}

/// Where the value of an entry is, if it has a home of its own.
fn home(entry: EntryRef<'_>) -> Option<usize> {
    match entry.value() {
        ValueRef::Object(object) => Some(ptr::from_ref(object).addr()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::{AccessClock, Record};
    use super::super::db::{Db, Expiry, Key, Moment};
    use super::super::effects::Effects;
    use std::ops::Range;

    use super::super::entry::{MAX_INLINE, NewValue};
    use super::*;
    use crate::types::Limits;
    use crate::types::set::{self, Set};
    use crate::types::string::StringRef;

    fn moment() -> Moment {
        Moment {
            now: 1000,
            access: AccessClock::new(1000, Record::Date, 10, 1),
            may_expire: true,
        }
    }

    #[test]
    fn a_walk_changes_no_key() {
        let keyspace = Keyspace::new(2, 1);
        let effects = Effects::default();
        let moment = moment();
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
        Walk::moving_all().run(&keyspace, Duration::from_secs(600));
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
        assert_eq!(statistics.left.load(Relaxed), 0);
        // A long string is three blocks.
        let is_long = |n: &usize| n % 9 <= 2 && value(*n).len() > MAX_INLINE;
        let blocks = statistics.keys.load(Relaxed) as usize + 2 * (0..3000).filter(is_long).count();
        assert_eq!(statistics.moved.load(Relaxed) as usize, blocks);
    }

    #[test]
    fn a_collection_moves_once_it_has_left_its_entry() {
        let keyspace = Keyspace::new(1, 1);
        let effects = Effects::default();
        let moment = moment();
        let key = Key::new(b"key");
        let limits = set::Limits {
            integers: 0,
            packed: Limits {
                entries: 4,
                value: 64,
            },
        };
        let blocks = |members: Range<usize>| {
            let locked = keyspace.lock_one(key.hash);
            let mut db = Db::new(locked, 0, moment, &effects);
            let add = |set: &mut Set| {
                for n in members {
                    set.add(StringRef::Bytes(&n.to_ne_bytes()), &limits);
                }
            };
            db.update_or_insert(key, add).expect("a set");
            drop(db);
            keyspace.defragmentation.reset();
            Walk::moving_all().run(&keyspace, Duration::from_secs(600));
            keyspace.defragmentation.moved.load(Relaxed)
        };
        assert_eq!(blocks(0..4), 1);
        // The entry, the value's home, and the small table as one.
        assert_eq!(blocks(4..5), 3);
        assert_eq!(blocks(5..100), 2 + 100);
    }
}
