//! The process: its databases, log, folder and rhythm.

use std::path::PathBuf;

use crate::config::compound::{ShutdownFlags, ShutdownOptions};
use crate::config::directive::directives;
use crate::config::value::{Clamped, Directory, INT_MAX, Named, Text, choices, integer};

choices! {
    /// The least important messages that are logged.
    pub enum LogLevel {
        Debug = "debug",
        Verbose = "verbose",
        Notice = "notice",
        Warning = "warning",
        Nothing = "nothing",
    }
}

choices! {
    /// What a line of the log looks like.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object per line, for machines.
        Json = "json",
    }
}

directives! {
    /// The process: its databases, log, folder and rhythm.
    pub struct General as general, "GENERAL" {
        /// Number of databases. SELECT takes 0 up to one less.
        databases: u32 = 16 => integer(1, INT_MAX), at_start;
        /// Least important messages to log: debug, verbose, notice, warning or nothing.
        loglevel: LogLevel = LogLevel::Notice => Named;
        /// File to log to. Empty means standard output.
        logfile: String = String::new() => Text, at_start;
        /// Lines of the log: text for people, json for machines.
        log_format: LogFormat = LogFormat::Text => Named;
        /// Working folder. It must exist.
        dir: PathBuf = PathBuf::from("./") => Directory, protected;
        /// File that holds the process id while the server runs. Empty means none.
        pidfile: String = String::new() => Text, at_start;
        /// How many times a second background work is done, 1 to 500. Other values are moved into that range.
        hz: u32 = 10 => Clamped { min: 1, max: 500 };
        /// What SIGINT does: default, or some of save, nosave, now and force.
        shutdown_on_sigint: ShutdownFlags = ShutdownFlags::default() => ShutdownOptions;
        /// What SIGTERM does: default, or some of save, nosave, now and force.
        shutdown_on_sigterm: ShutdownFlags = ShutdownFlags::default() => ShutdownOptions;
        /// Seconds that a shutdown may wait for replicas.
        shutdown_timeout: u32 = 10 => integer(0, INT_MAX),
            inert("there are no replicas for which a shutdown would wait");
        /// Milliseconds after which a running script no longer keeps other clients waiting without an answer.
        busy_reply_threshold: u64 = 5000 => integer(0, i64::MAX), alias("lua-time-limit");
    }
}
