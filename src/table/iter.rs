//! Walks over a whole table: borrowed, and owned.

use std::{array, vec};

use super::Table;
use super::bucket::{Bucket, SLOTS};
use super::segment::Segment;
use super::slot::{Slot, Stored};

impl<T: Stored> Table<T> {
    /// All items, roughly in hash order.
    pub fn iter(&self) -> impl Iterator<Item = T::Ref<'_>> {
        let buckets = self.directory.entries().iter().flat_map(Segment::buckets);
        buckets.flat_map(|bucket| (0..SLOTS).filter_map(|slot| bucket.slot(slot).item()))
    }
}

/// The items of a table, given away. Each segment's memory is freed as the walk leaves it; dropping this frees
/// whatever is left.
pub struct IntoIter<T: Stored> {
    segments: vec::IntoIter<Segment<T>>,
    buckets: vec::IntoIter<Bucket<T>>,
    slots: array::IntoIter<Slot<T>, SLOTS>,
}

impl<T: Stored> IntoIterator for Table<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter {
            segments: self.directory.into_entries().into_iter(),
            buckets: Vec::new().into_iter(),
            slots: Bucket::empty().into_slots().into_iter(),
        }
    }
}

impl<T: Stored> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            if let Some(item) = self.slots.find_map(|mut slot| slot.take()) {
                return Some(item);
            }
            if let Some(bucket) = self.buckets.next() {
                self.slots = bucket.into_slots().into_iter();
            } else {
                self.buckets = self.segments.next()?.into_buckets().into_vec().into_iter();
            }
        }
    }
}
