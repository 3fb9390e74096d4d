//! `cmsgpack`: MessagePack, without its binary strings and its extensions.
//!
//! Numbers without a fraction are packed as integers, tables with the keys 1 to n as arrays. What lies more than
//! [`MAX_NESTING`] tables deep is packed as nil, so that a table may hold itself.

use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

use super::arguments::{Arguments, error, function};
use super::convert::{to_int, to_long};
use super::{MAX_OUTPUT, MAX_RESULTS};
use crate::scripting::thrown::Thrown;

/// Tables that are packed inside one another.
const MAX_NESTING: usize = 16;
/// Tables that are unpacked inside one another; the reference ends where Lua's stack does, some 4,000 deep.
const MAX_DEPTH: usize = 1_000;

const TOO_MANY: &str =
    "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";

/// Makes the library's table.
pub fn open(lua: &Lua) -> Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", function(lua, pack)?)?;
    library.raw_set(
        "unpack",
        function(lua, |arguments| unpack(arguments, 0, 0))?,
    )?;
    let unpack_one = |arguments: &Arguments<'_>| {
        let offset = arguments.optional_integer(2)?.unwrap_or(0);
        unpack(arguments, 1, offset)
    };
    library.raw_set("unpack_one", function(lua, unpack_one)?)?;
    let unpack_limit = |arguments: &Arguments<'_>| {
        let limit = arguments.integer(2)?;
        let offset = arguments.optional_integer(3)?.unwrap_or(0);
        unpack(arguments, limit, offset)
    };
    library.raw_set("unpack_limit", function(lua, unpack_limit)?)?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_DESCRIPTION", "MessagePack implementation for Lua")?;
    Ok(library)
}

fn pack(arguments: &Arguments<'_>) -> Result<LuaString> {
    if arguments.len() == 0 {
        return Err(arguments.argument_error(0, "MessagePack pack needs input."));
    }
    let mut packer = Packer {
        lua: arguments.lua,
        out: Vec::new(),
    };
    for value in arguments.iter() {
        packer.value(value, 0)?;
    }
    arguments.lua.create_string(packer.out)
}

struct Packer<'a> {
    lua: &'a Lua,
    out: Vec<u8>,
}

impl Packer<'_> {
    fn value(&mut self, value: &Value, level: usize) -> Result<()> {
        match value {
            Value::Boolean(value) => self.out.push(if *value { 0xc3 } else { 0xc2 }),
            Value::Integer(value) => self.integer(*value),
            Value::Number(value) => self.number(*value),
            Value::String(value) => self.string(&value.as_bytes()),
            Value::Table(table) if level < MAX_NESTING => self.table(table, level + 1)?,
            _ => self.out.push(0xc0),
        }
        if self.out.len() > MAX_OUTPUT {
            return Err(error(self.lua, "MessagePack pack makes too much."));
        }
        Ok(())
    }

    fn number(&mut self, value: f64) {
        let whole = to_long(value);
        let narrow = value as f32;
        if whole as f64 == value {
            self.integer(whole);
        } else if f64::from(narrow) == value {
            self.head(0xca, &narrow.to_be_bytes());
        } else {
            self.head(0xcb, &value.to_be_bytes());
        }
    }

    fn integer(&mut self, value: i64) {
        let wide = value.to_be_bytes();
        match value {
            -32..=127 => self.out.push(wide[7]),
            128..=0xff => self.head(0xcc, &wide[7..]),
            0x100..=0xffff => self.head(0xcd, &wide[6..]),
            0x1_0000..=0xffff_ffff => self.head(0xce, &wide[4..]),
            0x1_0000_0000.. => self.head(0xcf, &wide),
            -0x80..=-33 => self.head(0xd0, &wide[7..]),
            -0x8000..=-0x81 => self.head(0xd1, &wide[6..]),
            -0x8000_0000..=-0x8001 => self.head(0xd2, &wide[4..]),
            ..=-0x8000_0001 => self.head(0xd3, &wide),
        }
    }

    fn string(&mut self, value: &[u8]) {
        let wide = (value.len() as u64).to_be_bytes();
        match value.len() {
            0..=31 => self.out.push(0xa0 | wide[7]),
            32..=0xff => self.head(0xd9, &wide[7..]),
            0x100..=0xffff => self.head(0xda, &wide[6..]),
            _ => self.head(0xdb, &wide[4..]),
        }
        self.out.extend_from_slice(value);
    }

    fn table(&mut self, table: &Table, level: usize) -> Result<()> {
        let (count, is_array) = survey(table)?;
        let wide = (count as u64).to_be_bytes();
        let (few, many) = if is_array { (0x90, 0xdc) } else { (0x80, 0xde) };
        match count {
            0..=15 => self.out.push(few | wide[7]),
            16..=0xffff => self.head(many, &wide[6..]),
            _ => self.head(many + 1, &wide[4..]),
        }
        if is_array {
            for index in 1..=count {
                self.value(&table.raw_get(index)?, level)?;
            }
        } else {
            for pair in table.pairs() {
                let (key, value): (Value, Value) = pair?;
                self.value(&key, level)?;
                self.value(&value, level)?;
            }
        }
        Ok(())
    }

    fn head(&mut self, kind: u8, rest: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(rest);
    }
}

