//! Pub/sub: who hears what and in which order, what the server tells of it, and what becomes of those who do not listen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, info, wait_for};

/// A message on a channel, in RESP2.
fn message(channel: &str, payload: &str) -> Value {
    let words = ["message", channel, payload];
    Value::Array(words.map(|word| Value::Bulk(word.into())).into())
}

fn subscriber(server: &Server, line: &str) -> Client {
    let mut client = server.connect();
    let names = line.split_whitespace().count() - 1;
    assert!(!client.line(line).is_error(), "{line}");
    for _ in 1..names {
        client.read();
    }
    client
}

/// What each line is answered with. A line is for one of three clients, and says how many replies and messages each of them gets.
fn conversation(server: &Server, lines: &[(usize, &str, [usize; 3])]) -> Vec<String> {
    let mut clients = [server.connect(), server.connect(), server.connect()];
    let mut heard = Vec::new();
    for &(speaker, line, counts) in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut request = Vec::new();
        encode(&mut request, &words);
        clients[speaker].write(&request).expect("the server reads");
        for (client, &count) in counts.iter().enumerate() {
            for _ in 0..count {
                let value = clients[client].read();
                heard.push(format!("{line} -> {client}: {value:?}"));
            }
        }
    }
    // Nobody has got anything else.
    for (number, client) in clients.iter_mut().enumerate() {
        heard.push(format!("{number} last: {:?}", client.line("PING end")));
    }
    heard
}

#[test]
fn subscribers_are_told_what_redis_tells_them() {
    let lines: &[(usize, &str, [usize; 3])] = &[
        (0, "SUBSCRIBE a b a", [3, 0, 0]),
        (1, "HELLO 3", [0, 1, 0]),
        (1, "PSUBSCRIBE a* ? [", [0, 3, 0]),
        (2, "PUBLISH a 1", [1, 2, 1]),
        (2, "PUBLISH abc 2", [0, 1, 1]),
        (2, "PUBLISH nobody 3", [0, 0, 1]),
        (1, "SUBSCRIBE a", [0, 1, 0]),
        (2, "PUBLISH a 4", [1, 3, 1]),
        (1, "SSUBSCRIBE a s", [0, 2, 0]),
        (0, "SSUBSCRIBE s", [1, 0, 0]),
        (2, "SPUBLISH s 5", [1, 1, 1]),
        (2, "SPUBLISH a 6", [0, 1, 1]),
        (2, "PUBLISH s 7", [0, 1, 1]),
        (2, "PUBSUB NUMSUB a b c a", [0, 0, 1]),
        (2, "PUBSUB SHARDNUMSUB a s", [0, 0, 1]),
        (2, "PUBSUB NUMPAT", [0, 0, 1]),
        (2, "PUBSUB CHANNELS a*", [0, 0, 1]),
        (2, "PUBSUB SHARDCHANNELS s", [0, 0, 1]),
        (2, "PUBSUB CHANNELS a b", [0, 0, 1]),
        (2, "PUBSUB NUMPAT 1", [0, 0, 1]),
        (2, "PUBSUB what", [0, 0, 1]),
        (0, "GET a", [1, 0, 0]),
        (0, "PUBSUB NUMPAT", [1, 0, 0]),
        (0, "CLIENT ID", [1, 0, 0]),
        (0, "PUBLISH a 8", [1, 0, 0]),
        (0, "PING", [1, 0, 0]),
        (0, "PING hello", [1, 0, 0]),
        (0, "PING a b", [1, 0, 0]),
        (0, "MULTI", [1, 0, 0]),
        (1, "GET a", [0, 1, 0]),
        (1, "PING", [0, 1, 0]),
        (0, "UNSUBSCRIBE nothing", [1, 0, 0]),
        (0, "UNSUBSCRIBE b", [1, 0, 0]),
        (0, "UNSUBSCRIBE", [1, 0, 0]),
        (0, "UNSUBSCRIBE", [1, 0, 0]),
        (0, "GET a", [1, 0, 0]),
        (0, "SUNSUBSCRIBE s s", [2, 0, 0]),
        (0, "GET a", [1, 0, 0]),
        (0, "PING", [1, 0, 0]),
        (1, "PUNSUBSCRIBE a* x", [0, 2, 0]),
        (1, "PUNSUBSCRIBE", [0, 2, 0]),
        (1, "PUNSUBSCRIBE", [0, 1, 0]),
        (1, "SUNSUBSCRIBE a", [0, 1, 0]),
        (1, "HELLO 2", [0, 1, 0]),
        (1, "GET a", [0, 1, 0]),
        (2, "SPUBLISH s 9", [0, 1, 1]),
        (1, "RESET", [0, 1, 0]),
        (2, "SPUBLISH s 10", [0, 0, 1]),
        (1, "GET a", [0, 1, 0]),
        (0, "CLIENT REPLY OFF", [0, 0, 0]),
        (0, "SUBSCRIBE a", [1, 0, 0]),
        (0, "PING", [0, 0, 0]),
        (2, "PUBLISH a 11", [1, 0, 1]),
        (0, "UNSUBSCRIBE", [1, 0, 0]),
        (0, "RESET", [1, 0, 0]),
        (0, "MULTI", [1, 0, 0]),
        (0, "SUBSCRIBE a", [1, 0, 0]),
        (0, "SSUBSCRIBE a", [1, 0, 0]),
        (0, "PSUBSCRIBE b*", [1, 0, 0]),
        (0, "GET a", [1, 0, 0]),
        (0, "EXEC", [1, 0, 0]),
        (2, "PUBLISH a 12", [1, 0, 1]),
        (2, "MULTI", [0, 0, 1]),
        (2, "PUBLISH b1 13", [0, 0, 1]),
        (2, "PUBLISH a 14", [0, 0, 1]),
        (2, "SET a 15", [0, 0, 1]),
        (2, "EXEC", [2, 0, 1]),
    ];
    // A greeting names its server, and what has no order comes in any.
    let told = |setup: Setup| {
        let mut heard = conversation(&setup.start(), lines);
        heard.retain(|line| !line.starts_with("HELLO"));
        heard.sort();
        heard
    };
    let (minium, redis) = (told(Setup::minium()), told(Setup::redis()));
    for (ours, theirs) in minium.iter().zip(&redis) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(minium.len(), redis.len());
}

