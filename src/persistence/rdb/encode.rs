//! Values as the bytes of RDB records and of DUMP payloads, each in the oldest form that holds it.
//!
//! What is packed in memory is copied as it lies: those buffers have the format of the file. What is large is written element by
//! element, and may come in pieces.

use std::sync::Arc;

use super::format::{
    self, Checksum, kind, node, opcode, write_bytes, write_compressed, write_integer, write_length,
};
use crate::keyspace::access::AccessClock;
use crate::keyspace::snapshot::Kind;
use crate::keyspace::{EntryRef, ValueRef};
use crate::types::hash::{Field, Hash, HashRef};
use crate::types::list::{Chunk, Content, ListRef};
use crate::types::listpack::{self, ListpackRef};
use crate::types::lzf::Compressor;
use crate::types::member::Member;
use crate::types::string::{self, Decimal, StringRef};
use crate::types::zset::ZsetRef;
use crate::types::{Collection, Object, Packing};

/// Longer strings are not looked at as integers: no 32-bit integer has more digits and a sign.
const LONGEST_INTEGER: usize = 11;
/// Shorter strings are not compressed.
const SHORTEST_COMPRESSED: usize = 21;
/// Bytes that compression must save.
const MIN_GAIN: usize = 4;

/// What records tell of the last access to their keys.
#[derive(Clone, Copy, Debug)]
pub enum AccessNote {
    /// Nothing.
    None,
    /// Seconds since then.
    Idle(AccessClock),
    /// How frequent it is.
    Frequency(AccessClock),
}

/// Makes records and values into bytes, which gather until somebody takes them.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
    /// `None` if strings are not to be compressed.
    compressor: Option<Compressor>,
    compressed: Vec<u8>,
    version: u16,
}

impl Encoder {
    /// No bytes yet; with `compresses`, strings are compressed if that makes them shorter.
    pub fn new(compresses: bool) -> Encoder {
        Encoder {
            bytes: Vec::new(),
            compressor: compresses.then(Compressor::default),
            compressed: Vec::new(),
            version: format::OLDEST_WRITTEN,
        }
    }

    /// The bytes that have gathered, to be looked at and taken.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The oldest version of the format that has all that was ever added.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Adds an opcode.
    pub fn opcode(&mut self, opcode: u8) {
        self.bytes.push(opcode);
    }

    /// Adds a length.
    pub fn length(&mut self, length: u64) {
        write_length(&mut self.bytes, length);
    }

    /// Adds something that is known about the file.
    pub fn aux(&mut self, name: &str, value: StringRef<'_>) {
        self.opcode(opcode::AUX);
        self.string(StringRef::Bytes(name.as_bytes()));
        self.string(value);
    }

    /// Adds the source of a library of functions.
    pub fn library(&mut self, source: &[u8]) {
        self.version = self.version.max(format::FIRST_WITH_FUNCTIONS);
        self.opcode(opcode::FUNCTION2);
        self.blob(source);
    }

    /// Adds a key with its value.
    pub fn record(&mut self, entry: EntryRef<'_>, note: AccessNote) {
        self.notes(entry.deadline(), entry.access(), note);
        self.value(Some(entry.key()), entry.value());
    }

    /// Adds the head of a key whose value comes in pieces: [`Encoder::members`] must add `count` of them before anything else.
    pub fn begin(
        &mut self,
        key: &[u8],
        deadline: Option<u64>,
        access: u32,
        note: AccessNote,
        kind: Kind,
        count: usize,
    ) {
        self.notes(deadline, access, note);
        self.open(Some(key), kind, count);
    }

    /// Adds some of the members of a large collection of this kind.
    pub fn members(&mut self, kind: Kind, members: &[Member]) {
        for member in members.iter().map(Member::as_ref) {
            let key = StringRef::Bytes(member.key());
            match kind {
                Kind::Set => self.string(key),
                Kind::Zset => self.scored(key, member.score()),
                Kind::Hash { soonest } => {
                    let field = Field {
                        value: StringRef::Bytes(member.value()),
                        deadline: member.deadline(),
                    };
                    self.field(soonest, key, field);
                }
            }
        }
    }

    /// What comes before a record's type.
    fn notes(&mut self, deadline: Option<u64>, access: u32, note: AccessNote) {
        if let Some(deadline) = deadline {
            self.opcode(opcode::EXPIRETIME_MS);
            self.bytes.extend_from_slice(&deadline.to_le_bytes());
        }
        match note {
            AccessNote::None => {}
            AccessNote::Idle(clock) => {
                self.opcode(opcode::IDLE);
                self.length(clock.idle(access) / 1000);
            }
            AccessNote::Frequency(clock) => {
                self.opcode(opcode::FREQ);
                self.bytes.push(clock.frequency(access));
            }
        }
    }

