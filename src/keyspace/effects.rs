//! The effects funnel: every change to the keyspace passes here, while its shard is still locked.
//!
//! Commands say *what happened* to a key and nothing about who wants to know. Today's readers are the [observers](super::observers)
//! of the shard, the dirty counter, the keyspace counters of INFO, and by [propagation](super::propagation) the append-only
//! file; keyspace notifications read the same record.

use super::notifications::Notifications;
use super::observers::Observers;
use super::outbox::Outbox;
use super::propagation::{self, Propagation, Scribe};
use super::tracked::Invalidations;
use super::waiters::Ready;
use crate::metric::Counter;

/// What happened to a key, by the names that keyspace notifications give to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The class of `notify-keyspace-events`.
    pub class: Class,
    /// The event's name.
    pub name: &'static str,
}

/// Classes of `notify-keyspace-events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `g`: commands on any type.
    Generic,
    /// `$`: string commands.
    String,
    /// `l`: list commands.
    List,
    /// `s`: set commands.
    Set,
    /// `h`: hash commands.
    Hash,
    /// `z`: sorted set commands.
    Zset,
    /// `x`: a key's time was over.
    Expired,
    /// `e`: a key had to make room.
    Evicted,
    /// `n`: a key came to be. Announced in front of what happened to it then, and no change of its own.
    New,
    /// `m`: a key was looked for in vain. No change either.
    Miss,
}

macro_rules! events {
    ($($name:ident = $class:ident $text:literal;)*) => {
        impl Event {
            $(#[doc = concat!("`", $text, "`")]
            pub const $name: Event = Event { class: Class::$class, name: $text };)*
        }
    };
}

events! {
    APPEND = String "append";
    COPY_TO = Generic "copy_to";
    DEL = Generic "del";
    EVICTED = Evicted "evicted";
    EXPIRE = Generic "expire";
    EXPIRED = Expired "expired";
    HDEL = Hash "hdel";
    HEXPIRE = Hash "hexpire";
    HEXPIRED = Hash "hexpired";
    HINCRBY = Hash "hincrby";
    HINCRBYFLOAT = Hash "hincrbyfloat";
    HPERSIST = Hash "hpersist";
    HSET = Hash "hset";
    INCRBY = String "incrby";
    INCRBYFLOAT = String "incrbyfloat";
    KEYMISS = Miss "keymiss";
    LINSERT = List "linsert";
    LPOP = List "lpop";
    LPUSH = List "lpush";
    LREM = List "lrem";
    LSET = List "lset";
    LTRIM = List "ltrim";
    MOVE_FROM = Generic "move_from";
    MOVE_TO = Generic "move_to";
    NEW = New "new";
    PERSIST = Generic "persist";
    RENAME_FROM = Generic "rename_from";
    RENAME_TO = Generic "rename_to";
    RESTORE = Generic "restore";
    RPOP = List "rpop";
    RPUSH = List "rpush";
    SADD = Set "sadd";
    SDIFFSTORE = Set "sdiffstore";
    SET = String "set";
    SETBIT = String "setbit";
    SETRANGE = String "setrange";
    SINTERSTORE = Set "sinterstore";
    SORTSTORE = List "sortstore";
    SPOP = Set "spop";
    SREM = Set "srem";
    SUNIONSTORE = Set "sunionstore";
    ZADD = Zset "zadd";
    ZDIFFSTORE = Zset "zdiffstore";
    ZINCR = Zset "zincr";
    ZINTERSTORE = Zset "zinterstore";
    ZPOPMAX = Zset "zpopmax";
    ZPOPMIN = Zset "zpopmin";
    ZRANGESTORE = Zset "zrangestore";
    ZREM = Zset "zrem";
    ZREMRANGEBYLEX = Zset "zremrangebylex";
    ZREMRANGEBYRANK = Zset "zremrangebyrank";
    ZREMRANGEBYSCORE = Zset "zremrangebyscore";
    ZUNIONSTORE = Zset "zunionstore";
}

