//! Commands that move and combine elements of several sets, lists, hashes and sorted sets.

use super::{Scenario, all_equal, play, words};
use crate::command;
use crate::support::{Client, Server, Value};

pub(super) const SCENARIOS: &[Scenario] = &[
    smove,
    set_algebra,
    lmove,
    cards,
    copy,
    rename,
    bitop,
    sort,
    unordered_locks,
];

/// Birds that are in exactly one of two nests, always.
const BIRDS: [&str; 8] = [
    "robin", "wren", "finch", "tit", "lark", "crow", "stork", "owl",
];

/// Enough cards that stacks are several chunks long.
const CARDS: usize = 500;

pub(super) fn prepare(client: &mut Client) {
    client.call(&[&["SADD", "nest:a"][..], &BIRDS].concat());
    client.line("RPUSH hand:left ball");
    let cards: Vec<_> = (0..CARDS).map(|i| format!("card {i}")).collect();
    let mut deal = Vec::from(command!["RPUSH", "deck"]);
    deal.extend(cards.iter().map(|card| card.clone().into_bytes()));
    client.call(&deal);
    client.line("HSET source a 0 b 0 c 0");
    client.line("ZADD crown 1 gold 2 silver");
    client.line("RPUSH readings 1 2 3");
    client.line("MSET reading:1 0 reading:2 0 reading:3 0 bits:a x bits:b x");
}

pub(super) fn check_the_end(client: &mut Client) {
    assert_eq!(
        client.line("SUNION nest:a nest:b").elements().len(),
        BIRDS.len()
    );
    assert_eq!(client.line("SINTERCARD 2 nest:a nest:b"), Value::Int(0));
    assert_eq!(client.line("EXISTS hand:left hand:right"), Value::Int(1));
    let cards = client.line("LLEN deck").int() + client.line("LLEN discard").int();
    assert_eq!(cards, CARDS as i64, "cards in both stacks");
}

/// Birds fly between two nests: whoever looks into both sees each bird once.
fn smove(server: &Server, worker: usize) {
    let mut random = fastrand::Rng::with_seed(worker as u64);
    let command = |i: usize| {
        let bird = BIRDS[random.usize(..BIRDS.len())];
        match i % 4 {
            0 => command!["SMOVE", "nest:a", "nest:b", bird].to_vec(),
            1 => command!["SMOVE", "nest:b", "nest:a", bird].to_vec(),
            2 => command!["SUNION", "nest:b", "nest:a"].to_vec(),
            _ => command!["SINTERCARD", "2", "nest:a", "nest:b"].to_vec(),
        }
    };
    play(server, "0", command, |command, reply| {
        match command[0].as_slice() {
            b"SUNION" => assert_eq!(reply.elements().len(), BIRDS.len(), "a bird is nowhere"),
            b"SINTERCARD" => assert_eq!(reply, Value::Int(0), "a bird in both nests"),
            _ => assert!(matches!(reply, Value::Int(0 | 1)), "{reply:?}"),
        }
    });
}

/// What is worked out of both nests and stored is right at any moment, and what is stored is there whole.
fn set_algebra(server: &Server, _worker: usize) {
    let commands = [
        "SUNIONSTORE birds nest:a nest:b",
        "SCARD birds",
        "SINTERSTORE twice nest:b nest:a",
        "EXISTS twice",
        "ZUNIONSTORE counted 2 nest:b nest:a",
        "ZCOUNT counted 1 1",
        "ZINTERSTORE twice 2 nest:a nest:b",
        "SDIFF birds nest:a nest:b",
    ];
    play(
        server,
        "0",
        |i| words(commands[i % commands.len()]),
        |command, reply| match command[0].as_slice() {
            b"SUNIONSTORE" | b"ZUNIONSTORE" | b"SCARD" | b"ZCOUNT" => {
                // Before the first union is stored, the destination is not there.
                let stored = matches!(command[0].as_slice(), b"SUNIONSTORE" | b"ZUNIONSTORE");
                let right = reply == Value::Int(BIRDS.len() as i64);
                assert!(right || !stored && reply == Value::Int(0), "{reply:?}");
            }
            b"SDIFF" => assert_eq!(reply.elements(), [], "a bird that is in no nest"),
            _ => assert_eq!(reply, Value::Int(0), "a bird in both nests"),
        },
    );
}

/// One ball goes from hand to hand: it is always in exactly one, and an empty hand is no key.
fn lmove(server: &Server, _worker: usize) {
    let commands = [
        "LMOVE hand:left hand:right LEFT RIGHT",
        "EXISTS hand:left hand:right",
        "RPOPLPUSH hand:right hand:left",
        "EXISTS hand:right hand:left",
    ];
    play(
        server,
        "0",
        |i| words(commands[i % commands.len()]),
        |command, reply| {
            if command[0] == b"EXISTS" {
                assert_eq!(reply, Value::Int(1), "hands that hold the one ball");
            } else {
                assert!(reply.is_null() || reply.bytes() == b"ball", "{reply:?}");
            }
        },
    );
}

