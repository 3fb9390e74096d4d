//! FUNCTION, which looks after libraries of functions, and FCALL, which runs one.
//!
//! Whatever changes the libraries has the exclusive section: so they change in the same order in the append-only file, and a
//! snapshot has those of its moment.

use std::time::Duration;

use super::script::{self, Rights};
use super::{
    Call, Categories, Command, Error, Flags, Group, Instance, KeyFlags, KeySpec, Outcome, help,
};
use crate::persistence::rdb::encode;
use crate::persistence::rdb::format::{Input, opcode, payload};
use crate::protocol::{Reply, glob};
use crate::scripting::busy::BusyError;
use crate::scripting::script::FLAG_NAMES;
use crate::scripting::{Callee, Catalogue, Engine, LibraryError, Scripts};

/// A library may take so long to register its functions: nobody else is served meanwhile.
const LOAD_TIMEOUT: Duration = Duration::from_millis(500);

const RUNS: Flags = script::RUNS;

const FCALL: Command = Command {
    name: "fcall",
    run: fcall,
    arity: -3,
    flags: RUNS.union(Flags::MAY_REPLICATE),
    keys: &[KeySpec::counted(
        2,
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
    )],
    group: Group::Scripting,
    categories: Categories::SCRIPTING,
    since: "7.0.0",
    summary: "Runs a function.",
    complexity: "That of the function",
    syntax: "function numkeys [key [key ...]] [arg [arg ...]]",
    ..Command::DEFAULT
};

/// What the subcommands of FUNCTION have in common.
const SUBCOMMAND: Command = Command {
    flags: Flags::NOSCRIPT,
    group: Group::Scripting,
    categories: Categories::SCRIPTING,
    since: "7.0.0",
    ..Command::DEFAULT
};

/// What those that change the libraries have in common.
const CHANGE: Command = Command {
    flags: Flags::NOSCRIPT.union(Flags::WRITE).union(Flags::EXCLUSIVE),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..SUBCOMMAND
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    FCALL,
    Command {
        name: "fcall_ro",
        flags: RUNS.union(Flags::READONLY),
        keys: &[KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS))],
        summary: "Runs a function that changes nothing.",
        ..FCALL
    },
    Command {
        name: "function",
        arity: -2,
        group: Group::Scripting,
        since: "7.0.0",
        summary: "A container for function commands.",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Command {
                name: "delete",
                run: delete,
                arity: 3,
                summary: "Deletes a library and its functions.",
                syntax: "library-name",
                ..CHANGE
            },
            Command {
                name: "dump",
                run: dump,
                arity: 2,
                summary: "Answers all libraries as bytes that FUNCTION RESTORE takes, here and on other servers.",
                complexity: "O(N) where N is the number of functions",
                ..SUBCOMMAND
            },
            Command {
                name: "flush",
                run: flush,
                arity: -2,
                summary: "Deletes all functions.",
                complexity: "O(N) where N is the number of functions deleted",
                syntax: "[flush-type: ASYNC | SYNC]",
                ..CHANGE
            },
            Command {
                group: Group::Scripting,
                categories: Categories::SCRIPTING,
                since: "7.0.0",
                ..help::ROW
            },
            Command {
                name: "kill",
                run: script::kill::run,
                arity: 2,
                flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
                summary: "Ends the function that runs, unless it has changed something.",
                tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
                ..SUBCOMMAND
            },
            Command {
                name: "list",
                run: list,
                arity: -2,
                summary: "Tells of all libraries and their functions.",
                complexity: "O(N) where N is the number of functions",
                syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
                tips: &["nondeterministic_output_order"],
                ..SUBCOMMAND
            },
            Command {
                name: "load",
                run: load,
                arity: -3,
                flags: CHANGE.flags.union(Flags::DENYOOM),
                summary: "Makes a library of a source.",
                complexity: "O(1) (considering compilation time is redundant)",
                syntax: "[REPLACE] function-code",
                ..CHANGE
            },
            Command {
                name: "restore",
                run: restore,
                arity: -3,
                flags: CHANGE.flags.union(Flags::DENYOOM),
                summary: "Makes the libraries that FUNCTION DUMP answered.",
                complexity: "O(N) where N is the number of functions on the payload",
                syntax: "serialized-value [policy: FLUSH | APPEND | REPLACE]",
                ..CHANGE
            },
            Command {
                name: "stats",
                run: script::kill::run,
                arity: 2,
                flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
                summary: "Tells which function runs, and how many there are.",
                tips: &[
                    "nondeterministic_output",
                    "request_policy:all_shards",
                    "response_policy:special",
                ],
                ..SUBCOMMAND
            },
        ],
        ..Command::DEFAULT
    },
];

