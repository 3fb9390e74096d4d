//! The counters that every command moves: changes, hits and misses, beside those of a real redis-server.

use crate::support::{Client, Setup};

const STRINGS: &[&str] = &[
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
];

const BITMAPS: &[&str] = &[
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
];

const HASHES: &[&str] = &[
    "SET str x",
    "HSET h a 1 b 2",
    "HSET h a 1",
    "HSET h a 1 a 2 a 3",
    "HMSET h a 1 c 1",
    "HSETNX h a 1",
    "HSETNX h d x",
    "HSETNX i a 1",
    "HGET h a",
    "HGET h none",
    "HGET none a",
    "HMGET h a b none",
    "HMGET none a",
    "HEXISTS h a",
    "HSTRLEN h a",
    "HLEN h",
    "HLEN none",
    "HGETALL h",
    "HKEYS none",
    "HVALS h",
    "HINCRBY h a 5",
    "HINCRBY h d 5",
    "HINCRBY j a 5",
    "HINCRBYFLOAT h a 1.5",
    "HINCRBYFLOAT h d 1.5",
    "HINCRBYFLOAT k a 1.5",
    "HRANDFIELD h",
    "HRANDFIELD h 2",
    "HRANDFIELD none 2",
    "HSCAN h 0",
    "HSCAN none 0",
    "HDEL h none",
    "HDEL h a none b",
    "HDEL h c d e",
    "HDEL none a",
    "HGET k2 a",
    "HSET str a 1",
    "HGET str a",
];

const ZSETS: &[&str] = &[
    "SET str x",
    "SADD set a b",
    "ZADD z 1 a 2 b 3 c",
    "ZADD z 1 a 2 b",
    "ZADD z 2 a 5 a 4 d",
    "ZADD z NX 9 a",
    "ZADD z XX CH 9 a 9 none",
    "ZADD none XX 1 a",
    "ZADD none XX INCR 1 a",
    "ZADD z GT 1 a",
    "ZADD z INCR 0 a",
    "ZINCRBY z 1 a",
    "ZINCRBY new 1 a",
    "ZADD str 1 a",
    "ZSCORE z a",
    "ZSCORE none a",
    "ZMSCORE z a none",
    "ZRANK z a",
    "ZREVRANK none a",
    "ZCARD z",
    "ZCOUNT z 1 2",
    "ZLEXCOUNT none - +",
    "ZRANGE z 0 -1",
    "ZRANGE str 0 -1",
    "ZRANGEBYSCORE none 0 1",
    "ZRANDMEMBER z 2",
    "ZSCAN z 0",
    "ZSCAN none 0",
    "ZRANGESTORE copy z 0 1",
    "ZRANGESTORE copy none 0 1",
    "ZRANGESTORE copy none 0 1",
    "ZUNION 3 z set none",
    "ZUNION 2 z str",
    "ZINTER 2 none z",
    "ZDIFF 2 z set",
    "ZINTERCARD 2 z set",
    "ZUNIONSTORE union 3 z set none",
    "ZINTERSTORE union 2 z none",
    "ZINTERSTORE union 2 z none",
    "ZDIFFSTORE diff 2 z set",
    "ZREM z none",
    "ZREM z a none b",
    "ZREM none a",
    "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f",
    "ZREMRANGEBYRANK z 0 1",
    "ZREMRANGEBYRANK z 9 10",
    "ZREMRANGEBYSCORE z 3 4",
    "ZREMRANGEBYLEX none - +",
    "ZPOPMIN z",
    "ZPOPMIN z 0",
    "ZPOPMAX none",
    "ZADD z 1 a 2 b",
    "ZMPOP 2 none z MIN COUNT 10",
    "ZMPOP 2 none z MIN",
    "ZREM diff c d",
];

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

/// What a command adds to the counters.
fn counted(client: &mut Client, line: &str) -> [i64; 3] {
    let before = counts(client);
    client.line(line);
    let after = counts(client);
    std::array::from_fn(|place| after[place] - before[place])
}

#[test]
fn every_command_counts_as_the_reference_does() {
    let (ours, reference) = (Setup::minium().start(), Setup::redis().start());
    let (mut ours, mut reference) = (ours.connect(), reference.connect());
    for lines in [STRINGS, BITMAPS, HASHES, ZSETS] {
        for line in lines {
            assert_eq!(
                counted(&mut ours, line),
                counted(&mut reference, line),
                "{COUNTS:?} after {line}"
            );
        }
        ours.line("FLUSHALL");
        reference.line("FLUSHALL");
    }
}
