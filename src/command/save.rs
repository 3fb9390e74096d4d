//! SAVE, BGSAVE and LASTSAVE, and all else that has the keys written to a file.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing::{info, warn};

use super::aof;
use super::instance::{Instance, unix_millis};
use super::room;
use super::{Call, Categories, Command, Error, Flags, Group, Outcome};
use crate::allocator;
use crate::config::{Config, EvictionPolicy};
use crate::keyspace::Locked;
use crate::persistence::Libraries;
use crate::persistence::rdb::encode::AccessNote;
use crate::persistence::rdb::file::{self, About, Options, SaveError};
use crate::persistence::rdb::saver::{AlreadySaving, NotStarted};

const SAVES: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::NO_ASYNC_LOADING);

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bgsave",
        run: bgsave,
        arity: -1,
        flags: SAVES,
        group: Group::Server,
        summary: "Writes all keys to the snapshot file in the background, as they are now.",
        syntax: "[SCHEDULE]",
        ..Command::DEFAULT
    },
    Command {
        name: "lastsave",
        run: lastsave,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        group: Group::Server,
        categories: Categories::ADMIN.union(Categories::DANGEROUS),
        summary: "Answers when the keys were last saved, in seconds since the epoch.",
        tips: &["nondeterministic_output"],
        ..Command::DEFAULT
    },
    Command {
        name: "save",
        run: save,
        flags: SAVES.union(Flags::NO_MULTI).union(Flags::EXCLUSIVE),
        group: Group::Server,
        summary: "Writes all keys to the snapshot file, and lets everybody wait for it.",
        complexity: "O(N) where N is the total number of keys in all databases",
        ..Command::DEFAULT
    },
];

