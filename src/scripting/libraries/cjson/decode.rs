//! JSON as Lua's values.
//!
//! A zero byte ends the text, wherever it stands, since the reference reads C's strings.

use mlua::{Error, Lua, Result, Table, Value};

use super::super::arguments::{Arguments, error};
use super::{MAX_DEPTH, Settings};
use crate::protocol::number::parse_f64_saturating;

pub(super) fn decode(arguments: &Arguments<'_>, settings: &Settings) -> Result<Value> {
    if arguments.len() != 1 {
        return Err(arguments.argument_error(1, "expected 1 argument"));
    }
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    if let [0, _, ..] | [_, 0, ..] = *text {
        return Err(arguments.error("JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut decoder = Decoder {
        lua: arguments.lua,
        settings,
        text: &text,
        position: 0,
        depth: 0,
    };
    let first = decoder.token();
    let value = decoder.value(first)?;
    let last = decoder.token();
    match last.kind {
        Kind::End => Ok(value),
        _ => Err(decoder.unexpected("the end", &last)),
    }
}

/// A token, and where it begins, or where it is wrong.
struct Token {
    position: usize,
    kind: Kind,
}

enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// No token, and why.
    Wrong(&'static str),
}

impl Kind {
    /// What errors call it.
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::String(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Wrong(reason) => reason,
        }
    }
}

struct Decoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    text: &'a [u8],
    position: usize,
    depth: i32,
}

