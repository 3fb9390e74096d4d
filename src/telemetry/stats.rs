//! The counters of every worker, added up when somebody asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use quanta::Clock;

use super::histogram::{Distribution, Histogram};
use super::latency::Spikes;
use super::rates::Rates;
use super::slowlog::SlowLog;
use crate::allocator;
use crate::config::Config;
use crate::keyspace::effects::Effects;
use crate::metric::Counter;

/// How many different error codes are counted apart; a client can invent no more than that.
const MAX_ERROR_CODES: usize = 128;

/// What one worker counts about one command.
#[derive(Debug, Default)]
pub struct CommandStats {
    /// Times it ran.
    pub calls: Counter,
    /// Raw clock ticks that it ran.
    pub ticks: Counter,
    /// Times it was refused before it ran.
    pub rejected: Counter,
    /// Times it ran and answered an error.
    pub failed: Counter,
    /// How its durations are distributed; made when the first one is recorded.
    durations: OnceLock<Box<Histogram>>,
}

impl CommandStats {
    /// Counts one run of so many raw clock ticks; `tracked` says whether the distribution is kept as well. Only the
    /// owning worker may call this.
    #[inline]
    pub fn ran(&self, ticks: u64, tracked: bool) {
        self.calls.add(1);
        self.ticks.add(ticks);
        if tracked {
            self.durations.get_or_init(Histogram::new).record(ticks);
        }
    }

    fn reset(&self) {
        for counter in [&self.calls, &self.ticks, &self.rejected, &self.failed] {
            counter.reset();
        }
        if let Some(durations) = self.durations.get() {
            durations.reset();
        }
    }
}

/// What all workers together count about one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandTotals {
    /// Times it ran.
    pub calls: u64,
    /// How long it ran in all, in microseconds.
    pub micros: u64,
    /// Times it was refused before it ran.
    pub rejected: u64,
    /// Times it ran and answered an error.
    pub failed: u64,
}

/// What one worker counts. Each is written by its worker alone.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerStats {
    /// What its commands did to the keyspace.
    pub effects: Effects,
    /// Commands run.
    pub commands: Counter,
    /// Bytes read from clients.
    pub bytes_in: Counter,
    /// Bytes written to clients.
    pub bytes_out: Counter,
    /// Reads from clients.
    pub reads: Counter,
    /// Writes to clients.
    pub writes: Counter,
    /// Error replies.
    pub errors: Counter,
    /// Connections that ended because they did not take their replies.
    pub output_limit_disconnections: Counter,
    /// Connections that ended because their request outgrew `client-query-buffer-limit`.
    pub query_limit_disconnections: Counter,
    /// How often it has gone into a script or come out of one: odd while it is inside. Never reset.
    pub scripts: Counter,
    /// By command id.
    pub by_command: Box<[CommandStats]>,
}

impl WorkerStats {
    /// What its count of scripts says while it is inside this one, if it is inside one.
    pub fn script(&self) -> Option<u64> {
        Some(self.scripts.get()).filter(|count| count % 2 == 1)
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Telemetry {
    /// One per worker, and a last one for the background.
    pub workers: Box<[WorkerStats]>,
    /// How many workers clients are spread over at present, as `server/balance.rs` decides.
    pub workers_in_use: Arc<AtomicUsize>,
    /// Turns raw clock ticks into time.
    pub clock: Clock,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Connections refused because of `maxclients`.
    pub rejected_connections: AtomicU64,
    /// Failed AUTHs.
    pub auth_failures: AtomicU64,
    /// The commands that ran for long.
    pub slow_log: SlowLog,
    /// When clients had to wait for long.
    pub spikes: Spikes,
    /// From so many raw clock ticks on a command may be one for either of them.
    slow: AtomicU64,
    startup_memory: AtomicU64,
    peak_memory: AtomicU64,
    rates: Rates<4>,
    errors: Mutex<BTreeMap<String, u64>>,
}

/// How fast things happen, per second, over the last 1.6 seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CurrentRates {
    /// Commands run.
    pub commands: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Reads from clients.
    pub reads: u64,
}

impl Telemetry {
    /// Counters at zero for so many workers and command ids.
    pub fn new(workers: usize, commands: usize) -> Telemetry {
        let worker = || WorkerStats {
            by_command: (0..commands).map(|_| CommandStats::default()).collect(),
            ..WorkerStats::default()
        };
        Telemetry {
            workers: (0..workers).map(|_| worker()).collect(),
            workers_in_use: Arc::new(AtomicUsize::new(1)),
            clock: Clock::new(),
            connections: AtomicU64::new(0),
            rejected_connections: AtomicU64::new(0),
            auth_failures: AtomicU64::new(0),
            slow_log: SlowLog::default(),
            spikes: Spikes::default(),
            slow: AtomicU64::new(u64::MAX),
            startup_memory: AtomicU64::new(0),
            peak_memory: AtomicU64::new(0),
            rates: Rates::new(Instant::now()),
            errors: Mutex::new(BTreeMap::new()),
        }
    }

