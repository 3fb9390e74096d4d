//! What operators see and do: INFO, CONFIG, DEBUG, SHUTDOWN, beside a real redis-server where it has an opinion.

use crate::support::{Client, Server, Setup, Value, wait_for};

fn both(configure: impl Fn(Setup) -> Setup) -> [Server; 2] {
    [Setup::redis(), Setup::minium()].map(|setup| configure(setup).start())
}

fn with_debug() -> [Server; 2] {
    both(|setup| setup.with("enable-debug-command", "yes"))
}

/// Plays the same lines to both and compares the replies byte for byte.
#[track_caller]
fn same_replies(servers: &[Server; 2], lines: &[&str]) {
    for protocol in ["HELLO 2", "HELLO 3"] {
        let [mut redis, mut minium] = servers.each_ref().map(Server::connect);
        redis.line(protocol);
        minium.line(protocol);
        for line in lines {
            assert_eq!(
                minium.line(line),
                redis.line(line),
                "{line} after {protocol}"
            );
            if line.to_ascii_uppercase().ends_with(" PUSH") && protocol == "HELLO 3" {
                assert_eq!(minium.read(), redis.read(), "what follows the push");
            }
        }
    }
}

fn info(client: &mut Client, section: &str) -> String {
    client.line(&format!("INFO {section}")).text()
}

fn field(text: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(':')
            .map(str::to_owned)
    };
    text.lines().find_map(value)
}

fn names(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split(':').next().unwrap_or(line))
        .collect()
}

const SECTIONS: [&str; 13] = [
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cpu",
    "modules",
    "commandstats",
    "errorstats",
    "latencystats",
    "cluster",
    "keyspace",
];

/// Every field of the reference is there, in the same order.
#[test]
fn info_has_the_fields_of_the_reference() {
    let servers = both(|setup| setup);
    let [mut redis, mut minium] = servers.each_ref().map(Server::connect);
    for client in [&mut redis, &mut minium] {
        client.line("CONFIG RESETSTAT");
        for line in [
            "SET key value",
            "EXPIRE key 1000",
            "GET key",
            "GET nothing",
            "nonesuch",
            "GET",
        ] {
            client.line(line);
        }
    }
    for words in SECTIONS.iter().copied().chain([
        "",
        "default",
        "all",
        "everything",
        "cpu KEYSPACE nonesuch",
        "nonesuch",
    ]) {
        let (wanted, had) = (info(&mut redis, words), info(&mut minium, words));
        let had = names(&had);
        let mut rest = had.iter();
        for name in names(&wanted) {
            // The reference lists its commands in no order.
            let found =
                if name.starts_with("cmdstat_") || name.starts_with("latency_percentiles_usec_") {
                    had.contains(&name)
                } else {
                    rest.any(|other| *other == name)
                };
            assert!(found, "INFO {words} lacks {name}, or has it elsewhere");
        }
    }
}

#[test]
fn info_tells_what_happened() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    client.line("SET key value");
    client.line("EXPIRE key 1000");
    client.line("CONFIG RESETSTAT");
    client.line("GET key");
    client.line("GET nothing");
    client.line("GET");
    client.line("DECR key");
    // The connection that found the server ready may not be gone yet.
    wait_for("the test to be the only client", || {
        field(&info(&mut client, "clients"), "connected_clients").as_deref() == Some("1")
    });
    let text = info(&mut client, "everything");
    let is =
        |name: &str, value: &str| assert_eq!(field(&text, name).as_deref(), Some(value), "{name}");
    is("redis_version", "7.2.4");
    is("process_id", &server.pid().to_string());
    is("tcp_port", &server.port().to_string());
    is("keyspace_hits", "1");
    is("keyspace_misses", "1");
    is("total_error_replies", "2");
    is("errorstat_ERR", "count=2");
    let db = field(&text, "db0").expect("a database");
    assert!(db.starts_with("keys=1,expires=1,avg_ttl="), "{db}");
    let get = field(&text, "cmdstat_get").expect("GET was called");
    assert!(
        get.starts_with("calls=2,usec=") && get.ends_with(",rejected_calls=1,failed_calls=0"),
        "{get}"
    );
    let decr = field(&text, "cmdstat_decr").expect("DECR was called");
    assert!(
        decr.starts_with("calls=1,") && decr.ends_with(",rejected_calls=0,failed_calls=1"),
        "{decr}"
    );
    let resident: u64 = field(&text, "used_memory_rss")
        .and_then(|bytes| bytes.parse().ok())
        .expect("a number");
    let system = server.resident_bytes();
    assert!(
        resident.abs_diff(system) < 4 << 20,
        "INFO says {resident} bytes, the system {system}"
    );
}

