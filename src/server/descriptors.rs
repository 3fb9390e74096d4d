//! The number of open files that the system grants, which bounds `maxclients`.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors that the server needs besides those of its clients.
const RESERVED: u64 = 32;

/// Asks the system for enough descriptors; answers how many clients can be served, at most `wanted`.
pub fn room_for(wanted: u32) -> u32 {
    let need = u64::from(wanted) + RESERVED;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    if soft >= need {
        return wanted;
    }
    // Only root may raise the hard limit; anyone else gets as much as it allows.
    let granted = [(need, hard.max(need)), (hard.min(need), hard)]
        .into_iter()
        .find(|&(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, soft, hard).is_ok())
        .map_or(soft, |(soft, _)| soft);
    granted.saturating_sub(RESERVED).clamp(1, u64::from(wanted)) as u32
}

/// At start, fewer clients than configured are better than no server.
pub fn limit_at_start(maxclients: &mut u32) {
    let possible = room_for(*maxclients);
    if possible < *maxclients {
        warn!(
            "The system allows files for {possible} clients only, so maxclients is {possible} and not {maxclients}. \
             Raise the limit with 'ulimit -n'."
        );
        *maxclients = possible;
    }
}
