//! A member: one element of a large hash, set or sorted set, as the table keeps it.
//!
//! ```text
//!  |  deadline  | key length | value length | key | value |
//!     0 or 9        1 or 9       1 or 9 bytes
//! ```
//!
//! One allocation holds all, so that a large hash costs a field one block and eight bytes of table. The value of a set's
//! member is empty, that of a sorted set's is its score. A length below 255 takes one byte; a longer one takes that byte
//! and eight more. No length has the top bit of those eight: what has it is a deadline, and the lengths follow. So only
//! the members that have a deadline pay for it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::table::{Stored, hash};

const LONG: u8 = u8::MAX;
/// In the eight bytes behind [`LONG`], what tells a deadline from a length.
const DEADLINE: usize = 1 << 63;
/// Bytes of a deadline.
const DEADLINE_SIZE: usize = 9;

/// An owned member.
#[derive(Debug)]
pub struct Member(NonNull<u8>);

/// A shared look at a member.
#[derive(Clone, Copy, Debug)]
pub struct MemberRef<'a>(NonNull<u8>, PhantomData<&'a Member>);

/// An exclusive look at a member.
#[derive(Debug)]
pub struct MemberMut<'a>(NonNull<u8>, PhantomData<&'a mut Member>);

// SAFETY: a member owns its block of plain bytes and shares nothing.
unsafe impl Send for Member {}
// SAFETY: a shared member only gives shared access to plain bytes.
unsafe impl Sync for Member {}

fn length_size(length: usize) -> usize {
    if length < usize::from(LONG) { 1 } else { 9 }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size.next_multiple_of(8), 8)
        .expect("a member is smaller than the address space")
}

impl Member {
    /// Copies key and value into a block of their own.
    pub fn new(key: &[u8], value: &[u8]) -> Member {
        Member::with_deadline(key, value, None)
    }

    /// As [`Member::new`], with a moment from which the member is dead, in milliseconds since the epoch.
    pub fn with_deadline(key: &[u8], value: &[u8], deadline: Option<u64>) -> Member {
        let lengths = length_size(key.len()) + length_size(value.len());
        let header = lengths + deadline.map_or(0, |_| DEADLINE_SIZE);
        let layout = layout(header + key.len() + value.len());
        // SAFETY: the layout's size is not zero, as there are at least two bytes of lengths.
        let Some(base) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        let mut at = base;
        let deadline = deadline.map(|deadline| deadline as usize | DEADLINE);
        for word in deadline.into_iter().chain([key.len(), value.len()]) {
            let long = length_size(word) == 9;
            let first = if long { LONG } else { word as u8 };
            // SAFETY: the block has room for the deadline, for which `length_size` says what DEADLINE_SIZE does, for both
            // lengths, of the sizes that `header` counted, and then for key and value; eight bytes are written one by
            // one, so that their alignment does not matter.
            unsafe {
                at.write(first);
                at = at.add(1);
                if long {
                    at.cast::<[u8; 8]>().write(word.to_ne_bytes());
                    at = at.add(8);
                }
            }
        }
        // SAFETY: as above; source and fresh block do not overlap.
        unsafe {
            at.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            at.add(key.len())
                .copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Member(base)
    }

    /// A copy in a block of its own.
    pub fn copy(member: MemberRef<'_>) -> Member {
        Member::with_deadline(member.key(), member.value(), member.deadline())
    }

    /// A shared look.
    pub fn as_ref(&self) -> MemberRef<'_> {
        MemberRef(self.0, PhantomData)
    }

    /// An exclusive look.
    pub fn as_mut(&mut self) -> MemberMut<'_> {
        MemberMut(self.0, PhantomData)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let layout = layout(self.as_ref().size());
        // SAFETY: the block came from `alloc` with this layout and is freed once.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

/// Where the parts of a member lie, in bytes from its start.
struct Shape {
    key: usize,
    value: usize,
    end: usize,
}

impl<'a> MemberRef<'a> {
    /// The length (or deadline) stored at an offset, and its own size.
    #[inline]
    fn length(self, at: usize) -> (usize, usize) {
        // SAFETY: `at` is that of a length or deadline, whose first byte tells whether eight more follow.
        unsafe {
            match self.0.add(at).read() {
                LONG => {
                    let length = self.0.add(at + 1).cast::<[u8; 8]>().read();
                    (usize::from_ne_bytes(length), 9)
                }
                short => (usize::from(short), 1),
            }
        }
    }

    /// The first byte of the block.
    #[inline]
    pub fn block(self) -> &'a u8 {
        // SAFETY: the block is not empty, and lives as long as the member.
        unsafe { self.0.as_ref() }
    }

    /// The moment from which the member is dead, in milliseconds since the epoch.
    #[inline]
    pub fn deadline(self) -> Option<u64> {
        let (word, _) = self.length(0);
        (word & DEADLINE != 0).then_some((word & !DEADLINE) as u64)
    }

