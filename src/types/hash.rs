//! Hashes: fields with values.

use super::listpack::{Listpack, ListpackRef};
use super::string::StringRef;
use super::{Collection, Packing, is_object};

/// A hash.
#[derive(Clone, Debug)]
pub enum Hash {
    /// Fields, each followed by its value.
    Packed(Listpack),
}

/// A hash. To read.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// As [`Hash::Packed`].
    Packed(ListpackRef<'a>),
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::Packed(Listpack::new())
    }
}

impl Collection for Hash {
    type Ref<'a> = HashRef<'a>;

    is_object!(Hash);

    fn view(&self) -> HashRef<'_> {
        match self {
            Hash::Packed(list) => HashRef::Packed(list.as_ref()),
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<HashRef<'_>> {
        (packing == Packing::Hash).then(|| HashRef::Packed(ListpackRef::new(bytes)))
    }

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<Hash> {
        (packing == Packing::Hash).then(|| Hash::Packed(Listpack::from_bytes(bytes)))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Hash::Packed(list) => Some((Packing::Hash, list.as_ref().bytes())),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Hash::Packed(list) => list.as_ref().is_empty(),
        }
    }
}

impl Hash {
    /// How many blocks of memory have to be freed with it.
    pub fn blocks(&self) -> usize {
        match self {
            Hash::Packed(_) => 1,
        }
    }

    /// Bytes of heap, estimated from `samples` elements, or from all if it is 0.
    pub fn memory(&self, _samples: usize) -> usize {
        match self {
            Hash::Packed(list) => list.capacity(),
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Hash::Packed(_) => Packing::Hash.encoding_name(),
        }
    }
}

impl<'a> HashRef<'a> {
    /// Fields with their values.
    pub fn iter(self) -> impl Iterator<Item = (StringRef<'a>, StringRef<'a>)> {
        match self {
            HashRef::Packed(list) => {
                let mut elements = list.iter();
                std::iter::from_fn(move || Some((elements.next()?, elements.next()?)))
            }
        }
    }
}
