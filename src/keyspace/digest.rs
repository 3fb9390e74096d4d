//! A digest of values and of whole databases, equal to that of a Redis server with the same data.
//!
//! Tests compare two servers, or one before and after a restart, by twenty bytes. What has no order (keys, members of
//! a set) is combined by exclusive or; what has one is chained. Dead keys do not count.

use std::fmt;

use sha1_smol::Sha1;

use super::db::is_dead;
use super::entry::{EntryRef, ValueRef};
use super::shard::Locked;
use crate::types::Object;
use crate::types::string::{Decimal, StringRef};

/// Twenty bytes that stand for data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds something whose place among other things does not matter.
    fn xor(&mut self, bytes: &[u8]) {
        for (sum, byte) in self.0.iter_mut().zip(Sha1::from(bytes).digest().bytes()) {
            *sum ^= byte;
        }
    }

    /// Adds something that comes after all that was added before.
    fn chain(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::from(self.0).digest().bytes();
    }

    /// Adds a value and whether it has a deadline.
    fn value(&mut self, entry: EntryRef<'_>) {
        /// How the wire format of replication numbers the types.
        const STRING: u32 = 0;
        let mut string = |value: StringRef<'_>| {
            self.chain(&STRING.to_be_bytes());
            self.chain(value.bytes(&mut Decimal::default()));
        };
        match entry.value() {
            ValueRef::Int(number) => string(StringRef::Int(number)),
            ValueRef::Inline(bytes) => string(StringRef::Bytes(bytes)),
            ValueRef::Object(Object::String(bytes)) => string(StringRef::Bytes(bytes)),
        }
        if entry.deadline().is_some() {
            self.xor(b"!!expire!!");
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The digest of a value, its key left out.
pub fn of_value(entry: EntryRef<'_>) -> Digest {
    let mut digest = Digest::default();
    digest.value(entry);
    digest
}

impl Locked<'_> {
    /// The digest of all keys that are alive at `now`. The exclusive section must be held. Reads all the data.
    pub fn digest(&mut self, now: u64) -> Digest {
        let mut all = Digest::default();
        for database in 0..self.keyspace().databases() {
            let tables = self.all().iter().filter_map(|shard| shard.table(database));
            let mut entries = tables
                .flat_map(|table| table.iter())
                .filter(|&entry| !is_dead(entry, now))
                .peekable();
            if entries.peek().is_none() {
                continue;
            }
            all.chain(&(database as u32).to_be_bytes());
            for entry in entries {
                let mut one = Digest::default();
                one.chain(entry.key());
                one.value(entry);
                all.xor(&one.0);
            }
        }
        all
    }
}
