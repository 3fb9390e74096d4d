//! What is kept on disk.
//!
//! - [`aof`] is the append-only file: every change as the commands that make it again.
//!
//! Knows keys and values, but no sockets, clients or commands.

pub mod aof;
