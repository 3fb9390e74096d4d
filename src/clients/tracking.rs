//! Client-side caching: which clients keep copies of what they read (CLIENT TRACKING), and how they hear that a copy is not good any more.
//!
//! There are two ways to know what a client keeps. Either the keys that it reads are remembered with their [shards](tracked), or it
//! *broadcasts*: it names prefixes, and hears of every change to a key that begins with one of them. Either way it is told while
//! what was changed is still locked, so that nobody can see the change, or be told of it, before.
//!
//! An invalidation is a push of RESP3, to the client or to another one that it named. That one may speak RESP2 if it has subscribed
//! to something: then the invalidation is a message on the channel `__redis__:invalidate`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};

use bitflags::bitflags;
use bytes::Bytes;
use parking_lot::RwLock;
use smallvec::SmallVec;

use super::client::Client;
use super::delivery::{Courier, Recipients};
use super::registry::{Handle, Registry};
use crate::keyspace::tracked::{self, Author, Count, Draft};
use crate::protocol::{Reply, Version};

bitflags! {
    /// What a client asked for.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Mode: u8 {
        /// To be told.
        const ON = 1;
        /// Of all changes to keys with its prefixes, whatever it reads.
        const BCAST = 1 << 1;
        /// Of keys read by commands behind CLIENT CACHING YES only.
        const OPTIN = 1 << 2;
        /// Of no keys read by commands behind CLIENT CACHING NO.
        const OPTOUT = 1 << 3;
        /// Not of its own changes.
        const NOLOOP = 1 << 4;
        /// Nothing; but the client that was to be told in its place is gone.
        const BROKEN = 1 << 7;
    }
}

/// What a client asked for, as others see it. They find it under the lock of a shard in which the client has left a trace since.
#[derive(Debug, Default)]
pub struct Shown {
    mode: AtomicU8,
    redirect: AtomicU64,
}

impl Shown {
    /// What it asked for, and whether that has come to nothing.
    pub fn mode(&self) -> Mode {
        Mode::from_bits_truncate(self.mode.load(Relaxed))
    }

    /// The id of the client that is told in its place; 0 for none.
    pub fn redirect(&self) -> u64 {
        self.redirect.load(Relaxed)
    }

    fn set(&self, mode: Mode, redirect: u64) {
        self.redirect.store(redirect, Relaxed);
        self.mode.store(mode.bits(), Relaxed);
    }

    fn set_broken(&self) {
        self.mode.fetch_or(Mode::BROKEN.bits(), Relaxed);
    }
}

/// What a client asked for.
#[derive(Debug, Default)]
pub struct Choice {
    /// How it wants to be told.
    pub mode: Mode,
    /// The id of the client that is told in its place; 0 for none.
    pub redirect: u64,
    /// What the keys begin with that it wants to know of, if it broadcasts. In order.
    pub prefixes: Vec<Box<[u8]>>,
    /// Whether CLIENT CACHING said something about the command that runs.
    pub is_caching_said: bool,
}

impl Choice {
    /// Whether what it reads is remembered at all.
    #[inline]
    pub fn remembers(&self) -> bool {
        self.mode & (Mode::ON | Mode::BCAST) == Mode::ON
    }

    /// Whether what the command that runs reads is remembered.
    pub fn remembers_this(&self) -> bool {
        if self.mode.contains(Mode::OPTIN) {
            self.is_caching_said
        } else {
            !(self.mode.contains(Mode::OPTOUT) && self.is_caching_said)
        }
    }

    /// Takes note that a command is over. Those about the client leave open what the next one is.
    pub fn end_command(&mut self, is_about_client: bool) {
        self.is_caching_said &= is_about_client;
    }

    /// What the prefixes take, in bytes, about.
    pub(super) fn memory(&self) -> usize {
        // Once here and once with those who are told.
        const PREFIX: usize = 100;
        let bytes = self
            .prefixes
            .iter()
            .map(|prefix| prefix.len())
            .sum::<usize>();
        2 * bytes + PREFIX * self.prefixes.len()
    }
}

/// Which clients broadcast, and how much is remembered of the others.
#[derive(Debug)]
pub struct Tracking {
    clients: Arc<Registry>,
    /// Who wants to know of keys with a prefix, by their ids.
    prefixes: RwLock<BTreeMap<Box<[u8]>, Vec<u64>>>,
    /// Whether there are any.
    broadcasts: Arc<AtomicBool>,
    keys: AtomicUsize,
    items: AtomicUsize,
    /// Who is told of something, by their ids.
    trackers: RwLock<Vec<u64>>,
}

impl Tracking {
    /// Nobody tracks yet.
    pub fn new(clients: Arc<Registry>) -> Tracking {
        Tracking {
            clients,
            prefixes: RwLock::default(),
            broadcasts: Arc::default(),
            keys: AtomicUsize::new(0),
            items: AtomicUsize::new(0),
            trackers: RwLock::default(),
        }
    }

