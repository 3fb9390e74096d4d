//! What clients hold with the server, and who goes first when it is too much.
//!
//! A connection tells what it holds when that changes, and for most it never does: requests that arrive whole and
//! replies that are taken at once lie in buffers of the worker. So the sum may be one shared number, and the order by
//! size one set behind a lock: a client changes its place there only when its size passes a power of two.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;

use super::client::Class;
use super::registry::Handle;

/// What one connection holds, in bytes unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// What kind of peer holds it.
    pub class: Class,
    /// Whether it may be ended for its size (CLIENT NO-EVICT).
    pub evictable: bool,
    /// Of a request that has not arrived whole: what is beyond its complete arguments.
    pub query: usize,
    /// Room for more of it.
    pub query_free: usize,
    /// Its complete arguments.
    pub arguments: usize,
    /// For the arguments of the commands since MULTI.
    pub queued: usize,
    /// Blocks of replies that the client has not taken.
    pub output_blocks: usize,
    /// Their size.
    pub output: usize,
    /// All of these, and what every connection takes.
    pub total: usize,
}

impl Footprint {
    /// Bytes allocated for requests.
    pub fn input(&self) -> usize {
        self.query + self.query_free + self.arguments
    }

    /// What counts towards the sum: the buffers of replicas are not the clients' affair.
    fn charged(&self) -> usize {
        match self.class {
            Class::Normal | Class::Pubsub => self.total,
            Class::Master | Class::Replica => 0,
        }
    }

    /// The place in the order of those who may be ended: the logarithm of the size. All small clients have the same.
    fn rank(&self) -> Option<u8> {
        const SMALL: u32 = 15;
        let rank = self.charged().checked_ilog2()?.max(SMALL);
        self.evictable.then_some(rank as u8)
    }
}

/// The part of a connection that [`Memory`] keeps.
#[derive(Debug, Default)]
pub struct Account {
    footprint: Mutex<Footprint>,
    /// What of it is in the sum.
    charged: AtomicUsize,
}

impl Account {
    /// What the connection holds, as its own worker said last.
    pub fn footprint(&self) -> Footprint {
        *self.footprint.lock()
    }
}

/// Clients by the logarithm of their size, and of the same the younger before the older.
type Order = BTreeMap<(u8, Reverse<u64>), Arc<Handle>>;

/// What all connections hold together.
#[derive(Debug)]
pub struct Memory {
    /// The sum of what is charged to each account.
    sum: AtomicUsize,
    /// Where the largest clients begin to be ended; 0 for nowhere.
    limit: AtomicU64,
    /// Those who may be ended; whoever is last is the first to go.
    order: Mutex<Order>,
    recent: Mutex<Recent>,
    started: Instant,
    evicted: AtomicU64,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            sum: AtomicUsize::new(0),
            limit: AtomicU64::new(0),
            order: Mutex::default(),
            recent: Mutex::default(),
            started: Instant::now(),
            evicted: AtomicU64::new(0),
        }
    }
}

impl Memory {
    /// What all clients hold, in bytes.
    pub fn sum(&self) -> usize {
        self.sum.load(Relaxed)
    }

    /// The sum at which [`evict`](Self::evict) begins to end clients, in bytes; 0 for never.
    pub fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Relaxed);
    }

    /// The sum that is too much, in bytes; 0 for none.
    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// Takes note of what a client holds. Only its own worker may call this.
    pub fn change(&self, handle: &Arc<Handle>, new: Footprint) {
        let account = &handle.account;
        let mut footprint = account.footprint.lock();
        let old = std::mem::replace(&mut *footprint, new);
        self.charge(account, new.charged());
        let buffers = |footprint: &Footprint| (footprint.input(), footprint.output);
        if buffers(&new) != buffers(&old) {
            self.recent.lock().note(self.second(), buffers(&new));
        }
        if new.rank() != old.rank() {
            let mut order = self.order.lock();
            if let Some(rank) = old.rank() {
                order.remove(&(rank, Reverse(handle.id)));
            }
            if let Some(rank) = new.rank()
                && !handle.killed.load(Relaxed)
            {
                order.insert((rank, Reverse(handle.id)), Arc::clone(handle));
            }
        }
    }

    /// Forgets a client that has ended.
    pub(super) fn close(&self, handle: &Arc<Handle>) {
        self.change(handle, Footprint::default());
    }

    /// Ends the largest clients until the sum is below the limit; answers who they were. Two loads if it is.
    #[inline]
    pub fn evict(&self) -> Vec<Arc<Handle>> {
        if self.is_over() {
            self.evict_largest()
        } else {
            Vec::new()
        }
    }

    #[cold]
    fn evict_largest(&self) -> Vec<Arc<Handle>> {
        let mut evicted = Vec::new();
        let mut order = self.order.lock();
        while self.is_over()
            && let Some((_, handle)) = order.pop_last()
        {
            // The memory is as good as free: nobody else is to go for it while the connection comes to its end.
            self.charge(&handle.account, 0);
            if !handle.killed.load(Relaxed) {
                self.evict_one(&handle);
                evicted.push(handle);
            }
        }
        evicted
    }

    /// Ends this client for its size.
    pub fn evict_one(&self, handle: &Handle) {
        handle.kill();
        self.evicted.fetch_add(1, Relaxed);
    }

    #[inline]
    fn is_over(&self) -> bool {
        let limit = self.limit();
        limit != 0 && self.sum() as u64 >= limit
    }

    fn charge(&self, account: &Account, bytes: usize) {
        let before = account.charged.swap(bytes, Relaxed);
        // The difference may be negative and wrap; the sum comes out right.
        self.sum.fetch_add(bytes.wrapping_sub(before), Relaxed);
    }

    /// How many clients were ended for their size.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Counts those who are ended from zero again.
    pub fn reset(&self) {
        self.evicted.store(0, Relaxed);
    }

    /// The largest buffers of requests and of replies that came to be in the last seconds, in bytes.
    pub fn largest_recently(&self) -> (usize, usize) {
        let mut recent = self.recent.lock();
        recent.advance(self.second());
        let most = |of: fn(&Buffers) -> usize| recent.largest.iter().map(of).max().unwrap_or(0);
        (most(|buffers| buffers.0), most(|buffers| buffers.1))
    }

    fn second(&self) -> u64 {
        self.started.elapsed().as_secs()
    }
}

