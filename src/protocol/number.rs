//! Numbers as clients write them and as replies show them.
//!
//! Reading is strict: an integer has exactly one spelling, so that a value can be stored as an integer and printed
//! again byte for byte. Doubles are read as C's `strtod` reads them, and nothing may stand before or after.

use std::iter;

use smallvec::SmallVec;

use super::float::{Binary, Format, is_infinity, parse_hexadecimal, split_sign};

/// IEEE 754 double precision.
const DOUBLE: Format = Format {
    bits: 53,
    min_exponent: -1074,
    max_exponent: 971,
};

/// Reads the one canonical spelling of an `i64`: no blanks, no `+`, no leading zeros, no `-0`.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] if digits != b"0" => (true, digits),
        digits => (false, digits),
    };
    let magnitude = parse_u64(digits)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Reads the one canonical spelling of a `u64`: digits without a leading zero, or `0`.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        b"0" => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Appends the decimal spelling.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Bytes in the decimal spelling, the sign included.
pub fn i64_len(value: i64) -> usize {
    let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(value < 0)
}

/// Reads a double: decimal or hexadecimal, with an optional exponent, or `inf` or `infinity` in any case.
///
/// `None` for `nan`, for blanks or anything else around the number, and for a number too large for a double or so
/// small that it would become zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, magnitude) = split_sign(text);
    let value = match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => to_f64(parse_hexadecimal(digits)?)?,
        [b'0'..=b'9' | b'.', ..] => {
            let value = read_decimal(magnitude)?;
            let vanished = value == 0.0 && !is_decimal_zero(magnitude);
            if value.is_infinite() || vanished {
                return None;
            }
            value
        }
        _ if is_infinity(magnitude) => f64::INFINITY,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// As [`parse_f64`], but a decimal too large for a double is infinite and one too small is zero.
pub fn parse_f64_saturating(text: &[u8]) -> Option<f64> {
    parse_f64(text).or_else(|| {
        let (negative, magnitude) = split_sign(text);
        let value = match magnitude {
            [b'0'..=b'9' | b'.', ..] => read_decimal(magnitude)?,
            _ => return None,
        };
        Some(if negative { -value } else { value })
    })
}

/// Reads unsigned text that begins with a digit or a point.
fn read_decimal(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Appends a double in the shortest spelling that reads back as the same number.
///
/// The exponent form begins where the reference begins it. Whole numbers up to 2^62 never have one, those above have it
/// when more than seven zeros would follow their digits; fractions have it when there are seven decimals or more and the
/// first digit is worth 10^4 or more, or 10^-4 or less.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    const MAX_WHOLE: f64 = (1u64 << 62) as f64;
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        out.extend_from_slice(b"inf");
    } else if magnitude <= MAX_WHOLE && magnitude.trunc() == magnitude {
        write_i64(out, magnitude as i64);
    } else {
        write_shortest(out, magnitude);
    }
}

/// Lays out the shortest digits of a positive number.
fn write_shortest(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let (digits, exponent) = decompose(buffer.format_finite(value));
    let magnitude = exponent + digits.len() as i32 - 1;
    if exponent >= 0 && magnitude < digits.len() as i32 + 7 {
        out.extend_from_slice(&digits);
        out.extend(iter::repeat_n(b'0', exponent as usize));
    } else if exponent < 0 && (exponent > -7 || magnitude.abs() < 4) {
        match usize::try_from(magnitude) {
            Ok(magnitude) => {
                let (whole, fraction) = digits.split_at(magnitude + 1);
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            Err(_) => {
                out.extend_from_slice(b"0.");
                out.extend(iter::repeat_n(b'0', magnitude.unsigned_abs() as usize - 1));
                out.extend_from_slice(&digits);
            }
        }
    } else {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if magnitude < 0 { b"e-" } else { b"e+" });
        write_i64(out, magnitude.abs().into());
    }
}

/// Takes a printed number apart into its significant digits, read as an integer, and the power of ten to multiply with.
fn decompose(text: &str) -> (SmallVec<[u8; 32]>, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: SmallVec<[u8; 32]> = whole
        .bytes()
        .chain(fraction.bytes())
        .skip_while(|&digit| digit == b'0')
        .collect();
    let mut exponent = exponent.parse().unwrap_or(0) - fraction.len() as i32;
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    (digits, exponent)
}

/// Whether the digits before any exponent are all zero.
fn is_decimal_zero(text: &[u8]) -> bool {
    text.iter()
        .take_while(|byte| !matches!(byte, b'e' | b'E'))
        .all(|byte| matches!(byte, b'0' | b'.'))
}

