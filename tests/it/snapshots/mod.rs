//! Snapshot files and DUMP payloads, tried on a real Redis: it loads what we write, and what it then holds is the same.

mod data;
mod faults;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::command;
use crate::support::{Client, Server, Setup, Value, wait_for};
pub(crate) use data::fill;

fn minium() -> Setup {
    Setup::minium().with("enable-debug-command", "yes")
}

pub(crate) fn digest(client: &mut Client) -> String {
    client.line("DEBUG DIGEST").text()
}

/// What `redis-check-rdb` says of a file that it accepts.
#[track_caller]
fn checked(file: &Path) -> String {
    let output = Command::new("redis-check-rdb").arg(file).output();
    let output = output.expect("redis-check-rdb can be run; tests/run installs it");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("RDB looks OK"), "{said}");
    said
}

/// A Redis that has loaded a file.
#[track_caller]
fn redis_with(file: &Path) -> Server {
    Setup::redis()
        .with("enable-debug-command", "yes")
        .with(
            "dir",
            &file.parent().expect("a folder").display().to_string(),
        )
        .with(
            "dbfilename",
            &file.file_name().expect("a name").to_string_lossy(),
        )
        .start()
}

pub(crate) fn info(client: &mut Client, field: &str) -> String {
    let text = client.line("INFO persistence").text();
    let prefix = format!("{field}:");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
    line.unwrap_or_else(|| panic!("no {field} in {text}"))
        .to_owned()
}

fn is_idle(client: &mut Client) -> bool {
    info(client, "rdb_bgsave_in_progress") == "0"
}

/// Has a snapshot taken in the background and waits until it is there.
#[track_caller]
fn bgsave(client: &mut Client) {
    assert_eq!(
        client.line("BGSAVE"),
        Value::Simple(b"Background saving started".to_vec())
    );
    wait_for("the end of the snapshot", || is_idle(client));
}

#[test]
fn redis_loads_what_is_saved() {
    let server = minium().start();
    let mut client = server.connect();
    fill(&mut client);
    let expected = digest(&mut client);
    let file = server.dir().join("dump.rdb");
    for (compresses, saves) in [("yes", "SAVE"), ("no", "SAVE"), ("yes", "BGSAVE")] {
        assert!(
            client
                .line(&format!("CONFIG SET rdbcompression {compresses}"))
                .is_ok()
        );
        match saves {
            "SAVE" => assert!(client.line("SAVE").is_ok()),
            _ => bgsave(&mut client),
        }
        checked(&file);
        let redis = redis_with(&file);
        let mut theirs = redis.connect();
        assert_eq!(
            digest(&mut theirs),
            expected,
            "{saves}, compression {compresses}"
        );
        let (ours, theirs) = (client.line("PTTL hash"), theirs.line("PTTL hash"));
        let (Value::Int(ours), Value::Int(theirs)) = (&ours, &theirs) else {
            panic!("{ours:?} and {theirs:?}");
        };
        assert!((ours - theirs).abs() < 10_000, "{ours} and {theirs}");
        fs::remove_file(&file).expect("it is there");
    }
    assert_eq!(digest(&mut client), expected);
}

#[test]
fn compression_makes_files_smaller() {
    let server = minium().start();
    let mut client = server.connect();
    let mut sizes = Vec::new();
    for value in ["a".repeat(100_000), "RANDOM".into()] {
        assert!(client.call(&["SET", "a", &value]).is_ok());
        for compresses in ["yes", "no"] {
            assert!(
                client
                    .line(&format!("CONFIG SET rdbcompression {compresses}"))
                    .is_ok()
            );
            assert!(client.line("SAVE").is_ok());
            sizes.push(
                fs::metadata(server.dir().join("dump.rdb"))
                    .expect("a file")
                    .len(),
            );
        }
    }
    assert!(sizes[0] < 2000 && sizes[1] > 100_000, "{sizes:?}");
    assert_eq!(sizes[2], sizes[3]);
}

#[test]
fn a_file_has_the_oldest_version_that_holds_the_data() {
    let server = minium().start();
    let mut client = server.connect();
    let file = server.dir().join("dump.rdb");
    for (line, version) in [
        ("SADD a 1 2 3", "REDIS0009"),
        ("SADD b 1 2 x", "REDIS0009"),
        ("HSET c f v", "REDIS0010"),
        ("HPEXPIRE c 10000000 FIELDS 1 f", "REDIS0012"),
        ("HPERSIST c FIELDS 1 f", "REDIS0009"),
        ("RPUSH d a", "REDIS0010"),
    ] {
        client.line(line);
        assert!(client.line("SAVE").is_ok());
        let bytes = fs::read(&file).expect("a file");
        assert_eq!(
            bytes[..9].escape_ascii().to_string(),
            version,
            "after {line}"
        );
        if version != "REDIS0012" {
            checked(&file);
        }
    }
}

