//! Doubles to integers and to text, as C does both on x86-64.
//!
//! What C leaves undefined, a compiler decides; scripts see the processor's answer, so that is the one given here.

/// `(long)value`: the fraction is dropped, and what does not fit is the least integer.
pub(super) fn to_long(value: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// `(unsigned long)value`: from 2^64 on nothing is left of it.
pub(super) fn to_unsigned_long(value: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if value >= HALF {
        (to_long(value - HALF) ^ i64::MIN).cast_unsigned()
    } else {
        to_long(value).cast_unsigned()
    }
}

/// `(int)value`: the fraction is dropped, and what does not fit is the least integer.
pub(super) fn to_int(value: f64) -> i32 {
    i32::try_from(to_long(value)).unwrap_or(i32::MIN)
}

/// Appends a number as `%.*g` prints it: `precision` significant digits, at least one, without trailing zeros.
pub(super) fn write_general(out: &mut Vec<u8>, value: f64, precision: usize) {
    if value.is_nan() {
        out.extend_from_slice(if value.is_sign_negative() {
            b"-nan"
        } else {
            b"nan"
        });
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        out.extend_from_slice(b"inf");
        return;
    }
    if magnitude < 1e9 && precision > 8 && magnitude.trunc() == magnitude {
        out.extend_from_slice(itoa::Buffer::new().format(magnitude as u32).as_bytes());
        return;
    }
    let printed = format!("{magnitude:.*e}", precision - 1);
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let kept = digits
        .iter()
        .rposition(|&digit| digit != b'0')
        .map_or(1, |last| last + 1);
    let digits = &digits[..kept];
    match usize::try_from(exponent) {
        Ok(exponent) if exponent < precision => {
            let whole = digits.len().min(exponent + 1);
            out.extend_from_slice(&digits[..whole]);
            out.extend(std::iter::repeat_n(b'0', exponent + 1 - whole));
            write_fraction(out, &digits[whole..]);
        }
        Err(_) if exponent >= -4 => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(
                b'0',
                exponent.unsigned_abs() as usize - 1,
            ));
            out.extend_from_slice(digits);
        }
        _ => {
            out.push(digits[0]);
            write_fraction(out, &digits[1..]);
            let sign = if exponent < 0 { '-' } else { '+' };
            out.extend_from_slice(format!("e{sign}{:02}", exponent.unsigned_abs()).as_bytes());
        }
    }
}

fn write_fraction(out: &mut Vec<u8>, digits: &[u8]) {
    if !digits.is_empty() {
        out.push(b'.');
        out.extend_from_slice(digits);
    }
}
