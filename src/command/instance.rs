//! What all connections of one running server share.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::registry::{NameTaken, Registry};
use crate::clients;
use crate::clients::tracking::Tracking;
use crate::config::{Config, ShutdownFlags};
use crate::keyspace::Keyspace;
use crate::persistence::aof::journal::Journal;
use crate::persistence::aof::orders::Settings;
use crate::persistence::aof::rewrite::Rewriter;
use crate::persistence::loading::Loading;
use crate::persistence::rdb::saver::Saver;
use crate::pubsub::PubSub;
use crate::scripting::busy::Busy;
use crate::scripting::{Functions, Scripts};
use crate::telemetry::Telemetry;
use crate::types::list;

/// One running server.
pub struct Instance {
    /// Every key of every database.
    pub keyspace: Keyspace,
    /// Where changes wait for the append-only file.
    pub journal: Arc<Journal>,
    /// Writes that file anew.
    pub rewriter: Rewriter,
    /// The scripts that run for too long.
    pub busy: Busy,
    /// The scripts that were loaded.
    pub scripts: Scripts,
    /// The libraries of functions.
    pub functions: Functions,
    /// When the keys are written to the snapshot file.
    pub saver: Saver,
    /// How far the loading of data from disk has come.
    pub loading: Loading,
    /// The configuration in force. Replaced whole by CONFIG SET, under `config_writer`.
    pub config: ArcSwap<Config>,
    /// Held while a new configuration is derived from the old one.
    pub config_writer: Mutex<()>,
    /// Brings the running server in line with a new configuration; set by whoever runs it.
    pub apply_config: OnceLock<ApplyConfig>,
    /// The file that the configuration came from, which CONFIG REWRITE writes.
    pub config_file: Option<PathBuf>,
    /// Every command by name.
    pub commands: Registry,
    /// Every connected client.
    pub clients: Arc<clients::Registry>,
    /// Who keeps copies of keys.
    pub tracking: Arc<Tracking>,
    /// Who is shown every command that runs.
    pub monitors: clients::Monitors,
    /// Who listens to which channel.
    pub pubsub: Arc<PubSub>,
    /// CLIENT PAUSE.
    pub pause: clients::Pause,
    /// Counters of every worker, and what is measured over time.
    pub telemetry: Telemetry,
    /// Forty hexadecimal digits, new for every start.
    pub run_id: String,
    /// Forty hexadecimal digits that name the history of the data.
    pub replication_id: String,
    /// When the server started.
    pub started: Instant,
    /// When the server started, in seconds since the epoch.
    pub started_unix: u64,
    /// Worker threads.
    pub workers: usize,
    /// What SHUTDOWN and signals ask for.
    shutdown: UnboundedSender<ShutdownRequest>,
    /// Where those who run the server find it.
    pub shutdown_requests: Mutex<Option<UnboundedReceiver<ShutdownRequest>>>,
    /// Told by whoever needs more room than it can make.
    pub room_wanted: Notify,
    /// DEBUG switches.
    pub debug: DebugSwitches,
}

/// Called with the old and the new configuration before the new one is in force; undoes what it did if it fails.
pub type ApplyConfig = Box<dyn Fn(&Config, &Config) -> Result<(), NotApplied> + Send + Sync>;

/// Why the running server cannot follow a new configuration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("ERR CONFIG SET failed (possibly related to argument '{directive}') - {reason}")]
pub struct NotApplied {
    /// The directive that it fails at.
    pub directive: &'static str,
    /// What went wrong.
    pub reason: String,
}

/// Asks for the end.
#[derive(Debug)]
pub struct ShutdownRequest {
    /// How.
    pub shutdown: Shutdown,
    /// Where to say that there will be none.
    pub refuse: mpsc::Sender<()>,
}

/// How the server is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Save first: as configured, always or never.
    pub save: Save,
    /// Do not wait for anything.
    pub now: bool,
    /// End even if saving fails.
    pub force: bool,
}

impl From<ShutdownFlags> for Shutdown {
    fn from(flags: ShutdownFlags) -> Shutdown {
        Shutdown {
            save: match (flags.save, flags.nosave) {
                (true, _) => Save::Always,
                (false, true) => Save::Never,
                (false, false) => Save::AsConfigured,
            },
            now: flags.now,
            force: flags.force,
        }
    }
}

