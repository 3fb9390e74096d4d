//! Propagation: what was done to the keyspace, as commands that do the same to another one.
//!
//! The commands of one worker gather in a draft while the shards that they changed are locked. Before these are let go the draft goes
//! to the sink in one piece, as a transaction if it is more than one command: so the sink takes changes to any key in the order in
//! which they were made, and never half of what belongs together. The draft's buffer is used again and again.
//!
//! Most commands are repeated as they came. One whose outcome the arguments and the data do not determine says by its [`Scribe`] what
//! to repeat instead, where it announces its effects. Keys and fields whose time is over, and keys that make room, are removed by
//! whoever meets them; that is a command of its own, in front of the one that met them.
//!
//! While a log is repeated nothing dies of itself: what was alive then must be found alive, however long ago that was.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};

use crate::types::string::{Decimal, StringRef};

/// A buffer that a giant command made larger than this is given back.
const MAX_KEPT: usize = 1 << 20;

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Who wants to know how to repeat changes: the journal of the append-only file.
pub trait Sink: Debug + Send + Sync {
    /// Whether it wants to know now. The answer changes only while every shard is locked.
    fn is_on(&self) -> bool;

    /// Takes whole commands, in the encoding in which clients send them, that run in a database and leave it selected. The shards of
    /// the keys that they change are locked. Answers the position behind them.
    fn append(&self, database: usize, commands: &[u8]) -> u64;
}

/// How far a draft had come.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bytes: usize,
    commands: usize,
    first: usize,
    database: usize,
}

/// How the changes that one worker makes leave the keyspace.
#[derive(Debug, Default)]
pub struct Propagation {
    sink: OnceLock<Arc<dyn Sink>>,
    draft: Mutex<Draft>,
}

#[derive(Debug, Default)]
struct Draft {
    bytes: Vec<u8>,
    commands: usize,
    /// The database of the first command.
    first: usize,
    /// The database of the last command.
    database: usize,
    /// Words that the last command lacks.
    missing: usize,
    /// Whether the command that runs has said what to repeat instead of it.
    is_spoken_for: bool,
    /// Whether it is to be repeated even if it changes nothing.
    is_insisted_on: bool,
}

impl Propagation {
    /// Names the sink, once.
    pub fn attach(&self, sink: Arc<dyn Sink>) {
        let attached = self.sink.set(sink);
        debug_assert!(attached.is_ok(), "there is one sink");
    }

    /// Whether anybody wants to know. Whoever holds a shard locked may rely on the answer until the lock is gone.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.sink.get().is_some_and(|sink| sink.is_on())
    }

    /// Has the command that runs repeated even if it changes nothing.
    pub fn insist(&self) {
        if self.is_on() {
            self.draft.lock().is_insisted_on = true;
        }
    }

    /// Adds the command that just ran, if it changed something and nothing else is to be repeated instead.
    #[inline]
    pub fn add<'a>(
        &self,
        database: usize,
        changed: bool,
        words: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        let mut draft = self.draft.lock();
        if (changed || draft.is_insisted_on) && !draft.is_spoken_for {
            draft.begin(database, words.len());
            words.for_each(|word| draft.word(word));
        }
        (draft.is_spoken_for, draft.is_insisted_on) = (false, false);
    }

    /// Hands over what gathered since the last time, if anything, and answers the sink's position behind it. What it changed must
    /// still be locked.
    #[inline]
    pub fn submit(&self) -> Option<u64> {
        let sink = self.sink.get().filter(|sink| sink.is_on())?;
        let mut draft = self.draft.lock();
        if draft.commands == 0 {
            return None;
        }
        let database = draft.first;
        let position = sink.append(database, draft.finish());
        draft.clear();
        Some(position)
    }

    /// How far the draft has come.
    pub fn mark(&self) -> Mark {
        let draft = self.draft.lock();
        Mark {
            bytes: draft.bytes.len(),
            commands: draft.commands,
            first: draft.first,
            database: draft.database,
        }
    }

    /// Forgets what was drafted since then.
    pub fn rewind(&self, mark: Mark) {
        let mut draft = self.draft.lock();
        draft.bytes.truncate(mark.bytes);
        draft.commands = mark.commands;
        draft.first = mark.first;
        draft.database = mark.database;
        (draft.is_spoken_for, draft.is_insisted_on) = (false, false);
    }

    fn command(&self, database: usize, words: usize) -> MutexGuard<'_, Draft> {
        let mut draft = self.draft.lock();
        draft.begin(database, words);
        draft
    }
}

