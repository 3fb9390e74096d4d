//! The directory: from an order to its segment, by extendible hashing.
//!
//! With `D` directory bits there are 2ᴰ entries, and the top `D` bits of an order choose one. A segment of
//! depth `d` spans 2ᴰ⁻ᵈ neighbouring entries and lives in the first; the others are hollow and know only
//! the depth, which is enough to step back to the first. So the segment records are the directory: a
//! search reads one of them, and they lie in hash order.
//!
//! Each structural step rebuilds one segment, or two that merge. Doubling and halving move the
//! 24-byte records only.

use super::segment::{LARGEST_GRADE, Segment};
use super::slot::Stored;
use crate::allocator;

/// No segment splits beyond this depth; its bit must lie in the window.
const MAX_DEPTH: u32 = 24;

/// The directory doubles only while it has this many keys per entry. Segments hold hundreds when hashes
/// are random; hashes that are not must not blow up the directory.
const KEYS_PER_ENTRY: usize = 32;

pub(super) struct Directory<T: Stored> {
    entries: Vec<Segment<T>>,
    /// How many segments have the directory's own depth. When there are none, it can halve.
    deepest: u32,
    /// No segment has more buckets than this.
    widest: u32,
    bits: u8,
    prefix_bits: u8,
}

impl<T: Stored> Directory<T> {
    pub(super) const fn new(prefix_bits: u32) -> Self {
        Self {
            entries: Vec::new(),
            deepest: 0,
            widest: 0,
            bits: 0,
            prefix_bits: prefix_bits as u8,
        }
    }

    pub(super) fn prefix_bits(&self) -> u32 {
        u32::from(self.prefix_bits)
    }

    /// The entry of the segment that covers the order; `None` if there is no segment yet.
    #[inline]
    pub(super) fn locate(&self, order: u64) -> Option<usize> {
        // Two shifts, because with no directory bits the distance is all 64.
        let index = (order >> 1 >> (63 - self.bits)) as usize;
        let depth = self.entries.get(index)?.depth();
        Some(index & !0 << (u32::from(self.bits) - depth))
    }

    /// As [`Directory::locate`], but makes the first segment if there is none.
    pub(super) fn locate_or_create(&mut self, order: u64) -> usize {
        self.locate(order).unwrap_or_else(|| {
            // Most small tables stay small: no spare capacity.
            self.entries.reserve_exact(1);
            self.entries.push(Segment::for_count(0, 1));
            self.deepest = 1;
            self.note_size(0);
            0
        })
    }

    pub(super) fn entries(&self) -> &[Segment<T>] {
        &self.entries
    }

    pub(super) fn into_entries(self) -> Vec<Segment<T>> {
        self.entries
    }

    #[inline]
    pub(super) fn segment(&self, index: usize) -> &Segment<T> {
        &self.entries[index]
    }

    #[inline]
    pub(super) fn segment_mut(&mut self, index: usize) -> &mut Segment<T> {
        &mut self.entries[index]
    }

    /// The greatest number of buckets that a segment may have.
    pub(super) fn widest(&self) -> usize {
        self.widest as usize
    }

    /// The first order of a segment.
    pub(super) fn start(&self, index: usize) -> u64 {
        (index as u64) << (63 - self.bits) << 1
    }

    /// The entry of the segment that follows in hash order.
    pub(super) fn next(&self, index: usize) -> Option<usize> {
        Some(index + self.span(index)).filter(|&next| next < self.entries.len())
    }

    /// Bytes on the heap, without the items.
    pub(super) fn bytes(&self) -> usize {
        let buckets: usize = self
            .entries
            .iter()
            .map(|segment| allocator::good_size(size_of_val(segment.buckets())))
            .sum();
        allocator::good_size(self.entries.capacity() * size_of::<Segment<T>>()) + buckets
    }

    /// Gives a segment more buckets, or half of its keys to a new one.
    pub(super) fn expand(&mut self, index: usize, keys: usize) {
        let segment = &self.entries[index];
        if segment.buckets().len() >= LARGEST_GRADE && self.may_split(segment, keys) {
            self.split(index);
        } else {
            let prefix_bits = self.prefix_bits();
            self.entries[index].enlarge(prefix_bits);
            self.note_size(index);
        }
    }

