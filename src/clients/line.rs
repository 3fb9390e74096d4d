//! A connection in one line, as CLIENT LIST shows it and the log names it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::registry::{Handle, Kind};
use super::tracking::Mode;
use crate::protocol::Request;

/// The line of a connection whose last command was `command`; without a line end. `now` is in milliseconds since the epoch. A
/// connection that describes itself gives the request that it `runs`: it lies in a buffer of the worker.
pub fn line(handle: &Handle, command: &str, now: u64, runs: Option<Request<'_>>) -> String {
    let names = handle.names.lock().clone();
    let held = handle.account.footprint();
    let idle = match runs {
        Some(_) => 0,
        None => seconds_since(handle.last_interaction.load(Relaxed), now),
    };
    let running = runs.map_or(0, |request| request.wire_len());
    let arguments = runs.map_or(held.arguments, |request| {
        request.iter().map(<[u8]>::len).sum()
    });
    let subscriptions = [0, 1, 2].map(|topic| handle.subscriptions[topic].load(Relaxed));
    // Replies lie in blocks of one kind, so there is no fixed part to tell apart: rbs, rbp and obl have nothing to say.
    let tracking = handle.tracking.mode();
    let redirect = match tracking.contains(Mode::ON) {
        true => handle.tracking.redirect() as i64,
        false => -1,
    };
    format!(
        "id={} addr={} laddr={} fd={} name={} age={} idle={idle} flags={} db={} sub={} psub={} ssub={} multi={} \
         qbuf={} qbuf-free={} argv-mem={arguments} multi-mem={} rbs=0 rbp=0 obl=0 oll={} omem={} tot-mem={} events={} \
         cmd={command} user={} redir={redirect} resp={} lib-name={} lib-ver={}",
        handle.id,
        handle.kind.peer(),
        handle.kind.local(),
        handle.descriptor,
        names.name,
        seconds_since(handle.connected, now),
        flags(handle),
        handle.database.load(Relaxed),
        subscriptions[0],
        subscriptions[1],
        subscriptions[2],
        handle.queued.load(Relaxed),
        held.query + running,
        held.query_free,
        held.queued,
        held.output_blocks,
        held.output,
        held.total + running,
        if held.output_blocks > 0 { "rw" } else { "r" },
        names.user,
        handle.resp.load(Relaxed),
        names.library,
        names.library_version,
    )
}

/// Whole seconds from one moment to a later one, both in milliseconds since the epoch, by the clock's seconds.
pub fn seconds_since(then: u64, now: u64) -> u64 {
    (now / 1000).saturating_sub(then / 1000)
}

/// The letters for what a connection is and does; `N` for nothing special.
fn flags(handle: &Handle) -> String {
    let tracking = handle.tracking.mode();
    let unix = matches!(handle.kind, Kind::Unix(_));
    let is_subscribed = |count: &AtomicU32| count.load(Relaxed) > 0;
    let letters: String = [
        ('O', handle.is_monitor.load(Relaxed)),
        ('P', handle.subscriptions.iter().any(is_subscribed)),
        ('x', handle.queued.load(Relaxed) >= 0),
        ('b', handle.blocked.load(Relaxed)),
        ('t', tracking.contains(Mode::ON)),
        ('R', tracking.contains(Mode::BROKEN)),
        ('B', tracking.contains(Mode::BCAST)),
        ('d', handle.watch_is_broken.load(Relaxed)),
        ('U', unix),
        ('e', handle.no_evict.load(Relaxed)),
        ('T', handle.no_touch.load(Relaxed)),
    ]
    .into_iter()
    .filter_map(|(letter, holds)| holds.then_some(letter))
    .collect();
    if letters.is_empty() {
        "N".to_owned()
    } else {
        letters
    }
}
