//! Loading: an RDB stream into the keyspace, by several threads.
//!
//! Whichever thread is free cuts the next piece off the stream, which takes a small part of the time, and builds and stores its
//! records while the others do the same with theirs. Records may be stored in any order, as no key is in a file twice.
//!
//! A stream that is damaged anywhere is refused as a whole: some of its keys have been stored by then, and whoever called must
//! not go on with them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use thiserror::Error;
use tracing::{info, warn};

use super::cut::{self, Cut, Cutter, Piece, Sizes};
use super::decode::{self, DecodeError, Rules};
use super::format::{FormatError, Input};
use super::record::{Attributes, Item, skip_value};
use crate::keyspace::access::AccessClock;
use crate::keyspace::fill::{Duplicate, Fresh};
use crate::keyspace::{Entry, NewValue};
use crate::persistence::loading::Loading;

/// How often the log tells how far a long loading has come.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// So many collections without elements are named in the log.
const NAMED: u64 = 10;

/// Makes a library of functions of its source, or tells what is wrong with that.
pub type MakeLibrary<'d> = dyn Fn(&[u8]) -> Result<(), String> + Send + Sync + 'd;

/// How a stream is to be loaded.
#[derive(Clone)]
pub struct Options<'d> {
    /// Which forms values are to have.
    pub rules: Rules,
    /// How many databases there are.
    pub databases: usize,
    /// Whether the checksum is compared.
    pub verify: bool,
    /// Whether what is not supported is passed over, and does not end the loading.
    pub skip_unknown: bool,
    /// Keys whose time was over before this moment, in milliseconds since the epoch, are left out; 0 keeps them all, which is
    /// right where commands follow that assume them.
    pub now: u64,
    /// How accesses are recorded.
    pub access: AccessClock,
    /// How many threads do it.
    pub threads: usize,
    /// How much of the stream is cut off at once.
    pub sizes: Sizes,
    /// How long to wait after each key, for tests. As long as that is not at all, it is asked for with each piece only.
    pub delay: Arc<dyn Fn() -> Duration + Send + Sync + 'd>,
    /// Makes a library of functions of its source.
    pub library: Arc<MakeLibrary<'d>>,
}

/// What was in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys stored.
    pub keys: u64,
    /// Keys left out because their time was over.
    pub expired: u64,
    /// Keys left out because they were collections without elements, as some versions of Redis have saved them.
    pub empty: u64,
    /// Keys and other things left out because they are not supported.
    pub unknown: u64,
    /// Bytes of the stream up to the end of the data, the checksum among them.
    pub end: u64,
}

/// Why a stream was not loaded.
#[derive(Debug, Error)]
#[error("at byte {offset}: {reason}")]
pub struct LoadError {
    /// Where in the stream.
    pub offset: u64,
    /// What is wrong there.
    pub reason: Reason,
}

/// What may be wrong with a stream.
#[derive(Debug, Error)]
pub enum Reason {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is none.
    #[error("the data do not begin as RDB data do")]
    Signature,
    /// It is of a version that is not known.
    #[error("can't handle RDB format version {0}")]
    Version(String),
    /// Something in it is not what it should be.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A value is not what it should be.
    #[error("the value of the key '{}': {error}", shown(key))]
    Value {
        /// The key.
        key: Vec<u8>,
        /// What is wrong.
        error: DecodeError,
    },
    /// A key is in it twice, or was there already.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
    /// It has keys of a database that does not exist.
    #[error(
        "there are keys of database {database}, and only {databases} databases; 'databases' sets their number"
    )]
    Database {
        /// The database.
        database: u64,
        /// How many there are.
        databases: usize,
    },
    /// It has something that is not supported.
    #[error("there is {0}, which is not supported; 'rdb-skip-unknown yes' loads everything else")]
    Unsupported(String),
    /// A library of functions cannot be made again.
    #[error("Failed loading library, {0}")]
    Library(String),
    /// Some of its bytes are not those that were written.
    #[error("wrong RDB checksum: expected {computed:x}, found {told:x}")]
    Checksum {
        /// Of the data.
        computed: u64,
        /// That the stream tells.
        told: u64,
    },
    /// There is more behind the end, where its version has nothing.
    #[error("there is more behind the end of data of version {0}")]
    GoesOn(u16),
    /// Somebody asked to stop.
    #[error("loading was stopped")]
    Stopped,
}

