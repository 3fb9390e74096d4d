//! What is on disk when the server starts: files of real Redis servers, damaged ones, and clients who come too early.

use std::fs;
use std::path::Path;

use crate::support::{Client, Setup, Value, wait_for};

fn minium() -> Setup {
    Setup::minium().with("enable-debug-command", "yes")
}

/// Values of every type, in as many encodings as Redis has under its own settings and under tight ones.
fn fill(redis: &mut Client) {
    let mut call = |words: &[&str]| {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let reply = redis.call(&words);
        assert!(!matches!(reply, Value::Error(_)), "{words:?}: {reply:?}");
    };
    let numbers = |range: std::ops::Range<i64>| range.map(|n| n.to_string()).collect::<Vec<_>>();
    let words = |count: i64, len: usize| {
        let word = move |n: i64| format!("{n}-{}", "x".repeat(len));
        (0..count).map(word).collect::<Vec<_>>()
    };
    for (database, tight) in [("0", false), ("9", true)] {
        call(&["SELECT", database]);
        for directive in [
            "hash-max-listpack-entries",
            "zset-max-listpack-entries",
            "set-max-intset-entries",
        ] {
            call(&["CONFIG", "SET", directive, if tight { "4" } else { "512" }]);
        }
        for text in [
            "",
            "7",
            "-129",
            "70000",
            "-9223372036854775808",
            "007",
            "text",
            &"ab".repeat(5000),
        ] {
            call(&["SET", &format!("string:{}", text.len()), text]);
        }
        for (name, elements) in [
            ("few", words(3, 4)),
            ("integers", numbers(-200..200)),
            ("many", words(3000, 9)),
            ("long", words(9, 3000)),
        ] {
            let with = |head: &[&str], elements: &[String]| {
                let words = head
                    .iter()
                    .map(ToString::to_string)
                    .chain(elements.iter().cloned());
                words.collect::<Vec<_>>()
            };
            let mut all = |head: &[&str], elements: &[String]| {
                let words = with(head, elements);
                call(&words.iter().map(String::as_str).collect::<Vec<_>>());
            };
            all(&["RPUSH", &format!("list:{name}")], &elements);
            all(&["SADD", &format!("set:{name}")], &elements);
            let fields: Vec<_> = elements
                .iter()
                .flat_map(|e| [e.clone(), format!("v{e}")])
                .collect();
            all(&["HSET", &format!("hash:{name}")], &fields);
            let scored = |(n, member): (usize, &String)| {
                let score = ["-inf", "0.1", "3", "1e300", "-7", "inf"][n % 6];
                [score.to_owned(), member.clone()]
            };
            let scored: Vec<_> = elements.iter().enumerate().flat_map(scored).collect();
            all(&["ZADD", &format!("zset:{name}")], &scored);
        }
        call(&["EXPIRE", "string:0", "100000"]);
        call(&["PEXPIRE", "hash:many", "100000000"]);
    }
}

fn digest(client: &mut Client) -> String {
    client.line("DEBUG DIGEST").text()
}

/// Copies the snapshot of a stopped or running server into the folder in which another one starts.
fn starting_from(file: &Path) -> Setup {
    minium().file("dump.rdb", &fs::read(file).expect("a snapshot"))
}

#[test]
fn a_file_of_redis_is_loaded_as_it_is() {
    let redis = Setup::redis().with("enable-debug-command", "yes").start();
    let mut client = redis.connect();
    fill(&mut client);
    for compression in ["yes", "no"] {
        client.line(&format!("CONFIG SET rdbcompression {compression}"));
        client.line("SAVE");
        let expected = digest(&mut client);
        let server = starting_from(&redis.dir().join("dump.rdb")).start();
        let mut ours = server.connect();
        assert_eq!(digest(&mut ours), expected);
        let info = ours.line("INFO persistence").text();
        assert!(info.contains("loading:0\r\n"), "{info}");
        assert!(info.contains("rdb_last_load_keys_expired:0\r\n"), "{info}");
        assert!(!info.contains("rdb_last_load_keys_loaded:0\r\n"), "{info}");
    }
}

#[test]
fn every_dump_of_redis_can_be_restored() {
    let redis = Setup::redis().with("enable-debug-command", "yes").start();
    let mut theirs = redis.connect();
    fill(&mut theirs);
    let server = minium().start();
    let mut ours = server.connect();
    for database in ["0", "9"] {
        for client in [&mut theirs, &mut ours] {
            client.line(&format!("SELECT {database}"));
        }
        for key in theirs.line("KEYS *").elements() {
            let key = key.bytes();
            theirs.call(&[b"PERSIST", key]);
            let payload = theirs.call(&[b"DUMP", key]);
            let reply = ours.call(&[b"RESTORE", key, b"0", payload.bytes()]);
            assert!(reply.is_ok(), "{}: {reply:?}", key.escape_ascii());
            let question: [&[u8]; 3] = [b"DEBUG", b"DIGEST-VALUE", key];
            let values = [&mut theirs, &mut ours].map(|client| client.call(&question));
            assert_eq!(values[0], values[1], "{}", key.escape_ascii());
        }
    }
}

