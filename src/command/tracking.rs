//! Client-side caching: the subcommands of CLIENT about it, what read commands leave behind for it, and how much of that is kept.

use super::client::{ROW, on_or_off};
use super::dispatch::Batch;
use super::registry::Entry;
use super::{Call, Command, Error, Flags, Group, Instance, Outcome};
use crate::clients::Client;
use crate::clients::tracking::Mode;
use crate::keyspace::tracked::Invalidations;
use crate::protocol::number;

/// CLIENT CACHING.
pub(super) const CACHING: Command = Command {
    name: "caching",
    run: caching,
    arity: 3,
    since: "6.0.0",
    summary: "Says whether the client keeps copies of what the next command reads.",
    syntax: "(mode: YES | NO)",
    ..ROW
};

/// CLIENT GETREDIR.
pub(super) const GETREDIR: Command = Command {
    name: "getredir",
    run: get_redirect,
    arity: 2,
    since: "6.0.0",
    summary: "Answers which connection is told of invalidations in place of this one; 0 for none, -1 if there are none to tell.",
    ..ROW
};

/// CLIENT TRACKING.
pub(super) const TRACKING: Command = Command {
    name: "tracking",
    run: tracking,
    arity: -3,
    since: "6.0.0",
    summary: "Tells the client when keys change of which it keeps copies, or no longer.",
    complexity: "O(1). Some options may introduce additional complexity.",
    syntax: "(status: ON | OFF) [REDIRECT client-id<integer>] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
    ..ROW
};

/// CLIENT TRACKINGINFO.
pub(super) const TRACKINGINFO: Command = Command {
    name: "trackinginfo",
    run: tracking_info,
    arity: 2,
    since: "6.2.0",
    summary: "Answers what the client said with CLIENT TRACKING.",
    ..ROW
};

/// Tracked keys beyond the limit that are given up at once.
pub const TRIMMED_AT_ONCE: usize = 100;

/// Tracked keys beyond the limit that are given up in one go when nobody waits.
pub const TRIMMED_IN_BACKGROUND: usize = 10_000;

fn tracking(call: &mut Call<'_>) -> Outcome {
    let mut mode = Mode::empty();
    let mut redirect = 0;
    let mut prefixes = Vec::new();
    let mut place = 3;
    while place < call.len() {
        let value = call.request.get(place + 1);
        match (call.arg(place).to_ascii_lowercase().as_slice(), value) {
            (b"redirect", Some(id)) => {
                if redirect != 0 {
                    return Err(Error::text(
                        "ERR A client can only redirect to a single other client",
                    ));
                }
                let id = number::parse_i64(id).ok_or(Error::NotInteger)?;
                let found = u64::try_from(id)
                    .ok()
                    .and_then(|id| call.instance.clients.get(id));
                let found = found.filter(|handle| handle.is_present());
                redirect = found
                    .ok_or(Error::text(
                        "ERR The client ID you want redirect to does not exist",
                    ))?
                    .id;
                place += 1;
            }
            (b"prefix", Some(prefix)) => {
                prefixes.push(prefix);
                place += 1;
            }
            (b"bcast", _) => mode |= Mode::BCAST,
            (b"optin", _) => mode |= Mode::OPTIN,
            (b"optout", _) => mode |= Mode::OPTOUT,
            (b"noloop", _) => mode |= Mode::NOLOOP,
            _ => return Err(Error::Syntax),
        }
        place += 1;
    }
    let tracking = &call.instance.tracking;
    if on_or_off(call, 2)? {
        check(call, mode, &prefixes)?;
        tracking.start(call.client, mode | Mode::ON, redirect, &prefixes);
    } else {
        tracking.stop(call.client);
    }
    call.reply.ok();
    Ok(())
}

/// Whether what a client asks for is possible, and goes with what it asked for before.
fn check(call: &Call<'_>, mode: Mode, prefixes: &[&[u8]]) -> Outcome {
    let before = &call.client.tracking;
    let refuse = |text: &'static str| Err(Error::text(text));
    if !mode.contains(Mode::BCAST) && !prefixes.is_empty() {
        return refuse("ERR PREFIX option requires BCAST mode to be enabled");
    }
    if before.mode.contains(Mode::ON) && (before.mode ^ mode).contains(Mode::BCAST) {
        return refuse(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a \
             different mode.",
        );
    }
    if mode.contains(Mode::BCAST) && mode.intersects(Mode::OPTIN | Mode::OPTOUT) {
        return refuse("ERR OPTIN and OPTOUT are not compatible with BCAST");
    }
    if mode.contains(Mode::OPTIN | Mode::OPTOUT) {
        return refuse("ERR You can't specify both OPTIN mode and OPTOUT mode");
    }
    if (mode | before.mode).contains(Mode::OPTIN | Mode::OPTOUT) {
        return refuse(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a \
             different mode.",
        );
    }
    for (place, prefix) in prefixes.iter().enumerate() {
        let overlaps = |other: &&[u8]| other.starts_with(prefix) || prefix.starts_with(other);
        let mut existing = before.prefixes.iter().map(|prefix| &**prefix);
        if let Some(other) = existing.find(overlaps) {
            return Err(overlap(prefix, "an existing", other));
        }
        if let Some(other) = prefixes[place + 1..].iter().copied().find(overlaps) {
            return Err(overlap(prefix, "another provided", other));
        }
    }
    Ok(())
}

fn overlap(prefix: &[u8], which: &str, other: &[u8]) -> Error {
    let middle = format!("' overlaps with {which} prefix '");
    let end: &[u8] = b"'. Prefixes for a single client must not overlap.";
    Error::Quoting([b"ERR Prefix '", prefix, middle.as_bytes(), other, end].concat())
}

