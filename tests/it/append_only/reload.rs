//! DEBUG LOADAOF: the log of a server that runs, loaded again. A real Redis is asked the same.

use std::fs::OpenOptions;
use std::io::Write;

use super::{FOLDER, appending, assert_redis_loads, change, files, rewrite};
use crate::snapshots::{digest, fill, info};
use crate::support::{Client, Server, Setup, Value, wait_for};

fn both(preamble: &str) -> [Server; 2] {
    [Setup::minium(), Setup::redis()].map(|setup| {
        appending(setup)
            .with("aof-use-rdb-preamble", preamble)
            .start()
    })
}

/// What a client is told line by line.
fn told(client: &mut Client, lines: &[&str]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| client.line(line).unordered())
        .collect()
}

#[test]
fn what_the_log_holds_is_loaded_again() {
    for preamble in ["yes", "no"] {
        for server in both(preamble) {
            let mut client = server.connect();
            fill(&mut client);
            rewrite(&mut client);
            change(&mut client);
            assert!(client.line("SET short-lived 1 EX 1000").is_ok());
            let before = digest(&mut client);
            let mut watching = server.connect();
            assert!(watching.line("WATCH short-lived").is_ok());

            assert!(client.line("DEBUG LOADAOF").is_ok());
            assert_eq!(digest(&mut client), before);
            let left = client.line("TTL short-lived").int();
            assert!((900..=1000).contains(&left), "{left}");
            let exec = ["MULTI", "PING", "EXEC"].map(|line| watching.line(line));
            assert!(exec[2].is_null(), "{exec:?}");

            // The log goes on behind what was loaded, and holds nothing twice.
            change(&mut client);
            assert_redis_loads(&server, &mut client, "a log that was loaded again");
            rewrite(&mut client);
            assert_redis_loads(&server, &mut client, "a base of what was loaded again");
        }
    }
}

#[test]
fn what_the_log_does_not_hold_is_gone() {
    let replies = both("no").map(|server| {
        let mut client = server.connect();
        let within = told(
            &mut client,
            &[
                "SET a 1",
                "MULTI",
                "SET b 1",
                "DEBUG LOADAOF",
                "SET c 1",
                "EXEC",
                "KEYS *",
                // Now the log holds the transaction.
                "DEBUG LOADAOF",
                "KEYS *",
                "CONFIG SET appendonly no",
                "SET d 1",
                "SELECT 3",
                "SET e 1",
                "DEBUG LOADAOF",
                "EXISTS e",
                "SELECT 0",
                "KEYS *",
            ],
        );
        (within, digest(&mut client))
    });
    assert_eq!(replies[0], replies[1]);
}

#[test]
fn who_waits_is_served_what_the_log_brings() {
    let replies = both("no").map(|server| {
        let mut client = server.connect();
        assert!(client.line("SET a 1").is_ok());
        let mut waiting = server.connect();
        waiting
            .write(b"BLPOP list 0\r\n")
            .expect("a call that waits");
        wait_for("a client that waits", || {
            client
                .line("INFO clients")
                .text()
                .contains("blocked_clients:1")
        });
        append(&server, b"*3\r\n$5\r\nRPUSH\r\n$4\r\nlist\r\n$1\r\nx\r\n");
        assert!(client.line("DEBUG LOADAOF").is_ok());
        let served = waiting.read();
        // What was taken is appended behind what brought it.
        let last = files(server.dir()).iter().any(|(_, bytes)| {
            bytes.ends_with(b"RPUSH\r\n$4\r\nlist\r\n$1\r\nx\r\n*2\r\n$4\r\nLPOP\r\n$4\r\nlist\r\n")
        });
        (served, client.line("KEYS *").unordered(), last)
    });
    assert_eq!(replies[0], replies[1]);
    assert!(replies[0].2);
}

/// Appends to the log from outside.
fn append(server: &Server, bytes: &[u8]) {
    let path = server.dir().join(FOLDER).join("appendonly.aof.1.incr.aof");
    let mut file = OpenOptions::new().append(true).open(path).expect("a log");
    file.write_all(bytes).expect("a log that takes more");
}

#[test]
fn a_log_that_is_damaged_is_the_end_and_none_is_an_error() {
    for mut server in both("no") {
        let mut client = server.connect();
        assert!(client.line("SET a 1").is_ok());
        append(&server, b"no command");
        assert!(client.try_call(&["DEBUG", "LOADAOF"]).is_err());
        assert_eq!(server.wait_for_end().code(), Some(1));
        let log = server.log();
        assert!(
            log.contains("Bad file format reading the append only file"),
            "{log}"
        );
    }
    // Here a Redis ends, too.
    let server = Setup::minium().with("enable-debug-command", "yes").start();
    let mut client = server.connect();
    assert!(client.line("SET a 1").is_ok());
    assert!(client.line("DEBUG LOADAOF").is_error());
    assert_eq!(client.line("GET a").text(), "1");
    assert_eq!(info(&mut client, "loading"), "0");
}
