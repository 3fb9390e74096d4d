//! A reply as a tree that loses nothing of the wire: two replies are equal exactly when their bytes are.
//!
//! This is deliberately not the server's own encoder turned round: the tests must not share a mistake with what they test.

use std::fmt;

/// One reply of RESP2 or RESP3. Doubles and big numbers keep their text, because its form is what clients see.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// `+text`
    Simple(Vec<u8>),
    /// `-text`
    Error(Vec<u8>),
    /// `:number`
    Int(i64),
    /// `$length`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `*length`
    Array(Vec<Value>),
    /// `%pairs`
    Map(Vec<(Value, Value)>),
    /// `~length`
    Set(Vec<Value>),
    /// `>length`
    Push(Vec<Value>),
    /// `,text`
    Double(Vec<u8>),
    /// `#t` or `#f`
    Bool(bool),
    /// `(digits`
    BigNumber(Vec<u8>),
    /// `=length`, with its three-letter format and colon
    Verbatim(Vec<u8>),
}

/// The bytes are no RESP.
#[derive(Debug, thiserror::Error)]
#[error("not a RESP reply: {0}")]
pub struct Malformed(String);

impl Value {
    /// Reads one reply from the front of `input`: the reply and its length in bytes, or `None` while it is not all there.
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut at = 0;
        Ok(parse(input, &mut at)?.map(|value| (value, at)))
    }

    /// The elements of an array, a set or a push.
    ///
    /// # Panics
    /// When the reply is something else.
    #[track_caller]
    pub fn elements(&self) -> &[Value] {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => elements,
            other => panic!("expected an aggregate, got {other:?}"),
        }
    }

    /// The number of an integer reply.
    ///
    /// # Panics
    /// When the reply is something else.
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            other => panic!("expected an integer, got {other:?}"),
        }
    }

    /// The bytes of a bulk, simple, error, verbatim or double reply.
    ///
    /// # Panics
    /// When the reply carries no text.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bulk(text)
            | Self::Simple(text)
            | Self::Error(text)
            | Self::Double(text)
            | Self::BigNumber(text) => text,
            Self::Verbatim(text) => text.get(4..).unwrap_or(text),
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// [`bytes`](Self::bytes) as UTF-8, lossily.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::NullBulk | Self::NullArray)
    }

    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Simple(text) if text == b"OK")
    }

    /// The same reply with every aggregate's elements in one canonical order, for replies whose order means nothing.
    pub fn unordered(&self) -> Self {
        let sorted = |elements: &[Value]| {
            let mut elements: Vec<_> = elements.iter().map(Value::unordered).collect();
            elements.sort();
            elements
        };
        match self {
            Self::Array(elements) => Self::Array(sorted(elements)),
            Self::Set(elements) => Self::Set(sorted(elements)),
            Self::Push(elements) => Self::Push(sorted(elements)),
            Self::Map(pairs) => {
                let mut pairs: Vec<_> = pairs
                    .iter()
                    .map(|(key, value)| (key.unordered(), value.unordered()))
                    .collect();
                pairs.sort();
                Self::Map(pairs)
            }
            other => other.clone(),
        }
    }
}

fn parse(input: &[u8], at: &mut usize) -> Result<Option<Value>, Malformed> {
    let Some(length) = input[*at..].windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let line = &input[*at..*at + length];
    *at += length + 2;
    let Some((&kind, text)) = line.split_first() else {
        return Err(Malformed("an empty line".into()));
    };
    let number = || {
        let text = std::str::from_utf8(text).unwrap_or_default();
        text.parse::<i64>()
            .map_err(|_| Malformed(format!("a number, in {:?}", String::from_utf8_lossy(line))))
    };
    Ok(Some(match kind {
        b'+' => Value::Simple(text.to_vec()),
        b'-' => Value::Error(text.to_vec()),
        b':' => Value::Int(number()?),
        b',' => Value::Double(text.to_vec()),
        b'(' => Value::BigNumber(text.to_vec()),
        b'_' if text.is_empty() => Value::Null,
        b'#' if text == b"t" => Value::Bool(true),
        b'#' if text == b"f" => Value::Bool(false),
        b'$' | b'=' => {
            let Ok(length) = usize::try_from(number()?) else {
                return Ok(Some(Value::NullBulk));
            };
            let Some(body) = input.get(*at..*at + length + 2) else {
                return Ok(None);
            };
            *at += length + 2;
            let Some(body) = body.strip_suffix(b"\r\n") else {
                return Err(Malformed(format!(
                    "a bulk of {length} bytes does not end in a line end"
                )));
            };
            if kind == b'$' {
                Value::Bulk(body.to_vec())
            } else {
                Value::Verbatim(body.to_vec())
            }
        }
        b'*' | b'~' | b'>' | b'%' => {
            let Ok(count) = usize::try_from(number()?) else {
                return Ok(Some(Value::NullArray));
            };
            let count = if kind == b'%' { 2 * count } else { count };
            let mut elements = Vec::new();
            for _ in 0..count {
                match parse(input, at)? {
                    Some(element) => elements.push(element),
                    None => return Ok(None),
                }
            }
            match kind {
                b'*' => Value::Array(elements),
                b'~' => Value::Set(elements),
                b'>' => Value::Push(elements),
                _ => {
                    let mut elements = elements.into_iter();
                    Value::Map(
                        std::iter::from_fn(|| Some((elements.next()?, elements.next()?))).collect(),
                    )
                }
            }
        }
        _ => return Err(Malformed(format!("{:?}", String::from_utf8_lossy(line)))),
    }))
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(out, "+{}", text.escape_ascii()),
            Self::Error(text) => write!(out, "-{}", text.escape_ascii()),
            Self::Int(number) => write!(out, ":{number}"),
            Self::Bulk(text) => write!(out, "\"{}\"", text.escape_ascii()),
            Self::NullBulk => write!(out, "$-1"),
            Self::NullArray => write!(out, "*-1"),
            Self::Null => write!(out, "_"),
            Self::Array(elements) => out.debug_list().entries(elements).finish(),
            Self::Map(pairs) => out
                .debug_map()
                .entries(pairs.iter().map(|(key, value)| (key, value)))
                .finish(),
            Self::Set(elements) => {
                write!(out, "~").and_then(|()| out.debug_set().entries(elements).finish())
            }
            Self::Push(elements) => {
                write!(out, ">").and_then(|()| out.debug_list().entries(elements).finish())
            }
            Self::Double(text) => write!(out, ",{}", text.escape_ascii()),
            Self::Bool(true) => write!(out, "#t"),
            Self::Bool(false) => write!(out, "#f"),
            Self::BigNumber(text) => write!(out, "({}", text.escape_ascii()),
            Self::Verbatim(text) => write!(out, "=\"{}\"", text.escape_ascii()),
        }
    }
}
