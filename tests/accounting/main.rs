//! What is counted against what is really there: the allocator's in this process, a key's in a server's.
//!
//! This process has the server's allocator, whose figures are those of all its threads: a binary apart from the others.

#[path = "../support/mod.rs"]
mod support;

mod allocator;
mod report;
mod resident;
mod usage;

use parking_lot::{Mutex, MutexGuard};

use minium::allocator::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Keeps the other tests from allocating meanwhile, as those over a socket do for their commands.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}
