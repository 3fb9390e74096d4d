//! The form of an entry: where its parts lie, and what its first word says of them.

use crate::types::Packing;

pub(super) const HEADER: usize = 8;
pub(super) const HAS_DEADLINE: u8 = 1 << 4;
pub(super) const LONG_KEY: u8 = 1 << 5;
const GENERATION: u8 = 1 << 6;
pub(super) const IN_PART: u8 = 1 << 7;
const SNAPSHOT: u8 = GENERATION | IN_PART;
/// A key of this length or longer stores its length in the long field.
pub(super) const LONG_KEY_FROM: usize = 255;

/// How the value lies in the entry. There is room for 16 kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A 64-bit integer in the payload word.
    Int = 0,
    /// A string right behind the key.
    Inline = 1,
    /// A `Box<Object>` in the payload word.
    Object = 2,
    /// A packed collection right behind the key: this and the kinds that follow.
    PackedList = 3,
    PackedSet = 4,
    IntSet = 5,
    PackedZset = 6,
    PackedHash = 7,
    PackedTimedHash = 8,
}

impl Kind {
    pub(super) fn packed(packing: Packing) -> Kind {
        match packing {
            Packing::List => Kind::PackedList,
            Packing::Set => Kind::PackedSet,
            Packing::IntSet => Kind::IntSet,
            Packing::Zset => Kind::PackedZset,
            Packing::Hash => Kind::PackedHash,
            Packing::TimedHash => Kind::PackedTimedHash,
        }
    }

    pub(super) fn packing(self) -> Option<Packing> {
        Some(match self {
            Kind::Int | Kind::Inline | Kind::Object => return None,
            Kind::PackedList => Packing::List,
            Kind::PackedSet => Packing::Set,
            Kind::IntSet => Packing::IntSet,
            Kind::PackedZset => Packing::Zset,
            Kind::PackedHash => Packing::Hash,
            Kind::PackedTimedHash => Packing::TimedHash,
        })
    }

    /// Whether the payload word is there.
    pub(super) fn has_payload(self) -> bool {
        matches!(self, Kind::Int | Kind::Object)
    }
}

/// A kind in the lower four bits, flags in the upper ones.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Form(u8);

impl Form {
    const KIND: u8 = 0xF;

    pub(super) fn new(kind: Kind, flags: u8) -> Form {
        debug_assert!(flags & Form::KIND == 0);
        Form(kind as u8 | flags)
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        // SAFETY: the lower bits were a `Kind` in `new`, which alone makes a `Form`.
        unsafe { std::mem::transmute::<u8, Kind>(self.0 & Form::KIND) }
    }

    #[inline]
    pub(super) fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    pub(super) fn flags(self) -> u8 {
        self.0 & !Form::KIND
    }

    /// What a snapshot has noted: the generation, and whether it is at work on the entry.
    #[inline]
    pub(super) fn snapshot_bits(self) -> u8 {
        self.0 & SNAPSHOT
    }

    /// The same form with other [`Form::snapshot_bits`].
    #[inline]
    pub(super) fn with_snapshot_bits(self, bits: u8) -> Form {
        debug_assert!(bits & !SNAPSHOT == 0);
        Form(self.0 & !SNAPSHOT | bits)
    }
}

/// Which snapshot an entry was part of last, told by a bit that each snapshot turns over. See [`snapshot`](crate::keyspace::snapshot).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u8);

impl Generation {
    /// The other one.
    pub fn next(self) -> Generation {
        Generation(self.0 ^ GENERATION)
    }

    /// The [`Form::snapshot_bits`] of entries of this generation.
    #[inline]
    pub(super) fn bits(self) -> u8 {
        self.0
    }
}

/// The fixed first word, read and written whole.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Header {
    pub(super) form: Form,
    pub(super) key_length: u8,
    pub(super) length: u16,
    pub(super) access: u32,
}

const _: () = assert!(size_of::<Header>() == HEADER);

/// Where the parts of an entry lie, in bytes from its start.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) payload: usize,
    pub(super) key: usize,
    pub(super) key_length: usize,
    pub(super) value: usize,
    pub(super) size: usize,
}

impl Shape {
    pub(super) fn of(form: Form, key_length: usize, inline_length: usize) -> Shape {
        let payload = HEADER + if form.has(HAS_DEADLINE) { 8 } else { 0 };
        let long = payload + if form.kind().has_payload() { 8 } else { 0 };
        let key = long + if form.has(LONG_KEY) { 4 } else { 0 };
        let value = key + key_length;
        Shape {
            payload,
            key,
            key_length,
            value,
            size: (value + inline_length).next_multiple_of(8),
        }
    }
}
