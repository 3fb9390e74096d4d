//! Hashes: fields with values, and deadlines for those that are to die before the hash does.
//!
//! A small hash is `packed`; past the limits it becomes a table of fields, and stays one however small it gets. A table gets
//! what `timed` adds with its first deadline.
//!
//! A field is dead from its deadline on, but it stays where it is until somebody removes it: who reads says what time it is,
//! or looks at the deadline himself.

mod packed;
#[cfg(test)]
mod tests;
mod timed;

use fastrand::Rng;
use packed::Packed;
pub use packed::PackedRef;
use timed::Timed;

use super::listpack::{self, Listpack, ListpackRef};
use super::member::MemberRef;
use super::members::{self, Members};
use super::sample::{self, Sampling};
use super::string::{Decimal, StringRef};
use super::{Collection, Limits, Packing, is_object};
use crate::allocator;

/// A hash.
#[derive(Clone, Debug)]
pub enum Hash {
    /// Fields in one buffer.
    Packed(Packed),
    /// Fields by name, none with a deadline.
    Table(Members),
    /// Fields by name, some with deadlines, or with none that is left.
    Timed(Box<Timed>),
}

/// A hash. To read.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// As [`Hash::Packed`].
    Packed(PackedRef<'a>),
    /// As [`Hash::Table`] or [`Hash::Timed`].
    Table {
        /// The fields.
        members: &'a Members,
        /// A moment before which none dies, if any has a deadline.
        soonest: Option<u64>,
    },
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// The value.
    pub value: StringRef<'a>,
    /// The moment from which the field is dead, in milliseconds since the epoch.
    pub deadline: Option<u64>,
}

impl Field<'_> {
    /// Whether its time is over.
    #[inline]
    pub fn is_dead(&self, now: u64) -> bool {
        self.deadline.is_some_and(|at| at <= now)
    }
}

/// Where a field is or would be, as [`Hash::slot`] found out. Good until the hash changes.
#[derive(Clone, Copy, Debug)]
pub struct Slot(Form);

#[derive(Clone, Copy, Debug)]
enum Form {
    /// The place of the field, if it is there.
    Packed(Option<listpack::Place>),
    Table(members::Slot),
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::Packed(Packed::new(Listpack::new(), false))
    }
}

fn is_timed(packing: Packing) -> Option<bool> {
    match packing {
        Packing::Hash => Some(false),
        Packing::TimedHash => Some(true),
        _ => None,
    }
}

fn packing(timed: bool) -> Packing {
    if timed {
        Packing::TimedHash
    } else {
        Packing::Hash
    }
}

impl Collection for Hash {
    type Ref<'a> = HashRef<'a>;

    const MAY_BE_TIMED: bool = true;

    is_object!(Hash);

    fn view(&self) -> HashRef<'_> {
        match self {
            Hash::Packed(packed) => HashRef::Packed(packed.as_ref()),
            Hash::Table(members) => HashRef::Table {
                members,
                soonest: None,
            },
            Hash::Timed(timed) => HashRef::Table {
                members: timed.members(),
                soonest: timed.soonest(),
            },
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<HashRef<'_>> {
        let timed = is_timed(packing)?;
        let list = ListpackRef::new(bytes);
        Some(HashRef::Packed(PackedRef::new(list, timed)))
    }

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<Hash> {
        let timed = is_timed(packing)?;
        let list = Listpack::from_bytes(bytes);
        Some(Hash::Packed(Packed::new(list, timed)))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Hash::Packed(packed) => {
                let packed = packed.as_ref();
                Some((packing(packed.is_timed()), packed.list().bytes()))
            }
            Hash::Table(_) | Hash::Timed(_) => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    fn soonest(&self) -> Option<u64> {
        self.view().soonest()
    }
}

impl Hash {
    /// The table, for a snapshot to walk over.
    pub(super) fn walk(&mut self) -> Option<members::Walk<'_>> {
        match self {
            Hash::Packed(_) => None,
            Hash::Table(members) => Some(members::Walk(members)),
            Hash::Timed(timed) => Some(timed.walk()),
        }
    }

    /// The table, if it is one.
    pub(super) fn members(&self) -> Option<&Members> {
        match self {
            Hash::Packed(_) => None,
            Hash::Table(members) => Some(members),
            Hash::Timed(timed) => Some(timed.members()),
        }
    }

    /// How many blocks of memory have to be freed with it.
    pub fn blocks(&self) -> usize {
        self.members().map_or(1, Members::len)
    }

