//! CONFIG: reading and changing the configuration of the running server.

use std::sync::Arc;

use super::{Call, Command, Error, Flags, Group, Outcome, aof, help, tracking};
use crate::config::{self, value::plain};
use crate::protocol::Request;

const FLAGS: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::LOADING)
    .union(Flags::STALE);
const ON_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// What is answered where there is nothing to rewrite.
pub(super) const NO_CONFIG_FILE: &str = "ERR The server is running without a config file";

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "config",
    arity: -2,
    group: Group::Server,
    since: "2.0.0",
    summary: "Reads and changes the configuration.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Command {
            name: "get",
            run: get,
            arity: -3,
            flags: FLAGS,
            group: Group::Server,
            since: "2.0.0",
            summary: "Answers the directives whose names match the patterns, with their values.",
            complexity: "O(N) when N is the number of configuration parameters provided",
            syntax: "parameter [parameter ...]",
            ..Command::DEFAULT
        },
        Command {
            name: "set",
            run: set,
            arity: -4,
            is_secret: is_sensitive_value,
            flags: FLAGS,
            group: Group::Server,
            since: "2.0.0",
            summary: "Gives directives new values, all of them or none.",
            complexity: "O(N) when N is the number of configuration parameters provided",
            syntax: "parameter value [parameter value ...]",
            tips: ON_ALL_NODES,
            ..Command::DEFAULT
        },
        Command {
            name: "rewrite",
            run: rewrite,
            arity: 2,
            flags: FLAGS,
            group: Group::Server,
            since: "2.8.0",
            summary: "Writes the configuration in force into the file that it was read from.",
            tips: ON_ALL_NODES,
            ..Command::DEFAULT
        },
        Command {
            name: "resetstat",
            run: resetstat,
            arity: 2,
            flags: FLAGS,
            group: Group::Server,
            since: "2.0.0",
            summary: "Sets the statistics of INFO back to zero.",
            tips: ON_ALL_NODES,
            ..Command::DEFAULT
        },
        Command {
            group: Group::Server,
            ..help::ROW
        },
    ],
    ..Command::DEFAULT
}];

/// Whether an argument of CONFIG SET is the value of a directive that is kept secret.
fn is_sensitive_value(request: Request<'_>, place: usize) -> bool {
    let is_value = place >= 3 && !place.is_multiple_of(2);
    is_value && config::lookup(request.arg(place - 1)).is_some_and(|directive| directive.sensitive)
}

fn get(call: &mut Call<'_>) -> Outcome {
    let patterns: Vec<&[u8]> = call.args_from(2).collect();
    let found = call.config.get(&patterns);
    call.reply.map(found.len());
    for (name, value) in found {
        call.reply.bulk(&name);
        call.reply.bulk(&value);
    }
    Ok(())
}

fn set(call: &mut Call<'_>) -> Outcome {
    if !call.len().is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    let pairs: Vec<_> = (2..call.len())
        .step_by(2)
        .map(|name| (call.arg(name), call.arg(name + 1)))
        .collect();
    let instance = call.instance;
    let writer = instance.config_writer.lock();
    let old = instance.config.load();
    let new = old
        .set(&pairs, call.client.handle.kind.is_local())
        .map_err(|error| Error::text(error.to_string()))?;
    if let Some(apply) = instance.apply_config.get() {
        apply(&old, &new).map_err(|refusal| Error::text(refusal.to_string()))?;
    }
    let new = Arc::new(new);
    instance.config.store(Arc::clone(&new));
    instance.telemetry.follow(&new);
    // What follows locks shards, and a transaction that holds some may be waiting for this lock.
    drop(writer);
    // Inside a transaction shards are locked; then it is left to the background.
    if call.db.locked.is_empty() {
        aof::follow(instance);
        let invalidations = &call.stats.effects.invalidations;
        tracking::trim(instance, invalidations, tracking::TRIMMED_AT_ONCE);
    }
    call.reply.ok();
    Ok(())
}

fn rewrite(call: &mut Call<'_>) -> Outcome {
    let Some(path) = &call.instance.config_file else {
        return Err(Error::text(NO_CONFIG_FILE));
    };
    let _writer = call.instance.config_writer.lock();
    let config = call.instance.config.load();
    if let Err(error) = config.rewrite_file(path) {
        tracing::warn!("CONFIG REWRITE failed: {error}");
        return Err(Error::text(format!(
            "ERR Rewriting config file: {}",
            plain(&error)
        )));
    }
    tracing::info!("CONFIG REWRITE executed with success.");
    call.reply.ok();
    Ok(())
}

fn resetstat(call: &mut Call<'_>) -> Outcome {
    call.instance.telemetry.reset();
    call.instance.saver.reset();
    call.instance.clients.memory.reset();
    call.instance.keyspace.reclaimer.reset();
    call.instance.keyspace.expiry.reset();
    call.instance.keyspace.evictions.reset();
    call.instance.keyspace.defragmentation.reset();
    call.reply.ok();
    Ok(())
}