impl Draft {
    fn begin(&mut self, database: usize, words: usize) {
        debug_assert_eq!(self.missing, 0, "a command lacks words");
        if self.commands == 0 {
            // Left out of what is submitted, should it stay at one command.
            self.bytes.extend_from_slice(MULTI);
            self.first = database;
            self.database = database;
        } else {
            self.select(database);
        }
        self.commands += 1;
        self.missing = words;
        self.number(b'*', words);
    }

    fn select(&mut self, database: usize) {
        if self.database != database {
            self.database = database;
            self.missing = 2;
            self.number(b'*', 2);
            self.word(b"SELECT");
            self.word(itoa::Buffer::new().format(database).as_bytes());
        }
    }

    #[inline]
    fn number(&mut self, sigil: u8, number: usize) {
        self.bytes.push(sigil);
        let mut room = itoa::Buffer::new();
        self.bytes.extend_from_slice(room.format(number).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn word(&mut self, word: &[u8]) {
        debug_assert!(self.missing > 0, "a command has words too many");
        self.missing -= 1;
        self.number(b'$', word.len());
        self.bytes.extend_from_slice(word);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// The commands as they are submitted.
    fn finish(&mut self) -> &[u8] {
        debug_assert_eq!(self.missing, 0, "a command lacks words");
        if self.commands == 1 {
            return &self.bytes[MULTI.len()..];
        }
        self.select(self.first);
        self.bytes.extend_from_slice(EXEC);
        &self.bytes
    }

    fn clear(&mut self) {
        self.commands = 0;
        self.bytes.clear();
        if self.bytes.capacity() > MAX_KEPT {
            self.bytes = Vec::new();
        }
    }
}

/// Writes down how to repeat what is done in one database.
#[derive(Clone, Copy, Debug)]
pub struct Scribe<'a> {
    propagation: &'a Propagation,
    database: usize,
}

impl<'a> Scribe<'a> {
    /// One for changes in `database`.
    pub(super) fn new(propagation: &'a Propagation, database: usize) -> Scribe<'a> {
        Scribe {
            propagation,
            database,
        }
    }

    /// Whether anybody wants to know.
    pub fn is_on(self) -> bool {
        self.propagation.is_on()
    }

    /// Somebody met a key that is dead or has to make room, and removed it.
    pub fn key_went(self, key: &[u8]) {
        self.also(&[b"DEL", key]);
    }

    /// Somebody met a field that is dead, and removed it.
    pub fn field_went(self, key: &[u8], field: &[u8]) {
        self.also(&[b"HDEL", key, field]);
    }

    /// Adds a command, and leaves it open whether the one that runs is repeated, too.
    fn also(self, words: &[&[u8]]) {
        if self.is_on() {
            let mut draft = self.propagation.command(self.database, words.len());
            words.iter().for_each(|word| draft.word(word));
        }
    }

    /// Adds a command that is repeated instead of the one that runs. May be called more than once, for several commands.
    pub fn instead(self, words: &[&[u8]]) {
        if let Some(mut command) = self.instead_of(words.len()) {
            words.iter().for_each(|word| command.word(word));
        }
    }

    /// Adds, instead of the command that runs, that it removes a key.
    pub fn removes(self, key: &[u8]) {
        self.instead(&[b"DEL", key]);
    }

    /// Adds, instead of the command that runs, that it sets the deadline of a key, in milliseconds since the epoch.
    pub fn sets_deadline(self, key: &[u8], deadline: u64) {
        let mut room = itoa::Buffer::new();
        self.instead(&[b"PEXPIREAT", key, room.format(deadline).as_bytes()]);
    }

    /// As [`Scribe::instead`], for a command of so many words, which follow one by one; `None` if nobody wants to know. Until all
    /// have followed, no key may be looked up.
    pub fn instead_of(self, words: usize) -> Option<Words<'a>> {
        self.is_on().then(|| {
            let mut draft = self.propagation.command(self.database, words);
            draft.is_spoken_for = true;
            Words(draft)
        })
    }
}

/// A command that is written down word by word.
#[derive(Debug)]
pub struct Words<'a>(MutexGuard<'a, Draft>);

impl Words<'_> {
    /// Adds a word.
    pub fn word(&mut self, word: &[u8]) {
        self.0.word(word);
    }

