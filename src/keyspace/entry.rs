//! An entry: one allocation that holds a key, its expiry and, when it is short, the value itself: a string, an integer or
//! a packed collection.
//!
//! ```text
//!  0      1         2        4              8
//!  +------+---------+--------+--------------+- - - - - -+- - - - - +- - - - - -+-----+- - - - -+
//!  | form | key len | length | access clock | deadline  | payload  | long len  | key | inline  |
//!  | u8   | u8      | u16    | u32          | u64       | u64      | u32       |     | value   |
//!  +------+---------+--------+--------------+- - - - - -+- - - - - +- - - - - -+-----+- - - - -+
//!                                            HAS_DEADLINE int, object LONG_KEY        inline, packed
//! ```
//!
//! The form is the value's kind and some flags; the dashed parts are there only when the flag or kind below them says so. The table keeps the pointer; a hit costs
//! the bucket's line and this one. Everything is 8-byte aligned and the size is rounded up to 8, so that a value
//! may be overwritten in place by another one of the same rounded size.
//!
//! This file holds the keyspace's pointer arithmetic; the rest sees [`Entry`], [`EntryRef`] and [`EntryMut`].

mod form;
mod value;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::table::{Stored, hash};
use crate::types::string::{StringMut, StringRef};
use crate::types::{Collection, Object, WrongType};
pub use form::Generation;
use form::{Form, HAS_DEADLINE, HEADER, Header, IN_PART, Kind, LONG_KEY, LONG_KEY_FROM, Shape};
pub use value::{MAX_INLINE, MAX_INLINE_PACKED, NewValue, ValueMut, ValueRef};

/// An owned entry.
#[derive(Debug)]
pub struct Entry(NonNull<u8>);

/// A shared look at an entry.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a>(NonNull<u8>, PhantomData<&'a Entry>);

/// An exclusive look at an entry.
#[derive(Debug)]
pub struct EntryMut<'a>(NonNull<u8>, PhantomData<&'a mut Entry>);

// SAFETY: an entry owns its allocation and, through it, an `Object`, which is Send; nothing is shared.
unsafe impl Send for Entry where Object: Send {}
// SAFETY: a shared entry only gives shared access to plain bytes and to an `Object`, which is Sync.
unsafe impl Sync for Entry where Object: Sync {}

impl Entry {
    /// Builds an entry; `deadline` is in milliseconds since the epoch.
    ///
    /// A string longer than [`MAX_INLINE`] is moved into an [`Object`]. Keys longer than 4 GiB are refused by the
    /// request parser's limits; one that came here would panic.
    pub fn new(key: &[u8], value: NewValue<'_>, deadline: Option<u64>) -> Entry {
        let (kind, inline, payload): (Kind, &[u8], u64) = match value {
            NewValue::Int(n) => (Kind::Int, &[], n.cast_unsigned()),
            NewValue::Bytes(bytes) if bytes.len() <= MAX_INLINE => (Kind::Inline, bytes, 0),
            NewValue::Bytes(bytes) => {
                let object = Box::new(Object::String(bytes.to_vec()));
                (
                    Kind::Object,
                    &[],
                    Box::into_raw(object).expose_provenance() as u64,
                )
            }
            NewValue::Packed(packing, bytes) => {
                assert!(
                    bytes.len() <= MAX_INLINE_PACKED,
                    "a long packed collection is an object"
                );
                (Kind::packed(packing), bytes, 0)
            }
            NewValue::Object(object) => (
                Kind::Object,
                &[],
                Box::into_raw(object).expose_provenance() as u64,
            ),
        };
        let long = key.len() >= LONG_KEY_FROM;
        let flags =
            if deadline.is_some() { HAS_DEADLINE } else { 0 } | if long { LONG_KEY } else { 0 };
        let form = Form::new(kind, flags);
        let shape = Shape::of(form, key.len(), inline.len());
        let layout = layout(shape.size);
        // SAFETY: the layout's size is at least the header's.
        let Some(base) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        let header = Header {
            form,
            key_length: if long { u8::MAX } else { key.len() as u8 },
            length: inline.len() as u16,
            access: 0,
        };
        // SAFETY: `Shape::of` places every part inside `shape.size` bytes, and the words at multiples of 8
        // (the long key length at a multiple of 4); key and value do not overlap the fresh block.
        unsafe {
            base.cast::<Header>().write(header);
            if let Some(deadline) = deadline {
                base.add(HEADER).cast::<u64>().write(deadline);
            }
            if kind.has_payload() {
                base.add(shape.payload).cast::<u64>().write(payload);
            }
            if long {
                let length = u32::try_from(key.len()).expect("keys are shorter than 4 GiB");
                base.add(shape.key - 4).cast::<u32>().write(length);
            }
            base.add(shape.key)
                .copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            base.add(shape.value)
                .copy_from_nonoverlapping(NonNull::from(inline).cast(), inline.len());
        }
        Entry(base)
    }

