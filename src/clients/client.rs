//! The state of one connection that commands read and change.

use std::sync::Arc;

use super::registry::Handle;
use super::subscriptions::{Name, Subscriptions, Topic};
use super::tracking;
use super::transaction::{Transaction, Watching};
use super::waiting::Wait;
use crate::keyspace::Keyspace;
use crate::protocol::Version;

/// Which replies a client wants (CLIENT REPLY).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// All.
    #[default]
    On,
    /// None until it says otherwise.
    Off,
    /// Not that of the next command.
    SkipNext,
    /// Not that of the command that runs now.
    Skip,
}

/// What kind of peer a connection serves, as limits and CLIENT LIST TYPE tell them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// An ordinary client.
    #[default]
    Normal,
    /// The server that this one replicates.
    Master,
    /// A server that replicates this one.
    Replica,
    /// A client that has subscribed to something.
    Pubsub,
}

/// One connection, as its commands see it.
#[derive(Debug)]
pub struct Client {
    /// Never used twice in the life of a server.
    pub id: u64,
    /// The selected database.
    pub database: usize,
    /// The reply encoding.
    pub version: Version,
    /// Whether commands other than AUTH and HELLO are allowed.
    pub authenticated: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// CLIENT NO-TOUCH: reads leave no trace on the keys.
    pub no_touch: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// Set by a command after whose reply the connection ends.
    pub close: bool,
    /// Set by a command after which certain things may not come any more, as UNSUBSCRIBE: whatever was sent to the client before must
    /// be in front of the command's reply.
    pub is_overtaking: bool,
    /// What kind of peer it serves.
    pub class: Class,
    /// Whether it is one of the [`Monitors`](super::Monitors).
    pub is_monitor: bool,
    /// What a command has for its own client beside the reply, and is sent behind it whatever replies the client wants.
    pub pushes: Vec<u8>,
    /// What MONITOR shows of the commands that the script which runs has called.
    pub called_by_script: String,
    /// Whether there was no room for more when its command began.
    pub has_no_room: bool,
    /// The length in bytes that the replies of a batch may reach; beyond, none are written and the connection is to end.
    pub reply_room: usize,
    /// The id of the command that runs or ran last, as [`Entry::id`](crate::command::registry::Entry).
    pub last_command: u16,
    /// The commands since MULTI.
    pub transaction: Option<Box<Transaction>>,
    /// Memory of its last transaction, for the next one.
    pub emptied_transaction: Option<Box<Transaction>>,
    /// The position in the journal behind the last change that it made, for replies that must not be sent before that is on disk.
    pub written: u64,
    /// CLIENT TRACKING.
    pub tracking: tracking::Choice,
    /// The keys of WATCH.
    pub watching: Option<Box<Watching>>,
    /// The call that waits, if one does. Nothing else runs meanwhile.
    pub wait: Option<Box<Wait>>,
    /// What it has subscribed to; never empty.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// Whether it has sent something to others since it was last made to wait for its delivery.
    pub has_published: bool,
    /// The part that others see.
    pub handle: Arc<Handle>,
}

impl Client {
    /// A client that just connected. `authenticated`: whether no password is asked of it.
    pub fn new(handle: Arc<Handle>, authenticated: bool) -> Client {
        Client {
            id: handle.id,
            database: 0,
            version: Version::Resp2,
            authenticated,
            reply_mode: ReplyMode::On,
            no_touch: false,
            no_evict: false,
            close: false,
            is_overtaking: false,
            class: Class::Normal,
            is_monitor: false,
            pushes: Vec::new(),
            called_by_script: String::new(),
            has_no_room: false,
            reply_room: usize::MAX,
            last_command: u16::MAX,
            transaction: None,
            emptied_transaction: None,
            written: 0,
            tracking: tracking::Choice::default(),
            watching: None,
            wait: None,
            subscriptions: None,
            has_published: false,
            handle,
        }
    }

    /// Puts everything back as it was after connecting, as RESET does. The caller ends what the client watches and has subscribed to.
    pub fn reset(&mut self, authenticated: bool) {
        self.handle.names.lock().name.clear();
        *self = Client {
            reply_room: self.reply_room,
            written: self.written,
            is_overtaking: self.is_overtaking,
            ..Client::new(Arc::clone(&self.handle), authenticated)
        };
    }

    /// Whether its next request is answered as that of any other client.
    pub(super) fn is_plain(&self) -> bool {
        self.authenticated
            && self.transaction.is_none()
            && self.wait.is_none()
            && self.reply_mode == ReplyMode::On
            && self.class == Class::Normal
    }

    /// What its transaction, its watches, its wait and its subscriptions take, in bytes.
    pub fn memory(&self) -> usize {
        let transactions = [&self.transaction, &self.emptied_transaction];
        let transactions = transactions.into_iter().flatten().map(|it| it.memory());
        let transaction = transactions.sum::<usize>();
        let watching = self.watching.as_ref().map_or(0, |it| it.memory());
        let wait = self.wait.as_ref().map_or(0, |it| it.memory);
        let tracking = self.tracking.memory();
        let subscriptions = self.subscriptions.as_ref().map_or(0, |it| it.memory());
        transaction + watching + wait + subscriptions + tracking
    }

    /// What it has subscribed to of a kind.
    pub fn subscribed(&self, topic: Topic) -> Vec<Name> {
        let subscriptions = self.subscriptions.iter();
        subscriptions
            .flat_map(|all| all.of(topic).iter().cloned())
            .collect()
    }

    /// Shows in the handle how much it has subscribed to.
    pub fn publish_subscriptions(&self) {
        let none = Subscriptions::default();
        let subscriptions = self.subscriptions.as_deref().unwrap_or(&none);
        self.handle.publish_subscriptions(subscriptions);
    }

    /// Whether a key that it watches has changed.
    pub fn watch_is_broken(&self) -> bool {
        self.watching
            .as_ref()
            .is_some_and(|watching| watching.touched.is_raised())
    }

    /// Ends all its watches; no shard may be locked.
    pub fn unwatch(&mut self, keyspace: &Keyspace) {
        if let Some(watching) = self.watching.take() {
            watching.end(keyspace);
        }
    }

    /// Shows the current state in the handle, for CLIENT LIST.
    pub fn publish(&self) {
        self.handle.publish(self);
    }
}
