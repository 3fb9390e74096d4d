//! Commands about the connection and the server, and every command with a wrong number of arguments.

use super::Generator;
use super::arguments::{any_word, call, key, maybe, one_of, repeat, unmangled, value, word};

/// Every command of the families, for calls with too few and too many arguments and for COMMAND's answers about it.
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
    "COPY",
    "DEL",
    "UNLINK",
    "EXISTS",
    "EXPIRE",
    "EXPIREAT",
    "PEXPIRE",
    "PEXPIREAT",
    "EXPIRETIME",
    "PEXPIRETIME",
    "PERSIST",
    "KEYS",
    "MOVE",
    "OBJECT",
    "RANDOMKEY",
    "RENAME",
    "RENAMENX",
    "SCAN",
    "TOUCH",
    "TTL",
    "PTTL",
    "TYPE",
    "SELECT",
    "SWAPDB",
    "DBSIZE",
    "FLUSHDB",
    "ECHO",
    "PING",
];

pub fn generators() -> Vec<Generator> {
    vec![
        call(2, "PING", [maybe(value())]),
        call(2, "ECHO", [value()]),
        unmangled(call(
            1,
            "COMMAND",
            [
                word("GETKEYS"),
                any_word(COMMANDS),
                repeat(one_of([key(), value()]), 1..6),
            ],
        )),
        unmangled(call(
            1,
            "COMMAND",
            [
                any_word(&["NOSUCH", "", "getkeys", "INFO|x"]),
                repeat(key(), 0..2),
            ],
        )),
        unmangled(call(
            1,
            "DEBUG",
            [word("DIGEST-VALUE"), repeat(key(), 0..3)],
        )),
    ]
    .into_iter()
    .chain(
        COMMANDS
            .iter()
            .filter(|name| {
                !["DBSIZE", "RANDOMKEY", "PING", "FLUSHDB", "KEYS", "SCAN"].contains(name)
            })
            .map(|name| call(1, name, [])),
    )
    .collect()
}
