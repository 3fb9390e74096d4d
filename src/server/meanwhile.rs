//! What a worker does for its other clients while a script that was declared busy holds its thread, or a shard that it waits for.
//!
//! Their tasks stand still, for that happens inside the turn of one of them. So whole requests are taken from the sockets
//! directly: what may end the script is done, and everything else is refused, as by the other workers. Requests that change
//! what the worker knows of a client (AUTH, MULTI, ...) stay where they are, and so does what lies behind them; so do clients that
//! have sent half a request, or have not taken a reply. They are served when the script has ended.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, recv};

use super::local::Local;
use super::worker::Worker;
use crate::clients::{Handle, socket};
use crate::command::function::write_stats;
use crate::command::instance::{Save, Shutdown};
use crate::command::named::named;
use crate::command::registry::Entry;
use crate::command::{Error, Flags};
use crate::protocol::{Limits, Parser, Reply, Request, Step, Version};

/// How often to look at the sockets.
const EVERY: Duration = Duration::from_millis(10);
/// Requests of more bytes wait.
const MAX_REQUEST: usize = 4 << 10;

/// What becomes of one request.
enum Answer {
    /// It is done, or refused: this is its reply.
    Reply(Vec<u8>),
    /// It stays where it is.
    Wait,
}

impl Worker {
    /// Looks after everybody but the client whose turn it is.
    pub(super) fn serve_meanwhile(self: &Rc<Worker>) {
        let now = Instant::now();
        if now.duration_since(self.last_meanwhile.get()) < EVERY {
            return;
        }
        self.last_meanwhile.set(now);
        self.adopt_arrivals();
        let others: Vec<(u64, Rc<Local>)> = {
            let connections = self.connections();
            let others = connections.iter().filter(|(id, _)| **id != self.turn_of());
            others.map(|(id, local)| (*id, Rc::clone(local))).collect()
        };
        for (id, local) in others {
            if let Some(handle) = self.instance.clients.get(id)
                && is_reachable(&handle, &local)
            {
                self.serve_directly(&handle, &local);
            }
        }
    }

    fn serve_directly(&self, handle: &Handle, local: &Local) {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let mut buffer = [0; MAX_REQUEST];
        loop {
            let peek = recv(handle.descriptor, &mut buffer, flags | MsgFlags::MSG_PEEK);
            // Whatever else is the matter, the connection's own task will find out.
            let Ok(len @ 1..) = peek else {
                return;
            };
            let mut spans = Vec::new();
            let limits = Limits {
                max_bulk: MAX_REQUEST,
                authenticated: true,
            };
            let step = Parser::default().step(&buffer[..len], &mut spans, &limits);
            let Ok(Step::Ready { end }) = step else {
                return;
            };
            let request = Request::new(&buffer[..end], &spans);
            let Answer::Reply(reply) = self.answer(request, handle.version()) else {
                return;
            };
            if recv(handle.descriptor, &mut buffer[..end], flags) != Ok(end)
                || socket::write(handle.descriptor, &reply).ok() != Some(reply.len())
            {
                return local.kill();
            }
        }
    }

    fn answer(&self, request: Request<'_>, version: Version) -> Answer {
        let instance = &self.instance;
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, version);
        let entry = match named(instance.commands.find(request.arg(0)), request) {
            Ok(entry) => entry,
            Err((error, entry)) => return self.refuse(entry, &error, version),
        };
        let word = request.get(1);
        let kills = |is_function| match instance.busy.kill(is_function) {
            Ok(()) => "+OK\r\n".to_owned(),
            Err(error) => format!("-{error}\r\n"),
        };
        match (&entry.full_name[..], word) {
            ("script|kill", _) => {
                return Answer::Reply(kills(false).into_bytes());
            }
            ("function|kill", _) => {
                return Answer::Reply(kills(true).into_bytes());
            }
            ("function|stats", _) => {
                let Err(_) = write_stats(instance, &mut reply) else {
                    return Answer::Reply(out);
                };
            }
            ("shutdown", Some(word)) if word.eq_ignore_ascii_case(b"nosave") => {
                let shutdown = Shutdown {
                    save: Save::Never,
                    now: true,
                    force: true,
                };
                // It cannot be refused, and is not answered.
                instance.request_shutdown(shutdown, mpsc::channel().0);
                return Answer::Reply(Vec::new());
            }
            ("shutdown", _) => {}
            _ if entry.row.flags.contains(Flags::ALLOW_BUSY) => return Answer::Wait,
            _ => {}
        }
        self.refuse(Some(entry), &instance.busy.error().into(), version)
    }

    fn refuse(&self, entry: Option<&Entry>, error: &Error, version: Version) -> Answer {
        if let Some(entry) = entry {
            self.stats().by_command[entry.id].rejected.add(1);
        }
        self.stats().errors.add(1);
        self.instance.telemetry.count_error(&error.to_string());
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, version);
        match error {
            Error::Quoting(text) => reply.error_bytes(text),
            other => reply.error(other.to_string()),
        }
        Answer::Reply(out)
    }
}

/// Whether nothing stands between a client's next request and its reply.
fn is_reachable(handle: &Handle, local: &Local) -> bool {
    handle.is_plain.load(Relaxed)
        && !handle.blocked.load(Relaxed)
        && !local.is_killed()
        && !local.has_output.get()
        && !local.has_mail()
        && handle.account.footprint().input() == 0
}
