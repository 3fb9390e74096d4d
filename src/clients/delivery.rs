//! Delivery: how others reach a connection.
//!
//! A connection belongs to one worker, and whoever has something for it tells that worker: a message, an invalidation, its end.
//! Bytes for many connections of a worker are one signal, and are made once for all workers.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a worker is told about its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End this connection.
    Kill(u64),
    /// Send these bytes, which are whole replies or pushes, behind what was sent to the connection before and what it is
    /// being answered now.
    Deliver {
        /// Who receives them. Those that are gone do not.
        to: Recipients,
        /// What is sent.
        bytes: Bytes,
    },
}

/// Connections of one worker, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One.
    One(u64),
    /// Several.
    Many(Arc<Vec<u64>>),
}

impl Recipients {
    /// Their ids.
    pub fn ids(&self) -> &[u64] {
        match self {
            Recipients::One(id) => std::slice::from_ref(id),
            Recipients::Many(ids) => ids,
        }
    }
}

/// The way to the connections of one worker. What goes it arrives in the order in which it was sent.
#[derive(Clone, Debug)]
pub struct Courier {
    worker: usize,
    signals: UnboundedSender<Signal>,
}

impl Courier {
    /// The way to the worker of this number, and the end at which it listens.
    pub fn to(worker: usize) -> (Courier, UnboundedReceiver<Signal>) {
        let (signals, inbox) = unbounded_channel();
        (Courier { worker, signals }, inbox)
    }

    /// The way to connections that no worker serves: it leads nowhere.
    pub fn nowhere() -> Courier {
        Courier::to(usize::MAX).0
    }

    /// The worker's number, by which connections that share a way are known.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Sends bytes to connections of the worker. Neither waits nor locks, so it may be called with anything locked.
    pub fn deliver(&self, to: Recipients, bytes: Bytes) {
        self.signal(Signal::Deliver { to, bytes });
    }

    pub(super) fn signal(&self, signal: Signal) {
        // A worker that no longer listens has ended its connections already.
        let _ = self.signals.send(signal);
    }
}
