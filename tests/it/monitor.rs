//! MONITOR: which commands are shown, in which form and order, and what is kept back.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, wait_for};

fn pair(configure: impl Fn(Setup) -> Setup) -> [Server; 2] {
    [Setup::redis(), Setup::minium()].map(|setup| configure(setup).start())
}

fn monitor(server: &Server) -> Client {
    let mut client = server.connect();
    assert!(client.line("MONITOR").is_ok());
    client
}

/// The next line, without its time and with the peer's name for its address.
fn shown(monitor: &mut Client, names: &HashMap<String, &str>) -> String {
    let line = match monitor.read() {
        Value::Simple(line) => String::from_utf8(line).expect("lines are ASCII"),
        other => panic!("{other:?} is no line"),
    };
    let (time, rest) = line.split_once(' ').expect("a time");
    let (seconds, micros) = time.split_once('.').expect("a fraction");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    assert!(
        now.abs_diff(seconds.parse().expect("seconds")) < 100 && micros.len() == 6,
        "{line}"
    );
    let (peer, arguments) = rest.split_once("] ").expect("a peer");
    let (database, address) = peer.split_once(' ').expect("a database");
    let name = names.get(address).copied().unwrap_or(address);
    format!("{database} {name}] {arguments}")
}

/// What a server shows while these clients send these requests, one after the other. A last `ECHO end` ends it.
fn all_shown(server: &Server, requests: &[(&str, Vec<Vec<u8>>)]) -> Vec<String> {
    let mut watching = monitor(server);
    let mut clients: HashMap<&str, Client> = HashMap::new();
    let mut names = HashMap::new();
    for (name, request) in requests {
        let client = clients.entry(name).or_insert_with(|| match *name {
            "unix" => Client::connect_unix(&server.unix_socket()).expect("a connection"),
            _ => server.connect_raw(),
        });
        if *name != "unix" && !names.values().any(|known| known == name) {
            let info = client.line("CLIENT INFO").text();
            if let Some(address) = info.split("addr=").nth(1) {
                names.insert(address.split(' ').next().expect("a word").to_owned(), *name);
            }
        }
        if request[0].is_empty() {
            // Not a request but an inline line.
            client.write(&request[1]).expect("written");
            client.read();
        } else {
            client.call(request);
        }
    }
    names.insert(format!("unix:{}", server.unix_socket().display()), "unix");
    server.connect().line("ECHO end");
    let mut lines = Vec::new();
    loop {
        let line = shown(&mut watching, &names);
        if line.ends_with("\"ECHO\" \"end\"") {
            return lines;
        }
        lines.push(line);
    }
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

#[test]
fn the_same_is_shown_as_by_redis() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let lines = [
        ("a", "SET foo bar"),
        ("b", "get foo"),
        ("unix", "GeT foo"),
        ("a", "SELECT 9"),
        ("a", "SET other 1"),
        // Not run, not shown.
        ("b", "NOSUCH command"),
        ("b", "GET"),
        ("b", "CLIENT NOSUCH"),
        ("b", "LPUSH foo not-a-list"),
        // For operators.
        ("b", "CONFIG GET maxmemory"),
        ("b", "CONFIG SET masterauth secret"),
        ("b", "SLOWLOG LEN"),
        ("b", "CLIENT LIST"),
        ("b", "CLIENT ID"),
        ("b", "CLIENT SETNAME b"),
        ("b", "COMMAND COUNT"),
        ("b", "INFO server"),
        // Secrets.
        ("b", "AUTH secret"),
        ("b", "AUTH default secret"),
        ("b", "HELLO 2 AUTH default secret SETNAME me"),
        ("b", "HELLO 3"),
        // A transaction is shown when it runs, before its EXEC.
        ("a", "MULTI"),
        ("a", "INCR other"),
        ("a", "SELECT 3"),
        ("a", "INCR other"),
        ("a", "CONFIG GET maxmemory"),
        ("b", "PING"),
        ("a", "EXEC"),
        ("a", "EXEC"),
        ("a", "MULTI"),
        ("a", "INCR"),
        ("a", "INCR other"),
        ("a", "EXEC"),
        ("a", "MULTI"),
        ("a", "GET other"),
        ("a", "DISCARD"),
        ("a", "WATCH other"),
        ("a", "SET other 2"),
        ("a", "MULTI"),
        ("a", "GET other"),
        ("a", "EXEC"),
        ("a", "MULTI"),
        ("a", "PING"),
        ("a", "EXEC too many"),
        ("a", "CLIENT REPLY ON"),
        ("a", "RESET"),
        ("a", "DEL foo other"),
        // Scripts, and behind each what it called.
        (
            "a",
            "EVAL return(redis.call('set',KEYS[1],ARGV[1])) 1 foo bar",
        ),
        (
            "a",
            "EVAL redis.call('select',5);redis.call('get','foo');redis.pcall('nosuch');redis.pcall('get');return(redis.pcall('incr','foo')) 0",
        ),
        ("b", "EVAL_RO return(redis.call('get','foo')) 0"),
        ("b", "EVAL redis.call('get','foo');error('x') 0"),
        ("b", "EVAL nonsense 0"),
        ("b", "SCRIPT LOAD return(redis.call('ping'))"),
        ("b", "EVALSHA 15c11b218207eaa8f2aed51945f52175cbded9e3 0"),
        ("a", "MULTI"),
        ("a", "GET foo"),
        ("a", "EVAL return(redis.call('get',KEYS[1])) 1 foo"),
        ("a", "PUBLISH channel x"),
        ("a", "BLPOP nothing 0"),
        ("a", "EXEC"),
        ("a", "QUIT"),
    ];
    let mut requests: Vec<(&str, Vec<Vec<u8>>)> = lines
        .iter()
        .map(|(name, line)| (*name, words(line)))
        .collect();
    requests.push((
        "c",
        vec![b"SET".to_vec(), every_byte, b"\"quoted\" \\".to_vec()],
    ));
    requests.push(("c", vec![b"ECHO".to_vec(), vec![]]));
    requests.push(("c", vec![vec![], b"echo 'in line' \"\\x00\"\r\n".to_vec()]));
    let [redis, minium] = pair(Setup::unix);
    let theirs = all_shown(&redis, &requests);
    let ours = all_shown(&minium, &requests);
    assert_eq!(ours, theirs);
}

