//! Moving what a value consists of from sparse pages to fuller ones.
//!
//! A small collection is copied as a whole if any part of it lies on such a page. Of a large one the elements move, some at a
//! time; its tables and trees are of a few sizes that all large collections share, and stay.

use super::Object;
use super::list::List;
use super::member::MemberRef;
use super::members::Members;
use super::zset::Zset;
use crate::allocator::pages::SparsePages;

/// Members of a collection that is copied as a whole, at most.
const SMALL: usize = 64;
/// And their bytes.
const SMALL_BYTES: usize = 64 << 10;

/// What came of a visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relocated {
    /// Blocks that were moved.
    pub moved: u64,
    /// Where the next visit is to go on, if there is more to look at.
    pub next: Option<u64>,
}

impl Relocated {
    /// A visit that needs no other.
    fn all(moved: bool) -> Relocated {
        Relocated {
            moved: u64::from(moved),
            next: None,
        }
    }
}

impl Object {
    /// Moves what lies on sparse pages, from a position on, which is 0 at first. Takes some ten microseconds at most, however
    /// large the value is, but for one of a single buffer.
    pub fn relocate(&mut self, position: u64, pages: &mut SparsePages) -> Relocated {
        if let Some(members) = self.members() {
            // The copies that a snapshot has asked for stay with the table that they are of.
            if members.preserved_as().is_some() {
                return Relocated::default();
            }
            if members.len() > SMALL {
                return self.relocate_members(position, pages);
            }
        }
        match self {
            Object::String(bytes) => Relocated::all(relocate_buffer(bytes, pages)),
            Object::List(List::Chunked(list)) => list.relocate(position, pages),
            small => {
                let is_sparse = match (small.members(), small.packed()) {
                    (Some(members), _) => members.touch(pages),
                    (None, Some((_, bytes))) => bytes.first().is_some_and(|it| pages.hold(it)),
                    (None, None) => false,
                };
                let is_heavy = |members: &Members| {
                    members.iter().map(MemberRef::size).sum::<usize>() > SMALL_BYTES
                };
                if is_sparse && small.members().is_some_and(is_heavy) {
                    return small.relocate_members(position, pages);
                }
                if is_sparse {
                    *small = small.clone();
                }
                Relocated::all(is_sparse)
            }
        }
    }

    fn relocate_members(&mut self, position: u64, pages: &mut SparsePages) -> Relocated {
        if let Object::Zset(Zset::Ordered(ordered)) = self {
            return ordered.relocate(position, pages);
        }
        self.walk().map_or(Relocated::default(), |walk| {
            walk.0.relocate(position, pages, |_| {})
        })
    }
}

impl Members {
    /// Whether any part lies on a sparse page.
    fn touch(&self, pages: &SparsePages) -> bool {
        self.lie_on(pages) || self.iter().any(|member| pages.hold(member.block()))
    }
}

