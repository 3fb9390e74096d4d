//! Which members a command means: a span of ranks, of scores or of the members' own bytes.

use std::cmp::Ordering;

use super::element::compare_scores;

/// Members that are next to each other in a sorted set.
#[derive(Clone, Copy, Debug)]
pub enum Span<'a> {
    /// From one rank to another, both included and counted from the end when negative.
    Ranks(i64, i64),
    /// From one score to another.
    Scores(Bound<f64>, Bound<f64>),
    /// From one member to another, compared by their bytes; of use where all scores are equal.
    Members(Bound<&'a [u8]>, Bound<&'a [u8]>),
}

/// An end of a span.
#[derive(Clone, Copy, Debug)]
pub enum Bound<T> {
    /// Before everything.
    First,
    /// Here; what is equal belongs to the span.
    Included(T),
    /// Here; what is equal does not belong to the span.
    Excluded(T),
    /// Behind everything.
    Last,
}

/// What spans are measured in.
pub trait Measure: Copy {
    /// Which of two comes first.
    fn compare(self, other: Self) -> Ordering;
}

impl Measure for f64 {
    #[inline]
    fn compare(self, other: f64) -> Ordering {
        compare_scores(self, other)
    }
}

impl Measure for &[u8] {
    #[inline]
    fn compare(self, other: &[u8]) -> Ordering {
        self.cmp(other)
    }
}

impl<T: Measure> Bound<T> {
    /// Whether something lies before every span that begins here.
    #[inline]
    pub(super) fn begins_behind(self, place: T) -> bool {
        match self {
            Bound::First => false,
            Bound::Included(bound) => place.compare(bound).is_lt(),
            Bound::Excluded(bound) => place.compare(bound).is_le(),
            Bound::Last => true,
        }
    }

    /// Whether something lies behind every span that ends here.
    #[inline]
    pub(super) fn ends_before(self, place: T) -> bool {
        match self {
            Bound::First => true,
            Bound::Included(bound) => place.compare(bound).is_gt(),
            Bound::Excluded(bound) => place.compare(bound).is_ge(),
            Bound::Last => false,
        }
    }
}
