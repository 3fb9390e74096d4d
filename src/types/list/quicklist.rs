//! The quicklist: the elements of a large list in chunks, so that a change touches one of them.
//!
//! The chunks lie in a double-ended array and tell their number of elements: an index is found without a look into them.
//! What comes and goes at the ends costs O(1); in the middle, O(chunks) and the size of one chunk.

use std::collections::VecDeque;
use std::collections::vec_deque;
use std::iter::FlatMap;
use std::ops::Range;

use super::chunk::{self, Chunk};
use super::run::Run;
use super::{End, Layout};
use crate::allocator;
use crate::allocator::pages::SparsePages;
use crate::types::listpack::ListpackRef;
use crate::types::relocate::Relocated;
use crate::types::string::{Decimal, StringRef, Wanted};

/// From so many chunks on a new one at an end takes its full size at once: an empty chunk is little beside the list, and to
/// grow through all sizes would leave an allocator's page of each behind.
const LARGE: usize = 4;

/// Elements in chunks. The first and the last chunk are never compressed.
#[derive(Clone, Debug, Default)]
pub struct Quicklist {
    chunks: VecDeque<Chunk>,
    len: usize,
}

/// The elements of a quicklist.
pub type Iter<'a> =
    FlatMap<vec_deque::Iter<'a, Chunk>, chunk::Iter<'a>, fn(&'a Chunk) -> chunk::Iter<'a>>;

impl Quicklist {
    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Another list of the same elements, which shares the chunks of this one. Linear in their number.
    pub fn share(&mut self) -> Quicklist {
        Quicklist {
            chunks: self.chunks.iter_mut().map(Chunk::share).collect(),
            len: self.len,
        }
    }

    /// Moves chunks that lie on sparse pages, from an index on, some at a time.
    pub(in crate::types) fn relocate(
        &mut self,
        position: u64,
        pages: &mut SparsePages,
    ) -> Relocated {
        /// Chunks that are looked at.
        const SLICE: usize = 64;
        /// Chunks that are moved.
        const MOST: u64 = 8;
        let (mut moved, mut at) = (0, position as usize);
        let end = self.chunks.len().min(at.saturating_add(SLICE));
        while at < end && moved < MOST {
            moved += u64::from(self.chunks[at].relocate(pages));
            at += 1;
        }
        let is_sparse = |first: Option<&Chunk>| first.is_some_and(|first| pages.hold(first));
        if position == 0 && end == self.chunks.len() && is_sparse(self.chunks.front()) {
            let mut chunks = VecDeque::with_capacity(self.chunks.capacity());
            chunks.append(&mut self.chunks);
            self.chunks = chunks;
            moved += 1;
        }
        Relocated {
            moved,
            next: (at < self.chunks.len()).then_some(at as u64),
        }
    }

    /// How many chunks there are.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The chunks in order.
    pub fn iter_chunks(&self) -> vec_deque::Iter<'_, Chunk> {
        self.chunks.iter()
    }

    /// The chunk, if there is but one and its elements are encoded.
    pub fn only_run(&self) -> Option<&Chunk> {
        match self.chunks.front() {
            Some(chunk) if self.chunks.len() == 1 && chunk.is_run() => Some(chunk),
            _ => None,
        }
    }

    /// Bytes of heap, estimated from `samples` chunks, or from all if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        let all = self.chunks.len();
        let looked_at = if samples == 0 { all } else { samples.min(all) };
        // Spread over the list, the middle of equal parts: chunks at its ends may be all but empty.
        let sampled: usize = (0..looked_at)
            .map(|nth| self.chunks[(2 * nth + 1) * all / (2 * looked_at)].memory())
            .sum();
        let array = allocator::good_size(self.chunks.capacity() * size_of::<Chunk>());
        array + (sampled * all).checked_div(looked_at).unwrap_or(0)
    }

    /// Bytes of each chunk, in order.
    pub fn chunk_sizes(&self) -> impl Iterator<Item = usize> {
        self.chunks.iter().map(Chunk::memory)
    }

    /// The elements in order, or from the end.
    pub fn iter(&self) -> Iter<'_> {
        self.chunks.iter().flat_map(Chunk::iter)
    }

    /// The elements from an index on.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        if index >= self.len {
            return self.chunks.range(..0).flat_map(Chunk::iter);
        }
        let (at, offset) = self.locate(index);
        let mut elements: Iter<'_> = self.chunks.range(at..).flat_map(Chunk::iter);
        if let Some(before) = offset.checked_sub(1) {
            elements.nth(before);
        }
        elements
    }

    /// The chunk of the element at an index, and its index there; counted from the nearer end.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index <= self.len / 2 {
            let mut offset = index;
            for (at, chunk) in self.chunks.iter().enumerate() {
                match offset.checked_sub(chunk.count()) {
                    Some(rest) => offset = rest,
                    None => return (at, offset),
                }
            }
        } else {
            let mut behind = self.len - index;
            for (at, chunk) in self.chunks.iter().enumerate().rev() {
                match chunk.count().checked_sub(behind) {
                    Some(offset) => return (at, offset),
                    None => behind -= chunk.count(),
                }
            }
        }
        unreachable!("the index of an element")
    }

    fn end_mut(&mut self, end: End) -> Option<&mut Chunk> {
        match end {
            End::Front => self.chunks.front_mut(),
            End::Back => self.chunks.back_mut(),
        }
    }

    /// Adds an element at one end.
    #[inline]
    pub fn push(&mut self, end: End, value: &[u8], layout: &Layout) {
        self.len += 1;
        if let Some(chunk) = self.end_mut(end) {
            if chunk.push(end, value, layout) {
                return;
            }
            chunk.close();
        }
        let chunk = if self.chunks.len() >= LARGE && layout.is_by_bytes() {
            Chunk::to_fill(end, value, layout)
        } else {
            Chunk::of(value, layout)
        };
        match end {
            End::Front => self.chunks.push_front(chunk),
            End::Back => self.chunks.push_back(chunk),
        }
        self.settle(0..0, layout);
    }

    /// Adds the elements of a listpack at the back: as a chunk, or to the last one, if they fit.
    pub fn push_packed(&mut self, elements: ListpackRef<'_>, layout: &Layout) {
        let count = elements.len();
        if count == 0 {
            return;
        }
        if !layout.fits_chunk(elements.bytes().len(), count) {
            for element in elements.iter() {
                self.push(End::Back, element.bytes(&mut Decimal::default()), layout);
            }
            return;
        }
        self.len += count;
        let chunk = Chunk::Run(Run::from_listpack(elements));
        let apart = match self.chunks.back_mut() {
            Some(last) => last.absorb(chunk, layout),
            None => Some(chunk),
        };
        if let Some(chunk) = apart {
            self.chunks.push_back(chunk);
            self.settle(0..0, layout);
        }
    }

    /// Shows the element at one end and removes it.
    #[inline]
    pub fn pop<R>(
        &mut self,
        end: End,
        layout: &Layout,
        take: impl FnOnce(StringRef<'_>) -> R,
    ) -> Option<R> {
        let chunk = self.end_mut(end)?;
        chunk.own();
        let (result, gone) = match chunk {
            Chunk::Plain(bytes) => (take(StringRef::Bytes(bytes)), true),
            _ => {
                let run = chunk.run_mut()?;
                (run.pop(end, take), run.count() == 0)
            }
        };
        self.len -= 1;
        if gone {
            self.drop_chunk(end);
            self.settle(0..0, layout);
        }
        Some(result)
    }

    /// Removes up to `count` elements at one end.
    pub fn drop_end(&mut self, end: End, count: usize, layout: &Layout) {
        let mut left = count.min(self.len);
        self.len -= left;
        while left > 0
            && let Some(chunk) = self.end_mut(end)
        {
            match left.checked_sub(chunk.count()) {
                Some(rest) => {
                    left = rest;
                    self.drop_chunk(end);
                }
                None => {
                    if let Some(run) = chunk.run_mut() {
                        run.drop_end(end, left);
                    }
                    left = 0;
                }
            }
        }
        self.settle(0..0, layout);
    }

    fn drop_chunk(&mut self, end: End) {
        match end {
            End::Front => self.chunks.pop_front(),
            End::Back => self.chunks.pop_back(),
        };
    }

    /// Puts another element in the place of the one at an index, which must exist.
    pub fn set(&mut self, index: usize, value: &[u8], layout: &Layout) {
        let (at, offset) = self.locate(index);
        if self.chunks[at].replace(offset, value, layout) {
            self.settle(at..at + 1, layout);
        } else if let Some(run) = self.chunks[at].run_mut() {
            run.remove(offset);
            self.len -= 1;
            self.insert_at(at, offset, value, layout);
        }
    }

    /// Puts an element before or behind the first one that is `pivot`; answers whether there is such a one.
    pub fn insert(
        &mut self,
        pivot: &Wanted<'_>,
        behind: bool,
        value: &[u8],
        layout: &Layout,
    ) -> bool {
        let found = self.chunks.iter().enumerate().find_map(|(at, chunk)| {
            let offset = chunk
                .iter()
                .position(|element| pivot.is(element.as_ref()))?;
            Some((at, offset))
        });
        if let Some((at, offset)) = found {
            self.insert_at(at, offset + usize::from(behind), value, layout);
        }
        found.is_some()
    }

    /// Puts an element into a chunk, or at its edge, or between its parts.
    fn insert_at(&mut self, at: usize, offset: usize, value: &[u8], layout: &Layout) {
        self.len += 1;
        let count = self.chunks[at].count();
        if self.chunks[at].insert(offset, value, layout) {
            self.settle(at..at + 1, layout);
        } else if offset == 0 && at > 0 && self.chunks[at - 1].push(End::Back, value, layout) {
            self.settle(at - 1..at, layout);
        } else if offset == count
            && at + 1 < self.chunks.len()
            && self.chunks[at + 1].push(End::Front, value, layout)
        {
            self.settle(at + 1..at + 2, layout);
        } else {
            let place = if offset == 0 { at } else { at + 1 };
            if 0 < offset && offset < count {
                let rest = self.chunks[at].split_off(offset);
                self.chunks.insert(place, rest);
            }
            self.chunks.insert(place, Chunk::of(value, layout));
            self.merge(place.saturating_sub(2)..place + 3, layout);
        }
    }

    /// Removes the elements that are `wanted`, up to `most` of those nearest to one end; answers how many they were.
    pub fn remove_equal(
        &mut self,
        wanted: &Wanted<'_>,
        end: End,
        most: usize,
        layout: &Layout,
    ) -> usize {
        let mut left = most;
        let mut remove = |chunk: &mut Chunk| {
            left -= chunk.remove_equal(wanted, end, left);
            left > 0
        };
        match end {
            End::Front => self.chunks.iter_mut().all(&mut remove),
            End::Back => self.chunks.iter_mut().rev().all(&mut remove),
        };
        let removed = most - left;
        if removed > 0 {
            self.len -= removed;
            self.chunks.retain(|chunk| chunk.count() > 0);
            self.merge(0..self.chunks.len(), layout);
        }
        removed
    }

    /// Joins neighbours in a range of chunks that fit into one.
    fn merge(&mut self, range: Range<usize>, layout: &Layout) {
        let behind = self.chunks.split_off(range.end.min(self.chunks.len()));
        let mut middle = self.chunks.split_off(range.start).into_iter();
        let mut last = middle.next();
        for chunk in middle {
            let apart = match &mut last {
                Some(last) => last.absorb(chunk, layout),
                None => Some(chunk),
            };
            if apart.is_some() {
                self.chunks.extend(std::mem::replace(&mut last, apart));
            }
        }
        self.chunks.extend(last);
        let end = self.chunks.len();
        self.chunks.extend(behind);
        self.settle(range.start..end, layout);
    }

    /// Compresses and decompresses chunks as their places ask for, after some were changed or chunks came or went at the ends.
    fn settle(&mut self, changed: Range<usize>, layout: &Layout) {
        let (depth, all) = (layout.depth, self.chunks.len());
        let open = depth.max(1).min(all);
        for at in (0..open).chain(all - open..all) {
            self.chunks[at].run_mut();
        }
        for at in changed.clone() {
            self.chunks[at].close();
        }
        if depth > 0 && depth < all {
            let inside = depth..all - depth;
            let news = [inside.start, all - depth - 1].into_iter().chain(changed);
            for at in news.filter(|at| inside.contains(at)) {
                self.chunks[at].squeeze();
            }
        }
    }
}
