//! Commands on whole keys, strings among them.

use super::{Scenario, all_equal, play};
use crate::command;
use crate::support::{Client, Server, Value};

pub(super) const SCENARIOS: &[Scenario] = &[
    mset,
    msetnx,
    renamenx,
    rename,
    copy,
    move_key,
    swapdb,
    unordered_locks,
];

const RING: [&str; 8] = [
    "ring:0", "ring:1", "ring:2", "ring:3", "ring:4", "ring:5", "ring:6", "ring:7",
];
const TOKENS: i64 = 4;

pub(super) fn prepare(client: &mut Client) {
    for token in &RING[..TOKENS as usize] {
        client.call(&["SET", token, "token"]);
    }
    client.line("SET side:left x");
    client.line("MSET source one copied:from one");
    client.line("SELECT 4");
    client.line("SET moving x");
    for (database, mark, keys) in [("2", "low", 10), ("3", "high", 20)] {
        client.call(&["SELECT", database]);
        client.call(&["SET", mark, "here"]);
        for i in 1..keys {
            client.call(&["SET", &format!("filler:{i}"), "x"]);
        }
    }
    client.line("SELECT 0");
}

pub(super) fn check_the_end(client: &mut Client) {
    assert_eq!(
        client.call(&[&["EXISTS"][..], &RING].concat()),
        Value::Int(TOKENS),
        "tokens in the ring"
    );
    assert_eq!(client.line("EXISTS side:left side:right"), Value::Int(1));
    let mut places = 0;
    for database in ["4", "5"] {
        client.call(&["SELECT", database]);
        places += client.line("EXISTS moving").int();
    }
    assert_eq!(places, 1, "places of the key that was moved to and fro");
    let mut sizes = Vec::new();
    for database in ["2", "3"] {
        client.call(&["SELECT", database]);
        sizes.push(client.line("DBSIZE").int());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 20], "sizes of the swapped databases");
}

/// Writers give all keys one value, in different orders; readers never see two values.
fn mset(server: &Server, worker: usize) {
    let mut keys: Vec<_> = (0..8).map(|i| format!("mset:{i}")).collect();
    keys.rotate_left(worker);
    if worker == 1 {
        keys.reverse();
    }
    let write = |i: usize| {
        let value = format!("{worker}:{i}");
        let mut command = Vec::from(command!["MSET"]);
        keys.iter()
            .for_each(|key| command.extend(command![key, value]));
        command
    };
    let read = || {
        let mut command = Vec::from(command!["MGET"]);
        command.extend(keys.iter().map(|key| key.clone().into_bytes()));
        command
    };
    play(
        server,
        "0",
        |i| if i % 2 == 0 { write(i) } else { read() },
        |command, reply| {
            if command[0] == b"MGET" {
                all_equal(&reply);
            }
        },
    );
}

/// Both keys or none: a claim is never half made.
fn msetnx(server: &Server, worker: usize) {
    let mine = format!("claim {worker}");
    let command = |i: usize| match (i + worker) % 4 {
        0 => command!["MSETNX", "claim:a", mine, "claim:b", mine].to_vec(),
        1 => command!["MSETNX", "claim:b", mine, "claim:a", mine].to_vec(),
        2 => command!["MGET", "claim:a", "claim:b"].to_vec(),
        _ => command!["DEL", "claim:b", "claim:a"].to_vec(),
    };
    play(server, "0", command, |command, reply| {
        match command[0].as_slice() {
            b"MGET" => all_equal(&reply),
            b"DEL" => assert_ne!(reply, Value::Int(1), "half a claim was there"),
            _ => {}
        }
    });
}

/// Tokens move round a ring, never onto each other: their number stays.
fn renamenx(server: &Server, worker: usize) {
    let mut random = fastrand::Rng::with_seed(worker as u64);
    let command = |i: usize| {
        if i.is_multiple_of(4) {
            let mut command = Vec::from(command!["EXISTS"]);
            command.extend(RING.iter().map(|key| key.as_bytes().to_vec()));
            return command;
        }
        command![
            "RENAMENX",
            RING[random.usize(..RING.len())],
            RING[random.usize(..RING.len())]
        ]
        .to_vec()
    };
    play(server, "0", command, |command, reply| {
        if command[0] == b"EXISTS" {
            assert_eq!(reply, Value::Int(TOKENS), "tokens in the ring");
        }
    });
}

