//! The configuration: every directive declared once, and what follows from the declarations.
//!
//! | file | holds |
//! | --- | --- |
//! | [`directive`] | what a declaration says, and the macro that turns declarations into a struct and rows |
//! | [`directives`] | the declarations, one file per concern |
//! | [`value`], [`compound`] | the kinds of values: how text becomes a value, and back |
//! | [`load`] | start-up: file, standard input, environment and arguments, in this order; errors and warnings |
//! | [`file`], [`toml`], [`argv`], [`environment`] | the four spellings, each turned into statements |
//! | [`rewrite`] | `CONFIG REWRITE` |
//! | [`example`] | `redis.conf.example` |
//!
//! Reading a setting is reading a field: `config.network.port`. A [`Config`] never changes; `CONFIG SET` makes a new
//! one, so whoever holds the old one sees a consistent whole.

pub mod argv;
pub mod compound;
pub mod directive;
pub mod directives;
pub mod environment;
pub mod example;
pub mod file;
pub mod load;
pub mod rewrite;
pub mod toml;
pub mod value;

mod nearest;

pub use compound::{
    BindAddress, KeyspaceEvents, OutputLimit, OutputLimits, SavePoint, ShutdownFlags,
};
pub use directives::general::{LogFormat, LogLevel};
pub use directives::memory::EvictionPolicy;
pub use directives::persistence::{AppendFsync, SanitizePayload};
pub use directives::security::Permission;
pub use load::{Loaded, Start, start};
pub use value::{Choice, MemoryLimit};

use directive::{Change, Directive, Section};
use directives::clients::Clients;
use directives::cluster::Cluster;
use directives::encoding::Encoding;
use directives::general::General;
use directives::memory::Memory;
use directives::network::Network;
use directives::persistence::Persistence;
use directives::replication::Replication;
use directives::security::Security;
use directives::system::System;
use directives::telemetry::Telemetry;
use directives::tls::Tls;
use value::Invalid;

use crate::protocol::glob;

/// The value of every directive. `Default` is what an empty file gives.
#[derive(Clone, Default)]
pub struct Config {
    pub network: Network,
    pub clients: Clients,
    pub security: Security,
    pub general: General,
    pub memory: Memory,
    pub encoding: Encoding,
    pub persistence: Persistence,
    pub telemetry: Telemetry,
    pub replication: Replication,
    pub cluster: Cluster,
    pub tls: Tls,
    pub system: System,
}

/// The declarations, in the order of the example file.
pub const SECTIONS: &[Section] = &[
    Network::SECTION,
    Clients::SECTION,
    Security::SECTION,
    General::SECTION,
    Memory::SECTION,
    Encoding::SECTION,
    Persistence::SECTION,
    Telemetry::SECTION,
    Replication::SECTION,
    Cluster::SECTION,
    Tls::SECTION,
    System::SECTION,
];

/// Every directive.
pub fn directives() -> impl Iterator<Item = &'static Directive> {
    SECTIONS.iter().flat_map(|section| section.directives)
}

/// The directive of that name or alias. Letter case does not matter. Linear in the number of directives.
pub fn lookup(name: &[u8]) -> Option<&'static Directive> {
    directives().find(|directive| directive.is_called(name))
}

/// A directive that `CONFIG` may name, and which of its names that is.
fn lookup_adjustable(name: &[u8]) -> Option<(&'static Directive, &'static str)> {
    let directive = lookup(name).filter(|directive| !directive.file_only)?;
    let known = directive
        .names()
        .find(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
    Some((directive, known))
}

/// Why `CONFIG SET` changed nothing, in the words of the reply. The names are as the client wrote them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error("ERR Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    #[error(
        "ERR CONFIG SET failed (possibly related to argument '{0}') - can't set immutable config"
    )]
    Immutable(String),
    #[error(
        "ERR CONFIG SET failed (possibly related to argument '{0}') - can't set protected config"
    )]
    Protected(String),
    #[error("ERR CONFIG SET failed (possibly related to argument '{0}') - duplicate parameter")]
    Duplicate(String),
    #[error("ERR CONFIG SET failed (possibly related to argument '{0}') - {1}")]
    Invalid(&'static str, Invalid),
}

