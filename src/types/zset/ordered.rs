//! A large sorted set: the table of members, and a tree that keeps them in order.
//!
//! A member's block holds its score beside its bytes, so that ZSCORE needs the table alone; the tree names the block and repeats
//! the score, so that a search by score needs the tree alone.

use std::ops::Range;

use fastrand::Rng;

use super::element::Element;
use super::span::Span;
use super::tree::{self, Tree};
use crate::allocator::pages::SparsePages;
use crate::types::index;
use crate::types::member::MemberRef;
use crate::types::members::{Members, Slot, Walk};
use crate::types::relocate::Relocated;
use crate::types::sample::Sampling;
use crate::types::string::{Decimal, StringRef};

/// Members by name and in order.
///
/// Each member of the table has one element in the tree and the reverse; an element goes before its member.
#[derive(Debug, Default)]
pub struct Ordered {
    order: Tree,
    members: Members,
}

/// The element of a member that is in the table.
#[inline]
fn element_of(member: MemberRef<'_>) -> Element {
    // SAFETY: this file keeps elements of members in its table only, removes or renames the element before the member's block
    // is freed, and hands none out but under a borrow of the whole.
    unsafe { Element::new(member.score(), member) }
}

impl Ordered {
    /// Takes members that are in order already. Linear.
    pub fn from_sorted<'a>(pairs: impl Iterator<Item = (StringRef<'a>, f64)>) -> Ordered {
        let mut members = Members::default();
        let elements = pairs
            .filter_map(|(member, score)| {
                let mut room = Decimal::default();
                let member = member.bytes(&mut room);
                let Slot::Vacant(hash) = members.slot(member) else {
                    return None;
                };
                let place = members.insert(hash, member, &score.to_ne_bytes());
                Some(element_of(members.at(place)))
            })
            .collect();
        Ordered {
            order: Tree::from_sorted(elements),
            members,
        }
    }

    /// The members by name.
    pub(super) fn members(&self) -> &Members {
        &self.members
    }

    /// The members, for a snapshot to walk over: it leaves them where they are.
    pub(super) fn walk(&mut self) -> Walk<'_> {
        Walk(&mut self.members)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// A member's score. O(1).
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.members.get(member).map(MemberRef::score)
    }

    /// A member's rank and score. O(log n).
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        let is_before = |other: &Element| other.compare(score, member).is_lt();
        Some((self.order.partition_point(is_before), score))
    }

    /// Adds a member or changes its score, as `decide` has it when told the score so far. O(log n).
    pub fn set(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) {
        match self.members.slot(member) {
            Slot::At(place) => {
                let old = self.members.at(place).score();
                if let Some(new) = decide(Some(old)).filter(|&new| new != old) {
                    self.order.remove(old, member);
                    let value = self.members.at_mut(place).into_value();
                    value.copy_from_slice(&new.to_ne_bytes());
                    self.order.insert(element_of(self.members.at(place)));
                }
            }
            Slot::Vacant(hash) => {
                if let Some(new) = decide(None) {
                    let place = self.members.insert(hash, member, &new.to_ne_bytes());
                    self.order.insert(element_of(self.members.at(place)));
                }
            }
        }
    }

    /// Moves members that lie on sparse pages, as [`Members::relocate`]. O(log n) for each.
    pub(in crate::types) fn relocate(
        &mut self,
        position: u64,
        pages: &mut SparsePages,
    ) -> Relocated {
        let Ordered { order, members } = self;
        members.relocate(position, pages, |moved| {
            // Its element is named anew before the old block is freed.
            let is_known = order.rename(element_of(moved));
            assert!(is_known, "each member has an element");
        })
    }

    /// Takes a member out; answers whether it was there. O(log n).
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let Some(place) = self.members.find(member) else {
            return false;
        };
        self.order.remove(self.members.at(place).score(), member);
        self.members.remove_at(place);
        true
    }

    /// Takes the members of these ranks out. O(log n) and linear in their number.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        for element in self.order.remove_range(ranks) {
            let place = self.members.find(element.member());
            self.members
                .remove_at(place.expect("each element names a member of the table"));
        }
    }

    /// The ranks of the members of a span. O(log n).
    pub fn ranks(&self, span: Span<'_>) -> Range<usize> {
        let order = &self.order;
        let (start, end) = match span {
            Span::Ranks(start, stop) => return index::range(start, stop, self.len()),
            Span::Scores(min, max) => (
                order.partition_point(|element| min.begins_behind(element.score())),
                order.partition_point(|element| !max.ends_before(element.score())),
            ),
            Span::Members(min, max) => (
                order.partition_point(|element| min.begins_behind(element.member())),
                order.partition_point(|element| !max.ends_before(element.member())),
            ),
        };
        start..end.max(start)
    }

    /// The members of these ranks, which must exist, in order or from the last to the first.
    pub fn range(&self, ranks: Range<usize>, reverse: bool) -> Pairs<'_> {
        Pairs(self.order.range(ranks, reverse))
    }

    /// Visits random members.
    pub fn sample(
        &self,
        sampling: Sampling,
        rng: &mut Rng,
        mut visit: impl FnMut(StringRef<'_>, f64),
    ) {
        self.members.sample(sampling, rng, |member| {
            visit(StringRef::Bytes(member.key()), member.score());
        });
    }

    /// One step of a walk, as [`Members::scan`].
    pub fn scan(&self, position: u64, mut visit: impl FnMut(StringRef<'_>, f64)) -> Option<u64> {
        self.members.scan(position, |member| {
            visit(StringRef::Bytes(member.key()), member.score());
        })
    }

    /// The members, their scores as values; the order is freed.
    pub fn into_members(self) -> Members {
        self.members
    }

    /// Bytes of heap, estimated from the sizes of `samples` members, or of all if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        self.order.bytes() + self.members.memory(samples)
    }
}

impl Clone for Ordered {
    fn clone(&self) -> Ordered {
        Ordered::from_sorted(self.range(0..self.len(), false))
    }
}

/// Members with their scores, in order or from the last to the first.
#[derive(Clone, Debug)]
pub struct Pairs<'a>(tree::Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (StringRef<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let element = self.0.next()?;
        Some((StringRef::Bytes(element.member()), element.score()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Pairs<'_> {}
