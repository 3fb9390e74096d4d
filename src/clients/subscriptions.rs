//! What a client has subscribed to.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A channel's, a shard channel's or a pattern's name, of which there is one copy however many have subscribed to it.
pub type Name = Arc<[u8]>;

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A channel: PUBLISH.
    Channel,
    /// All channels whose names match a pattern.
    Pattern,
    /// A shard channel: SPUBLISH. Patterns do not reach it.
    Shard,
}

/// What one subscription takes beyond its name, here and with those who publish, in bytes, about.
const SUBSCRIPTION: usize = 210;

/// What a client has subscribed to, by name.
#[derive(Debug, Default)]
pub struct Subscriptions {
    names: [BTreeSet<Name>; 3],
    /// Bytes of all names.
    bytes: usize,
}

impl Subscriptions {
    /// Those of one kind, in the order of their names.
    pub fn of(&self, topic: Topic) -> &BTreeSet<Name> {
        &self.names[topic as usize]
    }

    /// How many there are of a kind.
    pub fn count(&self, topic: Topic) -> usize {
        self.of(topic).len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.iter().map(BTreeSet::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one; answers whether it is new.
    pub fn insert(&mut self, topic: Topic, name: Name) -> bool {
        let length = name.len();
        let is_new = self.names[topic as usize].insert(name);
        if is_new {
            self.bytes += length;
        }
        is_new
    }

    /// Takes one away; answers whether it was there.
    pub fn remove(&mut self, topic: Topic, name: &[u8]) -> bool {
        let was_there = self.names[topic as usize].remove(name);
        if was_there {
            self.bytes -= name.len();
        }
        was_there
    }

    /// What they take, in bytes, about.
    pub(super) fn memory(&self) -> usize {
        self.len() * SUBSCRIPTION + self.bytes
    }
}
