//! The active expiry cycle: finds keys whose time is over although nobody asks for them.

use std::time::Duration;

use super::effects::Effects;
use super::shard::Keyspace;

/// The progress of the sweep.
#[derive(Debug, Default)]
pub struct Cycle;

impl Cycle {
    /// A sweep that begins at the first shard.
    pub fn new() -> Cycle {
        Cycle
    }

    /// Sweeps for at most `budget`.
    pub fn run(&mut self, _: &Keyspace, _: &Effects, _: u64, _: u32, _: Duration) {}
}
