//! The log on disks that are well, slow, full and broken.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use super::disk::{Disk, DiskFile, System};
use super::journal::Journal;
use super::log::{Log, Rewritten};
use super::manifest::{Form, Manifest};
use super::orders::{Order, Settings};
use super::writer::{self, Writer};
use crate::config::directives::persistence::{AppendFsync, Persistence};

const STEM: &str = "appendonly.aof";
const LIMIT: Duration = Duration::from_secs(20);

/// A disk that does what a test wants.
#[derive(Default)]
struct Moods {
    /// Calls that fail, by name.
    broken: Mutex<HashSet<&'static str>>,
    /// Bytes that may still be written.
    room: AtomicU64,
    /// Whether syncing takes until somebody lets it end.
    holds_syncs: Mutex<bool>,
    released: Condvar,
    /// Syncs that ended.
    syncs: AtomicU64,
}

impl Moods {
    fn new() -> Arc<Moods> {
        let moods = Moods::default();
        moods.room.store(u64::MAX, Relaxed);
        Arc::new(moods)
    }

    fn ask(&self, call: &'static str) -> io::Result<()> {
        if self.broken.lock().contains(call) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        Ok(())
    }

    fn break_down(&self, call: &'static str) {
        self.broken.lock().insert(call);
    }

    fn mend(&self) {
        self.broken.lock().clear();
        self.room.store(u64::MAX, Relaxed);
        *self.holds_syncs.lock() = false;
        self.released.notify_all();
    }
}

#[derive(Clone)]
struct Moody(Arc<Moods>);

struct MoodyFile(Arc<Moods>, Arc<dyn DiskFile>);

impl Disk for Moody {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.ask("create")?;
        Ok(Arc::new(MoodyFile(
            Arc::clone(&self.0),
            System.create(path)?,
        )))
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.ask("append")?;
        Ok(Arc::new(MoodyFile(
            Arc::clone(&self.0),
            System.append(path)?,
        )))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.ask("rename")?;
        System.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.ask("remove")?;
        System.remove(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.0.ask("create_folder")?;
        System.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.0.ask("sync_folder")?;
        System.sync_folder(path)
    }
}

impl DiskFile for MoodyFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.ask("write")?;
        let room = self.0.room.load(Relaxed);
        if room == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let taken = self.1.write(&bytes[..bytes.len().min(room as usize)])?;
        self.0.room.fetch_sub(taken as u64, Relaxed);
        Ok(taken)
    }

    fn sync(&self) -> io::Result<()> {
        let mut holds = self.0.holds_syncs.lock();
        while *holds {
            self.0.released.wait(&mut holds);
        }
        drop(holds);
        self.0.ask("sync")?;
        self.0.syncs.fetch_add(1, Relaxed);
        self.1.sync()
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        self.0.ask("truncate")?;
        self.1.truncate(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.1.size()
    }
}

/// A log in a folder of its own, and its writer.
struct Bench {
    moods: Arc<Moods>,
    journal: Arc<Journal>,
    fatal: Arc<Mutex<Option<String>>>,
    writer: Option<Writer>,
    place: TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A test that fails must not wait for a disk that waits for the test.
        self.moods.mend();
    }
}

impl Bench {
    fn new(fsync: AppendFsync) -> Bench {
        let place = tempfile::tempdir().unwrap();
        let moods = Moods::new();
        let journal = Arc::new(Journal::new(Bench::settings(fsync)));
        let folder = place.path().join("appendonlydir");
        let disk = Arc::new(Moody(Arc::clone(&moods)));
        let mut log = Log::new(disk, &folder, STEM, Manifest::new(STEM));
        log.open(Form::Commands, &journal.status, |path| fs::write(path, ""))
            .unwrap();
        let fatal = Arc::new(Mutex::new(None));
        let shown = Arc::clone(&fatal);
        let on_fatal = Box::new(move |text: &str| *shown.lock() = Some(text.to_owned()));
        let writer = writer::start(&journal, log, on_fatal).unwrap();
        journal.set_on(true);
        Bench {
            moods,
            journal,
            fatal,
            writer: Some(writer),
            place,
        }
    }

