//! `struct`: values as the bytes of C's structures, and back.
//!
//! A format is a sequence of options: `<` and `>` set the order of bytes, `!n` the alignment, `b` `h` `l` `T` `in` are
//! integers (signed in lower case), `f` and `d` floats, `x` is a byte of padding, `s` a string that a zero ends, and `cn` a
//! string of `n` bytes.

use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

use super::arguments::{Arguments, error, function};
use super::convert::{to_long, to_unsigned_long};
use super::{MAX_OUTPUT, MAX_RESULTS};

/// Bytes of an integer at most; those beyond the eighth hold its sign.
const MAX_INTEGER: i32 = 32;
/// The alignment that a bare `!` sets.
const NATIVE_ALIGNMENT: i32 = 8;

/// Makes the library's table.
pub fn open(lua: &Lua) -> Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", function(lua, pack)?)?;
    library.raw_set("unpack", function(lua, unpack)?)?;
    library.raw_set("size", function(lua, size)?)?;
    Ok(library)
}

/// A format that is being read.
struct Format<'a> {
    arguments: &'a Arguments<'a>,
    text: &'a [u8],
    big_endian: bool,
    alignment: usize,
}

/// An option that stands for bytes, or that only sets something.
struct Item {
    option: u8,
    size: usize,
    padding: usize,
}

impl<'a> Format<'a> {
    fn new(arguments: &'a Arguments<'a>, text: &'a [u8]) -> Self {
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Self {
            arguments,
            text: &text[..end],
            big_endian: false,
            alignment: 1,
        }
    }

    /// Reads the next option, whose bytes are to begin at `position` or after some padding.
    fn next(&mut self, position: usize) -> Result<Option<Item>> {
        let Some((&option, rest)) = self.text.split_first() else {
            return Ok(None);
        };
        self.text = rest;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.written(1)?,
            b'i' | b'I' => {
                let size = self.written(4)?;
                if size > MAX_INTEGER {
                    return Err(self.arguments.error(format_args!(
                        "integral size {size} is larger than limit of {MAX_INTEGER}"
                    )));
                }
                size
            }
            _ => 0,
        };
        let size = size.unsigned_abs() as usize;
        let padding = if size == 0 || option == b'c' {
            0
        } else {
            let unit = size.min(self.alignment);
            unit.wrapping_sub(position & (unit - 1)) & (unit - 1)
        };
        Ok(Some(Item {
            option,
            size,
            padding,
        }))
    }

    /// Reads the number behind an option.
    fn written(&mut self, default: i32) -> Result<i32> {
        let digits = self.text.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = self.text.split_at(digits.count());
        if digits.is_empty() {
            return Ok(default);
        }
        self.text = rest;
        let value = digits.iter().try_fold(0i32, |value, digit| {
            value.checked_mul(10)?.checked_add(i32::from(digit - b'0'))
        });
        value.ok_or_else(|| self.arguments.error("integral size overflow"))
    }

    /// Obeys an option that stands for no bytes.
    fn control(&mut self, option: u8) -> Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let alignment = self.written(NATIVE_ALIGNMENT)?;
                if alignment.count_ones() != 1 {
                    return Err(self
                        .arguments
                        .error(format_args!("alignment {alignment} is not a power of 2")));
                }
                self.alignment = alignment.unsigned_abs() as usize;
            }
            _ => {
                let option = [option];
                let option = String::from_utf8_lossy(&option);
                return Err(self
                    .arguments
                    .argument_error(1, format_args!("invalid format option '{option}'")));
            }
        }
        Ok(())
    }

    /// Turns bytes from the processor's order, which is little-endian, into that of the format, or back.
    fn order(&self, bytes: &mut [u8]) {
        if self.big_endian {
            bytes.reverse();
        }
    }
}

fn pack(arguments: &Arguments<'_>) -> Result<LuaString> {
    let format = arguments.string(1)?;
    let format = format.as_bytes();
    let mut format = Format::new(arguments, &format);
    let mut out = Vec::new();
    let mut position = 1;
    let next_number = |position: &mut usize| {
        *position += 1;
        present(arguments, *position, "number")?;
        arguments.number(*position)
    };
    while let Some(Item {
        option,
        size,
        padding,
    }) = format.next(out.len())?
    {
        out.resize(out.len() + padding, 0);
        let start = out.len();
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = next_number(&mut position)?;
                let value = if number < 0.0 {
                    to_long(number).cast_unsigned()
                } else {
                    to_unsigned_long(number)
                };
                let bytes = value.to_le_bytes();
                out.extend_from_slice(&bytes[..size.min(bytes.len())]);
                out.resize(start + size, 0);
                format.order(&mut out[start..]);
            }
            b'x' => out.push(0),
            b'f' => {
                let number = next_number(&mut position)? as f32;
                out.extend_from_slice(&number.to_le_bytes());
                format.order(&mut out[start..]);
            }
            b'd' => {
                let number = next_number(&mut position)?;
                out.extend_from_slice(&number.to_le_bytes());
                format.order(&mut out[start..]);
            }
            b'c' | b's' => {
                position += 1;
                present(arguments, position, "string")?;
                let value = arguments.string(position)?;
                let value = value.as_bytes();
                let size = if size == 0 { value.len() } else { size };
                let Some(value) = value.get(..size) else {
                    // The reference names the argument after the one it means.
                    return Err(arguments.argument_error(position + 1, "string too short"));
                };
                if out.len() + size > MAX_OUTPUT {
                    return Err(arguments.error("string too long"));
                }
                out.extend_from_slice(value);
                if option == b's' {
                    out.push(0);
                }
            }
            _ => format.control(option)?,
        }
    }
    arguments.lua.create_string(out)
}

