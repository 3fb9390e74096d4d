//! How many workers are in use.
//!
//! A worker that sleeps has to be woken for what comes, which takes longer than to answer it, and two that are half asleep cost more than
//! one that is awake. So while there is little to do one worker serves all who ask, and more are in use where those in use have
//! hardly any time left. Every connection is dealt a *home*, the workers in turn. Once it has shown that it asks again and again it lives
//! with the worker `home % in use`, to which it moves between two turns: by itself, so nobody plans moves or waits for one.
//!
//! Whoever shares a worker waits while a long command of another runs. So after a long turn all workers are in use for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

/// How often the workers that are awake look at the balance.
pub const LOOK: Duration = Duration::from_millis(10);

/// The share of its time that a worker is awake from which on it has hardly any left.
const FULL: f64 = 0.9;

/// For how long one of them has to be full before more are in use, about.
const FULL_FOR: Duration = Duration::from_millis(30);

/// The share of a processor's time that each of half the workers would use, if they served all, up to which they are enough. It is less than the
/// share of the time that they are awake: that counts waiting for the processor, too.
const ROOMY: f64 = 0.85;

/// For how long that has to be so before fewer are in use.
const ROOMY_FOR: Duration = Duration::from_secs(1);

/// A turn from which on others are kept away from whoever causes such.
pub const LONG_TURN: Duration = Duration::from_millis(10);

/// For how long.
const APART_FOR: Duration = Duration::from_secs(10);

/// How busy the workers are, and what follows.
#[derive(Debug)]
pub struct Balance {
    epoch: Instant,
    meters: Box<[Meter]>,
    in_use: Arc<AtomicUsize>,
    /// When all are in use no longer because of a long turn.
    apart_until: AtomicU64,
    trend: Mutex<Trend>,
}

/// What a worker did; written by it alone. Times are nanoseconds, since the epoch where they are points of time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Meter {
    /// How long it has slept.
    slept: AtomicU64,
    /// Since when it sleeps; 0 if it is awake.
    asleep_since: AtomicU64,
    /// How long it has used a processor, as of its last look.
    used: AtomicU64,
}

impl Meter {
    fn reading(&self, now: u64) -> Reading {
        Reading {
            slept: self.slept_until(now),
            used: self.used.load(Relaxed),
        }
    }

    fn slept_until(&self, now: u64) -> u64 {
        let since = match self.asleep_since.load(Relaxed) {
            0 => now,
            since => since,
        };
        self.slept.load(Relaxed) + now.saturating_sub(since)
    }
}

impl Balance {
    /// For so many workers; how many of them are in use is told to `in_use`.
    pub fn new(workers: usize, in_use: Arc<AtomicUsize>) -> Balance {
        Balance {
            epoch: Instant::now(),
            meters: (0..workers).map(|_| Meter::default()).collect(),
            in_use,
            apart_until: AtomicU64::new(0),
            trend: Mutex::new(Trend::new(workers)),
        }
    }

    /// The worker of this number goes to sleep.
    pub fn falls_asleep(&self, worker: usize) {
        self.meters[worker].asleep_since.store(self.now(), Relaxed);
    }

    /// The worker of this number was woken.
    pub fn wakes(&self, worker: usize) {
        let meter = &self.meters[worker];
        let slept = meter.slept_until(self.now());
        meter.asleep_since.store(0, Relaxed);
        meter.slept.store(slept, Relaxed);
    }

    /// For how many nanoseconds the worker of this number has slept.
    pub fn slept(&self, worker: usize) -> u64 {
        self.meters[worker].slept_until(self.now())
    }

    /// The worker with which a connection of this home lives.
    #[inline]
    pub fn place(&self, home: usize) -> usize {
        home % self.in_use.load(Relaxed)
    }

    /// Takes note of a long turn.
    #[cold]
    pub fn note_long_turn(&self) {
        let until = self.now() + nanos(APART_FOR);
        self.apart_until.store(until, Relaxed);
        self.in_use.store(self.meters.len(), Relaxed);
    }

    /// The worker of this number, which calls this, looks: it decides anew how many workers are in use, all if `all`, unless somebody does so
    /// already or has just done so.
    pub fn look(&self, worker: usize, all: bool) {
        let used = clock_gettime(ClockId::ThreadCPUTime);
        let used = used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64;
        self.meters[worker].used.store(used, Relaxed);
        let Some(mut trend) = self.trend.try_lock() else {
            return;
        };
        let now = self.now();
        if now - trend.at < nanos(LOOK) / 2 {
            return;
        }
        let readings = self.meters.iter().map(|meter| meter.reading(now));
        trend.follow(now, readings);
        if all {
            trend.begin_anew();
        }
        let all = all || now < self.apart_until.load(Relaxed);
        let in_use = if all { self.meters.len() } else { trend.enough };
        self.in_use.store(in_use, Relaxed);
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }
}

/// What a worker's meter shows, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    slept: u64,
    used: u64,
}

