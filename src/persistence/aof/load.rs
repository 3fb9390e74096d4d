//! Loading: the files of a log into an empty keyspace, at the start of the server.
//!
//! A log is loaded whole or not at all, with one exception: the last file may end in the middle of a command, or of a transaction,
//! where the server that wrote it was stopped by force. Then that end is cut off, with a warning, if `aof-load-truncated` allows it;
//! of a transaction nothing remains, for half of one would be run together with what is written behind it.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Instant;

use thiserror::Error;
use tracing::{info, warn};

use super::disk::{self, Disk, System};
use super::manifest::{Manifest, ManifestError, Part};
use crate::protocol::{Limits, Parser, Request, Step};

/// Bytes that are read at a time.
const READ: usize = 1 << 20;

/// The longest line of a note between commands, such as a time, its end included. No longer one is written or read by Redis; the
/// end of a file that is none of a log would be looked for in all of it.
const LONGEST_NOTE: usize = 1024;

/// How a snapshot begins.
const SNAPSHOT: &[u8] = b"REDIS";

/// Who stores what is in the files.
pub trait Target {
    /// Loads the snapshot that the file begins with, dead keys too, and answers how many bytes it has.
    fn snapshot(&mut self, path: &Path) -> Result<u64, String>;
    /// Runs a command. One between MULTI and EXEC only waits for these.
    fn run(&mut self, request: Request<'_>) -> Result<(), String>;
    /// Whether a MULTI waits for its EXEC.
    fn is_in_transaction(&self) -> bool;
    /// Takes note of how many bytes are to come.
    fn expect(&mut self, bytes: u64);
    /// Takes note of how many more have come; answers whether to go on.
    fn advance(&mut self, bytes: u64) -> bool;
}

/// Which log is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where the server keeps its files.
    pub dir: &'a Path,
    /// The log's folder in it (`appenddirname`).
    pub folder: &'a str,
    /// The files' common name (`appendfilename`).
    pub stem: &'a str,
    /// Whether a torn end may be cut off (`aof-load-truncated`).
    pub may_cut: bool,
}

