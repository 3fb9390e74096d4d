//! The limit holds: under load, while it moves, for giant values, and for those who watch what goes.

use std::time::{Duration, Instant};

use super::{MIB, assert_none_is_missing, command, info, limited, send};
use crate::support::{Setup, wait_for};

#[test]
fn writers_on_all_workers_stay_within_the_limit() {
    let server = Setup::minium()
        .with("io-threads", "2")
        .with("maxmemory", "16mb")
        .with("maxmemory-policy", "allkeys-lru")
        .start();
    const WRITERS: usize = 4;
    const BATCHES: usize = 100;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mut client = server.connect();
            scope.spawn(move || {
                for batch in 0..BATCHES {
                    let fillers: Vec<_> = (0..200)
                        .map(|n| {
                            let value = "x".repeat((n * 37 + batch * 11) % 1500);
                            command(&["SET", &format!("{writer}:{batch}:{n}"), &value])
                        })
                        .collect();
                    send(&mut client, &fillers);
                }
            });
        }
        let mut observer = server.connect();
        let mut highest = 0;
        while info(&mut observer, "evicted_keys") < 10_000 {
            highest = highest.max(info(&mut observer, "used_memory"));
        }
        assert!(highest < 18 * MIB, "{highest}");
    });
    let mut client = server.connect();
    let used = info(&mut client, "used_memory");
    assert!(used < 16 * MIB + 128 * 1024, "{used}");
    assert_none_is_missing(&mut client, (WRITERS * BATCHES * 200) as u64);
}

#[test]
fn a_limit_that_is_lowered_is_soon_kept_and_nobody_waits() {
    let server = limited(0, "allkeys-random");
    let mut client = server.connect();
    for chunk in 0..100 {
        let fillers: Vec<_> = (0..2000)
            .map(|n| command(&["SET", &format!("{chunk}:{n}"), &"x".repeat(200)]))
            .collect();
        send(&mut client, &fillers);
    }
    let before = info(&mut client, "used_memory");
    assert!(before > 40 * MIB, "{before}");
    assert_eq!(info(&mut client, "total_eviction_exceeded_time"), 0);
    assert!(client.line("CONFIG SET maxmemory 10mb").is_ok());
    // The background alone makes room: nobody writes.
    let mut worst = Duration::ZERO;
    wait_for("memory to be below its new limit", || {
        let begin = Instant::now();
        client.line("PING");
        worst = worst.max(begin.elapsed());
        info(&mut client, "used_memory") < 10 * MIB + 64 * 1024
    });
    assert!(worst < Duration::from_millis(200), "{worst:?}");
    assert!(info(&mut client, "total_eviction_exceeded_time") > 0);
    assert_eq!(info(&mut client, "current_eviction_exceeded_time"), 0);
    assert!(server.log().contains("maxmemory"));
    // And up again: nobody is evicted any more.
    assert!(client.line("CONFIG SET maxmemory 100mb").is_ok());
    let evicted = info(&mut client, "evicted_keys");
    let fillers: Vec<_> = (0..1000)
        .map(|n| command(&["SET", &n.to_string(), "x"]))
        .collect();
    send(&mut client, &fillers);
    assert_eq!(info(&mut client, "evicted_keys"), evicted);
}

#[test]
fn a_value_above_the_limit_does_no_harm() {
    let limited = |setup: Setup| {
        // Else the client would have to go before a key.
        setup
            .with("maxmemory", "8mb")
            .with("maxmemory-policy", "allkeys-lru")
            .with("maxmemory-clients", "0")
            .start()
    };
    let giant = vec![b'x'; 20 << 20];
    for server in [limited(Setup::minium()), limited(Setup::redis())] {
        let mut client = server.connect();
        assert!(client.line("SET small 1").is_ok());
        // The request alone fills the memory, and nothing that could go would make room for it.
        let reply = client.call(&[b"SET", &b"giant"[..], &giant]);
        assert!(format!("{reply:?}").contains("OOM "), "{reply:?}");
        // One that grows in place is not known to be a giant before.
        drop(client);
        let mut client = server.connect();
        wait_for("the buffer of the request to be gone", || {
            !client.line("SETRANGE grown 20000000 x").is_error()
        });
        wait_for("the giant to be gone", || {
            client.line("SET last 1");
            info(&mut client, "used_memory") < 8 * MIB
        });
        assert_eq!(client.line("EXISTS grown").int(), 0);
        assert!(client.line("SET last 1").is_ok());
        assert_eq!(client.line("GET last").text(), "1");
    }
}

#[test]
fn an_evicted_key_is_a_changed_key_for_those_who_watch_it() {
    let server = limited(8 * MIB, "allkeys-random");
    let (mut client, mut writer) = (server.connect(), server.connect());
    let watched: Vec<String> = (0..100).map(|n| format!("watched:{n}")).collect();
    for name in &watched {
        assert!(client.call(&["SET", name, "1"]).is_ok());
        assert!(client.call(&["WATCH", name]).is_ok());
    }
    let fillers: Vec<_> = (0..20_000)
        .map(|n| command(&["SET", &n.to_string(), &"x".repeat(1000)]))
        .collect();
    send(&mut writer, &fillers);
    assert!(client.line("MULTI").is_ok());
    client.line("PING");
    assert!(client.line("EXEC").is_null());
}

#[test]
fn nothing_is_evicted_while_clients_are_paused() {
    let server = limited(0, "allkeys-random");
    let mut client = server.connect();
    let fillers: Vec<_> = (0..5000)
        .map(|n| command(&["SET", &n.to_string(), &"x".repeat(1000)]))
        .collect();
    send(&mut client, &fillers);
    assert!(client.line("CLIENT PAUSE 100000 WRITE").is_ok());
    assert!(client.line("CONFIG SET maxmemory 1mb").is_ok());
    // Longer than the background needs to notice.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        assert_eq!(client.line("GET 17").bytes().len(), 1000);
    }
    assert_eq!(client.line("DBSIZE").int(), 5000);
    assert!(client.line("CLIENT UNPAUSE").is_ok());
    wait_for("eviction to begin", || client.line("DBSIZE").int() < 2000);
}
