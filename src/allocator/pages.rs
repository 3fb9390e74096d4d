//! The pages that the allocator's memory lies on: when they are huge, and when unused ones go back to the system.
//!
//! mimalloc gives unused pages back on whichever thread allocates next, and that can take it several milliseconds. Here a
//! thread that nobody waits for does it. Pages belong to all threads as far as possible, so that blocks which one thread
//! makes and another frees do not have to wait for the first to look for them.
//!
//! Huge pages are off unless `disable-thp no` asks for them, as in Redis: a worker that needs a new one has to wait until
//! all of it is cleared, which takes 8 ms where a virtual machine gets its memory from the host at that moment.

use std::collections::HashSet;
use std::ffi::c_void;
use std::ops::RangeInclusive;

use libmimalloc_sys as mi;
use rustix::thread::disable_transparent_huge_pages;
use tracing::warn;

/// `mi_option_purge_delay` of mimalloc 3, which the binding does not name.
const PURGE_DELAY: mi::mi_option_t = 15;
/// After how many milliseconds any thread would give unused pages back: a day, which [`purge`] is not let pass.
const PURGE_DELAY_MS: i64 = 24 * 60 * 60 * 1000;

/// `mi_option_page_reclaim_on_free`: -1 leaves a page that no thread holds, as those do that were once full, to itself when a
/// block of it is freed. It goes with its last block, whoever frees that, and until then whoever needs a page of this size
/// takes it. In the hands of a thread it would wait until that thread looks at it again.
const RECLAIM_ON_FREE: mi::mi_option_t = 35;

/// `mi_option_generic_collect`: after how many refills of its free lists a thread looks through all its pages for blocks that
/// others have freed, which can take it 50 ms. There is little to find, and it finds that anyway when it needs such blocks.
const GENERIC_COLLECT: mi::mi_option_t = 34;
/// The most that mimalloc takes.
const SELDOM: i64 = 1_000_000;

/// To be called once, at start, before other threads are.
pub fn configure() {
    // SAFETY: the options exist in this version of mimalloc; the first takes milliseconds.
    unsafe {
        mi::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS);
        mi::mi_option_set(RECLAIM_ON_FREE, -1);
        mi::mi_option_set(GENERIC_COLLECT, SELDOM);
    }
}

/// Huge pages are off before `main`: by then the allocator would have two of them, all but empty.
#[used]
// SAFETY: the section holds functions of this type, which run one after the other at start; this one needs nothing of what is
// not there yet by then.
#[unsafe(link_section = ".init_array.00000")]
static AT_START: extern "C" fn() = {
    extern "C" fn forbid_huge() {
        // A system that knows no such switch has no huge pages, either.
        let _ = disable_transparent_huge_pages(true);
    }
    forbid_huge
};

/// Lets new memory lie on huge pages where the system has them.
pub fn allow_huge() {
    if let Err(error) = disable_transparent_huge_pages(false) {
        warn!("Huge pages stay off: {error}");
    }
}

/// The pages of which least is in use, as they were when they were looked for: what lies on them had better move.
#[derive(Debug, Default)]
pub struct SparsePages {
    chosen: Slices,
    /// Where something moved to. It is sparse only because it is being filled.
    filling: Slices,
    /// Whatever asks is on a sparse page.
    #[cfg(test)]
    are_all: bool,
}

/// Pages begin and end at multiples of this.
const SLICE: usize = 64 << 10;

/// Parts of pages, by their number in memory.
type Slices = HashSet<usize, foldhash::fast::RandomState>;

