//! Lists: elements in the order in which they were put.
//!
//! - A small list is one listpack.
//! - A large one is a [`quicklist`] of chunks, most of which are a [`run`] of elements; a [`chunk`] knows the other forms.

mod chunk;
mod quicklist;
mod run;

pub use self::chunk::{Chunk, Content};
use self::quicklist::Quicklist;
use super::listpack::{self, Listpack, ListpackRef};
use super::string::{StringRef, Wanted};
use super::{Collection, Packing, is_object};

/// A list.
#[derive(Clone, Debug)]
pub enum List {
    /// Elements.
    Packed(Listpack),
    /// Elements of a large list.
    Chunked(Quicklist),
}

/// A list. To read.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// As [`List::Packed`].
    Packed(ListpackRef<'a>),
    /// As [`List::Chunked`].
    Chunked(&'a Quicklist),
}

/// One of the two ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the first element is.
    Front,
    /// Where the last element is.
    Back,
}

/// An element as a reader sees it.
#[derive(Clone, Debug)]
pub enum Element<'a> {
    /// Borrowed where it lies.
    Lying(StringRef<'a>),
    /// Copied out of a compressed chunk.
    Copied(Vec<u8>),
}

impl Element<'_> {
    /// The string.
    #[inline]
    pub fn as_ref(&self) -> StringRef<'_> {
        match self {
            Element::Lying(value) => *value,
            Element::Copied(bytes) => StringRef::Bytes(bytes),
        }
    }
}

/// How lists are to be laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Bytes of a list that is one listpack.
    bytes: usize,
    /// Elements of a list that is one listpack, and of a chunk.
    entries: usize,
    /// Chunks at each end that are never compressed; 0 if none ever is.
    depth: usize,
    /// An element of so many bytes has a chunk of its own, and is not encoded.
    plain: usize,
}

impl Layout {
    /// From this size on an element is not encoded, as a listpack could not hold it together with others. Redis has the same
    /// threshold.
    pub const PLAIN: usize = 1 << 30;

    /// The layout that `list-max-listpack-size`, `list-compress-depth` and DEBUG QUICKLIST-PACKED-THRESHOLD ask for.
    pub fn new(size: i32, depth: u32, plain: usize) -> Layout {
        /// What -1 to -5 stand for; what a limited number of elements may take, too, is the second.
        const BYTES: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];
        let (bytes, entries) = match usize::try_from(size) {
            Ok(entries) => (BYTES[1], entries.max(1)),
            Err(_) => {
                let level = size.unsigned_abs() as usize - 1;
                (BYTES[level.min(BYTES.len() - 1)], usize::MAX)
            }
        };
        Layout {
            bytes,
            entries,
            depth: depth as usize,
            plain,
        }
    }

    /// Whether bytes, and not a number of elements, limit a chunk.
    fn is_by_bytes(&self) -> bool {
        self.entries == usize::MAX
    }

    /// Whether a listpack of this size can be a whole list.
    fn fits_listpack(&self, bytes: usize, entries: usize) -> bool {
        bytes <= self.bytes && entries <= self.entries
    }

    /// Whether a listpack of this size can take the place of a quicklist: not before it is half as large as it may be, so that
    /// a list does not change its form with every element that comes and goes.
    fn fits_listpack_again(&self, bytes: usize, entries: usize) -> bool {
        if self.is_by_bytes() {
            bytes <= self.bytes / 2
        } else {
            entries <= self.entries / 2
        }
    }

    /// Up to how many bytes a chunk of several elements may have: three times those of a listpack. Of 24 KiB the allocator's pages of
    /// 512 hold 21, and 8 are left over; of 8 or 16 KiB one block is, which makes room for the page's own header.
    fn chunk_bytes(&self) -> usize {
        3 * self.bytes
    }

    /// Whether so many elements of so many bytes can be one chunk.
    fn fits_chunk(&self, bytes: usize, entries: usize) -> bool {
        bytes <= self.chunk_bytes() && entries <= self.entries
    }

    /// Whether an element is not encoded.
    fn is_plain(&self, value: &[u8]) -> bool {
        value.len() >= self.plain
    }
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
            List::Chunked(list) => ListRef::Chunked(list),
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
            List::Chunked(_) => None,
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        match self {
            List::Packed(list) => list.as_ref().is_empty(),
            List::Chunked(list) => list.len() == 0,
        }
    }
}

