//! What is refused when the memory is full and nothing may be evicted, side by side with the reference.

use std::collections::BTreeMap;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{MIB, command, limited, send};
use crate::support::{Client, Setup, Value};

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// Commands of a server that may change data, with enough arguments for each.
fn writers(client: &mut Client) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for row in client.line("COMMAND").elements() {
        let row = row.elements();
        let (name, arity) = (row[0].text(), row[1].int().unsigned_abs() as usize);
        let flags = row[2].elements().iter().map(Value::text);
        if flags
            .filter(|flag| ["write", "denyoom", "readonly"].contains(&flag.as_str()))
            .count()
            > 0
        {
            let words = std::iter::once(name.clone())
                .chain((1..arity).map(|_| "1".to_owned()))
                .collect();
            found.insert(name, words);
        }
    }
    found
}

#[test]
fn full_memory_refuses_the_same_commands_as_in_redis() {
    let full = |setup: Setup| setup.with("maxmemory", "1").start();
    let [ours, reference] = [full(Setup::minium()), full(Setup::redis())];
    let (mut ours, mut reference) = (ours.connect(), reference.connect());
    let known = writers(&mut reference);
    let mut refused = 0;
    let mut compared = 0;
    for (name, words) in writers(&mut ours) {
        if !known.contains_key(&name) {
            continue;
        }
        let is_refused = |client: &mut Client| client.call(&words) == Value::Error(OOM.into());
        let (here, there) = (is_refused(&mut ours), is_refused(&mut reference));
        assert_eq!(here, there, "{words:?}");
        refused += usize::from(here);
        compared += 1;
    }
    assert!(
        refused > 40 && compared > refused + 40,
        "{refused} of {compared}"
    );
}

#[test]
fn full_memory_refuses_transactions_as_redis_does() {
    let servers = [Setup::minium().start(), Setup::redis().start()];
    for lines in [
        &[
            "SET a 1", "fill", "MULTI", "SET a 2", "DEL a", "EXEC", "GET a",
        ][..],
        &["fill", "MULTI", "GET a", "EXEC"],
        &["fill", "MULTI", "PING", "DISCARD", "PING"],
        &["fill", "MULTI", "MULTI", "WATCH a", "RESET", "PING"],
        &["fill", "MULTI", "EXEC"],
        &[
            "MULTI", "SET a 2", "fill", "EXEC", "GET a", "MULTI", "DISCARD",
        ],
        &["MULTI", "SET a 2", "fill", "GET a", "EXEC", "PING"],
        &["MULTI", "SET a 2", "fill", "DISCARD", "EXEC"],
        &["SET a 1", "MULTI", "GET a", "DEL a", "fill", "EXEC"],
        &["MULTI", "NONESUCH", "fill", "EXEC"],
        &[
            "fill",
            "WATCH a",
            "UNWATCH",
            "CLIENT GETNAME",
            "SELECT 1",
            "SET a 1",
            "QUIT",
        ],
    ] {
        let [ours, reference] = servers.each_ref().map(|server| {
            let (mut client, mut operator) = (server.connect(), server.connect());
            operator.line("CONFIG SET maxmemory 0");
            operator.line("FLUSHALL");
            lines
                .iter()
                .map(|&line| match line {
                    "fill" => operator.line("CONFIG SET maxmemory 1"),
                    line => client.line(line),
                })
                .collect::<Vec<Value>>()
        });
        assert_eq!(ours, reference, "{lines:?}");
    }
}

#[test]
fn nothing_to_evict_is_refused_until_something_goes() {
    for policy in [
        "noeviction",
        "volatile-lru",
        "volatile-random",
        "volatile-ttl",
    ] {
        let server = limited(8 * MIB, policy);
        let mut client = server.connect();
        let value = "x".repeat(10_000);
        let fillers: Vec<_> = (0..1000)
            .map(|n| command(&["SET", &n.to_string(), &value]))
            .collect();
        let replies = client.try_pipeline(&fillers).expect("replies");
        let refused = replies.iter().filter(|reply| reply.is_error()).count();
        assert!((200..1000).contains(&refused), "{policy}: {refused}");
        let first = replies.iter().find(|reply| reply.is_error());
        assert_eq!(first, Some(&Value::Error(OOM.into())));
        // Nobody went who should not, reading goes on, and what is deleted makes room.
        assert_eq!(client.line("DBSIZE").int() as usize, 1000 - refused);
        assert_eq!(client.line("GET 0").bytes().len(), 10_000);
        let gone: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let gone = [vec!["DEL".to_owned()], gone].concat();
        assert_eq!(client.call(&gone).int(), 20);
        assert!(client.line("SET a 1").is_ok());
        // Keys that expire may go at once, and so make room for each other; some, for tables and buffers grow by more than one takes.
        if policy != "noeviction" {
            for n in 0..50 {
                send(
                    &mut client,
                    &[command(&["SETEX", &format!("ex:{n}"), "100", &value])],
                );
            }
            let keys = client.line("DBSIZE").int() as usize;
            assert!(keys < 1000 - refused + 10, "{keys}");
        }
    }
}

#[test]
fn refusals_are_counted() {
    let server = limited(1, "noeviction");
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.line("SET a 1"), Value::Error(OOM.into()));
    }
    let text = client.line("INFO everything").text();
    assert!(text.contains("errorstat_OOM:count=3"));
    assert!(text.contains("cmdstat_set:calls=0,usec=0,usec_per_call=0.00,rejected_calls=3"));
}

/// What nobody has sent can still be asked for: a byte at the end of gigabytes. The system may not have them.
#[test]
fn memory_that_the_system_refuses_is_an_error_and_harms_nothing() {
    const REFUSED: &str = "OOM the system refuses the memory that this command needs";
    let server = Setup::minium().with("proto-max-bulk-len", "64gb").start();
    let mut client = server.connect();
    assert!(client.line("SET short value").is_ok());
    assert!(client.line("APPEND grown value").int() > 0);
    let pid = Pid::from_raw(server.pid().cast_signed());
    let limit = 16 << 30;
    let limits = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    prlimit(pid, Resource::As, limits).expect("a limit for a process of ours");
    for line in [
        "SETRANGE new 30000000000 x",
        "SETRANGE short 30000000000 x",
        "SETRANGE grown 30000000000 x",
        "SETBIT new 300000000000 1",
        "SETBIT grown 300000000000 1",
        "BITFIELD short SET u8 300000000000 1",
    ] {
        let reply = client.line(line);
        assert!(
            reply.is_error() && reply.text() == REFUSED,
            "{line}: {reply:?}"
        );
    }
    assert_eq!(client.line("EXISTS new").int(), 0);
    assert_eq!(client.line("GET short").text(), "value");
    assert_eq!(client.line("GET grown").text(), "value");
    assert_eq!(client.line("SETRANGE grown 100000 x").int(), 100_001);
}
