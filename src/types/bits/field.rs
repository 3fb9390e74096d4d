//! Bit fields: integers of 1 to 64 bits that begin at any bit, with the arithmetic of BITFIELD.
//!
//! A field touches nine bytes at most; they are read into one wide word, where it can be shifted into place.

use super::byte_of;
use crate::protocol::number;

/// Bytes that a field of 64 bits may touch.
const TOUCHED: usize = 9;

/// The type of a field: signed or not, and of how many bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    signed: bool,
    width: u32,
}

/// What becomes of a value that does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Its low bits are kept.
    Wrap,
    /// The nearest value that fits takes its place.
    Saturate,
    /// It is not stored.
    Fail,
}

impl FieldType {
    /// Reads `i1` to `i64` and `u1` to `u63`; a `u64` could not be answered as an integer.
    pub fn parse(text: &[u8]) -> Option<FieldType> {
        let (sign, width) = text.split_first()?;
        let (signed, widest) = match sign {
            b'i' => (true, 64),
            b'u' => (false, 63),
            _ => return None,
        };
        let width = number::parse_i64(width)?;
        (1..=widest).contains(&width).then_some(FieldType {
            signed,
            width: width as u32,
        })
    }

    /// The field's size in bits.
    pub fn width(self) -> u64 {
        self.width.into()
    }

    /// The field's value; bits behind the last byte are clear.
    pub fn get(self, bytes: &[u8], offset: u64) -> i64 {
        let from = byte_of(offset).min(bytes.len());
        let window = load(&bytes[from..]) << (offset % 8);
        let unused = u128::BITS - self.width;
        if self.signed {
            (window.cast_signed() >> unused) as i64
        } else {
            (window >> unused) as i64
        }
    }

    /// Stores the low bits of a value. The field must lie within the bytes.
    pub fn set(self, bytes: &mut [u8], offset: u64, value: i64) {
        let bytes = &mut bytes[byte_of(offset)..];
        let place = |bits: u128| (bits << (u128::BITS - self.width)) >> (offset % 8);
        let others = load(bytes) & !place(u128::MAX);
        let changed = (others | place(value as u128)).to_be_bytes();
        let touched = bytes.len().min(TOUCHED);
        bytes[..touched].copy_from_slice(&changed[..touched]);
    }

    /// What the field holds after a value was assigned to it; `None` if that fails.
    pub fn assign(self, value: i64, overflow: Overflow) -> Option<i64> {
        // To an unsigned field a negative value is a large one.
        let value = if self.signed {
            value.into()
        } else {
            value.cast_unsigned().into()
        };
        self.fit(value, overflow)
    }

    /// What a field that holds `value` holds after `increment` was added to it; `None` if that fails.
    pub fn add(self, value: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        self.fit(i128::from(value) + i128::from(increment), overflow)
    }

    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = if self.signed {
            let half = 1 << (self.width - 1);
            (-half, half - 1)
        } else {
            (0, (1 << self.width) - 1)
        };
        let fitting = value.clamp(min, max);
        if fitting == value {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => {
                let unused = i128::BITS - self.width;
                let low_bits = value << unused;
                Some(if self.signed {
                    (low_bits >> unused) as i64
                } else {
                    (low_bits.cast_unsigned() >> unused) as i64
                })
            }
            Overflow::Saturate => Some(fitting as i64),
            Overflow::Fail => None,
        }
    }
}

