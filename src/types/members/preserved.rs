//! What keeps the members of a large collection as they were while a snapshot passes over them.
//!
//! A snapshot walks a table in hash order, a slice at a time, and others change members between its slices. What lies behind
//! the walk is none of its business any more. Who changes or removes a member ahead of it for the first time leaves a copy here; the
//! slot is marked, and so are those of members that are new, so that the walk passes them over. Elements of a set have no order, so
//! the copies may be told at any time.
//!
//! The walk compares whole hashes, and not places: each slice is of a range of hashes that begins where the one before ended.
//! So a member is told once, wherever the table moves it in between.

use std::ops::RangeInclusive;

use smallvec::SmallVec;

use super::Members;
use crate::table::{Place, SWEPT_MARKS, Table, hash};
use crate::types::member::{Member, MemberRef};

/// The mark on slots whose member is not the one that the snapshot is to have.
const LATER: u8 = 4;

const _: () = assert!(LATER & (SWEPT_MARKS[0] | SWEPT_MARKS[1]) == 0);

/// Copies in a block: the list of blocks stays short, so that it never takes long to grow.
const BLOCK: usize = 1024;

/// Home buckets whose members are fetched from memory at once.
const GROUP: usize = 4;

/// What a member costs beside its bytes: to be found and allocated.
const MEMBER: usize = 512;

/// The state of a walk over members as they were when it began.
#[derive(Debug)]
pub(super) struct Preserved {
    /// What the snapshot calls the collection.
    id: u64,
    /// Smaller hashes have been passed; all of them, if this is `None`.
    position: Option<u64>,
    /// Copies of members that were changed or removed ahead of the walk, in blocks.
    former: Vec<Vec<Member>>,
}

impl Preserved {
    fn keep(&mut self, member: MemberRef<'_>) {
        if self.former.last().is_none_or(|block| block.len() == BLOCK) {
            self.former.push(Vec::new());
        }
        let block = self.former.last_mut().expect("just made");
        block.push(Member::copy(member));
    }

    fn is_ahead(&self, hash: u64) -> bool {
        self.position.is_some_and(|position| hash >= position)
    }
}

impl Members {
    /// To be called before the member at a place is changed or removed.
    #[inline]
    pub(super) fn preserve(&mut self, place: Place) {
        if let Some(preserved) = &mut self.preserved {
            preserve(&mut self.table, preserved, place);
        }
    }

    /// To be called when there is a new member.
    #[inline]
    pub(super) fn has_come(&mut self, place: Place, hash: u64) {
        if let Some(preserved) = &self.preserved
            && preserved.is_ahead(hash)
        {
            let marks = self.table.marks(place);
            self.table.set_marks(place, marks | LATER);
        }
    }

    /// Sets those marks that are not this file's.
    pub(super) fn set_own_marks(&mut self, place: Place, marks: u8) {
        let later = self.table.marks(place) & LATER;
        self.table.set_marks(place, marks | later);
    }

    /// The number of the walk that has begun and not come to its end.
    pub fn preserved_as(&self) -> Option<u64> {
        self.preserved.as_ref().map(|preserved| preserved.id)
    }

    /// Whether a snapshot is at work on the members: then they must be changed one by one, and not be moved to another table.
    pub fn is_preserving(&self) -> bool {
        self.preserved.is_some()
    }
}

#[cold]
fn preserve(table: &mut Table<Member>, preserved: &mut Preserved, place: Place) {
    let (member, marks) = (table.get(place), table.marks(place));
    if marks & LATER == 0 && preserved.is_ahead(hash::of(member.key())) {
        preserved.keep(member);
        table.set_marks(place, marks | LATER);
    }
}

/// The members of a collection as a snapshot sees them. It changes none of them.
#[derive(Debug)]
pub struct Walk<'a>(pub(in crate::types) &'a mut Members);

impl Walk<'_> {
    /// Begins a walk over the members as they are now, which gets this number.
    pub fn begin(&mut self, id: u64) {
        self.0.preserved = Some(Box::new(Preserved {
            id,
            position: Some(0),
            former: Vec::new(),
        }));
    }

    /// Goes on with the walk for about as much `work`, in bytes, and appends copies of what it finds. Answers whether that was
    /// the rest: then the walk is over.
    pub fn advance(&mut self, work: usize, found: &mut Vec<Member>) -> bool {
        let Members { table, preserved } = &mut *self.0;
        let Some(state) = preserved else {
            return true;
        };
        if let Some(mut block) = state.former.pop() {
            found.append(&mut block);
            return false;
        }
        let mut left = work;
        let mut places: SmallVec<[Place; 64]> = SmallVec::new();
        // The number of places at the end of each home bucket, and the range of hashes that it stands for.
        let mut homes: SmallVec<[(usize, RangeInclusive<u64>); GROUP]> = SmallVec::new();
        while left > 0
            && let Some(position) = state.position
        {
            let mut next = Some(position);
            while homes.len() < GROUP
                && let Some(first) = next
            {
                next = table.scan_places(first, |place| {
                    table.prefetch(place);
                    places.push(place);
                });
                let last = next.map_or(u64::MAX, |next| next - 1);
                homes.push((places.len(), first..=last));
            }
            let mut passed = 0;
            for (end, hashes) in homes.drain(..) {
                for &place in &places[passed..end] {
                    let member = table.get(place);
                    left = left.saturating_sub(MEMBER + member.size());
                    if !hashes.contains(&hash::of(member.key())) {
                        continue;
                    }
                    let marks = table.marks(place);
                    if marks & LATER == 0 {
                        found.push(Member::copy(member));
                    } else {
                        table.set_marks(place, marks & !LATER);
                    }
                }
                passed = end;
            }
            places.clear();
            state.position = next;
        }
        let is_over = state.position.is_none();
        if is_over {
            *preserved = None;
        }
        is_over
    }
}