#[test]
fn what_restore_refuses_it_refuses_as_redis_does() {
    let redis = Setup::redis().start();
    let server = minium().start();
    let (mut theirs, mut ours) = (redis.connect(), server.connect());
    theirs.line("SET k value");
    ours.line("SET k value");
    let payload = theirs.line("DUMP k").bytes().to_vec();
    let mut wrong = payload.clone();
    wrong[2] ^= 1;
    let mut nonsense = vec![9, 1, 2, 10, 0];
    let checksum = minium::persistence::rdb::format::Checksum::of(&nonsense);
    nonsense.extend_from_slice(&checksum.to_le_bytes());
    let cases: &[&[&[u8]]] = &[
        &[b"k", b"0", &payload],
        &[b"k", b"x", &payload, b"REPLACE"],
        &[b"l", b"-1", &payload],
        &[b"l", b"x", &payload],
        &[b"l", b"0", &wrong],
        &[b"l", b"0", &payload[1..]],
        &[b"l", b"0", b""],
        &[b"l", b"0", &nonsense],
        &[b"l", b"0", &payload, b"NONSENSE"],
        &[b"l", b"0", &payload, b"IDLETIME"],
        &[b"l", b"0", &payload, b"IDLETIME", b"-1"],
        &[b"l", b"0", &payload, b"IDLETIME", b"x"],
        &[b"l", b"0", &payload, b"FREQ", b"256"],
        &[b"l", b"0", &payload, b"FREQ", b"-1"],
        &[b"l", b"0", &payload, b"FREQ", b"1", b"IDLETIME", b"1"],
        &[b"l", b"0"],
        &[b"l", b"1000", &payload, b"ABSTTL"],
        &[b"k", b"1000", &payload, b"ABSTTL", b"REPLACE"],
        &[b"k", b"100000", &payload, b"REPLACE", b"idletime", b"50"],
        &[b"m", b"0", &payload, b"freq", b"5"],
    ];
    for case in cases {
        let request: Vec<&[u8]> = [&b"RESTORE"[..]]
            .into_iter()
            .chain(case.iter().copied())
            .collect();
        assert_eq!(theirs.call(&request), ours.call(&request), "{request:?}");
        for question in ["EXISTS k l m", "OBJECT ENCODING k", "GET k"] {
            assert_eq!(
                theirs.line(question),
                ours.line(question),
                "{question} after {request:?}"
            );
        }
    }
    let restored: [&[u8]; 7] = [
        b"RESTORE",
        b"x",
        b"90000",
        &payload,
        b"IDLETIME",
        b"50",
        b"REPLACE",
    ];
    assert!(ours.call(&restored).is_ok());
    assert!((50..90).contains(&ours.line("OBJECT IDLETIME x").int()));
    assert!((60_000..=90_000).contains(&ours.line("PTTL x").int()));
}

/// The log of a server that does not start from this file.
fn refused(bytes: &[u8]) -> String {
    let started = minium().file("dump.rdb", bytes).try_start();
    started
        .map(|_| ())
        .expect_err("a server that does not start")
}

#[test]
fn a_damaged_file_stops_the_start_and_stays_as_it_is() {
    let redis = Setup::redis().start();
    let mut client = redis.connect();
    client.line("SET k value");
    client.line("SAVE");
    let bytes = fs::read(redis.dir().join("dump.rdb")).expect("a snapshot");
    let log = refused(&bytes[..bytes.len() - 9]);
    assert!(
        log.contains("Fatal error loading the DB") && log.contains("dump.rdb: at byte"),
        "{log}"
    );
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    refused(&flipped);
    assert!(refused(b"").contains("at byte 0"));
    assert!(refused(b"REDIS0099").contains("RDB format version 0099"));
    assert!(refused(b"not a snapshot").contains("do not begin"));
}

#[test]
fn keys_whose_time_was_over_are_left_out() {
    let redis = Setup::redis().with("enable-debug-command", "yes").start();
    let mut client = redis.connect();
    client.line("SET stays 1");
    client.line("DEBUG SET-ACTIVE-EXPIRE 0");
    client.line("SET goes 1 PX 1");
    client.line("SAVE");
    let key_is_dead = || client.line("PTTL goes") == Value::Int(-2);
    wait_for("the time of the key to be over", key_is_dead);
    let server = starting_from(&redis.dir().join("dump.rdb")).start();
    let mut ours = server.connect();
    assert_eq!(ours.line("DBSIZE"), Value::Int(1));
    let info = ours.line("INFO persistence").text();
    assert!(info.contains("rdb_last_load_keys_expired:1\r\n"), "{info}");
}

#[test]
fn clients_wait_while_data_are_loaded() {
    let redis = Setup::redis().with("enable-debug-command", "yes").start();
    let mut client = redis.connect();
    client.line("DEBUG POPULATE 2000");
    client.line("SAVE");
    let server = starting_from(&redis.dir().join("dump.rdb"))
        .with("key-load-delay", "2000")
        .start_loading();
    let mut ours = server.connect();
    let loading = Value::Error(b"LOADING Redis is loading the dataset in memory".to_vec());
    for request in ["PING", "GET key:1", "SET key:1 x", "DBSIZE"] {
        assert_eq!(ours.line(request), loading, "{request}");
    }
    let info = ours.line("INFO persistence").text();
    for field in [
        "loading:1",
        "loading_total_bytes:",
        "loading_loaded_perc:",
        "loading_eta_seconds:",
    ] {
        assert!(info.contains(field), "{field} is not in {info}");
    }
    ours.line("CONFIG SET key-load-delay 0");
    wait_for("the data", || ours.line("DBSIZE") == Value::Int(2000));
}

#[test]
fn a_server_that_loads_can_be_ended_and_leaves_the_file_alone() {
    let redis = Setup::redis().with("enable-debug-command", "yes").start();
    let mut client = redis.connect();
    client.line("DEBUG POPULATE 2000");
    client.line("SAVE");
    let bytes = fs::read(redis.dir().join("dump.rdb")).expect("a snapshot");
    let mut server = minium()
        .file("dump.rdb", &bytes)
        .with("key-load-delay", "100000")
        .with("save", "1 1")
        .start_loading();
    let mut ours = server.connect();
    ours.write(b"SHUTDOWN\r\n").expect("the server listens");
    server.wait_for_end();
    assert!(fs::read(server.dir().join("dump.rdb")).expect("the snapshot") == bytes);
}