/// Why a log was not loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The log's folder holds a part that the manifest hides.
    #[error(
        "The AOF manifest does not name {0}, which belongs to the log: the manifest is damaged, or the file was put there by hand"
    )]
    Hidden(PathBuf),
    /// A file that the manifest names is not there.
    #[error("The append log file {name} doesn't exist: {reason}")]
    Missing {
        /// The file.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A file cannot be read.
    #[error("Unrecoverable error reading the append only file {name}: {reason}")]
    Read {
        /// The file.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
    /// The snapshot in a base cannot be loaded.
    #[error("Error reading the RDB base file {name}, AOF loading aborted: {reason}")]
    Snapshot {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file holds something other than commands.
    #[error(
        "Bad file format reading the append only file {name} at offset {offset}: make a backup of your AOF file, then use \
         ./redis-check-aof --fix <filename.manifest>"
    )]
    Format {
        /// The file.
        name: String,
        /// Where in it.
        offset: u64,
    },
    /// A command cannot be run.
    #[error("{reason} reading the append only file {name} at offset {offset}")]
    Command {
        /// The file.
        name: String,
        /// Where in it.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A file ends too early.
    #[error(
        "Unexpected end of file reading the append only file {name} behind offset {offset}. You can: 1) Make a backup of your AOF file, then use \
         ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration option \
         to yes and restart the server."
    )]
    Torn {
        /// The file.
        name: String,
        /// Where its last whole command or transaction ends.
        offset: u64,
    },
    /// A file ends too early, and others follow it.
    #[error("Fatal error: the truncated file is not the last file: {name}")]
    TornWithin {
        /// The file.
        name: String,
    },
    /// A torn end cannot be cut off.
    #[error("Error truncating the AOF file {name}: {reason}")]
    Cut {
        /// The file.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A rewrite that was interrupted cannot be finished.
    #[error("Can't write the AOF manifest file {name}: {reason}")]
    Unfinished {
        /// The file.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
    /// An old log cannot be brought to its place.
    #[error("Error trying to move the old AOF file {name} into dir {folder}: {reason}")]
    Upgrade {
        /// The file.
        name: String,
        /// The log's folder.
        folder: String,
        /// What the system said.
        reason: io::Error,
    },
    /// Somebody asked to stop.
    #[error("loading was stopped")]
    Stopped,
}

/// Loads a log; answers its manifest, which is empty if there was none.
///
/// # Errors
/// When anything but a torn end of the last file is wrong with it. Some of it may be loaded then.
pub fn load(place: Place<'_>, target: &mut dyn Target) -> Result<Manifest, LoadError> {
    let folder = place.dir.join(place.folder);
    let present = Manifest::read(&folder, place.stem)?;
    let finished = finish(&folder, place.stem, present.as_ref())?;
    let mut manifest = (finished.or(present)).unwrap_or_else(|| Manifest::new(place.stem));
    if place.dir.join(place.stem).is_file() && is_to_be_upgraded(&manifest, &folder, place.stem) {
        manifest = upgrade(place, &folder)?;
    }
    if let Some(hidden) = hidden(&manifest, &folder) {
        return Err(LoadError::Hidden(hidden));
    }
    let parts: Vec<Part> = manifest.parts().cloned().collect();
    let mut sizes = Vec::new();
    for Part { name, .. } in &parts {
        let size = fs::metadata(folder.join(name)).map_err(|reason| LoadError::Missing {
            name: name.clone(),
            reason,
        })?;
        sizes.push(size.len());
    }
    target.expect(sizes.iter().sum());
    for (number, part) in parts.iter().enumerate() {
        let begin = Instant::now();
        let name = &part.name;
        let may_be_torn = number + 1 == parts.len();
        let torn_at = FileLoader::open(&folder, name, target)?.load()?;
        if let Some(end) = torn_at {
            if !place.may_cut {
                return Err(LoadError::Torn {
                    name: name.clone(),
                    offset: end,
                });
            }
            if !may_be_torn {
                return Err(LoadError::TornWithin { name: name.clone() });
            }
            cut(&folder, name, end, sizes[number])?;
        }
        let kind = if manifest.base.as_ref() == Some(part) {
            "base"
        } else {
            "incr"
        };
        info!(
            "DB loaded from {kind} file {name}: {:.3} seconds",
            begin.elapsed().as_secs_f64()
        );
    }
    Ok(manifest)
}

/// Finishes what a crash interrupted: a new base had its name, and the manifest that names it was written, but did not take the
/// place of the `present` one. Where something else is missing too, what there is of the base is removed.
///
/// A next manifest is complete before anything gets a name that only it knows, and whichever comes after it replaces it first. So the
/// one that is found is the one that would have followed, as long as no part of the present one is unknown to it.
fn finish(
    folder: &Path,
    stem: &str,
    present: Option<&Manifest>,
) -> Result<Option<Manifest>, LoadError> {
    let name = Manifest::file_name(stem);
    let temporary = disk::temporary(folder, &name);
    // Where it cannot be read, nothing has its name from it yet.
    let next = Manifest::read_file(temporary.clone(), stem).ok().flatten();
    let Some((next, base)) = next
        .as_ref()
        .and_then(|next| Some((next, next.new_base(present)?)))
    else {
        return Ok(None);
    };
    if next.parts().all(|part| folder.join(&part.name).is_file()) {
        let replaced = System.rename(&temporary, &folder.join(&name));
        (replaced.and_then(|()| System.sync_folder(folder)))
            .map_err(|reason| LoadError::Unfinished { name, reason })?;
        info!(
            "Finished a rewrite of the AOF that was interrupted: {} is its base",
            base.name
        );
        return Ok(Some(next.clone()));
    }
    match System.remove(&folder.join(&base.name)) {
        Ok(()) => info!(
            "Removed {}, the base of a rewrite of the AOF that was interrupted",
            base.name
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => warn!("Can't remove {}, which is of no use: {error}", base.name),
    }
    Ok(None)
}

/// Whether the single file of an old server is the log: nothing else is, or an upgrade was interrupted before the file was moved.
fn is_to_be_upgraded(manifest: &Manifest, folder: &Path, stem: &str) -> bool {
    let was_begun = *manifest == Manifest::of_single_file(stem) && !folder.join(stem).exists();
    manifest.is_empty() || was_begun
}

/// Makes the single file of an old server the base of a log. Whenever that is interrupted, it is done again at the next start.
fn upgrade(place: Place<'_>, folder: &Path) -> Result<Manifest, LoadError> {
    let Place {
        stem, folder: name, ..
    } = place;
    let manifest = Manifest::of_single_file(stem);
    let text = manifest.text();
    let move_in = || {
        System.create_folder(folder)?;
        disk::replace(&System, folder, &Manifest::file_name(stem), text.as_bytes())?;
        System.rename(&place.dir.join(stem), &folder.join(stem))?;
        System.sync_folder(folder)
    };
    move_in().map_err(|reason| LoadError::Upgrade {
        name: stem.to_owned(),
        folder: name.to_owned(),
        reason,
    })?;
    info!("Successfully migrated an old-style AOF file ({stem}) into the AOF directory ({name}).");
    Ok(manifest)
}

/// A part of the log that would not be loaded.
fn hidden(manifest: &Manifest, folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut hidden = files.filter(|file| {
        let is_missed = (file.file_name().to_str()).is_some_and(|name| manifest.misses(name));
        is_missed && file.metadata().is_ok_and(|data| data.len() > 0)
    });
    hidden.next().map(|file| file.path())
}

/// Cuts a torn end off.
fn cut(folder: &Path, name: &str, end: u64, size: u64) -> Result<(), LoadError> {
    warn!("!!! Warning: short read while loading the AOF file {name}!!!");
    warn!(
        "!!! Truncating the AOF {name} at offset {end}, {} bytes before its end !!!",
        size - end
    );
    let cut = || {
        let file = OpenOptions::new().write(true).open(folder.join(name))?;
        file.set_len(end)?;
        file.sync_all()
    };
    cut().map_err(|reason| LoadError::Cut {
        name: name.to_owned(),
        reason,
    })?;
    warn!("AOF {name} loaded anyway because aof-load-truncated is enabled");
    Ok(())
}

/// Loads one file.
struct FileLoader<'a> {
    name: &'a str,
    path: PathBuf,
    file: File,
    target: &'a mut dyn Target,
    /// What was read and not run yet.
    bytes: Vec<u8>,
    /// Where `bytes` begins in the file.
    offset: u64,
    /// Where the last whole command or transaction ends.
    whole: u64,
}

impl<'a> FileLoader<'a> {
    fn open(
        folder: &Path,
        name: &'a str,
        target: &'a mut dyn Target,
    ) -> Result<FileLoader<'a>, LoadError> {
        let path = folder.join(name);
        let file = File::open(&path).map_err(|reason| LoadError::Read {
            name: name.to_owned(),
            reason,
        })?;
        Ok(FileLoader {
            name,
            path,
            file,
            target,
            bytes: Vec::new(),
            offset: 0,
            whole: 0,
        })
    }

    /// Loads the file; answers where its last whole command or transaction ends, if there is something behind it.
    fn load(mut self) -> Result<Option<u64>, LoadError> {
        self.read(SNAPSHOT.len())?;
        if self.bytes == SNAPSHOT {
            self.load_snapshot()?;
        }
        let mut parser = Parser::default();
        let mut spans = Vec::new();
        // What one server took as a request, another must take from its log.
        let limits = Limits {
            max_bulk: usize::MAX,
            authenticated: true,
        };
        let mut at = 0;
        loop {
            let rest = &self.bytes[at..];
            let step = match rest.first() {
                Some(b'#') => {
                    let note = &rest[..rest.len().min(LONGEST_NOTE)];
                    match note.iter().position(|byte| *byte == b'\n') {
                        Some(end) => {
                            at += end + 1;
                            self.note_whole(at);
                            continue;
                        }
                        None if note.len() == LONGEST_NOTE => return Err(self.malformed(at)),
                        None => Ok(Step::NeedMore { at_least: 1 }),
                    }
                }
                Some(b'*') | None => parser.step(rest, &mut spans, &limits),
                Some(_) => return Err(self.malformed(at)),
            };
            match step {
                Ok(Step::Ready { end }) => {
                    let request = Request::new(&self.bytes[at..at + end], &spans);
                    self.target
                        .run(request)
                        .map_err(|reason| LoadError::Command {
                            name: self.name.to_owned(),
                            offset: self.offset + at as u64,
                            reason,
                        })?;
                    spans.clear();
                    at += end;
                    self.note_whole(at);
                }
                Ok(Step::NeedMore { .. }) => {
                    self.bytes.drain(..at);
                    self.offset += at as u64;
                    if !self.target.advance(at as u64) {
                        return Err(LoadError::Stopped);
                    }
                    at = 0;
                    if self.read(READ)? == 0 {
                        break;
                    }
                }
                Ok(Step::Inline { .. } | Step::Empty { .. }) | Err(_) => {
                    return Err(self.malformed(at));
                }
            }
        }
        if self.target.is_in_transaction() {
            warn!(
                "Revert incomplete MULTI/EXEC transaction in AOF file {}",
                self.name
            );
        }
        let end = self.offset + self.bytes.len() as u64;
        Ok((self.whole < end).then_some(self.whole))
    }

    fn note_whole(&mut self, at: usize) {
        if !self.target.is_in_transaction() {
            self.whole = self.offset + at as u64;
        }
    }

    fn load_snapshot(&mut self) -> Result<(), LoadError> {
        info!("Reading RDB base file on AOF loading...");
        let end = (self.target.snapshot(&self.path)).map_err(|reason| LoadError::Snapshot {
            name: self.name.to_owned(),
            reason,
        })?;
        self.bytes.clear();
        (self.offset, self.whole) = (end, end);
        let sought = self.file.seek(SeekFrom::Start(end));
        sought.map(drop).map_err(|reason| self.unreadable(reason))
    }

    /// Reads up to so many bytes more; answers how many came.
    fn read(&mut self, bytes: usize) -> Result<usize, LoadError> {
        let mut source = Read::by_ref(&mut self.file).take(bytes as u64);
        let came = source.read_to_end(&mut self.bytes);
        came.map_err(|reason| self.unreadable(reason))
    }

    fn unreadable(&self, reason: io::Error) -> LoadError {
        LoadError::Read {
            name: self.name.to_owned(),
            reason,
        }
    }

    fn malformed(&self, at: usize) -> LoadError {
        LoadError::Format {
            name: self.name.to_owned(),
            offset: self.offset + at as u64,
        }
    }
}
