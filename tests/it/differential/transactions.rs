//! Transactions around commands of the other families, disturbed from a second connection.

use proptest::collection::vec;
use proptest::prelude::*;

use super::arguments::{
    Words, any_word, call, database, key, maybe, one_of, repeat, sequence, value,
};
use super::mangle;
use super::step::Step;

/// The family's commands.
pub const COMMANDS: &[&str] = &["DISCARD", "EXEC", "MULTI", "UNWATCH", "WATCH"];

fn one(name: &'static str, arguments: Words) -> BoxedStrategy<Step> {
    mangle::sometimes(call(1, name, [arguments]).1).boxed()
}

fn nothing() -> Words {
    Just(Vec::new()).boxed()
}

/// The step, now and then on the second connection.
fn on_either(steps: impl Strategy<Value = Step>) -> impl Strategy<Value = Step> {
    (steps, proptest::bool::weighted(0.3)).prop_map(|(step, second)| Step {
        connection: usize::from(second),
        ..step
    })
}

/// What WATCH has to notice, and what it has to overlook.
fn disturbance() -> BoxedStrategy<Step> {
    let number = || sequence([key(), any_word(&["0", "1"])]);
    prop_oneof![
        2 => one("SET", sequence([key(), value()])),
        1 => one("SET", sequence([key(), value(), any_word(&["PX"]), any_word(&["1", "2"])])),
        1 => one("DEL", repeat(key(), 1..3)),
        1 => one("TOUCH", repeat(key(), 1..3)),
        1 => one("EXPIRE", sequence([key(), any_word(&["1000", "-1", "0"])])),
        1 => one("PEXPIRE", sequence([key(), any_word(&["1", "2"])])),
        1 => one("PERSIST", key()),
        1 => one("RENAME", sequence([key(), key()])),
        1 => one("SETRANGE", sequence([number(), any_word(&[""])])),
        1 => one("FLUSHDB", nothing()),
        1 => one("FLUSHALL", maybe(any_word(&["ASYNC", "SYNC"]))),
        1 => one("SWAPDB", one_of([sequence([database(), database()]), sequence([any_word(&["0"]), any_word(&["1"])])])),
        1 => one("SELECT", database()),
    ]
    .boxed()
}

/// Steps and whole transactions made of such steps.
pub fn around(steps: BoxedStrategy<Step>) -> BoxedStrategy<Vec<Step>> {
    let watch = vec(
        prop_oneof![
            6 => one("WATCH", repeat(key(), 1..4)),
            1 => one("UNWATCH", nothing()),
        ],
        0..3,
    );
    let meanwhile = || {
        vec(
            on_either(prop_oneof![2 => disturbance(), 1 => steps.clone()]),
            0..3,
        )
    };
    let queued = vec(
        prop_oneof![
            12 => steps.clone(),
            2 => on_either(disturbance()),
            1 => one("MULTI", nothing()),
            1 => one("WATCH", repeat(key(), 1..2)),
            1 => one("UNWATCH", nothing()),
        ],
        0..8,
    );
    let end = prop_oneof![
        12 => one("EXEC", nothing()),
        2 => one("DISCARD", nothing()),
        1 => one("RESET", nothing()),
    ];
    let whole = (watch, meanwhile(), one("MULTI", nothing()), queued, end).prop_map(
        |(watch, meanwhile, multi, queued, end)| {
            let parts = [watch, meanwhile, vec![multi], queued, vec![end]];
            parts.concat()
        },
    );
    prop_oneof![
        3 => whole,
        4 => on_either(steps).prop_map(|step| vec![step]),
    ]
    .boxed()
}
