//! Transactions, side by side with the reference: what is queued, what breaks a watch, and what EXEC answers.

use std::time::Duration;

use crate::support::{Client, Server, Setup, Value, wait_for};

/// Two servers, and two clients of each: lines that begin with `other:` are the second client's.
struct Sides {
    servers: [Server; 2],
}

impl Sides {
    fn start() -> Sides {
        let debug = |setup: Setup| setup.with("enable-debug-command", "yes").start();
        Sides {
            servers: [debug(Setup::minium()), debug(Setup::redis())],
        }
    }

    /// Says the same to both servers and compares every answer.
    #[track_caller]
    fn agree(&self, lines: &[&str]) {
        let [ours, reference] = self.servers.each_ref().map(|server| {
            let (mut first, mut other) = (server.connect(), server.connect());
            first.line("FLUSHALL");
            let mut answer =
                |line: &str| match (line.strip_prefix("dies: "), line.strip_prefix("other: ")) {
                    (Some(key), _) => until_dead(&mut other, key),
                    (_, Some(line)) => other.line(line),
                    _ => first.line(line),
                };
            lines
                .iter()
                .map(|line| answer(line))
                .collect::<Vec<Value>>()
        });
        for ((line, ours), reference) in lines.iter().zip(ours).zip(reference) {
            assert_eq!(ours, reference, "{line} of {lines:?}");
        }
    }
}

/// Waits until a key's time is over, without a look that would remove it.
fn until_dead(client: &mut Client, key: &str) -> Value {
    let deadline = client.call(&["PEXPIRETIME", key]).int();
    wait_for("the end of a key", || {
        let time = client.call(&["TIME"]);
        let [seconds, micros] = [0, 1].map(|at| time.elements()[at].text().parse::<i64>());
        seconds.expect("seconds") * 1000 + micros.expect("microseconds") / 1000 > deadline
    });
    Value::Null
}

#[test]
fn commands_wait_for_exec() {
    let sides = Sides::start();
    for lines in [
        &[
            "MULTI",
            "SET a 1",
            "other: GET a",
            "INCR a",
            "EXEC",
            "GET a",
        ][..],
        &["MULTI", "SET a 1", "DISCARD", "GET a", "EXEC"],
        &["MULTI", "EXEC"],
        &[
            "EXEC",
            "DISCARD",
            "UNWATCH",
            "EXEC x",
            "DISCARD x",
            "MULTI x",
        ],
        &["MULTI", "MULTI", "SET a 1", "EXEC", "GET a"],
        &["MULTI", "WATCH a", "SET a 1", "EXEC", "GET a"],
        &["MULTI", "RESET", "EXEC", "PING"],
        &[
            "MULTI", "SELECT 1", "SET k 1", "EXEC", "GET k", "SELECT 0", "GET k",
        ],
        &["MULTI", "HELLO 3 x", "ECHO a", "EXEC"],
        &[
            "HELLO 3 SETNAME n",
            "MULTI",
            "GET none",
            "DEL none",
            "EXEC",
            "EXEC",
        ],
    ] {
        // What HELLO tells of the server differs; how a client talks from then on does not.
        if lines[0].starts_with("HELLO") {
            let [ours, reference] = sides.servers.each_ref().map(|server| {
                let mut client = server.connect();
                client.line(lines[0]);
                lines[1..]
                    .iter()
                    .map(|line| client.line(line))
                    .collect::<Vec<Value>>()
            });
            assert_eq!(ours, reference, "{lines:?}");
        } else {
            sides.agree(lines);
        }
    }
}

#[test]
fn what_is_refused_while_queueing_refuses_all_and_what_fails_in_exec_does_not() {
    let sides = Sides::start();
    for lines in [
        &["MULTI", "SET a 1", "SET a", "SET b 1", "EXEC", "MGET a b"][..],
        &["MULTI", "SET a 1", "nosuch", "EXEC", "GET a"],
        &["MULTI", "SET a 1", "CONFIG nosuch", "EXEC", "GET a"],
        &["MULTI", "SET a 1", "SHUTDOWN", "EXEC", "GET a"],
        &["MULTI", "SET a 1", "EXEC x", "EXEC", "GET a"],
        &["MULTI", "SET a", "DISCARD", "SET a 1", "GET a"],
        &["MULTI", "SET a x", "INCR a", "APPEND a y", "EXEC", "GET a"],
    ] {
        sides.agree(lines);
    }
}

