//! Members from either end: ZPOPMIN, ZPOPMAX, ZMPOP.

use super::{ROW, answer_scored};
use crate::command::numkeys::{self, NumberedPop};
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::Key;
use crate::keyspace::effects::Event;
use crate::protocol::{Reply, Version};
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
const TAKEN: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);

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
enum End {
    Lowest,
    Highest,
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
    let nested = count.is_some() && call.reply.version() == Version::Resp3;
    let key = call.key(1);
    if pop(call, key, end, count.unwrap_or(1), nested, |_| {})?.is_none() {
        call.reply.empty_array();
    }
    Ok(())
}

/// The end that an argument names.
fn end(call: &Call<'_>, place: usize) -> Result<End, Error> {
    if call.is(place, "MIN") {
        Ok(End::Lowest)
    } else if call.is(place, "MAX") {
        Ok(End::Highest)
    } else {
        Err(Error::Syntax)
    }
}

fn zmpop(call: &mut Call<'_>) -> Outcome {
    let NumberedPop { keys, end, count } = numkeys::pop(call, end)?;
    for place in keys {
        let key = call.key(place);
        let taken = pop(call, key, end, count, true, |reply| {
            reply.array(2);
            reply.bulk(key.bytes);
        })?;
        if let Some(taken) = taken {
            // The other keys were not there, or were not looked at.
            let mut room = itoa::Buffer::new();
            let name: &[u8] = match end {
                End::Lowest => b"ZPOPMIN",
                End::Highest => b"ZPOPMAX",
            };
            let scribe = call.db.scribe();
            scribe.instead(&[name, key.bytes, room.format(taken).as_bytes()]);
            return Ok(());
        }
    }
    call.reply.null_array();
    Ok(())
}

/// Takes up to `count` members out and answers them, behind what `begin` writes; tells how many there were. Answers nothing if the
/// key is not there.
fn pop(
    call: &mut Call<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
    nested: bool,
    begin: impl FnOnce(&mut Reply<'_>),
) -> Result<Option<usize>, Error> {
    let reply = &mut call.reply;
    let popped = call.db.update(key, |zset: &mut Zset| {
        let len = zset.view().len();
        let count = count.min(len);
        let (ranks, event) = match end {
            End::Lowest => (0..count, Event::ZPOPMIN),
            End::Highest => (len - count..len, Event::ZPOPMAX),
        };
        begin(reply);
        let members = zset.view().range(ranks.clone(), end == End::Highest);
        answer_scored(reply, members, nested);
        zset.remove_range(ranks);
        (event, count, zset.is_empty())
    })?;
    let Some((event, count, emptied)) = popped else {
        return Ok(None);
    };
    call.db.removed(key, event, count, emptied);
    Ok(Some(count))
}
