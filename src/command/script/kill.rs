//! SCRIPT KILL, FUNCTION KILL and FUNCTION STATS: what may be done about a script from outside, once it was declared.
//!
//! Redis does nothing else while a script runs, so these calls find there that it has ended or was declared. Here they wait for
//! either: whoever sees a script that does not end need not guess when to ask.

use std::time::Duration;

use tokio::time::sleep;

use crate::clients::{ScriptRun, Until};
use crate::command::function::write_stats;
use crate::command::registry::Entry;
use crate::command::{Call, Error, Instance, Outcome};
use crate::protocol::Reply;
use crate::telemetry::WorkerStats;

/// How often to look whether a script still runs.
const EVERY: Duration = Duration::from_millis(1);

/// Runs one of these commands, now or when it is known how things are.
pub fn run(call: &mut Call<'_>) -> Outcome {
    let runs = undeclared(call.instance);
    if runs.is_empty() || !call.waits(None, None, Some(Until::Settled(runs))) {
        return act(call.instance, call.command, &mut call.reply);
    }
    Ok(())
}

/// Does what one of these commands says, as things are.
///
/// # Errors
/// When there is no script that it may be done to.
pub fn act(instance: &Instance, command: &Entry, reply: &mut Reply<'_>) -> Outcome {
    if command.row.name == "stats" {
        return Ok(write_stats(instance, reply)?);
    }
    let killed = instance.busy.kill(command.full_name == "function|kill");
    killed.map_err(|error| Error::text(error.to_string()))?;
    reply.ok();
    Ok(())
}

/// The scripts that run, if none of them was declared.
fn undeclared(instance: &Instance) -> Vec<ScriptRun> {
    if instance.busy.refusal().is_some() {
        return Vec::new();
    }
    let workers = instance.telemetry.workers.iter().enumerate();
    let run = |(worker, stats): (usize, &WorkerStats)| {
        let number = stats.script()?;
        Some(ScriptRun { worker, number })
    };
    workers.filter_map(run).collect()
}

/// Waits until all of these have ended, or a script is declared.
pub async fn settled(instance: &Instance, runs: &[ScriptRun]) {
    let workers = &instance.telemetry.workers;
    while instance.busy.refusal().is_none()
        && (runs.iter()).any(|run| workers[run.worker].script() == Some(run.number))
    {
        sleep(EVERY).await;
    }
}
