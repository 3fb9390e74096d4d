//! Transactions: MULTI, EXEC and DISCARD, and the watches that EXEC depends on.
//!
//! Between MULTI and EXEC the dispatcher queues what comes. EXEC locks the shards of all the keys that the queued commands
//! name, and of the watched ones, and runs them one after the other under these locks: nobody sees a part of it, and
//! whoever needs other shards goes on meanwhile.

use std::cell::OnceCell;

use super::blocking::Patience;
use super::call::{Call, KeyHashes};
use super::dispatch::{Batch, Prepared, may_change_config};
use super::locks::{self, Needs};
use super::monitor;
use super::registry::Entry;
use super::{Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::clients::{Client, Transaction, WatchedKey, Watching};
use crate::keyspace::{Db, Key, Keyspace};
use crate::protocol::{Reply, Request};
use crate::table::hash;

const CONTROL: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::ALLOW_BUSY);

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "multi",
        run: multi,
        flags: CONTROL.union(Flags::NOT_QUEUED),
        group: Group::Transactions,
        since: "1.2.0",
        summary: "Begins a transaction: the commands that follow wait for EXEC.",
        ..Command::DEFAULT
    },
    Command {
        name: "exec",
        run: exec,
        flags: Flags::NOSCRIPT
            .union(Flags::LOADING)
            .union(Flags::STALE)
            .union(Flags::SKIP_SLOWLOG)
            .union(Flags::NOT_QUEUED)
            .union(Flags::RUNS_QUEUE),
        group: Group::Transactions,
        since: "1.2.0",
        summary: "Runs the commands of a transaction, unless a watched key has changed.",
        complexity: "That of the commands",
        ..Command::DEFAULT
    },
    Command {
        name: "discard",
        run: discard,
        flags: CONTROL.union(Flags::NOT_QUEUED),
        group: Group::Transactions,
        since: "2.0.0",
        summary: "Forgets the commands of a transaction.",
        complexity: "O(N) where N is the number of commands",
        ..Command::DEFAULT
    },
    Command {
        name: "watch",
        run: watch,
        arity: -2,
        flags: CONTROL.union(Flags::NOT_QUEUED),
        keys: &[KeySpec::from(1, 1, KeyFlags::RO)],
        group: Group::Transactions,
        since: "2.2.0",
        summary: "Lets the next transaction run only if these keys do not change until then.",
        complexity: "O(1) for every key",
        syntax: "key [key ...]",
        ..Command::DEFAULT
    },
    Command {
        name: "unwatch",
        run: unwatch,
        flags: CONTROL,
        group: Group::Transactions,
        since: "2.2.0",
        summary: "Forgets the watched keys.",
        ..Command::DEFAULT
    },
];

fn multi(call: &mut Call<'_>) -> Outcome {
    if call.client.transaction.is_some() {
        return Err(Error::text("ERR MULTI calls can not be nested"));
    }
    let kept = call.client.emptied_transaction.take();
    call.client.transaction = Some(kept.unwrap_or_default());
    call.reply.ok();
    Ok(())
}

/// Adds a command, which counts as one with these flags, to a transaction. Nothing more is kept of one that will be refused.
pub(super) fn queue(
    transaction: &mut Transaction,
    entry: &Entry,
    prepared: &Prepared<'_>,
    flags: Flags,
) {
    transaction.writes |= flags.contains(Flags::WRITE);
    transaction.is_replicated |= flags.contains(Flags::MAY_REPLICATE);
    transaction.needs_memory |= flags.contains(Flags::DENYOOM);
    if transaction.refused {
        return;
    }
    let (request, hashes) = (prepared.request, &mut transaction.hashes);
    transaction.config_changes += usize::from(may_change_config(entry));
    match entry.needs_queued(request, Some(prepared.hash), hashes) {
        Needs::Keys => {}
        Needs::All => transaction.needs_all = true,
    }
    transaction.push(entry.id, request);
}

/// EXEC outside of a transaction; inside of one the dispatcher calls [`Batch::run_queue`].
fn exec(_: &mut Call<'_>) -> Outcome {
    Err(Error::text("ERR EXEC without MULTI"))
}

fn discard(call: &mut Call<'_>) -> Outcome {
    if call.client.transaction.take().is_none() {
        return Err(Error::text("ERR DISCARD without MULTI"));
    }
    call.client.unwatch(&call.instance.keyspace);
    call.reply.ok();
    Ok(())
}

fn watch(call: &mut Call<'_>) -> Outcome {
    if call.client.transaction.is_some() {
        return Err(Error::text("ERR WATCH inside MULTI is not allowed"));
    }
    call.reply.ok();
    // What is broken stays so, whatever else is watched.
    if call.client.watch_is_broken() {
        return Ok(());
    }
    let database = call.db.index;
    for argument in 1..call.len() {
        let key = call.key(argument);
        // Removes the key if its time is over and it may be removed now.
        let was_dead = call.db.peek(key).is_none() && call.db.is_dead(key);
        let watched = WatchedKey {
            database,
            name: key.bytes.into(),
        };
        let watching = call.client.watching.get_or_insert_default();
        if !watching.keys.contains(&watched) {
            let observers = call.db.locked.shard(key).observers.add();
            observers
                .watches
                .add(database, key.bytes, &watching.touched, was_dead);
            watching.push(watched);
        }
    }
    Ok(())
}

