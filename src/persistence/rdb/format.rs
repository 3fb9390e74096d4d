//! The facts of the RDB format: opcodes, type numbers, lengths, strings, the checksum.
//!
//! ```text
//!  | "REDIS" | version, 4 digits | AUX ... | FUNCTION2 ... | database ... | EOF | CRC64, u64, little-endian |
//!
//!  database:  | SELECTDB n | RESIZEDB keys, timed | record ... |
//!  record:    | EXPIRETIME_MS deadline, optional | IDLE or FREQ, optional | type | key | value |
//! ```
//!
//! All integers of fixed width are little-endian but those of a [length](write_length). The numbers are Redis's, of `rdb.h` up to version 7.4, whose files are
//! version 12; Valkey 7.2 and 8 write version 11.

use std::borrow::Cow;

use crc_fast::{CrcAlgorithm, Digest, checksum_combine};
use thiserror::Error;

use crate::types::lzf;
use crate::types::string::StringRef;

/// What every file begins with, before its version.
pub const MAGIC: &[u8; 5] = b"REDIS";
/// Decimal digits of the version behind the [`MAGIC`].
pub const VERSION_DIGITS: usize = 4;
/// The oldest version that is written: what has it is read by Redis since 5.
pub const OLDEST_WRITTEN: u16 = 9;
/// The newest version that can be read: of Redis 7.4.
pub const NEWEST: u16 = 12;
/// The first version with libraries of functions.
pub const FIRST_WITH_FUNCTIONS: u16 = 10;
/// The first version with a checksum behind [`opcode::EOF`].
pub const FIRST_WITH_CHECKSUM: u16 = 5;
/// Bytes of that checksum.
pub const CHECKSUM_LEN: usize = 8;

/// What stands where a record's type may stand.
pub mod opcode {
    /// Number of a slot and its sizes, three lengths; a hint of cluster mode.
    pub const SLOT_INFO: u8 = 244;
    /// The source of a function library, a string.
    pub const FUNCTION2: u8 = 245;
    /// A function library as the release candidates of Redis 7.0 wrote it.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// Data of a module that belong to no key.
    pub const MODULE_AUX: u8 = 247;
    /// Seconds since the next key was used, a length.
    pub const IDLE: u8 = 248;
    /// How often the next key is used, one byte as LFU counts it.
    pub const FREQ: u8 = 249;
    /// A name and a value, two strings, about the file.
    pub const AUX: u8 = 250;
    /// Keys of the database, and how many of them have a deadline: two lengths, a hint.
    pub const RESIZEDB: u8 = 251;
    /// The next key's deadline in milliseconds since 1970, an i64.
    pub const EXPIRETIME_MS: u8 = 252;
    /// The next key's deadline in seconds since 1970, an i32.
    pub const EXPIRETIME: u8 = 253;
    /// The database of the records that follow, a length.
    pub const SELECTDB: u8 = 254;
    /// The end, followed by the checksum.
    pub const EOF: u8 = 255;
}

