//! The keyspace: names, databases, iteration.

use super::Generator;
use super::arguments::{
    any_word, call, database, integer, key, maybe, options, pattern, repeat, sequence, value, word,
};

/// The family's commands.
pub const COMMANDS: &[&str] = &[
    "COPY",
    "DBSIZE",
    "DEL",
    "EXISTS",
    "FLUSHDB",
    "KEYS",
    "MOVE",
    "OBJECT",
    "RANDOMKEY",
    "RENAME",
    "RENAMENX",
    "SCAN",
    "SELECT",
    "SWAPDB",
    "TOUCH",
    "TYPE",
    "UNLINK",
];

pub fn generators() -> Vec<Generator> {
    let replace = || options([word("REPLACE"), sequence([word("DB"), database()])]);
    vec![
        call(4, "COPY", [key(), key(), replace()]),
        call(2, "DEL", [repeat(key(), 0..4)]),
        call(1, "UNLINK", [repeat(key(), 0..4)]),
        call(2, "EXISTS", [repeat(key(), 0..4)]),
        call(2, "KEYS", [pattern()]),
        call(3, "MOVE", [key(), database()]),
        call(3, "OBJECT", [word("ENCODING"), key()]),
        call(1, "OBJECT", [word("REFCOUNT"), key()]),
        call(1, "OBJECT", [word("FREQ"), key()]),
        call(1, "OBJECT", [word("IDLETIME"), key()]),
        call(
            1,
            "OBJECT",
            [any_word(&["NOSUCH", "", "ENCODING"]), repeat(key(), 0..2)],
        ),
        call(1, "RANDOMKEY", []),
        call(4, "RENAME", [key(), key()]),
        call(3, "RENAMENX", [key(), key()]),
        call(
            1,
            "SCAN",
            [
                any_word(&[
                    "0",
                    "0",
                    "0",
                    "0",
                    "0",
                    "abc",
                    "-1",
                    "",
                    "18446744073709551616",
                    " 0",
                ]),
                options([
                    sequence([word("MATCH"), pattern()]),
                    sequence([word("COUNT"), integer()]),
                    sequence([
                        word("TYPE"),
                        any_word(&["string", "list", "set", "zset", "hash", "nosuch"]),
                    ]),
                ]),
            ],
        ),
        call(1, "TOUCH", [repeat(key(), 0..4)]),
        call(2, "TYPE", [key()]),
        call(2, "SELECT", [database()]),
        call(2, "SWAPDB", [database(), database()]),
        call(2, "DBSIZE", []),
        call(
            1,
            "FLUSHDB",
            [maybe(any_word(&["ASYNC", "SYNC", "NOSUCH"]))],
        ),
        // The rest needs something to work on, whichever half of the generators a round has.
        call(2, "SET", [key(), value()]),
    ]
}
