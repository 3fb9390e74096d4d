//! The reclaimer: a thread that frees what takes long to free.
//!
//! Giving a large value or a flushed database back to the allocator can take milliseconds; no request waits for
//! it. Whoever removes such a thing hands it over here and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};

use super::entry::{Entry, ValueRef};
use crate::allocator;
use crate::table::Table;
use crate::types::Object;

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

    /// Whether it takes long to give its memory back to the system.
    fn is_huge(&self) -> bool {
        const HUGE: usize = 16 << 20;
        const HUGE_TABLE: usize = 100_000;
        /// Elements that tell the size of the others.
        const SAMPLES: usize = 5;
        match self {
            Garbage::Object(object) => object.memory(SAMPLES) > HUGE,
            Garbage::Table(table) => table.len() > HUGE_TABLE,
        }
    }
}

#[derive(Debug, Default)]
struct Progress {
    pending: AtomicU64,
    freed: AtomicU64,
}

/// The way to the reclaimer's thread.
#[derive(Debug)]
pub struct Reclaimer {
    queue: Sender<Garbage>,
    progress: Arc<Progress>,
}

impl Reclaimer {
    /// Starts the thread; it ends when the reclaimer is dropped.
    pub fn start() -> Reclaimer {
        let (queue, garbage) = channel::<Garbage>();
        let progress = Arc::new(Progress::default());
        let done = Arc::clone(&progress);
        std::thread::Builder::new()
            .name("reclaim".to_owned())
            .spawn(move || {
                for item in garbage {
                    let (objects, is_huge) = (item.objects(), item.is_huge());
                    drop(item);
                    if is_huge {
                        // Else a worker would do it on its way, which takes it several milliseconds.
                        allocator::purge();
                    }
                    done.pending.fetch_sub(objects, Relaxed);
                    done.freed.fetch_add(objects, Relaxed);
                }
            })
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
        self.progress.pending.fetch_add(garbage.objects(), Relaxed);
        // The thread lives as long as the sender; were it gone, the failed send would free the garbage here.
        let _ = self.queue.send(garbage);
    }

    /// Objects that wait to be freed.
    pub fn pending(&self) -> u64 {
        self.progress.pending.load(Relaxed)
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
