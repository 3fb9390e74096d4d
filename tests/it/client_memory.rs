//! What clients hold: how it is told, that it is the truth, and who has to go when it is too much.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::client::encode;
use crate::support::{Client, Server, Setup, wait_for};

/// The beginning of a request of one argument of `announced` bytes, `sent` of which follow.
fn part_of_a_request(announced: usize, sent: usize) -> Vec<u8> {
    let mut bytes = format!("*1\r\n${announced}\r\n").into_bytes();
    bytes.resize(bytes.len() + sent, b'x');
    bytes
}

/// A client of this name.
fn named(server: &Server, name: &str) -> Client {
    let mut client = server.connect();
    assert!(client.line(&format!("CLIENT SETNAME {name}")).is_ok());
    client
}

/// The fields of CLIENT LIST for the client of this name, if it is there.
fn fields(watcher: &mut Client, name: &str) -> Option<BTreeMap<String, String>> {
    let list = watcher.line("CLIENT LIST").text();
    let name = format!(" name={name} ");
    let line = list.lines().find(|line| line.contains(&name))?;
    let fields = line.split(' ').filter_map(|field| field.split_once('='));
    Some(
        fields
            .map(|(field, value)| (field.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// A numeric field of that client; 0 if there is no such client.
fn held(watcher: &mut Client, name: &str, field: &str) -> usize {
    fields(watcher, name).map_or(0, |fields| fields[field].parse().expect("a number"))
}

fn is_there(watcher: &mut Client, name: &str) -> bool {
    fields(watcher, name).is_some()
}

/// A field of INFO that is a number of bytes or of clients.
#[track_caller]
fn info(watcher: &mut Client, field: &str) -> usize {
    crate::support::info(watcher, field) as usize
}

fn set(watcher: &mut Client, directive: &str, value: &str) {
    let reply = watcher.call(&["CONFIG", "SET", directive, value]);
    assert!(reply.is_ok(), "{reply:?}");
}

#[test]
fn client_list_tells_what_redis_tells_of_buffers() {
    let told = |setup: Setup| {
        let server = setup.start();
        let mut watcher = named(&server, "watcher");
        let mut partial = named(&server, "partial");
        let mut large = named(&server, "large");
        let mut queue = named(&server, "queue");
        let begun = b"*4\r\n$4\r\nMSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n$100\r\n0123456789";
        partial.write(begun).expect("the server reads");
        let begun = part_of_a_request(200_000, 150_000);
        large.write(&begun).expect("the server reads");
        for line in ["WATCH a b", "MULTI", "SET key value", "GET key"] {
            assert!(!queue.line(line).is_error(), "{line}");
        }
        wait_for("the requests to arrive", || {
            held(&mut watcher, "partial", "qbuf") == 10
                && held(&mut watcher, "large", "qbuf") == 150_000
        });
        [
            ("partial", "argv-mem"),
            ("partial", "multi"),
            ("partial", "omem"),
            ("large", "argv-mem"),
            ("queue", "qbuf"),
            ("queue", "multi"),
            ("queue", "flags"),
            ("queue", "events"),
            ("queue", "oll"),
        ]
        .map(|(name, field)| {
            let fields = fields(&mut watcher, name).expect("the client");
            format!("{name}: {field}={}", fields[field])
        })
    };
    assert_eq!(told(Setup::minium()), told(Setup::redis()));
}

#[test]
fn what_clients_are_charged_is_what_the_allocator_gives_them() {
    const CLIENTS: usize = 200;
    let server = Setup::minium().start();
    let mut watcher = server.connect();
    assert!(watcher.call(&["SET", "value", &"x".repeat(20_000)]).is_ok());
    // A worker has buffers of its own from the first client that it serves.
    for _ in 0..20 {
        assert!(!server.connect().line("PING").is_error());
    }
    let both = |watcher: &mut Client| {
        (
            info(watcher, "used_memory"),
            info(watcher, "mem_clients_normal"),
        )
    };
    let mut compare = |what: &str, prepare: &mut dyn FnMut(&mut Client, usize), done: usize| {
        let before = both(&mut watcher);
        let clients: Vec<Client> = (0..CLIENTS)
            .map(|number| {
                let mut client = server.connect();
                prepare(&mut client, number);
                client
            })
            .collect();
        wait_for(what, || {
            info(&mut watcher, "mem_clients_normal") >= before.1 + CLIENTS * done
        });
        let after = both(&mut watcher);
        let (truth, charged) = (after.0 - before.0, after.1 - before.1);
        assert!(
            charged.abs_diff(truth) * 10 <= truth,
            "{what}: {charged} bytes are charged, {truth} were allocated"
        );
        drop(clients);
        wait_for("the clients to go", || {
            info(&mut watcher, "connected_clients") == 1
        });
        let left = info(&mut watcher, "mem_clients_normal");
        assert!(left <= before.1, "{what}: {left} remain of {}", before.1);
    };
    compare(
        "idle",
        &mut |client, _| {
            client.line("PING");
        },
        1,
    );
    compare(
        "requests in part",
        &mut |client, number| {
            let bytes = part_of_a_request(100_000 + 100 * number, 90_000);
            client.write(&bytes).expect("the server reads");
        },
        90_000,
    );
    compare(
        "transactions",
        &mut |client, _| {
            client.line("MULTI");
            for _ in 0..50 {
                client.call(&["SET", "key", &"x".repeat(1000)]);
            }
        },
        50_000,
    );
    compare(
        "watches",
        &mut |client, number| {
            let keys: Vec<String> = (0..50).map(|key| format!("key:{number}:{key}")).collect();
            let mut watch = vec!["WATCH"];
            watch.extend(keys.iter().map(String::as_str));
            assert!(client.call(&watch).is_ok());
        },
        50,
    );
}

#[test]
fn the_largest_go_first_and_no_more_than_needed() {
    const SIZES: [(&str, usize); 3] = [
        ("small", 128 << 10),
        ("middle", 1 << 20),
        ("large", 3 << 20),
    ];
    const EACH: usize = 3;
    let server = Setup::minium().start();
    let mut watcher = named(&server, "watcher");
    assert!(watcher.line("CLIENT NO-EVICT on").is_ok());
    let mut clients = Vec::new();
    for (name, size) in SIZES {
        for number in 0..EACH {
            let name = format!("{name}{number}");
            let mut client = named(&server, &name);
            client
                .write(&part_of_a_request(size + 1, size))
                .expect("the server reads");
            wait_for("the request to arrive", || {
                held(&mut watcher, &name, "qbuf") == size
            });
            clients.push(client);
        }
    }
    let left = |watcher: &mut Client| {
        SIZES.map(|(name, _)| {
            (0..EACH)
                .filter(|number| is_there(watcher, &format!("{name}{number}")))
                .count()
        })
    };
    assert_eq!(left(&mut watcher), [3, 3, 3], "there is no limit yet");
    for (limit, expected) in [
        (11 << 20, [3, 3, 2]),
        (9 << 20, [3, 3, 1]),
        (4 << 20, [3, 3, 0]),
        (1 << 20, [3, 0, 0]),
        (1, [0, 0, 0]),
    ] {
        set(&mut watcher, "maxmemory-clients", &limit.to_string());
        assert_eq!(left(&mut watcher), expected, "below {limit} bytes");
    }
    assert_eq!(info(&mut watcher, "evicted_clients"), 9);
    assert_eq!(server.log().matches("Evicting client: id=").count(), 9);
    for mut client in clients {
        assert!(client.read_to_close().is_ok_and(|rest| rest.is_empty()));
    }
    assert!(watcher.line("CONFIG RESETSTAT").is_ok());
    assert_eq!(info(&mut watcher, "evicted_clients"), 0);
}

#[test]
fn whatever_a_client_holds_may_end_it() {
    const LIMIT: usize = 3_000_000;
    let server = Setup::minium()
        .with("maxmemory-clients", &LIMIT.to_string())
        .start();
    let mut watcher = named(&server, "watcher");
    assert!(watcher.call(&["SETRANGE", "value", "200000", "x"]).int() > 0);
    let part = "x".repeat(LIMIT / 4);
    let mut check = |what: &str, grow: &mut dyn FnMut(&mut Client) -> std::io::Result<()>| {
        let mut victim = named(&server, "victim");
        let start = Instant::now();
        while grow(&mut victim).is_ok() && is_there(&mut watcher, "victim") {
            let size = held(&mut watcher, "victim", "tot-mem");
            assert!(size < LIMIT, "{what}: it holds {size} bytes");
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{what}: it stays"
            );
        }
        wait_for("its end", || !is_there(&mut watcher, "victim"));
    };
    check("a request", &mut |victim| {
        victim.write(&part_of_a_request(2 * LIMIT, LIMIT))
    });
    check("a transaction", &mut |victim| {
        let _ = victim.try_call(&["MULTI"])?;
        victim.try_call(&["SET", "key", &part]).map(|_| ())
    });
    let mut key = 0;
    check("watches", &mut |victim| {
        let keys: Vec<String> = (0..500)
            .map(|_| {
                key += 1;
                key.to_string()
            })
            .collect();
        let mut watch = vec!["WATCH"];
        watch.extend(keys.iter().map(String::as_str));
        victim.try_call(&watch).map(|_| ())
    });
    let mut request = Vec::new();
    encode(&mut request, &["GET", "value"]);
    check("replies", &mut |victim| victim.write(&request));
    // None of what it asks for is kept.
    let mut endless = vec!["MGET"];
    endless.resize(100_000, "value");
    check("one reply of 20 GB", &mut |victim| {
        victim.try_call(&endless).map(|_| ())
    });
    assert_eq!(info(&mut watcher, "evicted_clients"), 5);
    assert!(info(&mut watcher, "client_recent_max_input_buffer") > LIMIT / 4);
    assert!(info(&mut watcher, "client_recent_max_output_buffer") > LIMIT / 4);
}

#[test]
fn who_asked_to_be_spared_is_spared_until_it_asks_otherwise() {
    let server = Setup::minium().start();
    let mut watcher = named(&server, "watcher");
    let mut spared = named(&server, "spared");
    assert!(watcher.line("CLIENT NO-EVICT on").is_ok());
    assert!(watcher.call(&["SETRANGE", "value", "1000000", "x"]).int() > 0);
    assert!(spared.line("CLIENT NO-EVICT on").is_ok());
    set(&mut watcher, "maxmemory-clients", "1");
    let mut request = Vec::new();
    encode(&mut request, &["GET", "value"]);
    wait_for("10 MB of replies", || {
        spared.write(&request).expect("the server reads");
        held(&mut watcher, "spared", "tot-mem") > 10 << 20
    });
    assert_eq!(info(&mut watcher, "evicted_clients"), 0);
    let mut request = Vec::new();
    encode(&mut request, &["CLIENT", "NO-EVICT", "off"]);
    spared.write(&request).expect("the server reads");
    wait_for("its end", || !is_there(&mut watcher, "spared"));
    assert_eq!(info(&mut watcher, "evicted_clients"), 1);
}

#[test]
fn a_tenth_of_maxmemory_is_for_clients() {
    let server = Setup::minium().with("maxmemory", "30mb").start();
    let mut watcher = named(&server, "watcher");
    let mut below = named(&server, "below");
    below
        .write(&part_of_a_request(1_250_000, 1_000_000))
        .expect("the server reads");
    wait_for("the request", || {
        held(&mut watcher, "below", "qbuf") == 1_000_000
    });
    let mut above = named(&server, "above");
    // The server may close before it has read all.
    let _ = above.write(&part_of_a_request(5_000_000, 4_000_000));
    wait_for("its end", || !is_there(&mut watcher, "above"));
    assert!(is_there(&mut watcher, "below"), "the largest went");
    // Both a larger whole and no whole at all leave room.
    for (maxmemory, limit) in [("100mb", "10%"), ("0", "10%"), ("30mb", "0")] {
        set(&mut watcher, "maxmemory-clients", limit);
        set(&mut watcher, "maxmemory", maxmemory);
        let name = format!("with{maxmemory}");
        let mut client = named(&server, &name);
        client
            .write(&part_of_a_request(5_000_000, 4_000_000))
            .expect("the server reads");
        wait_for("the request", || {
            held(&mut watcher, &name, "qbuf") == 4_000_000
        });
    }
    set(&mut watcher, "maxmemory-clients", "10%");
    wait_for("the end of the large ones", || {
        info(&mut watcher, "mem_clients_normal") < 3 << 20
    });
}

/// One part of the clients has sent most of a request, the other does not read its replies.
#[test]
fn many_full_buffers_neither_stop_the_server_nor_pass_the_limit() {
    const CLIENTS: usize = 400;
    const LIMIT: usize = 16 << 20;
    let server = Setup::minium()
        .with("maxmemory-clients", &LIMIT.to_string())
        .start();
    let mut watcher = named(&server, "watcher");
    assert!(
        watcher
            .call(&["SET", "value", &"x".repeat(100_000)])
            .is_ok()
    );
    let mut requests = Vec::new();
    (0..60).for_each(|_| encode(&mut requests, &["GET", "value"]));
    let request = part_of_a_request(200_000, 180_000);
    let mut clients = Vec::new();
    let mut slowest = Duration::ZERO;
    for number in 0..CLIENTS {
        let mut client = server.connect();
        let bytes = if number % 2 == 0 { &request } else { &requests };
        // Its end may come before all is written.
        let _ = client.write(bytes);
        clients.push(client);
        if number % 10 == 0 {
            let start = Instant::now();
            let mut fresh = server.connect();
            assert!(fresh.call(&["SET", "key", "x"]).is_ok());
            slowest = slowest.max(start.elapsed());
            let held = info(&mut fresh, "mem_clients_normal");
            assert!(held < LIMIT + (8 << 20), "clients hold {held} bytes");
        }
    }
    wait_for("the limit to be kept", || {
        info(&mut watcher, "mem_clients_normal") < LIMIT
    });
    assert!(
        slowest < Duration::from_secs(1),
        "a new client waited {slowest:?}"
    );
    // What the last of them wrote may still be on its way, and end more.
    wait_for("nobody else to go", || {
        let evicted = info(&mut watcher, "evicted_clients");
        evicted > 0 && info(&mut watcher, "connected_clients") == CLIENTS + 1 - evicted
    });
}
