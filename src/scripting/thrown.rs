//! How errors pass through Lua.
//!
//! Lua can throw any value, and scripts of Redis see two kinds: messages, which are strings with the place in front, and replies, which
//! are tables with an `err` field. Our functions throw both as one opaque value, and what catches errors inside the sandbox
//! turns that into what scripts expect. A third kind ends the script, and nothing catches it.

use mlua::{Error, Lua, Table, Value};
use thiserror::Error as ThisError;

use super::host::Refusal;

/// What our own functions throw.
#[derive(Clone, Debug, ThisError, PartialEq, Eq)]
pub enum Thrown {
    /// An error reply; `text` begins with its code.
    #[error("{}", String::from_utf8_lossy(text))]
    Reply {
        /// The reply without its sign.
        text: Vec<u8>,
        /// Whether it was counted where it arose.
        is_counted: bool,
    },
    /// A string, with the place in front if there is one.
    #[error("{0}")]
    Message(String),
    /// The end of the script.
    #[error("the script ends")]
    End(Refusal),
}

impl Thrown {
    /// An error reply that nobody has counted.
    pub fn error(text: impl Into<Vec<u8>>) -> Thrown {
        Thrown::Reply {
            text: text.into(),
            is_counted: false,
        }
    }

    /// What the caught error is, if one of our functions threw it.
    pub fn of(error: &Error) -> Option<&Thrown> {
        match error {
            Error::CallbackError { cause, .. } => Thrown::of(cause),
            Error::BadArgument { cause, .. } => Thrown::of(cause),
            other => other.downcast_ref(),
        }
    }
}

impl From<Thrown> for Error {
    fn from(thrown: Thrown) -> Error {
        Error::external(thrown)
    }
}

/// The error of a function of ours that Lua code called: a message with the place of the call in front.
pub fn message(lua: &Lua, text: impl AsRef<str>) -> Error {
    let mut frames = (1..).map_while(|level| lua.inspect_stack(level, place_of));
    // A function of the sandbox stands for one of the interpreter.
    let place = frames.find_map(|frame| frame).unwrap_or_default();
    Thrown::Message(format!("{place}{}", text.as_ref())).into()
}

/// `name:line: ` of a function that runs, nothing if it has no lines, and `None` if it is one of the sandbox.
fn place_of(frame: &mlua::debug::Debug<'_>) -> Option<String> {
    let source = frame.source();
    if source.source.as_deref() == Some(super::sandbox::CHUNK) {
        return None;
    }
    let line = frame.current_line();
    let name = source.short_src.unwrap_or_default();
    Some(line.map_or_else(String::new, |line| format!("{name}:{line}: ")))
}

/// The text of what was thrown, without a code if it is no reply.
pub(super) fn text_of(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Error(error) => match Thrown::of(error) {
            Some(Thrown::Reply { text, .. }) => text.clone(),
            Some(other) => other.to_string().into_bytes(),
            None => plain(error).into_bytes(),
        },
        other => other.to_string().unwrap_or_default().into_bytes(),
    }
}

/// The text of an error that is not ours, without the traceback.
fn plain(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, .. } => plain(cause),
        Error::MemoryError(_) => "not enough memory".to_owned(),
        Error::RuntimeError(text) => text.clone(),
        Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// The table that scripts see of an error reply.
pub(super) fn table(lua: &Lua, text: &[u8], is_counted: bool) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(text)?)?;
    if is_counted {
        table.raw_set("ignore_error_stats_update", true)?;
    }
    Ok(table)
}

/// Puts the text of an error reply into the form that `redis.error_reply` gives it: one that begins with a sign has a code in front of
/// its first space, any other gets the general one.
pub(super) fn with_code(text: &[u8]) -> Vec<u8> {
    let (code, rest) = match text.strip_prefix(b"-") {
        None => (&b"ERR"[..], text),
        Some(text) => match text.iter().position(|&byte| byte == b' ') {
            Some(space) => (&text[..space], &text[space + 1..]),
            None => (&b"ERR"[..], text),
        },
    };
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = rest.iter().position(|byte| !is_end(byte));
    let end = rest.iter().rposition(|byte| !is_end(byte));
    let rest = start.zip(end).map_or(&b""[..], |(a, b)| &rest[a..=b]);
    [code, b" ", rest].concat()
}

/// The name that Lua has for a value's type.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::Error(_) | Value::Other(_) => "userdata",
        value => value.type_name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reply_has_a_code() {
        for (text, expected) in [
            ("My Err", "ERR My Err"),
            ("-My Err", "My Err"),
            ("-custom", "ERR custom"),
            ("custom\r\n", "ERR custom"),
            ("-OOM no\r\n", "OOM no"),
            ("", "ERR "),
        ] {
            assert_eq!(
                String::from_utf8(with_code(text.as_bytes())).unwrap(),
                expected
            );
        }
    }
}
