//! The pages that the allocator's memory lies on: when they are huge, and when unused ones go back to the system.
//!
//! Huge pages save a large cache up to a fifth of its processor time, and cost a small one several megabytes, as every
//! corner that is used takes two of them. So they come into use when there is enough to fill them.
//!
//! mimalloc gives unused pages back on whichever thread allocates next, and that can take it several milliseconds. Here a
//! thread that nobody waits for does it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use libmimalloc_sys as mi;
use rustix::thread::disable_transparent_huge_pages;
use tracing::debug;

/// `mi_option_purge_delay` of mimalloc 3, which the binding does not name.
const PURGE_DELAY: mi::mi_option_t = 15;
/// After how many milliseconds any thread would give unused pages back: a day, which [`tend`] does not let pass.
const PURGE_DELAY_MS: i64 = 24 * 60 * 60 * 1000;

/// `mi_option_page_reclaim_on_free`: 1 lets the thread that frees a block of a page which no thread holds take that page, though
/// another one filled it. So pages whose blocks went come into use again, whoever's keys they held.
const RECLAIM_ON_FREE: mi::mi_option_t = 35;

/// `mi_option_generic_collect`: after how many refills of its free lists a thread looks through all its pages for blocks that
/// others have freed. It finds these anyway when it needs such blocks; to look for all at once takes it 50 ms and more where
/// others evict what it stored.
const GENERIC_COLLECT: mi::mi_option_t = 34;
/// The most that mimalloc takes.
const SELDOM: i64 = 1_000_000;

/// Bytes handed out from which on huge pages are worth it.
const LARGE: usize = 32 << 20;

/// Whether new memory may lie on huge pages.
static HUGE: AtomicBool = AtomicBool::new(true);

/// To be called once, at start, before other threads are.
pub fn configure() {
    // SAFETY: the options exist in this version of mimalloc; the first takes milliseconds.
    unsafe {
        mi::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS);
        mi::mi_option_set(RECLAIM_ON_FREE, 1);
        mi::mi_option_set(GENERIC_COLLECT, SELDOM);
    }
    // A system that knows no such switch has no huge pages, either.
    if disable_transparent_huge_pages(true).is_ok() {
        HUGE.store(false, Relaxed);
    }
}

/// Does what is due; to be called some ten times a second, by one thread.
pub fn tend() {
    if !HUGE.load(Relaxed) && super::allocated() >= LARGE {
        HUGE.store(true, Relaxed);
        if let Err(error) = disable_transparent_huge_pages(false) {
            debug!("Huge pages stay off: {error}");
        }
    }
    purge();
}

/// Whether a block lies on a page of which no more than `percent` are in use, so that it had better move; not, if new blocks
/// come from that page now, or no thread holds it.
pub fn is_sparse<T>(block: &T, percent: usize) -> bool {
    let block = std::ptr::from_ref(block).cast_mut().cast();
    // SAFETY: mimalloc looks up the page of any address, if it has one. It reads counters and links that other threads may be
    // writing, each a single word, and follows none of them: at worst the answer is out of date.
    unsafe { mi::mi_unsafe_heap_page_is_under_utilized(std::ptr::null_mut(), block, percent) }
}

/// Gives unused pages back to the system: those that no thread's heap holds, and those of the calling thread's heap. Takes some
/// tens of milliseconds per gigabyte given back.
pub fn purge() {
    // SAFETY: may be called at any time.
    unsafe { mi::mi_collect(true) }
}

/// Takes back what other threads have freed of the calling thread's memory, so that [`tend`] can give it to the system. Some
/// ten nanoseconds for each page that is partly in use.
pub fn collect() {
    // SAFETY: may be called at any time.
    unsafe { mi::mi_collect(false) }
}
