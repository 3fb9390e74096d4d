//! Strings.

use super::Generator;
use super::arguments::{
    call, float, index, integer, key, letters, lifetime, maybe, offset, options, repeat, sequence,
    value, word,
};

/// The family's commands.
pub const COMMANDS: &[&str] = &[
    "APPEND",
    "DECR",
    "DECRBY",
    "GET",
    "GETDEL",
    "GETEX",
    "GETRANGE",
    "GETSET",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "LCS",
    "MGET",
    "MSET",
    "MSETNX",
    "PSETEX",
    "SET",
    "SETEX",
    "SETNX",
    "SETRANGE",
    "STRLEN",
    "SUBSTR",
];

fn timed(unit: &'static str) -> super::arguments::Words {
    sequence([word(unit), lifetime(unit)])
}

pub fn generators() -> Vec<Generator> {
    vec![
        call(3, "APPEND", [key(), value()]),
        call(2, "DECR", [key()]),
        call(2, "DECRBY", [key(), integer()]),
        call(4, "GET", [key()]),
        call(1, "GETDEL", [key()]),
        call(
            3,
            "GETEX",
            [
                key(),
                options([
                    timed("EX"),
                    timed("PX"),
                    timed("EXAT"),
                    timed("PXAT"),
                    word("PERSIST"),
                    word("PERSIST"),
                ]),
            ],
        ),
        call(2, "GETRANGE", [key(), index(), index()]),
        call(1, "SUBSTR", [key(), index(), index()]),
        call(2, "GETSET", [key(), value()]),
        call(3, "INCR", [key()]),
        call(3, "INCRBY", [key(), integer()]),
        call(4, "INCRBYFLOAT", [key(), float()]),
        call(
            2,
            "LCS",
            [
                key(),
                key(),
                options([
                    word("LEN"),
                    word("IDX"),
                    word("WITHMATCHLEN"),
                    sequence([word("MINMATCHLEN"), integer()]),
                ]),
            ],
        ),
        call(2, "MGET", [repeat(key(), 0..6)]),
        call(3, "MSET", [repeat(sequence([key(), value()]), 0..5)]),
        call(2, "MSETNX", [repeat(sequence([key(), value()]), 0..3)]),
        call(2, "PSETEX", [key(), lifetime("PSETEX"), value()]),
        call(2, "SET", [key(), letters()]),
        call(4, "SET", [key(), value()]),
        call(
            8,
            "SET",
            [
                key(),
                value(),
                options([
                    word("NX"),
                    word("XX"),
                    word("GET"),
                    word("KEEPTTL"),
                    timed("EX"),
                    timed("PX"),
                    timed("EXAT"),
                    timed("PXAT"),
                ]),
                maybe(word("GET")),
            ],
        ),
        call(2, "SETEX", [key(), lifetime("SETEX"), value()]),
        call(2, "SETNX", [key(), value()]),
        call(3, "SETRANGE", [key(), offset(), value()]),
        call(2, "STRLEN", [key()]),
    ]
}
