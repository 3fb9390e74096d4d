//! Tests of the table against plain maps, and the item they put in it.

mod model;
mod scan;
mod shape;

use std::cell::Cell;
use std::ptr::NonNull;

use super::bucket::Bucket;
use super::segment::Segment;
use super::{SWEPT_MARKS, Stored, Table};

thread_local! {
    /// How many items of this thread are alive. A leak and a double free both show.
    static ALIVE: Cell<isize> = const { Cell::new(0) };
}

fn alive() -> isize {
    ALIVE.get()
}

/// The key starts with the hash, so that a test chooses hashes as it likes.
type Key = [u8; 16];

fn key(hash: u64, id: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&hash.to_be_bytes());
    key[8..].copy_from_slice(&id.to_be_bytes());
    key
}

fn hash_of(key: &[u8]) -> u64 {
    u64::from_be_bytes(key[..8].try_into().unwrap())
}

/// A bijection that scatters numbers as a good hash would.
fn scatter(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(align(8))]
struct Content {
    key: Key,
    value: u64,
}

#[derive(Debug)]
struct Item(Box<Content>);

impl Item {
    fn new(key: Key, value: u64) -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Self(Box::new(Content { key, value }))
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
    }
}

// SAFETY: a box of an 8-aligned type gives such addresses, user space ends below 2⁴⁸; `from_raw` undoes
// `into_raw`; the views are plain references.
unsafe impl Stored for Item {
    type Ref<'a> = &'a Content;
    type Mut<'a> = &'a mut u64;

    fn into_raw(mut self) -> NonNull<u8> {
        let raw = NonNull::from(&mut *self.0).cast();
        std::mem::forget(self);
        raw
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: by contract `raw` is a box that `into_raw` gave up.
        Self(unsafe { Box::from_raw(raw.cast().as_ptr()) })
    }

    unsafe fn as_ref<'a>(raw: NonNull<u8>) -> &'a Content {
        // SAFETY: by contract the box is alive and not changed during `'a`.
        unsafe { raw.cast().as_ref() }
    }

    unsafe fn as_mut<'a>(raw: NonNull<u8>) -> &'a mut u64 {
        // SAFETY: by contract the box is alive and lent to nobody else during `'a`.
        unsafe { &mut raw.cast::<Content>().as_mut().value }
    }

    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8] {
        &item.key
    }

    fn rehash(key: &[u8]) -> u64 {
        hash_of(key)
    }
}

fn insert(table: &mut Table<Item>, key: Key, value: u64) {
    let place = table.insert(hash_of(&key), Item::new(key, value));
    assert_eq!(*table.get(place), Content { key, value });
}

fn remove(table: &mut Table<Item>, key: &Key) -> Option<u64> {
    let place = table.find(hash_of(key), key)?;
    Some(table.remove(place).0.value)
}

/// A table of scattered keys, numbered.
fn filled(count: u64) -> Table<Item> {
    let mut table = Table::new(0);
    for number in 0..count {
        insert(&mut table, key(scatter(number), number), number);
    }
    table
}

/// Checks everything that the table relies on and its interface does not show.
fn check(table: &Table<Item>) {
    let directory = &table.directory;
    let prefix_bits = directory.prefix_bits();
    let (mut len, mut marked, mut position) = (0, [0; SWEPT_MARKS.len()], Some(0));
    while let Some(index) = position.filter(|&index| index < directory.entries().len()) {
        let segment = directory.segment(index);
        let next = directory.next(index);
        let members = &directory.entries()[index + 1..next.unwrap_or(directory.entries().len())];
        let hollow =
            |entry: &Segment<Item>| entry.buckets().is_empty() && entry.depth() == segment.depth();
        assert!(
            members.iter().all(hollow),
            "the segment's other entries are hollow and know its depth"
        );
        assert!(segment.buckets().len() <= directory.widest());

        let mut count = 0;
        for (number, bucket) in segment.buckets().iter().enumerate() {
            for slot in bucket.occupied() {
                let item = bucket.slot(slot).item().unwrap();
                let order = hash_of(&item.key) << prefix_bits;
                assert_eq!(
                    directory.locate(order),
                    Some(index),
                    "a key lies in its segment"
                );
                assert!(
                    segment
                        .probe(segment.home(order))
                        .any(|bucket| bucket == number),
                    "in reach of its home"
                );
                for (mark, counted) in SWEPT_MARKS.iter().zip(&mut marked) {
                    *counted += usize::from(bucket.slot(slot).marks() & mark != 0);
                }
                count += 1;
            }
        }
        assert_eq!(segment.count(), count);
        len += count;
        position = next;
    }
    assert_eq!(
        (table.len(), SWEPT_MARKS.map(|mark| table.marked_len(mark))),
        (len, marked)
    );
    assert!(
        len > 0 || table.table_bytes() == 0,
        "an empty table owns no memory"
    );
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Table<Item>>();
    assert!(size_of::<Table<Item>>() <= 64);
    assert!(size_of::<Segment<Item>>() == 24);
    assert!(align_of::<Bucket<Item>>() == 64);
};
