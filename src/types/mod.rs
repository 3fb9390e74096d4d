//! The values: one file per type, and the compact encodings below them.
//!
//! Short strings, integers and packed collections live inside their keyspace entry and become an [`Object`] only while they
//! change; larger values have a home of their own.
//!
//! - [`string`], [`list`], [`set`], [`zset`], [`hash`] are the types; each but the first implements [`Collection`].
//! - [`bits`] and [`lcs`] are what some commands make of strings.
//! - [`listpack`] is what small collections are packed into, [`intset`] what small sets of integers are; [`lzf`]
//!   compresses the inside of long lists, if that is asked for.
//! - [`members`] is the table of a large hash, set or sorted set; [`member`] is one element of it.
//! - [`relocate`] moves a value together that lies scattered.
//! - [`sample`] chooses elements at random; [`index`] counts them from either end.

pub mod bits;
pub mod hash;
pub mod index;
pub mod intset;
pub mod lcs;
pub mod list;
pub mod listpack;
pub mod lzf;
pub mod member;
pub mod members;
pub mod relocate;
pub mod sample;
pub mod set;
pub mod string;
pub mod zset;

use crate::allocator;
use hash::Hash;
use list::List;
use members::Members;
use set::Set;
use zset::Zset;

/// The value is of another type than the command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// A value with a home of its own.
#[derive(Debug, Clone)]
pub enum Object {
    /// A long string, or one that grows in place.
    String(Vec<u8>),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    Zset(Zset),
    /// A hash.
    Hash(Hash),
}

/// What a packed buffer holds, and so how its bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Packing {
    /// A listpack of a list's elements.
    List,
    /// A listpack of a set's members.
    Set,
    /// An intset.
    IntSet,
    /// A listpack of a sorted set's members, each followed by its score.
    Zset,
    /// A listpack of a hash's fields, each followed by its value.
    Hash,
    /// A listpack of a hash's fields, each followed by its value and its deadline.
    TimedHash,
}

impl Packing {
    /// The type's name, as TYPE answers it.
    pub fn type_name(self) -> &'static str {
        match self {
            Packing::List => "list",
            Packing::Set | Packing::IntSet => "set",
            Packing::Zset => "zset",
            Packing::Hash | Packing::TimedHash => "hash",
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(self) -> &'static str {
        match self {
            Packing::IntSet => "intset",
            Packing::TimedHash => "listpackex",
            _ => "listpack",
        }
    }
}

/// Up to which size a collection stays packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Elements (a hash's fields, a sorted set's members).
    pub entries: usize,
    /// Bytes of each element.
    pub value: usize,
}

/// A type whose values hold elements. A key whose collection becomes empty is removed.
pub trait Collection: Default + 'static {
    /// The value as a reader sees it, wherever its bytes are.
    type Ref<'a>: Copy;

    /// Whether elements can have deadlines of their own.
    const MAY_BE_TIMED: bool = false;

    /// A look.
    fn view(&self) -> Self::Ref<'_>;

    /// A look at a packed buffer; `None` if it holds another type.
    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<Self::Ref<'_>>;

    /// Takes over a packed buffer; `None` if it holds another type.
    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<Self>;

    /// The packed buffer, if the value is one.
    fn packed(&self) -> Option<(Packing, &[u8])>;

    /// Whether there are no elements.
    fn is_empty(&self) -> bool;

    /// A moment before which no element dies, if any has a deadline of its own.
    fn soonest(&self) -> Option<u64> {
        None
    }

    /// The value as one of any type.
    fn into_object(self) -> Object;

    /// The value of this type that an object is.
    fn of(object: &Object) -> Option<&Self>;

    /// As [`Collection::of`], to change.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
}

/// The parts of [`Collection`] that only name the type.
macro_rules! is_object {
    ($type:ident) => {
        fn into_object(self) -> crate::types::Object {
            crate::types::Object::$type(self)
        }

        fn of(object: &crate::types::Object) -> Option<&Self> {
            match object {
                crate::types::Object::$type(value) => Some(value),
                _ => None,
            }
        }

        fn of_mut(object: &mut crate::types::Object) -> Option<&mut Self> {
            match object {
                crate::types::Object::$type(value) => Some(value),
                _ => None,
            }
        }
    };
}
use is_object;

impl Object {
    /// The table of a large collection, which is most of it; whatever else it has is freed.
    pub fn into_members(self) -> Option<Members> {
        match self {
            Object::Set(Set::Table(members)) | Object::Hash(Hash::Table(members)) => Some(members),
            Object::Hash(Hash::Timed(timed)) => Some(timed.into_members()),
            Object::Zset(Zset::Ordered(ordered)) => Some(ordered.into_members()),
            _ => None,
        }
    }

    /// Whether freeing this takes long enough to be worth another thread: beyond this the allocator gives pages
    /// back to the system, or many blocks have to be freed.
    pub fn is_heavy(&self) -> bool {
        const HEAVY_STRING: usize = 64 << 10;
        /// Redis frees collections of more elements in the background, too.
        const HEAVY_COLLECTION: usize = 64;
        let blocks = match self {
            Object::String(bytes) => return bytes.capacity() > HEAVY_STRING,
            Object::List(list) => list.blocks(),
            Object::Set(set) => set.blocks(),
            Object::Zset(zset) => zset.blocks(),
            Object::Hash(hash) => hash.blocks(),
        };
        blocks > HEAVY_COLLECTION
    }

    /// The packed buffer, if the value is one.
    pub fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Object::String(_) => None,
            Object::List(list) => list.packed(),
            Object::Set(set) => set.packed(),
            Object::Zset(zset) => zset.packed(),
            Object::Hash(hash) => hash.packed(),
        }
    }

    /// The table of a large collection's elements.
    pub fn members(&self) -> Option<&Members> {
        match self {
            Object::String(_) | Object::List(_) => None,
            Object::Set(set) => set.members(),
            Object::Zset(zset) => zset.members(),
            Object::Hash(hash) => hash.members(),
        }
    }

    /// The table of a large collection's elements, for a snapshot to walk over.
    pub fn walk(&mut self) -> Option<members::Walk<'_>> {
        match self {
            Object::String(_) | Object::List(_) => None,
            Object::Set(set) => set.walk(),
            Object::Zset(zset) => zset.walk(),
            Object::Hash(hash) => hash.walk(),
        }
    }

    /// Bytes of memory behind the object, the object's own block among them; large collections are estimated from
    /// `samples` elements, or from all of them if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        let content = match self {
            Object::String(bytes) => allocator::good_size(bytes.capacity()),
            Object::List(list) => list.memory(samples),
            Object::Set(set) => set.memory(samples),
            Object::Zset(zset) => zset.memory(samples),
            Object::Hash(hash) => hash.memory(samples),
        };
        allocator::good_size(size_of::<Object>()) + content
    }

    /// The type's name, as TYPE answers it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Object::String(_) => "string",
            Object::List(_) => "list",
            Object::Set(_) => "set",
            Object::Zset(_) => "zset",
            Object::Hash(_) => "hash",
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Object::String(_) => "raw",
            Object::List(list) => list.encoding_name(),
            Object::Set(set) => set.encoding_name(),
            Object::Zset(zset) => zset.encoding_name(),
            Object::Hash(hash) => hash.encoding_name(),
        }
    }
}
