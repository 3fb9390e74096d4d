//! The registry of connections: what CLIENT LIST shows and CLIENT KILL ends.
//!
//! A handle's numbers are written by the connection's own worker only, once per batch, with plain stores; its
//! names change seldom and sit behind a lock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use std::task::Waker;

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::Mutex;

use super::client::Client;
use super::delivery::{Recipients, Signal, Traffic};
use super::memory::{Account, Memory};
use super::place::Place;
use super::subscriptions::{Subscriptions, Topic};
use super::tracking;
use super::waiting::{Hashes, Waiting};
use crate::protocol::Version;

/// How a client came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Over TCP: the peer's address and our own.
    Tcp {
        /// The peer.
        peer: SocketAddr,
        /// Our end.
        local: SocketAddr,
    },
    /// Over the unix socket at this path.
    Unix(String),
}

impl Kind {
    /// The peer's address, as CLIENT LIST shows it.
    pub fn peer(&self) -> String {
        match self {
            Kind::Tcp { peer, .. } => peer.to_string(),
            Kind::Unix(path) => format!("{path}:0"),
        }
    }

    /// Our own address, as CLIENT LIST shows it.
    pub fn local(&self) -> String {
        match self {
            Kind::Tcp { local, .. } => local.to_string(),
            Kind::Unix(path) => format!("{path}:0"),
        }
    }

    /// Whether the peer is on this machine, as protected mode and `enable-debug-command local` see it.
    pub fn is_local(&self) -> bool {
        match self {
            Kind::Tcp { peer, .. } => peer.ip().to_canonical().is_loopback(),
            Kind::Unix(_) => true,
        }
    }
}

/// What a client calls itself.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// CLIENT SETNAME.
    pub name: String,
    /// CLIENT SETINFO LIB-NAME.
    pub library: String,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: String,
    /// The ACL user.
    pub user: String,
}

/// The part of a connection that others see.
#[derive(Debug)]
pub struct Handle {
    /// Never used twice in the life of a server.
    pub id: u64,
    /// How it came in.
    pub kind: Kind,
    /// The socket's number.
    pub descriptor: i32,
    /// When it connected, in milliseconds since the epoch.
    pub connected: u64,
    /// What it calls itself.
    pub names: Mutex<Names>,
    /// When it last asked something, in milliseconds since the epoch.
    pub last_interaction: AtomicU64,
    /// What it holds.
    pub account: Account,
    /// The selected database.
    pub database: AtomicU32,
    /// The last command's id; `u16::MAX` before the first.
    pub last_command: AtomicU16,
    /// The reply encoding: 2 or 3.
    pub resp: AtomicU8,
    /// CLIENT NO-EVICT.
    pub no_evict: AtomicBool,
    /// CLIENT NO-TOUCH.
    pub no_touch: AtomicBool,
    /// Commands since MULTI; negative outside of a transaction.
    pub queued: AtomicI32,
    /// Whether a key that it watches was seen to have changed.
    pub watch_is_broken: AtomicBool,
    /// Whether it is shown what the others do.
    pub is_monitor: AtomicBool,
    /// How many channels, patterns and shard channels it has subscribed to.
    pub subscriptions: [AtomicU32; 3],
    /// Whether the reply to its next request depends on nothing that only its own worker knows.
    pub is_plain: AtomicBool,
    /// Whether a command of it waits for something.
    pub blocked: AtomicBool,
    /// CLIENT TRACKING.
    pub tracking: tracking::Shown,
    /// Whether somebody asked for its end.
    pub killed: AtomicBool,
    /// Whether it asked for its end itself.
    is_leaving: AtomicBool,
    /// Where it lives.
    pub place: Place,
    /// The call that waits to be served, until somebody answers it.
    waiting: Mutex<Option<Box<Waiting>>>,
}

impl Handle {
    /// Shows the state of `client`.
    pub(super) fn publish(&self, client: &Client) {
        self.database.store(client.database as u32, Relaxed);
        self.last_command.store(client.last_command, Relaxed);
        self.resp.store(
            if client.version == Version::Resp3 {
                3
            } else {
                2
            },
            Relaxed,
        );
        self.no_evict.store(client.no_evict, Relaxed);
        self.no_touch.store(client.no_touch, Relaxed);
        self.is_monitor.store(client.is_monitor, Relaxed);
        self.is_leaving.store(client.close, Relaxed);
        let queued = client.transaction.as_ref().map_or(-1, |it| it.len() as i32);
        self.queued.store(queued, Relaxed);
        self.is_plain.store(client.is_plain(), Relaxed);
        self.watch_is_broken
            .store(client.watch_is_broken(), Relaxed);
    }

    /// Whether it is there as far as others should know: one that was killed, or said QUIT, may take a moment to end.
    pub fn is_present(&self) -> bool {
        !self.killed.load(Relaxed) && !self.is_leaving.load(Relaxed)
    }

    /// The reply encoding.
    pub fn version(&self) -> Version {
        match self.resp.load(Relaxed) {
            3 => Version::Resp3,
            _ => Version::Resp2,
        }
    }