    /// A shared look.
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef(self.0, PhantomData)
    }

    /// An exclusive look.
    pub fn as_mut(&mut self) -> EntryMut<'_> {
        EntryMut(self.0, PhantomData)
    }

    /// The same entry with another deadline; moves it only when a deadline comes or goes.
    pub fn with_deadline(mut self, deadline: Option<u64>) -> Entry {
        if let (Some(_), Some(deadline)) = (self.as_ref().deadline(), deadline) {
            self.as_mut().replace_deadline(deadline);
            return self;
        }
        if self.as_ref().deadline().is_none() && deadline.is_none() {
            return self;
        }
        let look = self.as_ref();
        let access = look.access();
        let value = match look.value() {
            ValueRef::Object(_) => {
                // SAFETY: the pointer came from `Box::into_raw`; it is moved out here, and below only
                // the block that held it is freed.
                NewValue::Object(unsafe { Box::from_raw(look.object_pointer()) })
            }
            inside => inside.copied(),
        };
        let mut moved = Entry::new(look.key(), value, deadline);
        moved.as_mut().set_access(access);
        moved.as_mut().set_snapshot_bits(look.snapshot_bits());
        self.free_block();
        moved
    }

    /// The same value under another name; an object moves and is not copied.
    pub fn renamed(self, key: &[u8]) -> Entry {
        let look = self.as_ref();
        let (deadline, access) = (look.deadline(), look.access());
        let bits = look.snapshot_bits();
        let mut renamed = match look.value() {
            ValueRef::Object(_) => {
                let object = self.into_object().expect("just seen");
                Entry::new(key, NewValue::Object(object), deadline)
            }
            _ => look.copy_as(key, deadline),
        };
        renamed.as_mut().set_access(access);
        renamed.as_mut().set_snapshot_bits(bits);
        renamed
    }

    /// The same entry in another block.
    pub fn moved(self) -> Entry {
        // What the payload points to belongs to the copy from now on, and the block below is freed without it.
        let base = self.as_ref().copy_block();
        self.free_block();
        Entry(base)
    }

    /// Takes the value out if it has a home of its own.
    pub fn into_object(self) -> Option<Box<Object>> {
        let look = self.as_ref();
        if look.header().form.kind() != Kind::Object {
            return None;
        }
        // SAFETY: the pointer came from `Box::into_raw`, and the entry's block is freed without it.
        let object = unsafe { Box::from_raw(look.object_pointer()) };
        self.free_block();
        Some(object)
    }

    /// Frees the block and not what the payload points to.
    fn free_block(self) {
        let layout = layout(self.as_ref().shape().size);
        let base = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: `base` came from `alloc` with this layout, and nobody uses it after.
        unsafe { dealloc(base.as_ptr(), layout) }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let look = self.as_ref();
        let layout = layout(look.shape().size);
        if look.header().form.kind() == Kind::Object {
            // SAFETY: the pointer came from `Box::into_raw` and is dropped once, here.
            drop(unsafe { Box::from_raw(look.object_pointer()) });
        }
        // SAFETY: the block came from `alloc` with this layout.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("an entry is smaller than the address space")
}

