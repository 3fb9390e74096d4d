//! The reclaimer: a thread that frees what takes long to free, and gives unused memory back to the system.
//!
//! Giving a large value or a flushed database back to the allocator can take milliseconds, and so can giving the allocator's
//! empty pages back to the system; no request waits for either. Whoever removes such a thing hands it over here and goes
//! on. The thread steps back where the workers need the processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::entry::{Entry, ValueRef};
use crate::allocator::pages;
use crate::priority::{self, Pace};
use crate::table::Table;
use crate::types::Object;

/// How often the allocator's pages are tended: a table that grows leaves some 8 bytes a key of outgrown segments behind
/// until then.
const TEND_PERIOD: Duration = Duration::from_millis(100);

/// Keys or elements that tell the size of the others.
const SAMPLES: usize = 5;

/// Something to free.
#[derive(Debug)]
pub enum Garbage {
    /// A large value.
    Object(Box<Object>),
    /// A whole database's part of a shard.
    Table(Table<Entry>),
}

impl Garbage {
    fn objects(&self) -> u64 {
        match self {
            Garbage::Object(_) => 1,
            Garbage::Table(table) => table.len() as u64,
        }
    }

    /// About how many bytes this will give back.
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Garbage::Object(object) => object.memory(SAMPLES),
            Garbage::Table(table) => table_bytes(table),
        };
        bytes as u64
    }

    /// Frees this, piece by piece.
    fn free(self, pace: &mut Pace) {
        match self {
            Garbage::Object(object) => free_object(*object, pace),
            Garbage::Table(table) => {
                for entry in table {
                    if let Some(object) = entry.into_object() {
                        free_object(*object, pace);
                    }
                    pace.step();
                }
            }
        }
    }
}

/// About how many bytes a value takes beside its entry.
pub(super) fn value_bytes(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Object(object) => object.memory(SAMPLES),
        _ => 0,
    }
}

/// About how many bytes a table takes with its entries.
pub(super) fn table_bytes(table: &Table<Entry>) -> usize {
    let looked_at = table.iter().take(SAMPLES);
    let sampled: usize = looked_at
        .map(|entry| entry.size() + value_bytes(entry.value()))
        .sum();
    table.table_bytes() + sampled * table.len() / table.len().clamp(1, SAMPLES)
}

fn free_object(object: Object, pace: &mut Pace) {
    /// Pieces between two looks at the clock.
    const SOME: usize = 64;
    let Some(members) = object.into_members() else {
        return;
    };
    let mut pieces = members.into_pieces();
    while pieces.by_ref().take(SOME).map(drop).count() > 0 {
        pace.step();
    }
}

/// Garbage on its way, and what was counted as pending for it.
#[derive(Debug)]
struct Load {
    garbage: Garbage,
    objects: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Progress {
    pending: AtomicU64,
    pending_bytes: AtomicU64,
    freed: AtomicU64,
}

/// The way to the reclaimer's thread.
#[derive(Debug)]
pub struct Reclaimer {
    queue: Sender<Load>,
    progress: Arc<Progress>,
}

impl Reclaimer {
    /// Starts the thread; it ends when the reclaimer is dropped.
    pub fn start() -> Reclaimer {
        let (queue, garbage) = channel();
        let progress = Arc::new(Progress::default());
        let done = Arc::clone(&progress);
        std::thread::Builder::new()
            .name("reclaim".to_owned())
            .spawn(move || reclaim(&garbage, &done))
            .expect("the system can start a thread");
        Reclaimer { queue, progress }
    }

    /// Frees an entry: here, or later if its value is heavy.
    #[inline]
    pub fn discard(&self, entry: Entry) {
        let heavy = matches!(entry.as_ref().value(), ValueRef::Object(object) if object.is_heavy());
        if heavy {
            let object = entry.into_object().expect("a heavy value is an object");
            self.free(Garbage::Object(object));
        }
    }

    /// As [`Reclaimer::discard`], for a value that has left its entry.
    pub fn discard_value(&self, value: Object) {
        if value.is_heavy() {
            self.free(Garbage::Object(Box::new(value)));
        }
    }

    /// Frees `garbage` later, on the reclaimer's thread.
    pub fn free(&self, garbage: Garbage) {
        let load = Load {
            objects: garbage.objects(),
            bytes: garbage.bytes(),
            garbage,
        };
        self.progress.pending.fetch_add(load.objects, Relaxed);
        self.progress.pending_bytes.fetch_add(load.bytes, Relaxed);
        // The thread lives as long as the sender; were it gone, the failed send would free the garbage here.
        let _ = self.queue.send(load);
    }

    /// Objects that wait to be freed.
    pub fn pending(&self) -> u64 {
        self.progress.pending.load(Relaxed)
    }

    /// About how many bytes will be free when nothing waits any more.
    pub fn pending_bytes(&self) -> u64 {
        self.progress.pending_bytes.load(Relaxed)
    }

    /// Objects freed since the start or the last reset.
    pub fn freed(&self) -> u64 {
        self.progress.freed.load(Relaxed)
    }

    /// Starts counting freed objects again.
    pub fn reset(&self) {
        self.progress.freed.store(0, Relaxed);
    }
}

/// Frees what arrives until nobody can send any more.
fn reclaim(garbage: &Receiver<Load>, progress: &Progress) {
    priority::step_back();
    let (mut tended, mut pace) = (Instant::now(), Pace::new());
    loop {
        match garbage.recv_timeout(TEND_PERIOD.saturating_sub(tended.elapsed())) {
            Ok(Load {
                garbage,
                objects,
                bytes,
            }) => {
                garbage.free(&mut pace);
                progress.pending.fetch_sub(objects, Relaxed);
                progress.pending_bytes.fetch_sub(bytes, Relaxed);
                progress.freed.fetch_add(objects, Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if tended.elapsed() >= TEND_PERIOD {
            pages::purge();
            tended = Instant::now();
        }
    }
}