/// The types of values.
pub mod kind {
    /// A string.
    pub const STRING: u8 = 0;
    /// A length, then elements as strings.
    pub const LIST: u8 = 1;
    /// A length, then members as strings.
    pub const SET: u8 = 2;
    /// A length, then members as strings, each followed by its score as [text](super::OLD_NAN).
    pub const ZSET: u8 = 3;
    /// A length, then fields and values as strings.
    pub const HASH: u8 = 4;
    /// A length, then members as strings, each followed by its score as an f64.
    pub const ZSET_2: u8 = 5;
    /// A module's value as the release candidates of Redis 4.0 wrote it: nobody but the module knows its length.
    pub const MODULE_PRE_GA: u8 = 6;
    /// A module's value, in parts that say what they are.
    pub const MODULE_2: u8 = 7;
    /// A zipmap in a string.
    pub const HASH_ZIPMAP: u8 = 9;
    /// A ziplist in a string.
    pub const LIST_ZIPLIST: u8 = 10;
    /// An intset in a string.
    pub const SET_INTSET: u8 = 11;
    /// A ziplist of members, each followed by its score, in a string.
    pub const ZSET_ZIPLIST: u8 = 12;
    /// A ziplist of fields and values in a string.
    pub const HASH_ZIPLIST: u8 = 13;
    /// A length, then so many ziplists in strings.
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream of Redis 5.
    pub const STREAM_LISTPACKS: u8 = 15;
    /// A listpack of fields and values in a string.
    pub const HASH_LISTPACK: u8 = 16;
    /// A listpack of members, each followed by its score, in a string.
    pub const ZSET_LISTPACK: u8 = 17;
    /// A length, then so many nodes: a length that says [what it is](super::node), and a string.
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// A stream of Redis 7.0.
    pub const STREAM_LISTPACKS_2: u8 = 19;
    /// A listpack of members in a string; of version 11.
    pub const SET_LISTPACK: u8 = 20;
    /// A stream of Redis 7.2.
    pub const STREAM_LISTPACKS_3: u8 = 21;
    /// A length, then a deadline, a field and a value each, the deadline as a length that is 0 if there is none; of the release
    /// candidates of Redis 7.4.
    pub const HASH_METADATA_PRE_GA: u8 = 22;
    /// A listpack of fields, values and deadlines in a string; of the release candidates of Redis 7.4.
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    /// The soonest deadline, then as [`HASH_METADATA_PRE_GA`] with deadlines as distances from the soonest, plus one; of version 12.
    pub const HASH_METADATA: u8 = 24;
    /// The soonest deadline, then as [`HASH_LISTPACK_EX_PRE_GA`]; of version 12.
    pub const HASH_LISTPACK_EX: u8 = 25;

    /// The first version whose readers know a type; 9, of Redis 5 and 6, for all older types.
    pub fn first_version(kind: u8) -> u16 {
        match kind {
            0..HASH_LISTPACK => super::OLDEST_WRITTEN,
            HASH_LISTPACK..SET_LISTPACK => 10,
            SET_LISTPACK..HASH_METADATA_PRE_GA => 11,
            HASH_METADATA_PRE_GA.. => 12,
        }
    }

    /// Whether the value is one string that holds a packed collection.
    pub fn is_packed(kind: u8) -> bool {
        matches!(
            kind,
            HASH_ZIPMAP
                | LIST_ZIPLIST
                | SET_INTSET
                | ZSET_ZIPLIST
                | HASH_ZIPLIST
                | HASH_LISTPACK
                | ZSET_LISTPACK
                | SET_LISTPACK
                | HASH_LISTPACK_EX_PRE_GA
        )
    }

    /// The name of the type whose values a type of record holds, as TYPE answers it; `None` if there is no such type.
    pub fn name(kind: u8) -> Option<&'static str> {
        Some(match kind {
            STRING => "string",
            LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2 => "list",
            SET | SET_INTSET | SET_LISTPACK => "set",
            ZSET | ZSET_2 | ZSET_ZIPLIST | ZSET_LISTPACK => "zset",
            HASH
            | HASH_ZIPMAP
            | HASH_ZIPLIST
            | HASH_LISTPACK
            | HASH_METADATA_PRE_GA
            | HASH_LISTPACK_EX_PRE_GA
            | HASH_METADATA
            | HASH_LISTPACK_EX => "hash",
            STREAM_LISTPACKS | STREAM_LISTPACKS_2 | STREAM_LISTPACKS_3 => "stream",
            MODULE_PRE_GA | MODULE_2 => "module",
            _ => return None,
        })
    }
}

/// What a node of a [`kind::LIST_QUICKLIST_2`] is.
pub mod node {
    /// One element too large to be packed, as it is.
    pub const PLAIN: u64 = 1;
    /// A listpack.
    pub const PACKED: u64 = 2;
}

/// What a part of a [`kind::MODULE_2`] or an [`opcode::MODULE_AUX`] is.
pub mod module {
    /// The end.
    pub const EOF: u64 = 0;
    /// A signed integer, as a length.
    pub const SINT: u64 = 1;
    /// An unsigned integer, as a length.
    pub const UINT: u64 = 2;
    /// An f32.
    pub const FLOAT: u64 = 3;
    /// An f64.
    pub const DOUBLE: u64 = 4;
    /// A string.
    pub const STRING: u64 = 5;
}

