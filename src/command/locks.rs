//! Which shards are locked while a command runs: worked out once from its row, and completed from each request.

use smallvec::SmallVec;

use super::keyspec::{Begin, Find};
use super::registry::Entry;
use super::{Command, Flags, Group, KeyFlags};
use crate::keyspace::{Keyspace, Locked};
use crate::protocol::Request;
use crate::table::hash;

/// Which shards are locked while a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// None.
    Nothing,
    /// That of the key at this argument.
    One(usize),
    /// Those of all keys in this range of arguments, the last counted from the end if negative.
    Range {
        /// The first key.
        first: usize,
        /// The last key.
        last: i32,
        /// Distance between keys.
        step: usize,
    },
    /// Those of the keys that are found by looking at the arguments.
    Found,
    /// Those that the commands queued since MULTI need.
    Queued,
    /// All.
    All,
}

impl Locks {
    /// Those of a command.
    pub fn of(row: &Command) -> Locks {
        if row.flags.contains(Flags::EXCLUSIVE) {
            return Locks::All;
        }
        if row.flags.contains(Flags::RUNS_QUEUE) {
            return Locks::Queued;
        }
        if row.find_keys.is_some() {
            return Locks::Found;
        }
        if row
            .keys
            .iter()
            .all(|spec| spec.flags.contains(KeyFlags::NOT_KEY))
        {
            return Locks::Nothing;
        }
        match row.keys {
            [spec] => match (spec.begin, spec.find) {
                (Begin::Index(first), Find::Range { last: 0, .. }) => Locks::One(first),
                (Begin::Index(first), Find::Range { last, step }) => {
                    let last = if last > 0 { first as i32 + last } else { last };
                    Locks::Range { first, last, step }
                }
                _ => Locks::Found,
            },
            _ => Locks::Found,
        }
    }
}

/// The hashes of keys, most often few.
pub type Hashes = SmallVec<[u64; 16]>;

/// What one request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The shards of the keys whose hashes were told; none if there are none.
    Keys,
    /// Every shard.
    All,
}

impl Entry {
    /// Tells what a request needs and appends the hashes of its keys, in the order in which [`Locks::Range`] has them.
    pub fn needs(&self, request: Request<'_>, hashes: &mut Hashes) -> Needs {
        match self.locks {
            Locks::Nothing | Locks::Queued => {}
            Locks::All => return Needs::All,
            Locks::One(place) => hashes.push(hash::of(request.arg(place))),
            Locks::Range { first, last, step } => {
                let end = if last < 0 {
                    request
                        .len()
                        .saturating_sub(last.unsigned_abs() as usize - 1)
                } else {
                    request.len().min(last as usize + 1)
                };
                let places = (first..end).step_by(step);
                hashes.extend(places.map(|place| hash::of(request.arg(place))));
            }
            Locks::Found => {
                if (self.row.touches_unnamed_keys)(request) {
                    return Needs::All;
                }
                // Arguments that contradict themselves name no keys; the command will refuse them.
                let keys = self.row.key_positions(request).unwrap_or_default();
                hashes.extend(keys.iter().map(|&(place, _)| hash::of(request.arg(place))));
            }
        }
        Needs::Keys
    }

    /// As [`Entry::needs`], for a command inside a transaction: there, one that looks at shards as it goes must find all
    /// of them locked.
    /// `known` is the hash of the key, where that was worked out for a command with one.
    pub fn needs_queued(
        &self,
        request: Request<'_>,
        known: Option<u64>,
        hashes: &mut Hashes,
    ) -> Needs {
        match self.locks {
            Locks::Nothing if self.looks_around() => Needs::All,
            // A script that touches what it does not name could not start over there.
            _ if self.row.flags.contains(Flags::RUNS_SCRIPT) => Needs::All,
            Locks::One(_) if let Some(hash) = known => {
                hashes.push(hash);
                Needs::Keys
            }
            _ => self.needs(request, hashes),
        }
    }

    /// Whether a command that names no keys may look at shards.
    fn looks_around(&self) -> bool {
        let is_free = Flags::FAST.union(Flags::LOADING);
        let row = self.row;
        !matches!(row.group, Group::Connection | Group::PubSub)
            && (!row.flags.contains(is_free) || row.flags.contains(Flags::READONLY))
    }
}

/// Locks what was needed; `None` if a script is busy with some of it.
#[inline]
pub fn lock<'k>(keyspace: &'k Keyspace, needs: Needs, hashes: &[u64]) -> Option<Locked<'k>> {
    match (needs, hashes) {
        (Needs::All, _) => keyspace.lock_all_if_free(),
        (Needs::Keys, []) => Some(keyspace.lock_none()),
        (Needs::Keys, [hash]) => keyspace.lock_one_if_free(*hash),
        (Needs::Keys, hashes) => keyspace.lock_many_if_free(hashes.iter().copied()),
    }
}
