//! BGREWRITEAOF, and what else commands have to do with the append-only file.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tracing::{error, info, warn};

use super::instance::{Instance, unix_millis};
use super::replay::Replay;
use super::{Call, Command, Error, Flags, Group, Outcome, load as rdb_load, save};
use crate::config::Config;
use crate::config::value::plain;
use crate::keyspace::Locked;
use crate::keyspace::snapshot::Snapshot;
use crate::persistence::Libraries;
use crate::persistence::aof::disk::System;
use crate::persistence::aof::load::{LoadError, Place, Target};
use crate::persistence::aof::log::{Log, LogError};
use crate::persistence::aof::manifest::{Form, Manifest};
use crate::persistence::aof::orders::Order;
use crate::persistence::aof::rewrite::{self, Manner};
use crate::persistence::aof::{self, writer};
use crate::persistence::rdb;
use crate::protocol::Request;

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "bgrewriteaof",
    run: bgrewriteaof,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::NO_ASYNC_LOADING),
    group: Group::Server,
    summary: "Writes the append-only file anew in the background, without what has been overtaken.",
    ..Command::DEFAULT
}];

fn bgrewriteaof(call: &mut Call<'_>) -> Outcome {
    let status = &call.instance.journal.status;
    if status.is_rewriting() {
        let text = "ERR Background append only file rewriting already in progress";
        return Err(Error::text(text));
    }
    // In a transaction shards are locked already, and its changes belong together.
    if !call.db.locked.is_empty() || start_rewrite(call.instance).is_err() {
        status.rewrite_scheduled.store(true, Relaxed);
        status.rewrite_failures.store(0, Relaxed);
        call.reply
            .simple("Background append only file rewriting scheduled");
        return Ok(());
    }
    call.reply
        .simple("Background append only file rewriting started");
    Ok(())
}

/// Another snapshot is being written.
#[derive(Clone, Copy, Debug)]
pub struct HasToWait;

/// Begins a rewrite. Nothing may be locked.
///
/// # Errors
/// When that has to wait.
pub fn start_rewrite(instance: &Instance) -> Result<(), HasToWait> {
    let mut locked = instance.keyspace.lock_all();
    let libraries = instance.functions.load().sources();
    let started = (instance.rewriter).start(&mut locked, libraries, &instance.journal);
    started.map_err(|_| HasToWait)
}

/// How the configuration wants a base to be written.
pub fn manner(config: &Config, libraries: Libraries) -> Manner {
    let persistence = &config.persistence;
    let now = unix_millis();
    Manner {
        form: form(config),
        options: save::options(config, now),
        about: save::about(now, true, libraries),
        flushes_early: persistence.aof_rewrite_incremental_fsync,
        stamp: persistence.aof_timestamp_enabled.then_some(now / 1000),
    }
}

/// In which form the configuration wants bases.
pub fn form(config: &Config) -> Form {
    if config.persistence.aof_use_rdb_preamble {
        Form::Rdb
    } else {
        Form::Commands
    }
}

/// Writes the base that the rewriter is asked for, once that comes. For the rewriter's thread.
pub fn rewrite_in_background(instance: &Instance) {
    let job = instance.rewriter.next();
    let config = instance.config.load_full();
    let manner = manner(&config, Vec::new());
    let mut delay = save::KeyDelay::new(config.persistence.rdb_key_save_delay);
    let Instance {
        rewriter,
        keyspace,
        journal,
        ..
    } = instance;
    rewriter.write(job, manner, keyspace, journal, |keys| {
        delay.wait(keys, || !rewriter.is_stopped());
        true
    });
}

/// Loads the log if the configuration says that there is one. Answers its manifest, which is empty if there was none.
///
/// # Errors
/// When the log, or even its manifest alone, is damaged. Some keys may be stored then.
pub fn load(instance: &Instance) -> Result<Manifest, LoadError> {
    let config = instance.config.load();
    let persistence = &config.persistence;
    let folder = Path::new(&persistence.appenddirname);
    if !persistence.appendonly {
        let manifest = Manifest::read(folder, &persistence.appendfilename)?;
        return Ok(manifest.unwrap_or_else(|| Manifest::new(&persistence.appendfilename)));
    }
    let place = Place {
        dir: Path::new(""),
        folder: &persistence.appenddirname,
        stem: &persistence.appendfilename,
        may_cut: persistence.aof_load_truncated,
    };
    let mut loader = Loader {
        instance,
        replay: Replay::new(instance),
    };
    aof::load::load(place, &mut loader)
}

