//! Hit density: how soon an entry will be used again, learned from what became of others like it.
//!
//! Entries are alike if they were used as often since they came (their *class*) and as long ago (their *age*). Of every
//! entry that is used, or evicted, its class and age at that moment are counted. They tell what an entry of class
//! `c` and age `a` is worth:
//!
//! ```text
//!                   uses of class c at age a or later
//! density(c, a) = -----------------------------------------------------------------
//!                 time that entries of class c stayed beyond age a, use or eviction
//! ```
//!
//! that is, the uses to come per unit of time that the entry goes on taking up memory. What has the least density for its size
//! is missed least. Nothing is assumed of how the data is used: where recency tells, density falls with age; where frequency
//! does, it grows with class; where keys come round in a loop, it grows with age. A scan's keys prove worthless as soon as
//! some of them were evicted unused. The idea is that of LHD (Beckmann, Chen and Cidon, NSDI 2018). It takes a few bits
//! of an entry and some kilobytes for all of them, and remembers no key that has gone.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::keyspace::access;

const CLASSES: usize = access::CLASSES as usize;

/// Spans of age, two to an octave.
const AGES: usize = 64;

/// Evictions from one lesson to the next.
const LESSON: u32 = 1024;

/// What a lesson leaves of the counts before it: half is forgotten after five.
const KEPT: f32 = 7.0 / 8.0;

/// Less than this is forgotten altogether.
const TRACE: f32 = 1e-3;

/// How much a guess counts beside what was seen, in uses. It decides where nothing was.
const GUESS: f32 = 0.1;

/// What became of an entry of some class at some age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate(u16);

impl Fate {
    const EVICTED: u16 = 1 << 15;

    /// It was used.
    #[inline]
    pub fn used(class: usize, age: u64) -> Fate {
        Fate(cell(class, age) as u16)
    }

    /// It was evicted.
    #[inline]
    pub fn evicted(class: usize, age: u64) -> Fate {
        Fate(cell(class, age) as u16 | Fate::EVICTED)
    }
}

/// The density of every class and age, as far as it is known, and the counts that it comes from.
#[derive(Debug)]
pub struct Densities {
    /// `f32`s by their bits, so that evictors read them unlocked.
    known: Box<[AtomicU32]>,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    used: Box<[f32]>,
    evicted: Box<[f32]>,
    /// Evictions since the last lesson.
    unlearned: u32,
}

impl Default for Densities {
    fn default() -> Self {
        let densities = Densities {
            known: (0..CLASSES * AGES).map(|_| AtomicU32::new(0)).collect(),
            counts: Mutex::new(Counts {
                used: vec![0.0; CLASSES * AGES].into(),
                evicted: vec![0.0; CLASSES * AGES].into(),
                unlearned: 0,
            }),
        };
        densities.learn(&mut densities.counts.lock());
        densities
    }
}

impl Densities {
    /// The density of entries of this class and age.
    #[inline]
    pub fn of(&self, class: usize, age: u64) -> f32 {
        f32::from_bits(self.known[cell(class, age)].load(Relaxed))
    }

    /// Counts what became of entries.
    #[cold]
    pub fn count(&self, fates: impl Iterator<Item = Fate>) {
        let mut counts = self.counts.lock();
        for Fate(fate) in fates {
            let cell = usize::from(fate & !Fate::EVICTED);
            if fate & Fate::EVICTED == 0 {
                counts.used[cell] += 1.0;
            } else {
                counts.evicted[cell] += 1.0;
                counts.unlearned += 1;
            }
        }
        if counts.unlearned >= LESSON {
            self.learn(&mut counts);
        }
    }