/// The first bytes as the top of a word, zeros where there are none.
fn load(bytes: &[u8]) -> u128 {
    let mut window = [0; size_of::<u128>()];
    let touched = bytes.len().min(TOUCHED);
    window[..touched].copy_from_slice(&bytes[..touched]);
    u128::from_be_bytes(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::bits;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn field_types() -> impl Strategy<Value = FieldType> {
        prop_oneof![
            (1u32..=64).prop_map(|width| FieldType {
                signed: true,
                width
            }),
            (1u32..=63).prop_map(|width| FieldType {
                signed: false,
                width
            }),
        ]
    }

    /// Reads one bit at a time, two's complement where the type is signed.
    fn plain(kind: FieldType, bytes: &[u8], offset: u64) -> i128 {
        let unsigned = (0..kind.width()).fold(0, |value, place| {
            value * 2 + i128::from(bits::get(bytes, offset + place))
        });
        if kind.signed && bits::get(bytes, offset) {
            unsigned - (1 << kind.width)
        } else {
            unsigned
        }
    }

    /// Values around the ends of every type's range.
    fn values() -> impl Strategy<Value = i64> {
        prop_oneof![
            any::<i64>(),
            -3i64..4,
            (0u32..64, -2i64..3).prop_map(|(shift, more)| (1i64 << shift).wrapping_add(more)),
            (0u32..64, -2i64..3).prop_map(|(shift, more)| (-1i64 << shift).wrapping_add(more)),
        ]
    }

    proptest! {
        #[test]
        fn reads_as_one_bit_at_a_time_does(kind in field_types(), bytes in vec(any::<u8>(), 0..20), offset in 0u64..200) {
            prop_assert_eq!(i128::from(kind.get(&bytes, offset)), plain(kind, &bytes, offset));
        }

        #[test]
        fn writes_the_field_and_nothing_else(
            kind in field_types(),
            before in vec(any::<u8>(), 8..20),
            place in any::<prop::sample::Index>(),
            value: i64,
        ) {
            let room = before.len() * 8 - kind.width as usize + 1;
            let offset = place.index(room) as u64;
            let mut after = before.clone();
            kind.set(&mut after, offset, value);
            let fitting = kind.assign(value, Overflow::Wrap).expect("wraps");
            prop_assert_eq!(kind.get(&after, offset), fitting);
            for other in (0..bits::in_bytes(before.len())).filter(|other| !(offset..offset + kind.width()).contains(other)) {
                prop_assert_eq!(bits::get(&after, other), bits::get(&before, other));
            }
        }

        #[test]
        fn overflow(kind in field_types(), old: [u8; 8], increment in values()) {
            let old = plain(kind, &old, 0);
            let sum = old + i128::from(increment);
            let modulus = 1i128 << kind.width;
            let min = if kind.signed { -modulus / 2 } else { 0 };
            let max = min + modulus - 1;
            let fits = (min..=max).contains(&sum);
            let add = |overflow| kind.add(old as i64, increment, overflow).map(i128::from);
            prop_assert_eq!(add(Overflow::Wrap), Some((sum - min).rem_euclid(modulus) + min));
            prop_assert_eq!(add(Overflow::Saturate), Some(if sum < min { min } else { sum.min(max) }));
            prop_assert_eq!(add(Overflow::Fail), fits.then_some(sum));
        }
    }

    #[test]
    fn types() {
        for (text, expected) in [
            ("u1", Some((false, 1))),
            ("u63", Some((false, 63))),
            ("i64", Some((true, 64))),
            ("u64", None),
            ("i65", None),
            ("i0", None),
            ("i-1", None),
            ("u 8", None),
            ("u08", None),
            ("I8", None),
            ("u", None),
            ("", None),
        ] {
            let expected = expected.map(|(signed, width)| FieldType { signed, width });
            assert_eq!(FieldType::parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_negative_value_is_too_large_for_an_unsigned_field() {
        let byte = FieldType::parse(b"u8").expect("a type");
        assert_eq!(byte.assign(-1, Overflow::Saturate), Some(255));
        assert_eq!(byte.assign(-2, Overflow::Wrap), Some(254));
        assert_eq!(byte.assign(-1, Overflow::Fail), None);
    }

    #[test]
    fn assigning_saturates_at_the_nearer_end() {
        let kind = FieldType::parse(b"i63").expect("a type");
        let (min, max) = (-(1 << 62), (1 << 62) - 1);
        for (value, expected) in [(i64::MIN, min), (min - 1, min), (i64::MAX, max)] {
            assert_eq!(kind.assign(value, Overflow::Saturate), Some(expected));
        }
    }
}