/// What is missing counts as nil here: that is what the reference finds behind the arguments.
fn present(arguments: &Arguments<'_>, position: usize, wanted: &str) -> Result<()> {
    match arguments.get(position) {
        Some(_) => Ok(()),
        None => {
            let text = format_args!("{wanted} expected, got nil");
            Err(arguments.argument_error(position, text))
        }
    }
}

fn unpack(arguments: &Arguments<'_>) -> Result<MultiValue> {
    let lua = arguments.lua;
    let format = arguments.string(1)?;
    let format = format.as_bytes();
    let data = arguments.string(2)?;
    let data = data.as_bytes();
    let start = arguments.optional_integer(3)?.unwrap_or(1);
    if start == 0 {
        return Err(arguments.argument_error(3, "offset must be 1 or greater"));
    }
    let mut position = start.cast_unsigned().wrapping_sub(1) as usize;
    let mut format = Format::new(arguments, &format);
    let mut results = Vec::new();
    while let Some(item) = format.next(position)? {
        position = position.wrapping_add(item.padding);
        let from = |size: usize| {
            position
                .checked_add(size)
                .and_then(|end| data.get(position..end))
                .ok_or_else(|| arguments.argument_error(2, "data string too short"))
        };
        let bytes = from(item.size)?;
        if results.len() >= MAX_RESULTS {
            return Err(arguments.error("stack overflow (too many results)"));
        }
        let mut size = item.size;
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let is_signed = item.option.is_ascii_lowercase();
                results.push(Value::Number(integer(bytes, format.big_endian, is_signed)));
            }
            b'x' => {}
            b'f' => {
                let mut number = [0; 4];
                number.copy_from_slice(bytes);
                format.order(&mut number);
                results.push(Value::Number(f32::from_le_bytes(number).into()));
            }
            b'd' => {
                let mut number = [0; 8];
                number.copy_from_slice(bytes);
                format.order(&mut number);
                results.push(Value::Number(f64::from_le_bytes(number)));
            }
            b'c' => {
                let mut bytes = bytes;
                if size == 0 {
                    size = taken_size(lua, results.pop())?;
                    bytes = from(size)?;
                }
                results.push(Value::String(lua.create_string(bytes)?));
            }
            b's' => {
                let rest = from(0).map(|_| &data[position..])?;
                let Some(end) = memchr::memchr(0, rest) else {
                    return Err(arguments.error("unfinished string in data"));
                };
                size = end + 1;
                results.push(Value::String(lua.create_string(&rest[..end])?));
            }
            option => format.control(option)?,
        }
        position = position.wrapping_add(size);
    }
    results.push(Value::Integer(position.wrapping_add(1).cast_signed() as i64));
    Ok(MultiValue::from_vec(results))
}

/// The size of `c0`: the value that was read before, be it a string that spells a number.
fn taken_size(lua: &Lua, previous: Option<Value>) -> Result<usize> {
    let number = previous
        .map(|value| lua.coerce_number(value))
        .transpose()?
        .flatten();
    match number {
        Some(number) => Ok(to_unsigned_long(number) as usize),
        None => Err(error(lua, "format 'c0' needs a previous size")),
    }
}

/// Reads an integer of any size; of more than eight bytes only the lowest count.
fn integer(bytes: &[u8], big_endian: bool, is_signed: bool) -> f64 {
    let push = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    let value = if big_endian {
        bytes.iter().fold(0, push)
    } else {
        bytes.iter().rev().fold(0, push)
    };
    if !is_signed {
        return value as f64;
    }
    // Of an integer of no bytes there is no sign to extend.
    let sign = u64::MAX.wrapping_shl((bytes.len() as u32 * 8).wrapping_sub(1));
    let extended = if value & sign == 0 {
        value
    } else {
        value | sign
    };
    extended.cast_signed() as f64
}

fn size(arguments: &Arguments<'_>) -> Result<f64> {
    let format = arguments.string(1)?;
    let format = format.as_bytes();
    let mut format = Format::new(arguments, &format);
    let mut size: usize = 0;
    while let Some(item) = format.next(size)? {
        size = size.wrapping_add(item.padding);
        match item.option {
            b's' => return Err(arguments.argument_error(1, "option 's' has no fixed size")),
            b'c' if item.size == 0 => {
                return Err(arguments.argument_error(1, "option 'c0' has no fixed size"));
            }
            _ => {}
        }
        if !item.option.is_ascii_alphanumeric() {
            format.control(item.option)?;
        }
        size = size.wrapping_add(item.size);
    }
    Ok(size as f64)
}