/// One key between two names.
fn rename(server: &Server, _worker: usize) {
    let command = |i: usize| match i % 3 {
        0 => command!["RENAME", "side:left", "side:right"].to_vec(),
        1 => command!["RENAME", "side:right", "side:left"].to_vec(),
        _ => command!["EXISTS", "side:left", "side:right"].to_vec(),
    };
    play(server, "0", command, |command, reply| {
        if command[0] == b"EXISTS" {
            assert_eq!(reply, Value::Int(1), "names of the one key");
        }
    });
}

/// A copy is what its source was at one moment, and in no moment is it half there.
fn copy(server: &Server, worker: usize) {
    let long = |letter: char| letter.to_string().repeat(3000);
    let command = |i: usize| match i % 4 {
        0 => {
            let value = long(if (i + worker).is_multiple_of(2) {
                'a'
            } else {
                'b'
            });
            command!["MSET", "source", value, "copied:from", value].to_vec()
        }
        1 => command!["COPY", "source", "copy", "REPLACE"].to_vec(),
        2 => command!["MGET", "copied:from", "source"].to_vec(),
        _ => command!["GET", "copy"].to_vec(),
    };
    play(server, "0", command, |command, reply| {
        match command[0].as_slice() {
            b"MGET" => all_equal(&reply),
            b"GET" => {
                let value = reply.bytes();
                assert!(
                    value == b"one"
                        || value.iter().all(|byte| *byte == value[0]) && value.len() == 3000,
                    "torn copy"
                );
            }
            b"COPY" => assert_eq!(reply, Value::Int(1)),
            _ => {}
        }
    });
}

/// A key goes between two databases: in the end it is in exactly one.
fn move_key(server: &Server, worker: usize) {
    let (from, to) = if worker == 0 { ("4", "5") } else { ("5", "4") };
    play(
        server,
        from,
        |_| command!["MOVE", "moving", to].to_vec(),
        |_, reply| {
            assert!(matches!(reply, Value::Int(0 | 1)), "{reply:?}");
        },
    );
}

/// Two databases change places: whoever looks sees one of them whole.
fn swapdb(server: &Server, worker: usize) {
    let command = |i: usize| match i % 4 {
        0 if worker != 2 => command!["SWAPDB", "2", "3"].to_vec(),
        1 => command!["DBSIZE"].to_vec(),
        2 => command!["MGET", "low", "high"].to_vec(),
        _ => command!["EXISTS", "low", "filler:15"].to_vec(),
    };
    play(
        server,
        if worker == 1 { "3" } else { "2" },
        command,
        |command, reply| match command[0].as_slice() {
            b"DBSIZE" => assert!(matches!(reply, Value::Int(10 | 20)), "{reply:?}"),
            b"MGET" => assert_eq!(
                reply
                    .elements()
                    .iter()
                    .filter(|mark| mark.is_null())
                    .count(),
                1,
                "{reply:?}"
            ),
            b"EXISTS" => assert_eq!(reply, Value::Int(1), "of two databases at once"),
            _ => assert!(reply.is_ok(), "{reply:?}"),
        },
    );
}

/// Any keys in any order, the same one twice, across databases: nothing to check but that it ends.
fn unordered_locks(server: &Server, worker: usize) {
    let mut random = fastrand::Rng::with_seed(100 + worker as u64);
    let command = |_| {
        let mut key = || format!("any:{}", random.u8(..24));
        let (a, b, c) = (key(), key(), key());
        match random.u8(..8) {
            0 => command!["MSET", a, "1", b, "2", c, "3"].to_vec(),
            1 => command!["MSETNX", a, "1", b, "2", a, "3"].to_vec(),
            2 => command!["RENAME", a, b].to_vec(),
            3 => command!["COPY", a, b, "DB", "1", "REPLACE"].to_vec(),
            4 => command!["MOVE", a, "1"].to_vec(),
            5 => command!["DEL", c, b, a, a].to_vec(),
            6 => command!["SWAPDB", "1", "6"].to_vec(),
            _ => command!["MGET", c, a, b, c].to_vec(),
        }
    };
    play(server, "0", command, |_, _| {});
}
