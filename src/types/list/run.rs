//! A run: elements one after the other, as in a listpack but without the lengths that lead backwards.
//!
//! ```text
//!  | free | element ... element | spare capacity |
//!           ^ start
//!
//!  element:  | encoding, its length or integer | content |
//! ```
//!
//! Most elements of long lists are read forwards, and a byte less for each is a twentieth of the memory of a usual list.
//! There is room before the first element as there is behind the last, so nothing moves when elements come and go at
//! either end. To remove the last element its beginning must be known; the beginnings are looked up once and remembered as
//! long as they are good.

use crate::allocator;
use crate::allocator::pages::SparsePages;
use crate::types::listpack::{Encoded, ListpackRef, decode, forward_len};
use crate::types::relocate::relocate_buffer;
use crate::types::string::{StringRef, Wanted};

use super::End;

/// Elements that can change.
#[derive(Clone, Debug, Default)]
pub struct Run {
    bytes: Vec<u8>,
    start: u32,
    count: u32,
    /// `None` if not looked up yet.
    places: Option<Box<Places>>,
}

const _: () = assert!(
    size_of::<Run>() == 40,
    "a list has one of them for each chunk"
);

/// Where elements begin, to the last one; those of the first ones may be missing.
#[derive(Clone, Debug)]
struct Places {
    begins: Vec<u32>,
    /// What is before it was removed at the front since, and other elements may begin there by now.
    good_from: u32,
}

impl Places {
    /// Whether the last `count` elements, one at least, begin where this says.
    fn know(&self, count: usize) -> bool {
        let first = self.begins.len().checked_sub(count);
        first.is_some_and(|first| self.begins[first] >= self.good_from)
    }
}

impl Run {
    /// A run of one element, in no more memory than it needs.
    pub fn of(value: StringRef<'_>) -> Run {
        let mut run = Run::default();
        run.push_back(&Encoded::new(value), 0);
        run
    }

    /// An empty run with room for so many bytes, all at the end where elements are to come.
    pub fn with_room(end: End, room: usize) -> Run {
        let (bytes, start) = match end {
            End::Front => (vec![0; room], narrow(room)),
            End::Back => (Vec::with_capacity(room), 0),
        };
        Run {
            bytes,
            start,
            ..Run::default()
        }
    }

    /// A run whose bytes are known to be so many elements.
    pub fn from_bytes(bytes: Vec<u8>, count: usize) -> Run {
        Run {
            bytes,
            count: narrow(count),
            ..Run::default()
        }
    }

    /// A run of the elements of a listpack.
    pub fn from_listpack(list: ListpackRef<'_>) -> Run {
        let mut run = Run::default();
        // Most elements have a backward length of one byte.
        let forward = list.bytes().len().saturating_sub(list.len());
        run.bytes.reserve_exact(forward);
        for element in list.forward_parts() {
            run.bytes.extend_from_slice(element);
            run.count += 1;
        }
        run
    }

    /// Moves the bytes if they lie on a sparse page; answers whether it did.
    pub(super) fn relocate(&mut self, pages: &mut SparsePages) -> bool {
        relocate_buffer(&mut self.bytes, pages)
    }

