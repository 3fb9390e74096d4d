//! Room: what a command does before it runs when the memory is full.
//!
//! Whoever brings something pays for it. Near the limit a writer evicts until memory is below it again; far above it, when the
//! limit was lowered or a giant value came, it evicts for what it brings and leaves the rest to the background, so
//! that nobody waits for a gigabyte to go. Only where nothing may go, commands that may use more memory are refused.

use super::dispatch::Batch;
use super::registry::Entry;
use super::{Flags, script};
use crate::clients::Client;
use crate::config::{Config, EvictionPolicy, MemoryLimit};
use crate::keyspace::Keyspace;
use crate::keyspace::access::{AccessClock, Record};
use crate::keyspace::db::Moment;
use crate::keyspace::effects::Effects;
use crate::keyspace::evict::{self, Choice, End, Gauge, Ground};
use crate::protocol::Request;
use crate::telemetry::memory;

/// So far above the limit a single command evicts until memory is below it, if it has the time; in bytes.
const NEAR: u64 = 64 << 10;

/// Bytes that an argument costs beside its own. Far above the limit a writer evicts twice what it brings.
const PER_ARGUMENT: u64 = 64;

/// Commands that end a transaction, and are never refused for want of memory.
const WAYS_OUT: &[&str] = &["discard", "quit", "reset"];

/// What a time, in milliseconds since the epoch, means for entries under a configuration.
pub fn moment(config: &Config, now: u64, may_expire: bool) -> Moment {
    let memory = &config.memory;
    let record = match memory.maxmemory_policy {
        EvictionPolicy::AllkeysLfu | EvictionPolicy::VolatileLfu => Record::Count,
        EvictionPolicy::AllkeysLhd => Record::Class,
        _ => Record::Date,
    };
    Moment {
        now,
        access: AccessClock::new(now, record, memory.lfu_log_factor, memory.lfu_decay_time),
        may_expire,
    }
}

/// What the configuration lets an evictor work on; `None` if no key may go.
pub fn ground<'a>(
    keyspace: &'a Keyspace,
    config: &Config,
    effects: &'a Effects,
    moment: Moment,
) -> Option<Ground<'a>> {
    Some(Ground {
        keyspace,
        effects,
        choice: Choice::of(config.memory.maxmemory_policy)?,
        samples: config.memory.maxmemory_samples as usize,
        moment,
    })
}

impl Batch<'_> {
    /// Makes room if there is too little; answers whether there is none and the command may not run without.
    ///
    /// Commands that may use more memory ask each time, the others once in a batch, for what the batch before left behind.
    #[inline]
    pub(super) fn is_out_of_memory(
        &mut self,
        client: &mut Client,
        entry: &Entry,
        request: Request<'_>,
    ) -> bool {
        client.has_no_room = false;
        if self.config.memory.maxmemory == MemoryLimit::Bytes(0) {
            return false;
        }
        let flags = entry.row.flags;
        let may_grow = flags.intersects(Flags::DENYOOM | Flags::RUNS_QUEUE | Flags::RUNS_SCRIPT)
            || client.transaction.is_some();
        if !may_grow && self.has_made_room {
            return false;
        }
        self.has_made_room = true;
        let keyspace = &self.instance.keyspace;
        let gauge = Gauge::near(keyspace, memory::limit(self.config.memory.maxmemory));
        let end = gauge.map_or(End::Enough, |gauge| self.make_room(gauge, request));
        keyspace.evictions.note(end != End::Enough);
        // What had to go of what the client keeps copies of, it learns before the reply.
        self.stats
            .effects
            .invalidations
            .take_own(&mut client.pushes);
        client.has_no_room = end == End::Nobody;
        client.has_no_room && self.needs_memory(client, entry, request)
    }

    /// Whether a command may not run when there is no memory. Neither may anything be queued then, nor a queue with such a
    /// command be run.
    fn needs_memory(&self, client: &Client, entry: &Entry, request: Request<'_>) -> bool {
        let flags = script::flags(self.instance, entry.row, request);
        match &client.transaction {
            None => flags.contains(Flags::DENYOOM),
            Some(transaction) if flags.contains(Flags::RUNS_QUEUE) => transaction.needs_memory,
            Some(_) => !WAYS_OUT.contains(&entry.row.name),
        }
    }

    fn make_room(&self, gauge: Gauge<'_>, request: Request<'_>) -> End {
        let above = gauge.excess();
        // While clients are paused the data stays as it is.
        if above == 0 || !self.moment.may_expire {
            return End::Enough;
        }
        let keyspace = &self.instance.keyspace;
        let effects = &self.stats.effects;
        let Some(ground) = ground(keyspace, &self.config, effects, self.moment) else {
            return End::Nobody;
        };
        let goal = if above <= NEAR {
            0
        } else {
            above.saturating_sub(2 * cost(request))
        };
        let budget = evict::budget(self.config.memory.maxmemory_eviction_tenacity);
        let mut evictor = self.evictor.borrow_mut();
        let end = evictor.run(&ground, budget, || gauge.excess() <= goal);
        if end == End::Nobody || gauge.excess() == 0 {
            return end;
        }
        self.instance.room_wanted.notify_one();
        End::OutOfTime
    }
}

/// About how much memory a request brings, in bytes.
fn cost(request: Request<'_>) -> u64 {
    let arguments = request.iter();
    arguments.map(|it| PER_ARGUMENT + it.len() as u64).sum()
}
