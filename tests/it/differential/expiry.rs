//! Times to live.

use super::Generator;
use super::arguments::{call, compared_by, key, lifetime, options, word};
use super::step::Compare;

pub fn generators() -> Vec<Generator> {
    let when = || options([word("NX"), word("XX"), word("GT"), word("LT")]);
    let expire = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]
        .map(|name| call(4, name, [key(), lifetime(name), when()]));
    let ask = [
        ("TTL", Compare::Seconds),
        ("PTTL", Compare::Milliseconds),
        ("EXPIRETIME", Compare::Seconds),
        ("PEXPIRETIME", Compare::Milliseconds),
    ]
    .map(|(name, compare)| compared_by(compare, call(2, name, [key()])));
    [
        Vec::from(expire),
        Vec::from(ask),
        vec![call(3, "PERSIST", [key()])],
    ]
    .concat()
}
