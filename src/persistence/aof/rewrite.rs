//! Rewriting: a new base from a snapshot of the keyspace, beside a new increment that begins at the same moment.
//!
//! One thread writes bases, one at a time; it waits in [`Rewriter::next`] for a snapshot to write. What the moment is, and that
//! nothing comes between snapshot and increment, is settled here, under the exclusive section.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use thiserror::Error;
use tracing::{info, warn};

use super::commands::Commands;
use super::journal::Journal;
use super::log::Rewritten;
use super::manifest::Form;
use super::orders::Order;
use crate::keyspace::snapshot::{Aborted, Busy, Snapshot};
use crate::keyspace::{Keyspace, Locked};
use crate::persistence::Libraries;
use crate::persistence::rdb::file::{About, Options, SaveError, Writer};

/// Bytes of commands that are written at a time.
const BLOCK: usize = 256 << 10;

/// Bytes that are left to the system before it is asked to bring them to the disk.
const SYNC_EVERY: usize = 4 << 20;

/// Failures in a row from which on an automatic rewrite waits.
const FAILURES: u64 = 3;

/// The longest that it waits, in minutes.
const LONGEST_WAIT: u64 = 60;

/// What is agreed on about rewrites.
#[derive(Debug, Default)]
pub struct Rewriter {
    next: Mutex<Option<Job>>,
    is_there: Condvar,
    stops: AtomicBool,
    /// Held while the log is turned on or off.
    pub switch: Mutex<()>,
}

/// A base to be written.
#[derive(Debug)]
pub struct Job {
    snapshot: Snapshot,
    libraries: Libraries,
    /// Whether an increment was begun with it.
    has_increment: bool,
}

/// Why a base was not written.
#[derive(Debug, Error)]
pub enum RewriteError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The same, and what was to be done.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Nobody wants it any more.
    #[error("it was stopped")]
    Stopped,
}

/// How a base is to be written.
#[derive(Clone, Debug)]
pub struct Manner {
    /// In which form.
    pub form: Form,
    /// How snapshots are written.
    pub options: Options,
    /// What the file tells about itself.
    pub about: About,
    /// Whether it is brought to the disk bit by bit.
    pub flushes_early: bool,
    /// The time that commands tell at their beginning, in seconds since the epoch, if they do (`aof-timestamp-enabled`).
    pub stamp: Option<u64>,
}

impl Rewriter {
    /// Fixes what the next base holds, begins the increment that goes with it if the log is on or is to be, and has the base written
    /// in the background. The exclusive section must be held.
    ///
    /// # Errors
    /// When another snapshot runs.
    pub fn start(
        &self,
        locked: &mut Locked<'_>,
        libraries: Libraries,
        journal: &Journal,
    ) -> Result<(), Busy> {
        let mut next = self.next.lock();
        let snapshot = Snapshot::begin(locked)?;
        let status = &journal.status;
        let was_off = status.awaits_base.load(Relaxed);
        let has_increment = was_off || journal.is_on();
        if has_increment {
            journal.order(Order::Begin { was_off });
            journal.set_on(true);
        }
        status.rewrites.fetch_add(1, Relaxed);
        status.rewrite_scheduled.store(false, Relaxed);
        status.rewrite_began.store(seconds(), Relaxed);
        self.stops.store(false, Relaxed);
        *next = Some(Job {
            snapshot,
            libraries,
            has_increment,
        });
        self.is_there.notify_one();
        info!("Background append only file rewriting started");
        Ok(())
    }

    /// Waits for something to write. For the thread that does it.
    pub fn next(&self) -> Job {
        let mut next = self.next.lock();
        loop {
            if let Some(job) = next.take() {
                return job;
            }
            self.is_there.wait(&mut next);
        }
    }

    /// Ends the rewrite that runs, if one does, without waiting.
    pub fn stop(&self) {
        self.stops.store(true, Relaxed);
    }

    /// Whether the rewrite that runs is to end.
    pub fn is_stopped(&self) -> bool {
        self.stops.load(Relaxed)
    }

    /// Writes a base, puts it in its place, and takes note of how that ended. `go_on` is told of every key, and says whether to go on.
    pub fn write(
        &self,
        job: Job,
        mut manner: Manner,
        keyspace: &Keyspace,
        journal: &Journal,
        mut go_on: impl FnMut(u64) -> bool,
    ) {
        let status = &journal.status;
        let file = PathBuf::from(format!("temp-rewriteaof-bg-{}.aof", std::process::id()));
        status.disk_is_busy.store(true, Relaxed);
        let has_increment = job.has_increment;
        manner.about.libraries = job.libraries;
        let written = write_base(&file, job.snapshot, &manner, keyspace, |keys| {
            go_on(keys) && !self.stops.load(Relaxed)
        });
        status.disk_is_busy.store(false, Relaxed);
        let is_done = match written {
            Ok(()) => {
                info!("Background AOF rewrite terminated with success");
                journal.adopt(Rewritten {
                    file: file.clone(),
                    form: manner.form,
                    has_increment,
                })
            }
            Err(RewriteError::Stopped) => {
                warn!("Background AOF rewrite was stopped");
                false
            }
            Err(error) => {
                warn!("Write error writing append only file on disk: {error}");
                warn!("Background AOF rewrite terminated with error");
                false
            }
        };
        let began = status.rewrite_began.swap(-1, Relaxed);
        status.last_rewrite_took.store(seconds() - began, Relaxed);
        if is_done {
            info!("Background AOF rewrite finished successfully");
            status.rewrite_failed.store(false, Relaxed);
            status.rewrite_failures.store(0, Relaxed);
            if has_increment {
                status.awaits_base.store(false, Relaxed);
            }
            return;
        }
        // What is left of it is of no use; there may be nothing.
        let _ = fs::remove_file(&file);
        journal.order(Order::Abandon);
        if !self.stops.load(Relaxed) {
            status.rewrite_failed.store(true, Relaxed);
            status.rewrite_failures.fetch_add(1, Relaxed);
            status.last_failure.store(seconds(), Relaxed);
        }
        // Without a base there is no log.
        if status.awaits_base.load(Relaxed) {
            status.rewrite_scheduled.store(true, Relaxed);
        }
    }
}

