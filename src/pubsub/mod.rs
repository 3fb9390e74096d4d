//! Pub/sub: who listens to which channel, and how messages leave for them.
//!
//! A channel's stripe is locked while a message is handed to the workers of those who listen. So all who listen to a channel, by its
//! name or by a pattern, get its messages in one order, and a publisher learns exactly how many they are. What a transaction or a script
//! publishes, and what happens to keys, gathers in the [outbox](crate::keyspace::outbox) of its worker, and leaves in one piece.
//!
//! Knows no sockets: a message leaves by a [`Courier`](crate::clients::Courier).

mod audience;
mod message;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard, RwLock};
use smallvec::SmallVec;

use self::audience::{Audience, Listener};
use self::message::Message;
use crate::clients::{Class, Client, Name, Topic};
use crate::keyspace::outbox::{Messages, Publisher};
use crate::protocol::{Version, glob};
use crate::table::hash;

/// Locks that channels share, by their names' hashes. A power of two.
const STRIPES: usize = 64;

/// Those who listen, by the names of what they listen to.
type Audiences = HashMap<Name, Audience>;

/// Who listens to what.
#[derive(Debug)]
pub struct PubSub {
    stripes: Box<[Mutex<Stripe>]>,
    /// Locked behind a stripe.
    patterns: RwLock<Audiences>,
}

/// The channels of some names.
#[derive(Debug, Default)]
struct Stripe {
    channels: Audiences,
    shard_channels: Audiences,
}

impl Stripe {
    fn of(&self, topic: Topic) -> &Audiences {
        match topic {
            Topic::Shard => &self.shard_channels,
            Topic::Channel | Topic::Pattern => &self.channels,
        }
    }

    fn of_mut(&mut self, topic: Topic) -> &mut Audiences {
        match topic {
            Topic::Shard => &mut self.shard_channels,
            Topic::Channel | Topic::Pattern => &mut self.channels,
        }
    }
}

impl Default for PubSub {
    fn default() -> PubSub {
        PubSub {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            patterns: RwLock::default(),
        }
    }
}

