//! What is appended is held against what it has to bring about: repeated on an empty keyspace, it must leave the same data. Time is
//! the test's own, so that keys and fields die when it wants them to.

use std::cell::RefCell;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use proptest::prelude::*;

use crate::clients::{Client, Kind, Place};
use crate::command::dispatch::{Batch, Flow};
use crate::command::replay::Replay;
use crate::command::{Instance, room};
use crate::config::Config;
use crate::keyspace::digest::Digest;
use crate::keyspace::evict::{Choice, Evictor, Ground, Ranking};
use crate::keyspace::expire::Cycle;
use crate::keyspace::propagation::Sink;
use crate::protocol::{Limits, OwnedRequest, Parser, Request, Step};
use crate::telemetry::Telemetry;

/// When the tests begin, in milliseconds since the epoch.
const BEGIN: u64 = 1_700_000_000_000;

/// A log in memory.
#[derive(Debug, Default)]
struct Log(Mutex<(Option<usize>, Vec<u8>)>);

impl Sink for Log {
    fn is_on(&self) -> bool {
        true
    }

    fn append(&self, database: usize, commands: &[u8]) -> u64 {
        let mut log = self.0.lock();
        if log.0.replace(database) != Some(database) {
            let number = database.to_string();
            let select = format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n", number.len());
            log.1.extend_from_slice(select.as_bytes());
        }
        log.1.extend_from_slice(commands);
        log.1.len() as u64
    }
}

impl Log {
    /// Calls back with every command.
    fn visit(&self, mut visit: impl FnMut(Request<'_>)) {
        let bytes = &self.0.lock().1;
        let (mut parser, mut spans, mut at) = (Parser::default(), Vec::new(), 0);
        let limits = Limits {
            max_bulk: 1 << 20,
            authenticated: true,
        };
        while at < bytes.len() {
            spans.clear();
            let Ok(Step::Ready { end }) = parser.step(&bytes[at..], &mut spans, &limits) else {
                panic!("{:?} is no request", bytes[at..].escape_ascii());
            };
            visit(Request::new(&bytes[at..at + end], &spans));
            at += end;
        }
    }

    /// The commands as lines, and an empty log again.
    fn take(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.visit(|request| lines.push(line(request)));
        self.0.lock().1.clear();
        lines
    }
}

fn line(request: Request<'_>) -> String {
    let words: Vec<_> = (request.iter())
        .map(|word| word.escape_ascii().to_string())
        .collect();
    words.join(" ")
}

/// A worker that appends what it does to a log.
struct Worker {
    instance: Arc<Instance>,
    telemetry: Telemetry,
    evictor: RefCell<Evictor>,
    client: Client,
    now: u64,
}

impl Worker {
    fn new(instance: &Arc<Instance>, log: &Arc<Log>) -> Worker {
        let telemetry = Telemetry::new(1, instance.commands.len());
        telemetry.workers[0].effects.propagation.attach(log.clone());
        let kind = Kind::Unix("test".to_owned());
        let handle = instance.clients.register(kind, -1, 0, Place::nowhere());
        Worker {
            instance: instance.clone(),
            telemetry,
            evictor: RefCell::default(),
            client: Client::new(handle, true),
            now: BEGIN,
        }
    }

    /// Runs a command; answers its reply as text.
    fn call<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> String {
        let request: OwnedRequest = words.into_iter().collect();
        let config = self.instance.config.load();
        let mut batch = Batch {
            instance: &self.instance,
            moment: room::moment(&config, self.now, true),
            config,
            stats: &self.telemetry.workers[0],
            time: self.now,
            tick: 0,
            evictor: &self.evictor,
            has_made_room: true,
        };
        let mut out = Vec::new();
        let prepared = batch.prepare(request.as_request());
        let flow = batch.run(&mut self.client, &prepared, &mut out);
        assert_eq!(flow, Flow::Next);
        out.escape_ascii().to_string()
    }

    /// Runs the commands of a line, which are separated by semicolons.
    fn run(&mut self, line: &str) {
        for command in line.split(';') {
            self.call(command.split_whitespace());
        }
    }

