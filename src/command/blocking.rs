//! Blocking calls: how one begins to wait, how it is served, and how else it ends.
//!
//! A call that finds nothing to take joins the lines of its keys under the very locks under which it looked
//! ([`keyspace::waiters`](crate::keyspace::waiters)), and its connection runs nothing else until it is answered. Whoever fills one of the
//! keys serves the line once its command, transaction or script is over: it runs the same function of the same row once more, in
//! the name of the one who has waited longest, on that key alone.
//!
//! First come, first served holds across all workers: a call that finds something where others wait already - it was pushed a
//! moment ago and they are about to be served - takes nothing, but joins them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::oneshot;

use super::call::KeyHashes;
use super::dispatch::{Batch, Flow};
use super::instance::unix_millis;
use super::locks::Hashes;
use super::{Call, Error, Group, script, wait};
use crate::clients::{Answer, Client, Handle, Until, Wait, Waiting, socket};
use crate::keyspace::waiters::{Waiter, Wanted};
use crate::keyspace::{Db, Key};
use crate::protocol::{OwnedRequest, Reply, number};

/// Whether a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience<'a> {
    /// It may.
    Waits,
    /// It may, and others have come before it.
    Queues,
    /// It may not: it is part of something larger, and finds its time over at once.
    Hurries,
    /// The same, and a script called it.
    Scripted,
    /// It has waited, and takes from this key.
    Served(&'a [u8]),
}

/// So many are told directly that one command has served. The others of the worker are not to wait while a long line is told.
const TOLD_AT_ONCE: usize = 64;

/// A call that was served, and what its client is to be told.
struct Served {
    waiting: Box<Waiting>,
    handle: Arc<Handle>,
    reply: Vec<u8>,
    /// The position in the journal behind what that changed.
    written: u64,
}

/// What a waiting call takes for each key that it waits for beside the key's name, in bytes, about.
const LINE: usize = 150;

impl<'a> Call<'a> {
    /// Whether it is part of a transaction or a script: it must not wait, and what it sends to others leaves when that ends.
    pub fn is_nested(&self) -> bool {
        matches!(self.patience, Patience::Hurries | Patience::Scripted)
    }

    /// An argument as the time to wait at most, in seconds; answers milliseconds, and nothing for no limit.
    ///
    /// # Errors
    /// When it is no number, negative, or not to be represented.
    pub(super) fn patience_in_seconds(&self, place: usize) -> Result<Option<u64>, Error> {
        let seconds = number::parse_f64_saturating(self.arg(place)).ok_or(Error::NotTimeout)?;
        let millis = seconds * 1000.0;
        if millis > i64::MAX as f64 {
            return Err(Error::text("ERR timeout is out of range"));
        }
        self.patience(millis.ceil() as i64)
    }

    /// As [`Call::patience_in_seconds`], in whole milliseconds.
    ///
    /// # Errors
    /// When it is no integer, negative, or not to be represented.
    pub(super) fn patience_in_millis(&self, place: usize) -> Result<Option<u64>, Error> {
        let millis = number::parse_i64(self.arg(place));
        self.patience(
            millis.ok_or_else(|| Error::text("ERR timeout is not an integer or out of range"))?,
        )
    }

    fn patience(&self, millis: i64) -> Result<Option<u64>, Error> {
        let millis = u64::try_from(millis).map_err(|_| Error::text("ERR timeout is negative"))?;
        if millis > (i64::MAX as u64).saturating_sub(self.time) {
            return Err(Error::text("ERR timeout is out of range"));
        }
        Ok(Some(millis).filter(|&millis| millis > 0))
    }

    /// Whether the call may take from this key what it wants, should it be there: not if others wait for it.
    #[inline]
    pub(super) fn is_turn(&mut self, key: Key<'_>, wanted: Wanted) -> bool {
        match self.patience {
            Patience::Hurries | Patience::Scripted => true,
            Patience::Served(from) => from == key.bytes,
            Patience::Queues => false,
            Patience::Waits => {
                let index = self.db.index;
                let observers = &self.db.locked.shard(key).observers;
                let Some(observers) = observers.get() else {
                    return true;
                };
                let others = observers.waiters.first(index, key.bytes, wanted);
                if others.is_some() && holds(&mut self.db, key, wanted) {
                    self.patience = Patience::Queues;
                    return false;
                }
                true
            }
        }
    }

