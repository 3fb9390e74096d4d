//! A random item, or a handful, every one as likely as any other.
//!
//! The draw is by rejection: a directory entry, a bucket number below the widest segment's and a slot number
//! are drawn, and drawn again unless they name a slot in use. Every slot in use has the same chance in each
//! try, however large its segment and however many directory entries that spans.

use fastrand::Rng;

use super::bucket::SLOTS;
use super::slot::Stored;
use super::{Place, Table};

/// A try succeeds with a probability near one third in a table of random hashes, so that this many fail once
/// in 10²² draws. Only lopsided tables get to the fallback.
const TRIES: usize = 128;

impl<T: Stored> Table<T> {
    /// A random item; `None` if the table is empty.
    ///
    /// Constant time in a table of random hashes. In one so lopsided that the draw keeps missing, the walk
    /// from a random slot to the next in use settles it, and the choice is no longer even.
    pub fn random(&self, rng: &mut Rng) -> Option<Place> {
        if self.is_empty() {
            return None;
        }
        let entries = self.directory.entries();
        for _ in 0..TRIES {
            let index = rng.usize(..entries.len());
            let bucket = rng.usize(..self.directory.widest());
            let slot = rng.usize(..SLOTS);
            if let Some(bucket_at) = entries[index].buckets().get(bucket)
                && !bucket_at.slot(slot).is_empty()
            {
                return Some(Place::new(index, bucket, slot));
            }
        }
        let begin = rng.usize(..entries.len());
        self.first_place_in(begin..entries.len())
            .or_else(|| self.first_place_in(0..begin))
    }

    /// Visits the items in so many neighbouring buckets of a random segment, or in all of its buckets: some five items each.
    /// Every item of the table has the same chance to be visited; only in a lopsided table may there be none.
    pub fn sample(&self, rng: &mut Rng, buckets: usize, mut visit: impl FnMut(Place)) {
        let entries = self.directory.entries();
        if entries.is_empty() {
            return;
        }
        for _ in 0..TRIES {
            let index = rng.usize(..entries.len());
            let first = rng.usize(..self.directory.widest());
            let all = entries[index].buckets();
            if first >= all.len() {
                continue;
            }
            let chosen = (first..all.len()).chain(0..first).take(buckets);
            let mut visited = false;
            for bucket in chosen {
                for slot in all[bucket].occupied() {
                    visit(Place::new(index, bucket, slot));
                    visited = true;
                }
            }
            if visited {
                return;
            }
        }
    }

    fn first_place_in(&self, mut indices: std::ops::Range<usize>) -> Option<Place> {
        indices.find_map(|index| {
            let buckets = self.directory.segment(index).buckets();
            buckets.iter().enumerate().find_map(|(bucket, content)| {
                Some(Place::new(index, bucket, content.occupied().next()?))
            })
        })
    }
}