fn refused(error: &LibraryError) -> Error {
    Error::Quoting(format!("ERR {error}").into_bytes())
}

fn fcall(call: &mut Call<'_>) -> Outcome {
    let catalogue = call.instance.functions.load();
    let (library, function) = catalogue
        .find(call.arg(1))
        .ok_or_else(|| Error::text("ERR Function not found"))?;
    let keys = script::count_keys(call).map_err(|error| match error {
        Error::NotInteger => Error::text("ERR Bad number of keys provided"),
        other => other,
    })?;
    let engine = Engine::of_thread(&call.instance.scripts).map_err(script::refused)?;
    let made = engine.function(&catalogue, library, &function.name);
    let made = made.map_err(|error| refused(&error))?;
    let made = made.ok_or_else(|| Error::text("ERR Function not found"))?;
    let rights = Rights {
        flags: function.flags,
        read_only: call.command.row.flags.contains(Flags::READONLY),
    };
    let callee = Callee::Function(&made, &function.name);
    script::run(call, &engine, callee, keys, rights, &function.needs_all)
}

/// What a subcommand with too many arguments answers.
fn unknown_arguments(call: &Call<'_>) -> Error {
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    Error::quoting(before, call.arg(1), "'. Try FUNCTION HELP.")
}

/// Changes the libraries, and takes note that something was changed.
fn change<R>(
    call: &Call<'_>,
    change: impl FnOnce(&mut Catalogue) -> Result<R, Error>,
) -> Result<R, Error> {
    let result = call.instance.functions.change(change)?;
    call.stats.effects.dirty.add(1);
    Ok(result)
}

fn load(call: &mut Call<'_>) -> Outcome {
    let last = call.len() - 1;
    if let Some(other) = (2..last).find(|&place| !call.is(place, "REPLACE")) {
        let text = [b"ERR Unknown option given: ", call.arg(other)].concat();
        return Err(Error::Quoting(text));
    }
    let (instance, source, replaces) = (call.instance, call.arg(last), last > 2);
    // What loaded once is loaded again, however slow the machine is.
    let limit = (!instance.loading.is_active()).then_some(LOAD_TIMEOUT);
    let name = change(call, |catalogue| {
        let name = add(&instance.scripts, catalogue, source, limit, replaces);
        name.map_err(|error| refused(&error))
    })?;
    call.reply.bulk(name.as_bytes());
    Ok(())
}

/// Adds the library of a source to a catalogue; answers its name.
fn add(
    scripts: &Scripts,
    catalogue: &mut Catalogue,
    source: &[u8],
    limit: Option<Duration>,
    replaces: bool,
) -> Result<String, LibraryError> {
    let engine = Engine::of_thread(scripts)
        .map_err(|_| LibraryError::Registering("ERR there is no memory for Lua".to_owned()))?;
    let library = engine.load_library(source, limit, catalogue, replaces)?;
    catalogue.add(&library, replaces)?;
    Ok(library.name.clone())
}

/// Removes all libraries, and takes no note of it.
pub fn forget_all(instance: &Instance) {
    let _: Result<(), LibraryError> = instance.functions.change(|catalogue| {
        *catalogue = Catalogue::default();
        Ok(())
    });
}

/// Adds the library of a source that was saved.
///
/// # Errors
/// When it is none, or is there already and not to be replaced.
pub fn load_saved(instance: &Instance, source: &[u8], replaces: bool) -> Result<(), LibraryError> {
    let added = instance
        .functions
        .change(|catalogue| add(&instance.scripts, catalogue, source, None, replaces));
    added.map(|_| ())
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let name = call.arg(2);
    change(call, |catalogue| match catalogue.remove(name) {
        true => Ok(()),
        false => Err(Error::text("ERR Library not found")),
    })?;
    call.reply.ok();
    Ok(())
}

