//! MEMORY: what keys and the process take.

use super::{Call, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome, help};
use crate::allocator;
use crate::keyspace::{Db, EntryRef, Key, ValueRef};
use crate::protocol::Reply;
use crate::telemetry::memory::{MemoryReport, Overhead, human};

const GROUP: Group = Group::Server;
const SINCE: &str = "4.0.0";
const REPORT: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "memory",
    arity: -2,
    group: GROUP,
    since: SINCE,
    summary: "Tells what keys and the process take.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Command {
            name: "doctor",
            run: doctor,
            arity: 2,
            group: GROUP,
            since: SINCE,
            summary: "Tells what is unusual about the use of memory.",
            tips: REPORT,
            ..Command::DEFAULT
        },
        Command {
            group: GROUP,
            since: SINCE,
            ..help::ROW
        },
        Command {
            name: "malloc-stats",
            run: malloc_stats,
            arity: 2,
            group: GROUP,
            since: SINCE,
            summary: "Answers the figures of the allocator.",
            complexity: "Depends on how much memory is allocated, could be slow",
            tips: REPORT,
            ..Command::DEFAULT
        },
        Command {
            name: "purge",
            run: purge,
            arity: 2,
            group: GROUP,
            since: SINCE,
            summary: "Gives unused memory back to the system.",
            complexity: "Depends on how much memory is allocated, could be slow",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Command::DEFAULT
        },
        Command {
            name: "stats",
            run: stats,
            arity: 2,
            group: GROUP,
            since: SINCE,
            summary: "Tells what memory is used for.",
            tips: REPORT,
            ..Command::DEFAULT
        },
        Command {
            name: "usage",
            run: usage,
            arity: -3,
            flags: Flags::READONLY,
            keys: &[KeySpec::at(2, KeyFlags::RO)],
            group: GROUP,
            since: SINCE,
            summary: "Answers how many bytes a key and its value take.",
            complexity: "O(N) where N is the number of samples.",
            syntax: "key [SAMPLES count]",
            ..Command::DEFAULT
        },
    ],
    ..Command::DEFAULT
}];

/// Elements of a large collection whose sizes are looked at, if the call does not say how many.
const DEFAULT_SAMPLES: usize = 5;

fn usage(call: &mut Call<'_>) -> Outcome {
    let mut samples = DEFAULT_SAMPLES;
    let mut place = 3;
    while place < call.len() {
        if !call.is(place, "SAMPLES") || place + 1 == call.len() {
            return Err(Error::Syntax);
        }
        samples = usize::try_from(call.int(place + 1)?).map_err(|_| Error::Syntax)?;
        place += 2;
    }
    let key = call.key(2);
    match call.db.peek(key).map(|entry| bytes_of(entry, samples)) {
        Some(bytes) => call.reply.count(bytes + share_of_table(&call.db, key)),
        None => call.reply.null(),
    }
    Ok(())
}

fn bytes_of(entry: EntryRef<'_>, samples: usize) -> usize {
    let object = match entry.value() {
        ValueRef::Object(object) => object.memory(samples),
        ValueRef::Int(_) | ValueRef::Inline(_) | ValueRef::Packed(..) => 0,
    };
    allocator::good_size(entry.size()) + object
}

/// What the table spends on finding a key of its own.
fn share_of_table(db: &Db<'_>, key: Key<'_>) -> usize {
    /// A key does not answer for the room that others have left, or that is there for them.
    const MOST: usize = 24;
    let table = db.locked.shard_ref(key).table(db.index);
    let share = table.and_then(|table| table.table_bytes().checked_div(table.len()));
    share.unwrap_or(0).min(MOST)
}

/// Fields of MEMORY STATS that do not belong to a database.
const FIELDS: usize = 27;

