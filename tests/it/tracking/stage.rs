//! Several clients of both servers, who do the same, and all that any of them is sent.

use std::collections::BTreeMap;

use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, info};

/// Both servers, set up alike.
pub fn pair(configure: impl Fn(Setup) -> Setup) -> [Server; 2] {
    [Setup::redis(), Setup::minium()].map(|setup| configure(setup).start())
}

/// Some clients of one server, whose ids are the same on every server.
struct Stage {
    clients: BTreeMap<&'static str, Client>,
    steps: usize,
}

impl Stage {
    fn new(server: &Server, names: &[&'static str]) -> Stage {
        const FIRST: i64 = 50;
        while server.connect().line("CLIENT ID").int() < FIRST - 1 {}
        let mut clients = BTreeMap::new();
        for (id, name) in (FIRST..).zip(names) {
            let mut client = server.connect_raw();
            assert_eq!(client.line("CLIENT ID").int(), id);
            clients.insert(*name, client);
        }
        Stage { clients, steps: 0 }
    }

    /// Lets a client send requests in one write, and answers what every client is sent until all is quiet.
    fn step(&mut self, name: &str, lines: &[&str]) -> Vec<(&'static str, Vec<Value>)> {
        self.steps += 1;
        let mut requests = Vec::new();
        for line in lines {
            encode(&mut requests, &line.split(' ').collect::<Vec<_>>());
        }
        // Who acts is first: when it has its replies, the others are to have heard.
        let mut order: Vec<&'static str> = self.clients.keys().copied().collect();
        order.sort_by_key(|other| *other != name);
        let mut all = Vec::new();
        for name in order {
            let client = self.clients.get_mut(name).expect("it is on the stage");
            let (mut replies, mut pushes) = (Vec::new(), Vec::new());
            // The reference tells who broadcasts of its own changes behind all that it sent at once, so it is asked twice.
            for round in 0..2 {
                let token = format!("quiet-{}-{round}", self.steps);
                encode(&mut requests, &["PING", &token]);
                client
                    .write(&std::mem::take(&mut requests))
                    .expect("written");
                loop {
                    let value = client.read();
                    if format!("{value:?}").contains(&token) {
                        break;
                    }
                    match value {
                        Value::Push(words) => {
                            pushes.push(Value::Push(words.into_iter().map(modern_null).collect()));
                        }
                        // What HELLO answers names the server.
                        Value::Map(fields) if fields.len() == 7 => {}
                        Value::Array(fields) if fields.len() == 14 => {}
                        value => replies.push(value),
                    }
                }
            }
            let sent = [replies, pushes].concat();
            if !sent.is_empty() {
                all.push((name, sent));
            }
        }
        all
    }
}

/// The reference writes the null of a push in the version of the client that tracks, and not of the one that is told.
fn modern_null(word: Value) -> Value {
    match word {
        Value::NullBulk => Value::Null,
        word => word,
    }
}

/// The requests of a step, separated by semicolons, as they are sent: one by one, but a transaction, and what is said of the next command
/// with that, in one write. For the reference
/// gathers what those who broadcast are told by what it reads at once, and not by command.
fn writes(lines: &str) -> Vec<Vec<&str>> {
    let mut writes: Vec<Vec<&str>> = Vec::new();
    let (mut is_in_transaction, mut is_about_next) = (false, false);
    for line in lines.split("; ") {
        match writes.last_mut() {
            Some(write) if is_in_transaction || is_about_next => write.push(line),
            _ => writes.push(vec![line]),
        }
        is_in_transaction = (is_in_transaction || line == "MULTI") && line != "EXEC";
        is_about_next = line.starts_with("CLIENT CACHING") || line == "CLIENT REPLY SKIP";
    }
    writes
}

/// Plays steps, each a client's name and its requests, on both servers, and compares all that anybody is sent.
pub fn compare<S: AsRef<str>>(names: &[&'static str], steps: &[(&str, S)]) {
    let servers = pair(|setup| setup.with("tracking-table-max-keys", "0"));
    let [mut theirs, mut ours] = [0, 1].map(|server| Stage::new(&servers[server], names));
    let mut played = Vec::new();
    for (name, lines) in steps {
        let lines = lines.as_ref();
        played.push(format!("{name}: {lines}"));
        for write in writes(lines) {
            let (theirs, ours) = (theirs.step(name, &write), ours.step(name, &write));
            let last = &played[played.len().saturating_sub(30)..];
            assert_eq!(ours, theirs, "{write:?} in {}", last.join("\n      "));
        }
    }
    let fields = ["clients", "total_keys", "total_items", "total_prefixes"];
    let [theirs, ours] = servers.each_ref().map(|server| {
        let mut client = server.connect();
        fields.map(|field| info(&mut client, &format!("tracking_{field}")))
    });
    assert_eq!(ours, theirs, "{fields:?} in INFO");
}
