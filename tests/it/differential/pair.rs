//! The two servers, and a case played on both.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::arguments::KEYS;
use super::differences;
use super::mangle::JUNK;
use super::rules::{self, Compare};
use super::step::Step;
use crate::command;
use crate::support::{Client, Server, Setup, Value};

/// The databases that commands use. Their whole state is compared at the end of each case.
const DATABASES: [&str; 5] = ["0", "1", "2", "3", "15"];
/// Beyond its time to live, so that a clock cached for a tick has moved on as well.
const CLOCK_SLACK: Duration = Duration::from_millis(2);

/// A sequence of steps from an empty server on.
#[derive(Clone, Debug)]
pub struct Case {
    pub resp3: bool,
    /// Without it, only commands find dead keys.
    pub active_expiry: bool,
    pub steps: Vec<Step>,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "  (RESP{}, active expiry {})",
            if self.resp3 { 3 } else { 2 },
            if self.active_expiry { "on" } else { "off" }
        )?;
        self.steps
            .iter()
            .try_for_each(|step| writeln!(out, "  {step}"))
    }
}

/// What a case is ended by.
#[derive(Debug, thiserror::Error)]
pub enum Difference {
    #[error("{step}\n  minium: {}\n  redis:  {}", shown(ours), shown(theirs))]
    Reply {
        step: Step,
        ours: Value,
        theirs: Value,
    },
    #[error("{who} failed: {error}\n{log}")]
    Failure {
        who: &'static str,
        error: io::Error,
        log: String,
    },
}

fn shown(reply: &Value) -> String {
    let mut text = format!("{reply:?}");
    if text.len() > 1000 {
        text.truncate(text.floor_char_boundary(1000));
        text.push_str("...");
    }
    text
}

struct Side {
    name: &'static str,
    setup: Setup,
    server: Server,
    client: Client,
}

impl Side {
    fn start(name: &'static str, setup: &Setup) -> Self {
        let setup = setup.clone().with("enable-debug-command", "yes");
        let server = setup.clone().start();
        let client = server.connect();
        Self {
            name,
            setup,
            server,
            client,
        }
    }

    fn failure(&self, error: io::Error) -> Difference {
        let log = self.server.log();
        let tail: Vec<_> = log.lines().rev().take(15).collect();
        Difference::Failure {
            who: self.name,
            error,
            log: tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
        }
    }

    /// A failed server or connection would spoil all further cases: begin anew.
    fn renew(&mut self) {
        match Client::connect(self.server.address()) {
            Ok(client) => self.client = client,
            Err(_) => *self = Self::start(self.name, &self.setup),
        }
    }

    fn call(&mut self, command: &[Vec<u8>]) -> Result<Value, Difference> {
        self.client
            .try_call(command)
            .map_err(|error| self.failure(error))
    }
}

/// Minium and the reference.
pub struct Pair {
    minium: Side,
    redis: Side,
}

impl Pair {
    pub fn start() -> Self {
        Self {
            minium: Side::start("minium", &Setup::minium()),
            redis: Side::start("redis", &Setup::redis()),
        }
    }

    /// Plays a case on both servers, and compares all replies and at last the whole data.
    pub fn play(&mut self, case: &Case) -> Result<(), Difference> {
        let start = Instant::now();
        let result = self
            .prepare(case)
            .and_then(|()| self.play_steps(&case.steps, start))
            .and_then(|()| self.compare_state(start));
        if result.is_err() {
            self.minium.renew();
            self.redis.renew();
        }
        result
    }

    fn prepare(&mut self, case: &Case) -> Result<(), Difference> {
        let version = if case.resp3 { "3" } else { "2" };
        let active = if case.active_expiry { "1" } else { "0" };
        for side in [&mut self.minium, &mut self.redis] {
            side.call(&command!["HELLO", version])?;
            side.call(&command!["SELECT", "0"])?;
            side.call(&command!["FLUSHALL"])?;
            side.call(&command!["DEBUG", "SET-ACTIVE-EXPIRE", active])?;
        }
        Ok(())
    }

    /// `start` is when the case began: lives given since then may differ by as much as has passed.
    fn play_steps(&mut self, steps: &[Step], start: Instant) -> Result<(), Difference> {
        // A step that leaves a short-lived key or starts a conversation ends its batch.
        for batch in steps.split_inclusive(|step| ends_batch(&step.command)) {
            let purge = touch_all_keys();
            let mut commands: Vec<&[Vec<u8>]> = Vec::new();
            let mut asked: Vec<Option<&Step>> = Vec::new();
            for step in batch {
                if rules::counts_dead_keys(&step.command) {
                    commands.push(&purge);
                    asked.push(None);
                }
                commands.push(&step.command);
                asked.push(Some(step));
            }
            let (ours, theirs) = self.pipeline(&commands)?;
            let elapsed = start.elapsed();
            for ((step, ours), theirs) in asked.iter().zip(ours).zip(theirs) {
                let Some(step) = step else { continue };
                let errors = ours.is_error() || theirs.is_error();
                let compare = Compare::of(&step.command);
                if compare == Compare::Scan && !errors {
                    self.compare_scan(step, ours, theirs)?;
                } else if compare == Compare::RandomKey && !errors {
                    self.compare_random_keys(step, ours, theirs)?;
                } else if !same(compare, &ours, &theirs, elapsed) {
                    differences::accept_or(step, ours, theirs)?;
                }
            }
            if let Some(lifetime) = batch
                .last()
                .and_then(|step| rules::short_lifetime(&step.command))
            {
                // The keys' end is a moment on the clock that both servers share with us.
                std::thread::sleep(lifetime + CLOCK_SLACK);
            }
        }
        Ok(())
    }

