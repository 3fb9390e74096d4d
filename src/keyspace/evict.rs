//! Eviction: when memory runs out, the keys go that will be missed least.
//!
//! Nothing orders all keys by rank: that would cost every key some bytes and every access a move. Instead an [`Evictor`]
//! draws a bucket, looks at the keys in it, remembers the best candidates in its [`pool`], and removes the best of
//! these. Shards are drawn in proportion to the candidates in them, the databases within a shard likewise, and buckets
//! evenly: all databases take part, and no key is safe for where it lies.
//!
//! A shard is locked for the time of a look or of a removal, never for both; a key that was used in between is
//! no candidate any more. What is removed is freed unlocked, heavy values by the reclaimer. Every worker evicts for what it
//! writes, and the background where there is more to do, each with an evictor of its own.

mod density;
mod pool;
mod ranking;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::db::{MARK_DEADLINE, Moment, is_dead, remove_unasked};
use super::effects::{Effects, Event};
use super::entry::{Entry, EntryRef};
use super::shard::{Keyspace, Shard};
use crate::allocator;
use crate::table::{Place, Table, hash};
pub use density::{Densities, Fate};
use pool::{Candidate, Pool};
pub use ranking::{Choice, Ranking};

/// Shards that are drawn before all candidates are counted.
const DRAWS: usize = 16;

/// Items in a bucket, or rather somewhat fewer.
const PER_BUCKET: usize = 5;

/// Where only one key in so many may go, they are not drawn but searched for.
const SPARSE: usize = 8;

/// Buckets that are searched under one lock: some ten microseconds.
const LOOK: usize = 512;

/// Steps between two looks at the clock.
const STEPS: usize = 16;

/// What an evictor works on.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Whose keys may go.
    pub keyspace: &'a Keyspace,
    /// Where the loss is announced.
    pub effects: &'a Effects,
    /// Who may go, and who goes first.
    pub choice: Choice,
    /// Candidates that are looked at, at least, for every key that goes.
    pub samples: usize,
    /// The time. Nothing may be evicted while nothing may expire.
    pub moment: Moment,
}

/// How an eviction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is room enough.
    Enough,
    /// The time was up.
    OutOfTime,
    /// No key is left that may go.
    Nobody,
}

/// Draws candidates and removes the best.
#[derive(Debug, Default)]
pub struct Evictor {
    pool: Pool,
    /// What the pool was filled for.
    choice: Option<Choice>,
    rng: fastrand::Rng,
    /// The most candidates seen in a shard.
    fullest: usize,
    /// Where a search found nobody and is to go on, in hash order.
    unfinished: Option<(Spot, u64)>,
}

/// A database's part of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    shard: usize,
    database: usize,
}

type Places = SmallVec<[Place; 32]>;

/// What came of one attempt.
enum Step {
    Evicted,
    Searching,
    Nobody,
}

impl Evictor {
    /// One that has seen nothing yet.
    pub fn new() -> Evictor {
        Evictor::default()
    }

    /// Removes keys until that is `enough`, for about as long as `budget`. No shard may be locked by this thread.
    pub fn run(
        &mut self,
        ground: &Ground<'_>,
        budget: Duration,
        mut enough: impl FnMut() -> bool,
    ) -> End {
        let begin = Instant::now();
        self.prepare(ground);
        let mut steps = 0;
        while !enough() {
            if let Step::Nobody = self.step(ground) {
                return End::Nobody;
            }
            steps += 1;
            if steps % STEPS == 0 && begin.elapsed() >= budget {
                return End::OutOfTime;
            }
        }
        End::Enough
    }

    /// Brings what is remembered in line with the policy and the time.
    fn prepare(&mut self, ground: &Ground<'_>) {
        let choice = ground.choice;
        if self.choice.replace(choice) == Some(choice) {
            self.pool.rank_by(|stamp| ground.rank(stamp));
        } else {
            self.pool.clear();
            self.unfinished = None;
            self.fullest = 0;
        }
    }

