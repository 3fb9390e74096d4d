//! Members by name: SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER.

use super::limits;
use crate::command::{Call, Command, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::types::Collection;
use crate::types::set::Set;
use crate::types::string::StringRef;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        run: sadd,
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::INSERT))],
        group: Group::Set,
        summary: "Adds members to a set, which is created if it does not exist.",
        complexity: "O(N) in the number of members added",
        syntax: "key member [member ...]",
        ..Command::DEFAULT
    },
    Command {
        name: "srem",
        run: srem,
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        group: Group::Set,
        summary: "Removes members from a set, and with the last one the set.",
        complexity: "O(N) in the number of members named",
        syntax: "key member [member ...]",
        ..Command::DEFAULT
    },
    Command {
        name: "smove",
        run: smove,
        arity: 4,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[
            KeySpec::at(
                1,
                KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
            ),
            KeySpec::at(2, KeyFlags::RW.union(KeyFlags::INSERT)),
        ],
        group: Group::Set,
        summary: "Moves a member from one set to another.",
        syntax: "source destination member",
        ..Command::DEFAULT
    },
    Command {
        name: "sismember",
        run: sismember,
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        group: Group::Set,
        summary: "Answers whether something is a member of a set.",
        syntax: "key member",
        ..Command::DEFAULT
    },
    Command {
        name: "smismember",
        run: smismember,
        arity: -3,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: Group::Set,
        since: "6.2.0",
        summary: "Answers for each of several things whether it is a member of a set.",
        complexity: "O(N) in the number of members asked for",
        syntax: "key member [member ...]",
        ..Command::DEFAULT
    },
];

fn sadd(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let limits = limits(call.config);
    let count = call.len() - 2;
    let first = StringRef::Bytes(call.arg(2));
    let members = call.args_from(2).map(StringRef::Bytes);
    let added = call.db.update_or_insert::<Set, _>(key, |set| {
        set.expect(count, first, &limits);
        members.filter(|&member| set.add(member, &limits)).count()
    })?;
    if added > 0 {
        call.db.changed_by(key, Event::SADD, added);
    }
    call.reply.count(added);
    Ok(())
}

fn srem(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let members = call.args_from(2).map(StringRef::Bytes);
    let done = call.db.update::<Set, _>(key, |set| {
        let removed = members.filter(|&member| set.remove(member)).count();
        (removed, set.is_empty())
    })?;
    let (removed, emptied) = done.unwrap_or_default();
    call.db.removed(key, Event::SREM, removed, emptied);
    call.reply.count(removed);
    Ok(())
}

fn smove(call: &mut Call<'_>) -> Outcome {
    let (source, destination) = (call.key(1), call.key(2));
    let member = StringRef::Bytes(call.arg(3));
    let limits = limits(call.config);
    let db = &mut call.db;
    let Some(entry) = db.write(source) else {
        call.reply.int(0);
        return Ok(());
    };
    let found = entry.as_ref().collection::<Set>()?.contains(member);
    if let Some(entry) = db.write(destination) {
        entry.as_ref().collection::<Set>()?;
    }
    if found && source.bytes != destination.bytes {
        let emptied = db.update::<Set, _>(source, |set| {
            set.remove(member);
            set.is_empty()
        })?;
        db.removed(source, Event::SREM, 1, emptied == Some(true));
        let added = db.update_or_insert::<Set, _>(destination, |set| {
            if set.is_empty() {
                set.expect(1, member, &limits);
            }
            set.add(member, &limits)
        })?;
        if added {
            db.changed(destination, Event::SADD);
        }
    }
    call.reply.int(found.into());
    Ok(())
}

fn sismember(call: &mut Call<'_>) -> Outcome {
    let member = StringRef::Bytes(call.arg(2));
    let set = call.db.collection::<Set>(call.key(1))?;
    let found = set.is_some_and(|set| set.contains(member));
    call.reply.int(found.into());
    Ok(())
}

fn smismember(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let members = call.args_from(2).map(StringRef::Bytes);
    let set = call.db.collection::<Set>(key)?;
    call.reply.array(call.request.len() - 2);
    for member in members {
        let found = set.is_some_and(|set| set.contains(member));
        call.reply.int(found.into());
    }
    Ok(())
}
