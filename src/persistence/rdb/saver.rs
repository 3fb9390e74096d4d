//! The saver: whether a file is being written, when the next is due, and what became of the last.
//!
//! One thread writes files in the background, one at a time; it waits in [`Saver::next`] for a snapshot to write. SAVE and the end of the server write in
//! their own thread, but never while that one does. This file holds what they agree on, and writes nothing itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use thiserror::Error;

use super::file::SaveError;
use crate::config::SavePoint;
use crate::keyspace::Locked;
use crate::keyspace::snapshot::{Busy, Snapshot};
use crate::persistence::Libraries;

/// Seconds that a save point waits after a failure, whatever has changed.
const RETRY: u64 = 5;

/// A file is being written already.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("ERR Background save already in progress")]
pub struct AlreadySaving;

/// Why no file is begun in the background.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NotStarted {
    /// One is being written.
    #[error(transparent)]
    Already(#[from] AlreadySaving),
    /// There can be one snapshot at a time, and somebody else has it.
    #[error(
        "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE \
         whenever possible."
    )]
    Busy(#[from] Busy),
}

/// What is agreed on about files.
#[derive(Debug)]
pub struct Saver {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the last file in the background was not written. Looked at before every write.
    has_failed: AtomicBool,
    /// Whether the one that is being written is to end.
    stops: AtomicBool,
    /// Keys in the file that is being written in the background.
    keys_saved: AtomicU64,
}

#[derive(Debug)]
struct State {
    activity: Activity,
    /// Whether a file is to be written in the background as soon as that is possible.
    is_scheduled: bool,
    /// When the last file was complete, in seconds since the epoch.
    last_save: u64,
    /// When the last one in the background was begun, in seconds since the epoch.
    last_try: u64,
    /// How long the last one in the background took.
    last_duration: Option<Duration>,
    /// Files begun.
    begun: u64,
    /// Changes to keys, since the start of the server, that the last file has.
    changes_saved: u64,
}

#[derive(Debug)]
enum Activity {
    Idle,
    /// A thread that serves clients, or ends the server, writes.
    Here,
    /// The thread in the background writes, or is about to.
    InBackground {
        since: Instant,
        /// Changes that the file has.
        changes: u64,
        /// Keys that it will have.
        keys: u64,
        /// What it will have, until the thread takes it.
        content: Option<(Snapshot, Libraries)>,
    },
}

/// Why a file is to be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Somebody wanted one when it was not possible.
    Scheduled,
    /// So much has changed in so long a time.
    SavePoint(SavePoint),
}

/// What INFO tells.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// When the last file was complete, in seconds since the epoch.
    pub last_save: u64,
    /// Changes to keys that it has, since the start of the server.
    pub changes_saved: u64,
    /// Whether the last file in the background was written.
    pub is_ok: bool,
    /// How long it took.
    pub last_duration: Option<Duration>,
    /// Since when there is another one under way.
    pub since: Option<Instant>,
    /// Keys that it has so far.
    pub keys_saved: u64,
    /// Keys that it will have.
    pub keys: u64,
    /// Files begun.
    pub begun: u64,
}

impl Saver {
    /// Nothing was changed yet; `now` is in seconds since the epoch.
    pub fn new(now: u64) -> Saver {
        Saver {
            state: Mutex::new(State {
                activity: Activity::Idle,
                is_scheduled: false,
                last_save: now,
                last_try: 0,
                last_duration: None,
                begun: 0,
                changes_saved: 0,
            }),
            changed: Condvar::new(),
            has_failed: AtomicBool::new(false),
            stops: AtomicBool::new(false),
            keys_saved: AtomicU64::new(0),
        }
    }

