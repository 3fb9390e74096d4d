//! Who may connect, how many, for how long, and what a client that does not read costs the others.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, is_root, wait_for};

/// Both servers' replies to the same lines on a connection that has said nothing yet.
#[track_caller]
fn same_replies(minium: &Server, redis: &Server, lines: &[&str]) {
    let (mut ours, mut theirs) = (minium.connect_raw(), redis.connect_raw());
    for line in lines {
        assert_eq!(
            ours.line(line),
            theirs.line(line),
            "for {line} in {lines:?}"
        );
    }
}

#[test]
fn passwords_are_asked_for_as_by_redis() {
    let (minium, redis) = (
        Setup::minium().password("secret").start(),
        Setup::redis().password("secret").start(),
    );
    for lines in [
        &[
            "PING",
            "GET a",
            "AUTH wrong",
            "AUTH default wrong",
            "AUTH nobody secret",
            "AUTH",
            "AUTH a b c",
            "PING",
        ][..],
        &["AUTH secret", "PING", "AUTH wrong", "PING"],
        &["AUTH default secret", "SET a 1", "GET a", "RESET", "GET a"],
        &["HELLO 4", "HELLO 3 AUTH default wrong", "GET a"],
        &[
            "HELLO 2 AUTH",
            "HELLO abc",
            "HELLO 3 AUTH default",
            "HELLO 3 NOSUCH",
            "COMMAND COUNT",
            "QUIT",
        ],
    ] {
        same_replies(&minium, &redis, lines);
    }
    let mut client = minium.connect_raw();
    // Redis 7.2 changed the words of this one.
    let refusal = client.line("HELLO 3").text();
    assert!(
        refusal.starts_with("NOAUTH HELLO must be called with the client already authenticated")
            && refusal.contains("HELLO <proto> AUTH <user> <pass>"),
        "{refusal}"
    );
    let hello = client.line("HELLO 3 AUTH default secret SETNAME worker");
    assert!(matches!(hello, Value::Map(_)), "{hello:?}");
    assert_eq!(
        client.line("CLIENT GETNAME"),
        Value::Bulk(b"worker".to_vec())
    );
}

