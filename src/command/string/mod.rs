//! String commands, by what they do with the value.
//!
//! - [`whole`] reads and replaces it: GET, SET and their kin; [`many`] does so for several keys at once.
//! - [`range`] works on a part of it: APPEND, STRLEN, GETRANGE, SETRANGE.
//! - [`counter`] takes it for a number: INCR, DECRBY, INCRBYFLOAT.
//! - [`lcs`] compares two.

pub mod counter;
pub mod lcs;
pub mod many;
pub mod range;
pub mod whole;

use super::Call;
use crate::keyspace::effects::Event;
use crate::keyspace::{Expiry, Key, NewValue};

/// Stores a string under a key, whatever was there before, and announces it.
#[inline]
fn store(call: &mut Call<'_>, key: Key<'_>, value: &[u8], expiry: Expiry) {
    call.db.set(key, NewValue::string(value), expiry);
    call.db.changed(key, Event::SET);
    if let Expiry::At(_) = expiry {
        call.db.changed_too(key, Event::EXPIRE);
    }
}
