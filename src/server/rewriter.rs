//! The thread that writes new bases of the append-only file when it is asked for one, and sleeps until then.

use std::io;
use std::sync::Arc;

use crate::command::{Instance, aof};
use crate::priority;

/// Starts the thread, which ends with the process.
///
/// # Errors
/// When the system refuses.
pub fn start(instance: &Arc<Instance>) -> io::Result<()> {
    let instance = Arc::clone(instance);
    let work = move || {
        priority::step_back();
        loop {
            aof::rewrite_in_background(&instance);
        }
    };
    std::thread::Builder::new()
        .name("aof-rewriter".to_owned())
        .spawn(work)?;
    Ok(())
}
