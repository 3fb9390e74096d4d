//! Lists: elements in the order in which they were put.

use super::listpack::{Listpack, ListpackRef};
use super::string::StringRef;
use super::{Collection, Packing, is_object};

/// A list.
#[derive(Clone, Debug)]
pub enum List {
    /// Elements.
    Packed(Listpack),
}

/// A list. To read.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// As [`List::Packed`].
    Packed(ListpackRef<'a>),
}

impl Default for List {
    fn default() -> List {
        List::Packed(Listpack::new())
    }
}

impl Collection for List {
    type Ref<'a> = ListRef<'a>;

    is_object!(List);

    fn view(&self) -> ListRef<'_> {
        match self {
            List::Packed(list) => ListRef::Packed(list.as_ref()),
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<ListRef<'_>> {
        (packing == Packing::List).then(|| ListRef::Packed(ListpackRef::new(bytes)))
    }

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<List> {
        (packing == Packing::List).then(|| List::Packed(Listpack::from_bytes(bytes)))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            List::Packed(list) => Some((Packing::List, list.as_ref().bytes())),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            List::Packed(list) => list.as_ref().is_empty(),
        }
    }
}

impl List {
    /// How many blocks of memory have to be freed with it.
    pub fn blocks(&self) -> usize {
        match self {
            List::Packed(_) => 1,
        }
    }

    /// Bytes of heap, estimated from `samples` elements, or from all if it is 0.
    pub fn memory(&self, _samples: usize) -> usize {
        match self {
            List::Packed(list) => list.capacity(),
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            List::Packed(_) => Packing::List.encoding_name(),
        }
    }
}

impl<'a> ListRef<'a> {
    /// Elements, first to last.
    pub fn iter(self) -> impl Iterator<Item = StringRef<'a>> {
        match self {
            ListRef::Packed(list) => list.iter(),
        }
    }
}