    /// Draws the densities from the counts, and lets these fade.
    fn learn(&self, counts: &mut Counts) {
        for class in 0..CLASSES {
            let (mut uses, mut ends, mut stay) = (0.0, 0.0, 0.0);
            for span in (0..AGES).rev() {
                let cell = class * AGES + span;
                uses += counts.used[cell];
                ends += counts.used[cell] + counts.evicted[cell];
                stay += ends * width(span);
                // The guess: often and lately used is good.
                let often = GUESS * (class + 1) as f32 / CLASSES as f32;
                let long_ago = GUESS * 4.0 * width(span);
                let density = (uses + often) / (stay + long_ago);
                self.known[cell].store(density.to_bits(), Relaxed);
            }
        }
        for count in counts.used.iter_mut().chain(counts.evicted.iter_mut()) {
            *count *= KEPT;
            if *count < TRACE {
                *count = 0.0;
            }
        }
        counts.unlearned = 0;
    }
}

#[inline]
fn cell(class: usize, age: u64) -> usize {
    class.min(CLASSES - 1) * AGES + span(age)
}

/// The span that an age falls in: the octave of `age + 1`, and which half of it.
#[inline]
fn span(age: u64) -> usize {
    let age = age.saturating_add(1);
    let octave = age.ilog2();
    let half = age << 1 >> octave & 1;
    (2 * octave as usize + half as usize).min(AGES - 1)
}

/// How many ages fall in a span. The first octave has one age only, which both its halves share.
fn width(span: usize) -> f32 {
    (1u64 << (span / 2)) as f32 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets so many entries in a hundred of a class, at an age, be used and the others be evicted.
    fn live(densities: &Densities, class: usize, age: u64, used: usize) {
        let fates = (0..100).map(|i| {
            if i < used {
                Fate::used(class, age)
            } else {
                Fate::evicted(class, age)
            }
        });
        densities.count(fates);
    }

    #[test]
    fn spans_follow_each_other_and_cover_all_ages() {
        let mut covered = 0.0;
        let mut begin = 0;
        for age in 0..100_000 {
            if span(age) != span(begin) {
                assert!(span(age) > span(begin), "{age}");
                assert!(span(age) - span(begin) == 1 || begin == 0);
                begin = age;
            }
            let whole: f32 = (0..span(age)).map(width).sum();
            covered = age as f32 - whole;
            assert!((-1.0..=width(span(age))).contains(&covered), "{age}");
        }
        assert!(covered > 0.0);
        assert!(span(u64::MAX) < AGES);
    }

    #[test]
    fn before_it_has_seen_anything_often_and_lately_used_is_dense() {
        let densities = Densities::default();
        assert!(densities.of(0, 10) > densities.of(0, 100));
        assert!(densities.of(5, 100) > densities.of(4, 100));
    }

    #[test]
    fn a_class_that_is_used_again_is_denser_than_one_that_is_not() {
        let densities = Densities::default();
        for _ in 0..40 {
            live(&densities, 0, 1000, 5);
            live(&densities, 1, 1000, 90);
        }
        assert!(densities.of(1, 0) > 5.0 * densities.of(0, 0));
    }

    #[test]
    fn in_a_loop_the_longer_unused_is_the_sooner_used() {
        let densities = Densities::default();
        for _ in 0..40 {
            live(&densities, 0, 1000, 100);
            live(&densities, 0, 100, 0);
        }
        assert!(densities.of(0, 800) > 3.0 * densities.of(0, 50));
        assert!(
            densities.of(0, 5000) < densities.of(0, 50),
            "it missed its turn"
        );
    }

    #[test]
    fn a_scan_is_worth_nothing_and_a_habit_is_given_up() {
        let densities = Densities::default();
        for _ in 0..40 {
            live(&densities, 0, 300, 0);
            live(&densities, 2, 300, 50);
        }
        assert!(densities.of(0, 10) < densities.of(2, 300) / 50.0);
        for _ in 0..1000 {
            live(&densities, 0, 300, 50);
            live(&densities, 2, 300, 0);
        }
        assert!(densities.of(2, 10) < densities.of(0, 10) / 50.0);
    }
}
