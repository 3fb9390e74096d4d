//! Commands about the connection and the server, and what the server says about other commands.

use proptest::prelude::*;
use proptest::strategy::Union;

use super::Generator;
use super::arguments::{
    any_word, call, integer, key, maybe, one_of, repeat, texts, unmangled, value, word,
};

/// The family's commands.
pub const COMMANDS: &[&str] = &["ECHO", "PING"];

pub fn generators() -> Vec<Generator> {
    vec![
        call(2, "PING", [maybe(value())]),
        call(2, "ECHO", [value()]),
        unmangled(call(
            1,
            "COMMAND",
            [
                any_word(&["NOSUCH", "", "getkeys", "INFO|x"]),
                repeat(key(), 0..2),
            ],
        )),
    ]
}

/// Commands whose replies are no error without arguments, or not the same.
const WITHOUT_ARGUMENTS: &[&str] = &[
    "DBSIZE",
    "RANDOMKEY",
    "PING",
    "FLUSHDB",
    "KEYS",
    "SCAN",
    "MULTI",
    "EXEC",
    "DISCARD",
    "UNWATCH",
];

/// What COMMAND says about these commands, their digests, and calls of them without arguments.
pub fn about(commands: &[&'static str]) -> Vec<Generator> {
    let named = one_of(commands.iter().map(|name| word(name)));
    let arguments = || repeat(one_of([key(), value(), integer(), texts(OPTIONS)]), 1..6);
    let asking = [
        unmangled(call(1, "COMMAND", [word("GETKEYS"), named, arguments()])),
        unmangled(call(
            1,
            "DEBUG",
            [word("DIGEST-VALUE"), repeat(key(), 0..3)],
        )),
    ];
    let bare = commands
        .iter()
        .filter(|name| !WITHOUT_ARGUMENTS.contains(name))
        .map(|name| call(1, name, []).1);
    let bare = (3, Union::new(bare).boxed());
    asking.into_iter().chain([bare]).collect()
}

/// Words by which some commands find their keys.
const OPTIONS: &[&str] = &["2", "1", "STORE", "BY", "GET", "WEIGHTS"];