/// Stores what is in a log.
struct Loader<'a> {
    instance: &'a Instance,
    replay: Replay<'a>,
}

impl Target for Loader<'_> {
    fn snapshot(&mut self, path: &Path) -> Result<u64, String> {
        let Instance {
            config,
            loading,
            keyspace,
            ..
        } = self.instance;
        let options = rdb_load::options(self.instance, &config.load(), true);
        let file = File::open(path).map_err(|error| error.to_string())?;
        let fill = |entries: &mut Vec<_>| keyspace.lock_none().fill(entries);
        let loaded = rdb::load::load(file, &options, loading, fill);
        Ok(loaded.map_err(|error| error.to_string())?.end)
    }

    fn run(&mut self, request: Request<'_>) -> Result<(), String> {
        self.replay.run(request).map_err(|error| error.to_string())
    }

    fn is_in_transaction(&self) -> bool {
        self.replay.is_in_transaction()
    }

    fn expect(&mut self, bytes: u64) {
        self.instance.loading.expect(bytes);
    }

    fn advance(&mut self, bytes: u64) -> bool {
        self.instance.loading.advance(bytes);
        !self.instance.loading.is_stopped()
    }
}

/// DEBUG LOADAOF: forgets all keys and loads them from the log again. Where that fails there is no going on, as at the start.
///
/// # Errors
/// When it is not to be begun.
pub fn load_again(call: &mut Call<'_>) -> Outcome {
    let instance = call.instance;
    let Instance {
        journal, loading, ..
    } = instance;
    // A log may hold any command.
    if loading.is_active() {
        return Err(Error::text("ERR the log is being loaded already"));
    }
    if journal.status.is_rewriting() {
        let text = "ERR Background append only file rewriting in progress";
        return Err(Error::text(text));
    }
    let persistence = &call.config.persistence;
    let folder = Path::new(&persistence.appenddirname);
    let manifest = Manifest::read(folder, &persistence.appendfilename);
    if !manifest.is_ok_and(|manifest| manifest.is_some_and(|it| !it.is_empty())) {
        let text = "ERR there is no append only file that can be loaded";
        return Err(Error::text(text));
    }
    if !journal.flush() {
        return Err(Error::text("ERR the append only file cannot be written"));
    }
    super::debug::forget_all(call);
    let place = Place {
        dir: Path::new(""),
        folder: &persistence.appenddirname,
        stem: &persistence.appendfilename,
        // What is written by a server that runs has no torn end.
        may_cut: false,
    };
    loading.begin();
    let mut loader = Reloader {
        instance,
        replay: Replay::new(instance),
        locked: &mut call.db.locked,
    };
    if let Err(error) = aof::load::load(place, &mut loader) {
        error!("{error}");
        std::process::exit(1);
    }
    loader.replay.hand_on(&call.stats.effects);
    loading.finish();
    warn!("Append Only File loaded by DEBUG LOADAOF");
    call.reply.ok();
    Ok(())
}

/// Stores what is in a log while every shard is locked.
struct Reloader<'a, 'l, 'k> {
    instance: &'a Instance,
    replay: Replay<'a>,
    locked: &'l mut Locked<'k>,
}

impl Target for Reloader<'_, '_, '_> {
    fn snapshot(&mut self, path: &Path) -> Result<u64, String> {
        let options = rdb_load::options(self.instance, &self.instance.config.load(), true);
        let locked = RefCell::new(&mut *self.locked);
        let fill = |entries: &mut Vec<_>| locked.borrow_mut().fill(entries);
        let file = File::open(path).map_err(|error| error.to_string())?;
        let loaded = rdb::load::load_here(file, &options, &self.instance.loading, fill);
        Ok(loaded.map_err(|error| error.to_string())?.end)
    }

    fn run(&mut self, request: Request<'_>) -> Result<(), String> {
        let ran = self.replay.run_within(self.locked, request);
        ran.map_err(|error| error.to_string())
    }

    fn is_in_transaction(&self) -> bool {
        self.replay.is_in_transaction()
    }

    fn expect(&mut self, bytes: u64) {
        self.instance.loading.expect(bytes);
    }

    fn advance(&mut self, bytes: u64) -> bool {
        self.instance.loading.advance(bytes);
        true
    }
}

