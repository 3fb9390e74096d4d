//! Replies as Lua values, and Lua values as replies.
//!
//! What commands answer is read from its bytes: the encoder is the only place that knows what a reply is in either version of the
//! protocol.

use mlua::{Lua, Table, Value};

use super::thrown;
use crate::protocol::{Reply, Version, number};

/// So deep may tables be nested in a reply, about as Lua's own stack lets Redis go.
const MAX_DEPTH: usize = 7_900;

/// The Lua value of one encoded reply. A reply that is an error becomes the table that scripts see of one.
///
/// # Errors
/// When Lua has no memory left.
pub fn to_lua(lua: &Lua, encoded: &[u8]) -> mlua::Result<Value> {
    Reader { lua, rest: encoded }.value()
}

/// Reads values off the front of encoded replies.
struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> mlua::Result<Value> {
        let (&sigil, rest) = self.rest.split_first().unwrap_or((&b'_', b""));
        self.rest = rest;
        let line = self.line();
        Ok(match sigil {
            b':' => Value::Number(number::parse_i64(line).unwrap_or(0) as f64),
            b'$' => match length(line) {
                Some(len) => Value::String(self.lua.create_string(self.bytes(len))?),
                None => Value::Boolean(false),
            },
            b'+' => {
                let table = self.lua.create_table_with_capacity(0, 1)?;
                table.raw_set("ok", self.lua.create_string(line)?)?;
                Value::Table(table)
            }
            b'-' => {
                let text = thrown::with_code(&[b"-", line].concat());
                Value::Table(thrown::table(self.lua, &text, true)?)
            }
            b'*' | b'>' => match length(line) {
                Some(len) => self.array(len)?,
                None => Value::Boolean(false),
            },
            b'%' => {
                let map = self.lua.create_table()?;
                for _ in 0..length(line).unwrap_or(0) {
                    let (key, value) = (self.value()?, self.value()?);
                    if !key.is_nil() {
                        map.raw_set(key, value)?;
                    }
                }
                self.only("map", map)?
            }
            b'~' => {
                let set = self.lua.create_table()?;
                for _ in 0..length(line).unwrap_or(0) {
                    let member = self.value()?;
                    if !member.is_nil() {
                        set.raw_set(member, true)?;
                    }
                }
                self.only("set", set)?
            }
            b',' => {
                let double = number::parse_f64(line).unwrap_or(f64::NAN);
                self.only("double", double)?
            }
            b'#' => Value::Boolean(line == b"t"),
            b'(' => {
                let digits = self.lua.create_string(line)?;
                self.only("big_number", digits)?
            }
            b'=' => {
                let text = self.bytes(length(line).unwrap_or(0));
                let (format, string) = text.split_at(text.len().min(3));
                let table = self.lua.create_table()?;
                table.raw_set("format", self.lua.create_string(format)?)?;
                let string = string.get(1..).unwrap_or_default();
                table.raw_set("string", self.lua.create_string(string)?)?;
                self.only("verbatim_string", table)?
            }
            b'|' => {
                for _ in 0..2 * length(line).unwrap_or(0) {
                    self.value()?;
                }
                self.value()?
            }
            // `_`; nothing else begins a reply.
            _ => Value::Nil,
        })
    }

    fn array(&mut self, len: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(len, 0)?;
        for place in 1..=len {
            let value = self.value()?;
            table.raw_set(place, value)?;
        }
        Ok(Value::Table(table))
    }

    /// A table with one field.
    fn only(&self, name: &str, value: impl mlua::IntoLua) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    /// What follows up to the next line end.
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// The next `len` bytes.
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        self.take(len.min(self.rest.len()))
    }

    /// The next `len` bytes, and behind them a line end.
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest.get(2..).unwrap_or_default();
        taken
    }
}

fn length(line: &[u8]) -> Option<usize> {
    number::parse_i64(line).and_then(|len| usize::try_from(len).ok())
}

/// An error that a script answers as its whole reply.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorReply {
    /// Begins with the code.
    pub text: Vec<u8>,
    /// Whether it was counted where it arose.
    pub is_counted: bool,
}