/// The length of a score's text in a [`kind::ZSET`] that stands for not-a-number; no text follows.
pub const OLD_NAN: u8 = 253;
/// The same for infinity.
pub const OLD_INFINITY: u8 = 254;
/// The same for negative infinity.
pub const OLD_NEGATIVE_INFINITY: u8 = 255;

/// A string that is no sequence of bytes, in place of its length.
mod special {
    pub const INT_8: u8 = 0;
    pub const INT_16: u8 = 1;
    pub const INT_32: u8 = 2;
    pub const LZF: u8 = 3;
}

const LENGTH_14: u8 = 0x40;
const LENGTH_32: u8 = 0x80;
const LENGTH_64: u8 = 0x81;
const SPECIAL: u8 = 0xC0;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// There is more to come where the bytes end.
    #[error("the data end in the middle of an item")]
    Truncated,
    /// No length begins so.
    #[error("a length begins with the unknown byte {0:#04x}")]
    Length(u8),
    /// A string stands where a number should.
    #[error("a string stands in the place of a length")]
    NotALength,
    /// No string is encoded so.
    #[error("a string has the unknown encoding {0}")]
    Encoding(u8),
    /// What is compressed is not what its lengths say.
    #[error("a compressed string is damaged")]
    Compression,
    /// No item and no value begins so.
    #[error("there is no type {0}, or none whose end can be told")]
    Kind(u8),
    /// No part of a module's value begins so.
    #[error("a module's value has a part of the unknown kind {0}")]
    ModulePart(u64),
}

/// A string as it stands in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawString<'a> {
    /// Its bytes.
    Bytes(&'a [u8]),
    /// The integer that it spells.
    Int(i32),
    /// Compressed with LZF.
    Compressed {
        /// The compressed bytes.
        bytes: &'a [u8],
        /// How many bytes they become, as announced.
        len: usize,
    },
}

/// A string whose bytes can be read.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    /// As it lies there.
    Lying(StringRef<'a>),
    /// It was compressed.
    Unpacked(Vec<u8>),
}

impl Text<'_> {
    /// The string.
    #[inline]
    pub fn as_ref(&self) -> StringRef<'_> {
        match self {
            Text::Lying(string) => *string,
            Text::Unpacked(bytes) => StringRef::Bytes(bytes),
        }
    }
}

impl<'a> RawString<'a> {
    /// The string, decompressed if it was not.
    ///
    /// # Errors
    /// When what is compressed is damaged. Memory is taken for no more than the compressed bytes could hold.
    #[inline]
    pub fn text(self) -> Result<Text<'a>, FormatError> {
        Ok(Text::Lying(match self {
            RawString::Bytes(bytes) => StringRef::Bytes(bytes),
            RawString::Int(n) => StringRef::Int(n.into()),
            RawString::Compressed { bytes, len } => {
                let unpacked = lzf::decompress(bytes, len);
                return unpacked
                    .map(Text::Unpacked)
                    .map_err(|_| FormatError::Compression);
            }
        }))
    }

    /// The bytes, decompressed if they were not.
    ///
    /// # Errors
    /// As [`RawString::text`].
    pub fn bytes(self) -> Result<Cow<'a, [u8]>, FormatError> {
        Ok(match self.text()? {
            Text::Lying(StringRef::Bytes(bytes)) => Cow::Borrowed(bytes),
            Text::Lying(integer) => Cow::Owned(integer.to_vec()),
            Text::Unpacked(bytes) => Cow::Owned(bytes),
        })
    }
}