#[test]
fn latency_is_tracked_as_configured() {
    let server = Setup::minium().with("enable-debug-command", "yes").start();
    let mut client = server.connect();
    let percentiles = |client: &mut Client, command: &str| {
        field(
            &info(client, "latencystats"),
            &format!("latency_percentiles_usec_{command}"),
        )
    };
    client.line("DEBUG SLEEP 0.05");
    let sleep = percentiles(&mut client, "debug").expect("DEBUG was called");
    let values: Vec<f64> = sleep
        .split(',')
        .map(|pair| pair.split_once('=').unwrap().1.parse().unwrap())
        .collect();
    assert!(
        sleep.starts_with("p50=") && sleep.contains(",p99=") && sleep.contains(",p99.9="),
        "{sleep}"
    );
    assert!(
        values
            .iter()
            .all(|&micros| (50_000.0..5_000_000.0).contains(&micros)),
        "{sleep}"
    );
    assert!(
        client
            .call(&[
                "CONFIG",
                "SET",
                "latency-tracking-info-percentiles",
                "0 100"
            ])
            .is_ok()
    );
    let ends = percentiles(&mut client, "debug").unwrap();
    assert!(ends.starts_with("p0=") && ends.contains(",p100="), "{ends}");
    client.line("CONFIG RESETSTAT");
    assert_eq!(percentiles(&mut client, "debug"), None);
    client.line("CONFIG SET latency-tracking no");
    client.line("SET key value");
    client.line("CONFIG SET latency-tracking yes");
    assert_eq!(percentiles(&mut client, "set"), None);
}

#[test]
fn rates_follow_the_load() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let rate = |client: &mut Client, name: &str| -> f64 {
        field(&info(client, "stats"), name)
            .and_then(|rate| rate.parse().ok())
            .expect("a rate")
    };
    wait_for("a rate of commands", || {
        (0..100).for_each(|_| assert!(client.line("SET key value").is_ok()));
        rate(&mut client, "instantaneous_ops_per_sec") > 50.0
            && rate(&mut client, "instantaneous_input_kbps") > 0.5
    });
}

#[test]
fn config_refuses_in_the_words_of_the_reference() {
    same_replies(
        &both(|setup| setup),
        &[
            "CONFIG",
            "CONFIG nonesuch",
            "CONFIG GET",
            "CONFIG GET maxclients",
            "CONFIG GET MAXCLIENTS nonesuch",
            "CONFIG GET nonesuch",
            "CONFIG SET maxclients",
            "CONFIG SET maxclients 1 timeout",
            "CONFIG SET nonesuch 1",
            "CONFIG SET maxclients many",
            "CONFIG SET databases 1",
            "CONFIG SET dir /",
            "CONFIG SET timeout 1 timeout 2",
            "CONFIG SET timeout 7 appendonly perhaps",
            "CONFIG GET timeout",
            "CONFIG SET timeout 7 hz 20",
            "CONFIG GET timeout",
            "CONFIG REWRITE",
            "CONFIG REWRITE now",
            "CONFIG RESETSTAT",
        ],
    );
}

#[test]
fn config_rewrite_keeps_what_was_set() {
    let server = Setup::minium()
        .config("own.conf", "# mine\ntimeout 5\n")
        .start();
    let mut client = server.connect();
    assert!(client.line("CONFIG SET timeout 6 maxmemory 10mb").is_ok());
    assert!(client.line("CONFIG REWRITE").is_ok());
    let text = std::fs::read_to_string(server.dir().join("own.conf")).expect("the file");
    assert!(text.starts_with("# mine\ntimeout 6\n"), "{text}");
    assert!(text.contains("\nmaxmemory 10mb\n"), "{text}");
}

/// Whatever the server writes about itself it can read, and it means the same.
#[test]
fn a_configuration_written_in_full_starts_an_equal_server() {
    let written = Setup::minium()
        .with("enable-debug-command", "yes")
        .config("own.conf", "# mine\nsave 60 1\nsave 300 10\ntimeout 5\n")
        .start();
    let mut first = written.connect();
    let reply = first.line("DEBUG CONFIG-REWRITE-FORCE-ALL");
    assert!(reply.is_ok(), "{reply:?}");
    let text = std::fs::read_to_string(written.dir().join("own.conf")).expect("the file");
    assert!(text.starts_with("# mine\n"), "{text}");
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("timeout "))
            .count(),
        1
    );
    let other = Setup::minium().config("own.conf", &text).start();
    let mut second = other.connect();
    // What the tests themselves give a server on its command line may differ.
    let own = ["port", "dir"];
    let settings = |client: &mut Client| {
        let pairs = client.line("CONFIG GET *");
        let pairs = pairs
            .elements()
            .chunks(2)
            .map(|pair| (pair[0].text(), pair[1].text()));
        pairs
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(settings(&mut second), settings(&mut first));
}

