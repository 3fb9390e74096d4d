//! A chunk of a large list: a run of elements, a compressed one, or a single element too large to be encoded.
//!
//! A snapshot shares the chunks of a list; one that is shared is copied when it is to be changed, or owned again if nobody else has
//! it any more.

use std::borrow::Cow;
use std::sync::Arc;
use std::{option, vec};

use super::run::{self, Run};
use super::{Element, End, Layout};
use crate::allocator;
use crate::allocator::pages::SparsePages;
use crate::types::listpack::Encoded;
use crate::types::lzf;
use crate::types::string::{StringRef, Wanted};

/// Some elements of a list, one at least.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// Elements as they are read.
    Run(Run),
    /// One element.
    Plain(Box<[u8]>),
    /// A run's bytes, compressed.
    Squeezed {
        /// As LZF.
        lzf: Box<[u8]>,
        /// Bytes of the run.
        len: usize,
        /// Elements.
        count: usize,
    },
    /// Any of the others, which other lists may have, too.
    Shared(Arc<Chunk>),
}

/// What a chunk holds.
#[derive(Debug)]
pub enum Content<'a> {
    /// So many elements as in a listpack, but without their backward lengths.
    Packed(Cow<'a, [u8]>, usize),
    /// One element as it is.
    Plain(&'a [u8]),
}

impl Chunk {
    /// A chunk of one element.
    pub fn of(value: &[u8], layout: &Layout) -> Chunk {
        if layout.is_plain(value) {
            Chunk::Plain(value.into())
        } else {
            Chunk::Run(Run::of(StringRef::Bytes(value)))
        }
    }

    /// A chunk of one element at an end to which as many are expected to be added as fit into it.
    pub fn to_fill(end: End, value: &[u8], layout: &Layout) -> Chunk {
        let mut chunk = Chunk::Run(Run::with_room(end, layout.chunk_bytes()));
        if chunk.push(end, value, layout) {
            chunk
        } else {
            Chunk::of(value, layout)
        }
    }

    /// Another chunk of the same elements, which costs no copy.
    pub fn share(&mut self) -> Chunk {
        if !matches!(self, Chunk::Shared(_)) {
            let own = std::mem::replace(self, Chunk::Run(Run::default()));
            *self = Chunk::Shared(Arc::new(own));
        }
        self.clone()
    }

    /// Makes ready to be changed.
    #[inline]
    pub fn own(&mut self) {
        if matches!(self, Chunk::Shared(_))
            && let Chunk::Shared(chunk) = std::mem::replace(self, Chunk::Run(Run::default()))
        {
            *self = Arc::unwrap_or_clone(chunk);
        }
    }

    /// Moves the elements' bytes if they lie on a sparse page and are not shared; answers whether it did.
    pub(super) fn relocate(&mut self, pages: &mut SparsePages) -> bool {
        match self {
            Chunk::Run(run) => run.relocate(pages),
            Chunk::Plain(bytes) | Chunk::Squeezed { lzf: bytes, .. } => {
                let is_sparse = bytes.first().is_some_and(|first| pages.hold(first));
                if is_sparse {
                    *bytes = bytes.clone();
                }
                is_sparse
            }
            Chunk::Shared(_) => false,
        }
    }

    /// Whether the elements lie there as they are read.
    pub fn is_run(&self) -> bool {
        match self {
            Chunk::Shared(chunk) => chunk.is_run(),
            _ => matches!(self, Chunk::Run(_)),
        }
    }

    /// How many elements there are.
    #[inline]
    pub fn count(&self) -> usize {
        match self {
            Chunk::Run(run) => run.count(),
            Chunk::Plain(_) => 1,
            Chunk::Squeezed { count, .. } => *count,
            Chunk::Shared(chunk) => chunk.count(),
        }
    }

    /// Bytes of the elements, uncompressed.
    pub(super) fn len(&self) -> usize {
        match self {
            Chunk::Run(run) => run.bytes().len(),
            Chunk::Plain(bytes) => bytes.len(),
            Chunk::Squeezed { len, .. } => *len,
            Chunk::Shared(chunk) => chunk.len(),
        }
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        /// Those of what has the chunk.
        const COUNTS: usize = 2 * size_of::<usize>();
        match self {
            Chunk::Run(run) => run.memory(),
            Chunk::Plain(bytes) | Chunk::Squeezed { lzf: bytes, .. } => {
                allocator::good_size(bytes.len())
            }
            Chunk::Shared(chunk) => {
                allocator::good_size(COUNTS + size_of::<Chunk>()) + chunk.memory()
            }
        }
    }

    /// The elements in order, or from the end.
    pub fn iter(&self) -> Iter<'_> {
        match self {
            Chunk::Run(run) => Iter::Run(run.iter()),
            Chunk::Plain(bytes) => Iter::Plain(Some(&bytes[..]).into_iter()),
            Chunk::Squeezed { lzf, len, count } => {
                let bytes = unsqueezed(lzf, *len);
                let copies: Vec<_> = run::Iter::new(&bytes, *count)
                    .map(|value| Element::Copied(value.to_vec()))
                    .collect();
                Iter::Squeezed(copies.into_iter())
            }
            Chunk::Shared(chunk) => chunk.iter(),
        }
    }

    /// The elements in one piece.
    pub fn content(&self) -> Content<'_> {
        match self {
            Chunk::Run(run) => Content::Packed(run.bytes().into(), run.count()),
            Chunk::Plain(bytes) => Content::Plain(bytes),
            Chunk::Squeezed { lzf, len, count } => {
                Content::Packed(unsqueezed(lzf, *len).into(), *count)
            }
            Chunk::Shared(chunk) => chunk.content(),
        }
    }

    /// The run, decompressed if it was not; `None` for a plain element.
    #[inline]
    pub fn run_mut(&mut self) -> Option<&mut Run> {
        self.own();
        if let Chunk::Squeezed { lzf, len, count } = self {
            let run = Run::from_bytes(unsqueezed(lzf, *len), *count);
            *self = Chunk::Run(run);
        }
        match self {
            Chunk::Run(run) => Some(run),
            _ => None,
        }
    }

    /// The run, if this one may become so many elements more, and by so many bytes larger.
    #[inline]
    fn run_with_room(&mut self, count: usize, bytes: usize, layout: &Layout) -> Option<&mut Run> {
        let fits = layout.fits_chunk(
            self.len().saturating_add(bytes),
            self.count().saturating_add(count),
        );
        if fits { self.run_mut() } else { None }
    }

    /// Adds an element at one end, if there is room for it.
    #[inline]
    pub fn push(&mut self, end: End, value: &[u8], layout: &Layout) -> bool {
        if layout.is_plain(value) {
            return false;
        }
        let value = Encoded::new(StringRef::Bytes(value));
        match self.run_with_room(1, value.forward_len(), layout) {
            Some(run) => {
                run.push(end, &value, layout.chunk_bytes());
                true
            }
            None => false,
        }
    }

    /// Puts an element before the one at an index, or at the end, if there is room for it.
    pub fn insert(&mut self, index: usize, value: &[u8], layout: &Layout) -> bool {
        if layout.is_plain(value) {
            return false;
        }
        let value = Encoded::new(StringRef::Bytes(value));
        let run = self.run_with_room(1, value.forward_len(), layout);
        if let Some(run) = run {
            run.insert(index, &value);
            return true;
        }
        false
    }

    /// Puts another element in the place of one, if there is room for it.
    pub fn replace(&mut self, index: usize, value: &[u8], layout: &Layout) -> bool {
        if self.count() == 1 {
            *self = Chunk::of(value, layout);
            return true;
        }
        if layout.is_plain(value) {
            return false;
        }
        let Some(run) = self.run_mut() else {
            return false;
        };
        let value = Encoded::new(StringRef::Bytes(value));
        let len = run.bytes().len() - run.size_of(index) + value.forward_len();
        let fits = layout.fits_chunk(len, run.count());
        if fits {
            run.replace(index, &value);
        }
        fits
    }

    /// Removes the elements that are `wanted`, up to `most` of those nearest to one end; answers how many they were. The
    /// chunk may be without elements afterwards.
    pub fn remove_equal(&mut self, wanted: &Wanted<'_>, end: End, most: usize) -> usize {
        if !self.iter().any(|element| wanted.is(element.as_ref())) {
            return 0;
        }
        match self.run_mut() {
            Some(run) => run.remove_equal(wanted, end, most),
            None => {
                *self = Chunk::Run(Run::default());
                1
            }
        }
    }

    /// Takes the elements from an index on out. There must be some on both sides.
    pub fn split_off(&mut self, index: usize) -> Chunk {
        let run = self.run_mut().expect("a plain element has no inside");
        Chunk::Run(run.split_off(index))
    }

    /// Takes the elements of the next chunk over, if there is room for them; else gives them back.
    pub fn absorb(&mut self, mut next: Chunk, layout: &Layout) -> Option<Chunk> {
        let room = self.run_with_room(next.count(), next.len(), layout);
        match (room, next.run_mut()) {
            (Some(run), Some(rest)) => {
                run.append(rest);
                None
            }
            _ => Some(next),
        }
    }

    /// Gives spare memory back.
    pub fn close(&mut self) {
        if let Chunk::Run(run) = self {
            run.close();
        }
    }

    /// Compresses a run, if that makes it notably smaller.
    pub fn squeeze(&mut self) {
        /// Smaller runs are not worth the effort.
        const MIN_BYTES: usize = 48;
        const MIN_GAIN: usize = 8;
        self.own();
        let Chunk::Run(run) = self else { return };
        let (len, count) = (run.bytes().len(), run.count());
        if len < MIN_BYTES {
            return;
        }
        let lzf = lzf::compress(run.bytes());
        if lzf.len() + MIN_GAIN <= len {
            *self = Chunk::Squeezed {
                lzf: lzf.into(),
                len,
                count,
            };
        }
    }
}

/// The bytes that [`Chunk::squeeze`] compressed.
fn unsqueezed(lzf: &[u8], len: usize) -> Vec<u8> {
    lzf::decompress(lzf, len).expect("it was compressed here")
}

/// The elements of a chunk.
#[derive(Clone, Debug)]
pub enum Iter<'a> {
    /// Of a run.
    Run(run::Iter<'a>),
    /// The only one.
    Plain(option::IntoIter<&'a [u8]>),
    /// Of a compressed run.
    Squeezed(vec::IntoIter<Element<'a>>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Iter::Run(run) => run.next().map(Element::Lying),
            Iter::Plain(bytes) => bytes.next().map(StringRef::Bytes).map(Element::Lying),
            Iter::Squeezed(copies) => copies.next(),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Run(run) => run.next_back().map(Element::Lying),
            Iter::Plain(bytes) => bytes.next_back().map(StringRef::Bytes).map(Element::Lying),
            Iter::Squeezed(copies) => copies.next_back(),
        }
    }
}
