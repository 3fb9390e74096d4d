//! What doubles and 80-bit floats have in common: the shape of their text, and correct rounding.
//!
//! C's `strtod` and `strtold` read the same language and differ only in the [`Format`] they round to.

/// A binary floating-point format, as the mantissa's width and the range of its last bit's weight.
pub(super) struct Format {
    /// Bits in the mantissa, the leading one included; at most 64.
    pub(super) bits: u32,
    /// Power of two of the last mantissa bit in the smallest numbers.
    pub(super) min_exponent: i32,
    /// Power of two of the last mantissa bit in the largest numbers.
    pub(super) max_exponent: i32,
}

/// A nonnegative number `mantissa × 2^exponent`, plus something smaller than the last bit if `inexact`.
pub(super) struct Binary {
    pub(super) mantissa: u128,
    pub(super) exponent: i32,
    pub(super) inexact: bool,
}

impl Binary {
    /// Rounds to the format, ties to even; `None` where the format ends and infinity begins.
    ///
    /// The result's mantissa fills the format's width, except in subnormal numbers and zero. An inexact number must
    /// bring at least one bit more than the format holds, or the tie could not be told.
    pub(super) fn round(self, format: &Format) -> Option<(u64, i32)> {
        if self.mantissa == 0 {
            return Some((0, format.min_exponent));
        }
        let width = (128 - self.mantissa.leading_zeros()).cast_signed();
        let surplus = width - format.bits.cast_signed();
        let exponent = self
            .exponent
            .saturating_add(surplus)
            .max(format.min_exponent);
        let shift = i64::from(exponent) - i64::from(self.exponent);
        let mut rounded = Self { exponent, ..self };
        match u32::try_from(shift) {
            Ok(0) => {}
            Ok(shift) => {
                let kept = self.mantissa.checked_shr(shift).unwrap_or(0);
                let half = 1u128.checked_shl(shift - 1).unwrap_or(0);
                // Shifted by its whole width the mantissa may still reach the half; further out nothing does.
                let rest = self.mantissa ^ kept.checked_shl(shift).unwrap_or(0);
                let above =
                    half != 0 && (rest > half || rest == half && (self.inexact || kept & 1 == 1));
                rounded.mantissa = kept + u128::from(above);
            }
            Err(_) => rounded.mantissa <<= -shift,
        }
        if rounded.mantissa >> format.bits != 0 {
            rounded.mantissa >>= 1;
            rounded.exponent += 1;
        }
        let mantissa = u64::try_from(rounded.mantissa).ok()?;
        (rounded.exponent <= format.max_exponent).then_some((mantissa, rounded.exponent))
    }
}

/// Takes an optional sign off; returns whether it was a minus, and the rest.
pub(super) fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Whether unsigned text spells infinity.
pub(super) fn is_infinity(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity")
}

/// A number as its digits, its point and its exponent stand in the text.
pub(super) struct Digits<'a> {
    /// Digits before the point.
    pub(super) whole: &'a [u8],
    /// Digits after the point.
    pub(super) fraction: &'a [u8],
    /// The written exponent, clamped to ±2^30: further out nothing is finite or nonzero, whatever the digits.
    pub(super) exponent: i32,
}

impl<'a> Digits<'a> {
    /// Takes unsigned text apart; the whole text must be one number, with a digit before or after the point.
    pub(super) fn parse(
        text: &'a [u8],
        is_digit: impl Fn(&u8) -> bool + Copy,
        exponent_mark: u8,
    ) -> Option<Self> {
        let (whole, rest) = split_while(text, is_digit);
        let (fraction, rest) = rest
            .strip_prefix(b".")
            .map_or((&[][..], rest), |rest| split_while(rest, is_digit));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [mark, written @ ..] if mark.eq_ignore_ascii_case(&exponent_mark) => {
                parse_exponent(written)?
            }
            _ => return None,
        };
        Some(Self {
            whole,
            fraction,
            exponent,
        })
    }

    /// The digits from the first that is not zero, leaving out the point.
    pub(super) fn significant(&self) -> impl Iterator<Item = u8> {
        self.whole
            .iter()
            .chain(self.fraction)
            .copied()
            .skip_while(|&digit| digit == b'0')
    }
}

fn split_while(text: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| belongs(byte)).count())
}

fn parse_exponent(text: &[u8]) -> Option<i32> {
    const CLAMP: i32 = 1 << 30;
    let (negative, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0i32, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(i32::from(digit - b'0'))
    });
    let magnitude = magnitude.min(CLAMP);
    Some(if negative { -magnitude } else { magnitude })
}

/// Reads what follows `0x`: hexadecimal digits with an optional point, and an optional binary exponent after `p`.
pub(super) fn parse_hexadecimal(text: &[u8]) -> Option<Binary> {
    const KEPT_DIGITS: usize = 32;
    let digits = Digits::parse(text, u8::is_ascii_hexdigit, b'p')?;
    let mut mantissa: u128 = 0;
    let mut dropped = 0usize;
    let mut inexact = false;
    for (place, digit) in digits.significant().enumerate() {
        let value = char::from(digit).to_digit(16)?;
        if place < KEPT_DIGITS {
            mantissa = mantissa << 4 | u128::from(value);
        } else {
            dropped += 1;
            inexact |= value != 0;
        }
    }
    let places = i64::try_from(dropped).ok()? - i64::try_from(digits.fraction.len()).ok()?;
    let exponent = i64::from(digits.exponent).saturating_add(places.saturating_mul(4));
    let exponent = exponent.clamp(i64::from(i32::MIN / 2), i64::from(i32::MAX / 2)) as i32;
    Some(Binary {
        mantissa,
        exponent,
        inexact,
    })
}
