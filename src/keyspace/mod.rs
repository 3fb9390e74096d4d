//! The keyspace: every key of every database, ordered by hash.
//!
//! ```text
//! hash of a key:  | shard | segment | home bucket ... |
//!                   lock    [`table`](crate::table)
//! ```
//!
//! - [`table`](crate::table) keeps entries in that order; [`entry`] is one key with its value.
//! - [`shard`] cuts the order into locked pieces and says in which order locks are taken; [`meanwhile`] is for who waits long for one.
//! - [`db`] is what a command sees: its own locked piece of one database, with expiry already applied.
//! - [`fill`] stores many entries at once, as they come from a file.
//! - `undo` keeps what a script that may have to start over has changed.
//! - `walk` visits keys in that order, for SCAN and RANDOMKEY.
//! - [`observers`] are who wants to hear of changes: [`watch`] knows which keys transactions depend on, [`tracked`] keys
//!   of which clients keep copies, [`waiters`] who is
//!   blocked until a key holds something.
//! - [`effects`] is where every change is announced; [`propagation`] turns changes into commands that repeat them.
//! - [`notifications`] turns events into messages to those who subscribed; [`outbox`] is where messages gather.
//! - [`expire`] sweeps for dead keys, [`reclaim`] frees what is heavy on a thread of its own, [`defrag`] moves together what lies scattered.
//! - [`digest`] condenses the data into twenty bytes, for tests.
//! - [`snapshot`] passes everything on as it was at one moment, while it goes on changing.
//! - [`evict`] makes room by removing the keys that are missed least; [`access`] dates or counts accesses, for it and for
//!   OBJECT.
//!
//! Knows no sockets, clients or commands.

pub mod access;
pub mod db;
pub mod defrag;
pub mod digest;
pub mod effects;
pub mod entry;
pub mod evict;
pub mod expire;
pub mod fill;
pub mod meanwhile;
pub mod notifications;
pub mod observers;
pub mod outbox;
pub mod propagation;
pub mod reclaim;
pub mod shard;
pub mod snapshot;
pub mod tracked;
mod undo;
pub mod waiters;
mod walk;
pub mod watch;

pub use db::{Db, Expiry, Key};
pub use entry::{Entry, EntryMut, EntryRef, NewValue, ValueMut, ValueRef};
pub use shard::{Keyspace, Locked};
