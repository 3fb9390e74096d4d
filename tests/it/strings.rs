//! What the string commands do where random commands seldom reach: at size limits, in the counters of INFO, and in SET's
//! one option that redis-server does not have.

use crate::support::{Client, Setup, Value};

/// A pair of connections to which the same is said: the server under test and the reference.
struct Pair {
    ours: Client,
    reference: Client,
}

impl Pair {
    #[track_caller]
    fn agree(&mut self, line: &str) {
        assert_eq!(self.ours.line(line), self.reference.line(line), "{line}");
    }
}

#[test]
fn strings_end_where_proto_max_bulk_len_says() {
    let limited = |setup: Setup| setup.with("proto-max-bulk-len", "1mb").start();
    let (ours, reference) = (limited(Setup::minium()), limited(Setup::redis()));
    let mut pair = Pair {
        ours: ours.connect(),
        reference: reference.connect(),
    };
    for line in [
        "SETRANGE big 1048575 x",
        "SETRANGE big 1048576 x",
        "SETRANGE big 1048575 xy",
        "SETRANGE none 1048576 x",
        "SETRANGE none 9223372036854775807 x",
        "SETRANGE none -1 x",
        "APPEND big x",
        "STRLEN big",
        "GETRANGE big -2 -1",
        "EXISTS none",
        // An LCS table of (511 + 1) * (511 + 1) lengths just fits.
        "SETRANGE a 510 x",
        "SETRANGE b 511 x",
        "LCS a a LEN",
        "LCS a b LEN",
        "LCS b a",
        "LCS a big IDX",
        "LCS none big",
        "LCS none none",
    ] {
        pair.agree(line);
    }
}

#[test]
fn every_command_counts_look_ups_and_changes_as_the_reference_does() {
    const COUNTS: [&str; 3] = [
        "rdb_changes_since_last_save",
        "keyspace_hits",
        "keyspace_misses",
    ];
    fn counts(client: &mut Client) -> [i64; 3] {
        let info = client.call(&["INFO", "everything"]).text();
        COUNTS.map(|name| {
            let line = info
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|count| count.trim().parse().ok())
                .unwrap_or_else(|| panic!("INFO has no {name}"))
        })
    }

    let (ours, reference) = (Setup::minium().start(), Setup::redis().start());
    let mut pair = Pair {
        ours: ours.connect(),
        reference: reference.connect(),
    };
    for line in [
        "SET a 1",
        "SET a 2 NX",
        "SET b 2 XX",
        "SET a 3 GET",
        "SET c 3 GET EX 100",
        "SET c 3 KEEPTTL",
        "SETNX a 1",
        "SETNX d 1",
        "SETEX a 100 1",
        "PSETEX a 100000 1",
        "GET a",
        "GET none",
        "GETSET a 2",
        "GETSET e 2",
        "GETEX a",
        "GETEX none EX 100",
        "GETEX a EX 100",
        "GETEX a PERSIST",
        "GETEX a PERSIST",
        "GETEX a PXAT 1",
        "GETDEL e",
        "GETDEL e",
        "MGET a b none c",
        "MSET a 1 b 2 a 3",
        "MSETNX b 1 f 2",
        "MSETNX g 1 h 2",
        "INCR a",
        "INCRBY none 5",
        "INCRBYFLOAT a 1.5",
        "DECR f",
        "INCR word",
        "APPEND a x",
        "INCR a",
        "APPEND i x",
        "STRLEN a",
        "STRLEN j",
        "GETRANGE a 0 1",
        "GETRANGE j 0 1",
        "SETRANGE a 1 yz",
        "SETRANGE k 1 yz",
        "LCS a k",
        "LCS a j LEN",
        "SETBIT bits 7 0",
        "SETBIT bits 7 0",
        "SETBIT bits 6 1",
        "SETBIT bits 100 0",
        "GETBIT bits 6",
        "GETBIT none 6",
        "BITCOUNT bits",
        "BITPOS none 1",
        "BITOP NOT bits bits",
        "BITOP AND bits bits none bits",
        "BITOP OR bits none none2",
        "BITOP OR none none none",
        "BITFIELD fields GET u8 0",
        "BITFIELD fields SET u8 0 0 INCRBY u8 8 1 GET u8 8",
        "BITFIELD fields SET u8 0 0 INCRBY u8 8 1 INCRBY i8 16 0",
        "BITFIELD fields SET u8 0 0 INCRBY u8 8 1 INCRBY i8 16 0",
        "BITFIELD fields OVERFLOW FAIL INCRBY u2 0 9",
        "BITFIELD_RO fields GET u2 0 GET u2 1",
    ] {
        let before = (counts(&mut pair.ours), counts(&mut pair.reference));
        pair.agree(line);
        let after = (counts(&mut pair.ours), counts(&mut pair.reference));
        let change = |before: [i64; 3], after: [i64; 3]| -> [i64; 3] {
            std::array::from_fn(|place| after[place] - before[place])
        };
        let ours = change(before.0, after.0);
        let reference = change(before.1, after.1);
        assert_eq!(ours, reference, "{COUNTS:?} after {line}");
    }
}

/// `IFEQ` is Valkey's.
#[test]
fn set_ifeq_compares_before_it_sets() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    for (line, reply) in [
        ("SET k a", "+OK"),
        ("SET k b IFEQ a", "+OK"),
        ("SET k c IFEQ a", "(nil)"),
        ("GET k", "b"),
        ("SET k 10 ifeq b GET", "b"),
        ("SET k d IFEQ b GET", "10"),
        ("SET none v IFEQ a", "(nil)"),
        ("SET none v IFEQ a GET", "(nil)"),
        ("EXISTS none", ":0"),
        // An integer is compared by its digits.
        ("SET k 11 IFEQ 10 EX 100", "+OK"),
        ("SET k 12 IFEQ 11 KEEPTTL", "+OK"),
        ("PERSIST k", ":1"),
        ("SET k 12 EX 100", "+OK"),
        ("SET k 13 IFEQ 12", "+OK"),
        ("TTL k", ":-1"),
        ("SET k v NX IFEQ 13", "-ERR syntax error"),
        ("SET k v IFEQ 13 XX", "-ERR syntax error"),
        ("SET k v IFEQ 13 IFEQ 13", "-ERR syntax error"),
        ("SET k v IFEQ", "-ERR syntax error"),
        ("SET k IFEQ IFEQ 13", "+OK"),
        ("GET k", "IFEQ"),
    ] {
        let answer = client.line(line);
        let told = match &answer {
            answer if answer.is_null() => "(nil)".to_owned(),
            answer if answer.is_error() => format!("-{}", answer.text()),
            answer if answer.is_ok() => "+OK".to_owned(),
            Value::Int(n) => format!(":{n}"),
            answer => answer.text(),
        };
        assert_eq!(told, reply, "{line}");
    }
}
