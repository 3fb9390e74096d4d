//! Sorted sets where random commands seldom reach: errors and their order, both versions of the protocol, thresholds that
//! move, infinities, and what came after the reference's version.

use crate::support::{Client, Setup};

/// Says the same to the server under test and to the reference, in both versions of the protocol.
fn agree(lines: &[&str]) {
    let servers = [Setup::minium().start(), Setup::redis().start()];
    for version in ["HELLO 2", "HELLO 3"] {
        let [mut ours, mut reference] = servers.each_ref().map(|server| {
            let mut client = server.connect();
            client.line(version);
            client.line("FLUSHALL");
            client
        });
        for line in lines {
            assert_eq!(ours.line(line), reference.line(line), "{line}");
        }
    }
}

/// Says lines to the server under test and compares the replies as they are printed.
fn expect(client: &mut Client, replies: &[(&str, &str)]) {
    for (line, reply) in replies {
        assert_eq!(format!("{:?}", client.line(line)), *reply, "{line}");
    }
}

#[test]
fn errors_come_in_the_order_of_the_reference() {
    agree(&[
        "SET string 1",
        "ZADD z 1 a 2 b 3 c",
        "ZADD string 1 a",
        "ZADD string NX XX 1 a",
        "ZADD string x a",
        "ZADD z",
        "ZADD z 1",
        "ZADD z NX",
        "ZADD z NX 1",
        "ZADD z 1 a 2",
        "ZADD z NX GT 1 a",
        "ZADD z GT LT 1 a",
        "ZADD z INCR 1 a 2 b",
        "ZADD z 1 a nan b",
        "ZADD z 1 a 1e400 b",
        "ZADD z +inf a",
        "ZINCRBY z -inf a",
        "ZADD z INCR -inf a",
        "ZINCRBY z x a",
        "ZINCRBY string 1 a",
        "ZSCORE z a",
        "ZADD none XX 1 a",
        "ZADD none XX INCR 1 a",
        "ZADD z NX INCR 1 a",
        "ZADD z XX INCR 1 none",
        "EXISTS none",
        "ZRANGE z 0 x",
        "ZRANGE z 0 1 LIMIT 0 1",
        "ZRANGE z 0 1 LIMIT 0 -1",
        "ZRANGE z 0 1 LIMIT 0",
        "ZRANGE z 0 1 BYSCORE BYLEX",
        "ZRANGE z 0 1 BYLEX WITHSCORES",
        "ZRANGE z 0 1 BYLEX",
        "ZRANGE z - + BYSCORE",
        "ZRANGE z ((1 2 BYSCORE",
        "ZRANGE string x y BYSCORE",
        "ZRANGE string 0 1",
        "ZRANGEBYSCORE z 0 1 REV",
        "ZREVRANGE z 0 1 REV",
        "ZRANGESTORE d z 0 1 WITHSCORES",
        "ZRANGESTORE d string 0 1",
        "ZCOUNT z x 1",
        "ZLEXCOUNT z a b",
        "ZLEXCOUNT z [a +b",
        "ZREMRANGEBYRANK z 0 x",
        "ZREMRANGEBYSCORE none x 1",
        "ZREMRANGEBYLEX string [a [b",
        "ZPOPMIN z x",
        "ZPOPMIN z -1",
        "ZPOPMIN z 1 2",
        "ZPOPMIN string 0",
        "ZPOPMAX z 0",
        "ZPOPMIN none 0",
        "ZMPOP 0 z MIN",
        "ZMPOP x z MIN",
        "ZMPOP 2 z MIN",
        "ZMPOP 1 z",
        "ZMPOP 1 z MID",
        "ZMPOP 1 z MIN COUNT 0",
        "ZMPOP 1 z MIN COUNT",
        "ZMPOP 1 z MIN COUNT 1 COUNT 1",
        "ZMPOP 2 none string MIN",
        "ZMPOP 2 none none2 MIN",
        "ZUNION 0 z",
        "ZUNION x z",
        "ZUNION 2 z",
        "ZUNION 2 z string",
        "ZUNION 2 z string WEIGHTS",
        "ZUNION 1 z WEIGHTS 1 2",
        "ZUNION 1 z WEIGHTS",
        "ZUNION 1 z WEIGHTS nan",
        "ZUNION 1 z AGGREGATE",
        "ZUNION 1 z AGGREGATE AVG",
        "ZUNIONSTORE d 1 z WITHSCORES",
        "ZUNIONSTORE d 9223372036854775807 z",
        "ZDIFF 1 z WEIGHTS 1",
        "ZDIFFSTORE d 0 z",
        "ZINTERCARD 1 z LIMIT -1",
        "ZINTERCARD 1 z LIMIT x",
        "ZINTERCARD 1 z LIMIT",
        "ZINTERCARD 1 z WITHSCORES",
        "ZRANDMEMBER z x",
        "ZRANDMEMBER z 1 WITHOUT",
        "ZRANDMEMBER z 1 WITHSCORES x",
        "ZRANDMEMBER z -9223372036854775808",
        "ZRANDMEMBER z -9223372036854775807 WITHSCORES",
        "ZRANDMEMBER none",
        "ZRANDMEMBER none 5",
        "ZRANDMEMBER string 5",
        "ZSCAN z x",
        "ZSCAN none 0 COUNT",
        "ZSCAN z 0 COUNT 0",
        "ZSCAN z 0 NOVALUES",
        "ZSCORE z none",
        "ZMSCORE none a b",
        "ZMSCORE string a",
        "ZRANK z none",
        "ZRANK none a",
        "ZREVRANK string a",
    ]);
}

