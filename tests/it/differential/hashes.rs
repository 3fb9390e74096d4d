//! Hashes.

use super::Generator;
use super::arguments::{
    Words, any_word, call, float, integer, key, maybe, one_of, options, repeat, sequence, value,
    word,
};
use super::elements::{member, member_pattern, members, random_count, run};
use super::encodings;

/// The family's commands.
pub const COMMANDS: &[&str] = &[
    "HDEL",
    "HEXISTS",
    "HGET",
    "HGETALL",
    "HINCRBY",
    "HINCRBYFLOAT",
    "HKEYS",
    "HLEN",
    "HMGET",
    "HMSET",
    "HRANDFIELD",
    "HSCAN",
    "HSET",
    "HSETNX",
    "HSTRLEN",
    "HVALS",
];

fn field_value() -> Words {
    one_of([member(), member(), integer(), float(), value()])
}

fn fields_and_values() -> Words {
    let pair = || sequence([member(), field_value()]);
    one_of([
        pair(),
        repeat(pair(), 1..6),
        repeat(pair(), 1..6),
        run(|number| vec![format!("m{number}"), number.to_string()]),
    ])
}

pub fn generators() -> Vec<Generator> {
    let scan = options([
        sequence([word("MATCH"), member_pattern()]),
        sequence([word("COUNT"), integer()]),
    ]);
    let own = vec![
        call(4, "HDEL", [key(), members(1..4)]),
        call(1, "HEXISTS", [key(), member()]),
        call(2, "HGET", [key(), member()]),
        call(2, "HGETALL", [key()]),
        call(3, "HINCRBY", [key(), member(), integer()]),
        call(3, "HINCRBYFLOAT", [key(), member(), float()]),
        call(1, "HKEYS", [key()]),
        call(1, "HLEN", [key()]),
        call(2, "HMGET", [key(), repeat(member(), 0..5)]),
        call(2, "HMSET", [key(), fields_and_values()]),
        call(
            3,
            "HRANDFIELD",
            [
                key(),
                maybe(sequence([random_count(), maybe(word("WITHVALUES"))])),
            ],
        ),
        call(
            2,
            "HSCAN",
            [key(), any_word(&["0", "0", "0", "x", "-1"]), scan],
        ),
        call(8, "HSET", [key(), fields_and_values()]),
        call(2, "HSETNX", [key(), member(), field_value()]),
        call(1, "HSTRLEN", [key(), member()]),
        call(1, "HVALS", [key()]),
    ];
    [own, encodings::generators("hash")].concat()
}