    /// Whether it has subscribed to anything.
    pub fn has_subscribed(&self) -> bool {
        let mut counts = self.subscriptions.iter();
        counts.any(|count| count.load(Relaxed) > 0)
    }

    /// Lets others answer a call of it.
    pub fn wait(&self, waiting: Box<Waiting>) {
        self.blocked.store(true, Relaxed);
        *self.waiting.lock() = Some(waiting);
    }

    /// The hashes of the keys of the call with this ticket, if it still waits.
    pub fn awaits(&self, ticket: u64) -> Option<Hashes> {
        let waiting = self.waiting.lock();
        let waiting = waiting
            .as_ref()
            .filter(|waiting| waiting.ticket == ticket)?;
        Some(waiting.hashes.clone())
    }

    /// Takes the call with this ticket, or any, to answer it; `None` if it does not wait any more.
    pub fn claim(&self, ticket: Option<u64>) -> Option<Box<Waiting>> {
        let mut waiting = self.waiting.lock();
        let claimed = waiting.take_if(|it| ticket.is_none_or(|ticket| it.ticket == ticket));
        if claimed.is_some() {
            self.blocked.store(false, Relaxed);
        }
        claimed
    }

    /// Lends its socket to whoever answers the call with this ticket; answers whether that still waits. Until it has
    /// [taken it back](Handle::take_back) the connection must not write.
    pub fn lend(&self, ticket: u64, connection: Waker) -> bool {
        let mut waiting = self.waiting.lock();
        let call = waiting.as_mut().filter(|it| it.ticket == ticket);
        call.map(|call| call.loan = Some(connection)).is_some()
    }

    /// Takes its socket back; answers whether the call with this ticket still waits. If not, it is or will be answered, and nothing
    /// may be written before that.
    pub fn take_back(&self, ticket: u64) -> bool {
        let mut waiting = self.waiting.lock();
        let call = waiting.as_mut().filter(|it| it.ticket == ticket);
        call.map(|call| call.loan = None).is_some()
    }

    /// Whether a call of it waits for a limited time.
    pub fn has_deadline(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.as_ref().is_some_and(|waiting| waiting.has_deadline)
    }

    /// Shows how much the client has subscribed to.
    pub(super) fn publish_subscriptions(&self, subscriptions: &Subscriptions) {
        for topic in [Topic::Channel, Topic::Pattern, Topic::Shard] {
            let count = subscriptions.count(topic) as u32;
            self.subscriptions[topic as usize].store(count, Relaxed);
        }
    }

    /// Ends the connection soon.
    pub fn kill(&self) {
        // See `Place`: who adopts it later sees this, or the signal finds it there.
        self.killed.store(true, SeqCst);
        self.place.current().signal(Signal::Kill(self.id));
    }

    /// Sends bytes to this connection alone; see [`Signal::Deliver`].
    pub fn deliver(&self, bytes: Bytes) {
        let to = Recipients::One(self.id);
        self.place.pin().deliver(to, bytes);
    }
}

/// Every connected client.
#[derive(Debug, Default)]
pub struct Registry {
    clients: DashMap<u64, Arc<Handle>>,
    last_id: AtomicU64,
    /// What is on its way to them.
    pub traffic: Arc<Traffic>,
    /// What they all hold.
    pub memory: Memory,
}

impl Registry {
    /// Takes in a new connection.
    pub fn register(&self, kind: Kind, descriptor: i32, now: u64, place: Place) -> Arc<Handle> {
        let id = self.last_id.fetch_add(1, Relaxed) + 1;
        let handle = Arc::new(Handle {
            id,
            kind,
            descriptor,
            connected: now,
            names: Mutex::new(Names {
                user: "default".to_owned(),
                ..Names::default()
            }),
            last_interaction: AtomicU64::new(now),
            account: Account::default(),
            database: AtomicU32::new(0),
            last_command: AtomicU16::new(u16::MAX),
            resp: AtomicU8::new(2),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            queued: AtomicI32::new(-1),
            watch_is_broken: AtomicBool::new(false),
            is_monitor: AtomicBool::new(false),
            subscriptions: Default::default(),
            is_plain: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            tracking: tracking::Shown::default(),
            killed: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            place,
            waiting: Mutex::default(),
        });
        self.clients.insert(id, Arc::clone(&handle));
        handle
    }

    /// Forgets a connection that ended.
    pub fn unregister(&self, handle: &Arc<Handle>) {
        self.clients.remove(&handle.id);
        self.memory.close(handle);
    }

    /// The client of this id.
    pub fn get(&self, id: u64) -> Option<Arc<Handle>> {
        self.clients.get(&id).map(|found| Arc::clone(&found))
    }

    /// All clients, oldest first.
    pub fn all(&self) -> Vec<Arc<Handle>> {
        let mut all: Vec<_> = self
            .clients
            .iter()
            .map(|item| Arc::clone(item.value()))
            .collect();
        all.sort_unstable_by_key(|handle| handle.id);
        all
    }

    /// How many are connected.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}