#[test]
fn hello_tells_what_redis_tells() {
    let (minium, redis) = (Setup::minium().start(), Setup::redis().start());
    for line in ["HELLO", "HELLO 3", "HELLO 2"] {
        let (ours, theirs) = (minium.connect().line(line), redis.connect().line(line));
        let known = |reply: Value| match reply {
            Value::Map(pairs) => pairs,
            Value::Array(elements) => elements
                .chunks(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
            other => panic!("{other:?}"),
        };
        for ((our_name, our_value), (name, value)) in known(ours).into_iter().zip(known(theirs)) {
            assert_eq!(our_name, name);
            if !["version", "id"].contains(&name.text().as_str()) {
                assert_eq!(our_value, value, "{name:?}");
            }
        }
    }
    same_replies(
        &minium,
        &redis,
        &[
            "HELLO 1",
            "HELLO 4",
            "HELLO x",
            "HELLO 3 SETNAME",
            "HELLO 2 SETNAME a\u{e9}",
            "AUTH a",
            "AUTH a b",
        ],
    );
}

#[test]
fn one_client_too_many_is_told_so() {
    let setup = |setup: Setup| setup.with("maxclients", "5").start();
    let (minium, redis) = (setup(Setup::minium()), setup(Setup::redis()));
    let refusal = |server: &Server| {
        let mut open = vec![server.connect()];
        open.extend((1..5).map(|_| server.connect()));
        open.iter_mut()
            .for_each(|client| assert_eq!(client.line("PING"), Value::Simple(b"PONG".to_vec())));
        let refusal = server
            .connect_raw()
            .read_to_close()
            .expect("the server closes");
        drop(open);
        wait_for("a place for a new client", || {
            server
                .connect_raw()
                .try_call(&["PING"])
                .is_ok_and(|reply| !reply.is_error())
        });
        refusal
    };
    assert_eq!(
        refusal(&minium).escape_ascii().to_string(),
        refusal(&redis).escape_ascii().to_string()
    );
}

#[test]
fn a_unix_socket_serves_as_well() {
    let server = Setup::minium().unix().with("unixsocketperm", "700").start();
    let mut client = Client::connect_unix(&server.unix_socket()).expect("a connection");
    assert!(client.line("SET a 1").is_ok());
    assert_eq!(server.connect().line("GET a"), Value::Bulk(b"1".to_vec()));
    let mode = std::fs::metadata(server.unix_socket())
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let list = client.line("CLIENT LIST").text();
    assert!(
        list.contains(&format!(
            "addr={}:0",
            server
                .unix_socket()
                .file_name()
                .expect("a name")
                .to_string_lossy()
        )),
        "{list}"
    );
}

#[test]
fn several_addresses_may_be_bound_and_missing_ones_skipped() {
    // 192.0.2.0/24 is reserved for documentation: no machine has the address.
    let server = Setup::minium()
        .with("bind", "127.0.0.1 127.0.0.2 -192.0.2.200")
        .start();
    for host in [[127, 0, 0, 1], [127, 0, 0, 2]] {
        let mut client = Client::connect((host, server.port()).into()).expect("a connection");
        assert_eq!(client.line("PING"), Value::Simple(b"PONG".to_vec()));
    }
}

#[test]
fn protected_mode_refuses_other_machines_as_redis_does() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/protected-mode");
    let told_by = |program: &str| {
        // A user namespace gives the right to make a network namespace to those who lack it.
        let user: &[&str] = if is_root() {
            &[]
        } else {
            &["--user", "--map-root-user"]
        };
        let output = Command::new("unshare")
            .args(user)
            .arg("--net")
            .args([&script, Path::new(program)])
            .output()
            .expect("unshare can be run");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {complaints}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let ours = told_by(env!("CARGO_BIN_EXE_minium"));
    assert!(ours.starts_with("+PONG\r\n+OK\r\n-DENIED "), "{ours}");
    // Redis 7.2 corrected its words.
    let theirs = told_by("redis-server").replace("Setup a an", "Set up an");
    assert_eq!(ours, theirs);
}

#[test]
fn a_silent_client_is_let_go_after_the_timeout() {
    let server = Setup::minium().with("timeout", "1").start();
    let mut silent = server.connect();
    let mut busy = server.connect();
    let start = Instant::now();
    let closed = std::thread::spawn(move || silent.read_to_close().map(|_| start.elapsed()));
    wait_for("the end of the silent client", || {
        assert_eq!(
            busy.line("PING"),
            Value::Simple(b"PONG".to_vec()),
            "an active client stays"
        );
        closed.is_finished()
    });
    let after = closed.join().expect("no panic").expect("a clean close");
    assert!(
        after >= Duration::from_millis(900),
        "closed after {after:?} already"
    );
}

#[test]
fn a_client_that_does_not_read_is_cut_off_and_costs_the_others_nothing() {
    const VALUE: usize = 100_000;
    const REQUESTS: usize = 2_000;
    let server = Setup::minium()
        .with("client-output-buffer-limit", "normal 2mb 0 0")
        .start();
    let mut other = server.connect();
    assert!(other.call(&["SET", "value", &"x".repeat(VALUE)]).is_ok());
    let before = server.resident_bytes();
    let mut slow = server.connect();
    let mut request = Vec::new();
    (0..REQUESTS).for_each(|_| encode(&mut request, &["GET", "value"]));
    // The server may close while the requests are still on their way.
    let _: std::io::Result<()> = slow.write(&request);
    let mut worst = Duration::ZERO;
    let mut most = 0;
    wait_for("the slow client is cut off", || {
        let start = Instant::now();
        let list = other.line("CLIENT LIST").text();
        worst = worst.max(start.elapsed());
        most = most.max(server.resident_bytes().saturating_sub(before));
        list.lines().count() == 1
    });
    assert!(
        worst < Duration::from_secs(1),
        "another client waited {worst:?}"
    );
    assert!(most < 32 << 20, "the slow client cost {most} bytes");
    let received = slow
        .read_to_close()
        .expect("what was sent before the end")
        .len();
    assert!(received < REQUESTS * VALUE, "all {received} bytes came");
}

#[test]
fn a_client_that_reads_late_gets_all_without_a_limit() {
    const VALUE: usize = 100_000;
    const REQUESTS: usize = 300;
    let server = Setup::minium().start();
    let mut client = server.connect();
    assert!(client.call(&["SET", "value", &"x".repeat(VALUE)]).is_ok());
    let mut request = Vec::new();
    (0..REQUESTS).for_each(|_| encode(&mut request, &["GET", "value"]));
    client.write(&request).expect("the server reads");
    assert_eq!(
        server.connect().line("PING"),
        Value::Simple(b"PONG".to_vec())
    );
    for _ in 0..REQUESTS {
        assert_eq!(client.read().bytes().len(), VALUE);
    }
}
