//! The append-only file: every change as the commands that make it again.
//!
//! ```text
//! command ── journal ── writer ── log: manifest, base, increments
//!            (memory)   (thread)
//! ```
//!
//! - [`journal`] takes changes while their keys are locked;
//! - [`orders`] is what passes from there to the writer;
//! - [`writer`] writes them and brings them to the disk as `appendfsync` says;
//! - [`log`] is the set of files, in the layout of Redis 7, which [`manifest`] names;
//! - [`status`] is how all that does;
//! - [`rewrite`] makes a new base; [`commands`] writes keys as the commands that make them;
//! - [`load`] reads all that when the server starts;
//! - [`disk`] is what they ask of the system.

pub mod commands;
pub mod disk;
pub mod journal;
pub mod load;
pub mod log;
pub mod manifest;
pub mod orders;
pub mod rewrite;
pub mod status;
pub mod writer;

#[cfg(test)]
mod tests;
