//! What the append-only file of a server leads to that ran random commands: the same data on Minium, and as many keys on a real
//! redis-server, which finds no fault with the file.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, Union, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::pair::DATABASES;
use super::step::Step;
use super::{FAMILIES, mangle, number_from_environment, transactions};
use crate::command;
use crate::support::{Client, Server, Setup, Value};

/// Commands before each crash.
const COMMANDS: usize = 4000;
/// Crashes.
const ROUNDS: usize = 4;

fn logging(setup: Setup) -> Setup {
    setup
        .with("appendonly", "yes")
        .with("enable-debug-command", "yes")
}

/// Starts a server on the files of another one, which has ended.
fn start_on(setup: Setup, other: &Server) -> Server {
    let dir = other.dir().to_str().expect("a plain path");
    logging(setup).with("dir", dir).start()
}

fn crash(server: &mut Server) {
    server.signal("KILL");
    server.wait_for_end();
}

/// How many keys there are in each database; none of them dies.
fn persisted(client: &mut Client) -> Vec<usize> {
    let sizes = DATABASES.map(|database| {
        client.line(&format!("SELECT {database}"));
        for key in client.line("KEYS *").elements() {
            client.call(&command!["PERSIST", key.bytes()]);
        }
        // KEYS tells of no dead ones, as DBSIZE would.
        client.line("KEYS *").elements().len()
    });
    sizes.into()
}

/// Makes all scores of -0 plain zeros. A listpack has no -0, as in Redis, and whether a sorted set was one when a score came is up to
/// what was configured at that moment, which the log does not tell.
fn make_zeros_plain(client: &mut Client) {
    for database in DATABASES {
        client.line(&format!("SELECT {database}"));
        for key in client.line("KEYS *").elements() {
            let zeros = client.call(&command!["ZRANGEBYSCORE", key.bytes(), "0", "0"]);
            if zeros.is_error() {
                continue;
            }
            for member in zeros.elements() {
                client.call(&command!["ZREM", key.bytes(), member.bytes()]);
                client.call(&command!["ZADD", key.bytes(), "0", member.bytes()]);
            }
        }
    }
}

/// What each key holds, as a digest.
fn contents(client: &mut Client) -> BTreeMap<(&'static str, Vec<u8>), Value> {
    let mut contents = BTreeMap::new();
    for database in DATABASES {
        client.line(&format!("SELECT {database}"));
        for key in client.line("KEYS *").elements() {
            let digest = client.call(&command!["DEBUG", "DIGEST-VALUE", key.bytes()]);
            contents.insert((database, key.bytes().to_vec()), digest);
        }
    }
    contents
}

#[test]
fn logs() {
    let seed = number_from_environment("DIFFERENTIAL_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("DIFFERENTIAL_SEED={seed}");
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    });
    let generators = FAMILIES.iter().flat_map(|family| (family.generators)());
    let step = mangle::sometimes(Union::new_weighted(generators.collect::<Vec<_>>())).boxed();
    let alone = step.clone().prop_map(|step: Step| vec![step]).boxed();
    let steps = Union::new([alone, transactions::around(step)]);
    for _ in 0..ROUNDS {
        let mut server = logging(Setup::minium()).start();
        let mut client = server.connect();
        let mut played = 0;
        while played < COMMANDS {
            let steps = steps.new_tree(&mut runner).expect("some steps").current();
            played += steps.len();
            for step in steps {
                client.call(&step.command);
            }
        }
        client.line("DISCARD");
        client.line("HELLO 2");
        let sizes = persisted(&mut client);
        make_zeros_plain(&mut client);
        // A change in front of the last one is on its way to the disk.
        client.line("CONFIG SET appendfsync always");
        client.line("SET last change");
        let contents_before = contents(&mut client);
        let digest = client.line("DEBUG DIGEST");
        crash(&mut server);
        let mut reference = start_on(Setup::redis(), &server);
        let found = persisted(&mut reference.connect());
        let last = DATABASES.len() - 1;
        assert_eq!(found[..last], sizes[..last], "DIFFERENTIAL_SEED={seed}");
        crash(&mut reference);
        let mut again = start_on(Setup::minium(), &server);
        let mut client = again.connect();
        for (key, digest) in contents(&mut client) {
            let before = contents_before.get(&key);
            assert_eq!(Some(&digest), before, "DIFFERENTIAL_SEED={seed}: {key:?}");
        }
        let found = client.line("DEBUG DIGEST");
        assert_eq!(found, digest, "DIFFERENTIAL_SEED={seed}");
        crash(&mut again);
    }
}