/// Writes what a script returned. `version` is the one that the script chose: in the older one truth is a number. `on_error` is told of
/// every error inside it.
///
/// # Errors
/// The error, if it returned one; nothing is written then.
pub fn write(
    reply: &mut Reply<'_>,
    value: &Value,
    version: Version,
    on_error: &mut dyn FnMut(&ErrorReply),
) -> Result<(), ErrorReply> {
    if let Value::Table(table) = value
        && let Some(error) = error_of(table)
    {
        return Err(error);
    }
    let mut writer = Writer {
        reply,
        version,
        on_error,
    };
    writer.nested(value, 0);
    Ok(())
}

/// The error that a table stands for.
pub fn error_of(table: &Table) -> Option<ErrorReply> {
    let Ok(Value::String(text)) = table.raw_get("err") else {
        return None;
    };
    let is_counted = table.raw_get("ignore_error_stats_update");
    Some(ErrorReply {
        text: text.as_bytes().to_vec(),
        is_counted: matches!(is_counted, Ok(Value::Boolean(true))),
    })
}

/// Writes a value and those inside it.
struct Writer<'r, 'a> {
    reply: &'r mut Reply<'a>,
    version: Version,
    on_error: &'r mut dyn FnMut(&ErrorReply),
}

impl Writer<'_, '_> {
    fn nested(&mut self, value: &Value, depth: usize) {
        if depth > MAX_DEPTH {
            return self.error(&too_deep());
        }
        match value {
            Value::String(text) => self.reply.bulk(&text.as_bytes()),
            Value::Integer(number) => self.reply.int(*number),
            Value::Number(number) => self.reply.int(whole(*number)),
            Value::Boolean(truth) if self.version == Version::Resp3 => self.reply.boolean(*truth),
            Value::Boolean(true) => self.reply.int(1),
            Value::Table(table) => {
                if self.table(table, depth).is_err() {
                    self.error(&too_deep());
                }
            }
            _ => self.reply.null(),
        }
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        if let Some(error) = error_of(table) {
            self.error(&error);
            return Ok(());
        }
        if let Value::String(status) = table.raw_get("ok")? {
            let status = status.as_bytes();
            self.reply
                .status(status.split(|&byte| byte == 0).next().unwrap_or_default());
            return Ok(());
        }
        match table.raw_get("double")? {
            Value::Number(double) => {
                self.reply.double(double);
                return Ok(());
            }
            Value::Integer(double) => {
                self.reply.double(double as f64);
                return Ok(());
            }
            _ => {}
        }
        if let Value::String(digits) = table.raw_get("big_number")? {
            let digits = digits.to_string_lossy().replace(['\r', '\n'], " ");
            self.reply.big_number(&digits);
            return Ok(());
        }
        if let Value::Table(verbatim) = table.raw_get("verbatim_string")?
            && let Value::String(format) = verbatim.raw_get("format")?
            && let Value::String(string) = verbatim.raw_get("string")?
        {
            self.reply
                .verbatim(&format.to_string_lossy(), &string.as_bytes());
            return Ok(());
        }
        if let Value::Table(map) = table.raw_get("map")? {
            let (begin, mut len) = (self.reply.deferred(), 0);
            map.for_each(|key: Value, value: Value| {
                self.nested(&key, depth + 1);
                self.nested(&value, depth + 1);
                len += 1;
                Ok(())
            })?;
            self.reply.end_map(begin, len);
            return Ok(());
        }
        if let Value::Table(set) = table.raw_get("set")? {
            let (begin, mut len) = (self.reply.deferred(), 0);
            set.for_each(|member: Value, _: Value| {
                self.nested(&member, depth + 1);
                len += 1;
                Ok(())
            })?;
            self.reply.end_set(begin, len);
            return Ok(());
        }
        let (begin, mut len) = (self.reply.deferred(), 0);
        loop {
            let element: Value = table.raw_get(len + 1)?;
            if element.is_nil() {
                break;
            }
            self.nested(&element, depth + 1);
            len += 1;
        }
        self.reply.end_array(begin, len);
        Ok(())
    }

    fn error(&mut self, error: &ErrorReply) {
        self.reply.error_bytes(&error.text);
        (self.on_error)(error);
    }
}

fn too_deep() -> ErrorReply {
    ErrorReply {
        text: b"ERR reached lua stack limit".to_vec(),
        is_counted: false,
    }
}

/// A number without its fraction, as C has it.
fn whole(number: f64) -> i64 {
    if number >= i64::MIN as f64 && number < i64::MAX as f64 {
        number as i64
    } else {
        i64::MIN
    }
}
