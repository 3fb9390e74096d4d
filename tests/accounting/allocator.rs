//! The counter of handed-out bytes against mimalloc's own books.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::ffi::c_void;
use std::sync::mpsc::channel;
use std::thread;

use fastrand::Rng;
use libmimalloc_sys as mi;
use minium::allocator::{DRIFT, allocated, allocated_exactly, good_size};

use crate::alone;

/// Bytes in use as mimalloc finds them, block by block.
fn in_use() -> usize {
    unsafe extern "C" fn add(
        _: *const mi::mi_heap_t,
        _: *const mi::mi_heap_area_t,
        block: *mut c_void,
        size: usize,
        sum: *mut c_void,
    ) -> bool {
        if !block.is_null() {
            // SAFETY: `sum` is the local word below.
            unsafe { *sum.cast::<usize>() += size }
        }
        true
    }
    let mut sum = 0usize;
    // SAFETY: no other thread allocates or frees meanwhile, and the visitor gets a live word.
    let visited = unsafe {
        mi::mi_heap_visit_blocks(std::ptr::null_mut(), true, Some(add), (&raw mut sum).cast())
    };
    assert!(visited);
    sum
}

/// A block and its layout, freed with it.
struct Block(*mut u8, Layout);

// SAFETY: a block of plain bytes that nobody else knows.
unsafe impl Send for Block {}

impl Block {
    fn random(rng: &mut Rng) -> Block {
        // As many blocks of each power of two, so that small ones are many and large ones weigh.
        let most = 1 << rng.u32(0..22);
        let size = rng.usize(1..=most);
        let align = [1, 8, 8, 8, 16, 64, 128, 4096][rng.usize(..8)];
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not zero.
        let block = unsafe {
            if rng.bool() {
                alloc(layout)
            } else {
                alloc_zeroed(layout)
            }
        };
        assert_eq!(block.align_offset(align), 0);
        Block(block, layout)
    }

    /// Grows or shrinks it; mimalloc leaves some blocks where they are.
    fn resize(&mut self, rng: &mut Rng) {
        let size = rng.usize(1..=self.1.size() * 2);
        // SAFETY: the block is live and of this layout; both sizes are not zero, nor near the address space's.
        unsafe {
            self.0.write(0xA5);
            self.0 = realloc(self.0, self.1, size);
            assert_eq!(self.0.read(), 0xA5, "what was in the block moves with it");
        }
        self.1 = Layout::from_size_align(size, self.1.align()).unwrap();
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block is live and of this layout.
        unsafe { dealloc(self.0, self.1) }
    }
}

/// Allocates, resizes and frees; gives away what is left.
fn churn(seed: u64, rounds: usize) -> Vec<Block> {
    let mut rng = Rng::with_seed(seed);
    let mut blocks: Vec<Block> = Vec::new();
    for _ in 0..rounds {
        match rng.u32(..4) {
            0 if !blocks.is_empty() => drop(blocks.swap_remove(rng.usize(..blocks.len()))),
            1 if !blocks.is_empty() => {
                let index = rng.usize(..blocks.len());
                blocks[index].resize(&mut rng);
            }
            _ => blocks.push(Block::random(&mut rng)),
        }
    }
    blocks
}

#[test]
fn the_count_is_what_mimalloc_has_in_use() {
    let _alone = alone();
    // What ran before the first count, as the runtime's start, is as small as this.
    const SLACK: usize = 64 << 10;
    let agrees = |when| {
        let (counted, truth) = (allocated_exactly(), in_use());
        assert!(
            counted.abs_diff(truth) < SLACK,
            "{when}: {counted} counted, {truth} in use"
        );
    };
    agrees("at the start");
    let before = allocated_exactly();
    let kept = churn(1, 4000);
    agrees("with blocks of one thread");
    assert!(
        allocated_exactly() - before > 10 << 20,
        "the test allocates much"
    );
    drop(kept);
    agrees("after all were freed");

    // Blocks of threads that ended, and blocks freed by another thread than allocated them.
    let (sender, receiver) = channel();
    let threads: Vec<_> = (0..4)
        .map(|seed| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(churn(seed, 2000)).unwrap())
        })
        .collect();
    drop(sender);
    let mut kept: Vec<Block> = receiver.into_iter().flatten().collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    agrees("with blocks of ended threads");
    let half = kept.split_off(kept.len() / 2);
    thread::spawn(move || drop(half)).join().unwrap();
    agrees("after another thread freed half");
    drop(kept);
    agrees("in the end");
    assert!(allocated_exactly().abs_diff(before) < SLACK, "all is back");
}

#[test]
fn the_quick_total_lags_by_no_more_than_the_drift_of_another_thread() {
    let _alone = alone();
    let before = allocated();
    let (ready, is_ready) = channel();
    let (end, ended) = channel::<()>();
    let thread = thread::spawn(move || {
        let blocks = vec![vec![1u8; 1000]; 1000];
        ready.send(()).unwrap();
        let _ = ended.recv();
        drop(blocks);
    });
    is_ready.recv().unwrap();
    let expected = before + 1000 * good_size(1000);
    let drift = DRIFT.unsigned_abs() + (32 << 10); // with the blocks' list and the thread itself
    assert!(allocated().abs_diff(expected) < drift);
    drop(end);
    thread.join().unwrap();
    assert!(allocated().abs_diff(before) < drift);
    // A thread's own part is never missing.
    let before = allocated();
    let block = vec![1u8; 1000];
    assert_eq!(allocated(), before + good_size(block.len()));
}

#[test]
fn threads_beyond_the_lines_are_counted_too() {
    let _alone = alone();
    let before = allocated_exactly();
    let kept: Vec<Vec<u8>> = (0..600)
        .map(|_| thread::spawn(|| vec![1; 10_000]).join().unwrap())
        .collect();
    let grown = allocated_exactly() - before;
    let expected = kept.len() * good_size(10_000);
    assert!(
        grown.abs_diff(expected) < 128 << 10,
        "{grown}, not {expected}"
    );
}

#[test]
fn a_good_size_is_that_of_the_block() {
    let _alone = alone();
    let sizes = (1..2000)
        .chain((2000..100_000).step_by(97))
        .chain((100_000..64 << 20).step_by(98_765));
    for size in sizes {
        let mut block = Vec::<u8>::with_capacity(size);
        // SAFETY: the block is live.
        let truth = unsafe { mi::mi_usable_size(block.as_mut_ptr().cast()) };
        assert_eq!(good_size(size), truth, "{size} bytes");
    }
}

#[test]
fn aligned_blocks_take_no_larger_class_where_the_plain_one_is_aligned() {
    let _alone = alone();
    // Segments of a table, which are cache lines.
    for lines in [4, 8, 16, 32, 40, 48, 56, 64] {
        let layout = Layout::from_size_align(lines * 64, 64).unwrap();
        // SAFETY: the size is not zero, and the block is freed with the same layout.
        let taken = unsafe {
            let block = alloc(layout);
            let taken = mi::mi_usable_size(block.cast());
            dealloc(block, layout);
            taken
        };
        assert_eq!(taken, layout.size());
    }
}
