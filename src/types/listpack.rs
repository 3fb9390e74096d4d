//! The listpack: a sequence of strings and integers in one buffer, byte for byte as in RDB files.
//!
//! ```text
//!  | total bytes, u32 | elements, u16 | element ... element | 0xFF |
//!
//!  element:  | encoding, its length or integer | content | backward length, 1 to 5 bytes |
//! ```
//!
//! All numbers are little-endian but the backward length, which is read from its end: it is the length of what precedes
//! it in the element, seven bits a byte, and lets a walk go either way. A string that spells an integer is kept as one.
//! The format is Redis's, since version 7.0 of its files 10.
//!
//! A listpack is small, so all operations but those at either end are linear. Every byte moved is in one cache-warm block.

use std::fmt;

use thiserror::Error;

use super::string::{StringRef, Wanted, as_integer};
use crate::allocator;

const HEADER: usize = 6;
const END: u8 = 0xFF;
/// In the header, a number of elements that has to be counted.
const UNCOUNTED: u16 = u16::MAX;

/// The longest sequence of bytes before a string's content: encoding and length.
const MAX_PREFIX: usize = 9;

const STRING_12: u8 = 0xE0;
const STRING_32: u8 = 0xF0;
const INT_13: u8 = 0xC0;
const INT_16: u8 = 0xF1;
const INT_24: u8 = 0xF2;
const INT_32: u8 = 0xF3;
const INT_64: u8 = 0xF4;

/// A listpack that can change.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack(Vec<u8>);

/// A listpack to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ListpackRef<'a>(&'a [u8]);

/// Where an element begins. Good until the listpack changes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(usize);

/// Bytes that are no listpack.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a packed list is damaged at byte {0}")]
pub struct Damaged(pub usize);

/// An element as it is written: prefix on the stack, content wherever it is.
pub(super) struct Encoded<'a> {
    prefix: [u8; MAX_PREFIX],
    prefix_len: usize,
    content: &'a [u8],
}

impl<'a> Encoded<'a> {
    pub fn new(value: StringRef<'a>) -> Encoded<'a> {
        match value {
            StringRef::Int(n) => Self::int(n),
            StringRef::Bytes(bytes) => {
                as_integer(bytes).map_or_else(|| Self::string(bytes), Self::int)
            }
        }
    }

    fn int(n: i64) -> Encoded<'a> {
        let mut prefix = [0; MAX_PREFIX];
        let little = n.to_le_bytes();
        let prefix_len = match n {
            0..=127 => {
                prefix[0] = n as u8;
                1
            }
            -4096..=4095 => {
                let bits = (n as u16) & 0x1FFF;
                prefix[0] = INT_13 | (bits >> 8) as u8;
                prefix[1] = bits as u8;
                2
            }
            _ => {
                let (encoding, width) = match n {
                    -0x8000..=0x7FFF => (INT_16, 2),
                    -0x80_0000..=0x7F_FFFF => (INT_24, 3),
                    -0x8000_0000..=0x7FFF_FFFF => (INT_32, 4),
                    _ => (INT_64, 8),
                };
                prefix[0] = encoding;
                prefix[1..=width].copy_from_slice(&little[..width]);
                1 + width
            }
        };
        Encoded {
            prefix,
            prefix_len,
            content: &[],
        }
    }

