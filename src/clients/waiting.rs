//! Calls that wait: what a blocked client leaves with its handle, so that whoever fills a key can answer in its stead.
//!
//! The record is there for whoever takes it out first - the worker that serves the call, the connection whose time is over or that
//! ends, CLIENT UNBLOCK - and only that one answers. So a call is answered once, and no element is taken for a client that has gone.
//!
//! A connection that has nothing to send and nothing to go on with *lends* its socket with the record: who takes that out may write the
//! reply itself, and need not wake the connection, which learns of it when the client has sent something else.

use std::ops::Range;
use std::task::Waker;

use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::keyspace::waiters::{Waiter, Wanted};
use crate::keyspace::{Key, Keyspace, Locked};
use crate::protocol::{OwnedRequest, Version};

/// A call that waits, as others see it.
#[derive(Debug)]
pub struct Waiting {
    /// Its place in time: whoever waits for the same key and came later has a higher one.
    pub ticket: u64,
    /// The selected database.
    pub database: usize,
    /// The encoding of its reply.
    pub version: Version,
    /// The command, as [`Entry::id`](crate::command::registry::Entry).
    pub command: usize,
    /// Its arguments.
    pub request: OwnedRequest,
    /// What it waits for, and which of the arguments are the keys where that may appear; none for a call that waits for something else.
    pub wanted: Option<(Wanted, Range<usize>)>,
    /// The hashes of all keys that it names.
    pub hashes: Hashes,
    /// Whether it waits for a limited time.
    pub has_deadline: bool,
    /// Where the answer goes.
    pub answer: Option<oneshot::Sender<Answer>>,
    /// How to wake the connection, while it lends its socket.
    pub loan: Option<Waker>,
}

/// The hashes of a call's keys, most often one or two.
pub type Hashes = SmallVec<[u64; 2]>;

/// How a call that waited ends.
#[derive(Debug)]
pub enum Answer {
    /// It was served.
    Served {
        /// The reply, or what is left of it to be sent.
        reply: Vec<u8>,
        /// The position in the journal behind what that changed.
        written: u64,
    },
    /// Its time is over, or is said to be. It still stands in its lines.
    TimedOut(Box<Waiting>),
    /// It was told to give up. It still stands in its lines.
    GivenUp(Box<Waiting>),
}

/// A call that waits, as its own connection sees it.
#[derive(Debug)]
pub struct Wait {
    /// By which it is known.
    pub ticket: u64,
    /// How long it waits at most, in milliseconds.
    pub most: Option<u64>,
    /// What it waits for, if that is nothing under a key.
    pub until: Option<Until>,
    /// What it takes elsewhere, in bytes, about.
    pub memory: usize,
    /// Where the answer comes from.
    pub answer: oneshot::Receiver<Answer>,
}

/// What a call may wait for beside something under a key.
#[derive(Debug)]
pub enum Until {
    /// That the journal is on the disk up to this position.
    Synced(u64),
    /// That each of these scripts has ended, or one was declared.
    Settled(Vec<ScriptRun>),
}

/// A script that a worker runs.
#[derive(Debug)]
pub struct ScriptRun {
    /// The index of the worker.
    pub worker: usize,
    /// What its count of scripts says meanwhile.
    pub number: u64,
}

impl Waiting {
    /// Answers that it was served.
    pub fn served(mut self, reply: Vec<u8>, written: u64) {
        let borrowed = self.loan.take();
        let is_sent = reply.is_empty();
        if let Some(connection) = self.answer {
            // Should the connection have ended just now, it ended after it was served.
            let _ = connection.send(Answer::Served { reply, written });
        }
        if let Some(connection) = borrowed
            && !is_sent
        {
            connection.wake();
        }
    }

    /// Ends it in another way.
    pub fn end(mut self: Box<Self>, answer: fn(Box<Waiting>) -> Answer) {
        let borrowed = self.loan.take();
        if let Some(connection) = self.answer.take() {
            // The connection asks as long as it has not heard.
            let _ = connection.send(answer(self));
        }
        if let Some(connection) = borrowed {
            connection.wake();
        }
    }

    /// The keys where what it waits for may appear.
    fn awaited(&self) -> impl Iterator<Item = (Key<'_>, Wanted)> {
        let request = self.request.as_request();
        let awaited = self.wanted.iter();
        awaited.flat_map(move |(wanted, places)| {
            (places.clone()).map(move |place| (Key::new(request.arg(place)), *wanted))
        })
    }

    /// Joins the lines of its keys, whose shards are held.
    pub fn join(&self, client: u64, locked: &mut Locked<'_>) {
        let ticket = self.ticket;
        for (key, wanted) in self.awaited() {
            locked.join_line(self.database, key, wanted, Waiter { ticket, client });
        }
    }

    /// Leaves the lines of its keys, whose shards are held.
    pub fn leave(&self, locked: &mut Locked<'_>) {
        for (key, _) in self.awaited() {
            locked.leave_line(self.database, key, self.ticket);
        }
    }

    /// As [`Waiting::leave`], with no shard locked yet.
    pub fn leave_all(&self, keyspace: &Keyspace) {
        if self.wanted.is_some() {
            self.leave(&mut keyspace.lock_many(self.hashes.iter().copied()));
        }
    }
}
