//! That a script which has to start over leaves no trace of its first attempt: the shard that it needs is held by the test until then.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use fastrand::Rng;

use crate::clients::{Client, Kind, Place};
use crate::command::dispatch::{Batch, Flow};
use crate::command::{Instance, room};
use crate::config::Config;
use crate::keyspace::Key;
use crate::keyspace::evict::Evictor;
use crate::protocol::OwnedRequest;
use crate::telemetry::Telemetry;

/// When the tests happen, in milliseconds since the epoch.
const NOW: u64 = 1_700_000_000_000;

struct Worker {
    instance: Arc<Instance>,
    telemetry: Telemetry,
    evictor: RefCell<Evictor>,
    client: Client,
}

impl Worker {
    fn new(instance: &Arc<Instance>) -> Worker {
        let kind = Kind::Unix("test".to_owned());
        let handle = instance.clients.register(kind, -1, 0, Place::nowhere());
        Worker {
            instance: instance.clone(),
            telemetry: Telemetry::new(1, instance.commands.len()),
            evictor: RefCell::default(),
            client: Client::new(handle, true),
        }
    }

    /// Runs a command; answers its reply as text.
    fn call<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> String {
        let request: OwnedRequest = words.into_iter().collect();
        let config = self.instance.config.load();
        let mut batch = Batch {
            instance: &self.instance,
            moment: room::moment(&config, NOW, true),
            config,
            stats: &self.telemetry.workers[0],
            time: NOW,
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

    fn line(&mut self, line: &str) -> String {
        self.call(line.split_whitespace())
    }

    fn dirty(&self) -> u64 {
        self.telemetry.workers[0].effects.dirty.get()
    }
}

fn instance() -> Arc<Instance> {
    Instance::new(Config::default(), None, 2).expect("no name is taken")
}

/// A name whose key is in a shard.
fn name_in(instance: &Instance, shard: usize) -> String {
    let mut names = (0..).map(|number| format!("key{number}"));
    let is_there = |name: &String| {
        let key = Key::new(name.as_bytes());
        instance.keyspace.shard_of(key.hash) == shard
    };
    names.find(is_there).expect("there are many names")
}

#[test]
fn a_script_that_starts_over_has_done_everything_once() {
    let instance = instance();
    let last = instance.keyspace.shards() - 1;
    let (list, other) = (name_in(&instance, 5), name_in(&instance, last));
    let mut worker = Worker::new(&instance);
    worker.line(&format!("RPUSH {list} a b"));
    let script = "redis.call('rpush', KEYS[1], 'c') redis.call('lpop', KEYS[1]) redis.call('incr', ARGV[1]) \
                  return redis.call('llen', KEYS[1])";
    let held = instance.keyspace.lock(last);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let mut worker = Worker::new(&instance);
            let reply = worker.call(["EVAL", script, "1", &list, &other]);
            (reply, worker.dirty())
        });
        // The first attempt holds one shard, and the second all but the last.
        let deadline = Clock::now() + Duration::from_secs(20);
        while (0..last).any(|shard| instance.keyspace.try_lock(shard).is_some()) {
            assert!(Clock::now() < deadline, "the script does not start over");
            std::thread::yield_now();
        }
        drop(held);
        let (reply, dirty) = run.join().expect("the script ends");
        assert_eq!(reply, ":2\\r\\n");
        assert_eq!(dirty, 3);
    });
    let elements = worker.line(&format!("LRANGE {list} 0 -1"));
    assert_eq!(elements, "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\nc\\r\\n");
    assert_eq!(worker.line(&format!("GET {other}")), "$1\\r\\n1\\r\\n");
}

/// Random commands, after which everything is undone.
#[test]
fn everything_that_commands_change_can_be_undone() {
    const COMMANDS: &[&str] = &[
        "SET K V",
        "SET K V PX 5000",
        "APPEND K V",
        "INCR K",
        "SETRANGE K 3 V",
        "DEL K",
        "GETDEL K",
        "EXPIRE K 100",
        "PERSIST K",
        "RENAME K L",
        "COPY K L REPLACE",
        "MOVE K 1",
        "RPUSH K V W",
        "LPOP K",
        "LSET K 0 W",
        "LTRIM K 1 -1",
        "LMOVE K L LEFT RIGHT",
        "SADD K V W",
        "SREM K V",
        "SPOP K",
        "SUNIONSTORE K L K",
        "HSET K V W",
        "HDEL K V",
        "HINCRBY K n 3",
        "HPEXPIRE K 9000 FIELDS 1 V",
        "ZADD K 1 V 2 W",
        "ZINCRBY K 3 V",
        "ZREM K W",
        "ZPOPMIN K",
        "SETBIT K 9 1",
        "PEXPIRE K 1",
        "SELECT 1",
        "SELECT 0",
    ];
    let instance = instance();
    let mut worker = Worker::new(&instance);
    let mut rng = Rng::with_seed(7);
    let mut random = |worker: &mut Worker| {
        let mut word = |from: &[&str]| from[rng.usize(..from.len())].to_owned();
        let (key, other) = (
            word(&["a", "b", "c", "d", "e"]),
            word(&["a", "b", "c", "d", "e"]),
        );
        let (value, next) = (
            word(&["1", "x", "some longer text"]),
            word(&["2", "y", "z"]),
        );
        let words: Vec<String> = word(COMMANDS)
            .split(' ')
            .map(|part| match part {
                "K" => key.clone(),
                "L" => other.clone(),
                "V" => value.clone(),
                "W" => next.clone(),
                part => part.to_owned(),
            })
            .collect();
        worker.call(words);
    };
    for round in 0..400 {
        for _ in 0..round % 7 {
            random(&mut worker);
        }
        let before = instance.keyspace.lock_all().digest(NOW);
        let shards = 0..instance.keyspace.shards();
        shards
            .clone()
            .for_each(|shard| instance.keyspace.lock(shard).begin_undo());
        for _ in 0..12 {
            random(&mut worker);
        }
        for shard in shards {
            instance.keyspace.lock(shard).undo();
        }
        let after = instance.keyspace.lock_all().digest(NOW);
        assert_eq!(after, before, "round {round}");
    }
}
