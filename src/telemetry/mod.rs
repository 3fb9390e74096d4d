//! What the server says about itself: counters, INFO, and what is measured over time.
//!
//! - [`stats`] counts, each worker for itself; [`histogram`] and [`rates`] say how long and how fast.
//! - [`memory`] and [`cpu`] ask the allocator and the system what the process uses, `cgroup` what it may use.
//! - [`slowlog`] keeps the commands that ran for long, [`latency`] when clients had to wait for long.
//! - [`log`] is the server's log.
//! - [`info`] puts all of it into the text that INFO answers.

mod cgroup;
pub mod cpu;
pub mod histogram;
pub mod info;
pub mod latency;
pub mod log;
pub mod memory;
pub mod rates;
pub mod slowlog;
pub mod stats;

pub use stats::{CommandStats, Telemetry, WorkerStats};
