//! Intersection, union and difference: what several sets make together is visited member by member, each once, and no
//! set is copied to find it.

use std::cmp::Reverse;
use std::ops::ControlFlow;

use super::{Limits, Set, SetRef};
use crate::types::members::Members;
use crate::types::string::{Decimal, StringRef};

/// Visits what all sets hold, until there is no more or the visitor breaks off. Sorts the sets by size.
pub fn intersection(
    sets: &mut [SetRef<'_>],
    mut visit: impl FnMut(StringRef<'_>) -> ControlFlow<()>,
) {
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else {
        return;
    };
    for member in smallest.iter() {
        if others.iter().all(|set| set.contains(member)) && visit(member).is_break() {
            return;
        }
    }
}

/// Visits what any set holds. Sorts the sets by size.
pub fn union(sets: &mut [SetRef<'_>], mut visit: impl FnMut(StringRef<'_>)) {
    sets.sort_by_key(|set| set.len());
    let Some((largest, others)) = sets.split_last() else {
        return;
    };
    largest.iter().for_each(&mut visit);
    // Of the others it must be remembered what the largest does not hold, but for the last of them.
    let mut seen = Members::default();
    for (index, set) in others.iter().enumerate() {
        let is_last = index + 1 == others.len();
        set.iter().for_each(|member| {
            let mut room = Decimal::default();
            let is_new = !largest.contains(member) && {
                let bytes = member.bytes(&mut room);
                if is_last {
                    !seen.contains(bytes)
                } else {
                    seen.set(bytes, &[])
                }
            };
            if is_new {
                visit(member);
            }
        });
    }
}

/// Visits what the first set holds and none of the others does. Sorts the others by size.
///
/// There are two ways: ask the others for each member of the first, or ask the first for each member of the others and note
/// what must go. The one with less work is taken.
pub fn difference(
    first: SetRef<'_>,
    others: &mut [SetRef<'_>],
    mut visit: impl FnMut(StringRef<'_>),
) {
    // What the largest holds goes soonest.
    others.sort_by_key(|set| Reverse(set.len()));
    let asking_others = first.len().saturating_mul(others.len());
    let asking_first = others.iter().map(|set| set.len()).sum::<usize>() + first.len();
    // A member that is found needs no further question, and nothing has to be noted.
    if asking_others / 2 <= asking_first {
        let kept = |member: &StringRef<'_>| !others.iter().any(|set| set.contains(*member));
        return first.iter().filter(kept).for_each(visit);
    }
    let mut gone = Members::default();
    for member in others.iter().flat_map(|set| set.iter()) {
        if first.contains(member) {
            gone.set(member.bytes(&mut Decimal::default()), &[]);
        }
    }
    first.iter().for_each(|member| {
        if !gone.contains(member.bytes(&mut Decimal::default())) {
            visit(member);
        }
    });
}

impl Set {
    /// What all sets hold: as a sorted array if those are integers, and few enough.
    pub fn of_intersection(sets: &mut [SetRef<'_>], limits: &Limits) -> Set {
        let ints = sets.iter().min_by_key(|set| set.len());
        let mut result = match ints {
            Some(SetRef::Ints(_)) => Set::default(),
            _ => Set::packed(),
        };
        intersection(sets, |member| {
            result.add(member, limits);
            ControlFlow::Continue(())
        });
        result.sort_integers(limits);
        result
    }
}
