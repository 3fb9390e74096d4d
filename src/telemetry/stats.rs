//! The counters of every worker, added up when somebody asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use quanta::Clock;

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
    /// By command id.
    pub by_command: Box<[CommandStats]>,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Telemetry {
    /// One per worker, and a last one for the background.
    pub workers: Box<[WorkerStats]>,
    /// Turns raw clock ticks into time.
    pub clock: Clock,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Connections refused because of `maxclients`.
    pub rejected_connections: AtomicU64,
    /// Failed AUTHs.
    pub auth_failures: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
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
            clock: Clock::new(),
            connections: AtomicU64::new(0),
            rejected_connections: AtomicU64::new(0),
            auth_failures: AtomicU64::new(0),
            errors: Mutex::new(BTreeMap::new()),
        }
    }

    /// The counters of the background work.
    pub fn background(&self) -> &WorkerStats {
        self.workers.last().expect("there is always one")
    }

    /// A count over all workers.
    pub fn sum(&self, count: impl Fn(&WorkerStats) -> &Counter) -> u64 {
        self.workers.iter().map(|worker| count(worker).get()).sum()
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

    /// Notes the rates of the moment; to be called several times a second.
    pub fn sample(&self, _now: u64) {}

    /// Starts all counts again, as CONFIG RESETSTAT does.
    pub fn reset(&self) {
        for worker in &self.workers {
            for counter in [
                &worker.effects.hits,
                &worker.effects.misses,
                &worker.effects.expired,
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
                for counter in [
                    &command.calls,
                    &command.ticks,
                    &command.rejected,
                    &command.failed,
                ] {
                    counter.reset();
                }
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
    }
}
