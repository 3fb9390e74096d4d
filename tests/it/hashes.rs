//! What the hash commands do where random commands seldom reach: walks over a hash that changes, thresholds that move,
//! replies of absurd length, and memory.

use std::collections::HashSet;

use crate::command;
use crate::support::{Client, Setup};

/// One call of HSCAN: the cursor that follows, and what it found.
fn hscan(client: &mut Client, cursor: &str, options: &[&str]) -> (String, Vec<String>) {
    let reply = client.call(&[&["HSCAN", "h", cursor][..], options].concat());
    let [next, found] = reply.elements() else {
        panic!("{reply:?}")
    };
    let found = found.elements().iter().map(|name| name.text());
    (next.text(), found.collect())
}

#[test]
fn every_field_that_stays_is_returned_while_others_come_and_go() {
    const STABLE: usize = 1_000;
    const OTHERS: usize = 10_000;
    let server = Setup::minium().start();
    let mut client = server.connect();
    for i in 0..STABLE {
        client.call(&["HSET", "h", &format!("stable:{i}"), "x"]);
    }
    let other = |i: usize| format!("other:{i}");
    for count in ["10", "300"] {
        let mut found = HashSet::new();
        let mut cursor = "0".to_owned();
        let mut calls = 0;
        loop {
            let fields;
            (cursor, fields) = hscan(&mut client, &cursor, &["COUNT", count, "NOVALUES"]);
            found.extend(fields);
            if cursor == "0" {
                break;
            }
            // The table doubles several times and shrinks again, all while the walk goes on.
            let changes: Vec<_> = (0..OTHERS / 5)
                .map(|step| {
                    let i = (calls * (OTHERS / 5) + step) % (2 * OTHERS);
                    if i < OTHERS {
                        command!["HSET", "h", other(i), "x"].to_vec()
                    } else {
                        command!["HDEL", "h", other(i - OTHERS)].to_vec()
                    }
                })
                .collect();
            client.try_pipeline(&changes).expect("replies");
            calls += 1;
        }
        assert!(calls > 3, "the walk ended before the table could change");
        let missed = (0..STABLE).filter(|i| !found.contains(&format!("stable:{i}")));
        assert_eq!(missed.count(), 0);
    }
}

#[test]
fn a_packed_hash_is_walked_in_one_call_from_any_cursor() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    client.line("HSET h a 1 b 2 c 3");
    for cursor in ["0", "5", "18446744073709551615"] {
        let (next, found) = hscan(&mut client, cursor, &["COUNT", "1"]);
        assert_eq!((next.as_str(), found.len()), ("0", 6));
    }
    let (_, found) = hscan(&mut client, "0", &["NOVALUES", "MATCH", "[ab]"]);
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn thresholds_hold_from_the_next_change_on() {
    let (ours, reference) = (Setup::minium().start(), Setup::redis().start());
    let (mut ours, mut reference) = (ours.connect(), reference.connect());
    for line in [
        "CONFIG SET hash-max-listpack-entries 3",
        "HSET h a 1 b 2 c 3",
        "OBJECT ENCODING h",
        "CONFIG SET hash-max-listpack-entries 2",
        "HSET h a 2",
        "OBJECT ENCODING h",
        "HSET j a 12345",
        "CONFIG SET hash-max-listpack-value 5",
        "HINCRBY j a 1",
        "OBJECT ENCODING j",
        "HINCRBY j a 100000",
        "OBJECT ENCODING j",
        "HSET k abcdef 1",
        "OBJECT ENCODING k",
        "CONFIG SET hash-max-listpack-value 0",
        "HSETNX l a 1",
        "OBJECT ENCODING l",
        "CONFIG SET hash-max-listpack-entries 512 hash-max-listpack-value 64",
        // Nothing becomes small again.
        "HDEL h a b",
        "HSET h c 1",
        "OBJECT ENCODING h",
        "COPY h copied",
        "OBJECT ENCODING copied",
        "HGETALL copied",
    ] {
        assert_eq!(ours.line(line), reference.line(line), "{line}");
    }
    // Since 7.2 so many fields are not expected to be equal.
    ours.line("CONFIG SET hash-max-listpack-entries 2");
    assert_eq!(ours.line("HSET i a 1 a 2 a 3").int(), 1);
    assert_eq!(ours.line("OBJECT ENCODING i").text(), "hashtable");
}

#[test]
fn a_reply_of_absurd_length_is_refused() {
    let server = Setup::minium().with("proto-max-bulk-len", "1mb").start();
    let mut client = server.connect();
    client.line(&format!("HSET h field {}", "x".repeat(600_000)));
    for wanted in [
        "-9223372036854775807",
        "-4611686018427387903 WITHVALUES",
        "-100000",
        "-2 WITHVALUES",
        "-1000000000 WITHVALUES",
    ] {
        let reply = client.line(&format!("HRANDFIELD h {wanted}"));
        assert!(reply.is_error(), "{wanted}");
    }
    assert_eq!(client.line("HRANDFIELD h -3").elements().len(), 3);
    let one = client.line("HRANDFIELD h -1 WITHVALUES");
    assert_eq!(one.elements().len(), 2);
    assert!(server.resident_bytes() < 200 << 20);
}

#[test]
fn memory_usage_is_what_the_hash_really_takes() {
    const FIELDS: usize = 200_000;
    let server = Setup::minium().start();
    let mut client = server.connect();
    let mut grow = |fields: std::ops::Range<usize>, samples: &str| {
        for begin in fields.step_by(1000) {
            let sets: Vec<_> = (begin..begin + 1000)
                .map(|i| command!["HSET", "h", format!("field:{i:06}"), "x".repeat(100)])
                .collect();
            client.try_pipeline(&sets).expect("replies");
        }
        let usage = client.call(&["MEMORY", "USAGE", "h", "SAMPLES", samples]);
        [usage.int() as f64, server.resident_bytes() as f64]
    };
    // The first fields bring buffers with them.
    let before = grow(0..FIELDS / 10, "0");
    for (nth, samples) in [(1, "0"), (2, "5")] {
        let after = grow(nth * FIELDS / 10..(nth + 1) * FIELDS / 2, samples);
        let [told, taken] = [after[0] - before[0], after[1] - before[1]];
        assert!((0.85..1.15).contains(&(told / taken)), "{told} of {taken}");
    }
}