#[test]
fn a_thousand_subscribers_hear_every_publisher_in_order() {
    const SUBSCRIBERS: usize = 1000;
    const PUBLISHERS: usize = 4;
    const MESSAGES: usize = 50;
    let server = Setup::minium().with("io-threads", "4").start();
    let mut subscribers: Vec<Client> = (0..SUBSCRIBERS)
        .map(|number| {
            let mut client = server.connect();
            if number % 3 == 0 {
                client.line("HELLO 3");
            }
            let subscribe = match number % 2 {
                0 => "SUBSCRIBE news",
                _ => "PSUBSCRIBE n?ws",
            };
            client.line(subscribe);
            client
        })
        .collect();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                // Some wait for each reply, others do not.
                let burst = [1, 10][publisher % 2];
                for first in (0..MESSAGES).step_by(burst) {
                    let commands: Vec<_> = (first..first + burst)
                        .map(|number| {
                            ["PUBLISH", "news", &format!("{publisher} {number}")]
                                .map(|word| word.as_bytes().to_vec())
                        })
                        .collect();
                    for reply in client.try_pipeline(&commands).expect("replies") {
                        assert_eq!(reply, Value::Int(SUBSCRIBERS as i64));
                    }
                }
            });
        }
    });
    let mut order: Option<Vec<String>> = None;
    for (number, client) in subscribers.iter_mut().enumerate() {
        let heard: Vec<String> = (0..PUBLISHERS * MESSAGES)
            .map(|_| {
                let (Value::Array(words) | Value::Push(words)) = client.read() else {
                    panic!("subscriber {number} got no message")
                };
                words.last().expect("a payload").text()
            })
            .collect();
        for publisher in 0..PUBLISHERS {
            let mine = heard.iter().filter_map(|payload| {
                let payload = payload.strip_prefix(&format!("{publisher} "))?;
                payload.parse::<usize>().ok()
            });
            assert!(mine.eq(0..MESSAGES), "subscriber {number}: {heard:?}");
        }
        let order = order.get_or_insert_with(|| heard.clone());
        assert_eq!(*order, heard, "all hear a channel in one order");
    }
}

