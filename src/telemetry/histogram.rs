//! How long commands took: a log-linear histogram that costs its one writer an addition.
//!
//! Values below 64 have a bucket each; above, every doubling is cut into 32 equal buckets, so a bucket's bounds are
//! at most 3 percent apart. Durations are recorded in raw clock ticks and converted when somebody looks.

use crate::metric::Counter;

/// A doubling is cut into `1 << PARTS_BITS` buckets.
const PARTS_BITS: u32 = 5;
const PARTS: usize = 1 << PARTS_BITS;
/// Longer durations count as this many bits' worth of ticks, which is 20 seconds or more.
const VALUE_BITS: u32 = 36;
const BUCKETS: usize = (VALUE_BITS - PARTS_BITS + 1) as usize * PARTS;

/// Counts of durations. One thread records, any thread reads. 8 KiB.
#[derive(Debug)]
pub struct Histogram([Counter; BUCKETS]);

impl Histogram {
    /// Without any durations.
    pub fn new() -> Box<Histogram> {
        Box::new(Histogram([const { Counter::new() }; BUCKETS]))
    }

    /// Counts one duration. Only the owning thread may call this.
    #[inline]
    pub fn record(&self, ticks: u64) {
        self.0[bucket_of(ticks)].add(1);
    }

    /// Forgets what was recorded; a concurrent recording may survive.
    pub fn reset(&self) {
        self.0.iter().for_each(Counter::reset);
    }
}

/// What several histograms recorded together, at one moment.
#[derive(Clone, Debug)]
pub struct Distribution {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Distribution {
    fn default() -> Distribution {
        Distribution {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }
}

impl Distribution {
    /// Adds what a histogram has recorded so far.
    pub fn add(&mut self, histogram: &Histogram) {
        for (sum, counter) in self.counts.iter_mut().zip(&histogram.0) {
            let count = counter.get();
            *sum += count;
            self.total += count;
        }
    }

    /// How many durations there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration in ticks that `percent` percent of the recorded ones do not exceed, rounded up to the end of
    /// its bucket; 0 if there are none.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted =
            ((percent / 100.0 * self.total as f64).round() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, last_of)
    }

    /// The buckets that are not empty, in order: the longest duration in ticks that each holds, and its count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts
            .iter()
            .enumerate()
            .filter(|&(_, &count)| count > 0)
            .map(|(bucket, &count)| (last_of(bucket), count))
    }
}

#[inline]
fn bucket_of(value: u64) -> usize {
    let value = value.min((1 << VALUE_BITS) - 1);
    let shift = (value | PARTS as u64).ilog2() - PARTS_BITS;
    shift as usize * PARTS + (value >> shift) as usize
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let shift = (bucket / PARTS).saturating_sub(1);
    let part = (bucket - shift * PARTS) as u64;
    ((part + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_all_values_in_order_and_closely() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            let last = last_of(bucket);
            assert_eq!((bucket_of(next), bucket_of(last)), (bucket, bucket));
            assert!((last - next) as f64 <= next as f64 / 32.0);
            next = last + 1;
        }
        assert_eq!(next, 1 << VALUE_BITS);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_all_histograms_together() {
        let (low, high) = (Histogram::new(), Histogram::new());
        (1..=90).for_each(|_| low.record(10));
        (1..=10).for_each(|_| high.record(1_000_000));
        let mut both = Distribution::default();
        assert_eq!(both.percentile(50.0), 0);
        both.add(&low);
        both.add(&high);
        assert_eq!(both.total(), 100);
        assert_eq!(
            [0.0, 50.0, 90.0].map(|percent| both.percentile(percent)),
            [10; 3]
        );
        for percent in [91.0, 99.9, 100.0] {
            assert!((1_000_000..1_032_000).contains(&both.percentile(percent)));
        }
        assert_eq!(
            both.buckets().map(|(_, count)| count).collect::<Vec<_>>(),
            [90, 10]
        );
        low.reset();
        let mut rest = Distribution::default();
        rest.add(&low);
        assert_eq!(rest.total(), 0);
    }
}
