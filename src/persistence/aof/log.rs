//! The log: the files that the journal ends up in, and the steps from one state of them to the next.
//!
//! Every step is safe to be the last one before a crash. A manifest never names a file that is not there, and a new increment is
//! named only when the one before is on the disk as a whole, so that only the last file of a log can be torn. A new base gets its
//! name when the next manifest is written and does not count yet, which lets [`load`](super::load) finish the step.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use thiserror::Error;
use tracing::{info, warn};

use super::disk::{self, Disk, DiskFile};
use super::manifest::{Form, Manifest};
use super::status::Status;

/// A rewrite's result: a base that waits for its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The temporary file, which is on the disk as a whole.
    pub file: PathBuf,
    /// What is in it.
    pub form: Form,
    /// Whether an increment was begun at the moment that it shows. Without, the log was off.
    pub has_increment: bool,
}

/// What could not be done with the log's files.
#[derive(Debug, Error)]
#[error("{what} {}: {reason}", .path.display())]
pub struct LogError {
    /// What was to be done.
    pub what: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// What the system said.
    pub reason: io::Error,
}

/// The files of the log, of which one may be open.
pub struct Log {
    disk: Arc<dyn Disk>,
    /// Where the files are.
    folder: PathBuf,
    /// Their common name.
    stem: String,
    manifest: Manifest,
    increment: Option<Increment>,
    /// Whether a rewrite runs that began with an increment of its own.
    rewrite: bool,
}

/// The file that is written now.
struct Increment {
    file: Arc<dyn DiskFile>,
    /// Its size in bytes.
    size: u64,
    /// Whether it waits for a base, under another name, since the log was off.
    is_temporary: bool,
}

/// A file that gets the name by which a manifest knows it.
struct Naming {
    /// How a failure is reported.
    what: &'static str,
    from: PathBuf,
    to: PathBuf,
}

impl Log {
    /// The log in a folder, as its manifest tells; nothing is open yet.
    pub fn new(disk: Arc<dyn Disk>, folder: &Path, stem: &str, manifest: Manifest) -> Log {
        Log {
            disk,
            folder: folder.to_owned(),
            stem: stem.to_owned(),
            manifest,
            increment: None,
            rewrite: false,
        }
    }

