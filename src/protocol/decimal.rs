//! The arithmetic of `INCRBYFLOAT` and `HINCRBYFLOAT`: 80-bit floats, in software.
//!
//! The reference adds in C's `long double`, which on x86-64 has a mantissa of 64 bits, and prints 17 decimals without
//! trailing zeros. Users see those digits, and a double's 53 bits would show others: 10.5 + 0.1 is `10.6` here, and
//! `10.59999999999999964` there. Rust has no such type, so a number is kept as its mantissa and exponent, and every
//! operation is done exactly on integers and then rounded once, ties to even.

use std::ops::Add;

use smallvec::SmallVec;

use super::float::{Binary, Digits, Format, is_infinity, parse_hexadecimal, split_sign};

/// The x87 extended format.
const EXTENDED: Format = Format {
    bits: 64,
    min_exponent: -16445,
    max_exponent: 16320,
};

/// Text as long as this, or longer, is not read as a number.
const MAX_TEXT: usize = 5 * 1024;

/// Decimals that are printed, before trailing zeros go.
const DECIMALS: u32 = 17;

/// An 80-bit floating-point number: `mantissa × 2^exponent` with a sign, an infinity, or not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Finite {
        negative: bool,
        mantissa: u64,
        exponent: i32,
    },
    Infinite {
        negative: bool,
    },
    Nan,
}

impl Extended {
    /// Reads a number as C's `strtold` does: decimal or hexadecimal, with an optional exponent, or `inf` or `infinity`.
    ///
    /// `None` for `nan`, for blanks or anything else around the number, for a number too large or so small that it
    /// would become zero, and for text of 5 KB or more.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= MAX_TEXT {
            return None;
        }
        let (negative, magnitude) = split_sign(text);
        if is_infinity(magnitude) {
            return Some(Self(Kind::Infinite { negative }));
        }
        let exact = match magnitude {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
            digits => parse_decimal(digits)?,
        };
        let vanishing = exact.mantissa != 0;
        let (mantissa, exponent) = exact.round(&EXTENDED)?;
        (mantissa != 0 || !vanishing).then_some(Self(Kind::Finite {
            negative,
            mantissa,
            exponent,
        }))
    }

    /// Whether this is the sum of opposite infinities.
    pub fn is_nan(self) -> bool {
        matches!(self.0, Kind::Nan)
    }

    /// Whether this is too large for the format, or was read as infinity.
    pub fn is_infinite(self) -> bool {
        matches!(self.0, Kind::Infinite { .. })
    }

    /// Appends the number in plain decimal notation: at most 17 decimals, rounded, without trailing zeros. At most 5 KB.
    pub fn write_human(self, out: &mut Vec<u8>) {
        let (negative, mantissa, exponent) = match self.0 {
            Kind::Nan => return out.extend_from_slice(b"nan"),
            Kind::Infinite { negative: false } => return out.extend_from_slice(b"inf"),
            Kind::Infinite { negative: true } => return out.extend_from_slice(b"-inf"),
            Kind::Finite {
                negative,
                mantissa,
                exponent,
            } => (negative, mantissa, exponent),
        };
        if exponent >= 0 {
            if negative {
                out.push(b'-');
            }
            let mut whole = Natural::from(mantissa);
            whole.shift_left(exponent.unsigned_abs());
            return whole.write(out);
        }
        // In units of the last decimal; 64 + 57 bits fit.
        let scaled = u128::from(mantissa) * ONE;
        let rounded = round_shift(scaled, exponent.unsigned_abs());
        let (whole, fraction) = (rounded / ONE, rounded % ONE);
        if negative && rounded != 0 {
            out.push(b'-');
        }
        write_integer(out, whole);
        if fraction != 0 {
            let mut digits = Vec::with_capacity(DECIMALS as usize + 1);
            // A one in front keeps the leading zeros; the point takes its place.
            write_integer(&mut digits, ONE + fraction);
            digits[0] = b'.';
            let kept = digits
                .iter()
                .rposition(|&digit| digit != b'0')
                .map_or(0, |last| last + 1);
            out.extend_from_slice(&digits[..kept]);
        }
    }
}

impl Add for Extended {
    type Output = Self;

