//! Sets.

use super::Generator;
use super::arguments::{any_word, call, integer, key, maybe, options, repeat, sequence, word};
use super::elements::{
    counted_keys, member, member_pattern, members, numeric_member, random_count,
};
use super::encodings;

/// The family's commands.
pub const COMMANDS: &[&str] = &[
    "SADD",
    "SCARD",
    "SDIFF",
    "SDIFFSTORE",
    "SINTER",
    "SINTERCARD",
    "SINTERSTORE",
    "SISMEMBER",
    "SMEMBERS",
    "SMISMEMBER",
    "SMOVE",
    "SPOP",
    "SRANDMEMBER",
    "SREM",
    "SSCAN",
    "SUNION",
    "SUNIONSTORE",
];

pub fn generators() -> Vec<Generator> {
    let scan = options([
        sequence([word("MATCH"), member_pattern()]),
        sequence([word("COUNT"), integer()]),
    ]);
    let algebra = ["SDIFF", "SINTER", "SUNION"].map(|name| call(2, name, [repeat(key(), 1..5)]));
    let store = ["SDIFFSTORE", "SINTERSTORE", "SUNIONSTORE"]
        .map(|name| call(2, name, [key(), repeat(key(), 1..5)]));
    let own = vec![
        call(8, "SADD", [key(), members(1..6)]),
        call(3, "SADD", [key(), repeat(numeric_member(), 1..6)]),
        call(1, "SCARD", [key()]),
        call(
            2,
            "SINTERCARD",
            [counted_keys(), maybe(sequence([word("LIMIT"), integer()]))],
        ),
        call(1, "SISMEMBER", [key(), member()]),
        call(2, "SMEMBERS", [key()]),
        call(1, "SMISMEMBER", [key(), repeat(member(), 0..5)]),
        call(3, "SMOVE", [key(), key(), member()]),
        call(2, "SPOP", [key(), maybe(random_count())]),
        call(2, "SRANDMEMBER", [key(), maybe(random_count())]),
        call(5, "SREM", [key(), members(1..5)]),
        call(
            2,
            "SSCAN",
            [key(), any_word(&["0", "0", "0", "x", "-1"]), scan],
        ),
    ];
    [
        own,
        algebra.into(),
        store.into(),
        encodings::generators("set"),
    ]
    .concat()
}