/// What one worker's commands did to the keyspace, in counts.
#[derive(Debug, Default)]
pub struct Effects {
    /// Changes to keys, but for their dying or making room: what `rdb_changes_since_last_save` counts.
    pub dirty: Counter,
    /// Look-ups that found their key.
    pub hits: Counter,
    /// Look-ups that did not.
    pub misses: Counter,
    /// Keys removed because their time was over.
    pub expired: Counter,
    /// Fields of hashes removed because theirs was.
    pub expired_fields: Counter,
    /// Keys removed to make room.
    pub evicted: Counter,
    /// Which events are told to those who subscribed.
    pub notifications: Notifications,
    /// What is told to those who subscribed.
    pub outbox: Outbox,
    /// How the changes leave.
    pub propagation: Propagation,
    /// What clients are to be told that keep copies of keys.
    pub invalidations: Invalidations,
    /// Keys that blocked clients are to be served from.
    pub ready: Ready,
}

/// How far the counts and the draft of one worker had come.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    counts: [u64; 6],
    draft: propagation::Mark,
}

impl Effects {
    /// What is counted here.
    fn counters(&self) -> [&Counter; 6] {
        let Effects {
            dirty,
            hits,
            misses,
            expired,
            expired_fields,
            evicted,
            ..
        } = self;
        [dirty, hits, misses, expired, expired_fields, evicted]
    }

    /// Where the counts and the draft stand.
    pub fn mark(&self) -> Mark {
        Mark {
            counts: self.counters().map(Counter::get),
            draft: self.propagation.mark(),
        }
    }

    /// Forgets what happened since then: it was undone. Keys that are [ready](Self::ready) stay so, which does no harm.
    pub fn rewind(&self, mark: Mark) {
        for (counter, count) in self.counters().into_iter().zip(mark.counts) {
            counter.add(count.wrapping_sub(counter.get()));
        }
        self.propagation.rewind(mark.draft);
        self.outbox.discard();
    }

    /// Takes note of one change to `key` in `database`; the key's shard has these `observers`.
    #[inline]
    pub fn record(&self, observers: &mut Observers, database: usize, key: &[u8], event: Event) {
        self.record_side(observers, database, key, event);
        match event.class {
            Class::Expired => {
                self.expired.add(1);
                self.scribe(database).key_went(key);
            }
            Class::Evicted => {
                self.evicted.add(1);
                self.scribe(database).key_went(key);
            }
            _ => self.dirty.add(1),
        }
    }

    /// Tells those who subscribed of an event that changes nothing.
    #[inline]
    pub fn notify(&self, database: usize, key: &[u8], event: Event) {
        self.notifications
            .announce(&self.outbox, database, key, event);
    }

    /// Lets everything leave that has gathered, from a place where no command runs. What it tells of must still be locked.
    pub fn submit(&self) {
        self.outbox.send();
        self.propagation.submit();
        self.invalidations.send();
    }

    /// Who writes down how to repeat what is done in a database.
    pub(super) fn scribe(&self, database: usize) -> Scribe<'_> {
        Scribe::new(&self.propagation, database)
    }

    /// Takes note that the time of so many fields of a key was over, and that it is gone with them if that `emptied` it.
    pub fn fields_expired(
        &self,
        observers: &mut Observers,
        database: usize,
        key: &[u8],
        count: usize,
        emptied: bool,
    ) {
        self.expired_fields.add(count as u64);
        self.record_side(observers, database, key, Event::HEXPIRED);
        if emptied {
            self.record_side(observers, database, key, Event::DEL);
        }
    }

    /// Takes note that a database of so many keys was emptied.
    pub fn flushed(&self, _database: usize, keys: u64) {
        self.dirty.add(keys);
        self.invalidations.everything();
    }

    /// Takes note that two databases changed places.
    pub fn swapped(&self, _a: usize, _b: usize) {
        self.dirty.add(1);
        self.invalidations.everything();
    }

    /// Takes note of a further side of a change that was just recorded: a SET with an expiry is one change, with
    /// the events `set` and `expire`, and a RENAME is one of two keys.
    #[inline]
    pub fn record_side(
        &self,
        observers: &mut Observers,
        database: usize,
        key: &[u8],
        event: Event,
    ) {
        self.notify(database, key, event);
        observers.tell(self, database, key, event);
        self.invalidations.changed(key, event);
    }
}
