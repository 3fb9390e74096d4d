//! The file: what stands around the records, and how a new file takes the place of the old one.
//!
//! ```text
//!  | magic, version | AUX ... | FUNCTION2 ... | SELECTDB | RESIZEDB | record ... | SELECTDB | record ... | EOF | checksum |
//!                                              keys of a database may come in several parts; RESIZEDB stands before the first
//! ```
//!
//! The version is the oldest that has every record, which is known when the last one is written: it is put in front then, and
//! joined to the checksum. A file is complete and on disk before it gets its name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::encode::{AccessNote, Encoder};
use super::format::{CHECKSUM_LEN, Checksum, MAGIC, VERSION_DIGITS, opcode};
use crate::keyspace::shard::Counts;
use crate::keyspace::snapshot::{Aborted, Kind, Piece, Snapshot};
use crate::keyspace::{EntryRef, Keyspace, Locked};
use crate::persistence::Libraries;
use crate::types::string::StringRef;

/// Magic and version.
const HEAD: usize = MAGIC.len() + VERSION_DIGITS;
/// So many bytes are written at a time.
const BLOCK: usize = 256 << 10;
/// So many bytes wait for the disk at most, where a file is flushed as it is written.
const SYNC_EVERY: usize = 4 << 20;

/// Why a file was not written.
#[derive(Debug, Error)]
pub enum SaveError {
    /// There is no room for a new file.
    #[error(
        "Failed opening the temp RDB file {} (in server root dir {}) for saving: {reason}",
        .file.display(), .folder.display()
    )]
    Open {
        /// The new file.
        file: PathBuf,
        /// Where it was to be.
        folder: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// It could not be filled.
    #[error("Write error saving DB on disk({step}): {reason}")]
    Write {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        reason: io::Error,
    },
    /// It could not take the place of the old one.
    #[error(
        "Error moving temp DB file {} on the final destination {} (in server root dir {}): {reason}",
        .file.display(), .name.display(), .folder.display()
    )]
    Rename {
        /// The new file.
        file: PathBuf,
        /// The place that it was to take.
        name: PathBuf,
        /// The folder of both.
        folder: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// Somebody wanted it to end.
    #[error("Saving was ended before it was complete")]
    Stopped,
}

impl From<io::Error> for SaveError {
    fn from(reason: io::Error) -> SaveError {
        SaveError::Write {
            step: "write",
            reason,
        }
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Strings are compressed.
    pub compresses: bool,
    /// There is a checksum at the end; else a zero.
    pub has_checksum: bool,
    /// The file is flushed to disk every few megabytes, and not only in the end.
    pub flushes_early: bool,
    /// What records tell of the last access to their keys.
    pub access: AccessNote,
}

/// What a file tells before the keys.
#[derive(Clone, Debug)]
pub struct About {
    /// Seconds since the epoch.
    pub time: u64,
    /// Bytes in use.
    pub memory: u64,
    /// Whether it is the base of an append-only file.
    pub is_aof_base: bool,
    /// What functions there are.
    pub libraries: Libraries,
}

/// A file that is being written.
#[derive(Debug)]
pub struct Writer {
    file: File,
    encoder: Encoder,
    /// Bytes in the file behind the head.
    len: u64,
    /// Bytes that may not be on disk.
    unsynced: usize,
    /// Of those bytes.
    checksum: Option<Checksum>,
    options: Options,
    /// What each database holds.
    sizes: Vec<Counts>,
    /// Whether the sizes of a database were told.
    is_sized: Vec<bool>,
    /// That of the last record.
    database: Option<usize>,
    /// What the collection is whose members come next.
    kind: Option<Kind>,
}

impl Writer {
    /// Begins an empty file, for databases of so many keys.
    ///
    /// # Errors
    /// Here and below, what the system says.
    pub fn new(
        mut file: File,
        options: Options,
        about: &About,
        sizes: Vec<Counts>,
    ) -> io::Result<Writer> {
        file.write_all(&[0; HEAD])?;
        let mut encoder = Encoder::new(options.compresses);
        for (name, value) in [
            (
                "redis-ver",
                StringRef::Bytes(crate::REDIS_VERSION.as_bytes()),
            ),
            ("redis-bits", StringRef::Int(usize::BITS.into())),
            ("ctime", StringRef::Int(about.time.cast_signed())),
            ("used-mem", StringRef::Int(about.memory.cast_signed())),
            ("aof-base", StringRef::Int(about.is_aof_base.into())),
        ] {
            encoder.aux(name, value);
        }
        about
            .libraries
            .iter()
            .for_each(|source| encoder.library(source));
        Ok(Writer {
            file,
            encoder,
            len: 0,
            unsynced: 0,
            checksum: options.has_checksum.then(Checksum::new),
            options,
            is_sized: vec![false; sizes.len()],
            sizes,
            database: None,
            kind: None,
        })
    }

    /// Adds a key.
    pub fn record(&mut self, database: usize, entry: EntryRef<'_>) -> io::Result<()> {
        self.select(database);
        self.encoder.record(entry, self.options.access);
        self.write_blocks()
    }

    /// Adds what a snapshot holds, piece by piece; answers how many keys are complete with it.
    pub fn piece(&mut self, piece: Piece<'_>) -> io::Result<u64> {
        match piece {
            Piece::Entry { database, entry } => {
                self.record(database, entry)?;
                return Ok(1);
            }
            Piece::Begin {
                database,
                key,
                deadline,
                access,
                kind,
                count,
            } => {
                self.select(database);
                self.kind = Some(kind);
                let note = self.options.access;
                self.encoder.begin(key, deadline, access, note, kind, count);
            }
            Piece::Members(members) => {
                let kind = self.kind.expect("a collection has begun");
                self.encoder.members(kind, members);
            }
            Piece::End => return Ok(1),
        }
        self.write_blocks()?;
        Ok(0)
    }

