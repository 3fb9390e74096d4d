//! How many bytes are handed out: one word that all threads share, and what each has not yet added to it.
//!
//! A thread counts in a cache line of its own, with plain loads and stores, and passes the sum on only when it has
//! moved by [`DRIFT`]. So counting costs an allocation a nanosecond, and asking for the total reads two words, however
//! many threads there are: every write command may ask.

use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

/// The most that a thread keeps to itself, in bytes.
pub const DRIFT: isize = 16 << 10;

/// Threads that have a line of their own; what later ones allocate goes into the shared word at once. Workers start
/// first, so only threads that come and go are ever late.
const LINES: usize = 256;

/// What one thread has not passed on. Written by that thread alone, and kept when it ends.
#[repr(align(128))]
struct Line(AtomicIsize);

static LINE: [Line; LINES] = [const { Line(AtomicIsize::new(0)) }; LINES];
/// Threads that have asked for a line.
static CLAIMS: AtomicUsize = AtomicUsize::new(0);
static PASSED_ON: Line = Line(AtomicIsize::new(0));

thread_local! {
    /// Has no destructor, so that a thread can still free memory while it ends.
    static OWN: Cell<Option<&'static AtomicIsize>> = const { Cell::new(None) };
}

/// Counts bytes handed out, or taken back if negative.
#[inline]
pub fn add(bytes: isize) {
    let Some(own) = OWN.get().or_else(claim) else {
        PASSED_ON.0.fetch_add(bytes, Relaxed);
        return;
    };
    let sum = own.load(Relaxed) + bytes;
    if sum.unsigned_abs() < DRIFT.unsigned_abs() {
        own.store(sum, Relaxed);
    } else {
        own.store(0, Relaxed);
        PASSED_ON.0.fetch_add(sum, Relaxed);
    }
}

#[cold]
fn claim() -> Option<&'static AtomicIsize> {
    // Late threads come here each time; the load keeps them from bouncing the line.
    if CLAIMS.load(Relaxed) >= LINES {
        return None;
    }
    let line = &LINE.get(CLAIMS.fetch_add(1, Relaxed))?.0;
    OWN.set(Some(line));
    Some(line)
}

/// Bytes handed out now, but for what other threads have not passed on: at most [`DRIFT`] each.
#[inline]
pub fn total() -> usize {
    let own = OWN.get().map_or(0, |own| own.load(Relaxed));
    // While memory moves between threads the sum may be below zero for a moment, near an empty heap.
    (PASSED_ON.0.load(Relaxed) + own).max(0).cast_unsigned()
}

/// Bytes handed out now, to the byte if no other thread allocates meanwhile. Reads a line of every thread.
pub fn exact_total() -> usize {
    let lines = &LINE[..CLAIMS.load(Relaxed).min(LINES)];
    let kept: isize = lines.iter().map(|line| line.0.load(Relaxed)).sum();
    (PASSED_ON.0.load(Relaxed) + kept).max(0).cast_unsigned()
}
