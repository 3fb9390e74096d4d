//! What a running script asks of the server.
//!
//! Functions inside the Lua state live as long as the state, and whom they serve changes with every run. So the server is lent to
//! the thread for the time of one run, and they find it there.

use scoped_tls_hkt::scoped_thread_local;

use super::log::Line;
use super::thrown::Thrown;
use crate::protocol::{Request, Version};

/// The server, as one running script sees it.
pub trait Host {
    /// Runs a command and appends its reply, which may be an error, in `version` of the protocol.
    ///
    /// # Errors
    /// When it was not run.
    fn call(
        &mut self,
        request: Request<'_>,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal>;

    /// Whether the client that runs the script may run a command; `None` if there is no such command.
    fn may_run(&mut self, request: Request<'_>) -> Option<bool>;

    /// Whether what the commands from now on do is to be repeated in the append-only file.
    fn set_repeated(&mut self, repeated: bool);

    /// Writes a line to the server's log.
    ///
    /// # Errors
    /// When the script does not go on.
    fn log(&mut self, line: Line) -> Result<(), Refusal>;

    /// Called again and again while the script runs; what it answers ends the script.
    fn look_around(&mut self) -> Option<Refusal>;
}

/// Why a command was not run, or the script does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The script is told of this error. It begins with its code, and was counted.
    Error(Vec<u8>),
    /// The script ends with this error, whatever it does to catch it.
    Killed(&'static str),
    /// The script ends, and nothing of what it did counts: it has to start over with more locked.
    StartOver,
}

scoped_thread_local!(static mut HOST: for<'a> &'a mut (dyn Host + 'a));

/// Lends the server to the scripts of this thread while `run` lasts.
pub(super) fn lend<R>(host: &mut dyn Host, run: impl FnOnce() -> R) -> R {
    HOST.set(host, run)
}

/// Asks the server; `None` if no script runs, or if it is asked by itself.
pub(super) fn ask<R>(question: impl FnOnce(&mut dyn Host) -> R) -> Option<R> {
    HOST.is_set().then(|| HOST.with(|host| question(host)))
}

/// As [`ask`], for the function `name` of the `redis` table.
pub(super) fn ask_for<R>(
    name: &str,
    question: impl FnOnce(&mut dyn Host) -> R,
) -> Result<R, Thrown> {
    ask(question).ok_or_else(|| {
        Thrown::error(format!(
            "ERR {name} can only be called inside a script invocation"
        ))
    })
}
