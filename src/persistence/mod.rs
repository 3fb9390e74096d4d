//! What is kept on disk.
//!
//! - [`rdb`] is the whole keyspace as one file, written and read.
//! - [`aof`] is the append-only file: every change as the commands that make it again.
//! - [`loading`] tells how far the loading of either has come.
//!
//! Knows keys and values, but no sockets, clients or commands.

pub mod aof;
pub mod loading;
pub mod rdb;

use std::sync::Arc;

/// The sources of all libraries of functions, as they were at the moment of a snapshot.
pub type Libraries = Vec<Arc<[u8]>>;