/// How many keys a table has, and whether they are the numbers from 1 to that.
fn survey(table: &Table) -> Result<(usize, bool)> {
    let mut count = 0;
    let mut is_array = true;
    let mut greatest = 0;
    table.for_each(|key: Value, _: Value| {
        count += 1;
        let index = match key {
            Value::Integer(key) => i32::try_from(key).ok(),
            Value::Number(key) => Some(to_int(key)).filter(|&index| f64::from(index) == key),
            _ => None,
        };
        match index {
            Some(index) if index > 0 => greatest = index.max(greatest),
            _ => is_array = false,
        }
        Ok(())
    })?;
    Ok((count, is_array && greatest as usize == count))
}

/// Unpacks `limit` values from `offset` on, and says before them where the next begins, or -1 at the end; or, if both are 0,
/// all values.
fn unpack(arguments: &Arguments<'_>, limit: i64, offset: i64) -> Result<MultiValue> {
    let input = arguments.string(1)?;
    let input = input.as_bytes();
    let len = input.len();
    let (Ok(count), Ok(start)) = (usize::try_from(limit), usize::try_from(offset)) else {
        // The reference shows the length, and calls it the limit.
        return Err(arguments.error(format_args!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32, len as i32
        )));
    };
    let Some(rest) = input.get(start..) else {
        return Err(arguments.error(format_args!(
            "Start offset {} greater than input length {}.",
            offset as i32, len as i32
        )));
    };
    let takes_all = limit == 0 && offset == 0;
    let count = if takes_all { usize::MAX } else { count };
    let mut unpacker = Unpacker {
        lua: arguments.lua,
        rest,
        depth: 0,
    };
    let mut results = Vec::new();
    while !unpacker.rest.is_empty() && results.len() < count {
        if results.len() >= MAX_RESULTS {
            return Err(arguments.error(TOO_MANY));
        }
        results.push(unpacker.value()?);
    }
    if !takes_all {
        let next = match unpacker.rest.len() {
            0 => -1.0,
            left => (len - left) as f64,
        };
        results.insert(0, Value::Number(next));
    }
    Ok(MultiValue::from_vec(results))
}

struct Unpacker<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Unpacker<'a> {
    fn value(&mut self) -> Result<Value> {
        let [kind] = self.array()?;
        Ok(match kind {
            0x00..=0x7f => Value::Integer(kind.into()),
            0x80..=0x8f => self.map(usize::from(kind & 0xf))?,
            0x90..=0x9f => self.list(usize::from(kind & 0xf))?,
            0xa0..=0xbf => self.string(usize::from(kind & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::Number(f32::from_be_bytes(self.array()?).into()),
            0xcb => Value::Number(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Integer(u8::from_be_bytes(self.array()?).into()),
            0xcd => Value::Integer(u16::from_be_bytes(self.array()?).into()),
            0xce => Value::Integer(u32::from_be_bytes(self.array()?).into()),
            // Lua's integers are signed, and the reference passes these on as such.
            0xcf | 0xd3 => Value::Integer(i64::from_be_bytes(self.array()?)),
            0xd0 => Value::Integer(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Value::Integer(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Value::Integer(i32::from_be_bytes(self.array()?).into()),
            0xd9 => self.sized(1, Self::string)?,
            0xda => self.sized(2, Self::string)?,
            0xdb => self.sized(4, Self::string)?,
            0xdc => self.sized(2, Self::list)?,
            0xdd => self.sized(4, Self::list)?,
            0xde => self.sized(2, Self::map)?,
            0xdf => self.sized(4, Self::map)?,
            0xe0..=0xff => Value::Integer(kind.cast_signed().into()),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => {
                return Err(error(self.lua, "Bad data format in input."));
            }
        })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| error(self.lua, "Missing bytes in input."))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Reads a length of some bytes, and then what has that length.
    fn sized(
        &mut self,
        bytes: usize,
        read: fn(&mut Self, usize) -> Result<Value>,
    ) -> Result<Value> {
        let len = self.take(bytes)?;
        let len = len
            .iter()
            .fold(0, |len, &byte| len << 8 | usize::from(byte));
        read(self, len)
    }

    fn string(&mut self, len: usize) -> Result<Value> {
        let bytes = self.take(len)?;
        self.lua.create_string(bytes).map(Value::String)
    }

    fn list(&mut self, len: usize) -> Result<Value> {
        let table = self.descend()?;
        for index in 1..=len {
            table.raw_set(index, self.value()?)?;
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize) -> Result<Value> {
        let table = self.descend()?;
        for _ in 0..len {
            let key = self.value()?;
            let value = self.value()?;
            let refusal = match key {
                Value::Nil => "table index is nil",
                Value::Number(key) if key.is_nan() => "table index is NaN",
                key => {
                    table.raw_set(key, value)?;
                    continue;
                }
            };
            // Lua itself raises this, and names no place.
            return Err(Thrown::Message(refusal.to_owned()).into());
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn descend(&mut self) -> Result<Table> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error(self.lua, TOO_MANY));
        }
        self.lua.create_table()
    }
}
