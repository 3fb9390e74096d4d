//! The append-only file over a real socket, and exchanged with a real Redis both ways.

mod faults;
mod reload;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::snapshots::{digest, fill, info};
use crate::support::{Client, Server, Setup, Value, wait_for};

const FOLDER: &str = "appendonlydir";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

/// A server that answers when the log has what it says.
fn appending(setup: Setup) -> Setup {
    setup
        .with("appendonly", "yes")
        .with("appendfsync", "always")
        .with("enable-debug-command", "yes")
}

/// The files of a server's log.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = dir.join(FOLDER);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            let bytes = fs::read(&path).expect("a file that stays");
            (format!("{FOLDER}/{name}"), bytes)
        })
        .collect();
    files.sort();
    files
}

/// A server with such files.
fn with_files(setup: Setup, files: &[(String, Vec<u8>)]) -> Setup {
    (files.iter()).fold(setup, |setup, (name, bytes)| setup.file(name, bytes))
}

/// Checks that `redis-check-aof` accepts a server's log, that a Redis starts from it, and that it then has the same data.
#[track_caller]
fn assert_redis_loads(server: &Server, client: &mut Client, what: &str) {
    let expected = digest(client);
    let output = Command::new("redis-check-aof")
        .arg(server.dir().join(MANIFEST))
        .output()
        .expect("redis-check-aof can be run; tests/run installs it");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{what}: {said}");
    assert!(
        said.contains("All AOF files and manifest are valid"),
        "{what}: {said}"
    );
    let redis = with_files(appending(Setup::redis()), &files(server.dir())).start();
    assert_eq!(digest(&mut redis.connect()), expected, "{what}");
}

/// Waits until no new base is written or about to be.
#[track_caller]
fn wait_for_rewrite(client: &mut Client) {
    wait_for("the end of the rewrite", || {
        info(client, "aof_rewrite_in_progress") == "0"
            && info(client, "aof_rewrite_scheduled") == "0"
    });
    assert_eq!(info(client, "aof_last_bgrewrite_status"), "ok");
}

#[track_caller]
fn rewrite(client: &mut Client) {
    let reply = client.line("BGREWRITEAOF");
    let started = b"Background append only file rewriting started";
    assert_eq!(reply, Value::Simple(started.to_vec()));
    wait_for_rewrite(client);
}

