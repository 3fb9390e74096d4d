//! What COMMAND says about each command that both servers have.

use super::FAMILIES;
use crate::command;
use crate::support::{Setup, Value};

/// Where a row has the hints.
const HINTS: usize = 7;
/// Where a row has the arity.
const ARITY: usize = 1;
/// Redis 7.2 gave these an option, and so another arity than 7.0 did.
const OTHER_ARITY: &[&str] = &["ZRANK", "ZREVRANK"];
/// Redis 7.2 gave these other hints than 7.0 did, and Minium has those of 7.2.
const OTHER_HINTS: &[&str] = &["MSETNX", "RANDOMKEY", "SCAN"];

/// Name, arity, flags, keys, categories, hints and key specifications are the same, in whatever order they stand.
#[test]
fn command_info_is_that_of_redis() {
    let (minium, redis) = (Setup::minium().start(), Setup::redis().start());
    let (mut minium, mut redis) = (minium.connect(), redis.connect());
    // RESP3 has maps, so that sorting does not tear names from values.
    minium.line("HELLO 3");
    redis.line("HELLO 3");
    let mut different = Vec::new();
    for name in FAMILIES.iter().flat_map(|family| family.commands) {
        let ask = command!["COMMAND", "INFO", name];
        let (mut ours, mut theirs) = (row(&minium.call(&ask)), row(&redis.call(&ask)));
        if OTHER_HINTS.contains(name) {
            ours[HINTS] = Value::Null;
            theirs[HINTS] = Value::Null;
        }
        if OTHER_ARITY.contains(name) {
            ours[ARITY] = Value::Null;
            theirs[ARITY] = Value::Null;
        }
        if ours != theirs {
            different.push(format!("{name}\n  minium: {ours:?}\n  redis:  {theirs:?}"));
        }
    }
    assert!(
        different.is_empty(),
        "COMMAND INFO differs:\n{}",
        different.join("\n")
    );
}

/// The fields of the one command asked for, without the notes on keys: those are prose, and ours is our own.
fn row(reply: &Value) -> Vec<Value> {
    let [row] = reply.elements() else {
        panic!("{reply:?}")
    };
    row.elements()
        .iter()
        .map(|field| without_notes(field).unordered())
        .collect()
}

fn without_notes(value: &Value) -> Value {
    match value {
        Value::Set(elements) => Value::Set(elements.iter().map(without_notes).collect()),
        Value::Map(pairs) => {
            let notes = Value::Bulk(b"notes".to_vec());
            Value::Map(
                pairs
                    .iter()
                    .filter(|(name, _)| *name != notes)
                    .cloned()
                    .collect(),
            )
        }
        other => other.clone(),
    }
}
