//! Lists.

use super::Generator;
use super::arguments::{
    Words, any_word, call, index, integer, key, maybe, one_of, options, repeat, sequence, word,
};
use super::elements::{counted_keys, member, members};
use super::encodings;

/// The family's commands.
pub const COMMANDS: &[&str] = &[
    "LINDEX",
    "LINSERT",
    "LLEN",
    "LMOVE",
    "LMPOP",
    "LPOP",
    "LPOS",
    "LPUSH",
    "LPUSHX",
    "LRANGE",
    "LREM",
    "LSET",
    "LTRIM",
    "RPOP",
    "RPOPLPUSH",
    "RPUSH",
    "RPUSHX",
];

fn side() -> Words {
    any_word(&["LEFT", "RIGHT", "LEFT", "RIGHT", "LEFT", "RIGHT", "MIDDLE"])
}

pub fn generators() -> Vec<Generator> {
    let position = options([
        sequence([word("RANK"), index()]),
        sequence([word("COUNT"), index()]),
        sequence([word("MAXLEN"), index()]),
    ]);
    let place = any_word(&["BEFORE", "AFTER", "BEFORE", "AFTER", "AROUND"]);
    let own = vec![
        call(2, "LINDEX", [key(), index()]),
        call(5, "LINSERT", [key(), place, member(), member()]),
        call(1, "LLEN", [key()]),
        call(4, "LMOVE", [key(), key(), side(), side()]),
        call(
            2,
            "LMPOP",
            [
                counted_keys(),
                side(),
                maybe(sequence([word("COUNT"), index()])),
            ],
        ),
        call(2, "LPOP", [key(), maybe(index())]),
        call(3, "LPOS", [key(), member(), position]),
        call(6, "LPUSH", [key(), members(1..6)]),
        call(2, "LPUSHX", [key(), repeat(member(), 1..4)]),
        call(4, "LRANGE", [key(), index(), index()]),
        call(4, "LREM", [key(), index(), member()]),
        call(4, "LSET", [key(), index(), member()]),
        call(2, "LTRIM", [key(), index(), index()]),
        call(1, "LTRIM", [key(), one_of([index(), integer()]), integer()]),
        call(2, "RPOP", [key(), maybe(index())]),
        call(2, "RPOPLPUSH", [key(), key()]),
        call(6, "RPUSH", [key(), members(1..6)]),
        call(2, "RPUSHX", [key(), repeat(member(), 1..4)]),
    ];
    [own, encodings::generators("list")].concat()
}
