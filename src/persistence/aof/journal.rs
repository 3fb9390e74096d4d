//! The journal: where changes wait on their way to the append-only file.
//!
//! Whoever changes keys appends the commands that make the change again while the keys' shards are still locked, so the journal's
//! order is that of the changes, for every key and for every command with several. What happens under these locks is a copy into
//! memory under one more, the innermost; a [writer](super::writer) of its own takes the blocks from there and deals with the disk.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::log::Rewritten;
use super::orders::{Company, Item, Order, Report, Settings, Taken};
use super::status::Status;
use crate::config::directives::persistence::{AppendFsync, Persistence};
use crate::keyspace::propagation::Sink;

/// Bytes of a block. What is written down is copied once into one, and never again as more comes.
const BLOCK: usize = 256 << 10;

/// Blocks that are kept for what comes next.
const SPARE: usize = 4;

/// Bytes that may wait for the disk before clients wait with them.
const MOST_WAITING: u64 = 1 << 30;

/// Changes that wait to be written.
pub struct Journal {
    is_on: AtomicBool,
    /// Whether replies to writes wait for the disk.
    is_strict: AtomicBool,
    /// Whether they do because too much waits to be written already.
    is_behind: AtomicBool,
    /// Whether changes wait that the writer was not woken for.
    is_gathering: AtomicBool,
    pending: Mutex<Pending>,
    /// Told when there is something to do for a writer that waits.
    wanted: Condvar,
    /// The position up to which changes may be acknowledged.
    settled: watch::Sender<u64>,
    /// The position up to which the disk has what was written.
    synced: watch::Sender<u64>,
    /// What all blocks take, in bytes.
    memory: Arc<AtomicU64>,
    /// Bytes that may wait before replies do.
    most_waiting: u64,
    /// How the log does.
    pub status: Status,
}

struct Pending {
    /// Full blocks and orders.
    items: VecDeque<Item>,
    /// The block that grows.
    block: Vec<u8>,
    /// Blocks to go on with.
    spare: Vec<Vec<u8>>,
    /// The database that the commands appended next would run in, once that is said.
    database: Option<usize>,
    /// The position behind `block`.
    end: u64,
    /// The second that was noted last.
    second: u64,
    settings: Settings,
    /// Whether the writer has not seen the settings yet.
    is_reconfigured: bool,
    /// Whether the writer waits.
    writer_waits: bool,
    /// Appended since the writer took what was there.
    changes: u64,
    /// So many changes it waits for.
    enough: u64,
    /// Whether somebody may wait until what is here is settled.
    is_awaited: bool,
    /// What all blocks take, in bytes.
    memory: Arc<AtomicU64>,
}

impl Default for Journal {
    fn default() -> Self {
        Journal::new(Settings::of(&Persistence::default()))
    }
}

impl Journal {
    /// A journal that is off.
    pub fn new(settings: Settings) -> Journal {
        let memory = Arc::<AtomicU64>::default();
        Journal {
            is_on: AtomicBool::new(false),
            is_strict: AtomicBool::new(settings.fsync == AppendFsync::Always),
            is_behind: AtomicBool::new(false),
            is_gathering: AtomicBool::new(false),
            pending: Mutex::new(Pending {
                items: VecDeque::new(),
                block: Vec::new(),
                spare: Vec::new(),
                database: None,
                end: 0,
                second: 0,
                settings,
                is_reconfigured: false,
                writer_waits: false,
                changes: 0,
                enough: 1,
                is_awaited: false,
                memory: Arc::clone(&memory),
            }),
            wanted: Condvar::new(),
            settled: watch::Sender::new(0),
            synced: watch::Sender::new(0),
            memory,
            most_waiting: MOST_WAITING,
            status: Status::default(),
        }
    }

    /// Whether changes are written down at all. Whoever holds a shard locked may rely on the answer until the lock is gone.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Turns it on or off. Every shard must be locked, so that no change is written down by half.
    pub fn set_on(&self, is_on: bool) {
        let mut pending = self.pending.lock();
        pending.database = None;
        self.is_on.store(is_on, Relaxed);
    }

