//! Several strings into one, bit by bit. A shorter string reads as zeros up to the length of the longest.
//!
//! The result is made block by block: while the sources pass over a block it stays in the nearest cache, and it is
//! written to memory once, however many they are.

use std::collections::TryReserveError;

/// Bytes of the result that are worked on together.
const BLOCK: usize = 4096;

/// How BITOP combines its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Set in all sources.
    And,
    /// Set in any.
    Or,
    /// Set in an odd number of them.
    Xor,
    /// Not set in the only one.
    Not,
    /// Set in the first and in no other.
    Diff,
    /// Set in another, but not in the first.
    Diff1,
    /// Set in the first and in another.
    AndOr,
    /// Set in exactly one.
    One,
}

impl Operation {
    /// Every operation by its name.
    const NAMES: [(&str, Operation); 8] = [
        ("AND", Operation::And),
        ("OR", Operation::Or),
        ("XOR", Operation::Xor),
        ("NOT", Operation::Not),
        ("DIFF", Operation::Diff),
        ("DIFF1", Operation::Diff1),
        ("ANDOR", Operation::AndOr),
        ("ONE", Operation::One),
    ];

    /// The operation of this name, in any case, and the name as it is written.
    pub fn by_name(name: &[u8]) -> Option<(&'static str, Operation)> {
        Self::NAMES
            .into_iter()
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The combination of the sources, of which there must be one at least; as long as the longest.
    /// Time O(N) in the bytes of all sources.
    ///
    /// # Errors
    /// When the system refuses the memory.
    pub fn apply(self, sources: &[&[u8]]) -> Result<Vec<u8>, TryReserveError> {
        let (first, others) = sources.split_first().expect("BITOP has a source");
        let length = sources.iter().map(|source| source.len()).max().unwrap_or(0);
        let mut result = Vec::new();
        result.try_reserve_exact(length)?;
        for start in (0..length).step_by(BLOCK) {
            let end = length.min(start + BLOCK);
            let first = part(first, start, end);
            result.extend_from_slice(first);
            result.resize(end, 0);
            let others = others.iter().map(|source| part(source, start, end));
            self.apply_to_block(&mut result[start..], first, others);
        }
        Ok(result)
    }

    /// Combines a block, which holds the first source, with the others.
    fn apply_to_block<'a>(
        self,
        block: &mut [u8],
        first: &[u8],
        others: impl Iterator<Item = &'a [u8]>,
    ) {
        match self {
            Operation::And => others.for_each(|other| intersect(block, other)),
            Operation::Or => unite(block, others),
            Operation::Xor => others.for_each(|other| each(block, other, |a, b| a ^ b)),
            Operation::Not => block.iter_mut().for_each(|byte| *byte = !*byte),
            Operation::Diff => others.for_each(|other| each(block, other, |a, b| a & !b)),
            Operation::Diff1 => {
                block.fill(0);
                unite(block, others);
                each(block, first, |a, b| a & !b);
            }
            Operation::AndOr => {
                block.fill(0);
                unite(block, others);
                intersect(block, first);
            }
            Operation::One => {
                let mut repeated = [0; BLOCK];
                for other in others {
                    for ((seen, repeated), byte) in block.iter_mut().zip(&mut repeated).zip(other) {
                        *repeated |= *seen & byte;
                        *seen |= byte;
                    }
                }
                each(block, &repeated, |a, b| a & !b);
            }
        }
    }
}

/// What a source has between two places.
fn part(source: &[u8], start: usize, end: usize) -> &[u8] {
    &source[start.min(source.len())..end.min(source.len())]
}

/// Combines byte by byte, up to the end of the shorter one.
fn each(block: &mut [u8], other: &[u8], combine: impl Fn(u8, u8) -> u8) {
    for (byte, &other) in block.iter_mut().zip(other) {
        *byte = combine(*byte, other);
    }
}

fn unite<'a>(block: &mut [u8], others: impl Iterator<Item = &'a [u8]>) {
    others.for_each(|other| each(block, other, |a, b| a | b));
}

fn intersect(block: &mut [u8], other: &[u8]) {
    each(block, other, |a, b| a & b);
    block[other.len()..].fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::bits;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Whether a bit is set in the result, told from where it is set in the sources.
    fn plain(operation: Operation, sources: &[bool]) -> bool {
        let first = sources[0];
        let others = sources[1..].iter().filter(|&&bit| bit).count();
        let all = usize::from(first) + others;
        match operation {
            Operation::And => all == sources.len(),
            Operation::Or => all > 0,
            Operation::Xor => all % 2 == 1,
            Operation::Not => !first,
            Operation::Diff => first && others == 0,
            Operation::Diff1 => !first && others > 0,
            Operation::AndOr => first && others > 0,
            Operation::One => all == 1,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn combines_as_one_bit_at_a_time_does(
            sources in vec(prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), BLOCK - 20..2 * BLOCK + 20)], 1..6),
        ) {
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let length = sources.iter().map(Vec::len).max().unwrap_or(0);
            for (name, operation) in Operation::NAMES {
                let result = operation.apply(&slices).expect("there is memory");
                prop_assert_eq!(result.len(), length);
                for offset in 0..bits::in_bytes(length) {
                    let set: Vec<bool> = slices.iter().map(|source| bits::get(source, offset)).collect();
                    let expected = plain(operation, &set);
                    prop_assert_eq!(bits::get(&result, offset), expected, "{} bit {}", name, offset);
                }
            }
        }
    }

    #[test]
    fn names() {
        assert_eq!(
            Operation::by_name(b"andOR"),
            Some(("ANDOR", Operation::AndOr))
        );
        assert_eq!(Operation::by_name(b"nand"), None);
    }
}