    /// Bytes of heap, estimated from `samples` elements, or from all if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            Hash::Packed(packed) => packed.capacity(),
            Hash::Table(members) => members.memory(samples),
            Hash::Timed(timed) => {
                allocator::good_size(size_of::<Timed>()) + timed.members().memory(samples)
            }
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Hash::Packed(packed) => packing(packed.as_ref().is_timed()).encoding_name(),
            Hash::Table(_) | Hash::Timed(_) => "hashtable",
        }
    }

    /// Makes ready for so many fields, whether they are new or not, of which all will be given to [`Hash::set`] at once.
    pub fn expect(&mut self, fields: usize, limits: Limits) {
        if fields > limits.entries {
            self.grow();
        }
    }

    /// Where a field is, or would be.
    #[inline]
    pub fn slot(&self, name: &[u8]) -> Slot {
        Slot(match self {
            Hash::Packed(packed) => Form::Packed(packed.as_ref().find(name)),
            Hash::Table(members) => Form::Table(members.slot(name)),
            Hash::Timed(timed) => Form::Table(timed.members().slot(name)),
        })
    }

    /// The field at a slot, dead or alive.
    #[inline]
    pub fn at(&self, slot: Slot) -> Option<Field<'_>> {
        match (self.view(), slot.0) {
            (HashRef::Packed(packed), Form::Packed(place)) => place.map(|place| packed.get(place)),
            (HashRef::Table { members, .. }, Form::Table(members::Slot::At(place))) => {
                Some(named(members.at(place)).1)
            }
            _ => None,
        }
    }

    /// Where a field is if it is alive, or would be. One that is dead is taken out, which the answer says, too.
    #[inline]
    pub fn live_slot(&mut self, name: &[u8], now: u64) -> (Slot, bool) {
        let slot = self.slot(name);
        let dead = self.at(slot).is_some_and(|field| field.is_dead(now));
        if !dead {
            return (slot, false);
        }
        self.remove(name);
        (self.slot(name), true)
    }

    /// Sets the value of a field, which has no deadline then; answers whether the field is new.
    #[inline]
    pub fn set(&mut self, name: &[u8], value: StringRef<'_>, limits: Limits) -> bool {
        self.set_at(self.slot(name), name, value, None, limits)
    }

    /// As [`Hash::set`], where the field's slot is known, with the deadline that it is to have.
    pub fn set_at(
        &mut self,
        slot: Slot,
        name: &[u8],
        value: StringRef<'_>,
        deadline: Option<u64>,
        limits: Limits,
    ) -> bool {
        let length = value.len();
        if deadline.is_some() && matches!(self, Hash::Table(_)) {
            self.timed();
        }
        let mut room = Decimal::default();
        match (&mut *self, slot.0) {
            (Hash::Packed(packed), Form::Packed(place))
                if name.len().max(length) <= limits.value
                    && packed.has_room_for(name.len() + length) =>
            {
                let is_new = packed.set(place, name, value, deadline);
                // The limit may have come down since.
                if packed.as_ref().len() > limits.entries {
                    self.grow();
                }
                is_new
            }
            (Hash::Table(members), Form::Table(slot)) => {
                members.set_at(slot, name, value.bytes(&mut room))
            }
            (Hash::Timed(timed), Form::Table(slot)) => {
                timed.set_at(slot, name, value.bytes(&mut room), deadline)
            }
            _ => {
                self.grow();
                self.set_at(self.slot(name), name, value, deadline, limits)
            }
        }
    }

    /// Sets or clears the deadline of the field at a slot, if there is one.
    pub fn set_deadline(&mut self, slot: Slot, deadline: Option<u64>) {
        match (&mut *self, slot.0) {
            (Hash::Packed(packed), Form::Packed(Some(place))) => {
                packed.set_deadline(place, deadline);
            }
            (Hash::Table(_), Form::Table(members::Slot::At(place))) if deadline.is_some() => {
                self.timed().set_deadline(place, deadline);
            }
            (Hash::Timed(timed), Form::Table(members::Slot::At(place))) => {
                timed.set_deadline(place, deadline);
            }
            _ => {}
        }
    }

    /// Takes a field out; answers whether it was there, dead or alive.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        match self {
            Hash::Packed(packed) => {
                let found = packed.as_ref().find(name);
                if let Some(place) = found {
                    packed.remove(place);
                }
                found.is_some()
            }
            Hash::Table(members) => members.remove(name).is_some(),
            Hash::Timed(timed) => timed.remove(name),
        }
    }

    /// Takes dead fields out and tells the name of each, as far as the budget goes: a field takes one from it, and so does
    /// looking for it. Answers how many there were. With budget left there are no more.
    pub fn reap(&mut self, now: u64, budget: &mut usize, take: impl FnMut(StringRef<'_>)) -> usize {
        match self {
            Hash::Packed(packed) => {
                let count = packed.reap(now, *budget, take);
                *budget -= count;
                count
            }
            Hash::Table(_) => 0,
            Hash::Timed(timed) => timed.reap(now, budget, take),
        }
    }

    /// Converts a small hash to the large form.
    fn grow(&mut self) {
        let Hash::Packed(packed) = self else {
            return;
        };
        let mut timed = Timed::new(Members::default());
        for (name, field) in packed.as_ref().iter() {
            let mut room = [Decimal::default(), Decimal::default()];
            let [name_room, value_room] = &mut room;
            let name = name.bytes(name_room);
            let slot = timed.members().slot(name);
            timed.set_at(slot, name, field.value.bytes(value_room), field.deadline);
        }
        *self = if timed.soonest().is_some() {
            Hash::Timed(Box::new(timed))
        } else {
            Hash::Table(timed.into_members())
        };
    }

    /// The large form with deadlines.
    fn timed(&mut self) -> &mut Timed {
        self.grow();
        if let Hash::Table(members) = self {
            let timed = Timed::new(std::mem::take(members));
            *self = Hash::Timed(Box::new(timed));
        }
        match self {
            Hash::Timed(timed) => timed,
            Hash::Packed(_) | Hash::Table(_) => unreachable!("just converted"),
        }
    }
}