    fn pipeline(
        &mut self,
        commands: &[&[Vec<u8>]],
    ) -> Result<(Vec<Value>, Vec<Value>), Difference> {
        let mut request = Vec::new();
        commands
            .iter()
            .for_each(|command| crate::support::client::encode(&mut request, command));
        for side in [&mut self.minium, &mut self.redis] {
            side.client
                .write(&request)
                .map_err(|error| side.failure(error))?;
        }
        let mut replies = [&mut self.minium, &mut self.redis].map(|side| {
            commands
                .iter()
                .map(|_| side.client.try_read())
                .collect::<io::Result<Vec<_>>>()
                .map_err(|error| side.failure(error))
        });
        let theirs = std::mem::replace(&mut replies[1], Ok(Vec::new()))?;
        let [ours, _] = replies;
        Ok((ours?, theirs))
    }

    /// Goes on with both iterations until their ends. Cursors mean nothing to another server; what was found does.
    fn compare_scan(&mut self, step: &Step, ours: Value, theirs: Value) -> Result<(), Difference> {
        if step.command.get(1).is_none_or(|cursor| cursor != b"0") {
            return Ok(());
        }
        let finish = |side: &mut Side, first: Value| {
            let mut found = Vec::new();
            let mut reply = first;
            loop {
                let [cursor, elements] = reply.elements() else {
                    return Ok(reply);
                };
                found.extend_from_slice(elements.elements());
                if cursor.bytes() == b"0" {
                    break;
                }
                let mut next = step.command.clone();
                next[1] = cursor.bytes().to_vec();
                reply = side.call(&next)?;
            }
            found.sort();
            found.dedup();
            Ok(Value::Array(found))
        };
        let ours = finish(&mut self.minium, ours)?;
        let theirs = finish(&mut self.redis, theirs)?;
        if ours == theirs {
            Ok(())
        } else {
            differences::accept_or(step, ours, theirs)
        }
    }

    /// Any key will do as long as there is one, and it is there.
    fn compare_random_keys(
        &mut self,
        step: &Step,
        ours: Value,
        theirs: Value,
    ) -> Result<(), Difference> {
        if ours.is_null() || theirs.is_null() {
            return if ours == theirs {
                Ok(())
            } else {
                differences::accept_or(step, ours, theirs)
            };
        }
        let exists = Step::new(command!["EXISTS", ours.bytes()]);
        let found = self.minium.call(&exists.command)?;
        if found == Value::Int(1) {
            Ok(())
        } else {
            differences::accept_or(&exists, found, Value::Int(1))
        }
    }

    fn compare_state(&mut self, start: Instant) -> Result<(), Difference> {
        let mut steps = Vec::new();
        for database in DATABASES {
            steps.push(Step::new(command!["SELECT", database]));
            steps.push(Step::new(command!["DBSIZE"]));
            steps.extend(KEYS.iter().map(|key| Step::new(command!["PTTL", key])));
        }
        steps.push(Step::new(command!["DEBUG", "DIGEST"]));
        self.play_steps(&steps, start)
    }
}

fn ends_batch(command: &[Vec<u8>]) -> bool {
    Compare::of(command).is_conversation() || rules::short_lifetime(command).is_some()
}

fn touch_all_keys() -> Vec<Vec<u8>> {
    let mut touch = Vec::from(command!["TOUCH"]);
    touch.extend(KEYS.iter().chain(JUNK).map(|key| key.to_vec()));
    touch
}

fn same(compare: Compare, ours: &Value, theirs: &Value, elapsed: Duration) -> bool {
    let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
    match (compare, ours, theirs) {
        (Compare::Unordered, ..) => ours.unordered() == theirs.unordered(),
        (Compare::Seconds, &Value::Int(ours), &Value::Int(theirs)) if ours >= 0 && theirs >= 0 => {
            ours.abs_diff(theirs) <= elapsed.unsigned_abs() / 1000 + 1
        }
        (Compare::Milliseconds, &Value::Int(ours), &Value::Int(theirs))
            if ours >= 0 && theirs >= 0 =>
        {
            ours.abs_diff(theirs) <= elapsed.unsigned_abs() + 2
        }
        _ => ours == theirs,
    }
}