#[test]
fn there_is_a_checksum_unless_nobody_wants_one() {
    for (wanted, present) in [("yes", true), ("no", false)] {
        let server = minium().with("rdbchecksum", wanted).start();
        let mut client = server.connect();
        assert!(client.line("SET a 1").is_ok());
        assert!(client.line("SAVE").is_ok());
        let file = server.dir().join("dump.rdb");
        let bytes = fs::read(&file).expect("a file");
        assert_eq!(bytes[bytes.len() - 8..] != [0; 8], present);
        assert_eq!(checked(&file).contains("Checksum OK"), present);
    }
}

#[test]
fn redis_restores_what_is_dumped() {
    let server = minium().start();
    let redis = Setup::redis().with("enable-debug-command", "yes").start();
    let (mut ours, mut theirs) = (server.connect(), redis.connect());
    fill(&mut ours);
    assert_eq!(ours.line("DUMP nonesuch"), theirs.line("DUMP nonesuch"));
    let keys = ours.line("KEYS *");
    assert!(keys.elements().len() > 25);
    for key in keys.elements() {
        let Value::Bulk(key) = key else {
            panic!("{key:?}")
        };
        let Value::Bulk(payload) = ours.call(&command!["DUMP", key]) else {
            panic!("no payload of {}", key.escape_ascii());
        };
        let restored = theirs.call(&command!["RESTORE", key, "0", payload, "REPLACE"]);
        assert!(restored.is_ok(), "{}: {restored:?}", key.escape_ascii());
        // Whether there is a deadline is part of the digest, and none of the payload.
        ours.call(&command!["PERSIST", key]);
        let digest = command!["DEBUG", "DIGEST-VALUE", key];
        assert_eq!(
            ours.call(&digest),
            theirs.call(&digest),
            "{}",
            key.escape_ascii()
        );
    }
    // The version is told behind the value: that of Redis 7.4 if a field has a deadline, and else one that 7.0 knows.
    ours.line("HSET timed a 1 b 2");
    ours.line("HPEXPIRE timed 10000000 FIELDS 1 a");
    let Value::Bulk(payload) = ours.line("DUMP timed") else {
        panic!("no payload")
    };
    assert_eq!(payload[payload.len() - 10..][..2], [12, 0]);
}

#[test]
fn accesses_are_told_where_the_policy_asks_for_them() {
    for (policy, told) in [
        ("noeviction", &b""[..]),
        ("allkeys-lru", b"\xF8\0"),
        ("volatile-lfu", b"\xF9\x05"),
    ] {
        let server = minium().with("maxmemory-policy", policy).start();
        let mut client = server.connect();
        assert!(client.line("SET a x").is_ok());
        assert!(client.line("SAVE").is_ok());
        let file = server.dir().join("dump.rdb");
        checked(&file);
        let bytes = fs::read(&file).expect("a file");
        // Behind the sizes of the database: one key, none with a deadline.
        let record = [b"\xFB\x01\0", told, b"\0\x01a\x01x\xFF"].concat();
        let found = bytes.windows(record.len()).any(|window| window == record);
        assert!(found, "{policy}: {}", bytes.escape_ascii());
    }
}