/// Changes what [`fill`] made, in more than one database.
fn change(client: &mut Client) {
    for line in [
        "RPUSH list tail",
        "LPOP list",
        "HSET hash new 1",
        "HDEL hash new",
        "HSET hash newer 1",
        "ZADD zset 7 member",
        "SADD set member",
        "SPOP set",
        "APPEND empty x",
        "PEXPIRE empty 10000000",
        "PERSIST int8",
        "SET short x PX 1",
        "SELECT 7",
        "INCR here",
        "MULTI",
        "INCR here",
        "SELECT 3",
        "SET there 1 EX 10000",
        "EXEC",
        "SELECT 0",
        "MULTI",
        "RENAME int16 int17",
        "COPY list copied DB 3",
        "EXEC",
    ] {
        let reply = client.line(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
    }
    wait_for("the end of the key that lives for a moment", || {
        client.line("EXISTS short").int() == 0
    });
}

#[test]
fn what_redis_appended_is_loaded() {
    for preamble in ["yes", "no"] {
        let redis = appending(Setup::redis())
            .with("aof-use-rdb-preamble", preamble)
            .start();
        let mut theirs = redis.connect();
        fill(&mut theirs);
        rewrite(&mut theirs);
        change(&mut theirs);
        let setup = appending(Setup::minium()).with("aof-use-rdb-preamble", preamble);
        let server = with_files(setup, &files(redis.dir())).start();
        let mut ours = server.connect();
        assert_eq!(
            digest(&mut ours),
            digest(&mut theirs),
            "preamble {preamble}"
        );
        let left =
            ["PTTL hash", "PTTL list"].map(|line| (ours.line(line).int(), theirs.line(line).int()));
        for (ours, theirs) in left {
            assert!((ours - theirs).abs() < 20_000, "{ours} and {theirs}");
        }
        // It goes on behind what Redis appended.
        change(&mut ours);
        assert_redis_loads(&server, &mut ours, "Redis's log with our changes");
        rewrite(&mut ours);
        change(&mut ours);
        assert_redis_loads(&server, &mut ours, "our base in place of Redis's");
    }
}

#[test]
fn the_single_file_of_an_old_server_is_upgraded() {
    for preamble in ["yes", "no"] {
        let redis = appending(Setup::redis())
            .with("aof-use-rdb-preamble", preamble)
            .start();
        let mut theirs = redis.connect();
        fill(&mut theirs);
        rewrite(&mut theirs);
        change(&mut theirs);
        // As Redis 4 to 6 wrote it: base and increment in one.
        let mut parts = files(redis.dir());
        parts.retain(|(name, _)| name != MANIFEST);
        parts.sort_by_key(|(name, _)| name.contains(".incr."));
        assert_eq!(parts.len(), 2);
        let old = [&parts[0].1[..], &parts[1].1].concat();
        let upgraded = [Setup::minium(), Setup::redis()].map(|setup| {
            let server = appending(setup).file("appendonly.aof", &old).start();
            let mut client = server.connect();
            assert_eq!(digest(&mut client), digest(&mut theirs));
            assert!(!server.dir().join("appendonly.aof").exists());
            change(&mut client);
            assert_redis_loads(&server, &mut client, "an upgraded log");
            let manifest = fs::read_to_string(server.dir().join(MANIFEST));
            let names: Vec<_> = files(server.dir())
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            (manifest.expect("a manifest"), names)
        });
        assert_eq!(upgraded[0], upgraded[1]);
    }
}

#[test]
fn redis_loads_what_is_appended() {
    for preamble in ["yes", "no"] {
        let server = appending(Setup::minium())
            .with("aof-use-rdb-preamble", preamble)
            .start();
        let mut client = server.connect();
        fill(&mut client);
        change(&mut client);
        assert_redis_loads(&server, &mut client, "changes");
        for turn in 0..3 {
            rewrite_under_writes(&server, &mut client);
            assert_redis_loads(
                &server,
                &mut client,
                &format!("rewrite {turn} under writes"),
            );
        }
        assert!(client.line("CONFIG SET appendonly no").is_ok());
        assert_eq!(info(&mut client, "aof_enabled"), "0");
        change(&mut client);
        client.line("SET while off");
        assert!(client.line("CONFIG SET appendonly yes").is_ok());
        client.line("SET while on");
        wait_for("the base", || info(&mut client, "aof_enabled") == "1");
        wait_for_rewrite(&mut client);
        change(&mut client);
        assert_redis_loads(&server, &mut client, "off and on again");
        let kinds = files(server.dir()).len();
        assert_eq!(kinds, 3, "a base, an increment and the manifest are left");
    }
}

/// Has the log written anew while others change keys and large collections.
fn rewrite_under_writes(server: &Server, client: &mut Client) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let stop = &stop;
            scope.spawn(move || {
                let mut client = server.connect();
                for turn in (0..).map(|turn| turn * 7919 + writer) {
                    if stop.load(Relaxed) {
                        break;
                    }
                    let number = turn % 900;
                    for line in [
                        format!("INCR counter:{number}"),
                        format!("HSET large-hash {number} {turn}"),
                        format!("ZINCRBY large-zset 1 {number}"),
                        format!("RPUSH large-list {turn}"),
                        "LPOP large-list".to_owned(),
                        format!("DEL counter:{}", (number + 450) % 900),
                        format!("SADD large-set {number}"),
                        "SPOP large-set".to_owned(),
                    ] {
                        let reply = client.line(&line);
                        assert!(!reply.is_error(), "{line}: {reply:?}");
                    }
                }
            });
        }
        wait_for("writes", || {
            client.line("EXISTS large-list large-hash").int() == 2
        });
        rewrite(client);
        stop.store(true, Relaxed);
    });
}