    /// Adds a value: its type, the key if there is one, its content.
    pub fn value(&mut self, key: Option<&[u8]>, value: ValueRef<'_>) {
        if let Ok(text) = value.string() {
            self.head(key, kind::STRING);
            return self.string(text);
        }
        if let Some((packing, bytes)) = value.packed() {
            return self.packed(key, packing, bytes);
        }
        let ValueRef::Object(object) = value else {
            unreachable!("all other values are strings or packed");
        };
        match object {
            Object::String(_) => unreachable!("seen to above"),
            Object::List(list) => {
                if let ListRef::Chunked(chunks) = list.view() {
                    self.head(key, kind::LIST_QUICKLIST_2);
                    self.length(chunks.chunks() as u64);
                    chunks.iter_chunks().for_each(|chunk| self.chunk(chunk));
                }
            }
            Object::Set(set) => self.set(key, set.view().len(), set.view().iter()),
            Object::Zset(zset) => self.zset(key, zset.view()),
            Object::Hash(hash) => self.hash(key, hash.view()),
        }
    }

    fn head(&mut self, key: Option<&[u8]>, kind: u8) {
        self.version = self.version.max(kind::first_version(kind));
        self.bytes.push(kind);
        if let Some(key) = key {
            self.string(StringRef::Bytes(key));
        }
    }

    fn open(&mut self, key: Option<&[u8]>, kind: Kind, count: usize) {
        match kind {
            Kind::Set => self.head(key, kind::SET),
            Kind::Zset => self.head(key, kind::ZSET_2),
            Kind::Hash { soonest: None } => self.head(key, kind::HASH),
            Kind::Hash {
                soonest: Some(soonest),
            } => {
                self.head(key, kind::HASH_METADATA);
                self.bytes.extend_from_slice(&soonest.to_le_bytes());
            }
        }
        self.length(count as u64);
    }

    /// Adds a collection that is one buffer.
    fn packed(&mut self, key: Option<&[u8]>, packing: Packing, bytes: &[u8]) {
        let kind = match packing {
            Packing::List => {
                self.head(key, kind::LIST_QUICKLIST_2);
                self.length(1);
                self.length(node::PACKED);
                return self.blob(bytes);
            }
            // Redis has packed sets since version 11 only.
            Packing::Set => {
                let list = ListpackRef::new(bytes);
                return self.set(key, list.len(), list.iter());
            }
            Packing::IntSet => kind::SET_INTSET,
            Packing::Zset => kind::ZSET_LISTPACK,
            Packing::Hash => kind::HASH_LISTPACK,
            Packing::TimedHash => {
                let hash = Hash::view_packed(packing, bytes);
                match hash.map(|hash| (hash, hash.soonest())) {
                    Some((_, Some(soonest))) => {
                        self.head(key, kind::HASH_LISTPACK_EX);
                        self.bytes.extend_from_slice(&soonest.to_le_bytes());
                        self.blob(bytes);
                    }
                    // The deadlines are gone: older versions can have it.
                    Some((hash, None)) => self.hash(key, hash),
                    None => unreachable!("the packing of a hash"),
                }
                return;
            }
        };
        self.head(key, kind);
        self.blob(bytes);
    }

    fn set<'a>(
        &mut self,
        key: Option<&[u8]>,
        count: usize,
        members: impl Iterator<Item = StringRef<'a>>,
    ) {
        self.open(key, Kind::Set, count);
        members.for_each(|member| self.string(member));
    }

    /// From the last to the first, which is the order in which Redis builds a sorted set fastest.
    fn zset(&mut self, key: Option<&[u8]>, zset: ZsetRef<'_>) {
        self.open(key, Kind::Zset, zset.len());
        for (member, score) in zset.range(0..zset.len(), true) {
            self.scored(member, score);
        }
    }

    fn hash(&mut self, key: Option<&[u8]>, hash: HashRef<'_>) {
        let soonest = hash.soonest();
        self.open(key, Kind::Hash { soonest }, hash.len());
        for (name, field) in hash.iter() {
            self.field(soonest, name, field);
        }
    }

    fn chunk(&mut self, chunk: &Chunk) {
        match chunk.content() {
            Content::Plain(bytes) => {
                self.length(node::PLAIN);
                self.blob(bytes);
            }
            Content::Packed(elements, count) => {
                self.length(node::PACKED);
                let mut list = Vec::new();
                listpack::write_packed(&mut list, &elements, count);
                self.blob(&list);
            }
        }
    }

    fn scored(&mut self, member: StringRef<'_>, score: f64) {
        self.string(member);
        self.bytes.extend_from_slice(&score.to_le_bytes());
    }

    /// Adds a field of a hash whose fields do not die before `soonest`, if any has a deadline.
    fn field(&mut self, soonest: Option<u64>, name: StringRef<'_>, field: Field<'_>) {
        if let Some(soonest) = soonest {
            // 0 stands for no deadline.
            let distance = field
                .deadline
                .map_or(0, |at| at.saturating_sub(soonest) + 1);
            self.length(distance);
        }
        self.string(name);
        self.string(field.value);
    }

    /// Adds a string.
    pub fn string(&mut self, string: StringRef<'_>) {
        let integer = match string {
            StringRef::Int(n) => Some(n),
            StringRef::Bytes(bytes) if bytes.len() <= LONGEST_INTEGER => string::as_integer(bytes),
            StringRef::Bytes(_) => None,
        };
        if integer.is_some_and(|n| write_integer(&mut self.bytes, n)) {
            return;
        }
        self.blob(string.bytes(&mut Decimal::default()));
    }

    /// Adds a string that is not looked at as an integer.
    fn blob(&mut self, bytes: &[u8]) {
        if let Some(compressor) = &mut self.compressor
            && bytes.len() >= SHORTEST_COMPRESSED
        {
            self.compressed.clear();
            compressor.compress(bytes, &mut self.compressed);
            if self.compressed.len() + MIN_GAIN <= bytes.len() {
                return write_compressed(&mut self.bytes, &self.compressed, bytes.len());
            }
        }
        write_bytes(&mut self.bytes, bytes);
    }
}