    fn step(&mut self, ground: &Ground<'_>) -> Step {
        let Some(spot) = self.spot(ground) else {
            return Step::Nobody;
        };
        if ground.choice.ranking == Ranking::Random {
            return self.evict_any(ground, spot);
        }
        self.look(ground, spot);
        while let Some(best) = self.pool.take_best() {
            if ground.evict(best) {
                return Step::Evicted;
            }
        }
        Step::Searching
    }

    /// Where to look, in proportion to the candidates there; `None` if there are none anywhere.
    fn spot(&mut self, ground: &Ground<'_>) -> Option<Spot> {
        let keyspace = ground.keyspace;
        if let Some((spot, _)) = self.unfinished {
            let shard = keyspace.lock(spot.shard);
            let table = shard.table(spot.database);
            if table.is_some_and(|table| ground.candidates(table) > 0) {
                return Some(spot);
            }
        }
        if self.fullest > 0 {
            for _ in 0..DRAWS {
                let number = self.rng.usize(..keyspace.shards());
                let shard = keyspace.lock(number);
                let candidates = ground.candidates_of(&shard);
                self.fullest = self.fullest.max(candidates);
                if candidates > 0 && self.rng.usize(..self.fullest) < candidates {
                    return Some(self.spot_in(ground, number, &shard, candidates));
                }
            }
        }
        self.spot_of_all(ground)
    }

    /// As [`Evictor::spot`], with a count of all candidates: where nothing is known of them, or so few are left that it is wrong.
    fn spot_of_all(&mut self, ground: &Ground<'_>) -> Option<Spot> {
        let keyspace = ground.keyspace;
        let counts: Vec<usize> = (0..keyspace.shards())
            .map(|number| ground.candidates_of(&keyspace.lock(number)))
            .collect();
        self.fullest = counts.iter().copied().max().unwrap_or(0);
        let all: usize = counts.iter().sum();
        let mut ticket = (all > 0).then(|| self.rng.usize(..all))?;
        let drawn = counts.iter().position(|&here| {
            let is_drawn = ticket < here;
            ticket = ticket.saturating_sub(here);
            is_drawn
        });
        let number = drawn.expect("the ticket is below the sum");
        let shard = keyspace.lock(number);
        // They may have gone meanwhile.
        match ground.candidates_of(&shard) {
            0 => Some(Spot {
                shard: number,
                database: 0,
            }),
            candidates => Some(self.spot_in(ground, number, &shard, candidates)),
        }
    }

    fn spot_in(
        &mut self,
        ground: &Ground<'_>,
        number: usize,
        shard: &Shard,
        candidates: usize,
    ) -> Spot {
        let mut ticket = self.rng.usize(..candidates);
        let drawn = shard.tables().find(|(_, table)| {
            let here = ground.candidates(table);
            let is_drawn = ticket < here;
            ticket = ticket.saturating_sub(here);
            is_drawn
        });
        let (database, _) = drawn.expect("the ticket is below the sum");
        Spot {
            shard: number,
            database,
        }
    }

    /// Adds some candidates of a spot to the pool.
    fn look(&mut self, ground: &Ground<'_>, spot: Spot) {
        let shard = ground.keyspace.lock(spot.shard);
        let Some(table) = shard.table(spot.database) else {
            return;
        };
        let places = self.draw(ground, table, spot, ground.samples);
        for &place in &places {
            table.prefetch(place);
        }
        for place in places {
            let entry = table.get(place);
            let stamp = ground.choice.ranking.stamp(entry);
            let rank = if is_dead(entry, ground.moment.now) {
                u64::MAX
            } else {
                ground.rank(stamp)
            };
            if self.pool.wants(rank) {
                self.pool.offer(Candidate {
                    rank,
                    database: spot.database,
                    hash: hash::of(entry.key()),
                    stamp,
                });
            }
        }
    }

    /// About `wanted` candidates of a table; none only if they are few and far between, or all gone.
    fn draw(
        &mut self,
        ground: &Ground<'_>,
        table: &Table<Entry>,
        spot: Spot,
        wanted: usize,
    ) -> Places {
        let mut places = Places::new();
        let each = table.len() / ground.candidates(table).max(1);
        if each <= SPARSE {
            let buckets = (wanted * each).div_ceil(PER_BUCKET);
            table.sample(&mut self.rng, buckets, |place| {
                if ground.may_go(table, place) {
                    places.push(place);
                }
            });
        }
        if places.is_empty() {
            self.search(ground, table, spot, wanted, &mut places);
        }
        places
    }

