//! What the server says about itself: counters, INFO, and what is measured over time.

pub mod log;
pub mod stats;

pub use stats::{CommandStats, Telemetry, WorkerStats};