fn flush(call: &mut Call<'_>) -> Outcome {
    if call.len() > 3 {
        return Err(unknown_arguments(call));
    }
    if call.len() == 3 && !call.is(2, "ASYNC") && !call.is(2, "SYNC") {
        return Err(Error::text(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    change(call, |catalogue| {
        *catalogue = Catalogue::default();
        Ok(())
    })?;
    call.reply.ok();
    Ok(())
}

/// Answers FUNCTION STATS.
///
/// # Errors
/// While a script is busy that is no function.
pub fn write_stats(instance: &Instance, reply: &mut Reply<'_>) -> Result<(), BusyError> {
    let running = instance.busy.first();
    if let Some(error @ BusyError::Script) = running.as_ref().map(|script| script.error()) {
        return Err(error);
    }
    let catalogue = instance.functions.load();
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        Some(function) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(function.name().as_bytes());
            reply.bulk(b"command");
            let request = function.request();
            reply.array(request.len());
            request.iter().for_each(|argument| reply.bulk(argument));
            reply.bulk(b"duration_ms");
            reply.count(function.duration().as_millis() as usize);
        }
        None => reply.null(),
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.count(catalogue.libraries().len());
    reply.bulk(b"functions_count");
    reply.count(catalogue.functions());
    Ok(())
}

fn list(call: &mut Call<'_>) -> Outcome {
    let (mut with_code, mut pattern) = (false, None);
    let mut place = 2;
    while place < call.len() {
        if !with_code && call.is(place, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && call.is(place, "LIBRARYNAME") {
            place += 1;
            if place == call.len() {
                return Err(Error::text("ERR library name argument was not given"));
            }
            pattern = Some(call.arg(place));
        } else {
            let text = [b"ERR Unknown argument ", call.arg(place)].concat();
            return Err(Error::Quoting(text));
        }
        place += 1;
    }
    let catalogue = call.instance.functions.load();
    let is_wanted =
        |name: &str| pattern.is_none_or(|pattern| glob::matches(pattern, name.as_bytes(), true));
    let libraries = catalogue.libraries();
    let wanted: Vec<_> = libraries
        .filter(|library| is_wanted(&library.name))
        .collect();
    let reply = &mut call.reply;
    reply.array(wanted.len());
    for library in wanted {
        reply.map(if with_code { 4 } else { 3 });
        reply.bulk(b"library_name");
        reply.bulk(library.name.as_bytes());
        reply.bulk(b"engine");
        reply.bulk(b"LUA");
        reply.bulk(b"functions");
        reply.array(library.functions.len());
        for function in &library.functions {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(function.name.as_bytes());
            reply.bulk(b"description");
            match &function.description {
                Some(text) => reply.bulk(text),
                None => reply.null(),
            }
            reply.bulk(b"flags");
            let flags = FLAG_NAMES.iter();
            let flags = flags.filter(|(_, flag)| function.flags.contains(*flag));
            reply.set(flags.clone().count());
            for (name, _) in flags {
                reply.simple(name);
            }
        }
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(&library.source);
        }
    }
    Ok(())
}

fn dump(call: &mut Call<'_>) -> Outcome {
    let compresses = call.config.persistence.rdbcompression;
    let sources = call.instance.functions.load().sources();
    call.reply
        .bulk(&encode::libraries_payload(&sources, compresses));
    Ok(())
}

/// What becomes of the libraries that there are.
enum Policy {
    Flush,
    Append,
    Replace,
}

fn restore(call: &mut Call<'_>) -> Outcome {
    let policy = match call.len() {
        3 => Policy::Append,
        4 if call.is(3, "APPEND") => Policy::Append,
        4 if call.is(3, "REPLACE") => Policy::Replace,
        4 if call.is(3, "FLUSH") => Policy::Flush,
        4 => {
            return Err(Error::text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        _ => return Err(unknown_arguments(call)),
    };
    let body = payload::body(call.arg(2))
        .ok_or_else(|| Error::text("ERR DUMP payload version or checksum are wrong"))?;
    let limit = (!call.instance.loading.is_active()).then_some(LOAD_TIMEOUT);
    let restored = restored(&call.instance.scripts, body, limit)?;
    change(call, |catalogue| {
        if let Policy::Flush = policy {
            *catalogue = restored;
            return Ok(());
        }
        let joined = catalogue.join(&restored, matches!(policy, Policy::Replace));
        joined.map_err(|error| refused(&error))
    })?;
    call.reply.ok();
    Ok(())
}

/// The libraries of a payload whose version is known and whose checksum is right. Each of them may take no longer than `limit`.
///
/// # Errors
/// When it holds something else, or a library that cannot be made.
pub fn restored(
    scripts: &Scripts,
    body: &[u8],
    limit: Option<Duration>,
) -> Result<Catalogue, Error> {
    let mut restored = Catalogue::default();
    let mut input = Input::new(body);
    while input.remaining() > 0 {
        let source = read_library(&mut input)?;
        let added = add(scripts, &mut restored, &source, limit, false);
        added.map_err(|error| refused(&error))?;
    }
    Ok(restored)
}

/// Reads the source of a library off the front of a payload.
fn read_library(input: &mut Input<'_>) -> Result<Vec<u8>, Error> {
    match input.byte() {
        Ok(opcode::FUNCTION2) => {}
        Ok(opcode::FUNCTION_PRE_GA) => {
            return Err(Error::text("ERR Pre-GA function format not supported"));
        }
        _ => return Err(Error::text("ERR given type is not a function")),
    }
    let source = input
        .string()
        .and_then(|source| Ok(source.bytes()?.into_owned()));
    source.map_err(|_| Error::text("ERR Failed loading library payload"))
}
