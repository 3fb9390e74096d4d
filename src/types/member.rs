//! A member: one element of a large hash, set or sorted set, as the table keeps it.
//!
//! ```text
//!  | key length | value length | key | value |
//!    1 or 9       1 or 9 bytes
//! ```
//!
//! One allocation holds both, so that a large hash costs a field one block and eight bytes of table. The value of a set's
//! member is empty, that of a sorted set's is its score. A length below 255 takes one byte; a longer one takes that byte
//! and eight more.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::table::{Stored, hash};

const LONG: u8 = u8::MAX;

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
        let header = length_size(key.len()) + length_size(value.len());
        let layout = layout(header + key.len() + value.len());
        // SAFETY: the layout's size is not zero, as there are at least two bytes of lengths.
        let Some(base) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        let mut at = base;
        for length in [key.len(), value.len()] {
            let long = length_size(length) == 9;
            let first = if long { LONG } else { length as u8 };
            // SAFETY: the block has room for both lengths, of the sizes that `header` counted, and then for key and value;
            // a long length is written byte by byte, so that its alignment does not matter.
            unsafe {
                at.write(first);
                at = at.add(1);
                if long {
                    at.cast::<[u8; 8]>().write(length.to_ne_bytes());
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
    /// The length stored at an offset, and its own size.
    #[inline]
    fn length(self, at: usize) -> (usize, usize) {
        // SAFETY: `at` is that of a length, whose first byte tells whether eight more follow.
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

    #[inline]
    fn shape(self) -> Shape {
        let (key_len, key_size) = self.length(0);
        let (value_len, value_size) = self.length(key_size);
        let key = key_size + value_size;
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

    /// Bytes of the member's own block, before the allocator's rounding.
    pub fn size(self) -> usize {
        self.shape().end
    }
}

impl<'a> MemberMut<'a> {
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
        for key_len in [0, 1, 7, 254, 255, 256, 70_000] {
            for value_len in [0, 8, 254, 255, 300, 70_000] {
                let key: Vec<u8> = (0..key_len).map(|n| n as u8).collect();
                let value: Vec<u8> = (0..value_len).map(|n| !(n as u8)).collect();
                let mut member = Member::new(&key, &value);
                assert_eq!(member.as_ref().key(), key);
                assert_eq!(member.as_ref().value(), value);
                member.as_mut().into_value().fill(7);
                assert_eq!(member.as_ref().key(), key);
                assert_eq!(member.as_ref().value(), vec![7; value_len]);
            }
        }
    }

    #[test]
    fn a_short_member_costs_two_bytes() {
        assert_eq!(Member::new(b"member:00001", b"").as_ref().size(), 14);
    }
}
