//! What a script says of itself in its first line decides what it is refused, and what it has to wait for; beside the reference.

use std::fs::create_dir;
use std::time::Duration;

use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, wait_for};

const WRITER: &str = "#!lua\nreturn redis.call('set', 'k', 2)";
const READER: &str = "#!lua flags=no-writes\nreturn redis.call('get', 'k')";
const SILENT: &str = "return redis.call('set', 'k', 2)";
const LIBRARY: &str = "#!lua name=both
    redis.register_function{function_name = 'reader', callback = function() return 1 end, flags = {'no-writes'}}
    redis.register_function('writer', function() return 1 end)";

/// A server with the scripts, and the requests that call them in every way.
fn begin(setup: Setup) -> (Server, Vec<Vec<String>>) {
    let server = setup.start();
    let mut client = server.connect();
    client.call(&["FUNCTION", "LOAD", LIBRARY]);
    let mut requests: Vec<Vec<String>> = Vec::new();
    let mut add =
        |words: &[&str]| requests.push(words.iter().map(|word| (*word).to_owned()).collect());
    for source in [
        WRITER,
        READER,
        SILENT,
        "return 1",
        "#!lua flags=bad\n",
        "#!lua flags=no-writes,allow-oom\nreturn 1",
    ] {
        add(&["EVAL", source, "0"]);
        add(&["EVAL_RO", source, "0"]);
    }
    for source in [WRITER, READER] {
        let name = client.call(&["SCRIPT", "LOAD", source]).text();
        for name in [&name[..], &name.to_uppercase(), &name[1..]] {
            add(&["EVALSHA", name, "0"]);
            add(&["EVALSHA_RO", name, "0"]);
        }
    }
    for name in ["reader", "writer", "nobody"] {
        add(&["FCALL", name, "0"]);
        add(&["FCALL_RO", name, "0"]);
    }
    add(&["PUBLISH", "a", "b"]);
    add(&["SET", "k", "3"]);
    add(&["GET", "k"]);
    add(&["PING"]);
    (server, requests)
}

/// Sends a request alone, and then in a transaction; answers what comes, or that it has to wait.
fn ask(server: &Server, observer: &mut Client, request: &[String]) -> [String; 2] {
    [false, true].map(|in_transaction| {
        let mut client = server.connect();
        let mut bytes = Vec::new();
        if in_transaction {
            encode(&mut bytes, &["MULTI"]);
            encode(&mut bytes, request);
            encode(&mut bytes, &["EXEC"]);
        } else {
            encode(&mut bytes, request);
        }
        client.write(&bytes).expect("written");
        client
            .set_reply_limit(Duration::from_millis(1))
            .expect("a socket");
        let mut replies = Vec::new();
        let mut waits = false;
        wait_for("replies, or to wait", || {
            waits = observer
                .line("INFO clients")
                .text()
                .contains("blocked_clients:1\r\n");
            while let Ok(reply) = client.try_read() {
                replies.push(reply);
            }
            waits || replies.len() == if in_transaction { 3 } else { 1 }
        });
        drop(client);
        wait_for("nobody to wait", || {
            observer
                .line("INFO clients")
                .text()
                .contains("blocked_clients:0\r\n")
        });
        format!(
            "{request:?}: {replies:?}{}",
            if waits { " waits" } else { "" }
        )
    })
}