/// Why a file was not loaded.
#[derive(Debug, Error)]
#[error("{}: {error}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub error: LoadError,
}

impl LoadError {
    pub(super) fn in_value(offset: u64, key: &[u8], error: DecodeError) -> LoadError {
        let reason = match error {
            DecodeError::Unsupported(name) => {
                Reason::Unsupported(format!("the key '{}' of the type {name}", shown(key)))
            }
            error => Reason::Value {
                key: key.to_vec(),
                error,
            },
        };
        LoadError { offset, reason }
    }
}

/// A key as it stands in an error.
fn shown(key: &[u8]) -> String {
    const LONGEST: usize = 128;
    let cut = &key[..key.len().min(LONGEST)];
    let more = if cut.len() < key.len() { "..." } else { "" };
    format!("{}{more}", cut.escape_ascii())
}

/// Loads a file. What `fill` is given it stores, in any order; several threads may call it at once.
///
/// # Errors
/// When the file cannot be read or is damaged anywhere. Some keys may be stored then.
pub fn load_file(
    path: &Path,
    options: &Options<'_>,
    loading: &Loading,
    fill: impl Fn(&mut Vec<Fresh>) -> Result<(), Duplicate> + Sync,
) -> Result<Report, FileError> {
    in_file(path, loading, |file| load(file, options, loading, fill))
}

/// As [`load_file`], on this thread alone.
///
/// # Errors
/// As [`load_file`].
pub fn load_file_here(
    path: &Path,
    options: &Options<'_>,
    loading: &Loading,
    fill: impl Fn(&mut Vec<Fresh>) -> Result<(), Duplicate>,
) -> Result<Report, FileError> {
    in_file(path, loading, |file| {
        load_here(file, options, loading, fill)
    })
}

/// As [`load`], on this thread alone.
///
/// # Errors
/// As [`load_file`].
pub fn load_here<R: Read>(
    stream: R,
    options: &Options<'_>,
    loading: &Loading,
    fill: impl Fn(&mut Vec<Fresh>) -> Result<(), Duplicate>,
) -> Result<Report, LoadError> {
    let loader = Loader::new(stream, options, loading, fill)?;
    let result = loader.work();
    loader.finish([result])
}

fn in_file(
    path: &Path,
    loading: &Loading,
    load: impl FnOnce(File) -> Result<Report, LoadError>,
) -> Result<Report, FileError> {
    let open = || {
        let file = File::open(path)?;
        loading.expect(file.metadata()?.len());
        Ok(file)
    };
    let result = open().map_err(|error: io::Error| LoadError {
        offset: 0,
        reason: error.into(),
    });
    result.and_then(load).map_err(|error| FileError {
        path: path.to_owned(),
        error,
    })
}

/// Loads a stream, as [`load_file`]. More may be read of it than belongs to the data: the report says where those ended.
///
/// # Errors
/// As [`load_file`].
pub fn load<R: Read + Send>(
    stream: R,
    options: &Options<'_>,
    loading: &Loading,
    fill: impl Fn(&mut Vec<Fresh>) -> Result<(), Duplicate> + Sync,
) -> Result<Report, LoadError> {
    let loader = Loader::new(stream, options, loading, fill)?;
    let results: Vec<_> = std::thread::scope(|scope| {
        // This thread is one of them, so that there is one in any case.
        let spawn = |number| {
            let name = format!("loader-{number}");
            let thread = std::thread::Builder::new().name(name);
            thread.spawn_scoped(scope, || loader.work()).ok()
        };
        let others: Vec<_> = (1..options.threads).filter_map(spawn).collect();
        let own = loader.work();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .expect("a loader that panics ends the process")
        };
        others.into_iter().map(join).chain([own]).collect()
    });
    loader.finish(results)
}