impl SparsePages {
    /// Chooses pages of which no more than `percent` are in use: those whose few blocks give back most, up to a sixteenth of all
    /// blocks that there are. Takes some hundred nanoseconds for each page that there is, and does `between` after each.
    pub fn choose(&mut self, percent: usize, mut between: impl FnMut()) {
        const SHARE: usize = 16;
        let mut search = Search {
            percent,
            filling: &self.filling,
            still_filling: Slices::default(),
            found: Vec::new(),
            blocks: 0,
            between: &mut between,
        };
        // SAFETY: the search outlives the call, and nothing else uses it. mimalloc walks its map of pages, whose memory stays
        // mapped for good, and reads single words that other threads may be writing; it follows none of them, and `note`
        // makes addresses of them that are compared and never read: at worst a page is taken for another one.
        unsafe {
            let search = (&raw mut search).cast();
            mi::mi_heap_visit_blocks(std::ptr::null_mut(), false, Some(note), search);
        }
        let Search {
            still_filling,
            mut found,
            blocks,
            ..
        } = search;
        found.sort_unstable_by_key(|page| page.permille);
        let mut room = blocks / SHARE;
        let chosen = found.into_iter().take_while(|page| {
            let has_room = room > 0;
            room = room.saturating_sub(page.blocks);
            has_room
        });
        self.chosen = chosen.flat_map(|page| page.slices).collect();
        self.filling = still_filling;
    }

    /// All pages.
    #[cfg(test)]
    pub fn all() -> SparsePages {
        SparsePages {
            are_all: true,
            ..SparsePages::default()
        }
    }

    /// Whether a block lies on such a page.
    #[inline]
    pub fn hold<T>(&self, block: &T) -> bool {
        #[cfg(test)]
        if self.are_all {
            return true;
        }
        self.chosen.contains(&slice_of(block))
    }

    /// To be told of a block that has moved: the page where it now lies is being filled.
    pub fn has_come<T>(&mut self, block: &T) {
        let slice = slice_of(block);
        self.chosen.remove(&slice);
        self.filling.insert(slice);
    }
}

fn slice_of<T>(block: &T) -> usize {
    std::ptr::from_ref(block).addr() / SLICE
}

/// A sparse page.
struct Page {
    slices: RangeInclusive<usize>,
    /// Blocks in use.
    blocks: usize,
    /// The share of the page that they are.
    permille: usize,
}

struct Search<'a> {
    percent: usize,
    filling: &'a Slices,
    still_filling: Slices,
    found: Vec<Page>,
    /// Blocks in use on all pages.
    blocks: usize,
    between: &'a mut dyn FnMut(),
}

/// Takes note of a page if it is sparse.
unsafe extern "C" fn note(
    _: *const mi::mi_heap_t,
    area: *const mi::mi_heap_area_t,
    _: *mut c_void,
    _: usize,
    search: *mut c_void,
) -> bool {
    /// No page of several blocks is larger.
    const LARGEST: usize = 8 << 20;
    // SAFETY: mimalloc gives a live area, and hands on the pointer to the search, which nothing else uses meanwhile.
    let (area, search) = unsafe { (&*area, &mut *search.cast::<Search<'_>>()) };
    search.blocks += area.used;
    // One that was never full is just being filled.
    let was_full = area.committed == area.reserved && (1..=LARGEST).contains(&area.reserved);
    let permille = area.used.saturating_mul(area.full_block_size) / (area.reserved / 1000).max(1);
    if was_full && permille <= 10 * search.percent {
        let first = area.blocks.addr();
        let slices = first / SLICE..=first.saturating_add(area.reserved - 1) / SLICE;
        let filling = search.filling;
        let before = search.still_filling.len();
        let its_filling = slices.clone().filter(|slice| filling.contains(slice));
        search.still_filling.extend(its_filling);
        if search.still_filling.len() == before {
            search.found.push(Page {
                slices,
                blocks: area.used,
                permille,
            });
        }
    }
    (search.between)();
    true
}

/// Gives unused pages back to the system: those that no thread's heap holds, and those of the calling thread's heap. Takes some
/// tens of milliseconds per gigabyte given back.
pub fn purge() {
    // SAFETY: may be called at any time.
    unsafe { mi::mi_collect(true) }
}
