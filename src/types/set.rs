//! Sets: members without order.
//!
//! Integers alone are a sorted array; a few short members of any kind are one packed buffer; all else is a table of members
//! without values. A set moves on to the next form when it grows over the limits of its own, and never back by shrinking.

pub mod algebra;

use fastrand::Rng;

use super::intset::{Intset, IntsetRef};
use super::listpack::{Listpack, ListpackRef};
use super::members::{self, Members};
use super::sample::{self, Sampling};
use super::string::{Decimal, StringRef};
use super::{Collection, Packing, is_object};
use crate::protocol::number;

/// A set.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers only.
    Ints(Intset),
    /// Members.
    Packed(Listpack),
    /// Members, their values empty.
    Table(Members),
}

/// A set. To read.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    /// As [`Set::Ints`].
    Ints(IntsetRef<'a>),
    /// As [`Set::Packed`].
    Packed(ListpackRef<'a>),
    /// As [`Set::Table`].
    Table(&'a Members),
}

/// Up to which sizes a set keeps its compact forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members of a sorted array.
    pub integers: usize,
    /// Members of a packed buffer, and bytes of each.
    pub packed: super::Limits,
}

impl Limits {
    /// Whether a packed buffer of so many members may be, each of so many bytes at most.
    fn allow_packed(&self, members: usize, longest: usize) -> bool {
        members <= self.packed.entries && longest <= self.packed.value
    }
}

impl Default for Set {
    fn default() -> Set {
        Set::Ints(Intset::new())
    }
}

impl Default for SetRef<'_> {
    fn default() -> Self {
        SetRef::Ints(IntsetRef::default())
    }
}

impl Collection for Set {
    type Ref<'a> = SetRef<'a>;

    is_object!(Set);

    fn view(&self) -> SetRef<'_> {
        match self {
            Set::Ints(ints) => SetRef::Ints(ints.as_ref()),
            Set::Packed(list) => SetRef::Packed(list.as_ref()),
            Set::Table(members) => SetRef::Table(members),
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<SetRef<'_>> {
        match packing {
            Packing::IntSet => Some(SetRef::Ints(IntsetRef::new(bytes))),
            Packing::Set => Some(SetRef::Packed(ListpackRef::new(bytes))),
            _ => None,
        }
    }

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<Set> {
        match packing {
            Packing::IntSet => Some(Set::Ints(Intset::from_bytes(bytes))),
            Packing::Set => Some(Set::Packed(Listpack::from_bytes(bytes))),
            _ => None,
        }
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Set::Ints(ints) => Some((Packing::IntSet, ints.as_ref().bytes())),
            Set::Packed(list) => Some((Packing::Set, list.as_ref().bytes())),
            Set::Table(_) => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.view().is_empty()
    }
}

