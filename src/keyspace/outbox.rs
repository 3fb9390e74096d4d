//! The outbox: messages that gather while a command, a transaction or a script runs, and leave in one piece before its shards are
//! let go.
//!
//! So whoever is told of a change finds it made, all who listen are told of changes to a key in the order in which they were made, and
//! what belongs together is not mixed with what others send. Each worker has its own; its buffers are used again and again.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

/// Buffers that many messages made larger than this are given back, in bytes.
const MAX_KEPT: usize = 1 << 20;

/// Who sends messages on.
pub trait Publisher: Debug + Send + Sync {
    /// Sends these, in this order and with nothing between them.
    fn publish(&self, messages: &Messages);
}

/// A message to all who listen to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Whether the channel is a shard channel.
    pub to_shard: bool,
    /// The channel's name.
    pub channel: &'a [u8],
    /// What is sent.
    pub payload: &'a [u8],
}

/// Messages one behind the other.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    to_shard: bool,
    start: usize,
    /// Where the payload begins.
    middle: usize,
    end: usize,
}

impl Messages {
    /// All of them, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> + Clone {
        self.places.iter().map(|place| Message {
            to_shard: place.to_shard,
            channel: &self.bytes[place.start..place.middle],
            payload: &self.bytes[place.middle..place.end],
        })
    }

    fn push(&mut self, to_shard: bool, channel: &[&[u8]], payload: &[u8]) {
        let start = self.bytes.len();
        channel
            .iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.places.push(Place {
            to_shard,
            start,
            middle,
            end: self.bytes.len(),
        });
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        if self.bytes.capacity() + self.places.capacity() * size_of::<Place>() > MAX_KEPT {
            *self = Messages::default();
        }
    }
}

/// What one worker has to send.
#[derive(Debug, Default)]
pub struct Outbox {
    publisher: OnceLock<Arc<dyn Publisher>>,
    messages: Mutex<Messages>,
    is_filled: AtomicBool,
}

impl Outbox {
    /// Names who sends messages on, once. Without, none gather.
    pub fn attach(&self, publisher: Arc<dyn Publisher>) {
        let attached = self.publisher.set(publisher);
        debug_assert!(attached.is_ok(), "there is one publisher");
    }

    /// Adds a message to a channel, whose name comes in parts.
    pub fn add(&self, to_shard: bool, channel: &[&[u8]], payload: &[u8]) {
        if self.publisher.get().is_some() {
            self.messages.lock().push(to_shard, channel, payload);
            self.is_filled.store(true, Relaxed);
        }
    }

    /// Whether messages wait to be sent.
    #[inline]
    pub fn is_filled(&self) -> bool {
        self.is_filled.load(Relaxed)
    }

    /// Sends what has gathered. What it tells of must still be locked.
    #[inline]
    pub fn send(&self) {
        if self.is_filled() {
            self.empty(true);
        }
    }

    /// Throws away what has gathered.
    pub fn discard(&self) {
        if self.is_filled() {
            self.empty(false);
        }
    }

    #[cold]
    fn empty(&self, send: bool) {
        let mut messages = self.messages.lock();
        if let Some(publisher) = self.publisher.get().filter(|_| send) {
            publisher.publish(&messages);
        }
        messages.clear();
        self.is_filled.store(false, Relaxed);
    }
}
