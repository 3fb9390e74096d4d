//! Times to live.

use super::Generator;
use super::arguments::{call, key, lifetime, options, word};

/// The family's commands.
pub const COMMANDS: &[&str] = &[
    "EXPIRE",
    "EXPIREAT",
    "EXPIRETIME",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PEXPIRETIME",
    "PTTL",
    "TTL",
];

pub fn generators() -> Vec<Generator> {
    let when = || options([word("NX"), word("XX"), word("GT"), word("LT")]);
    let expire = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]
        .map(|name| call(4, name, [key(), lifetime(name), when()]));
    let ask = ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"].map(|name| call(2, name, [key()]));
    [
        Vec::from(expire),
        Vec::from(ask),
        vec![call(3, "PERSIST", [key()])],
    ]
    .concat()
}
