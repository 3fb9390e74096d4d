//! A script that runs: its commands run on what its own command has locked, as those of a transaction do.
//!
//! At first that is the shards of the keys that it names. One that it needs beyond these is taken if it is free, whatever its number:
//! nobody waits for it, so the order of locks is kept. If it is not free, everything that the script did is undone and it starts
//! over with all shards locked; and so it begins the next time. What it wrote for the append-only file and what it announced has gathered
//! until then, and is thrown away. To undo, each shard keeps what the script's first change to a key took away
//! (`keyspace/undo.rs`). A value that is too large to be copied is changed only with all shards held.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tracing::warn;

use super::refused;
use crate::clients::Client;
use crate::command::blocking::Patience;
use crate::command::call::KeyHashes;
use crate::command::locks::{Hashes, Locks, Needs};
use crate::command::registry::Entry;
use crate::command::{Call, Error, Flags, Instance, Outcome, monitor, save};
use crate::keyspace::shard::Shard;
use crate::keyspace::{Db, Key, meanwhile};
use crate::metric::Counter;
use crate::protocol::{Reply, Request, Version};
use crate::scripting::busy::Declared;
use crate::scripting::log::Line;
use crate::scripting::reply::ErrorReply;
use crate::scripting::{Callee, Engine, Failure, Host, Refusal, ScriptFlags};
use crate::telemetry::WorkerStats;

/// A script that writes more to the log, in bytes, needs every shard, so that it cannot start over.
const MAX_LOG: usize = 64 << 10;

/// What a script or function may do.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// Whether it was called by a command that changes nothing.
    pub read_only: bool,
}

/// Runs a script or function with the arguments behind the third, of which the first `keys` are keys, and answers what it returns.
/// `needs_all` says whether it once had to start over, and is raised when it has to.
///
/// # Errors
/// When it may not run, or ends with an error.
pub fn run(
    call: &mut Call<'_>,
    engine: &Engine,
    callee: Callee<'_>,
    keys: usize,
    rights: Rights,
    needs_all: &AtomicBool,
) -> Outcome {
    let rights = admit(call, rights)?;
    let _inside = Inside::enter(&call.stats.scripts);
    if needs_all.load(Relaxed) {
        lock_all(call)?;
    }
    let request = call.request;
    let (first, end) = (3, 3 + keys);
    let (database, version) = (call.client.database, call.client.version);
    let result = loop {
        call.client.called_by_script.clear();
        let mark = call.stats.effects.mark();
        begin_undo(call);
        let mut host = Run::new(call, rights, callee);
        let result = engine.run(callee, request, first..end, end..request.len(), &mut host);
        let starts_over = matches!(result, Err(Failure::StartOver));
        host.end(starts_over);
        call.client.database = database;
        call.client.version = version;
        if !starts_over {
            break result;
        }
        for shard in call.db.locked.held() {
            let gone = shard.undo();
            gone.into_iter()
                .for_each(|entry| call.instance.keyspace.reclaimer.discard(entry));
        }
        call.stats.effects.rewind(mark);
        // Copies are known no longer of what it had changed, so they are not good, though nothing has changed.
        call.invalidate();
        needs_all.store(true, Relaxed);
        lock_all(call)?;
    };
    end_undo(call);
    let (instance, stats) = (call.instance, call.stats);
    let mut has_failed = false;
    let mut on_error = |error: &ErrorReply| {
        has_failed = true;
        if !error.is_counted {
            count(instance, stats, &error.text);
        }
    };
    match result {
        Ok(returned) => returned
            .write(&mut call.reply, &mut on_error)
            .map_err(Failure::Error)
            .map_err(refused)?,
        Err(failure) => return Err(refused(failure)),
    }
    if has_failed {
        stats.by_command[call.command.id].failed.add(1);
    }
    Ok(())
}

/// That this worker is inside a script, for those who would do something about it.
struct Inside<'s>(&'s Counter);

impl Inside<'_> {
    fn enter(scripts: &Counter) -> Inside<'_> {
        scripts.add(1);
        Inside(scripts)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

