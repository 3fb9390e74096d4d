//! What a client may hold with the server, and what becomes of one that holds more.
//!
//! Three limits are each client's own: on a request (`client-query-buffer-limit`), and on replies that it does not take, at once
//! and for a while (`client-output-buffer-limit`). The fourth is on all together (`maxmemory-clients`). A client without
//! any limit on its replies is read no further while it does not read itself.

use std::future::poll_fn;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use tracing::{info, warn};

use super::{Connection, Worker};
use crate::clients::{Class, Footprint, Handle};
use crate::command::Instance;
use crate::command::client::describe;
use crate::command::instance::unix_millis;
use crate::config::{Config, OutputLimit};
use crate::server::local::Local;
use crate::telemetry::memory;

/// Replies up to this many bytes are never held against a client, for otherwise a small limit could not be raised again.
const ALWAYS_ALLOWED: usize = 16 << 10;

/// `maxmemory-clients` below this, in bytes, would end every client.
const LEAST_FOR_ALL: u64 = 128 << 10;

/// What the system may take of replies at once, so that they are not held here after all, in bytes.
const TAKEN_AT_ONCE: usize = 4 << 20;

/// A client without limits is left alone with its replies when so many bytes of them wait.
const BACKLOG: usize = 16 << 20;

/// How long a client may take nothing at all before its requests are served all the same, since it may be waiting with the next
/// replies for the room that its requests take.
const DEAF: Duration = Duration::from_secs(1);

/// What the runtime and the registries keep of every connection beside what is named here, in bytes, as measured.
const ELSEWHERE: usize = 1780;