    /// Gives back memory, if enough keys have left the segment.
    pub(super) fn contract(&mut self, mut index: usize) {
        if self.entries[index].count() == 0 && self.entries.len() == 1 {
            *self = Self::new(self.prefix_bits());
            return;
        }
        while self.entries[index].is_sparse() {
            let Some(lower) = self.mergeable(index) else {
                let prefix_bits = self.prefix_bits();
                self.entries[index].shrink(prefix_bits);
                self.note_size(index);
                return;
            };
            index = self.merge(lower);
        }
    }

    fn may_split(&self, segment: &Segment<T>, keys: usize) -> bool {
        segment.depth() < MAX_DEPTH
            && (segment.depth() < u32::from(self.bits)
                || self.entries.len() * KEYS_PER_ENTRY <= keys)
    }

    pub(super) fn split(&mut self, mut index: usize) {
        if self.entries[index].depth() == u32::from(self.bits) {
            self.double();
            index *= 2;
        }
        let prefix_bits = self.prefix_bits();
        let upper = self.entries[index].split(prefix_bits);
        let depth = upper.depth();
        let span = self.span(index);
        self.entries[index + span] = upper;
        self.spread_depth(index, depth);
        self.spread_depth(index + span, depth);
        if depth == u32::from(self.bits) {
            self.deepest += 2;
        }
        self.note_size(index);
        self.note_size(index + span);
    }

    /// The lower one of a segment and its buddy, if they had better be one.
    fn mergeable(&self, index: usize) -> Option<usize> {
        let span = self.span(index);
        let buddy = self.entries.get(index ^ span)?;
        self.entries[index]
            .should_merge(buddy)
            .then_some(index & !span)
    }

    /// Merges a segment with the buddy above it; returns the entry of the union.
    fn merge(&mut self, index: usize) -> usize {
        let (prefix_bits, span) = (self.prefix_bits(), self.span(index));
        let depth = self.entries[index].depth();
        let upper = std::mem::replace(&mut self.entries[index + span], Segment::hollow(depth));
        self.entries[index].merge(upper, prefix_bits);
        self.spread_depth(index, depth - 1);
        self.note_size(index);
        if depth < u32::from(self.bits) {
            return index;
        }
        self.deepest -= 2;
        if self.deepest > 0 {
            return index;
        }
        self.halve();
        index / 2
    }

    fn double(&mut self) {
        let mut entries = Vec::with_capacity(self.entries.len() * 2);
        for segment in self.entries.drain(..) {
            let depth = segment.depth();
            entries.push(segment);
            entries.push(Segment::hollow(depth));
        }
        self.entries = entries;
        self.bits += 1;
        self.deepest = 0;
    }

    /// Drops every second entry; all of them are hollow. Goes on while that holds.
    fn halve(&mut self) {
        while self.deepest == 0 {
            let half = self.entries.len() / 2;
            let mut entries = Vec::with_capacity(half);
            entries.extend(self.entries.drain(..).step_by(2));
            self.entries = entries;
            self.bits -= 1;
            let bits = u32::from(self.bits);
            self.deepest = self
                .entries
                .iter()
                .filter(|segment| segment.depth() == bits)
                .count() as u32;
        }
    }

    /// How many entries belong to a segment.
    fn span(&self, index: usize) -> usize {
        1 << (u32::from(self.bits) - self.entries[index].depth())
    }

    /// Tells all entries that belong to a segment, its own included, of their depth.
    fn spread_depth(&mut self, index: usize, depth: u32) {
        self.entries[index].set_depth(depth);
        let span = self.span(index);
        for entry in &mut self.entries[index..index + span] {
            entry.set_depth(depth);
        }
    }

    fn note_size(&mut self, index: usize) {
        let size = self.entries[index].buckets().len() as u32;
        self.widest = if self.entries.len() == 1 {
            size
        } else {
            self.widest.max(size)
        };
    }
}
