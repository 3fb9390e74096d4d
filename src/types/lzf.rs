//! LZF: the compression of strings in RDB files, and of the inner chunks of lists.
//!
//! ```text
//!  | 000 n | n + 1 bytes |                  those bytes as they are
//!  | len   | distance, 13 bits |            len + 2 bytes again, len 1 to 6, from distance + 1 bytes before
//!  | 111   | distance ... | len - 7 | ... | the same for len from 7 on: one byte more, between the two of the distance
//! ```

use thiserror::Error;

/// Bytes that repeat earlier ones must be so many to be worth it.
const MIN_MATCH: usize = 3;
const MAX_MATCH: usize = 264;
const MAX_DISTANCE: usize = 1 << 13;
const MAX_LITERALS: usize = 32;
/// A match of three bytes yields at most this many.
const MAX_EXPANSION: usize = MAX_MATCH / 3;

const HASH_BITS: u32 = 12;

/// Bytes that are not what LZF makes of as many as announced.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("compressed bytes are damaged")]
pub struct Damaged;

/// Compresses strings one after the other: what it needs beside them is kept from one to the next, and never cleared.
#[derive(Debug)]
pub struct Compressor {
    /// Where three bytes with this hash were seen last, counted over all strings. What is not behind `before` was seen in
    /// an earlier one.
    seen: Box<[u32; 1 << HASH_BITS]>,
    /// Bytes of all strings before this one.
    before: u32,
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor {
            seen: Box::new([0; 1 << HASH_BITS]),
            before: 0,
        }
    }
}

impl Compressor {
    /// Appends the input compressed; what does not compress becomes longer by a thirty-second. O(n).
    pub fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) {
        let len = u32::try_from(input.len()).unwrap_or(u32::MAX);
        if self.before.checked_add(len).is_none() {
            self.seen.fill(0);
            self.before = 0;
        }
        // Positions in more than 4 GiB could not be told apart: what lies beyond stays as it is.
        let reach = input.len().min(len as usize);
        let (mut at, mut unwritten) = (0, 0);
        while at + MIN_MATCH <= reach {
            let slot = hash(&input[at..at + MIN_MATCH]);
            let here = self.before + at as u32 + 1;
            let candidate = std::mem::replace(&mut self.seen[slot], here);
            let distance = (here - candidate) as usize;
            let length = if candidate > self.before && distance <= MAX_DISTANCE {
                common(&input[at - distance..], &input[at..])
            } else {
                0
            };
            if length < MIN_MATCH {
                at += 1;
                continue;
            }
            write_literals(output, &input[unwritten..at]);
            write_match(output, distance, length);
            at += length;
            unwritten = at;
        }
        write_literals(output, &input[unwritten..]);
        self.before += len;
    }
}

/// As [`Compressor::compress`], for a string now and then.
pub fn compress(input: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(input.len());
    Compressor::default().compress(input, &mut output);
    output
}

/// Decompresses into exactly `len` bytes, and takes memory for no more than the input could hold.
///
/// # Errors
/// When the input is not LZF, or of another length.
pub fn decompress(input: &[u8], len: usize) -> Result<Vec<u8>, Damaged> {
    if len > input.len().saturating_mul(MAX_EXPANSION) {
        return Err(Damaged);
    }
    let mut output = Vec::with_capacity(len);
    let mut input = input.iter();
    while let Some(&control) = input.next() {
        if usize::from(control) < MAX_LITERALS {
            let (literals, rest) = input
                .as_slice()
                .split_at_checked(usize::from(control) + 1)
                .ok_or(Damaged)?;
            output.extend_from_slice(literals);
            input = rest.iter();
        } else {
            let mut byte = || input.next().map(|&byte| usize::from(byte)).ok_or(Damaged);
            let length = match usize::from(control >> 5) {
                7 => 9 + byte()?,
                short => short + 2,
            };
            let distance = (usize::from(control & 0x1F) << 8 | byte()?) + 1;
            let from = output.len().checked_sub(distance).ok_or(Damaged)?;
            repeat(&mut output, from, length);
        }
        if output.len() > len {
            return Err(Damaged);
        }
    }
    if output.len() == len {
        Ok(output)
    } else {
        Err(Damaged)
    }
}