impl List {
    /// Another list of the same elements. A large one costs no copy of them, as long as neither is changed.
    pub fn share(&mut self) -> List {
        match self {
            List::Packed(list) => List::Packed(list.clone()),
            List::Chunked(list) => List::Chunked(list.share()),
        }
    }

    /// How many blocks of memory have to be freed with it; a large one counts as several.
    pub fn blocks(&self) -> usize {
        const LARGE: usize = 64 << 10;
        /// So many chunks are a lot, whatever their size.
        const MANY: usize = 64;
        match self {
            List::Packed(_) => 1,
            List::Chunked(list) => {
                let sizes = list.chunk_sizes().take(MANY);
                list.chunks() + sizes.map(|size| size / LARGE).sum::<usize>()
            }
        }
    }

    /// Bytes of heap, estimated from `samples` chunks, or from all if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            List::Packed(list) => list.capacity(),
            List::Chunked(list) => list.memory(samples),
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            List::Packed(_) => Packing::List.encoding_name(),
            List::Chunked(_) => "quicklist",
        }
    }

    /// Adds elements at one end, one after the other. O(1) for each.
    pub fn push<'v>(
        &mut self,
        end: End,
        values: impl Iterator<Item = &'v [u8]> + Clone,
        layout: &Layout,
    ) {
        if let List::Packed(_) = self {
            let (bytes, entries) = values.clone().fold((0, 0), |(bytes, entries), value| {
                (bytes + value.len(), entries + 1)
            });
            self.grow(bytes, entries, layout);
        }
        match self {
            List::Packed(list) => values.for_each(|value| match end {
                End::Front => list.push_front(StringRef::Bytes(value)),
                End::Back => list.push_back(StringRef::Bytes(value)),
            }),
            List::Chunked(list) => values.for_each(|value| list.push(end, value, layout)),
        }
    }

    /// Adds the elements of a listpack at the back, which is taken as it lies where that makes a list or a chunk of the right
    /// size. Linear in its size.
    pub fn push_packed(&mut self, elements: ListpackRef<'_>, layout: &Layout) {
        let (bytes, entries) = (elements.bytes().len(), elements.len());
        match self {
            List::Packed(list)
                if list.as_ref().is_empty() && layout.fits_listpack(bytes, entries) =>
            {
                *list = Listpack::from_bytes(elements.bytes().to_vec());
                return;
            }
            List::Packed(_) => self.grow(bytes, entries, layout),
            List::Chunked(_) => {}
        }
        match self {
            List::Packed(list) => list.append(elements),
            List::Chunked(list) => list.push_packed(elements, layout),
        }
    }

    /// Shows up to `count` elements at one end, the outermost first, and removes them.
    pub fn pop(
        &mut self,
        end: End,
        count: usize,
        layout: &Layout,
        mut take: impl FnMut(StringRef<'_>),
    ) {
        match self {
            List::Packed(list) => {
                let look = list.as_ref();
                match end {
                    End::Front => look.iter().take(count).for_each(take),
                    End::Back => look.iter().rev().take(count).for_each(take),
                }
                drop_end(list, end, count);
            }
            List::Chunked(list) => {
                for _ in 0..count {
                    if list.pop(end, layout, &mut take).is_none() {
                        break;
                    }
                }
                self.shrink(layout);
            }
        }
    }

    /// Removes `front` elements at the front and `back` ones at the back.
    pub fn trim(&mut self, front: usize, back: usize, layout: &Layout) {
        for (end, count) in [(End::Front, front), (End::Back, back)] {
            match self {
                List::Packed(list) => drop_end(list, end, count),
                List::Chunked(list) => list.drop_end(end, count, layout),
            }
        }
        self.shrink(layout);
    }

    /// Puts another element in the place of the one at an index, which must exist.
    pub fn set(&mut self, index: usize, value: &[u8], layout: &Layout) {
        self.grow(value.len(), 1, layout);
        match self {
            List::Packed(list) => {
                if let Some(place) = list.as_ref().nth(index) {
                    list.replace(place, StringRef::Bytes(value));
                }
            }
            List::Chunked(list) => list.set(index, value, layout),
        }
        self.shrink(layout);
    }

    /// Puts an element before or behind the first one that is `pivot`; answers whether there is such a one.
    pub fn insert(&mut self, pivot: &[u8], behind: bool, value: &[u8], layout: &Layout) -> bool {
        self.grow(value.len(), 1, layout);
        match self {
            List::Packed(list) => match list.as_ref().find(pivot, 0, 1) {
                Some(place) if behind => list.insert_after(place, StringRef::Bytes(value)),
                Some(place) => list.insert(place, StringRef::Bytes(value)),
                None => return false,
            },
            List::Chunked(list) => {
                return list.insert(&Wanted::new(pivot), behind, value, layout);
            }
        }
        true
    }

    /// Removes the elements that are `wanted`, up to `most` of those nearest to one end; answers how many they were.
    pub fn remove_equal(&mut self, wanted: &[u8], end: End, most: usize, layout: &Layout) -> usize {
        let wanted = Wanted::new(wanted);
        match self {
            List::Packed(list) => {
                let mut run = run::Run::from_listpack(list.as_ref());
                let removed = run.remove_equal(&wanted, end, most);
                if removed > 0 {
                    *list = run.iter().collect();
                }
                removed
            }
            List::Chunked(list) => {
                let removed = list.remove_equal(&wanted, end, most, layout);
                self.shrink(layout);
                removed
            }
        }
    }

    /// Makes a quicklist of a listpack that is to get so many elements of so many bytes in all, if it would become too large.
    fn grow(&mut self, bytes: usize, entries: usize, layout: &Layout) {
        let List::Packed(list) = self else { return };
        let look = list.as_ref();
        if layout.fits_listpack(look.bytes().len() + bytes, look.len() + entries) {
            return;
        }
        let mut chunked = Quicklist::default();
        let mut room = super::string::Decimal::default();
        for value in look.iter() {
            chunked.push(End::Back, value.bytes(&mut room), layout);
        }
        *self = List::Chunked(chunked);
    }

    /// Makes a listpack of a quicklist that has become small.
    fn shrink(&mut self, layout: &Layout) {
        /// Of a listpack: its header and its end.
        const FRAME: usize = 7;
        let List::Chunked(list) = self else { return };
        let Some(run) = list.only_run() else { return };
        let bytes = FRAME + run.len() + run.count();
        if layout.fits_listpack_again(bytes, run.count()) {
            let mut packed = Listpack::new();
            list.iter()
                .for_each(|element| packed.push_back(element.as_ref()));
            *self = List::Packed(packed);
        }
    }
}

