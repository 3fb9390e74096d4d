//! Transactions: what they write is seen all or not at all, and what they read is of one moment.
//!
//! Batches are longer than a transaction and cut anywhere, so one may also reach the server in two pieces.

use super::{Scenario, play, words};
use crate::command;
use crate::support::{Client, Server, Value};

pub(super) const SCENARIOS: &[Scenario] = &[
    transfer,
    audit,
    all_types,
    every_key,
    every_key_from_outside,
    optimistic,
    unordered_locks,
];

const ACCOUNTS: [&str; 6] = [
    "account:0",
    "account:1",
    "account:2",
    "account:3",
    "account:4",
    "account:5",
];
const MONEY: i64 = 600;
/// Steps that each connection takes by reading, thinking and writing.
const STEPS: usize = 300;

pub(super) fn prepare(client: &mut Client) {
    for account in ACCOUNTS {
        client.call(&["SET", account, "100"]);
    }
    client.line("MSET string 0 optimistic 0");
    client.line("HSET hash field 0");
    client.line("ZADD zset 0 member");
}

pub(super) fn check_the_end(client: &mut Client) {
    let sum: i64 = ACCOUNTS
        .iter()
        .map(|account| number(&client.call(&["GET", account])))
        .sum();
    assert_eq!(sum, MONEY, "money in all accounts");
    assert_eq!(
        number(&client.line("GET optimistic")),
        3 * STEPS as i64,
        "steps of all connections"
    );
}

/// The number that a reply spells.
#[track_caller]
fn number(reply: &Value) -> i64 {
    reply
        .text()
        .parse()
        .unwrap_or_else(|_| panic!("no number: {reply:?}"))
}

/// Sends the commands of what `transaction` makes, as whole transactions, and hands each reply of EXEC to `check`.
fn play_transactions(
    server: &Server,
    mut transaction: impl FnMut(usize) -> Vec<Vec<Vec<u8>>>,
    mut check: impl FnMut(&[Value]),
) {
    let mut waiting = std::collections::VecDeque::new();
    let mut made = 0;
    let command = |_| {
        if waiting.is_empty() {
            waiting.push_back(command!["MULTI"].to_vec());
            waiting.extend(transaction(made));
            waiting.push_back(command!["EXEC"].to_vec());
            made += 1;
        }
        waiting.pop_front().expect("a transaction is not empty")
    };
    play(server, "0", command, |command, reply| {
        match command[0].as_slice() {
            b"MULTI" => assert!(reply.is_ok(), "{reply:?}"),
            b"EXEC" => check(reply.elements()),
            _ => assert_eq!(reply, Value::Simple(b"QUEUED".to_vec())),
        }
    });
}

/// Money is taken from all accounts and then given to all, so that none is missing only between transactions; one connection
/// counts it inside of transactions.
fn transfer(server: &Server, worker: usize) {
    let read = ACCOUNTS.map(|account| command!["GET", account].to_vec());
    let write = |i: usize| {
        let amount = (i % 50).to_string();
        let take = ACCOUNTS.map(|account| command!["DECRBY", account, amount].to_vec());
        let give = ACCOUNTS.map(|account| command!["INCRBY", account, amount].to_vec());
        [take, give].concat()
    };
    play_transactions(
        server,
        |i| {
            if worker == 0 { read.to_vec() } else { write(i) }
        },
        |replies| {
            if replies.len() == ACCOUNTS.len() {
                assert_eq!(replies.iter().map(number).sum::<i64>(), MONEY);
            }
        },
    );
}

/// Counts the money by one command.
fn audit(server: &Server, _worker: usize) {
    let mut count = Vec::from(command!["MGET"]);
    count.extend(ACCOUNTS.map(Vec::from));
    play(
        server,
        "0",
        |_| count.clone(),
        |_, reply| {
            let sum: i64 = reply.elements().iter().map(number).sum();
            assert_eq!(sum, MONEY, "money in all accounts");
        },
    );
}

