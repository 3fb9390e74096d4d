//! RDB: the whole keyspace in one file, in the format of Redis.
//!
//! - [`format`](mod@format) holds the facts of the format: opcodes, type numbers, lengths, strings, the checksum.

pub mod format;
