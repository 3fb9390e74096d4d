//! SLOWLOG: the commands that ran for long.

use super::{Call, Command, Error, Flags, Group, Outcome, help};
use crate::protocol::number;

/// What the rows of this family have in common.
const ROW: Command = Command {
    arity: 2,
    flags: Flags::ADMIN.union(Flags::LOADING).union(Flags::STALE),
    group: Group::Server,
    since: "2.2.12",
    ..Command::DEFAULT
};

/// Entries that SLOWLOG GET answers unless it is told how many.
const USUAL: usize = 10;

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "slowlog",
    arity: -2,
    group: Group::Server,
    since: "2.2.12",
    summary: "Looks at the commands that ran for long.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Command {
            name: "get",
            run: get,
            arity: -2,
            summary: "Answers the latest of them: id, time, microseconds, arguments, client's address and name of each.",
            complexity: "O(N) where N is the number of entries returned",
            syntax: "[count]",
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            ..ROW
        },
        Command {
            group: Group::Server,
            since: "6.2.0",
            ..help::ROW
        },
        Command {
            name: "len",
            run: len,
            summary: "Answers how many are kept.",
            tips: &[
                "request_policy:all_nodes",
                "response_policy:agg_sum",
                "nondeterministic_output",
            ],
            ..ROW
        },
        Command {
            name: "reset",
            run: reset,
            summary: "Forgets them.",
            complexity: "O(N) where N is the number of entries in the slowlog",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            ..ROW
        },
    ],
    ..Command::DEFAULT
}];

fn get(call: &mut Call<'_>) -> Outcome {
    let most = match call.len() {
        2 => USUAL,
        3 => match number::parse_i64(call.arg(2)) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => count as usize,
            _ => {
                return Err(Error::text(
                    "ERR count should be greater than or equal to -1",
                ));
            }
        },
        _ => {
            let before = "ERR unknown subcommand or wrong number of arguments for '";
            return Err(Error::quoting(before, call.arg(1), "'. Try SLOWLOG HELP."));
        }
    };
    let latest = call.instance.telemetry.slow_log.latest(most);
    let reply = &mut call.reply;
    reply.array(latest.len());
    for command in latest {
        reply.array(6);
        reply.int(command.id as i64);
        reply.int(command.time as i64);
        reply.int(command.micros as i64);
        reply.array(command.arguments.len());
        for argument in command.arguments {
            reply.bulk(&argument);
        }
        reply.bulk(command.peer.as_bytes());
        reply.bulk(command.name.as_bytes());
    }
    Ok(())
}

fn len(call: &mut Call<'_>) -> Outcome {
    call.reply.count(call.instance.telemetry.slow_log.len());
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Outcome {
    call.instance.telemetry.slow_log.clear();
    call.reply.ok();
    Ok(())
}