/// Reads items from the front of bytes that come from outside.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// Reads from the beginning.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// Here and below, when the bytes end before the item does, or are not such an item. What has been read then is undetermined.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let taken = self.bytes[self.at..]
            .get(..len)
            .ok_or(FormatError::Truncated)?;
        self.at += len;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let taken = self.bytes[self.at..]
            .first_chunk()
            .ok_or(FormatError::Truncated)?;
        self.at += N;
        Ok(*taken)
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, FormatError> {
        Ok(self.array::<1>()?[0])
    }

    /// Four bytes as a signed integer.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, FormatError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    /// Eight bytes as a signed integer.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, FormatError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// Eight bytes as an unsigned integer.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Eight bytes as a double.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, FormatError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A length, or another number that is written like one.
    #[inline]
    pub fn length(&mut self) -> Result<u64, FormatError> {
        self.length_or_special()?
            .map_err(|_| FormatError::NotALength)
    }

    /// A length, or the encoding of a string that has none.
    #[inline]
    fn length_or_special(&mut self) -> Result<Result<u64, u8>, FormatError> {
        let first = self.byte()?;
        Ok(Ok(match first {
            0..LENGTH_14 => first.into(),
            LENGTH_14..LENGTH_32 => u64::from(first & 0x3F) << 8 | u64::from(self.byte()?),
            LENGTH_32 => u32::from_be_bytes(self.array()?).into(),
            LENGTH_64 => u64::from_be_bytes(self.array()?),
            SPECIAL.. => return Ok(Err(first & 0x3F)),
            _ => return Err(FormatError::Length(first)),
        }))
    }

    /// A string.
    #[inline]
    pub fn string(&mut self) -> Result<RawString<'a>, FormatError> {
        let encoding = match self.length_or_special()? {
            Ok(len) => return self.bytes_of(len).map(RawString::Bytes),
            Err(encoding) => encoding,
        };
        Ok(match encoding {
            special::INT_8 => RawString::Int(i8::from_le_bytes(self.array()?).into()),
            special::INT_16 => RawString::Int(i16::from_le_bytes(self.array()?).into()),
            special::INT_32 => RawString::Int(i32::from_le_bytes(self.array()?)),
            special::LZF => {
                let compressed = self.length()?;
                let len = usize::try_from(self.length()?).map_err(|_| FormatError::Compression)?;
                let bytes = self.bytes_of(compressed)?;
                RawString::Compressed { bytes, len }
            }
            _ => return Err(FormatError::Encoding(encoding)),
        })
    }

    fn bytes_of(&mut self, len: u64) -> Result<&'a [u8], FormatError> {
        self.take(usize::try_from(len).map_err(|_| FormatError::Truncated)?)
    }
}

