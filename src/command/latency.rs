//! LATENCY: when clients had to wait for long, and how the durations of commands are distributed.

use super::registry::Entry;
use super::{Call, Command, Error, Flags, Group, Outcome, help};

/// What the rows of this family have in common.
const ROW: Command = Command {
    arity: 2,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ],
    ..Command::DEFAULT
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "latency",
    arity: -2,
    group: Group::Server,
    since: "2.8.13",
    summary: "Looks at when clients had to wait for long, and at how long commands take.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Command {
            name: "doctor",
            run: doctor,
            summary: "Says in words how bad it was, and what may help.",
            ..ROW
        },
        Command {
            name: "graph",
            run: graph,
            arity: 3,
            summary: "Draws the latest events of a kind.",
            syntax: "event",
            ..ROW
        },
        Command {
            group: Group::Server,
            since: "2.8.13",
            ..help::ROW
        },
        Command {
            name: "histogram",
            run: histogram,
            arity: -2,
            since: "7.0.0",
            summary: "Answers how many calls of each of these commands, or of all, took at most 1, 2, 4, ... microseconds.",
            complexity: "O(N) where N is the number of commands with latency information being retrieved.",
            syntax: "[COMMAND [COMMAND ...]]",
            ..ROW
        },
        Command {
            name: "history",
            run: history,
            arity: 3,
            summary: "Answers the time and the milliseconds of the latest events of a kind.",
            syntax: "event",
            ..ROW
        },
        Command {
            name: "latest",
            run: latest,
            summary: "Answers the latest event of every kind: its time, its milliseconds, and the worst of its kind.",
            ..ROW
        },
        Command {
            name: "reset",
            run: reset,
            arity: -2,
            summary: "Forgets the events of these kinds, or all.",
            syntax: "[event [event ...]]",
            tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
            ..ROW
        },
    ],
    ..Command::DEFAULT
}];

fn now(call: &Call<'_>) -> u64 {
    call.time / 1000
}

fn latest(call: &mut Call<'_>) -> Outcome {
    let all = call.instance.telemetry.spikes.all();
    call.reply.array(all.len());
    for (event, series) in all {
        let last = series.samples.back().expect("a series has samples");
        call.reply.array(4);
        call.reply.bulk(event.as_bytes());
        call.reply.int(last.time as i64);
        call.reply.int(last.millis as i64);
        call.reply.int(series.worst as i64);
    }
    Ok(())
}

fn history(call: &mut Call<'_>) -> Outcome {
    let found = call.instance.telemetry.spikes.series(call.arg(2));
    let samples = found.map(|(_, series)| series.samples).unwrap_or_default();
    call.reply.array(samples.len());
    for sample in samples {
        call.reply.array(2);
        call.reply.int(sample.time as i64);
        call.reply.int(sample.millis as i64);
    }
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Outcome {
    let events: Vec<_> = call.args_from(2).collect();
    call.reply
        .count(call.instance.telemetry.spikes.reset(&events));
    Ok(())
}

fn graph(call: &mut Call<'_>) -> Outcome {
    let Some((event, series)) = call.instance.telemetry.spikes.series(call.arg(2)) else {
        return Err(Error::quoting(
            "ERR No samples available for event '",
            call.arg(2),
            "'",
        ));
    };
    let graph = series.graph(event, now(call));
    call.reply.verbatim("txt", graph.as_bytes());
    Ok(())
}

fn doctor(call: &mut Call<'_>) -> Outcome {
    let all = call.instance.telemetry.spikes.all();
    let threshold = call.config.telemetry.latency_monitor_threshold;
    let mut text = String::new();
    for (number, (event, series)) in (1..).zip(&all) {
        text += &format!("{number}. {event}: {}\n", series.summary(now(call)));
    }
    text += match (all.is_empty(), threshold) {
        (true, 0) => {
            "Latency is not monitored. CONFIG SET latency-monitor-threshold says from how many milliseconds on a command counts \
             as slow.\n"
        }
        (true, _) => {
            "No latency spike was observed, neither now nor since the last LATENCY RESET.\n"
        }
        (false, _) => {
            "\n- SLOWLOG GET names the slow commands and who sent them; slowlog-log-slower-than says which are kept.\n\
             - Commands that visit every key or element (KEYS, SMEMBERS, HGETALL, LRANGE, SORT, FLUSHALL SYNC) can give way to \
             those that go step by step (SCAN, SSCAN, HSCAN), to smaller ranges or smaller values.\n\
             - If simple commands are among them, the server did not get a processor in time: look for other load on this \
             machine, for swapping, and for too few processors for the configured io-threads.\n"
        }
    };
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn histogram(call: &mut Call<'_>) -> Outcome {
    let commands = &call.instance.commands;
    let mut wanted: Vec<&Entry> = Vec::new();
    if call.len() == 2 {
        commands
            .iter()
            .for_each(|entry| with_subcommands(entry, &mut wanted));
    }
    for name in call.args_from(2) {
        if let Some(entry) = commands.find_full(name) {
            with_subcommands(entry, &mut wanted);
        }
    }
    let reply = &mut call.reply;
    let begin = reply.deferred();
    let mut shown = 0;
    for entry in wanted {
        let telemetry = &call.instance.telemetry;
        let durations = telemetry.durations(entry.id);
        if durations.total() == 0 {
            continue;
        }
        shown += 1;
        reply.bulk(entry.full_name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.int(durations.total() as i64);
        reply.bulk(b"histogram_usec");
        let buckets = cumulated(
            durations
                .buckets()
                .map(|(ticks, count)| (telemetry.nanos(ticks), count)),
        );
        reply.map(buckets.len());
        for (micros, count) in buckets {
            reply.int(micros as i64);
            reply.int(count as i64);
        }
    }
    reply.end_map(begin, shown);
    Ok(())
}

fn with_subcommands<'a>(entry: &'a Entry, wanted: &mut Vec<&'a Entry>) {
    wanted.push(entry);
    wanted.extend(&entry.subcommands);
}

/// How many durations did not exceed each bound, in microseconds, where there are more than at the bound before. The bounds are those
/// of Redis: the powers of two from 1024 nanoseconds on, each at the end of the bucket that its histogram has there.
fn cumulated(buckets: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut bounds: Vec<(u64, u64)> = Vec::new();
    let (mut bound, mut seen) = (1024, 0);
    for (nanos, count) in buckets {
        while nanos > bound + bound / 128 {
            bound *= 2;
        }
        let micros = (bound + bound / 128 - 1) / 1000;
        seen += count;
        match bounds.last_mut() {
            Some(last) if last.0 == micros => last.1 = seen,
            _ => bounds.push((micros, seen)),
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_and_counts_add_up() {
        let buckets = [(500, 3), (1000, 1), (40_000, 2), (1_000_000, 1)];
        assert_eq!(cumulated(buckets.into_iter()), [(1, 4), (66, 6), (1056, 7)]);
    }
}
