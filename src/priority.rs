//! How far threads that nobody waits for step back where others need the processor.

use tracing::debug;

/// From 0 to 19. Under full load the thread gets about a quarter of what a worker gets.
const NICENESS: i32 = 6;

/// Lets the calling thread step back. Where the system refuses, it stays as it is.
pub fn step_back() {
    // On Linux this is about the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        debug!("A background thread runs at full priority: {error}");
    }
}
