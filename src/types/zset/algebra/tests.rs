//! The algebra against maps, over all forms of sets and sorted sets.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::types::set::{self, Set};
use crate::types::zset::Zset;
use crate::types::{Collection, Limits};

type Scores = BTreeMap<Vec<u8>, f64>;

/// One that is combined: its scores, or none for a set, and whether it is packed.
#[derive(Clone, Debug)]
struct Operand {
    scores: BTreeMap<u8, Option<f64>>,
    packed: bool,
    weight: f64,
}

enum Built {
    Set(Set),
    Zset(Zset),
}

/// Names that are integers, and some that are not.
fn name(n: u8) -> Vec<u8> {
    match n {
        0..24 => n.to_string().into_bytes(),
        _ => format!("member:{n}").into_bytes(),
    }
}

fn operand() -> impl Strategy<Value = Operand> {
    let score = prop::sample::select(vec![0.0, 1.0, -2.5, 3.0, f64::INFINITY, f64::NEG_INFINITY]);
    let zset = prop::collection::btree_map(0u8..32, score.prop_map(Some), 0..24);
    let set = prop::collection::btree_map(0u8..32, Just(None), 0..24);
    let weight = prop::sample::select(vec![1.0, 0.0, -1.0, 0.5, f64::INFINITY]);
    (prop_oneof![3 => zset, 1 => set], any::<bool>(), weight).prop_map(
        |(scores, packed, weight)| Operand {
            scores,
            packed,
            weight,
        },
    )
}

impl Operand {
    fn build(&self) -> Built {
        let limits = Limits {
            entries: if self.packed { 128 } else { 0 },
            value: 64,
        };
        if self.scores.values().any(Option::is_none) {
            let limits = set::Limits {
                integers: limits.entries,
                packed: limits,
            };
            let mut set = Set::default();
            for &n in self.scores.keys() {
                set.add(StringRef::Bytes(&name(n)), &limits);
            }
            return Built::Set(set);
        }
        let mut zset = Zset::default();
        for (&n, &score) in &self.scores {
            zset.set(&name(n), limits, |_| score);
        }
        Built::Zset(zset)
    }

    fn model(&self) -> Scores {
        self.scores
            .iter()
            .map(|(&n, score)| (name(n), score.unwrap_or(1.0)))
            .collect()
    }
}

impl Built {
    fn source(&self) -> Source<'_> {
        match self {
            Built::Set(set) if set.is_empty() => Source::Empty,
            Built::Set(set) => Source::Set(set.view()),
            Built::Zset(zset) => Source::Zset(zset.view()),
        }
    }
}

fn aggregated(aggregate: Aggregate, a: f64, b: f64) -> f64 {
    match aggregate {
        Aggregate::Sum if (a + b).is_nan() => 0.0,
        Aggregate::Sum => a + b,
        Aggregate::Min => a.min(b),
        Aggregate::Max => a.max(b),
    }
}

fn scores(found: Found<'_>) -> Scores {
    let len = found.len();
    let scores: Scores = found
        .into_iter()
        .map(|(member, score)| (member.to_vec(), score))
        .collect();
    assert_eq!(scores.len(), len, "a member was found twice");
    scores
}

proptest! {
    #[test]
    fn does_as_maps_do(
        operands in prop::collection::vec(operand(), 1..5),
        aggregate in prop::sample::select(vec![Aggregate::Sum, Aggregate::Min, Aggregate::Max]),
    ) {
        let built: Vec<Built> = operands.iter().map(Operand::build).collect();
        let sources: Vec<Source<'_>> = built.iter().map(Built::source).collect();
        let mut inputs: Vec<Input<'_>> = sources
            .iter()
            .zip(&operands)
            .map(|(&source, operand)| Input { source, weight: operand.weight })
            .collect();
        let models: Vec<Scores> = operands.iter().map(Operand::model).collect();

        // Sums of infinities depend on the order, which is that of the sizes.
        let mut by_size: Vec<(&Scores, f64)> =
            models.iter().zip(operands.iter().map(|operand| operand.weight)).collect();
        by_size.sort_by_key(|(model, _)| model.len());
        let mut united = Scores::new();
        for &(model, weight) in &by_size {
            for (member, score) in model {
                let score = if (score * weight).is_nan() { 0.0 } else { score * weight };
                united
                    .entry(member.clone())
                    .and_modify(|old| *old = aggregated(aggregate, *old, score))
                    .or_insert(score);
            }
        }
        prop_assert_eq!(&scores(union(&mut inputs, aggregate)), &united);

        let in_all = |member: &Vec<u8>| models.iter().all(|model| model.contains_key(member));
        let mut shared = Vec::new();
        intersection(&mut inputs, aggregate, |member, score| {
            shared.push((member, score));
            ControlFlow::Continue(())
        });
        let shared = scores(shared);
        prop_assert!(shared.keys().eq(united.keys().filter(|member| in_all(member))));
        // A product that is no number counts as 0 in the first set only, as in Redis.
        if operands.iter().all(|operand| operand.weight.is_finite()) {
            for (member, score) in &shared {
                let products = by_size.iter().map(|(model, weight)| model[member] * weight);
                if products.clone().all(|product| !product.is_nan()) {
                    prop_assert_eq!(*score, united[member]);
                }
            }
        }
        let mut visited = 0;
        intersection(&mut inputs, aggregate, |_, _| {
            visited += 1;
            ControlFlow::Break(())
        });
        prop_assert_eq!(visited, shared.len().min(1));

        let mut left = models[0].clone();
        left.retain(|member, _| !models[1..].iter().any(|model| model.contains_key(member)));
        prop_assert_eq!(scores(difference(&sources)), left);
    }
}

#[test]
fn both_ways_to_a_difference_are_one() {
    let zset = |members: std::ops::Range<u32>| {
        let mut zset = Zset::default();
        let limits = Limits {
            entries: 128,
            value: 64,
        };
        for n in members {
            zset.set(n.to_string().as_bytes(), limits, |_| Some(f64::from(n)));
        }
        zset
    };
    let (large, small, other) = (zset(0..1000), zset(990..1005), zset(0..5));
    let [large, small, other] = [&large, &small, &other].map(|zset| Source::Zset(zset.view()));
    // The small ones' members are taken out; then the large one is asked.
    let few = [large, small, other, small, other];
    let expected: Vec<u32> = (5..990).collect();
    let mut found = difference(&few);
    sort(&mut found);
    let numbers: Vec<u32> = found.iter().map(|(_, score)| *score as u32).collect();
    assert_eq!(numbers, expected);
    let mut found = difference(&[small, large]);
    sort(&mut found);
    let numbers: Vec<u32> = found.iter().map(|(_, score)| *score as u32).collect();
    assert_eq!(numbers, [1000, 1001, 1002, 1003, 1004]);
}