/// `None` where a number overflows, or is lost to zero.
fn to_f64(value: Binary) -> Option<f64> {
    const IMPLIED_ONE: u64 = 1 << 52;
    let vanishing = value.mantissa != 0;
    let (mantissa, exponent) = value.round(&DOUBLE)?;
    if mantissa == 0 && vanishing {
        return None;
    }
    let biased = if mantissa < IMPLIED_ONE {
        0
    } else {
        (exponent - DOUBLE.min_exponent + 1).unsigned_abs()
    };
    Some(f64::from_bits(
        u64::from(biased) << 52 | mantissa & (IMPLIED_ONE - 1),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_have_one_spelling() {
        for (text, value) in [
            ("0", 0),
            ("-1", -1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
        }
        let refused = [
            "",
            "-",
            "-0",
            "+1",
            "01",
            "-01",
            " 1",
            "1 ",
            "1a",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
        ];
        for text in refused.into_iter().chain([
            "18446744073709551617",
            "99999999999999999999999",
            "--1",
            "1.0",
        ]) {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"00"), None);
    }

    #[test]
    fn doubles_are_read_as_strtod_reads_them() {
        let read: [(&str, f64); 18] = [
            ("3", 3.0),
            ("+3.5", 3.5),
            ("-.5", -0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("1e-7", 1e-7),
            ("inf", f64::INFINITY),
            ("-INFINITY", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0X1.8p3", -12.0),
            ("0x.8", 0.5),
            ("0e99999", 0.0),
            ("5e-324", 5e-324),
            ("0x1p-1074", 5e-324),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x0p99999", 0.0),
        ];
        for (text, value) in read {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        assert!(parse_f64(b"-0").is_some_and(f64::is_sign_negative));
        let refused = [
            "", "+", ".", "e5", "1e", "1e+", "nan", "-nan", "NAN(1)", " 1", "1 ", "1\0", "0x",
            "0x.", "0x1p", "--1", "1_0",
        ];
        for text in refused.into_iter().chain([
            "1e309",
            "-1e309",
            "1e-400",
            "0x1p1024",
            "0x1p-1076",
            "infi",
            "1,5",
            "0x1.fffffffffffff8p1023",
        ]) {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_f64("１".as_bytes()), None);
    }

    #[test]
    fn doubles_beyond_the_range_saturate_where_that_is_asked_for() {
        for (text, value) in [
            ("1e400", Some(f64::INFINITY)),
            ("-1e400", Some(f64::NEG_INFINITY)),
            ("1e-400", Some(0.0)),
            ("0x10", Some(16.0)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("1x", None),
            ("nan", None),
            ("", None),
        ] {
            assert_eq!(parse_f64_saturating(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn doubles_are_laid_out_as_the_reference_does() {
        let written: [(f64, &str); 25] = [
            (3.0, "3"),
            (-3.0, "-3"),
            (0.0, "0"),
            (-0.0, "-0"),
            (1e18, "1000000000000000000"),
            (1e20, "1e+20"),
            (12345678901234567000.0, "12345678901234567000"),
            (1e-7, "1e-7"),
            (1e-6, "0.000001"),
            (0.1, "0.1"),
            (1.23e-6, "1.23e-6"),
            (1.23e-4, "0.000123"),
            (-1.5e-10, "-1.5e-10"),
            (3.5, "3.5"),
            (1.23456789, "1.23456789"),
            (12345.123456789, "1.2345123456789e+4"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (-f64::NAN, "nan"),
            (4611686018427387904.0, "4611686018427387904"),
            (9.5e18, "9.5e+18"),
            (1e100, "1e+100"),
        ];
        for (value, text) in written {
            let mut out = Vec::new();
            write_f64(&mut out, value);
            assert_eq!(out, text.as_bytes(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn doubles_come_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            let mut text = Vec::new();
            write_f64(&mut text, value);
            prop_assert_eq!(parse_f64(&text).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn integers_come_back(value in prop_oneof![any::<i64>(), -1000i64..1000, Just(i64::MIN), Just(i64::MAX)]) {
            let mut text = Vec::new();
            write_i64(&mut text, value);
            prop_assert_eq!(text.as_slice(), value.to_string().into_bytes());
            prop_assert_eq!(i64_len(value), text.len());
            prop_assert_eq!(parse_i64(&text), Some(value));
        }

        #[test]
        fn hexadecimal_doubles_come_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let (fraction, biased) = (bits & ((1 << 52) - 1), bits >> 52 & 0x7ff);
            let (lead, exponent) = if biased == 0 { (0, -1022) } else { (1, biased.cast_signed() - 1023) };
            let sign = if value.is_sign_negative() { "-" } else { "" };
            let text = format!("{sign}0x{lead}.{fraction:013x}p{exponent}");
            prop_assert_eq!(parse_f64(text.as_bytes()), Some(value));
        }
    }
}
