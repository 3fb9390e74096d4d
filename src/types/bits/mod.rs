//! Strings as arrays of bits, as SETBIT and its kin see them: bit 0 is the most significant bit of the first byte.
//!
//! - here: single bits, counting and searching in a range;
//! - [`field`]: integers of 1 to 64 bits at any place;
//! - [`combine`]: several strings into one, bit by bit.
//!
//! Everything works on as many bytes at a time as the processor takes; the tests hold it against one bit at a time.

pub mod combine;
pub mod field;

use std::ops::Range;

/// Bits in a byte.
const WIDTH: u64 = u8::BITS as u64;

/// The byte that holds a bit.
#[inline]
pub fn byte_of(offset: u64) -> usize {
    (offset / WIDTH) as usize
}

/// The bits of so many bytes.
pub fn in_bytes(bytes: usize) -> u64 {
    bytes as u64 * WIDTH
}

/// One bit; clear behind the last byte.
#[inline]
pub fn get(bytes: &[u8], offset: u64) -> bool {
    bytes
        .get(byte_of(offset))
        .is_some_and(|byte| byte & mask(offset) != 0)
}

/// Sets or clears a bit, which must be there, and answers what it was.
#[inline]
pub fn set(bytes: &mut [u8], offset: u64, bit: bool) -> bool {
    let (byte, mask) = (&mut bytes[byte_of(offset)], mask(offset));
    let before = *byte & mask != 0;
    *byte = if bit { *byte | mask } else { *byte & !mask };
    before
}

/// A byte with this bit alone.
fn mask(offset: u64) -> u8 {
    0x80 >> (offset % WIDTH)
}

/// How many bits of a range are set. The range must lie within the bytes.
pub fn count(bytes: &[u8], range: Range<u64>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let last = range.end - 1;
    let covered = &bytes[byte_of(range.start)..=byte_of(last)];
    let before = covered[0] & !(0xFF >> (range.start % WIDTH));
    let behind = covered[covered.len() - 1] & (0x7F >> (last % WIDTH));
    count_all(covered) - u64::from(before.count_ones() + behind.count_ones())
}

/// Words at a time, which the compiler turns into vectors.
fn count_all(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let of_words: u64 = words
        .iter()
        .map(|&word| u64::from(u64::from_ne_bytes(word).count_ones()))
        .sum();
    of_words
        + rest
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum::<u64>()
}

/// The first bit of a range that is `wanted`. The range must lie within the bytes.
pub fn find(bytes: &[u8], wanted: bool, range: Range<u64>) -> Option<u64> {
    if range.is_empty() {
        return None;
    }
    // The byte without the bit, which turns into zero.
    let dull = if wanted { 0x00 } else { 0xFF };
    let first = byte_of(range.start);
    let covered = &bytes[first..=byte_of(range.end - 1)];
    let head = (covered[0] ^ dull) & (0xFF >> (range.start % WIDTH));
    let (place, byte) = if head == 0 {
        let place = 1 + first_other(&covered[1..], dull)?;
        (place, covered[place] ^ dull)
    } else {
        (0, head)
    };
    let found = in_bytes(first + place) + u64::from(byte.leading_zeros());
    (found < range.end).then_some(found)
}

/// Where the first byte that is not `byte` stands. Whole blocks are told apart without a branch inside, which the compiler
/// turns into vectors.
fn first_other(bytes: &[u8], byte: u8) -> Option<usize> {
    const BLOCK: usize = 64;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let is_dull =
        |block: &[u8; BLOCK]| block.iter().fold(0, |seen, other| seen | (other ^ byte)) == 0;
    let skipped = BLOCK * blocks.iter().take_while(|block| is_dull(block)).count();
    let rest = bytes[skipped..].iter().position(|&other| other != byte)?;
    Some(skipped + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// A string, mostly of bytes that a search skips, and a range of its bits.
    fn string_and_range() -> impl Strategy<Value = (Vec<u8>, Range<u64>)> {
        let byte = prop_oneof![6 => Just(0x00), 6 => Just(0xFF), 1 => any::<u8>()];
        let run = (byte, 1usize..90).prop_map(|(byte, length)| vec![byte; length]);
        vec(run, 0..4)
            .prop_map(|runs| runs.concat())
            .prop_flat_map(|bytes| {
                let bits = in_bytes(bytes.len());
                (Just(bytes), 0..=bits, 0..=bits)
            })
            .prop_map(|(bytes, a, b)| (bytes, a.min(b)..a.max(b)))
    }

    proptest! {
        #[test]
        fn counts_and_finds_as_one_bit_at_a_time_does((bytes, range) in string_and_range()) {
            let set = range.clone().filter(|&offset| get(&bytes, offset)).count();
            prop_assert_eq!(count(&bytes, range.clone()), set as u64);
            for wanted in [false, true] {
                let first = range.clone().find(|&offset| get(&bytes, offset) == wanted);
                prop_assert_eq!(find(&bytes, wanted, range.clone()), first);
            }
        }

        #[test]
        fn setting_changes_one_bit(mut bytes in vec(any::<u8>(), 1..20), place in any::<prop::sample::Index>(), bit: bool) {
            let offset = place.index(bytes.len() * 8) as u64;
            let before = bytes.clone();
            prop_assert_eq!(set(&mut bytes, offset, bit), get(&before, offset));
            for other in 0..in_bytes(bytes.len()) {
                let expected = if other == offset { bit } else { get(&before, other) };
                prop_assert_eq!(get(&bytes, other), expected);
            }
        }
    }

    #[test]
    fn the_first_bit_is_the_most_significant() {
        let mut bytes = [0, 0];
        assert!(!set(&mut bytes, 9, true));
        assert_eq!(bytes, [0, 0b0100_0000]);
        assert!(get(&bytes, 9) && !get(&bytes, 8));
        assert!(!get(&bytes, 16) && !get(&bytes, u64::MAX));
    }
}