    /// Whether the last file in the background was not written, and none since.
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Relaxed)
    }

    /// Fixes what the next file holds, and has it written in the background. The exclusive section must be held. `changes` are
    /// those since the start of the server, `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// When it is not the time for it.
    pub fn start(
        &self,
        locked: &mut Locked<'_>,
        libraries: Libraries,
        changes: u64,
        now: u64,
    ) -> Result<(), NotStarted> {
        let mut state = self.state.lock();
        if !matches!(state.activity, Activity::Idle) {
            return Err(AlreadySaving.into());
        }
        let snapshot = Snapshot::begin(locked)?;
        state.activity = Activity::InBackground {
            since: Instant::now(),
            changes,
            keys: snapshot
                .counts()
                .iter()
                .map(|counts| counts.keys as u64)
                .sum(),
            content: Some((snapshot, libraries)),
        };
        state.is_scheduled = false;
        state.last_try = now;
        state.begun += 1;
        self.stops.store(false, Relaxed);
        self.keys_saved.store(0, Relaxed);
        self.changed.notify_all();
        Ok(())
    }

    /// Has a file written in the background as soon as that is possible.
    pub fn schedule(&self) {
        self.state.lock().is_scheduled = true;
    }

    /// Whether it is time to begin a file, and which of these save points is reached, if that is why. `changes` are those since
    /// the start of the server, `now` is in seconds since the epoch.
    pub fn due(&self, points: &[SavePoint], changes: u64, now: u64) -> Option<Due> {
        let state = self.state.lock();
        let waits = self.has_failed() && now.saturating_sub(state.last_try) <= RETRY;
        if waits || !matches!(state.activity, Activity::Idle) {
            return None;
        }
        let unsaved = changes.saturating_sub(state.changes_saved);
        let age = now.saturating_sub(state.last_save);
        let reached = |point: &&SavePoint| unsaved >= point.changes && age > point.seconds;
        let point = points.iter().find(reached).copied().map(Due::SavePoint);
        point.or(state.is_scheduled.then_some(Due::Scheduled))
    }

    /// Waits for something to be written in the background. For the thread that does it.
    pub fn next(&self) -> (Snapshot, Libraries) {
        let mut state = self.state.lock();
        loop {
            if let Activity::InBackground { content, .. } = &mut state.activity
                && let Some(content) = content.take()
            {
                return content;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Notes that so many keys more are in the file; whether it is to go on.
    #[inline]
    pub fn go_on(&self, keys: u64) -> bool {
        self.keys_saved
            .store(self.keys_saved.load(Relaxed) + keys, Relaxed);
        !self.stops.load(Relaxed)
    }

    /// The file in the background was written or not; `now` is in seconds since the epoch.
    pub fn ended(&self, result: &Result<u64, SaveError>, now: u64) {
        let mut state = self.state.lock();
        if let Activity::InBackground { since, changes, .. } = state.activity {
            state.last_duration = Some(since.elapsed());
            if result.is_ok() {
                state.changes_saved = changes;
                state.last_save = now;
            }
        }
        match result {
            Ok(_) => self.has_failed.store(false, Relaxed),
            // Nobody wanted it any more.
            Err(SaveError::Stopped) => {}
            Err(_) => self.has_failed.store(true, Relaxed),
        }
        state.activity = Activity::Idle;
        self.changed.notify_all();
    }

    /// Writes a file in this thread. `changes` are those since the start of the server that it has.
    ///
    /// # Errors
    /// When one is being written already, or as `write` says.
    pub fn here<E: From<AlreadySaving>>(
        &self,
        changes: u64,
        write: impl FnOnce() -> Result<u64, E>,
    ) -> Result<(), E> {
        {
            let mut state = self.state.lock();
            if !matches!(state.activity, Activity::Idle) {
                return Err(AlreadySaving.into());
            }
            state.activity = Activity::Here;
            state.begun += 1;
        }
        let result = write();
        let mut state = self.state.lock();
        state.activity = Activity::Idle;
        if let Ok(now) = result {
            state.last_save = now;
            state.changes_saved = changes;
            self.has_failed.store(false, Relaxed);
        }
        self.changed.notify_all();
        result.map(|_| ())
    }

    /// Ends the file that is written in the background, if there is one, without waiting.
    pub fn stop(&self) {
        self.stops.store(true, Relaxed);
    }

    /// As [`Saver::stop`], and waits until nobody writes.
    pub fn stop_and_wait(&self) {
        let mut state = self.state.lock();
        self.stop();
        while !matches!(state.activity, Activity::Idle) {
            self.changed.wait(&mut state);
        }
    }

    /// Whether a file is being written in the background.
    pub fn is_in_background(&self) -> bool {
        matches!(self.state.lock().activity, Activity::InBackground { .. })
    }

    /// When the last file was complete, in seconds since the epoch.
    pub fn last_save(&self) -> u64 {
        self.state.lock().last_save
    }

    /// Starts the count of files again, as CONFIG RESETSTAT does.
    pub fn reset(&self) {
        self.state.lock().begun = 0;
    }

    /// What INFO tells.
    pub fn report(&self) -> Report {
        let state = self.state.lock();
        let (since, keys) = match state.activity {
            Activity::InBackground { since, keys, .. } => (Some(since), keys),
            _ => (None, 0),
        };
        Report {
            last_save: state.last_save,
            changes_saved: state.changes_saved,
            is_ok: !self.has_failed(),
            last_duration: state.last_duration,
            since,
            keys_saved: if since.is_some() {
                self.keys_saved.load(Relaxed)
            } else {
                0
            },
            keys,
            begun: state.begun,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Keyspace;

    const POINTS: &[SavePoint] = &[
        SavePoint {
            seconds: 100,
            changes: 1,
        },
        SavePoint {
            seconds: 10,
            changes: 50,
        },
    ];

    /// Has a file begun at `now`, and ends it like that.
    fn save(saver: &Saver, changes: u64, now: u64, result: &Result<u64, SaveError>) {
        let keyspace = Keyspace::new(1, 1);
        let begun = saver.start(&mut keyspace.lock_all(), Vec::new(), changes, now);
        assert_eq!(begun, Ok(()));
        assert_eq!(saver.due(POINTS, u64::MAX, u64::MAX), None, "there is one");
        saver.next().0.abandon(&keyspace);
        saver.ended(result, now);
    }

    #[test]
    fn save_points_count_from_the_last_file() {
        let saver = Saver::new(1000);
        let due = |changes, now| saver.due(POINTS, changes, now);
        assert_eq!(due(0, 2000), None);
        assert_eq!(due(1, 1100), None);
        assert_eq!(due(1, 1101), Some(Due::SavePoint(POINTS[0])));
        assert_eq!(due(49, 1011), None);
        assert_eq!(due(50, 1011), Some(Due::SavePoint(POINTS[1])));
        save(&saver, 50, 1011, &Ok(0));
        assert_eq!(due(99, 1022), None);
        assert_eq!(due(100, 1022), Some(Due::SavePoint(POINTS[1])));
        assert_eq!(saver.report().changes_saved, 50);
    }

    #[test]
    fn a_failure_is_told_and_followed_by_a_pause() {
        let saver = Saver::new(1000);
        let failure = || SaveError::from(std::io::Error::other("a full disk"));
        save(&saver, 50, 1020, &Err(failure()));
        assert!(saver.has_failed());
        assert_eq!(saver.due(POINTS, 50, 1025), None);
        assert_eq!(saver.due(POINTS, 50, 1026), Some(Due::SavePoint(POINTS[1])));
        save(&saver, 50, 1026, &Err(SaveError::Stopped));
        assert!(saver.has_failed(), "nothing was written since");
        save(&saver, 50, 1026, &Ok(0));
        assert!(!saver.has_failed());
    }

    #[test]
    fn one_is_written_at_a_time() {
        let saver = Saver::new(1000);
        let keyspace = Keyspace::new(1, 1);
        assert_eq!(
            saver.start(&mut keyspace.lock_all(), Vec::new(), 0, 1000),
            Ok(())
        );
        let again = saver.start(&mut keyspace.lock_all(), Vec::new(), 0, 1000);
        assert_eq!(again, Err(AlreadySaving.into()));
        let here = saver.here(0, || -> Result<u64, AlreadySaving> {
            unreachable!("there is one")
        });
        assert_eq!(here, Err(AlreadySaving));
        saver.stop();
        assert!(!saver.go_on(1));
        saver.next().0.abandon(&keyspace);
        saver.ended(&Err(SaveError::Stopped), 1000);
        assert_eq!(saver.here(7, || Ok::<_, AlreadySaving>(1001)), Ok(()));
        assert_eq!(saver.last_save(), 1001);
        // A snapshot for somebody else.
        let other = Snapshot::begin(&mut keyspace.lock_all()).expect("none is running");
        let busy = saver.start(&mut keyspace.lock_all(), Vec::new(), 0, 1002);
        assert_eq!(busy, Err(Busy.into()));
        saver.schedule();
        assert_eq!(saver.due(&[], 0, 1002), Some(Due::Scheduled));
        other.abandon(&keyspace);
    }
}
