//! WAIT and WAITAOF: until what was written is elsewhere, too. There are no replicas, so only the own disk can have it.

use super::{Call, Categories, Command, Error, Flags, Group, Instance, Outcome};
use crate::clients::{Client, Until};
use crate::protocol::{Reply, Request};

const ROW: Command = Command {
    group: Group::Generic,
    categories: Categories::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Command::DEFAULT
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "wait",
        run: wait,
        arity: 3,
        since: "3.0.0",
        summary: "Waits until so many replicas have what this connection wrote, and answers how many do.",
        syntax: "numreplicas<integer> timeout<integer>",
        ..ROW
    },
    Command {
        name: "waitaof",
        run: wait_aof,
        arity: 4,
        flags: Flags::NOSCRIPT,
        since: "7.2.0",
        summary: "Waits until what this connection wrote is in the append-only file on the disk, here or at so many replicas.",
        syntax: "numlocal<integer> numreplicas<integer> timeout<integer>",
        ..ROW
    },
];

fn wait(call: &mut Call<'_>) -> Outcome {
    let replicas = call.int(1)?;
    let most = call.patience_in_millis(2)?;
    if replicas <= 0 || !call.waits(None, most, None) {
        call.reply.int(0);
    }
    Ok(())
}

fn wait_aof(call: &mut Call<'_>) -> Outcome {
    let local = call.int(1)?;
    if !(0..=1).contains(&local) {
        return Err(Error::text(
            "ERR value is out of range, value must between 0 and 1",
        ));
    }
    let replicas = call.int(2)?;
    if replicas < 0 {
        return Err(Error::NotCount);
    }
    let most = call.patience_in_millis(3)?;
    let needs_disk = local == 1;
    if needs_disk && !call.instance.journal.is_on() {
        return Err(no_log());
    }
    let written = call.client.written;
    let is_synced = call.instance.journal.is_synced(written);
    // Where replicas are to have it, too, it makes no difference that the disk does.
    let synced = (needs_disk && replicas == 0).then_some(Until::Synced(written));
    let is_done = replicas == 0 && (is_synced || !needs_disk);
    if is_done || !call.waits(None, most, synced) {
        answer(is_synced, &mut call.reply);
    }
    Ok(())
}

fn no_log() -> Error {
    Error::text("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
}

fn answer(is_synced: bool, reply: &mut Reply<'_>) {
    reply.array(2);
    reply.int(i64::from(is_synced));
    reply.int(0);
}

/// Answers one of these calls, which has waited long enough or has reached what it waited for.
pub(super) fn time_is_over(
    instance: &Instance,
    client: &Client,
    row: &Command,
    request: Request<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    if row.name == "wait" {
        reply.int(0);
        return Ok(());
    }
    if request.arg(1) == b"1" && !instance.journal.is_on() {
        return Err(no_log());
    }
    answer(instance.journal.is_synced(client.written), reply);
    Ok(())
}
