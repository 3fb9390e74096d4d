//! What the bitmap commands do where random commands seldom reach: at size limits, at the ends of wide fields, and in the
//! operations of BITOP that redis-server 7.0 does not have.

use crate::support::{Setup, Value};

#[test]
fn bitmaps_end_where_proto_max_bulk_len_says() {
    let limited = |setup: Setup| setup.with("proto-max-bulk-len", "1mb").start();
    let (ours, reference) = (limited(Setup::minium()), limited(Setup::redis()));
    let (mut ours, mut reference) = (ours.connect(), reference.connect());
    for line in [
        "SETBIT big 8388607 1",
        "SETBIT big 8388608 1",
        "SETBIT none -1 1",
        "SETBIT none 9223372036854775807 1",
        "SETBIT none 9223372036854775808 1",
        "GETBIT big 8388607",
        "GETBIT big 8388608",
        "BITFIELD big GET u8 8388607",
        "BITFIELD big SET u1 8388608 1",
        "BITFIELD big SET u63 #133152 1",
        "BITFIELD big INCRBY i64 #131072 1",
        "STRLEN big",
        // A field may begin in the last byte and end behind it.
        "BITFIELD big SET u63 8388607 -1 GET u63 8388607",
        "STRLEN big",
        "BITCOUNT big",
        "BITCOUNT big 8388606 -1 BIT",
        "BITPOS big 1 1",
        "BITPOS big 0 8388607 -1 BIT",
        "BITPOS big 0 -1",
        "BITOP NOT big big",
        "BITCOUNT big",
        "BITPOS big 0",
        "BITPOS big 1 -8",
        "EXISTS none",
    ] {
        assert_eq!(ours.line(line), reference.line(line), "{line}");
    }
}

/// DIFF, DIFF1, ANDOR and ONE are of Redis 8.2.
#[test]
fn bitop_tells_the_first_source_from_the_others() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    // The first eight bits are in the sources in every possible way; the last byte is in one source only.
    client.line("BITFIELD a SET u8 0 15");
    client.line("BITFIELD b SET u8 0 51");
    client.line("BITFIELD c SET u8 0 85 SET u8 72 255");
    for (line, expected) in [
        ("BITOP DIFF to a b c", [0b0000_1000, 0, 0]),
        ("BITOP diff1 to a b c", [0b0111_0000, 0, 255]),
        ("BITOP ANDOR to a b c", [0b0000_0111, 0, 0]),
        ("BITOP One to a b c", [0b0110_1000, 0, 255]),
        ("BITOP ONE to c", [0b0101_0101, 0, 255]),
        ("BITOP DIFF to c none", [0b0101_0101, 0, 255]),
        ("BITOP DIFF1 to none c", [0b0101_0101, 0, 255]),
        ("BITOP ANDOR to none c", [0, 0, 0]),
        // The destination may be a source.
        ("BITOP DIFF c c a", [0b0101_0000, 0, 255]),
    ] {
        assert_eq!(client.line(line).int(), 10, "{line}");
        let words: Vec<&str> = line.split(' ').collect();
        let read = format!("BITFIELD {} GET u8 0 GET i63 8 GET u8 72", words[2]);
        let bytes: Vec<i64> = client
            .line(&read)
            .elements()
            .iter()
            .map(Value::int)
            .collect();
        assert_eq!(bytes, expected, "{line}");
    }
    for name in ["DIFF", "Diff1", "andor"] {
        let expected = format!(
            "ERR BITOP {} must be called with at least two source keys.",
            name.to_uppercase()
        );
        assert_eq!(client.line(&format!("BITOP {name} to a")).text(), expected);
    }
}

/// redis-server takes an assigned value that is far below the range of its field for one above it, and lets the place of
/// a field wrap at 2^63 bits.
#[test]
fn fields_saturate_at_the_nearer_end_and_lie_where_they_are_said_to() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let reply = client.line("BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775808 GET i8 0");
    assert_eq!(reply.elements(), [Value::Int(0), Value::Int(-128)]);
    let reply = client.line("BITFIELD k GET u4 #4611686018427387904");
    assert_eq!(
        reply.text(),
        "ERR bit offset is not an integer or out of range"
    );
}