    /// Opens the last increment to go on with it. A log that has no files yet begins with the base that `write_base` puts into
    /// the file that it is given.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(
        &mut self,
        form: Form,
        status: &Status,
        write_base: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), LogError> {
        self.make_folder()?;
        let mut manifest = self.manifest.clone();
        let mut files = Vec::new();
        if manifest.is_empty() {
            let name = manifest.replace_base(form, 0).to_owned();
            let base = Naming {
                what: "Can't write the AOF base file",
                from: self.folder.join(format!("temp-{name}")),
                to: self.folder.join(&name),
            };
            write_base(&base.from).map_err(failed(base.what, &base.to))?;
            info!("Creating AOF base file {name} on server start");
            files.push(base);
        }
        let is_new = manifest.increments.is_empty();
        let name = match manifest.increments.last() {
            Some(last) => last.name.clone(),
            None => manifest.add_increment().to_owned(),
        };
        let path = self.folder.join(&name);
        let cannot_open = failed("Can't open the append-only file", &path);
        let file = self.disk.append(&path).map_err(&cannot_open)?;
        let size = file.size().map_err(cannot_open)?;
        if manifest != self.manifest {
            self.step(manifest, &files)?;
        }
        let verb = if is_new { "Creating" } else { "Opening" };
        info!("{verb} AOF incr file {name} on server start");
        self.increment = Some(Increment {
            file,
            size,
            is_temporary: false,
        });
        status.size.store(self.size_of_parts(), Relaxed);
        let base = self.manifest.base.as_ref();
        let base = base.map_or(0, |base| size_of(&self.folder.join(&base.name)));
        status.base_size.store(base, Relaxed);
        Ok(())
    }

    /// Whether there is a file to write to.
    pub fn is_open(&self) -> bool {
        self.increment.is_some()
    }

    /// The file that is written now.
    pub fn file(&self) -> Option<&Arc<dyn DiskFile>> {
        self.increment.as_ref().map(|increment| &increment.file)
    }

    /// Writes whole commands. If that fails, nothing of them stays in the file if that can be helped; the number of bytes that do
    /// stay comes with the error.
    pub fn write(&mut self, commands: &[u8]) -> Result<(), (usize, io::Error)> {
        let Some(increment) = &mut self.increment else {
            return Ok(());
        };
        let Err((written, error)) = disk::write_all(&*increment.file, commands) else {
            increment.size += commands.len() as u64;
            return Ok(());
        };
        if written == 0 {
            return Err((0, error));
        }
        match increment.file.truncate(increment.size) {
            Ok(()) => Err((0, error)),
            Err(refusal) => {
                warn!(
                    "Could not remove short write from the append-only file. The server may refuse to load the AOF the next time \
                     it starts. ftruncate: {refusal}"
                );
                increment.size += written as u64;
                Err((written, error))
            }
        }
    }

    /// A rewrite begins: what is written from now on goes to a new increment, which has no place in the manifest before the base
    /// has if the log `was_off`. If that fails, or the old one is not on the disk as a whole (`is_kept`), the old one goes on, and
    /// the rewrite will find no place for its base.
    pub fn begin(&mut self, was_off: bool, is_kept: bool) -> Result<(), LogError> {
        self.rewrite = false;
        if !is_kept {
            return Ok(());
        }
        self.make_folder()?;
        let mut manifest = self.manifest.clone();
        let name = if was_off {
            self.temporary_increment()
        } else {
            manifest.add_increment().to_owned()
        };
        let path = self.folder.join(&name);
        let file =
            (self.disk.create(&path)).map_err(failed("Can't open the append-only file", &path))?;
        if !was_off {
            self.step(manifest, &[])?;
        }
        info!("Creating AOF incr file {name} on background rewrite");
        self.increment = Some(Increment {
            file,
            size: 0,
            is_temporary: was_off,
        });
        self.rewrite = true;
        Ok(())
    }

    /// A rewrite ended well: its base takes the place of everything before the present increment.
    pub fn adopt(&mut self, rewritten: &Rewritten, status: &Status) -> Result<(), LogError> {
        let mut manifest = self.manifest.clone();
        let is_on = self.increment.is_some();
        if rewritten.has_increment != self.rewrite || is_on != self.rewrite {
            return Err(LogError {
                what: "Can't use the AOF base file, since its increment was not begun or is closed,",
                path: rewritten.file.clone(),
                reason: io::ErrorKind::NotFound.into(),
            });
        }
        self.rewrite = false;
        self.make_folder()?;
        let temporary = (self.increment.as_ref()).is_some_and(|increment| increment.is_temporary);
        let keep = usize::from(is_on && !temporary);
        let name = manifest.replace_base(rewritten.form, keep).to_owned();
        let mut files = vec![Naming {
            what: "Error trying to rename the temporary AOF base file into",
            from: rewritten.file.clone(),
            to: self.folder.join(&name),
        }];
        if temporary {
            files.push(Naming {
                what: "Error trying to rename the temporary AOF incr file into",
                from: self.folder.join(self.temporary_increment()),
                to: self.folder.join(manifest.add_increment()),
            });
        }
        self.step(manifest, &files)?;
        info!("Successfully renamed the temporary AOF base file into {name}");
        if let Some(increment) = &mut self.increment {
            increment.is_temporary = false;
            let size = self.size_of_parts();
            status.size.store(size, Relaxed);
            status.base_size.store(size, Relaxed);
        }
        Ok(())
    }

    /// A rewrite failed. If the log was off before, what was written since is of no use.
    pub fn abandon(&mut self) {
        self.rewrite = false;
        if self.increment.as_ref().is_some_and(|it| it.is_temporary) {
            self.increment = None;
            let path = self.folder.join(self.temporary_increment());
            if let Err(error) = self.disk.remove(&path) {
                warn!(
                    "Can't remove the temporary AOF incr file {}: {error}",
                    path.display()
                );
            }
        }
    }

    /// Removes the files that are no longer needed, and from the manifest what names them. A failure is logged: the files are of no
    /// harm, and stay history until they can be removed.
    pub fn clean(&mut self) {
        let mut manifest = self.manifest.clone();
        manifest.history.retain(|part| {
            info!("Removing the history file {} in the background", part.name);
            let path = self.folder.join(&part.name);
            match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!("Can't remove the history file {}: {error}", path.display());
                    true
                }
                _ => false,
            }
        });
        if manifest != self.manifest
            && let Err(error) = self.step(manifest, &[])
        {
            warn!("{error}");
        }
    }

    /// Closes the log.
    pub fn close(&mut self) {
        self.rewrite = false;
        self.abandon();
        self.increment = None;
    }

    fn make_folder(&self) -> Result<(), LogError> {
        (self.disk.create_folder(&self.folder))
            .map_err(failed("Can't open or create append-only dir", &self.folder))
    }

    /// Goes on to another manifest. Files that it names get these names when it is written and does not count yet; should that fail,
    /// they are removed, and the present manifest stays. Only the last failure is different: then the new manifest counts, but a
    /// power failure may bring the old one back, and nothing that either names may be removed.
    fn step(&mut self, next: Manifest, files: &[Naming]) -> Result<(), LogError> {
        let (disk, folder) = (&*self.disk, &self.folder);
        let name = Manifest::file_name(&self.stem);
        let path = folder.join(&name);
        let unwritten = failed("Can't write the AOF manifest file", &path);
        disk::prepare(disk, folder, &name, next.text().as_bytes()).map_err(&unwritten)?;
        let replace = || {
            for Naming { what, from, to } in files {
                disk.rename(from, to).map_err(failed(what, to))?;
            }
            let temporary = disk::temporary(folder, &name);
            disk.rename(&temporary, &path).map_err(&unwritten)
        };
        if let Err(error) = replace() {
            for file in files {
                // Whether or not it stays, nothing names it.
                let _ = disk.remove(&file.to);
            }
            return Err(error);
        }
        self.manifest = next;
        disk.sync_folder(folder).map_err(unwritten)
    }

    fn temporary_increment(&self) -> String {
        format!("temp-{}.incr", self.stem)
    }

    fn size_of_parts(&self) -> u64 {
        let parts = self.manifest.parts();
        parts
            .map(|part| size_of(&self.folder.join(&part.name)))
            .sum()
    }
}

/// The size of a file in bytes; 0 if it cannot be told.
fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> LogError + use<> {
    let path = path.to_owned();
    move |reason| LogError {
        what,
        path: path.clone(),
        reason,
    }
}
