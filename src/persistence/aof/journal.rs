//! The journal: where changes wait on their way to the append-only file.
//!
//! Whoever changes keys appends the commands that make the change again while the keys' shards are still locked, so the journal's
//! order is that of the changes, for every key and for every command with several. What happens under these locks is a copy into
//! memory under one more, the innermost; a thread of its own takes the buffer from there and deals with the disk.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::keyspace::propagation::Sink;

/// Changes that wait to be written.
#[derive(Debug, Default)]
pub struct Journal {
    is_on: AtomicBool,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// The database that the commands appended next would run in, once that is said.
    database: Option<usize>,
    /// The position behind `bytes`.
    end: u64,
}

impl Journal {
    /// Whether changes are written down at all. Whoever holds a shard locked may rely on the answer until the lock is gone.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Turns it on or off. Every shard must be locked, so that no change is written down by half.
    pub fn set_on(&self, is_on: bool) {
        let mut pending = self.pending.lock();
        pending.database = None;
        self.is_on.store(is_on, Relaxed);
    }

    /// Adds whole commands, in the encoding in which clients send them, that run in a database. The shards of the changed keys must
    /// be locked. Answers the position behind them, in bytes since the start of the server.
    pub fn append(&self, database: usize, commands: &[u8]) -> u64 {
        let mut pending = self.pending.lock();
        if pending.database != Some(database) {
            pending.select(database);
        }
        pending.push(commands);
        pending.end
    }

    /// Takes what waits.
    #[cfg(test)]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.pending.lock().bytes)
    }
}

impl Sink for Journal {
    #[inline]
    fn is_on(&self) -> bool {
        self.is_on()
    }

    fn append(&self, database: usize, commands: &[u8]) -> u64 {
        self.append(database, commands)
    }
}

impl Pending {
    #[cold]
    fn select(&mut self, database: usize) {
        let number = database.to_string();
        let command = format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n", number.len());
        self.push(command.as_bytes());
        self.database = Some(database);
    }

    #[inline]
    fn push(&mut self, commands: &[u8]) {
        self.bytes.extend_from_slice(commands);
        self.end += commands.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_said_when_it_changes() {
        let journal = Journal::default();
        let ping = b"*1\r\n$4\r\nPING\r\n";
        let select = |number: usize| {
            let digits = number.to_string();
            format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{digits}\r\n", digits.len()).into_bytes()
        };
        let first = journal.append(0, ping);
        journal.append(0, ping);
        let last = journal.append(12, ping);
        assert_eq!(first, 37);
        let expected = [&select(0)[..], ping, ping, &select(12), ping].concat();
        assert_eq!(last, expected.len() as u64);
        assert_eq!(journal.take(), expected);
        journal.set_on(true);
        assert!(journal.is_on());
        journal.append(12, ping);
        assert_eq!(journal.take(), [&select(12)[..], ping].concat());
    }
}
