//! The two servers, and a case played on both.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::arguments::KEYS;
use super::differences;
use super::encodings;
use super::rules::{self, Compare, Turn};
use super::step::Step;
use crate::command;
use crate::support::{Client, Server, Setup, Value};

/// The databases that commands use. Their whole state is compared at the end of each case.
pub const DATABASES: [&str; 5] = ["0", "1", "2", "3", "15"];
/// Beyond its time to live, so that a clock cached for a tick has moved on as well.
const CLOCK_SLACK: Duration = Duration::from_millis(2);
/// Connections to each server: the one that most steps use, and another that gets in its way.
pub const CONNECTIONS: usize = 2;

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
    /// The data may differ from now on by a fault of Redis: the rest of the case tells nothing.
    #[error("{0}: Redis is at fault")]
    Spoiled(Step),
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

pub struct Side {
    name: &'static str,
    setup: Setup,
    server: Server,
    clients: [Client; CONNECTIONS],
    /// The connection of the step that is being played.
    current: usize,
}

impl Side {
    fn start(name: &'static str, setup: &Setup) -> Self {
        // SORT compares texts by the rules of the locale.
        let setup = setup
            .clone()
            .with("enable-debug-command", "yes")
            .env("LC_ALL", "C");
        let server = setup.clone().start();
        let clients = std::array::from_fn(|_| server.connect());
        Self {
            name,
            setup,
            server,
            clients,
            current: 0,
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
        let address = self.server.address();
        for i in 0..CONNECTIONS {
            match Client::connect(address) {
                Ok(client) => self.clients[i] = client,
                Err(_) => return *self = Self::start(self.name, &self.setup),
            }
        }
    }

    /// Asks something on the connection of the step that is being played.
    pub fn call(&mut self, command: &[Vec<u8>]) -> Result<Value, Difference> {
        self.clients[self.current]
            .try_call(command)
            .map_err(|error| self.failure(error))
    }

    fn order(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<(), Difference> {
        self.clients[self.current]
            .try_pipeline(commands)
            .map(drop)
            .map_err(|error| self.failure(error))
    }

    fn read(&mut self, replies: usize) -> Result<Vec<Value>, Difference> {
        (0..replies)
            .map(|_| self.clients[self.current].try_read())
            .collect::<io::Result<_>>()
            .map_err(|error| self.failure(error))
    }
}

/// A connection's transaction, as far as the harness needs to follow it.
#[derive(Default)]
struct Transaction {
    /// From when MULTI is sent until what ends it is.
    open: bool,
    /// From when WATCH is sent until a transaction ends.
    watches: bool,
    /// Of the keys that queued commands will leave behind.
    lifetime: Option<Duration>,
    /// What both servers have queued.
    queued: Vec<Step>,
}

impl Transaction {
    /// Follows a command that is sent; how long to wait after it.
    fn sent(&mut self, command: &[Vec<u8>]) -> Option<Duration> {
        let turn = Turn::of(command);
        match turn {
            Some(Turn::Begin) => self.open = true,
            Some(Turn::End) => (self.open, self.watches) = (false, false),
            None if command[0].eq_ignore_ascii_case(b"WATCH") => self.watches = true,
            None => self.lifetime = self.lifetime.max(rules::short_lifetime(command)),
        }
        if self.open {
            None
        } else {
            self.lifetime.take()
        }
    }
}

/// A step to send, and what is asked immediately before it.
struct Asked<'a> {
    question: Option<Vec<Vec<u8>>>,
    step: &'a Step,
}

/// Minium and the reference.
pub struct Pair {
    pub minium: Side,
    pub redis: Side,
    transactions: [Transaction; CONNECTIONS],
    /// Whether the case has had a command after which Redis keeps a collection in a larger form than it needs.
    enlarged: bool,
}

impl Pair {
    pub fn start() -> Self {
        Self {
            minium: Side::start("minium", &Setup::minium()),
            redis: Side::start("redis", &Setup::redis()),
            transactions: Default::default(),
            enlarged: false,
        }
    }

    /// Plays a case on both servers, and compares all replies and at last the whole data.
    pub fn play(&mut self, case: &Case) -> Result<(), Difference> {
        let start = Instant::now();
        let result = self
            .prepare(case)
            .and_then(|()| self.play_steps(&case.steps, start))
            .and_then(|()| self.compare_state(start));
        if let Err(Difference::Spoiled(_)) = result {
            return Ok(());
        }
        if result.is_err() {
            self.minium.renew();
            self.redis.renew();
        }
        result
    }

