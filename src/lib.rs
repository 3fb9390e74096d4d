//! Minium, an in-memory cache server that speaks the Redis protocol and uses all cores.
//!
//! The house, room by room, from the street to the cellar:
//!
//! | room | holds |
//! | --- | --- |
//! | [`server`] | listener, workers, connections, background, shutdown; the only room with sockets and tasks |
//! | [`command`] | one file per command family; a command is a row and a function beside it |
//! | [`pubsub`] | channels, patterns and shard channels, and what leaves for those who listen |
//! | [`clients`] | what a command sees of its connection, the registry of all connections, and the way to reach them |
//! | [`telemetry`] | counters, INFO, the log |
//! | [`scripting`] | Lua: the interpreter, and what scripts find in it |
//! | [`persistence`] | what is kept on disk |
//! | [`keyspace`] | every key in hash order: shards, entries, expiry, the effects funnel |
//! | [`types`] | the values and their compact encodings |
//! | [`table`] | the hash-ordered table, of the keyspace and of large collections |
//! | [`protocol`] | requests in, replies out; knows bytes only |
//! | [`config`] | one declaration per directive, and every way to set it |
//!
//! Imports run downward in this list; `protocol`, `config`, [`metric`], [`priority`] and [`allocator`] are leaves that any room
//! may use.
//!
//! To follow a command on its way: `server::connection` reads and parses, `command::dispatch` finds its row and locks its
//! keys' shards, the function beside the row works on `keyspace::db` and writes its reply.

pub mod allocator;
pub mod clients;
pub mod command;
pub mod config;
pub mod keyspace;
pub mod metric;
pub mod persistence;
pub mod priority;
pub mod protocol;
pub mod pubsub;
pub mod scripting;
pub mod server;
pub mod table;
pub mod telemetry;
pub mod types;

/// The version of this server.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version of Redis whose behaviour this server has; client libraries look at it to know what they may use.
pub const REDIS_VERSION: &str = "7.2.4";