/// Locks every shard, unless that is so. Those that are held are let go first, for the order of locks.
fn lock_all(call: &mut Call<'_>) -> Outcome {
    let keyspace = &call.instance.keyspace;
    if !call.db.locked.is_exclusive() {
        call.db.locked = keyspace.lock_none();
        call.db.locked = match keyspace.lock_all_if_free() {
            Some(locked) => locked,
            None => return Err(call.instance.busy.error().into()),
        };
    }
    Ok(())
}

/// Lets the shards that are held remember what is changed, while there may be a reason to undo it.
fn begin_undo(call: &mut Call<'_>) {
    if !call.db.locked.is_exclusive() {
        for shard in call.db.locked.held() {
            shard.begin_undo();
        }
    }
}

/// Lets what was done stand.
fn end_undo(call: &mut Call<'_>) {
    let reclaimer = &call.instance.keyspace.reclaimer;
    for shard in call.db.locked.held() {
        shard.end_undo().for_each(|entry| reclaimer.discard(entry));
    }
}

/// What a script that says something of itself is refused for before it runs; one that does not learns it from its commands.
fn admit(call: &Call<'_>, mut rights: Rights) -> Result<Rights, Error> {
    let flags = rights.flags;
    if flags.contains(ScriptFlags::UNSAID) {
        return Ok(rights);
    }
    if flags.contains(ScriptFlags::NO_WRITES) {
        rights.read_only = true;
        return Ok(rights);
    }
    if rights.read_only {
        return Err(Error::text(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    // A command that may grow is refused the same way before it runs.
    if call.client.has_no_room && !flags.contains(ScriptFlags::ALLOW_OOM) {
        return Err(Error::OutOfMemory);
    }
    Ok(rights)
}

/// The server as the script sees it.
struct Run<'r, 'a> {
    call: &'r mut Call<'a>,
    /// The database that the script has selected; the client keeps its own.
    database: usize,
    rights: Rights,
    /// Whether it has called a command that may change something.
    has_written: bool,
    /// Whether its changes are written down.
    is_repeated: bool,
    began: Instant,
    /// After so long it is declared; never if that is no time at all.
    threshold: Duration,
    declared: Option<Arc<Declared>>,
    callee: Callee<'r>,
    /// Lines for the log, while it may have to start over and would write them twice.
    log: Vec<Line>,
}

impl<'r, 'a> Run<'r, 'a> {
    fn new(call: &'r mut Call<'a>, rights: Rights, callee: Callee<'r>) -> Run<'r, 'a> {
        Run {
            database: call.client.database,
            rights,
            has_written: false,
            is_repeated: true,
            began: Instant::now(),
            threshold: Duration::from_millis(call.config.general.busy_reply_threshold),
            declared: None,
            callee,
            log: Vec::new(),
            call,
        }
    }

    /// To be called when the script has ended, or `starts_over`.
    fn end(&mut self, starts_over: bool) {
        if !starts_over {
            self.write_log();
        }
        if let Some(declared) = self.declared.take() {
            self.call.instance.busy.end(&declared);
        }
    }

    fn write_log(&mut self) {
        self.log.drain(..).for_each(|line| line.write());
    }

    /// Tells everybody that the script runs for too long.
    #[cold]
    fn declare(&mut self) {
        let (name, is_function) = match self.callee {
            Callee::Script(compiled) => (compiled.script.name(), false),
            Callee::Function(_, name) => (name.to_owned(), true),
        };
        let command = if is_function {
            "FUNCTION KILL"
        } else {
            "SCRIPT KILL"
        };
        let elapsed = self.began.elapsed().as_millis();
        warn!(
            "Slow script detected: still in execution after {elapsed} milliseconds. You can try killing the script using the \
             {command} command. Script name is: {name}."
        );
        let request = self.call.request;
        let declared = Arc::new(Declared::new(is_function, name, request, self.began));
        if self.has_written {
            declared.set_written();
        }
        self.call.instance.busy.declare(&declared);
        self.declared = Some(declared);
    }

    /// Sees to it that the shards which a command needs are held, and that what it changes can be undone.
    fn prepare(&mut self, entry: &Entry, request: Request<'_>, wanted: Option<&[u64]>) -> bool {
        let locked = &mut self.call.db.locked;
        if locked.is_exclusive() {
            return true;
        }
        if locked.lend(wanted).is_none() {
            if !locked.try_extend(wanted) {
                return false;
            }
            if !locked.is_exclusive() {
                locked.held().for_each(Shard::go_on_with_undo);
            }
        }
        if entry.row.flags.contains(Flags::WRITE) && !locked.is_exclusive() {
            let can_undo = |key| locked.shard_ref(key).can_undo(self.database, key);
            let can_undo = match (entry.locks, wanted) {
                (Locks::One(place), Some(&[hash])) => can_undo(Key {
                    bytes: request.arg(place),
                    hash,
                }),
                _ => {
                    let places = entry.row.key_positions(request).unwrap_or_default();
                    let mut keys = places.iter().map(|&(place, _)| request.arg(place));
                    keys.all(|key| can_undo(Key::new(key)))
                }
            };
            if !can_undo && !locked.try_extend(None) {
                return false;
            }
        }
        if locked.is_exclusive() {
            self.is_final();
        }
        true
    }

    /// To be called when everything is locked: there will be no reason to undo.
    fn is_final(&mut self) {
        end_undo(self.call);
        self.write_log();
    }

    /// Finds a command and decides whether the script may call it.
    fn admit(&self, request: Request<'_>) -> Result<&Entry, (Error, Option<&Entry>)> {
        let error = |text: &'static str| Error::text(text);
        let unknown = || (error("ERR Unknown Redis command called from script"), None);
        let entry = find(self.call, request).ok_or_else(unknown)?;
        let row = entry.row;
        let refuse = |error| Err((error, Some(entry)));
        if !row.accepts(request.len()) {
            return refuse(error(
                "ERR Wrong number of args calling Redis command from script",
            ));
        }
        let may_debug = || self.call.instance.debug.called_by_scripts.load(Relaxed);
        if row.flags.contains(Flags::NOSCRIPT) && !(row.name == "debug" && may_debug()) {
            return refuse(error("ERR This Redis command is not allowed from script"));
        }
        let may_change = Flags::WRITE.union(Flags::MAY_REPLICATE);
        if self.rights.read_only && row.flags.intersects(may_change) {
            return refuse(error(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        // What it has begun it may end.
        if row.flags.contains(Flags::WRITE)
            && !self.has_written
            && let Some(error) = save::refusal(self.call.instance, self.call.config)
        {
            return refuse(error);
        }
        // So it is refused what it has not begun.
        let may_grow = self.rights.flags.contains(ScriptFlags::ALLOW_OOM);
        if row.flags.contains(Flags::DENYOOM)
            && self.call.client.has_no_room
            && !self.has_written
            && !may_grow
        {
            return refuse(Error::OutOfMemory);
        }
        Ok(entry)
    }
}

/// The command or subcommand that a request names.
fn find<'e>(call: &Call<'e>, request: Request<'_>) -> Option<&'e Entry> {
    let entry = call.instance.commands.find(request.arg(0))?;
    match request.get(1) {
        Some(word) if !entry.subcommands.is_empty() => entry.subcommand(word),
        _ => Some(entry),
    }
}

impl Host for Run<'_, '_> {
    fn call(
        &mut self,
        request: Request<'_>,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let (instance, stats) = (self.call.instance, self.call.stats);
        let entry = match self.admit(request) {
            Ok(entry) => entry,
            Err((error, entry)) => {
                if let Some(entry) = entry {
                    stats.by_command[entry.id].rejected.add(1);
                }
                return Err(Refusal::Error(counted(instance, stats, &error)));
            }
        };
        // The command outlives the borrow of the script's host.
        let entry = instance
            .commands
            .by_id(entry.id)
            .expect("it was just found");
        let mut hashes = Hashes::new();
        let needs = entry.needs_queued(request, None, &mut hashes);
        let wanted = (needs == Needs::Keys).then_some(&hashes[..]);
        if !self.prepare(entry, request, wanted) {
            return Err(Refusal::StartOver);
        }
        if entry.row.flags.contains(Flags::WRITE) {
            self.has_written = true;
            if let Some(declared) = &self.declared {
                declared.set_written();
            }
        }
        let call = &mut *self.call;
        let moment = call.db.moment;
        let Some(locked) = call.db.locked.lend(wanted) else {
            return Err(Refusal::StartOver);
        };
        let unrepeated = (!self.is_repeated).then(|| stats.effects.propagation.mark());
        let client: &mut Client = call.client;
        client.database = self.database;
        client.version = version;
        let mut db = Db::new(locked, self.database, moment, &stats.effects);
        db.touch = !client.no_touch;
        let mut inner = Call {
            request,
            reply: Reply::new(out, version),
            db,
            time: call.time,
            client,
            instance,
            config: call.config,
            stats,
            command: entry,
            patience: Patience::Scripted,
            hashes: KeyHashes::of(entry, &hashes),
        };
        let began = instance.telemetry.clock.raw();
        let before = inner.changes();
        let outcome = (entry.row.run)(&mut inner);
        if inner.is_propagated() {
            inner.propagate(before);
            if let Some(mark) = unrepeated {
                stats.effects.propagation.rewind(mark);
            }
        }
        inner.remember();
        monitor::note(instance, inner.client, entry.row, request);
        self.database = inner.client.database;
        let ticks = instance.telemetry.clock.raw().saturating_sub(began);
        let is_tracked = inner.config.telemetry.latency_tracking;
        drop(inner);
        if let Err(error) = &outcome {
            out.clear();
            let text = counted(instance, stats, error);
            Reply::new(out, version).error_bytes(&text);
            stats.by_command[entry.id].failed.add(1);
        } else if out.first() == Some(&b'-') {
            let text = out[1..].split(|&byte| byte == b'\r').next();
            count(instance, stats, text.unwrap_or_default());
            stats.by_command[entry.id].failed.add(1);
        }
        stats.by_command[entry.id].ran(ticks, is_tracked);
        Ok(())
    }

    fn may_run(&mut self, request: Request<'_>) -> Option<bool> {
        find(self.call, request).map(|_| true)
    }

    fn set_repeated(&mut self, repeated: bool) {
        self.is_repeated = repeated;
    }

    fn log(&mut self, line: Line) -> Result<(), Refusal> {
        let locked = &mut self.call.db.locked;
        if locked.is_exclusive() {
            line.write();
            return Ok(());
        }
        let kept: usize = self.log.iter().map(Line::memory).sum();
        self.log.push(line);
        if kept > MAX_LOG {
            if !locked.try_extend(None) {
                return Err(Refusal::StartOver);
            }
            self.is_final();
        }
        Ok(())
    }

    fn look_around(&mut self) -> Option<Refusal> {
        if self.declared.is_none() {
            if self.threshold.is_zero() || self.began.elapsed() < self.threshold {
                return None;
            }
            self.declare();
        }
        meanwhile::serve();
        let is_killed = self.declared.as_ref().is_some_and(|it| it.is_killed());
        is_killed.then_some(Refusal::Killed("Script killed by user with SCRIPT KILL..."))
    }
}

/// The text of an error, which is counted.
fn counted(instance: &Instance, stats: &WorkerStats, error: &Error) -> Vec<u8> {
    let text = match error {
        Error::Quoting(text) => text.clone(),
        other => other.to_string().into_bytes(),
    };
    count(instance, stats, &text);
    text
}

fn count(instance: &Instance, stats: &WorkerStats, text: &[u8]) {
    stats.errors.add(1);
    let text = String::from_utf8_lossy(text);
    instance.telemetry.count_error(&text);
}
