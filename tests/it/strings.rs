//! What the string commands do where random commands seldom reach: at size limits, and in SET's one option that
//! redis-server does not have.

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
