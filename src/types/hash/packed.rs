//! Small hashes: one listpack, which is searched from its beginning.
//!
//! ```text
//!  | field | value |            | field | value | ...      no field has ever had a deadline
//!  | field | value | deadline | | field | value | ...      from the first deadline on
//! ```
//!
//! A deadline is an integer, in milliseconds since the epoch, and 0 where there is none. Triplets are in the order of
//! their deadlines, those without one at the end: the dead are always in front. Both forms are those of RDB files.

use super::Field;
use crate::types::listpack::{Damaged, Listpack, ListpackRef, Place};
use crate::types::string::StringRef;

/// A small hash.
#[derive(Clone, Debug)]
pub struct Packed {
    list: Listpack,
    timed: bool,
}

/// A small hash. To read.
#[derive(Clone, Copy, Debug)]
pub struct PackedRef<'a> {
    list: ListpackRef<'a>,
    timed: bool,
}

/// The element that says there is no deadline.
const NEVER: StringRef<'static> = StringRef::Int(0);

fn element(deadline: Option<u64>) -> StringRef<'static> {
    deadline.map_or(NEVER, |at| StringRef::Int(at.cast_signed()))
}

impl<'a> PackedRef<'a> {
    /// A look at a listpack that is known to be of this form: `timed` if it is of triplets.
    #[inline]
    pub fn new(list: ListpackRef<'a>, timed: bool) -> PackedRef<'a> {
        PackedRef { list, timed }
    }

    /// A look at a listpack from outside that is to be of triplets, all of which are checked.
    ///
    /// # Errors
    /// When it is no listpack, or when its elements are not triplets in the order of their deadlines, no field twice.
    pub fn validated_timed(bytes: &'a [u8]) -> Result<PackedRef<'a>, Damaged> {
        let list = ListpackRef::validated(bytes)?;
        let damaged = Damaged(0);
        let mut elements = list.iter();
        let mut names = std::collections::HashSet::new();
        let mut latest = 1;
        while let Some(name) = elements.next() {
            let deadline = elements.nth(1).ok_or(damaged)?;
            let StringRef::Int(deadline) = deadline else {
                return Err(damaged);
            };
            // None is later than any other.
            let moment = if deadline == 0 { i64::MAX } else { deadline };
            if moment < latest || !names.insert(name.to_vec()) {
                return Err(damaged);
            }
            latest = moment;
        }
        Ok(PackedRef::new(list, true))
    }

    /// The listpack.
    pub fn list(self) -> ListpackRef<'a> {
        self.list
    }

    /// Whether it is of triplets.
    pub fn is_timed(self) -> bool {
        self.timed
    }

    /// Elements of each field.
    #[inline]
    fn stride(self) -> usize {
        if self.timed { 3 } else { 2 }
    }

    /// How many fields there are.
    #[inline]
    pub fn len(self) -> usize {
        self.list.len() / self.stride()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.list.is_empty()
    }

    /// Where a field is.
    #[inline]
    pub fn find(self, field: &[u8]) -> Option<Place> {
        self.list.find(field, 0, self.stride())
    }

    /// What a field at a place holds.
    #[inline]
    pub fn get(self, place: Place) -> Field<'a> {
        let value = self.after(place);
        Field {
            value: self.list.get(value),
            deadline: self.deadline_behind(value),
        }
    }

    fn after(self, place: Place) -> Place {
        let next = self.list.next(place);
        next.expect("a field has a value, and a deadline among triplets")
    }

    fn deadline_behind(self, value: Place) -> Option<u64> {
        if !self.timed {
            return None;
        }
        match self.list.get(self.after(value)) {
            StringRef::Int(at) => u64::try_from(at).ok().filter(|&at| at != 0),
            StringRef::Bytes(_) => None,
        }
    }

    /// Fields, those that die first before the others.
    pub fn iter(self) -> impl Iterator<Item = (StringRef<'a>, Field<'a>)> {
        let mut place = self.list.first();
        std::iter::from_fn(move || {
            let here = place?;
            let (name, value) = (self.list.get(here), self.after(here));
            let last = if self.timed { self.after(value) } else { value };
            place = self.list.next(last);
            let field = Field {
                value: self.list.get(value),
                deadline: self.deadline_behind(value),
            };
            Some((name, field))
        })
    }