impl Connection {
    /// Sets how far the next replies may go: to the client's own limit, or to where it alone would hold more than all may.
    pub(super) fn measure_room(&mut self, worker: &Worker, config: &Config) {
        let room = |limit: u64| match usize::try_from(limit) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => (limit - 1).max(ALWAYS_ALLOWED),
        };
        let hard = room(self.output_limit(config).hard);
        let shared = if self.client.no_evict {
            usize::MAX
        } else {
            let limit = worker.instance.clients.memory.limit();
            room(limit).saturating_add(TAKEN_AT_ONCE)
        };
        self.has_hard_limit = hard != usize::MAX;
        self.client.reply_room = match hard.min(shared) {
            usize::MAX => usize::MAX,
            room => room.saturating_sub(self.output.len()),
        };
    }

    /// Takes note that the client is ended since it asked for more than its room; its replies would have been `replies` bytes long
    /// at least.
    #[cold]
    pub(super) fn overflow(&self, worker: &Worker, replies: usize) {
        let hard = self.output_limit(&worker.config()).hard;
        if hard != 0 && (self.output.len() + replies) as u64 >= hard {
            self.cut_off(worker);
        } else {
            worker
                .instance
                .clients
                .memory
                .evict_one(&self.client.handle);
            log_eviction(&worker.instance, &self.client.handle);
        }
    }

    /// Looks at what the client holds; answers whether it may go on. If all together hold too much, the largest are ended,
    /// this one perhaps among them.
    #[inline]
    pub(super) fn settle(&mut self, worker: &Worker) -> bool {
        let is_idle =
            self.input.is_none() && self.output.is_empty() && self.client.transaction.is_none();
        if !is_idle && !self.is_within_limits(worker) {
            return false;
        }
        self.tell(worker);
        evict_clients(&worker.instance);
        !self.client.handle.killed.load(Relaxed)
    }

    /// Tells the others what the client holds, if that is news.
    #[inline]
    pub(super) fn tell(&mut self, worker: &Worker) {
        let footprint = self.footprint();
        if footprint != self.shown {
            self.shown = footprint;
            self.local.has_output.set(!self.output.is_empty());
            let memory = &worker.instance.clients.memory;
            memory.change(&self.client.handle, footprint);
        }
    }

    #[inline]
    fn footprint(&self) -> Footprint {
        let mut footprint = Footprint {
            class: self.client.class,
            evictable: !self.client.no_evict,
            total: size_of::<Connection>() + size_of::<Handle>() + size_of::<Local>() + ELSEWHERE,
            ..Footprint::default()
        };
        if let Some(input) = &self.input {
            footprint.query = input.unparsed();
            footprint.query_free = input.free();
            footprint.arguments = input.arguments();
            footprint.total += input.memory();
        }
        if let Some(transaction) = &self.client.transaction {
            footprint.queued = transaction.allocated();
        }
        footprint.output_blocks = self.output.blocks();
        footprint.output = self.output.memory();
        footprint.total += self.client.memory() + footprint.output;
        footprint
    }

    fn output_limit(&self, config: &Config) -> OutputLimit {
        let limits = &config.clients.client_output_buffer_limit;
        match self.client.class {
            Class::Normal | Class::Master => limits.normal,
            Class::Replica => limits.replica,
            Class::Pubsub => limits.pubsub,
        }
    }

    #[cold]
    fn is_within_limits(&mut self, worker: &Worker) -> bool {
        let config = worker.config();
        let unread = self.input.as_ref().map_or(0, |input| input.bytes.len());
        let queued = self.client.transaction.as_ref().map_or(0, |it| it.bytes());
        if unread + queued > config.clients.client_query_buffer_limit {
            warn!(
                "Closing client that reached max query buffer length: {}",
                self.describe(worker)
            );
            worker.stats().query_limit_disconnections.add(1);
            return false;
        }
        let limit = self.output_limit(&config);
        let is_above_hard = self.output.len() > ALWAYS_ALLOWED
            && limit.hard != 0
            && self.output.len() as u64 >= limit.hard;
        if is_above_hard || self.output.is_above_soft(&limit) {
            self.cut_off(worker);
            return false;
        }
        true
    }

    /// Takes note that the client is ended for the replies that it does not take.
    #[cold]
    fn cut_off(&self, worker: &Worker) {
        warn!(
            "Client {} closed for overcoming of output buffer limits.",
            self.describe(worker)
        );
        worker.stats().output_limit_disconnections.add(1);
    }

    fn describe(&self, worker: &Worker) -> String {
        describe(&worker.instance, &self.client.handle, unix_millis(), None)
    }

    /// Whether the client should take replies before it is served further.
    pub(super) fn is_backlogged(&mut self, worker: &Worker) -> bool {
        if self.output.len() <= BACKLOG {
            self.is_deaf &= !self.output.is_empty();
            return false;
        }
        let limit = self.output_limit(&worker.config());
        !self.is_deaf && limit.hard == 0 && limit.soft == 0
    }

    /// Waits until the client has taken most of its replies, or none for a while, or is to be ended.
    pub(super) async fn wait_for_reader(&mut self) {
        loop {
            let before = self.output.len();
            let drained = poll_fn(|cx| self.poll_reader(cx));
            if tokio::time::timeout(DEAF, drained).await.is_ok() {
                return;
            }
            if self.output.len() == before {
                self.is_deaf = true;
                return;
            }
        }
    }

    fn poll_reader(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_mail(cx).is_ready() || self.output.len() <= BACKLOG / 2 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Ends the largest clients while all together hold more than they may.
#[inline]
pub fn evict_clients(instance: &Instance) {
    for handle in instance.clients.memory.evict() {
        log_eviction(instance, &handle);
    }
}

fn log_eviction(instance: &Instance, handle: &Handle) {
    info!(
        "Evicting client: {}",
        describe(instance, handle, unix_millis(), None)
    );
}

/// What all clients together may hold, in bytes; 0 for no limit. A share of no `maxmemory` is no limit.
pub fn limit_of_all(config: &Config) -> u64 {
    let maxmemory = memory::limit(config.memory.maxmemory);
    match config.clients.maxmemory_clients.bytes_of(maxmemory) {
        0 => 0,
        limit => limit.max(LEAST_FOR_ALL),
    }
}
