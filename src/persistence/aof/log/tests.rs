//! A log whose disk fails at any one call, or at any one and all that follow, as when the process is killed there.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64};

use tempfile::TempDir;

use super::super::disk::System;
use super::super::load::{LoadError, Place, Target, load};
use super::*;
use crate::protocol::Request;

const STEM: &str = "appendonly.aof";

/// What a fault does to the calls after the first that it hits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// They do what they always do.
    Passes,
    /// They do nothing any more.
    Lasts,
}

/// A disk that does some calls more before it fails.
#[derive(Clone)]
struct Failing {
    fault: Fault,
    calls: Arc<AtomicU64>,
    has_failed: Arc<AtomicBool>,
}

struct FailingFile(Failing, Arc<dyn DiskFile>);

impl Failing {
    fn new(fault: Fault, calls: u64) -> Failing {
        Failing {
            fault,
            calls: Arc::new(AtomicU64::new(calls)),
            has_failed: Arc::default(),
        }
    }

    fn call(&self) -> io::Result<()> {
        if self.has_failed.load(Relaxed) && self.fault == Fault::Passes {
            return Ok(());
        }
        let left = self.calls.load(Relaxed);
        if left > 0 {
            self.calls.store(left - 1, Relaxed);
            return Ok(());
        }
        self.has_failed.store(true, Relaxed);
        Err(io::Error::from_raw_os_error(libc::EIO))
    }

    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FailingFile(self.clone(), file))
    }
}

impl Disk for Failing {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.call()?;
        System.create(path).map(|file| self.file(file))
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.call()?;
        System.append(path).map(|file| self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        System.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        System.remove(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        System.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        System.sync_folder(path)
    }
}

impl DiskFile for FailingFile {
    /// Who is killed may have written a part.
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let was_well = !self.0.has_failed.load(Relaxed);
        let called = self.0.call();
        if called.is_err() && was_well && self.0.fault == Fault::Lasts {
            self.1.write(&bytes[..bytes.len() / 2])?;
        }
        called.and_then(|()| self.1.write(bytes))
    }

    fn sync(&self) -> io::Result<()> {
        self.0.call()?;
        self.1.sync()
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.0.call()?;
        self.1.truncate(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.call()?;
        self.1.size()
    }
}

/// The second words of what is loaded.
#[derive(Default)]
struct Words(Vec<String>);

impl Target for Words {
    fn snapshot(&mut self, path: &Path) -> Result<u64, String> {
        panic!("{} is no snapshot", path.display())
    }

    fn run(&mut self, request: Request<'_>) -> Result<(), String> {
        let word = request.iter().nth(1).expect("two words");
        self.0.push(String::from_utf8_lossy(word).into_owned());
        Ok(())
    }

    fn is_in_transaction(&self) -> bool {
        false
    }

    fn expect(&mut self, _: u64) {}

    fn advance(&mut self, _: u64) -> bool {
        true
    }
}

fn command(word: &str) -> String {
    format!("*2\r\n$3\r\nADD\r\n${}\r\n{word}\r\n", word.len())
}

fn load_from(place: &TempDir) -> Result<(Manifest, Vec<String>), LoadError> {
    let place = Place {
        dir: place.path(),
        folder: "log",
        stem: STEM,
        may_cut: true,
    };
    let mut words = Words::default();
    let manifest = load(place, &mut words)?;
    Ok((manifest, words.0))
}

fn names(place: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(place.path().join("log")).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// What happens to a log, and what of it was acknowledged.
struct Bench<'a> {
    place: &'a TempDir,
    log: Log,
    kept: Vec<&'static str>,
}

impl Bench<'_> {
    fn open(&mut self, base: &str) -> Result<(), LogError> {
        let write_base = |path: &Path| fs::write(path, command(base));
        self.log.open(Form::Rdb, &Status::default(), write_base)
    }

    fn write(&mut self, word: &'static str) {
        if self.log.is_open() && self.log.write(command(word).as_bytes()).is_ok() {
            self.kept.push(word);
        }
    }

