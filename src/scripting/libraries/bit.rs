//! `bit`: operations on the 32 low bits of numbers.

use mlua::{Lua, Result, Table};

use super::arguments::{Arguments, function};

/// Makes the library's table.
pub fn open(lua: &Lua) -> Result<Table> {
    let library = lua.create_table()?;
    let fold = |name: &str, with: fn(u32, u32) -> u32| {
        let run = function(lua, move |arguments| {
            let first = bits(arguments, 1)?;
            // From the last to the second: so the last of several wrong ones is told.
            let mut others = (2..=arguments.len()).rev();
            let value = others.try_fold(first, |value, position| {
                bits(arguments, position).map(|other| with(value, other))
            });
            value.map(signed)
        })?;
        library.raw_set(name, run)
    };
    let shift = |name: &str, by: fn(u32, u32) -> u32| {
        let run = function(lua, move |arguments| {
            let value = bits(arguments, 1)?;
            Ok(signed(by(value, bits(arguments, 2)? & 31)))
        })?;
        library.raw_set(name, run)
    };
    let change = |name: &str, to: fn(u32) -> u32| {
        let run = function(lua, move |arguments| Ok(signed(to(bits(arguments, 1)?))))?;
        library.raw_set(name, run)
    };
    change("tobit", |value| value)?;
    change("bnot", |value| !value)?;
    change("bswap", u32::swap_bytes)?;
    fold("band", |value, other| value & other)?;
    fold("bor", |value, other| value | other)?;
    fold("bxor", |value, other| value ^ other)?;
    shift("lshift", |value, by| value << by)?;
    shift("rshift", |value, by| value >> by)?;
    shift("arshift", |value, by| {
        (value.cast_signed() >> by).cast_unsigned()
    })?;
    shift("rol", u32::rotate_left)?;
    shift("ror", u32::rotate_right)?;
    library.raw_set("tohex", function(lua, to_hexadecimal)?)?;
    Ok(library)
}

/// What is left of a number, which may have a fraction and be larger, in 32 bits.
///
/// The sum's mantissa ends at the units, so that adding rounds to the nearest integer, ties to even.
fn bits(arguments: &Arguments<'_>, position: usize) -> Result<u32> {
    const UNITS: f64 = 6_755_399_441_055_744.0; // 2^52 + 2^51
    let number = arguments.number(position)?;
    Ok((number + UNITS).to_bits() as u32)
}

/// Results are signed.
fn signed(value: u32) -> i32 {
    value.cast_signed()
}

/// The lowest digits, eight if not told; in capitals if their number is negative.
fn to_hexadecimal(arguments: &Arguments<'_>) -> Result<String> {
    let value = bits(arguments, 1)?;
    let digits = match arguments.get(2) {
        None => 8,
        Some(_) => bits(arguments, 2)?.cast_signed(),
    };
    let mut text = if digits < 0 {
        format!("{value:08X}")
    } else {
        format!("{value:08x}")
    };
    text.drain(..8 - digits.unsigned_abs().min(8) as usize);
    Ok(text)
}