/// Moves a buffer, with the room that it has: it may be growing. Answers whether it did.
pub(super) fn relocate_buffer(bytes: &mut Vec<u8>, pages: &mut SparsePages) -> bool {
    let is_sparse = bytes.first().is_some_and(|first| pages.hold(first));
    if is_sparse {
        let mut moved = Vec::with_capacity(bytes.capacity());
        moved.extend_from_slice(bytes);
        *bytes = moved;
        if let Some(first) = bytes.first() {
            pages.has_come(first);
        }
    }
    is_sparse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::hash::Hash;
    use crate::types::list::{End, Layout};
    use crate::types::set::{self, Set};
    use crate::types::string::StringRef;
    use crate::types::{Collection, Limits};

    const UNPACKED: Limits = Limits {
        entries: 0,
        value: 0,
    };

    /// Moves all of a value, slice by slice; answers how many blocks moved.
    fn move_all(object: &mut Object) -> u64 {
        let mut pages = SparsePages::all();
        let (mut moved, mut next) = (0, Some(0));
        while let Some(position) = next {
            let visit = object.relocate(position, &mut pages);
            moved += visit.moved;
            next = visit.next;
        }
        moved
    }

    fn name(n: usize) -> Vec<u8> {
        format!("element:{n}").into_bytes()
    }

    #[test]
    fn a_set_moves() {
        let limits = set::Limits {
            integers: 0,
            packed: UNPACKED,
        };
        for (len, blocks) in [(20, 1), (5000, 5000)] {
            let mut set = Set::default();
            for n in 0..len {
                set.add(StringRef::Bytes(&name(n)), &limits);
            }
            let mut object = set.into_object();
            assert_eq!(move_all(&mut object), blocks);
            let set = Set::of(&object).expect("a set").view();
            assert_eq!(set.len(), len);
            assert!((0..len).all(|n| set.contains(StringRef::Bytes(&name(n)))));
        }
    }

    #[test]
    fn few_members_with_much_in_them_move_one_by_one() {
        let mut hash = Hash::default();
        for n in 0..20 {
            hash.set(&name(n), StringRef::Bytes(&[b'v'; 10_000]), UNPACKED);
        }
        let mut object = hash.into_object();
        assert_eq!(move_all(&mut object), 20);
        let hash = Hash::of(&object).expect("a hash").view();
        assert!((0..20).all(|n| hash.get(&name(n), 0).is_some_and(|it| it.len() == 10_000)));
    }

    #[test]
    fn a_hash_moves_with_its_deadlines() {
        for (len, blocks) in [(20, 1), (5000, 5000)] {
            let mut hash = Hash::default();
            for n in 0..len {
                hash.set(&name(n), StringRef::Bytes(&vec![b'v'; n % 600]), UNPACKED);
                let slot = hash.slot(&name(n));
                hash.set_deadline(slot, (n % 3 == 0).then_some(1000 + n as u64));
            }
            let mut object = hash.into_object();
            assert_eq!(move_all(&mut object), blocks);
            let hash = Hash::of(&object).expect("a hash").view();
            assert_eq!((hash.len(), hash.soonest()), (len, Some(1000)));
            for n in 0..len {
                let is_dead = n % 3 == 0;
                let value = hash.get(&name(n), 1_000_000);
                assert_eq!(value.is_none(), is_dead);
                let value = hash.get(&name(n), 0).expect("it lives");
                assert_eq!(value.to_vec(), vec![b'v'; n % 600]);
            }
        }
    }

    #[test]
    fn a_sorted_set_moves_and_its_order_follows() {
        for (len, blocks) in [(20, 1), (5000, 5000)] {
            let mut zset = Zset::default();
            for n in 0..len {
                // Of one score there are many, so that the order is by name, too.
                let score = (n * 7919 % len / 10) as f64;
                zset.set(&name(n), UNPACKED, |_| Some(score));
            }
            let before: Vec<_> = zset.view().iter().map(|(it, _)| it.to_vec()).collect();
            let mut object = zset.into_object();
            assert_eq!(move_all(&mut object), blocks);
            let zset = Zset::of_mut(&mut object).expect("a sorted set");
            let after: Vec<_> = zset.view().iter().map(|(it, _)| it.to_vec()).collect();
            assert_eq!(before, after);
            for (rank, member) in after.iter().enumerate() {
                assert_eq!(zset.view().rank(member).map(|it| it.0), Some(rank));
            }
            for (n, member) in after.iter().enumerate() {
                assert!(zset.remove(member));
                assert_eq!(zset.view().len(), len - n - 1);
            }
        }
    }

    #[test]
    fn a_list_moves() {
        let layout = Layout::new(-2, 1, Layout::PLAIN);
        for len in [2000usize, 100_000] {
            let elements: Vec<_> = (0..len).map(name).collect();
            let mut list = List::default();
            list.push(End::Back, elements.iter().map(Vec::as_slice), &layout);
            let mut object = list.into_object();
            assert!(move_all(&mut object) > 1);
            let list = List::of(&object).expect("a list").view();
            assert!(list.iter().map(|it| it.as_ref().to_vec()).eq(elements));
        }
    }

    #[test]
    fn what_a_snapshot_shares_stays() {
        let layout = Layout::new(-2, 0, Layout::PLAIN);
        let elements: Vec<_> = (0..2000).map(name).collect();
        let mut list = List::default();
        list.push(End::Back, elements.iter().map(Vec::as_slice), &layout);
        let shared = list.share();
        let mut object = list.into_object();
        // The array of chunks alone.
        assert_eq!(move_all(&mut object), 1);
        drop(object);
        assert!(
            shared
                .view()
                .iter()
                .map(|it| it.as_ref().to_vec())
                .eq(elements)
        );
    }
}
