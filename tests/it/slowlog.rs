//! SLOWLOG and LATENCY: what is kept of slow commands, and what is not shown of them.

use crate::support::{Client, Server, Setup, Value};

fn pair(configure: impl Fn(Setup) -> Setup) -> [Server; 2] {
    [Setup::redis(), Setup::minium()].map(|setup| configure(setup).start())
}

/// The log, latest first: id, arguments and client's name of each; the rest is different every time.
fn log(client: &mut Client, count: &str) -> Vec<(i64, Vec<String>, String)> {
    let reply = client.call(&["SLOWLOG", "GET", count]);
    let entry = |entry: &Value| {
        let [id, time, micros, arguments, peer, name] = entry.elements() else {
            panic!("{entry:?} has six elements");
        };
        assert!(time.int() > 1_700_000_000 && micros.int() >= 0, "{entry:?}");
        assert!(peer.text().starts_with("127.0.0.1:"), "{entry:?}");
        let arguments = arguments.elements().iter().map(Value::text).collect();
        (id.int(), arguments, name.text())
    };
    reply.elements().iter().map(entry).collect()
}

#[test]
fn the_same_is_kept_as_by_redis() {
    let long = "x".repeat(300);
    let many: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let many = format!("SADD set {}", many.join(" "));
    let lines = [
        "PING",
        "CLIENT SETNAME tester",
        "SET key value",
        &format!("SET key {long}"),
        &many,
        "GET nonesuch",
        "LPUSH key not-a-list",
        "NOSUCHCOMMAND secret",
        "GET",
        "MULTI",
        "INCR n",
        "GET n",
        "EXEC",
        "MULTI",
        "DISCARD",
        "SPOP set 1000",
        "CONFIG SET requirepass secret maxmemory 0",
        "AUTH secret",
        "AUTH default secret",
        "AUTH wrong",
        "HELLO 2 AUTH default secret SETNAME me",
        "CONFIG SET masterauth secret requirepass \"\"",
        "SLOWLOG LEN",
        "SLOWLOG GET 2",
        "SLOWLOG RESET",
        "PING",
        "SLOWLOG GET -2",
        "SLOWLOG GET x",
        "SLOWLOG NOSUCH",
        "SLOWLOG GET 1 2",
        "CONFIG SET slowlog-max-len 3",
        "SLOWLOG LEN",
        "CONFIG SET slowlog-log-slower-than -1",
        "PING",
        "SLOWLOG LEN",
    ];
    let [redis, minium] = pair(|setup| {
        setup
            .with("slowlog-log-slower-than", "0")
            .with("slowlog-max-len", "500")
    });
    let (mut theirs, mut ours) = (redis.connect(), minium.connect());
    let mut askers = [redis.connect(), minium.connect()];
    for line in lines {
        let words = line.split(' ').map(|word| word.trim_matches('"'));
        let words: Vec<&str> = words.collect();
        let replies = [theirs.call(&words), ours.call(&words)];
        let differs = ["SPOP", "SLOWLOG GET 2", "HELLO"];
        if !differs.iter().any(|command| line.starts_with(command)) {
            assert_eq!(replies[1], replies[0], "{line}");
        }
        let [theirs, ours] = askers.each_mut().map(|asker| log(asker, "-1"));
        assert_eq!(ours, theirs, "after {line}");
    }
}

#[test]
fn only_what_takes_long_enough_is_kept() {
    let server = Setup::minium()
        .with("enable-debug-command", "yes")
        .with("slowlog-log-slower-than", "30000")
        .with("latency-monitor-threshold", "50")
        .start();
    let mut client = server.connect();
    for line in [
        "PING",
        "DEBUG SLEEP 0.001",
        "DEBUG SLEEP 0.04",
        "DEBUG SLEEP 0.1",
    ] {
        client.line(line);
    }
    let log: Vec<_> = log(&mut client, "-1")
        .into_iter()
        .map(|entry| entry.1)
        .collect();
    assert_eq!(log, [["DEBUG", "SLEEP", "0.1"], ["DEBUG", "SLEEP", "0.04"]]);

    // In a transaction each command is its own, and EXEC none.
    client.line("SLOWLOG RESET");
    for line in ["MULTI", "PING", "DEBUG SLEEP 0.1", "PING", "EXEC"] {
        client.line(line);
    }
    let reply = client.line("SLOWLOG GET");
    let [entry] = reply.elements() else {
        panic!("{reply:?}");
    };
    assert_eq!(entry.elements()[3].elements()[0].text(), "DEBUG");
    assert!((100_000..20_000_000).contains(&entry.elements()[2].int()));

    let latest = client.line("LATENCY LATEST");
    let [event] = latest.elements() else {
        panic!("{latest:?}");
    };
    let [name, time, millis, worst] = event.elements() else {
        panic!("{event:?}");
    };
    assert_eq!(name.text(), "command");
    assert!(millis.int() >= 100 && worst.int() >= millis.int());
    let history = client.line("LATENCY HISTORY command");
    let last = history.elements().last().expect("a sample");
    assert_eq!(last.elements(), [time.clone(), millis.clone()]);
    let graph = client.line("LATENCY GRAPH command").text();
    assert!(graph.starts_with("command - high "), "{graph}");
    let report = client.line("LATENCY DOCTOR").text();
    assert!(report.starts_with("1. command: "), "{report}");
    assert_eq!(client.line("LATENCY RESET nonesuch COMMAND").int(), 1);
    assert_eq!(client.line("LATENCY LATEST").elements(), []);
}

#[test]
fn latency_answers_as_redis_does() {
    let [redis, minium] = pair(|setup| setup);
    let (mut theirs, mut ours) = (redis.connect(), minium.connect());
    for line in [
        "LATENCY",
        "LATENCY LATEST",
        "LATENCY LATEST x",
        "LATENCY HISTORY",
        "LATENCY HISTORY nonesuch",
        "LATENCY GRAPH nonesuch",
        "LATENCY RESET",
        "LATENCY RESET nonesuch",
        "LATENCY HELP x",
        "LATENCY NOSUCH",
        "LATENCY HISTOGRAM nonesuch",
        "LATENCY HISTOGRAM get",
    ] {
        assert_eq!(ours.line(line), theirs.line(line), "{line}");
    }
    let mut counts = Vec::new();
    for client in [&mut theirs, &mut ours] {
        client.line("HELLO 3");
        client.line("CONFIG RESETSTAT");
        for line in ["SET a 1", "SET b 2", "GET a", "CLIENT ID", "CLIENT GETNAME"] {
            client.line(line);
        }
        let histogram = client.line("LATENCY HISTOGRAM set client nonesuch get client|id");
        let Value::Map(commands) = histogram else {
            panic!("{histogram:?}");
        };
        let mut of_each = Vec::new();
        for (name, command) in commands {
            let Value::Map(fields) = command else {
                panic!("{command:?}");
            };
            let [(_, calls), (_, Value::Map(buckets))] = &fields[..] else {
                panic!("{fields:?}");
            };
            assert_eq!(buckets.last().expect("a bucket").1, *calls);
            of_each.push((name.text(), calls.int()));
        }
        counts.push(of_each);
    }
    let [theirs, ours] = &mut counts[..] else {
        panic!("two servers");
    };
    // Subcommands come in no order there.
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
}
