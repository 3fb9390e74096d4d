//! Scripts that run for too long: who is told of them, and how one is ended.
//!
//! A script that has passed `busy-reply-threshold` is *declared*. While there is one, commands are answered that the server is busy, as
//! Redis does, and whoever already waits for a shard that it holds stops waiting. Until then nobody knows of it but those who need
//! its shards, and those who would end it, who wait (`command/script/kill.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use thiserror::Error;

use crate::protocol::{OwnedRequest, Request};

/// A script that was declared.
#[derive(Debug)]
pub struct Declared {
    is_function: bool,
    name: String,
    request: OwnedRequest,
    began: Instant,
    has_written: AtomicBool,
    is_killed: AtomicBool,
}

impl Declared {
    /// A script, or a function, of this name, which was called by `request` and has run since `began`.
    pub fn new(is_function: bool, name: String, request: Request<'_>, began: Instant) -> Declared {
        Declared {
            is_function,
            name,
            request: request.into(),
            began,
            has_written: AtomicBool::new(false),
            is_killed: AtomicBool::new(false),
        }
    }

    /// The name of the function, or the SHA1 of the script.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What called it.
    pub fn request(&self) -> Request<'_> {
        self.request.as_request()
    }

    /// How long it has run.
    pub fn duration(&self) -> Duration {
        self.began.elapsed()
    }

    /// What everybody is told while it runs.
    pub fn error(&self) -> BusyError {
        match self.is_function {
            true => BusyError::Function,
            false => BusyError::Script,
        }
    }

    /// Takes note that it may have changed something.
    pub fn set_written(&self) {
        self.has_written.store(true, Relaxed);
    }

    /// Whether it is to end.
    pub fn is_killed(&self) -> bool {
        self.is_killed.load(Relaxed)
    }
}

/// Why a script is not ended.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KillError {
    /// None is declared.
    #[error("NOTBUSY No scripts in execution right now.")]
    NotBusy,
    /// It would leave its work half done.
    #[error(
        "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
         termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
    )]
    Written,
    /// It is of the other kind.
    #[error(transparent)]
    Kind(#[from] BusyError),
}

/// What everybody is told while a script is declared.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BusyError {
    /// It is a script.
    #[error(
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    )]
    Script,
    /// It is a function.
    #[error(
        "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
    )]
    Function,
}

/// The scripts that were declared and still run.
#[derive(Debug, Default)]
pub struct Busy {
    /// How many; who waits for a shard looks at it.
    count: Arc<AtomicUsize>,
    declared: Mutex<Vec<Arc<Declared>>>,
}

impl Busy {
    /// None yet; `count` is where everybody sees how many there are.
    pub fn new(count: Arc<AtomicUsize>) -> Busy {
        Busy {
            count,
            declared: Mutex::default(),
        }
    }

    /// What commands are refused with, if a script is declared. One load if none is.
    #[inline]
    pub fn refusal(&self) -> Option<BusyError> {
        (self.count.load(Relaxed) > 0).then(|| self.error())
    }

    /// The error that names the script which was declared first.
    #[cold]
    pub fn error(&self) -> BusyError {
        let first = self.first();
        first.map_or(BusyError::Script, |script| script.error())
    }

    /// The script that was declared first, of those that still run.
    pub fn first(&self) -> Option<Arc<Declared>> {
        self.declared.lock().first().cloned()
    }

    /// Declares a script.
    pub fn declare(&self, script: &Arc<Declared>) {
        self.declared.lock().push(Arc::clone(script));
        self.count.fetch_add(1, Relaxed);
    }

    /// Forgets a script that has ended.
    pub fn end(&self, script: &Arc<Declared>) {
        let mut declared = self.declared.lock();
        declared.retain(|other| !Arc::ptr_eq(other, script));
        self.count.store(declared.len(), Relaxed);
    }

    /// Ends the scripts of one kind that have changed nothing. They are as good as over: from now on nobody is refused for them.
    ///
    /// # Errors
    /// When there is none that may be ended.
    pub fn kill(&self, functions: bool) -> Result<(), KillError> {
        let mut declared = self.declared.lock();
        let first = declared.first().ok_or(KillError::NotBusy)?;
        let may_end = |script: &&Arc<Declared>| {
            !script.has_written.load(Relaxed) && script.is_function == functions
        };
        let mut killable = declared.iter().filter(may_end).peekable();
        if killable.peek().is_none() {
            return Err(if first.has_written.load(Relaxed) {
                KillError::Written
            } else {
                first.error().into()
            });
        }
        killable.for_each(|script| script.is_killed.store(true, Relaxed));
        declared.retain(|script| !script.is_killed());
        self.count.store(declared.len(), Relaxed);
        Ok(())
    }

    /// Ends all of them, whatever they did: the server ends.
    pub fn kill_all(&self) {
        for script in self.declared.lock().iter() {
            script.is_killed.store(true, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_changed_nothing_is_killed_and_by_its_own_command() {
        let busy = Busy::default();
        assert_eq!(busy.refusal(), None);
        assert_eq!(busy.kill(false), Err(KillError::NotBusy));
        let declare = || {
            let request = OwnedRequest::from_iter([&b"EVAL"[..]]);
            let script = Declared::new(false, String::new(), request.as_request(), Instant::now());
            let script = Arc::new(script);
            busy.declare(&script);
            script
        };
        let script = declare();
        assert_eq!(busy.refusal(), Some(BusyError::Script));
        assert_eq!(busy.kill(true), Err(BusyError::Script.into()));
        assert!(!script.is_killed());
        script.set_written();
        assert_eq!(busy.kill(false), Err(KillError::Written));
        let other = declare();
        assert_eq!(busy.kill(false), Ok(()));
        assert!(other.is_killed() && !script.is_killed());
        assert_eq!(busy.kill(false), Err(KillError::Written));
        busy.end(&script);
        assert_eq!(busy.refusal(), None);
        busy.end(&other);
        assert_eq!(busy.refusal(), None);
    }
}
