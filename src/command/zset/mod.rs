//! Sorted set commands, by what they do with the members.
//!
//! - [`member`] asks for members by name, adds and removes them; [`whole`] looks at all, at some that chance chooses, or at a few
//!   at a time.
//! - [`range`] answers, stores, counts and removes those between two bounds; [`pop`] takes them from either end, and [`blocking`]
//!   does so for clients that wait for them.
//! - [`algebra`] makes the union, intersection or difference of several sorted sets.

pub mod algebra;
pub mod blocking;
pub mod member;
pub mod pop;
pub mod range;
pub mod whole;

use super::{Call, Command, Flags, Group, KeyFlags, KeySpec};
use crate::config::Config;
use crate::keyspace::Key;
use crate::keyspace::effects::Event;
use crate::protocol::{Reply, Version};
use crate::types::string::StringRef;
use crate::types::zset::Zset;
use crate::types::{Collection, Limits};

/// What the rows that look at one sorted set have in common.
const READ: Command = Command {
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    ..ROW
};

/// What all rows have in common.
const ROW: Command = Command {
    group: Group::SortedSet,
    ..Command::DEFAULT
};

/// Up to which size a sorted set stays packed.
pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        entries: config.encoding.zset_max_listpack_entries,
        value: config.encoding.zset_max_listpack_value,
    }
}

/// Answers members, with their scores if that is asked for: flat in RESP2, each member and its score together in RESP3.
fn answer<'a>(
    reply: &mut Reply<'_>,
    members: impl ExactSizeIterator<Item = (StringRef<'a>, f64)>,
    with_scores: bool,
) {
    if with_scores {
        let nested = reply.version() == Version::Resp3;
        return answer_scored(reply, members, nested);
    }
    reply.array(members.len());
    for (member, _) in members {
        member.answer(reply);
    }
}

/// Answers members with their scores, each in an array of its own if `nested`.
fn answer_scored<'a>(
    reply: &mut Reply<'_>,
    members: impl ExactSizeIterator<Item = (StringRef<'a>, f64)>,
    nested: bool,
) {
    reply.array(if nested {
        members.len()
    } else {
        2 * members.len()
    });
    for (member, score) in members {
        if nested {
            reply.array(2);
        }
        member.answer(reply);
        reply.double(score);
    }
}

/// Stores the result of a command under a key, whatever was there before, and answers its size.
fn store(call: &mut Call<'_>, key: Key<'_>, result: Zset, event: Event) {
    let len = result.view().len();
    call.db.store(key, result, event);
    call.reply.count(len);
}
