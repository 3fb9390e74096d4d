//! Where a connection lives: the worker that serves it, which may change between two of its turns.
//!
//! A connection that only asks and is answered may move (`server/balance.rs`). One that others have something for may not, or
//! what they send could reach a worker that has it no more, or come out of order. So whoever wants to send takes the way to it, which
//! *pins* it for good. To ask for its end pins nothing: that is written down before its worker is told, and who adopts a connection looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread::yield_now;

use super::delivery::Courier;

/// It stays for good.
const PINNED: u32 = 1 << 31;
/// It is between two workers, for as long as it takes to put it into the inbox of the next.
const LEAVING: u32 = 1 << 30;

/// Where a connection lives.
#[derive(Debug)]
pub struct Place {
    /// The ways to all workers.
    ways: Arc<[Courier]>,
    /// The number of its worker, and the marks above.
    at: AtomicU32,
}

impl Place {
    /// With the worker of this number, to which the way of this number leads.
    pub fn at(worker: usize, ways: &Arc<[Courier]>) -> Place {
        Place {
            ways: Arc::clone(ways),
            at: AtomicU32::new(worker as u32),
        }
    }

    /// With no worker: the way leads nowhere.
    pub fn nowhere() -> Place {
        Place::at(0, &Arc::from([Courier::nowhere()]))
    }

    /// The way to it, which stays the way.
    pub fn pin(&self) -> &Courier {
        loop {
            let at = self.settled();
            let pinned = at | PINNED;
            let pin = || self.at.compare_exchange(at, pinned, SeqCst, SeqCst);
            if at == pinned || pin().is_ok() {
                return self.way(at);
            }
        }
    }

    /// The way to it, which may be another at once.
    pub fn current(&self) -> &Courier {
        self.way(self.settled())
    }

    /// Lets it set out, unless it is pinned. Its worker calls this, puts it into the inbox of another, and calls [`Place::arrive`] without
    /// delay: who looks for it meanwhile waits.
    pub fn leave(&self) -> bool {
        let at = self.at.load(SeqCst);
        let leaving = || (self.at).compare_exchange(at, at | LEAVING, SeqCst, SeqCst);
        at & (PINNED | LEAVING) == 0 && leaving().is_ok()
    }

    /// It is in the inbox of the worker of this number: what is sent there from now on comes behind it.
    pub fn arrive(&self, worker: usize) {
        self.at.store(worker as u32, SeqCst);
    }

    fn settled(&self) -> u32 {
        loop {
            let at = self.at.load(SeqCst);
            if at & LEAVING == 0 {
                return at;
            }
            yield_now();
        }
    }

    fn way(&self, at: u32) -> &Courier {
        &self.ways[(at & !PINNED) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use bytes::Bytes;
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::clients::{Handle, Kind, Registry, Signal};

    const TRIES: usize = 2000;

    type Inboxes = [UnboundedReceiver<Signal>; 2];

    /// What two workers see, one of whom has a connection.
    fn workers() -> (Arc<[Courier]>, Inboxes) {
        let (first, one) = Courier::to(0, &Arc::default());
        let (second, other) = Courier::to(1, &Arc::default());
        (Arc::new([first, second]), [one, other])
    }

    /// A connection with the first of two workers.
    fn connection() -> (Arc<Handle>, Inboxes) {
        let (ways, inboxes) = workers();
        let kind = Kind::Unix(String::new());
        let handle = Registry::default().register(kind, -1, 0, Place::at(0, &ways));
        (handle, inboxes)
    }

    /// Moves the connection to and fro until it may not or is found to be killed; answers whether it was, and with whom it is.
    fn wander(place: &Place, is_killed: &AtomicBool, most: usize) -> (bool, usize) {
        let mut worker = 0;
        for _ in 0..most {
            if is_killed.load(SeqCst) {
                return (true, worker);
            }
            if !place.leave() {
                break;
            }
            worker = 1 - worker;
            place.arrive(worker);
        }
        (is_killed.load(SeqCst), worker)
    }

    #[test]
    fn what_is_sent_reaches_it_wherever_it_goes() {
        for try_number in 0..TRIES {
            let (handle, mut inboxes) = connection();
            let start = Barrier::new(2);
            let (_, worker) = thread::scope(|threads| {
                let moves = threads.spawn(|| {
                    start.wait();
                    wander(&handle.place, &handle.killed, 1 << 20)
                });
                start.wait();
                (0..try_number % 64).for_each(|_| std::hint::spin_loop());
                handle.deliver(Bytes::from_static(b"a letter"));
                moves.join().expect("no panic")
            });
            assert_eq!(handle.place.current().worker(), worker);
            assert!(inboxes[worker].try_recv().is_ok(), "try {try_number}");
        }
    }

    #[test]
    fn it_learns_of_its_end_wherever_it_goes() {
        for try_number in 0..TRIES {
            let (handle, mut inboxes) = connection();
            let start = Barrier::new(2);
            let (is_killed, worker) = thread::scope(|threads| {
                let moves = threads.spawn(|| {
                    start.wait();
                    wander(&handle.place, &handle.killed, 1 + try_number % 64)
                });
                start.wait();
                handle.kill();
                moves.join().expect("no panic")
            });
            let is_told = inboxes[worker].try_recv().is_ok();
            assert!(is_killed || is_told, "try {try_number}");
        }
    }

    #[test]
    fn one_that_is_pinned_stays() {
        let (ways, _inboxes) = workers();
        let place = Place::at(1, &ways);
        assert_eq!(place.current().worker(), 1);
        assert!(place.leave());
        assert!(!place.leave(), "it is on its way");
        place.arrive(0);
        assert_eq!(place.pin().worker(), 0);
        assert!(!place.leave());
        assert_eq!(place.pin().worker(), 0);
    }
}
