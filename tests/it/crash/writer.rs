//! A client that writes numbered steps until its server dies, and remembers which were acknowledged.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use super::facts::{self, Change, Facts};
use crate::support::Client;
use crate::support::client::encode;

/// Strings of each writer; its first step sets them all.
const STRINGS: usize = 400;

/// Fields and members. Collections this large are written to snapshots in pieces.
const MEMBERS: usize = 1500;

/// Steps that are sent before a reply is read, at most.
const BATCH: usize = 8;

/// One client's keys, which nobody else writes.
pub struct Writer {
    /// Which client this is.
    pub number: usize,
    /// What its keys held when the server was last looked at.
    pub facts: Facts,
    /// How many steps were ever made. No number is used twice, so that what was lost cannot come back unnoticed.
    made: u64,
    choice: fastrand::Rng,
    /// Steps since the server was last looked at, the first ones of which are acknowledged.
    pub steps: Vec<Step>,
}

/// One command or transaction.
pub struct Step {
    commands: Vec<Vec<String>>,
    pub changes: Vec<Change>,
    /// When its reply was read.
    pub acknowledged: Option<Instant>,
}

impl Writer {
    pub fn new(number: usize, seed: u64) -> Writer {
        Writer {
            number,
            facts: Facts::new(),
            made: 0,
            choice: fastrand::Rng::with_seed(seed.wrapping_add(number as u64)),
            steps: Vec::new(),
        }
    }

    /// The database that it writes to.
    pub fn database(&self) -> usize {
        self.number % 2
    }

    /// What its keys begin with.
    pub fn prefix(&self) -> String {
        format!("w{}:", self.number)
    }

    /// Writes until the connection breaks. Tells `progress` how many steps are acknowledged.
    ///
    /// # Panics
    /// When a reply is an error.
    pub fn write(&mut self, address: SocketAddr, progress: &AtomicUsize) {
        // The server may be killed before any of this.
        let Ok(mut client) = Client::connect(address) else {
            return;
        };
        let Ok(selected) = client.try_call(&["SELECT", &self.database().to_string()]) else {
            return;
        };
        assert!(selected.is_ok(), "{selected:?}");
        let mut facts = self.facts.clone();
        while self.batch(&mut client, &mut facts, progress).is_ok() {}
    }

    fn batch(
        &mut self,
        client: &mut Client,
        facts: &mut Facts,
        progress: &AtomicUsize,
    ) -> io::Result<()> {
        let first = self.steps.len();
        let mut request = Vec::new();
        for _ in 0..self.choice.usize(1..=BATCH) {
            let step = self.draw(facts);
            for change in &step.changes {
                facts::apply(facts, change);
            }
            for command in &step.commands {
                encode(&mut request, command);
            }
            self.steps.push(step);
        }
        client.write(&request)?;
        for step in &mut self.steps[first..] {
            for command in &step.commands {
                let reply = client.try_read()?;
                assert!(!reply.is_error(), "{command:?}: {reply:?}");
            }
            step.acknowledged = Some(Instant::now());
            progress.fetch_add(1, SeqCst);
        }
        Ok(())
    }

    /// The next step, of any kind. Whatever it writes holds its number.
    fn draw(&mut self, facts: &Facts) -> Step {
        self.made += 1;
        let number = self.made;
        let mut step = Drawn {
            prefix: self.prefix(),
            commands: Vec::new(),
            changes: Vec::new(),
        };
        if number == 1 {
            step.fill();
            return step.done();
        }
        let choice = &mut self.choice;
        let string = format!("s:{}", choice.usize(..STRINGS));
        let member = choice.usize(..MEMBERS);
        match choice.u8(..16) {
            0..3 => step.set(&string, value(number, choice)),
            3 => step.delete(&string),
            4..6 => step.count(&format!("c:{}", choice.u8(..4)), facts),
            6..8 => step.push(number),
            8 => match facts::oldest_element(facts) {
                Some(oldest) => step.pop(oldest.clone()),
                None => step.push(number),
            },
            9..11 => step.add("HSET", "hash", member, number),
            11 => step.remove("HDEL", "hash", member),
            12 => step.add("ZADD", "zset", member, number),
            13 => step.remove("ZREM", "zset", member),
            _ => step.transaction(number, &string, member, facts),
        }
        step.done()
    }
}

