//! Limits on what one client may leave with the server: replies that it does not take, requests that it does not end.

use std::time::{Duration, Instant};

use crate::support::client::encode;
use crate::support::{Server, Setup, info, wait_for};

fn limited(setup: Setup, limit: &str) -> Server {
    setup.with("client-output-buffer-limit", limit).start()
}

/// All that comes after these requests, sent in one write.
fn answer(server: &Server, requests: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    requests
        .iter()
        .for_each(|request| encode(&mut bytes, request));
    let mut client = server.connect();
    client.write(&bytes).expect("the server reads");
    client.read_to_close().expect("the server closes")
}

#[test]
fn who_asks_for_more_than_the_hard_limit_gets_nothing_as_from_redis() {
    let item = "x".repeat(1000);
    for setup in [Setup::minium(), Setup::redis()] {
        let server = limited(setup, "normal 100000 0 0");
        let mut client = server.connect();
        for _ in 0..150 {
            assert!(client.call(&["RPUSH", "list", &item]).int() > 0);
        }
        assert!(client.call(&["SET", "value", &"x".repeat(10_000)]).is_ok());
        let lrange: &[&str] = &["LRANGE", "list", "0", "-1"];
        assert_eq!(answer(&server, &[lrange]), b"", "one reply");
        let gets: Vec<&[&str]> = vec![&["GET", "value"]; 15];
        assert_eq!(answer(&server, &gets), b"", "many replies to one write");
        let random: &[&str] = &["SRANDMEMBER", "set", "-999999999"];
        assert_eq!(client.line("SADD set member").int(), 1);
        assert_eq!(answer(&server, &[random]), b"", "an endless reply");
        let transaction: &[&[&str]] = &[
            &["MULTI"],
            &["SET", "before", "1"],
            lrange,
            &["SET", "after", "1"],
            &["EXEC"],
            &["SET", "outside", "1"],
        ];
        assert_eq!(answer(&server, transaction), b"", "a transaction");
        let exist = ["before", "after", "outside"].map(|key| client.call(&["EXISTS", key]).int());
        assert_eq!(
            exist,
            [1, 1, 0],
            "a transaction is run whole, what follows is not"
        );
        // A reply below the limit is as good as ever.
        assert_eq!(client.call(&["GET", "value"]).bytes().len(), 10_000);
    }
}

#[test]
fn what_is_cut_off_is_told_and_costs_no_memory() {
    let server = limited(Setup::minium(), "normal 1mb 0 0");
    let mut client = server.connect();
    let value = "x".repeat(10 << 20);
    for number in 0..10 {
        assert!(
            client
                .call(&["SET", &format!("value:{number}"), &value])
                .is_ok()
        );
    }
    assert!(client.line("HSET hash field value").int() == 1);
    let before = server.resident_bytes();
    let mget: Vec<String> = (0..10).map(|number| format!("value:{number}")).collect();
    let mut request = vec!["MGET"];
    request.extend(mget.iter().map(String::as_str));
    assert_eq!(answer(&server, &[&request]), b"");
    assert_eq!(
        answer(
            &server,
            &[&["HRANDFIELD", "hash", "-999999999", "WITHVALUES"]]
        ),
        b""
    );
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more than before");
    assert_eq!(
        info(&mut client, "client_output_buffer_limit_disconnections"),
        2
    );
    let log = server.log();
    let told = log.matches("closed for overcoming of output buffer limits.");
    assert_eq!(told.count(), 2, "{log}");
}

#[test]
fn a_limit_below_any_reply_can_be_raised_again() {
    let server = limited(Setup::minium(), "normal 1 1 1");
    let mut client = server.connect();
    assert!(client.call(&["SET", "value", &"x".repeat(10_000)]).is_ok());
    assert_eq!(client.line("GET value").bytes().len(), 10_000);
    let set = [
        "CONFIG",
        "SET",
        "client-output-buffer-limit",
        "normal 0 0 0",
    ];
    assert!(client.call(&set).is_ok());
}

