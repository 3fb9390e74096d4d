//! The end: who asks for it, and what is left behind.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

use crate::command::Instance;

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

/// Waits until SHUTDOWN, SIGTERM or SIGINT asks for the end.
pub async fn wait(instance: &Instance) {
    let mut requests = instance.shutdown.subscribe();
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        warn!("Signals cannot be received; end the server with SHUTDOWN");
        let _ = requests.wait_for(Option::is_some).await;
        return;
    };
    tokio::select! {
        _ = requests.wait_for(Option::is_some) => warn!("User requested shutdown..."),
        _ = terminate.recv() => warn!("Received SIGTERM scheduling shutdown..."),
        _ = interrupt.recv() => warn!("Received SIGINT scheduling shutdown..."),
    }
}
