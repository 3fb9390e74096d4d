//! The limits of compact encodings, changed in the middle of a case so that small collections cross them.

use proptest::prelude::*;
use proptest::sample::select;

use super::Generator;
use super::arguments::{Words, call, one_of, unmangled, word};

/// A directive, its default and smaller limits.
struct Limit {
    name: &'static str,
    default: &'static str,
    values: &'static [&'static str],
}

const ENTRIES: &[&str] = &["0", "1", "2", "3", "4", "8", "128", "512", "-1", "abc"];
const BYTES: &[&str] = &[
    "0", "1", "2", "8", "63", "64", "65", "255", "10000", "1kb", "x",
];

const fn limit(
    name: &'static str,
    default: &'static str,
    values: &'static [&'static str],
) -> Limit {
    Limit {
        name,
        default,
        values,
    }
}

const LIMITS: &[Limit] = &[
    limit("hash-max-listpack-entries", "512", ENTRIES),
    limit("hash-max-listpack-value", "64", BYTES),
    limit("hash-max-ziplist-entries", "512", ENTRIES),
    limit(
        "list-max-listpack-size",
        "-2",
        &[
            "-6", "-5", "-4", "-3", "-2", "-1", "0", "1", "2", "4", "128", "99999",
        ],
    ),
    limit(
        "list-compress-depth",
        "0",
        &["0", "1", "2", "3", "100", "-1"],
    ),
    limit("set-max-intset-entries", "512", ENTRIES),
    limit("set-max-listpack-entries", "128", ENTRIES),
    limit("set-max-listpack-value", "64", BYTES),
    limit("zset-max-listpack-entries", "128", ENTRIES),
    limit("zset-max-listpack-value", "64", BYTES),
    limit("zset-max-ziplist-value", "64", BYTES),
];

/// Commands that put all limits back. One by one: a server refuses as a whole what it knows only in part.
pub fn defaults() -> impl Iterator<Item = Vec<Vec<u8>>> {
    let words = |limit: &Limit| ["CONFIG", "SET", limit.name, limit.default];
    LIMITS
        .iter()
        .map(move |limit| words(limit).map(|word| word.as_bytes().to_vec()).into())
}

/// Changes of the limits whose names begin so.
pub fn generators(prefix: &'static str) -> Vec<Generator> {
    let settings: Vec<Words> = LIMITS
        .iter()
        .filter(|limit| limit.name.starts_with(prefix))
        .map(|limit| {
            let value = select(limit.values);
            value
                .prop_map(|value| vec![limit.name.into(), value.into()])
                .boxed()
        })
        .collect();
    vec![unmangled(call(
        2,
        "CONFIG",
        [word("SET"), one_of(settings)],
    ))]
}