    /// Adds whole commands, in the encoding in which clients send them, that run in a database. The shards of the changed keys must
    /// be locked. Answers the position behind them, in bytes since the start of the server.
    ///
    /// Where replies wait for the disk, the changes gather until [`Journal::dispatch`].
    pub fn append(&self, database: usize, commands: &[u8]) -> u64 {
        let mut pending = self.pending.lock();
        if pending.database != Some(database) || pending.settings.timestamps {
            pending.preface(database);
        }
        pending.push(commands);
        pending.changes += 1;
        if pending.end - self.status.written.load(Relaxed) > self.most_waiting {
            self.is_behind.store(true, Relaxed);
        }
        pending.is_awaited |= self.makes_wait();
        let end = pending.end;
        let wakes = if self.is_strict.load(Relaxed) {
            self.is_gathering.store(true, Relaxed);
            false
        } else {
            std::mem::take(&mut pending.writer_waits)
        };
        drop(pending);
        if wakes {
            self.wanted.notify_one();
        }
        end
    }

    /// Has the writer bring to the disk what gathered. A worker calls this when it has nothing to do but to wait, as Redis does before it
    /// sleeps: so the changes of all clients whose requests it found have one fsync in common, and not the first of them one alone.
    #[inline]
    pub fn dispatch(&self) {
        // Whoever appends after this look will look again.
        if self.is_gathering.load(Relaxed) {
            self.wake_writer();
        }
    }

    #[cold]
    fn wake_writer(&self) {
        let mut pending = self.pending.lock();
        self.is_gathering.store(false, Relaxed);
        let wakes = pending.changes >= pending.enough && std::mem::take(&mut pending.writer_waits);
        drop(pending);
        if wakes {
            self.wanted.notify_one();
        }
    }

    /// Tells the writer to do something when all that was appended before is written.
    pub fn order(&self, order: Order) {
        let mut pending = self.pending.lock();
        if matches!(order, Order::Begin { .. }) {
            // Each increment can be read by itself.
            pending.database = None;
        }
        pending.seal();
        pending.items.push_back(Item::Order(order));
        pending.writer_waits = false;
        drop(pending);
        self.wanted.notify_one();
    }

    /// What the configuration says.
    pub(super) fn settings(&self) -> Settings {
        self.pending.lock().settings
    }

    /// Follows a configuration.
    pub fn configure(&self, settings: Settings) {
        let mut pending = self.pending.lock();
        let old = std::mem::replace(&mut pending.settings, settings);
        self.is_strict
            .store(settings.fsync == AppendFsync::Always, Relaxed);
        pending.is_reconfigured = true;
        drop(pending);
        // A log that must be on the disk from now on must be brought there, though nothing new comes.
        self.wanted.notify_one();
        if old.keep_history && !settings.keep_history {
            self.order(Order::Clean);
        }
    }

    /// Brings everything to the disk; answers whether it is there. Waits for the disk.
    pub fn flush(&self) -> bool {
        self.ask(Order::Flush)
    }

    /// Puts a rewrite's base in its place; answers whether it is there. Waits for the disk.
    pub fn adopt(&self, rewritten: Rewritten) -> bool {
        self.ask(|report| Order::Adopt(rewritten, report))
    }

    /// Brings everything to the disk and closes the log; answers whether it is there. Waits for the disk. Every shard must be locked or
    /// the journal be off.
    pub fn close(&self) -> bool {
        self.ask(Order::Close)
    }

    fn ask(&self, order: impl FnOnce(Report) -> Order) -> bool {
        let (sender, report) = mpsc::channel();
        self.order(order(Report(sender)));
        report.recv().unwrap_or(false)
    }

    /// Whether a reply to what was written up to `position` has to wait until that [is settled](Self::is_settled).
    #[inline]
    pub fn is_unsettled(&self, position: u64) -> bool {
        position > 0 && self.makes_wait() && !self.is_settled(position)
    }

    /// Whether replies to writes have to wait: for the disk as `appendfsync always` asks, or else, where the disk takes less than
    /// clients write, until theirs is written, so that what waits stays bounded.
    #[inline]
    fn makes_wait(&self) -> bool {
        self.is_strict.load(Relaxed) || self.is_behind.load(Relaxed)
    }

