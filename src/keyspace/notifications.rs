//! Keyspace notifications: what happens to keys, as messages on channels named after the key and after the event
//! (`notify-keyspace-events`).
//!
//! Whoever announces an event asks one mask first, so that what nobody wants to know costs a look at it. The messages gather in the
//! [outbox](super::outbox).

use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use super::effects::{Class, Event};
use super::outbox::Outbox;
use crate::config::compound::KeyspaceEvents;

/// Which events of one worker become messages.
#[derive(Debug, Default)]
pub struct Notifications(AtomicU16);

impl Class {
    fn letter(self) -> KeyspaceEvents {
        match self {
            Class::Generic => KeyspaceEvents::GENERIC,
            Class::String => KeyspaceEvents::STRING,
            Class::List => KeyspaceEvents::LIST,
            Class::Set => KeyspaceEvents::SET,
            Class::Hash => KeyspaceEvents::HASH,
            Class::Zset => KeyspaceEvents::ZSET,
            Class::Expired => KeyspaceEvents::EXPIRED,
            Class::Evicted => KeyspaceEvents::EVICTED,
            Class::New => KeyspaceEvents::NEW,
            Class::Miss => KeyspaceEvents::KEY_MISS,
        }
    }
}

impl Notifications {
    /// Wants these events from now on.
    pub fn want(&self, events: KeyspaceEvents) {
        let has_channel = events.intersects(KeyspaceEvents::KEYSPACE)
            || events.intersects(KeyspaceEvents::KEYEVENT);
        self.0
            .store(if has_channel { events.bits() } else { 0 }, Relaxed);
    }

    /// Adds the messages about an event, if they are wanted.
    #[inline]
    pub fn announce(&self, outbox: &Outbox, database: usize, key: &[u8], event: Event) {
        let wanted = self.0.load(Relaxed);
        if wanted != 0 {
            announce(wanted, outbox, database, key, event);
        }
    }
}

#[cold]
fn announce(wanted: u16, outbox: &Outbox, database: usize, key: &[u8], event: Event) {
    let wanted = KeyspaceEvents::from_bits(wanted);
    if !wanted.intersects(event.class.letter()) {
        return;
    }
    let mut room = itoa::Buffer::new();
    let database = room.format(database).as_bytes();
    let name = event.name.as_bytes();
    if wanted.intersects(KeyspaceEvents::KEYSPACE) {
        outbox.add(false, &[b"__keyspace@", database, b"__:", key], name);
    }
    if wanted.intersects(KeyspaceEvents::KEYEVENT) {
        outbox.add(false, &[b"__keyevent@", database, b"__:", name], key);
    }
}