    fn settings(fsync: AppendFsync) -> Settings {
        Settings {
            fsync,
            ..Settings::of(&Persistence::default())
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join("appendonlydir").join(name)
    }

    /// What the increments hold, in order.
    fn increments(&self) -> String {
        let folder = self.place.path().join("appendonlydir");
        let manifest = Manifest::read(&folder, STEM).unwrap().unwrap();
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        manifest
            .increments
            .iter()
            .map(|part| read(&part.name))
            .collect()
    }

    fn names(&self) -> Vec<String> {
        let folder = self.place.path().join("appendonlydir");
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A record that tells itself apart.
    fn append(&self, number: usize) -> u64 {
        let end = self.journal.append(0, format!("<{number}>").as_bytes());
        self.journal.dispatch();
        end
    }

    fn rewritten(&self, text: &str) -> Rewritten {
        let file = self.place.path().join("temp-rewriteaof-bg-1.aof");
        fs::write(&file, text).unwrap();
        Rewritten {
            file,
            form: Form::Commands,
            has_increment: true,
        }
    }

    fn adopt(&self, text: &str) -> bool {
        self.journal.adopt(self.rewritten(text))
    }

    /// Waits until every change up to a position is written and may be acknowledged; whether that happens in time.
    fn settles(&self, position: u64, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let written = &self.journal.status.written;
        while Instant::now() < end {
            if !self.journal.is_unsettled(position) && written.load(Relaxed) >= position {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }
}

#[track_caller]
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "it never came that {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `records` as they stand in an increment that has them first.
fn increment(records: std::ops::Range<usize>) -> String {
    let records: String = records.map(|number| format!("<{number}>")).collect();
    format!("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n{records}")
}

#[test]
fn what_is_appended_is_in_the_log() {
    for fsync in [
        AppendFsync::Always,
        AppendFsync::EverySecond,
        AppendFsync::No,
    ] {
        let bench = Bench::new(fsync);
        let end = (0..1000).fold(0, |_, number| bench.append(number));
        assert!(bench.settles(end, LIMIT));
        assert_eq!(bench.increments(), increment(0..1000));
        assert_eq!(bench.journal.waiting(), 0);
        let size = bench.journal.status.size.load(Relaxed);
        assert_eq!(size, increment(0..1000).len() as u64);
        assert_eq!(
            bench.names(),
            [
                "appendonly.aof.1.base.aof",
                "appendonly.aof.1.incr.aof",
                "appendonly.aof.manifest"
            ]
        );
    }
}

#[test]
fn under_always_nothing_is_settled_before_the_disk_has_it() {
    let bench = Bench::new(AppendFsync::Always);
    *bench.moods.holds_syncs.lock() = true;
    let before = bench.moods.syncs.load(Relaxed);
    let first = bench.append(0);
    assert!(bench.journal.is_unsettled(first));
    assert!(!bench.settles(first, Duration::from_millis(50)));
    // All that comes meanwhile has one sync in common.
    let last = (1..100).fold(0, |_, number| bench.append(number));
    bench.moods.mend();
    assert!(bench.settles(last, LIMIT));
    assert!(!bench.journal.is_unsettled(last));
    assert!(bench.moods.syncs.load(Relaxed) <= before + 3);
}

#[test]
fn a_slow_disk_holds_nobody_up_unless_under_always() {
    let bench = Bench::new(AppendFsync::EverySecond);
    *bench.moods.holds_syncs.lock() = true;
    let before = bench.moods.syncs.load(Relaxed);
    let status = &bench.journal.status;
    let mut number = 0;
    let mut slowest = Duration::ZERO;
    await_that("a second sync was due while the first was not over", || {
        let begin = Instant::now();
        let end = bench.append(number);
        slowest = slowest.max(begin.elapsed());
        number += 1;
        assert!(!bench.journal.is_unsettled(end));
        status.delayed_fsyncs.load(Relaxed) > 0
    });
    assert!(status.fsync_pending.load(Relaxed));
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    assert_eq!(bench.moods.syncs.load(Relaxed), before);
    await_that("everything is written", || bench.journal.waiting() == 0);
    assert_eq!(bench.increments(), increment(0..number));
    // Who waited under `always` when the policy changed is let go, and the other way round nothing stays behind.
    bench.moods.mend();
    bench
        .journal
        .configure(Bench::settings(AppendFsync::Always));
    let end = bench.append(number);
    assert!(bench.settles(end, LIMIT));
    assert!(bench.moods.syncs.load(Relaxed) > before);
}

#[test]
fn a_full_disk_is_tried_again_and_leaves_no_part_of_a_record() {
    let bench = Bench::new(AppendFsync::EverySecond);
    let end = bench.append(0);
    assert!(bench.settles(end, LIMIT));
    bench.moods.room.store(2, Relaxed);
    bench.append(1);
    let failure = || bench.journal.status.failure();
    await_that("writes are refused", || failure().is_some());
    assert_eq!(failure().unwrap().raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(bench.increments(), increment(0..1));
    assert!(!bench.journal.flush());
    let end = bench.append(2);
    assert_eq!(bench.journal.waiting(), 6);
    bench.moods.mend();
    assert!(bench.settles(end, LIMIT));
    assert!(failure().is_none());
    assert_eq!(bench.increments(), increment(0..3));
}

#[test]
fn a_record_that_cannot_be_taken_back_is_gone_on_with() {
    let bench = Bench::new(AppendFsync::No);
    assert!(bench.journal.flush());
    bench.moods.room.store(40, Relaxed);
    bench.moods.break_down("truncate");
    let end = bench.journal.append(0, &[b'x'; 100]);
    await_that("writes are refused", || {
        bench.journal.status.failure().is_some()
    });
    bench.moods.mend();
    assert!(bench.settles(end, LIMIT));
    let text = bench.increments();
    assert_eq!(text, increment(0..0) + &"x".repeat(100));
}

#[test]
fn under_always_a_disk_that_fails_is_the_end_and_nothing_is_settled() {
    for call in ["write", "sync"] {
        let bench = Bench::new(AppendFsync::Always);
        bench.moods.break_down(call);
        let end = bench.append(0);
        await_that("the server ends", || bench.fatal.lock().is_some());
        let text = bench.fatal.lock().clone().unwrap();
        assert!(text.ends_with("Exiting..."), "{text}");
        bench.moods.mend();
        assert!(!bench.settles(end, Duration::from_millis(50)));
    }
}

#[test]
fn a_sync_that_fails_is_tried_again_and_writes_are_refused_meanwhile() {
    let bench = Bench::new(AppendFsync::EverySecond);
    bench.moods.break_down("sync");
    bench.append(0);
    await_that("writes are refused", || {
        bench.journal.status.failure().is_some()
    });
    bench.moods.mend();
    await_that("writes are taken again", || {
        bench.journal.status.failure().is_none()
    });
}

#[test]
fn a_rewrite_puts_a_base_in_place_of_all_before_it() {
    let bench = Bench::new(AppendFsync::EverySecond);
    bench.append(0);
    bench.journal.order(Order::Begin { was_off: false });
    bench.append(1);
    assert!(bench.adopt("the base"));
    assert_eq!(bench.increments(), increment(1..2));
    assert_eq!(
        bench.names(),
        [
            "appendonly.aof.2.base.aof",
            "appendonly.aof.2.incr.aof",
            "appendonly.aof.manifest"
        ]
    );
    let base = fs::read_to_string(bench.file("appendonly.aof.2.base.aof")).unwrap();
    assert_eq!(base, "the base");
    let status = &bench.journal.status;
    let size = 8 + increment(1..2).len() as u64;
    assert_eq!(status.base_size.load(Relaxed), size);
    assert_eq!(status.size.load(Relaxed), size);
}

#[test]
fn history_is_kept_if_that_is_wanted_and_removed_when_it_is_no_longer() {
    let bench = Bench::new(AppendFsync::No);
    let mut settings = Bench::settings(AppendFsync::No);
    settings.keep_history = true;
    bench.journal.configure(settings);
    bench.journal.order(Order::Begin { was_off: false });
    assert!(bench.adopt(""));
    assert_eq!(bench.names().len(), 5);
    settings.keep_history = false;
    bench.journal.configure(settings);
    assert!(bench.journal.flush());
    assert_eq!(bench.names().len(), 3);
}

#[test]
fn a_rewrite_that_fails_at_any_step_leaves_a_log_with_every_change() {
    for (breaks_before, call) in [
        (true, "create_folder"),
        (true, "create"),
        (true, "rename"),
        (true, "sync_folder"),
        (true, "sync"),
        (false, "rename"),
        (false, "create"),
        (false, "sync"),
    ] {
        let bench = Bench::new(AppendFsync::No);
        bench.append(0);
        if breaks_before {
            bench.moods.break_down(call);
        }
        bench.journal.order(Order::Begin { was_off: false });
        bench.append(1);
        if !breaks_before {
            await_that("the increment has begun", || bench.journal.waiting() == 0);
            bench.moods.break_down(call);
        }
        assert!(!bench.adopt("the base"), "{call}");
        bench.moods.mend();
        bench.journal.order(Order::Abandon);
        let end = bench.append(2);
        assert!(bench.settles(end, LIMIT));
        let all = bench.increments().replace(&increment(0..0), "");
        assert_eq!(all, "<0><1><2>", "{call}");
        // The next one does what this one did not.
        bench.journal.order(Order::Begin { was_off: false });
        bench.append(3);
        assert!(bench.adopt("another base"), "{call}");
        assert_eq!(bench.increments(), increment(3..4), "{call}");
    }
}

#[test]
fn a_log_that_is_turned_on_counts_from_its_first_base_on() {
    let bench = Bench::new(AppendFsync::EverySecond);
    bench.append(0);
    assert!(bench.journal.close());
    bench.journal.set_on(false);
    let names = bench.names();
    bench.journal.order(Order::Begin { was_off: true });
    bench.append(1);
    assert!(bench.journal.flush());
    assert_eq!(bench.increments(), increment(0..1));
    assert_eq!(bench.names().len(), names.len() + 1);
    // A first rewrite fails.
    bench.journal.order(Order::Abandon);
    bench.append(2);
    assert!(bench.journal.flush());
    assert_eq!(bench.names(), names);
    // The second does not.
    bench.journal.order(Order::Begin { was_off: true });
    bench.append(3);
    assert!(bench.adopt("the base"));
    let end = bench.append(4);
    assert!(bench.settles(end, LIMIT));
    assert_eq!(bench.increments(), increment(3..5));
    assert_eq!(
        bench.names(),
        [
            "appendonly.aof.2.base.aof",
            "appendonly.aof.2.incr.aof",
            "appendonly.aof.manifest"
        ]
    );
}

#[test]
fn a_base_that_is_made_while_the_log_is_off_has_no_increments() {
    let bench = Bench::new(AppendFsync::No);
    bench.append(0);
    assert!(bench.journal.close());
    // One that began before the log was closed has less than the log.
    assert!(!bench.adopt("too few keys"));
    let rewritten = Rewritten {
        has_increment: false,
        ..bench.rewritten("all keys")
    };
    assert!(bench.journal.adopt(rewritten));
    assert_eq!(
        bench.names(),
        ["appendonly.aof.2.base.aof", "appendonly.aof.manifest"]
    );
}

#[test]
fn nobody_waits_for_a_disk_that_is_gone_to_close_the_log() {
    let mut bench = Bench::new(AppendFsync::EverySecond);
    bench.moods.break_down("write");
    bench.append(0);
    await_that("writes are refused", || {
        bench.journal.status.failure().is_some()
    });
    bench.journal.close();
    assert!(bench.journal.status.failure().is_none());
    bench.append(1);
    drop(bench.writer.take());
    assert_eq!(bench.journal.waiting(), 0);
}
