//! The expiry cycle: finds dead keys that nobody asks for, and removes them.
//!
//! The cycle walks the keyspace in hash order and looks at the slots that are marked as having a deadline. So it needs no
//! second index of keys, misses none, and has no state but a position. It is called some ten times a second and
//! decides by itself how far to go:
//!
//! - at least past some hundred keys, so that a small keyspace is swept whole each time;
//! - as far as the time since the last call asks for, so that a pass over any keyspace takes [`PASS`], unless
//!   that would cost more than its [`CALM_SHARE`] of the budget;
//! - further, up to the whole budget, as long as a notable share of the keys it meets is dead.
//!
//! Hashes some of whose fields have deadlines are marked, too, and met on the same walk; `fields` removes what is dead in
//! them.
//!
//! A shard is locked for some tens of microseconds at a time, and what was removed is freed unlocked.

mod fields;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::db::{MARK_DEADLINE, MARK_FIELDS, is_dead, remove_dead};
use super::effects::Effects;
use super::entry::Entry;
use super::shard::Keyspace;
use crate::priority::Pace;
use crate::table::Sweep;
pub use fields::Changes;

/// How long an unhurried pass over the keyspace takes at an effort of 1; at an effort of `n`, an `n`-th of it.
pub const PASS: Duration = Duration::from_secs(10);

/// What part of the budget an unhurried pass may take at an effort of 1; at an effort of `n`, `n` times as much.
pub const CALM_SHARE: f64 = 0.033;

/// Work done by any run, per unit of effort. Looking at a key and a step of a table are one each.
const LEAST_WORK: usize = 1000;

/// Work under one lock.
const SLICE: usize = 200;

/// The work of removing a key.
const REMOVAL: usize = 4;

/// How much one run moves the running average of dead keys.
const STALE_WEIGHT: f64 = 0.05;

/// What all runs together have found.
#[derive(Debug)]
pub struct Statistics {
    /// The bits of an `f64`.
    stale_percent: AtomicU64,
    time_cap_reached: AtomicU64,
    busy_micros: AtomicU64,
    average_ttl: Box<[AtomicU64]>,
}

