//! The pool: the best candidates that were seen so far and have not gone yet.
//!
//! A handful of keys drawn at random is a poor picture of all; what was drawn before makes it a good one. A candidate is
//! remembered by hash and stamp alone, so the pool owns nothing and needs no key.

use smallvec::SmallVec;

/// Candidates that are remembered.
const ROOM: usize = 16;

/// A key that may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The greater, the sooner it goes.
    pub rank: u64,
    /// The key's database.
    pub database: usize,
    /// The key's hash.
    pub hash: u64,
    /// What its rank was made of. It is no candidate any more if that has changed.
    pub stamp: u64,
}

/// The best candidates seen so far.
#[derive(Debug, Default)]
pub struct Pool(SmallVec<[Candidate; ROOM]>);

impl Pool {
    /// Whether a candidate of this rank would be remembered.
    #[inline]
    pub fn wants(&self, rank: u64) -> bool {
        self.0.len() < ROOM || self.0.iter().any(|known| known.rank < rank)
    }

    /// Remembers a candidate, in the place of what was known of the same key, or else of the worst if there is no room.
    pub fn offer(&mut self, candidate: Candidate) {
        let same = |known: &Candidate| {
            known.hash == candidate.hash && known.database == candidate.database
        };
        if let Some(known) = self.0.iter_mut().find(|known| same(known)) {
            *known = candidate;
        } else if self.0.len() < ROOM {
            self.0.push(candidate);
        } else if let Some(worst) = self.0.iter_mut().min_by_key(|known| known.rank)
            && worst.rank < candidate.rank
        {
            *worst = candidate;
        }
    }

    /// Takes the best candidate out.
    pub fn take_best(&mut self) -> Option<Candidate> {
        let candidates = self.0.iter().enumerate();
        let (best, _) = candidates.max_by_key(|(_, known)| known.rank)?;
        Some(self.0.swap_remove(best))
    }

    /// Ranks all candidates anew.
    pub fn rank_by(&mut self, rank: impl Fn(u64) -> u64) {
        for known in &mut self.0 {
            known.rank = rank(known.stamp);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(rank: u64, hash: u64) -> Candidate {
        Candidate {
            rank,
            database: 0,
            hash,
            stamp: rank,
        }
    }

    proptest! {
        #[test]
        fn keeps_the_best_and_gives_them_best_first(
            ranks in proptest::collection::vec(0u64..1000, 0..100),
        ) {
            let mut pool = Pool::default();
            for (hash, &rank) in ranks.iter().enumerate() {
                let wanted = pool.wants(rank);
                let before = pool.0.clone();
                pool.offer(candidate(rank, hash as u64));
                prop_assert_eq!(wanted, pool.0 != before);
            }
            let mut best = ranks;
            best.sort_unstable_by(|a, b| b.cmp(a));
            best.truncate(ROOM);
            let taken: Vec<u64> =
                std::iter::from_fn(|| pool.take_best()).map(|it| it.rank).collect();
            prop_assert_eq!(taken, best);
        }
    }

    #[test]
    fn knows_a_key_once_and_by_its_latest_rank() {
        let mut pool = Pool::default();
        pool.offer(candidate(5, 1));
        pool.offer(candidate(3, 1));
        pool.offer(Candidate {
            database: 1,
            ..candidate(4, 1)
        });
        let taken: Vec<u64> = std::iter::from_fn(|| pool.take_best())
            .map(|it| it.rank)
            .collect();
        assert_eq!(taken, [4, 3]);
    }
}