    fn prepare(&mut self, case: &Case) -> Result<(), Difference> {
        let version = if case.resp3 { "3" } else { "2" };
        let active = if case.active_expiry { "1" } else { "0" };
        self.transactions = Default::default();
        self.enlarged = false;
        let greeting = [
            command!["RESET"].to_vec(),
            command!["HELLO", version].into(),
        ];
        let mut clean = Vec::from([
            command!["FLUSHALL"].to_vec(),
            command!["DEBUG", "SET-ACTIVE-EXPIRE", active].into(),
        ]);
        clean.extend(encodings::defaults());
        for side in [&mut self.minium, &mut self.redis] {
            for connection in (0..CONNECTIONS).rev() {
                side.current = connection;
                side.order(&greeting)?;
            }
            // One of them has directives that the other has not.
            side.order(&clean)?;
        }
        Ok(())
    }

    /// `start` is when the case began: lives given since then may differ by as much as has passed.
    fn play_steps(&mut self, steps: &[Step], start: Instant) -> Result<(), Difference> {
        let mut batch: Vec<Asked<'_>> = Vec::new();
        for step in steps {
            if batch
                .last()
                .is_some_and(|last| last.step.connection != step.connection)
            {
                self.play_batch(&std::mem::take(&mut batch), start)?;
            }
            if !rules::has_one_outcome(&step.command) {
                continue;
            }
            let watches = self.transactions.iter().any(|it| it.watches);
            if watches && rules::makes_keys_in_silence(&step.command) {
                continue;
            }
            let conversation = Compare::of(&step.command).is_conversation();
            let lexical = rules::lexical_key(&step.command);
            let open = self.transactions[step.connection].open;
            // What is queued is answered later, when the data is another.
            if open
                && (conversation
                    || lexical.is_some()
                    || rules::counts_dead_keys(&step.command)
                    || !rules::has_arity_of_redis(&step.command))
            {
                continue;
            }
            if let Some(key) = lexical {
                self.play_batch(&std::mem::take(&mut batch), start)?;
                self.speak_on(step.connection);
                if !self.is_level(key)? {
                    continue;
                }
            }
            let question = rules::question_before(&step.command).filter(|_| !open);
            let wait = self.transactions[step.connection].sent(&step.command);
            batch.push(Asked { question, step });
            if conversation || wait.is_some() {
                self.play_batch(&std::mem::take(&mut batch), start)?;
            }
            if let Some(lifetime) = wait {
                // The keys' end is a moment on the clock that both servers share with us.
                std::thread::sleep(lifetime + CLOCK_SLACK);
            }
        }
        self.play_batch(&batch, start)
    }

    /// Sends steps of one connection at once. Only the last may be a conversation.
    fn play_batch(&mut self, batch: &[Asked<'_>], start: Instant) -> Result<(), Difference> {
        let Some(first) = batch.first() else {
            return Ok(());
        };
        self.speak_on(first.step.connection);
        let commands = batch
            .iter()
            .flat_map(|asked| asked.question.iter().chain([&asked.step.command]))
            .map(Vec::as_slice);
        let (ours, theirs) = self.pipeline(&commands.collect::<Vec<_>>())?;
        let elapsed = start.elapsed();
        let mut replies = ours.into_iter().zip(theirs);
        let mut next = || replies.next().expect("as many replies as commands");
        for asked in batch {
            let context = asked.question.as_ref().map(|_| next());
            let (ours, theirs) = next();
            self.compare(asked.step, context.as_ref(), ours, theirs, elapsed)?;
        }
        Ok(())
    }

    fn speak_on(&mut self, connection: usize) {
        self.minium.current = connection;
        self.redis.current = connection;
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
            side.clients[side.current]
                .write(&request)
                .map_err(|error| side.failure(error))?;
        }
        let theirs = self.redis.read(commands.len());
        let ours = self.minium.read(commands.len())?;
        Ok((ours, theirs?))
    }

    /// `context` are the replies to the question before.
    fn compare(
        &mut self,
        step: &Step,
        context: Option<&(Value, Value)>,
        ours: Value,
        theirs: Value,
        elapsed: Duration,
    ) -> Result<(), Difference> {
        let queued = &mut self.transactions[step.connection].queued;
        let before = match Turn::of(&step.command) {
            Some(Turn::End) => std::mem::take(queued),
            _ => Vec::new(),
        };
        self.enlarged |= differences::enlarges(&step.command);
        if ours == theirs && ours == Value::Simple(b"QUEUED".to_vec()) {
            queued.push(step.clone());
            return Ok(());
        }
        let errors = ours.is_error() || theirs.is_error();
        let enlarged = self.enlarged;
        match Compare::of(&step.command) {
            Compare::Scan if !errors => self.compare_scan(step, ours, theirs),
            Compare::RandomKey if !errors => self.compare_random_keys(step, ours, theirs),
            Compare::RandomMembers if !errors => self.compare_random_members(step, ours, theirs),
            Compare::Digest if !errors && ours != theirs => self.compare_data(step, ours, theirs),
            Compare::Queued if both_arrays_of(before.len(), &ours, &theirs) => before
                .iter()
                .zip(ours.elements().iter().zip(theirs.elements()))
                .try_for_each(|(step, (ours, theirs))| {
                    compare_reply(step, None, ours.clone(), theirs.clone(), elapsed, enlarged)
                }),
            _ => compare_reply(step, context, ours, theirs, elapsed, enlarged),
        }
    }

