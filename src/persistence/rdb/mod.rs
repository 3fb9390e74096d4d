//! RDB: the whole keyspace in one file, in the format of Redis.
//!
//! - [`format`](mod@format) holds the facts of the format: opcodes, type numbers, lengths, strings, the checksum.
//! - [`encode`] makes the bytes of records and of DUMP payloads, [`file`](mod@file) a file of them.
//! - [`saver`] knows when there is a file to be written, and what became of the last.
//! - [`record`] tells where the items of a file end, [`decode`] makes values of them; [`ziplist`] and [`zipmap`] are what old
//!   files have them packed in.
//! - [`cut`] reads a file in pieces, [`load`] has them built by all workers.

pub mod cut;
pub mod decode;
pub mod encode;
pub mod file;
pub mod format;
pub mod load;
pub mod record;
pub mod saver;
pub mod ziplist;
pub mod zipmap;