/// Why the log cannot be written.
#[derive(Debug)]
pub enum NotOpened {
    /// Its files.
    Log(LogError),
    /// The threads that write it.
    Thread(io::Error),
}

/// Starts to write the log behind what it holds, if the configuration says that there is one. A log that is new begins with what
/// was loaded from elsewhere. Nothing may be locked, and nobody be served yet.
///
/// # Errors
/// When the system refuses.
pub fn open(instance: &Instance, config: &Config, manifest: Manifest) -> Result<(), NotOpened> {
    let persistence = &config.persistence;
    let journal = &instance.journal;
    let folder = Path::new(&persistence.appenddirname);
    let mut log = Log::new(
        Arc::new(System),
        folder,
        &persistence.appendfilename,
        manifest,
    );
    if persistence.appendonly {
        let write_base = |path: &Path| {
            let snapshot = Snapshot::begin(&mut instance.keyspace.lock_all());
            let snapshot = snapshot.map_err(io::Error::other)?;
            let manner = manner(config, instance.functions.load().sources());
            rewrite::write_base(path, snapshot, &manner, &instance.keyspace, |_| true)
                .map_err(io::Error::other)
        };
        log.open(form(config), &journal.status, write_base)
            .map_err(NotOpened::Log)?;
    }
    let end = |text: &str| {
        error!("{text}");
        std::process::exit(1);
    };
    let writer = writer::start(journal, log, Box::new(end)).map_err(NotOpened::Thread)?;
    if persistence.appendonly && !persistence.aof_disable_auto_gc {
        // What a rewrite that was interrupted would have removed.
        journal.order(Order::Clean);
    }
    // It ends with the process.
    std::mem::forget(writer);
    let locked = instance.keyspace.lock_all();
    journal.set_on(persistence.appendonly);
    drop(locked);
    Ok(())
}

/// Turns the log on or off as the configuration says. Nothing may be locked.
pub fn follow(instance: &Instance) {
    let Instance {
        journal, rewriter, ..
    } = instance;
    let _switch = rewriter.switch.lock();
    let wanted = instance.config.load().persistence.appendonly;
    let status = &journal.status;
    let is_on = journal.is_on() || status.awaits_base.load(Relaxed);
    if wanted == is_on {
        return;
    }
    if wanted {
        status.awaits_base.store(true, Relaxed);
        status.rewrite_scheduled.store(true, Relaxed);
        if start_rewrite(instance).is_err() {
            info!(
                "AOF was enabled but there is already another background operation. An AOF background was scheduled to start \
                 when possible."
            );
        }
        return;
    }
    rewriter.stop();
    status.awaits_base.store(false, Relaxed);
    status.rewrite_scheduled.store(false, Relaxed);
    let locked = instance.keyspace.lock_all();
    journal.set_on(false);
    drop(locked);
    if !journal.close() {
        warn!("The AOF was closed without being on the disk as a whole");
    }
}

/// Does what is due now and then: what was scheduled, and rewriting what has grown.
pub fn attend(instance: &Instance, config: &Config) {
    follow(instance);
    let status = &instance.journal.status;
    if status.is_rewriting() {
        return;
    }
    let persistence = &config.persistence;
    if status.rewrite_scheduled.load(Relaxed) {
        // If it has to wait, it stays scheduled.
        let _ = start_rewrite(instance);
        return;
    }
    let (percentage, size) = (
        persistence.auto_aof_rewrite_percentage,
        persistence.auto_aof_rewrite_min_size,
    );
    if let Some(growth) = rewrite::is_due(&instance.journal, percentage, size)
        && !instance.keyspace.snapshots.is_running()
    {
        info!("Starting automatic rewriting of AOF on {growth}% growth");
        let _ = start_rewrite(instance);
    }
}

/// Why writes are refused, if the log cannot be written.
#[inline]
pub fn refusal(instance: &Instance) -> Option<Error> {
    let failure = instance.journal.status.failure()?;
    Some(Error::text(format!(
        "MISCONF Errors writing to the AOF file: {}",
        plain(&failure)
    )))
}