    /// Where it says whether somebody wants to know of all changes.
    pub fn broadcasts(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.broadcasts)
    }

    /// Gives a client what it asks for; prefixes add to those that it has. Before the next command can leave a trace others see it.
    pub fn start(&self, client: &mut Client, mode: Mode, redirect: u64, prefixes: &[&[u8]]) {
        let mut trackers = self.trackers.write();
        if !client.tracking.mode.contains(Mode::ON) {
            trackers.push(client.id);
        }
        drop(trackers);
        client.tracking.mode = mode;
        client.tracking.redirect = redirect;
        client.handle.tracking.set(mode, redirect);
        // Whoever tells it something looks at its version.
        client.publish();
        if mode.contains(Mode::BCAST) {
            let everything: &[&[u8]] = &[b""];
            let prefixes = if prefixes.is_empty() {
                everything
            } else {
                prefixes
            };
            let mut all = self.prefixes.write();
            for &prefix in prefixes {
                if let Err(place) = client
                    .tracking
                    .prefixes
                    .binary_search_by(|known| (**known).cmp(prefix))
                {
                    client.tracking.prefixes.insert(place, prefix.into());
                    all.entry(prefix.into()).or_default().push(client.id);
                }
            }
            self.broadcasts.store(!all.is_empty(), Relaxed);
        }
    }

    /// Tells a client nothing more.
    pub fn stop(&self, client: &mut Client) {
        if !client.tracking.mode.contains(Mode::ON) {
            return;
        }
        let choice = std::mem::take(&mut client.tracking);
        client.handle.tracking.set(Mode::empty(), 0);
        self.trackers.write().retain(|&id| id != client.id);
        if !choice.prefixes.is_empty() {
            let mut all = self.prefixes.write();
            for prefix in choice.prefixes {
                if let Some(ids) = all.get_mut(&prefix) {
                    ids.retain(|&id| id != client.id);
                    if ids.is_empty() {
                        all.remove(&prefix);
                    }
                }
            }
            self.broadcasts.store(!all.is_empty(), Relaxed);
        }
    }

    /// Counts what was added to the tracked keys.
    pub fn count(&self, added: tracked::Added) {
        match added {
            tracked::Added::Nothing => return,
            tracked::Added::Key => self.keys.fetch_add(1, Relaxed),
            tracked::Added::Client => 0,
        };
        self.items.fetch_add(1, Relaxed);
    }

    /// How much is remembered.
    pub fn total(&self) -> Count {
        Count {
            keys: self.keys.load(Relaxed),
            clients: self.items.load(Relaxed),
        }
    }

    /// How many prefixes somebody wants to know of.
    pub fn prefixes(&self) -> usize {
        self.prefixes.read().len()
    }

    /// How many clients are told of something.
    pub fn trackers(&self) -> usize {
        self.trackers.read().len()
    }

    fn forget(&self, keys: usize, items: usize) {
        self.keys.fetch_sub(keys, Relaxed);
        self.items.fetch_sub(items, Relaxed);
    }

    /// Tells those who want to know of all changes. Of its own a client is not told if it does not want that.
    fn broadcast(&self, changes: &[(Box<[u8]>, bool)], author: &mut Option<Author<'_>>) {
        let me = author.as_ref().map(|author| author.id);
        for (prefix, ids) in self.prefixes.read().iter() {
            let matching = changes.iter().filter(|(key, _)| key.starts_with(prefix));
            // What happened to a key last decides whose change it is.
            let keys: BTreeMap<&[u8], bool> = matching
                .map(|(key, by_command)| (&**key, *by_command))
                .collect();
            if keys.is_empty() {
                continue;
            }
            let all: Vec<&[u8]> = keys.keys().copied().collect();
            let mut message = Message::new(Some(&all));
            for &id in ids {
                let Some(handle) = self.clients.get(id) else {
                    continue;
                };
                if Some(id) == me && handle.tracking.mode().contains(Mode::NOLOOP) {
                    let others = keys.iter().filter(|(_, by_command)| !**by_command);
                    let others: Vec<&[u8]> = others.map(|(key, _)| *key).collect();
                    if !others.is_empty() {
                        let mut message = Message::new(Some(&others));
                        self.address(&mut message, &handle, author);
                        message.send();
                    }
                } else {
                    self.address(&mut message, &handle, author);
                }
            }
            message.send();
        }
    }

    /// Adds a client to those who receive a message, or the one that is told in its place.
    fn address(
        &self,
        message: &mut Message<'_>,
        handle: &Arc<Handle>,
        author: &mut Option<Author<'_>>,
    ) {
        let redirect = handle.tracking.redirect();
        if redirect == 0 {
            if handle.version() == Version::Resp3 {
                message.address(handle, Form::Push, author);
            }
            return;
        }
        match self
            .clients
            .get(redirect)
            .filter(|other| other.is_present())
        {
            Some(other) if other.version() == Version::Resp3 => {
                message.address(&other, Form::Push, author);
            }
            Some(other) if other.has_subscribed() => message.address(&other, Form::Message, author),
            Some(_) => {}
            None => {
                handle.tracking.set_broken();
                if handle.version() == Version::Resp3 {
                    let mut bytes = Vec::new();
                    let mut push = Reply::new(&mut bytes, Version::Resp3);
                    push.push(2);
                    push.bulk(b"tracking-redir-broken");
                    push.int(redirect as i64);
                    give(handle, bytes.into(), author);
                }
            }
        }
    }
}

