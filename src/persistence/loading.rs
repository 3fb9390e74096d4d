//! Loading: how far it has come, for whoever asks meanwhile, and the wish that it stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// How far the loading of data from disk has come.
#[derive(Debug, Default)]
pub struct Loading {
    active: AtomicBool,
    stopped: AtomicBool,
    started: AtomicU64,
    total: AtomicU64,
    loaded: AtomicU64,
    used_memory: AtomicU64,
    keys_loaded: AtomicU64,
    keys_expired: AtomicU64,
}

impl Loading {
    /// Data are loaded from now on: clients have to wait.
    pub fn begin(&self) {
        self.started.store(unix_seconds(), Relaxed);
        for number in [&self.total, &self.loaded, &self.used_memory] {
            number.store(0, Relaxed);
        }
        self.active.store(true, Relaxed);
    }

    /// All data are there.
    pub fn finish(&self) {
        self.active.store(false, Relaxed);
    }

    /// Whether data are being loaded.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.load(Relaxed)
    }

    /// Asks the loading to stop where it is.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Whether loading is to stop.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Takes note of so many bytes more that are to be loaded.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Relaxed);
    }

    /// Takes note of so many bytes more that have been loaded.
    pub fn advance(&self, bytes: u64) {
        self.loaded.fetch_add(bytes, Relaxed);
    }

    /// Takes note of how many bytes of memory the data took where they were saved.
    pub fn note_used_memory(&self, bytes: u64) {
        self.used_memory.store(bytes, Relaxed);
    }

    /// Takes note of what became of the keys of an RDB file.
    pub fn note_keys(&self, loaded: u64, expired: u64) {
        self.keys_loaded.store(loaded, Relaxed);
        self.keys_expired.store(expired, Relaxed);
    }

    /// When loading began, in seconds since the epoch.
    pub fn started(&self) -> u64 {
        self.started.load(Relaxed)
    }

    /// Bytes that are to be loaded in all.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Bytes that have been loaded.
    pub fn loaded(&self) -> u64 {
        self.loaded.load(Relaxed)
    }

    /// Bytes of memory that the data took where they were saved; 0 if that is not known.
    pub fn used_memory(&self) -> u64 {
        self.used_memory.load(Relaxed)
    }

    /// Keys that the last RDB file brought.
    pub fn keys_loaded(&self) -> u64 {
        self.keys_loaded.load(Relaxed)
    }

    /// Keys of the last RDB file that were dead already.
    pub fn keys_expired(&self) -> u64 {
        self.keys_expired.load(Relaxed)
    }

    /// Percent of the bytes that have been loaded.
    pub fn percent(&self) -> f64 {
        self.loaded() as f64 * 100.0 / self.total().max(1) as f64
    }

    /// Seconds that the rest will take if it goes on as it did.
    pub fn seconds_left(&self) -> u64 {
        let elapsed = unix_seconds().saturating_sub(self.started());
        let rest = self.total().saturating_sub(self.loaded());
        // Nothing can be said before the first second is over.
        match elapsed {
            0 => 1,
            _ => (u128::from(elapsed) * u128::from(rest) / (u128::from(self.loaded()) + 1)) as u64,
        }
    }
}

fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_secs())
}