/// Cards go from the deck to the discard pile and back, in the middle of long lists too: none is lost or doubled.
fn cards(server: &Server, worker: usize) {
    let commands = [
        "LMOVE deck discard LEFT LEFT",
        "LMOVE deck discard RIGHT LEFT",
        "LMOVE discard deck RIGHT RIGHT",
        "LMOVE deck deck LEFT RIGHT",
    ];
    play(
        server,
        "0",
        |i| words(commands[(i + worker) % commands.len()]),
        |_, reply| {
            assert!(
                reply.is_null() || reply.bytes().starts_with(b"card"),
                "{reply:?}"
            );
        },
    );
}

/// A copy of a hash is what the hash was at one moment.
fn copy(server: &Server, worker: usize) {
    let command = |i: usize| match i % 3 {
        0 => {
            let value = format!("{worker}:{i}");
            command!["HSET", "source", "a", value, "b", value, "c", value].to_vec()
        }
        1 => words("COPY source copy REPLACE"),
        _ => words("HVALS copy"),
    };
    play(server, "0", command, |command, reply| {
        match command[0].as_slice() {
            b"HVALS" => all_equal(&reply),
            b"COPY" => assert_eq!(reply, Value::Int(1)),
            _ => {}
        }
    });
}

/// A sorted set has one of two names, with all its members.
fn rename(server: &Server, _worker: usize) {
    let commands = [
        "RENAME crown cap",
        "ZUNION 2 crown cap",
        "RENAME cap crown",
        "ZINTERCARD 2 cap crown",
    ];
    play(
        server,
        "0",
        |i| words(commands[i % commands.len()]),
        |command, reply| match command[0].as_slice() {
            b"ZUNION" => assert_eq!(reply.elements().len(), 2, "{reply:?}"),
            b"ZINTERCARD" => assert_eq!(reply, Value::Int(0), "one set under two names"),
            _ => {}
        },
    );
}

/// Two strings that always change together differ in no bit.
fn bitop(server: &Server, worker: usize) {
    let command = |i: usize| match i % 3 {
        0 => {
            let value = format!("{worker}:{i:100}");
            command!["MSET", "bits:a", value, "bits:b", value].to_vec()
        }
        1 => words("BITOP XOR difference bits:b bits:a"),
        _ => words("BITCOUNT difference"),
    };
    play(server, "0", command, |command, reply| {
        if command[0] == b"BITCOUNT" {
            assert_eq!(reply, Value::Int(0), "bits that differ");
        }
    });
}

/// SORT reads keys that it learns of while it runs: all of them at one moment.
fn sort(server: &Server, worker: usize) {
    let command = |i: usize| match i % 3 {
        0 => {
            let value = format!("{worker}:{i}");
            command![
                "MSET",
                "reading:1",
                value,
                "reading:2",
                value,
                "reading:3",
                value
            ]
            .to_vec()
        }
        1 => words("SORT readings BY nosort GET reading:*"),
        _ => words("SORT readings BY reading:* ALPHA GET reading:* STORE sorted"),
    };
    play(server, "0", command, |command, reply| {
        if command.len() == 6 {
            all_equal(&reply);
        }
    });
}

/// Any keys of a type in any order, the same one twice: nothing to check but that it ends.
fn unordered_locks(server: &Server, worker: usize) {
    let mut random = fastrand::Rng::with_seed(200 + worker as u64);
    let command = |_| {
        let kind = ["set", "list", "zset"][random.usize(..3)];
        let mut key = || format!("any:{kind}:{}", random.u8(..16));
        let (a, b, c) = (key(), key(), key());
        let line = match (kind, random.u8(..5)) {
            ("set", 0) => format!("SADD {a} 1 2 x"),
            ("set", 1) => format!("SMOVE {a} {b} x"),
            ("set", 2) => format!("SUNIONSTORE {c} {b} {a}"),
            ("set", 3) => format!("SINTERSTORE {a} {a} {c} {b}"),
            ("set", _) => format!("SDIFFSTORE {b} {a} {c}"),
            ("list", 0) => format!("RPUSH {a} 1 2 x"),
            ("list", 1) => format!("LMOVE {b} {a} LEFT LEFT"),
            ("list", 2) => format!("LMPOP 3 {c} {b} {a} RIGHT"),
            ("list", 3) => format!("RPOPLPUSH {a} {a}"),
            ("list", _) => format!("SORT {b} BY {a}* ALPHA STORE {c}"),
            (_, 0) => format!("ZADD {a} 1 a 2 b"),
            (_, 1) => format!("ZUNIONSTORE {a} 3 {c} {b} {a}"),
            (_, 2) => format!("ZRANGESTORE {b} {a} 0 -1"),
            (_, 3) => format!("ZMPOP 2 {b} {a} MIN"),
            (_, _) => format!("ZDIFFSTORE {c} 2 {a} {b}"),
        };
        words(&line)
    };
    play(server, "0", command, |_, reply| {
        assert!(!reply.is_error(), "{reply:?}");
    });
}
