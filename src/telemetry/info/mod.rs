//! INFO: the text in which clients, dashboards and exporters read how the server is.
//!
//! A section is one function that writes its fields; [`SECTIONS`] says which there are and in which order. Names
//! and order of the fields are those of Redis 7.2. What belongs to a feature that this server does not have is there
//! with the value it has where the feature rests, because readers take a missing field for an error.

mod data;
mod process;
mod traffic;

use std::fmt::{Display, Write};
use std::path::Path;
use std::time::Duration;

use super::Telemetry;
use super::memory::MemoryReport;
use crate::clients;
use crate::clients::tracking::Tracking;
use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::keyspace::shard::Counts;
use crate::persistence::aof::journal::Journal;
use crate::persistence::loading::Loading;
use crate::persistence::rdb::saver::Saver;
use crate::scripting::{Catalogue, Scripts};

/// Where the figures come from.
pub struct Sources<'a> {
    /// Bytes that were handed out before this report took some for itself.
    pub used: u64,
    /// The configuration in force.
    pub config: &'a Config,
    /// What was counted.
    pub telemetry: &'a Telemetry,
    /// The connected clients.
    pub clients: &'a clients::Registry,
    /// Who keeps copies of keys.
    pub tracking: &'a Tracking,
    /// How many channels, patterns and shard channels somebody listens to.
    pub listened_to: [usize; 3],
    /// The keys' home, for what it counts itself.
    pub keyspace: &'a Keyspace,
    /// What each database holds.
    pub databases: &'a [Counts],
    /// The full names of commands by id.
    pub commands: &'a [&'a str],
    /// How far the loading of data has come.
    pub loading: &'a Loading,
    /// Which server this is.
    pub identity: Identity<'a>,
    /// What became of the snapshot files.
    pub saver: &'a Saver,
    /// The scripts that were loaded.
    pub scripts: &'a Scripts,
    /// Where changes wait for the append-only file, and how that does.
    pub journal: &'a Journal,
    /// The libraries of functions.
    pub functions: &'a Catalogue,
}

/// What stays the same as long as a server runs, but for its age.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Forty hexadecimal digits, new for every start.
    pub run_id: &'a str,
    /// Forty hexadecimal digits that name the history of the data.
    pub replication_id: &'a str,
    /// The file that the configuration came from.
    pub config_file: Option<&'a Path>,
    /// How long the server has been running.
    pub uptime: Duration,
    /// Threads that serve clients.
    pub workers: usize,
}

impl Sources<'_> {
    fn memory(&self) -> MemoryReport {
        MemoryReport {
            used: self.used,
            ..MemoryReport::new(self.telemetry, self.clients, self.databases)
        }
    }
}

/// Which words ask for a section; each adds to those before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    /// None, and `default`.
    ByDefault,
    /// `all`.
    WithAll,
    /// Its own name, as Redis 7.2 does not have it, and `everything`.
    ByName,
}

/// One section.
struct Section {
    /// Its heading, which is also, in any case, the word that asks for it.
    title: &'static str,
    /// Who is shown it.
    shown: Shown,
    write: fn(&mut Text, &Sources<'_>),
}

/// The sections in order.
const SECTIONS: &[Section] = &[
    Section {
        title: "Server",
        shown: Shown::ByDefault,
        write: process::server,
    },
    Section {
        title: "Clients",
        shown: Shown::ByDefault,
        write: traffic::clients,
    },
    Section {
        title: "Memory",
        shown: Shown::ByDefault,
        write: process::memory,
    },
    Section {
        title: "Persistence",
        shown: Shown::ByDefault,
        write: data::persistence,
    },
    Section {
        title: "Stats",
        shown: Shown::ByDefault,
        write: traffic::stats,
    },
    Section {
        title: "Replication",
        shown: Shown::ByDefault,
        write: data::replication,
    },
    Section {
        title: "Threads",
        shown: Shown::ByName,
        write: traffic::threads,
    },
    Section {
        title: "CPU",
        shown: Shown::ByDefault,
        write: process::cpu,
    },
    Section {
        title: "Modules",
        shown: Shown::ByDefault,
        write: |_, _| {},
    },
    Section {
        title: "Commandstats",
        shown: Shown::WithAll,
        write: traffic::command_stats,
    },
    Section {
        title: "Errorstats",
        shown: Shown::ByDefault,
        write: traffic::error_stats,
    },
    Section {
        title: "Latencystats",
        shown: Shown::WithAll,
        write: traffic::latency_stats,
    },
    Section {
        title: "Cluster",
        shown: Shown::ByDefault,
        write: data::cluster,
    },
    Section {
        title: "Keyspace",
        shown: Shown::ByDefault,
        write: data::keyspace,
    },
];

/// The sections that these words ask for, each once and in their own order; an unknown word asks for nothing.
pub fn report(sources: &Sources<'_>, words: &[&[u8]]) -> String {
    let mut text = Text(String::with_capacity(4096));
    for section in SECTIONS.iter().filter(|section| section.is_wanted(words)) {
        if !text.0.is_empty() {
            text.0.push_str("\r\n");
        }
        text.line(format_args!("# {}", section.title));
        (section.write)(&mut text, sources);
    }
    text.0
}

impl Section {
    fn is_wanted(&self, words: &[&[u8]]) -> bool {
        if words.is_empty() {
            return self.shown == Shown::ByDefault;
        }
        words.iter().any(|word| {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            is(self.title)
                || is("everything")
                || (is("all") && self.shown <= Shown::WithAll)
                || (is("default") && self.shown == Shown::ByDefault)
        })
    }
}

/// The text as it grows.
struct Text(String);

impl Text {
    fn line(&mut self, line: impl Display) {
        write!(self.0, "{line}\r\n").expect("a string takes all");
    }

    fn field(&mut self, name: impl Display, value: impl Display) {
        self.line(format_args!("{name}:{value}"));
    }
}

/// Writes fields: `fields!(text; name: value, ...)`.
macro_rules! fields {
    ($text:expr; $($name:ident: $value:expr),* $(,)?) => {
        $($text.field(stringify!($name), $value);)*
    };
}
use fields;

/// A number with two decimals.
fn decimals(number: f64) -> impl Display {
    format!("{number:.2}")
}

/// A name that came from a client, without what has a meaning in the text.
fn tame(name: &str) -> String {
    name.replace(['#', ':', '\n', '\r'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> Vec<&'static str> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        SECTIONS
            .iter()
            .filter(|section| section.is_wanted(&words))
            .map(|section| section.title)
            .collect()
    }

    #[test]
    fn words_choose_sections_in_their_own_order() {
        assert_eq!(shown(&["cpu"]), ["CPU"]);
        assert_eq!(
            shown(&["Keyspace", "SERVER", "nonesuch", "server"]),
            ["Server", "Keyspace"]
        );
        assert_eq!(shown(&["nonesuch"]), [""; 0]);
        assert_eq!(shown(&[]).len(), 11);
        assert_eq!(shown(&["default"]), shown(&[]));
        assert_eq!(shown(&["commandstats", "default"]).len(), 12);
        assert_eq!(shown(&["all"]).len(), SECTIONS.len() - 1, "but threads");
        assert_eq!(shown(&["cpu", "everything"]).len(), SECTIONS.len());
    }
}
