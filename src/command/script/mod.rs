//! Scripts: EVAL and its kin, and SCRIPT, which looks after the sources.
//!
//! - `run` is what a script sees of the server: its commands run under the locks that its own command took;
//! - `flags` is what a call of a script counts as;
//! - `kill` is what may be done about one that runs.

mod flags;
pub mod kill;
mod run;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::sync::Arc;

use super::{Call, Categories, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome, help};
use crate::scripting::script::{parse_sha, sha_of};
use crate::scripting::{Callee, Compiled, Engine, Failure, Script};

pub use flags::flags;
pub use run::{Rights, run};

/// What all commands that run a script or a function have in common.
pub const RUNS: Flags = Flags::NOSCRIPT
    .union(Flags::SKIP_MONITOR)
    .union(Flags::NO_MANDATORY_KEYS)
    .union(Flags::STALE)
    .union(Flags::RUNS_SCRIPT);

const CHANGES: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);

/// What the commands that run a source have in common.
const EVAL: Command = Command {
    arity: -3,
    flags: RUNS.union(Flags::MAY_REPLICATE),
    keys: &[KeySpec::counted(2, CHANGES)],
    group: Group::Scripting,
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    complexity: "That of the script",
    syntax: "script numkeys [key [key ...]] [arg [arg ...]]",
    ..Command::DEFAULT
};

const EVALSHA: Command = Command {
    syntax: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
    ..EVAL
};

