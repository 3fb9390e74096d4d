//! Scans: stateless walks over hash positions.
//!
//! The contract: one step at a position visits every item whose hash lies between it and the position
//! returned, wherever growth, splits and merges have put the item by then. So a walk from 0 to `None` visits
//! each item that is present throughout at least once, whatever happens between its steps.

use super::slot::Stored;
use super::window::Window;
use super::{Place, SWEPT_MARKS, Table};

/// How a [`Table::sweep`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sweep {
    /// A wanted item. Remove or unmark it, then sweep on from `position`, whose home may hold more.
    Found {
        /// Where the item lies.
        place: Place,
        /// A position not beyond the item.
        position: u64,
    },
    /// The budget is used up; the sweep goes on from here.
    Paused(u64),
    /// The table has no more.
    Finished,
}

impl<T: Stored> Table<T> {
    /// Visits the items from a hash position to the end of that home bucket's interval, and returns the
    /// position that follows, or `None` at the end of the table.
    ///
    /// The position is a whole hash, its prefix that of the table. One step visits a few items, or none.
    pub fn scan(&self, position: u64, mut visit: impl FnMut(T::Ref<'_>)) -> Option<u64> {
        self.scan_places(position, |place| visit(self.get(place)))
    }

    /// As [`Table::scan`], but gives places and touches no item.
    pub fn scan_places(&self, position: u64, mut visit: impl FnMut(Place)) -> Option<u64> {
        let prefix_bits = self.directory.prefix_bits();
        let order = position << prefix_bits;
        let index = self.directory.locate(order)?;
        let segment = self.directory.segment(index);
        let home = segment.home(order);
        segment.visit_home(home, Window::of(order), prefix_bits, |bucket, slot| {
            visit(Place::new(index, bucket, slot));
        });
        let next = match segment.end_of_home(home) {
            Some(offset) => self.directory.start(index) + offset,
            None => self.directory.start(self.directory.next(index)?),
        };
        let prefix = position & !(u64::MAX >> prefix_bits);
        Some(prefix | next >> prefix_bits)
    }

    /// Walks from a hash position to the first item that carries one of `marks`, which are among [`SWEPT_MARKS`], and is
    /// `wanted`. Items without such a mark are not touched. Each bucket visited takes one from `budget`.
    pub fn sweep(
        &self,
        marks: u8,
        mut position: u64,
        budget: &mut usize,
        mut wanted: impl FnMut(T::Ref<'_>) -> bool,
    ) -> Sweep {
        let mut swept = SWEPT_MARKS.into_iter().filter(|mark| marks & mark != 0);
        if swept.all(|mark| self.marked_len(mark) == 0) {
            return Sweep::Finished;
        }
        while *budget > 0 {
            *budget -= 1;
            let mut found = None;
            let next = self.scan_places(position, |place| {
                if found.is_none() && self.marks(place) & marks != 0 && wanted(self.get(place)) {
                    found = Some(place);
                }
            });
            if let Some(place) = found {
                return Sweep::Found { place, position };
            }
            match next {
                Some(next) => position = next,
                None => return Sweep::Finished,
            }
        }
        Sweep::Paused(position)
    }
}
