//! The saver's thread: it writes the snapshot file when the saver is asked for one, and sleeps until then.

use std::io;
use std::sync::Arc;

use crate::command::{Instance, save};
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
            save::save_in_background(&instance);
        }
    };
    std::thread::Builder::new()
        .name("saver".to_owned())
        .spawn(work)?;
    Ok(())
}