/// Mostly short; some fill a good part of a block in the journal.
fn value(number: u64, choice: &mut fastrand::Rng) -> String {
    let more = match choice.u8(..100) {
        0 => choice.usize(..60_000),
        1..20 => choice.usize(..600),
        _ => 0,
    };
    format!("{number}{}", ".".repeat(more))
}

/// A step that is being made.
struct Drawn {
    prefix: String,
    commands: Vec<Vec<String>>,
    changes: Vec<Change>,
}

impl Drawn {
    fn done(self) -> Step {
        Step {
            commands: self.commands,
            changes: self.changes,
            acknowledged: None,
        }
    }

    fn command(&mut self, name: &str, key: &str, more: &[String]) {
        let head = [name.to_owned(), format!("{}{key}", self.prefix)];
        self.commands.push([&head, more].concat());
    }

    /// All strings, and collections that are large from the beginning, as one transaction.
    fn fill(&mut self) {
        self.commands.push(vec!["MULTI".to_owned()]);
        let mut words = vec!["MSET".to_owned()];
        for n in 0..STRINGS {
            words.extend([format!("{}s:{n}", self.prefix), "1".to_owned()]);
            self.changes.push((format!("s:{n}"), Some("1".to_owned())));
        }
        self.commands.push(words);
        let (mut fields, mut scores) = (Vec::new(), Vec::new());
        for n in 0..MEMBERS {
            fields.extend([format!("f{n}"), "1".to_owned()]);
            scores.extend(["1".to_owned(), format!("m{n}")]);
            for place in [format!("hash:f{n}"), format!("zset:m{n}")] {
                self.changes.push((place, Some("1".to_owned())));
            }
        }
        self.command("HSET", "hash", &fields);
        self.command("ZADD", "zset", &scores);
        self.commands.push(vec!["EXEC".to_owned()]);
    }

    fn set(&mut self, key: &str, value: String) {
        self.command("SET", key, std::slice::from_ref(&value));
        self.changes.push((key.to_owned(), Some(value)));
    }

    fn delete(&mut self, key: &str) {
        self.command("DEL", key, &[]);
        self.changes.push((key.to_owned(), None));
    }

    fn count(&mut self, key: &str, facts: &Facts) {
        self.command("INCR", key, &[]);
        let old = facts
            .get(key)
            .map_or(0, |old| old.parse().expect("a count"));
        let new: u64 = old + 1;
        self.changes.push((key.to_owned(), Some(new.to_string())));
    }

    fn push(&mut self, number: u64) {
        self.command("RPUSH", "list", &[number.to_string()]);
        let place = facts::element(number);
        self.changes.push((place, Some(String::new())));
    }

    fn pop(&mut self, oldest: String) {
        self.command("LPOP", "list", &[]);
        self.changes.push((oldest, None));
    }

    fn add(&mut self, name: &str, key: &str, member: usize, number: u64) {
        let (member, number) = (format!("{}{member}", letter(key)), number.to_string());
        let more = match name {
            "ZADD" => [number.clone(), member.clone()],
            _ => [member.clone(), number.clone()],
        };
        self.command(name, key, &more);
        self.changes.push((format!("{key}:{member}"), Some(number)));
    }

    fn remove(&mut self, name: &str, key: &str, member: usize) {
        let member = format!("{}{member}", letter(key));
        self.command(name, key, std::slice::from_ref(&member));
        self.changes.push((format!("{key}:{member}"), None));
    }

    /// Several keys at once, which lie in different shards, and the count that all writers of a database share.
    fn transaction(&mut self, number: u64, string: &str, member: usize, facts: &Facts) {
        self.commands.push(vec!["MULTI".to_owned()]);
        self.set("left", number.to_string());
        self.add("HSET", "hash", member, number);
        self.commands
            .push(vec!["INCR".to_owned(), super::SHARED.to_owned()]);
        self.push(number);
        self.delete(string);
        self.count(super::SHARE, facts);
        self.set("right", number.to_string());
        self.commands.push(vec!["EXEC".to_owned()]);
    }
}

fn letter(key: &str) -> char {
    if key == "hash" { 'f' } else { 'm' }
}