impl PubSub {
    fn stripe(&self, name: &[u8]) -> MutexGuard<'_, Stripe> {
        self.stripes[stripe_of(name)].lock()
    }

    /// Lets `act` work on the audiences among which that of a name is.
    fn with<T>(&self, topic: Topic, name: &[u8], act: impl FnOnce(&mut Audiences) -> T) -> T {
        match topic {
            Topic::Pattern => act(&mut self.patterns.write()),
            Topic::Channel | Topic::Shard => act(self.stripe(name).of_mut(topic)),
        }
    }

    /// Lets a client listen, if it does not already.
    pub fn subscribe(&self, client: &mut Client, topic: Topic, name: &[u8]) {
        let subscriptions = client.subscriptions.get_or_insert_default();
        if !subscriptions.of(topic).contains(name) {
            let listener = Listener {
                id: client.id,
                version: client.version,
                courier: client.handle.place.pin(),
            };
            let name = self.with(topic, name, |audiences| add(audiences, name, listener));
            subscriptions.insert(topic, name);
        }
        client.class = Class::Pubsub;
        client.publish_subscriptions();
    }

    /// Lets a client listen no longer. Of what was sent to it before, some may still be under way; see
    /// [`Client::is_overtaking`].
    pub fn unsubscribe(&self, client: &mut Client, topic: Topic, name: &[u8]) {
        let subscriptions = client.subscriptions.get_or_insert_default();
        if subscriptions.remove(topic, name) {
            let listener = Listener {
                id: client.id,
                version: client.version,
                courier: client.handle.place.pin(),
            };
            self.with(topic, name, |audiences| remove(audiences, name, listener));
            client.is_overtaking = true;
        }
        if subscriptions.is_empty() {
            client.subscriptions = None;
            client.class = Class::Normal;
        }
        client.publish_subscriptions();
    }

    /// Lets a client listen to nothing any more.
    pub fn leave(&self, client: &mut Client) {
        for topic in [Topic::Channel, Topic::Pattern, Topic::Shard] {
            for name in client.subscribed(topic) {
                self.unsubscribe(client, topic, &name);
            }
        }
    }

    /// Sends a client what it listens to in another version of the protocol from now on.
    pub fn change_version(&self, client: &mut Client, version: Version) {
        let Some(subscriptions) = &client.subscriptions else {
            return;
        };
        for topic in [Topic::Channel, Topic::Pattern, Topic::Shard] {
            for name in subscriptions.of(topic) {
                let before = Listener {
                    id: client.id,
                    version: client.version,
                    courier: client.handle.place.pin(),
                };
                self.with(topic, name, |audiences| {
                    if let Some(audience) = audiences.get_mut(name) {
                        audience.remove(before);
                        audience.add(Listener { version, ..before });
                    }
                });
            }
        }
        client.is_overtaking = true;
    }

    /// Sends a message to all who listen to a channel, or shard channel; answers how often.
    pub fn publish(&self, topic: Topic, channel: &[u8], payload: &[u8]) -> usize {
        self.send(&self.stripe(channel), topic, channel, payload)
    }

    fn send(&self, stripe: &Stripe, topic: Topic, channel: &[u8], payload: &[u8]) -> usize {
        let mut sent = 0;
        if let Some(audience) = stripe.of(topic).get(channel) {
            let word: &[u8] = match topic {
                Topic::Shard => b"smessage",
                Topic::Channel | Topic::Pattern => b"message",
            };
            sent += audience.tell(Message::new([word, channel, payload]));
        }
        if topic == Topic::Channel {
            for (pattern, audience) in self.patterns.read().iter() {
                if glob::matches(pattern, channel, false) {
                    sent += audience.tell(Message::new([b"pmessage", pattern, channel, payload]));
                }
            }
        }
        sent
    }

    /// How often a message would be sent now.
    pub fn receivers(&self, topic: Topic, channel: &[u8]) -> usize {
        let stripe = self.stripe(channel);
        let mut receivers = stripe.of(topic).get(channel).map_or(0, Audience::len);
        if topic == Topic::Channel {
            let patterns = self.patterns.read();
            let matching = patterns.iter();
            let matching = matching.filter(|(pattern, _)| glob::matches(pattern, channel, false));
            receivers += matching.map(|(_, audience)| audience.len()).sum::<usize>();
        }
        receivers
    }

    /// How many listen to a channel, or shard channel, by its name.
    pub fn listeners(&self, topic: Topic, channel: &[u8]) -> usize {
        let stripe = self.stripe(channel);
        stripe.of(topic).get(channel).map_or(0, Audience::len)
    }

    /// The channels, or shard channels, that somebody listens to by name, as far as they match.
    pub fn channels(&self, topic: Topic, pattern: Option<&[u8]>) -> Vec<Name> {
        let mut found = Vec::new();
        for stripe in &self.stripes {
            let stripe = stripe.lock();
            let names = stripe.of(topic).keys();
            let matching = names
                .filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name, false)));
            found.extend(matching.cloned());
        }
        found
    }

    /// How many channels, patterns or shard channels somebody listens to.
    pub fn count(&self, topic: Topic) -> usize {
        match topic {
            Topic::Pattern => self.patterns.read().len(),
            Topic::Channel | Topic::Shard => {
                let stripes = self.stripes.iter();
                stripes.map(|stripe| stripe.lock().of(topic).len()).sum()
            }
        }
    }
}

impl Publisher for PubSub {
    /// All the channels' stripes are locked meanwhile.
    fn publish(&self, messages: &Messages) {
        let wanted = messages
            .iter()
            .fold(0u64, |all, it| all | 1 << stripe_of(it.channel));
        let locked: SmallVec<[_; 4]> = (0..STRIPES)
            .filter(|stripe| wanted & (1 << stripe) != 0)
            .map(|stripe| (stripe, self.stripes[stripe].lock()))
            .collect();
        for message in messages.iter() {
            let number = stripe_of(message.channel);
            if let Some((_, stripe)) = locked.iter().find(|(locked, _)| *locked == number) {
                let topic = match message.to_shard {
                    true => Topic::Shard,
                    false => Topic::Channel,
                };
                self.send(stripe, topic, message.channel, message.payload);
            }
        }
    }
}

fn stripe_of(name: &[u8]) -> usize {
    hash::of(name) as usize % STRIPES
}

/// Adds one who listens; answers the name to keep.
fn add(audiences: &mut Audiences, name: &[u8], listener: Listener<'_>) -> Name {
    if let Some((known, _)) = audiences.get_key_value(name) {
        let known = Arc::clone(known);
        audiences.entry(known.clone()).or_default().add(listener);
        return known;
    }
    let name: Name = name.into();
    let audience = audiences.entry(name.clone()).or_default();
    audience.add(listener);
    name
}

fn remove(audiences: &mut Audiences, name: &[u8], listener: Listener<'_>) {
    if let Some(audience) = audiences.get_mut(name) {
        audience.remove(listener);
        if audience.is_empty() {
            audiences.remove(name);
            if audiences.capacity() > 64 && audiences.capacity() > 8 * audiences.len() {
                audiences.shrink_to(2 * audiences.len());
            }
        }
    }
}