/// Says that all is done, even to those who would wait for it after a failure.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_comes_behind_the_end_of_a_subscription() {
    let server = Setup::minium().with("io-threads", "2").start();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut publisher = server.connect();
                let burst = vec![["PUBLISH", "busy", "x"].map(|word| word.as_bytes().to_vec()); 50];
                while !done.load(Ordering::Relaxed) {
                    publisher.try_pipeline(&burst).expect("replies");
                }
            });
        }
        let _done = Done(&done);
        let mut clients = [server.connect(), server.connect()];
        // To such a client a late message would be the reply to its next request.
        for round in 0..400 {
            let client = &mut clients[round % 2];
            client.line("SUBSCRIBE busy");
            assert_eq!(client.read(), message("busy", "x"));
            let leave = ["UNSUBSCRIBE", "UNSUBSCRIBE busy", "RESET"][round % 3];
            let mut requests = Vec::new();
            encode(&mut requests, &leave.split(' ').collect::<Vec<_>>());
            encode(&mut requests, &["ECHO", &round.to_string()]);
            client.write(&requests).expect("the server reads");
            let mut reply = client.read();
            while reply == message("busy", "x") {
                reply = client.read();
            }
            assert_ne!(reply, Value::Bulk(round.to_string().into()), "{leave}");
            assert_eq!(
                client.read(),
                Value::Bulk(round.to_string().into()),
                "{leave}"
            );
        }
    });
}

#[test]
fn what_a_transaction_publishes_comes_in_one_piece() {
    let server = Setup::minium().with("io-threads", "2").start();
    let mut listener = subscriber(&server, "SUBSCRIBE a b c");
    thread::scope(|scope| {
        for publisher in 0..3 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                for _ in 0..100 {
                    client.line("MULTI");
                    for channel in ["a", "b", "c", "a"] {
                        client.line(&format!("PUBLISH {channel} {publisher}"));
                    }
                    let replies = client.line("EXEC");
                    assert_eq!(replies, Value::Array(vec![Value::Int(1); 4]));
                }
            });
        }
        for _ in 0..300 {
            let first = listener.read();
            let publisher = first.elements()[2].text();
            assert_eq!(first, message("a", &publisher));
            for channel in ["b", "c", "a"] {
                assert_eq!(listener.read(), message(channel, &publisher));
            }
        }
    });
}

#[test]
fn who_publishes_to_itself_has_the_reply_first() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    client.line("HELLO 3");
    client.line("SUBSCRIBE own");
    assert_eq!(client.line("PUBLISH own x"), Value::Int(1));
    assert!(matches!(client.read(), Value::Push(_)));
    client.line("MULTI");
    client.line("PUBLISH own x");
    client.line("SET key value");
    let replies = client.line("EXEC");
    assert_eq!(replies.elements()[0], Value::Int(1));
    assert!(matches!(client.read(), Value::Push(_)));
}

#[test]
fn who_does_not_read_is_cut_off_and_nobody_else() {
    let server = Setup::minium()
        .with("io-threads", "2")
        .with("client-output-buffer-limit", "pubsub 1mb 0 0")
        .start();
    let mut deaf: Vec<Client> = (0..4)
        .map(|_| subscriber(&server, "SUBSCRIBE flood"))
        .collect();
    let mut publisher = server.connect();
    let payload = "x".repeat(100_000);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut client = subscriber(&server, "SUBSCRIBE flood end");
            let mut heard = 0;
            while client.read() != message("end", "") {
                heard += 1;
            }
            heard
        });
        wait_for("all to listen", || {
            publisher.line("PUBSUB NUMSUB end").elements()[1].int() == 1
        });
        let mut sent = 0;
        wait_for("the deaf to be cut off", || {
            let receivers = publisher.call(&["PUBLISH", "flood", &payload]).int();
            sent += 1;
            receivers == 1
        });
        assert_eq!(publisher.call(&["PUBLISH", "end", ""]).int(), 1);
        assert_eq!(reader.join().expect("the reader"), sent);
    });
    assert_eq!(
        info(&mut publisher, "client_output_buffer_limit_disconnections"),
        4
    );
    for client in &mut deaf {
        // Whatever the sockets held, and no more.
        assert!(client.read_to_close().is_ok());
    }
}

#[test]
fn who_reads_late_has_everything_whole_and_in_order() {
    const MESSAGES: usize = 60;
    let server = Setup::minium()
        .with("io-threads", "2")
        .with("client-output-buffer-limit", "pubsub 0 0 0")
        .start();
    let mut late: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = server.connect();
            client.line("HELLO 3");
            client.line("SUBSCRIBE c");
            client
        })
        .collect();
    let mut publisher = server.connect();
    // Sockets take some of this at once, and then no more.
    let payload = |n: usize| format!("{n} {}", "x".repeat([10, 300_000, 9][n % 3]));
    for n in 0..MESSAGES {
        let receivers = publisher.call(&["PUBLISH", "c", &payload(n)]).int();
        assert_eq!(receivers, 4);
        for client in &mut late {
            let ping = format!("PING {n}\r\n");
            client.write(ping.as_bytes()).expect("the server reads");
        }
    }
    for client in &mut late {
        let (mut messages, mut replies) = (0, 0);
        while messages < MESSAGES || replies < MESSAGES {
            match client.read() {
                Value::Push(words) => {
                    assert!(words[2].text() == payload(messages), "message {messages}");
                    messages += 1;
                }
                reply => {
                    assert_eq!(reply.text(), replies.to_string());
                    replies += 1;
                }
            }
        }
    }
}

