//! Delivery: how others reach a connection.
//!
//! A connection belongs to one worker, and whoever has something for it tells that worker: a message, an invalidation, its end.
//! Bytes for many connections of a worker are one signal, and are made once for all workers.
//!
//! To send never waits. But it is known how much is on its way, and whoever could send without end looks at that, and waits for it to
//! become less before it goes on.

use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What may be on its way before those who send more should wait, in bytes.
const CONGESTED: usize = 8 << 20;

/// What a letter takes beyond its bytes and its recipients, in bytes, about.
const ENVELOPE: usize = 100;

/// What a worker is told about its connections.
#[derive(Debug)]
pub enum Signal {
    /// End this connection.
    Kill(u64),
    /// Send these bytes, which are whole replies or pushes, behind what was sent to the connection before and what it is
    /// being answered now.
    Deliver {
        /// Who receives them. Those that are gone do not.
        to: Recipients,
        /// What is sent.
        letter: Letter,
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

/// What is on its way to all connections.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes: AtomicUsize,
    /// Told when it has become half of what is too much.
    relieved: Notify,
}

impl Traffic {
    /// Whether so much is on its way that those who send more should wait.
    #[inline]
    pub fn is_congested(&self) -> bool {
        self.bytes.load(Relaxed) > CONGESTED
    }

    /// Whether nothing is.
    pub fn is_none(&self) -> bool {
        self.bytes.load(Relaxed) == 0
    }

    /// Waits until clearly less is on its way than is too much.
    pub async fn relieved(&self) {
        loop {
            let mut relieved = pin!(self.relieved.notified());
            // From here on no news is missed; what came before shows in the sum.
            relieved.as_mut().enable();
            if self.bytes.load(Relaxed) <= CONGESTED / 2 {
                return;
            }
            relieved.await;
        }
    }
}

/// Bytes on their way to connections of a worker, which count as traffic until the last of them has taken them.
#[derive(Debug)]
pub struct Letter {
    bytes: Bytes,
    weight: usize,
    traffic: Arc<Traffic>,
}

impl Deref for Letter {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        let before = self.traffic.bytes.fetch_sub(self.weight, Relaxed);
        if before > CONGESTED / 2 && before - self.weight <= CONGESTED / 2 {
            self.traffic.relieved.notify_waiters();
        }
    }
}

/// The way to the connections of one worker. What goes it arrives in the order in which it was sent.
#[derive(Clone, Debug)]
pub struct Courier {
    worker: usize,
    signals: UnboundedSender<Signal>,
    traffic: Arc<Traffic>,
}

impl Courier {
    /// The way to the worker of this number, and the end at which it listens.
    pub fn to(worker: usize, traffic: &Arc<Traffic>) -> (Courier, UnboundedReceiver<Signal>) {
        let (signals, inbox) = unbounded_channel();
        let traffic = Arc::clone(traffic);
        let courier = Courier {
            worker,
            signals,
            traffic,
        };
        (courier, inbox)
    }

    /// The way to connections that no worker serves: it leads nowhere.
    pub fn nowhere() -> Courier {
        Courier::to(usize::MAX, &Arc::default()).0
    }

    /// The worker's number, by which connections that share a way are known.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Sends bytes to connections of the worker. Neither waits nor locks, so it may be called with anything locked.
    pub fn deliver(&self, to: Recipients, bytes: Bytes) {
        let weight = ENVELOPE + bytes.len() + size_of_val(to.ids());
        self.traffic.bytes.fetch_add(weight, Relaxed);
        let traffic = Arc::clone(&self.traffic);
        let letter = Letter {
            bytes,
            weight,
            traffic,
        };
        self.signal(Signal::Deliver { to, letter });
    }

    pub(super) fn signal(&self, signal: Signal) {
        // A worker that no longer listens has ended its connections already.
        let _ = self.signals.send(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_counts_until_the_last_has_taken_it() {
        let traffic = Arc::default();
        let (courier, mut inbox) = Courier::to(0, &traffic);
        let to = Recipients::Many(Arc::new(vec![1, 2, 3]));
        while !traffic.is_congested() {
            courier.deliver(to.clone(), Bytes::from(vec![b'x'; 1 << 20]));
        }
        let mut letters = Vec::new();
        while let Ok(Signal::Deliver { letter, .. }) = inbox.try_recv() {
            letters.push(letter);
        }
        assert_eq!(letters.len(), CONGESTED >> 20);
        assert!(traffic.is_congested(), "they are not delivered yet");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let mut relieved = pin!(traffic.relieved());
            let mut ready = async || {
                std::future::poll_fn(|cx| {
                    std::task::Poll::Ready(relieved.as_mut().poll(cx).is_ready())
                })
                .await
            };
            while letters.len() > CONGESTED >> 21 {
                assert!(!ready().await, "with {} on the way", letters.len());
                letters.pop();
            }
            letters.pop();
            assert!(ready().await);
        });
        drop(letters);
        assert_eq!(traffic.bytes.load(Relaxed), 0);
    }
}