    /// The sum, rounded to the nearest representable number.
    fn add(self, other: Self) -> Self {
        let (one, two) = match (self.0, other.0) {
            (Kind::Nan, _) | (_, Kind::Nan) => return Self(Kind::Nan),
            (Kind::Infinite { negative: a }, Kind::Infinite { negative: b }) if a != b => {
                return Self(Kind::Nan);
            }
            (infinite @ Kind::Infinite { .. }, _) | (_, infinite @ Kind::Infinite { .. }) => {
                return Self(infinite);
            }
            (
                Kind::Finite {
                    negative: n1,
                    mantissa: m1,
                    exponent: e1,
                },
                Kind::Finite {
                    negative: n2,
                    mantissa: m2,
                    exponent: e2,
                },
            ) => ((n1, m1, e1), (n2, m2, e2)),
        };
        // Zero has the least exponent, and otherwise mantissas fill their width as far as exponents reach: so this
        // order is by size.
        let key = |(_, mantissa, exponent): (bool, u64, i32)| (exponent, mantissa);
        let ((negative, large, exponent), (other_sign, small, small_exponent)) =
            if key(one) >= key(two) {
                (one, two)
            } else {
                (two, one)
            };

        // Both as multiples of 2^(exponent - GUARD). What falls off the smaller is remembered as `inexact`.
        const GUARD: u32 = 63;
        let distance = exponent.abs_diff(small_exponent);
        let large = u128::from(large) << GUARD;
        let small = u128::from(small) << GUARD;
        let aligned = small.checked_shr(distance).unwrap_or(0);
        let inexact = aligned.checked_shl(distance).unwrap_or(0) != small;
        let mantissa = if negative == other_sign {
            large + aligned
        } else {
            // The part that fell off is taken away as well: one unit less, and something above it.
            large - aligned - u128::from(inexact)
        };
        if mantissa == 0 {
            let negative = negative && other_sign;
            return Self(Kind::Finite {
                negative,
                mantissa: 0,
                exponent: EXTENDED.min_exponent,
            });
        }
        let exact = Binary {
            mantissa,
            exponent: exponent - GUARD.cast_signed(),
            inexact,
        };
        Self(match exact.round(&EXTENDED) {
            Some((mantissa, exponent)) => Kind::Finite {
                negative,
                mantissa,
                exponent,
            },
            None => Kind::Infinite { negative },
        })
    }
}

/// 1 in units of the last decimal.
const ONE: u128 = 10u128.pow(DECIMALS);

/// The greatest power of ten in a word: digits are taken in and given out 19 at a time.
const CHUNK: u64 = 10u64.pow(19);

impl From<i64> for Extended {
    fn from(value: i64) -> Self {
        let exact = Binary {
            mantissa: value.unsigned_abs().into(),
            exponent: 0,
            inexact: false,
        };
        let (mantissa, exponent) = exact
            .round(&EXTENDED)
            .expect("the format holds every 64-bit integer");
        Self(Kind::Finite {
            negative: value < 0,
            mantissa,
            exponent,
        })
    }
}

fn write_integer(out: &mut Vec<u8>, value: u128) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `value / 2^shift`, ties to even.
fn round_shift(value: u128, shift: u32) -> u128 {
    let kept = value.checked_shr(shift).unwrap_or(0);
    // Where the shift leaves the type, `value` is below 2^121 and so below the half.
    let half = 1u128.checked_shl(shift - 1).unwrap_or(u128::MAX);
    let rest = value - kept.checked_shl(shift).unwrap_or(0);
    kept + u128::from(rest > half || rest == half && kept & 1 == 1)
}

/// Reads unsigned decimal text to at least 65 bits.
fn parse_decimal(text: &[u8]) -> Option<Binary> {
    /// Powers of ten between which the format's numbers lie, with some room.
    const MAGNITUDES: std::ops::RangeInclusive<i64> = -4960..=4940;
    /// Bits in 5, rounded up as a fraction.
    const BITS_OF_FIVE: (u32, u32) = (7, 3);

    let digits = Digits::parse(text, u8::is_ascii_digit, b'e')?;
    let mut value = Natural::default();
    let mut count = 0i64;
    let (mut chunk, mut scale) = (0, 1);
    for digit in digits.significant() {
        (chunk, scale) = (chunk * 10 + u64::from(digit - b'0'), scale * 10);
        if scale == CHUNK {
            value.multiply_add(scale, chunk);
            (chunk, scale) = (0, 1);
        }
        count += 1;
    }
    value.multiply_add(scale, chunk);
    if count == 0 {
        return Some(Binary {
            mantissa: 0,
            exponent: 0,
            inexact: false,
        });
    }
    let power = i64::from(digits.exponent) - i64::try_from(digits.fraction.len()).ok()?;
    if !MAGNITUDES.contains(&(power + count)) {
        return None;
    }
    // 10^power is 5^power in the mantissa, and `power` in the exponent.
    let power = i32::try_from(power).ok()?;
    let mut exponent = power;
    let mut inexact = false;
    if power < 0 {
        let divisor_bits = power.unsigned_abs() * BITS_OF_FIVE.0 / BITS_OF_FIVE.1 + 1;
        let shift = (66 + divisor_bits).saturating_sub(value.bits());
        value.shift_left(shift);
        exponent -= shift.cast_signed();
    }
    for factor in powers_of_five(power.unsigned_abs()) {
        if power < 0 {
            // Dividing by one factor after the other gives the same quotient as dividing by their product.
            inexact |= value.divide(factor) != 0;
        } else {
            value.multiply_add(factor, 0);
        }
    }
    Some(value.into_binary(exponent, inexact))
}

