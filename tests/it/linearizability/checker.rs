//! Whether a history of concurrent calls could have happened one call at a time.
//!
//! The search is that of Wing and Gong with the memory of Lowe: calls are put into an order one by one, each only if no other call
//! that is not in it yet had ended before this one began; a point that was reached before - the same calls in the order, the same
//! state - is not searched again.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Instant;

/// What one connection did, in its order.
pub type Track<C> = Vec<Done<C>>;

/// A call that was answered.
#[derive(Clone, Debug)]
pub struct Done<C> {
    /// What was asked, and the answer.
    pub call: C,
    /// When it was sent at the earliest.
    pub began: Instant,
    /// When it was answered at the latest.
    pub ended: Instant,
}

/// What calls do when they happen one at a time.
pub trait Model: Clone + Eq + Hash + Default {
    /// A call with its answer.
    type Call;

    /// The state behind the call; `None` if it would have been answered differently.
    fn after(&self, call: &Self::Call) -> Option<Self>;
}

/// Whether there is an order of all calls that explains all answers.
pub fn is_linearizable<M: Model>(tracks: &[Track<M::Call>]) -> bool {
    let mut seen = HashSet::new();
    // How many calls of each track are in the order, and the state behind them.
    let mut open = vec![(vec![0; tracks.len()], M::default())];
    while let Some((done, state)) = open.pop() {
        let next = |track: usize| tracks[track].get(done[track]);
        let Some(first_end) = (0..tracks.len())
            .filter_map(next)
            .map(|call| call.ended)
            .min()
        else {
            return true;
        };
        for track in 0..tracks.len() {
            let Some(call) = next(track).filter(|call| call.began <= first_end) else {
                continue;
            };
            let Some(state) = state.after(&call.call) else {
                continue;
            };
            let mut done = done.clone();
            done[track] += 1;
            if seen.insert((done.clone(), state.clone())) {
                open.push((done, state));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A register: a write of a number, or a read that answered one.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
    struct Register(u8);

    enum Access {
        Write(u8),
        Read(u8),
    }

    impl Model for Register {
        type Call = Access;

        fn after(&self, call: &Access) -> Option<Register> {
            match *call {
                Access::Write(value) => Some(Register(value)),
                Access::Read(value) => (self.0 == value).then_some(Register(value)),
            }
        }
    }

    fn check(tracks: &[&[(u64, u64, Access)]]) -> bool {
        let zero = Instant::now();
        let at = |millis: u64| zero + Duration::from_millis(millis);
        let tracks: Vec<Track<Access>> = tracks
            .iter()
            .map(|calls| {
                let done = |(began, ended, call): &(u64, u64, Access)| Done {
                    call: match call {
                        Access::Write(value) => Access::Write(*value),
                        Access::Read(value) => Access::Read(*value),
                    },
                    began: at(*began),
                    ended: at(*ended),
                };
                calls.iter().map(done).collect()
            })
            .collect();
        is_linearizable::<Register>(&tracks)
    }

    #[test]
    fn what_overlaps_may_be_in_either_order_and_what_does_not_may_not() {
        use Access::{Read, Write};
        assert!(check(&[&[(0, 10, Write(1))], &[(5, 15, Read(0))]]));
        assert!(check(&[&[(0, 10, Write(1))], &[(5, 15, Read(1))]]));
        assert!(!check(&[&[(0, 10, Write(1))], &[(11, 15, Read(0))]]));
        assert!(!check(&[
            &[(0, 10, Write(1))],
            &[(2, 3, Read(1)), (4, 5, Read(0))]
        ]));
        assert!(!check(&[
            &[(0, 10, Write(1))],
            &[(0, 10, Write(2))],
            &[(11, 12, Read(1)), (13, 14, Read(2))],
        ]));
    }
}