/// Adds `length` bytes from `from` on, of which the first may be the source of the last.
fn repeat(output: &mut Vec<u8>, from: usize, length: usize) {
    if from + length <= output.len() {
        output.extend_from_within(from..from + length);
    } else {
        for at in from..from + length {
            output.push(output[at]);
        }
    }
}

fn hash(three: &[u8]) -> usize {
    let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
    (word.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

/// How many bytes both begin with, as far as one match goes.
fn common(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().zip(b).take(MAX_MATCH);
    pairs.take_while(|(a, b)| a == b).count()
}

fn write_literals(output: &mut Vec<u8>, literals: &[u8]) {
    for piece in literals.chunks(MAX_LITERALS) {
        output.push(piece.len() as u8 - 1);
        output.extend_from_slice(piece);
    }
}

fn write_match(output: &mut Vec<u8>, distance: usize, length: usize) {
    let distance = distance - 1;
    let high = (distance >> 8) as u8;
    match length - 2 {
        short @ ..7 => output.push((short as u8) << 5 | high),
        long => output.extend_from_slice(&[7 << 5 | high, (long - 7) as u8]),
    }
    output.push(distance as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_what_redis_writes() {
        // Taken from RDB files: a string of 100 letters, and one whose match is at the greatest distance of one byte.
        let a = [b'a'; 100];
        assert_eq!(
            decompress(&[1, b'a', b'a', 0xE0, 89, 0, 0x01, b'a', b'a'], 103),
            Err(Damaged),
            "one byte more than announced"
        );
        assert_eq!(
            decompress(&[0, b'a', 0xE0, 90, 0], 100),
            Ok(a.to_vec()),
            "a run is a match at distance one"
        );
        assert_eq!(compress(&a), [0, b'a', 0xE0, 90, 0]);
        assert_eq!(compress(b"abcdabcd"), b"\x03abcd\x40\x03");
    }

    #[test]
    fn matches_reach_as_far_as_they_can_be_written() {
        for gap in [MAX_DISTANCE - 4, MAX_DISTANCE - 3, MAX_DISTANCE - 2] {
            let mut input = b"xyz!".to_vec();
            input.extend((0..gap).map(|n| (n % 251) as u8 | 0x80));
            input.extend_from_slice(b"xyz?");
            assert_eq!(decompress(&compress(&input), input.len()), Ok(input));
        }
    }

    /// Bytes with repetitions near and far, and long ones.
    fn repetitive() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(0u8..4, 0..40),
            proptest::collection::vec(any::<u8>(), 0..40),
            (any::<u8>(), 0usize..600).prop_map(|(byte, len)| vec![byte; len]),
        ];
        (proptest::collection::vec(piece, 0..12), 1usize..6)
            .prop_map(|(pieces, times)| pieces.concat().repeat(times))
    }

    proptest! {
        #[test]
        fn comes_back(input in repetitive()) {
            let packed = compress(&input);
            prop_assert!(packed.len() <= input.len() + input.len().div_ceil(MAX_LITERALS));
            prop_assert_eq!(decompress(&packed, input.len()), Ok(input.clone()));
            prop_assert_eq!(decompress(&packed, input.len() + 1), Err(Damaged));
        }

        #[test]
        fn strings_do_not_see_each_other(
            inputs in proptest::collection::vec(repetitive(), 1..6), before in prop_oneof![Just(0), Just(u32::MAX - 99)],
        ) {
            let mut compressor = Compressor { before, ..Compressor::default() };
            for input in inputs {
                let mut output = b"in front".to_vec();
                compressor.compress(&input, &mut output);
                prop_assert_eq!(&output[8..], compress(&input));
            }
        }

        #[test]
        fn bytes_from_outside_are_refused_or_as_long_as_announced(
            input in proptest::collection::vec(any::<u8>(), 0..60),
            len in 0usize..2000,
        ) {
            if let Ok(output) = decompress(&input, len) {
                prop_assert_eq!(output.len(), len);
            }
            prop_assert_eq!(decompress(&input, usize::MAX), Err(Damaged));
        }
    }
}