    /// There is nothing to take: lets the client wait for it to appear under one of the keys at these arguments, for so many
    /// milliseconds at most. If it may not wait, answers whether that is so, and the caller answers that there was nothing.
    #[must_use]
    pub(super) fn waits_for(
        &mut self,
        wanted: Wanted,
        keys: Range<usize>,
        most: Option<u64>,
    ) -> bool {
        let queues = self.patience == Patience::Queues;
        let waits = self.waits(Some((wanted, keys.clone())), most, None);
        if queues {
            // Whoever filled these keys knows of the others only.
            for place in keys {
                let key = self.key(place);
                if holds(&mut self.db, key, wanted) {
                    self.stats.effects.ready.note(self.db.index, key.bytes);
                }
            }
        }
        waits
    }

    /// Lets the client wait, for something wanted under keys or for something else; answers whether it may.
    pub(super) fn waits(
        &mut self,
        wanted: Option<(Wanted, Range<usize>)>,
        most: Option<u64>,
        until: Option<Until>,
    ) -> bool {
        if !matches!(self.patience, Patience::Waits | Patience::Queues) {
            return false;
        }
        let mut hashes = Hashes::new();
        self.command.needs(self.request, &mut hashes);
        let request = OwnedRequest::from(self.request);
        let keys = wanted.as_ref().map_or(0, |(_, keys)| keys.len());
        let memory = 2 * request.allocated() + keys * LINE + size_of::<Waiting>();
        let ticket = self.instance.keyspace.waitroom.ticket();
        let (sender, receiver) = oneshot::channel();
        let waiting = Box::new(Waiting {
            ticket,
            database: self.db.index,
            version: self.client.version,
            command: self.command.id,
            request,
            wanted,
            hashes: hashes.iter().copied().collect(),
            has_deadline: most.is_some(),
            answer: Some(sender),
            loan: None,
        });
        waiting.join(self.client.id, &mut self.db.locked);
        self.client.handle.wait(waiting);
        self.client.wait = Some(Box::new(Wait {
            ticket,
            most,
            until,
            memory,
            answer: receiver,
        }));
        true
    }
}

/// Whether a key holds what is wanted.
fn holds(db: &mut Db<'_>, key: Key<'_>, wanted: Wanted) -> bool {
    let entry = db.peek(key);
    entry.is_some_and(|entry| Wanted::of(entry.value()) == Some(wanted))
}

