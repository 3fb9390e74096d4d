//! What every test over a real socket needs: a server that lives as long as the test, and a client that shows the wire as it is.
//!
//! A test binary takes this in with `mod support;` and uses the part that it needs.
#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

pub mod client;
pub mod resp;
pub mod server;

use std::process::Command;
use std::time::{Duration, Instant};

pub use client::Client;
pub use resp::Value;
pub use server::{Server, Setup};

/// How long a condition that ought to come true soon is waited for, on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Polls `condition` until it holds; `false` when it did not within `limit`.
pub fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Polls `condition` until it holds.
///
/// # Panics
/// With `what` when it did not hold within [`PATIENCE`].
#[track_caller]
pub fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    assert!(
        holds_within(PATIENCE, condition),
        "waited {PATIENCE:?} in vain for: {what}"
    );
}

/// Sends a process a signal by its name.
pub fn signal(process: u32, name: &str) {
    // The shell's own `kill`: a small system has no other.
    let kill = format!("kill -s {name} {process}");
    let status = Command::new("sh").args(["-c", &kill]).status();
    assert!(status.is_ok_and(|status| status.success()), "{kill} failed");
}

/// Whether the tests run as root, who may change the root folder and the network without asking for a user namespace.
pub fn is_root() -> bool {
    let process = std::fs::metadata("/proc/self").expect("a process");
    std::os::unix::fs::MetadataExt::uid(&process) == 0
}

/// One command as arguments of any mixture of strings and bytes: `command!["SET", key, b"\0"]`.
#[macro_export]
macro_rules! command {
    ($($argument:expr),+ $(,)?) => {
        [$(Vec::<u8>::from(AsRef::<[u8]>::as_ref(&$argument))),+]
    };
}

/// A field of INFO that is a number.
#[track_caller]
pub fn info(client: &mut Client, field: &str) -> u64 {
    let text = client.line("INFO everything").text();
    let prefix = format!("{field}:");
    let value = text.lines().find_map(|line| line.strip_prefix(&prefix));
    let value = value.unwrap_or_else(|| panic!("INFO has no {field}"));
    value
        .parse()
        .unwrap_or_else(|_| panic!("{field} is no number: {value}"))
}