/// `5^power` as factors that fit a word.
fn powers_of_five(power: u32) -> impl Iterator<Item = u64> {
    const STEP: u32 = 27;
    (0..power.div_ceil(STEP)).map(move |index| 5u64.pow(STEP.min(power - index * STEP)))
}

/// A natural number of any size: words from the least to the greatest, of which the last is not zero.
#[derive(Default)]
struct Natural(SmallVec<[u64; 4]>);

impl From<u64> for Natural {
    fn from(value: u64) -> Self {
        let mut natural = Self::default();
        natural.multiply_add(0, value);
        natural
    }
}

impl Natural {
    fn bits(&self) -> u32 {
        self.0
            .last()
            .map_or(0, |top| self.0.len() as u32 * 64 - top.leading_zeros())
    }

    fn multiply_add(&mut self, factor: u64, addend: u64) {
        let mut carry = addend;
        for word in &mut self.0 {
            let product = u128::from(*word) * u128::from(factor) + u128::from(carry);
            (*word, carry) = (product as u64, (product >> 64) as u64);
        }
        if carry != 0 {
            self.0.push(carry);
        }
    }

    /// Divides in place; returns the remainder.
    fn divide(&mut self, divisor: u64) -> u64 {
        let mut rest = 0;
        for word in self.0.iter_mut().rev() {
            let part = u128::from(rest) << 64 | u128::from(*word);
            (*word, rest) = (
                (part / u128::from(divisor)) as u64,
                (part % u128::from(divisor)) as u64,
            );
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        rest
    }

    fn shift_left(&mut self, bits: u32) {
        if self.0.is_empty() {
            return;
        }
        self.multiply_add(1 << (bits % 64), 0);
        self.0
            .insert_many(0, std::iter::repeat_n(0, (bits / 64) as usize));
    }

    /// The two greatest words as a mantissa for `self × 2^exponent`.
    fn into_binary(self, exponent: i32, inexact: bool) -> Binary {
        let (rest, top) = self.0.split_at(self.0.len().saturating_sub(2));
        let mantissa = top
            .iter()
            .rev()
            .fold(0, |mantissa, &word| mantissa << 64 | u128::from(word));
        Binary {
            mantissa,
            exponent: exponent + rest.len() as i32 * 64,
            inexact: inexact || rest.iter().any(|&word| word != 0),
        }
    }

    /// Appends the decimal digits.
    fn write(mut self, out: &mut Vec<u8>) {
        let mut chunks = Vec::new();
        while !self.0.is_empty() {
            chunks.push(self.divide(CHUNK));
        }
        write_integer(out, chunks.pop().unwrap_or(0).into());
        for chunk in chunks.into_iter().rev() {
            let start = out.len();
            // A one in front keeps the leading zeros.
            write_integer(out, u128::from(CHUNK) + u128::from(chunk));
            out.remove(start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn human(number: Extended) -> String {
        let mut out = Vec::new();
        number.write_human(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn sum(one: &str, two: &str) -> String {
        human(
            Extended::parse(one.as_bytes())
                .unwrap()
                .add(Extended::parse(two.as_bytes()).unwrap()),
        )
    }

    #[test]
    fn the_smallest_number_is_reached_by_rounding() {
        let least = Extended::parse(b"0x1p-16445");
        assert!(least.is_some());
        // More than half of it, with a mantissa that is shifted out to its last bit.
        assert_eq!(
            Extended::parse(b"0xe87011b02466ef4b225faa1546d4e201p-16573"),
            least
        );
        for half_or_less in ["0x1p-16446", "0xe87011b02466ef4b225faa1546d4e201p-16574"] {
            assert_eq!(Extended::parse(half_or_less.as_bytes()), None);
        }
    }

    #[test]
    fn sums_that_a_double_would_get_wrong() {
        assert_eq!(sum("10.5", "0.1"), "10.6");
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("5.0e3", "2.0e2"), "5200");
        assert_eq!(sum("9007199254740993", "0.5"), "9007199254740993.5");
        assert_eq!(sum("18446744073709551615", "1"), "18446744073709551616");
        assert_eq!(sum("18446744073709551616", "1"), "18446744073709551616");
        assert_eq!(sum("18446744073709551618", "1"), "18446744073709551620");
        assert_eq!(sum("0x1p64", "-0x1p-70"), "18446744073709551616");
        assert_eq!(
            sum("0x8000000000000001", "-0x8000000000000001p-64"),
            "9223372036854775808"
        );
        assert_eq!(sum("0x1p63", "-0x1p-10"), "9223372036854775808");
    }

    #[test]
    fn signs_of_what_is_next_to_nothing() {
        assert_eq!(sum("1e-18", "-0"), "0");
        assert_eq!(sum("-1e-18", "0"), "0");
        assert_eq!(sum("-3", "3"), "0");
        assert_eq!(sum("-0", "-0"), "0");
        assert_eq!(sum("-0.5", "-0.25"), "-0.75");
    }

    #[test]
    fn infinities() {
        let [inf, minus] =
            [b"inf".as_slice(), b"-Infinity"].map(|text| Extended::parse(text).unwrap());
        assert!(inf.is_infinite() && inf.add(minus).is_nan() && !inf.add(inf).is_nan());
        assert!(
            inf.add(Extended::from(1)).is_infinite() && Extended::from(1).add(minus).is_infinite()
        );
        let largest = Extended::parse(b"0x1.fffffffffffffffep16383").unwrap();
        assert!(largest.add(largest).is_infinite() && !largest.is_infinite());
        assert_eq!(
            (human(inf), human(minus), human(inf.add(minus))),
            ("inf".into(), "-inf".into(), "nan".into())
        );
    }

    #[test]
    fn the_ends_of_the_format() {
        let largest = human(Extended::parse(b"1.18973149535723176502e4932").unwrap());
        assert!(
            largest.len() == 4933
                && largest
                    .starts_with("118973149535723176502126385303097020516906332229462420044032")
        );
        assert!(Extended::parse(b"1.18973149535723176509e4932").is_none());
        assert!(Extended::parse(b"4e-4951").is_some() && Extended::parse(b"1e-4951").is_none());
        assert!(
            Extended::parse(format!("0.{}1e4952", "0".repeat(4951)).as_bytes())
                == Some(Extended::from(1))
        );
    }

    #[test]
    fn what_is_not_a_number() {
        let long = "1".repeat(MAX_TEXT);
        let refused = [
            "",
            "+",
            "-",
            ".",
            "e1",
            "1e",
            "nan",
            " 1",
            "1 ",
            "1e5000",
            "1e-5000",
            "1e9999999999",
            "0x",
            "0xg",
            "1,5",
            &long,
        ];
        for text in refused {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        for (text, value) in [
            ("+1", 1),
            ("1.", 1),
            ("0e9999999999", 0),
            ("0x10", 16),
            ("1E+2", 100),
            ("-0", 0),
        ] {
            assert_eq!(
                human(Extended::parse(text.as_bytes()).unwrap()),
                value.to_string(),
                "{text}"
            );
        }
        assert!(Extended::parse(&long.as_bytes()[1..4000]).is_some());
    }

    proptest! {
        #[test]
        fn integers_are_exact(one in any::<i64>(), two in any::<i32>()) {
            let exact = i128::from(one) + i128::from(two);
            prop_assume!(exact.unsigned_abs() <= u64::MAX.into());
            prop_assert_eq!(human(Extended::from(one).add(Extended::from(i64::from(two)))), exact.to_string());
        }

        #[test]
        fn printed_decimals_come_back(whole in -31..32, decimals in "[0-9]{0,16}[1-9]") {
            let text = format!("{whole}.{decimals}");
            prop_assert_eq!(human(Extended::parse(text.as_bytes()).unwrap()), text);
        }
    }
}