impl Batch<'_> {
    /// Serves those who wait for keys that were filled since the last time; no shard may be locked. What is given to them may fill
    /// other keys, and they are served from these, too.
    #[cold]
    pub fn serve_waiting(&mut self) {
        // All are told in the end: until then what they are given may make others ready, whose turn is before their next commands.
        let mut served: Vec<Served> = Vec::new();
        // What was filled may have died while the command went on.
        let began = std::mem::replace(&mut self.moment.now, unix_millis());
        while let Some(ready) = self.stats.effects.ready.next() {
            let (database, key) = (ready.0, Key::new(&ready.1));
            while let Some(waiter) = self.longest_waiting(database, key) {
                served.extend(self.serve(database, key, waiter));
            }
        }
        self.moment.now = began;
        for (number, served) in served.into_iter().enumerate() {
            self.tell(served, number < TOLD_AT_ONCE);
        }
        // What took place here is not the time of the next command.
        self.tick = self.instance.telemetry.clock.raw();
    }

    /// Who has waited longest for what the key holds.
    fn longest_waiting(&self, database: usize, key: Key<'_>) -> Option<Waiter> {
        let locked = self.instance.keyspace.lock_one(key.hash);
        let mut db = Db::new(locked, database, self.moment, &self.stats.effects);
        first(&mut db, key)
    }

    /// Serves this one from the key, if that still is as it was found and nobody has answered it meanwhile.
    fn serve(&mut self, database: usize, key: Key<'_>, waiter: Waiter) -> Option<Served> {
        let instance = self.instance;
        let keyspace = &instance.keyspace;
        let handle = instance.clients.get(waiter.client);
        let found = handle.and_then(|handle| Some((handle.awaits(waiter.ticket)?, handle)));
        let Some((hashes, handle)) = found else {
            // Whoever answered it will take it out of all its lines.
            let mut locked = keyspace.lock_one(key.hash);
            locked.leave_line(database, key, waiter.ticket);
            return None;
        };
        let mut client = stand_in(handle, database);
        // Outlives the locks under which it is served.
        let waiting;
        let mut db = self.db(&client, keyspace.lock_many(hashes.into_iter()), true);
        if first(&mut db, key) != Some(waiter) {
            return None;
        }
        waiting = match client.handle.claim(Some(waiter.ticket)) {
            Some(waiting) => waiting,
            None => {
                db.locked.leave_line(database, key, waiter.ticket);
                return None;
            }
        };
        waiting.leave(&mut db.locked);
        client.version = waiting.version;
        let Some(entry) = instance.commands.by_id(waiting.command) else {
            unreachable!("ids are those of commands");
        };
        self.tick = instance.telemetry.clock.raw();
        let mut out = Vec::new();
        let patience = Patience::Served(key.bytes);
        let request = waiting.request.as_request();
        let hashes = KeyHashes::UNKNOWN;
        let invalidations = &self.stats.effects.invalidations;
        let author = invalidations.act_for(client.id);
        let outcome = self.run_locked(&mut client, entry, request, hashes, db, patience, &mut out);
        invalidations.act_for(author);
        let mut reply = Reply::new(&mut out, waiting.version);
        self.account(&client, entry, request, &mut reply, 0, &outcome);
        out.append(&mut client.pushes);
        Some(Served {
            waiting,
            handle: client.handle,
            reply: out,
            written: client.written,
        })
    }

    /// Tells one that it was served: directly, if that may be and does not overtake anything, and by its connection otherwise.
    fn tell(&self, served: Served, directly: bool) {
        let Served {
            waiting,
            handle,
            mut reply,
            written,
        } = served;
        if directly
            && waiting.loan.is_some()
            && self.instance.clients.traffic.is_none()
            && !self.instance.journal.is_unsettled(written)
        {
            // A peer that has gone is its connection's business.
            let sent = socket::write(handle.descriptor, &reply).unwrap_or(0);
            self.stats.writes.add(1);
            self.stats.bytes_out.add(sent as u64);
            reply.drain(..sent);
            handle.is_plain.store(reply.is_empty(), Relaxed);
        }
        waiting.served(reply, written);
    }

    /// Puts the answer to the client's call that waited into its place among the replies.
    pub fn answer(&mut self, client: &mut Client, answer: Answer, out: &mut Vec<u8>) -> Flow {
        let start = out.len();
        let waiting = match answer {
            Answer::Served { reply, written } => {
                out.extend_from_slice(&reply);
                client.written = client.written.max(written);
                return self.finish(client, start, out, false);
            }
            Answer::TimedOut(waiting) => {
                waiting.leave_all(&self.instance.keyspace);
                Ok(waiting)
            }
            Answer::GivenUp(waiting) => {
                waiting.leave_all(&self.instance.keyspace);
                Err(waiting)
            }
        };
        let (Ok(waited) | Err(waited)) = &waiting;
        let Some(entry) = self.instance.commands.by_id(waited.command) else {
            unreachable!("ids are those of commands");
        };
        self.tick = self.instance.telemetry.clock.raw();
        let mut reply = Reply::new(out, client.version);
        let outcome = match &waiting {
            Err(_) => Err(Error::text("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
            Ok(waiting) if waiting.wanted.is_some() => {
                reply.null_array();
                Ok(())
            }
            Ok(_) if entry.row.group == Group::Scripting => {
                script::kill::act(self.instance, entry, &mut reply)
            }
            Ok(waiting) => {
                let request = waiting.request.as_request();
                wait::time_is_over(self.instance, client, entry.row, request, &mut reply)
            }
        };
        let request = waited.request.as_request();
        self.account(client, entry, request, &mut reply, start, &outcome);
        self.finish(client, start, out, false)
    }
}

/// Who has waited longest for what a key holds, as far as its shard is held.
fn first(db: &mut Db<'_>, key: Key<'_>) -> Option<Waiter> {
    let wanted = Wanted::of(db.peek(key)?.value())?;
    let observers = db.locked.shard(key).observers.get()?;
    observers.waiters.first(db.index, key.bytes, wanted)
}

/// Somebody in whose name a call runs while its own worker does something else.
fn stand_in(handle: Arc<Handle>, database: usize) -> Client {
    let mut client = Client::new(handle, true);
    client.database = database;
    client
}