impl<'a> EntryRef<'a> {
    #[inline]
    fn header(self) -> Header {
        // SAFETY: every entry begins with a header.
        unsafe { self.0.cast::<Header>().read() }
    }

    #[inline]
    fn shape(self) -> Shape {
        let header = self.header();
        let key_length = if !header.form.has(LONG_KEY) {
            usize::from(header.key_length)
        } else {
            let short = Shape::of(header.form, 0, 0);
            // SAFETY: with LONG_KEY the four bytes before the key hold its length.
            unsafe { self.0.add(short.key - 4).cast::<u32>().read() as usize }
        };
        Shape::of(header.form, key_length, usize::from(header.length))
    }

    /// The key.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: the key's bytes are initialised and live as long as the entry.
        unsafe { std::slice::from_raw_parts(self.0.add(shape.key).as_ptr(), shape.key_length) }
    }

    /// The value.
    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        let header = self.header();
        let shape = self.shape();
        match header.form.kind() {
            // SAFETY: the payload word of this kind is an initialised integer.
            Kind::Int => ValueRef::Int(unsafe { self.0.add(shape.payload).cast::<i64>().read() }),
            // SAFETY: the payload is a live `Box<Object>`, borrowed as long as the entry.
            Kind::Object => ValueRef::Object(unsafe { &*self.object_pointer() }),
            kind => {
                // SAFETY: `length` bytes behind the key are initialised.
                let bytes = unsafe {
                    std::slice::from_raw_parts(
                        self.0.add(shape.value).as_ptr(),
                        usize::from(header.length),
                    )
                };
                kind.packing().map_or(ValueRef::Inline(bytes), |packing| {
                    ValueRef::Packed(packing, bytes)
                })
            }
        }
    }

    /// The value as a string.
    #[inline]
    pub fn string(self) -> Result<StringRef<'a>, WrongType> {
        self.value().string()
    }

    /// The value as a collection of type `T`.
    #[inline]
    pub fn collection<T: Collection>(self) -> Result<T::Ref<'a>, WrongType> {
        self.value().collection::<T>()
    }

    /// A copy under another name, with another deadline; the value is copied whole.
    pub fn copy_as(self, key: &[u8], deadline: Option<u64>) -> Entry {
        Entry::new(key, self.value().copied(), deadline)
    }

    /// An entry that is equal to this one in all respects and shares nothing with it.
    pub fn twin(self) -> Entry {
        if self.header().form.kind() != Kind::Object {
            return Entry(self.copy_block());
        }
        let mut twin = self.copy_as(self.key(), self.deadline());
        twin.as_mut().set_access(self.access());
        twin.as_mut().set_snapshot_bits(self.snapshot_bits());
        twin
    }

    /// Another block of the same bytes.
    fn copy_block(self) -> NonNull<u8> {
        let size = self.shape().size;
        let layout = layout(size);
        // SAFETY: an entry's size is at least the header's.
        let Some(base) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        // SAFETY: both blocks have `size` bytes and do not overlap.
        unsafe { base.copy_from_nonoverlapping(self.0, size) }
        base
    }

    /// Whether the entry is of this generation, and no snapshot is still at work on it.
    #[inline]
    pub fn is_of(self, generation: Generation) -> bool {
        self.snapshot_bits() == generation.bits()
    }

    /// Whether a snapshot has begun with the entry's value and not come to its end.
    #[inline]
    pub fn is_in_part(self) -> bool {
        self.header().form.has(IN_PART)
    }

    #[inline]
    fn snapshot_bits(self) -> u8 {
        self.header().form.snapshot_bits()
    }

    /// The moment from which the entry is dead, in milliseconds since the epoch.
    #[inline]
    pub fn deadline(self) -> Option<u64> {
        if !self.header().form.has(HAS_DEADLINE) {
            return None;
        }
        // SAFETY: with HAS_DEADLINE the word behind the header is the deadline.
        Some(unsafe { self.0.add(HEADER).cast::<u64>().read() })
    }

    /// The bits of the access clock (see [`super::access`]).
    #[inline]
    pub fn access(self) -> u32 {
        self.header().access
    }

    /// The first byte of the entry's own block.
    pub fn block(self) -> &'a u8 {
        // SAFETY: every entry begins with an initialised byte, its form.
        unsafe { self.0.as_ref() }
    }

    /// Bytes of the entry's own block, before the allocator's rounding.
    pub fn size(self) -> usize {
        self.shape().size
    }

    fn object_pointer(self) -> *mut Object {
        debug_assert!(self.header().form.kind() == Kind::Object);
        let shape = self.shape();
        // SAFETY: the payload word of this kind is an initialised address.
        let address = unsafe { self.0.add(shape.payload).cast::<u64>().read() };
        std::ptr::with_exposed_provenance_mut(address as usize)
    }
}