    /// Follows a configuration that is in force from now on.
    pub fn follow(&self, config: &Config) {
        let config = &config.telemetry;
        let log = u64::try_from(config.slowlog_log_slower_than).ok();
        let monitor = match config.latency_monitor_threshold {
            0 => None,
            millis => Some(millis.saturating_mul(1000)),
        };
        let slow = log.into_iter().chain(monitor).min();
        let slow = slow.map_or(u64::MAX, |micros| self.ticks(micros));
        self.slow.store(slow, Relaxed);
        self.slow_log.truncate(config.slowlog_max_len);
    }

    /// Whether a command that took so many raw clock ticks may be one for the slow log or the latency monitor.
    #[inline]
    pub fn may_be_slow(&self, ticks: u64) -> bool {
        ticks >= self.slow.load(Relaxed)
    }

    /// The counters of the background work.
    pub fn background(&self) -> &WorkerStats {
        self.workers.last().expect("there is always one")
    }

    /// A count over all workers.
    pub fn sum(&self, count: impl Fn(&WorkerStats) -> &Counter) -> u64 {
        self.workers.iter().map(|worker| count(worker).get()).sum()
    }

    /// Takes the samples from which rates and peaks are made. Meant to be called ten times a second.
    pub fn sample(&self, now: Instant) {
        self.rates.sample(
            now,
            [
                self.sum(|worker| &worker.commands),
                self.sum(|worker| &worker.bytes_in),
                self.sum(|worker| &worker.bytes_out),
                self.sum(|worker| &worker.reads),
            ],
        );
        self.peak_memory(allocator::allocated_exactly() as u64);
    }

    /// How fast things happen.
    pub fn rates(&self) -> CurrentRates {
        let [commands, bytes_in, bytes_out, reads] = self.rates.per_second();
        CurrentRates {
            commands,
            bytes_in,
            bytes_out,
            reads,
        }
    }

    /// Notes that the server is ready: what is handed out now is what it needs itself.
    pub fn ready(&self) {
        let used = allocator::allocated_exactly() as u64;
        self.startup_memory.store(used, Relaxed);
    }

    /// Bytes that the allocator had handed out when the server was ready.
    pub fn startup_memory(&self) -> u64 {
        self.startup_memory.load(Relaxed)
    }

    /// The most memory that the allocator was seen to have handed out, `now` among it; in bytes.
    pub fn peak_memory(&self, now: u64) -> u64 {
        self.peak_memory.fetch_max(now, Relaxed).max(now)
    }

    /// What was counted about the command of this id.
    pub fn command(&self, id: usize) -> CommandTotals {
        let sum =
            |count: fn(&CommandStats) -> &Counter| self.sum(|worker| count(&worker.by_command[id]));
        CommandTotals {
            calls: sum(|command| &command.calls),
            micros: self.nanos(sum(|command| &command.ticks)) / 1000,
            rejected: sum(|command| &command.rejected),
            failed: sum(|command| &command.failed),
        }
    }

    /// How the durations of the command of this id are distributed.
    pub fn durations(&self, id: usize) -> Distribution {
        let mut all = Distribution::default();
        for durations in self
            .workers
            .iter()
            .filter_map(|worker| worker.by_command[id].durations.get())
        {
            all.add(durations);
        }
        all
    }

    /// Raw clock ticks in nanoseconds.
    pub fn nanos(&self, ticks: u64) -> u64 {
        self.clock.delta_as_nanos(0, ticks)
    }

    /// Microseconds in raw clock ticks, rounded down.
    pub fn ticks(&self, micros: u64) -> u64 {
        const SAMPLE: u64 = 1 << 32;
        let nanos = u128::from(self.nanos(SAMPLE)).max(1);
        let ticks = u128::from(micros) * 1000 * u128::from(SAMPLE) / nanos;
        // Rounding may be off by one in the conversion, too.
        u64::try_from(ticks).unwrap_or(u64::MAX).saturating_sub(1)
    }

    /// Counts an error reply by its code: the text's first word.
    pub fn count_error(&self, text: &str) {
        let code = text.split(' ').next().unwrap_or_default();
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < MAX_ERROR_CODES {
            errors.insert(code.to_owned(), 1);
        }
    }

    /// Error replies by code.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().clone()
    }

    /// Starts all counts again, as CONFIG RESETSTAT does.
    pub fn reset(&self) {
        for worker in &self.workers {
            for counter in [
                &worker.effects.hits,
                &worker.effects.misses,
                &worker.effects.expired,
                &worker.effects.expired_fields,
                &worker.effects.evicted,
                &worker.commands,
                &worker.bytes_in,
                &worker.bytes_out,
                &worker.reads,
                &worker.writes,
                &worker.errors,
                &worker.output_limit_disconnections,
                &worker.query_limit_disconnections,
            ] {
                counter.reset();
            }
            for command in &worker.by_command {
                command.reset();
            }
        }
        for count in [
            &self.connections,
            &self.rejected_connections,
            &self.auth_failures,
        ] {
            count.store(0, Relaxed);
        }
        self.errors.lock().clear();
        self.rates.reset();
    }
}
