//! Hash commands, by what they do with the fields.
//!
//! - [`read`] answers one or several by name; [`write`] sets and removes them.
//! - [`counter`] takes a value for a number: HINCRBY, HINCRBYFLOAT.
//! - [`whole`] answers all of them, some at random, or a few at a time.
//! - [`deadline`] lets them die before the hash does; [`combined`] does so, or removes them, while they are answered or set.

pub mod combined;
pub mod counter;
pub mod deadline;
pub mod read;
pub mod whole;
pub mod write;

use crate::config::Config;
use crate::types::Limits;

/// Up to which size a hash stays packed.
pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        entries: config.encoding.hash_max_listpack_entries,
        value: config.encoding.hash_max_listpack_value,
    }
}