impl<'a> EntryMut<'a> {
    /// A shared look.
    #[inline]
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef(self.0, PhantomData)
    }

    /// The value, for changing it in place.
    #[inline]
    pub fn into_value(self) -> ValueMut<'a> {
        let look: EntryRef<'a> = EntryRef(self.0, PhantomData);
        let shape = look.shape();
        match look.header().form.kind() {
            // SAFETY: the payload word of this kind is an initialised integer, 8-byte aligned, and this borrow is
            // exclusive.
            Kind::Int => ValueMut::Int(unsafe { self.0.add(shape.payload).cast::<i64>().as_mut() }),
            // SAFETY: `length` bytes behind the key are initialised, and this borrow is exclusive.
            Kind::Inline => ValueMut::Inline(unsafe {
                std::slice::from_raw_parts_mut(
                    self.0.add(shape.value).as_ptr(),
                    usize::from(look.header().length),
                )
            }),
            // SAFETY: the payload is a live `Box<Object>`, and this borrow is exclusive.
            Kind::Object => ValueMut::Object(unsafe { &mut *look.object_pointer() }),
            _ => match look.value() {
                ValueRef::Packed(packing, bytes) => ValueMut::Packed(packing, bytes),
                _ => unreachable!("all other kinds are packed collections"),
            },
        }
    }

    /// The value as a string, for changing it in place.
    #[inline]
    pub fn into_string(self) -> Result<StringMut<'a>, WrongType> {
        self.into_value().string()
    }

    /// Overwrites the value where it lies, if the new one takes the same rounded size and the entry needs
    /// no field that it lacks; answers whether it did.
    ///
    /// `deadline` is the deadline after the write.
    #[inline]
    pub fn overwrite(&mut self, value: &NewValue<'_>, deadline: Option<u64>) -> bool {
        let look = self.as_ref();
        let header = look.header();
        if header.form.has(HAS_DEADLINE) != deadline.is_some() {
            return false;
        }
        let shape = look.shape();
        let (kind, bytes) = match value {
            NewValue::Int(n) if header.form.kind() == Kind::Int => {
                // SAFETY: the payload word of this kind is an integer, and `self` is exclusive.
                unsafe { self.0.add(shape.payload).cast::<i64>().write(*n) }
                (Kind::Int, &[][..])
            }
            NewValue::Bytes(bytes) if bytes.len() <= MAX_INLINE => (Kind::Inline, *bytes),
            NewValue::Packed(packing, bytes) => (Kind::packed(*packing), *bytes),
            NewValue::Int(_) | NewValue::Bytes(_) | NewValue::Object(_) => return false,
        };
        if kind.has_payload() != header.form.kind().has_payload()
            || (shape.value + bytes.len()).next_multiple_of(8) != shape.size
        {
            return false;
        }
        // SAFETY: the bytes fit the block as just checked, cannot overlap it (`self` is exclusive), and the header keeps
        // telling what they are and their number. An entry with a payload word gets none.
        unsafe {
            self.0
                .add(shape.value)
                .copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            self.0.cast::<Header>().write(Header {
                form: Form::new(kind, header.form.flags()),
                length: bytes.len() as u16,
                ..header
            });
        }
        if let Some(deadline) = deadline {
            self.replace_deadline(deadline);
        }
        true
    }

    /// Puts a value that has a home of its own into another one.
    pub fn move_object(&mut self) {
        let look = self.as_ref();
        if look.header().form.kind() != Kind::Object {
            return;
        }
        // SAFETY: the pointer came from `Box::into_raw`; the address below takes its place, and `self` is exclusive.
        unsafe {
            let object = Box::from_raw(look.object_pointer());
            let moved = Box::into_raw(Box::new(*object)).expose_provenance() as u64;
            self.0.add(look.shape().payload).cast::<u64>().write(moved);
        }
    }

    /// Moves an existing deadline. The entry must have one.
    #[inline]
    pub fn replace_deadline(&mut self, deadline: u64) {
        assert!(self.as_ref().header().form.has(HAS_DEADLINE));
        // SAFETY: with HAS_DEADLINE the word behind the header is the deadline, and `self` is exclusive.
        unsafe { self.0.add(HEADER).cast::<u64>().write(deadline) }
    }

    /// Sets the bits of the access clock.
    #[inline]
    pub fn set_access(&mut self, access: u32) {
        let header = self.as_ref().header();
        // SAFETY: every entry begins with a header, and `self` is exclusive.
        unsafe { self.0.cast::<Header>().write(Header { access, ..header }) }
    }

    /// Says of which generation the entry is; no snapshot is at work on it then.
    #[inline]
    pub fn set_generation(&mut self, generation: Generation) {
        self.set_snapshot_bits(generation.bits());
    }

    /// Says that a snapshot has begun with the entry's value.
    pub fn set_in_part(&mut self) {
        self.set_snapshot_bits(self.as_ref().snapshot_bits() | IN_PART);
    }

    /// Takes over access clock, generation and whether a snapshot is at work on it from an entry of the same key.
    pub fn inherit(&mut self, former: EntryRef<'_>) {
        self.set_access(former.access());
        self.set_snapshot_bits(former.snapshot_bits());
    }

    #[inline]
    fn set_snapshot_bits(&mut self, bits: u8) {
        let header = self.as_ref().header();
        let form = header.form.with_snapshot_bits(bits);
        // SAFETY: every entry begins with a header, `self` is exclusive, and the form's kind stays.
        unsafe { self.0.cast::<Header>().write(Header { form, ..header }) }
    }
}

// SAFETY: `into_raw` gives the address of the entry's own block, which the allocator aligns to 8 and places in the
// lower half of the address space (below 2^47 on every supported system); `from_raw` takes the same address back.
unsafe impl Stored for Entry {
    type Ref<'a> = EntryRef<'a>;
    type Mut<'a> = EntryMut<'a>;

    #[inline]
    fn into_raw(self) -> NonNull<u8> {
        std::mem::ManuallyDrop::new(self).0
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<u8>) -> Entry {
        Entry(raw)
    }

    #[inline]
    unsafe fn as_ref<'a>(raw: NonNull<u8>) -> EntryRef<'a> {
        EntryRef(raw, PhantomData)
    }

    #[inline]
    unsafe fn as_mut<'a>(raw: NonNull<u8>) -> EntryMut<'a> {
        EntryMut(raw, PhantomData)
    }

    #[inline]
    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8] {
        item.key()
    }

    fn rehash(key: &[u8]) -> u64 {
        hash::of(key)
    }
}

#[cfg(test)]
mod tests;