/// By how many percent the log has grown, if it is to be rewritten for that.
pub fn is_due(journal: &Journal, percentage: u32, min_size: u64) -> Option<u64> {
    let status = &journal.status;
    let size = status.size.load(Relaxed);
    let is_complete = journal.is_on() && !status.awaits_base.load(Relaxed);
    if percentage == 0 || size <= min_size || !is_complete {
        return None;
    }
    let base = status.base_size.load(Relaxed).max(1);
    let growth = (size.saturating_mul(100) / base).saturating_sub(100);
    if growth < u64::from(percentage) {
        return None;
    }
    let failures = status.rewrite_failures.load(Relaxed);
    let waited = seconds() - status.last_failure.load(Relaxed);
    (waited >= wait_after(failures).cast_signed()).then_some(growth)
}

/// Seconds to wait after so many failures in a row: a disk that fails will not do better at once, and each attempt leaves an increment.
fn wait_after(failures: u64) -> u64 {
    match failures.checked_sub(FAILURES) {
        None => 0,
        Some(more) => (1 << more.min(6)).min(LONGEST_WAIT) * 60,
    }
}

/// Writes a base to a file, and brings it to the disk.
pub fn write_base(
    path: &Path,
    snapshot: Snapshot,
    manner: &Manner,
    keyspace: &Keyspace,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<(), RewriteError> {
    let file = match File::create(path) {
        Ok(file) => file,
        Err(error) => {
            snapshot.abandon(keyspace);
            return Err(error.into());
        }
    };
    let mut go_on = |keys| {
        if go_on(keys) {
            Ok(())
        } else {
            Err(RewriteError::Stopped)
        }
    };
    match manner.form {
        Form::Rdb => {
            let sizes = snapshot.counts().to_vec();
            let mut writer = match Writer::new(file, manner.options, &manner.about, sizes) {
                Ok(writer) => writer,
                Err(error) => {
                    snapshot.abandon(keyspace);
                    return Err(error.into());
                }
            };
            let ran = snapshot.run(keyspace, |piece| go_on(writer.piece(piece)?));
            ended(ran)?;
            writer.finish()?;
        }
        Form::Commands => {
            let mut commands = Commands::default();
            if let Some(second) = manner.stamp {
                commands.bytes = format!("#TS:{second}\r\n").into_bytes();
            }
            let libraries = manner.about.libraries.iter();
            libraries.for_each(|source| commands.library(source));
            let (mut file, mut unsynced) = (file, 0);
            let ran = snapshot.run(keyspace, |piece| {
                let keys = commands.piece(piece);
                if commands.bytes.len() >= BLOCK {
                    file.write_all(&commands.bytes)?;
                    unsynced += commands.bytes.len();
                    commands.bytes.clear();
                }
                if manner.flushes_early && unsynced >= SYNC_EVERY {
                    unsynced = 0;
                    file.sync_data()?;
                }
                go_on(keys)
            });
            ended(ran)?;
            file.write_all(&commands.bytes)?;
            file.sync_all()?;
        }
    }
    Ok(())
}

fn ended(ran: Result<(), Aborted<RewriteError>>) -> Result<(), RewriteError> {
    ran.map_err(|aborted| match aborted {
        Aborted::Cancelled => RewriteError::Stopped,
        Aborted::Failed(error) => error,
    })
}

/// Seconds since the epoch.
fn seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_make_a_rewrite_wait_longer_and_longer() {
        let minutes = |failures| wait_after(failures) / 60;
        assert_eq!(
            [0, 2, 3, 4, 5, 8, 9, 90].map(minutes),
            [0, 0, 1, 2, 4, 32, 60, 60]
        );
    }

    #[test]
    fn growth_is_due_from_the_percentage_on() {
        let journal = Journal::default();
        let status = &journal.status;
        status.base_size.store(1000, Relaxed);
        status.size.store(1999, Relaxed);
        assert_eq!(is_due(&journal, 50, 100), None, "the log is off");
        journal.set_on(true);
        assert_eq!(is_due(&journal, 100, 100), None);
        assert_eq!(is_due(&journal, 99, 100), Some(99));
        assert_eq!(is_due(&journal, 99, 1999), None);
        assert_eq!(is_due(&journal, 0, 0), None);
        status.rewrite_failures.store(3, Relaxed);
        status.last_failure.store(seconds(), Relaxed);
        assert_eq!(is_due(&journal, 99, 100), None);
    }
}
