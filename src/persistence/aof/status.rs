//! How the log does, for INFO and for those who must refuse writes when it does badly.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering::Relaxed};

/// Figures that the writer and rewrites set and anyone reads.
#[derive(Debug)]
pub struct Status {
    /// The position up to which changes were given to the system.
    pub written: AtomicU64,
    /// Bytes of the base and all increments.
    pub size: AtomicU64,
    /// What that was after the last rewrite.
    pub base_size: AtomicU64,
    /// Why the last write failed, as the system's number; 0 if it did not.
    write_error: AtomicI32,
    /// The same of the last fsync.
    fsync_error: AtomicI32,
    /// Whether the disk is asked to keep what was written, by a thread that waits for it.
    pub fsync_pending: AtomicBool,
    /// How often a second passed and the disk was still busy with the one before.
    pub delayed_fsyncs: AtomicU64,
    /// Whether the log has no base yet, since it was just turned on.
    pub awaits_base: AtomicBool,
    /// Whether a rewrite is to begin as soon as it can.
    pub rewrite_scheduled: AtomicBool,
    /// When the rewrite began that runs now, in seconds since the epoch; negative if none does.
    pub rewrite_began: AtomicI64,
    /// How long the last one took, in seconds; negative before the first.
    pub last_rewrite_took: AtomicI64,
    /// Whether the last one failed.
    pub rewrite_failed: AtomicBool,
    /// How many began.
    pub rewrites: AtomicU64,
    /// How many failed since one did not.
    pub rewrite_failures: AtomicU64,
    /// When the last one failed, in seconds since the epoch.
    pub last_failure: AtomicI64,
    /// Whether a snapshot or a base is written, for `no-appendfsync-on-rewrite`.
    pub disk_is_busy: AtomicBool,
}

impl Default for Status {
    fn default() -> Self {
        Status {
            written: AtomicU64::new(0),
            size: AtomicU64::new(0),
            base_size: AtomicU64::new(0),
            write_error: AtomicI32::new(0),
            fsync_error: AtomicI32::new(0),
            fsync_pending: AtomicBool::new(false),
            delayed_fsyncs: AtomicU64::new(0),
            awaits_base: AtomicBool::new(false),
            rewrite_scheduled: AtomicBool::new(false),
            rewrite_began: AtomicI64::new(-1),
            last_rewrite_took: AtomicI64::new(-1),
            rewrite_failed: AtomicBool::new(false),
            rewrites: AtomicU64::new(0),
            rewrite_failures: AtomicU64::new(0),
            last_failure: AtomicI64::new(0),
            disk_is_busy: AtomicBool::new(false),
        }
    }
}

impl Status {
    /// Why writes must be refused, if they must.
    #[inline]
    pub fn failure(&self) -> Option<io::Error> {
        let numbers = [&self.write_error, &self.fsync_error];
        let mut numbers = numbers.iter().map(|number| number.load(Relaxed));
        let number = numbers.find(|&number| number != 0)?;
        Some(io::Error::from_raw_os_error(number))
    }

    /// Whether a rewrite runs.
    pub fn is_rewriting(&self) -> bool {
        self.rewrite_began.load(Relaxed) >= 0
    }

    /// Whether the last fsync failed.
    pub(super) fn fsync_failed(&self) -> bool {
        self.fsync_error.load(Relaxed) != 0
    }

    /// Takes note that there is no log any more that could fail.
    pub(super) fn forget_errors(&self) {
        self.write_error.store(0, Relaxed);
        self.fsync_error.store(0, Relaxed);
    }

    /// Takes note of how a write ended; answers whether that is news.
    pub(super) fn note_write(&self, result: Result<(), &io::Error>) -> bool {
        note(&self.write_error, result)
    }

    /// Takes note of how an fsync ended; answers whether that is news.
    pub(super) fn note_fsync(&self, result: Result<(), &io::Error>) -> bool {
        note(&self.fsync_error, result)
    }
}

fn note(place: &AtomicI32, result: Result<(), &io::Error>) -> bool {
    let number = match result {
        Ok(()) => 0,
        // What has no number comes from a write that took nothing.
        Err(error) => error.raw_os_error().unwrap_or(libc::ENOSPC),
    };
    let was_well = place.swap(number, Relaxed) == 0;
    was_well != (number == 0)
}
