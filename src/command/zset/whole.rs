//! All members of a sorted set, and some that chance chooses: ZCARD, ZSCAN, ZRANDMEMBER.

use fastrand::Rng;

use super::READ;
use crate::command::random::Wanted;
use crate::command::scan::{self, Walked};
use crate::command::{Call, Command, Flags, KeyFlags, KeySpec, Outcome};
use crate::protocol::number;
use crate::types::sample::Sampling;
use crate::types::string::StringRef;
use crate::types::zset::{Zset, ZsetRef};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zcard",
        run: zcard,
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        since: "1.2.0",
        summary: "Answers the number of members of a sorted set.",
        syntax: "key",
        ..READ
    },
    Command {
        name: "zscan",
        run: zscan,
        arity: -3,
        since: "2.8.0",
        summary: "Answers some members of a sorted set with their scores and a cursor to go on with.",
        complexity: "O(1) for a call, O(N) for a whole walk where N is the number of members",
        syntax: "key cursor [MATCH pattern] [COUNT count]",
        tips: &["nondeterministic_output"],
        ..READ
    },
    Command {
        name: "zrandmember",
        run: zrandmember,
        arity: -2,
        since: "6.2.0",
        summary: "Answers random members of a sorted set.",
        complexity: "O(N) in the number of members answered",
        syntax: "key [options: count [WITHSCORES]]",
        tips: &["nondeterministic_output"],
        ..READ
    },
];

fn zcard(call: &mut Call<'_>) -> Outcome {
    let zset = call.db.collection::<Zset>(call.key(1))?;
    call.reply.count(zset.map_or(0, ZsetRef::len));
    Ok(())
}

fn zscan(call: &mut Call<'_>) -> Outcome {
    let mut text = Vec::new();
    scan::collection::<Zset>(call, Walked::Members, |zset, position, found| {
        zset.scan(position, |member, score| {
            if found.admits(member) {
                text.clear();
                number::write_f64(&mut text, score);
                found.put(member);
                found.put(StringRef::Bytes(&text));
            }
        })
    })
}

fn zrandmember(call: &mut Call<'_>) -> Outcome {
    let wanted = Wanted::parse(call, Some("WITHSCORES"))?;
    let Some(zset) = call.db.collection::<Zset>(call.key(1))? else {
        match wanted {
            Some(_) => call.reply.empty_array(),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let rng = &mut Rng::new();
    match wanted {
        None => zset.sample(Sampling::Repeated(1), rng, |member, _| {
            member.answer(&mut call.reply);
        }),
        Some(wanted) => wanted.answer(&mut call.reply, zset.len(), |sampling, elements| {
            zset.sample(sampling, rng, |member, score| {
                elements.put(member, |reply| reply.double(score));
            });
        })?,
    }
    Ok(())
}