    /// A rewrite's base holds what the log held when it began.
    fn rewrite(&mut self, was_off: bool, form: Form, meanwhile: &'static str) -> bool {
        let held: String = self.kept.iter().map(|word| command(word)).collect();
        let begun = self.log.begin(was_off, true);
        self.write(meanwhile);
        let file = self.place.path().join("temp-rewriteaof-bg-1.aof");
        fs::write(&file, held).unwrap();
        let rewritten = Rewritten {
            file,
            form,
            has_increment: true,
        };
        let adopted = self.log.adopt(&rewritten, &Status::default());
        match &adopted {
            Ok(()) => self.log.clean(),
            Err(_) => self.log.abandon(),
        }
        begun.is_ok() && adopted.is_ok()
    }
}

/// Plays what happens on disks that fail after any number of calls, and what a start finds after each. `may_be` says which words
/// may be there, given those that were acknowledged.
fn fail_everywhere(
    before: impl Fn(&mut Bench<'_>),
    play: impl Fn(&mut Bench<'_>),
    may_be: impl Fn(&[String], &[&str]) -> bool,
) {
    for fault in [Fault::Passes, Fault::Lasts] {
        for calls in 0.. {
            let place = tempfile::tempdir().unwrap();
            let folder = place.path().join("log");
            let mut bench = Bench {
                place: &place,
                log: Log::new(Arc::new(System), &folder, STEM, Manifest::new(STEM)),
                kept: Vec::new(),
            };
            before(&mut bench);
            let was_open = bench.log.is_open();
            bench.log.close();
            let disk = Failing::new(fault, u64::MAX);
            bench.log = Log::new(Arc::new(disk.clone()), &folder, STEM, bench.log.manifest);
            if was_open {
                bench.open("").unwrap();
            }
            disk.calls.store(calls, Relaxed);
            play(&mut bench);
            let is_through = !disk.has_failed.load(Relaxed);
            let kept = bench.kept;

            let (manifest, found) =
                load_from(&place).unwrap_or_else(|error| panic!("{fault:?} {calls}: {error}"));
            assert!(
                may_be(&found, &kept),
                "{fault:?} {calls}: {found:?} of {kept:?}"
            );
            // Two rewrites later nothing tells that anything ever failed, whatever the form of the base that was left.
            let mut bench = Bench {
                place: &place,
                log: Log::new(Arc::new(System), &folder, STEM, manifest),
                kept: Vec::new(),
            };
            bench.open("later").unwrap();
            bench.log.clean();
            assert!(bench.rewrite(false, Form::Commands, "more"));
            assert!(bench.rewrite(false, Form::Rdb, "most"));
            let mut names = names(&place);
            // It has one name only, which the next one takes.
            names.retain(|name| name != "temp-appendonly.aof.incr");
            assert_eq!(names.len(), 3, "{fault:?} {calls}: {names:?}");
            if is_through {
                break;
            }
        }
    }
}

#[test]
fn a_first_start_that_fails_can_be_repeated() {
    fail_everywhere(
        |_| {},
        |bench| {
            let opened = bench.open("a").is_ok();
            if opened {
                bench.kept.push("a");
                bench.write("b");
            }
        },
        |found, kept| found == kept || kept.is_empty() && found == ["a"],
    );
}

#[test]
fn a_rewrite_that_fails_loses_nothing_and_leaves_nothing() {
    for form in [Form::Rdb, Form::Commands] {
        fail_everywhere(
            |bench| {
                bench.open("a").unwrap();
                bench.kept.push("a");
                bench.write("b");
            },
            |bench| {
                bench.rewrite(false, form, "c");
                bench.write("d");
            },
            |found, kept| found == kept,
        );
    }
}

#[test]
fn a_log_that_fails_to_be_turned_on_is_as_before_or_on() {
    for has_log in [false, true] {
        fail_everywhere(
            |bench| {
                if has_log {
                    bench.open("a").unwrap();
                    bench.kept.push("a");
                    bench.log.close();
                } else {
                    // What the keyspace holds.
                    bench.kept.push("a");
                }
            },
            |bench| {
                let is_on = bench.rewrite(true, Form::Commands, "b");
                bench.write("c");
                assert!(!is_on || bench.log.is_open());
            },
            |found, kept| {
                found == kept
                    || found == ["a"]
                    || found == ["a", "b"]
                    || !has_log && found.is_empty()
            },
        );
    }
}
