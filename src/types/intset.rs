//! The intset: a sorted array of integers in one buffer, byte for byte as in RDB files.
//!
//! ```text
//!  | bytes per integer, u32: 2, 4 or 8 | integers, u32 | integer ... integer |
//! ```
//!
//! All numbers are little-endian. Every integer is as wide as the widest ever added needs; removing it makes none of the
//! others narrower. A search takes logarithmic time, a change moves what lies behind it.

use thiserror::Error;

use crate::allocator;

const HEADER: usize = 8;

/// No integers, each of two bytes.
static EMPTY: [u8; HEADER] = [2, 0, 0, 0, 0, 0, 0, 0];

/// An intset that can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intset(Vec<u8>);

/// An intset to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntsetRef<'a>(&'a [u8]);

/// Bytes that are no intset.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an intset is damaged at byte {0}")]
pub struct Damaged(pub usize);

/// Bytes that an integer needs in an intset.
fn width_of(n: i64) -> usize {
    if i16::try_from(n).is_ok() {
        2
    } else if i32::try_from(n).is_ok() {
        4
    } else {
        8
    }
}

impl<'a> IntsetRef<'a> {
    /// A look at bytes that are known to be an intset. Others give wrong integers or a panic; bytes from outside go through
    /// [`IntsetRef::validated`].
    #[inline]
    pub fn new(bytes: &'a [u8]) -> IntsetRef<'a> {
        IntsetRef(bytes)
    }

    /// A look at bytes from outside, all of which are checked.
    ///
    /// # Errors
    /// When they are not exactly one intset, its integers ascending.
    pub fn validated(bytes: &'a [u8]) -> Result<IntsetRef<'a>, Damaged> {
        if bytes.len() < HEADER {
            return Err(Damaged(bytes.len()));
        }
        let set = IntsetRef(bytes);
        let width = set.width();
        if !matches!(width, 2 | 4 | 8) {
            return Err(Damaged(0));
        }
        if set.len().checked_mul(width) != Some(bytes.len() - HEADER) {
            return Err(Damaged(4));
        }
        match (1..set.len()).find(|&index| set.get(index - 1) >= set.get(index)) {
            Some(index) => Err(Damaged(HEADER + index * width)),
            None => Ok(set),
        }
    }

    /// The buffer.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// A number of the header.
    #[inline]
    fn number(self, at: usize) -> usize {
        let bytes = self.0[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    }

    #[inline]
    fn width(self) -> usize {
        self.number(0)
    }

    /// How many integers there are.
    #[inline]
    pub fn len(self) -> usize {
        self.number(4)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The integer at an index, which must be below [`IntsetRef::len`].
    #[inline]
    pub fn get(self, index: usize) -> i64 {
        let width = self.width();
        let bytes = &self.0[HEADER + index * width..][..width];
        match *bytes {
            [a, b] => i16::from_le_bytes([a, b]).into(),
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
            _ => i64::from_le_bytes(bytes.try_into().expect("no other width")),
        }
    }

    /// The index of an integer, or the one it would have.
    #[inline]
    pub fn find(self, n: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        // Most sets are filled in ascending order.
        if high > 0 && n > self.get(high - 1) {
            return Err(high);
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(&n) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Whether an integer is among them.
    #[inline]
    pub fn contains(self, n: i64) -> bool {
        self.find(n).is_ok()
    }

    /// The integers in ascending order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = i64> + DoubleEndedIterator + use<'a> {
        (0..self.len()).map(move |index| self.get(index))
    }
}

impl Default for IntsetRef<'_> {
    fn default() -> Self {
        IntsetRef(&EMPTY)
    }
}

impl Default for Intset {
    fn default() -> Intset {
        Intset::new()
    }
}

impl Intset {
    /// An empty intset.
    pub fn new() -> Intset {
        Intset(EMPTY.to_vec())
    }

    /// Takes over a buffer that is known to be an intset, as [`IntsetRef::new`].
    pub fn from_bytes(bytes: Vec<u8>) -> Intset {
        Intset(bytes)
    }

    /// A look.
    #[inline]
    pub fn as_ref(&self) -> IntsetRef<'_> {
        IntsetRef(&self.0)
    }

    /// Bytes of heap.
    pub fn capacity(&self) -> usize {
        allocator::good_size(self.0.capacity())
    }

    /// Adds an integer; answers whether it is new.
    pub fn insert(&mut self, n: i64) -> bool {
        let Err(index) = self.as_ref().find(n) else {
            return false;
        };
        if width_of(n) > self.as_ref().width() {
            self.widen(width_of(n));
        }
        let width = self.as_ref().width();
        let (at, end) = (HEADER + index * width, self.0.len());
        // By no more than is needed, as a listpack grows: these are many, and stay small.
        self.0.reserve_exact(width);
        self.0.resize(end + width, 0);
        self.0.copy_within(at..end, at + width);
        self.0[at..at + width].copy_from_slice(&n.to_le_bytes()[..width]);
        self.set_len(self.as_ref().len() + 1);
        true
    }

    /// Takes an integer out; answers whether it was there.
    pub fn remove(&mut self, n: i64) -> bool {
        let found = self.as_ref().find(n);
        if let Ok(index) = found {
            self.remove_at(index);
        }
        found.is_ok()
    }

    /// Takes the integer at an index out, which must be below the length.
    pub fn remove_at(&mut self, index: usize) {
        let width = self.as_ref().width();
        let at = HEADER + index * width;
        self.0.drain(at..at + width);
        self.set_len(self.as_ref().len() - 1);
    }

    fn set_len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("an intset is far below 2^32 integers");
        self.0[4..HEADER].copy_from_slice(&len.to_le_bytes());
    }

    /// Gives every integer so many bytes, more than it has.
    fn widen(&mut self, width: usize) {
        let len = self.as_ref().len();
        let mut wide = Vec::with_capacity(HEADER + (len + 1) * width);
        wide.extend_from_slice(&(width as u32).to_le_bytes());
        wide.extend_from_slice(&self.0[4..HEADER]);
        for n in self.as_ref().iter() {
            wide.extend_from_slice(&n.to_le_bytes()[..width]);
        }
        self.0 = wide;
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<T: IntoIterator<Item = i64>>(integers: T) -> Intset {
        let mut set = Intset::new();
        for n in integers {
            set.insert(n);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Integers around the bounds of all widths, few enough to meet again.
    fn integer() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -20i64..20,
            2 => (proptest::sample::select(vec![15u32, 31, 62]), -2i64..3)
                .prop_map(|(bit, off)| (1i64 << bit) + off),
            2 => (proptest::sample::select(vec![15u32, 31, 62]), -2i64..3)
                .prop_map(|(bit, off)| (-1i64 << bit) + off),
            1 => proptest::sample::select(vec![i64::MIN, i64::MAX]),
        ]
    }

    proptest! {
        #[test]
        fn is_a_sorted_set(changes in proptest::collection::vec((any::<bool>(), integer()), 0..120)) {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            for (add, n) in changes {
                if add {
                    prop_assert_eq!(set.insert(n), model.insert(n));
                } else {
                    prop_assert_eq!(set.remove(n), model.remove(&n));
                }
                let look = IntsetRef::validated(set.as_ref().bytes()).unwrap();
                prop_assert!(look.iter().eq(model.iter().copied()));
                prop_assert_eq!(look.contains(n), model.contains(&n));
                prop_assert_eq!(look.len(), model.len());
            }
        }

        #[test]
        fn damaged_bytes_are_found_or_harmless(
            integers in proptest::collection::btree_set(integer(), 0..20),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = integers.into_iter().collect::<Intset>().0;
            for (index, byte) in damage {
                *index.get_mut(&mut bytes) = byte;
            }
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                if let Ok(set) = IntsetRef::validated(bytes) {
                    prop_assert!(set.iter().is_sorted());
                    prop_assert!(set.iter().all(|n| set.contains(n)));
                }
            }
        }
    }

    #[test]
    fn the_layout_is_that_of_files() {
        let mut set: Intset = [5, -1].into_iter().collect();
        assert_eq!(set.0, [2, 0, 0, 0, 2, 0, 0, 0, 0xFF, 0xFF, 5, 0]);
        set.insert(0x1_0000);
        assert_eq!(set.0[..8], [4, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(set.0[16..], [0, 0, 1, 0]);
        set.remove(0x1_0000);
        assert_eq!(set.0.len(), HEADER + 8, "integers stay wide");
    }

    #[test]
    fn each_kind_of_damage_is_told_apart() {
        let check = |bytes: &[u8]| IntsetRef::validated(bytes).map(IntsetRef::len);
        assert_eq!(check(&[2, 0, 0, 0, 1, 0, 0, 0, 7, 0]), Ok(1));
        assert_eq!(check(&[2, 0, 0, 0, 0, 0, 0]), Err(Damaged(7)));
        assert_eq!(check(&[3, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0]), Err(Damaged(0)));
        assert_eq!(check(&[2, 0, 0, 0, 2, 0, 0, 0, 7, 0]), Err(Damaged(4)));
        assert_eq!(
            check(&[8, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]),
            Err(Damaged(4))
        );
        assert_eq!(
            check(&[2, 0, 0, 0, 2, 0, 0, 0, 7, 0, 7, 0]),
            Err(Damaged(10))
        );
    }
}