impl Statistics {
    pub(super) fn new(databases: usize) -> Statistics {
        Statistics {
            stale_percent: AtomicU64::new(0),
            time_cap_reached: AtomicU64::new(0),
            busy_micros: AtomicU64::new(0),
            average_ttl: (0..databases).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The share of dead keys among those with a deadline, in percent: a running average.
    pub fn stale_percent(&self) -> f64 {
        f64::from_bits(self.stale_percent.load(Relaxed))
    }

    /// How many runs ended because their budget was used up.
    pub fn time_cap_reached(&self) -> u64 {
        self.time_cap_reached.load(Relaxed)
    }

    /// The time that all runs took.
    pub fn busy(&self) -> Duration {
        Duration::from_micros(self.busy_micros.load(Relaxed))
    }

    /// How long the keys of a database that have a deadline had on average left, in milliseconds, when they
    /// were last looked at.
    pub fn average_ttl(&self, database: usize) -> u64 {
        self.average_ttl[database].load(Relaxed)
    }

    /// Starts counting again. What is known of the keys themselves stays.
    pub fn reset(&self) {
        for number in [
            &self.stale_percent,
            &self.time_cap_reached,
            &self.busy_micros,
        ] {
            number.store(0, Relaxed);
        }
    }

    fn record(&self, report: &Report) {
        let stale =
            self.stale_percent() * (1.0 - STALE_WEIGHT) + report.stale_percent() * STALE_WEIGHT;
        self.stale_percent.store(stale.to_bits(), Relaxed);
        self.time_cap_reached
            .fetch_add(u64::from(report.time_cap_reached), Relaxed);
        self.busy_micros
            .fetch_add(report.elapsed.as_micros() as u64, Relaxed);
    }
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys with a deadline that it looked at, the dead ones among them.
    pub examined: u64,
    /// Dead keys that it removed.
    pub expired: u64,
    /// Dead fields that it removed.
    pub expired_fields: u64,
    /// Whether it would have gone on, had there been more time.
    pub time_cap_reached: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    fn stale_percent(&self) -> f64 {
        if self.examined == 0 {
            0.0
        } else {
            self.expired as f64 * 100.0 / self.examined as f64
        }
    }

    /// As [`Report::stale_percent`], the fields that were removed among what was looked at: what tells whether to go on.
    fn dead_percent(&self) -> f64 {
        let dead = self.expired + self.expired_fields;
        let all = self.examined + self.expired_fields;
        dead as f64 * 100.0 / all.max(1) as f64
    }
}

/// Keys that will die, and the milliseconds that they have left, added up.
#[derive(Clone, Copy, Debug, Default)]
struct Mortals {
    keys: u64,
    left: u128,
}

impl Mortals {
    fn add(&mut self, other: Mortals) {
        self.keys += other.keys;
        self.left += other.left;
    }

    fn average(self) -> Option<u64> {
        Some(self.left.checked_div(u128::from(self.keys))? as u64)
    }
}

/// A walk over all databases that never ends.
#[derive(Debug, Default)]
pub struct Cycle {
    /// Where the walk goes on, in hash order.
    position: u64,
    /// The database that it is in; a shard is done when all its databases are.
    database: usize,
    /// When the walk met a hash with dead fields at this position. While it stays there, what dies later does not count:
    /// else a large hash in which something dies at any time would hold it for good.
    arrived: Option<u64>,
    /// Shards that time asks for and that are not yet done.
    due: f64,
    /// When it last ran, in milliseconds since the epoch.
    last_run: u64,
    /// What this pass has met, by database.
    met: Vec<Mortals>,
    /// Removed under the lock, to be freed without it.
    removed: Vec<Entry>,
}

impl Cycle {
    /// A walk that has not begun.
    pub fn new() -> Cycle {
        Cycle::default()
    }

    /// Removes dead keys; `now` is in milliseconds since the epoch, `effort` from 1 to 10. No shard may be
    /// locked by this thread.
    pub fn run(
        &mut self,
        keyspace: &Keyspace,
        effects: &Effects,
        now: u64,
        effort: u32,
        budget: Duration,
    ) -> Report {
        let begin = Instant::now();
        let effort = effort.clamp(1, 10);
        let calm = budget.mul_f64((CALM_SHARE * f64::from(effort)).min(1.0));
        let tolerated = f64::from(11 - effort);
        let shards = keyspace.shards();
        self.owe(now, effort, shards);
        self.met.resize(keyspace.databases(), Mortals::default());
        let mut report = Report::default();
        let mut pace = Pace::new();
        let mut work = 0;
        let mut passed = 0;
        while passed < shards {
            let (spent, shard_done) = self.slice(keyspace, effects, now, &mut report);
            work += spent;
            passed += usize::from(shard_done);
            pace.step();
            report.elapsed = begin.elapsed();
            if report.elapsed >= budget {
                report.time_cap_reached = true;
                break;
            }
            let in_time = self.due <= 0.0 || report.elapsed >= calm;
            if work >= LEAST_WORK * effort as usize && in_time && report.dead_percent() <= tolerated
            {
                break;
            }
        }
        keyspace.expiry.record(&report);
        report
    }

    /// Adds what time asks for since the last run, but never more than a pass.
    fn owe(&mut self, now: u64, effort: u32, shards: usize) {
        let waited = now.saturating_sub(self.last_run) as f64;
        self.last_run = now;
        let passes = waited * f64::from(effort) / PASS.as_millis() as f64;
        self.due = (self.due.max(0.0) + passes * shards as f64).min(shards as f64);
    }

    /// Goes on for a while within one shard; tells how much work that was and whether the shard is done.
    fn slice(
        &mut self,
        keyspace: &Keyspace,
        effects: &Effects,
        now: u64,
        report: &mut Report,
    ) -> (usize, bool) {
        let number = keyspace.shard_of(self.position);
        let mut shard = keyspace.lock(number);
        let mut work = 1;
        while work < SLICE
            && let Some(table) = shard.table(self.database)
        {
            let mut met = Mortals::default();
            let marks = MARK_DEADLINE | MARK_FIELDS;
            let arrived = self.arrived.unwrap_or(now);
            let step = table.sweep(marks, self.position, &mut 1, |entry| {
                if let Some(deadline) = entry.deadline() {
                    let left = deadline.saturating_sub(now);
                    met.add(Mortals {
                        keys: u64::from(left > 0),
                        left: u128::from(left),
                    });
                    if left == 0 {
                        return true;
                    }
                }
                fields::are_due(entry, arrived)
            });
            // A step that found something dead is taken again, so only the last one counts those that live.
            if let Sweep::Found { place, .. } = step {
                // Found at its very millisecond, which to a reader is still its last.
                if is_dead(table.get(place), now + 1) {
                    let entry = remove_dead(&mut shard, self.database, place, effects);
                    effects.submit();
                    self.removed.extend(entry);
                    report.examined += 1;
                    report.expired += 1;
                    work += REMOVAL;
                    continue;
                }
                let mut budget = SLICE - work;
                let database = self.database;
                let (count, emptied) =
                    fields::reap(&mut shard, database, place, now, effects, &mut budget);
                effects.submit();
                self.removed.extend(emptied);
                report.expired_fields += count as u64;
                self.arrived = Some(arrived);
                work = SLICE - budget + 1;
                continue;
            }
            self.arrived = None;
            self.met[self.database].add(met);
            report.examined += met.keys;
            work += 1 + met.keys as usize;
            match step {
                Sweep::Paused(next) => self.position = next,
                _ => {
                    self.database += 1;
                    self.position = keyspace.start_of(number);
                }
            }
        }
        let done = shard.table(self.database).is_none();
        drop(shard);
        for entry in self.removed.drain(..) {
            keyspace.reclaimer.discard(entry);
        }
        if done {
            self.leave_shard(keyspace, number);
        }
        (work, done)
    }

    fn leave_shard(&mut self, keyspace: &Keyspace, number: usize) {
        self.due -= 1.0;
        self.database = 0;
        let next = number + 1;
        let pass_done = next == keyspace.shards();
        self.position = if pass_done {
            0
        } else {
            keyspace.start_of(next)
        };
        for (met, average) in self.met.iter_mut().zip(&keyspace.expiry.average_ttl) {
            // The first pass says what it knows so far.
            if let Some(known) = met.average()
                && (pass_done || average.load(Relaxed) == 0)
            {
                average.store(known, Relaxed);
            }
            if pass_done {
                *met = Mortals::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::{AccessClock, Record};
    use super::super::db::{Db, Key, Moment};
    use super::super::entry::NewValue;
    use super::*;

    const NOW: u64 = 1_000_000_000;
    const LONG: Duration = Duration::from_secs(600);

    fn add(keyspace: &Keyspace, database: usize, name: &str, deadline: Option<u64>) {
        let key = Key::new(name.as_bytes());
        let moment = Moment {
            now: NOW,
            access: AccessClock::new(NOW, Record::Date, 10, 1),
            may_expire: true,
        };
        let effects = Effects::default();
        Db::new(keyspace.lock_one(key.hash), database, moment, &effects).insert(
            key,
            NewValue::Int(1),
            deadline,
        );
    }

    #[test]
    fn removes_the_dead_of_all_databases_and_nobody_else() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(3, 1), Effects::default(), Cycle::new());
        for n in 0..300 {
            let deadline = [None, Some(NOW), Some(NOW + 1)][n % 3];
            add(&keyspace, n % 2 * 2, &n.to_string(), deadline);
        }
        let report = cycle.run(&keyspace, &effects, NOW, 1, LONG);
        assert_eq!(
            (report.examined, report.expired, report.time_cap_reached),
            (200, 100, false)
        );
        assert_eq!(effects.expired.get(), 100);
        let counts = keyspace.lock_none().counts();
        assert_eq!(
            counts
                .iter()
                .map(|count| (count.keys, count.expires))
                .collect::<Vec<_>>(),
            [(100, 50), (0, 0), (100, 50)]
        );
    }

    #[test]
    fn a_small_keyspace_is_swept_whole_each_time() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(1, 1), Effects::default(), Cycle::new());
        for n in 0..300 {
            add(&keyspace, 0, &n.to_string(), Some(NOW + n));
        }
        cycle.run(&keyspace, &effects, NOW - 1, 1, LONG);
        for n in 0..300 {
            assert_eq!(cycle.run(&keyspace, &effects, NOW + n, 1, LONG).expired, 1);
        }
    }

    #[test]
    fn a_large_keyspace_is_swept_at_the_pace_of_time_while_few_keys_are_dead() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(1, 1), Effects::default(), Cycle::new());
        for n in 0..100_000u64 {
            add(&keyspace, 0, &n.to_string(), Some(NOW + 1_000_000));
        }
        cycle.run(&keyspace, &effects, NOW, 1, LONG);
        let later = NOW + PASS.as_millis() as u64 / 5;
        let report = cycle.run(&keyspace, &effects, later, 1, LONG);
        assert!((15_000..25_000).contains(&report.examined), "{report:?}");
        let report = cycle.run(
            &keyspace,
            &effects,
            later + PASS.as_millis() as u64 / 20,
            10,
            LONG,
        );
        assert!((45_000..55_000).contains(&report.examined), "{report:?}");
    }

    #[test]
    fn goes_on_while_many_keys_are_dead() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(1, 1), Effects::default(), Cycle::new());
        cycle.run(&keyspace, &effects, NOW, 1, LONG);
        for n in 0..100_000u64 {
            add(&keyspace, 0, &n.to_string(), Some(NOW + n % 2 * 1_000_000));
        }
        let report = cycle.run(&keyspace, &effects, NOW, 1, LONG);
        assert_eq!((report.examined, report.expired), (100_000, 50_000));
    }

    #[test]
    fn stops_when_the_budget_is_used_up_and_goes_on_there_next_time() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(1, 1), Effects::default(), Cycle::new());
        for n in 0..10_000u64 {
            add(&keyspace, 0, &n.to_string(), Some(NOW));
        }
        let mut runs = 0;
        while keyspace.lock_all().len(0) > 0 {
            let report = cycle.run(&keyspace, &effects, NOW, 1, Duration::ZERO);
            assert!(report.time_cap_reached && report.expired < 1000);
            runs += 1;
            assert!(runs < 10_000);
        }
        assert_eq!(keyspace.expiry.time_cap_reached(), runs);
        assert_eq!(effects.expired.get(), 10_000);
    }

    #[test]
    fn tells_how_long_keys_have_to_live_on_average() {
        let (keyspace, effects, mut cycle) =
            (Keyspace::new(2, 1), Effects::default(), Cycle::new());
        for n in 1..=100 {
            add(&keyspace, 1, &n.to_string(), Some(NOW + 1000 * n));
        }
        cycle.run(&keyspace, &effects, NOW, 1, LONG);
        assert_eq!(keyspace.expiry.average_ttl(0), 0);
        assert_eq!(keyspace.expiry.average_ttl(1), 50_500);
        cycle.run(&keyspace, &effects, NOW + 500, 1, LONG);
        assert_eq!(keyspace.expiry.average_ttl(1), 50_000);
    }
}
