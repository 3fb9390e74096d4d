//! Shards: the keyspace cut into equal pieces of hash order, each behind a lock of its own.
//!
//! **Lock order.** Shard locks are taken in ascending order of their number, and nothing else is locked while one is
//! held, except the leaves that never lock further (the reclaimer's queue, a snapshot's, the allocator, the counts of hit densities). A command that names its
//! keys locks their shards; one that cannot name them locks all of them, and that is the exclusive section: with
//! every lock held nobody else is inside a command. It costs ordinary commands nothing at all, and its own price
//! is one uncontended lock per shard (some hundred nanoseconds on a small machine).
//!
//! One lock covers the same piece of every database: a key has the same place in each of them, so MOVE
//! and COPY between databases need no second shard, and SWAPDB exchanges tables under the exclusive section.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use super::db::{Key, MARK_DEADLINE, MARK_FIELDS, is_dead};
use super::defrag;
use super::effects::Effects;
use super::entry::{Entry, Generation, ValueRef};
use super::evict::{self, Densities, Fate};
use super::expire;
use super::meanwhile;
use super::observers::Observers;
use super::reclaim::Reclaimer;
use super::snapshot;
use super::undo::Undo;
use super::waiters::Waitroom;
use super::watch::Presence;
use crate::table::{Table, hash};

/// Shards per worker; enough that two workers seldom meet in one.
const SHARDS_PER_WORKER: usize = 32;
const MAX_SHARD_BITS: u32 = 10;

/// One piece of the keyspace: the same range of hashes in every database.
#[derive(Debug)]
pub struct Shard {
    /// By database number; a database that was never written to here may be missing.
    pub(super) databases: Vec<Table<Entry>>,
    prefix_bits: u32,
    /// That of all entries, but for those that the snapshot which runs has not yet taken.
    pub(super) generation: Generation,
    /// The part in that snapshot.
    pub(super) snapshot: Option<Box<snapshot::Ongoing>>,
    /// Who wants to hear of changes to keys of this piece.
    pub observers: Observers,
    /// What the script that runs has changed, while it may have to start over.
    pub(super) undo: Option<Undo>,
    /// What became of entries of this piece, and was not yet learned from.
    fates: Vec<Fate>,
}

impl Shard {
    /// The table of a database, if it was ever written to.
    #[inline]
    pub fn table(&self, database: usize) -> Option<&Table<Entry>> {
        self.databases.get(database)
    }

    /// The table of a database; made if it is missing. Entries come and go through [`Shard::insert`], [`Shard::replace`] and
    /// [`Shard::remove`], and are changed behind a [`Shard::preserve`].
    #[inline]
    pub(super) fn table_mut(&mut self, database: usize) -> &mut Table<Entry> {
        if database >= self.databases.len() {
            let prefix_bits = self.prefix_bits;
            self.databases
                .resize_with(database + 1, || Table::new(prefix_bits));
        }
        &mut self.databases[database]
    }

    /// The tables by database number, empty ones among them.
    pub fn tables(&self) -> impl Iterator<Item = (usize, &Table<Entry>)> {
        self.databases.iter().enumerate()
    }

    /// A table to change, and who observes its keys.
    pub(super) fn observed_table_mut(
        &mut self,
        database: usize,
    ) -> (&mut Table<Entry>, &mut Observers) {
        self.table_mut(database);
        (&mut self.databases[database], &mut self.observers)
    }

    /// Takes note of what became of an entry; `densities` learn of it when there is more to tell.
    #[inline]
    pub(super) fn note(&mut self, fate: Fate, densities: &Densities) {
        /// So many are told at once, because telling takes a lock.
        const TOLD: usize = 128;
        self.fates.push(fate);
        if self.fates.len() >= TOLD {
            densities.count(self.fates.drain(..));
        }
    }