    /// The first deadline.
    #[inline]
    pub fn soonest(self) -> Option<u64> {
        if !self.timed {
            return None;
        }
        let first = self.list.first()?;
        self.deadline_behind(self.after(first))
    }
}

impl Packed {
    /// Takes over a listpack that is known to be of this form: `timed` if it is of triplets.
    pub fn new(list: Listpack, timed: bool) -> Packed {
        Packed { list, timed }
    }

    /// A look.
    #[inline]
    pub fn as_ref(&self) -> PackedRef<'_> {
        PackedRef::new(self.list.as_ref(), self.timed)
    }

    /// Bytes of heap.
    pub fn capacity(&self) -> usize {
        self.list.capacity()
    }

    /// Whether a field of so many bytes, its value among them, may be added.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.list.has_room_for(bytes)
    }

    /// Sets value and deadline of a field, which is at `place` if it is there; answers whether it is new.
    pub fn set(
        &mut self,
        place: Option<Place>,
        name: &[u8],
        value: StringRef<'_>,
        deadline: Option<u64>,
    ) -> bool {
        match place {
            Some(place) => {
                let value_place = self.as_ref().after(place);
                self.list.replace(value_place, value);
                self.set_deadline(place, deadline);
            }
            None => self.insert(StringRef::Bytes(name), value, deadline),
        }
        place.is_none()
    }

    /// Sets or clears the deadline of the field at a place.
    pub fn set_deadline(&mut self, place: Place, deadline: Option<u64>) {
        let look = self.as_ref();
        let field = look.get(place);
        if field.deadline == deadline {
            return;
        }
        let (name, value) = (look.list.get(place).to_vec(), field.value.to_vec());
        self.remove(place);
        self.insert(StringRef::Bytes(&name), StringRef::Bytes(&value), deadline);
    }

    /// Takes the field at a place out.
    pub fn remove(&mut self, place: Place) {
        let stride = self.as_ref().stride();
        self.list.remove(place, stride);
    }

    /// Takes up to `most` dead fields out, and tells the name of each; answers how many there were.
    pub fn reap(&mut self, now: u64, most: usize, mut take: impl FnMut(StringRef<'_>)) -> usize {
        let look = self.as_ref();
        let dead = look.iter().take_while(|(_, field)| field.is_dead(now));
        let dead = dead.take(most).inspect(|(name, _)| take(*name));
        let (count, first) = (dead.count(), look.list.first());
        if let Some(first) = first {
            self.list.remove(first, count * look.stride());
        }
        count
    }

    /// Adds a field that is not there.
    fn insert(&mut self, name: StringRef<'_>, value: StringRef<'_>, deadline: Option<u64>) {
        if !self.timed && deadline.is_none() {
            self.list.push_back(name);
            self.list.push_back(value);
            return;
        }
        self.make_timed();
        let later = deadline.and_then(|deadline| self.first_from(deadline));
        for part in [element(deadline), value, name] {
            match later {
                Some(place) => self.list.insert(place, part),
                None => break,
            }
        }
        if later.is_none() {
            for part in [name, value, element(deadline)] {
                self.list.push_back(part);
            }
        }
    }

    /// The first field that lives until this moment or longer.
    fn first_from(&self, deadline: u64) -> Option<Place> {
        let look = self.as_ref();
        let mut place = look.list.first()?;
        loop {
            let value = look.after(place);
            if look.deadline_behind(value).is_none_or(|at| at >= deadline) {
                return Some(place);
            }
            place = look.list.next(look.after(value))?;
        }
    }

    fn make_timed(&mut self) {
        if self.timed {
            return;
        }
        let fields = self.as_ref().iter();
        let list = fields
            .flat_map(|(name, field)| [name, field.value, NEVER])
            .collect();
        *self = Packed::new(list, true);
    }
}