    /// Adds words.
    pub fn words<'w>(&mut self, words: impl Iterator<Item = &'w [u8]>) {
        words.for_each(|word| self.word(word));
    }

    /// Adds a number as a word.
    pub fn number(&mut self, number: u64) {
        self.word(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Adds a string value as a word.
    pub fn string(&mut self, value: StringRef<'_>) {
        self.0.word(value.bytes(&mut Decimal::default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Taken(Mutex<Vec<(usize, String)>>);

    impl Sink for Taken {
        fn is_on(&self) -> bool {
            true
        }

        fn append(&self, database: usize, commands: &[u8]) -> u64 {
            let text = String::from_utf8(commands.to_vec()).expect("text");
            // Words only, for the eye.
            let words = text.split("\r\n").filter(|part| !part.starts_with('$'));
            let mut taken = self.0.lock();
            taken.push((database, words.collect::<Vec<_>>().join(" ")));
            taken.len() as u64
        }
    }

    fn run(act: impl FnOnce(&Propagation)) -> Vec<(usize, String)> {
        let sink = Arc::new(Taken::default());
        let propagation = Propagation::default();
        propagation.attach(sink.clone());
        act(&propagation);
        std::mem::take(&mut *sink.0.lock())
    }

    fn words(text: &str) -> impl ExactSizeIterator<Item = &[u8]> {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        words.into_iter()
    }

    #[test]
    fn one_command_is_submitted_as_it_is_and_several_as_a_transaction() {
        let taken = run(|log| {
            log.submit();
            log.add(3, true, words("SET a 1"));
            log.submit();
            log.add(3, false, words("SETNX a 1"));
            log.submit();
            log.add(3, true, words("SET a 1"));
            log.add(3, true, words("DEL a"));
            log.submit();
            log.insist();
            log.add(3, false, words("FLUSHDB"));
            log.add(3, false, words("GET a"));
            log.submit();
        });
        let expected = [
            (3, "*3 SET a 1 ".to_owned()),
            (3, "*1 MULTI *3 SET a 1 *2 DEL a *1 EXEC ".to_owned()),
            (3, "*1 FLUSHDB ".to_owned()),
        ];
        assert_eq!(taken, expected);
    }

    #[test]
    fn what_is_said_instead_takes_the_place_of_one_command_only() {
        let taken = run(|log| {
            Scribe::new(log, 0).key_went(b"dead");
            Scribe::new(log, 0).instead(&[b"SREM", b"s", b"1"]);
            log.add(0, true, words("SPOP s"));
            log.add(0, true, words("INCR n"));
            log.submit();
            let command = Scribe::new(log, 0).instead_of(2);
            let mut command = command.expect("the sink is on");
            command.word(b"DEL");
            command.string(StringRef::Int(-7));
            drop(command);
            log.add(0, false, words("GETDEL -7"));
            log.submit();
        });
        let transaction = "*1 MULTI *2 DEL dead *3 SREM s 1 *2 INCR n *1 EXEC ".to_owned();
        assert_eq!(taken, [(0, transaction), (0, "*2 DEL -7 ".to_owned())]);
    }

    #[test]
    fn a_transaction_selects_its_databases_and_returns_to_the_first() {
        let taken = run(|log| {
            log.add(5, true, words("INCR n"));
            log.add(0, true, words("INCR n"));
            log.add(0, true, words("INCR n"));
            log.submit();
        });
        let transaction = "*1 MULTI *2 INCR n *2 SELECT 0 *2 INCR n *2 INCR n *2 SELECT 5 *1 EXEC ";
        assert_eq!(taken, [(5, transaction.to_owned())]);
    }
}