    fn swap(&mut self, a: usize, b: usize, now: u64, effects: &Effects) {
        let databases = &self.databases;
        let in_a = |key: &[u8]| presence(databases.get(a), key, now);
        let in_b = |key: &[u8]| presence(databases.get(b), key, now);
        self.observers.tell_replaced(effects, a, in_a, in_b);
        self.observers.tell_replaced(effects, b, in_b, in_a);
        self.table_mut(a.max(b));
        self.databases.swap(a, b);
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.swap(a, b);
        }
    }

    fn take(&mut self, database: usize, now: u64, effects: &Effects) -> Option<Table<Entry>> {
        let table = self.databases.get(database);
        self.observers.tell_replaced(
            effects,
            database,
            |key| presence(table, key, now),
            |_| Presence::Absent,
        );
        let prefix_bits = self.prefix_bits;
        let table = self.databases.get_mut(database)?;
        let former = std::mem::replace(table, Table::new(prefix_bits));
        self.part_with_table(database, former)
    }
}

fn presence(table: Option<&Table<Entry>>, key: &[u8], now: u64) -> Presence {
    let found = table.and_then(|table| Some(table.get(table.find(hash::of(key), key)?)));
    match found {
        None => Presence::Absent,
        Some(entry) if is_dead(entry, now) => Presence::Dead,
        Some(_) => Presence::Alive,
    }
}

/// A lock on a cache line of its own, so that neighbours do not slow each other.
#[derive(Debug)]
#[repr(align(64))]
struct Slot(Mutex<Shard>);

/// Every key of every database.
#[derive(Debug)]
pub struct Keyspace {
    shards: Box<[Slot]>,
    shard_bits: u32,
    databases: usize,
    /// Frees heavy values away from the requests.
    pub reclaimer: Reclaimer,
    /// What the expiry cycle has done.
    pub expiry: expire::Statistics,
    /// What was moved together.
    pub defragmentation: defrag::Statistics,
    /// How long eviction was behind.
    pub evictions: evict::Statistics,
    /// How many hold shards for so long that nobody should wait for them.
    pub stuck: Arc<AtomicUsize>,
    /// Bytes that are allocated for something else than data, and that no key has to go for.
    pub uncounted: Arc<AtomicU64>,
    /// What `allkeys-lhd` has learned.
    pub densities: Densities,
    /// Who waits for keys.
    pub waitroom: Waitroom,
    /// Whether a snapshot runs.
    pub snapshots: Arc<snapshot::Control>,
}

impl Keyspace {
    /// An empty keyspace of `databases` databases for `workers` threads.
    pub fn new(databases: usize, workers: usize) -> Keyspace {
        let shard_bits = (workers * SHARDS_PER_WORKER)
            .next_power_of_two()
            .trailing_zeros()
            .min(MAX_SHARD_BITS);
        let shard = || {
            Slot(Mutex::new(Shard {
                databases: Vec::new(),
                prefix_bits: shard_bits,
                generation: Generation::default(),
                snapshot: None,
                observers: Observers::default(),
                undo: None,
                fates: Vec::new(),
            }))
        };
        Keyspace {
            shards: (0..1usize << shard_bits).map(|_| shard()).collect(),
            shard_bits,
            databases,
            reclaimer: Reclaimer::start(),
            expiry: expire::Statistics::new(databases),
            defragmentation: defrag::Statistics::default(),
            evictions: evict::Statistics::default(),
            stuck: Arc::default(),
            uncounted: Arc::default(),
            densities: Densities::default(),
            waitroom: Waitroom::default(),
            snapshots: Arc::default(),
        }
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// How many shards there are; a power of two.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The shard of a hash (also: of a scan position).
    #[inline]
    pub fn shard_of(&self, hash: u64) -> usize {
        // Two shifts, because a shift by 64 would be needed for a single shard.
        (hash >> 1 >> (63 - self.shard_bits)) as usize
    }

    /// The first hash of a shard.
    pub fn start_of(&self, shard: usize) -> u64 {
        (shard as u64) << 1 << (63 - self.shard_bits)
    }

    /// Locks one shard. While somebody is [stuck](Self::stuck) with it the thread does what it has to do [meanwhile].
    #[inline]
    pub fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        let guard = self.try_lock(shard);
        guard.unwrap_or_else(|| self.wait_patiently(shard))
    }

