//! How an answer comes to whoever waited: whole, in its place among everything else that the client is sent, and to a client that is then
//! served as any other.

use super::blocking_keys;
use crate::support::{Client, Setup, Value, wait_for};

/// Lets clients wait, one after the other, so that they belong to all workers.
fn waiting(clients: &mut [Client], observer: &mut Client, line: &[u8]) {
    for (number, client) in clients.iter_mut().enumerate() {
        client.write(line).expect("the server reads");
        wait_for("it to wait", || blocking_keys(observer)[0] == number + 1);
    }
}

#[test]
fn whatever_its_size_it_is_whole_and_in_front_of_what_follows() {
    let server = Setup::minium().with("io-threads", "2").start();
    let mut observer = server.connect();
    let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    for round in 0..6 {
        waiting(&mut clients, &mut observer, b"BLPOP k 0\r\n");
        // Sockets take the one at once, and not the other.
        let element = ["x".repeat(10), "y".repeat(12 << 20)][round % 2].clone();
        for _ in &clients {
            assert_eq!(observer.call(&["RPUSH", "k", &element]).int(), 1);
        }
        for client in &mut clients {
            client.write(b"PING\r\n").expect("the server reads");
            let reply = client.read();
            assert!(reply.elements()[1].text() == element, "in round {round}");
            assert_eq!(client.read().text(), "PONG");
        }
    }
}

#[test]
fn what_was_changed_before_is_heard_of_before() {
    let server = Setup::minium().with("io-threads", "2").start();
    let mut writer = server.connect();
    let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.line("HELLO 3");
        assert!(client.line("CLIENT TRACKING ON").is_ok());
    }
    for round in 0..50 {
        for client in &mut clients {
            assert!(!client.line("GET copied").is_error());
        }
        waiting(&mut clients, &mut writer, b"BLPOP k 0\r\n");
        let change = format!("SET copied {round}\r\nRPUSH k 1 2 3 4\r\n");
        writer.write(change.as_bytes()).expect("the server reads");
        assert!(writer.read().is_ok());
        assert_eq!(writer.read().int(), 4);
        for client in &mut clients {
            let first = client.read();
            assert!(matches!(first, Value::Push(_)), "{first:?} came first");
            assert_eq!(client.read().elements()[0].text(), "k");
        }
    }
}

#[test]
fn afterwards_a_busy_script_is_told_of_as_to_others() {
    let setup = Setup::minium().with("io-threads", "1");
    let server = setup.with("busy-reply-threshold", "50").start();
    let mut observer = server.connect();
    let mut clients = [server.connect()];
    waiting(&mut clients, &mut observer, b"BLPOP k 0\r\n");
    assert_eq!(observer.line("RPUSH k x").int(), 1);
    let [client] = &mut clients;
    assert_eq!(client.read().elements()[1].text(), "x");
    let endless = b"EVAL 'while true do end' 0\r\n";
    observer.write(endless).expect("the server reads");
    wait_for("the script to be declared", || {
        client.line("GET k").is_error()
    });
    assert!(client.line("SCRIPT KILL").is_ok());
    assert!(observer.read().is_error());
}
