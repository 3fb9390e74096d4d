//! The longest common subsequence of two byte strings, 64 columns of the textbook table at a time.
//!
//! In a row of that table a cell is its left neighbour or one more, so one bit tells the two apart. A row of
//! such bits follows from the row above by one long addition (Hyyrö, "Bit-parallel LCS-length computation
//! revisited", 2004). That takes a thirty-second of the plain table's memory and about a sixtieth of its time.
//!
//! The kept bits also tell from which neighbour a cell's length came, so a tie is broken exactly as the plain
//! algorithm breaks it, and the answer is the same subsequence and not only one of the same length.

use std::collections::TryReserveError;

/// Columns in a word.
const WIDTH: usize = u64::BITS as usize;

/// The length of the longest common subsequence. Time O(a·b / 64), memory O(b).
pub fn length(a: &[u8], b: &[u8]) -> usize {
    let columns = Columns::new(a, b);
    let mut row = vec![u64::MAX; columns.words];
    for &byte in a {
        advance(&mut row, columns.holding(byte));
    }
    increases(&row)
}

/// A longest common subsequence, as the stretches of both strings that it is made of.
#[derive(Debug)]
pub struct Alignment<'a> {
    a: &'a [u8],
    b: &'a [u8],
    /// One row of bits for each byte of `a`, a bit for each byte of `b`: clear where the length grows by one.
    rows: Vec<u64>,
    /// Words in a row.
    words: usize,
}

/// Bytes that the strings have in common, one behind the other in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where they begin in the first string.
    pub a: usize,
    /// Where they begin in the second.
    pub b: usize,
    /// How many they are.
    pub length: usize,
}

impl<'a> Alignment<'a> {
    /// Aligns two strings. Time O(a·b / 64).
    ///
    /// # Errors
    /// When there is no memory for a·⌈b / 64⌉ words.
    pub fn new(a: &'a [u8], b: &'a [u8]) -> Result<Alignment<'a>, TryReserveError> {
        let columns = Columns::new(a, b);
        let words = columns.words;
        let mut rows = Vec::new();
        rows.try_reserve_exact(a.len().saturating_mul(words))?;
        for (place, &byte) in a.iter().enumerate() {
            match place.checked_sub(1) {
                None => rows.resize(words, u64::MAX),
                Some(above) => rows.extend_from_within(above * words..),
            }
            advance(&mut rows[place * words..], columns.holding(byte));
        }
        Ok(Alignment { a, b, rows, words })
    }

    /// The subsequence's length.
    pub fn length(&self) -> usize {
        increases(&self.rows[self.rows.len().saturating_sub(self.words)..])
    }

    /// The subsequence's runs, the last one first.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        std::iter::from_fn(move || {
            while i > 0 && j > 0 && self.a[i - 1] != self.b[j - 1] {
                // Both neighbours may be as long: the step then goes to the left.
                if self.grows(i, j) { i -= 1 } else { j -= 1 }
            }
            let end = i;
            while i > 0 && j > 0 && self.a[i - 1] == self.b[j - 1] {
                i -= 1;
                j -= 1;
            }
            (i < end).then(|| Run {
                a: i,
                b: j,
                length: end - i,
            })
        })
    }

    /// The subsequence itself.
    pub fn subsequence(&self) -> Vec<u8> {
        let mut rest = self.length();
        let mut bytes = vec![0; rest];
        for run in self.runs() {
            rest -= run.length;
            bytes[rest..][..run.length].copy_from_slice(&self.a[run.a..][..run.length]);
        }
        bytes
    }

    /// Whether the first `i` bytes of `a` have more in common with the first `j` of `b` than with the first `j - 1`.
    fn grows(&self, i: usize, j: usize) -> bool {
        let word = self.rows[(i - 1) * self.words + (j - 1) / WIDTH];
        word >> ((j - 1) % WIDTH) & 1 == 0
    }
}

/// For every byte that occurs in `a`, the places in `b` that hold it, as bits. No larger than the rows are.
struct Columns {
    words: usize,
    place: [u16; 256],
    bits: Vec<u64>,
}

impl Columns {
    fn new(a: &[u8], b: &[u8]) -> Columns {
        const ABSENT: u16 = u16::MAX;
        let words = b.len().div_ceil(WIDTH);
        let mut place = [ABSENT; 256];
        let mut distinct = 0;
        for &byte in a {
            let place = &mut place[usize::from(byte)];
            if *place == ABSENT {
                *place = distinct;
                distinct += 1;
            }
        }
        let mut bits = vec![0; usize::from(distinct) * words];
        for (column, &byte) in b.iter().enumerate() {
            let place = place[usize::from(byte)];
            if place != ABSENT {
                bits[usize::from(place) * words + column / WIDTH] |= 1 << (column % WIDTH);
            }
        }
        Columns { words, place, bits }
    }

    fn holding(&self, byte: u8) -> &[u64] {
        &self.bits[usize::from(self.place[usize::from(byte)]) * self.words..][..self.words]
    }
}

/// Turns a row into the one below it, whose byte is held by the columns of `holding`.
fn advance(row: &mut [u64], holding: &[u64]) {
    let mut carry = false;
    for (word, &holding) in row.iter_mut().zip(holding) {
        let sum;
        (sum, carry) = word.carrying_add(*word & holding, carry);
        *word = sum | *word & !holding;
    }
}

/// How often the length grows along a row. The bits behind the last column are set from the start and stay so.
fn increases(row: &[u64]) -> usize {
    row.iter().map(|word| word.count_zeros() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The plain table and the plain way back through it.
    fn plain(a: &[u8], b: &[u8]) -> (usize, Vec<u8>, Vec<(usize, usize)>) {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let (mut i, mut j) = (a.len(), b.len());
        let mut pairs = Vec::new();
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                pairs.push((i, j));
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        let bytes = pairs.iter().rev().map(|&(i, _)| a[i]).collect();
        (table[a.len()][b.len()], bytes, pairs)
    }

    proptest! {
        #[test]
        fn answers_as_the_plain_table_does(
            (a, b) in (1u8..6).prop_flat_map(|letters| (vec(0..letters, 0..200), vec(0..letters, 0..200))),
        ) {
            let (expected, bytes, pairs) = plain(&a, &b);
            let alignment = Alignment::new(&a, &b).unwrap();
            prop_assert_eq!(length(&a, &b), expected);
            prop_assert_eq!(alignment.length(), expected);
            prop_assert_eq!(alignment.subsequence(), bytes);
            let found: Vec<_> = alignment
                .runs()
                .flat_map(|run| (0..run.length).rev().map(move |k| (run.a + k, run.b + k)))
                .collect();
            prop_assert_eq!(found, pairs);
        }
    }

    #[test]
    fn runs_are_as_long_as_they_can_be() {
        let alignment = Alignment::new(b"ohmytext", b"mynewtext").unwrap();
        let runs: Vec<_> = alignment.runs().collect();
        assert_eq!(
            runs,
            [
                Run {
                    a: 4,
                    b: 5,
                    length: 4
                },
                Run {
                    a: 2,
                    b: 0,
                    length: 2
                }
            ]
        );
    }
}