fn compare(prepare: impl Fn(&Server, &mut Client)) {
    let [theirs, ours] = [Setup::redis(), Setup::minium()].map(|setup| {
        let (server, requests) = begin(setup);
        let mut observer = server.connect();
        prepare(&server, &mut observer);
        let answers = requests
            .iter()
            .map(|request| ask(&server, &mut observer, request));
        answers.collect::<Vec<_>>()
    });
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_pause_of_writes_holds_back_what_may_write() {
    compare(|_, observer| {
        assert!(observer.line("CLIENT PAUSE 600000 WRITE").is_ok());
    });
}

#[test]
fn nothing_writes_while_nothing_can_be_saved() {
    compare(|server, observer| {
        // A folder that is in the way of the snapshot.
        create_dir(server.dir().join("dump.rdb")).expect("a folder");
        assert!(observer.call(&["CONFIG", "SET", "save", "3600 1"]).is_ok());
        observer.line("SET k 1");
        assert!(!observer.line("BGSAVE").is_error());
        wait_for("the snapshot to fail", || {
            let info = observer.line("INFO persistence").text();
            info.contains("rdb_last_bgsave_status:err")
        });
    });
}

#[test]
fn nothing_grows_while_memory_is_full() {
    compare(|_, observer| {
        observer.line("SET k 1");
        assert!(observer.line("CONFIG SET maxmemory 1").is_ok());
    });
}

/// How often commands and errors were counted.
fn statistics(client: &mut Client) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for section in ["commandstats", "errorstats", "stats"] {
        let info = client.line(&format!("INFO {section}")).text();
        let wanted = ["cmdstat_", "errorstat_", "total_error_replies"];
        let counted = info.lines().filter(|line| {
            wanted.iter().any(|start| line.starts_with(start))
                && !line.starts_with("cmdstat_info")
                && !line.starts_with("cmdstat_config")
        });
        lines.extend(counted.map(|line| {
            let parts = line
                .split(',')
                .filter(|part| !part.starts_with("usec_per_call"));
            let parts = parts.map(|part| if part.starts_with("usec=") { "" } else { part });
            parts.collect::<Vec<_>>().join(",")
        }));
    }
    lines.sort();
    lines
}

#[test]
fn errors_of_scripts_are_counted_once() {
    let sources = [
        "return redis.call('select', 99)",
        "return redis.pcall('select', 99)",
        "local t = redis.pcall('select', 99) return 1",
        "return redis.error_reply('MY x')",
        "error('x')",
        "return redis.call('nosuch')",
        "return {err = 'ERR x'}",
        "local t = redis.pcall('select', 99) return {err = t.err}",
        "local t = redis.pcall('select', 99) error(t)",
        "local t = redis.pcall('select', 99) error(t.err)",
        "pcall(redis.call, 'select', 99) return 1",
        "local a, b = pcall(redis.call, 'select', 99) return b",
        "return redis.call('set', 'x')",
        "return {1, redis.pcall('select', 99)}",
        "return {1, {redis.error_reply('MY x')}}",
        "return {1, {err = 'MY x', ignore_error_stats_update = true}}",
        "redis.call('get', 'l') return 1",
        "error({err = 'MY z'})",
        "error({err = 'MY z', ignore_error_stats_update = true})",
        "return {err = 'MY z', ignore_error_stats_update = true}",
        "return redis.call('eval', 'return 1', '0')",
    ];
    let mut library = "#!lua name=all".to_owned();
    for (number, source) in sources.iter().enumerate() {
        library += &format!("\nredis.register_function('f{number}', function() {source} end)");
    }
    let [theirs, ours] = [Setup::redis(), Setup::minium()].map(|setup| {
        let server = setup.start();
        let mut client = server.connect();
        client.line("LPUSH l a");
        client.call(&["FUNCTION", "LOAD", &library]);
        let mut all = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            let (name, function) = (
                client.call(&["SCRIPT", "LOAD", source]).text(),
                format!("f{number}"),
            );
            for call in [
                ["EVAL", source, "0"],
                ["EVALSHA", &name, "0"],
                ["FCALL", &function, "0"],
            ] {
                for in_transaction in [false, true] {
                    client.line("CONFIG RESETSTAT");
                    let mut replies: Vec<Value> = Vec::new();
                    if in_transaction {
                        client.line("MULTI");
                    }
                    replies.push(client.call(&call));
                    if in_transaction {
                        replies.push(client.line("EXEC"));
                    }
                    all.push(format!(
                        "{call:?}: {replies:?} {:?}",
                        statistics(&mut client)
                    ));
                }
            }
        }
        all
    });
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}
