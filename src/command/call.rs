//! One call of a command: its arguments, its locked keys, its reply, and who asked.

use super::blocking::Patience;
use super::error::Error;
use super::instance::Instance;
use super::locks::Locks;
use super::registry::Entry as CommandEntry;
use crate::clients::Client;
use crate::config::Config;
use crate::keyspace::{Db, Key};
use crate::protocol::{Reply, Request, number};
use crate::telemetry::WorkerStats;

/// What a command's function sees.
pub struct Call<'a> {
    /// The arguments, the command's name at 0.
    pub request: Request<'a>,
    /// Where the reply goes; exactly one reply, unless the call ends with an error.
    pub reply: Reply<'a>,
    /// The client's database, through the shards of the keys that the row names.
    pub db: Db<'a>,
    /// The time that deadlines count from, in milliseconds since the epoch; whether they have passed, the database's own time tells.
    pub time: u64,
    /// Who asked.
    pub client: &'a mut Client,
    /// What all connections share.
    pub instance: &'a Instance,
    /// The configuration.
    pub config: &'a Config,
    /// The counters of this worker.
    pub stats: &'a WorkerStats,
    /// The command, found by name.
    pub command: &'a CommandEntry,
    /// Whether the call may wait for what it does not find.
    pub patience: Patience<'a>,
    /// Hashes of the keys, in the order in which the row's first specification finds them.
    pub(super) hashes: KeyHashes<'a>,
}

/// Hashes computed before the locks were taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyHashes<'a> {
    pub first: usize,
    pub step: usize,
    pub hashes: &'a [u64],
}

impl<'a> KeyHashes<'a> {
    /// No hash is known.
    pub const UNKNOWN: KeyHashes<'static> = KeyHashes {
        first: 0,
        step: 1,
        hashes: &[],
    };

    /// The hashes that a command was told to [need](CommandEntry::needs).
    #[inline]
    pub fn of(command: &CommandEntry, hashes: &'a [u64]) -> KeyHashes<'a> {
        let (first, step) = match command.locks {
            Locks::One(first) => (first, 1),
            Locks::Range { first, step, .. } => (first, step),
            _ => return KeyHashes::UNKNOWN,
        };
        KeyHashes {
            first,
            step,
            hashes,
        }
    }
}

impl<'a> Call<'a> {
    /// How many arguments there are, the command's name among them.
    #[inline]
    pub fn len(&self) -> usize {
        self.request.len()
    }

    /// Whether there are no arguments; never true for a call.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An argument; 0 is the command's name. The row's arity says which exist.
    #[inline]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.request.arg(index)
    }

    /// The arguments from `index` on.
    pub fn args_from(&self, index: usize) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let request = self.request;
        (index..request.len()).map(move |i| request.arg(i))
    }

    /// The key at an argument, with its hash.
    #[inline]
    pub fn key(&self, index: usize) -> Key<'a> {
        let bytes = self.arg(index);
        let KeyHashes {
            first,
            step,
            hashes,
        } = self.hashes;
        let place = index.wrapping_sub(first);
        if place == 0 && !hashes.is_empty() {
            return Key {
                bytes,
                hash: hashes[0],
            };
        }
        match hashes.get(place / step) {
            Some(&hash) if place.is_multiple_of(step) => Key { bytes, hash },
            _ => Key::new(bytes),
        }
    }

    /// Sends what has gathered for those who subscribed. To be called when all of a command, transaction or script has run, while its
    /// shards are held.
    #[inline]
    pub(super) fn send_messages(&mut self) {
        let outbox = &self.stats.effects.outbox;
        if outbox.is_filled() {
            outbox.send();
            self.client.has_published = true;
        }
    }

    /// An argument as a 64-bit integer.
    pub fn int(&self, index: usize) -> Result<i64, Error> {
        number::parse_i64(self.arg(index)).ok_or(Error::NotInteger)
    }

    /// An argument as a 32-bit integer.
    pub fn int32(&self, index: usize) -> Result<i32, Error> {
        i32::try_from(self.int(index)?).map_err(|_| Error::NotInteger32)
    }

    /// An argument as how many of something are wanted.
    pub fn count(&self, index: usize) -> Result<usize, Error> {
        let count = self.int(index).ok();
        count
            .and_then(|count| usize::try_from(count).ok())
            .ok_or(Error::NotCount)
    }

    /// An argument as the number of a database.
    pub fn database(&self, index: usize) -> Result<usize, Error> {
        let number = usize::try_from(self.int32(index)?).ok();
        number
            .filter(|&number| number < self.instance.keyspace.databases())
            .ok_or(Error::DatabaseIndex)
    }

    /// Whether an argument is this word, in any case.
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(word.as_bytes())
    }
}