    #[inline]
    fn shape(self) -> Shape {
        let (mut key_len, mut end) = self.length(0);
        if key_len & DEADLINE != 0 {
            let (length, size) = self.length(DEADLINE_SIZE);
            (key_len, end) = (length, DEADLINE_SIZE + size);
        }
        let (value_len, value_size) = self.length(end);
        let key = end + value_size;
        let value = key + key_len;
        Shape {
            key,
            value,
            end: value + value_len,
        }
    }

    /// The key.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: these bytes are initialised and live as long as the member.
        unsafe {
            std::slice::from_raw_parts(self.0.add(shape.key).as_ptr(), shape.value - shape.key)
        }
    }

    /// The value.
    #[inline]
    pub fn value(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: these bytes are initialised and live as long as the member.
        unsafe {
            std::slice::from_raw_parts(self.0.add(shape.value).as_ptr(), shape.end - shape.value)
        }
    }

    /// The score that the value of a sorted set's member is.
    #[inline]
    pub fn score(self) -> f64 {
        f64::from_ne_bytes(self.value().try_into().expect("a score is eight bytes"))
    }

    /// Bytes of the member's own block, before the allocator's rounding.
    pub fn size(self) -> usize {
        self.shape().end
    }
}

impl<'a> MemberMut<'a> {
    /// Moves an existing deadline. The member must have one.
    pub fn replace_deadline(&mut self, deadline: u64) {
        let look: MemberRef<'_> = MemberRef(self.0, PhantomData);
        assert!(look.deadline().is_some(), "a deadline to replace");
        let word = (deadline as usize | DEADLINE).to_ne_bytes();
        // SAFETY: a member that has a deadline begins with LONG and the deadline's eight bytes, of which the alignment does
        // not matter; `self` is exclusive.
        unsafe { self.0.add(1).cast::<[u8; 8]>().write(word) }
    }

    /// The value, whose bytes may change and whose length may not.
    #[inline]
    pub fn into_value(self) -> &'a mut [u8] {
        let look: MemberRef<'a> = MemberRef(self.0, PhantomData);
        let shape = look.shape();
        // SAFETY: these bytes are initialised, live as long as the member, and are borrowed exclusively.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.0.add(shape.value).as_ptr(),
                shape.end - shape.value,
            )
        }
    }
}

// SAFETY: `into_raw` gives the address of the member's own block, which the allocator aligns to 8 and places in the lower
// half of the address space (below 2^47 on every supported system); `from_raw` takes the same address back.
unsafe impl Stored for Member {
    type Ref<'a> = MemberRef<'a>;
    type Mut<'a> = MemberMut<'a>;

    #[inline]
    fn into_raw(self) -> NonNull<u8> {
        std::mem::ManuallyDrop::new(self).0
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<u8>) -> Member {
        Member(raw)
    }

    #[inline]
    unsafe fn as_ref<'a>(raw: NonNull<u8>) -> MemberRef<'a> {
        MemberRef(raw, PhantomData)
    }

    #[inline]
    unsafe fn as_mut<'a>(raw: NonNull<u8>) -> MemberMut<'a> {
        MemberMut(raw, PhantomData)
    }

    #[inline]
    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8] {
        item.key()
    }

    fn rehash(key: &[u8]) -> u64 {
        hash::of(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_keys_and_values_of_all_lengths() {
        for (key_len, value_len) in [0, 1, 7, 254, 255, 256, 70_000]
            .into_iter()
            .flat_map(|key_len| [0, 8, 254, 255, 300, 70_000].map(|value_len| (key_len, value_len)))
        {
            let key: Vec<u8> = (0..key_len).map(|n| n as u8).collect();
            let value: Vec<u8> = (0..value_len).map(|n| !(n as u8)).collect();
            for deadline in [None, Some(0), Some(1 << 46)] {
                let mut member = Member::with_deadline(&key, &value, deadline);
                assert_eq!(member.as_ref().key(), key);
                assert_eq!(member.as_ref().value(), value);
                assert_eq!(member.as_ref().deadline(), deadline);
                if deadline.is_some() {
                    member.as_mut().replace_deadline(77);
                    assert_eq!(member.as_ref().deadline(), Some(77));
                }
                member.as_mut().into_value().fill(7);
                assert_eq!(member.as_ref().key(), key);
                assert_eq!(member.as_ref().value(), vec![7; value_len]);
            }
        }
    }

    #[test]
    fn a_short_member_costs_two_bytes_and_a_deadline_nine() {
        assert_eq!(Member::new(b"member:00001", b"").as_ref().size(), 14);
        let timed = Member::with_deadline(b"member:00001", b"", Some(1));
        assert_eq!(timed.as_ref().size(), 23);
    }
}
