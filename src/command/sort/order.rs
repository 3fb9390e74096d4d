//! Which elements come where: whole orders, and parts of them for LIMIT, which costs no more than it answers once
//! the elements were looked at.

use std::cmp::Ordering;
use std::ops::Range;

use crate::command::error::until_zero;
use crate::protocol::number;
use crate::types::string::{StringRef, as_integer};

/// Strings one behind the other in one buffer.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each begins, and where the last ends.
    ends: Vec<usize>,
}

impl Texts {
    /// Appends a string.
    pub fn push(&mut self, text: StringRef<'_>) {
        match text {
            StringRef::Int(n) => number::write_i64(&mut self.bytes, n),
            StringRef::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
        }
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The string at an index.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        &self.bytes[start..self.ends[index]]
    }
}

/// The number that an element counts as, read as C reads it: blanks may stand before it, nothing may stand behind it but
/// a zero byte, and no text at all is 0. `None` if it is no number.
pub fn number_of(text: StringRef<'_>) -> Option<f64> {
    let bytes = match text {
        StringRef::Int(n) => return Some(n as f64),
        StringRef::Bytes(bytes) => bytes,
    };
    if let Some(n) = as_integer(bytes) {
        return Some(n as f64);
    }
    let text = until_zero(bytes);
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
        .count();
    // Both zeros are one to a comparison.
    number::parse_f64(&text[blanks..]).map(|number| number + 0.0)
}

/// A part of the indexes of `elements`, in the order of these numbers, of which there is one for each. Equal numbers are
/// told apart by the elements' bytes.
pub fn by_number(
    numbers: &[f64],
    elements: &Texts,
    descending: bool,
    part: Range<usize>,
) -> Vec<usize> {
    let items: Vec<(f64, usize)> = numbers.iter().copied().zip(0..).collect();
    sorted(items, part, |a, b| {
        let order =
            a.0.total_cmp(&b.0)
                .then_with(|| elements.get(a.1).cmp(elements.get(b.1)));
        if descending { order.reverse() } else { order }
    })
}

/// A part of the indexes of these keys in the order of their bytes, what has none first. Equal keys stay in their order.
pub fn by_text<'t>(
    keys: impl Iterator<Item = Option<&'t [u8]>>,
    descending: bool,
    part: Range<usize>,
) -> Vec<usize> {
    sorted(keys.zip(0..).collect(), part, |a, b| {
        let order = a.0.cmp(&b.0);
        let order = if descending { order.reverse() } else { order };
        order.then_with(|| a.1.cmp(&b.1))
    })
}

/// The indexes in a part of the order. Time O(N + M log M) for M of N items.
fn sorted<K>(
    mut items: Vec<(K, usize)>,
    part: Range<usize>,
    compare: impl Fn(&(K, usize), &(K, usize)) -> Ordering,
) -> Vec<usize> {
    if part.is_empty() {
        return Vec::new();
    }
    if part.end < items.len() {
        items.select_nth_unstable_by(part.end, &compare);
    }
    let items = &mut items[..part.end];
    if part.start > 0 {
        items.select_nth_unstable_by(part.start, &compare);
    }
    let items = &mut items[part.start..];
    items.sort_unstable_by(&compare);
    items.iter().map(|&(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("10", Some(10.0)),
            ("-0", Some(0.0)),
            ("007", Some(7.0)),
            ("+1e3", Some(1000.0)),
            ("0x10", Some(16.0)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("9223372036854775807", Some(9_223_372_036_854_775_807.0)),
            ("", Some(0.0)),
            (" \t\n\x0b\x0c\r1.5", Some(1.5)),
            ("1\0x", Some(1.0)),
            ("\0", Some(0.0)),
            (" ", None),
            ("1 ", None),
            ("nan", None),
            ("1e400", None),
            ("x", None),
        ] {
            assert_eq!(
                number_of(StringRef::Bytes(text.as_bytes())),
                expected,
                "{text:?}"
            );
        }
        let zero = number_of(StringRef::Bytes(b"-0")).expect("a number");
        assert!(zero.is_sign_positive());
        assert_eq!(number_of(StringRef::Int(-7)), Some(-7.0));
    }

    fn part() -> impl Strategy<Value = (usize, usize)> {
        (0usize..40, 0usize..40)
    }

    /// A part that lies within `length` items.
    fn within(length: usize, (a, b): (usize, usize)) -> Range<usize> {
        a.min(b).min(length)..a.max(b).min(length)
    }

    proptest! {
        #[test]
        fn a_part_of_the_order_is_that_of_the_whole(
            strings in vec("[ab]{0,3}", 0..40),
            numbers in vec(-3i8..3, 40),
            keys in vec(prop::option::of("[ab]{0,2}"), 0..40),
            descending: bool,
            part in part(),
        ) {
            let mut elements = Texts::default();
            for string in &strings {
                elements.push(StringRef::Bytes(string.as_bytes()));
            }
            let numbers: Vec<f64> = numbers[..strings.len()].iter().map(|&n| n.into()).collect();
            let found = by_number(&numbers, &elements, descending, within(strings.len(), part));
            let mut whole: Vec<_> = numbers.iter().map(|&n| n as i64).zip(&strings).collect();
            whole.sort();
            if descending {
                whole.reverse();
            }
            let found: Vec<_> = found.into_iter().map(|index| (numbers[index] as i64, &strings[index])).collect();
            prop_assert_eq!(&found[..], &whole[within(strings.len(), part)]);

            let texts = || keys.iter().map(|key| key.as_ref().map(String::as_bytes));
            let found = by_text(texts(), descending, within(keys.len(), part));
            let mut whole: Vec<usize> = (0..keys.len()).collect();
            if descending {
                whole.sort_by(|&a, &b| keys[b].cmp(&keys[a]));
            } else {
                whole.sort_by(|&a, &b| keys[a].cmp(&keys[b]));
            }
            prop_assert_eq!(&found[..], &whole[within(keys.len(), part)]);
        }
    }
}
