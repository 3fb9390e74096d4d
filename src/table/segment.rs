//! A segment: a run of buckets that holds one interval of the hash order.
//!
//! A segment of depth `d` holds the keys whose orders share their top `d` bits. The bits that follow,
//! taken as a fraction of the interval, give a key's *home* bucket, so homes follow hash order whatever
//! the number of buckets. A key that finds its home full goes to the next bucket with room, around the
//! end if need be.
//!
//! Keys fill all segments of a table at the same pace. If segments had one size, all would be half empty
//! right after the table doubled; so a segment grows in small grades, and splits only at the largest.

use super::bucket::{Bucket, SLOTS};
use super::slot::{Slot, Stored};
use super::window::Window;

/// Sizes in buckets. In bytes they are size classes of the usual allocators, 256 to 4096.
const GRADES: [usize; 8] = [4, 8, 16, 32, 40, 48, 56, 64];

/// The size from which a segment splits rather than grows.
pub(super) const LARGEST_GRADE: usize = 64;

/// A segment grows when more than this part of its slots is in use.
const FULL: (usize, usize) = (9, 10);

/// Above this part a segment rather grows than puts a key beyond [`REACH`]. Below it, a crowd around
/// one home comes of equal hashes, which more buckets would not thin out.
const CROWDED: (usize, usize) = (3, 4);

/// How many buckets from its home a key is put in good conscience.
const REACH: usize = 12;

/// A new size is chosen so that at most this part of the slots is in use.
const ROOMY: (usize, usize) = (3, 4);

/// Two neighbours of equal depth merge when they hold no more than this between them: half of what a
/// segment holds when it splits, so that merging and splitting do not alternate.
const MERGE_AT: usize = LARGEST_GRADE * SLOTS / 2;

/// To this depth the window alone tells homes apart. Beyond, its bits run out and homes come of the whole
/// hash, which has to be computed from the key again.
const WINDOW_DEPTH: u32 = 16;

pub(super) struct Segment<T: Stored> {
    buckets: Box<[Bucket<T>]>,
    count: u32,
    depth: u8,
}

/// A place for one more key: where its home is, how far from it, and in which slot.
pub(super) struct Vacancy {
    home: usize,
    displacement: usize,
    pub(super) bucket: usize,
    pub(super) slot: usize,
}

impl<T: Stored> Segment<T> {
    /// A segment with room for `count` keys and some more.
    pub(super) fn for_count(depth: u32, count: usize) -> Self {
        Self::with_buckets(depth, grade_for(count))
    }

    /// A segment that can hold nothing: the directory's filler behind a segment that spans several
    /// of its entries.
    pub(super) fn hollow(depth: u32) -> Self {
        Self::with_buckets(depth, 0)
    }

    fn with_buckets(depth: u32, buckets: usize) -> Self {
        let buckets = std::iter::repeat_with(Bucket::empty)
            .take(buckets)
            .collect();
        Self {
            buckets,
            count: 0,
            depth: depth as u8,
        }
    }

    pub(super) fn depth(&self) -> u32 {
        u32::from(self.depth)
    }

