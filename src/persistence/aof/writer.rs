//! The writer: a thread that takes what is in the journal to the log, and brings it to the disk as `appendfsync` says.
//!
//! - `always`: one write, one fsync, then everyone whose change was in it is told. Whoever comes meanwhile has the next one in common, and
//!   that one also waits a little for those who were just told: most of them are about to come with the next change.
//! - `everysec`: written at once, brought to the disk by a second thread, so that nobody waits for a slow disk but that thread.
//! - `no`: written at once.
//!
//! Clients that write more than the disk takes wait for it once a gigabyte does, since memory has an end; nobody else does.
//!
//! A disk that refuses is tried again every second; what waits is kept, and commands that write are refused meanwhile. Under
//! `always` that is the end of the server, as it is for Redis: the changes are made, and can neither be acknowledged nor be taken back.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::disk::DiskFile;
use super::journal::Journal;
use super::log::Log;
use super::orders::{Company, Item, Order, Settings};
use crate::config::directives::persistence::AppendFsync;

/// How often a disk that failed is tried again, and the log brought to one that did not.
const SECOND: Duration = Duration::from_secs(1);

/// How long changes gather before they are written where nobody waits for it: a thread that is woken for each of them would cost
/// more than they do.
const GATHER: Duration = Duration::from_millis(1);

/// How long a change waits at most for others to be kept together with.
const PATIENCE: Duration = Duration::from_millis(10);

/// Seconds between errors in the server's own log while a disk keeps failing.
const QUIET: Duration = Duration::from_secs(30);

/// What to do when nothing can be done: ends the server.
pub type Fatal = Box<dyn Fn(&str) + Send>;

/// The thread; dropping this ends it when all is written.
pub struct Writer {
    journal: Arc<Journal>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.journal.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // Should it have panicked, that was reported then.
            let _ = thread.join();
        }
    }
}

/// Starts the threads. `fatal` is called when a change that may be neither acknowledged nor forgotten cannot be brought to the disk.
///
/// # Errors
/// When the system refuses.
pub fn start(journal: &Arc<Journal>, log: Log, fatal: Fatal) -> io::Result<Writer> {
    let state = State {
        journal: Arc::clone(journal),
        log,
        syncer: start_syncer(journal)?,
        fatal,
        items: VecDeque::new(),
        settings: journal.settings(),
        written: 0,
        has_waiting: false,
        is_unsynced: false,
        last_sync: Instant::now(),
        sync_time: Duration::ZERO,
        changes: 0,
        retry: None,
        last_complaint: None,
    };
    let thread = thread::Builder::new()
        .name("aof-writer".to_owned())
        .spawn(move || state.run())?;
    Ok(Writer {
        journal: Arc::clone(journal),
        thread: Some(thread),
    })
}

/// A file, and the position up to which everything is written to it.
type Written = (Arc<dyn DiskFile>, u64);

/// Starts the thread that brings files to the disk while others are written. It ends with the sender.
fn start_syncer(journal: &Arc<Journal>) -> io::Result<mpsc::Sender<Written>> {
    let (sender, files) = mpsc::channel::<Written>();
    let journal = Arc::clone(journal);
    thread::Builder::new()
        .name("aof-fsync".to_owned())
        .spawn(move || {
            for (file, position) in files {
                note_sync(&journal, &file.sync(), position);
                journal.status.fsync_pending.store(false, Release);
            }
        })?;
    Ok(sender)
}

/// Takes note of how an fsync of what was written up to a position ended; answers whether it ended well.
fn note_sync(journal: &Journal, synced: &io::Result<()>, position: u64) -> bool {
    if synced.is_ok() {
        journal.note_synced(position);
    }
    if journal.status.note_fsync(synced.as_ref().copied()) {
        match synced {
            Ok(()) => info!("AOF fsync error looks solved, the server can write again."),
            Err(error) => warn!("Fail to fsync the AOF file: {error}"),
        }
    }
    synced.is_ok()
}

