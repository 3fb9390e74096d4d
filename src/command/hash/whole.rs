//! All fields: HGETALL, HKEYS, HVALS, HLEN; a few at a time: HSCAN; some at random: HRANDFIELD.
//!
//! Dead fields are not shown, and only HRANDFIELD removes them. HLEN counts them until they are removed, as in Redis.

use fastrand::Rng;

use crate::command::random::Wanted;
use crate::command::scan::{self, Walked};
use crate::command::{Call, Command, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::protocol::Reply;
use crate::types::hash::{Hash, HashRef};
use crate::types::sample::Sampling;
use crate::types::string::StringRef;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hgetall",
        run: hgetall,
        summary: "Answers all fields of a hash with their values.",
        ..ALL
    },
    Command {
        name: "hkeys",
        run: hkeys,
        summary: "Answers the names of all fields of a hash.",
        ..ALL
    },
    Command {
        name: "hlen",
        run: hlen,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        summary: "Answers how many fields a hash has.",
        complexity: "O(1)",
        tips: &[],
        ..ALL
    },
    Command {
        name: "hrandfield",
        run: hrandfield,
        arity: -2,
        since: "6.2.0",
        summary: "Answers random fields of a hash.",
        complexity: "O(N) in the number of fields answered",
        syntax: "key [options: count [WITHVALUES]]",
        tips: &["nondeterministic_output"],
        ..ALL
    },
    Command {
        name: "hscan",
        run: hscan,
        arity: -3,
        since: "2.8.0",
        summary: "Answers some fields of a hash with their values, and a cursor to go on with.",
        complexity: "O(1) for a call, O(N) for a whole walk where N is the number of fields",
        syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
        tips: &["nondeterministic_output"],
        ..ALL
    },
    Command {
        name: "hvals",
        run: hvals,
        summary: "Answers the values of all fields of a hash.",
        ..ALL
    },
];

/// What these rows have in common.
const ALL: Command = Command {
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) in the number of fields",
    syntax: "key",
    tips: &["nondeterministic_output_order"],
    ..Command::DEFAULT
};

fn hgetall(call: &mut Call<'_>) -> Outcome {
    answer_all(call, Reply::map, |reply, field, value| {
        field.answer(reply);
        value.answer(reply);
    })
}

fn hkeys(call: &mut Call<'_>) -> Outcome {
    answer_all(call, Reply::array, |reply, field, _| field.answer(reply))
}

fn hvals(call: &mut Call<'_>) -> Outcome {
    answer_all(call, Reply::array, |reply, _, value| value.answer(reply))
}

/// Answers something for each field, behind the header for so many.
fn answer_all<'a>(
    call: &mut Call<'a>,
    header: fn(&mut Reply<'a>, usize),
    put: impl Fn(&mut Reply<'a>, StringRef<'_>, StringRef<'_>),
) -> Outcome {
    let now = call.db.now();
    let Some(hash) = call.db.collection::<Hash>(call.key(1))? else {
        header(&mut call.reply, 0);
        return Ok(());
    };
    header(&mut call.reply, hash.live_len(now));
    hash.live(now)
        .for_each(|(name, value)| put(&mut call.reply, name, value));
    Ok(())
}

fn hlen(call: &mut Call<'_>) -> Outcome {
    let hash = call.db.collection::<Hash>(call.key(1))?;
    call.reply.count(hash.map_or(0, HashRef::len));
    Ok(())
}

fn hscan(call: &mut Call<'_>) -> Outcome {
    let now = call.db.now();
    scan::collection::<Hash>(call, Walked::Fields, |hash, position, found| {
        hash.scan(position, |name, field| {
            if found.admits(name) && !field.is_dead(now) {
                found.put(name);
                if found.wants_values() {
                    found.put(field.value);
                }
            }
        })
    })
}

fn hrandfield(call: &mut Call<'_>) -> Outcome {
    let wanted = Wanted::parse(call, Some("WITHVALUES"))?;
    let (key, now) = (call.key(1), call.db.now());
    call.db.expire_all_fields(key);
    let hash = call.db.collection::<Hash>(key)?;
    // While clients are paused, dead fields have stayed.
    let Some((hash, len)) = hash
        .map(|hash| (hash, hash.live_len(now)))
        .filter(|&(_, len)| len > 0)
    else {
        match wanted {
            Some(_) => call.reply.empty_array(),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let mut rng = Rng::new();
    match wanted {
        Some(wanted) => wanted.answer(&mut call.reply, len, |sampling, elements| {
            hash.sample(sampling, now, &mut rng, |name, value| {
                elements.put(name, |reply| value.answer(reply));
            });
        }),
        None => {
            hash.sample(Sampling::Distinct(1), now, &mut rng, |name, _| {
                name.answer(&mut call.reply);
            });
            Ok(())
        }
    }
}