/// Four types count the same: they are equal whenever one looks.
fn all_types(server: &Server, worker: usize) {
    let write = [
        command!["INCR", "string"].to_vec(),
        command!["HINCRBY", "hash", "field", "1"].to_vec(),
        command!["RPUSH", "list", "element"].to_vec(),
        command!["ZINCRBY", "zset", "1", "member"].to_vec(),
    ];
    let read = [
        command!["ZSCORE", "zset", "member"].to_vec(),
        command!["LLEN", "list"].to_vec(),
        command!["HGET", "hash", "field"].to_vec(),
        command!["GET", "string"].to_vec(),
    ];
    play_transactions(
        server,
        |i| {
            if (i + worker).is_multiple_of(2) {
                write.to_vec()
            } else {
                read.to_vec()
            }
        },
        |replies| {
            let count = |reply: &Value| match reply {
                Value::Int(count) => *count,
                text => number(text),
            };
            assert!(
                replies
                    .iter()
                    .all(|reply| count(reply) == count(&replies[0])),
                "torn: {replies:?}"
            );
        },
    );
}

/// Keys come and go together, for a transaction that looks at all keys, too.
fn every_key(server: &Server, worker: usize) {
    let flock = |verb: &str| {
        let of_one = |i| match verb {
            "SET" => command!["SET", format!("every:{i}"), "x"].to_vec(),
            verb => command![verb, format!("every:{i}")].to_vec(),
        };
        (0..8).map(of_one).collect()
    };
    play_transactions(
        server,
        |i| match (i + worker) % 3 {
            0 => flock("SET"),
            1 => flock("DEL"),
            _ => vec![command!["KEYS", "every:*"].to_vec()],
        },
        |replies| {
            if let [keys] = replies {
                let seen = keys.elements().len();
                assert!(matches!(seen, 0 | 8), "{seen} of 8 keys");
            }
        },
    );
}

/// Looks at the same keys without a transaction.
fn every_key_from_outside(server: &Server, _worker: usize) {
    let mut exists = Vec::from(command!["EXISTS"]);
    exists.extend((0..8).map(|i| format!("every:{i}").into_bytes()));
    play(
        server,
        "0",
        |i| {
            if i.is_multiple_of(2) {
                words("KEYS every:*")
            } else {
                exists.clone()
            }
        },
        |_, reply| {
            let seen = match reply {
                Value::Int(seen) => seen,
                keys => keys.elements().len() as i64,
            };
            assert!(matches!(seen, 0 | 8), "{seen} of 8 keys");
        },
    );
}

/// Raises a number by reading it and writing it again: WATCH lets no step be lost.
fn optimistic(server: &Server, _worker: usize) {
    let mut client = server.connect();
    for _ in 0..STEPS {
        loop {
            assert!(client.line("WATCH optimistic").is_ok());
            let value = number(&client.line("GET optimistic"));
            let write = [
                command!["MULTI"].to_vec(),
                command!["SET", "optimistic", (value + 1).to_string()].to_vec(),
                command!["EXEC"].to_vec(),
            ];
            let replies = client.try_pipeline(&write).expect("replies");
            if !replies[2].is_null() {
                break;
            }
        }
    }
}

/// Transactions over any keys in any order beside commands on several keys and whole databases: nothing to check but that it ends.
fn unordered_locks(server: &Server, worker: usize) {
    let mut random = fastrand::Rng::with_seed(300 + worker as u64);
    let mut single = random.fork();
    let mut line = move || {
        let mut key = || format!("any:{}", random.u8(..24));
        let (a, b) = (key(), key());
        let line = match random.u8(..7) {
            0 => format!("MSET {a} 1 {b} 2"),
            1 => format!("RENAME {a} {b}"),
            2 => format!("COPY {a} {b} DB 1 REPLACE"),
            3 => format!("DEL {b} {a}"),
            4 => "SWAPDB 1 6".to_owned(),
            5 => "DBSIZE".to_owned(),
            _ => format!("MGET {a} {b} {a}"),
        };
        words(&line)
    };
    if worker == 0 {
        play(server, "0", |_| line(), |_, _| {});
    } else {
        play_transactions(
            server,
            |_| (0..single.usize(1..5)).map(|_| line()).collect(),
            |_| {},
        );
    }
}
