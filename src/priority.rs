//! How threads that nobody waits for step back where others need the processor.
//!
//! A low priority alone does not do it: whoever wakes up while such a thread runs may wait for the end of its turn, which takes
//! Linux some 3 ms. So these threads also work in short bursts.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tracing::debug;

/// From 0 to 19. Under full load the thread gets about a quarter of what a worker gets.
const NICENESS: i32 = 6;

/// How long a thread works at a time.
const BURST: Duration = Duration::from_micros(300);
/// How long it rests then; the system makes it some 50 µs more.
const REST: Duration = Duration::from_micros(20);

/// Lets the calling thread step back. Where the system refuses, it stays as it is.
pub fn step_back() {
    // On Linux this is about the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        debug!("A background thread runs at full priority: {error}");
    }
}

/// The bursts of a thread's work.
#[derive(Debug)]
pub struct Pace {
    begin: Instant,
}

impl Pace {
    /// The first burst begins.
    pub fn new() -> Pace {
        Pace {
            begin: Instant::now(),
        }
    }

    /// To be called between two pieces of work, with nothing locked: rests if the burst is over.
    #[inline]
    pub fn step(&mut self) {
        if self.begin.elapsed() >= BURST {
            sleep(REST);
            self.begin = Instant::now();
        }
    }
}

impl Default for Pace {
    fn default() -> Pace {
        Pace::new()
    }
}
