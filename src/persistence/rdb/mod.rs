//! RDB: the whole keyspace in one file, in the format of Redis.
//!
//! - [`format`](mod@format) holds the facts of the format: opcodes, type numbers, lengths, strings, the checksum.
//! - [`encode`] makes the bytes of records and of DUMP payloads, [`file`](mod@file) a file of them.
//! - [`saver`] knows when there is a file to be written, and what became of the last.

pub mod encode;
pub mod file;
pub mod format;
pub mod saver;
