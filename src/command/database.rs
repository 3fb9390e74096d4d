//! Whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.

use std::ops::Range;

use super::{Call, Categories, Command, Error, Flags, Group, Outcome, save};
use crate::keyspace::reclaim::Garbage;

const DANGEROUS: Categories = Categories::KEYSPACE.union(Categories::DANGEROUS);

const FLUSH: Command = Command {
    arity: -1,
    flags: Flags::WRITE.union(Flags::EXCLUSIVE),
    group: Group::Server,
    categories: DANGEROUS,
    complexity: "O(N) where N is the number of keys removed; with ASYNC this happens in the background",
    syntax: "[flush-type: ASYNC | SYNC]",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Command::DEFAULT
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "dbsize",
        run: dbsize,
        arity: 1,
        flags: Flags::READONLY.union(Flags::FAST).union(Flags::EXCLUSIVE),
        group: Group::Server,
        categories: Categories::KEYSPACE,
        summary: "Counts the keys of the database.",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        ..Command::DEFAULT
    },
    Command {
        name: "flushall",
        run: flushall,
        summary: "Removes all keys from all databases.",
        ..FLUSH
    },
    Command {
        name: "flushdb",
        run: flushdb,
        summary: "Removes all keys from the database.",
        ..FLUSH
    },
    Command {
        name: "swapdb",
        run: swapdb,
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST).union(Flags::EXCLUSIVE),
        group: Group::Server,
        categories: DANGEROUS,
        since: "4.0.0",
        summary: "Exchanges the keys of two databases.",
        syntax: "index1 index2",
        ..Command::DEFAULT
    },
];

fn dbsize(call: &mut Call<'_>) -> Outcome {
    let keys = call.db.len();
    call.reply.count(keys);
    Ok(())
}

fn flushdb(call: &mut Call<'_>) -> Outcome {
    let database = call.db.index;
    flush(call, database..database + 1)
}

fn flushall(call: &mut Call<'_>) -> Outcome {
    let databases = call.instance.keyspace.databases();
    flush(call, 0..databases)?;
    save::all_is_gone(call.instance, call.config);
    Ok(())
}

/// Empties databases. What they held is freed in the background, or here as soon as nobody waits for the shards.
fn flush(call: &mut Call<'_>, databases: Range<usize>) -> Outcome {
    let background = match call.len() {
        1 => call.config.memory.lazyfree_lazy_user_flush,
        2 if call.is(1, "ASYNC") => true,
        2 if call.is(1, "SYNC") => false,
        _ => return Err(Error::Syntax),
    };
    let now = call.db.now();
    for database in databases {
        let keys = call.db.locked.len(database) as u64;
        let tables = call.db.locked.take(database, now, &call.stats.effects);
        call.stats.effects.flushed(database, keys);
        for table in tables {
            if background {
                call.instance.keyspace.reclaimer.free(Garbage::Table(table));
            } else {
                call.db.locked.free_after(table);
            }
        }
    }
    call.stats.effects.propagation.insist();
    call.reply.ok();
    Ok(())
}

fn swapdb(call: &mut Call<'_>) -> Outcome {
    let first = call
        .int32(1)
        .map_err(|_| Error::text("ERR invalid first DB index"))?;
    let second = call
        .int32(2)
        .map_err(|_| Error::text("ERR invalid second DB index"))?;
    let databases = call.instance.keyspace.databases();
    let index = |number| {
        usize::try_from(number)
            .ok()
            .filter(|&index| index < databases)
    };
    let (Some(first), Some(second)) = (index(first), index(second)) else {
        return Err(Error::DatabaseIndex);
    };
    if first != second {
        let now = call.db.now();
        call.db.locked.swap(first, second, now, &call.stats.effects);
    }
    call.stats.effects.swapped(first, second);
    call.reply.ok();
    Ok(())
}