/// What the subcommands of SCRIPT have in common.
const SUBCOMMAND: Command = Command {
    flags: Flags::NOSCRIPT,
    group: Group::Scripting,
    categories: Categories::SCRIPTING,
    since: "2.6.0",
    ..Command::DEFAULT
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "eval",
        run: eval,
        summary: "Runs a Lua script.",
        ..EVAL
    },
    Command {
        name: "eval_ro",
        run: eval,
        flags: RUNS.union(Flags::READONLY),
        keys: &[KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "7.0.0",
        summary: "Runs a Lua script that changes nothing.",
        ..EVAL
    },
    Command {
        name: "evalsha",
        run: evalsha,
        summary: "Runs a Lua script that was loaded, by its SHA1.",
        ..EVALSHA
    },
    Command {
        name: "evalsha_ro",
        run: evalsha,
        flags: RUNS.union(Flags::READONLY),
        keys: &[KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "7.0.0",
        summary: "Runs a Lua script that was loaded and changes nothing, by its SHA1.",
        ..EVALSHA
    },
    Command {
        name: "script",
        arity: -2,
        group: Group::Scripting,
        since: "2.6.0",
        summary: "A container for commands on Lua scripts.",
        complexity: "Depends on the subcommand",
        subcommands: &[
            Command {
                name: "debug",
                run: debug,
                arity: 3,
                since: "3.2.0",
                summary: "Would debug the next scripts; there is no debugger.",
                syntax: "(mode: YES | SYNC | NO)",
                ..SUBCOMMAND
            },
            Command {
                name: "exists",
                run: exists,
                arity: -3,
                summary: "Tells which scripts are loaded.",
                complexity: "O(N) where N is the number of scripts asked for",
                syntax: "sha1 [sha1 ...]",
                tips: &[
                    "request_policy:all_shards",
                    "response_policy:agg_logical_and",
                ],
                ..SUBCOMMAND
            },
            Command {
                name: "flush",
                run: flush,
                arity: -2,
                summary: "Forgets all scripts.",
                complexity: "O(N) where N is the number of scripts",
                syntax: "[flush-type: ASYNC | SYNC]",
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                ..SUBCOMMAND
            },
            Command {
                name: "kill",
                run: kill::run,
                arity: 2,
                flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
                summary: "Ends the script that runs, unless it has changed something.",
                tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
                ..SUBCOMMAND
            },
            Command {
                name: "load",
                run: load,
                arity: 3,
                flags: Flags::NOSCRIPT.union(Flags::STALE),
                summary: "Keeps a script for EVALSHA and does not run it.",
                complexity: "O(N) where N is the length of the script",
                syntax: "script",
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                ..SUBCOMMAND
            },
            Command {
                group: Group::Scripting,
                categories: Categories::SCRIPTING,
                ..help::ROW
            },
        ],
        ..Command::DEFAULT
    },
];

fn no_script() -> Error {
    Error::text("NOSCRIPT No matching script. Please use EVAL.")
}

/// Reads a source, and compiles it to see whether Lua understands it.
fn compiled(call: &Call<'_>, source: &[u8]) -> Result<Rc<Compiled>, Error> {
    let scripts = &call.instance.scripts;
    let engine = Engine::of_thread(scripts).map_err(refused)?;
    if let Some(compiled) = engine.script_with_source(source) {
        return Ok(compiled);
    }
    let sha = sha_of(source);
    if let Some(script) = scripts.get(&sha) {
        return compile(&engine, script);
    }
    let script = Script::new(sha, source).map_err(|error| Error::text(format!("ERR {error}")))?;
    let compiled = compile(&engine, Arc::new(script))?;
    scripts.add(&compiled.script);
    Ok(compiled)
}

fn compile(engine: &Engine, script: Arc<Script>) -> Result<Rc<Compiled>, Error> {
    engine.compile(script).map_err(|message| {
        Error::Quoting([b"ERR Error compiling script (new function): ", &message[..]].concat())
    })
}

/// What a failure is for the client.
pub fn refused(failure: Failure) -> Error {
    match failure {
        Failure::Error(error) if error.is_counted => Error::Counted(error.text),
        Failure::Error(error) => Error::Quoting(error.text),
        // It has everything by then.
        Failure::StartOver => Error::text("ERR the script could not start over"),
    }
}

fn eval(call: &mut Call<'_>) -> Outcome {
    let keys = count_keys(call)?;
    let script = compiled(call, call.arg(1))?;
    run_script(call, &script, keys)
}

fn evalsha(call: &mut Call<'_>) -> Outcome {
    let sha = parse_sha(call.arg(1));
    if sha.is_none() && call.arg(1).len() != 2 * size_of::<crate::scripting::Sha>() {
        return Err(no_script());
    }
    let keys = count_keys(call)?;
    let engine = Engine::of_thread(&call.instance.scripts).map_err(refused)?;
    let script = match sha.and_then(|sha| engine.script_named(&sha)) {
        Some(known) => known,
        None => {
            let script = sha.and_then(|sha| call.instance.scripts.get(&sha));
            compile(&engine, script.ok_or_else(no_script)?)?
        }
    };
    run_script(call, &script, keys)
}

fn run_script(call: &mut Call<'_>, compiled: &Compiled, keys: usize) -> Outcome {
    let script = &compiled.script;
    let rights = Rights {
        flags: script.flags,
        read_only: call.command.row.flags.contains(Flags::READONLY),
    };
    let engine = Engine::of_thread(&call.instance.scripts).map_err(refused)?;
    run(
        call,
        &engine,
        Callee::Script(compiled),
        keys,
        rights,
        &script.needs_all,
    )
}

/// How many of the arguments behind the second are keys.
///
/// # Errors
/// When the second is no number, or too large a one.
pub fn count_keys(call: &Call<'_>) -> Result<usize, Error> {
    let count = call.int(2)?;
    if count > (call.len() - 3) as i64 {
        return Err(Error::text(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    usize::try_from(count).map_err(|_| Error::text("ERR Number of keys can't be negative"))
}

fn load(call: &mut Call<'_>) -> Outcome {
    let compiled = compiled(call, call.arg(2))?;
    call.reply.bulk(compiled.script.name().as_bytes());
    Ok(())
}

fn exists(call: &mut Call<'_>) -> Outcome {
    call.reply.array(call.len() - 2);
    for name in call.args_from(2) {
        let found = parse_sha(name).and_then(|sha| call.instance.scripts.get(&sha));
        call.reply.count(usize::from(found.is_some()));
    }
    Ok(())
}

fn flush(call: &mut Call<'_>) -> Outcome {
    if call.len() > 3 || (call.len() == 3 && !call.is(2, "ASYNC") && !call.is(2, "SYNC")) {
        return Err(Error::text(
            "ERR SCRIPT FLUSH only support SYNC|ASYNC option",
        ));
    }
    call.instance.scripts.clear();
    call.reply.ok();
    Ok(())
}

fn debug(call: &mut Call<'_>) -> Outcome {
    if call.is(2, "NO") {
        call.reply.ok();
        return Ok(());
    }
    if call.is(2, "YES") || call.is(2, "SYNC") {
        return Err(Error::text("ERR There is no debugger for scripts"));
    }
    Err(Error::text("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}
