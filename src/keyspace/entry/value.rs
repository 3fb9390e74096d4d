//! What an entry holds: as it is given, as a reader sees it, and as a writer does.

use crate::types::hash::Hash;
use crate::types::string::{self, MAX_EMBSTR, StringMut, StringRef};
use crate::types::{Collection, Object, Packing, WrongType};

/// Strings longer than this live in an allocation of their own, which can be freed off the request path.
pub const MAX_INLINE: usize = 4096;

/// Packed collections longer than this live in an allocation of their own, where they change in place. Shorter ones are
/// copied out to change, which costs less than what they save.
pub const MAX_INLINE_PACKED: usize = 1024;

/// What a new entry is to hold.
#[derive(Debug)]
pub enum NewValue<'a> {
    /// A string that is an integer in canonical form.
    Int(i64),
    /// Any other string; copied.
    Bytes(&'a [u8]),
    /// A packed collection of at most [`MAX_INLINE_PACKED`] bytes; copied.
    Packed(Packing, &'a [u8]),
    /// A value with a home of its own.
    Object(Box<Object>),
}

impl<'a> NewValue<'a> {
    /// A string: an integer if it spells one in canonical form.
    #[inline]
    pub fn string(bytes: &'a [u8]) -> NewValue<'a> {
        string::as_integer(bytes).map_or(NewValue::Bytes(bytes), NewValue::Int)
    }

    /// A string that is expected to change: answers `raw` to OBJECT ENCODING however short it is.
    pub fn growing(bytes: Vec<u8>) -> NewValue<'a> {
        NewValue::Object(Box::new(Object::String(bytes)))
    }
}

/// A value as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A string held as an integer.
    Int(i64),
    /// A string stored inside the entry.
    Inline(&'a [u8]),
    /// A packed collection stored inside the entry.
    Packed(Packing, &'a [u8]),
    /// Any value with a home of its own, long or growing strings among them.
    Object(&'a Object),
}

impl<'a> ValueRef<'a> {
    /// The value as a string.
    #[inline]
    pub fn string(self) -> Result<StringRef<'a>, WrongType> {
        match self {
            ValueRef::Int(n) => Ok(StringRef::Int(n)),
            ValueRef::Inline(bytes) => Ok(StringRef::Bytes(bytes)),
            ValueRef::Object(Object::String(bytes)) => Ok(StringRef::Bytes(bytes)),
            ValueRef::Packed(..) | ValueRef::Object(_) => Err(WrongType),
        }
    }

    /// The value as a collection of type `T`.
    #[inline]
    pub fn collection<T: Collection>(self) -> Result<T::Ref<'a>, WrongType> {
        let view = match self {
            ValueRef::Packed(packing, bytes) => T::view_packed(packing, bytes),
            ValueRef::Object(object) => T::of(object).map(T::view),
            ValueRef::Int(_) | ValueRef::Inline(_) => None,
        };
        view.ok_or(WrongType)
    }

    /// A moment before which no field of the value dies, if any has a deadline of its own.
    #[inline]
    pub fn soonest(self) -> Option<u64> {
        match self {
            ValueRef::Packed(Packing::TimedHash, _) | ValueRef::Object(Object::Hash(_)) => {
                self.collection::<Hash>().ok()?.soonest()
            }
            _ => None,
        }
    }

    /// The packed buffer, if the value is one.
    pub fn packed(self) -> Option<(Packing, &'a [u8])> {
        match self {
            ValueRef::Packed(packing, bytes) => Some((packing, bytes)),
            ValueRef::Object(object) => object.packed(),
            ValueRef::Int(_) | ValueRef::Inline(_) => None,
        }
    }

    /// The type's name, as TYPE answers it.
    pub fn type_name(self) -> &'static str {
        match self {
            ValueRef::Int(_) | ValueRef::Inline(_) => "string",
            ValueRef::Packed(packing, _) => packing.type_name(),
            ValueRef::Object(object) => object.type_name(),
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(self) -> &'static str {
        match self {
            ValueRef::Int(_) => "int",
            ValueRef::Inline(bytes) if bytes.len() <= MAX_EMBSTR => "embstr",
            ValueRef::Inline(_) => "raw",
            ValueRef::Packed(packing, _) => packing.encoding_name(),
            ValueRef::Object(object) => object.encoding_name(),
        }
    }

    /// A value that is equal to this one and shares nothing with it.
    pub fn copied(self) -> NewValue<'a> {
        match self {
            ValueRef::Int(n) => NewValue::Int(n),
            ValueRef::Inline(bytes) => NewValue::Bytes(bytes),
            ValueRef::Packed(packing, bytes) => NewValue::Packed(packing, bytes),
            ValueRef::Object(object) => NewValue::Object(Box::new(object.clone())),
        }
    }
}

/// A value as a writer sees it.
#[derive(Debug)]
pub enum ValueMut<'a> {
    /// A string held as an integer; may be changed in place.
    Int(&'a mut i64),
    /// A string stored inside the entry; bytes may change, the length may not.
    Inline(&'a mut [u8]),
    /// A packed collection stored inside the entry, to be copied, changed and stored again.
    Packed(Packing, &'a [u8]),
    /// Any value with a home of its own.
    Object(&'a mut Object),
}

impl<'a> ValueMut<'a> {
    /// The value as a string, for changing it in place.
    #[inline]
    pub fn string(self) -> Result<StringMut<'a>, WrongType> {
        match self {
            ValueMut::Int(n) => Ok(StringMut::Int(n)),
            ValueMut::Inline(bytes) => Ok(StringMut::Fixed(bytes)),
            ValueMut::Object(Object::String(bytes)) => Ok(StringMut::Growing(bytes)),
            ValueMut::Packed(..) | ValueMut::Object(_) => Err(WrongType),
        }
    }
}
