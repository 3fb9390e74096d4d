//! Lua's values as JSON.

use mlua::{Error, Lua, LuaString, Result, Table, Value};

use super::super::MAX_OUTPUT;
use super::super::arguments::{Arguments, error};
use super::super::convert::{to_int, write_general};
use super::{InvalidNumbers, MAX_DEPTH, Settings};
use crate::scripting::thrown::type_name;

pub(super) fn encode(arguments: &Arguments<'_>, settings: &Settings) -> Result<LuaString> {
    let (Some(value), 1) = (arguments.get(1), arguments.len()) else {
        return Err(arguments.argument_error(1, "expected 1 argument"));
    };
    let mut encoder = Encoder {
        lua: arguments.lua,
        settings,
        out: Vec::new(),
    };
    encoder.value(value, 0)?;
    arguments.lua.create_string(encoder.out)
}

struct Encoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    out: Vec<u8>,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value, depth: i32) -> Result<()> {
        match value {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(number) => self.number(*number as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => {
                self.out.extend_from_slice(b"null");
            }
            Value::Table(table) => self.table(table, depth + 1)?,
            other => return Err(self.refusal(type_name(other), "type not supported")),
        }
        if self.out.len() > MAX_OUTPUT {
            return Err(error(self.lua, "Cannot serialise, the result is too long"));
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        let mut rest = text;
        while let Some(place) = rest.iter().position(|&byte| is_escaped(byte)) {
            self.out.extend_from_slice(&rest[..place]);
            self.escape(rest[place]);
            rest = &rest[place + 1..];
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }

    fn escape(&mut self, byte: u8) {
        let letter = match byte {
            b'"' | b'\\' | b'/' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            _ => {
                let text = format!("\\u{byte:04x}");
                return self.out.extend_from_slice(text.as_bytes());
            }
        };
        self.out.extend_from_slice(&[b'\\', letter]);
    }

    fn number(&mut self, number: f64) -> Result<()> {
        if !number.is_finite() {
            match self.settings.encode_invalid_numbers {
                InvalidNumbers::Refused => {
                    return Err(self.refusal("number", "must not be NaN or Inf"));
                }
                InvalidNumbers::Written if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                InvalidNumbers::Written => {}
                InvalidNumbers::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
            }
        }
        let precision = self.settings.number_precision.unsigned_abs() as usize;
        write_general(&mut self.out, number, precision);
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: i32) -> Result<()> {
        if depth > self.settings.encode_max_depth.min(MAX_DEPTH) {
            let text = format_args!("Cannot serialise, excessive nesting ({depth})");
            return Err(error(self.lua, text));
        }
        match self.array_len(table)? {
            Some(len) => self.array(table, len, depth),
            None => self.object(table, depth),
        }
    }

    fn array(&mut self, table: &Table, len: i32, depth: i32) -> Result<()> {
        self.out.push(b'[');
        for index in 1..=len {
            if index > 1 {
                self.out.push(b',');
            }
            self.value(&table.raw_get(index)?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: i32) -> Result<()> {
        self.out.push(b'{');
        for (place, pair) in table.pairs().enumerate() {
            let (key, value): (Value, Value) = pair?;
            if place > 0 {
                self.out.push(b',');
            }
            match key {
                Value::String(key) => self.string(&key.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    self.value(&key, depth)?;
                    self.out.push(b'"');
                }
                other => {
                    let reason = "table key must be a number or string";
                    return Err(self.refusal(type_name(&other), reason));
                }
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The greatest index of a table that has only whole numbers from 1 on as keys; `None` for others, which are objects.
    fn array_len(&self, table: &Table) -> Result<Option<i32>> {
        let mut greatest = 0;
        let mut count = 0i64;
        for pair in table.pairs() {
            let (key, _): (Value, Value) = pair?;
            let index = match key {
                Value::Integer(index) => index as f64,
                Value::Number(index) if index.trunc() == index => index,
                _ => return Ok(None),
            };
            if index < 1.0 {
                return Ok(None);
            }
            // An index that no `int` holds turns negative, and the table into an object.
            if index > f64::from(greatest) {
                greatest = to_int(index);
            }
            count += 1;
        }
        let Settings {
            sparse_convert,
            sparse_ratio,
            sparse_safe,
            ..
        } = *self.settings;
        let is_sparse = sparse_ratio > 0
            && i64::from(greatest) > count * i64::from(sparse_ratio)
            && greatest > sparse_safe;
        match is_sparse {
            true if sparse_convert => Ok(None),
            true => Err(self.refusal("table", "excessively sparse array")),
            false => Ok(Some(greatest).filter(|&len| len > 0)),
        }
    }

    fn refusal(&self, kind: &str, reason: &str) -> Error {
        error(self.lua, format_args!("Cannot serialise {kind}: {reason}"))
    }
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'/' | 0x7f)
}