#[test]
fn whoever_goes_is_forgotten() {
    let server = Setup::minium().with("io-threads", "2").start();
    let mut operator = server.connect();
    let listeners = |operator: &mut Client| {
        let mut counts: Vec<i64> = ["NUMSUB c", "SHARDNUMSUB s"]
            .map(|what| operator.line(&format!("PUBSUB {what}")).elements()[1].int())
            .into();
        counts.push(operator.line("PUBSUB NUMPAT").int());
        counts
    };
    let come = || {
        let mut client = server.connect();
        client.line("HELLO 3");
        for line in ["SUBSCRIBE c", "SSUBSCRIBE s", "PSUBSCRIBE p*"] {
            client.line(line);
        }
        client
    };
    let mut killed = come();
    let id = killed.line("CLIENT ID").int();
    let mut reset = come();
    let dropped = come();
    assert_eq!(listeners(&mut operator), [3, 3, 1]);
    let line = operator.line(&format!("CLIENT LIST ID {id}")).text();
    for field in ["flags=P ", "sub=1 ", "psub=1 ", "ssub=1 "] {
        assert!(line.contains(field), "{line}");
    }
    let list = operator.line("CLIENT LIST TYPE pubsub").text();
    assert_eq!(list.lines().count(), 3);
    let told = [
        "pubsub_channels",
        "pubsub_patterns",
        "pubsubshard_channels",
        "pubsub_clients",
    ];
    let told = told.map(|field| info(&mut operator, field));
    assert_eq!(told, [1, 1, 1, 3]);

    reset.line("RESET");
    assert_eq!(listeners(&mut operator), [2, 2, 1]);
    operator.line(&format!("CLIENT KILL ID {id}"));
    drop(dropped);
    wait_for("both to be gone", || listeners(&mut operator) == [0, 0, 0]);
    assert_eq!(operator.line("PUBLISH c x"), Value::Int(0));
    assert_eq!(operator.line("CLIENT LIST TYPE pubsub").text(), "");
    assert_eq!(operator.line("PUBSUB CHANNELS").elements(), []);
}

#[test]
fn subscriptions_are_charged_to_their_client() {
    let server = Setup::minium().start();
    let mut operator = server.connect();
    let used = |operator: &mut Client| {
        (
            info(operator, "used_memory"),
            info(operator, "mem_clients_normal"),
        )
    };
    let before = used(&mut operator);
    let mut client = server.connect();
    let mut request = vec!["SUBSCRIBE".to_owned()];
    request.extend((0..20_000).map(|number| format!("a channel with a longer name {number}")));
    client.call(&request);
    for _ in 1..20_000 {
        client.read();
    }
    let after = used(&mut operator);
    let (truth, charged) = (after.0 - before.0, after.1 - before.1);
    assert!(
        charged.abs_diff(truth) * 5 <= truth,
        "{charged} bytes are charged, {truth} were allocated"
    );
    client.line("RESET");
    let left = used(&mut operator);
    assert!(
        left.0 - before.0 < truth / 10,
        "{} bytes remain",
        left.0 - before.0
    );
}

#[test]
fn a_subscriber_is_neither_idle_nor_held_up() {
    let server = Setup::minium()
        .with("timeout", "1")
        .with("appendonly", "yes")
        .with("appendfsync", "always")
        .start();
    let mut client = server.connect();
    client.line("HELLO 3");
    client.line("SUBSCRIBE c");
    let mut silent = server.connect();
    silent.line("PING");
    // The timeout ends whom nobody expects to speak, and only those.
    assert!(silent.read_to_close().is_ok());
    let mut publisher = server.connect();
    let mut counts = (0, 0);
    let incr = b"INCR counter\r\n".repeat(10);
    for _ in 0..20 {
        client.write(&incr).expect("the server reads");
        for _ in 0..10 {
            assert_eq!(publisher.line("PUBLISH c x"), Value::Int(1));
        }
    }
    while counts != (200, 200) {
        match client.read() {
            Value::Int(count) => {
                counts.0 += 1;
                assert_eq!(count, counts.0);
            }
            Value::Push(_) => counts.1 += 1,
            other => panic!("{other:?}"),
        }
    }
}
