//! Rankings: what a policy looks at to say which keys are missed least.

use super::density::Densities;
use crate::config::EvictionPolicy;
use crate::keyspace::access::AccessClock;
use crate::keyspace::entry::{EntryRef, ValueRef};

/// Which keys may go, and in what order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Only keys with a deadline may go.
    pub only_volatile: bool,
    /// Who goes first.
    pub ranking: Ranking,
}

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    /// Who was used longest ago.
    Recency,
    /// Who is used least often. Of two alike either: to prefer the one used longer ago would hit less where keys come round in a
    /// loop, and no more elsewhere.
    Frequency,
    /// Who is likely to be used least, for the memory that it takes.
    Density,
    /// Whose time is over soonest.
    Deadline,
    /// Anybody.
    Random,
}

impl Choice {
    /// What a policy asks for; `None` if nobody may go.
    pub fn of(policy: EvictionPolicy) -> Option<Choice> {
        let (only_volatile, ranking) = match policy {
            EvictionPolicy::NoEviction => return None,
            EvictionPolicy::AllkeysLru => (false, Ranking::Recency),
            EvictionPolicy::AllkeysLfu => (false, Ranking::Frequency),
            EvictionPolicy::AllkeysRandom => (false, Ranking::Random),
            EvictionPolicy::AllkeysLhd => (false, Ranking::Density),
            EvictionPolicy::VolatileLru => (true, Ranking::Recency),
            EvictionPolicy::VolatileLfu => (true, Ranking::Frequency),
            EvictionPolicy::VolatileRandom => (true, Ranking::Random),
            EvictionPolicy::VolatileTtl => (true, Ranking::Deadline),
        };
        Some(Choice {
            only_volatile,
            ranking,
        })
    }
}

impl Ranking {
    /// Whether ranks come of the access clock.
    pub fn looks_at_access(self) -> bool {
        matches!(
            self,
            Ranking::Recency | Ranking::Frequency | Ranking::Density
        )
    }

    /// What a rank is made of: it changes when the entry is used, or when its size or deadline
    /// does and matters.
    #[inline]
    pub fn stamp(self, entry: EntryRef<'_>) -> u64 {
        match self {
            Ranking::Recency | Ranking::Frequency => entry.access().into(),
            Ranking::Density => {
                let size = u32::try_from(size(entry)).unwrap_or(u32::MAX);
                u64::from(size) << 32 | u64::from(entry.access())
            }
            Ranking::Deadline => entry.deadline().unwrap_or(u64::MAX),
            Ranking::Random => 0,
        }
    }

    /// The greater the rank, the sooner an entry of this stamp goes.
    #[inline]
    pub fn rank(self, clock: &AccessClock, densities: &Densities, stamp: u64) -> u64 {
        let access = stamp as u32;
        match self {
            Ranking::Recency => clock.idle(access),
            Ranking::Frequency => u64::from(u8::MAX - clock.frequency(access)),
            Ranking::Density => {
                let size = (stamp >> 32) as f32;
                let density = densities.of(clock.class(access), clock.age(access));
                // Positive floating-point numbers are in the order of their bits.
                (size / density).to_bits().into()
            }
            Ranking::Deadline => u64::MAX - stamp,
            Ranking::Random => 0,
        }
    }
}

/// Bytes of an entry and its value; of a large collection, by its first element.
fn size(entry: EntryRef<'_>) -> usize {
    let value = match entry.value() {
        ValueRef::Object(object) => object.memory(1),
        _ => 0,
    };
    entry.size() + value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::access::Record;

    const NOW: u64 = 1_790_000_000_000;

    #[test]
    fn ranks_the_less_missed_higher() {
        let clock = AccessClock::new(NOW, Record::Date, 10, 1);
        let densities = Densities::default();
        let recency = |idle| Ranking::Recency.rank(&clock, &densities, clock.idle_for(idle).into());
        assert!(recency(1) < recency(2) && recency(2) < recency(180 * 24 * 3600));
        let frequency = |frequency, minutes: u64| {
            let then = AccessClock::new(NOW - minutes * 60_000, Record::Count, 10, 1);
            Ranking::Frequency.rank(&clock, &densities, then.used_often(frequency).into())
        };
        assert!(frequency(100, 0) < frequency(99, 0));
        assert_eq!(frequency(100, 0), frequency(101, 1));
        assert!(frequency(100, 0) > frequency(102, 1));
        let deadline = |at| Ranking::Deadline.rank(&clock, &densities, at);
        assert!(deadline(NOW + 1) > deadline(NOW + 2));
    }
}
