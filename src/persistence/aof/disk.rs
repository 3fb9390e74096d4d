//! The disk, as the append-only file sees it: so few calls that a test can put another in its place, slow or broken.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where files are written.
pub trait Disk: Send + Sync {
    /// Opens a file to be written from its beginning; what it held is gone.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file to be written behind what it holds.
    fn append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file its final name, in place of what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a folder, unless it is there.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Brings the names in a folder to the disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// A file open for writing. One thread writes; another may sync meanwhile.
pub trait DiskFile: Send + Sync {
    /// Writes some of the bytes, and answers how many.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Brings all that was written to the disk.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file off, in bytes.
    fn truncate(&self, size: u64) -> io::Result<()>;
    /// Its size in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// The system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Disk for System {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl DiskFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.set_len(size)?;
        // A file that was created, not opened to append, would go on behind a gap.
        let mut file = self;
        io::Seek::seek(&mut file, io::SeekFrom::End(0)).map(drop)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// Writes all bytes; if that fails, tells how many were written before.
pub fn write_all(file: &dyn DiskFile, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// Replaces a small file as a whole: whoever opens it finds the old bytes or the new ones, whenever the power fails.
pub fn replace(disk: &dyn Disk, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    prepare(disk, folder, name, bytes)?;
    disk.rename(&temporary(folder, name), &folder.join(name))?;
    disk.sync_folder(folder)
}

/// Writes what is to replace a small file, under a temporary name.
pub fn prepare(disk: &dyn Disk, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let file = disk.create(&temporary(folder, name))?;
    write_all(&*file, bytes).map_err(|(_, error)| error)?;
    file.sync()
}

/// What a small file is called before it replaces the one of that name.
pub fn temporary(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("temp-{name}"))
}