    #[cold]
    fn wait_patiently(&self, shard: usize) -> MutexGuard<'_, Shard> {
        loop {
            if let Some(guard) = self.wait_for(shard) {
                return guard;
            }
            meanwhile::serve();
        }
    }

    /// Locks one shard if it is free.
    #[inline]
    pub fn try_lock(&self, shard: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards[shard].0.try_lock()
    }

    #[inline]
    fn hold(&self, shard: usize) -> Hold<'_> {
        Hold::Own(self.lock(shard))
    }

    /// Locks one shard, or gives up when somebody is [stuck](Self::stuck) and it is not free.
    #[inline]
    fn hold_if_free(&self, shard: usize) -> Option<Hold<'_>> {
        let guard = self.try_lock(shard);
        guard.or_else(|| self.wait_for(shard)).map(Hold::Own)
    }

    #[cold]
    fn wait_for(&self, shard: usize) -> Option<MutexGuard<'_, Shard>> {
        /// How long to wait until one looks whether it is worth while.
        const SLICE: Duration = Duration::from_millis(20);
        loop {
            if let Some(guard) = self.shards[shard].0.try_lock_for(SLICE) {
                return Some(guard);
            }
            if self.stuck.load(Relaxed) > 0 {
                return None;
            }
        }
    }

    /// As [`lock_one`](Self::lock_one), `None` if somebody is stuck with the shard.
    #[inline]
    pub fn lock_one_if_free(&self, hash: u64) -> Option<Locked<'_>> {
        let shard = self.shard_of(hash);
        Some(Locked {
            keyspace: self,
            held: Held::One(shard, self.hold_if_free(shard)?),
        })
    }

    /// As [`lock_many`](Self::lock_many), `None` if somebody is stuck with one of the shards.
    pub fn lock_many_if_free(&self, hashes: impl Iterator<Item = u64>) -> Option<Locked<'_>> {
        let mut numbers: SmallVec<[usize; 16]> = hashes.map(|hash| self.shard_of(hash)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let hold = |number| Some((number, self.hold_if_free(number)?));
        let held: Option<SmallVec<_>> = numbers.into_iter().map(hold).collect();
        Some(Locked {
            keyspace: self,
            held: Held::Many(held?),
        })
    }

    /// As [`lock_all`](Self::lock_all), `None` if somebody is stuck with a shard.
    pub fn lock_all_if_free(&self) -> Option<Locked<'_>> {
        let guards: Option<Vec<_>> = (0..self.shards()).map(|n| self.hold_if_free(n)).collect();
        Some(Locked {
            keyspace: self,
            held: Held::All {
                guards: guards?,
                garbage: Vec::new(),
            },
        })
    }

    /// Locks the shard of one key.
    #[inline]
    pub fn lock_one(&self, hash: u64) -> Locked<'_> {
        let shard = self.shard_of(hash);
        Locked {
            keyspace: self,
            held: Held::One(shard, self.hold(shard)),
        }
    }

    /// Locks the shards of all these hashes, in order, each once.
    pub fn lock_many(&self, hashes: impl Iterator<Item = u64>) -> Locked<'_> {
        let mut numbers: SmallVec<[usize; 16]> = hashes.map(|hash| self.shard_of(hash)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if let [only] = numbers[..] {
            return Locked {
                keyspace: self,
                held: Held::One(only, self.hold(only)),
            };
        }
        Locked {
            keyspace: self,
            held: Held::Many(numbers.into_iter().map(|n| (n, self.hold(n))).collect()),
        }
    }

    /// The exclusive section: locks every shard.
    pub fn lock_all(&self) -> Locked<'_> {
        let guards = (0..self.shards()).map(|n| self.hold(n)).collect();
        Locked {
            keyspace: self,
            held: Held::All {
                guards,
                garbage: Vec::new(),
            },
        }
    }

    /// Locks nothing, for commands that look at shards one at a time or at none.
    #[inline]
    pub fn lock_none(&self) -> Locked<'_> {
        Locked {
            keyspace: self,
            held: Held::Nothing,
        }
    }

    /// Brings the bucket of a key into the cache. Takes the shard's lock for a moment, if it is free.
    #[inline]
    pub fn prefetch_bucket(&self, database: usize, hash: u64) {
        if let Some(shard) = self.try_lock(self.shard_of(hash))
            && let Some(table) = shard.table(database)
        {
            table.prefetch_bucket(hash);
        }
    }

    /// Brings the entry of a key, if its bucket names one, into the cache. Takes the shard's lock for a moment, if it is free.
    #[inline]
    pub fn prefetch_entry(&self, database: usize, hash: u64) {
        if let Some(shard) = self.try_lock(self.shard_of(hash))
            && let Some(table) = shard.table(database)
        {
            table.prefetch_entry(hash);
        }
    }

    /// Brings elements of the collection under a key into the cache, if it is a large one. Takes the shard's lock for a moment.
    pub fn prefetch_elements<'e>(
        &self,
        database: usize,
        key: Key<'_>,
        elements: impl Iterator<Item = &'e [u8]>,
    ) {
        if let Some(shard) = self.try_lock(self.shard_of(key.hash))
            && let Some(table) = shard.table(database)
            && let Some(place) = table.find(key.hash, key.bytes)
            && let ValueRef::Object(object) = table.get(place).value()
            && let Some(members) = object.members()
        {
            members.prefetch(elements);
        }
    }
}