impl Decoder<'_> {
    fn value(&mut self, token: Token) -> Result<Value> {
        Ok(match token.kind {
            Kind::String(text) => Value::String(self.lua.create_string(text)?),
            Kind::Number(number) => Value::Number(number),
            Kind::Boolean(value) => Value::Boolean(value),
            Kind::Null => Value::NULL,
            Kind::ObjectBegin => Value::Table(self.object()?),
            Kind::ArrayBegin => Value::Table(self.array()?),
            _ => return Err(self.unexpected("value", &token)),
        })
    }

    fn object(&mut self) -> Result<Table> {
        let table = self.descend()?;
        let mut token = self.token();
        if let Kind::ObjectEnd = token.kind {
            self.depth -= 1;
            return Ok(table);
        }
        loop {
            let Kind::String(key) = token.kind else {
                return Err(self.unexpected("object key string", &token));
            };
            let key = self.lua.create_string(key)?;
            token = self.token();
            let Kind::Colon = token.kind else {
                return Err(self.unexpected("colon", &token));
            };
            token = self.token();
            table.raw_set(key, self.value(token)?)?;
            token = self.token();
            match token.kind {
                Kind::Comma => token = self.token(),
                Kind::ObjectEnd => break,
                _ => return Err(self.unexpected("comma or object end", &token)),
            }
        }
        self.depth -= 1;
        Ok(table)
    }

    fn array(&mut self) -> Result<Table> {
        let table = self.descend()?;
        let mut token = self.token();
        if let Kind::ArrayEnd = token.kind {
            self.depth -= 1;
            return Ok(table);
        }
        for index in 1usize.. {
            table.raw_set(index, self.value(token)?)?;
            token = self.token();
            match token.kind {
                Kind::Comma => token = self.token(),
                Kind::ArrayEnd => break,
                _ => return Err(self.unexpected("comma or array end", &token)),
            }
        }
        self.depth -= 1;
        Ok(table)
    }

    fn descend(&mut self) -> Result<Table> {
        self.depth += 1;
        if self.depth > self.settings.decode_max_depth.min(MAX_DEPTH) {
            let (depth, position) = (self.depth, self.position);
            return Err(error(
                self.lua,
                format_args!(
                    "Found too many nested data structures ({depth}) at character {position}"
                ),
            ));
        }
        self.lua.create_table()
    }

    fn unexpected(&self, wanted: &str, found: &Token) -> Error {
        let (name, place) = (found.kind.name(), found.position + 1);
        error(
            self.lua,
            format_args!("Expected {wanted} but found {name} at character {place}"),
        )
    }

    /// What has not been read yet.
    fn rest(&self) -> &[u8] {
        &self.text[self.position..]
    }

    fn token(&mut self) -> Token {
        let blanks = self
            .rest()
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.position += blanks.count();
        let begin = self.position;
        let kind = match self.rest() {
            [] | [0, ..] => Kind::End,
            [b'"', ..] => self.string(),
            [b'-' | b'0'..=b'9', ..] => self.number(),
            rest => {
                let (kind, len) = self.word(rest);
                self.position += len;
                kind
            }
        };
        let position = match kind {
            Kind::Wrong(_) => self.position,
            _ => begin,
        };
        Token { position, kind }
    }

    /// A token that always has the same spelling, and its length.
    fn word(&self, rest: &[u8]) -> (Kind, usize) {
        match rest {
            [b'{', ..] => (Kind::ObjectBegin, 1),
            [b'}', ..] => (Kind::ObjectEnd, 1),
            [b'[', ..] => (Kind::ArrayBegin, 1),
            [b']', ..] => (Kind::ArrayEnd, 1),
            [b',', ..] => (Kind::Comma, 1),
            [b':', ..] => (Kind::Colon, 1),
            [b't', b'r', b'u', b'e', ..] => (Kind::Boolean(true), 4),
            [b'f', b'a', b'l', b's', b'e', ..] => (Kind::Boolean(false), 5),
            [b'n', b'u', b'l', b'l', ..] => (Kind::Null, 4),
            [b'+' | b'i' | b'I' | b'n' | b'N', ..]
                if self.settings.decode_invalid_numbers && is_invalid_number(rest) =>
            {
                match read_number(rest) {
                    Some((number, len)) => (Kind::Number(number), len),
                    None => (Kind::Wrong("invalid number"), 0),
                }
            }
            _ => (Kind::Wrong("invalid token"), 0),
        }
    }

    fn number(&mut self) -> Kind {
        let rest = self.rest();
        if !self.settings.decode_invalid_numbers && is_invalid_number(rest) {
            return Kind::Wrong("invalid number");
        }
        match read_number(rest) {
            Some((number, len)) => {
                self.position += len;
                Kind::Number(number)
            }
            None => Kind::Wrong("invalid number"),
        }
    }

    fn string(&mut self) -> Kind {
        self.position += 1;
        let mut text = Vec::new();
        loop {
            let rest = self.rest();
            let plain = rest
                .iter()
                .take_while(|byte| !matches!(byte, b'"' | b'\\' | 0))
                .count();
            text.extend_from_slice(&rest[..plain]);
            let rest = &rest[plain..];
            let read = match rest {
                [b'"', ..] => {
                    self.position += plain + 1;
                    return Kind::String(text);
                }
                [b'\\', b'u', digits @ ..] => read_unicode(digits, &mut text)
                    .map(|len| 2 + len)
                    .ok_or("invalid unicode escape code"),
                [b'\\', letter, ..] => unescape(*letter)
                    .map(|byte| {
                        text.push(byte);
                        2
                    })
                    .ok_or("invalid escape code"),
                [b'\\'] => Err("invalid escape code"),
                _ => Err("unexpected end of string"),
            };
            self.position += plain;
            match read {
                Ok(len) => self.position += len,
                Err(reason) => return Kind::Wrong(reason),
            }
        }
    }
}

fn unescape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'f' => 0x0c,
        b'r' => b'\r',
        _ => return None,
    })
}

/// Reads what follows `\u`, with the second half of a pair of surrogates; returns its length.
fn read_unicode(rest: &[u8], text: &mut Vec<u8>) -> Option<usize> {
    let unit = hexadecimal(rest)?;
    let (code, len) = match unit {
        0xd800..=0xdbff => {
            let low = rest[4..].strip_prefix(b"\\u").and_then(hexadecimal)?;
            let low = low.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
            (0x1_0000 + ((unit - 0xd800) << 10) + low, 10)
        }
        unit => (unit, 4),
    };
    // A low surrogate alone is no character.
    let character = char::from_u32(code)?;
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(len)
}

