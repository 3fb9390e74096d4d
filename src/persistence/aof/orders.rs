//! What passes between the journal and the writer: the work, and how it is to be done.

use std::sync::mpsc;
use std::time::Instant;

use super::log::Rewritten;
use crate::config::directives::persistence::{AppendFsync, Persistence};

/// What the writer has to do, in order.
pub enum Item {
    /// Whole commands to be written, and the position behind them.
    Bytes(Vec<u8>, u64),
    /// Something else.
    Order(Order),
}

/// What the writer has to do beside writing.
#[derive(Debug)]
pub enum Order {
    /// A rewrite begins: go on in a new increment, which may stay temporary until there is a base.
    Begin {
        /// Whether the log was off.
        was_off: bool,
    },
    /// A rewrite ended well.
    Adopt(Rewritten, Report),
    /// A rewrite failed.
    Abandon,
    /// Bring everything to the disk, and tell whether it is there.
    Flush(Report),
    /// Bring everything to the disk and close the log.
    Close(Report),
    /// Remove the history that was kept.
    Clean,
    /// End the writer.
    Stop,
}

/// Where it is told whether an order could be carried out.
#[derive(Debug)]
pub struct Report(pub(super) mpsc::Sender<bool>);

impl Report {
    /// Tells it, if somebody still wants to know.
    pub(super) fn tell(&self, is_well: bool) {
        let _ = self.0.send(is_well);
    }
}

/// More changes that are worth waiting for.
#[derive(Clone, Copy, Debug)]
pub struct Company {
    /// So many in all.
    pub changes: u64,
    /// Not longer.
    pub until: Instant,
}

/// What the writer learns when it takes what there is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// The settings.
    pub settings: Settings,
    /// Whether somebody may wait until all of it is settled.
    pub is_awaited: bool,
    /// How many changes there are.
    pub changes: u64,
}

/// What the configuration says about writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When the log is brought to the disk.
    pub fsync: AppendFsync,
    /// Not while a snapshot or a new base is written.
    pub no_fsync_on_rewrite: bool,
    /// Whether the time is noted.
    pub timestamps: bool,
    /// Whether history is kept.
    pub keep_history: bool,
}

impl Settings {
    /// What a configuration says.
    pub fn of(config: &Persistence) -> Settings {
        Settings {
            fsync: config.appendfsync,
            no_fsync_on_rewrite: config.no_appendfsync_on_rewrite,
            timestamps: config.aof_timestamp_enabled,
            keep_history: config.aof_disable_auto_gc,
        }
    }
}