/// What a database holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys, dead ones that were not yet removed among them.
    pub keys: usize,
    /// Those with a deadline.
    pub expires: usize,
    /// Hashes some of whose fields have one.
    pub fields_expire: usize,
    /// Bytes of the tables, entries not counted.
    pub table_bytes: usize,
}

/// The shards that one command holds.
#[derive(Debug)]
pub struct Locked<'a> {
    keyspace: &'a Keyspace,
    held: Held<'a>,
}

/// A shard that is held: locked, or lent by who has locked it.
#[derive(Debug)]
pub enum Hold<'a> {
    /// Until this is dropped.
    Own(MutexGuard<'a, Shard>),
    /// Beyond that.
    Lent(&'a mut Shard),
}

impl Deref for Hold<'_> {
    type Target = Shard;

    #[inline]
    fn deref(&self) -> &Shard {
        match self {
            Hold::Own(guard) => guard,
            Hold::Lent(shard) => shard,
        }
    }
}

impl DerefMut for Hold<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Shard {
        match self {
            Hold::Own(guard) => guard,
            Hold::Lent(shard) => shard,
        }
    }
}

#[derive(Debug)]
enum Held<'a> {
    Nothing,
    One(usize, Hold<'a>),
    Many(SmallVec<[(usize, Hold<'a>); 4]>),
    All {
        guards: Vec<Hold<'a>>,
        /// Freed behind the guards, as fields are dropped in their order.
        garbage: Vec<Table<Entry>>,
    },
}

impl Held<'_> {
    /// Lends the shards of these numbers, which ascend.
    fn lend(&mut self, numbers: &[usize]) -> Option<Held<'_>> {
        match self {
            Held::Nothing => None,
            Held::One(number, hold) => {
                (*numbers == [*number]).then(|| Held::One(*number, Hold::Lent(hold)))
            }
            Held::Many(holds) => {
                let mut wanted = numbers.iter().peekable();
                let lent: SmallVec<_> = holds
                    .iter_mut()
                    .filter(|(number, _)| wanted.next_if_eq(&number).is_some())
                    .map(|(number, hold)| (*number, Hold::Lent(hold)))
                    .collect();
                (lent.len() == numbers.len()).then_some(Held::Many(lent))
            }
            Held::All { guards, .. } => {
                let mut rest = &mut guards[..];
                let mut passed = 0;
                let mut lent = SmallVec::new();
                for &number in numbers {
                    let (hold, behind) = rest[number - passed..].split_first_mut()?;
                    lent.push((number, Hold::Lent(hold)));
                    (rest, passed) = (behind, number + 1);
                }
                Some(Held::Many(lent))
            }
        }
    }
}

impl<'a> Locked<'a> {
    /// The keyspace that the shards belong to.
    pub fn keyspace(&self) -> &'a Keyspace {
        self.keyspace
    }

    /// The shard of a key. It must be one of those held.
    #[inline]
    pub fn shard(&mut self, key: Key<'_>) -> &mut Shard {
        let wanted = self.keyspace.shard_of(key.hash);
        match &mut self.held {
            Held::One(number, guard) if *number == wanted => guard,
            Held::All { guards, .. } => &mut guards[wanted],
            Held::Many(guards) => {
                let place = guards.binary_search_by_key(&wanted, |(number, _)| *number);
                &mut guards[place.expect("the command declared this key")].1
            }
            Held::One(..) | Held::Nothing => unreachable!("the command declared this key"),
        }
    }

    /// As [`Locked::shard`], for looking only.
    pub fn shard_ref(&self, key: Key<'_>) -> &Shard {
        let wanted = self.keyspace.shard_of(key.hash);
        match &self.held {
            Held::One(number, guard) if *number == wanted => guard,
            Held::All { guards, .. } => &guards[wanted],
            Held::Many(guards) => {
                let place = guards.binary_search_by_key(&wanted, |(number, _)| *number);
                &guards[place.expect("the command declared this key")].1
            }
            Held::One(..) | Held::Nothing => unreachable!("the command declared this key"),
        }
    }

    /// Lends the shards of some keys, or all, to a command that a script calls. They must be among those held; `None` if
    /// they are not.
    pub fn lend(&mut self, wanted: Option<&[u64]>) -> Option<Locked<'_>> {
        let keyspace = self.keyspace;
        let held = match (wanted, &mut self.held) {
            (Some([]), _) => Held::Nothing,
            (None, Held::All { guards, .. }) => Held::All {
                guards: guards.iter_mut().map(|hold| Hold::Lent(hold)).collect(),
                garbage: Vec::new(),
            },
            (None, _) => return None,
            (Some(hashes), held) => {
                let mut numbers: SmallVec<[usize; 16]> =
                    hashes.iter().map(|&hash| keyspace.shard_of(hash)).collect();
                numbers.sort_unstable();
                numbers.dedup();
                held.lend(&numbers)?
            }
        };
        Some(Locked { keyspace, held })
    }

    /// Takes further shards, those of these keys or all, as far as nobody else holds them; answers whether it has them. They are
    /// not waited for: that would break the order of locks.
    pub fn try_extend(&mut self, wanted: Option<&[u64]>) -> bool {
        let keyspace = self.keyspace;
        let mut held: SmallVec<[(usize, Hold<'a>); 4]> =
            match std::mem::replace(&mut self.held, Held::Nothing) {
                all @ Held::All { .. } => {
                    self.held = all;
                    return true;
                }
                Held::Nothing => SmallVec::new(),
                Held::One(number, hold) => SmallVec::from_iter([(number, hold)]),
                Held::Many(held) => held,
            };
        let numbers: SmallVec<[usize; 16]> = match wanted {
            Some(hashes) => hashes.iter().map(|&hash| keyspace.shard_of(hash)).collect(),
            None => (0..keyspace.shards()).collect(),
        };
        let mut has_all = true;
        for number in numbers {
            if let Err(place) = held.binary_search_by_key(&number, |(number, _)| *number) {
                match keyspace.try_lock(number) {
                    Some(guard) => held.insert(place, (number, Hold::Own(guard))),
                    None => has_all = false,
                }
            }
        }
        self.held = if held.len() == keyspace.shards() {
            Held::All {
                guards: held.into_iter().map(|(_, hold)| hold).collect(),
                garbage: Vec::new(),
            }
        } else {
            Held::Many(held)
        };
        has_all
    }

    /// Every shard that is held.
    pub fn held(&mut self) -> impl Iterator<Item = &mut Shard> {
        let (one, many, all): (_, &mut [_], &mut [Hold<'a>]) = match &mut self.held {
            Held::Nothing => (None, &mut [], &mut []),
            Held::One(_, hold) => (Some(hold), &mut [], &mut []),
            Held::Many(holds) => (None, &mut holds[..], &mut []),
            Held::All { guards, .. } => (None, &mut [], &mut guards[..]),
        };
        let many = many.iter_mut().map(|(_, hold)| hold);
        let holds = one.into_iter().chain(many).chain(all);
        holds.map(|hold| &mut **hold)
    }

    /// Whether no shard is held.
    pub fn is_empty(&self) -> bool {
        matches!(self.held, Held::Nothing)
    }

    /// Whether the exclusive section is held.
    pub fn is_exclusive(&self) -> bool {
        matches!(self.held, Held::All { .. })
    }

    /// Every shard, in hash order. The exclusive section must be held.
    pub fn all(&mut self) -> &mut [Hold<'a>] {
        match &mut self.held {
            Held::All { guards, .. } => guards,
            _ => unreachable!("the command declared that it needs every shard"),
        }
    }

    /// Looks at one shard; locks it for that time unless everything is locked already.
    pub fn visit<R>(&mut self, number: usize, look: impl FnOnce(&mut Shard) -> R) -> R {
        match &mut self.held {
            Held::All { guards, .. } => look(&mut guards[number]),
            Held::Nothing => look(&mut self.keyspace.lock(number)),
            Held::One(..) | Held::Many(_) => {
                unreachable!("the command declared keys and looks at others")
            }
        }
    }

    /// Keys and, among them, keys with a deadline, by database number. Shard after shard: each is counted at
    /// a moment of its own.
    pub fn counts(&mut self) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.keyspace.databases()];
        for number in 0..self.keyspace.shards() {
            self.visit(number, |shard| {
                for (count, (_, table)) in counts.iter_mut().zip(shard.tables()) {
                    count.keys += table.len();
                    count.expires += table.marked_len(MARK_DEADLINE);
                    count.fields_expire += table.marked_len(MARK_FIELDS);
                    count.table_bytes += table.table_bytes();
                }
            });
        }
        counts
    }

    /// Frees a table as soon as the shards are no longer held. The exclusive section must be held.
    pub fn free_after(&mut self, table: Table<Entry>) {
        match &mut self.held {
            Held::All { garbage, .. } => garbage.push(table),
            _ => unreachable!("the command declared that it needs every shard"),
        }
    }

    /// Keys in a database. The exclusive section must be held.
    pub fn len(&mut self, database: usize) -> usize {
        self.all()
            .iter()
            .filter_map(|shard| shard.table(database))
            .map(Table::len)
            .sum()
    }

    /// Exchanges two databases at the time `now`, and tells those who observe their keys. The exclusive section must be held.
    pub fn swap(&mut self, a: usize, b: usize, now: u64, effects: &Effects) {
        for shard in self.all() {
            shard.swap(a, b, now, effects);
        }
    }

    /// Empties a database at the time `now`, tells those who observe its keys, and hands over what it held, but for what a snapshot
    /// keeps. The exclusive section must be held.
    pub fn take(&mut self, database: usize, now: u64, effects: &Effects) -> Vec<Table<Entry>> {
        self.all()
            .iter_mut()
            .filter_map(|shard| shard.take(database, now, effects))
            .filter(|table| !table.is_empty())
            .collect()
    }
}