impl Report {
    fn log(&self) {
        let Report {
            keys,
            expired,
            empty,
            unknown,
            ..
        } = self;
        if *unknown > 0 {
            warn!("Loaded without {unknown} keys or other things that are not supported");
        }
        if *empty > 0 {
            warn!(
                "Done loading RDB, keys loaded: {keys}, keys expired: {expired}, empty keys skipped: {empty}."
            );
        } else {
            info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}.");
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    keys: AtomicU64,
    expired: AtomicU64,
    empty: AtomicU64,
    unknown: AtomicU64,
}

/// What the threads share.
struct Loader<'a, R, F> {
    options: &'a Options<'a>,
    loading: &'a Loading,
    fill: F,
    cutter: Mutex<Cutter<'a, R>>,
    counts: Counts,
    failed: AtomicBool,
    /// When the log last told how far it has come.
    reported: Mutex<Instant>,
}

impl<'a, R: Read, F: Fn(&mut Vec<Fresh>) -> Result<(), Duplicate>> Loader<'a, R, F> {
    fn new(
        stream: R,
        options: &'a Options<'a>,
        loading: &'a Loading,
        fill: F,
    ) -> Result<Self, LoadError> {
        let limits = cut::Limits {
            databases: options.databases,
            verify: options.verify,
            skip_unknown: options.skip_unknown,
            sizes: options.sizes,
        };
        Ok(Loader {
            options,
            loading,
            fill,
            cutter: Mutex::new(Cutter::new(stream, limits, loading)?),
            counts: Counts::default(),
            failed: AtomicBool::new(false),
            reported: Mutex::new(Instant::now()),
        })
    }

    /// What became of it all, by what became of each thread's work.
    fn finish(
        self,
        results: impl IntoIterator<Item = Result<(), LoadError>>,
    ) -> Result<Report, LoadError> {
        // Several threads may have met damage. The first in the stream is what somebody who looks for it wants to know.
        let errors = results.into_iter().filter_map(Result::err);
        if let Some(first) = errors.min_by_key(|error| error.offset) {
            return Err(first);
        }
        let loading = self.loading;
        let report = self.report();
        loading.note_keys(report.keys, report.expired);
        report.log();
        Ok(report)
    }

    /// Does what one thread does, until nothing is left.
    fn work(&self) -> Result<(), LoadError> {
        let result = self.work_on_pieces();
        if result.is_err() {
            self.failed.store(true, Relaxed);
        }
        result
    }

    fn work_on_pieces(&self) -> Result<(), LoadError> {
        let mut spare = Vec::new();
        let mut entries = Vec::new();
        while !self.failed.load(Relaxed) {
            let mut cutter = self.cutter.lock();
            match cutter.next(std::mem::take(&mut spare))? {
                Cut::End => break,
                Cut::Large => {
                    let offset = cutter.offset();
                    let has_elements = cutter.assemble(
                        &self.options.rules,
                        |database, key, attributes, value| {
                            entries.extend(self.entry(database, key, attributes, value));
                        },
                    )?;
                    drop(cutter);
                    if !has_elements {
                        self.counts.empty.fetch_add(1, Relaxed);
                    }
                    self.store(&mut entries, offset)?;
                }
                Cut::Piece(piece) => {
                    drop(cutter);
                    self.build(&piece, &mut entries)?;
                    self.store(&mut entries, piece.offset)?;
                    self.loading.advance(piece.bytes.len() as u64);
                    spare = piece.bytes;
                }
            }
            self.tell_progress();
        }
        Ok(())
    }

