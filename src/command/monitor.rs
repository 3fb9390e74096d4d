//! MONITOR: the client is shown every command that runs from now on.
//!
//! A command is shown by [`show`] when it has run, while what it locked is still locked: so commands on one key are shown in the order
//! in which they ran, and before anybody can have their replies. What a script called is shown behind the script, once that has ended: it may
//! have to begin again.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::{Call, Command, Error, Flags, Group, Instance, Outcome};
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

fn monitor(call: &mut Call<'_>) -> Outcome {
    if call.is_nested() {
        return Err(Error::text(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    // Who watches already is not answered, as by Redis.
    if !call.client.is_monitor {
        call.client.is_monitor = true;
        call.client.publish();
        call.instance.monitors.add(&call.client.handle);
        call.reply.ok();
    }
    Ok(())
}

/// Shows a command that ran to those who watch. Its own client, if that is one of them, sees it behind the reply.
#[inline]
pub(super) fn show(instance: &Instance, client: &mut Client, row: &Command, request: Request<'_>) {
    if instance.monitors.is_watched() && is_shown(row) {
        show_all(instance, client, row, request);
    }
}

/// Whether a command may be shown. Scripts are, but before the commands that they call, which is why their rows say that they are
/// not.
fn is_shown(row: &Command) -> bool {
    let is_skipped = row.flags.contains(Flags::SKIP_MONITOR) && row.group != Group::Scripting;
    !is_skipped && !row.flags.contains(Flags::ADMIN)
}

#[cold]
fn show_all(instance: &Instance, client: &mut Client, row: &Command, request: Request<'_>) {
    let called = std::mem::take(&mut client.called_by_script);
    if instance.loading.is_active() {
        return;
    }
    let mut lines = line(client, &from(client), row, request);
    lines.push_str(&called);
    let lines = Bytes::from(lines);
    if client.is_monitor {
        client.pushes.extend_from_slice(&lines);
    }
    let but = client.is_monitor.then_some(client.id);
    instance.monitors.show(&lines, but);
}

/// Takes note of a command that a script of the client called, to be shown with the script.
#[inline]
pub(in crate::command) fn note(
    instance: &Instance,
    client: &mut Client,
    row: &Command,
    request: Request<'_>,
) {
    if instance.monitors.is_watched() && is_shown(row) {
        let line = line(client, "lua", row, request);
        client.called_by_script.push_str(&line);
    }
}

/// Where the commands of a client come from.
fn from(client: &Client) -> String {
    match &client.handle.kind {
        Kind::Unix(path) => format!("unix:{path}"),
        kind => kind.peer(),
    }
}

fn line(client: &Client, from: &str, row: &Command, request: Request<'_>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
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
