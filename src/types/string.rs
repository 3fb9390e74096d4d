//! Strings: which form a value takes, and how its bytes are read whatever the form.

use std::collections::TryReserveError;

use crate::protocol::{Reply, number};

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

/// A string value as a writer sees it.
#[derive(Debug)]
pub enum StringMut<'a> {
    /// Held as an integer; may be changed in place.
    Int(&'a mut i64),
    /// Held inside the entry: bytes may change, their number may not.
    Fixed(&'a mut [u8]),
    /// Held outside: may grow and shrink.
    Growing(&'a mut Vec<u8>),
}

impl StringMut<'_> {
    /// The value as a reader sees it.
    pub fn as_ref(&self) -> StringRef<'_> {
        match self {
            StringMut::Int(n) => StringRef::Int(**n),
            StringMut::Fixed(bytes) => StringRef::Bytes(bytes),
            StringMut::Growing(bytes) => StringRef::Bytes(bytes),
        }
    }

    /// Changes the string as a buffer that may grow, and answers what `change` does. A string that cannot grow where it
    /// lies stays as it is, and the changed one is handed back to be stored in its place.
    pub fn edit<R>(self, change: impl FnOnce(&mut Vec<u8>) -> R) -> (R, Option<Vec<u8>>) {
        if let StringMut::Growing(bytes) = self {
            return (change(bytes), None);
        }
        let mut bytes = self.as_ref().to_vec();
        (change(&mut bytes), Some(bytes))
    }
}

/// So many zero bytes. The allocator need not touch fresh pages for them.
///
/// # Errors
/// When the system refuses so much memory.
pub fn zeroed(len: usize) -> Result<Vec<u8>, TryReserveError> {
    // A vector of zeros cannot be asked for with care, so its memory is, and is given back at once.
    Vec::<u8>::new().try_reserve_exact(len)?;
    Ok(vec![0; len])
}

/// Adds zero bytes up to a length that is not less than what is there.
///
/// # Errors
/// When the system refuses so much memory; then nothing is added.
pub fn lengthen(bytes: &mut Vec<u8>, len: usize) -> Result<(), TryReserveError> {
    bytes.try_reserve(len - bytes.len())?;
    bytes.resize(len, 0);
    Ok(())
}

/// The bytes from `start` to `end`, both included and counted from the end when negative, as GETRANGE takes them.
pub fn range(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    // Both before the beginning would meet there, although there is nothing between them.
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let length = bytes.len() as i64;
    let from_start = |index: i64| {
        if index < 0 {
            (length + index).max(0)
        } else {
            index
        }
    };
    let (start, end) = (from_start(start), from_start(end).min(length - 1));
    if start > end {
        &[]
    } else {
        &bytes[start as usize..=end as usize]
    }
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

    /// Answers the string as a bulk string.
    #[inline]
    pub fn answer(self, reply: &mut Reply<'_>) {
        match self {
            StringRef::Int(n) => reply.bulk_int(n),
            StringRef::Bytes(bytes) => reply.bulk(bytes),
        }
    }

    /// The length of the bytes.
    pub fn len(self) -> usize {
        match self {
            StringRef::Int(n) => number::i64_len(n),
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

    /// Whether these are the bytes.
    pub fn equals(self, bytes: &[u8]) -> bool {
        self.bytes(&mut Decimal::default()) == bytes
    }

    /// The integer, if the string spells one.
    pub fn integer(self) -> Option<i64> {
        match self {
            StringRef::Int(n) => Some(n),
            StringRef::Bytes(bytes) => as_integer(bytes),
        }
    }
}

/// A string to look for among many, which may be integers: what it spells is found out once.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    bytes: &'a [u8],
    integer: Option<i64>,
}

impl<'a> Wanted<'a> {
    /// Prepares the search.
    pub fn new(bytes: &'a [u8]) -> Wanted<'a> {
        Wanted {
            bytes,
            integer: as_integer(bytes),
        }
    }

    /// Whether this is the string.
    #[inline]
    pub fn is(&self, value: StringRef<'_>) -> bool {
        match value {
            StringRef::Int(n) => self.integer == Some(n),
            StringRef::Bytes(bytes) => bytes == self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_string() {
        for (start, end, expected) in [
            (0, 3, "This"),
            (0, -1, "This is"),
            (-2, -1, "is"),
            (-100, 1, "Th"),
            (5, 100, "is"),
            (7, 100, ""),
            (3, 2, ""),
            (-1, -2, ""),
            (-50, -60, ""),
            (-60, -50, "T"),
            (0, -50, "T"),
            (i64::MIN, i64::MAX, "This is"),
            (i64::MAX, i64::MIN, ""),
        ] {
            assert_eq!(
                range(b"This is", start, end),
                expected.as_bytes(),
                "{start} {end}"
            );
        }
        assert_eq!(range(b"", 0, -1), b"");
        assert_eq!(range(b"", -5, 5), b"");
    }
}
