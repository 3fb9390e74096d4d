//! The memory limit: who is evicted, what is refused, and that the limit holds.

mod churn;
mod limit;
mod policies;
mod refusals;

use crate::support::{Client, Server, Setup, info, wait_for};

const MIB: u64 = 1 << 20;

/// A server with this limit and policy.
fn limited(limit: u64, policy: &str) -> Server {
    Setup::minium()
        .with("maxmemory", &limit.to_string())
        .with("maxmemory-policy", policy)
        .start()
}

/// Sends commands at once and expects that none is refused.
#[track_caller]
fn send(client: &mut Client, commands: &[Vec<Vec<u8>>]) {
    for reply in client.try_pipeline(commands).expect("replies") {
        assert!(!reply.is_error(), "{reply:?}");
    }
}

/// So many keys were written, and each is there or was evicted. The background may still evict a little, also between the two
/// requests that tell.
fn assert_none_is_missing(client: &mut Client, written: u64) {
    wait_for("every key to be there or evicted", || {
        client.line("DBSIZE").int() as u64 + info(client, "evicted_keys") == written
    });
}

/// A command from words.
fn command(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}