    /// Looks for candidates in hash order, from a random place on and round the shard; if there is none for long, the next
    /// search goes on from there.
    fn search(
        &mut self,
        ground: &Ground<'_>,
        table: &Table<Entry>,
        spot: Spot,
        wanted: usize,
        places: &mut Places,
    ) {
        let (first, last) = ground.bounds(spot.shard);
        let mut position = match self.unfinished.take() {
            Some((before, position)) if before == spot => position,
            _ => self.rng.u64(first..=last),
        };
        for _ in 0..LOOK {
            let next = table.scan_places(position, |place| {
                if ground.may_go(table, place) {
                    places.push(place);
                }
            });
            position = next.unwrap_or(first);
            if places.len() >= wanted || (next.is_none() && !places.is_empty()) {
                return;
            }
        }
        if places.is_empty() {
            self.unfinished = Some((spot, position));
        }
    }

    /// Removes a candidate without a look at others.
    fn evict_any(&mut self, ground: &Ground<'_>, spot: Spot) -> Step {
        let keyspace = ground.keyspace;
        let mut shard = keyspace.lock(spot.shard);
        let Some(table) = shard.table(spot.database) else {
            return Step::Searching;
        };
        let drawn = (0..DRAWS).find_map(|_| {
            let place = table.random(&mut self.rng)?;
            ground.may_go(table, place).then_some(place)
        });
        let drawn = drawn.or_else(|| {
            let places = self.draw(ground, table, spot, 1);
            self.rng.choice(places)
        });
        let Some(place) = drawn else {
            return Step::Searching;
        };
        let entry = ground.remove(&mut shard, spot.database, place);
        drop(shard);
        if let Some(entry) = entry {
            keyspace.reclaimer.discard(entry);
        }
        Step::Evicted
    }
}

impl Ground<'_> {
    fn rank(&self, stamp: u64) -> u64 {
        let Ground {
            keyspace,
            choice,
            moment,
            ..
        } = self;
        choice
            .ranking
            .rank(&moment.access, &keyspace.densities, stamp)
    }

    /// Keys of a table that may go.
    fn candidates(&self, table: &Table<Entry>) -> usize {
        if self.choice.only_volatile {
            table.marked_len(MARK_DEADLINE)
        } else {
            table.len()
        }
    }

    fn candidates_of(&self, shard: &Shard) -> usize {
        shard
            .tables()
            .map(|(_, table)| self.candidates(table))
            .sum()
    }

    fn may_go(&self, table: &Table<Entry>, place: Place) -> bool {
        !self.choice.only_volatile || table.marks(place) & MARK_DEADLINE != 0
    }

    /// The first and the last hash of a shard.
    fn bounds(&self, number: usize) -> (u64, u64) {
        let begin = self.keyspace.start_of(number);
        (begin, begin | (u64::MAX >> self.keyspace.shards().ilog2()))
    }

    /// Removes a candidate unless it was used in the meantime; answers whether it did.
    fn evict(&self, candidate: Candidate) -> bool {
        let mut shard = self.keyspace.lock(self.keyspace.shard_of(candidate.hash));
        let is_unchanged =
            |entry: EntryRef<'_>| self.choice.ranking.stamp(entry) == candidate.stamp;
        let found = shard
            .table(candidate.database)
            .and_then(|table| table.find_like(candidate.hash, is_unchanged));
        let Some(place) = found else {
            return false;
        };
        let entry = self.remove(&mut shard, candidate.database, place);
        drop(shard);
        if let Some(entry) = entry {
            self.keyspace.reclaimer.discard(entry);
        }
        true
    }

    fn remove(&self, shard: &mut Shard, database: usize, place: Place) -> Option<Entry> {
        let table = shard.table(database).expect("the place is in it");
        let entry = table.get(place);
        let event = if is_dead(entry, self.moment.now) {
            Event::EXPIRED
        } else {
            Event::EVICTED
        };
        if event == Event::EVICTED && self.choice.ranking == Ranking::Density {
            let clock = &self.moment.access;
            let fate = Fate::evicted(clock.class(entry.access()), clock.age(entry.access()));
            shard.note(fate, &self.keyspace.densities);
        }
        let entry = remove_unasked(shard, database, place, event, self.effects);
        self.effects.submit();
        entry
    }
}

