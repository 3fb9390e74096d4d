//! From parsed requests to replies: which commands run, under which locks, and how they are counted.
//!
//! A group of pipelined requests is looked up and hashed first and its buckets and entries are prefetched, so that the
//! cache misses of one command overlap with those of the others; then the commands run one by one.

use std::cell::RefCell;
use std::sync::Arc;

use arc_swap::Guard;

use super::blocking::Patience;
use super::call::{Call, KeyHashes};
use super::error::Error;
use super::instance::{Instance, unix_millis};
use super::locks::{self, Hashes, Locks};
use super::monitor;
use super::named::named;
use super::pubsub::{answers_by_push, is_allowed_while_listening};
use super::registry::Entry;
use super::{Flags, Outcome, save, script, transaction};
use crate::clients::{Class, Client, PauseMode, ReplyMode};
use crate::config::Config;
use crate::keyspace::db::Moment;
use crate::keyspace::evict::Evictor;
use crate::keyspace::{Db, Key, Locked};
use crate::protocol::{Reply, Request, Version};
use crate::table::hash;
use crate::telemetry::WorkerStats;
use crate::telemetry::latency::Sample;
use crate::telemetry::slowlog::{self, SlowCommand};

/// Flags of commands that may change keys, here or elsewhere.
const CHANGES: Flags = Flags::WRITE.union(Flags::MAY_REPLICATE);

/// Requests that are prefetched together. More would push each other out of the nearest cache.
pub const GROUP: usize = 16;

/// What is the same for all commands that one read from one client brings.
pub struct Batch<'a> {
    /// What all connections share.
    pub instance: &'a Instance,
    /// The configuration, since the last command that may have changed it.
    pub config: Guard<Arc<Config>>,
    /// The counters of this worker.
    pub stats: &'a WorkerStats,
    /// The time, and what it means for entries.
    pub moment: Moment,
    /// The time that deadlines count from, in milliseconds since the epoch.
    pub time: u64,
    /// Raw clock ticks when the last command ended.
    pub tick: u64,
    /// Makes room when memory runs out.
    pub evictor: &'a RefCell<Evictor>,
    /// Whether a command of this batch has seen to it that there is room.
    pub has_made_room: bool,
}

/// Whether the next request may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It may.
    Next,
    /// This one did not run and has to wait: clients are paused.
    Postponed,
    /// This one waits to be answered, and those behind it wait with it.
    Blocked,
    /// It may; but what others have sent to the client goes in front of this one's reply.
    Overtaking,
    /// The connection ends after what was replied so far.
    Close,
}

/// A request with what is known of it before it runs.
pub struct Prepared<'a> {
    pub(super) request: Request<'a>,
    entry: Option<&'a Entry>,
    /// The hash of the key, for commands with one.
    pub(super) hash: u64,
}

/// Whether the command may change the configuration, which those after it in the batch must see.
pub(super) fn may_change_config(entry: &Entry) -> bool {
    entry.row.flags.contains(Flags::ADMIN)
}

impl<'a> Prepared<'a> {
    /// Takes a request and its command, and hashes the key.
    #[inline]
    pub(super) fn new(request: Request<'a>, entry: Option<&'a Entry>) -> Prepared<'a> {
        let locks = entry.map(|entry| match request.get(1) {
            Some(word) if !entry.subcommands.is_empty() => {
                entry.subcommand(word).unwrap_or(entry).locks
            }
            _ => entry.locks,
        });
        let hash = match locks {
            Some(Locks::One(key)) if key < request.len() => hash::of(request.arg(key)),
            _ => 0,
        };
        Prepared {
            request,
            entry,
            hash,
        }
    }

    /// The key of a command with one.
    fn key(&self) -> Option<Key<'a>> {
        match self.entry?.locks {
            Locks::One(place) if self.hash != 0 => Some(Key {
                bytes: self.request.arg(place),
                hash: self.hash,
            }),
            _ => None,
        }
    }

    /// The element of the collection under the key that the request names.
    fn element(&self) -> Option<&'a [u8]> {
        self.request.get(self.entry?.element?)
    }
}

