//! The zipmap: what Redis packed small hashes into before version 2.6.
//!
//! ```text
//!  | fields, u8 | length | field | length | free, u8 | value | free bytes | length | field | ... | 0xFF |
//! ```
//!
//! A length takes one byte, or that byte and four more, little-endian. From 254 fields on their number is not told. It is
//! only read, to be packed anew.

use thiserror::Error;

const END: u8 = 0xFF;
/// In place of a length of one byte, what says that four more follow; in place of the number of fields, that it is not told.
const LONG: u8 = 0xFE;

/// Bytes that are no zipmap.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a zipmap is damaged at byte {0}")]
pub struct Damaged(pub usize);

/// A field and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// The fields of a zipmap, each with its value; all of it is checked.
///
/// # Errors
/// When the bytes are not exactly one zipmap.
pub fn fields(bytes: &[u8]) -> Result<Vec<Pair<'_>>, Damaged> {
    let [count, entries @ .., END] = bytes else {
        return Err(Damaged(bytes.len()));
    };
    let mut fields = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let at = bytes.len() - 1 - rest.len();
        let (field, value, behind) = entry(rest).ok_or(Damaged(at))?;
        fields.push((field, value));
        rest = behind;
    }
    if *count < LONG && usize::from(*count) != fields.len() {
        return Err(Damaged(0));
    }
    Ok(fields)
}

/// The field that begins these bytes, its value, and what lies behind them.
fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (len, rest) = length(bytes)?;
    let (field, rest) = rest.split_at_checked(len)?;
    let (len, rest) = length(rest)?;
    let (&free, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked(len)?;
    let (_, rest) = rest.split_at_checked(usize::from(free))?;
    Some((field, value, rest))
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [LONG, a, b, c, d, rest @ ..] => {
            Some((u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest))
        }
        [short @ ..LONG, rest @ ..] => Some((usize::from(*short), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_past_free_bytes_and_long_lengths() {
        // The example that Redis's own description gives, with three free bytes behind a value.
        let bytes = b"\x02\x03foo\x03\x03barxyz\x05hello\x05\x00world\xff";
        let expected: [(&[u8], &[u8]); 2] = [(b"foo", b"bar"), (b"hello", b"world")];
        assert_eq!(fields(bytes).unwrap(), expected);
        let long = [
            &b"\x01\x01k\xFE\x2C\x01\x00\x00\x00"[..],
            &[b'v'; 300],
            b"\xFF",
        ]
        .concat();
        assert_eq!(fields(&long).unwrap(), [(&b"k"[..], &[b'v'; 300][..])]);
        assert_eq!(
            fields(b"\xFE\x01k\x01\x00v\xFF").unwrap().len(),
            1,
            "an untold number"
        );
        assert_eq!(fields(b"\x00\xFF"), Ok(vec![]));
    }

    #[test]
    fn damage_is_found_or_changes_content_only() {
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\x05\x00world\xff";
        for at in 0..bytes.len() {
            assert!(fields(&bytes[..at]).is_err(), "cut at {at}");
            for flip in 1..=u8::MAX {
                let mut bytes = bytes.to_vec();
                bytes[at] ^= flip;
                let told = bytes[0];
                if let Ok(fields) = fields(&bytes) {
                    assert!(told >= LONG || usize::from(told) == fields.len());
                }
            }
        }
    }
}
