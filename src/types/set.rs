//! Sets: members without order.

use super::listpack::{Listpack, ListpackRef};
use super::string::StringRef;
use super::{Collection, Packing, is_object};

/// A set.
#[derive(Clone, Debug)]
pub enum Set {
    /// Members.
    Packed(Listpack),
}

/// A set. To read.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    /// As [`Set::Packed`].
    Packed(ListpackRef<'a>),
}

impl Default for Set {
    fn default() -> Set {
        Set::Packed(Listpack::new())
    }
}

impl Collection for Set {
    type Ref<'a> = SetRef<'a>;

    is_object!(Set);

    fn view(&self) -> SetRef<'_> {
        match self {
            Set::Packed(list) => SetRef::Packed(list.as_ref()),
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<SetRef<'_>> {
        (packing == Packing::Set).then(|| SetRef::Packed(ListpackRef::new(bytes)))
    }

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<Set> {
        (packing == Packing::Set).then(|| Set::Packed(Listpack::from_bytes(bytes)))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Set::Packed(list) => Some((Packing::Set, list.as_ref().bytes())),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Set::Packed(list) => list.as_ref().is_empty(),
        }
    }
}

impl Set {
    /// How many blocks of memory have to be freed with it.
    pub fn blocks(&self) -> usize {
        match self {
            Set::Packed(_) => 1,
        }
    }

    /// Bytes of heap, estimated from `samples` elements, or from all if it is 0.
    pub fn memory(&self, _samples: usize) -> usize {
        match self {
            Set::Packed(list) => list.capacity(),
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Set::Packed(_) => Packing::Set.encoding_name(),
        }
    }
}

impl<'a> SetRef<'a> {
    /// Members.
    pub fn iter(self) -> impl Iterator<Item = StringRef<'a>> {
        match self {
            SetRef::Packed(list) => list.iter(),
        }
    }
}
