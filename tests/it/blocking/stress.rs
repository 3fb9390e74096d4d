//! Many connections on all workers: no element is lost or given twice, and first come is first served.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::blocking_keys;
use crate::support::{Client, Setup, client::encode, wait_for};

fn request(line: &str) -> Vec<u8> {
    let mut request = Vec::new();
    encode(&mut request, &line.split(' ').collect::<Vec<_>>());
    request
}

#[test]
fn each_element_goes_to_one_client() {
    const PRODUCERS: usize = 4;
    const ELEMENTS: usize = 4000;
    const CONSUMERS: usize = 12;
    let server = Setup::minium().with("io-threads", "4").start();
    let taken = AtomicUsize::new(0);
    let all: Vec<String> = std::thread::scope(|scope| {
        let (server, taken) = (&server, &taken);
        for producer in 0..PRODUCERS {
            scope.spawn(move || {
                let mut client = server.connect();
                for n in 0..ELEMENTS {
                    let key = n % 3;
                    let element = producer * ELEMENTS + n;
                    match n % 4 {
                        0 => assert!(client.line(&format!("LPUSH l{key} {element}")).int() > 0),
                        1 => {
                            for line in ["MULTI", &format!("RPUSH l{key} {element}"), "EXEC"] {
                                assert!(!client.line(line).is_error());
                            }
                        }
                        // It goes through a second list.
                        2 => assert!(client.line(&format!("RPUSH in{key} {element}")).int() > 0),
                        _ => {
                            assert_eq!(client.line(&format!("ZADD z{key} {n} {element}")).int(), 1);
                        }
                    }
                }
            });
        }
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|consumer| {
                scope.spawn(move || {
                    let mut client = server.connect();
                    let mut mine = Vec::new();
                    while taken.load(Relaxed) < PRODUCERS * ELEMENTS {
                        let n = consumer % 3;
                        let reply = match consumer / 3 {
                            0 => client.line("BLPOP l0 l1 l2 0.05"),
                            1 => client.line("BLMPOP 0.05 3 l2 l1 l0 RIGHT COUNT 3"),
                            2 => client.line(&format!("BLMOVE in{n} l{n} LEFT RIGHT 0.05")),
                            _ => client.line("BZPOPMIN z0 z1 z2 0.05"),
                        };
                        if reply.is_null() || consumer / 3 == 2 {
                            continue;
                        }
                        let elements = match consumer / 3 {
                            1 => reply.elements()[1].elements(),
                            _ => &reply.elements()[1..2],
                        };
                        taken.fetch_add(elements.len(), Relaxed);
                        mine.extend(elements.iter().map(|element| element.text()));
                    }
                    mine
                })
            })
            .collect();
        let consumers = consumers.into_iter();
        consumers
            .flat_map(|it| it.join().expect("a consumer"))
            .collect()
    });
    let distinct: HashSet<_> = all.iter().collect();
    assert_eq!(
        (all.len(), distinct.len()),
        (PRODUCERS * ELEMENTS, PRODUCERS * ELEMENTS)
    );
    let mut client = server.connect();
    assert_eq!(client.line("DBSIZE").int(), 0);
    wait_for("nobody who waits", || blocking_keys(&mut client) == [0, 0]);
}

#[test]
fn first_come_is_first_served_whoever_serves() {
    const WAITERS: usize = 300;
    let server = Setup::minium().with("io-threads", "4").start();
    let mut observer = server.connect();
    let mut waiters: Vec<Client> = (0..WAITERS).map(|_| server.connect()).collect();
    for (n, waiter) in waiters.iter_mut().enumerate() {
        let line = if n % 3 == 0 {
            "BLPOP k other 0"
        } else {
            "BLPOP k 0"
        };
        waiter.write(&request(line)).expect("a server");
        wait_for("it to wait", || blocking_keys(&mut observer)[0] == n + 1);
    }
    // Some at once from several workers: those who are served are those who came first.
    let producers: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    std::thread::scope(|scope| {
        for mut producer in producers {
            scope.spawn(move || {
                for n in 0..25 {
                    producer.line(&format!("RPUSH k {n}"));
                }
            });
        }
    });
    assert_eq!(observer.line("EXISTS k").int(), 0);
    let (served, rest) = waiters.split_at_mut(100);
    for waiter in served {
        assert_eq!(waiter.read().elements()[0].text(), "k");
    }
    assert_eq!(blocking_keys(&mut observer), [WAITERS - 100, 2]);
    // One after the other, each from another worker.
    let mut producers: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    for (n, waiter) in rest.iter_mut().enumerate() {
        assert_eq!(producers[n % 4].line(&format!("RPUSH k e{n}")).int(), 1);
        assert_eq!(waiter.read().elements()[1].text(), format!("e{n}"));
    }
}

#[test]
fn a_long_line_is_served_as_fast_as_a_short_one() {
    // The soft limit on open files of the machine has to allow as many, and the server's own.
    const WAITERS: usize = 10_000;
    let server = Setup::minium()
        .with("io-threads", "2")
        .with("maxclients", "10100")
        .start();
    let mut other = server.connect();
    let mut waiters: Vec<Client> = (0..WAITERS).map(|_| server.connect()).collect();
    for waiter in &mut waiters {
        waiter.write(&request("BLPOP k 0")).expect("a server");
    }
    wait_for("all to wait", || blocking_keys(&mut other) == [WAITERS, 1]);
    // Half of them go.
    waiters.truncate(WAITERS / 2);
    wait_for("half of them", || {
        blocking_keys(&mut other) == [WAITERS / 2, 1]
    });
    let elements: Vec<_> = (0..WAITERS / 2).map(|n| n.to_string()).collect();
    let began = Instant::now();
    other.line(&format!("RPUSH k {}", elements.join(" ")));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let mut taken: Vec<usize> = waiters
        .iter_mut()
        .map(|waiter| {
            waiter.read().elements()[1]
                .text()
                .parse()
                .expect("a number")
        })
        .collect();
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..WAITERS / 2));
}