#[test]
fn spans_of_any_width_are_cut_to_the_set() {
    let mut lines = vec!["ZADD z -inf a -1.5 b 0 c 0 d 2 e inf f".to_owned()];
    let ranks = [
        "0",
        "-1",
        "2",
        "-3",
        "100",
        "-100",
        "9223372036854775807",
        "-9223372036854775808",
    ];
    let scores = [
        "-inf", "(-inf", "-1.5", "(0", "0", "2", "(inf", "+inf", "1e400", "(1e-400",
    ];
    let members = ["-", "+", "[a", "(a", "[cc", "(d", "[", "("];
    for start in ranks {
        for stop in ranks {
            lines.push(format!("ZRANGE z {start} {stop} WITHSCORES"));
            lines.push(format!("ZREVRANGE z {start} {stop}"));
            lines.push(format!("ZRANGE z -inf +inf BYSCORE LIMIT {start} {stop}"));
            lines.push(format!("ZREVRANGEBYSCORE z +inf -inf LIMIT {start} {stop}"));
        }
    }
    for min in scores {
        for max in scores {
            lines.push(format!("ZRANGEBYSCORE z {min} {max}"));
            lines.push(format!("ZREVRANGEBYSCORE z {max} {min} WITHSCORES"));
            lines.push(format!("ZCOUNT z {min} {max}"));
        }
    }
    lines.push("ZADD lex 0 a 0 b 0 c 0 d".to_owned());
    for min in members {
        for max in members {
            lines.push(format!("ZRANGEBYLEX lex {min} {max}"));
            lines.push(format!("ZREVRANGEBYLEX lex {max} {min} LIMIT 1 2"));
            lines.push(format!("ZLEXCOUNT lex {min} {max}"));
        }
    }
    let packed: Vec<&str> = lines.iter().map(String::as_str).collect();
    agree(&packed);
    let ordered = [&["CONFIG SET zset-max-listpack-entries 0"][..], &packed].concat();
    agree(&ordered);
}

#[test]
fn combined_infinities_are_those_of_the_reference() {
    agree(&[
        "ZADD a inf x -inf y 1 z 0 zero",
        "ZADD b -inf x inf y 2 z 5 only",
        "SADD s x z s",
        "ZUNION 2 a b WITHSCORES",
        "ZUNION 3 a b s WEIGHTS 0 1 2 WITHSCORES",
        "ZUNION 2 a b WEIGHTS inf -inf AGGREGATE MAX WITHSCORES",
        "ZINTER 2 a b WITHSCORES",
        "ZINTER 2 a b WEIGHTS 0 inf AGGREGATE MIN WITHSCORES",
        "ZINTER 2 a s AGGREGATE MAX WITHSCORES",
        "ZINTERCARD 2 a b",
        "ZINTERCARD 2 a b LIMIT 2",
        "ZINTERCARD 2 a none",
        "ZDIFF 2 a s WITHSCORES",
        "ZDIFF 2 a a",
        "ZDIFF 2 none a",
        "ZUNIONSTORE a 2 a a WEIGHTS 1 -1",
        "ZRANGE a 0 -1 WITHSCORES",
        "ZINTERSTORE b 2 b none",
        "EXISTS b",
        "ZDIFFSTORE s 1 s",
        "TYPE s",
        "ZRANGESTORE s s 5 6",
        "EXISTS s",
    ]);
}

#[test]
fn encodings_follow_thresholds_that_move() {
    agree(&[
        "CONFIG SET zset-max-listpack-entries 3",
        "CONFIG SET zset-max-listpack-value 5",
        "ZADD z 1 a 2 b 3 c",
        "OBJECT ENCODING z",
        "ZADD z 4 d",
        "OBJECT ENCODING z",
        "ZREM z d c",
        "OBJECT ENCODING z",
        "ZRANGESTORE packed z 0 -1",
        "OBJECT ENCODING packed",
        "ZADD packed 3 sixsix",
        "OBJECT ENCODING packed",
        "ZUNIONSTORE short 1 z",
        "OBJECT ENCODING short",
        "ZUNIONSTORE long 1 packed",
        "OBJECT ENCODING long",
        "CONFIG SET zset-max-listpack-entries 0",
        "ZADD one 1 a",
        "OBJECT ENCODING one",
        "CONFIG SET zset-max-listpack-entries 128",
        "ZINCRBY one 1 a",
        "OBJECT ENCODING one",
        "COPY one two",
        "OBJECT ENCODING two",
        "ZRANGE two 0 -1 WITHSCORES",
        "CONFIG SET zset-max-listpack-value 64",
    ]);
}

#[test]
fn ranks_with_scores_are_those_of_redis_7_2() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    expect(
        &mut client,
        &[
            ("ZADD z 1 a 2.5 b", ":2"),
            ("ZRANK z b WITHSCORE", "[:1, \"2.5\"]"),
            ("ZREVRANK z b withscore", "[:0, \"2.5\"]"),
            ("ZRANK z none WITHSCORE", "*-1"),
            ("ZRANK none a WITHSCORE", "*-1"),
            ("ZRANK z a WITHSCORES", "-ERR syntax error"),
            (
                "ZRANK z a WITHSCORE x",
                r"-ERR wrong number of arguments for \'zrank\' command",
            ),
        ],
    );
}