/// A field of a large hash with its name.
#[inline]
fn named(member: MemberRef<'_>) -> (StringRef<'_>, Field<'_>) {
    let field = Field {
        value: StringRef::Bytes(member.value()),
        deadline: member.deadline(),
    };
    (StringRef::Bytes(member.key()), field)
}

impl<'a> HashRef<'a> {
    /// How many fields there are, the dead among them.
    pub fn len(self) -> usize {
        match self {
            HashRef::Packed(packed) => packed.len(),
            HashRef::Table { members, .. } => members.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        match self {
            HashRef::Packed(packed) => packed.is_empty(),
            HashRef::Table { members, .. } => members.is_empty(),
        }
    }

    /// A moment before which no field dies, if any has a deadline.
    #[inline]
    pub fn soonest(self) -> Option<u64> {
        match self {
            HashRef::Packed(packed) => packed.soonest(),
            HashRef::Table { soonest, .. } => soonest,
        }
    }

    /// Whether some fields may be dead. If not, none is.
    #[inline]
    pub fn may_hold_dead(self, now: u64) -> bool {
        self.soonest().is_some_and(|at| at <= now)
    }

    /// A field, dead or alive.
    #[inline]
    pub fn find(self, name: &[u8]) -> Option<Field<'a>> {
        match self {
            HashRef::Packed(packed) => packed.find(name).map(|place| packed.get(place)),
            HashRef::Table { members, .. } => members.get(name).map(|member| named(member).1),
        }
    }

    /// The value of a field that is alive.
    #[inline]
    pub fn get(self, name: &[u8], now: u64) -> Option<StringRef<'a>> {
        let field = self.find(name).filter(|field| !field.is_dead(now));
        field.map(|field| field.value)
    }

    /// All fields, the dead among them.
    pub fn iter(self) -> impl Iterator<Item = (StringRef<'a>, Field<'a>)> {
        let (packed, table) = match self {
            HashRef::Packed(packed) => (Some(packed.iter()), None),
            HashRef::Table { members, .. } => (None, Some(members.iter().map(named))),
        };
        let packed = packed.into_iter().flatten();
        packed.chain(table.into_iter().flatten())
    }

    /// The names and values of the fields that are alive.
    pub fn live(self, now: u64) -> impl Iterator<Item = (StringRef<'a>, StringRef<'a>)> {
        self.iter()
            .filter(move |(_, field)| !field.is_dead(now))
            .map(|(name, field)| (name, field.value))
    }

    /// How many fields are alive. Linear if some may be dead.
    pub fn live_len(self, now: u64) -> usize {
        if self.may_hold_dead(now) {
            self.live(now).count()
        } else {
            self.len()
        }
    }

    /// One step of a walk: visits a few fields, the dead among them, from a hash position on and returns the position that
    /// follows. A packed hash is visited whole, from any position.
    pub fn scan(
        self,
        position: u64,
        mut visit: impl FnMut(StringRef<'_>, Field<'_>),
    ) -> Option<u64> {
        match self {
            HashRef::Packed(packed) => {
                packed.iter().for_each(|(name, field)| visit(name, field));
                None
            }
            HashRef::Table { members, .. } => members.scan(position, |member| {
                let (name, field) = named(member);
                visit(name, field);
            }),
        }
    }

    /// Visits random fields of those that are alive. Linear if some may be dead.
    pub fn sample(
        self,
        sampling: Sampling,
        now: u64,
        rng: &mut Rng,
        mut visit: impl FnMut(StringRef<'_>, StringRef<'_>),
    ) {
        let mut visit_one = |(name, value): (StringRef<'_>, StringRef<'_>)| visit(name, value);
        match self {
            HashRef::Table { members, .. } if !self.may_hold_dead(now) => {
                members.sample(sampling, rng, |member| {
                    let (name, field) = named(member);
                    visit_one((name, field.value));
                });
            }
            _ => match self.live_len(now) {
                0 => {}
                len => sample::visit(self.live(now), len, sampling, rng, visit_one),
            },
        }
    }
}
