//! The server as a whole: INFO, TIME, SHUTDOWN, LOLWUT.

use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Call, Categories, Command, Error, Flags, Group, Outcome};
use crate::allocator;
use crate::clients::Topic;
use crate::config::ShutdownFlags;
use crate::telemetry::info::{self, Identity, Sources};

const ALWAYS: Flags = Flags::LOADING.union(Flags::STALE);

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "info",
        run: info,
        arity: -1,
        flags: ALWAYS,
        group: Group::Server,
        categories: Categories::DANGEROUS,
        summary: "Tells how the server is: settings, memory, clients, statistics.",
        syntax: "[section [section ...]]",
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        ..Command::DEFAULT
    },
    Command {
        name: "lolwut",
        run: lolwut,
        arity: -1,
        flags: Flags::READONLY.union(Flags::FAST),
        group: Group::Server,
        since: "5.0.0",
        summary: "Draws something, and tells the version.",
        complexity: "",
        syntax: "[VERSION version]",
        ..Command::DEFAULT
    },
    Command {
        name: "shutdown",
        run: shutdown,
        arity: -1,
        flags: ALWAYS
            .union(Flags::ADMIN)
            .union(Flags::NOSCRIPT)
            .union(Flags::NO_MULTI)
            .union(Flags::ALLOW_BUSY),
        group: Group::Server,
        summary: "Ends the server, after saving if that is configured or asked for.",
        complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, \
                     otherwise O(1)",
        syntax: "[save-selector: NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        ..Command::DEFAULT
    },
    Command {
        name: "time",
        run: time,
        flags: ALWAYS.union(Flags::FAST),
        group: Group::Server,
        since: "2.6.0",
        summary: "Answers the time: seconds since the epoch, and microseconds of the current second.",
        tips: &["nondeterministic_output"],
        ..Command::DEFAULT
    },
];

fn info(call: &mut Call<'_>) -> Outcome {
    let used = allocator::allocated_exactly() as u64;
    let instance = call.instance;
    let databases = call.db.locked.counts();
    let config = instance.config.load();
    let names = (0..instance.commands.len()).filter_map(|id| instance.commands.by_id(id));
    let names: Vec<&str> = names.map(|entry| entry.full_name.as_str()).collect();
    let sources = Sources {
        used,
        config: &config,
        telemetry: &instance.telemetry,
        clients: &instance.clients,
        tracking: &instance.tracking,
        listened_to: [Topic::Channel, Topic::Pattern, Topic::Shard]
            .map(|topic| instance.pubsub.count(topic)),
        keyspace: &instance.keyspace,
        databases: &databases,
        commands: &names,
        loading: &instance.loading,
        identity: Identity {
            run_id: &instance.run_id,
            replication_id: &instance.replication_id,
            config_file: instance.config_file.as_deref(),
            uptime: instance.started.elapsed(),
            workers: instance.workers,
        },
        saver: &instance.saver,
        journal: &instance.journal,
        functions: &instance.functions.load(),
        scripts: &instance.scripts,
    };
    let words: Vec<&[u8]> = call.args_from(1).collect();
    let text = info::report(&sources, &words);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn time(call: &mut Call<'_>) -> Outcome {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    call.reply.array(2);
    call.reply.bulk_int(now.as_secs() as i64);
    call.reply.bulk_int(i64::from(now.subsec_micros()));
    Ok(())
}

fn shutdown(call: &mut Call<'_>) -> Outcome {
    let (mut save, mut nosave, mut now, mut force, mut abort) = (false, false, false, false, false);
    for place in 1..call.len() {
        let words = [
            ("SAVE", &mut save),
            ("NOSAVE", &mut nosave),
            ("NOW", &mut now),
            ("FORCE", &mut force),
            ("ABORT", &mut abort),
        ];
        let found = words.into_iter().find(|(word, _)| call.is(place, word));
        *found.ok_or(Error::Syntax)?.1 = true;
    }
    if (save && nosave) || (abort && (save || nosave || now || force)) {
        return Err(Error::Syntax);
    }
    if !nosave && let Some(busy) = call.instance.busy.refusal() {
        return Err(busy.into());
    }
    if abort {
        // Whoever could ask for it waits until the end, or is told that there is none.
        return Err(Error::text("ERR No shutdown in progress."));
    }
    let (refuse, refused) = mpsc::channel();
    let flags = ShutdownFlags {
        save,
        nosave,
        now,
        force,
    };
    call.instance.request_shutdown(flags.into(), refuse);
    // No reply: the client learns of the end from its connection, and what it sent after this is not run.
    if refused.recv().is_err() {
        // Nobody is left who could refuse, so the process is about to end.
        loop {
            std::thread::park();
        }
    }
    Err(Error::text("ERR Errors trying to SHUTDOWN. Check logs."))
}

/// The size of LOLWUT's drawing, in dots; a character holds two by four of them.
const DOTS: (usize, usize) = (128, 64);

fn lolwut(call: &mut Call<'_>) -> Outcome {
    if call.len() > 2 && call.is(1, "VERSION") {
        call.int(2)?;
    }
    // The rules whose worlds are neither empty nor noise.
    const RULES: [u8; 8] = [18, 22, 30, 45, 73, 90, 105, 110];
    let rule = RULES[fastrand::usize(..RULES.len())];
    let text = format!(
        "{}\nRule {rule}, a world of one dimension. Redis ver. {}, Minium ver. {}\n",
        automaton(rule),
        crate::REDIS_VERSION,
        env!("CARGO_PKG_VERSION"),
    );
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// The history of an elementary cellular automaton that begins with a single living cell, in Braille characters.
fn automaton(rule: u8) -> String {
    let (width, height) = DOTS;
    let mut row = vec![false; width];
    row[width / 2] = true;
    let mut cells = Vec::with_capacity(height);
    for _ in 0..height {
        let at = |cell: usize| usize::from(row[cell % width]);
        let next = (0..width).map(|cell| at(cell + width - 1) << 2 | at(cell) << 1 | at(cell + 1));
        let next = next.map(|neighbours| rule >> neighbours & 1 == 1).collect();
        cells.push(std::mem::replace(&mut row, next));
    }
    /// The bit of a dot, by its column and row within a character.
    const BITS: [[u32; 2]; 4] = [[0, 3], [1, 4], [2, 5], [6, 7]];
    let character = |x: usize, y: usize| {
        let dots = (0..8).filter(|dot| cells[4 * y + dot / 2][2 * x + dot % 2]);
        let bits: u32 = dots.map(|dot| 1 << BITS[dot / 2][dot % 2]).sum();
        char::from_u32(0x2800 + bits).unwrap_or(' ')
    };
    let line = |y| {
        (0..width / 2)
            .map(|x| character(x, y))
            .chain(['\n'])
            .collect::<String>()
    };
    (0..height / 4).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_90_draws_a_triangle() {
        let picture = automaton(90);
        let lines: Vec<&str> = picture.lines().collect();
        assert_eq!(lines.len(), 16);
        assert!(lines.iter().all(|line| line.chars().count() == 64));
        assert_eq!(lines[0].trim_matches('\u{2800}'), "⢀⢔⢑⢄");
    }
}
