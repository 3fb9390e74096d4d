//! A small sorted set: one listpack of members in order, each followed by its score.
//!
//! Scores that are integers are kept as such, others as the shortest decimal that reads back as the same number. That is
//! how RDB files have them. All operations are linear.

use std::cmp::Ordering;
use std::ops::Range;

use super::element::compare_scores;
use super::span::Span;
use crate::protocol::number;
use crate::types::index;
use crate::types::listpack::{Iter, Listpack, ListpackRef, Place};
use crate::types::string::{Decimal, StringRef};

/// Elements that each member takes.
const STRIDE: usize = 2;

/// How many members there are.
pub(super) fn len(list: ListpackRef<'_>) -> usize {
    list.len() / STRIDE
}

/// Whether elements that were not made here are members in order, each followed by a score.
pub(super) fn is_in_order(list: ListpackRef<'_>) -> bool {
    let mut elements = list.iter();
    let mut before: Option<(StringRef<'_>, f64)> = None;
    while let Some(member) = elements.next() {
        let Some(score) = elements.next().and_then(read_score) else {
            return false;
        };
        let follows = before.is_none_or(|(last, last_score)| {
            let order = compare_scores(last_score, score).then_with(|| {
                let mut rooms = [Decimal::default(), Decimal::default()];
                let [last_room, room] = &mut rooms;
                last.bytes(last_room).cmp(member.bytes(room))
            });
            order.is_lt()
        });
        if !follows {
            return false;
        }
        before = Some((member, score));
    }
    true
}

/// The score that an element spells, if it does.
#[inline]
fn read_score(element: StringRef<'_>) -> Option<f64> {
    match element {
        StringRef::Int(n) => Some(n as f64),
        StringRef::Bytes(text) => number::parse_f64(text),
    }
}

/// The score that an element of a listpack spells.
#[inline]
fn score_of(element: StringRef<'_>) -> f64 {
    read_score(element).unwrap_or_default()
}

/// Passes a score on as the element that stands for it.
fn with_element<R>(score: f64, take: impl FnOnce(StringRef<'_>) -> R) -> R {
    /// Integers beyond this are written as decimals.
    const MAX_INTEGER: f64 = (1u64 << 62) as f64;
    if score.abs() <= MAX_INTEGER && score.trunc() == score {
        return take(StringRef::Int(score as i64));
    }
    let mut text = Vec::with_capacity(32);
    number::write_f64(&mut text, score);
    take(StringRef::Bytes(&text))
}

/// Where a member is, and its score.
#[inline]
pub(super) fn find(list: ListpackRef<'_>, member: &[u8]) -> Option<(Place, f64)> {
    let place = list.find(member, 0, STRIDE)?;
    let score = list.next(place).expect("a score follows each member");
    Some((place, score_of(list.get(score))))
}

/// A member's rank and score.
pub(super) fn rank(list: ListpackRef<'_>, member: &[u8]) -> Option<(usize, f64)> {
    pairs(list, 0..len(list), false)
        .enumerate()
        .find(|(_, (other, _))| other.equals(member))
        .map(|(rank, (_, score))| (rank, score))
}

/// Adds a member that is not there.
pub(super) fn insert(list: &mut Listpack, member: &[u8], score: f64) {
    let place = first_behind(list.as_ref(), member, score);
    let member = StringRef::Bytes(member);
    with_element(score, |score| match place {
        Some(place) => {
            list.insert(place, member);
            list.insert_after(place, score);
        }
        None => {
            list.push_back(member);
            list.push_back(score);
        }
    });
}

/// Adds a member that belongs behind all others.
pub(super) fn push(list: &mut Listpack, member: StringRef<'_>, score: f64) {
    list.push_back(member);
    with_element(score, |score| list.push_back(score));
}

/// The first member whose place is behind that of another.
fn first_behind(list: ListpackRef<'_>, member: &[u8], score: f64) -> Option<Place> {
    let mut place = list.first();
    while let Some(at) = place {
        let score_at = list.next(at)?;
        let order = compare_scores(score_of(list.get(score_at)), score)
            .then_with(|| list.get(at).bytes(&mut Decimal::default()).cmp(member));
        if order == Ordering::Greater {
            return place;
        }
        place = list.next(score_at);
    }
    None
}

/// Takes a member out.
pub(super) fn remove(list: &mut Listpack, place: Place) {
    list.remove(place, STRIDE);
}

/// Takes the members of these ranks out.
pub(super) fn remove_range(list: &mut Listpack, ranks: Range<usize>) {
    if let Some(place) = list.as_ref().nth(ranks.start * STRIDE) {
        list.remove(place, ranks.len() * STRIDE);
    }
}

/// The ranks of the members of a span.
pub(super) fn ranks(list: ListpackRef<'_>, span: Span<'_>) -> Range<usize> {
    match span {
        Span::Ranks(start, stop) => index::range(start, stop, len(list)),
        Span::Scores(min, max) => ranks_between(
            list,
            |_, score| min.begins_behind(score_of(score)),
            |_, score| max.ends_before(score_of(score)),
        ),
        Span::Members(min, max) => ranks_between(
            list,
            |member, _| min.begins_behind(member.bytes(&mut Decimal::default())),
            |member, _| max.ends_before(member.bytes(&mut Decimal::default())),
        ),
    }
}

/// The ranks behind those for which the first condition holds and before the first for which the second does.
fn ranks_between(
    list: ListpackRef<'_>,
    is_before: impl Fn(StringRef<'_>, StringRef<'_>) -> bool,
    is_behind: impl Fn(StringRef<'_>, StringRef<'_>) -> bool,
) -> Range<usize> {
    let mut elements = list.iter();
    let mut ranks = 0..0;
    while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
        if ranks.is_empty() && is_before(member, score) {
            ranks = ranks.end + 1..ranks.end + 1;
        } else if is_behind(member, score) {
            break;
        } else {
            ranks.end += 1;
        }
    }
    ranks
}

/// The members of these ranks, which must exist, in order or from the last to the first.
pub(super) fn pairs(list: ListpackRef<'_>, ranks: Range<usize>, reverse: bool) -> Pairs<'_> {
    let mut elements = list.iter();
    if reverse {
        let skipped = list.len() - ranks.end * STRIDE;
        elements.by_ref().rev().take(skipped).for_each(drop);
    } else {
        elements.by_ref().take(ranks.start * STRIDE).for_each(drop);
    }
    Pairs {
        elements,
        left: ranks.len(),
        reverse,
    }
}

/// Members with their scores, in order or from the last to the first.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    elements: Iter<'a>,
    left: usize,
    reverse: bool,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (StringRef<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (member, score) = if self.reverse {
            let score = self.elements.next_back()?;
            (self.elements.next_back()?, score)
        } else {
            (self.elements.next()?, self.elements.next()?)
        };
        Some((member, score_of(score)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
