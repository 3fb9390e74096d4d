//! Keyspace notifications of what no command asked for, and of what several commands do together. What single commands tell is
//! compared with Redis in differential/events.rs.

use crate::support::{Client, Server, Setup, wait_for};

/// Listens to everything that happens to keys.
fn listener(server: &Server, classes: &str) -> Client {
    let mut client = server.connect();
    let set = ["CONFIG", "SET", "notify-keyspace-events", classes];
    assert!(client.call(&set).is_ok(), "{classes}");
    assert!(!client.line("PSUBSCRIBE *").is_error());
    client
}

/// The next message's channel and payload.
fn next(listener: &mut Client) -> String {
    let message = listener.read();
    let [_, _, channel, payload] = message.elements() else {
        panic!("{message:?}")
    };
    format!("{} {}", channel.text(), payload.text())
}

#[test]
fn the_letters_are_told_as_redis_tells_them() {
    let told = |setup: Setup| {
        let server = setup.start();
        let mut client = server.connect();
        let all = [
            "",
            "A",
            "KA",
            "AKE",
            "Kg$lshzxetd",
            "K",
            "gxE",
            "zz",
            "E$m",
            "nK",
            "q",
            "KEy",
        ];
        all.map(|letters| {
            let set = client.call(&["CONFIG", "SET", "notify-keyspace-events", letters]);
            let get = client.line("CONFIG GET notify-keyspace-events");
            format!("{letters}: {set:?} {get:?}")
        })
    };
    assert_eq!(told(Setup::minium()), told(Setup::redis()));
}

#[test]
fn a_key_whose_time_is_over_is_announced_whoever_finds_it() {
    let server = Setup::minium().with("enable-debug-command", "yes").start();
    let mut client = server.connect();
    let mut listener = listener(&server, "Ex");
    // By the cycle, with nobody asking.
    client.line("SET swept value PX 1");
    assert_eq!(next(&mut listener), "__keyevent@0__:expired swept");
    client.line("DEBUG SET-ACTIVE-EXPIRE 0");
    client.line("SELECT 9");
    for find in [
        "GET found",
        "SCAN 0",
        "SET found again",
        "KEYS *",
        "RANDOMKEY",
    ] {
        client.line("SET found value PX 1");
        // A key lives through its last millisecond.
        wait_for("its time to be over", || {
            client.line("PTTL found").int() < 0
        });
        // PTTL has found it already.
        assert_eq!(
            next(&mut listener),
            "__keyevent@9__:expired found",
            "{find}"
        );
        client.line("MULTI");
        client.line("PEXPIRE other 1");
        client.line("SET other value PXAT 1");
        client.line(find);
        client.line("EXEC");
        client.line(find);
        client.line("DEL found");
        client.line("GET other");
        assert_eq!(
            next(&mut listener),
            "__keyevent@9__:expired other",
            "{find}"
        );
    }
    client.line("HSET hash field value other value");
    client.line("CONFIG SET notify-keyspace-events Kh");
    client.line("DEBUG SET-ACTIVE-EXPIRE 1");
    client.line("HPEXPIRE hash 1 FIELDS 1 field");
    assert_eq!(next(&mut listener), "__keyspace@9__:hash hexpire");
    assert_eq!(next(&mut listener), "__keyspace@9__:hash hexpired");
}

#[test]
fn what_makes_room_is_announced() {
    let server = Setup::minium()
        .with("maxmemory-policy", "allkeys-lru")
        .start();
    let mut client = server.connect();
    let value = "x".repeat(1000);
    for number in 0..5000 {
        client.call(&["SET", &number.to_string(), &value]);
    }
    let mut listener = listener(&server, "Ee");
    let used = client.line("INFO memory").text();
    let used = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    let used: u64 = used.expect("the field").parse().expect("a number");
    client.line(&format!("CONFIG SET maxmemory {}", used - 500_000));
    let mut gone = 0;
    while gone < 100 {
        let event = next(&mut listener);
        let key = event
            .strip_prefix("__keyevent@0__:evicted ")
            .expect("an eviction");
        assert_eq!(client.call(&["EXISTS", key]).int(), 0, "{key}");
        gone += 1;
    }
}

#[test]
fn a_transaction_tells_all_at_its_end_and_in_its_order() {
    let server = Setup::minium().with("io-threads", "2").start();
    let mut listener = listener(&server, "KA");
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                for _ in 0..50 {
                    for line in [
                        "MULTI",
                        "SET one 1",
                        "PUBLISH between 2",
                        "DEL two",
                        "RPUSH two 3",
                    ] {
                        client.line(&line.replace("2", &writer.to_string()));
                    }
                    client.line("EXEC");
                }
            });
        }
        let mut was_there = false;
        for _ in 0..150 {
            assert_eq!(next(&mut listener), "__keyspace@0__:one set");
            assert!(next(&mut listener).starts_with("between "));
            if was_there {
                assert_eq!(next(&mut listener), "__keyspace@0__:two del");
            }
            assert_eq!(next(&mut listener), "__keyspace@0__:two rpush");
            was_there = true;
        }
    });
}

#[test]
fn loading_tells_nothing() {
    let mut server = Setup::minium()
        .with("appendonly", "yes")
        .with("notify-keyspace-events", "KEA")
        .start();
    let mut client = server.connect();
    client.line("SET key value");
    client.line("SAVE");
    client.line("SET other value");
    drop(client);
    server.restart();
    let mut listener = server.connect();
    let get = listener.line("CONFIG GET notify-keyspace-events");
    assert_eq!(get.elements()[1].text(), "AKE");
    listener.line("PSUBSCRIBE *");
    let mut client = server.connect();
    client.line("SET key value");
    assert_eq!(next(&mut listener), "__keyspace@0__:key set");
}