#[test]
fn replies_are_those_of_redis() {
    let setups = [minium(), Setup::redis().with("enable-debug-command", "yes")];
    let replies = setups.map(|setup| {
        let server = setup.start();
        let mut client = server.connect();
        let mut replies = Vec::new();
        let mut say = |client: &mut Client, line: &str| replies.push(client.line(line));
        for line in [
            "SET a 1",
            "SAVE",
            "SAVE now",
            "BGSAVE later",
            "BGSAVE SCHEDULE now",
            "MULTI",
            "SAVE",
            "DISCARD",
            // Long enough that the snapshot does not end before the next line.
            "CONFIG SET rdb-key-save-delay 10000000",
            "BGSAVE",
            "BGSAVE",
            "BGSAVE SCHEDULE",
            "SAVE",
            "CONFIG SET rdb-key-save-delay 0",
        ] {
            say(&mut client, line);
        }
        assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "1");
        // Emptying everything ends it.
        assert!(client.line("FLUSHALL").is_ok());
        wait_for("the end of the snapshot", || is_idle(&mut client));
        replies.push(Value::Simple(
            info(&mut client, "rdb_last_bgsave_status").into(),
        ));
        for line in ["MULTI", "SET a 1", "BGSAVE", "EXEC"] {
            replies.push(client.line(line));
        }
        wait_for("the scheduled snapshot", || {
            is_idle(&mut client) && info(&mut client, "rdb_changes_since_last_save") == "0"
        });
        for field in ["rdb_saves", "rdb_last_bgsave_status"] {
            replies.push(Value::Simple(info(&mut client, field).into()));
        }
        let left = fs::read_dir(server.dir()).expect("a folder");
        let left = left.map(|file| file.expect("a file").file_name());
        let temporary: Vec<_> = left
            .filter(|name| name.to_string_lossy().starts_with("temp-"))
            .collect();
        assert!(temporary.is_empty(), "{temporary:?} are left");
        replies
    });
    assert_eq!(replies[0], replies[1]);
}

#[test]
fn changes_are_counted_since_the_last_snapshot() {
    let server = minium().start();
    let mut client = server.connect();
    let changes = |client: &mut Client| info(client, "rdb_changes_since_last_save");
    client.line("MSET a 1 b 2");
    assert_eq!(changes(&mut client), "2");
    assert!(client.line("SAVE").is_ok());
    assert_eq!(changes(&mut client), "0");
    client.line("INCR a");
    bgsave(&mut client);
    assert_eq!(changes(&mut client), "0");
    client.line("INCR a");
    assert_eq!(changes(&mut client), "1");
    let Value::Int(saved) = client.line("LASTSAVE") else {
        panic!("LASTSAVE answers a time")
    };
    assert_eq!(saved.to_string(), info(&mut client, "rdb_last_save_time"));
}

#[test]
fn a_save_point_that_is_reached_saves() {
    let server = minium().with("save", "1 2").start();
    let mut client = server.connect();
    let file = server.dir().join("dump.rdb");
    client.line("SET a 1");
    assert_eq!(client.line("CONFIG GET save").elements()[1].text(), "1 2");
    let age = |client: &mut Client| -> u64 {
        let info = client.line("INFO server").text();
        let line = (info.lines()).find_map(|line| line.strip_prefix("uptime_in_seconds:"));
        line.expect("the age").parse().expect("a number")
    };
    let born = age(&mut client);
    wait_for("more than the second", || age(&mut client) >= born + 3);
    assert!(!file.exists(), "one change is not two");
    client.line("SET b 1");
    wait_for("the file", || file.exists());
    wait_for("the report", || {
        info(&mut client, "rdb_changes_since_last_save") == "0"
    });
    assert!(
        server.log().contains("2 changes in 1 seconds. Saving..."),
        "{}",
        server.log()
    );
    checked(&file);
}