    fn compare_state(&mut self, start: Instant) -> Result<(), Difference> {
        let mut steps = vec![Step::new(command!["DISCARD"])];
        for database in DATABASES {
            steps.push(Step::new(command!["SELECT", database]));
            steps.push(Step::new(command!["DBSIZE"]));
            for key in KEYS {
                steps.push(Step::new(command!["PTTL", key]));
                steps.push(Step::new(command!["OBJECT", "ENCODING", key]));
            }
        }
        steps.push(Step::new(command!["DEBUG", "DIGEST"]));
        self.play_steps(&steps, start)
    }
}

fn both_arrays_of(length: usize, ours: &Value, theirs: &Value) -> bool {
    let fits = |reply: &Value| matches!(reply, Value::Array(elements) if elements.len() == length);
    fits(ours) && fits(theirs)
}

/// Compares two replies that need no further question.
fn compare_reply(
    step: &Step,
    context: Option<&(Value, Value)>,
    ours: Value,
    theirs: Value,
    elapsed: Duration,
    enlarged: bool,
) -> Result<(), Difference> {
    if same(&step.command, context, &ours, &theirs, elapsed)
        || enlarged && differences::is_enlarged(&step.command, &ours, &theirs)
    {
        Ok(())
    } else if differences::is_stale_error(&step.command, &ours, &theirs) {
        Err(Difference::Spoiled(step.clone()))
    } else {
        let context = context.map(|(ours, _)| ours);
        differences::accept_or(step, context, ours, theirs)
    }
}

fn same(
    command: &[Vec<u8>],
    context: Option<&(Value, Value)>,
    ours: &Value,
    theirs: &Value,
    elapsed: Duration,
) -> bool {
    let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let unordered = || unordered(command, ours) == unordered(command, theirs);
    match (Compare::of(command), ours, theirs) {
        (_, Value::Error(_), _) | (_, _, Value::Error(_)) => ours == theirs,
        (Compare::Unordered, ..) => unordered(),
        (Compare::OrderedIfPacked, ..) => match context {
            Some((ours_is, theirs_is)) if is_packed(ours_is) && ours_is == theirs_is => {
                ours == theirs
            }
            _ => unordered(),
        },
        (Compare::OrderedUnlessSet { part }, ..) => match context {
            Some((Value::Simple(kind), _)) if kind != b"set" => ours == theirs,
            _ if part => lengths(ours) == lengths(theirs),
            _ => unordered(),
        },
        (Compare::OrderedByText { part }, ..) => match context {
            Some((elements, _)) if !has_zero_bytes(elements) => ours == theirs,
            _ if part => lengths(ours) == lengths(theirs),
            _ => unordered(),
        },
        (Compare::Length, ..) => lengths(ours) == lengths(theirs),
        (Compare::Seconds, &Value::Int(ours), &Value::Int(theirs)) if ours >= 0 && theirs >= 0 => {
            ours.abs_diff(theirs) <= elapsed / 1000 + 1
        }
        (Compare::Milliseconds, &Value::Int(ours), &Value::Int(theirs))
            if ours >= 0 && theirs >= 0 =>
        {
            ours.abs_diff(theirs) <= elapsed + 2
        }
        _ => ours == theirs,
    }
}

fn is_packed(encoding: &Value) -> bool {
    matches!(encoding, Value::Bulk(name) if name == b"listpack" || name == b"intset")
}

fn has_zero_bytes(elements: &Value) -> bool {
    match elements {
        Value::Array(elements) => elements.iter().any(|element| element.bytes().contains(&0)),
        _ => true,
    }
}

fn lengths(reply: &Value) -> Option<usize> {
    match reply {
        Value::Array(elements) | Value::Set(elements) => Some(elements.len()),
        _ => None,
    }
}

/// The reply in a canonical order, in which fields stay beside their values.
fn unordered(command: &[Vec<u8>], reply: &Value) -> Value {
    match reply {
        Value::Array(words) if rules::name(command) == b"HGETALL" => paired(words).unordered(),
        other => other.unordered(),
    }
}

/// A flat list of names and values as a list of pairs, whose order then means nothing while that within a pair does.
pub fn paired(words: &[Value]) -> Value {
    let pair = |pair: &[Value]| match pair {
        [name, value] => (name.clone(), value.clone()),
        rest => (rest[0].clone(), Value::Null),
    };
    Value::Map(words.chunks(2).map(pair).collect())
}