/// Bytes of requests and of replies.
type Buffers = (usize, usize);

/// Seconds that INFO looks back for the largest buffers.
const RECENT: usize = 8;

/// The largest buffers of each of the last seconds.
#[derive(Debug, Default)]
struct Recent {
    /// The second of the newest.
    now: u64,
    largest: [Buffers; RECENT],
}

impl Recent {
    /// Forgets what is no longer recent.
    fn advance(&mut self, now: u64) {
        let passed = now.saturating_sub(self.now).min(RECENT as u64);
        for second in now + 1 - passed..now + 1 {
            self.largest[(second % RECENT as u64) as usize] = Buffers::default();
        }
        self.now = self.now.max(now);
    }

    fn note(&mut self, now: u64, (input, output): Buffers) {
        self.advance(now);
        let largest = &mut self.largest[(self.now % RECENT as u64) as usize];
        *largest = (largest.0.max(input), largest.1.max(output));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::{Kind, Place, Registry};

    fn footprint(total: usize) -> Footprint {
        Footprint {
            evictable: true,
            total,
            ..Footprint::default()
        }
    }

    /// Clients of these sizes, in the order in which they came.
    fn clients(registry: &Registry, sizes: &[usize]) -> Vec<Arc<Handle>> {
        let clients = sizes.iter().map(|&size| {
            let handle = registry.register(Kind::Unix(String::new()), 0, 0, Place::nowhere());
            registry.memory.change(&handle, footprint(size));
            handle
        });
        clients.collect()
    }

    fn ids(handles: &[Arc<Handle>]) -> Vec<u64> {
        handles.iter().map(|handle| handle.id).collect()
    }

    #[test]
    fn the_largest_go_first_and_no_more_than_needed() {
        const K: usize = 1 << 10;
        let registry = Registry::default();
        let memory = &registry.memory;
        let all = clients(&registry, &[K, 200 * K, 900 * K, 210 * K, 500 * K]);
        assert_eq!(memory.sum(), 1811 * K);
        assert!(memory.evict().is_empty(), "there is no limit");
        memory.set_limit(1811 << 10);
        assert_eq!(ids(&memory.evict()), [3], "the limit itself is too much");
        assert_eq!(memory.sum(), 911 * K, "its memory counts as free at once");
        assert!(all[2].killed.load(Relaxed));
        memory.set_limit(300 << 10);
        assert_eq!(
            ids(&memory.evict()),
            [5, 2],
            "of two about the same size the older"
        );
        assert_eq!((memory.sum(), memory.evicted()), (211 * K, 3));
        for handle in &all {
            registry.unregister(handle);
        }
        assert_eq!(memory.sum(), 0, "everyone takes along what they held");
    }

    #[test]
    fn the_spared_count_but_stay() {
        let registry = Registry::default();
        let memory = &registry.memory;
        let all = clients(&registry, &[1 << 20, 1 << 16]);
        let spared = Footprint {
            evictable: false,
            ..footprint(1 << 20)
        };
        memory.change(&all[0], spared);
        memory.set_limit(1 << 20);
        assert_eq!(ids(&memory.evict()), [2]);
        assert!(memory.evict().is_empty(), "nobody is left who may be ended");
        memory.change(&all[0], footprint(1 << 20));
        assert_eq!(ids(&memory.evict()), [1]);
        let replica = Footprint {
            class: Class::Replica,
            ..footprint(1 << 30)
        };
        memory.change(&all[0], replica);
        assert_eq!(memory.sum(), 0, "replicas are not charged");
    }

    #[test]
    fn recent_is_eight_seconds() {
        let mut recent = Recent::default();
        recent.note(1000, (10, 0));
        recent.note(1001, (5, 7));
        recent.note(1001, (3, 9));
        for (now, input, output) in [(1007, 10, 9), (1008, 5, 9), (1009, 0, 0)] {
            recent.advance(now);
            let most = recent.largest.iter().fold((0, 0), |most: Buffers, it| {
                (most.0.max(it.0), most.1.max(it.1))
            });
            assert_eq!(most, (input, output), "at {now}");
        }
    }
}
