//! The data on disk: they come in at the start, while clients are told to wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tracing::info;

use super::StartError;
use crate::command::{Instance, aof, load};
use crate::config::Config;

/// Loads what is on disk, if there is something, on threads of its own.
///
/// # Errors
/// When it cannot be read or is damaged anywhere. The server must not go on then: what it has is not what was saved.
pub async fn load(instance: &Arc<Instance>) -> Result<(), StartError> {
    let (report, loaded) = oneshot::channel();
    let shared = Arc::clone(instance);
    let work = move || {
        // Nobody may wait for it any more.
        let _ = report.send(load_here(&shared));
    };
    std::thread::Builder::new()
        .name("loader".to_owned())
        .spawn(work)
        .map_err(|reason| StartError::System {
            what: "Could not start a thread to load the data",
            reason,
        })?;
    loaded.await.expect("the thread reports or panics")?;
    instance.loading.finish();
    Ok(())
}

fn load_here(instance: &Instance) -> Result<(), StartError> {
    let begin = Instant::now();
    let manifest = aof::load(instance)?;
    let config = instance.config.load_full();
    if config.persistence.appendonly && !manifest.is_empty() {
        let seconds = begin.elapsed().as_secs_f64();
        info!("DB loaded from append only file: {seconds:.3} seconds");
    } else {
        load_snapshot(instance, &config)?;
    }
    aof::open(instance, &config, manifest).map_err(|error| match error {
        aof::NotOpened::Log(error) => error.into(),
        aof::NotOpened::Thread(reason) => StartError::System {
            what: "Could not start the threads that write the append-only file",
            reason,
        },
    })
}

fn load_snapshot(instance: &Instance, config: &Config) -> Result<(), StartError> {
    let name = &config.persistence.dbfilename;
    if name.is_empty() {
        return Ok(());
    }
    let folder = std::env::current_dir().unwrap_or_default();
    let path: PathBuf = folder.join(name);
    // Whatever else is wrong with it stops the start when it is opened.
    if matches!(path.try_exists(), Ok(false)) {
        return Ok(());
    }
    let begin = Instant::now();
    load::snapshot(instance, &path)?;
    let seconds = begin.elapsed().as_secs_f64();
    info!("DB loaded from disk: {seconds:.3} seconds");
    Ok(())
}
