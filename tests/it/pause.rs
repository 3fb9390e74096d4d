//! CLIENT PAUSE: who has to wait, and that what waited runs when the pause ends.

use crate::support::{Client, Server, Setup, Value, wait_for};

fn held_back(server: &Server) -> i64 {
    let info = server.connect().line("INFO clients").text();
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("blocked_clients:"));
    count.expect("the field").parse().expect("a number")
}

fn send(server: &Server, line: &str) -> Client {
    let mut client = server.connect();
    client
        .write(format!("{line}\r\n").as_bytes())
        .expect("written");
    client
}

#[test]
fn writes_wait_and_run_in_order_when_the_pause_is_lifted() {
    let server = Setup::minium().start();
    let mut operator = server.connect();
    assert!(operator.line("SET counter 1").is_ok());
    assert!(operator.line("CLIENT PAUSE 600000 WRITE").is_ok());

    // The read behind the write waits with it, because replies keep their order.
    let mut writer = send(&server, "GET counter\r\nINCR counter\r\nGET counter");
    assert_eq!(writer.read(), Value::Bulk(b"1".to_vec()));
    let mut other = send(&server, "INCR counter");
    wait_for("both writers are held back", || held_back(&server) == 2);
    assert_eq!(operator.line("GET counter").text(), "1");

    assert!(operator.line("CLIENT UNPAUSE").is_ok());
    let mut counts = [writer.read().int(), other.read().int()];
    counts.sort_unstable();
    assert_eq!(counts, [2, 3]);
    assert!(["2", "3"].contains(&writer.read().text().as_str()));
    assert_eq!(held_back(&server), 0);
}

#[test]
fn a_pause_of_all_commands_ends_by_itself() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    assert!(client.line("CLIENT PAUSE 200 ALL").is_ok());
    assert_eq!(client.line("PING"), Value::Simple(b"PONG".to_vec()));
}

#[test]
fn a_client_that_waits_can_be_killed() {
    let server = Setup::minium().start();
    let mut operator = server.connect();
    let mut waiting = server.connect();
    let id = waiting.line("CLIENT ID").int();
    assert!(operator.line("CLIENT PAUSE 600000 WRITE").is_ok());
    waiting.write(b"SET a 1\r\n").expect("written");
    wait_for("the writer is held back", || held_back(&server) == 1);
    assert_eq!(operator.line(&format!("CLIENT KILL ID {id}")).int(), 1);
    assert!(waiting.try_read().is_err());
    assert_eq!(operator.line("EXISTS a").int(), 0);
}