struct State {
    journal: Arc<Journal>,
    log: Log,
    syncer: mpsc::Sender<Written>,
    fatal: Fatal,
    /// What is to be done.
    items: VecDeque<Item>,
    settings: Settings,
    /// The position up to which everything is written.
    written: u64,
    /// Whether somebody may wait to have a change acknowledged.
    has_waiting: bool,
    /// Whether something was written since the disk was last asked to keep it.
    is_unsynced: bool,
    /// When it was asked, or would have been.
    last_sync: Instant,
    /// How long it then took.
    sync_time: Duration,
    /// Changes in what was taken last.
    changes: u64,
    /// When a disk that failed is to be tried again.
    retry: Option<Instant>,
    /// When a failure was last logged.
    last_complaint: Option<Instant>,
}

/// The writer's end.
struct End;

impl State {
    fn run(mut self) {
        loop {
            let (deadline, company) = (self.deadline(), self.company());
            let taken = self.journal.take(deadline, company, &mut self.items);
            self.settings = taken.settings;
            self.has_waiting |= taken.is_awaited;
            self.changes = taken.changes;
            let Ok(has_written) = self.turn() else {
                return;
            };
            if has_written && self.settings.fsync != AppendFsync::Always {
                thread::sleep(GATHER);
            }
        }
    }

    /// Those who were just told that their changes are kept, to have the next fsync in common with all of them: for a disk that takes its
    /// time it is the number of fsyncs that counts. They are waited for as long as the last one took at most.
    fn company(&self) -> Option<Company> {
        (self.settings.fsync == AppendFsync::Always).then(|| Company {
            changes: self.changes,
            until: self.last_sync + self.sync_time.min(PATIENCE),
        })
    }

    /// When there is something to do though nothing new comes.
    fn deadline(&self) -> Option<Instant> {
        if self.retry.is_some() {
            return self.retry;
        }
        let status = &self.journal.status;
        let is_due = match self.settings.fsync {
            // What nobody waits for, as when a key died, does not come with a call to take it.
            AppendFsync::Always if !self.is_unsynced => return Some(Instant::now() + SECOND),
            AppendFsync::Always => true,
            AppendFsync::EverySecond => {
                self.is_unsynced || status.fsync_pending.load(Acquire) || status.fsync_failed()
            }
            AppendFsync::No => false,
        };
        is_due.then(|| self.last_sync + SECOND)
    }

    /// Does what there is to do; answers whether something was written.
    fn turn(&mut self) -> Result<bool, End> {
        let mut has_written = false;
        while let Some(item) = self.items.pop_front() {
            match item {
                Item::Order(order) => self.carry_out(order)?,
                Item::Bytes(mut block, end) => match self.log.write(&block) {
                    Ok(()) => {
                        self.wrote(&block, end);
                        self.journal.give_back(block);
                        has_written = true;
                    }
                    Err((staying, error)) => {
                        block.drain(..staying);
                        self.items.push_front(Item::Bytes(block, end));
                        self.write_failed(&error)?;
                        break;
                    }
                },
            }
        }
        if self.items.is_empty() {
            self.retry = None;
        }
        self.keep()?;
        Ok(has_written)
    }

    fn wrote(&mut self, block: &[u8], end: u64) {
        let status = &self.journal.status;
        self.written = end;
        status.written.store(end, Relaxed);
        if !self.log.is_open() {
            return;
        }
        self.is_unsynced = true;
        status.size.fetch_add(block.len() as u64, Relaxed);
        if status.note_write(Ok(())) {
            self.last_complaint = None;
            info!("AOF write error looks solved, the server can write again.");
        }
    }

