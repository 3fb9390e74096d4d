//! Counters that cost an addition: one writer, any number of readers.
//!
//! Every worker owns its counters, so no two workers write to the same cache line and no read-modify-write
//! instruction is needed; whoever reports adds them up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count that one thread raises and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A count of zero.
    pub const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// Adds `n`. Only the owning thread may call this; concurrent additions would lose counts.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The count.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Starts again from zero; a concurrent addition may survive.
    pub fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}
