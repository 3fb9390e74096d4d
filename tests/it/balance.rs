//! How clients are spread over workers: together while there is little to do, apart under load, and moved between the two without
//! anybody's notice.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, PATIENCE, Server, Setup, holds_within, wait_for};

/// More turns than make a regular client.
const MANY: usize = 100;

/// How many clients live with each worker.
fn spread(observer: &mut Client) -> Vec<usize> {
    let info = observer.line("INFO threads").text();
    let clients = info.lines().filter_map(|line| {
        let (_, counts) = line.strip_prefix("io_thread_")?.split_once(":clients=")?;
        Some(counts.split_once(',')?.0.parse().expect("a number"))
    });
    clients.collect()
}

fn two_workers() -> Setup {
    Setup::minium().with("io-threads", "2")
}

/// Clients that have shown that they ask again and again.
fn regulars(server: &Server, count: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..count).map(|_| server.connect()).collect();
    for client in &mut clients {
        (0..MANY).for_each(|_| drop(client.line("PING")));
    }
    clients
}

fn always_active(observer: &mut Client, always: bool) {
    let word = if always { "yes" } else { "no" };
    let set = format!("CONFIG SET io-threads-always-active {word}");
    assert!(observer.line(&set).is_ok());
}

#[test]
fn one_worker_serves_those_who_ask_little_and_others_stay_at_home() {
    let server = two_workers().start();
    let mut observer = server.connect();
    let _guests: Vec<Client> = (0..6).map(|_| server.connect()).collect();
    let mut regulars = regulars(&server, 6);
    assert_eq!(spread(&mut observer).iter().sum::<usize>(), 13);
    // The observer becomes regular, too, while it looks.
    wait_for("the regular ones are together", || {
        regulars
            .iter_mut()
            .for_each(|client| drop(client.line("PING")));
        spread(&mut observer) == [10, 3]
    });
    always_active(&mut observer, true);
    wait_for("all are spread", || {
        regulars
            .iter_mut()
            .for_each(|client| drop(client.line("PING")));
        let spread = spread(&mut observer);
        spread == [6, 7] || spread == [7, 6]
    });
}

#[test]
fn a_full_worker_gets_help() {
    let server = two_workers().start();
    let mut observer = server.connect();
    let mut clients = regulars(&server, 8);
    wait_for("all are together", || {
        clients
            .iter_mut()
            .for_each(|client| drop(client.line("PING")));
        spread(&mut observer).contains(&0)
    });
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        for mut client in clients {
            let is_over = &is_over;
            threads.spawn(move || {
                let pipeline = b"INCR n\r\nLPUSH l x\r\nLPOP l\r\n".repeat(500);
                while !is_over.load(Relaxed) {
                    client.write(&pipeline).expect("written");
                    (0..1500).for_each(|_| drop(client.read()));
                }
            });
        }
        let has_help = holds_within(PATIENCE, || {
            spread(&mut observer).into_iter().min() >= Some(4)
        });
        is_over.store(true, Relaxed);
        assert!(has_help);
    });
}

#[test]
fn who_runs_long_commands_is_left_alone() {
    let server = two_workers().start();
    let mut clients = regulars(&server, 4);
    let mut observer = server.connect();
    let info = observer.line("INFO server").text();
    assert!(info.contains("io_threads_active:0\r\n"), "{info}");
    clients[0].call(&["EVAL", "for i = 1, 1e7 do end", "0"]);
    wait_for("all workers are in use", || {
        clients
            .iter_mut()
            .for_each(|client| drop(client.line("PING")));
        observer
            .line("INFO server")
            .text()
            .contains("io_threads_active:1\r\n")
    });
}

#[test]
fn who_waits_moves_too_and_is_answered() {
    let server = two_workers().start();
    let mut observer = server.connect();
    always_active(&mut observer, true);
    let mut pusher = server.connect();
    let mut waiting: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    let mut round = 0;
    let mut hand_out = || {
        round += 1;
        for (number, client) in waiting.iter_mut().enumerate() {
            let call = format!("BLPOP queue:{number} 0\r\n");
            client.write(call.as_bytes()).expect("written");
        }
        for (number, client) in waiting.iter_mut().enumerate() {
            let push = format!("RPUSH queue:{number} {round}");
            assert_eq!(pusher.line(&push).int(), 1);
            assert_eq!(client.read().elements()[1].text(), round.to_string());
        }
    };
    (0..MANY).for_each(|_| hand_out());
    for together in [true, false, true, false] {
        always_active(&mut observer, !together);
        wait_for("those who wait have moved", || {
            hand_out();
            let fewest = spread(&mut observer).into_iter().min();
            fewest == Some(if together { 0 } else { 3 })
        });
    }
}

#[test]
fn nothing_is_lost_on_the_way() {
    let server = two_workers().start();
    let (mut observer, is_over) = (server.connect(), AtomicBool::new(false));
    thread::scope(|threads| {
        for number in 0..6 {
            let (server, is_over) = (&server, &is_over);
            threads.spawn(move || lead_a_busy_life(server, number, is_over));
        }
        let (mut gathered, deadline) = (0, Instant::now() + PATIENCE);
        while gathered < 3 && Instant::now() < deadline {
            always_active(&mut observer, true);
            spread_until(&mut observer, |fewest| fewest >= 3);
            always_active(&mut observer, false);
            // For a moment only, as they leave one worker no time.
            gathered += u32::from(spread_until(&mut observer, |fewest| fewest <= 1));
        }
        is_over.store(true, Relaxed);
        assert_eq!(gathered, 3, "times that all moved to and fro");
    });
}

/// Looks for a moment whether the worker with the fewest clients has so many.
fn spread_until(observer: &mut Client, is_it: impl Fn(usize) -> bool) -> bool {
    let mut fewest = || spread(observer).into_iter().min().expect("workers");
    holds_within(Duration::from_millis(100), || is_it(fewest()))
}

/// Uses what a connection can hold across turns - a name, a selected database, a watch, a transaction, half a request - and is killed in the end.
fn lead_a_busy_life(server: &Server, number: usize, is_over: &AtomicBool) {
    let mut client = server.connect();
    let name = format!("name-{number}");
    assert!(client.line(&format!("CLIENT SETNAME {name}")).is_ok());
    assert!(client.line(&format!("SELECT {number}")).is_ok());
    let mut n = 0;
    while !is_over.load(Relaxed) {
        assert!(client.line("WATCH other").is_ok());
        assert!(client.line("MULTI").is_ok());
        assert_eq!(client.line("INCR n").text(), "QUEUED");
        assert_eq!(client.line("CLIENT GETNAME").text(), "QUEUED");
        let done = client.line("EXEC");
        assert_eq!(done.elements()[0].int(), n + 1);
        assert_eq!(done.elements()[1].text(), name);
        client.write(b"INCR n\r\nPING").expect("written");
        assert_eq!(client.read().int(), n + 2);
        client.write(b"\r\n").expect("written");
        assert_eq!(client.read().text(), "PONG");
        n += 2;
    }
    let id = client.line("CLIENT ID").int();
    let mut killer = server.connect();
    assert_eq!(killer.line(&format!("CLIENT KILL ID {id}")).int(), 1);
    assert!(client.try_read().is_err(), "it is ended");
}
