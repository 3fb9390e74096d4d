//! Sorted sets: members ordered by score, then by their bytes.
//!
//! - `packed` is the small form, `ordered` the large one; both do the same things, and this file chooses.
//! - `tree` keeps the large form in order; `element` is what it is made of.
//! - [`algebra`] combines several.
//! - [`Span`] says which members a command means. Every span becomes a range of ranks first, so that counting, reading,
//!   limiting and removing are the same for all kinds.

pub mod algebra;
mod element;
mod ordered;
mod packed;
mod span;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::Range;

use fastrand::Rng;
use ordered::Ordered;
pub use span::{Bound, Span};

use super::listpack::{Listpack, ListpackRef};
use super::members::{self, Members};
use super::sample::{self, Sampling};
use super::string::StringRef;
use super::{Collection, Limits, Packing, is_object};
use crate::allocator;

/// A sorted set.
#[derive(Clone, Debug)]
pub enum Zset {
    /// Members in order, each followed by its score.
    Packed(Listpack),
    /// A table and a tree.
    Ordered(Box<Ordered>),
}

/// A sorted set. To read.
#[derive(Clone, Copy, Debug)]
pub enum ZsetRef<'a> {
    /// As [`Zset::Packed`].
    Packed(ListpackRef<'a>),
    /// As [`Zset::Ordered`].
    Ordered(&'a Ordered),
}

/// What became of a member that was to be added or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It is new.
    Added,
    /// Its score is another.
    Updated,
}

impl Default for Zset {
    fn default() -> Zset {
        Zset::Packed(Listpack::new())
    }
}

impl Collection for Zset {
    type Ref<'a> = ZsetRef<'a>;

    is_object!(Zset);

    fn view(&self) -> ZsetRef<'_> {
        match self {
            Zset::Packed(list) => ZsetRef::Packed(list.as_ref()),
            Zset::Ordered(ordered) => ZsetRef::Ordered(ordered),
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<ZsetRef<'_>> {
        (packing == Packing::Zset).then(|| ZsetRef::Packed(ListpackRef::new(bytes)))
    }

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<Zset> {
        (packing == Packing::Zset).then(|| Zset::Packed(Listpack::from_bytes(bytes)))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Zset::Packed(list) => Some((Packing::Zset, list.as_ref().bytes())),
            Zset::Ordered(_) => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.view().is_empty()
    }
}

impl Zset {
    /// The table, for a snapshot to walk over.
    pub(super) fn walk(&mut self) -> Option<members::Walk<'_>> {
        match self {
            Zset::Packed(_) => None,
            Zset::Ordered(ordered) => Some(ordered.walk()),
        }
    }

    /// The table, if it is one.
    pub(super) fn members(&self) -> Option<&Members> {
        match self {
            Zset::Ordered(ordered) => Some(ordered.members()),
            Zset::Packed(_) => None,
        }
    }

    /// How many blocks of memory have to be freed with it.
    pub fn blocks(&self) -> usize {
        match self {
            Zset::Packed(_) => 1,
            Zset::Ordered(ordered) => ordered.len(),
        }
    }

    /// Bytes of heap, estimated from `samples` elements, or from all if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            Zset::Packed(list) => list.capacity(),
            Zset::Ordered(ordered) => {
                allocator::good_size(size_of::<Ordered>()) + ordered.memory(samples)
            }
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Zset::Packed(_) => Packing::Zset.encoding_name(),
            Zset::Ordered(_) => "skiplist",
        }
    }

    /// Takes members that are in order already, in the smallest form that the limits allow. Linear.
    pub fn from_sorted<'a>(
        pairs: impl ExactSizeIterator<Item = (StringRef<'a>, f64)> + Clone,
        limits: Limits,
    ) -> Zset {
        let mut list = Listpack::new();
        let fits = pairs.len() <= limits.entries
            && pairs.clone().all(|(member, score)| {
                let fits = fits(&list, member.len(), limits);
                if fits {
                    packed::push(&mut list, member, score);
                }
                fits
            });
        if fits {
            Zset::Packed(list)
        } else {
            Zset::Ordered(Box::new(Ordered::from_sorted(pairs)))
        }
    }

    /// Prepares for so many members to come: does not begin to pack what will not stay packed.
    pub fn expect(&mut self, members: usize, limits: Limits) {
        if members > limits.entries {
            self.order();
        }
    }

    /// Adds a member or changes its score, as `decide` has it when told the score so far. What it gives must not be NaN.
    /// O(log n), linear while packed.
    pub fn set(
        &mut self,
        member: &[u8],
        limits: Limits,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Change {
        let mut change = Change::None;
        let decide = |old: Option<f64>| {
            let new = decide(old).filter(|&new| old != Some(new))?;
            change = match old {
                Some(_) => Change::Updated,
                None => Change::Added,
            };
            Some(new)
        };
        match self {
            Zset::Ordered(ordered) => ordered.set(member, decide),
            Zset::Packed(list) => match packed::find(list.as_ref(), member) {
                Some((place, old)) => {
                    if let Some(new) = decide(Some(old)) {
                        packed::remove(list, place);
                        packed::insert(list, member, new);
                    }
                }
                None => {
                    if let Some(new) = decide(None) {
                        let len = packed::len(list.as_ref());
                        if len < limits.entries && fits(list, member.len(), limits) {
                            packed::insert(list, member, new);
                        } else {
                            self.order().set(member, |_| Some(new));
                        }
                    }
                }
            },
        }
        change
    }

    /// Takes a member out; answers whether it was there. O(log n), linear while packed.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Zset::Packed(list) => match packed::find(list.as_ref(), member) {
                Some((place, _)) => {
                    packed::remove(list, place);
                    true
                }
                None => false,
            },
            Zset::Ordered(ordered) => ordered.remove(member),
        }
    }

    /// Takes the members of these ranks out, which must exist. O(log n) and linear in their number; linear while packed.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        match self {
            Zset::Packed(list) => packed::remove_range(list, ranks),
            Zset::Ordered(ordered) => ordered.remove_range(ranks),
        }
    }

    /// Takes the large form.
    fn order(&mut self) -> &mut Ordered {
        if let Zset::Packed(_) = self {
            let pairs = self.view().iter();
            *self = Zset::Ordered(Box::new(Ordered::from_sorted(pairs)));
        }
        match self {
            Zset::Ordered(ordered) => ordered,
            Zset::Packed(_) => unreachable!("it was just ordered"),
        }
    }
}

