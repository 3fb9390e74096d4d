//! The hash-ordered table: keys lie in the order of their 64-bit hashes.
//!
//! ```text
//! order = hash << prefix bits     (the prefix is equal for all keys of a table)
//!
//!   top bits of order        directory       segment: 4 to 64 buckets        bucket: one cache line
//!        │                   ┌───────┐      ┌────┬────┬────┬─ ─ ─┬────┐     ┌──────────┬───────────┐
//!        └───────────────────►  ...  ├──────► b0 │ b1 │ b2 │     │ bn ├─────► 7 tags   │ 7 slots   │
//!                            └───────┘      └────┴────┴────┴─ ─ ─┴────┘     └──────────┴────┬──────┘
//!                                              ▲ home, by the next bits of order            ▼ item
//! ```
//!
//! Because place follows hash, growth splits one segment at a time, a scan's cursor is a hash position
//! that stays good whatever the table does in between, and a sweep needs no second index. A search costs
//! one line for a miss and the item's line more for a hit.
//!
//! The table knows neither seeds nor shards: whoever owns it computes the hashes, with [`hash`] outside of tests. It
//! serves the keyspace and the large collections alike.

mod bucket;
mod directory;
pub mod hash;
mod iter;
mod random;
mod scan;
mod segment;
mod slot;
#[cfg(test)]
mod tests;
mod window;

pub use iter::IntoIter;
pub use scan::Sweep;
pub use slot::Stored;

use std::fmt;

use bucket::Bucket;
use directory::Directory;
use slot::Slot;
use window::Window;

/// The marks that [`Table::marked_len`] counts and [`Table::sweep`] looks for.
pub const SWEPT_MARKS: [u8; 2] = [1, 2];

/// Longer prefixes would leave too little of a hash to order a giant table by.
const MAX_PREFIX_BITS: u32 = 16;

/// A table of items in hash order.
///
/// Empty, it owns no memory. Hashes are the caller's; they must be what [`Stored::rehash`] gives for the
/// key, agree in the table's prefix, and be random enough that nobody can choose them: equal hashes stay
/// correct but make operations linear.
pub struct Table<T: Stored> {
    directory: Directory<T>,
    len: usize,
    /// By swept mark. 32 bits each, so that large collections without marks stay as small as they are; more marked items
    /// would fill hundreds of gigabytes.
    marked: [u32; SWEPT_MARKS.len()],
}

impl<T: Stored> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("len", &self.len)
            .field("marked", &self.marked)
            .finish_non_exhaustive()
    }
}

/// Where an item lies. Good until the next insertion into the table or removal from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    segment: u32,
    bucket: u32,
    slot: u8,
}

impl Place {
    fn new(segment: usize, bucket: usize, slot: usize) -> Self {
        Self {
            segment: segment as u32,
            bucket: bucket as u32,
            slot: slot as u8,
        }
    }
}

const STALE: &str = "a place is used before the next insertion or removal";

impl<T: Stored> Table<T> {
    /// An empty table for hashes that agree in their top `prefix_bits`, of which there may be 16.
    pub const fn new(prefix_bits: u32) -> Self {
        assert!(prefix_bits <= MAX_PREFIX_BITS);
        Self {
            directory: Directory::new(prefix_bits),
            len: 0,
            marked: [0; SWEPT_MARKS.len()],
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many items carry a mark, which is one of [`SWEPT_MARKS`].
    pub fn marked_len(&self, mark: u8) -> usize {
        let counter = SWEPT_MARKS.iter().position(|&swept| swept == mark);
        counter.map_or(0, |counter| self.marked[counter] as usize)
    }

    /// Counts the marks of an item that changed.
    fn recount(&mut self, before: u8, after: u8) {
        for (mark, count) in SWEPT_MARKS.into_iter().zip(&mut self.marked) {
            *count = *count + u32::from(after & mark != 0) - u32::from(before & mark != 0);
        }
    }

    /// Bytes of heap that the table takes, the items not counted. Linear in the number of segments.
    pub fn table_bytes(&self) -> usize {
        self.directory.bytes()
    }

    /// Looks a key up.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let order = self.order(hash);
        let segment = self.directory.locate(order)?;
        let (bucket, slot) = self.directory.segment(segment).find(order, key)?;
        Some(Place::new(segment, bucket, slot))
    }

    /// An item that is `wanted` among those whose hashes agree with this one in all bits that the table keeps.
    pub fn find_like(
        &self,
        hash: u64,
        mut wanted: impl FnMut(T::Ref<'_>) -> bool,
    ) -> Option<Place> {
        let order = self.order(hash);
        let window = Window::of(order);
        let index = self.directory.locate(order)?;
        let segment = self.directory.segment(index);
        segment.probe(segment.home(order)).find_map(|number| {
            let bucket = &segment.buckets()[number];
            let slot = bucket.candidates(window).find(|&slot| {
                let slot = bucket.slot(slot);
                slot.high() == window.high() && slot.item().is_some_and(&mut wanted)
            })?;
            Some(Place::new(index, number, slot))
        })
    }

    /// The item at a place.
    #[inline]
    pub fn get(&self, place: Place) -> T::Ref<'_> {
        self.slot(place).item().expect(STALE)
    }

    /// The item at a place, to change. Its key must stay.
    #[inline]
    pub fn get_mut(&mut self, place: Place) -> T::Mut<'_> {
        self.slot_mut(place).item_mut().expect(STALE)
    }

