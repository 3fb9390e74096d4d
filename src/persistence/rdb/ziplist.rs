//! The ziplist: what Redis packed small collections into before version 7.0.
//!
//! ```text
//!  | total bytes, u32 | offset of the last entry, u32 | entries, u16 | entry ... entry | 0xFF |
//!
//!  entry:   | length of the entry before it, 1 or 5 bytes | encoding, its length | content |
//! ```
//!
//! Lengths of strings are big-endian, all other numbers little-endian. It is only read, to be packed anew.

use thiserror::Error;

use crate::types::string::StringRef;

const HEADER: usize = 10;
const END: u8 = 0xFF;
/// In place of a length of one byte, what says that four more follow.
const LONG: u8 = 0xFE;
/// In the header, a number of entries that has to be counted.
const UNCOUNTED: usize = u16::MAX as usize;

/// Bytes that are no ziplist.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a ziplist is damaged at byte {0}")]
pub struct Damaged(pub usize);

/// The elements of a ziplist, all of which is checked.
///
/// # Errors
/// When the bytes are not exactly one ziplist.
pub fn elements(bytes: &[u8]) -> Result<Vec<StringRef<'_>>, Damaged> {
    let end = bytes
        .len()
        .checked_sub(1)
        .filter(|&end| end >= HEADER && bytes[end] == END)
        .ok_or(Damaged(bytes.len()))?;
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte])) as usize;
    if number(0) != bytes.len() {
        return Err(Damaged(0));
    }
    let (last, count) = (
        number(4),
        usize::from(bytes[8]) | usize::from(bytes[9]) << 8,
    );
    let mut elements = Vec::new();
    let (mut at, mut size_before) = (HEADER, 0);
    while at < end {
        let (size, element) = entry(&bytes[at..end], size_before).ok_or(Damaged(at))?;
        elements.push(element);
        (at, size_before) = (at + size, size);
    }
    if !elements.is_empty() && last != at - size_before {
        return Err(Damaged(4));
    }
    if count != UNCOUNTED && count != elements.len() {
        return Err(Damaged(8));
    }
    Ok(elements)
}

/// The entry that begins these bytes and its size, if it is one that comes behind an entry of size `before`.
fn entry(bytes: &[u8], before: usize) -> Option<(usize, StringRef<'_>)> {
    let (told, rest) = match bytes {
        [LONG, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [short @ ..LONG, rest @ ..] => (usize::from(*short), rest),
        _ => return None,
    };
    if told != before {
        return None;
    }
    let (element, rest) = element(rest)?;
    Some((bytes.len() - rest.len(), element))
}

/// The element whose encoding begins these bytes, and what lies behind it.
fn element(bytes: &[u8]) -> Option<(StringRef<'_>, &[u8])> {
    let (&encoding, rest) = bytes.split_first()?;
    let integer = |width: usize| {
        let (content, rest) = rest.split_at_checked(width)?;
        let mut word = [0; 8];
        word[8 - width..].copy_from_slice(content);
        Some((
            StringRef::Int(i64::from_le_bytes(word) >> (64 - 8 * width)),
            rest,
        ))
    };
    let (len, rest) = match encoding {
        0..0x40 => (usize::from(encoding), rest),
        0x40..0x80 => {
            let (&low, rest) = rest.split_first()?;
            (usize::from(encoding & 0x3F) << 8 | usize::from(low), rest)
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u32::from_be_bytes(*len) as usize, rest)
        }
        0xC0 => return integer(2),
        0xD0 => return integer(4),
        0xE0 => return integer(8),
        0xF0 => return integer(3),
        0xFE => return integer(1),
        0xF1..=0xFD => return Some((StringRef::Int(i64::from(encoding & 0xF) - 1), rest)),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((StringRef::Bytes(content), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ziplist of entries that are given without the lengths in front of them.
    fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let (mut last, mut before) = (HEADER, 0);
        for entry in entries {
            last = bytes.len();
            match u8::try_from(before) {
                Ok(short @ ..LONG) => bytes.push(short),
                _ => {
                    bytes.push(LONG);
                    bytes.extend_from_slice(&(before as u32).to_le_bytes());
                }
            }
            bytes.extend_from_slice(entry);
            before = bytes.len() - last;
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes
    }

    fn text(bytes: &[u8]) -> Result<Vec<String>, Damaged> {
        let elements = elements(bytes)?.into_iter();
        Ok(elements
            .map(|element| String::from_utf8_lossy(&element.to_vec()).into_owned())
            .collect())
    }

    #[test]
    fn every_encoding_is_read() {
        let long = [&[0x41, 0x2C][..], &[b'x'; 300]].concat();
        let longer = [&[0x80, 0, 0, 0x40, 0][..], &[b'y'; 0x4000]].concat();
        let bytes = ziplist(&[
            b"\x03foo",
            &long,
            &longer,
            b"\xC0\x00\x80",
            b"\xD0\x00\x00\x00\x80",
            b"\xE0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
            b"\xF0\x00\x00\x80",
            b"\xFE\x80",
            b"\xF1",
            b"\xFD",
            b"\x00",
        ]);
        let expected = [
            "foo".to_owned(),
            "x".repeat(300),
            "y".repeat(0x4000),
            i16::MIN.to_string(),
            i32::MIN.to_string(),
            i64::MAX.to_string(),
            "-8388608".to_owned(),
            "-128".to_owned(),
            "0".to_owned(),
            "12".to_owned(),
            String::new(),
        ];
        assert_eq!(text(&bytes).unwrap(), expected);
        // The example that Redis's own description gives.
        let two = b"\x0f\0\0\0\x0c\0\0\0\x02\0\0\xf3\x02\xf6\xff";
        assert_eq!(text(two).unwrap(), ["2", "5"]);
        assert_eq!(text(&ziplist(&[])).unwrap(), [""; 0]);
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let bytes = ziplist(&[b"\x03foo", b"\xC0\x01\x02", b"\xF3"]);
        let whole = text(&bytes).unwrap();
        for at in 0..bytes.len() {
            assert!(text(&bytes[..at]).is_err(), "cut at {at}");
            for flip in 1..=u8::MAX {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                // Content may become other content, but never more or less of it.
                if let Ok(elements) = text(&bytes) {
                    assert!(
                        elements.len() == whole.len() && at >= 8,
                        "byte {at} became {}",
                        bytes[at]
                    );
                }
            }
        }
    }

    #[test]
    fn a_count_too_large_for_the_header_is_not_compared() {
        let mut bytes = ziplist(&[b"\xF1", b"\xF2"]);
        bytes[8..10].fill(0xFF);
        assert_eq!(text(&bytes).unwrap(), ["0", "1"]);
    }
}
