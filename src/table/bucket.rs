//! A bucket: one cache line of seven slots, with a tag for each.
//!
//! ```text
//! byte 0   1   2   3   4   5   6   7          8 .. 63
//!   | tag0 tag1 tag2 tag3 tag4 tag5 tag6 | furthest | slot0 .. slot6 |
//! ```
//!
//! A search compares all tags in one word operation and looks at a slot only where its tag agrees, so
//! a miss reads this line alone. *Furthest* belongs to the keys whose home this bucket is: none of them
//! lies more than so many buckets on.

use super::slot::{Slot, Stored};
use super::window::Window;

/// Slots in a bucket.
pub(super) const SLOTS: usize = 7;

const EVERY_BYTE: u64 = 0x0101_0101_0101_0101;
const TAG_TOPS: u64 = 0x0080_8080_8080_8080;
const FURTHEST_SHIFT: u32 = 56;

#[repr(C, align(64))]
pub(super) struct Bucket<T: Stored> {
    meta: u64,
    slots: [Slot<T>; SLOTS],
}

impl<T: Stored> Bucket<T> {
    const SIZE: () = assert!(size_of::<Self>() == 64);

    pub(super) fn empty() -> Self {
        let () = Self::SIZE;
        Self {
            meta: 0,
            slots: [Slot::EMPTY; SLOTS],
        }
    }

    /// The greatest displacement of a key whose home is this bucket; 255 stands for "or more".
    pub(super) fn furthest(&self) -> u8 {
        (self.meta >> FURTHEST_SHIFT) as u8
    }

    pub(super) fn set_furthest(&mut self, furthest: u8) {
        self.meta = self.meta & !(0xFF << FURTHEST_SHIFT) | u64::from(furthest) << FURTHEST_SHIFT;
    }

    /// The slots whose tag agrees with the window's, and now and then one whose tag does not.
    pub(super) fn candidates(&self, window: Window) -> Candidates {
        let difference = self.meta ^ (u64::from(window.tag()) * EVERY_BYTE);
        Candidates(difference.wrapping_sub(EVERY_BYTE) & !difference & TAG_TOPS)
    }

    /// The slot that holds this key, if one does.
    #[inline]
    pub(super) fn find(&self, window: Window, key: &[u8]) -> Option<usize> {
        self.candidates(window).find(|&slot| {
            let slot = &self.slots[slot];
            slot.high() == window.high() && slot.item().is_some_and(|item| T::key(item) == key)
        })
    }

    /// Asks for the items that may have this key to be brought near.
    pub(super) fn prefetch_item(&self, window: Window) {
        for slot in self.candidates(window) {
            if self.slots[slot].high() == window.high() {
                self.slots[slot].prefetch();
            }
        }
    }

    pub(super) fn slot(&self, slot: usize) -> &Slot<T> {
        &self.slots[slot]
    }

    pub(super) fn slot_mut(&mut self, slot: usize) -> &mut Slot<T> {
        &mut self.slots[slot]
    }

    pub(super) fn into_slots(self) -> [Slot<T>; SLOTS] {
        self.slots
    }

    pub(super) fn vacancy(&self) -> Option<usize> {
        self.slots.iter().position(Slot::is_empty)
    }

    /// The slots that are in use.
    pub(super) fn occupied(&self) -> impl Iterator<Item = usize> + use<'_, T> {
        (0..SLOTS).filter(|&slot| !self.slots[slot].is_empty())
    }

    pub(super) fn put(&mut self, slot: usize, tag: u8, content: Slot<T>) {
        self.set_tag(slot, tag);
        self.slots[slot] = content;
    }

    pub(super) fn take(&mut self, slot: usize) -> Slot<T> {
        std::mem::take(&mut self.slots[slot])
    }

    /// The window of the key in a slot in use.
    pub(super) fn window(&self, slot: usize) -> Window {
        Window::new(self.slots[slot].high(), (self.meta >> (8 * slot)) as u8)
    }

    fn set_tag(&mut self, slot: usize, tag: u8) {
        let shift = 8 * slot;
        self.meta = self.meta & !(0xFF << shift) | u64::from(tag) << shift;
    }
}

/// Slot numbers in ascending order.
pub(super) struct Candidates(u64);

impl Iterator for Candidates {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() / 8;
        self.0 &= self.0 - 1;
        Some(slot as usize)
    }
}