fn stats(call: &mut Call<'_>) -> Outcome {
    let databases = call.db.locked.counts();
    let report = MemoryReport::new(&call.instance.telemetry, &call.instance.clients, &databases);
    let used = || {
        report
            .databases
            .iter()
            .enumerate()
            .filter(|&(database, _)| databases[database].keys > 0)
    };
    let functions = call.instance.functions.load().memory() as u64;
    let scripts = call.instance.scripts.memory() as u64;
    let reply = &mut call.reply;
    reply.map(FIELDS + used().count());
    numbers(
        reply,
        &[
            ("peak.allocated", report.peak),
            ("total.allocated", report.used),
            ("startup.allocated", report.startup),
            ("replication.backlog", 0),
            ("clients.slaves", 0),
            ("clients.normal", report.clients),
            ("cluster.links", 0),
            ("aof.buffer", 0),
            ("lua.caches", scripts),
            ("functions.caches", functions),
        ],
    );
    for (database, takes) in used() {
        reply.bulk(format!("db.{database}").as_bytes());
        reply.map(3);
        numbers(
            reply,
            &[
                ("overhead.hashtable.main", takes.table),
                ("overhead.hashtable.expires", takes.deadlines),
                ("overhead.hashtable.slot-to-keys", 0),
            ],
        );
    }
    numbers(
        reply,
        &[
            ("overhead.total", report.overhead()),
            ("keys.count", report.keys),
            ("keys.bytes-per-key", report.bytes_per_key()),
            ("dataset.bytes", report.dataset()),
        ],
    );
    for (name, percent) in [
        ("dataset.percentage", report.dataset_percent()),
        ("peak.percentage", report.peak_percent()),
    ] {
        reply.bulk(name.as_bytes());
        reply.double(percent);
    }
    numbers(
        reply,
        &[
            ("allocator.allocated", report.used),
            ("allocator.active", report.resident.anonymous),
            ("allocator.resident", report.resident.anonymous),
        ],
    );
    for (ratio, bytes, overhead) in [
        (
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
            report.kept_free(),
        ),
        ("allocator-rss.ratio", "allocator-rss.bytes", Overhead::NONE),
        ("rss-overhead.ratio", "rss-overhead.bytes", report.program()),
        (
            "fragmentation",
            "fragmentation.bytes",
            report.fragmentation(),
        ),
    ] {
        reply.bulk(ratio.as_bytes());
        reply.double(overhead.ratio);
        reply.bulk(bytes.as_bytes());
        reply.int(overhead.bytes);
    }
    Ok(())
}

fn numbers(reply: &mut Reply<'_>, fields: &[(&str, u64)]) {
    for &(name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.int(value as i64);
    }
}

fn doctor(call: &mut Call<'_>) -> Outcome {
    let databases = call.db.locked.counts();
    let report = MemoryReport::new(&call.instance.telemetry, &call.instance.clients, &databases);
    let text = diagnosis(&report);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Says what is unusual about these figures.
fn diagnosis(report: &MemoryReport) -> String {
    const LITTLE: u64 = 5 << 20;
    const NOTABLE: i64 = 10 << 20;
    const LARGE_BUFFERS: u64 = 200 << 10;
    if report.used < LITTLE {
        return format!(
            "There is too little data to tell: the server uses only {}.\n",
            human(report.used)
        );
    }
    let (fragmentation, program) = (report.fragmentation(), report.program());
    let findings = [
        (report.peak > report.used / 2 * 3).then(|| {
            format!(
                "Peak: the server once used {} and now uses {}. Memory between the two may stay with the process until it is \
                 needed again; MEMORY PURGE gives back what can be given back.",
                human(report.peak),
                human(report.used)
            )
        }),
        (fragmentation.ratio > 1.4 && fragmentation.bytes > NOTABLE).then(|| {
            format!(
                "Fragmentation: the process takes {:.2} times as much memory as is in use. After a peak that is usual and \
                 passes when memory is needed again.",
                fragmentation.ratio
            )
        }),
        (program.ratio > 1.1 && program.bytes > NOTABLE).then(|| {
            format!(
                "Program: {} of the memory of the process are not the allocator's, as the program itself and files that it \
                 has mapped.",
                human(program.bytes.max(0).cast_unsigned())
            )
        }),
        (report.clients / report.connected.max(1) as u64 > LARGE_BUFFERS).then(|| {
            format!(
                "Clients: requests and replies of {} clients take {}. CLIENT LIST tells whose they are (qbuf, omem); a client \
                 that does not read its replies is bounded by client-output-buffer-limit.",
                report.connected,
                human(report.clients)
            )
        }),
    ];
    let findings: Vec<String> = findings
        .into_iter()
        .flatten()
        .map(|finding| format!(" * {finding}\n"))
        .collect();
    if findings.is_empty() {
        return "There is nothing unusual about the use of memory.\n".to_owned();
    }
    format!(
        "What is unusual about the use of memory:\n\n{}",
        findings.join("\n")
    )
}

fn malloc_stats(call: &mut Call<'_>) -> Outcome {
    call.reply
        .verbatim("txt", allocator::statistics().as_bytes());
    Ok(())
}

fn purge(call: &mut Call<'_>) -> Outcome {
    allocator::pages::purge();
    call.reply.ok();
    Ok(())
}
