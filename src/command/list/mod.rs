//! List commands, by where they touch the list.
//!
//! - [`ends`] adds and removes at either end: LPUSH, RPOP, LMPOP and their kin; [`transfer`] moves from one list to another;
//!   [`blocking`] does the same for clients that wait for elements.
//! - [`read`] changes nothing: LLEN, LINDEX, LRANGE, LPOS.
//! - [`edit`] works anywhere inside: LSET, LINSERT, LREM, LTRIM.

pub mod blocking;
pub mod edit;
pub mod ends;
pub mod read;
pub mod transfer;

use std::sync::atomic::Ordering::Relaxed;

use super::{Call, Command, Error, Group, Instance, KeyFlags};
use crate::config::Config;
use crate::keyspace::effects::Event;
use crate::types::list::{End, Layout};

/// What all rows have in common.
const ROW: Command = Command {
    group: Group::List,
    ..Command::DEFAULT
};

/// What happens to a list from which elements are taken.
const TAKES: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);

/// How lists are to be laid out now.
#[inline]
pub fn layout(call: &Call<'_>) -> Layout {
    layout_of(call.instance, call.config)
}

/// How lists are to be laid out under a configuration.
pub(super) fn layout_of(instance: &Instance, config: &Config) -> Layout {
    let encoding = &config.encoding;
    Layout::new(
        encoding.list_max_listpack_size,
        encoding.list_compress_depth,
        instance.debug.plain_elements.load(Relaxed),
    )
}

/// The end that an argument names.
fn end(call: &Call<'_>, place: usize) -> Result<End, Error> {
    if call.is(place, "LEFT") {
        Ok(End::Front)
    } else if call.is(place, "RIGHT") {
        Ok(End::Back)
    } else {
        Err(Error::Syntax)
    }
}

/// The command that removes elements at an end.
fn pop_command(end: End) -> &'static [u8] {
    match end {
        End::Front => b"LPOP",
        End::Back => b"RPOP",
    }
}

/// What is announced of elements added at an end.
fn pushed(end: End) -> Event {
    match end {
        End::Front => Event::LPUSH,
        End::Back => Event::RPUSH,
    }
}

/// What is announced of elements removed at an end.
fn popped(end: End) -> Event {
    match end {
        End::Front => Event::LPOP,
        End::Back => Event::RPOP,
    }
}