/// Whether a listpack holds members in order, each followed by its score, as the small form must. Linear.
pub fn is_in_order(list: ListpackRef<'_>) -> bool {
    packed::is_in_order(list)
}

/// Whether a member of so many bytes may be packed with these.
fn fits(list: &Listpack, len: usize, limits: Limits) -> bool {
    len <= limits.value && list.has_room_for(len)
}

impl<'a> ZsetRef<'a> {
    /// How many members there are.
    pub fn len(self) -> usize {
        match self {
            ZsetRef::Packed(list) => packed::len(list),
            ZsetRef::Ordered(ordered) => ordered.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        match self {
            ZsetRef::Packed(list) => list.is_empty(),
            ZsetRef::Ordered(ordered) => ordered.len() == 0,
        }
    }

    /// A member's score. O(1), linear while packed.
    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            ZsetRef::Packed(list) => packed::find(list, member).map(|(_, score)| score),
            ZsetRef::Ordered(ordered) => ordered.score(member),
        }
    }

    /// A member's rank and score. O(log n), linear while packed.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            ZsetRef::Packed(list) => packed::rank(list, member),
            ZsetRef::Ordered(ordered) => ordered.rank(member),
        }
    }

    /// The ranks of the members of a span. O(log n), linear while packed.
    pub fn ranks(self, span: Span<'_>) -> Range<usize> {
        match self {
            ZsetRef::Packed(list) => packed::ranks(list, span),
            ZsetRef::Ordered(ordered) => ordered.ranks(span),
        }
    }

    /// The members of these ranks, which must exist, in order or from the last to the first. O(log n) to begin.
    pub fn range(self, ranks: Range<usize>, reverse: bool) -> Pairs<'a> {
        match self {
            ZsetRef::Packed(list) => Pairs::Packed(packed::pairs(list, ranks, reverse)),
            ZsetRef::Ordered(ordered) => Pairs::Ordered(ordered.range(ranks, reverse)),
        }
    }

    /// Visits random members.
    pub fn sample(
        self,
        sampling: Sampling,
        rng: &mut Rng,
        mut visit: impl FnMut(StringRef<'_>, f64),
    ) {
        match self {
            ZsetRef::Packed(_) => {
                sample::visit(self.iter(), self.len(), sampling, rng, |(member, score)| {
                    visit(member, score);
                });
            }
            ZsetRef::Ordered(ordered) => ordered.sample(sampling, rng, visit),
        }
    }

    /// One step of a walk in hash order: visits some members from a position on and returns the position that follows. A packed
    /// set is visited whole, whatever the position.
    pub fn scan(self, position: u64, mut visit: impl FnMut(StringRef<'_>, f64)) -> Option<u64> {
        match self {
            ZsetRef::Packed(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                None
            }
            ZsetRef::Ordered(ordered) => ordered.scan(position, visit),
        }
    }

    /// Members with their scores, in order.
    pub fn iter(self) -> Pairs<'a> {
        self.range(0..self.len(), false)
    }
}

/// Members with their scores, in order or from the last to the first.
#[derive(Clone, Debug)]
pub enum Pairs<'a> {
    /// Of the small form.
    Packed(packed::Pairs<'a>),
    /// Of the large form.
    Ordered(ordered::Pairs<'a>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (StringRef<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Pairs::Packed(pairs) => pairs.next(),
            Pairs::Ordered(pairs) => pairs.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Pairs::Packed(pairs) => pairs.size_hint(),
            Pairs::Ordered(pairs) => pairs.size_hint(),
        }
    }
}

impl ExactSizeIterator for Pairs<'_> {}