/// Removes up to `count` elements at one end.
fn drop_end(list: &mut Listpack, end: End, count: usize) {
    let look = list.as_ref();
    let first = match end {
        End::Front => look.first(),
        End::Back => look.nth(look.len().saturating_sub(count)),
    };
    if let Some(first) = first {
        list.remove(first, count);
    }
}

/// The elements of a list.
#[derive(Clone, Debug)]
pub enum Iter<'a> {
    /// Of a small one.
    Packed(listpack::Iter<'a>),
    /// Of a large one.
    Chunked(quicklist::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Iter::Packed(elements) => elements.next().map(Element::Lying),
            Iter::Chunked(elements) => elements.next(),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Packed(elements) => elements.next_back().map(Element::Lying),
            Iter::Chunked(elements) => elements.next_back(),
        }
    }
}

impl<'a> ListRef<'a> {
    /// How many elements there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            ListRef::Packed(list) => list.len(),
            ListRef::Chunked(list) => list.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Elements, first to last, or from the end.
    pub fn iter(self) -> Iter<'a> {
        match self {
            ListRef::Packed(list) => Iter::Packed(list.iter()),
            ListRef::Chunked(list) => Iter::Chunked(list.iter()),
        }
    }

    /// Elements from an index on. O(chunks).
    pub fn iter_from(self, index: usize) -> Iter<'a> {
        match self {
            ListRef::Packed(list) => Iter::Packed(list.iter_from(index)),
            ListRef::Chunked(list) => Iter::Chunked(list.iter_from(index)),
        }
    }
}

#[cfg(test)]
mod tests;
