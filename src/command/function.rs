//! FUNCTION: what a server without functions can say of them.
//!
//! Test suites and administration tools empty a server with FUNCTION FLUSH before they use it. There are no functions
//! to load yet, so none to delete either.

use super::{Call, Categories, Command, Error, Flags, Group, Outcome, help};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "function",
    arity: -2,
    group: Group::Scripting,
    since: "7.0.0",
    summary: "A container for function commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Command {
            name: "flush",
            run: flush,
            arity: -2,
            flags: Flags::NOSCRIPT.union(Flags::WRITE),
            group: Group::Scripting,
            categories: Categories::SCRIPTING,
            since: "7.0.0",
            summary: "Deletes all functions.",
            complexity: "O(N) where N is the number of functions deleted",
            syntax: "[ASYNC | SYNC]",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            ..Command::DEFAULT
        },
        Command {
            group: Group::Scripting,
            categories: Categories::SCRIPTING,
            since: "7.0.0",
            ..help::ROW
        },
    ],
    ..Command::DEFAULT
}];

fn flush(call: &mut Call<'_>) -> Outcome {
    if call.len() > 3 || (call.len() == 3 && !call.is(2, "ASYNC") && !call.is(2, "SYNC")) {
        return Err(Error::text(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    call.reply.ok();
    Ok(())
}