impl Config {
    /// The answer to `CONFIG GET`: names and values of the directives that match any of `patterns`, each name once.
    ///
    /// A name without wildcards finds hidden directives too, and is answered as it was written.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut add = |name: &[u8], directive: &Directive| {
            if !found
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                found.push((name.to_vec(), directive.get(self)));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some((directive, _)) = lookup_adjustable(pattern) {
                    add(pattern, directive);
                }
                continue;
            }
            for directive in
                directives().filter(|directive| !directive.hidden && !directive.file_only)
            {
                for name in directive.names() {
                    if glob::matches(pattern, name.as_bytes(), true) {
                        add(name.as_bytes(), directive);
                    }
                }
            }
        }
        found
    }

    /// `CONFIG SET`: a configuration in which every pair of name and value is set, or why none is.
    ///
    /// `local` says whether the client connects from this machine, which `enable-protected-configs local` asks for.
    /// Nothing is applied to the running server: the caller compares the old and the new value.
    pub fn set(&self, pairs: &[(&[u8], &[u8])], local: bool) -> Result<Config, SetError> {
        let mut targets: Vec<(&Directive, &'static str, &[u8])> = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let spelled = || String::from_utf8_lossy(name).into_owned();
            let (directive, known) =
                lookup_adjustable(name).ok_or_else(|| SetError::Unknown(spelled()))?;
            match directive.change {
                Change::AtStart => return Err(SetError::Immutable(spelled())),
                Change::Protected if !self.security.enable_protected_configs.allows(local) => {
                    return Err(SetError::Protected(spelled()));
                }
                Change::Protected | Change::Anytime => {}
            }
            if targets
                .iter()
                .any(|(other, ..)| other.name == directive.name)
            {
                return Err(SetError::Duplicate(spelled()));
            }
            targets.push((directive, known, value));
        }
        let mut config = self.clone();
        for (directive, known, value) in targets {
            directive.clear(&mut config);
            directive
                .set(&mut config, &[value])
                .map_err(|reason| SetError::Invalid(known, reason))?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(config: &Config, name: &str) -> String {
        let found = config.get(&[name.as_bytes()]);
        assert_eq!(found.len(), 1, "{name}");
        String::from_utf8(found[0].1.clone()).unwrap()
    }

    fn set(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        Config::default()
            .set(&pairs, false)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_distinct_and_lower_case() {
        let mut names: Vec<_> = directives()
            .flat_map(|directive| directive.names())
            .collect();
        for name in &names {
            assert_eq!(*name, name.to_ascii_lowercase());
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_default_is_documented_and_survives_being_written_and_read() {
        let default = Config::default();
        for directive in directives() {
            assert!(!directive.doc.trim().is_empty(), "{}", directive.name);
            let mut config = Config::default();
            directive.clear(&mut config);
            for line in directive.lines(&default) {
                let args: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
                directive
                    .set(&mut config, &args)
                    .unwrap_or_else(|error| panic!("{}: {error}", directive.name));
            }
            assert_eq!(
                directive.get(&config),
                directive.get(&default),
                "{}",
                directive.name
            );
        }
    }

    #[test]
    fn get_takes_patterns_in_any_case_and_answers_each_name_once() {
        let config = Config::default();
        let names = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
            let mut names: Vec<_> = config
                .get(&patterns)
                .into_iter()
                .map(|(name, _)| String::from_utf8(name).unwrap())
                .collect();
            names.sort_unstable();
            names
        };
        assert_eq!(
            names(&["hash-max-*-value"]),
            ["hash-max-listpack-value", "hash-max-ziplist-value"]
        );
        assert_eq!(names(&["PORT", "port", "por?"]), ["PORT"]);
        assert_eq!(
            names(&["MAXMEMORY-S*", "maxmemory-samples"]),
            ["maxmemory-samples"]
        );
        assert_eq!(
            names(&["nonesuch", "user", "key-load-dela?"]),
            [] as [&str; 0]
        );
        assert_eq!(names(&["key-load-delay"]), ["key-load-delay"]);
    }

    #[test]
    fn set_changes_all_or_nothing() {
        let config = set(&[
            ("maxmemory", "1gb"),
            ("TIMEOUT", "7"),
            ("slave-priority", "5"),
        ])
        .unwrap_or_default();
        assert_eq!(config.memory.maxmemory, MemoryLimit::Bytes(1 << 30));
        assert_eq!(config.network.timeout, 7);
        assert_eq!(get(&config, "replica-priority"), "5");
        assert!(set(&[("timeout", "7"), ("maxmemory", "much")]).is_err());
    }

    #[test]
    fn set_refuses_in_the_words_clients_know() {
        let refusals = [
            (
                vec![("foo", "1")],
                "ERR Unknown option or number of arguments for CONFIG SET - 'foo'",
            ),
            (
                vec![("user", "x")],
                "ERR Unknown option or number of arguments for CONFIG SET - 'user'",
            ),
            (
                vec![("databases", "1")],
                "'databases') - can't set immutable config",
            ),
            (vec![("dir", "/")], "'dir') - can't set protected config"),
            (
                vec![("hz", "1"), ("HZ", "2")],
                "'HZ') - duplicate parameter",
            ),
            (
                vec![("appendonly", "maybe")],
                "'appendonly') - argument must be 'yes' or 'no'",
            ),
            (
                vec![("port", "65536")],
                "'port') - argument must be between 0 and 65535 inclusive",
            ),
            (
                vec![("port", "+1")],
                "'port') - argument couldn't be parsed into an integer",
            ),
            (
                vec![("maxmemory-clients", "101%")],
                "percentage argument must be less or equal to 100",
            ),
            (
                vec![("proto-max-bulk-len", "-1")],
                "argument must be a memory value",
            ),
            (
                vec![("proto-max-bulk-len", "1")],
                "between 1048576 and 9223372036854775807 inclusive",
            ),
            (
                vec![("maxmemory", "99999999999999999999gb")],
                "argument must be a memory or percent value",
            ),
            (
                vec![("appendfsync", "often")],
                "'appendfsync') - argument(s) must be one of the following: everysec, always, no",
            ),
            (
                vec![("save", "3600 1 60")],
                "'save') - Invalid save parameters",
            ),
            (vec![("save", "0 1")], "'save') - Invalid save parameters"),
            (
                vec![("client-output-buffer-limit", "normal 0 0")],
                "Wrong number of arguments in buffer limit",
            ),
            (
                vec![("client-output-buffer-limit", "master 0 0 0")],
                "Invalid client class specified in",
            ),
            (
                vec![("client-output-buffer-limit", "normal 0 0 x")],
                "Error in hard, soft or soft_seconds",
            ),
            (
                vec![("notify-keyspace-events", "KEy")],
                "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
            ),
            (
                vec![("shutdown-on-sigint", "save nosave")],
                "SAVE and NOSAVE can't be used simultaneously",
            ),
            (
                vec![("latency-tracking-info-percentiles", "101")],
                "should sit between [0.0,100.0]",
            ),
            (
                vec![("oom-score-adj-values", "1 2")],
                "wrong number of arguments",
            ),
            (
                vec![("dbfilename", "a/b")],
                "dbfilename can't be a path, just a filename",
            ),
        ];
        for (pairs, words) in refusals {
            // `dbfilename` is protected, so its own refusal shows only where protection is off.
            let mut config = Config::default();
            if pairs[0].0 == "dbfilename" {
                config.security.enable_protected_configs = Permission::Local;
            }
            let bytes: Vec<_> = pairs
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect();
            let error = config
                .set(&bytes, true)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.contains(words), "{pairs:?}: {error}");
        }
    }

    #[test]
    fn values_are_shown_as_they_are_kept() {
        let shown = [
            ("maxmemory", "100mb", "104857600"),
            ("maxmemory", "1k", "1000"),
            ("maxmemory", "50%", "50%"),
            ("maxmemory-clients", "0%", "0"),
            ("save", "60 1 10 2", "60 1 10 2"),
            ("save", "", ""),
            ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
            ("bind", "", ""),
            ("notify-keyspace-events", "KEA", "AKE"),
            ("notify-keyspace-events", "Exg", "gxE"),
            (
                "client-output-buffer-limit",
                "replica 1mb 1kb 3",
                "normal 0 0 0 slave 1048576 1024 3 pubsub 33554432 8388608 60",
            ),
            (
                "latency-tracking-info-percentiles",
                "50 99.95 100",
                "50 99.95 100",
            ),
            ("shutdown-on-sigterm", "force now", "now force"),
            ("hz", "100000", "500"),
            ("loglevel", "WARNING", "warning"),
        ];
        for (name, value, expected) in shown {
            let config =
                set(&[(name, value)]).unwrap_or_else(|error| panic!("{name} {value}: {error}"));
            assert_eq!(get(&config, name), expected, "{name} {value}");
        }
    }
}
