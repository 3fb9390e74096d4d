//! Union, intersection and difference of sorted sets and sets, whose members all count 1.
//!
//! Results name the members where they lie: nothing is copied before it is known what is left.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;

use super::ZsetRef;
use super::element::compare_scores;
use crate::types::set::SetRef;
use crate::types::string::{Decimal, StringRef};

/// One of the sets that are combined.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its members.
    pub source: Source<'a>,
    /// What its scores are multiplied with.
    pub weight: f64,
}

/// Members with scores.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// None.
    Empty,
    /// A set's; each has the score 1.
    Set(SetRef<'a>),
    /// A sorted set's.
    Zset(ZsetRef<'a>),
}

/// What becomes of the scores of a member that is in several sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// They are added.
    #[default]
    Sum,
    /// The least is taken.
    Min,
    /// The greatest is taken.
    Max,
}

/// Members with scores, in no order.
pub type Found<'a> = Vec<(StringRef<'a>, f64)>;

impl<'a> Source<'a> {
    fn len(self) -> usize {
        match self {
            Source::Empty => 0,
            Source::Set(set) => set.len(),
            Source::Zset(zset) => zset.len(),
        }
    }

    fn score(self, member: StringRef<'_>) -> Option<f64> {
        match self {
            Source::Empty => None,
            Source::Set(set) => set.contains(member).then_some(1.0),
            Source::Zset(zset) => zset.score(member.bytes(&mut Decimal::default())),
        }
    }

    /// Visits all members until the visitor breaks off.
    fn visit(
        self,
        mut visit: impl FnMut(StringRef<'a>, f64) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Source::Empty => ControlFlow::Continue(()),
            Source::Set(set) => set.iter().try_for_each(|member| visit(member, 1.0)),
            Source::Zset(zset) => zset
                .iter()
                .try_for_each(|(member, score)| visit(member, score)),
        }
    }

    fn for_each(self, mut visit: impl FnMut(StringRef<'a>, f64)) {
        let _ = self.visit(|member, score| {
            visit(member, score);
            ControlFlow::Continue(())
        });
    }
}

impl Aggregate {
    fn apply(self, target: &mut f64, value: f64) {
        match self {
            // Of the two infinities.
            Aggregate::Sum => *target = or_zero(*target + value),
            Aggregate::Min if value < *target => *target = value,
            Aggregate::Max if value > *target => *target = value,
            Aggregate::Min | Aggregate::Max => {}
        }
    }
}

/// Zero for what is not a number.
fn or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A member as the key of a map: the same whether it is held as an integer or as bytes.
struct Name<'a>(StringRef<'a>);

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.bytes(&mut Decimal::default()));
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (StringRef::Int(a), StringRef::Int(b)) => a == b,
            (StringRef::Bytes(bytes), other) | (other, StringRef::Bytes(bytes)) => {
                other.equals(bytes)
            }
        }
    }
}

impl Eq for Name<'_> {}

fn sort_by_size(inputs: &mut [Input<'_>]) {
    inputs.sort_by_key(|input| input.source.len());
}

/// What any of the inputs holds. Sorts them by size. Linear in their members.
pub fn union<'a>(inputs: &mut [Input<'a>], aggregate: Aggregate) -> Found<'a> {
    sort_by_size(inputs);
    let largest = inputs.last().map_or(0, |input| input.source.len());
    let mut scores = HashMap::with_capacity(largest);
    for input in inputs {
        input.source.for_each(|member, score| {
            let score = or_zero(score * input.weight);
            scores
                .entry(Name(member))
                .and_modify(|target| aggregate.apply(target, score))
                .or_insert(score);
        });
    }
    scores
        .into_iter()
        .map(|(name, score)| (name.0, score))
        .collect()
}

/// Visits what all of the inputs hold, until the visitor breaks off. Sorts them by size. Asks all others for each member
/// of the smallest.
pub fn intersection<'a>(
    inputs: &mut [Input<'a>],
    aggregate: Aggregate,
    mut visit: impl FnMut(StringRef<'a>, f64) -> ControlFlow<()>,
) {
    sort_by_size(inputs);
    let Some((smallest, others)) = inputs.split_first() else {
        return;
    };
    let _ = smallest.source.visit(|member, score| {
        let mut score = or_zero(score * smallest.weight);
        for other in others {
            let Some(value) = other.source.score(member) else {
                return ControlFlow::Continue(());
            };
            aggregate.apply(&mut score, value * other.weight);
        }
        visit(member, score)
    });
}

/// What the first source holds and no other does.
///
/// Either the others are asked for each member of the first, or their members are taken out one by one, whatever is less
/// work.
pub fn difference<'a>(sources: &[Source<'a>]) -> Found<'a> {
    let Some((first, others)) = sources.split_first() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let asking = first.len().saturating_mul(sources.len()) / 2;
    let taking_out = sources.iter().map(|source| source.len()).sum();
    if asking <= taking_out {
        first.for_each(|member, score| {
            if others.iter().all(|other| other.score(member).is_none()) {
                found.push((member, score));
            }
        });
        return found;
    }
    let mut left = HashMap::with_capacity(first.len());
    first.for_each(|member, score| {
        left.insert(Name(member), score);
    });
    for other in others {
        other.for_each(|member, _| {
            left.remove(&Name(member));
        });
    }
    found.extend(left.into_iter().map(|(name, score)| (name.0, score)));
    found
}

/// Puts members in the order of a sorted set. O(n log n), linear if they are in order already.
pub fn sort(found: &mut Found<'_>) {
    found.sort_unstable_by(|a, b| {
        compare_scores(a.1, b.1).then_with(|| {
            let (mut room, mut other_room) = (Decimal::default(), Decimal::default());
            a.0.bytes(&mut room).cmp(b.0.bytes(&mut other_room))
        })
    });
}

#[cfg(test)]
mod tests;