/// Why nothing was saved.
#[derive(Debug, Error)]
pub enum NotSaved {
    /// It is being done already.
    #[error(transparent)]
    Already(#[from] AlreadySaving),
    /// It failed.
    #[error(transparent)]
    Failed(#[from] SaveError),
}

fn save(call: &mut Call<'_>) -> Outcome {
    match save_here(call.instance, call.config, &mut call.db.locked) {
        Ok(()) => call.reply.ok(),
        Err(NotSaved::Already(error)) => return Err(Error::text(error.to_string())),
        // The log has the reason; Redis tells no more.
        Err(NotSaved::Failed(_)) => return Err(Error::text("ERR")),
    }
    Ok(())
}

fn bgsave(call: &mut Call<'_>) -> Outcome {
    let may_wait = match call.len() {
        1 => false,
        2 if call.is(1, "SCHEDULE") => true,
        _ => return Err(Error::Syntax),
    };
    let saver = &call.instance.saver;
    if saver.is_in_background() {
        return Err(Error::text(AlreadySaving.to_string()));
    }
    // In a transaction everything is locked, and the snapshot is to have all that the transaction does.
    if call.db.locked.is_exclusive() {
        saver.schedule();
        call.reply.simple("Background saving scheduled");
        return Ok(());
    }
    match start(call.instance) {
        Ok(()) => call.reply.simple("Background saving started"),
        Err(NotStarted::Busy(_)) if may_wait => {
            saver.schedule();
            call.reply.simple("Background saving scheduled");
        }
        Err(error) => return Err(Error::text(error.to_string())),
    }
    Ok(())
}

fn lastsave(call: &mut Call<'_>) -> Outcome {
    call.reply.int(call.instance.saver.last_save() as i64);
    Ok(())
}

/// Has the saver's thread write what there is now. Nothing may be locked.
///
/// # Errors
/// When it is not the time for it.
pub fn start(instance: &Instance) -> Result<(), NotStarted> {
    let mut locked = instance.keyspace.lock_all();
    let changes = instance.changes();
    let libraries = instance.functions.load().sources();
    instance
        .saver
        .start(&mut locked, libraries, changes, unix_millis() / 1000)?;
    info!("Background saving started");
    Ok(())
}

/// How the configuration wants files to be written; `now` is in milliseconds since the epoch.
pub fn options(config: &Config, now: u64) -> Options {
    let persistence = &config.persistence;
    let clock = room::moment(config, now, false).access;
    Options {
        compresses: persistence.rdbcompression,
        has_checksum: persistence.rdbchecksum,
        flushes_early: persistence.rdb_save_incremental_fsync,
        access: match config.memory.maxmemory_policy {
            EvictionPolicy::AllkeysLru | EvictionPolicy::VolatileLru => AccessNote::Idle(clock),
            EvictionPolicy::AllkeysLfu | EvictionPolicy::VolatileLfu => {
                AccessNote::Frequency(clock)
            }
            _ => AccessNote::None,
        },
    }
}

/// What a file tells before the keys.
pub(super) fn about(now: u64, is_aof_base: bool, libraries: Libraries) -> About {
    About {
        time: now / 1000,
        memory: allocator::allocated_exactly() as u64,
        is_aof_base,
        libraries,
    }
}

/// Writes the file in this thread. The exclusive section must be held.
///
/// # Errors
/// When it is written already, or cannot be, which is logged.
pub fn save_here(
    instance: &Instance,
    config: &Config,
    locked: &mut Locked<'_>,
) -> Result<(), NotSaved> {
    instance.saver.here(instance.changes(), || {
        let libraries = instance.functions.load().sources();
        let written = write(config, libraries, |folder, name, options, about| {
            file::write_all(folder, name, options, about, locked)
        });
        Ok(written.map(|_| unix_millis() / 1000)?)
    })
}

/// Writes what the saver was asked to write, once that comes. For the saver's thread.
pub fn save_in_background(instance: &Instance) {
    let (snapshot, libraries) = instance.saver.next();
    let config = instance.config.load_full();
    let mut delay = KeyDelay::new(config.persistence.rdb_key_save_delay);
    let disk_is_busy = &instance.journal.status.disk_is_busy;
    disk_is_busy.store(true, Relaxed);
    let written = write(&config, libraries, |folder, name, options, about| {
        let go_on = |keys| {
            delay.wait(keys, || instance.saver.go_on(0));
            instance.saver.go_on(keys)
        };
        let keyspace = &instance.keyspace;
        file::write_snapshot(folder, name, options, about, keyspace, snapshot, go_on)
    });
    disk_is_busy.store(false, Relaxed);
    match &written {
        Ok(_) => info!("Background saving terminated with success"),
        Err(SaveError::Stopped) => warn!("Background saving was given up"),
        Err(_) => warn!("Background saving error"),
    }
    instance.saver.ended(&written, unix_millis() / 1000);
}

/// Has the file written as the configuration wants it; answers its length.
fn write(
    config: &Config,
    libraries: Libraries,
    write: impl FnOnce(&Path, &str, Options, &About) -> Result<u64, SaveError>,
) -> Result<u64, SaveError> {
    let now = unix_millis();
    let about = about(now, false, libraries);
    let begin = Instant::now();
    // CONFIG SET may change the working folder meanwhile.
    let folder = std::env::current_dir()?;
    let name = &config.persistence.dbfilename;
    let written = write(&folder, name, options(config, now), &about);
    match &written {
        Ok(bytes) => {
            let seconds = begin.elapsed().as_secs_f64();
            info!("DB saved on disk: {bytes} bytes in {seconds:.3} s");
        }
        Err(SaveError::Stopped) => {}
        Err(error) => warn!("{error}"),
    }
    written
}

/// The pause behind every key that tests ask for, in microseconds; a negative number is how many keys share one microsecond.
pub(super) struct KeyDelay {
    micros: i32,
    keys: u64,
}

impl KeyDelay {
    pub(super) fn new(micros: i32) -> KeyDelay {
        KeyDelay { micros, keys: 0 }
    }

    /// Waits for so many keys, as long as that is wanted.
    pub(super) fn wait(&mut self, keys: u64, is_wanted: impl Fn() -> bool) {
        /// How long it takes to notice that it is not.
        const STEP: Duration = Duration::from_millis(10);
        if self.micros == 0 {
            return;
        }
        self.keys += keys;
        let mut left = match u64::try_from(self.micros) {
            Ok(micros) => Duration::from_micros(micros * std::mem::take(&mut self.keys)),
            Err(_) => {
                let group = u64::from(self.micros.unsigned_abs());
                let groups = self.keys / group;
                self.keys %= group;
                Duration::from_micros(groups)
            }
        };
        while !left.is_zero() && is_wanted() {
            let step = left.min(STEP);
            std::thread::sleep(step);
            left -= step;
        }
    }
}

/// Why writes are refused, if the keys could not be saved and the configuration wants none then, or if the append-only file cannot
/// be written.
#[inline]
pub fn refusal(instance: &Instance, config: &Config) -> Option<Error> {
    let persistence = &config.persistence;
    if instance.saver.has_failed()
        && persistence.stop_writes_on_bgsave_error
        && !persistence.save.is_empty()
    {
        return Some(Error::NotPersisted);
    }
    aof::refusal(instance)
}

/// What is being saved has been removed. The file is to be as empty, if there is to be one: nobody wants to find the keys again
/// after the next start.
pub fn all_is_gone(instance: &Instance, config: &Config) {
    instance.saver.stop();
    if !config.persistence.save.is_empty() {
        instance.saver.schedule();
    }
}
