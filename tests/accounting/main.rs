//! What is counted against what is really there, in a process that has the server's allocator.
//!
//! The figures are the process's, so these tests run one at a time and apart from all others.

mod allocator;

use parking_lot::{Mutex, MutexGuard};

use minium::allocator::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Keeps the other tests from allocating meanwhile.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}