/// Whether to save before ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Save {
    /// If save points are configured.
    AsConfigured,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// What DEBUG turns on and off.
#[derive(Debug)]
pub struct DebugSwitches {
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: std::sync::atomic::AtomicBool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: std::sync::atomic::AtomicBool,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: whether scripts may call DEBUG.
    pub called_by_scripts: std::sync::atomic::AtomicBool,
    /// DEBUG QUICKLIST-PACKED-THRESHOLD, in bytes.
    pub plain_elements: std::sync::atomic::AtomicUsize,
}

impl Instance {
    /// A server that holds no keys yet.
    ///
    /// # Errors
    /// When `rename-command` gives two commands one name.
    pub fn new(
        config: Config,
        config_file: Option<PathBuf>,
        workers: usize,
    ) -> Result<Arc<Instance>, NameTaken> {
        let renames = config.security.rename_command.iter();
        let renames = renames.filter_map(|line| Some((&line.first()?[..], &line.get(1)?[..])));
        let commands = Registry::new(super::FAMILIES, renames)?;
        let telemetry = Telemetry::new(workers + 1, commands.len());
        telemetry.follow(&config);
        let journal = Arc::new(Journal::new(Settings::of(&config.persistence)));
        let clients = Arc::new(clients::Registry::default());
        let tracking = Arc::new(Tracking::new(Arc::clone(&clients)));
        let pubsub = Arc::<PubSub>::default();
        for worker in &telemetry.workers {
            let effects = &worker.effects;
            effects.propagation.attach(journal.clone());
            effects
                .invalidations
                .attach(tracking.clone(), tracking.broadcasts());
            effects.outbox.attach(pubsub.clone());
            let wanted = config.telemetry.notify_keyspace_events;
            effects.notifications.want(wanted);
        }
        let mut keyspace = Keyspace::new(config.general.databases as usize, workers);
        keyspace.uncounted = Arc::clone(journal.memory());
        let busy = Busy::new(Arc::clone(&keyspace.stuck));
        let started_unix = unix_millis() / 1000;
        let (shutdown, shutdown_requests) = unbounded_channel();
        Ok(Arc::new(Instance {
            keyspace,
            journal,
            rewriter: Rewriter::default(),
            busy,
            scripts: Scripts::default(),
            functions: Functions::default(),
            saver: Saver::new(started_unix),
            loading: Loading::default(),
            telemetry,
            commands,
            config: ArcSwap::from_pointee(config),
            config_writer: Mutex::new(()),
            apply_config: OnceLock::new(),
            config_file,
            clients,
            tracking,
            monitors: clients::Monitors::default(),
            pubsub,
            pause: clients::Pause::default(),
            run_id: random_hex(20),
            replication_id: random_hex(20),
            started: Instant::now(),
            started_unix,
            workers,
            shutdown,
            shutdown_requests: Mutex::new(Some(shutdown_requests)),
            room_wanted: Notify::new(),
            debug: DebugSwitches {
                active_expire: true.into(),
                cron_paused: false.into(),
                called_by_scripts: false.into(),
                plain_elements: list::Layout::PLAIN.into(),
            },
        }))
    }

    /// Asks the server to end. Should that fail, so that it goes on, `refuse` is told or dropped.
    pub fn request_shutdown(&self, shutdown: Shutdown, refuse: mpsc::Sender<()>) {
        // Without a server to be ended the request is dropped here.
        let _ = self.shutdown.send(ShutdownRequest { shutdown, refuse });
    }

    /// Changes to keys since the start.
    pub fn changes(&self) -> u64 {
        self.telemetry.sum(|worker| &worker.effects.dirty)
    }

    /// Whether the active expiry cycle may run.
    pub fn active_expire(&self) -> bool {
        self.debug.active_expire.load(Relaxed)
    }
}

/// Milliseconds since the epoch.
pub fn unix_millis() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// `bytes` random bytes in hexadecimal.
fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).expect("the system has randomness");
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}