    pub(super) fn set_depth(&mut self, depth: u32) {
        self.depth = depth as u8;
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    pub(super) fn buckets(&self) -> &[Bucket<T>] {
        &self.buckets
    }

    pub(super) fn bucket_mut(&mut self, bucket: usize) -> &mut Bucket<T> {
        &mut self.buckets[bucket]
    }

    pub(super) fn into_buckets(self) -> Box<[Bucket<T>]> {
        self.buckets
    }

    /// The home bucket of an order.
    #[inline]
    pub(super) fn home(&self, order: u64) -> usize {
        let order = if self.depth() <= WINDOW_DEPTH {
            Window::of(order).order()
        } else {
            order
        };
        let fraction = (order << self.depth) >> (u64::BITS - Window::BITS);
        ((fraction * self.buckets.len() as u64) >> Window::BITS) as usize
    }

    /// Where the interval of a home ends, as an order counted from the segment's beginning; `None` if it
    /// ends with the segment.
    pub(super) fn end_of_home(&self, home: usize) -> Option<u64> {
        let buckets = self.buckets.len() as u64;
        let mut fraction = ((home as u64 + 1) << Window::BITS).div_ceil(buckets);
        if self.depth() <= WINDOW_DEPTH {
            // Only every 2^depth-th fraction occurs: the window ends there.
            fraction = fraction.next_multiple_of(1 << self.depth);
        }
        (fraction < 1 << Window::BITS)
            .then(|| (fraction << (u64::BITS - Window::BITS)) >> self.depth)
    }

    /// The order of a key in a slot in use: exact enough to tell its home.
    fn order(&self, bucket: usize, slot: usize, prefix_bits: u32) -> u64 {
        order_in(&self.buckets[bucket], slot, self.depth(), prefix_bits)
    }

    /// The buckets in which keys of this home can lie, nearest first.
    #[inline]
    pub(super) fn probe(&self, home: usize) -> impl Iterator<Item = usize> + use<T> {
        let len = self.buckets.len();
        let furthest = match self.buckets[home].furthest() {
            u8::MAX => len - 1,
            furthest => usize::from(furthest),
        };
        (home..=home + furthest).map(move |bucket| if bucket < len { bucket } else { bucket - len })
    }

    #[inline]
    pub(super) fn find(&self, order: u64, key: &[u8]) -> Option<(usize, usize)> {
        let window = Window::of(order);
        self.probe(self.home(order))
            .find_map(|bucket| Some((bucket, self.buckets[bucket].find(window, key)?)))
    }

    /// Visits the keys of a home that are not below `from`, as (bucket, slot).
    pub(super) fn visit_home(
        &self,
        home: usize,
        from: Window,
        prefix_bits: u32,
        mut visit: impl FnMut(usize, usize),
    ) {
        for bucket in self.probe(home) {
            for slot in self.buckets[bucket].occupied() {
                if self.buckets[bucket].window(slot) >= from
                    && self.home(self.order(bucket, slot, prefix_bits)) == home
                {
                    visit(bucket, slot);
                }
            }
        }
    }

    /// A place for a key of this order, or `None` if the segment should grow first.
    pub(super) fn vacancy(&self, order: u64) -> Option<Vacancy> {
        if self.is_beyond(FULL) {
            return None;
        }
        let vacancy = self.nearest_vacancy(order)?;
        (vacancy.displacement <= REACH || !self.is_beyond(CROWDED)).then_some(vacancy)
    }

    pub(super) fn fill(&mut self, vacancy: &Vacancy, tag: u8, content: Slot<T>) {
        let home = &mut self.buckets[vacancy.home];
        let displacement = u8::try_from(vacancy.displacement).unwrap_or(u8::MAX);
        if displacement > home.furthest() {
            home.set_furthest(displacement);
        }
        self.buckets[vacancy.bucket].put(vacancy.slot, tag, content);
        self.count += 1;
    }

    /// Empties a slot in use.
    pub(super) fn take(&mut self, bucket: usize, slot: usize) -> Slot<T> {
        let window = self.buckets[bucket].window(slot);
        let content = self.buckets[bucket].take(slot);
        self.count -= u32::from(!content.is_empty());
        if self.depth() <= WINDOW_DEPTH {
            self.lower_furthest(self.home(window.order()), bucket);
        }
        content
    }

    /// Draws in what the home admits to searches, after a key of it has left `bucket`.
    fn lower_furthest(&mut self, home: usize, bucket: usize) {
        let len = self.buckets.len();
        let mut furthest = self.buckets[home].furthest();
        if furthest == u8::MAX || (home + usize::from(furthest)) % len != bucket {
            return;
        }
        while furthest > 0 && !self.holds_key_of(home, (home + usize::from(furthest)) % len) {
            furthest -= 1;
        }
        self.buckets[home].set_furthest(furthest);
    }

    fn holds_key_of(&self, home: usize, bucket: usize) -> bool {
        let bucket = &self.buckets[bucket];
        bucket
            .occupied()
            .any(|slot| self.home(bucket.window(slot).order()) == home)
    }

    /// Whether too few slots are in use.
    pub(super) fn is_sparse(&self) -> bool {
        self.count() * 2 < self.capacity()
    }

    /// Whether this and `buddy` had better be one.
    pub(super) fn should_merge(&self, buddy: &Self) -> bool {
        self.depth == buddy.depth && self.count() + buddy.count() <= MERGE_AT
    }

    /// Moves to the next larger size.
    pub(super) fn enlarge(&mut self, prefix_bits: u32) {
        self.resize(next_grade(self.buckets.len()), prefix_bits);
    }

    /// Moves to the size that suits the count, if that is smaller.
    pub(super) fn shrink(&mut self, prefix_bits: u32) {
        let suited = grade_for(self.count());
        if suited < self.buckets.len() {
            self.resize(suited, prefix_bits);
        }
    }

    fn resize(&mut self, buckets: usize, prefix_bits: u32) {
        let mut old = std::mem::replace(self, Self::with_buckets(self.depth(), buckets));
        self.absorb(&mut old, prefix_bits, |_| true);
    }

    /// Splits the segment by the next bit of the order; returns the upper half.
    pub(super) fn split(&mut self, prefix_bits: u32) -> Self {
        let depth = self.depth();
        let moves = |window: Window| window.in_upper_half(depth);
        let leaving = self.windows().filter(|&window| moves(window)).count();
        let mut upper = Self::for_count(depth + 1, leaving);
        let lower = Self::for_count(depth + 1, self.count() - leaving);
        let mut old = std::mem::replace(self, lower);
        upper.absorb(&mut old, prefix_bits, moves);
        self.absorb(&mut old, prefix_bits, |_| true);
        upper
    }

    /// Becomes the union with its neighbour of equal depth.
    pub(super) fn merge(&mut self, mut buddy: Self, prefix_bits: u32) {
        let union = Self::for_count(self.depth() - 1, self.count() + buddy.count());
        let mut old = std::mem::replace(self, union);
        self.absorb(&mut old, prefix_bits, |_| true);
        self.absorb(&mut buddy, prefix_bits, |_| true);
    }

    /// Moves over the keys whose window is wanted; there must be room for them.
    fn absorb(&mut self, from: &mut Self, prefix_bits: u32, wanted: impl Fn(Window) -> bool) {
        let depth = self.depth();
        for bucket in &mut from.buckets {
            for slot in 0..SLOTS {
                let window = bucket.window(slot);
                if bucket.slot(slot).is_empty() || !wanted(window) {
                    continue;
                }
                let order = order_in(bucket, slot, depth, prefix_bits);
                if let Some(vacancy) = self.nearest_vacancy(order) {
                    self.fill(&vacancy, window.tag(), bucket.take(slot));
                }
            }
        }
    }

    fn nearest_vacancy(&self, order: u64) -> Option<Vacancy> {
        let home = self.home(order);
        let (before, after) = self.buckets.split_at(home);
        after
            .iter()
            .chain(before)
            .enumerate()
            .find_map(|(displacement, bucket)| {
                let slot = bucket.vacancy()?;
                Some(Vacancy {
                    home,
                    displacement,
                    bucket: (home + displacement) % self.buckets.len(),
                    slot,
                })
            })
    }

    fn windows(&self) -> impl Iterator<Item = Window> {
        self.buckets
            .iter()
            .flat_map(|bucket| bucket.occupied().map(|slot| bucket.window(slot)))
    }

    fn capacity(&self) -> usize {
        self.buckets.len() * SLOTS
    }

    fn is_beyond(&self, (numerator, denominator): (usize, usize)) -> bool {
        self.count() * denominator > self.capacity() * numerator
    }
}

/// The order of the key in a slot in use, exact enough to tell its home at this depth.
fn order_in<T: Stored>(bucket: &Bucket<T>, slot: usize, depth: u32, prefix_bits: u32) -> u64 {
    match bucket.slot(slot).item() {
        Some(item) if depth > WINDOW_DEPTH => T::rehash(T::key(item)) << prefix_bits,
        _ => bucket.window(slot).order(),
    }
}

/// The smallest size that holds so many keys with ease.
fn grade_for(count: usize) -> usize {
    let (numerator, denominator) = ROOMY;
    let buckets = (count * denominator).div_ceil(numerator * SLOTS);
    GRADES
        .into_iter()
        .find(|&grade| grade >= buckets)
        .unwrap_or(buckets.next_multiple_of(8))
}

/// The next size above. Past the largest grade go only segments that cannot split.
fn next_grade(buckets: usize) -> usize {
    GRADES
        .into_iter()
        .find(|&grade| grade > buckets)
        .unwrap_or((buckets + buckets / 4).next_multiple_of(8))
}