fn hexadecimal(rest: &[u8]) -> Option<u32> {
    rest.get(..4)?.iter().try_fold(0, |value, &digit| {
        Some(value << 4 | char::from(digit).to_digit(16)?)
    })
}

/// Whether text looks like what C takes for a number and JSON does not.
fn is_invalid_number(rest: &[u8]) -> bool {
    let unsigned = match rest {
        [b'+', ..] => return true,
        [b'-', unsigned @ ..] => unsigned,
        unsigned => unsigned,
    };
    match unsigned {
        [b'0', next, ..] => matches!(next, b'x' | b'X' | b'0'..=b'9'),
        _ => has_prefix(unsigned, b"inf") || has_prefix(unsigned, b"nan"),
    }
}

/// Reads the longest text that C's `strtod` takes for a number, and returns its length with it.
fn read_number(rest: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(rest, [b'+' | b'-', ..]));
    let unsigned = &rest[sign..];
    let prefix = if has_prefix(unsigned, b"0x") { 2 } else { 0 };
    let (number, len) = if has_prefix(unsigned, b"nan") {
        (f64::NAN, 3 + nan_payload(&unsigned[3..]))
    } else if has_prefix(unsigned, b"infinity") {
        (f64::INFINITY, 8)
    } else if has_prefix(unsigned, b"inf") {
        (f64::INFINITY, 3)
    } else if let Some(len) = number_len(&unsigned[prefix..], prefix > 0) {
        let len = prefix + len;
        (to_double(&unsigned[..len]), len)
    } else if prefix > 0 {
        // The zero is a number, and the x is what follows.
        (0.0, 1)
    } else {
        return None;
    };
    let is_negative = rest.first() == Some(&b'-');
    Some((if is_negative { -number } else { number }, sign + len))
}

/// The double next to a number, be it zero or infinity.
fn to_double(text: &[u8]) -> f64 {
    let is_small = |text: &[u8]| text.windows(2).any(|mark| matches!(mark, b"p-" | b"P-"));
    parse_f64_saturating(text).unwrap_or_else(|| if is_small(text) { 0.0 } else { f64::INFINITY })
}

/// The length of digits with a point, and of an exponent that has digits.
fn number_len(text: &[u8], is_hexadecimal: bool) -> Option<usize> {
    let count = |text: &[u8], is_digit: fn(&u8) -> bool| {
        text.iter().take_while(|&byte| is_digit(byte)).count()
    };
    let (is_digit, mark): (fn(&u8) -> bool, u8) = if is_hexadecimal {
        (u8::is_ascii_hexdigit, b'p')
    } else {
        (u8::is_ascii_digit, b'e')
    };
    let mut digits = count(text, is_digit);
    let mut len = digits;
    if text.get(len) == Some(&b'.') {
        let fraction = count(&text[len + 1..], is_digit);
        digits += fraction;
        len += fraction + 1;
    }
    if digits == 0 {
        return None;
    }
    if let [letter, exponent @ ..] = &text[len..]
        && letter.eq_ignore_ascii_case(&mark)
    {
        let sign = usize::from(matches!(exponent, [b'+' | b'-', ..]));
        let written = count(&exponent[sign..], u8::is_ascii_digit);
        if written > 0 {
            len += 1 + sign + written;
        }
    }
    Some(len)
}

/// The length of what may stand in parentheses behind `nan`.
fn nan_payload(rest: &[u8]) -> usize {
    let [b'(', inner @ ..] = rest else {
        return 0;
    };
    let word = inner
        .iter()
        .take_while(|&&byte| byte.is_ascii_alphanumeric() || byte == b'_')
        .count();
    match inner.get(word) {
        Some(b')') => word + 2,
        _ => 0,
    }
}

fn has_prefix(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}
