//! The members of a large collection: the keyspace's table, with its hashes computed here.
//!
//! All changes go through a few functions of this file, and tell `preserved` before.

mod preserved;

use std::collections::HashSet;
use std::fmt;

use fastrand::Rng;
use smallvec::SmallVec;

use super::member::{Member, MemberMut, MemberRef};
use super::relocate::Relocated;
use super::sample::{self, Sampling};
use crate::allocator;
use crate::allocator::pages::SparsePages;
use crate::table::{Place, SWEPT_MARKS, Sweep, Table, hash};
use preserved::Preserved;
pub use preserved::Walk;

/// The mark on slots whose member has a deadline.
const TIMED: u8 = SWEPT_MARKS[0];

/// Members by key, in hash order. All operations on one member take constant time.
pub struct Members {
    table: Table<Member>,
    /// What a snapshot that is at work on the members needs.
    preserved: Option<Box<Preserved>>,
}

/// Where a member is or would be, as [`Members::slot`] found out. Good until the next insertion or removal.
#[derive(Clone, Copy, Debug)]
pub enum Slot {
    /// There is one.
    At(Place),
    /// There is none; this is its key's hash.
    Vacant(u64),
}

impl Default for Members {
    fn default() -> Members {
        Members {
            table: Table::new(0),
            preserved: None,
        }
    }
}

impl Members {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The members, to free them one by one.
    pub fn into_pieces(self) -> impl Iterator<Item = Member> {
        self.table.into_iter()
    }

