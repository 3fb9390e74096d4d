//! Monitors: the connections that are shown every command that runs (MONITOR).
//!
//! While there are none, a command costs one relaxed load. They are kept by worker, so that a line is made once and told once to
//! each worker; and the lock is held meanwhile, so that all of them see one order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use parking_lot::Mutex;

use super::delivery::{Courier, Recipients};
use super::registry::Handle;

/// Who is shown what runs.
#[derive(Debug, Default)]
pub struct Monitors {
    is_watched: AtomicBool,
    groups: Mutex<Vec<Group>>,
}

/// The monitors of one worker; never empty.
#[derive(Debug)]
struct Group {
    courier: Courier,
    ids: Arc<Vec<u64>>,
}

impl Monitors {
    /// Whether anybody watches.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.is_watched.load(Relaxed)
    }

    /// Adds a connection, which is not among them.
    pub fn add(&self, handle: &Handle) {
        let mut groups = self.groups.lock();
        let courier = handle.place.pin();
        match groups
            .iter_mut()
            .find(|group| group.courier.worker() == courier.worker())
        {
            Some(group) => Arc::make_mut(&mut group.ids).push(handle.id),
            None => groups.push(Group {
                courier: courier.clone(),
                ids: Arc::new(vec![handle.id]),
            }),
        }
        self.is_watched.store(true, Relaxed);
    }

    /// Takes a connection away.
    pub fn remove(&self, handle: &Handle) {
        let mut groups = self.groups.lock();
        for group in groups.iter_mut() {
            if group.ids.contains(&handle.id) {
                Arc::make_mut(&mut group.ids).retain(|&id| id != handle.id);
            }
        }
        groups.retain(|group| !group.ids.is_empty());
        self.is_watched.store(!groups.is_empty(), Relaxed);
    }

    /// Sends a line to all of them but one.
    pub fn show(&self, line: &Bytes, but: Option<u64>) {
        for group in self.groups.lock().iter() {
            let to = match but {
                Some(but) if group.ids.contains(&but) => {
                    let others = group.ids.iter().copied().filter(|&id| id != but);
                    Recipients::Many(Arc::new(others.collect()))
                }
                _ => Recipients::Many(Arc::clone(&group.ids)),
            };
            if !to.ids().is_empty() {
                group.courier.deliver(to, line.clone());
            }
        }
    }
}
