//! MONITOR: the client is shown every command that runs from now on.
//!
//! A command is shown by [`show`] when it has run, while what it locked is still locked: so commands on one key are shown in the order
//! in which they ran, and before anybody can have their replies.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::{Call, Command, Flags, Group, Instance, Outcome};
use crate::clients::{Client, Kind};
use crate::protocol::{Request, inline};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "monitor",
    run: monitor,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE),
    group: Group::Server,
    summary: "Shows every command that runs from now on.",
    ..Command::DEFAULT
}];

/// Commands that are not shown.
const HIDDEN: Flags = Flags::SKIP_MONITOR.union(Flags::ADMIN);

fn monitor(call: &mut Call<'_>) -> Outcome {
    // Who watches already is not answered, as by Redis.
    if !call.client.is_monitor {
        call.client.is_monitor = true;
        call.client.publish();
        call.instance.monitors.add(&call.client.handle);
        call.reply.ok();
    }
    Ok(())
}

/// Where a command came from, as a line tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its client sent it.
    Client,
    /// A script of its client called it.
    Script,
}

/// Shows a command that ran to those who watch. Its own client, if that is one of them, sees it behind the reply.
#[inline]
pub fn show(
    instance: &Instance,
    client: &mut Client,
    source: Source,
    row: &Command,
    request: Request<'_>,
) {
    if instance.monitors.is_watched() && !row.flags.intersects(HIDDEN) {
        show_all(instance, client, source, row, request);
    }
}

#[cold]
fn show_all(
    instance: &Instance,
    client: &mut Client,
    source: Source,
    row: &Command,
    request: Request<'_>,
) {
    if instance.loading.is_active() {
        return;
    }
    let line = Bytes::from(line(client, source, row, request));
    if client.is_monitor {
        client.pushes.extend_from_slice(&line);
    }
    instance
        .monitors
        .show(&line, client.is_monitor.then_some(client.id));
}

fn line(client: &Client, source: Source, row: &Command, request: Request<'_>) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let from = match (source, &client.handle.kind) {
        (Source::Script, _) => "lua".to_owned(),
        (Source::Client, Kind::Unix(path)) => format!("unix:{path}"),
        (Source::Client, kind) => kind.peer(),
    };
    let mut line = String::with_capacity(64 + request.wire_len());
    let (seconds, micros, database) = (now.as_secs(), now.subsec_micros(), client.database);
    write!(line, "+{seconds}.{micros:06} [{database} {from}]").expect("a string takes all");
    for argument in row.shown(request) {
        line.push(' ');
        line.push_str(&inline::quote(argument));
    }
    line.push_str("\r\n");
    line
}