    /// Brings members of these keys into the cache, as far as they are there: all at once, where looking for them one by one
    /// would wait for each.
    pub fn prefetch<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        /// A smaller table is near already.
        const NEAR: usize = 4096;
        if self.len() < NEAR {
            return;
        }
        let hashes: SmallVec<[u64; 16]> = keys.map(hash::of).collect();
        for &hash in &hashes {
            self.table.prefetch_bucket(hash);
        }
        for &hash in &hashes {
            self.table.prefetch_entry(hash);
        }
    }

    /// Where a member is. Good until the next insertion or removal.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<Place> {
        self.table.find(hash::of(key), key)
    }

    /// Whether there is a member of this key.
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// The member of this key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<MemberRef<'_>> {
        self.find(key).map(|place| self.table.get(place))
    }

    /// The member at a place.
    pub fn at(&self, place: Place) -> MemberRef<'_> {
        self.table.get(place)
    }

    /// The member at a place, to change its value.
    pub fn at_mut(&mut self, place: Place) -> MemberMut<'_> {
        self.preserve(place);
        self.table.get_mut(place)
    }

    /// Where the member of this key is, or would be.
    #[inline]
    pub fn slot(&self, key: &[u8]) -> Slot {
        let hash = hash::of(key);
        self.table
            .find(hash, key)
            .map_or(Slot::Vacant(hash), Slot::At)
    }

    /// Adds a member whose slot is vacant; the hash is the slot's.
    #[inline]
    pub fn insert(&mut self, hash: u64, key: &[u8], value: &[u8]) -> Place {
        self.add(hash, Member::new(key, value))
    }

    #[inline]
    fn add(&mut self, hash: u64, member: Member) -> Place {
        let place = self.table.insert(hash, member);
        self.has_come(place, hash);
        place
    }

    /// Sets the value of a key; answers whether the key is new.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> bool {
        self.set_at(self.slot(key), key, value)
    }

    /// As [`Members::set`], where the key's slot is known.
    pub fn set_at(&mut self, slot: Slot, key: &[u8], value: &[u8]) -> bool {
        let place = match slot {
            Slot::At(place) => place,
            Slot::Vacant(hash) => {
                self.insert(hash, key, value);
                return true;
            }
        };
        self.preserve(place);
        if self.table.get(place).value().len() == value.len() {
            self.table
                .get_mut(place)
                .into_value()
                .copy_from_slice(value);
        } else {
            self.table.replace(place, Member::new(key, value));
        }
        false
    }

    /// As [`Members::set_at`], with the deadline that the member is to have.
    pub fn set_timed_at(
        &mut self,
        slot: Slot,
        key: &[u8],
        value: &[u8],
        deadline: Option<u64>,
    ) -> bool {
        let place = match slot {
            Slot::At(place) => place,
            Slot::Vacant(hash) => {
                let member = Member::with_deadline(key, value, deadline);
                let place = self.add(hash, member);
                self.mark(place, deadline);
                return true;
            }
        };
        self.preserve(place);
        if self.table.get(place).value().len() == value.len() {
            let member = self.table.get_mut(place);
            member.into_value().copy_from_slice(value);
            self.set_deadline(place, deadline);
        } else {
            let member = Member::with_deadline(key, value, deadline);
            self.table.replace(place, member);
            self.mark(place, deadline);
        }
        false
    }

    /// Sets or clears the deadline of the member at a place.
    pub fn set_deadline(&mut self, place: Place, deadline: Option<u64>) {
        self.preserve(place);
        let member = self.table.get(place);
        match (member.deadline(), deadline) {
            (None, None) => {}
            (Some(_), Some(deadline)) => self.table.get_mut(place).replace_deadline(deadline),
            _ => {
                let member = Member::with_deadline(member.key(), member.value(), deadline);
                self.table.replace(place, member);
                self.mark(place, deadline);
            }
        }
    }

    fn mark(&mut self, place: Place, deadline: Option<u64>) {
        let mark = if deadline.is_some() { TIMED } else { 0 };
        self.set_own_marks(place, mark);
    }

    /// How many members have a deadline.
    pub fn timed_len(&self) -> usize {
        self.table.marked_len(TIMED)
    }

    /// Walks from a hash position to the first member that has a deadline and is `wanted`. Each step takes one from `budget`.
    pub fn sweep(
        &self,
        position: u64,
        budget: &mut usize,
        wanted: impl FnMut(MemberRef<'_>) -> bool,
    ) -> Sweep {
        self.table.sweep(TIMED, position, budget, wanted)
    }

    /// Whether the table itself lies on a sparse page, as far as it begins there.
    pub fn lie_on(&self, pages: &SparsePages) -> bool {
        pages.hold(self.table.beginning())
    }

    /// Moves members that lie on sparse pages, from a hash position on, some at a time. `tell` learns of each while it still
    /// lies where it was, too.
    pub fn relocate(
        &mut self,
        position: u64,
        pages: &mut SparsePages,
        mut tell: impl FnMut(MemberRef<'_>),
    ) -> Relocated {
        /// Home buckets that are looked at.
        const SLICE: usize = 16;
        let (mut next, mut places) = (Some(position), SmallVec::<[Place; 128]>::new());
        for _ in 0..SLICE {
            let Some(position) = next else { break };
            next = self.table.scan_places(position, |place| {
                if pages.hold(self.table.get(place).block()) {
                    self.table.prefetch(place);
                    places.push(place);
                }
            });
        }
        for &place in &places {
            self.table.update(place, |member| {
                let moved = Member::copy(member.as_ref());
                tell(moved.as_ref());
                pages.has_come(moved.as_ref().block());
                moved
            });
        }
        Relocated {
            moved: places.len() as u64,
            next,
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, key: &[u8]) -> Option<Member> {
        self.find(key).map(|place| self.remove_at(place))
    }

    /// Takes the member at a place out.
    pub fn remove_at(&mut self, place: Place) -> Member {
        self.preserve(place);
        self.table.remove(place)
    }

    /// A random member, each as likely as any other; `None` if there are none.
    pub fn random(&self, rng: &mut Rng) -> Option<Place> {
        self.table.random(rng)
    }

    /// Visits random members.
    pub fn sample(&self, sampling: Sampling, rng: &mut Rng, mut visit: impl FnMut(MemberRef<'_>)) {
        /// Beyond this share of all members, drawing ones that are new takes longer than passing all of them once.
        const MOST: usize = 3;
        match sampling {
            Sampling::Distinct(count) if count.saturating_mul(MOST) > self.len() => {
                sample::visit(self.iter(), self.len(), sampling, rng, visit);
            }
            Sampling::Distinct(count) => {
                let mut drawn = HashSet::with_capacity(count);
                while drawn.len() < count
                    && let Some(place) = self.random(rng)
                {
                    if drawn.insert(place) {
                        visit(self.at(place));
                    }
                }
            }
            Sampling::Repeated(count) => {
                let draws = (0..count).map_while(|_| self.random(rng));
                draws.for_each(|place| visit(self.at(place)));
            }
        }
    }

    /// All members, roughly in hash order.
    pub fn iter(&self) -> impl Iterator<Item = MemberRef<'_>> {
        self.table.iter()
    }

    /// One step of a walk: visits a few members from a hash position on and returns the position that follows. Members
    /// that are there throughout a walk are visited, whatever else comes and goes.
    pub fn scan(&self, position: u64, visit: impl FnMut(MemberRef<'_>)) -> Option<u64> {
        self.table.scan(position, visit)
    }

    /// Bytes of heap, estimated from the sizes of `samples` members, or all of them if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        let looked_at = if samples == 0 {
            self.len()
        } else {
            samples.min(self.len())
        };
        let sampled: usize = self
            .iter()
            .take(looked_at)
            .map(|member| allocator::good_size(member.size().next_multiple_of(8)))
            .sum();
        self.table.table_bytes() + (sampled * self.len()).checked_div(looked_at).unwrap_or(0)
    }
}

impl Clone for Members {
    fn clone(&self) -> Members {
        let mut copy = Members::default();
        for member in self.iter() {
            let hash = hash::of(member.key());
            let place = copy.table.insert(hash, Member::copy(member));
            copy.mark(place, member.deadline());
        }
        copy
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|member| (member.key(), member.value())))
            .finish()
    }
}
