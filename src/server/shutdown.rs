//! The end: who asks for it, and what is left behind.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::command::instance::{Save, Shutdown};
use crate::command::{Instance, save};
use crate::config::ShutdownFlags;
use crate::config::directives::general::General;
use crate::persistence::rdb::file;

/// The file that holds the process id while the server runs.
pub struct PidFile(Option<PathBuf>);

impl PidFile {
    /// Writes the file; a failure is logged, and the server runs without.
    pub fn write(path: &str) -> PidFile {
        if path.is_empty() {
            return PidFile(None);
        }
        match std::fs::write(path, format!("{}\n", std::process::id())) {
            Ok(()) => PidFile(Some(PathBuf::from(path))),
            Err(error) => {
                warn!("Failed to write PID file {path}: {error}");
                PidFile(None)
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Waits until SHUTDOWN, SIGTERM or SIGINT asks for the end, and everything is done that has to come before it. From then on
/// nobody is inside a command, or ever will be.
pub async fn wait(instance: &Arc<Instance>) {
    let requests = instance.shutdown_requests.lock().take();
    let mut requests = requests.expect("the server is run once");
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        warn!("Signals cannot be received; end the server with SHUTDOWN");
        return pending().await;
    };
    loop {
        let flags = |flags: fn(&General) -> ShutdownFlags| {
            Shutdown::from(flags(&instance.config.load().general))
        };
        let (shutdown, refuse) = tokio::select! {
            Some(request) = requests.recv() => (request.shutdown, Some(request.refuse)),
            _ = terminate.recv() => {
                warn!("Received SIGTERM scheduling shutdown...");
                (flags(|general| general.shutdown_on_sigterm), None)
            }
            _ = interrupt.recv() => {
                warn!("Received SIGINT scheduling shutdown...");
                (flags(|general| general.shutdown_on_sigint), None)
            }
        };
        warn!("User requested shutdown...");
        let prepared = tokio::select! {
            prepared = prepare(instance, shutdown) => prepared,
            _ = interrupt.recv() => {
                warn!("You insist... exiting now.");
                file::remove_temporary();
                std::process::exit(1);
            }
        };
        if prepared {
            return;
        }
        warn!("Errors trying to shut down the server. Check the logs for more information.");
        if let Some(refuse) = refuse {
            // The client may be gone.
            let _ = refuse.send(());
        }
    }
}

/// Does what has to come before the end on a thread of its own; answers whether the end may come.
async fn prepare(instance: &Arc<Instance>, shutdown: Shutdown) -> bool {
    let instance = Arc::clone(instance);
    let (report, prepared) = oneshot::channel();
    let work = move || {
        let may_end = save_and_close(&instance, shutdown);
        // Somebody waits for the report, or the process ends.
        let _ = report.send(may_end);
    };
    let thread = std::thread::Builder::new()
        .name("ending".to_owned())
        .spawn(work);
    match thread {
        Ok(_) => prepared.await.unwrap_or(false),
        Err(error) => {
            warn!("Could not start a thread: {error}");
            shutdown.force
        }
    }
}

/// Saves if that is wanted, and keeps everybody out of the keyspace for good: what was saved last is what there was last. If it
/// cannot be saved, the server goes on.
fn save_and_close(instance: &Instance, shutdown: Shutdown) -> bool {
    if instance.saver.is_in_background() {
        warn!("There is a child saving an .rdb. Killing it!");
    }
    instance.saver.stop_and_wait();
    instance.loading.stop();
    let config = instance.config.load_full();
    instance.busy.kill_all();
    let mut locked = instance.keyspace.lock_all();
    instance.rewriter.stop();
    if instance.journal.is_on() {
        info!("Calling fsync() on the AOF file.");
        if !instance.journal.flush() {
            warn!("The AOF is not on the disk as a whole.");
        }
    }
    let saves = match shutdown.save {
        Save::AsConfigured => !config.persistence.save.is_empty(),
        Save::Always => true,
        Save::Never => false,
    };
    // What has been loaded so far must not take the place of what there is to load.
    if saves && !instance.loading.is_active() {
        info!("Saving the final RDB snapshot before exiting.");
        if save::save_here(instance, &config, &mut locked).is_err() {
            if !shutdown.force {
                warn!("Error trying to save the DB, can't exit.");
                return false;
            }
            warn!("Error trying to save the DB. Exit anyway.");
        }
    }
    // Whoever waits for a shard waits until the process ends, and tells no client of something that was not saved.
    std::mem::forget(locked);
    true
}