/// What was seen at the last look, since when it has been like that, and what that asks for. Times are nanoseconds.
#[derive(Debug)]
struct Trend {
    at: u64,
    readings: Box<[Reading]>,
    not_full_at: u64,
    not_roomy_at: u64,
    /// How many workers are enough.
    enough: usize,
}

impl Trend {
    fn new(workers: usize) -> Trend {
        Trend {
            at: 0,
            readings: vec![Reading::default(); workers].into(),
            not_full_at: 0,
            not_roomy_at: 0,
            enough: 1,
        }
    }

    /// Finds one worker enough, until it turns out that it is not.
    fn begin_anew(&mut self) {
        self.enough = 1;
        (self.not_full_at, self.not_roomy_at) = (self.at, self.at);
    }

    /// Decides anew when these are the readings `now`.
    fn follow(&mut self, now: u64, readings: impl Iterator<Item = Reading>) {
        let period = (now - self.at) as f64;
        let (mut asleep, mut used) = (u64::MAX, 0);
        for (now, before) in readings.zip(&mut self.readings) {
            asleep = asleep.min(now.slept.saturating_sub(before.slept));
            used += now.used.saturating_sub(before.used);
            *before = now;
        }
        let is_full = asleep as f64 <= (1.0 - FULL) * period;
        self.at = now;
        if !is_full {
            self.not_full_at = now;
        }
        let fewer = self.enough.div_ceil(2);
        if is_full || used as f64 > ROOMY * fewer as f64 * period {
            self.not_roomy_at = now;
        }
        let is_full = now - self.not_full_at >= nanos(FULL_FOR);
        let is_roomy = now - self.not_roomy_at >= nanos(ROOMY_FOR);
        if is_full || is_roomy {
            self.enough = match is_full {
                true => (self.enough * 2).min(self.readings.len()),
                false => fewer,
            };
            (self.not_full_at, self.not_roomy_at) = (now, now);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKERS: usize = 6;

    fn balance(workers: usize) -> Balance {
        Balance::new(workers, Arc::new(AtomicUsize::new(1)))
    }

    /// Looks `looks` times while each worker is awake for such a share of its time; answers how many are enough then.
    fn after(trend: &mut Trend, looks: u64, awake: &[f64]) -> usize {
        for _ in 0..looks {
            let period = nanos(LOOK);
            let awake = awake.iter().chain(std::iter::repeat(&0.0));
            let before = trend.readings.clone().into_iter();
            let now = before.zip(awake).map(|(before, awake)| {
                let used = (period as f64 * awake) as u64;
                Reading {
                    slept: before.slept + period - used,
                    used: before.used + used,
                }
            });
            trend.follow(trend.at + period, now);
        }
        trend.enough
    }

    #[test]
    fn full_workers_get_help_and_roomy_ones_lose_it() {
        let trend = &mut Trend::new(WORKERS);
        assert_eq!(after(trend, 1000, &[0.85]), 1, "not full");
        assert_eq!(after(trend, 2, &[1.0]), 1, "not for long");
        assert_eq!(after(trend, 1, &[0.5]), 1, "a pause");
        assert_eq!(after(trend, 2, &[1.0]), 1, "not for long again");
        assert_eq!(after(trend, 1, &[1.0]), 2);
        assert_eq!(after(trend, 3, &[0.2, 0.95]), 4, "one is enough");
        assert_eq!(
            after(trend, 3, &[1.0, 0.2]),
            WORKERS,
            "no more than there are"
        );
        assert_eq!(after(trend, 1000, &[0.5; WORKERS]), WORKERS);
        assert_eq!(after(trend, 99, &[0.35; WORKERS]), WORKERS, "not for long");
        assert_eq!(after(trend, 1, &[0.35; WORKERS]), 3);
        assert_eq!(after(trend, 100, &[0.5, 0.5, 0.5]), 2);
        assert_eq!(after(trend, 1000, &[0.7, 0.7]), 2, "one could not");
        assert_eq!(after(trend, 100, &[0.4, 0.3]), 1);
    }

    #[test]
    fn sleep_is_what_lies_between_falling_asleep_and_waking() {
        let balance = balance(1);
        let meter = &balance.meters[0];
        let slept = || meter.slept_until(balance.now());
        assert_eq!(slept(), 0);
        balance.falls_asleep(0);
        while slept() < 1000 {}
        balance.wakes(0);
        let all = slept();
        assert!(all >= 1000);
        while balance.now() < 1_000_000 {}
        assert_eq!(slept(), all, "it is awake");
    }

    #[test]
    fn a_long_turn_brings_all_into_use_for_a_while() {
        let balance = balance(WORKERS);
        assert_eq!(balance.place(WORKERS + 1), 0);
        balance.note_long_turn();
        assert_eq!(balance.place(WORKERS + 1), 1);
        balance.look(0, false);
        assert_eq!(balance.place(2 * WORKERS - 1), WORKERS - 1);
    }
}
