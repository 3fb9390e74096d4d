//! Sorted sets.

use super::Generator;
use super::arguments::{
    Words, any_word, call, float, index, integer, key, maybe, one_of, options, repeat, sequence,
    word,
};
use super::elements::{
    counted_keys, lex_bound, limit, member, member_pattern, members, random_count, run, score,
    score_bound,
};
use super::encodings;

/// The family's commands.
pub const COMMANDS: &[&str] = &[
    "ZADD",
    "ZCARD",
    "ZCOUNT",
    "ZDIFF",
    "ZDIFFSTORE",
    "ZINCRBY",
    "ZINTER",
    "ZINTERCARD",
    "ZINTERSTORE",
    "ZLEXCOUNT",
    "ZMPOP",
    "ZMSCORE",
    "ZPOPMAX",
    "ZPOPMIN",
    "ZRANDMEMBER",
    "ZRANGE",
    "ZRANGEBYLEX",
    "ZRANGEBYSCORE",
    "ZRANGESTORE",
    "ZRANK",
    "ZREM",
    "ZREMRANGEBYLEX",
    "ZREMRANGEBYRANK",
    "ZREMRANGEBYSCORE",
    "ZREVRANGE",
    "ZREVRANGEBYLEX",
    "ZREVRANGEBYSCORE",
    "ZREVRANK",
    "ZSCAN",
    "ZSCORE",
    "ZUNION",
    "ZUNIONSTORE",
];

fn scored_members() -> Words {
    let pair = || sequence([score(), member()]);
    let level = || sequence([word("0"), member()]);
    one_of([
        pair(),
        pair(),
        repeat(pair(), 1..6),
        repeat(pair(), 1..6),
        repeat(level(), 1..6),
        run(|number| vec![number.to_string(), format!("m{number}")]),
    ])
}

/// Two ends in any of the three ways of counting, and the option that says which.
fn range() -> Words {
    one_of([
        sequence([index(), index()]),
        sequence([score_bound(), score_bound(), word("BYSCORE")]),
        sequence([lex_bound(), lex_bound(), word("BYLEX")]),
        sequence([score_bound(), lex_bound()]),
    ])
}

fn more_of_range() -> Words {
    options([word("REV"), limit(), word("WITHSCORES"), word("BYSCORE")])
}

fn weights() -> Words {
    let weight = || one_of([score(), score(), float()]);
    sequence([word("WEIGHTS"), repeat(weight(), 1..4)])
}

fn aggregate() -> Words {
    sequence([
        word("AGGREGATE"),
        any_word(&["SUM", "MIN", "MAX", "SUM", "MIN", "MAX", "AVG"]),
    ])
}

fn ranges() -> Vec<Generator> {
    let scores = || maybe(word("WITHSCORES"));
    let of_scores = || options([limit(), word("WITHSCORES")]);
    vec![
        call(2, "ZCOUNT", [key(), score_bound(), score_bound()]),
        call(2, "ZLEXCOUNT", [key(), lex_bound(), lex_bound()]),
        call(5, "ZRANGE", [key(), range(), more_of_range()]),
        call(
            2,
            "ZRANGEBYLEX",
            [key(), lex_bound(), lex_bound(), maybe(limit())],
        ),
        call(
            2,
            "ZREVRANGEBYLEX",
            [key(), lex_bound(), lex_bound(), maybe(limit())],
        ),
        call(
            3,
            "ZRANGEBYSCORE",
            [key(), score_bound(), score_bound(), of_scores()],
        ),
        call(
            2,
            "ZREVRANGEBYSCORE",
            [key(), score_bound(), score_bound(), of_scores()],
        ),
        call(3, "ZRANGESTORE", [key(), key(), range(), more_of_range()]),
        call(2, "ZREVRANGE", [key(), index(), index(), scores()]),
        call(1, "ZREMRANGEBYLEX", [key(), lex_bound(), lex_bound()]),
        call(1, "ZREMRANGEBYRANK", [key(), index(), index()]),
        call(1, "ZREMRANGEBYSCORE", [key(), score_bound(), score_bound()]),
    ]
}

fn algebra() -> Vec<Generator> {
    let combined = || options([weights(), aggregate(), word("WITHSCORES")]);
    let stored = || options([weights(), aggregate()]);
    vec![
        call(2, "ZDIFF", [counted_keys(), maybe(word("WITHSCORES"))]),
        call(2, "ZINTER", [counted_keys(), combined()]),
        call(2, "ZUNION", [counted_keys(), combined()]),
        call(2, "ZDIFFSTORE", [key(), counted_keys()]),
        call(2, "ZINTERSTORE", [key(), counted_keys(), stored()]),
        call(2, "ZUNIONSTORE", [key(), counted_keys(), stored()]),
        call(
            2,
            "ZINTERCARD",
            [counted_keys(), maybe(sequence([word("LIMIT"), integer()]))],
        ),
        // All scores become equal, as ranges by members need them.
        call(
            4,
            "ZUNIONSTORE",
            [key(), word("1"), key(), word("WEIGHTS"), word("0")],
        ),
        // They work on sets as well.
        call(3, "SADD", [key(), repeat(member(), 1..6)]),
    ]
}

pub fn generators() -> Vec<Generator> {
    let scan = options([
        sequence([word("MATCH"), member_pattern()]),
        sequence([word("COUNT"), integer()]),
    ]);
    let add = || {
        options([
            word("NX"),
            word("XX"),
            word("GT"),
            word("LT"),
            word("CH"),
            word("CH"),
            word("INCR"),
        ])
    };
    let extreme = || any_word(&["MIN", "MAX", "MIN", "MAX", "MID"]);
    let own = vec![
        call(8, "ZADD", [key(), scored_members()]),
        call(6, "ZADD", [key(), add(), scored_members()]),
        call(1, "ZCARD", [key()]),
        call(4, "ZINCRBY", [key(), score(), member()]),
        call(
            2,
            "ZMPOP",
            [
                counted_keys(),
                extreme(),
                maybe(sequence([word("COUNT"), index()])),
            ],
        ),
        call(1, "ZMSCORE", [key(), repeat(member(), 0..5)]),
        call(1, "ZPOPMAX", [key(), maybe(index())]),
        call(1, "ZPOPMIN", [key(), maybe(index())]),
        call(
            3,
            "ZRANDMEMBER",
            [
                key(),
                maybe(sequence([random_count(), maybe(word("WITHSCORES"))])),
            ],
        ),
        call(2, "ZRANK", [key(), member()]),
        call(2, "ZREVRANK", [key(), member()]),
        call(4, "ZREM", [key(), members(1..5)]),
        call(
            2,
            "ZSCAN",
            [key(), any_word(&["0", "0", "0", "x", "-1"]), scan],
        ),
        call(2, "ZSCORE", [key(), member()]),
    ];
    [own, ranges(), algebra(), encodings::generators("zset")].concat()
}