    /// Under `always` this is the end. Otherwise the rest waits, but nobody waits for it who closes the log or ends the server.
    fn write_failed(&mut self, error: &io::Error) -> Result<(), End> {
        self.journal.status.note_write(Err(error));
        if (self.last_complaint).is_none_or(|complaint| complaint.elapsed() > QUIET) {
            self.last_complaint = Some(Instant::now());
            warn!("Error writing to the AOF file: {error}");
        }
        if self.settings.fsync == AppendFsync::Always {
            (self.fatal)(
                "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...",
            );
            return Err(End);
        }
        self.retry = Some(Instant::now() + SECOND);
        let is_end = |item: &Item| matches!(item, Item::Order(Order::Close(_) | Order::Stop));
        let end = self.items.iter().rposition(is_end);
        let lost = end.map_or(0, |end| end + 1);
        for item in self.items.drain(..lost).collect::<Vec<_>>() {
            match item {
                Item::Bytes(block, end) => {
                    self.written = end;
                    self.journal.status.written.store(end, Relaxed);
                    self.journal.give_back(block);
                }
                Item::Order(Order::Flush(report) | Order::Adopt(_, report)) => report.tell(false),
                Item::Order(order) => self.carry_out(order)?,
            }
        }
        self.items.retain(|item| {
            let Item::Order(Order::Flush(report)) = item else {
                return true;
            };
            report.tell(false);
            false
        });
        Ok(())
    }

    fn carry_out(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Begin { was_off } => {
                // Without an increment of its own the rewrite will find no place for its base.
                let is_kept = self.sync()?;
                if let Err(error) = self.log.begin(was_off, is_kept) {
                    warn!("{error}");
                }
            }
            Order::Adopt(rewritten, report) => {
                let adopted = self.log.adopt(&rewritten, &self.journal.status);
                if let Err(error) = &adopted {
                    warn!("{error}");
                } else if !self.settings.keep_history {
                    self.log.clean();
                }
                report.tell(adopted.is_ok());
            }
            Order::Abandon => self.log.abandon(),
            Order::Flush(report) => {
                let is_kept = self.sync()?;
                report.tell(is_kept);
            }
            Order::Close(report) => {
                let is_kept = self.sync()?;
                self.log.close();
                self.journal.note_synced(0);
                self.is_unsynced = false;
                self.journal.status.forget_errors();
                report.tell(is_kept);
            }
            Order::Clean => self.log.clean(),
            Order::Stop => {
                self.sync()?;
                return Err(End);
            }
        }
        Ok(())
    }

    /// Brings what is written to the disk, if it is time, and lets it be acknowledged if it may be.
    fn keep(&mut self) -> Result<(), End> {
        let status = &self.journal.status;
        let is_spared = self.settings.no_fsync_on_rewrite && status.disk_is_busy.load(Relaxed);
        match self.settings.fsync {
            AppendFsync::Always if self.is_unsynced && is_spared => {
                (self.last_sync, self.sync_time) = (Instant::now(), Duration::ZERO);
            }
            AppendFsync::Always if self.is_unsynced => {
                self.sync()?;
            }
            AppendFsync::EverySecond if self.last_sync.elapsed() >= SECOND => {
                self.is_unsynced |= status.fsync_failed();
                self.last_sync = Instant::now();
                if self.is_unsynced {
                    if status.fsync_pending.load(Acquire) {
                        status.delayed_fsyncs.fetch_add(1, Relaxed);
                    } else if !is_spared && let Some(file) = self.log.file() {
                        status.fsync_pending.store(true, Relaxed);
                        // The other thread is there as long as this one is.
                        let _ = self.syncer.send((Arc::clone(file), self.written));
                        self.is_unsynced = false;
                    }
                }
            }
            _ => {}
        }
        self.has_waiting |= self.settings.fsync == AppendFsync::Always;
        if self.has_waiting {
            self.journal.settle(self.written);
            self.has_waiting = !self.items.is_empty();
        }
        Ok(())
    }

    /// Brings what is written to the disk now; answers whether it is there.
    fn sync(&mut self) -> Result<bool, End> {
        let Some(file) = self.log.file() else {
            return Ok(true);
        };
        let began = Instant::now();
        let synced = file.sync();
        self.last_sync = Instant::now();
        self.sync_time = self.last_sync - began;
        if let Err(error) = &synced
            && self.settings.fsync == AppendFsync::Always
        {
            (self.fatal)(&format!(
                "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {error}. Exiting..."
            ));
            return Err(End);
        }
        self.is_unsynced = synced.is_err();
        Ok(note_sync(&self.journal, &synced, self.written))
    }
}