impl tracked::Audience for Tracking {
    fn tell(&self, draft: &Draft, mut author: Option<Author<'_>>) {
        let author = &mut author;
        let me = author.as_ref().map(|author| author.id);
        // What concerns the copies of the author itself comes last, as in Redis, where it waits for the end of the command.
        let mut own: SmallVec<[Option<&[u8]>; 4]> = SmallVec::new();
        for (key, ids) in &draft.copies {
            self.forget(1, ids.len());
            let keys: &[&[u8]] = &[key];
            let mut message = Message::new(Some(keys));
            for &id in ids {
                let Some(handle) = self.clients.get(id) else {
                    continue;
                };
                let mode = handle.tracking.mode();
                if mode & (Mode::ON | Mode::BCAST) != Mode::ON {
                    continue;
                }
                if Some(id) != me {
                    self.address(&mut message, &handle, author);
                } else if !mode.contains(Mode::NOLOOP) {
                    own.push(Some(key));
                }
            }
            message.send();
        }
        self.forget(draft.forgotten.keys, draft.forgotten.clients);
        if draft.is_everything {
            let mut message = Message::new(None);
            for &id in self.trackers.read().iter() {
                if Some(id) == me {
                    own.push(None);
                } else if let Some(handle) = self.clients.get(id) {
                    self.address(&mut message, &handle, author);
                }
            }
            message.send();
        }
        if let Some(handle) = me.and_then(|me| self.clients.get(me)) {
            for key in own {
                let mut message = Message::new(key.as_ref().map(std::slice::from_ref));
                self.address(&mut message, &handle, author);
                message.send();
            }
        }
        if !draft.changes.is_empty() {
            self.broadcast(&draft.changes, author);
        }
    }
}

/// How a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A push of RESP3.
    Push,
    /// A message of RESP2 on a channel.
    Message,
}

/// An invalidation, encoded once for each form, with those who receive it, by worker and form.
struct Message<'a> {
    keys: Option<&'a [&'a [u8]]>,
    encoded: [Option<Bytes>; 2],
    groups: SmallVec<[Group; 2]>,
}

struct Group {
    courier: Courier,
    form: Form,
    ids: Vec<u64>,
}

impl<'a> Message<'a> {
    /// One of these keys, or of all.
    fn new(keys: Option<&'a [&'a [u8]]>) -> Message<'a> {
        Message {
            keys,
            encoded: [None, None],
            groups: SmallVec::new(),
        }
    }

    fn bytes(&mut self, form: Form) -> Bytes {
        let keys = self.keys;
        let encoded = &mut self.encoded[form as usize];
        encoded.get_or_insert_with(|| encode(form, keys)).clone()
    }

    fn address(&mut self, receiver: &Handle, form: Form, author: &mut Option<Author<'_>>) {
        if author
            .as_ref()
            .is_some_and(|author| author.id == receiver.id)
        {
            let bytes = self.bytes(form);
            give(receiver, bytes, author);
            return;
        }
        let courier = receiver.place.pin();
        let is_it =
            |group: &&mut Group| group.form == form && group.courier.worker() == courier.worker();
        match self.groups.iter_mut().find(is_it) {
            Some(group) => group.ids.push(receiver.id),
            None => self.groups.push(Group {
                courier: courier.clone(),
                form,
                ids: vec![receiver.id],
            }),
        }
    }

    fn send(&mut self) {
        for group in std::mem::take(&mut self.groups) {
            let to = match group.ids[..] {
                [id] => Recipients::One(id),
                _ => Recipients::Many(Arc::new(group.ids)),
            };
            group.courier.deliver(to, self.bytes(group.form));
        }
    }
}

/// Sends bytes to a client; behind the reply of its command if it runs one.
fn give(receiver: &Handle, bytes: Bytes, author: &mut Option<Author<'_>>) {
    match author {
        Some(author) if author.id == receiver.id => author.pushes.extend_from_slice(&bytes),
        _ => receiver.deliver(bytes),
    }
}

fn encode(form: Form, keys: Option<&[&[u8]]>) -> Bytes {
    let mut bytes = Vec::new();
    let version = match form {
        Form::Push => Version::Resp3,
        Form::Message => Version::Resp2,
    };
    let mut push = Reply::new(&mut bytes, version);
    match form {
        Form::Push => {
            push.push(2);
            push.bulk(b"invalidate");
        }
        Form::Message => {
            push.push(3);
            push.bulk(b"message");
            push.bulk(b"__redis__:invalidate");
        }
    }
    match keys {
        None => push.null(),
        Some(keys) => {
            push.array(keys.len());
            keys.iter().for_each(|key| push.bulk(key));
        }
    }
    bytes.into()
}
