//! Commands on keys of any type: COPY, DEL, UNLINK, EXISTS, MOVE, RANDOMKEY, RENAME, RENAMENX, TOUCH, TYPE.

use super::{Call, Categories, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::keyspace::{Db, Key};

const SUMMED: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const RENAMED: KeySpec = KeySpec::at(
    1,
    KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
);

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "copy",
        run: copy,
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[
            KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS)),
            KeySpec::at(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        ],
        since: "6.2.0",
        summary: "Copies a key's value and deadline to another key.",
        complexity: "O(1) for strings, O(N) for collections of N elements",
        syntax: "source destination [DB destination-db] [REPLACE]",
        ..ROW
    },
    Command {
        name: "del",
        run: del,
        arity: -2,
        flags: Flags::WRITE,
        keys: &[KeySpec::from(1, 1, KeyFlags::RM.union(KeyFlags::DELETE))],
        summary: "Removes keys.",
        complexity: "O(N) where N is the number of keys; large values are freed in the background",
        syntax: "key [key ...]",
        tips: SUMMED,
        ..ROW
    },
    Command {
        name: "exists",
        run: exists,
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::from(1, 1, KeyFlags::RO)],
        summary: "Counts how many of the given keys exist; a key given twice counts twice.",
        complexity: "O(N) where N is the number of keys",
        syntax: "key [key ...]",
        tips: SUMMED,
        ..ROW
    },
    Command {
        name: "move",
        run: move_,
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        summary: "Moves a key to another database, unless it has one of that name.",
        syntax: "key db",
        ..ROW
    },
    Command {
        name: "randomkey",
        run: randomkey,
        arity: 1,
        flags: Flags::READONLY.union(Flags::TOUCHES_ARBITRARY_KEYS),
        summary: "Answers the name of a key, each as likely as any other.",
        tips: &[
            "request_policy:all_shards",
            "response_policy:special",
            "nondeterministic_output",
        ],
        ..ROW
    },
    Command {
        name: "rename",
        run: rename,
        arity: 3,
        flags: Flags::WRITE,
        keys: &[
            RENAMED,
            KeySpec::at(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        ],
        summary: "Gives a key another name, whatever had that name before.",
        syntax: "key newkey",
        ..ROW
    },
    Command {
        name: "renamenx",
        run: renamenx,
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[
            RENAMED,
            KeySpec::at(2, KeyFlags::OW.union(KeyFlags::INSERT)),
        ],
        summary: "Gives a key another name, unless a key has it already.",
        syntax: "key newkey",
        ..ROW
    },
    Command {
        name: "touch",
        run: touch,
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::from(1, 1, KeyFlags::RO)],
        since: "3.2.1",
        summary: "Marks keys as just used, and counts those that exist.",
        complexity: "O(N) where N is the number of keys",
        syntax: "key [key ...]",
        tips: SUMMED,
        ..ROW
    },
    Command {
        name: "type",
        run: type_,
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO)],
        summary: "Answers the type of a key's value.",
        syntax: "key",
        ..ROW
    },
    Command {
        name: "unlink",
        run: del,
        arity: -2,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::from(1, 1, KeyFlags::RM.union(KeyFlags::DELETE))],
        since: "4.0.0",
        summary: "Removes keys; large values are freed in the background.",
        complexity: "O(N) where N is the number of keys",
        syntax: "key [key ...]",
        tips: SUMMED,
        ..ROW
    },
];

/// What the rows have in common.
const ROW: Command = Command {
    group: Group::Generic,
    categories: Categories::KEYSPACE,
    ..Command::DEFAULT
};

const SAME_OBJECT: Error = Error::Text(std::borrow::Cow::Borrowed(
    "ERR source and destination objects are the same",
));

/// DEL, and UNLINK as well: a value that takes long to free never holds up the client.
fn del(call: &mut Call<'_>) -> Outcome {
    count_keys(call, |db, key| {
        let removed = db.delete(key);
        if removed {
            db.changed(key, Event::DEL);
        }
        removed
    })
}