impl Set {
    /// The table, for a snapshot to walk over.
    pub(super) fn walk(&mut self) -> Option<members::Walk<'_>> {
        match self {
            Set::Table(members) => Some(members::Walk(members)),
            Set::Ints(_) | Set::Packed(_) => None,
        }
    }

    /// The table, if it is one.
    pub(super) fn members(&self) -> Option<&Members> {
        match self {
            Set::Table(members) => Some(members),
            Set::Ints(_) | Set::Packed(_) => None,
        }
    }

    /// How many blocks of memory have to be freed with it.
    pub fn blocks(&self) -> usize {
        match self {
            Set::Ints(_) | Set::Packed(_) => 1,
            Set::Table(members) => 1 + members.len(),
        }
    }

    /// Bytes of heap, estimated from `samples` elements, or from all if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            Set::Ints(ints) => ints.capacity(),
            Set::Packed(list) => list.capacity(),
            Set::Table(members) => members.memory(samples),
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Set::Ints(_) => Packing::IntSet.encoding_name(),
            Set::Packed(_) => Packing::Set.encoding_name(),
            Set::Table(_) => "hashtable",
        }
    }

    /// An empty set that is not expected to hold integers only.
    pub fn packed() -> Set {
        Set::Packed(Listpack::new())
    }

    /// Makes ready for about so many new members, of which `first` is one: an empty set takes the form that suits them, and
    /// one whose form could not even hold the new ones takes the next at once.
    pub fn expect(&mut self, members: usize, first: StringRef<'_>, limits: &Limits) {
        if self.is_empty() {
            *self = if members <= limits.integers && first.integer().is_some() {
                Set::Ints(Intset::new())
            } else if members <= limits.packed.entries {
                Set::packed()
            } else {
                Set::Table(Members::default())
            };
            return;
        }
        let most = match self {
            Set::Ints(_) => limits.integers,
            Set::Packed(_) => limits.packed.entries,
            Set::Table(_) => usize::MAX,
        };
        if members > most {
            self.spread();
        }
    }

    /// Adds a member; answers whether it is new.
    #[inline]
    pub fn add(&mut self, member: StringRef<'_>, limits: &Limits) -> bool {
        match self {
            Set::Table(members) => members.set(member.bytes(&mut Decimal::default()), &[]),
            Set::Ints(ints) => {
                let Some(n) = member.integer() else {
                    self.add_word(member, limits);
                    return true;
                };
                let added = ints.insert(n);
                if added && ints.as_ref().len() > limits.integers {
                    self.spread();
                }
                added
            }
            Set::Packed(list) => {
                let mut room = Decimal::default();
                let added = list.as_ref().find(member.bytes(&mut room), 0, 1).is_none();
                if added {
                    self.push(member, limits);
                }
                added
            }
        }
    }

    /// Adds the first member that is no integer to a sorted array.
    fn add_word(&mut self, member: StringRef<'_>, limits: &Limits) {
        let integers = self.view();
        let longest = integers.longest_integer().max(member.len());
        if limits.allow_packed(integers.len() + 1, longest) {
            *self = Set::Packed(integers.iter().collect());
        }
        self.push(member, limits);
    }

    /// Adds a member that is not there to a packed buffer, or to the table that the set becomes.
    fn push(&mut self, member: StringRef<'_>, limits: &Limits) {
        if let Set::Packed(list) = self
            && limits.allow_packed(list.as_ref().len() + 1, member.len())
            && list.has_room_for(member.len())
        {
            list.push_back(member);
        } else {
            self.spread();
            self.add(member, limits);
        }
    }

    /// Moves on to a table.
    fn spread(&mut self) {
        let mut members = Members::default();
        self.view().iter().for_each(|member| {
            members.set(member.bytes(&mut Decimal::default()), &[]);
        });
        *self = Set::Table(members);
    }

    /// Becomes a sorted array if all members are integers and few enough.
    pub fn sort_integers(&mut self, limits: &Limits) {
        let set = self.view();
        if matches!(set, SetRef::Ints(_)) || set.len() > limits.integers {
            return;
        }
        let mut ints = Intset::new();
        let all = set
            .iter()
            .all(|member| member.integer().is_some_and(|n| ints.insert(n)));
        if all {
            *self = Set::Ints(ints);
        }
    }

    /// Takes a member out; answers whether it was there.
    #[inline]
    pub fn remove(&mut self, member: StringRef<'_>) -> bool {
        match self {
            Set::Ints(ints) => member.integer().is_some_and(|n| ints.remove(n)),
            Set::Packed(list) => {
                let mut room = Decimal::default();
                let place = list.as_ref().find(member.bytes(&mut room), 0, 1);
                if let Some(place) = place {
                    list.remove(place, 1);
                }
                place.is_some()
            }
            Set::Table(members) => members
                .remove(member.bytes(&mut Decimal::default()))
                .is_some(),
        }
    }

    /// Takes a random member out, which must not be empty, and shows it.
    #[inline]
    pub fn pop(&mut self, rng: &mut Rng, take: impl FnOnce(StringRef<'_>)) {
        match self {
            Set::Ints(ints) => {
                let index = rng.usize(..ints.as_ref().len());
                take(StringRef::Int(ints.as_ref().get(index)));
                ints.remove_at(index);
            }
            Set::Packed(list) => {
                let index = rng.usize(..list.as_ref().len());
                let place = list.as_ref().nth(index).expect("below the length");
                take(list.as_ref().get(place));
                list.remove(place, 1);
            }
            Set::Table(members) => {
                let place = members.random(rng).expect("a set that is not empty");
                take(StringRef::Bytes(members.remove_at(place).as_ref().key()));
            }
        }
    }

    /// Takes `count` random members out, of which there are more, and shows each. Returns what is left over of the set's
    /// former self, if it was taken apart for that.
    pub fn pop_many(
        &mut self,
        count: usize,
        limits: &Limits,
        rng: &mut Rng,
        mut take: impl FnMut(StringRef<'_>),
    ) -> Option<Set> {
        /// When so many go for each that stays, those that stay are moved to a set of their own.
        const MOST: usize = 5;
        let len = self.view().len();
        let left = len - count;
        if let Set::Table(members) = self
            && (left.saturating_mul(MOST) > count || members.is_preserving())
        {
            for _ in 0..count {
                self.pop(rng, &mut take);
            }
            return None;
        }
        let mut kept = Vec::with_capacity(left);
        sample::visit(0..len, len, Sampling::Distinct(left), rng, |index| {
            kept.push(index);
        });
        let mut kept = kept.into_iter().peekable();
        let members = self.view().iter().enumerate();
        let staying = members.filter_map(|(index, member)| {
            if kept.next_if_eq(&index).is_some() {
                return Some(member);
            }
            take(member);
            None
        });
        let rest = match self {
            Set::Ints(_) => Set::Ints(staying.filter_map(StringRef::integer).collect()),
            Set::Packed(_) => Set::Packed(staying.collect()),
            Set::Table(_) => {
                let mut rest = Set::packed();
                staying.for_each(|member| {
                    rest.add(member, limits);
                });
                rest
            }
        };
        Some(std::mem::replace(self, rest))
    }
}

impl<'a> SetRef<'a> {
    /// How many members there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            SetRef::Ints(ints) => ints.len(),
            SetRef::Packed(list) => list.len(),
            SetRef::Table(members) => members.len(),
        }
    }

    /// Whether there are no members.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether a member is there. Constant time in a table, logarithmic among integers, linear in a packed buffer.
    #[inline]
    pub fn contains(self, member: StringRef<'_>) -> bool {
        match self {
            SetRef::Ints(ints) => member.integer().is_some_and(|n| ints.contains(n)),
            SetRef::Packed(list) => {
                let mut room = Decimal::default();
                list.find(member.bytes(&mut room), 0, 1).is_some()
            }
            SetRef::Table(members) => members.contains(member.bytes(&mut Decimal::default())),
        }
    }

    /// Members.
    pub fn iter(self) -> impl Iterator<Item = StringRef<'a>> {
        match self {
            SetRef::Ints(ints) => Iter::Ints(ints.iter().map(StringRef::Int)),
            SetRef::Packed(list) => Iter::Packed(list.iter()),
            SetRef::Table(members) => {
                Iter::Table(members.iter().map(|member| StringRef::Bytes(member.key())))
            }
        }
    }

    /// Visits random members; there must be one.
    pub fn sample(self, sampling: Sampling, rng: &mut Rng, visit: impl FnMut(StringRef<'_>)) {
        if let SetRef::Table(members) = self {
            let mut visit = visit;
            return members.sample(sampling, rng, |member| {
                visit(StringRef::Bytes(member.key()));
            });
        }
        sample::visit(self.iter(), self.len(), sampling, rng, visit);
    }

    /// One step of a walk in hash order: visits some members from a position on and returns the position that follows. A set
    /// that is no table is visited whole, whatever the position.
    pub fn scan(self, position: u64, mut visit: impl FnMut(StringRef<'_>)) -> Option<u64> {
        if let SetRef::Table(members) = self {
            return members.scan(position, |member| visit(StringRef::Bytes(member.key())));
        }
        self.iter().for_each(visit);
        None
    }

    /// Digits of the longest integer of a sorted array.
    fn longest_integer(self) -> usize {
        match self {
            SetRef::Ints(ints) if !ints.is_empty() => {
                let (first, last) = (ints.get(0), ints.get(ints.len() - 1));
                number::i64_len(first).max(number::i64_len(last))
            }
            _ => 0,
        }
    }
}

/// Members, whatever the form.
enum Iter<I, P, T> {
    Ints(I),
    Packed(P),
    Table(T),
}

impl<'a, I, P, T> Iterator for Iter<I, P, T>
where
    I: Iterator<Item = StringRef<'a>>,
    P: Iterator<Item = StringRef<'a>>,
    T: Iterator<Item = StringRef<'a>>,
{
    type Item = StringRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<StringRef<'a>> {
        match self {
            Iter::Ints(members) => members.next(),
            Iter::Packed(members) => members.next(),
            Iter::Table(members) => members.next(),
        }
    }

    /// Asks for the form once, and not for each member.
    #[inline]
    fn fold<B, F: FnMut(B, StringRef<'a>) -> B>(self, begin: B, add: F) -> B {
        match self {
            Iter::Ints(members) => members.fold(begin, add),
            Iter::Packed(members) => members.fold(begin, add),
            Iter::Table(members) => members.fold(begin, add),
        }
    }
}

#[cfg(test)]
mod tests;