#[test]
fn a_watch_breaks_when_its_key_changes() {
    let sides = Sides::start();
    let then = ["MULTI", "PING", "EXEC", "MULTI", "PING", "EXEC"];
    for lines in [
        &["WATCH a", "other: SET a 1"][..],
        &["WATCH a", "SET a 1"],
        &["WATCH a b", "WATCH c a", "other: SET b 1"],
        &["WATCH a", "other: SET b 1", "other: GET a"],
        &["WATCH a", "other: SET a 1", "UNWATCH"],
        &["WATCH a", "other: SET a 1", "MULTI", "DISCARD"],
        &["WATCH a", "other: SET a 1", "WATCH b"],
        &["WATCH a", "other: DEL a", "other: EXPIRE a 10"],
        &["SET a 1", "WATCH a", "other: DEL a"],
        &["SET a 1", "WATCH a", "other: EXPIRE a 100"],
        &["SET a 1", "WATCH a", "other: PERSIST a"],
        &["SET a 1", "WATCH b", "other: COPY a b"],
        &["SET a 1", "WATCH a", "other: COPY a b"],
        &["SET a 1", "WATCH b", "other: RENAME a b"],
        &["SET a 1", "WATCH a", "other: SELECT 1", "other: SET a 2"],
        &["WATCH a", "SELECT 1", "other: SET a 2"],
        // Emptied and exchanged databases: what was there, or has come, has changed.
        &["WATCH a", "other: FLUSHALL"],
        &["SET a 1", "WATCH a", "other: FLUSHALL"],
        &["SET a 1", "WATCH a", "other: FLUSHDB", "other: SET a 1"],
        &["SET a 1", "WATCH a", "other: SWAPDB 0 1"],
        &["WATCH a", "other: SWAPDB 0 1"],
        &[
            "SELECT 1",
            "SET a 1",
            "SELECT 0",
            "WATCH a",
            "other: SWAPDB 0 1",
        ],
        &[
            "SELECT 1",
            "SET a 1",
            "SELECT 0",
            "WATCH a",
            "other: SWAPDB 1 2",
        ],
    ] {
        sides.agree(&[lines, &then[..]].concat());
    }
}

#[test]
fn a_watched_key_may_die() {
    let sides = Sides::start();
    let then = ["MULTI", "PING", "EXEC"];
    for expiring in ["DEBUG SET-ACTIVE-EXPIRE 1", "DEBUG SET-ACTIVE-EXPIRE 0"] {
        for lines in [
            // Dead already, so that its removal is no change.
            &["SET a 1 PX 1", "dies: a", "WATCH a"][..],
            &["SET a 1 PX 1", "dies: a", "WATCH a", "other: GET a"],
            &["SET a 1 PX 1", "dies: a", "WATCH a", "other: SET a 1"],
            // Alive when the watch began.
            &["SET a 1 PX 200", "WATCH a", "dies: a"],
            &["SET a 1 PX 200", "WATCH a", "dies: a", "other: GET a"],
        ] {
            sides.agree(&[&[expiring][..], lines, &then].concat());
        }
    }
}

#[test]
fn a_client_that_is_gone_watches_no_more() {
    let server = Setup::minium().start();
    let (mut first, mut other) = (server.connect(), server.connect());
    other.line("WATCH a b");
    drop(other);
    wait_for("the end of the other client", || {
        first.line("CLIENT LIST").text().lines().count() == 1
    });
    assert!(first.line("SET a 1").is_ok());
    first.line("WATCH a");
    first.line("MULTI");
    let listed = first.line("CLIENT LIST");
    assert_eq!(listed, Value::Simple("QUEUED".into()));
    let list = server.connect().line("CLIENT LIST TYPE normal").text();
    let mine = list.lines().next().expect("a client");
    assert!(
        mine.contains(" flags=x ") && mine.contains(" multi=1 "),
        "{mine}"
    );
}

#[test]
fn a_transaction_that_writes_waits_while_writes_are_paused() {
    let server = Setup::minium().start();
    let (mut writer, mut reader, mut other) =
        (server.connect(), server.connect(), server.connect());
    for (client, command) in [(&mut writer, "SET a 1"), (&mut reader, "GET a")] {
        client.line("MULTI");
        client.line(command);
    }
    other.line("CLIENT PAUSE 100000 WRITE");
    assert!(reader.line("EXEC").elements()[0].is_null());
    writer.write(b"*1\r\n$4\r\nEXEC\r\n").expect("a connection");
    writer
        .set_reply_limit(Duration::from_secs(10))
        .expect("a connection");
    wait_for("EXEC to wait", || {
        other.line("CLIENT LIST").text().contains("flags=xb")
    });
    other.line("CLIENT UNPAUSE");
    assert!(writer.read().elements()[0].is_ok());
}

#[test]
fn a_hundred_thousand_commands_are_one_transaction_and_cost_nothing_afterwards() {
    const COMMANDS: usize = 100_000;
    const AT_ONCE: usize = 1000;
    let server = Setup::minium().start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let used = |client: &mut Client| -> u64 {
        let memory = client.line("INFO memory").text();
        let line = memory
            .lines()
            .find_map(|it| it.strip_prefix("used_memory:"));
        line.expect("it is there").parse().expect("a number")
    };
    let before = used(&mut other);
    assert_eq!(client.line("MULTI").text(), "OK");
    let some = vec![vec![b"INCR".to_vec(), b"n".to_vec()]; AT_ONCE];
    for _ in 0..COMMANDS / AT_ONCE {
        let replies = client.try_pipeline(&some).expect("replies");
        assert!(replies.iter().all(|reply| reply.text() == "QUEUED"));
        assert!(other.line("GET n").is_null());
    }
    let Value::Array(replies) = client.line("EXEC") else {
        panic!("no array");
    };
    let numbers: Vec<i64> = replies.iter().map(Value::int).collect();
    assert!(numbers.into_iter().eq(1..=COMMANDS as i64));
    assert_eq!(other.line("GET n").text(), COMMANDS.to_string());
    // Ten megabytes waited for EXEC; a worker keeps one for replies.
    wait_for("the memory to be given back", || {
        used(&mut other) < before + (2 << 20)
    });
}