fn exists(call: &mut Call<'_>) -> Outcome {
    count_keys(call, |db, key| db.peek_counted(key).is_some())
}

fn touch(call: &mut Call<'_>) -> Outcome {
    // Touching is what the client asks for, even under CLIENT NO-TOUCH.
    call.db.touch = true;
    count_keys(call, |db, key| db.read(key).is_some())
}

/// Answers for how many of the arguments something holds.
fn count_keys(call: &mut Call<'_>, mut holds: impl FnMut(&mut Db<'_>, Key<'_>) -> bool) -> Outcome {
    let mut count = 0;
    for argument in 1..call.len() {
        let key = call.key(argument);
        count += usize::from(holds(&mut call.db, key));
    }
    call.reply.count(count);
    Ok(())
}

fn type_(call: &mut Call<'_>) -> Outcome {
    let name = call
        .db
        .peek_counted(call.key(1))
        .map_or("none", |entry| entry.value().type_name());
    call.reply.simple(name);
    Ok(())
}

fn randomkey(call: &mut Call<'_>) -> Outcome {
    if !call.db.random(|entry| call.reply.bulk(entry.key())) {
        call.reply.null();
    }
    Ok(())
}

fn rename(call: &mut Call<'_>) -> Outcome {
    move_to_name(call, true)?;
    call.reply.ok();
    Ok(())
}

fn renamenx(call: &mut Call<'_>) -> Outcome {
    let renamed = move_to_name(call, false)?;
    call.reply.int(renamed.into());
    Ok(())
}

/// Gives the first key the name of the second; answers whether anything changed.
fn move_to_name(call: &mut Call<'_>, overwrite: bool) -> Result<bool, Error> {
    let (from, to) = (call.key(1), call.key(2));
    let db = &mut call.db;
    if db.write(from).is_none() {
        return Err(Error::NoSuchKey);
    }
    if from.bytes == to.bytes || (!overwrite && db.peek(to).is_some()) {
        return Ok(false);
    }
    let Some(entry) = db.remove(from) else {
        return Err(Error::NoSuchKey);
    };
    db.put(to, entry.renamed(to.bytes));
    db.changed(from, Event::RENAME_FROM);
    db.changed_too(to, Event::RENAME_TO);
    Ok(true)
}

fn move_(call: &mut Call<'_>) -> Outcome {
    let key = call.key(1);
    let target = call.database(2)?;
    if target == call.db.index {
        return Err(SAME_OBJECT);
    }
    let moved =
        call.db.write(key).is_some() && !call.db.within(target, |db| db.peek(key).is_some());
    if moved && let Some(entry) = call.db.remove(key) {
        call.db.within(target, |db| db.put(key, entry));
        call.db.changed(key, Event::MOVE_FROM);
        call.db
            .within(target, |db| db.changed_too(key, Event::MOVE_TO));
    }
    call.reply.int(moved.into());
    Ok(())
}

fn copy(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.key(1), call.key(2));
    let mut target = call.db.index;
    let mut overwrite = false;
    let mut argument = 3;
    while argument < call.len() {
        if call.is(argument, "REPLACE") {
            overwrite = true;
        } else if call.is(argument, "DB") && argument + 1 < call.len() {
            argument += 1;
            target = call.database(argument)?;
        } else {
            return Err(Error::Syntax);
        }
        argument += 1;
    }
    if target == call.db.index && from.bytes == to.bytes {
        return Err(SAME_OBJECT);
    }
    let wanted = call.db.read(from).is_some()
        && (overwrite || !call.db.within(target, |db| db.peek(to).is_some()));
    let access = call.db.moment.access.fresh();
    let copy = wanted
        .then(|| {
            call.db
                .peek(from)
                .map(|entry| entry.copy_as(to.bytes, entry.deadline()))
        })
        .flatten();
    call.reply.int(copy.is_some().into());
    if let Some(mut copy) = copy {
        copy.as_mut().set_access(access);
        call.db.within(target, |db| {
            db.put(to, copy);
            db.changed(to, Event::COPY_TO);
        });
    }
    Ok(())
}