    fn string(content: &'a [u8]) -> Encoded<'a> {
        let mut prefix = [0; MAX_PREFIX];
        let len = content.len();
        let prefix_len = match len {
            0..=63 => {
                prefix[0] = 0x80 | len as u8;
                1
            }
            64..=4095 => {
                prefix[0] = STRING_12 | (len >> 8) as u8;
                prefix[1] = len as u8;
                2
            }
            _ => {
                prefix[0] = STRING_32;
                prefix[1..5].copy_from_slice(&(len as u32).to_le_bytes());
                5
            }
        };
        Encoded {
            prefix,
            prefix_len,
            content,
        }
    }

    /// Bytes without the backward length.
    #[inline]
    pub fn forward_len(&self) -> usize {
        self.prefix_len + self.content.len()
    }

    fn len(&self) -> usize {
        let forward = self.forward_len();
        forward + backward_size(forward)
    }

    /// Writes the element without its backward length into a place of exactly that length.
    #[inline]
    pub fn write_forward(&self, to: &mut [u8]) {
        to[..self.prefix_len].copy_from_slice(&self.prefix[..self.prefix_len]);
        to[self.prefix_len..].copy_from_slice(self.content);
    }

    /// Adds the element without its backward length.
    #[inline]
    pub fn append_forward(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.prefix[..self.prefix_len]);
        to.extend_from_slice(self.content);
    }

    /// Writes the whole element into a place of exactly its length.
    fn write(&self, to: &mut [u8]) {
        let forward = self.forward_len();
        self.write_forward(&mut to[..forward]);
        write_backward(forward, &mut to[forward..]);
    }
}

/// Writes the backward length of an element of so many bytes into a place of exactly its size.
fn write_backward(forward: usize, to: &mut [u8]) {
    let last = to.len() - 1;
    for (place, byte) in to.iter_mut().enumerate() {
        let continued = if place == 0 { 0 } else { 0x80 };
        *byte = (forward >> (7 * (last - place)) & 0x7F) as u8 | continued;
    }
}

/// Appends a listpack of elements that lie one after the other without their backward lengths. O(n).
pub fn write_packed(to: &mut Vec<u8>, elements: &[u8], count: usize) {
    let start = to.len();
    to.reserve(HEADER + elements.len() + 2 * count + 1);
    to.extend_from_slice(&[0; HEADER]);
    let mut rest = elements;
    while !rest.is_empty() {
        let (element, behind) = rest.split_at(forward_len(rest));
        to.extend_from_slice(element);
        let end = to.len();
        to.resize(end + backward_size(element.len()), 0);
        write_backward(element.len(), &mut to[end..]);
        rest = behind;
    }
    to.push(END);
    let total = u32::try_from(to.len() - start).expect("a listpack is far below 4 GiB");
    let count = u16::try_from(count).unwrap_or(UNCOUNTED);
    to[start..start + 4].copy_from_slice(&total.to_le_bytes());
    to[start + 4..start + HEADER].copy_from_slice(&count.to_le_bytes());
}