    /// Adds an item whose key is absent. Its marks are zero.
    ///
    /// Constant time but for the rebuild of one segment (a few hundred slots) now and then.
    pub fn insert(&mut self, hash: u64, item: T) -> Place {
        let order = self.order(hash);
        let window = Window::of(order);
        let item = Slot::new(window.high(), item);
        debug_assert!(
            item.item()
                .is_some_and(|item| self.find(hash, T::key(item)).is_none()),
            "the key is present"
        );
        loop {
            let index = self.directory.locate_or_create(order);
            let segment = self.directory.segment_mut(index);
            if let Some(vacancy) = segment.vacancy(order) {
                segment.fill(&vacancy, window.tag(), item);
                self.len += 1;
                return Place::new(index, vacancy.bucket, vacancy.slot);
            }
            self.directory.expand(index, self.len);
        }
    }

    /// Puts another item of the same key in the place of one, and returns that one. The marks stay.
    pub fn replace(&mut self, place: Place, item: T) -> T {
        let mut former = None;
        self.update(place, |old| {
            former = Some(old);
            item
        });
        former.expect(STALE)
    }

    /// The first bucket: where the table begins in memory.
    pub fn beginning(&self) -> &impl Sized {
        &self.directory.segment(0).buckets()[0]
    }

    /// Passes an item through a function that may move it in memory but keeps its key. The marks stay.
    pub fn update(&mut self, place: Place, change: impl FnOnce(T) -> T) {
        self.slot_mut(place).update(change);
    }

    /// Takes an item out. Constant time but for the rebuild of a segment or two now and then.
    pub fn remove(&mut self, place: Place) -> T {
        let index = place.segment as usize;
        let segment = self.directory.segment_mut(index);
        let mut slot = segment.take(place.bucket as usize, usize::from(place.slot));
        let marks = slot.marks();
        let item = slot.take().expect(STALE);
        let sparse = segment.is_sparse();
        self.len -= 1;
        if marks != 0 {
            self.recount(marks, 0);
        }
        if sparse {
            self.directory.contract(index);
        }
        item
    }

    /// The marks of an item: three bits that can be read without touching it.
    pub fn marks(&self, place: Place) -> u8 {
        self.slot(place).marks()
    }

    /// Sets the three marks of an item.
    pub fn set_marks(&mut self, place: Place, marks: u8) {
        let slot = self.slot_mut(place);
        let before = slot.marks();
        slot.set_marks(marks);
        let after = slot.marks();
        self.recount(before, after);
    }

    /// Asks for the home bucket of a hash to be brought near.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Some(bucket) = self.home_bucket(self.order(hash)) {
            slot::prefetch(bucket);
        }
    }

    /// Asks for the item of a hash to be brought near, as far as its home bucket tells where it is. Cheap
    /// if [`Table::prefetch_bucket`] went before by the time of a cache miss.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        let order = self.order(hash);
        if let Some(bucket) = self.home_bucket(order) {
            bucket.prefetch_item(Window::of(order));
        }
    }

    /// Asks for the item at a place to be brought near.
    #[inline]
    pub fn prefetch(&self, place: Place) {
        self.slot(place).prefetch();
    }

    /// Moves everything out; the table is empty then. To free a large table in slices, iterate over what this
    /// returns piece by piece.
    pub fn take(&mut self) -> Self {
        let prefix_bits = self.directory.prefix_bits();
        std::mem::replace(self, Self::new(prefix_bits))
    }

    fn order(&self, hash: u64) -> u64 {
        hash << self.directory.prefix_bits()
    }

    fn home_bucket(&self, order: u64) -> Option<&Bucket<T>> {
        let segment = self.directory.segment(self.directory.locate(order)?);
        segment.buckets().get(segment.home(order))
    }

    #[inline]
    fn slot(&self, place: Place) -> &Slot<T> {
        let segment = self.directory.segment(place.segment as usize);
        segment.buckets()[place.bucket as usize].slot(usize::from(place.slot))
    }

    #[inline]
    fn slot_mut(&mut self, place: Place) -> &mut Slot<T> {
        let segment = self.directory.segment_mut(place.segment as usize);
        segment
            .bucket_mut(place.bucket as usize)
            .slot_mut(usize::from(place.slot))
    }
}