    /// The elements' bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start()..]
    }

    /// How many elements there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    fn start(&self) -> usize {
        self.start as usize
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        let places = self.places.as_deref().map_or(0, |places| {
            let list = places.begins.capacity() * size_of::<u32>();
            allocator::good_size(size_of::<Places>()) + allocator::good_size(list)
        });
        allocator::good_size(self.bytes.capacity()) + places
    }

    /// The elements in order, or from the end.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.bytes(), self.count())
    }

    /// Adds an element at one end. Room for more is made, but up to `most` bytes in all.
    #[inline]
    pub(super) fn push(&mut self, end: End, value: &Encoded<'_>, most: usize) {
        match end {
            End::Front => self.push_front(value, most),
            End::Back => self.push_back(value, most),
        }
    }

    fn push_back(&mut self, value: &Encoded<'_>, most: usize) {
        let size = value.forward_len();
        if self.bytes.capacity() - self.bytes.len() < size {
            let room = room_for(size, self.bytes().len(), most);
            if self.start() >= room {
                self.align();
            } else {
                self.bytes.reserve_exact(room);
            }
        }
        if let Some(places) = &mut self.places {
            places.begins.push(narrow(self.bytes.len()));
        }
        value.append_forward(&mut self.bytes);
        self.count += 1;
    }

    fn push_front(&mut self, value: &Encoded<'_>, most: usize) {
        let size = value.forward_len();
        if self.start() < size {
            let room = room_for(size, self.bytes().len(), most);
            let mut wider = Vec::with_capacity(room + self.bytes().len());
            wider.resize(room, 0);
            wider.extend_from_slice(self.bytes());
            self.bytes = wider;
            self.start = narrow(room);
            self.places = None;
        }
        self.start -= narrow(size);
        let start = self.start();
        value.write_forward(&mut self.bytes[start..start + size]);
        self.count += 1;
    }

    /// Shows the element at one end and removes it. There must be one.
    #[inline]
    pub fn pop<R>(&mut self, end: End, take: impl FnOnce(StringRef<'_>) -> R) -> R {
        let place = match end {
            End::Front => self.start(),
            End::Back => self.last(),
        };
        let result = take(decode(&self.bytes[place..]));
        match end {
            End::Front => self.skip(forward_len(&self.bytes[place..])),
            End::Back => {
                self.places(1).pop();
                self.bytes.truncate(place);
            }
        }
        self.count -= 1;
        result
    }

    /// Where the last element begins.
    fn last(&mut self) -> usize {
        *self.places(1).last().expect("a run has elements") as usize
    }

    /// Where elements begin, the last `count` of them at least.
    fn places(&mut self, count: usize) -> &mut Vec<u32> {
        let looked_up = self.places.take().filter(|places| places.know(count));
        let places = looked_up.unwrap_or_else(|| {
            Box::new(Places {
                begins: places(&self.bytes, self.start(), self.count()),
                good_from: self.start,
            })
        });
        &mut self.places.insert(places).begins
    }

    /// Removes so many bytes of elements at the front.
    fn skip(&mut self, bytes: usize) {
        self.start += narrow(bytes);
        if let Some(places) = &mut self.places {
            places.good_from = places.good_from.max(self.start);
        }
    }

    /// Removes `count` elements at one end, of which there must be more.
    pub fn drop_end(&mut self, end: End, count: usize) {
        match end {
            End::Front => self.skip(self.offset(count)),
            End::Back => {
                let places = self.places(count);
                let kept = places.len() - count;
                let end = places[kept] as usize;
                places.truncate(kept);
                self.bytes.truncate(end);
            }
        }
        self.count -= narrow(count);
    }

    /// Where the element at an index begins, from the first element on; the end for an index one too large.
    fn offset(&self, index: usize) -> usize {
        (0..index).fold(0, |at, _| at + forward_len(&self.bytes()[at..]))
    }

    /// Bytes of the element at an index.
    pub fn size_of(&self, index: usize) -> usize {
        forward_len(&self.bytes()[self.offset(index)..])
    }

    /// Puts an element before the one at an index, or at the end.
    pub(super) fn insert(&mut self, index: usize, value: &Encoded<'_>) {
        let at = self.offset(index);
        self.splice(at, 0, value.forward_len());
        value.write_forward(&mut self.bytes[at..at + value.forward_len()]);
        self.count += 1;
    }

    /// Puts another element in the place of one.
    pub(super) fn replace(&mut self, index: usize, value: &Encoded<'_>) {
        let at = self.offset(index);
        self.splice(at, forward_len(&self.bytes()[at..]), value.forward_len());
        value.write_forward(&mut self.bytes[at..at + value.forward_len()]);
    }

    /// Removes one element.
    pub fn remove(&mut self, index: usize) {
        let at = self.offset(index);
        self.splice(at, forward_len(&self.bytes()[at..]), 0);
        self.count -= 1;
    }

    /// Removes the elements that are `wanted`, up to `most` of those nearest to one end; answers how many they were.
    pub fn remove_equal(&mut self, wanted: &Wanted<'_>, end: End, most: usize) -> usize {
        let found = self.iter().filter(|&value| wanted.is(value)).count();
        let removed = found.min(most);
        if removed == 0 {
            return 0;
        }
        let spared = match end {
            End::Front => 0,
            End::Back => found - removed,
        };
        let going = spared..spared + removed;
        let (mut from, mut to, mut seen) = (self.start(), self.start(), 0);
        for _ in 0..self.count {
            let size = forward_len(&self.bytes[from..]);
            let equal = wanted.is(decode(&self.bytes[from..]));
            if !(equal && going.contains(&seen)) {
                self.bytes.copy_within(from..from + size, to);
                to += size;
            }
            seen += usize::from(equal);
            from += size;
        }
        self.bytes.truncate(to);
        self.count -= narrow(removed);
        self.places = None;
        removed
    }

    /// Takes the elements from an index on out, into a run of their own.
    pub fn split_off(&mut self, index: usize) -> Run {
        let at = self.start() + self.offset(index);
        let rest = Run::from_bytes(self.bytes[at..].to_vec(), self.count() - index);
        self.bytes.truncate(at);
        self.count = narrow(index);
        self.close();
        rest
    }

    /// Adds all elements of another run at the end.
    pub fn append(&mut self, other: &Run) {
        self.align();
        self.bytes.reserve_exact(other.bytes().len());
        self.bytes.extend_from_slice(other.bytes());
        self.count += other.count;
    }

    /// Gives room and spare memory back: the run is expected to stay as it is.
    pub fn close(&mut self) {
        self.align();
        self.bytes.shrink_to_fit();
        self.places = None;
    }

    /// Gives the room in front up.
    fn align(&mut self) {
        self.bytes.drain(..self.start());
        self.start = 0;
        self.places = None;
    }

    /// Makes `old` bytes at `at` into `new` ones of any content.
    fn splice(&mut self, at: usize, old: usize, new: usize) {
        self.align();
        let len = self.bytes.len();
        if new > old {
            self.bytes.reserve_exact(new - old);
            self.bytes.resize(len + new - old, 0);
        }
        self.bytes.copy_within(at + old..len, at + new);
        self.bytes.truncate(len + new - old);
    }
}