#[test]
fn what_has_grown_is_rewritten() {
    let server = appending(Setup::minium())
        .with("auto-aof-rewrite-percentage", "100")
        .with("auto-aof-rewrite-min-size", "100kb")
        .start();
    let mut client = server.connect();
    let value = "v".repeat(1000);
    for _ in 0..90 {
        assert!(client.call(&["SET", "a", &value]).is_ok());
    }
    assert_eq!(info(&mut client, "aof_rewrites"), "0");
    for _ in 0..60 {
        assert!(client.call(&["SET", "a", &value]).is_ok());
    }
    wait_for("the rewrite", || info(&mut client, "aof_rewrites") == "1");
    wait_for_rewrite(&mut client);
    let size: u64 = info(&mut client, "aof_current_size")
        .parse()
        .expect("a number");
    assert!(size < 100_000, "{size}");
    let log = server.log();
    assert!(
        log.contains("Starting automatic rewriting of AOF on"),
        "{log}"
    );
    assert_redis_loads(&server, &mut client, "an automatic rewrite");
}

/// The fields about the log, in order.
fn fields(client: &mut Client) -> Vec<(String, String)> {
    let text = client.line("INFO persistence").text();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let ours = pairs.filter(|(name, _)| name.starts_with("aof_"));
    ours.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn info_tells_of_the_log_what_redis_tells() {
    /// They depend on the file's own bytes, on memory, or on the time, once there is something to tell.
    const VARIES: &[&str] = &[
        "aof_last_rewrite_time_sec",
        "aof_current_size",
        "aof_base_size",
        "aof_last_cow_size",
        "aof_pending_bio_fsync",
    ];
    let told = [Setup::minium(), Setup::redis()].map(|setup| {
        let server = setup.start();
        let mut client = server.connect();
        let mut told = Vec::new();
        let mut note = |client: &mut Client| {
            let fields = fields(client);
            let size = |name: &str| -> u64 {
                let field = fields.iter().find(|field| field.0 == name);
                field.map_or(0, |field| field.1.parse().expect("a number"))
            };
            // What came since the base takes as many bytes.
            told.push(vec![(
                "grown by".to_owned(),
                (size("aof_current_size") - size("aof_base_size")).to_string(),
            )]);
            let steady = fields.into_iter().map(|(name, value)| {
                let value = if VARIES.contains(&&*name) && value != "-1" {
                    "varies".to_owned()
                } else {
                    value
                };
                (name, value)
            });
            told.push(steady.collect());
        };
        assert!(client.line("SET a 1").is_ok());
        note(&mut client);
        assert!(
            client
                .line("CONFIG SET appendonly yes appendfsync always")
                .is_ok()
        );
        wait_for_rewrite(&mut client);
        note(&mut client);
        for line in ["SET a 2", "SELECT 1", "RPUSH l 1 2 3"] {
            assert!(!client.line(line).is_error());
        }
        note(&mut client);
        rewrite(&mut client);
        note(&mut client);
        assert!(client.line("CONFIG SET appendonly no").is_ok());
        note(&mut client);
        told
    });
    assert_eq!(told[0], told[1]);
}

/// Turning the log on locks every shard behind a change of the configuration; a transaction changes it with shards locked.
#[test]
fn the_log_is_turned_on_and_off_while_transactions_configure() {
    const TIMES: usize = 40;
    let server = Setup::minium().with("io-threads", "2").start();
    std::thread::scope(|scope| {
        // Connections go to the workers in turn.
        let (mut switching, mut transacting) = (server.connect(), server.connect());
        scope.spawn(move || {
            for n in 0..TIMES {
                let line = ["CONFIG SET appendonly yes", "CONFIG SET appendonly no"][n % 2];
                assert!(switching.line(line).is_ok());
            }
        });
        scope.spawn(move || {
            for _ in 0..TIMES * 20 {
                for line in ["MULTI", "INCR n", "CONFIG SET hz 10", "EXEC"] {
                    let reply = transacting.line(line);
                    assert!(!reply.is_error(), "{line}: {reply:?}");
                }
            }
        });
    });
    assert_eq!(
        server.connect().line("GET n").text(),
        (TIMES * 20).to_string()
    );
}
