//! What a writer's keys hold, as plain facts that can be compared one by one.
//!
//! A fact is a place and what is there: `s:7` for a string, `hash:f12` for a field, `zset:m3` for a member, `list:00000042` for an
//! element. Each writer has keys of its own under the same names, told apart by a prefix.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Client, Value};

/// Places and what they hold.
pub type Facts = BTreeMap<String, String>;

/// What a step does to one place: it holds something else, or nothing any more.
pub type Change = (String, Option<String>);

/// The place of a list's element. The numbers of a list ascend, so that the order of the places is that of the elements.
pub fn element(number: u64) -> String {
    format!("list:{number:012}")
}

/// The oldest element of the list.
pub fn oldest_element(facts: &Facts) -> Option<&String> {
    let from = "list:".to_owned();
    let (place, _) = facts.range(from..).next()?;
    place.starts_with("list:").then_some(place)
}

/// Makes a change.
pub fn apply(facts: &mut Facts, (place, value): &Change) {
    match value {
        Some(value) => facts.insert(place.clone(), value.clone()),
        None => facts.remove(place),
    };
}

/// Reads all keys with a prefix from the database that the client is in.
pub fn read(client: &mut Client, prefix: &str) -> Facts {
    let mut facts = Facts::new();
    let keys = client.line(&format!("KEYS {prefix}*"));
    let keys: Vec<_> = keys.elements().iter().map(Value::text).collect();
    let requests: Vec<Vec<Vec<u8>>> = keys
        .iter()
        .map(|key| {
            let words = match &key[prefix.len()..] {
                "hash" => vec!["HGETALL", key],
                "list" => vec!["LRANGE", key, "0", "-1"],
                "zset" => vec!["ZRANGE", key, "0", "-1", "WITHSCORES"],
                _ => vec!["GET", key],
            };
            words.iter().map(|word| word.as_bytes().to_vec()).collect()
        })
        .collect();
    let replies = client.try_pipeline(&requests).expect("all keys");
    for (key, reply) in keys.iter().zip(replies) {
        let name = &key[prefix.len()..];
        match &reply {
            Value::Array(elements) if name == "list" => {
                let numbers: Vec<u64> = elements
                    .iter()
                    .map(|element| element.text().parse().expect("a number in the list"))
                    .collect();
                assert!(numbers.is_sorted(), "{key} is out of order: {numbers:?}");
                facts.extend(numbers.iter().map(|&n| (element(n), String::new())));
            }
            Value::Array(elements) => {
                for pair in elements.chunks(2) {
                    facts.insert(format!("{name}:{}", pair[0].text()), pair[1].text());
                }
            }
            value => {
                facts.insert(name.to_owned(), value.text());
            }
        }
    }
    facts
}

/// After how many of the steps, which made these changes one after the other to what was there `before`, a writer's keys were as
/// they are `found`; the last such moment. When there is none, how the nearest one differs.
pub fn moment<'a>(
    before: &Facts,
    steps: impl Iterator<Item = &'a [Change]> + Clone,
    found: &Facts,
) -> Result<usize, String> {
    let mut facts = before.clone();
    let places: BTreeSet<_> = before.keys().chain(found.keys()).collect();
    let differs = |facts: &Facts, place: &String| facts.get(place) != found.get(place);
    let mut differing = places.iter().filter(|place| differs(&facts, place)).count();
    let (mut nearest, mut fewest) = (0, differing);
    for (index, changes) in steps.clone().enumerate() {
        for change in changes {
            differing -= usize::from(differs(&facts, &change.0));
            apply(&mut facts, change);
            differing += usize::from(differs(&facts, &change.0));
        }
        if differing <= fewest {
            (nearest, fewest) = (index + 1, differing);
        }
    }
    if fewest == 0 {
        return Ok(nearest);
    }
    let mut facts = before.clone();
    let changes = steps.take(nearest).flatten();
    changes.for_each(|change| apply(&mut facts, change));
    let short = |value: Option<&String>| match value {
        Some(value) => format!("{value:.40}"),
        None => "nothing".to_owned(),
    };
    let places: BTreeSet<_> = facts.keys().chain(found.keys()).collect();
    let few: Vec<_> = (places.into_iter())
        .filter(|place| differs(&facts, place))
        .take(8)
        .map(|place| {
            let (is, expected) = (short(found.get(place)), short(facts.get(place)));
            format!("{place} holds {is} instead of {expected}")
        })
        .collect();
    Err(format!(
        "its keys are as after no step: even after {nearest} of them {fewest} places differ: {}",
        few.join("; ")
    ))
}