    fn sweep(&self) {
        let effects = &self.telemetry.workers[0].effects;
        let long = Duration::from_secs(600);
        Cycle::new().run(&self.instance.keyspace, effects, self.now, 1, long);
    }
}

fn instance() -> Arc<Instance> {
    Instance::new(Config::default(), None, 2).expect("no name is taken")
}

fn digest(instance: &Instance, now: u64) -> Digest {
    instance.keyspace.lock_all().digest(now)
}

/// Repeats a log on an empty keyspace, and compares.
fn check(instance: &Instance, log: &Log, now: u64) -> Result<(), TestCaseError> {
    let other = self::instance();
    let mut replay = Replay::new(&other);
    let mut lines = Vec::new();
    log.visit(|request| {
        lines.push(line(request));
        if let Err(error) = replay.run(request) {
            panic!("{error} in\n{}", lines.join("\n"));
        }
    });
    prop_assert!(!replay.is_in_transaction());
    let (left, expected) = (digest(&other, now), digest(instance, now));
    prop_assert_eq!(left, expected, "repeating\n{}", lines.join("\n"));
    Ok(())
}

#[test]
fn commands_are_repeated_by_what_they_did() {
    let second = (BEGIN + 1000).to_string();
    let filled = |line: &str| {
        let words = line.split(' ');
        let words = words.map(|word| if word == "S" { &second } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    // What was there before, the command, and what is appended; a dot stands for the command as it came, `S` for the moment a
    // second from now.
    let table = [
        // Strings.
        ("", "set k v", "."),
        ("", "SET k v EX 1", "SET k v PXAT S"),
        ("", "SET k v PX 1000", "SET k v PXAT S"),
        ("", "SET k v EXAT 1700000001", "SET k v PXAT S"),
        ("", "SET k v PXAT S", "SET k v PXAT S"),
        ("", "SET k v PXAT 1", "SET k v PXAT 1"),
        ("SET k v EX 1", "SET k w KEEPTTL", "."),
        ("SET k v EX 1", "SET k w KEEPTTL XX GET", "SET k w KEEPTTL"),
        ("SET k v", "SET k w GET", "SET k w"),
        ("SET k v", "SET k w GET EX 1", "SET k w PXAT S"),
        ("", "SET k w NX", "SET k w"),
        ("SET k v", "SET k w NX", ""),
        ("SET k v", "SET k w NX GET", ""),
        ("", "SET k w XX", ""),
        ("SET k v", "SET k w IFEQ v", "SET k w"),
        ("", "SETEX k 1 v", "SET k v PXAT S"),
        ("", "PSETEX k 1000 v", "SET k v PXAT S"),
        ("", "SETNX k v", "."),
        ("SET k v", "SETNX k v", ""),
        ("", "GETSET k v", "SET k v"),
        ("SET k v", "GETDEL k", "DEL k"),
        ("", "GETDEL k", ""),
        ("SET k v", "GETEX k", ""),
        ("SET k v", "GETEX k EX 1", "PEXPIREAT k S"),
        ("SET k v", "GETEX k PXAT 1", "DEL k"),
        ("SET k v EX 1", "GETEX k PERSIST", "PERSIST k"),
        ("SET k v", "GETEX k PERSIST", ""),
        ("SET k 1.5", "INCRBYFLOAT k 2", "SET k 3.5 KEEPTTL"),
        ("", "INCR k", "."),
        ("", "APPEND k v", "."),
        ("", "SETRANGE k 2 v", "."),
        ("", "MSET a 1 b 2", "."),
        ("", "MSETNX a 1 b 2", "."),
        ("SET b 1", "MSETNX a 1 b 2", ""),
        ("", "SETBIT k 1 1", "."),
        ("", "BITFIELD k SET u8 0 1 GET u8 0", "."),
        ("", "BITFIELD k GET u8 0", ""),
        ("SET a x", "BITOP NOT k a", "."),
        // Keys.
        ("SET k v", "EXPIRE k 1", "PEXPIREAT k S"),
        ("SET k v", "PEXPIRE k 1000 NX", "PEXPIREAT k S"),
        ("SET k v", "EXPIREAT k 1700000001", "PEXPIREAT k S"),
        ("SET k v", "PEXPIREAT k S", "."),
        ("SET k v", "EXPIRE k 1 XX", ""),
        ("SET k v", "EXPIRE k -1", "DEL k"),
        ("SET k v EX 1", "PERSIST k", "."),
        ("SET k v", "DEL k a", "."),
        ("SET k v", "UNLINK k", "."),
        ("", "DEL k", ""),
        ("SET k v", "RENAME k a", "."),
        ("SET k v", "COPY k a DB 3", "."),
        ("SET k v", "MOVE k 3", "."),
        ("SET k v", "SWAPDB 0 1", "."),
        ("SET k v", "FLUSHALL ASYNC", "."),
        ("SET k v", "FLUSHDB", "."),
        ("", "FLUSHALL", "."),
        ("SET k v", "TOUCH k", ""),
        ("RPUSH k 2 1", "SORT k STORE a", "."),
        ("RPUSH k 2 1", "SORT k", ""),
        // Lists.
        ("", "RPUSH k a b", "."),
        ("RPUSH k a b", "LPOP k", "."),
        ("RPUSH k a b", "LMPOP 2 a k LEFT", "LPOP k 1"),
        ("RPUSH k a b", "LMPOP 2 a k RIGHT COUNT 5", "RPOP k 2"),
        ("RPUSH k a b", "LMOVE k a LEFT RIGHT", "."),
        ("RPUSH k a b", "RPOPLPUSH k a", "."),
        ("RPUSH k a b", "LREM k 0 c", ""),
        // Sets.
        ("SADD k 7", "SPOP k", "SREM k 7"),
        ("SADD k a b", "SPOP k 2", "DEL k"),
        ("SADD k a b", "SPOP k 0", ""),
        ("SADD a 1", "SUNIONSTORE k a b", "."),
        ("SADD k 1", "SMOVE k a 1", "."),
        ("SADD k 1", "SRANDMEMBER k", ""),
        // Sorted sets.
        ("", "ZADD k GT 1 a", "."),
        ("", "ZINCRBY k 1.5 a", "."),
        ("ZADD k 1 a 2 b", "ZMPOP 2 a k MAX COUNT 9", "ZPOPMAX k 2"),
        ("ZADD k 1 a 2 b", "ZMPOP 1 k MIN", "ZPOPMIN k 1"),
        ("ZADD k 1 a 2 b", "ZPOPMIN k", "."),
        ("ZADD k 1 a", "ZRANGESTORE a k 0 -1", "."),
        // Hashes.
        ("", "HSET k f v", "."),
        ("HSET k f v", "HSETNX k f v", ""),
        ("HSET k f 1.5", "HINCRBYFLOAT k f 2", "HSET k f 3.5"),
        (
            "HSET k f 1; HEXPIRE k 9 FIELDS 1 f",
            "HINCRBYFLOAT k f 2",
            "HSETEX k KEEPTTL FIELDS 1 f 3",
        ),
        (
            "HSET k f v",
            "HEXPIRE k 1 FIELDS 1 f",
            "HPEXPIREAT k S FIELDS 1 f",
        ),
        (
            "HSET k f v",
            "HPEXPIRE k 1000 NX FIELDS 2 f g",
            "HPEXPIREAT k S NX FIELDS 2 f g",
        ),
        ("HSET k f v", "HEXPIRE k 1 XX FIELDS 1 f", ""),
        ("HSET k f v", "HEXPIREAT k 1 FIELDS 2 f g", "HDEL k f"),
        ("HSET k f v", "HPERSIST k FIELDS 1 f", ""),
        (
            "HSET k f v; HEXPIRE k 1 FIELDS 1 f",
            "HPERSIST k FIELDS 1 f",
            ".",
        ),
        ("HSET k f v", "HGETDEL k FIELDS 2 f g", "HDEL k f g"),
        (
            "HSET k f v",
            "HGETEX k EX 1 FIELDS 1 f",
            "HPEXPIREAT k S FIELDS 1 f",
        ),
        ("HSET k f v", "HGETEX k EXAT 1 FIELDS 1 f", "HDEL k f"),
        ("HSET k f v", "HGETEX k FIELDS 1 f", ""),
        (
            "HSET k f v; HEXPIRE k 1 FIELDS 1 f",
            "HGETEX k PERSIST FIELDS 1 f",
            "HPERSIST k FIELDS 1 f",
        ),
        ("", "HSETEX k FIELDS 1 f v", "."),
        (
            "",
            "HSETEX k FNX EX 1 FIELDS 1 f v",
            "HSETEX k PXAT S FIELDS 1 f v",
        ),
        ("HSET k f v", "HSETEX k PXAT 1 FIELDS 1 f v", "HDEL k f"),
        ("HSET k f v", "HSETEX k FNX EX 1 FIELDS 1 f v", ""),
        // Nothing of the kind.
        ("SET k v", "GET k", ""),
        ("SET k v", "LPUSH k v", ""),
        ("", "NONESUCH", ""),
        ("", "SELECT 3", ""),
        // Transactions.
        ("", "MULTI; SET k v; EXEC", "SET k v"),
        (
            "",
            "MULTI; SET k v; GET k; DEL k; EXEC",
            "MULTI; SET k v; DEL k; EXEC",
        ),
        ("", "MULTI; SET k v EX 1; SPOP a; EXEC", "SET k v PXAT S"),
        ("", "MULTI; GET k; EXEC", ""),
        ("", "MULTI; SET k v; DISCARD", ""),
        (
            "",
            "MULTI; SET k v; SELECT 3; SET k w; EXEC",
            "MULTI; SET k v; SELECT 3; SET k w; SELECT 0; EXEC",
        ),
        // What died before is removed first.
        ("SET k v PXAT 1", "GET k", "DEL k"),
        ("SET k v PXAT 1", "INCR k", "MULTI; DEL k; INCR k; EXEC"),
        ("SET k v PXAT 1", "RANDOMKEY", "DEL k"),
        (
            "SET k v PXAT 1; SET a v PXAT 1",
            "SCAN 0 COUNT 1000",
            "DEL ?; DEL ?",
        ),
        (
            "SET a v; SELECT 3; SET a v PXAT 1; SELECT 0",
            "MOVE a 3",
            "SELECT 3; MULTI; DEL a; SELECT 0; MOVE a 3; SELECT 3; EXEC",
        ),
    ];
    let mut different = Vec::new();
    for (before, command, expected) in table {
        let (instance, log) = (instance(), Arc::default());
        let mut worker = Worker::new(&instance, &log);
        if !before.is_empty() {
            worker.run(before);
        }
        // The database is said once.
        worker.run("SET warm up");
        log.take();
        worker.run("DEL warm");
        log.take();
        let command = filled(command);
        worker.run(&command);
        let mut appended = log.take().join("; ");
        if expected.contains('?') {
            appended = appended.replace("DEL k", "DEL ?").replace("DEL a", "DEL ?");
        }
        let expected = match expected {
            "." => command.clone(),
            other => filled(other),
        };
        if appended != expected {
            different.push(format!("{before}; {command}: {appended}, not {expected}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Commands of the random test. A word in braces is one of its kind; what dies, dies within the test's time.
const TEMPLATES: &[&str] = &[
    "SET {s} {v}",
    "SET {s} {n} PX {ms}",
    "SET {s} {v} PXAT {at} GET",
    "SET {s} {v} KEEPTTL XX",
    "SET {s} {n} NX PX {ms}",
    "SETNX {s} {v}",
    "PSETEX {s} {ms} {n}",
    "GETSET {s} {v}",
    "GETDEL {s}",
    "GETEX {s} PX {ms}",
    "GETEX {s} PXAT {at}",
    "GETEX {s} PERSIST",
    "GET {s}",
    "INCR {s}",
    "INCRBYFLOAT {s} {x}",
    "APPEND {s} {v}",
    "SETRANGE {s} 3 {v}",
    "SETBIT {s} 9 1",
    "BITFIELD {s} INCRBY u8 0 77 OVERFLOW FAIL INCRBY u8 8 99",
    "BITOP XOR {s} {s} {s}",
    "MSET {s} {v} {s} {n}",
    "MSETNX {s} {v} {s} {n}",
    "PEXPIRE {k} {ms}",
    "PEXPIRE {k} {ms} GT",
    "PEXPIREAT {k} {at} NX",
    "PERSIST {k}",
    "DEL {k} {k}",
    "UNLINK {k}",
    "RENAME {k} {s}",
    "RENAME {h} {h}",
    "RENAMENX {t} {t}",
    "COPY {k} {k} DB 1",
    "COPY {h} {h} REPLACE",
    "MOVE {k} 1",
    "SWAPDB 0 1",
    "FLUSHDB",
    "EXISTS {k} {k}",
    "RANDOMKEY",
    "SCAN 0 COUNT 100",
    "KEYS *",
    "TYPE {k}",
    "SORT {l} ALPHA STORE {l}",
    "SORT {t} BY h*->f1 GET # GET s* GET h*->f2 ALPHA STORE {l}",
    "RPUSH {l} {v} {n} {v}",
    "LPUSHX {l} {n}",
    "LPOP {l}",
    "RPOP {l} 2",
    "LMPOP 2 {l} {l} LEFT COUNT 2",
    "LMOVE {l} {l} RIGHT LEFT",
    "LREM {l} 1 {n}",
    "LINSERT {l} BEFORE {n} {v}",
    "LSET {l} 0 {n}",
    "LTRIM {l} 0 4",
    "SADD {t} {n} {n} {v}",
    "SPOP {t}",
    "SPOP {t} {n}",
    "SREM {t} {n}",
    "SMOVE {t} {t} {n}",
    "SUNIONSTORE {t} {t} {t}",
    "SINTERSTORE {t} {t} {t}",
    "SDIFFSTORE {t} {t} {t}",
    "ZADD {z} {x} {n} {n} {v}",
    "ZADD {z} GT CH {n} {n}",
    "ZADD {z} INCR {x} {n}",
    "ZINCRBY {z} {x} {n}",
    "ZREM {z} {n}",
    "ZPOPMAX {z}",
    "ZMPOP 2 {z} {z} MIN COUNT 2",
    "ZUNIONSTORE {z} 2 {z} {t} WEIGHTS 2 3",
    "ZINTERSTORE {z} 2 {z} {t} AGGREGATE MAX",
    "ZRANGESTORE {z} {z} 0 2",
    "ZREMRANGEBYSCORE {z} 1 (3",
    "HSET {h} {f} {n} {f} {v}",
    "HSETNX {h} {f} {n}",
    "HDEL {h} {f} {f}",
    "HINCRBY {h} {f} {n}",
    "HINCRBYFLOAT {h} {f} {x}",
    "HPEXPIRE {h} {ms} FIELDS 2 {f} {f}",
    "HPEXPIRE {h} {ms} GT FIELDS 1 {f}",
    "HPEXPIREAT {h} {at} NX FIELDS 2 {f} {f}",
    "HPERSIST {h} FIELDS 2 {f} {f}",
    "HGETDEL {h} FIELDS 2 {f} {f}",
    "HGETEX {h} PX {ms} FIELDS 1 {f}",
    "HGETEX {h} PXAT {at} FIELDS 2 {f} {f}",
    "HGETEX {h} PERSIST FIELDS 1 {f}",
    "HSETEX {h} FIELDS 1 {f} {n}",
    "HSETEX {h} PX {ms} FIELDS 2 {f} {n} {f} {v}",
    "HSETEX {h} FNX PXAT {at} FIELDS 2 {f} {n} {f} {v}",
    "HSETEX {h} FXX KEEPTTL FIELDS 1 {f} {n}",
    "HGET {h} {f}",
    "HMGET {h} {f} {f}",
    "HGETALL {h}",
    "HRANDFIELD {h}",
    "SELECT 0",
    "SELECT 1",
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "EXEC",
    "DISCARD",
    "OBJECT FREQ {k}",
    // Not commands: time passes, and the dead are swept.
    "wait",
    "wait",
    "wait",
    "sweep",
];

/// A command of a template, at this time.
fn fill(template: &str, rng: &mut Rng, now: u64) -> Vec<String> {
    let words = template.split(' ').map(|word| {
        let Some((begin, rest)) = word.split_once('{') else {
            return word.to_owned();
        };
        let (kind, end) = rest.split_once('}').expect("braces come in pairs");
        let number = rng.u64(..4);
        let filled = match kind {
            "k" => format!("{}{number}", ["s", "l", "t", "z", "h"][rng.usize(..5)]),
            "v" => format!("value-{}", rng.u8(..)),
            "n" => number.to_string(),
            "x" => format!("{}.{}", number, rng.u8(..)),
            "ms" => rng.u64(1..60).to_string(),
            "at" => (now + 30 - rng.u64(..60)).to_string(),
            kind => format!("{kind}{number}"),
        };
        format!("{begin}{filled}{end}")
    });
    words.collect()
}

/// Does something that a template says.
fn act(worker: &mut Worker, template: &str, rng: &mut Rng) {
    match template {
        "wait" => worker.now += rng.u64(..20),
        "sweep" if worker.client.transaction.is_none() => worker.sweep(),
        "sweep" => {}
        _ => drop(worker.call(fill(template, rng, worker.now))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_was_appended_leads_to_the_same_data(
        steps in prop::collection::vec((0..TEMPLATES.len(), any::<u64>()), 1..200),
        large_hashes: bool,
    ) {
        let (instance, log) = (instance(), Arc::default());
        let mut worker = Worker::new(&instance, &log);
        if large_hashes {
            worker.run("CONFIG SET hash-max-listpack-entries 0");
        }
        for (template, seed) in steps {
            act(&mut worker, TEMPLATES[template], &mut Rng::with_seed(seed));
        }
        check(&instance, &log, worker.now)?;
    }
}

#[test]
fn commands_of_two_workers_are_repeated_in_the_order_in_which_they_ran() {
    const ROUNDS: usize = 20_000;
    let templates = [
        "APPEND {s} {n}",
        "SET {s} {n}",
        "RENAME {s} {s}",
        "COPY {s} {s} REPLACE",
        "SMOVE {t} {t} {n}",
        "SADD {t} {n}",
        "SPOP {t}",
        "SUNIONSTORE {t} {t} {t}",
        "LMOVE {l} {l} LEFT RIGHT",
        "RPUSH {l} {v}",
        "LPOP {l}",
        "MSET {s} {v} {s} {v}",
        "DEL {k} {k}",
        "MOVE {k} 1",
        "COPY {k} {k} DB 1",
        "SWAPDB 0 1",
        "PEXPIRE {k} {ms}",
        "SCAN 0",
        "SELECT 1",
        "SELECT 0",
        "MULTI",
        "EXEC",
        "EXEC",
        "wait",
        "sweep",
    ];
    let (instance, log) = (instance(), Arc::new(Log::default()));
    let begin = Barrier::new(2);
    let ends = std::thread::scope(|scope| {
        let run = |seed| {
            let mut worker = Worker::new(&instance, &log);
            let mut rng = Rng::with_seed(seed);
            begin.wait();
            for _ in 0..ROUNDS {
                act(
                    &mut worker,
                    templates[rng.usize(..templates.len())],
                    &mut rng,
                );
            }
            worker.run("EXEC");
            worker.now
        };
        let threads = [1, 2].map(|seed| scope.spawn(move || run(seed)));
        threads.map(|thread| thread.join().expect("no panic"))
    });
    let now = ends[0].max(ends[1]);
    check(&instance, &log, now).expect("the same data");
}

#[test]
fn what_makes_room_is_removed_when_that_is_repeated() {
    let (instance, log) = (instance(), Arc::default());
    let mut worker = Worker::new(&instance, &log);
    for number in 0..100 {
        worker.call(["SET", &number.to_string(), "v"]);
    }
    let ground = Ground {
        keyspace: &instance.keyspace,
        effects: &worker.telemetry.workers[0].effects,
        choice: Choice {
            ranking: Ranking::Random,
            only_volatile: false,
        },
        samples: 5,
        moment: room::moment(&instance.config.load(), worker.now, true),
    };
    let mut left = 30;
    Evictor::new().run(&ground, Duration::from_secs(600), || {
        left -= 1;
        left == 0
    });
    assert_eq!(ground.effects.evicted.get(), 29);
    check(&instance, &log, worker.now).expect("the same data");
    assert_eq!(
        log.take()
            .iter()
            .filter(|line| line.starts_with("DEL "))
            .count(),
        29
    );
}
