//! Indexes as clients give them: from 0 on, or counted from the end when negative, and of any size.

use std::ops::Range;

/// The place among `len` elements that an index means; `None` if it is outside.
pub fn place(index: i64, len: usize) -> Option<usize> {
    let distance = usize::try_from(index.unsigned_abs()).ok()?;
    if index < 0 {
        len.checked_sub(distance)
    } else {
        Some(distance).filter(|&place| place < len)
    }
}

/// The places among `len` elements from `start` to `stop`, both included.
pub fn range(start: i64, stop: i64, len: usize) -> Range<usize> {
    let length = len as i64;
    let from_front = |index: i64| {
        if index < 0 {
            index.saturating_add(length)
        } else {
            index
        }
    };
    let start = from_front(start).clamp(0, length);
    let end = from_front(stop).saturating_add(1).clamp(start, length);
    start as usize..end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_either_end() {
        for (index, expected) in [
            (0, Some(0)),
            (2, Some(2)),
            (3, None),
            (-1, Some(2)),
            (-3, Some(0)),
            (-4, None),
            (i64::MIN, None),
            (i64::MAX, None),
        ] {
            assert_eq!(place(index, 3), expected, "{index}");
        }
    }

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        for (start, stop, expected) in [
            (0, -1, 0..3),
            (0, 0, 0..1),
            (1, 1, 1..2),
            (-2, 100, 1..3),
            (-100, 0, 0..1),
            (-100, -3, 0..1),
            (i64::MIN, i64::MAX, 0..3),
        ] {
            assert_eq!(range(start, stop, 3), expected, "{start} {stop}");
        }
        for (start, stop) in [(-100, -4), (2, 1), (3, 9), (i64::MAX, i64::MIN)] {
            assert!(range(start, stop, 3).is_empty(), "{start} {stop}");
        }
        assert!(range(0, -1, 0).is_empty());
    }
}
