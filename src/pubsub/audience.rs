//! Who listens to one channel or pattern, in the shape in which a message leaves: for each worker, and each version of the
//! protocol, the ids of its connections.
//!
//! A message takes such a list along as it is, whatever its length. Whoever subscribes while the list is under way changes a copy.

use std::sync::Arc;

use smallvec::SmallVec;

use super::message::Message;
use crate::clients::{Courier, Recipients};
use crate::protocol::Version;

/// Who listens to one channel or pattern.
#[derive(Debug, Default)]
pub struct Audience {
    /// None is empty.
    groups: SmallVec<[Group; 1]>,
}

#[derive(Debug)]
struct Group {
    courier: Courier,
    version: Version,
    /// In ascending order.
    ids: Arc<Vec<u64>>,
}

/// One who listens.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    /// The client.
    pub id: u64,
    /// The version of the protocol that it speaks.
    pub version: Version,
    /// The way to it.
    pub courier: &'a Courier,
}

impl Group {
    fn is_of(&self, listener: Listener<'_>) -> bool {
        self.version == listener.version && self.courier.worker() == listener.courier.worker()
    }
}

impl Audience {
    /// How many listen.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.ids.len()).sum()
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds one who does not listen yet. O(log n), and a move of what is behind it.
    pub fn add(&mut self, listener: Listener<'_>) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.is_of(listener)) {
            let ids = Arc::make_mut(&mut group.ids);
            if let Err(place) = ids.binary_search(&listener.id) {
                ids.insert(place, listener.id);
            }
        } else {
            self.groups.push(Group {
                courier: listener.courier.clone(),
                version: listener.version,
                ids: Arc::new(vec![listener.id]),
            });
        }
    }

    /// Takes one away, by whom it was added. Costs what [`Audience::add`] does.
    pub fn remove(&mut self, listener: Listener<'_>) {
        let Some(at) = self.groups.iter().position(|group| group.is_of(listener)) else {
            return;
        };
        let ids = Arc::make_mut(&mut self.groups[at].ids);
        if let Ok(place) = ids.binary_search(&listener.id) {
            ids.remove(place);
        }
        if ids.is_empty() {
            self.groups.swap_remove(at);
        } else if ids.capacity() > 4 * ids.len() {
            ids.shrink_to(2 * ids.len());
        }
    }

    /// Sends all of them a message; answers how many they are.
    pub fn tell<const N: usize>(&self, mut message: Message<'_, N>) -> usize {
        for group in &self.groups {
            let to = match group.ids[..] {
                [id] => Recipients::One(id),
                _ => Recipients::Many(Arc::clone(&group.ids)),
            };
            group.courier.deliver(to, message.bytes(group.version));
        }
        self.len()
    }
}