#[test]
fn the_end_saves_as_it_is_asked_to() {
    enum End {
        Say(&'static str),
        Signal(&'static str),
    }
    use End::{Say, Signal};
    for (points, end, saves) in [
        ("", Say("SHUTDOWN"), false),
        ("", Say("SHUTDOWN SAVE"), true),
        ("100 100", Say("SHUTDOWN"), true),
        ("100 100", Say("SHUTDOWN NOSAVE NOW"), false),
        ("100 100", Signal("TERM"), true),
        ("100 100", Signal("INT"), true),
        ("", Signal("TERM"), false),
    ] {
        let mut server = minium().with("save", points).start();
        let mut client = server.connect();
        assert!(client.line("SET a 1").is_ok());
        let file = server.dir().join("dump.rdb");
        match end {
            Say(line) => {
                client
                    .write(format!("{line}\r\n").as_bytes())
                    .expect("it listens");
            }
            Signal(name) => server.signal(name),
        }
        let status = server.wait_for_end();
        assert_eq!(status.code(), Some(0), "{}", server.log());
        let what = match end {
            Say(line) => line,
            Signal(name) => name,
        };
        assert_eq!(file.exists(), saves, "{what} with save points '{points}'");
        if saves {
            let redis = redis_with(&file);
            assert_eq!(redis.connect().line("GET a").text(), "1");
        }
    }
    let mut server = minium()
        .with("save", "100 100")
        .with("shutdown-on-sigterm", "nosave")
        .start();
    server.signal("TERM");
    server.wait_for_end();
    assert!(
        !server.dir().join("dump.rdb").exists(),
        "shutdown-on-sigterm nosave"
    );
}

#[test]
fn a_snapshot_under_writes_is_of_one_moment() {
    /// Pairs of keys that a transaction changes together, and fields of two large hashes.
    const PAIRS: usize = 2000;
    let server = minium().start();
    let mut client = server.connect();
    for side in ["a", "b"] {
        for number in 0..PAIRS {
            assert!(
                client
                    .call(&["SET", &format!("{side}:{number}"), "0"])
                    .is_ok()
            );
            let field = number.to_string();
            client.call(&["HSET", &format!("large {side}"), &field, "0"]);
            client.call(&["RPUSH", &format!("list {side}"), &field]);
        }
    }
    let stop = AtomicBool::new(false);
    let file = server.dir().join("dump.rdb");
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                let mut client = server.connect();
                for turn in 0.. {
                    if stop.load(Relaxed) {
                        break;
                    }
                    let number = (turn * 7919 + writer * 31) % PAIRS;
                    let both = |verb: &str, key: &str, rest: &[&str]| {
                        ["a", "b"].map(|side| {
                            let key = key.replace('?', side);
                            let words = [&[verb, key.as_str()][..], rest].concat();
                            words
                                .iter()
                                .map(|word| word.as_bytes().to_vec())
                                .collect::<Vec<_>>()
                        })
                    };
                    let field = number.to_string();
                    let changes = match turn % 5 {
                        0 => both("INCR", &format!("?:{number}"), &[]),
                        1 => both("HINCRBY", "large ?", &[&field, "1"]),
                        2 => both("HDEL", "large ?", &[&field]),
                        3 => both("DEL", &format!("?:{number}"), &[]),
                        _ => both("LSET", "list ?", &[&field, &turn.to_string()]),
                    };
                    let [first, second] = changes;
                    let words = |word: &str| vec![word.as_bytes().to_vec()];
                    let replies =
                        client.try_pipeline(&[words("MULTI"), first, second, words("EXEC")]);
                    assert!(matches!(
                        replies.expect("replies").last(),
                        Some(Value::Array(_))
                    ));
                }
            });
        }
        for _ in 0..5 {
            bgsave(&mut client);
            checked(&file);
            let redis = redis_with(&file);
            let mut redis = redis.connect();
            for number in 0..PAIRS {
                let [a, b] = ["a", "b"].map(|side| redis.line(&format!("GET {side}:{number}")));
                assert_eq!(a, b, "pair {number}");
            }
            for key in ["large", "list"] {
                let line = |side| {
                    ["DEBUG", "DIGEST-VALUE"]
                        .map(str::to_owned)
                        .into_iter()
                        .chain([format!("{key} {side}")])
                };
                let [a, b] = ["a", "b"].map(|side| redis.call(&line(side).collect::<Vec<_>>()));
                assert_eq!(a, b, "{key}");
            }
        }
        stop.store(true, Relaxed);
    });
}

#[test]
fn a_reload_brings_everything_back() {
    let server = minium().start();
    let mut client = server.connect();
    fill(&mut client);
    // Deadlines of fields, in the small and in the large form of a hash.
    for fields in [3, 1000] {
        let key = format!("timed {fields}");
        for number in 0..fields {
            let field = number.to_string();
            client.call(&["HSET", &key, &field, "value"]);
            if number % 2 == 0 {
                let late = (4_000_000_000_000u64 + number).to_string();
                client.call(&["HPEXPIREAT", &key, &late, "FIELDS", "1", &field]);
            }
        }
    }
    let deadlines = |client: &mut Client| {
        ["timed 3", "timed 1000"]
            .map(|key| client.call(&["HPEXPIRETIME", key, "FIELDS", "3", "0", "1", "2"]))
    };
    let (data, times) = (digest(&mut client), deadlines(&mut client));
    for line in [
        "DEBUG RELOAD",
        "DEBUG RELOAD NOSAVE",
        "CONFIG SET rdbcompression no",
        "DEBUG RELOAD",
    ] {
        assert!(client.line(line).is_ok(), "{line}: {}", server.log());
        assert_eq!(digest(&mut client), data, "{line}");
        assert_eq!(deadlines(&mut client), times, "{line}");
    }
    assert_eq!(
        client.line("DEBUG RELOAD twice"),
        Value::Error(
            b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.".to_vec()
        )
    );
}
