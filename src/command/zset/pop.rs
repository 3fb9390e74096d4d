//! Members from either end: ZPOPMIN, ZPOPMAX, ZMPOP.

use super::{ROW, answer_scored};
use crate::command::numkeys::{self, NumberedPop};
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::Key;
use crate::keyspace::effects::Event;
use crate::protocol::Version;
use crate::types::Collection;
use crate::types::zset::Zset;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zpopmin",
        run: zpopmin,
        summary: "Takes the members with the lowest scores out of a sorted set and answers them.",
        ..POP
    },
    Command {
        name: "zpopmax",
        run: zpopmax,
        summary: "Takes the members with the highest scores out of a sorted set and answers them.",
        ..POP
    },
    Command {
        name: "zmpop",
        run: zmpop,
        arity: -4,
        flags: Flags::WRITE,
        keys: &[KeySpec::counted(1, TAKEN)],
        since: "7.0.0",
        summary: "Takes the members with the lowest or highest scores out of the first sorted set that is there.",
        complexity: "O(K) + O(M*log(N)) for K keys and M of N members",
        syntax: "numkeys key [key ...] (where: MIN | MAX) [COUNT count]",
        ..ROW
    },
];

/// What these commands do with a key.
pub(super) const TAKEN: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);

/// What the rows for one key have in common.
const POP: Command = Command {
    arity: -2,
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::at(1, TAKEN)],
    since: "5.0.0",
    complexity: "O(M*log(N)) for M of N members",
    syntax: "key [count]",
    ..ROW
};

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Lowest,
    Highest,
}

impl End {
    /// The command that takes members from here.
    pub(super) fn pop_command(self) -> &'static [u8] {
        match self {
            End::Lowest => b"ZPOPMIN",
            End::Highest => b"ZPOPMAX",
        }
    }
}

fn zpopmin(call: &mut Call<'_>) -> Outcome {
    pop_one_key(call, End::Lowest)
}

fn zpopmax(call: &mut Call<'_>) -> Outcome {
    pop_one_key(call, End::Highest)
}

fn pop_one_key(call: &mut Call<'_>, end: End) -> Outcome {
    let count = match call.len() {
        2 => None,
        3 => Some(call.count(2)?),
        _ => return Err(Error::Syntax),
    };
    let form = if count.is_some() && call.reply.version() == Version::Resp3 {
        Form::Nested
    } else {
        Form::Flat
    };
    let key = call.key(1);
    if pop(call, key, end, count.unwrap_or(1), form)?.is_none() {
        call.reply.empty_array();
    }
    Ok(())
}

/// The end that an argument names.
pub(super) fn end(call: &Call<'_>, place: usize) -> Result<End, Error> {
    if call.is(place, "MIN") {
        Ok(End::Lowest)
    } else if call.is(place, "MAX") {
        Ok(End::Highest)
    } else {
        Err(Error::Syntax)
    }
}

fn zmpop(call: &mut Call<'_>) -> Outcome {
    let NumberedPop { keys, end, count } = numkeys::pop(call, 1, end)?;
    for place in keys {
        let key = call.key(place);
        if pop_named(call, key, end, count)? {
            return Ok(());
        }
    }
    call.reply.null_array();
    Ok(())
}

/// Takes up to `count` members out of a sorted set and answers its key and them; answers nothing if the key is not there, and tells
/// whether it is.
pub(super) fn pop_named(
    call: &mut Call<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
) -> Result<bool, Error> {
    let Some(taken) = pop(call, key, end, count, Form::Named)? else {
        return Ok(false);
    };
    // Other keys were not there, or were not looked at.
    let mut room = itoa::Buffer::new();
    let count = room.format(taken).as_bytes();
    let scribe = call.db.scribe();
    scribe.instead(&[end.pop_command(), key.bytes, count]);
    Ok(true)
}

/// How members that were taken out are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Each followed by its score.
    Flat,
    /// Each with its score in an array of its own.
    Nested,
    /// As `Nested`, behind the key.
    Named,
    /// The key, the only member and its score.
    One,
}

/// Takes up to `count` members out and answers them; tells how many there were. Answers nothing if the key is not there.
pub(super) fn pop(
    call: &mut Call<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
    form: Form,
) -> Result<Option<usize>, Error> {
    let reply = &mut call.reply;
    let popped = call.db.update(key, |zset: &mut Zset| {
        let len = zset.view().len();
        let count = count.min(len);
        let (ranks, event) = match end {
            End::Lowest => (0..count, Event::ZPOPMIN),
            End::Highest => (len - count..len, Event::ZPOPMAX),
        };
        let members = zset.view().range(ranks.clone(), end == End::Highest);
        match form {
            Form::Flat => answer_scored(reply, members, false),
            Form::Nested => answer_scored(reply, members, true),
            Form::Named => {
                reply.array(2);
                reply.bulk(key.bytes);
                answer_scored(reply, members, true);
            }
            Form::One => {
                reply.array(3);
                reply.bulk(key.bytes);
                for (member, score) in members {
                    member.answer(reply);
                    reply.double(score);
                }
            }
        }
        zset.remove_range(ranks);
        (event, count, zset.is_empty())
    })?;
    let Some((event, count, emptied)) = popped else {
        return Ok(None);
    };
    call.db.removed(key, event, count, emptied);
    Ok(Some(count))
}