fn caching(call: &mut Call<'_>) -> Outcome {
    let mode = call.client.tracking.mode;
    if !mode.contains(Mode::ON) {
        return Err(Error::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    }
    if call.is(2, "YES") {
        if !mode.contains(Mode::OPTIN) {
            return Err(Error::text(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
    } else if call.is(2, "NO") {
        if !mode.contains(Mode::OPTOUT) {
            return Err(Error::text(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
    } else {
        return Err(Error::Syntax);
    }
    call.client.tracking.is_caching_said = true;
    call.reply.ok();
    Ok(())
}

/// The connection that is told in place of this one, as clients see it.
fn redirect(call: &Call<'_>) -> i64 {
    let tracking = &call.client.tracking;
    match tracking.mode.contains(Mode::ON) {
        true => tracking.redirect as i64,
        false => -1,
    }
}

fn get_redirect(call: &mut Call<'_>) -> Outcome {
    call.reply.int(redirect(call));
    Ok(())
}

fn tracking_info(call: &mut Call<'_>) -> Outcome {
    let tracking = &call.client.tracking;
    let mode = tracking.mode | call.client.handle.tracking.mode();
    let is_said = tracking.is_caching_said;
    let flags = [
        ("off", !mode.contains(Mode::ON)),
        ("on", mode.contains(Mode::ON)),
        ("bcast", mode.contains(Mode::BCAST)),
        ("optin", mode.contains(Mode::OPTIN)),
        ("caching-yes", mode.contains(Mode::OPTIN) && is_said),
        ("optout", mode.contains(Mode::OPTOUT)),
        ("caching-no", mode.contains(Mode::OPTOUT) && is_said),
        ("noloop", mode.contains(Mode::NOLOOP)),
        ("broken_redirect", mode.contains(Mode::BROKEN)),
    ];
    let set: Vec<&str> = flags
        .iter()
        .filter(|(_, holds)| *holds)
        .map(|(flag, _)| *flag)
        .collect();
    let redirect = redirect(call);
    let reply = &mut call.reply;
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(set.len());
    set.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.int(redirect);
    reply.bulk(b"prefixes");
    reply.array(tracking.prefixes.len());
    tracking
        .prefixes
        .iter()
        .for_each(|prefix| reply.bulk(prefix));
    Ok(())
}

impl Call<'_> {
    /// Remembers that the client keeps copies of what the command read, if it tracks and the command reads. The keys' shards are held.
    #[inline]
    pub(in crate::command) fn remember(&mut self) {
        if self.client.tracking.remembers() && self.command.row.flags.contains(Flags::READONLY) {
            self.remember_keys();
        }
    }

    #[cold]
    fn remember_keys(&mut self) {
        let row = self.command.row;
        // Of a script what it reads is remembered, and not what it was given.
        let names_others = row.flags.contains(Flags::PUBSUB) || row.group == Group::Scripting;
        if names_others || !self.client.tracking.remembers_this() {
            return;
        }
        // Arguments that contradict themselves name no keys, and were refused.
        for (place, _) in row.key_positions(self.request).unwrap_or_default() {
            let key = self.key(place);
            let tracked = &mut self.db.locked.shard(key).observers.add().tracked;
            let added = tracked.add(key.bytes, self.client.id);
            self.instance.tracking.count(added);
        }
    }

    /// Tells those who keep copies of what the command, or all that ran with it, changed. That must still be locked.
    #[inline]
    pub(in crate::command) fn invalidate(&mut self) {
        let invalidations = &self.stats.effects.invalidations;
        if invalidations.has_news() {
            invalidations.send();
            invalidations.take_own(&mut self.client.pushes);
        }
    }
}

impl Batch<'_> {
    /// Ends a command of a client that tracks: it may have been the one that CLIENT CACHING was about, or have left too much behind.
    #[cold]
    pub(super) fn end_tracked(&self, client: &mut Client, entry: &Entry) {
        if client.transaction.is_none() {
            let is_about_client = entry.full_name.starts_with("client|");
            client.tracking.end_command(is_about_client);
        }
        let effects = &self.stats.effects;
        trim(self.instance, &effects.invalidations, TRIMMED_AT_ONCE);
        effects.invalidations.take_own(&mut client.pushes);
    }
}

/// Gives up at most so many tracked keys, if there are more than there may be, as if they had changed. No shard may be locked.
pub fn trim(instance: &Instance, invalidations: &Invalidations, most: usize) {
    let limit = instance.config.load().clients.tracking_table_max_keys;
    if limit > 0 && instance.tracking.total().keys as u64 > limit {
        // Whose command it is that there are too many does not matter: it hears of it like everybody.
        let author = invalidations.act_for(0);
        trim_to(instance, invalidations, most, limit);
        invalidations.act_for(author);
    }
}

fn trim_to(instance: &Instance, invalidations: &Invalidations, most: usize, limit: u64) {
    let is_over = || instance.tracking.total().keys as u64 > limit;
    let keyspace = &instance.keyspace;
    let start = fastrand::usize(..keyspace.shards());
    let (mut given_up, mut in_vain) = (0, 0);
    for number in (0..keyspace.shards()).cycle().skip(start) {
        let mut shard = keyspace.lock(number);
        let give_up = |tracked: &mut crate::keyspace::observers::Parties| {
            tracked.tracked.invalidate_any(invalidations)
        };
        if shard.observers.remove(give_up) == Some(true) {
            invalidations.send();
            (given_up, in_vain) = (given_up + 1, 0);
        } else {
            in_vain += 1;
        }
        drop(shard);
        if given_up >= most || in_vain >= keyspace.shards() || !is_over() {
            return;
        }
    }
}