    /// Whether the disk has what was written up to `position`, or nobody has to wait for that any more.
    pub fn is_settled(&self, position: u64) -> bool {
        let is_written = self.status.written.load(Relaxed) >= position;
        *self.settled.borrow() >= position || (is_written && !self.is_strict.load(Relaxed))
    }

    /// The position up to which everything is settled, to be awaited. It stands still while nobody waits for it.
    pub fn settled(&self) -> watch::Receiver<u64> {
        self.settled.subscribe()
    }

    /// Lets changes be acknowledged up to a position.
    pub(super) fn settle(&self, position: u64) {
        self.settled.send_if_modified(|settled| {
            let is_news = *settled < position;
            *settled = position.max(*settled);
            is_news
        });
    }

    /// Whether the disk has what was written up to `position`.
    pub fn is_synced(&self, position: u64) -> bool {
        *self.synced.borrow() >= position
    }

    /// Waits until the disk has what was written up to `position`, or the journal is off.
    pub async fn until_synced(&self, position: u64) {
        let mut synced = self.synced.subscribe();
        while !self.is_synced(position) && self.is_on() {
            // The sender is here.
            let _ = synced.changed().await;
        }
    }

    /// Takes note that the disk has what was written up to a position, or that nothing more will be written.
    pub(super) fn note_synced(&self, position: u64) {
        self.synced
            .send_modify(|synced| *synced = position.max(*synced));
    }

    /// Takes what there is to do; waits for it until `deadline`, and for more of it as `company` says.
    pub(super) fn take(
        &self,
        deadline: Option<Instant>,
        company: Option<Company>,
        items: &mut VecDeque<Item>,
    ) -> Taken {
        let mut pending = self.pending.lock();
        if let Some(Company { changes, until }) = company {
            pending.enough = changes;
            while pending.is_quiet() && pending.changes < changes {
                pending.writer_waits = true;
                if self.wanted.wait_until(&mut pending, until).timed_out() {
                    break;
                }
            }
            pending.enough = 1;
        }
        if pending.is_quiet() && pending.block.is_empty() {
            pending.writer_waits = true;
            match deadline {
                Some(deadline) => {
                    self.wanted.wait_until(&mut pending, deadline);
                }
                None => self.wanted.wait(&mut pending),
            }
        }
        pending.writer_waits = false;
        pending.is_reconfigured = false;
        pending.seal();
        items.append(&mut pending.items);
        // Whoever was told to wait came before this, so what they wait for is among the items.
        let waiting = pending.end - self.status.written.load(Relaxed);
        self.is_behind.store(waiting > self.most_waiting, Relaxed);
        Taken {
            settings: pending.settings,
            is_awaited: std::mem::take(&mut pending.is_awaited),
            changes: std::mem::take(&mut pending.changes),
        }
    }

    /// Takes a block back whose bytes are written, or not to be written.
    pub(super) fn give_back(&self, mut block: Vec<u8>) {
        block.clear();
        let mut pending = self.pending.lock();
        if block.capacity() == BLOCK && pending.spare.len() < SPARE {
            pending.spare.push(block);
        } else {
            self.memory.fetch_sub(block.capacity() as u64, Relaxed);
        }
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> u64 {
        let pending = self.pending.lock();
        pending.end - self.status.written.load(Relaxed)
    }

    /// What the blocks take, in bytes.
    pub fn memory(&self) -> &Arc<AtomicU64> {
        &self.memory
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Journal");
        shown
            .field("is_on", &self.is_on)
            .field("status", &self.status);
        shown.finish_non_exhaustive()
    }
}

impl Sink for Journal {
    #[inline]
    fn is_on(&self) -> bool {
        self.is_on()
    }

    fn append(&self, database: usize, commands: &[u8]) -> u64 {
        self.append(database, commands)
    }
}

impl Pending {
    /// Whether there is nothing to do but, perhaps, to write the block that grows.
    fn is_quiet(&self) -> bool {
        self.items.is_empty() && !self.is_reconfigured
    }

