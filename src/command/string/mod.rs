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

use super::{Call, Error};
use crate::keyspace::effects::Event;
use crate::keyspace::{Db, Expiry, Key, NewValue};
use crate::types::string;

/// Stores a string under a key, whatever was there before, and announces it.
#[inline]
fn store(call: &mut Call<'_>, key: Key<'_>, value: &[u8], expiry: Expiry) {
    call.db.set(key, NewValue::string(value), expiry);
    call.db.changed(key, Event::SET);
    if let Expiry::At(deadline) = expiry {
        call.db.changed_too(key, Event::EXPIRE);
        let mut room = itoa::Buffer::new();
        let deadline = room.format(deadline).as_bytes();
        let scribe = call.db.scribe();
        scribe.instead(&[b"SET", key.bytes, value, b"PXAT", deadline]);
    }
}

/// What [`edit`] did.
pub(super) struct Edited<R> {
    /// Whether the string became longer; one that was not there did.
    pub grew: bool,
    /// What the change answered.
    pub answer: R,
}

/// Changes the string of a key in place, first filled up with zero bytes to `reach` bytes if it is shorter or not there.
/// The caller announces the change.
///
/// What `reach` costs nobody has sent, so that the system is asked for it carefully: it may refuse.
///
/// A string that is changed in part is expected to change again: it moves out of its entry into a buffer that grows by
/// doubling, which OBJECT ENCODING calls `raw` whatever the length.
pub(super) fn edit<R>(
    db: &mut Db<'_>,
    key: Key<'_>,
    reach: usize,
    change: impl FnOnce(&mut [u8]) -> R,
) -> Result<Edited<R>, Error> {
    let Some(entry) = db.write(key) else {
        let mut bytes = string::zeroed(reach)?;
        let answer = change(&mut bytes);
        db.insert(key, NewValue::growing(bytes), None);
        return Ok(Edited { grew: true, answer });
    };
    let string = entry.into_string()?;
    let grew = string.as_ref().len() < reach;
    let (answer, moved) = string.edit(|bytes| {
        if grew {
            string::lengthen(bytes, reach)?;
        }
        Ok::<R, Error>(change(bytes))
    });
    let answer = answer?;
    if let Some(bytes) = moved {
        db.replace(key, NewValue::growing(bytes));
    }
    Ok(Edited { grew, answer })
}
