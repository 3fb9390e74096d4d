//! A slot: eight bytes that own an entry. All of the table's `unsafe` is here.
//!
//! ```text
//! 63            48 47                                      3 2   0
//! | window, high  | bits 3 to 47 of the entry's address     | marks |
//! ```
//!
//! Zero is the empty slot; no owning pointer is null, so no full slot is zero. A full slot owns its
//! entry: it frees it when dropped, lends it for as long as the slot is borrowed, and cannot be copied.
//! That is the invariant which lets every other file of the table be safe code.

use std::marker::PhantomData;
use std::ptr::{NonNull, with_exposed_provenance_mut};

const HIGH_SHIFT: u32 = 48;
const MARKS: u64 = 0b111;
const ADDRESS: u64 = ((1 << HIGH_SHIFT) - 1) & !MARKS;

/// What a table can hold: an owning pointer that fits a slot.
///
/// # Safety
///
/// - `into_raw` returns an address that is a multiple of 8 and below 2⁴⁸.
/// - `from_raw` gives back the very item that `into_raw` took apart; in between it may be lent with
///   `as_ref` and `as_mut` any number of times.
/// - Sharing `Ref` between threads is sound if `Self: Sync`, sending `Mut` if `Self: Send`.
pub unsafe trait Stored: Sized {
    /// A shared view of the item.
    type Ref<'a>: Copy;
    /// An exclusive view of the item. It must not change the key.
    type Mut<'a>;

    /// Gives up the item for its address.
    fn into_raw(self) -> NonNull<u8>;

    /// Takes the item back.
    ///
    /// # Safety
    ///
    /// `raw` comes from `into_raw`, is taken back once, and no view of it is alive.
    unsafe fn from_raw(raw: NonNull<u8>) -> Self;

    /// Lends the item.
    ///
    /// # Safety
    ///
    /// `raw` comes from `into_raw`; for `'a` it is neither taken back nor lent exclusively.
    unsafe fn as_ref<'a>(raw: NonNull<u8>) -> Self::Ref<'a>;

    /// Lends the item exclusively.
    ///
    /// # Safety
    ///
    /// `raw` comes from `into_raw`; for `'a` it is neither taken back nor lent otherwise.
    unsafe fn as_mut<'a>(raw: NonNull<u8>) -> Self::Mut<'a>;

    /// The key of the item. Implementations must write `Self::Ref<'a>` here, too.
    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8];

    /// The hash under which the key was inserted.
    fn rehash(key: &[u8]) -> u64;
}

/// Eight bytes that are empty or own a `T`.
#[repr(transparent)]
pub(super) struct Slot<T: Stored> {
    bits: u64,
    owned: PhantomData<T>,
}

impl<T: Stored> Slot<T> {
    pub(super) const EMPTY: Self = Self {
        bits: 0,
        owned: PhantomData,
    };

    /// A slot that owns `item`, its marks zero.
    pub(super) fn new(high: u16, item: T) -> Self {
        Self {
            bits: u64::from(high) << HIGH_SHIFT | address_of(item),
            owned: PhantomData,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// The upper bits of the key's window; zero if the slot is empty.
    pub(super) fn high(&self) -> u16 {
        (self.bits >> HIGH_SHIFT) as u16
    }

    pub(super) fn marks(&self) -> u8 {
        (self.bits & MARKS) as u8
    }

    /// Sets the marks of a full slot; an empty one stays as it is.
    pub(super) fn set_marks(&mut self, marks: u8) {
        if !self.is_empty() {
            self.bits = self.bits & !MARKS | u64::from(marks) & MARKS;
        }
    }

    pub(super) fn item(&self) -> Option<T::Ref<'_>> {
        // SAFETY: a full slot owns what `into_raw` gave, and the loan ends with the borrow of the slot.
        self.raw().map(|raw| unsafe { T::as_ref(raw) })
    }

    pub(super) fn item_mut(&mut self) -> Option<T::Mut<'_>> {
        // SAFETY: as in `item`, and the slot is borrowed exclusively.
        self.raw().map(|raw| unsafe { T::as_mut(raw) })
    }

    /// Empties the slot.
    pub(super) fn take(&mut self) -> Option<T> {
        let raw = self.raw()?;
        self.bits = 0;
        // SAFETY: the slot owned the item and, empty now, will not give it out again; `&mut self`
        // proves that nothing is lent.
        Some(unsafe { T::from_raw(raw) })
    }

    /// Passes the item through `change`, keeping window and marks. An empty slot stays as it is.
    pub(super) fn update(&mut self, change: impl FnOnce(T) -> T) {
        let kept = self.bits & !ADDRESS;
        if let Some(item) = self.take() {
            self.bits = kept | address_of(change(item));
        }
    }

    /// Asks for the first 128 bytes of the item to be brought near.
    pub(super) fn prefetch(&self) {
        let address = with_exposed_provenance_mut::<u8>((self.bits & ADDRESS) as usize);
        prefetch(address);
        prefetch(address.wrapping_add(64));
    }

    fn raw(&self) -> Option<NonNull<u8>> {
        NonNull::new(with_exposed_provenance_mut((self.bits & ADDRESS) as usize))
    }
}

impl<T: Stored> Default for Slot<T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<T: Stored> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

fn address_of<T: Stored>(item: T) -> u64 {
    let address = item.into_raw().expose_provenance().get() as u64;
    debug_assert_eq!(address & !ADDRESS, 0, "the address does not fit a slot");
    address
}

/// Asks for the cache line at `address` to be brought near. Any address will do.
pub(super) fn prefetch<U>(address: *const U) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint; it neither reads for the program nor faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

const _: () = assert!(size_of::<usize>() == 8, "a slot packs a 64-bit address");