impl<'a> Batch<'a> {
    /// Looks a request's command up and hashes its key.
    #[inline]
    pub fn prepare(&self, request: Request<'a>) -> Prepared<'a> {
        Prepared::new(request, self.instance.commands.find(request.arg(0)))
    }

    /// Overlaps the cache misses of a group of requests.
    #[inline]
    pub fn prefetch(&self, client: &Client, group: &[Prepared<'_>]) {
        let keyspace = &self.instance.keyspace;
        let with_key = || group.iter().filter(|prepared| prepared.hash != 0);
        for prepared in with_key() {
            keyspace.prefetch_bucket(client.database, prepared.hash);
        }
        for prepared in with_key() {
            keyspace.prefetch_entry(client.database, prepared.hash);
        }
        // Neighbours that ask for elements of one large collection would miss the cache in it once more each.
        for run in group.chunk_by(|a, b| a.hash == b.hash) {
            if let [first, _, ..] = run
                && first.element().is_some()
                && let Some(key) = first.key()
            {
                let elements = run.iter().filter_map(Prepared::element);
                keyspace.prefetch_elements(client.database, key, elements);
            }
        }
    }

    /// Runs one request and appends its reply to `out`.
    #[inline]
    pub fn run(&mut self, client: &mut Client, prepared: &Prepared<'_>, out: &mut Vec<u8>) -> Flow {
        let start = out.len();
        if client.reply_mode == ReplyMode::SkipNext {
            client.reply_mode = ReplyMode::Skip;
        }
        let entry = match self.admit(client, prepared) {
            Ok(entry) => entry,
            Err(Refusal::Postpone) => return Flow::Postponed,
            Err(Refusal::Error(error, entry)) => {
                if let Some(entry) = entry {
                    self.stats.by_command[entry.id].rejected.add(1);
                }
                if let Some(entry) = entry
                    && entry.row.flags.contains(Flags::RUNS_QUEUE)
                {
                    // Those who watch were shown its MULTI.
                    self.show(client, entry, prepared.request);
                }
                if client.transaction.is_none() {
                    client.tracking.end_command(false);
                }
                let error = transaction::refused(client, &self.instance.keyspace, entry, error);
                self.answer_error(&mut Reply::new(out, client.version), &error);
                return self.finish(client, start, out, false);
            }
        };
        let start = match client.pushes.is_empty() {
            true => start,
            // Keys had to make room for the command, and the client kept copies of them.
            false => {
                out.append(&mut client.pushes);
                out.len()
            }
        };
        client.last_command = entry.id as u16;
        let flags = entry.row.flags;
        if let Some(transaction) = &mut client.transaction
            && !flags.contains(Flags::NOT_QUEUED)
        {
            let flags = script::flags(self.instance, entry.row, prepared.request);
            transaction::queue(transaction, entry, prepared, flags);
            Reply::new(out, client.version).queued();
            return self.finish(client, start, out, false);
        }
        let outcome = self.call(client, entry, prepared, out);
        if may_change_config(entry) {
            self.config = self.instance.config.load();
        }
        if client.tracking.remembers() {
            self.end_tracked(client, entry);
        }
        let is_blocked = client.wait.is_some();
        if !is_blocked {
            let mut reply = Reply::new(out, client.version);
            self.account(client, entry, prepared.request, &mut reply, start, &outcome);
        }
        if self.stats.effects.ready.any() {
            self.serve_waiting();
        }
        if is_blocked {
            return Flow::Blocked;
        }
        self.finish(client, start, out, answers_by_push(entry.row))
    }

    /// Answers with the error, if the outcome is one, and counts the call, whose reply begins at `start`.
    #[inline]
    pub(super) fn account(
        &mut self,
        client: &Client,
        entry: &Entry,
        request: Request<'_>,
        reply: &mut Reply<'_>,
        start: usize,
        outcome: &Outcome,
    ) {
        let counters = &self.stats.by_command[entry.id];
        if let Err(error) = outcome {
            reply.take_back(start);
            self.answer_error(reply, error);
            counters.failed.add(1);
        } else if let Some(text) = reply.error_since(start) {
            self.count_error(text);
            counters.failed.add(1);
        }
        let tick = self.instance.telemetry.clock.raw();
        let ticks = tick.saturating_sub(self.tick);
        counters.ran(ticks, self.config.telemetry.latency_tracking);
        self.tick = tick;
        self.stats.commands.add(1);
        if self.instance.telemetry.may_be_slow(ticks) {
            self.note_slow(client, entry, request, ticks);
        }
    }

    /// Adds a command to the slow log and to the latency monitor, if it took long enough for them.
    #[cold]
    fn note_slow(&self, client: &Client, entry: &Entry, request: Request<'_>, ticks: u64) {
        let telemetry = &self.instance.telemetry;
        let config = &self.config.telemetry;
        let micros = telemetry.nanos(ticks) / 1000;
        let time = unix_millis() / 1000;
        let slower_than = u64::try_from(config.slowlog_log_slower_than);
        let flags = entry.row.flags;
        if slower_than.is_ok_and(|least| micros >= least) && !flags.contains(Flags::SKIP_SLOWLOG) {
            let command = SlowCommand {
                id: 0,
                time,
                micros,
                arguments: slowlog::shorten(entry.row.shown(request)),
                peer: client.handle.kind.peer(),
                name: client.handle.names.lock().name.clone(),
            };
            telemetry.slow_log.push(command, config.slowlog_max_len);
        }
        let (millis, threshold) = (micros / 1000, config.latency_monitor_threshold);
        if threshold > 0 && millis >= threshold {
            let is_fast = flags.contains(Flags::FAST);
            let event = if is_fast { "fast-command" } else { "command" };
            telemetry.spikes.note(event, Sample { time, millis });
        }
    }

    /// Takes a reply back that the client does not want, unless it `is_push`, and tells how to go on.
    #[inline]
    pub(super) fn finish(
        &self,
        client: &mut Client,
        start: usize,
        out: &mut Vec<u8>,
        is_push: bool,
    ) -> Flow {
        match client.reply_mode {
            // Asking to skip the next one is not answered either.
            ReplyMode::On | ReplyMode::SkipNext => {}
            ReplyMode::Off | ReplyMode::Skip => {
                if !is_push {
                    out.truncate(start);
                }
                if client.reply_mode == ReplyMode::Skip {
                    client.reply_mode = ReplyMode::On;
                }
            }
        }
        if !client.pushes.is_empty() {
            out.append(&mut client.pushes);
        }
        if client.close || out.len() > client.reply_room {
            Flow::Close
        } else if client.is_overtaking {
            Flow::Overtaking
        } else {
            Flow::Next
        }
    }

    /// Finds the subcommand and decides whether the client may run it now.
    #[inline]
    fn admit<'e>(
        &mut self,
        client: &mut Client,
        prepared: &Prepared<'e>,
    ) -> Result<&'e Entry, Refusal<'e>> {
        let request = prepared.request;
        let entry = named(prepared.entry, request)
            .map_err(|(error, entry)| Refusal::Error(error, entry))?;
        let row = entry.row;
        if row.flags.contains(Flags::PROTECTED) && !self.allows_protected(client, entry) {
            return Err(Refusal::Error(
                protected(prepared.entry.unwrap_or(entry)),
                Some(entry),
            ));
        }
        if !client.authenticated
            && !row.flags.contains(Flags::NO_AUTH)
            && !self.config.security.requirepass.is_empty()
        {
            return Err(Refusal::Error(
                Error::text("NOAUTH Authentication required."),
                Some(entry),
            ));
        }
        if client.transaction.is_some() && row.flags.contains(Flags::NO_MULTI) {
            let error = Error::text("ERR Command not allowed inside a transaction");
            return Err(Refusal::Error(error, Some(entry)));
        }
        const KEYSPACE: Flags = CHANGES.union(Flags::READONLY);
        if client.is_monitor && row.flags.intersects(KEYSPACE) {
            let error = Error::text("ERR Replica can't interact with the keyspace");
            return Err(Refusal::Error(error, Some(entry)));
        }
        if client.class == Class::Pubsub
            && client.version == Version::Resp2
            && !is_allowed_while_listening(row)
        {
            return Err(Refusal::Error(listening(entry), Some(entry)));
        }
        if let Some(busy) = self.instance.busy.refusal()
            && !row.flags.contains(Flags::ALLOW_BUSY)
        {
            return Err(Refusal::Error(busy.into(), Some(entry)));
        }
        if self.instance.loading.is_active() {
            if !row.flags.contains(Flags::LOADING) {
                return Err(Refusal::Error(Error::Loading, Some(entry)));
            }
        } else if self.is_out_of_memory(client, entry, request) {
            return Err(Refusal::Error(Error::OutOfMemory, Some(entry)));
        }
        let unsaved = save::refusal(self.instance, &self.config);
        let pause = self.instance.pause.mode(self.moment.now);
        if unsaved.is_some() || pause.is_some() {
            self.admit_change(client, entry, request, unsaved, pause)?;
        }
        Ok(entry)
    }

    /// Decides whether a command may run although nothing can be saved, or although clients are paused.
    #[cold]
    fn admit_change<'e>(
        &self,
        client: &Client,
        entry: &'e Entry,
        request: Request<'_>,
        unsaved: Option<Error>,
        pause: Option<PauseMode>,
    ) -> Result<(), Refusal<'e>> {
        let mut flags = script::flags(self.instance, entry.row, request);
        if let Some(transaction) = &client.transaction
            && flags.contains(Flags::RUNS_QUEUE)
        {
            flags.set(Flags::WRITE, transaction.writes);
            flags.set(Flags::MAY_REPLICATE, transaction.is_replicated);
        }
        if let Some(error) = unsaved {
            // Who watches over the server asks with a PING, and is to learn of it.
            if flags.contains(Flags::WRITE) || entry.row.name == "ping" {
                return Err(Refusal::Error(error, Some(entry)));
            }
        }
        if let Some(mode) = pause
            && !client.is_monitor
            && (mode == PauseMode::All || flags.intersects(CHANGES))
        {
            return Err(Refusal::Postpone);
        }
        Ok(())
    }

    /// Locks the shards of the command's keys and runs it.
    #[inline]
    pub(super) fn call(
        &mut self,
        client: &mut Client,
        entry: &Entry,
        prepared: &Prepared<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let request = prepared.request;
        let keyspace = &self.instance.keyspace;
        let one = [prepared.hash];
        let mut many = Hashes::new();
        let (locked, hashes) = match entry.locks {
            Locks::One(_) => (
                keyspace.lock_one_if_free(prepared.hash),
                KeyHashes::of(entry, &one),
            ),
            Locks::Queued if client.transaction.is_some() => {
                let outcome = self.run_queue(client, entry, request, out);
                self.show(client, entry, request);
                return outcome;
            }
            _ => {
                let needs = entry.needs(request, &mut many);
                let locked = locks::lock(keyspace, needs, &many);
                (locked, KeyHashes::of(entry, &many))
            }
        };
        let Some(locked) = locked else {
            return Err(self.instance.busy.error().into());
        };
        let writes = entry.row.flags.contains(Flags::WRITE);
        let db = self.db(client, locked, writes);
        self.run_locked(client, entry, request, hashes, db, Patience::Waits, out)
    }

    /// Runs a command whose keys' shards are locked, and lets go of them.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn run_locked<'k>(
        &'k self,
        client: &'k mut Client,
        entry: &'k Entry,
        request: Request<'k>,
        hashes: KeyHashes<'k>,
        db: Db<'k>,
        patience: Patience<'k>,
        out: &'k mut Vec<u8>,
    ) -> Outcome
    where
        'a: 'k,
    {
        let mut call = Call {
            request,
            reply: Reply::bounded(out, client.version, client.reply_room),
            db,
            time: self.time,
            client,
            instance: self.instance,
            config: &self.config,
            stats: self.stats,
            command: entry,
            patience,
            hashes,
        };
        let before = call.changes();
        let outcome = (entry.row.run)(&mut call);
        if call.is_propagated() {
            call.propagate(before);
            call.submit(before);
        }
        call.remember();
        call.invalidate();
        call.send_messages();
        // Who has waited was shown when it began to.
        if !matches!(patience, Patience::Served(_)) {
            monitor::show(self.instance, call.client, entry.row, request);
        }
        outcome
    }

    /// Shows a command to those who watch.
    fn show(&self, client: &mut Client, entry: &Entry, request: Request<'_>) {
        monitor::show(self.instance, client, entry.row, request);
    }

    /// The client's database through these shards.
    #[inline]
    pub(super) fn db<'k>(&self, client: &Client, locked: Locked<'k>, writes: bool) -> Db<'k>
    where
        'a: 'k,
    {
        let mut moment = self.moment;
        // A writer runs only while nothing is paused, and must find no dead entry in its way.
        moment.may_expire |= writes;
        let mut db = Db::new(locked, client.database, moment, &self.stats.effects);
        db.touch = !client.no_touch;
        db
    }

    fn allows_protected(&self, client: &Client, entry: &Entry) -> bool {
        let security = &self.config.security;
        let is_debug = entry.full_name.starts_with("debug");
        let permission = if is_debug {
            security.enable_debug_command
        } else {
            security.enable_module_command
        };
        permission.allows(client.handle.kind.is_local())
    }

    fn answer_error(&self, reply: &mut Reply<'_>, error: &Error) {
        if let Error::Counted(bytes) = error {
            return reply.error_bytes(bytes);
        }
        let text = error.to_string();
        self.count_error(text.as_bytes());
        match error {
            Error::Quoting(bytes) => reply.error_bytes(bytes),
            _ => reply.error(&text),
        }
    }

    fn count_error(&self, text: &[u8]) {
        self.stats.errors.add(1);
        self.instance
            .telemetry
            .count_error(&String::from_utf8_lossy(text));
    }
}

/// Why a command does not run.
enum Refusal<'a> {
    Error(Error, Option<&'a Entry>),
    Postpone,
}

#[cold]
fn listening(command: &Entry) -> Error {
    Error::text(format!(
        "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        command.full_name
    ))
}

#[cold]
fn protected(command: &Entry) -> Error {
    let name = command.row.name;
    let upper = name.to_ascii_uppercase();
    Error::text(format!(
        "ERR {upper} command not allowed. If the enable-{name}-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the server."
    ))
}
