//! All members of a set: SCARD, SMEMBERS, SSCAN.

use crate::command::scan::{self, Walked};
use crate::command::{Call, Command, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::types::set::{Set, SetRef};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "scard",
        run: scard,
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        group: Group::Set,
        summary: "Answers the number of members of a set.",
        syntax: "key",
        ..Command::DEFAULT
    },
    Command {
        name: "smembers",
        run: smembers,
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: Group::Set,
        summary: "Answers all members of a set.",
        complexity: "O(N) in the number of members",
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        ..Command::DEFAULT
    },
    Command {
        name: "sscan",
        run: sscan,
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: Group::Set,
        since: "2.8.0",
        summary: "Answers some members of a set and a cursor to go on with.",
        complexity: "O(1) for a call, O(N) for a whole walk where N is the number of members",
        syntax: "key cursor [MATCH pattern] [COUNT count]",
        tips: &["nondeterministic_output"],
        ..Command::DEFAULT
    },
];

fn scard(call: &mut Call<'_>) -> Outcome {
    let set = call.db.collection::<Set>(call.key(1))?;
    call.reply.count(set.map_or(0, SetRef::len));
    Ok(())
}

fn smembers(call: &mut Call<'_>) -> Outcome {
    let set = call.db.collection::<Set>(call.key(1))?.unwrap_or_default();
    call.reply.set(set.len());
    set.iter().for_each(|member| member.answer(&mut call.reply));
    Ok(())
}

fn sscan(call: &mut Call<'_>) -> Outcome {
    scan::collection::<Set>(call, Walked::Members, |set, position, found| {
        set.scan(position, |member| {
            if found.admits(member) {
                found.put(member);
            }
        })
    })
}
