//! Replay: commands of a log run again, as they ran when it was written.
//!
//! That is not as a client's commands run. Nothing dies meanwhile: what was alive when a command was written down must be alive when it
//! is repeated, however long ago its time was over; and whatever died had its removal written down. Nobody is asked for a
//! password, nothing is refused for want of memory, commands have the names of their rows, and neither are they counted nor
//! written down once more.

use std::cell::RefCell;

use thiserror::Error;

use super::blocking::Patience;
use super::call::KeyHashes;
use super::dispatch::{Batch, Prepared};
use super::instance::unix_millis;
use super::registry::Entry;
use super::{Error, Flags, Instance, Outcome, room, transaction};
use crate::clients::{Client, Kind, Place};
use crate::keyspace::Locked;
use crate::keyspace::effects::Effects;
use crate::keyspace::evict::Evictor;
use crate::protocol::Request;
use crate::telemetry::Telemetry;

/// Why a command of a log cannot be run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReplayError {
    /// There is no command of this name.
    #[error("Unknown command '{0}'")]
    Unknown(String),
    /// It answered this error, which it did not when it was written down.
    #[error("{command} answered: {error}")]
    Refused {
        /// The command.
        command: String,
        /// The error, without its line end.
        error: String,
    },
}

/// Runs commands of a log, one after the other.
pub struct Replay<'a> {
    instance: &'a Instance,
    client: Client,
    /// Nobody sees these counts.
    telemetry: Telemetry,
    evictor: RefCell<Evictor>,
    replies: Vec<u8>,
}

impl<'a> Replay<'a> {
    /// A replay that begins in database 0.
    pub fn new(instance: &'a Instance) -> Replay<'a> {
        let kind = Kind::Unix("replay".to_owned());
        let handle = (instance.clients).register(kind, -1, unix_millis(), Place::nowhere());
        instance.clients.unregister(&handle);
        Replay {
            instance,
            client: Client::new(handle, true),
            telemetry: Telemetry::new(1, instance.commands.len()),
            evictor: RefCell::default(),
            replies: Vec::new(),
        }
    }

    /// Whether a MULTI waits for its EXEC. What was queued since then has not run.
    pub fn is_in_transaction(&self) -> bool {
        self.client.transaction.is_some()
    }

    /// Runs a command.
    ///
    /// # Errors
    /// When there is no such command, or it answers an error; a later one may still run.
    pub fn run(&mut self, request: Request<'_>) -> Result<(), ReplayError> {
        match self.queue(request)? {
            Some(entry) => self.call(entry, |batch, client, out| {
                let prepared = Prepared::new(request, Some(entry));
                batch.call(client, entry, &prepared, out)
            }),
            None => Ok(()),
        }
    }

    /// As [`Replay::run`], where every shard is locked.
    ///
    /// # Errors
    /// As [`Replay::run`].
    pub fn run_within(
        &mut self,
        locked: &mut Locked<'_>,
        request: Request<'_>,
    ) -> Result<(), ReplayError> {
        let Some(entry) = self.queue(request)? else {
            return Ok(());
        };
        if !entry.row.flags.contains(Flags::RUNS_QUEUE) {
            return self.call_within(locked, entry, request);
        }
        let transaction = self.client.transaction.take().unwrap_or_default();
        for (command, request, _) in transaction.iter() {
            let entry = self.instance.commands.by_id(command);
            let entry = entry.expect("ids are those of commands");
            self.call_within(locked, entry, request)?;
        }
        Ok(())
    }

    /// Hands on which keys were filled that somebody waits for.
    pub fn hand_on(&self, effects: &Effects) {
        while let Some(ready) = self.telemetry.workers[0].effects.ready.next() {
            effects.ready.note(ready.0, &ready.1);
        }
    }

    /// Finds a command; `None` if it waits for its EXEC from now on.
    fn queue(&mut self, request: Request<'_>) -> Result<Option<&'a Entry>, ReplayError> {
        let name = request.arg(0);
        let Some(entry) = self.instance.commands.find_row(name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(ReplayError::Unknown(name));
        };
        let entry = match request.get(1) {
            Some(word) => entry.subcommand(word).unwrap_or(entry),
            None => entry,
        };
        if !entry.row.accepts(request.len()) {
            let error = Error::Arity(entry.full_name.clone());
            return Err(refused(entry, &error.to_string()));
        }
        if let Some(transaction) = &mut self.client.transaction
            && !entry.row.flags.contains(Flags::NOT_QUEUED)
        {
            let prepared = Prepared::new(request, Some(entry));
            transaction::queue(transaction, entry, &prepared, entry.row.flags);
            transaction.writes = true;
            return Ok(None);
        }
        Ok(Some(entry))
    }

    fn call_within(
        &mut self,
        locked: &mut Locked<'_>,
        entry: &Entry,
        request: Request<'_>,
    ) -> Result<(), ReplayError> {
        self.call(entry, |batch, client, out| {
            let locked = locked.lend(None).expect("every shard is locked");
            let db = batch.db(client, locked, true);
            let (hashes, patience) = (KeyHashes::UNKNOWN, Patience::Hurries);
            batch.run_locked(client, entry, request, hashes, db, patience, out)
        })
    }

    fn call(
        &mut self,
        entry: &Entry,
        run: impl FnOnce(&mut Batch<'_>, &mut Client, &mut Vec<u8>) -> Outcome,
    ) -> Result<(), ReplayError> {
        let config = self.instance.config.load();
        let time = unix_millis();
        let mut moment = room::moment(&config, time, true);
        // No deadline lies before this.
        moment.now = 0;
        let mut batch = Batch {
            instance: self.instance,
            config,
            stats: &self.telemetry.workers[0],
            moment,
            time,
            tick: 0,
            evictor: &self.evictor,
            has_made_room: true,
        };
        self.replies.clear();
        let outcome = run(&mut batch, &mut self.client, &mut self.replies);
        match (outcome, &self.replies[..]) {
            (Err(error), _) => Err(refused(entry, &error.to_string())),
            (_, [b'-', error @ ..]) => Err(refused(entry, &String::from_utf8_lossy(error))),
            _ => Ok(()),
        }
    }
}

fn refused(entry: &Entry, error: &str) -> ReplayError {
    ReplayError::Refused {
        command: entry.full_name.to_ascii_uppercase(),
        error: error.trim_end().to_owned(),
    }
}