    fn select(&mut self, database: usize) {
        if self.database == Some(database) {
            return;
        }
        self.database = Some(database);
        self.encoder.opcode(opcode::SELECTDB);
        self.encoder.length(database as u64);
        if let Some(is_sized) = self.is_sized.get_mut(database).filter(|sized| !**sized) {
            *is_sized = true;
            let Counts { keys, expires, .. } = self.sizes[database];
            self.encoder.opcode(opcode::RESIZEDB);
            self.encoder.length(keys as u64);
            self.encoder.length(expires as u64);
        }
    }

    /// Writes what has gathered, if it is enough.
    fn write_blocks(&mut self) -> io::Result<()> {
        if self.encoder.bytes().len() >= BLOCK {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let block = self.encoder.bytes();
        if let Some(checksum) = &mut self.checksum {
            checksum.update(block);
        }
        self.file.write_all(block)?;
        self.len += block.len() as u64;
        self.unsynced += block.len();
        block.clear();
        // After a giant value.
        block.shrink_to(2 * BLOCK);
        if self.options.flushes_early && self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Completes the file and waits until it is on disk; answers its length.
    ///
    /// # Errors
    /// As above.
    pub fn finish(mut self) -> Result<u64, SaveError> {
        self.encoder.opcode(opcode::EOF);
        self.write()?;
        let version = self.encoder.version();
        let head = format!("{}{version:0VERSION_DIGITS$}", MAGIC.escape_ascii());
        let checksum = self.checksum.map_or(0, |records| {
            let mut whole = Checksum::new();
            whole.update(head.as_bytes());
            whole.joined(records.value(), self.len)
        });
        self.file.write_all(&checksum.to_le_bytes())?;
        self.file.write_all_at(head.as_bytes(), 0)?;
        let fsync = |reason| SaveError::Write {
            step: "fsync",
            reason,
        };
        self.file.sync_all().map_err(fsync)?;
        Ok((HEAD + CHECKSUM_LEN) as u64 + self.len)
    }
}

/// The name of a file that is not complete.
fn temporary() -> PathBuf {
    PathBuf::from(format!("temp-{}.rdb", std::process::id()))
}

/// Removes what is left of a file that was being written to the working folder, for a process that ends at once.
pub fn remove_temporary() {
    // There may be none.
    let _ = fs::remove_file(temporary());
}

/// Makes a new file, has it filled, and gives it a name, which another file may have had until then. If that fails, nothing is
/// left of it.
///
/// # Errors
/// What the system refused, or what `fill` answers.
pub fn replace<R>(
    folder: &Path,
    name: &str,
    fill: impl FnOnce(File) -> Result<R, SaveError>,
) -> Result<R, SaveError> {
    let temporary = temporary();
    let path = folder.join(&temporary);
    let file = File::create(&path).map_err(|reason| SaveError::Open {
        file: temporary.clone(),
        folder: folder.to_owned(),
        reason,
    })?;
    let filled = fill(file).and_then(|result| {
        fs::rename(&path, folder.join(name)).map_err(|reason| SaveError::Rename {
            file: temporary,
            name: name.into(),
            folder: folder.to_owned(),
            reason,
        })?;
        Ok(result)
    });
    if filled.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&path);
        return filled;
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|reason| SaveError::Write {
        step: "fsyncFileDir",
        reason,
    })?;
    filled
}

/// Writes what a snapshot holds to a new file of this name, and answers its length. `go_on` is told of every key that is in the
/// file, and says whether it is to be completed.
///
/// # Errors
/// As [`replace`], and when it was not to be completed, or the snapshot was cancelled.
pub fn write_snapshot(
    folder: &Path,
    name: &str,
    options: Options,
    about: &About,
    keyspace: &Keyspace,
    snapshot: Snapshot,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<u64, SaveError> {
    let mut snapshot = Some(snapshot);
    let written = replace(folder, name, |file| {
        let sizes = snapshot.as_ref().map_or(&[][..], Snapshot::counts).to_vec();
        let mut writer = Writer::new(file, options, about, sizes)?;
        let run = snapshot.take().map(|snapshot| {
            snapshot.run(keyspace, |piece| {
                let keys = writer.piece(piece)?;
                if go_on(keys) {
                    Ok(())
                } else {
                    Err(SaveError::Stopped)
                }
            })
        });
        match run {
            Some(Err(Aborted::Failed(error))) => Err(error),
            Some(Err(Aborted::Cancelled)) => Err(SaveError::Stopped),
            Some(Ok(())) | None if go_on(0) => writer.finish(),
            Some(Ok(())) | None => Err(SaveError::Stopped),
        }
    });
    if let Some(snapshot) = snapshot {
        snapshot.abandon(keyspace);
    }
    written
}

/// Writes all keys to a new file of this name, and answers its length. The exclusive section must be held: this is for those who
/// let everybody wait anyway.
///
/// # Errors
/// As [`replace`].
pub fn write_all(
    folder: &Path,
    name: &str,
    options: Options,
    about: &About,
    locked: &mut Locked<'_>,
) -> Result<u64, SaveError> {
    let sizes = locked.counts();
    replace(folder, name, |file| {
        let mut writer = Writer::new(file, options, about, sizes)?;
        for database in 0..locked.keyspace().databases() {
            let tables = locked.all().iter();
            let tables = tables.filter_map(|shard| shard.table(database));
            for entry in tables.flat_map(|table| table.iter()) {
                writer.record(database, entry)?;
            }
        }
        writer.finish()
    })
}