    /// Says what has to be said before the next commands.
    #[cold]
    fn preface(&mut self, database: usize) {
        if self.settings.timestamps {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.unwrap_or(Duration::ZERO).as_secs();
            if now > self.second {
                self.second = now;
                self.push(format!("#TS:{now}\r\n").as_bytes());
            }
        }
        if self.database != Some(database) {
            let number = database.to_string();
            let command = format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n", number.len());
            self.push(command.as_bytes());
            self.database = Some(database);
        }
    }

    #[inline]
    fn push(&mut self, commands: &[u8]) {
        if self.block.capacity() - self.block.len() < commands.len() {
            self.make_room(commands.len());
        }
        self.block.extend_from_slice(commands);
        self.end += commands.len() as u64;
    }

    #[cold]
    fn make_room(&mut self, needed: usize) {
        self.seal();
        if self.block.capacity() < needed {
            // A spare one that is too small for a giant record goes.
            let old = self.block.capacity() as u64;
            self.block = Vec::with_capacity(needed.max(BLOCK));
            let new = self.block.capacity() as u64;
            self.memory.fetch_add(new.wrapping_sub(old), Relaxed);
        }
    }

    /// Ends the block.
    fn seal(&mut self) {
        if !self.block.is_empty() {
            let next = self.spare.pop().unwrap_or_default();
            let block = std::mem::replace(&mut self.block, next);
            self.items.push_back(Item::Bytes(block, self.end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(journal: &Journal) -> Vec<u8> {
        let mut items = VecDeque::new();
        journal.take(Some(Instant::now()), None, &mut items);
        let mut bytes = Vec::new();
        for item in items {
            if let Item::Bytes(block, _) = item {
                bytes.extend_from_slice(&block);
                journal.give_back(block);
            }
        }
        bytes
    }

    const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

    fn select(number: usize) -> Vec<u8> {
        let digits = number.to_string();
        format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{digits}\r\n", digits.len()).into_bytes()
    }

    #[test]
    fn the_database_is_said_when_it_changes() {
        let journal = Journal::default();
        let first = journal.append(0, PING);
        journal.append(0, PING);
        let last = journal.append(12, PING);
        assert_eq!(first, 37);
        let expected = [&select(0)[..], PING, PING, &select(12), PING].concat();
        assert_eq!(last, expected.len() as u64);
        assert_eq!(taken(&journal), expected);
        journal.order(Order::Begin { was_off: false });
        journal.append(12, PING);
        assert_eq!(taken(&journal), [&select(12)[..], PING].concat());
    }

    #[test]
    fn replies_wait_while_too_much_does() {
        let journal = Journal {
            most_waiting: 100,
            ..Journal::default()
        };
        let first = journal.append(0, PING);
        assert!(!journal.is_unsettled(first));
        let mut items = VecDeque::new();
        let is_awaited = journal.take(None, None, &mut items).is_awaited;
        assert!(!is_awaited);
        let second = journal.append(0, &[b'x'; 100]);
        assert!(journal.is_unsettled(second));
        journal.status.written.store(first, Relaxed);
        assert!(!journal.is_unsettled(first), "that is written");
        let is_awaited = journal.take(None, None, &mut items).is_awaited;
        assert!(is_awaited, "who has to wait must be told the end of it");
        journal.status.written.store(second, Relaxed);
        journal.configure(journal.settings());
        journal.take(None, None, &mut items);
        assert!(!journal.is_unsettled(second) && !journal.makes_wait());
    }

    #[test]
    fn changes_that_replies_wait_for_gather() {
        let journal = Journal::new(Settings {
            fsync: AppendFsync::Always,
            ..Settings::of(&Persistence::default())
        });
        let is_woken = || !journal.pending.lock().writer_waits;
        journal.pending.lock().writer_waits = true;
        journal.dispatch();
        assert!(!is_woken(), "there is nothing to write");
        journal.append(0, PING);
        journal.append(0, PING);
        assert!(!is_woken());
        journal.dispatch();
        assert!(is_woken());
        journal.configure(Settings::of(&Persistence::default()));
        journal.pending.lock().writer_waits = true;
        journal.append(0, PING);
        assert!(is_woken(), "nobody waits for more");
    }

    /// Takes with company from another thread, which `meanwhile` meets waiting; answers how many changes there were.
    fn taken_with_company(changes: u64, until: Instant, meanwhile: impl FnOnce(&Journal)) -> u64 {
        let journal = &Journal::default();
        journal.configure(Settings {
            fsync: AppendFsync::Always,
            ..journal.settings()
        });
        taken(journal);
        journal.append(0, PING);
        journal.dispatch();
        std::thread::scope(|threads| {
            let company = Company { changes, until };
            let writer = threads.spawn(move || {
                journal
                    .take(None, Some(company), &mut VecDeque::new())
                    .changes
            });
            while changes > 1 && !journal.pending.lock().writer_waits {}
            meanwhile(journal);
            writer.join().expect("no panic")
        })
    }

    #[test]
    fn the_writer_waits_for_company_until_all_are_there_or_for_so_long() {
        let far = Instant::now() + Duration::from_secs(20);
        let another = |journal: &Journal| {
            journal.append(0, PING);
            journal.dispatch();
        };
        assert_eq!(taken_with_company(1, far, |_| {}), 1);
        assert_eq!(taken_with_company(2, far, another), 2);
        assert_eq!(
            taken_with_company(3, far, |journal| journal.order(Order::Clean)),
            1
        );
        assert!(Instant::now() < far, "nobody had to wait");
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(taken_with_company(3, soon, another), 2);
        assert!(Instant::now() >= soon);
    }

    #[test]
    fn orders_keep_their_place() {
        let journal = Journal::default();
        journal.append(0, PING);
        journal.order(Order::Abandon);
        let end = journal.append(0, PING);
        let mut items = VecDeque::new();
        journal.take(None, None, &mut items);
        let Some(
            [
                Item::Bytes(_, 37),
                Item::Order(Order::Abandon),
                Item::Bytes(block, last),
            ],
        ) = items.make_contiguous().first_chunk()
        else {
            panic!("something else is in the journal")
        };
        assert_eq!((&block[..], *last), (PING, end));
    }

    #[test]
    fn records_are_whole_in_their_blocks_and_the_blocks_are_used_again() {
        let journal = Journal::default();
        let record = vec![b'x'; 1000];
        let giant = vec![b'y'; 3 * BLOCK];
        for _ in 0..1000 {
            journal.append(0, &record);
        }
        journal.append(0, &giant);
        journal.append(0, &record);
        let mut items = VecDeque::new();
        journal.take(None, None, &mut items);
        let blocks: Vec<_> = (items.into_iter())
            .filter_map(|item| match item {
                Item::Bytes(block, _) => Some(block),
                Item::Order(_) => None,
            })
            .collect();
        let head = select(0).len();
        assert_eq!((blocks[0].len() - head) % 1000, 0);
        assert_eq!(blocks[blocks.len() - 2], giant);
        assert_eq!(blocks[blocks.len() - 1], record);
        assert!(journal.memory().load(Relaxed) >= 1_000_000 + 3 * BLOCK as u64);
        blocks
            .into_iter()
            .for_each(|block| journal.give_back(block));
        assert!(journal.memory().load(Relaxed) <= (SPARE as u64 + 1) * BLOCK as u64);
    }

    #[test]
    fn the_time_is_noted_once_a_second() {
        let journal = Journal::default();
        let settings = Settings {
            timestamps: true,
            ..Settings::of(&Persistence::default())
        };
        journal.configure(settings);
        journal.append(0, PING);
        let text = String::from_utf8(taken(&journal)).unwrap();
        let (stamp, rest) = text.split_once("\r\n").unwrap();
        assert!(stamp.strip_prefix("#TS:").unwrap().parse::<u64>().unwrap() > 1_700_000_000);
        assert!(rest.starts_with("*2\r\n$6\r\nSELECT"));
        for _ in 0..100 {
            journal.append(0, PING);
        }
        let text = String::from_utf8(taken(&journal)).unwrap();
        assert!(text.matches("#TS:").count() <= 1);
    }
}