/// What DUMP answers for a value: RESTORE makes the value of it, here and on every Redis that knows the value's form.
pub fn payload(value: ValueRef<'_>, compresses: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(compresses);
    encoder.value(None, value);
    sealed(encoder)
}

/// Makes libraries of functions into a payload of FUNCTION DUMP.
pub fn libraries_payload(sources: &[Arc<[u8]>], compresses: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(compresses);
    encoder.version = format::FIRST_WITH_FUNCTIONS;
    sources.iter().for_each(|source| encoder.library(source));
    sealed(encoder)
}

/// Puts version and checksum behind what was encoded.
fn sealed(encoder: Encoder) -> Vec<u8> {
    let Encoder {
        bytes: mut payload,
        version,
        ..
    } = encoder;
    payload.extend_from_slice(&version.to_le_bytes());
    let checksum = Checksum::of(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: ValueRef<'_>) -> Vec<u8> {
        let mut encoder = Encoder::new(true);
        encoder.value(Some(b"k"), value);
        encoder.bytes
    }

    #[test]
    fn strings_take_their_shortest_form() {
        let long = [b'a'; 21];
        let cases: &[(&[u8], &[u8])] = &[
            (b"-128", b"\xC0\x80"),
            (b"128", b"\xC1\x80\0"),
            (b"-2147483648", b"\xC2\0\0\0\x80"),
            (b"2147483648", b"\x0A2147483648"),
            (b"007", b"\x03007"),
            (&long[..20], b"\x14aaaaaaaaaaaaaaaaaaaa"),
            (&long, b"\xC3\x05\x15\0a\xE0\x0B\0"),
            (
                b"abcdefghijklmnopqrstuvwxyz",
                b"\x1Aabcdefghijklmnopqrstuvwxyz",
            ),
        ];
        for (string, expected) in cases {
            let expected = [b"\0\x01k", *expected].concat();
            assert_eq!(
                written(ValueRef::Inline(string)),
                expected,
                "{}",
                string.escape_ascii()
            );
        }
        assert_eq!(written(ValueRef::Int(128)), b"\0\x01k\xC1\x80\0");
        assert_eq!(written(ValueRef::Int(1 << 31)), b"\0\x01k\x0A2147483648");
    }

    #[test]
    fn a_hash_without_deadlines_left_is_a_usual_one() {
        let pack = |deadline| -> listpack::Listpack {
            let texts = ["f", "v"].map(|text| StringRef::Bytes(text.as_bytes()));
            texts
                .into_iter()
                .chain([StringRef::Int(deadline)])
                .collect()
        };
        let (without, with) = (pack(0), pack(77));
        let written_of = |list: &listpack::Listpack| {
            written(ValueRef::Packed(Packing::TimedHash, list.as_ref().bytes()))
        };
        assert_eq!(written_of(&without), b"\x04\x01k\x01\x01f\x01v");
        assert_eq!(written_of(&with)[..12], *b"\x19\x01k\x4D\0\0\0\0\0\0\0\x0F");
    }

    #[test]
    fn a_payload_ends_with_its_version_and_checksum() {
        let payload = payload(ValueRef::Int(1), true);
        let (content, checksum) = payload.split_at(payload.len() - 8);
        assert_eq!(content, b"\0\xC0\x01\x09\0");
        assert_eq!(checksum, Checksum::of(content).to_le_bytes());
    }
}