/// How far memory is above a limit: exact when the gauge is made, and from then on true to what this thread allocates and
/// frees.
///
/// What the reclaimer is about to free counts as free, and so does what a snapshot keeps of what is gone; else all keys would go
/// while one large value does, or while a snapshot is written. So does what is [not counted](Keyspace::uncounted): changes that
/// wait for the disk, to which the removal of keys would only add.
#[derive(Clone, Copy, Debug)]
pub struct Gauge<'a> {
    keyspace: &'a Keyspace,
    limit: u64,
    /// What other threads allocated and have not told yet.
    untold: i64,
}

impl<'a> Gauge<'a> {
    /// What all threads together may not have told, in bytes. Further below its limit memory cannot be above it.
    const MARGIN: u64 = 1 << 20;

    /// A gauge for a limit in bytes; `None` if memory is well below it, which costs next to nothing to tell.
    #[inline]
    pub fn near(keyspace: &'a Keyspace, limit: u64) -> Option<Gauge<'a>> {
        (allocator::allocated() as u64 + Gauge::MARGIN > limit).then(|| Gauge::new(keyspace, limit))
    }

    /// A gauge for a limit in bytes.
    pub fn new(keyspace: &'a Keyspace, limit: u64) -> Gauge<'a> {
        let told = allocator::allocated() as i64;
        Gauge {
            keyspace,
            limit,
            untold: allocator::allocated_exactly() as i64 - told,
        }
    }

    /// Bytes above the limit.
    #[inline]
    pub fn excess(&self) -> u64 {
        let used = (allocator::allocated() as u64).saturating_add_signed(self.untold);
        let above = used.saturating_sub(self.limit);
        if above == 0 {
            return 0;
        }
        let Keyspace {
            reclaimer,
            snapshots,
            uncounted,
            ..
        } = self.keyspace;
        let free = reclaimer.pending_bytes() + snapshots.held_bytes() + uncounted.load(Relaxed);
        above.saturating_sub(free)
    }
}

/// How long a command may be held up by eviction, at a `maxmemory-eviction-tenacity` from 0 to 100.
pub fn budget(tenacity: u32) -> Duration {
    match tenacity {
        0..=10 => Duration::from_micros(50) * tenacity,
        11..100 => Duration::from_micros(500).mul_f64(1.15f64.powi(tenacity as i32 - 10)),
        _ => Duration::MAX,
    }
}

/// How long the memory has been above its limit.
#[derive(Debug)]
pub struct Statistics {
    epoch: Instant,
    /// Since when it is, in microseconds since the epoch; 0 if it is not.
    since: AtomicU64,
    /// The sum of the former times, in microseconds.
    total: AtomicU64,
}

impl Default for Statistics {
    fn default() -> Self {
        Statistics {
            epoch: Instant::now(),
            since: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }
}

impl Statistics {
    /// Takes note whether memory is above the limit now.
    #[inline]
    pub fn note(&self, is_exceeded: bool) {
        if is_exceeded != (self.since.load(Relaxed) != 0) {
            self.turn(is_exceeded);
        }
    }

    #[cold]
    fn turn(&self, is_exceeded: bool) {
        if is_exceeded {
            // Another worker may have been first.
            let _ = self.since.compare_exchange(0, self.now(), Relaxed, Relaxed);
        } else {
            let since = self.since.swap(0, Relaxed);
            if since != 0 {
                self.total
                    .fetch_add(self.now().saturating_sub(since), Relaxed);
            }
        }
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_micros().max(1) as u64
    }

    /// For how long the limit has been exceeded; zero if it is not.
    pub fn current(&self) -> Duration {
        match self.since.load(Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_micros(self.now().saturating_sub(since)),
        }
    }

    /// For how long the limit was exceeded in all.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.total.load(Relaxed)) + self.current()
    }

    /// Starts counting again.
    pub fn reset(&self) {
        self.since.store(0, Relaxed);
        self.total.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests;