    /// Builds the entries of a piece.
    fn build(&self, piece: &Piece, entries: &mut Vec<Fresh>) -> Result<(), LoadError> {
        let mut database = piece.database;
        let mut input = Input::new(&piece.bytes);
        let mut delay = (self.options.delay)();
        while input.remaining() > 0 {
            let offset = piece.offset + input.position() as u64;
            let fail = |reason| LoadError { offset, reason };
            let head = match Item::read(&mut input).map_err(|error| fail(error.into()))? {
                Item::Record(head) => head,
                Item::Database(number) => {
                    // The cutter has seen that there is such a database.
                    database = number as usize;
                    continue;
                }
                Item::Library(source) => {
                    let source = source.bytes().map_err(|error| fail(error.into()))?;
                    let made = (self.options.library)(&source);
                    made.map_err(|error| fail(Reason::Library(error)))?;
                    continue;
                }
                _ => continue,
            };
            let key = head.key.bytes().map_err(|error| fail(error.into()))?;
            if self.options.skip_unknown && !decode::holds(head.kind) {
                skip_value(head.kind, &mut input).map_err(|error| fail(error.into()))?;
                self.counts.unknown.fetch_add(1, Relaxed);
                continue;
            }
            let entry = decode::value(head.kind, &mut input, &self.options.rules, |value| {
                self.entry(database, &key, head.attributes, value)
            });
            match entry.map_err(|error| LoadError::in_value(offset, &key, error))? {
                Some(entry) => entries.extend(entry),
                None => {
                    if self.counts.empty.fetch_add(1, Relaxed) < NAMED {
                        warn!(
                            "Loading without the key '{}', which has no elements",
                            shown(&key)
                        );
                    }
                }
            }
            if !delay.is_zero() {
                std::thread::sleep(delay);
                delay = (self.options.delay)();
                if self.loading.is_stopped() {
                    return Err(fail(Reason::Stopped));
                }
            }
        }
        Ok(())
    }

    /// The entry of a key, unless its time is over.
    #[inline]
    fn entry(
        &self,
        database: usize,
        key: &[u8],
        attributes: Attributes,
        value: NewValue<'_>,
    ) -> Option<Fresh> {
        let Options { now, access, .. } = *self.options;
        if attributes.deadline.is_some_and(|deadline| deadline < now) {
            self.counts.expired.fetch_add(1, Relaxed);
            return None;
        }
        let mut entry = Entry::new(key, value, attributes.deadline);
        entry.as_mut().set_access(attributes.access(access));
        Some(Fresh::new(database, entry))
    }

    fn store(&self, entries: &mut Vec<Fresh>, offset: u64) -> Result<(), LoadError> {
        if self.loading.is_stopped() {
            let reason = Reason::Stopped;
            return Err(LoadError { offset, reason });
        }
        let count = entries.len() as u64;
        (self.fill)(entries).map_err(|duplicate| LoadError {
            offset,
            reason: duplicate.into(),
        })?;
        self.counts.keys.fetch_add(count, Relaxed);
        Ok(())
    }

    fn tell_progress(&self) {
        let Some(mut reported) = self.reported.try_lock() else {
            return;
        };
        if reported.elapsed() >= REPORT_EVERY {
            *reported = Instant::now();
            let (percent, left) = (self.loading.percent(), self.loading.seconds_left());
            let keys = self.counts.keys.load(Relaxed);
            info!("Loading: {percent:.0}%, {keys} keys so far, about {left} seconds left");
        }
    }

    fn report(self) -> Report {
        let Counts {
            keys,
            expired,
            empty,
            unknown,
        } = self.counts;
        let cutter = self.cutter.into_inner();
        Report {
            keys: keys.into_inner(),
            expired: expired.into_inner(),
            empty: empty.into_inner(),
            unknown: unknown.into_inner() + cutter.unknown(),
            end: cutter.offset(),
        }
    }
}

#[cfg(test)]
mod tests;