fn unwatch(call: &mut Call<'_>) -> Outcome {
    call.client.unwatch(&call.instance.keyspace);
    call.reply.ok();
    Ok(())
}

/// What a client is told when a command was refused; a transaction that it is in will be refused, too. An EXEC that is refused
/// itself ends it.
pub(super) fn refused(
    client: &mut Client,
    keyspace: &Keyspace,
    entry: Option<&Entry>,
    error: Error,
) -> Error {
    if let Some(transaction) = &mut client.transaction {
        transaction.refuse();
    }
    if !entry.is_some_and(|entry| entry.row.flags.contains(Flags::RUNS_QUEUE)) {
        return error;
    }
    client.transaction = None;
    client.unwatch(keyspace);
    let reason = error.to_string();
    let reason = reason.strip_prefix("ERR ").unwrap_or(&reason);
    Error::text(format!(
        "EXECABORT Transaction discarded because of: {reason}"
    ))
}

impl Batch<'_> {
    /// EXEC: runs what the client has queued.
    pub(super) fn run_queue(
        &mut self,
        client: &mut Client,
        exec: &Entry,
        request: Request<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let mut transaction = client.transaction.take().unwrap_or_default();
        let commands = &self.instance.commands;
        let entry_of = |id| commands.by_id(id).expect("ids are those of commands");

        // Each command that may change the configuration has a place for what it leaves to those after it.
        let configs: Vec<_> = (0..transaction.config_changes)
            .map(|_| OnceCell::new())
            .collect();
        let config = self.instance.config.load();

        let needs = match transaction.needs_all {
            true => Needs::All,
            false => Needs::Keys,
        };
        let watched = client.watching.iter().flat_map(|watching| &watching.keys);
        (transaction.hashes).extend(watched.map(|key| hash::of(&key.name)));
        let keyspace = &self.instance.keyspace;
        let Some(locked) = locks::lock(keyspace, needs, &transaction.hashes) else {
            let busy = self.instance.busy.error().into();
            return Err(refused(client, keyspace, Some(exec), busy));
        };
        let watching = *client.watching.take().unwrap_or_default();
        let mut db = self.db(client, locked, transaction.writes);
        let broken = is_broken(&mut db, &watching);
        let mut reply = Reply::bounded(out, client.version, client.reply_room);
        if transaction.refused {
            return Err(Error::text(
                "EXECABORT Transaction discarded because of previous errors.",
            ));
        }
        if broken {
            reply.null_array();
            return Ok(());
        }
        reply.array(transaction.len());
        let mut configs = configs.iter();
        let mut call = Call {
            request,
            reply,
            db,
            time: self.time,
            client,
            instance: self.instance,
            config: &config,
            stats: self.stats,
            command: exec,
            patience: Patience::Hurries,
            hashes: KeyHashes::UNKNOWN,
        };
        let (is_propagated, before_all) = (call.is_propagated(), call.changes());
        for (command, request, hashes) in transaction.iter() {
            let entry = entry_of(command);
            call.request = request;
            call.command = entry;
            call.hashes = KeyHashes::of(entry, hashes);
            let start = call.reply.buffered();
            let before = call.changes();
            let outcome = (entry.row.run)(&mut call);
            if is_propagated {
                call.propagate(before);
            }
            monitor::show(self.instance, call.client, entry.row, call.request);
            call.remember();
            call.db.index = call.client.database;
            call.db.touch = !call.client.no_touch;
            if may_change_config(entry)
                && let Some(place) = configs.next()
            {
                call.config = place.get_or_init(|| self.instance.config.load());
                self.config = self.instance.config.load();
            }
            self.account(
                call.client,
                entry,
                call.request,
                &mut call.reply,
                start,
                &outcome,
            );
        }
        if is_propagated {
            call.submit(before_all);
        }
        call.invalidate();
        call.send_messages();
        drop(call);
        client.emptied_transaction = transaction.emptied();
        Ok(())
    }
}

/// Takes the watches off and tells whether a watched key has changed or died.
fn is_broken(db: &mut Db<'_>, watching: &Watching) -> bool {
    let mut broken = false;
    for watched in &watching.keys {
        let key = Key::new(&watched.name);
        let was_dead = db.locked.shard(key).observers.remove(|observers| {
            observers
                .watches
                .remove(watched.database, key.bytes, &watching.touched)
        });
        let was_dead = was_dead.unwrap_or(false);
        broken |= !was_dead && db.within(watched.database, |db| db.is_dead(key));
    }
    broken || watching.touched.is_raised()
}
