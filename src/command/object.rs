//! OBJECT: how a key's value is stored and how it has been used.

use super::{Call, Categories, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome, help};
use crate::config::MemoryLimit;
use crate::keyspace::evict::Choice;
use crate::keyspace::{EntryRef, ValueRef};

const ABOUT_KEY: Command = Command {
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(2, KeyFlags::RO)],
    group: Group::Generic,
    categories: Categories::KEYSPACE,
    since: "2.2.3",
    syntax: "key",
    tips: &["nondeterministic_output"],
    ..Command::DEFAULT
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "object",
    arity: -2,
    group: Group::Generic,
    since: "2.2.3",
    summary: "Looks at how a key's value is stored and used.",
    complexity: "Depends on the subcommand",
    subcommands: &[
        Command {
            name: "encoding",
            run: encoding,
            summary: "Answers in which form the value is stored.",
            ..ABOUT_KEY
        },
        Command {
            name: "freq",
            run: freq,
            since: "4.0.0",
            summary: "Answers the access counter, which grows with the logarithm of the number of accesses.",
            ..ABOUT_KEY
        },
        Command {
            group: Group::Generic,
            categories: Categories::KEYSPACE,
            since: "6.2.0",
            ..help::ROW
        },
        Command {
            name: "idletime",
            run: idletime,
            summary: "Answers how many seconds ago the key was last used.",
            ..ABOUT_KEY
        },
        Command {
            name: "refcount",
            run: refcount,
            summary: "Answers how many references to the value there are.",
            ..ABOUT_KEY
        },
    ],
    ..Command::DEFAULT
}];

/// Integers below this are one shared object each in Redis, which shows in their reference count; unless eviction goes by
/// their access clocks.
const SHARED_INTEGERS: i64 = 10_000;

/// Looks a key up without touching it and answers what `tell` makes of it, or null if there is none.
fn about(
    call: &mut Call<'_>,
    tell: impl FnOnce(&mut crate::protocol::Reply<'_>, EntryRef<'_>) -> Outcome,
) -> Outcome {
    match call.db.peek_silently(call.key(2)) {
        Some(entry) => tell(&mut call.reply, entry),
        None => {
            call.reply.null();
            Ok(())
        }
    }
}

fn encoding(call: &mut Call<'_>) -> Outcome {
    about(call, |reply, entry| {
        reply.bulk(entry.value().encoding_name().as_bytes());
        Ok(())
    })
}

fn refcount(call: &mut Call<'_>) -> Outcome {
    let memory = &call.config.memory;
    let shares = memory.maxmemory == MemoryLimit::Bytes(0)
        || !Choice::of(memory.maxmemory_policy)
            .is_some_and(|choice| choice.ranking.looks_at_access());
    about(call, |reply, entry| {
        let shared = shares && matches!(entry.value(), ValueRef::Int(0..SHARED_INTEGERS));
        reply.int(if shared { i32::MAX.into() } else { 1 });
        Ok(())
    })
}

fn idletime(call: &mut Call<'_>) -> Outcome {
    let clock = call.db.moment.access;
    about(call, |reply, entry| {
        if clock.is_lfu() {
            return Err(Error::text(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
                 policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        reply.int((clock.idle(entry.access()) / 1000).cast_signed());
        Ok(())
    })
}

fn freq(call: &mut Call<'_>) -> Outcome {
    let clock = call.db.moment.access;
    about(call, |reply, entry| {
        if !clock.is_lfu() {
            return Err(Error::text(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        reply.int(clock.frequency(entry.access()).into());
        Ok(())
    })
}
