//! Strings: which form a value takes, and how its bytes are read whatever the form.

use crate::protocol::number;

/// Strings up to this length answer `embstr` to OBJECT ENCODING, longer ones `raw`.
pub const MAX_EMBSTR: usize = 44;

/// No 64-bit integer is longer in decimal.
const MAX_INTEGER_DIGITS: usize = 20;

/// The integer that a string spells in canonical form, if it does.
#[inline]
pub fn as_integer(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > MAX_INTEGER_DIGITS {
        return None;
    }
    number::parse_i64(bytes)
}

/// A string value as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub enum StringRef<'a> {
    /// Held as an integer.
    Int(i64),
    /// Held as bytes.
    Bytes(&'a [u8]),
}

/// Room for the decimal form of an integer string.
#[derive(Default)]
pub struct Decimal(itoa::Buffer);

impl<'a> StringRef<'a> {
    /// The bytes; an integer is written into `room`.
    pub fn bytes(self, room: &'a mut Decimal) -> &'a [u8] {
        match self {
            StringRef::Int(n) => room.0.format(n).as_bytes(),
            StringRef::Bytes(bytes) => bytes,
        }
    }

    /// The length of the bytes.
    pub fn len(self) -> usize {
        match self {
            StringRef::Int(n) => itoa::Buffer::new().format(n).len(),
            StringRef::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes in a buffer of their own.
    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut Decimal::default()).to_vec()
    }

    /// The integer, if the string spells one.
    pub fn integer(self) -> Option<i64> {
        match self {
            StringRef::Int(n) => Some(n),
            StringRef::Bytes(bytes) => as_integer(bytes),
        }
    }
}