/// Writes a length, or another number that is written like one, in as few bytes as it takes.
///
/// ```text
///  | 00 n, 6 bits |    | 01 n, 14 bits |    | 0x80 | n, u32, big-endian |    | 0x81 | n, u64, big-endian |
/// ```
pub fn write_length(to: &mut Vec<u8>, length: u64) {
    match length {
        0..0x40 => to.push(length as u8),
        0x40..0x4000 => to.extend_from_slice(&[LENGTH_14 | (length >> 8) as u8, length as u8]),
        0x4000..=0xFFFF_FFFF => {
            to.push(LENGTH_32);
            to.extend_from_slice(&(length as u32).to_be_bytes());
        }
        _ => {
            to.push(LENGTH_64);
            to.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// Writes a string as its bytes.
pub fn write_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    write_length(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Writes a string that spells an integer as that integer; whether it is one that can be written so.
pub fn write_integer(to: &mut Vec<u8>, n: i64) -> bool {
    if let Ok(n) = i8::try_from(n) {
        to.extend_from_slice(&[SPECIAL | special::INT_8, n.cast_unsigned()]);
    } else if let Ok(n) = i16::try_from(n) {
        to.push(SPECIAL | special::INT_16);
        to.extend_from_slice(&n.to_le_bytes());
    } else if let Ok(n) = i32::try_from(n) {
        to.push(SPECIAL | special::INT_32);
        to.extend_from_slice(&n.to_le_bytes());
    } else {
        return false;
    }
    true
}

/// Writes a string that LZF has made shorter; `len` is its length uncompressed.
pub fn write_compressed(to: &mut Vec<u8>, compressed: &[u8], len: usize) {
    to.push(SPECIAL | special::LZF);
    write_length(to, compressed.len() as u64);
    write_length(to, len as u64);
    to.extend_from_slice(compressed);
}

/// The checksum of files and payloads: CRC-64 of Jones's polynomial, as Redis computes it. 0 stands for none.
#[derive(Clone, Copy, Debug)]
pub struct Checksum(Digest);

impl Default for Checksum {
    fn default() -> Checksum {
        Checksum::new()
    }
}

impl Checksum {
    /// Of no bytes yet.
    pub fn new() -> Checksum {
        Checksum(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }

    /// Of the bytes so far and `len` more, of which the checksum is known.
    pub fn joined(&self, checksum: u64, len: u64) -> u64 {
        checksum_combine(CrcAlgorithm::Crc64Redis, self.value(), checksum, len)
    }

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> u64 {
        crc_fast::checksum(CrcAlgorithm::Crc64Redis, bytes)
    }
}

/// Payloads of DUMP: `| type | value | version, u16 | CRC64 |`.
pub mod payload {
    use super::{CHECKSUM_LEN, Checksum, NEWEST};

    /// Type and value of a payload whose version is known and whose checksum is right; `None` if not.
    pub fn body(payload: &[u8]) -> Option<&[u8]> {
        let (rest, checksum) = payload.split_last_chunk::<CHECKSUM_LEN>()?;
        let (body, version) = rest.split_last_chunk()?;
        let is_sound = u16::from_le_bytes(*version) <= NEWEST
            && u64::from_le_bytes(*checksum) == Checksum::of(rest);
        is_sound.then_some(body)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_written_as_redis_writes_them() {
        let cases: [(u64, &[u8]); 8] = [
            (0, &[0]),
            (63, &[63]),
            (64, &[0x40, 64]),
            (16383, &[0x7F, 0xFF]),
            (16384, &[0x80, 0, 0, 0x40, 0]),
            (u32::MAX.into(), &[0x80, 0xFF, 0xFF, 0xFF, 0xFF]),
            (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
            (
                u64::MAX,
                &[0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            ),
        ];
        for (length, expected) in cases {
            let mut bytes = Vec::new();
            write_length(&mut bytes, length);
            assert_eq!(bytes, expected);
            assert_eq!(Input::new(&bytes).length(), Ok(length));
            for cut in 0..bytes.len() {
                assert_eq!(
                    Input::new(&bytes[..cut]).length(),
                    Err(FormatError::Truncated)
                );
            }
        }
        assert_eq!(Input::new(&[0x82]).length(), Err(FormatError::Length(0x82)));
        assert_eq!(
            Input::new(&[0xC0, 1]).length(),
            Err(FormatError::NotALength)
        );
    }

    #[test]
    fn strings_are_what_they_are_written_as() {
        let mut bytes = Vec::new();
        write_bytes(&mut bytes, b"abc");
        assert!(write_integer(&mut bytes, -128));
        assert!(write_integer(&mut bytes, 128));
        assert!(write_integer(&mut bytes, -32769));
        assert!(!write_integer(&mut bytes, 1 << 31));
        write_compressed(&mut bytes, b"zz", 9);
        assert_eq!(
            bytes,
            b"\x03abc\xC0\x80\xC1\x80\x00\xC2\xFF\x7F\xFF\xFF\xC3\x02\x09zz"
        );
        let mut input = Input::new(&bytes);
        assert_eq!(input.string(), Ok(RawString::Bytes(b"abc")));
        assert_eq!(input.string(), Ok(RawString::Int(-128)));
        assert_eq!(input.string(), Ok(RawString::Int(128)));
        assert_eq!(input.string(), Ok(RawString::Int(-32769)));
        let (bytes, len) = (b"zz".as_slice(), 9);
        assert_eq!(input.string(), Ok(RawString::Compressed { bytes, len }));
        assert_eq!(input.remaining(), 0);
        assert_eq!(Input::new(&[0xC4]).string(), Err(FormatError::Encoding(4)));
        let endless = b"\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFabc";
        assert_eq!(Input::new(endless).string(), Err(FormatError::Truncated));
    }

    #[test]
    fn the_checksum_is_that_of_redis() {
        // The value that Redis's own test of its function expects.
        assert_eq!(Checksum::of(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
        assert_eq!(Checksum::of(b""), 0);
    }

    proptest! {
        #[test]
        fn the_checksum_does_not_see_where_bytes_are_cut(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            cut in any::<proptest::sample::Index>(),
        ) {
            let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut checksum = Checksum::new();
            checksum.update(a);
            checksum.update(b);
            prop_assert_eq!(checksum.value(), Checksum::of(&bytes));
            let mut first = Checksum::new();
            first.update(a);
            prop_assert_eq!(first.joined(Checksum::of(b), b.len() as u64), checksum.value());
        }
    }
}