/// Bytes of the backward length of an element of so many bytes. The bounds are the format's, one less than would fit.
const fn backward_size(forward: usize) -> usize {
    match forward {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Bytes that an element with this value takes.
pub fn element_len(value: StringRef<'_>) -> usize {
    Encoded::new(value).len()
}

impl<'a> ListpackRef<'a> {
    /// A look at bytes that are known to be a listpack. Others give wrong elements or a panic; bytes from outside go through
    /// [`ListpackRef::validated`].
    #[inline]
    pub fn new(bytes: &'a [u8]) -> ListpackRef<'a> {
        ListpackRef(bytes)
    }

    /// A look at bytes from outside, all of which are checked.
    ///
    /// # Errors
    /// When they are not exactly one listpack.
    pub fn validated(bytes: &'a [u8]) -> Result<ListpackRef<'a>, Damaged> {
        let end = bytes
            .len()
            .checked_sub(1)
            .filter(|&end| end >= HEADER)
            .ok_or(Damaged(0))?;
        let list = ListpackRef(bytes);
        if list.total() != bytes.len() || bytes[end] != END {
            return Err(Damaged(0));
        }
        let (mut at, mut count) = (HEADER, 0usize);
        while at < end {
            let forward = prefix_of(&bytes[at..end])
                .and_then(|(prefix, content)| prefix.checked_add(content))
                .ok_or(Damaged(at))?;
            let size = backward_size(forward);
            let next = at
                .checked_add(forward + size)
                .filter(|&next| next <= end)
                .ok_or(Damaged(at))?;
            if backward_len(&bytes[..next]) != Some((forward, size)) {
                return Err(Damaged(at));
            }
            at = next;
            count += 1;
        }
        let announced = list.announced();
        if announced != UNCOUNTED && usize::from(announced) != count {
            return Err(Damaged(4));
        }
        Ok(list)
    }

    /// The buffer.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    fn total(self) -> usize {
        u32::from_le_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]) as usize
    }

    fn announced(self) -> u16 {
        u16::from_le_bytes([self.0[4], self.0[5]])
    }

    /// How many elements there are. Linear from 65,535 on.
    pub fn len(self) -> usize {
        match self.announced() {
            UNCOUNTED => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.len() == HEADER + 1
    }

    fn end(self) -> usize {
        self.0.len() - 1
    }

    /// The first element.
    pub fn first(self) -> Option<Place> {
        (!self.is_empty()).then_some(Place(HEADER))
    }

    /// The last element.
    pub fn last(self) -> Option<Place> {
        self.before(self.end())
    }

    /// The element behind one.
    #[inline]
    pub fn next(self, place: Place) -> Option<Place> {
        let next = place.0 + self.size(place);
        (next < self.end()).then_some(Place(next))
    }

    /// The element before one.
    #[inline]
    pub fn prev(self, place: Place) -> Option<Place> {
        self.before(place.0)
    }

    fn before(self, at: usize) -> Option<Place> {
        if at == HEADER {
            return None;
        }
        let (forward, size) = backward_len(&self.0[..at]).expect("an element ends here");
        Some(Place(at - size - forward))
    }

    /// The element at an index, from the nearer end.
    pub fn nth(self, index: usize) -> Option<Place> {
        let len = self.len();
        if index >= len {
            return None;
        }
        if index * 2 <= len {
            (0..index).try_fold(self.first()?, |place, _| self.next(place))
        } else {
            (index + 1..len).try_fold(self.last()?, |place, _| self.prev(place))
        }
    }

    /// Bytes of the whole element.
    #[inline]
    fn size(self, place: Place) -> usize {
        let forward = forward_len(&self.0[place.0..]);
        forward + backward_size(forward)
    }

    /// The element at a place.
    #[inline]
    pub fn get(self, place: Place) -> StringRef<'a> {
        decode(&self.0[place.0..])
    }

    /// The elements in order, or from the end.
    pub fn iter(self) -> Iter<'a> {
        Iter {
            list: self,
            front: HEADER,
            back: self.end(),
        }
    }

    /// The elements' bytes without their backward lengths, in order.
    pub(super) fn forward_parts(self) -> impl Iterator<Item = &'a [u8]> {
        let mut place = self.first();
        std::iter::from_fn(move || {
            let here = place?;
            place = self.next(here);
            Some(&self.0[here.0..here.0 + forward_len(&self.0[here.0..])])
        })
    }

    /// The elements from an index on.
    pub fn iter_from(self, index: usize) -> Iter<'a> {
        Iter {
            front: self.nth(index).map_or(self.end(), |place| place.0),
            ..self.iter()
        }
    }

    /// The first of every `stride`-th element, beginning with the one at `first`, that is `wanted`: a hash searches its
    /// fields with a stride of 2.
    pub fn find(self, wanted: &[u8], first: usize, stride: usize) -> Option<Place> {
        let wanted = Wanted::new(wanted);
        let mut place = (0..first).try_fold(self.first()?, |place, _| self.next(place))?;
        loop {
            if wanted.is(self.get(place)) {
                return Some(place);
            }
            for _ in 0..stride {
                place = self.next(place)?;
            }
        }
    }
}

