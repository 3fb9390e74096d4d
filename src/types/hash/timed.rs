//! Large hashes some of whose fields have deadlines.
//!
//! The deadlines are in the members themselves, and the table marks who has one: there is no second index to find the
//! dead by. A sweep does it, in as many steps as the caller likes, and a bound on the next death tells when there is no
//! need for one.

use crate::table::{Place, Sweep};
use crate::types::members::{Members, Slot, Walk};
use crate::types::string::StringRef;

/// No field dies before this.
const NEVER: u64 = u64::MAX;

/// Fields by name, with deadlines.
#[derive(Clone, Debug)]
pub struct Timed {
    members: Members,
    /// No field dies before this.
    soonest: u64,
    /// Where the sweep goes on.
    position: u64,
    /// The next death among the fields that the sweep has passed.
    passed: u64,
}

impl Timed {
    /// Fields that have no deadlines so far.
    pub fn new(members: Members) -> Timed {
        Timed {
            members,
            soonest: NEVER,
            position: 0,
            passed: NEVER,
        }
    }

    /// The fields.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The fields, for a snapshot to walk over.
    pub fn walk(&mut self) -> Walk<'_> {
        Walk(&mut self.members)
    }

    /// The fields, with the deadlines that they have.
    pub fn into_members(self) -> Members {
        self.members
    }

    /// A moment before which no field dies, if any has a deadline.
    #[inline]
    pub fn soonest(&self) -> Option<u64> {
        (self.members.timed_len() > 0).then_some(self.soonest)
    }

    /// Sets value and deadline of a field; answers whether it is new.
    pub fn set_at(&mut self, slot: Slot, name: &[u8], value: &[u8], deadline: Option<u64>) -> bool {
        self.expect(deadline);
        self.members.set_timed_at(slot, name, value, deadline)
    }

    /// Sets or clears the deadline of the field at a place.
    pub fn set_deadline(&mut self, place: Place, deadline: Option<u64>) {
        self.expect(deadline);
        self.members.set_deadline(place, deadline);
    }

    fn expect(&mut self, deadline: Option<u64>) {
        let deadline = deadline.unwrap_or(NEVER);
        self.soonest = self.soonest.min(deadline);
        // Its place may have been passed already.
        self.passed = self.passed.min(deadline);
    }

    /// Takes a field out; answers whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.members.remove(name).is_some()
    }

    /// Takes dead fields out and tells the name of each, as far as the budget goes: a step of the table takes one from it, and so
    /// does a field. Answers how many there were. With budget left there are no more.
    pub fn reap(
        &mut self,
        now: u64,
        budget: &mut usize,
        mut take: impl FnMut(StringRef<'_>),
    ) -> usize {
        let mut removed = 0;
        while self.soonest <= now && *budget > 0 {
            let mut passed = self.passed;
            let step = self.members.sweep(self.position, budget, |member| {
                let deadline = member.deadline().unwrap_or(NEVER);
                if deadline > now {
                    passed = passed.min(deadline);
                }
                deadline <= now
            });
            self.passed = passed;
            match step {
                Sweep::Found { place, position } => {
                    let member = self.members.remove_at(place);
                    take(StringRef::Bytes(member.as_ref().key()));
                    self.position = position;
                    removed += 1;
                }
                Sweep::Paused(position) => self.position = position,
                Sweep::Finished => {
                    self.soonest = self.passed;
                    (self.position, self.passed) = (0, NEVER);
                }
            }
        }
        removed
    }
}
