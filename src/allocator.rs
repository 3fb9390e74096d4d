//! The global allocator: mimalloc through its plain entry points.
//!
//! An entry is one allocation, so the allocator's size classes are Minium's bytes per key. The stock
//! wrapper crate asks for aligned blocks always, which costs up to 15 bytes on a 96-byte entry; mimalloc
//! already aligns every block to 8 bytes, and to 16 where the size allows it, so only larger alignments
//! need the aligned call.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mi;

/// Blocks up to this alignment come from the plain calls.
const NATURAL_ALIGNMENT: usize = 8;

/// mimalloc as the process-wide allocator.
pub struct MiMalloc;

// SAFETY: each call hands the layout to mimalloc unchanged and returns its block or null; blocks of the
// plain and of the aligned calls may both be given to `mi_free` and `mi_realloc*`.
unsafe impl GlobalAlloc for MiMalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= NATURAL_ALIGNMENT {
            // SAFETY: any size may be asked for.
            unsafe { mi::mi_malloc(layout.size()).cast() }
        } else {
            // SAFETY: a `Layout`'s alignment is a power of two.
            unsafe { mi::mi_malloc_aligned(layout.size(), layout.align()).cast() }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= NATURAL_ALIGNMENT {
            // SAFETY: as in `alloc`.
            unsafe { mi::mi_zalloc(layout.size()).cast() }
        } else {
            // SAFETY: as in `alloc`.
            unsafe { mi::mi_zalloc_aligned(layout.size(), layout.align()).cast() }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller gives a live block of this allocator.
        unsafe { mi::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if layout.align() <= NATURAL_ALIGNMENT {
            // SAFETY: the caller gives a live block of this allocator.
            unsafe { mi::mi_realloc(block.cast(), new_size).cast() }
        } else {
            // SAFETY: as above, and the alignment is the block's own.
            unsafe { mi::mi_realloc_aligned(block.cast(), new_size, layout.align()).cast() }
        }
    }
}

/// `mi_option_purge_delay` of mimalloc 3, which the binding does not name.
const PURGE_DELAY: mi::mi_option_t = 15;
/// How long unused pages are kept before they go back to the system, in milliseconds. The default is a second, and a
/// table that grows leaves some 8 bytes a key of outgrown segments behind until then.
const PURGE_DELAY_MS: i64 = 100;

/// Sets the allocator up; to be called once, at start.
pub fn configure() {
    // SAFETY: the option exists in this version of mimalloc, and takes milliseconds.
    unsafe { mi::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) }
}

/// The bytes that a block of `size` bytes really takes.
pub fn good_size(size: usize) -> usize {
    // SAFETY: a pure function of the size.
    unsafe { mi::mi_good_size(size) }
}

/// Gives unused pages back to the system, for the calling thread's heap.
pub fn purge() {
    // SAFETY: may be called at any time.
    unsafe { mi::mi_collect(true) }
}

/// What the process holds, as the allocator sees it, in bytes. What of it is resident at the moment only the system
/// can tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessMemory {
    /// Highest resident set size so far.
    pub peak_resident: usize,
    /// Memory committed by the allocator now.
    pub committed: usize,
}

/// Asks the allocator for the process's memory figures; a few system calls.
pub fn process_memory() -> ProcessMemory {
    let (mut elapsed, mut user, mut system) = (0, 0, 0);
    let (mut resident, mut peak_resident) = (0, 0);
    let (mut committed, mut peak_committed, mut faults) = (0, 0, 0);
    // SAFETY: all eight pointers are to live local words.
    unsafe {
        mi::mi_process_info(
            &mut elapsed,
            &mut user,
            &mut system,
            &mut resident,
            &mut peak_resident,
            &mut committed,
            &mut peak_committed,
            &mut faults,
        );
    }
    ProcessMemory {
        peak_resident,
        committed,
    }
}