/// The element that begins these bytes.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> StringRef<'_> {
    let first = bytes[0];
    if first < 0x80 {
        return StringRef::Int(first.into());
    }
    if first < 0xC0 {
        return StringRef::Bytes(&bytes[1..][..usize::from(first & 0x3F)]);
    }
    let signed = |width: usize| {
        let mut word = [0; 8];
        word[8 - width..].copy_from_slice(&bytes[1..=width]);
        StringRef::Int(i64::from_le_bytes(word) >> (64 - 8 * width))
    };
    match first {
        INT_16 => signed(2),
        INT_24 => signed(3),
        INT_32 => signed(4),
        INT_64 => signed(8),
        _ if first & 0xE0 == INT_13 => {
            let bits = i64::from(first & 0x1F) << 8 | i64::from(bytes[1]);
            StringRef::Int(bits << 51 >> 51)
        }
        _ => {
            let (prefix, content) = prefix_of(bytes).expect("an element begins here");
            StringRef::Bytes(&bytes[prefix..prefix + content])
        }
    }
}

/// Bytes of the element that begins these bytes, without its backward length.
#[inline]
pub(super) fn forward_len(bytes: &[u8]) -> usize {
    let (prefix, content) = prefix_of(bytes).expect("an element begins here");
    prefix + content
}

/// Lengths of an element's prefix and of its content; `None` if the bytes do not hold a prefix.
#[inline]
fn prefix_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    Some(match first {
        0..0x80 => (1, 0),
        0x80..0xC0 => (1, usize::from(first & 0x3F)),
        0xC0..0xE0 => (2, 0),
        0xE0..0xF0 => (
            2,
            usize::from(first & 0xF) << 8 | usize::from(*bytes.get(1)?),
        ),
        STRING_32 => {
            let len = bytes.get(1..5)?.try_into().expect("four bytes");
            (5, u32::from_le_bytes(len) as usize)
        }
        INT_16 => (3, 0),
        INT_24 => (4, 0),
        INT_32 => (5, 0),
        INT_64 => (9, 0),
        _ => return None,
    })
}

/// The backward length that ends these bytes, and its own size.
#[inline]
fn backward_len(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (place, &byte) in bytes.iter().rev().take(5).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((length, place + 1));
        }
    }
    None
}

/// The elements of a listpack.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    list: ListpackRef<'a>,
    front: usize,
    back: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = StringRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<StringRef<'a>> {
        if self.front == self.back {
            return None;
        }
        let place = Place(self.front);
        self.front += self.list.size(place);
        Some(self.list.get(place))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front == self.back {
            return None;
        }
        let place = self.list.before(self.back)?;
        self.back = place.0;
        Some(self.list.get(place))
    }
}