#[test]
fn who_watches_is_served_as_by_redis() {
    for server in pair(|setup| setup) {
        let mut watching = monitor(&server);
        let names = HashMap::new();
        for line in ["GET key", "SET key 1", "EXISTS key", "DBSIZE"] {
            let refused = watching.line(line);
            assert_eq!(
                refused.text(),
                "ERR Replica can't interact with the keyspace",
                "{line}"
            );
        }
        assert_eq!(watching.line("PING").text(), "PONG");
        assert!(shown(&mut watching, &names).ends_with("\"PING\""));
        let info = watching.line("CLIENT INFO").text();
        assert!(info.contains(" flags=O "), "{info}");
        assert!(shown(&mut watching, &names).ends_with("\"CLIENT\" \"INFO\""));
        // A second MONITOR has no reply.
        watching.write(b"MONITOR\r\nECHO x\r\n").expect("written");
        assert_eq!(watching.read().text(), "x");
        assert!(shown(&mut watching, &names).ends_with("\"ECHO\" \"x\""));
        assert_eq!(watching.line("RESET").text(), "RESET");
        server.connect().line("ECHO unseen");
        assert_eq!(watching.line("PING").text(), "PONG");
    }
}

#[test]
fn all_monitors_see_one_order_which_is_that_of_execution() {
    const CLIENTS: usize = 4;
    const EACH: usize = 500;
    let server = Setup::minium().with("io-threads", "4").start();
    let mut monitors: Vec<Client> = (0..6).map(|_| monitor(&server)).collect();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let mut client = server.connect();
            scope.spawn(move || {
                let commands: Vec<Vec<Vec<u8>>> = (0..EACH)
                    .map(|count| words(&format!("APPEND log {number}-{count},")))
                    .collect();
                for part in commands.chunks(10) {
                    client.try_pipeline(part).expect("replies");
                }
            });
        }
    });
    let log = server.connect().line("GET log").text();
    let names = HashMap::new();
    for monitor in &mut monitors {
        let mut seen = String::new();
        while seen.len() < log.len() {
            let line = shown(monitor, &names);
            let argument = line.split("\"APPEND\" \"log\" \"").nth(1);
            seen += argument.expect("an APPEND").trim_end_matches('"');
        }
        assert_eq!(seen, log);
    }
}

#[test]
fn a_monitor_that_does_not_read_is_cut_off() {
    let server = Setup::minium()
        .with("client-output-buffer-limit", "normal 1000000 0 0")
        .start();
    let watching = monitor(&server);
    let mut client = server.connect();
    let mut request = Vec::new();
    encode(&mut request, &["ECHO", &"x".repeat(100_000)]);
    let mut sent = 0;
    wait_for("the monitor is ended", || {
        client.write(&request).expect("written");
        client.read();
        sent += 1;
        client
            .line("INFO stats")
            .text()
            .contains("client_output_buffer_limit_disconnections:1")
    });
    assert!(sent > 10, "not before its buffers are full");
    drop(watching);
    // Nobody is left who would be shown anything.
    assert_eq!(client.line("PING").text(), "PONG");
}
