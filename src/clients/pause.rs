//! CLIENT PAUSE: holding commands back for a while.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Which commands are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseMode {
    /// Those that may change something.
    Write,
    /// All.
    All,
}

/// Whether commands are held back, and until when.
#[derive(Debug, Default)]
pub struct Pause {
    /// The common case is one look at this.
    active: AtomicBool,
    all: AtomicBool,
    /// Milliseconds since the epoch.
    until: AtomicU64,
    writer: Mutex<()>,
    changed: Notify,
}

impl Pause {
    /// Holds commands back until `until`, in milliseconds since the epoch. A pause in force is never shortened, and
    /// never weakened.
    pub fn start(&self, mode: PauseMode, until: u64, now: u64) {
        let _writer = self.writer.lock();
        let in_force = self.mode(now);
        self.all.store(
            mode == PauseMode::All || in_force == Some(PauseMode::All),
            Relaxed,
        );
        let kept = if in_force.is_some() {
            self.until.load(Relaxed)
        } else {
            0
        };
        self.until.store(until.max(kept), Relaxed);
        self.active.store(true, Relaxed);
    }

    /// Lets all commands go on.
    pub fn end(&self) {
        let _writer = self.writer.lock();
        self.active.store(false, Relaxed);
        self.changed.notify_waiters();
    }

    /// What is held back at `now`.
    #[inline]
    pub fn mode(&self, now: u64) -> Option<PauseMode> {
        if !self.active.load(Relaxed) || self.until.load(Relaxed) <= now {
            return None;
        }
        Some(if self.all.load(Relaxed) {
            PauseMode::All
        } else {
            PauseMode::Write
        })
    }

    /// Waits until nothing is held back any more, or until a pause of the moment is over and may have been prolonged.
    pub async fn ended(&self, now: impl Fn() -> u64) {
        let mut changed = pin!(self.changed.notified());
        // From here on no end is missed; one that came before shows in the mode.
        changed.as_mut().enable();
        let now = now();
        if self.mode(now).is_some() {
            let left = Duration::from_millis(self.until.load(Relaxed).saturating_sub(now));
            let _ = tokio::time::timeout(left, changed).await;
        }
    }
}
