//! Members that chance chooses: SPOP takes them out, SRANDMEMBER shows them.

use fastrand::Rng;

use super::limits;
use crate::command::random::Wanted;
use crate::command::{Call, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::Key;
use crate::keyspace::effects::Event;
use crate::keyspace::propagation::{Scribe, Words};
use crate::types::Collection;
use crate::types::sample::Sampling;
use crate::types::set::{Set, SetRef};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "spop",
        run: spop,
        arity: -2,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        )],
        group: Group::Set,
        summary: "Takes random members out of a set and answers them; with the last one the set goes.",
        complexity: "O(1) for one member, O(N) for N",
        syntax: "key [count]",
        tips: &["nondeterministic_output"],
        ..Command::DEFAULT
    },
    Command {
        name: "srandmember",
        run: srandmember,
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        group: Group::Set,
        summary: "Answers random members of a set.",
        complexity: "O(1) for one member, O(N) for N",
        syntax: "key [count]",
        tips: &["nondeterministic_output"],
        ..Command::DEFAULT
    },
];

fn spop(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    match call.len() {
        2 => {}
        3 => return spop_count(call),
        _ => return Err(Error::Syntax),
    }
    let (reply, scribe) = (&mut call.reply, call.db.scribe());
    let popped = call.db.update::<Set, _>(key, |set| {
        set.pop(&mut Rng::new(), |member| {
            member.answer(reply);
            if let Some(mut removal) = removal(scribe, key, 1) {
                removal.string(member);
            }
        });
        set.is_empty()
    })?;
    match popped {
        None => call.reply.null(),
        Some(emptied) => call.db.removed(key, Event::SPOP, 1, emptied),
    }
    Ok(())
}

/// How to take out so many members, which follow.
fn removal<'a>(scribe: Scribe<'a>, key: Key<'_>, members: usize) -> Option<Words<'a>> {
    let mut words = scribe.instead_of(2 + members)?;
    words.word(b"SREM");
    words.word(key.bytes);
    Some(words)
}

fn spop_count(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let limits = limits(call.config);
    let count = call.count(2)?;
    let (db, reply) = (&mut call.db, &mut call.reply);
    let set = match db.view(key) {
        Some(entry) => entry.collection::<Set>()?,
        None => SetRef::default(),
    };
    let len = set.len();
    reply.set(count.min(len));
    if count == 0 || len == 0 {
        return Ok(());
    }
    if count >= len {
        set.iter().for_each(|member| member.answer(reply));
        db.delete(key);
        db.removed(key, Event::SPOP, len, true);
        db.scribe().removes(key.bytes);
        return Ok(());
    }
    let mut removal = removal(db.scribe(), key, count);
    let rest = db.update::<Set, _>(key, |set| {
        set.pop_many(count, &limits, &mut Rng::new(), |member| {
            member.answer(reply);
            if let Some(removal) = &mut removal {
                removal.string(member);
            }
        })
    })?;
    drop(removal);
    if let Some(rest) = rest.flatten() {
        db.free(rest.into_object());
    }
    db.changed_by(key, Event::SPOP, count);
    Ok(())
}

fn srandmember(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let wanted = Wanted::parse(call, None)?;
    let Some(set) = call.db.collection::<Set>(key)? else {
        match wanted {
            Some(_) => call.reply.empty_array(),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let rng = &mut Rng::new();
    match wanted {
        None => set.sample(Sampling::Repeated(1), rng, |member| {
            member.answer(&mut call.reply);
        }),
        Some(wanted) => wanted.answer(&mut call.reply, set.len(), |sampling, elements| {
            set.sample(sampling, rng, |member| elements.put(member, |_| {}));
        })?,
    }
    Ok(())
}
