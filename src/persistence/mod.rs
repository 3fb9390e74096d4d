//! What is kept on disk.
//!
//! - [`rdb`] is the whole keyspace as one file, and reads such files of every age and origin.
//! - [`aof`] is the append-only file: every change as the commands that make it again.
//!
//! Knows keys and values, but no sockets, clients or commands.

pub mod aof;
pub mod rdb;