#[test]
fn debug_answers_like_the_reference() {
    let types = [
        "string", "integer", "double", "bignum", "null", "array", "set", "map", "attrib", "push",
        "verbatim", "true", "false",
    ];
    let mut lines: Vec<String> = types
        .iter()
        .map(|kind| format!("DEBUG PROTOCOL {kind}"))
        .collect();
    // The test's client knows no attributes, which only RESP3 has.
    lines.retain(|line| !line.ends_with("attrib"));
    lines.extend(
        [
            "DEBUG",
            "DEBUG nonesuch",
            "DEBUG SLEEP",
            "DEBUG SLEEP 0",
            "DEBUG PROTOCOL nonesuch",
            "DEBUG SET-ACTIVE-EXPIRE 1",
            "DEBUG PAUSE-CRON 0",
            "DEBUG CHANGE-REPL-ID",
            "DEBUG ERROR MINE",
            "DEBUG OBJECT nonesuch",
            "DEBUG POPULATE -1",
            "DEBUG POPULATE x",
            "SHUTDOWN nonesuch",
            "SHUTDOWN SAVE NOSAVE",
            "SHUTDOWN ABORT NOW",
            "SHUTDOWN ABORT",
            "MEMORY USAGE nonesuch",
            "MEMORY USAGE nonesuch SAMPLES",
            "MEMORY USAGE nonesuch SAMPLES -1",
            "MEMORY USAGE nonesuch SAMPLES x",
            "MEMORY nonesuch",
            "MEMORY PURGE",
            "LASTSAVE 1",
            "TIME 1",
            "LOLWUT VERSION x",
        ]
        .map(str::to_owned),
    );
    same_replies(
        &with_debug(),
        &lines.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn debug_is_refused_unless_allowed() {
    same_replies(&both(|setup| setup), &["DEBUG SLEEP 0", "DEBUG HELP"]);
    let local = both(|setup| setup.with("enable-debug-command", "local"));
    same_replies(&local, &["DEBUG SLEEP 0"]);
}

#[test]
fn digests_are_those_of_the_reference() {
    let servers = with_debug();
    let digest = "DEBUG DIGEST";
    let values = "DEBUG DIGEST-VALUE short number long mortal nothing";
    let long = format!("SET long {}", "x".repeat(70_000));
    same_replies(
        &servers,
        &[
            digest,
            "SET short value",
            "SET number -1234567890",
            &long,
            "SET mortal value",
            "EXPIRE mortal 1000",
            values,
            digest,
            "SELECT 9",
            "SET short value",
            "DEBUG POPULATE 1000 many 12",
            digest,
            "DEL short",
            digest,
            "FLUSHALL",
            digest,
        ],
    );
}

#[test]
fn debug_object_tells_how_a_value_is_stored() {
    let servers = with_debug();
    let [mut redis, mut minium] = servers.each_ref().map(Server::connect);
    for value in [
        "7",
        "-129",
        "70000",
        "99999999999",
        "007",
        "abc",
        &"x".repeat(20),
        &"ab".repeat(40),
    ] {
        let [theirs, ours] = [&mut redis, &mut minium].map(|client| {
            client.line("CONFIG SET rdbcompression no");
            client.call(&["SET", "key", value]);
            let line = client.line("DEBUG OBJECT key").text();
            // Numbers below 10000 are shared objects there, with a count and a clock of their own.
            line.split(' ')
                .filter(|word| {
                    ["encoding:", "serializedlength:"]
                        .iter()
                        .any(|name| word.starts_with(name))
                })
                .collect::<Vec<_>>()
                .join(" ")
        });
        assert_eq!(ours, theirs, "{value}");
    }
}

#[test]
fn shutdown_ends_the_server_without_a_reply() {
    for line in ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN NOSAVE NOW FORCE"] {
        let mut server = Setup::minium().start();
        let mut client = server.connect();
        client
            .write(format!("{line}\r\nPING\r\n").as_bytes())
            .expect("a living server");
        assert_eq!(
            client.read_to_close().expect("a closed connection"),
            b"",
            "{line}"
        );
        assert!(server.wait_for_end().success(), "{line}");
    }
}

#[test]
fn memory_tells_more_for_more() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    client.call(&["SET", "small", "1"]);
    client.call(&["SET", "large", &"x".repeat(100_000)]);
    let small = client.line("MEMORY USAGE small").int();
    let large = client.line("MEMORY USAGE large").int();
    assert!(
        (24..64).contains(&small) && (100_000..140_000).contains(&large),
        "{small} and {large}"
    );
    client.line("HELLO 3");
    let Value::Map(stats) = client.line("MEMORY STATS") else {
        panic!("a map")
    };
    assert_eq!(stats.len(), 28);
    let keys = stats
        .iter()
        .find(|(name, _)| name.bytes() == b"keys.count")
        .expect("a count of keys");
    assert_eq!(keys.1.int(), 2);
    for line in ["MEMORY DOCTOR", "MEMORY MALLOC-STATS", "LOLWUT"] {
        assert!(matches!(client.line(line), Value::Verbatim(_)), "{line}");
    }
}
