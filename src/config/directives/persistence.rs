//! What is kept on disk: snapshots and the append-only file.

use crate::config::compound::{Save, SavePoint};
use crate::config::directive::directives;
use crate::config::value::{BaseName, INT_MAX, LONG_MAX, Named, YesNo, choices, integer, memory};

const NO_NEED: &str = "clients are served by other threads while data are loaded";

choices! {
    /// When the append-only file is flushed to disk.
    pub enum AppendFsync {
        EverySecond = "everysec",
        /// Before the reply to each write.
        Always = "always",
        /// When the system likes.
        No = "no",
    }
}

choices! {
    /// Which payloads of `RESTORE` are checked in depth.
    pub enum SanitizePayload {
        No = "no",
        Yes = "yes",
        /// Those that clients send.
        Clients = "clients",
    }
}

/// Redis's three save points.
fn save_points() -> Vec<SavePoint> {
    [(3600, 1), (300, 100), (60, 10_000)]
        .map(|(seconds, changes)| SavePoint { seconds, changes })
        .to_vec()
}

directives! {
    /// What is kept on disk: snapshots and the append-only file.
    pub struct Persistence as persistence, "PERSISTENCE" {
        /// Take a snapshot when <seconds> have passed and at least <changes> keys have changed since the last one:
        /// save <seconds> <changes> [<seconds> <changes> ...]
        /// Lines add up. save "" takes no snapshots.
        save: Vec<SavePoint> = save_points() => Save;
        /// Refuse writes after a snapshot has failed, until one succeeds.
        stop_writes_on_bgsave_error: bool = true => YesNo;
        /// Compress long strings in snapshots.
        rdbcompression: bool = true => YesNo;
        /// Close snapshots with a checksum, and verify it when loading.
        rdbchecksum: bool = true => YesNo, at_start;
        /// File of the snapshot, in dir.
        dbfilename: String = "dump.rdb".into() => BaseName {
            directive: "dbfilename", noun: "filename", may_be_empty: true,
        }, protected;
        /// Load a snapshot without the values of types that this server does not know, instead of refusing it.
        rdb_skip_unknown: bool = false => YesNo;
        /// Flush a snapshot to disk as it is written, 4 MB at a time.
        rdb_save_incremental_fsync: bool = true => YesNo;
        /// Check in depth what RESTORE is given: no, yes, or clients.
        sanitize_dump_payload: SanitizePayload = SanitizePayload::No => Named;
        /// Log every write to the append-only file.
        appendonly: bool = false => YesNo;
        /// Base name of the files of that log.
        appendfilename: String = "appendonly.aof".into() => BaseName {
            directive: "appendfilename", noun: "filename", may_be_empty: false,
        }, at_start;
        /// Folder of these files, in dir.
        appenddirname: String = "appendonlydir".into() => BaseName {
            directive: "appenddirname", noun: "dirname", may_be_empty: false,
        }, at_start;
        /// When the log is flushed to disk: always before a write is answered, everysec once a second, or no.
        appendfsync: AppendFsync = AppendFsync::EverySecond => Named;
        /// Do not flush while the log is rewritten or a snapshot is taken.
        no_appendfsync_on_rewrite: bool = false => YesNo;
        /// Rewrite the log when it has grown by this many percent. 0 means never.
        auto_aof_rewrite_percentage: u32 = 100 => integer(0, INT_MAX);
        /// Bytes below which it is not rewritten.
        auto_aof_rewrite_min_size: u64 = 64 << 20 => memory(0, LONG_MAX);
        /// Flush a log to disk as it is rewritten, 4 MB at a time.
        aof_rewrite_incremental_fsync: bool = true => YesNo;
        /// Load a log whose last record is cut off, with a warning, instead of refusing it.
        aof_load_truncated: bool = true => YesNo;
        /// Begin a rewritten log with a snapshot.
        aof_use_rdb_preamble: bool = true => YesNo;
        /// Note the time in the log.
        aof_timestamp_enabled: bool = false => YesNo;
        /// Keep the files of earlier logs.
        aof_disable_auto_gc: bool = false => YesNo, hidden;
        /// Microseconds to wait after each key saved, for tests.
        rdb_key_save_delay: i32 = 0 => integer(i32::MIN as i64, INT_MAX), hidden;
        /// Microseconds to wait after each key loaded, for tests.
        key_load_delay: i32 = 0 => integer(i32::MIN as i64, INT_MAX), hidden;
        /// Bytes loaded before clients are served once.
        loading_process_events_interval_bytes: u32 = 2 << 20 => integer(1024, INT_MAX), hidden, inert(NO_NEED);
    }
}
