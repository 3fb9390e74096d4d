//! The values: one file per type, and the compact encodings below them.
//!
//! Short strings and integers live inside their keyspace entry and never become an [`Object`].

pub mod lcs;
pub mod string;

/// The value is of another type than the command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// A value with a home of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A long string, or one that grows in place.
    String(Vec<u8>),
}

impl Object {
    /// Whether freeing this takes long enough to be worth another thread: beyond this the allocator gives pages
    /// back to the system.
    pub fn is_heavy(&self) -> bool {
        const HEAVY_STRING: usize = 64 << 10;
        match self {
            Object::String(bytes) => bytes.capacity() > HEAVY_STRING,
        }
    }

    /// Bytes of memory behind the object, the object's own block among them.
    pub fn memory(&self) -> usize {
        let content = match self {
            Object::String(bytes) => bytes.capacity(),
        };
        size_of::<Object>() + content
    }

    /// The type's name, as TYPE answers it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Object::String(_) => "string",
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Object::String(_) => "raw",
        }
    }
}
