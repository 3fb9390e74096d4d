//! The global allocator: mimalloc through its plain entry points, and a count of what it hands out.
//!
//! An entry is one allocation, so the allocator's size classes are Minium's bytes per key. The stock
//! wrapper crate asks for aligned blocks always, which costs up to 15 bytes on a 96-byte entry, and the next size
//! class for a table's segment; mimalloc already aligns every block to 8 bytes, and to more where the size class
//! allows it. So the aligned call is for what a plain one does not align.
//!
//! What is counted are whole blocks, as mimalloc itself tells their size with each call: what a request is
//! rounded up to is memory as much as the rest.

mod count;
pub mod pages;

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{CStr, c_char, c_void};

use libmimalloc_sys as mi;

pub use count::{DRIFT, exact_total as allocated_exactly, total as allocated};

/// Blocks up to this alignment come from the plain calls.
const NATURAL_ALIGNMENT: usize = 8;

/// The calls that also tell the size of the block, which the binding does not name.
mod sized {
    use std::ffi::c_void;

    unsafe extern "C" {
        pub(super) fn mi_umalloc(size: usize, block: *mut usize) -> *mut c_void;
        pub(super) fn mi_uzalloc(size: usize, block: *mut usize) -> *mut c_void;
        pub(super) fn mi_umalloc_aligned(
            size: usize,
            alignment: usize,
            block: *mut usize,
        ) -> *mut c_void;
        pub(super) fn mi_uzalloc_aligned(
            size: usize,
            alignment: usize,
            block: *mut usize,
        ) -> *mut c_void;
        pub(super) fn mi_urealloc(
            old: *mut c_void,
            size: usize,
            old_block: *mut usize,
            new_block: *mut usize,
        ) -> *mut c_void;
        pub(super) fn mi_ufree(block: *mut c_void, size: *mut usize);
    }
}

/// mimalloc as the process-wide allocator.
pub struct MiMalloc;

/// Counts a block that was handed out; nothing if mimalloc refused.
#[inline]
fn handed_out(block: *mut c_void, size: usize) -> *mut u8 {
    if !block.is_null() {
        count::add(size.cast_signed());
    }
    block.cast()
}

// SAFETY: each call hands the layout to mimalloc unchanged and returns its block or null; blocks of the
// plain and of the aligned calls may both be given to `mi_ufree`. Sizes of blocks go to live local words.
unsafe impl GlobalAlloc for MiMalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut size = 0;
        // SAFETY: any size may be asked for.
        let block = unsafe { sized::mi_umalloc(layout.size(), &mut size) };
        if layout.align() <= NATURAL_ALIGNMENT || block.addr() % layout.align() == 0 {
            return handed_out(block, size);
        }
        // SAFETY: the block is fresh and of no use; a `Layout`'s alignment is a power of two.
        let block = unsafe {
            mi::mi_free(block);
            sized::mi_umalloc_aligned(layout.size(), layout.align(), &mut size)
        };
        handed_out(block, size)
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let mut size = 0;
        let block = if layout.align() <= NATURAL_ALIGNMENT {
            // SAFETY: as in `alloc`.
            unsafe { sized::mi_uzalloc(layout.size(), &mut size) }
        } else {
            // SAFETY: as in `alloc`.
            unsafe { sized::mi_uzalloc_aligned(layout.size(), layout.align(), &mut size) }
        };
        handed_out(block, size)
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        let mut size = 0;
        // SAFETY: the caller gives a live block of this allocator.
        unsafe { sized::mi_ufree(block.cast(), &mut size) }
        count::add(-size.cast_signed());
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Left to itself, mimalloc keeps a block until less than half of it is used: whoever shrinks one wants the rest back.
        let shrinks = new_size < layout.size() && good_size(new_size) < good_size(layout.size());
        if shrinks || layout.align() > NATURAL_ALIGNMENT {
            // SAFETY: the caller promises that the new size makes a layout, and gives a live block of the old one.
            unsafe {
                let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
                let new_block = self.alloc(new_layout);
                if !new_block.is_null() {
                    block.copy_to_nonoverlapping(new_block, layout.size().min(new_size));
                    self.dealloc(block, layout);
                }
                return new_block;
            }
        }
        let (mut old, mut new) = (0, 0);
        // SAFETY: the caller gives a live block of this allocator.
        let moved = unsafe { sized::mi_urealloc(block.cast(), new_size, &mut old, &mut new) };
        handed_out(moved, new.wrapping_sub(old))
    }
}

/// The bytes that a block of `size` bytes really takes; there is no block of none.
pub fn good_size(size: usize) -> usize {
    /// Blocks of this size and more have pages of their own, of which mimalloc takes more for larger ones.
    const SINGLE: usize = 512 << 10;
    if size == 0 {
        return 0;
    }
    if size < SINGLE {
        // SAFETY: a pure function of the size.
        return unsafe { mi::mi_good_size(size) };
    }
    let step = match size >> 20 {
        0..2 => 64 << 10,
        2..8 => 256 << 10,
        8..32 => 1 << 20,
        _ => 4 << 20,
    };
    size.checked_next_multiple_of(step).unwrap_or(size)
}

/// mimalloc's own statistics, as text for people.
pub fn statistics() -> String {
    unsafe extern "C" fn append(line: *const c_char, text: *mut c_void) {
        if !line.is_null() {
            // SAFETY: mimalloc gives a string that ends with a zero byte, and hands on the pointer below.
            unsafe { (*text.cast::<String>()).push_str(&CStr::from_ptr(line).to_string_lossy()) }
        }
    }
    let mut text = String::new();
    // SAFETY: the pointer is to a live local string, and only used during the call.
    unsafe { mi::mi_stats_print_out(Some(append), (&raw mut text).cast()) }
    text
}