/// Room to make for an element of `size` bytes beside `len` others: a quarter of them, so that what is copied is linear in what
/// is pushed, but no more than `most` allows.
fn room_for(size: usize, len: usize, most: usize) -> usize {
    (len / 4).min(most.saturating_sub(len)).max(size)
}

/// A length, place or count within a run: elements of a gigabyte are no longer encoded.
#[inline]
fn narrow(number: usize) -> u32 {
    debug_assert!(u32::try_from(number).is_ok());
    number as u32
}

/// Where `count` elements begin, the first at `start`.
fn places(bytes: &[u8], start: usize, count: usize) -> Vec<u32> {
    let mut at = start;
    let place = |_| {
        let place = at;
        at += forward_len(&bytes[at..]);
        narrow(place)
    };
    (0..count).map(place).collect()
}

/// The elements of a run.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
    /// Where the elements begin, once they are asked for from the end.
    places: Vec<u32>,
}

impl<'a> Iter<'a> {
    /// The elements that so many bytes are known to be.
    pub fn new(bytes: &'a [u8], count: usize) -> Iter<'a> {
        Iter {
            bytes,
            at: 0,
            left: count,
            places: Vec::new(),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = StringRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<StringRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let bytes = &self.bytes[self.at..];
        self.at += forward_len(bytes);
        Some(decode(bytes))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.left > 0 && self.places.is_empty() {
            self.places = places(self.bytes, self.at, self.left);
        }
        self.left = self.left.checked_sub(1)?;
        let place = self.places.pop()?;
        Some(decode(&self.bytes[place as usize..]))
    }
}
