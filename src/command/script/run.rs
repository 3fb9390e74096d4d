//! A script that runs: its commands run on what its own command has locked, as those of a transaction do.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::refused;
use crate::clients::Client;
use crate::command::call::KeyHashes;
use crate::command::locks::{Hashes, Locks, Needs};
use crate::command::registry::Entry;
use crate::command::{Call, Error, Flags, Outcome, save};
use crate::keyspace::Db;
use crate::protocol::{Reply, Request, Version};
use crate::scripting::{Callee, Engine, Failure, Host, Refusal, ScriptFlags};
use crate::telemetry::WorkerStats;

/// What a script or function may do.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// Whether it was called by a command that changes nothing.
    pub read_only: bool,
}

/// Runs a script or function with the arguments behind the third, of which the first `keys` are keys, and answers what it returns.
/// `needs_all` is raised when it touched what it had not named.
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
    let request = call.request;
    let (first, end) = (3, 3 + keys);
    let (database, version) = (call.client.database, call.client.version);
    let mut host = Run {
        database,
        rights,
        has_written: false,
        is_repeated: true,
        call,
    };
    let result = engine.run(callee, request, first..end, end..request.len(), &mut host);
    call.client.database = database;
    call.client.version = version;
    let written = match result {
        Ok(returned) => returned.write(&mut call.reply).map_err(Failure::Error),
        Err(failure) => Err(failure),
    };
    if let Err(Failure::StartOver) = &written {
        needs_all.store(true, Relaxed);
    }
    written.map_err(refused)
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
    if let Some(error) = save::refusal(call.instance, call.config) {
        return Err(match error {
            Error::NotPersisted => Error::text(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable \
                 scripts are blocked. Use 'no-writes' flag for read only scripts.",
            ),
            other => other,
        });
    }
    if rights.read_only {
        return Err(Error::text(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
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
}

impl Run<'_, '_> {
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
        if row.flags.contains(Flags::NOSCRIPT) {
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
                return Err(Refusal::Error(counted(self.call, &error)));
            }
        };
        // The command outlives the borrow of the script's host.
        let entry = instance
            .commands
            .by_id(entry.id)
            .expect("it was just found");
        let mut hashes = Hashes::new();
        let needs = entry.needs_queued(request, &mut hashes);
        let wanted = (needs == Needs::Keys).then_some(&hashes[..]);
        let call = &mut *self.call;
        let moment = call.db.moment;
        let Some(locked) = call.db.locked.lend(wanted) else {
            return Err(Refusal::StartOver);
        };
        let is_write = entry.row.flags.contains(Flags::WRITE);
        self.has_written |= is_write;
        let client: &mut Client = call.client;
        client.database = self.database;
        client.version = version;
        let mut db = Db::new(locked, self.database, moment, &stats.effects);
        db.touch = !client.no_touch;
        let known = match entry.locks {
            Locks::One(first) => KeyHashes {
                first,
                step: 1,
                hashes: &hashes,
            },
            Locks::Range { first, step, .. } => KeyHashes {
                first,
                step,
                hashes: &hashes,
            },
            _ => KeyHashes::UNKNOWN,
        };
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
            nested: true,
            hashes: known,
        };
        let began = instance.telemetry.clock.raw();
        let before = inner.changes();
        let outcome = (entry.row.run)(&mut inner);
        if inner.is_propagated() {
            inner.propagate(before);
        }
        self.database = inner.client.database;
        let ticks = instance.telemetry.clock.raw().saturating_sub(began);
        let is_tracked = inner.config.telemetry.latency_tracking;
        drop(inner);
        if let Err(error) = &outcome {
            out.clear();
            let text = counted(self.call, error);
            Reply::new(out, version).error_bytes(&text);
            stats.by_command[entry.id].failed.add(1);
        } else if out.first() == Some(&b'-') {
            let text = out[1..].split(|&byte| byte == b'\r').next();
            count(self.call, text.unwrap_or_default());
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

    fn look_around(&mut self) -> Option<Refusal> {
        None
    }
}

/// The text of an error, which is counted.
fn counted(call: &Call<'_>, error: &Error) -> Vec<u8> {
    let text = match error {
        Error::Quoting(text) => text.clone(),
        other => other.to_string().into_bytes(),
    };
    count(call, &text);
    text
}

fn count(call: &Call<'_>, text: &[u8]) {
    let stats: &WorkerStats = call.stats;
    stats.errors.add(1);
    let text = String::from_utf8_lossy(text);
    call.instance.telemetry.count_error(&text);
}