#[test]
fn the_soft_limit_counts_when_its_time_is_over_and_nothing_happens() {
    let server = limited(Setup::minium(), "normal 0 100000 1");
    let mut watcher = server.connect();
    assert!(
        watcher
            .call(&["SET", "value", &"x".repeat(100_000)])
            .is_ok()
    );
    let mut request = Vec::new();
    (0..100).for_each(|_| encode(&mut request, &["GET", "value"]));
    let mut briefly = server.connect();
    let mut deaf = server.connect();
    let start = Instant::now();
    for client in [&mut briefly, &mut deaf] {
        client.write(&request).expect("the server reads");
    }
    for _ in 0..100 {
        assert_eq!(briefly.read().bytes().len(), 100_000);
    }
    wait_for("the end of the deaf one", || {
        watcher.line("CLIENT LIST").text().lines().count() == 2
    });
    let after = start.elapsed();
    assert!(
        after > Duration::from_secs(1),
        "it was ended after {after:?} already"
    );
    assert!(!briefly.line("PING").is_error(), "who read is still there");
    assert_eq!(
        info(&mut watcher, "client_output_buffer_limit_disconnections"),
        1
    );
}

#[test]
fn requests_without_end_are_ended_and_counted() {
    let server = Setup::minium()
        .with("client-query-buffer-limit", "1mb")
        .start();
    let mut watcher = server.connect();
    let mut request = b"*1\r\n$3000000\r\n".to_vec();
    request.resize(2_000_000, b'x');
    let mut large = server.connect();
    // The server may close before it has read all.
    let _ = large.write(&request);
    assert!(large.read_to_close().is_ok_and(|rest| rest.is_empty()));
    let mut many = server.connect();
    let part = "x".repeat(300_000);
    many.line("MULTI");
    let mut queued = 0;
    while many.try_call(&["SET", "key", &part]).is_ok() {
        queued += 1;
        assert!(queued < 10, "a transaction is no way round the limit");
    }
    let mut below = server.connect();
    assert!(below.call(&["SET", "key", &"x".repeat(1_000_000)]).is_ok());
    assert_eq!(
        info(&mut watcher, "client_query_buffer_limit_disconnections"),
        2
    );
    let log = server.log();
    let told = log.matches("Closing client that reached max query buffer length: id=");
    assert_eq!(told.count(), 2, "{log}");
}

/// Requests enough to fill what the system keeps between two ends, and replies to them.
const FLOOD: usize = 600_000;

#[test]
fn without_a_limit_a_slow_reader_holds_little() {
    let server = Setup::minium().start();
    let mut watcher = server.connect();
    assert!(watcher.call(&["SET", "value", &"x".repeat(1000)]).is_ok());
    let mut slow = server.connect();
    let mut sender = server.connect();
    assert!(sender.line("CLIENT SETNAME sender").is_ok());
    drop(sender);
    let mut request = Vec::new();
    (0..1000).for_each(|_| encode(&mut request, &["GET", "value"]));
    let mut most = 0;
    for _ in 0..100 {
        // 100 MB of replies in all, of which a tenth is read at a time.
        slow.write(&request).expect("the server reads");
        most = most.max(info(&mut watcher, "mem_clients_normal"));
        for _ in 0..100 {
            assert_eq!(slow.read().bytes().len(), 1000);
        }
    }
    assert!(most < 40 << 20, "the slow reader held {most} bytes");
    for _ in 0..100 * 900 {
        assert_eq!(slow.read().bytes().len(), 1000);
    }
}

#[test]
fn who_sends_all_before_it_reads_is_served_all_the_same() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    assert!(client.call(&["SET", "value", &"x".repeat(200)]).is_ok());
    let mut request = Vec::new();
    (0..FLOOD).for_each(|_| encode(&mut request, &["GET", "value"]));
    client.write(&request).expect("the server reads in the end");
    for _ in 0..FLOOD {
        assert_eq!(client.read().bytes().len(), 200);
    }
}