impl Default for Listpack {
    fn default() -> Listpack {
        Listpack::new()
    }
}

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Listpack {
        Listpack(vec![HEADER as u8 + 1, 0, 0, 0, 0, 0, END])
    }

    /// Takes over a buffer that is known to be a listpack, as [`ListpackRef::new`].
    pub fn from_bytes(bytes: Vec<u8>) -> Listpack {
        Listpack(bytes)
    }

    /// The buffer.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A look.
    #[inline]
    pub fn as_ref(&self) -> ListpackRef<'_> {
        ListpackRef(&self.0)
    }

    /// Bytes of heap.
    pub fn capacity(&self) -> usize {
        allocator::good_size(self.0.capacity())
    }

    /// Whether content of so many bytes may be added: far below what the header can say, as Redis has it.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        const MAX: usize = 1 << 30;
        self.0.len().saturating_add(bytes) <= MAX
    }

    /// Adds an element at the end.
    pub fn push_back(&mut self, value: StringRef<'_>) {
        self.insert_at(self.0.len() - 1, value);
    }

    /// Adds an element at the beginning.
    pub fn push_front(&mut self, value: StringRef<'_>) {
        self.insert_at(HEADER, value);
    }

    /// Adds an element before the one at `place`, and so at `place`.
    pub fn insert(&mut self, place: Place, value: StringRef<'_>) {
        self.insert_at(place.0, value);
    }

    /// Adds an element behind the one at `place`.
    pub fn insert_after(&mut self, place: Place, value: StringRef<'_>) {
        self.insert_at(place.0 + self.as_ref().size(place), value);
    }

    fn insert_at(&mut self, at: usize, value: StringRef<'_>) {
        let encoded = Encoded::new(value);
        self.make_room(at, 0, encoded.len());
        encoded.write(&mut self.0[at..at + encoded.len()]);
        self.recount(1);
    }

    /// Puts another element in the place of one.
    pub fn replace(&mut self, place: Place, value: StringRef<'_>) {
        let encoded = Encoded::new(value);
        let old = self.as_ref().size(place);
        self.make_room(place.0, old, encoded.len());
        encoded.write(&mut self.0[place.0..place.0 + encoded.len()]);
        self.recount(0);
    }

    /// Takes up to `count` elements out, from `place` on.
    pub fn remove(&mut self, place: Place, count: usize) {
        let (mut end, mut removed) = (place.0, 0);
        while removed < count && end < self.0.len() - 1 {
            end += self.as_ref().size(Place(end));
            removed += 1;
        }
        self.0.drain(place.0..end);
        self.recount(-(removed as isize));
    }

    /// Takes the elements from `place` on out, into a listpack of their own.
    pub fn split_off(&mut self, place: Place) -> Listpack {
        let moved = &self.0[place.0..self.0.len() - 1];
        let mut rest = Vec::with_capacity(HEADER + moved.len() + 1);
        rest.extend_from_slice(&[0; HEADER]);
        rest.extend_from_slice(moved);
        rest.push(END);
        let mut rest = Listpack(rest);
        let count = Iter {
            list: rest.as_ref(),
            front: HEADER,
            back: rest.0.len() - 1,
        }
        .count();
        rest.recount(count as isize);
        self.0.truncate(place.0);
        self.0.push(END);
        self.recount(-(count as isize));
        rest
    }

    /// Adds the elements of another listpack at the end.
    pub fn append(&mut self, other: ListpackRef<'_>) {
        let count = other.len();
        self.0.pop();
        self.0.reserve_exact(other.0.len() - HEADER);
        self.0.extend_from_slice(&other.0[HEADER..]);
        self.recount(count as isize);
    }

    /// Gives spare memory back.
    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Makes `old` bytes at `at` into `new` ones of any content. The buffer grows by no more than is needed: packed
    /// collections are many, and allocators grow small blocks in place for as long as they can.
    fn make_room(&mut self, at: usize, old: usize, new: usize) {
        let len = self.0.len();
        if new > old {
            self.0.reserve_exact(new - old);
            self.0.resize(len + new - old, 0);
        }
        self.0.copy_within(at + old..len, at + new);
        self.0.truncate(len + new - old);
    }

    /// Writes the header anew after the number of elements has changed.
    fn recount(&mut self, change: isize) {
        let total = u32::try_from(self.0.len()).expect("a listpack is far below 4 GiB");
        let list = self.as_ref();
        let count = match list.announced() {
            // Once lost, the count comes back when it fits again.
            UNCOUNTED if change < 0 => ListpackRef(&self.0).iter().count(),
            UNCOUNTED => usize::from(UNCOUNTED),
            count => usize::from(count).saturating_add_signed(change),
        };
        let count = u16::try_from(count).unwrap_or(UNCOUNTED);
        self.0[..4].copy_from_slice(&total.to_le_bytes());
        self.0[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }
}

impl fmt::Debug for ListpackRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl<'a> FromIterator<StringRef<'a>> for Listpack {
    fn from_iter<T: IntoIterator<Item = StringRef<'a>>>(values: T) -> Listpack {
        let mut list = Listpack::new();
        for value in values {
            list.push_back(value);
        }
        list
    }
}

#[cfg(test)]
mod tests;
