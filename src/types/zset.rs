//! Sorted sets: members ordered by score, then by their bytes.

use super::listpack::{Listpack, ListpackRef};
use super::string::StringRef;
use super::{Collection, Packing, is_object};
use crate::protocol::number;

/// A sorted set.
#[derive(Clone, Debug)]
pub enum Zset {
    /// Members in order, each followed by its score.
    Packed(Listpack),
}

/// A sorted set. To read.
#[derive(Clone, Copy, Debug)]
pub enum ZsetRef<'a> {
    /// As [`Zset::Packed`].
    Packed(ListpackRef<'a>),
}

impl Default for Zset {
    fn default() -> Zset {
        Zset::Packed(Listpack::new())
    }
}

impl Collection for Zset {
    type Ref<'a> = ZsetRef<'a>;

    is_object!(Zset);

    fn view(&self) -> ZsetRef<'_> {
        match self {
            Zset::Packed(list) => ZsetRef::Packed(list.as_ref()),
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<ZsetRef<'_>> {
        (packing == Packing::Zset).then(|| ZsetRef::Packed(ListpackRef::new(bytes)))
    }

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<Zset> {
        (packing == Packing::Zset).then(|| Zset::Packed(Listpack::from_bytes(bytes)))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Zset::Packed(list) => Some((Packing::Zset, list.as_ref().bytes())),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Zset::Packed(list) => list.as_ref().is_empty(),
        }
    }
}

impl Zset {
    /// How many blocks of memory have to be freed with it.
    pub fn blocks(&self) -> usize {
        match self {
            Zset::Packed(_) => 1,
        }
    }

    /// Bytes of heap, estimated from `samples` elements, or from all if it is 0.
    pub fn memory(&self, _samples: usize) -> usize {
        match self {
            Zset::Packed(list) => list.capacity(),
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Zset::Packed(_) => Packing::Zset.encoding_name(),
        }
    }
}

impl<'a> ZsetRef<'a> {
    /// Members with their scores, in order.
    pub fn iter(self) -> impl Iterator<Item = (StringRef<'a>, f64)> {
        match self {
            ZsetRef::Packed(list) => {
                let mut elements = list.iter();
                std::iter::from_fn(move || Some((elements.next()?, score_of(elements.next()?))))
            }
        }
    }
}

/// The score that an element of a listpack spells.
fn score_of(element: StringRef<'_>) -> f64 {
    match element {
        StringRef::Int(n) => n as f64,
        StringRef::Bytes(text) => number::parse_f64(text).unwrap_or_default(),
    }
}
