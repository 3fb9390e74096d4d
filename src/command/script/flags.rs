//! What a call of a script counts as: a script that says something of itself is judged by that, and not by the command that runs it.

use super::parse_sha;
use crate::command::{Command, Flags, Instance};
use crate::protocol::Request;
use crate::scripting::ScriptFlags;

/// The flags of a command, or of the script that it runs if that says something of itself.
#[inline]
pub fn flags(instance: &Instance, row: &Command, request: Request<'_>) -> Flags {
    if !row.flags.contains(Flags::RUNS_SCRIPT) {
        return row.flags;
    }
    let said = said(instance, row, request).unwrap_or(ScriptFlags::UNSAID);
    if said.contains(ScriptFlags::UNSAID) {
        return row.flags;
    }
    let may_write = !said.contains(ScriptFlags::NO_WRITES);
    let mut flags = row.flags.difference(Flags::MAY_REPLICATE);
    flags.set(Flags::STALE, said.contains(ScriptFlags::ALLOW_STALE));
    flags.set(Flags::WRITE, may_write);
    flags.set(
        Flags::DENYOOM,
        may_write && !said.contains(ScriptFlags::ALLOW_OOM),
    );
    flags
}

/// What the script or function says; nothing if there is none, or if its first line is wrong.
fn said(instance: &Instance, row: &Command, request: Request<'_>) -> Option<ScriptFlags> {
    let name = request.get(1)?;
    if row.name.starts_with("evalsha") {
        return Some(instance.scripts.get(&parse_sha(name)?)?.flags);
    }
    if row.name.starts_with("eval") {
        return ScriptFlags::of(name).ok();
    }
    let catalogue = instance.functions.load();
    Some(catalogue.find(name)?.1.flags)
}
