//! Where the memory is: what INFO's memory section, MEMORY STATS and MEMORY DOCTOR have in common.

use std::sync::LazyLock;

use super::{Telemetry, cgroup};
use crate::allocator;
use crate::clients;
use crate::config::value::MemoryLimit;
use crate::keyspace::shard::Counts;

/// What the process holds and for what, in bytes unless said otherwise.
#[derive(Clone, Debug)]
pub struct MemoryReport {
    /// What the allocator has handed out.
    pub used: u64,
    /// The most that it was seen to have handed out.
    pub peak: u64,
    /// What it had handed out when the server started.
    pub startup: u64,
    /// What the process has in memory.
    pub resident: Resident,
    /// Buffers of requests and replies.
    pub clients: u64,
    /// Connected clients.
    pub connected: usize,
    /// What finding keys and knowing their deadlines takes, by database number.
    pub databases: Vec<Bookkeeping>,
    /// Keys in all databases.
    pub keys: u64,
}

impl MemoryReport {
    /// The figures now. Makes a few system calls.
    pub fn new(
        telemetry: &Telemetry,
        clients: &clients::Registry,
        databases: &[Counts],
    ) -> MemoryReport {
        let used = allocator::allocated_exactly() as u64;
        MemoryReport {
            used,
            peak: telemetry.peak_memory(used),
            startup: telemetry.startup_memory(),
            resident: Resident::now().unwrap_or(Resident {
                all: used,
                anonymous: used,
            }),
            clients: clients.memory.sum() as u64,
            connected: clients.len(),
            databases: databases.iter().map(Bookkeeping::of).collect(),
            keys: databases.iter().map(|database| database.keys as u64).sum(),
        }
    }

    /// What is not data: the server itself, its clients and what it takes to find keys.
    pub fn overhead(&self) -> u64 {
        let databases: u64 = self.databases.iter().map(Bookkeeping::all).sum();
        self.startup + self.clients + databases
    }

    /// Keys and values.
    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead())
    }

    /// The data's share of what came since the start, in percent.
    pub fn dataset_percent(&self) -> f64 {
        self.dataset() as f64 * 100.0 / self.since_startup() as f64
    }

    /// What is held now, as a percentage of the peak.
    pub fn peak_percent(&self) -> f64 {
        self.used as f64 * 100.0 / self.peak.max(1) as f64
    }

    /// What a key costs on average.
    pub fn bytes_per_key(&self) -> u64 {
        self.since_startup().checked_div(self.keys).unwrap_or(0)
    }

    /// What the allocator holds, beside what it has handed out: blocks that are free, and pages it keeps.
    pub fn kept_free(&self) -> Overhead {
        Overhead::new(self.resident.anonymous, self.used)
    }

    /// What the process has in memory, beside what the allocator holds: the program itself.
    pub fn program(&self) -> Overhead {
        Overhead::new(self.resident.all, self.resident.anonymous)
    }

    /// What the process has in memory, beside what the allocator has handed out.
    pub fn fragmentation(&self) -> Overhead {
        Overhead::new(self.resident.all, self.used)
    }

    fn since_startup(&self) -> u64 {
        self.used.saturating_sub(self.startup).max(1)
    }
}

/// What a database takes beside keys and values, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bookkeeping {
    /// The table that finds its keys.
    pub table: u64,
    /// The deadlines of those that have one.
    pub deadlines: u64,
}

impl Bookkeeping {
    fn of(counts: &Counts) -> Bookkeeping {
        Bookkeeping {
            table: counts.table_bytes as u64,
            deadlines: (counts.expires * size_of::<u64>()) as u64,
        }
    }

    fn all(&self) -> u64 {
        self.table + self.deadlines
    }
}

/// How much more one figure is than another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overhead {
    /// The larger figure by the smaller.
    pub ratio: f64,
    /// The difference in bytes; negative if the "larger" figure is the smaller one.
    pub bytes: i64,
}

impl Overhead {
    /// Nothing more.
    pub const NONE: Overhead = Overhead {
        ratio: 1.0,
        bytes: 0,
    };

    fn new(all: u64, used: u64) -> Overhead {
        Overhead {
            ratio: all as f64 / used.max(1) as f64,
            bytes: all.wrapping_sub(used).cast_signed(),
        }
    }
}

/// What the process has in memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// All of it.
    pub all: u64,
    /// What no file stands behind, which is the allocator's but for the stacks.
    pub anonymous: u64,
}

impl Resident {
    /// The figures now, if the system tells them.
    pub fn now() -> Option<Resident> {
        let text = std::fs::read_to_string("/proc/self/status").ok()?;
        Some(Resident {
            all: listed(&text, "VmRSS:")?,
            anonymous: listed(&text, "RssAnon:")?,
        })
    }
}

/// The memory of the machine in bytes; 0 where the system does not tell.
pub fn of_machine() -> u64 {
    static TOTAL: LazyLock<u64> = LazyLock::new(|| {
        std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| listed(&text, "MemTotal:"))
            .unwrap_or(0)
    });
    *TOTAL
}

/// The memory that the process may use, in bytes: its container's, or else the machine's. As it was when first asked for.
pub fn available() -> u64 {
    static AVAILABLE: LazyLock<u64> = LazyLock::new(|| {
        let machine = of_machine();
        cgroup::memory_limit().map_or(machine, |limit| limit.min(machine))
    });
    *AVAILABLE
}

/// `maxmemory` in bytes; 0 means no limit.
pub fn limit(maxmemory: MemoryLimit) -> u64 {
    maxmemory.bytes_of(available())
}

/// The bytes that a file of the system lists, in kilobytes, under this label.
fn listed(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim()
        .strip_suffix(" kB")?
        .parse::<u64>()
        .ok()
        .map(|kilobytes| kilobytes * 1024)
}

/// A number of bytes for people, as Redis writes it: `1.05M`.
pub fn human(bytes: u64) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    let power = bytes.checked_ilog2().unwrap_or(0) as usize / 10;
    match power.checked_sub(1).and_then(|unit| UNITS.get(unit)) {
        Some(unit) => format!("{:.2}{unit}", bytes as f64 / (1u64 << (10 * power)) as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (916_384, "894.91K"),
            (1_099_776, "1.05M"),
            (25_276_502_016, "23.54G"),
            (u64::MAX, "18446744073709551615B"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
