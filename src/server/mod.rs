//! The running server: the only room that knows sockets and tasks.
//!
//! - [`listener`] accepts connections and deals them out to the workers;
//! - [`worker`] is one thread with a runtime of its own, which serves its connections alone: a batch never moves between
//!   cores, and what a worker counts or keeps for itself needs no lock; `balance` is how many of them are in use;
//! - [`connection`] is one client: bytes in, commands, bytes out; [`stream`] its socket, [`output`] the replies that it
//!   has not taken yet, `local` what its worker sees of it;
//! - `meanwhile` is what a worker does while a busy script holds it;
//! - [`reconfigure`] follows CONFIG SET, [`descriptors`] asks for enough open files;
//! - [`data`] loads what is on disk before anybody is served; [`health`] asks a running server whether it answers;
//! - [`background`] is what happens when nobody asks: expiry, sampling; [`saver`] is the thread that writes
//!   snapshots, [`rewriter`] the one that writes the append-only file anew;
//! - [`shutdown`] ends it all in order.
//!
//! The main thread runs the listener, the background and the shutdown; it runs no commands.

mod background;
mod balance;
mod connection;
mod data;
mod descriptors;
pub mod health;
mod listener;
mod local;
mod meanwhile;
mod output;
mod reconfigure;
mod rewriter;
mod saver;
mod shutdown;
mod stream;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing::info;

use self::reconfigure::Listening;
use crate::command::Instance;
use crate::command::registry::NameTaken;
use crate::config::Config;
use crate::persistence::aof::load::LoadError;
use crate::persistence::aof::log::LogError;
use crate::persistence::rdb::load::FileError;

/// Why the server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address that cannot be listened on.
    #[error("Could not create server TCP listening socket {address}: {reason}")]
    Listen {
        /// What was asked for.
        address: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Names of commands that cannot be.
    #[error(transparent)]
    Names(#[from] NameTaken),
    /// Data on disk that cannot be read, or are damaged.
    #[error("Fatal error loading the DB: {0}. Exiting.")]
    Load(#[from] FileError),
    /// The same of the append-only file.
    #[error("{0}")]
    Log(#[from] LoadError),
    /// The append-only file cannot be gone on with.
    #[error(transparent)]
    OpenLog(#[from] LogError),
    /// Anything else that the system refused.
    #[error("{what}: {reason}")]
    System {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        reason: std::io::Error,
    },
}

/// Clients are not told of data that are loaded within this time: their connections wait.
const UNNOTICED: Duration = Duration::from_millis(100);

/// Serves until somebody asks for the end.
///
/// # Errors
/// When an address cannot be listened on, or the system refuses threads or memory.
pub fn run(mut config: Config, config_file: Option<PathBuf>) -> Result<(), StartError> {
    let system = |what| move |reason| StartError::System { what, reason };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("Could not start the runtime"))?;
    let workers = match config.network.io_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads as usize,
    };
    let process = std::process::id();
    info!(
        "Minium {} starts, compatible with Redis {}, PID: {process}",
        crate::VERSION,
        crate::REDIS_VERSION
    );
    match &config_file {
        Some(file) => info!("Configuration loaded from {}", file.display()),
        None => info!(
            "No configuration file given: the defaults are in force. To use one, start with `minium /path/to/redis.conf`"
        ),
    }
    descriptors::limit_at_start(&mut config.clients.maxclients);
    runtime.block_on(async {
        let listeners = listener::bind(&config)?;
        let pidfile = shutdown::PidFile::write(&config.general.pidfile);
        let limit = connection::limit_of_all(&config);
        let instance = Instance::new(config, config_file, workers)?;
        instance.clients.memory.set_limit(limit);
        let crew = worker::start(&instance).map_err(system("Could not start a worker thread"))?;
        info!(
            "Server initialized: {workers} worker threads, {} databases",
            instance.keyspace.databases()
        );
        let listening = Arc::new(Listening::new(Arc::downgrade(&instance), crew.clone()));
        let ready: Vec<String> = listeners.iter().map(ToString::to_string).collect();
        let applying = Arc::clone(&listening);
        let apply = move |old: &_, new: &_| applying.apply(old, new);
        instance.apply_config.get_or_init(|| Box::new(apply));
        instance.loading.begin();
        instance.telemetry.ready();
        let ended = shutdown::wait(&instance);
        tokio::pin!(ended);
        let loaded = data::load(&instance);
        tokio::pin!(loaded);
        let mut unheard = Some(listeners);
        let is_loaded = loop {
            tokio::select! {
                loaded = &mut loaded => break loaded.map(|()| true)?,
                () = &mut ended => break false,
                () = tokio::time::sleep(UNNOTICED), if unheard.is_some() => {
                    unheard.take().into_iter().for_each(|listeners| listening.accept(listeners));
                }
            }
        };
        unheard
            .into_iter()
            .for_each(|listeners| listening.accept(listeners));
        if is_loaded {
            background::start(&instance)
                .map_err(system("Could not start the background thread"))?;
            saver::start(&instance).map_err(system("Could not start the saver's thread"))?;
            rewriter::start(&instance).map_err(system("Could not start the rewriter's thread"))?;
            ready.iter().for_each(listener::announce);
            ended.await;
        }
        drop(pidfile);
        info!("Minium is now ready to exit, bye bye...");
        Ok(())
    })
}
