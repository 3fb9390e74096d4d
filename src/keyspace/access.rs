//! The access clock: 32 bits in every entry that say how recently or how often it was used.
//!
//! ```text
//!           31  30                            8 7        0
//! dated    | 0 | 0 | ticks of 16 ms, 30 bits              |
//! classed  | 0 | 1 | class, 3  | ticks of 16 ms, 27 bits  |
//! counted  | 1 | minutes, 16 bits | 1/128, 7  | counter   |
//! ```
//!
//! Under an LRU-like policy an entry is dated. Under an LFU policy its accesses are counted: a counter that grows with
//! their logarithm and sinks with time, and the last access. The arithmetic of the counter is the one that Redis documents, so
//! OBJECT FREQ and the bars of `lfu-log-factor` mean the same here; the dates are finer, so that keys used within the same
//! second are still told apart. Under `allkeys-lhd` an entry is dated as well, and classed by how
//! often it was used since it came.
//!
//! The top bits tell which of these an entry has, so that a policy chosen at run time misreads none: an entry that was
//! dated only counts as new, with the age of its date. Dates come round after 198 days (Redis: 194), those of classed
//! entries after 24, and those of counted ones after 45.

/// The counter that a new entry starts with under LFU, so that it is not evicted at once.
pub const LFU_INITIAL: u8 = 5;

const COUNTED: u32 = 1 << 31;

const CLASSED: u32 = 1 << 30;
const CLASS_SHIFT: u32 = 27;
/// The classes of [`AccessClock::class`].
pub const CLASSES: u32 = 8;

const TICK_MS: u64 = 16;
const TICKS: u64 = (1 << 30) - 1;
const CLASSED_TICKS: u64 = (1 << CLASS_SHIFT) - 1;
/// All of a classed entry but its class.
const STAMP: u32 = !((CLASSES - 1) << CLASS_SHIFT);

const MINUTE_MS: u64 = 60_000;
const PARTS_OF_MINUTE: u64 = 128;
const PARTS: u64 = (1 << 23) - 1;

/// Another thread's clock may be ahead of this one by so much; what it dated is not taken for ancient.
const SKEW_MS: u64 = 60 * MINUTE_MS;

/// What is recorded of accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// When the last one was.
    Date,
    /// How many there were, by the counter of the LFU policies.
    Count,
    /// When the last one was, and how many there were up to [`AccessClock::class`]'s largest.
    Class,
}

/// How accesses are recorded, and the current time in the clock's units.
#[derive(Clone, Copy, Debug)]
pub struct AccessClock {
    record: Record,
    now: u64,
    log_factor: u32,
    decay_minutes: u32,
}

impl AccessClock {
    /// A clock showing `now_ms`, in milliseconds since the epoch.
    pub fn new(now_ms: u64, record: Record, log_factor: u32, decay_minutes: u32) -> AccessClock {
        AccessClock {
            record,
            now: now_ms,
            log_factor,
            decay_minutes,
        }
    }

    /// What is recorded.
    #[inline]
    pub fn record(&self) -> Record {
        self.record
    }

    /// Whether the entries count accesses (LFU) and do not date them.
    pub fn is_lfu(&self) -> bool {
        self.record == Record::Count
    }

    /// The bits of an entry that was just created.
    #[inline]
    pub fn fresh(&self) -> u32 {
        match self.record {
            Record::Date | Record::Class => self.idle_for(0),
            Record::Count => self.used_often(LFU_INITIAL),
        }
    }

    /// The bits after one more access.
    #[inline]
    pub fn touched(&self, bits: u32) -> u32 {
        match self.record {
            Record::Date => self.idle_for(0),
            Record::Count => self.counted(bits),
            // What comes within a tick is one access.
            Record::Class if self.idle_for(0) & STAMP == bits & STAMP => bits,
            Record::Class => classed((class(bits) + 1).min(CLASSES - 1), ticks_of(self.now)),
        }
    }

    /// Milliseconds since the last access.
    #[inline]
    pub fn idle(&self, bits: u32) -> u64 {
        self.now.saturating_sub(self.last_access(bits))
    }

    /// Bits that say the entry was last used `seconds` ago.
    #[inline]
    pub fn idle_for(&self, seconds: u64) -> u32 {
        let ticks = seconds.saturating_mul(1000).div_ceil(TICK_MS);
        let then = ticks_of(self.now).wrapping_sub(ticks);
        match self.record {
            Record::Date | Record::Count => (then & TICKS) as u32,
            Record::Class => classed(0, then),
        }
    }

    /// Accesses since the entry came, 7 standing for more: its class, if accesses are classed.
    #[inline]
    pub fn class(&self, bits: u32) -> usize {
        class(bits) as usize
    }

    /// Ticks since the last access.
    #[inline]
    pub fn age(&self, bits: u32) -> u64 {
        self.idle(bits) / TICK_MS
    }

    /// Bits that say the entry's access counter is `frequency`.
    #[inline]
    pub fn used_often(&self, frequency: u8) -> u32 {
        COUNTED | ((parts_of(self.now) & PARTS) << 8) as u32 | u32::from(frequency)
    }

    /// The access counter now, after the decay that time has brought.
    #[inline]
    pub fn frequency(&self, bits: u32) -> u8 {
        let minutes = self.minutes_since(self.last_access(bits));
        let periods = minutes.checked_div(self.decay_minutes.into()).unwrap_or(0);
        u64::from(counter(bits)).saturating_sub(periods) as u8
    }

    /// The 24 bits that Redis would keep of the same accesses: a date in seconds, or a minute and a counter.
    pub fn in_redis(&self, bits: u32) -> u32 {
        let last = self.last_access(bits);
        if self.is_lfu() {
            ((last / MINUTE_MS) & 0xFFFF) as u32 * 256 + u32::from(counter(bits))
        } else {
            ((last / 1000) & 0xFF_FFFF) as u32
        }
    }

    /// When the last access was, in milliseconds since the epoch.
    #[inline]
    fn last_access(&self, bits: u32) -> u64 {
        let ahead = self.now.saturating_add(SKEW_MS);
        if bits & COUNTED != 0 {
            let now = parts_of(ahead);
            let since = now.wrapping_sub(u64::from(bits >> 8)) & PARTS;
            return now.saturating_sub(since) * MINUTE_MS / PARTS_OF_MINUTE;
        }
        let mask = if bits & CLASSED == 0 {
            TICKS
        } else {
            CLASSED_TICKS
        };
        let now = ticks_of(ahead);
        let since = now.wrapping_sub(u64::from(bits)) & mask;
        now.saturating_sub(since) * TICK_MS
    }

    /// How often the minute has changed since then.
    fn minutes_since(&self, then: u64) -> u64 {
        (self.now / MINUTE_MS).saturating_sub(then / MINUTE_MS)
    }

    fn counted(&self, bits: u32) -> u32 {
        let counter = self.frequency(bits);
        let above = f64::from(counter.saturating_sub(LFU_INITIAL));
        let chance = 1.0 / (above * f64::from(self.log_factor) + 1.0);
        let grown = if counter < u8::MAX && fastrand::f64() < chance {
            counter + 1
        } else {
            counter
        };
        self.used_often(grown)
    }
}

fn ticks_of(ms: u64) -> u64 {
    ms / TICK_MS
}

fn parts_of(ms: u64) -> u64 {
    ms.saturating_mul(PARTS_OF_MINUTE) / MINUTE_MS
}

/// The counter as it was after the last access.
fn counter(bits: u32) -> u8 {
    if bits & COUNTED == 0 {
        LFU_INITIAL
    } else {
        bits as u8
    }
}

fn classed(class: u32, ticks: u64) -> u32 {
    CLASSED | class << CLASS_SHIFT | (ticks & CLASSED_TICKS) as u32
}

/// The class of an entry; one that has none is new.
#[inline]
fn class(bits: u32) -> u32 {
    if bits & (COUNTED | CLASSED) == CLASSED {
        bits >> CLASS_SHIFT & (CLASSES - 1)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a multiple of anything, some time in this century.
    const NOW: u64 = 1_790_000_123_457;
    const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

    fn lru(now: u64) -> AccessClock {
        AccessClock::new(now, Record::Date, 10, 1)
    }

    fn lfu(now: u64) -> AccessClock {
        AccessClock::new(now, Record::Count, 10, 1)
    }

    fn lhd(now: u64) -> AccessClock {
        AccessClock::new(now, Record::Class, 10, 1)
    }

    #[test]
    fn a_date_is_good_for_half_a_year_or_twenty_days_and_to_a_tick() {
        for now in (NOW..).step_by(7_777_777).take(1000) {
            for idle in [
                0,
                1,
                15,
                16,
                17,
                999,
                1000,
                123_456,
                20 * DAY_MS,
                183 * DAY_MS,
            ] {
                let told = lru(now + idle).idle(lru(now).fresh());
                assert!((idle..idle + TICK_MS).contains(&told), "{idle}: {told}");
                if idle <= 20 * DAY_MS {
                    let told = lhd(now + idle).idle(lhd(now).fresh());
                    assert!((idle..idle + TICK_MS).contains(&told), "{idle}: {told}");
                }
            }
        }
        assert_eq!(lhd(NOW).idle(lhd(NOW).idle_for(77)) / 1000, 77);
        assert_eq!(lru(NOW).idle(lru(NOW).idle_for(77)) / 1000, 77);
    }

    #[test]
    fn what_a_faster_clock_dated_is_new() {
        for ahead in [1, 16, 1000, SKEW_MS - TICK_MS] {
            assert!(lru(NOW).idle(lru(NOW + ahead).fresh()) < TICK_MS);
            assert_eq!(lfu(NOW).frequency(lfu(NOW + ahead).used_often(99)), 99);
        }
    }

    #[test]
    fn lfu_grows_with_use_and_sinks_with_every_minute() {
        let clock = lfu(60_000);
        let mut bits = clock.fresh();
        for _ in 0..1000 {
            bits = clock.touched(bits);
        }
        let frequency = clock.frequency(bits);
        assert!(
            (6..60).contains(&frequency),
            "1000 uses at factor 10 should count about 18, got {frequency}"
        );
        assert_eq!(lfu(119_999).frequency(bits), frequency);
        assert_eq!(lfu(180_000).frequency(bits), frequency - 2);
        assert_eq!(
            AccessClock::new(180_000, Record::Count, 10, 0).frequency(bits),
            frequency
        );
        assert_eq!(
            AccessClock::new(240_000, Record::Count, 10, 2).frequency(bits),
            frequency - 1
        );
    }

    #[test]
    fn a_counter_that_is_used_all_the_time_sinks_as_well() {
        let mut bits = lfu(0).used_often(200);
        let never_grows = |now| AccessClock::new(now, Record::Count, u32::MAX, 1);
        for second in (0..600).step_by(20) {
            bits = never_grows(second * 1000).touched(bits);
        }
        assert_eq!(never_grows(600_000).frequency(bits), 190);
    }

    #[test]
    fn a_class_grows_with_every_use_up_to_the_last() {
        let mut bits = lhd(NOW).fresh();
        for used in 0..20 {
            assert_eq!(lhd(NOW).class(bits), used.min(CLASSES as usize - 1));
            let now = NOW + (used as u64 + 1) * 100;
            bits = lhd(now).touched(bits);
            assert_eq!(lhd(now).touched(bits), bits, "that is the same access");
            assert_eq!(lhd(now).age(bits), 0);
        }
    }

    #[test]
    fn a_policy_chosen_later_reads_what_the_former_left() {
        let dated = lru(NOW).fresh();
        let later = NOW + 2 * MINUTE_MS;
        assert_eq!(lfu(NOW).frequency(dated), LFU_INITIAL);
        assert_eq!(lfu(later).frequency(dated), LFU_INITIAL - 2);
        let counted = lfu(NOW).used_often(255);
        assert!(lru(later).idle(counted).abs_diff(2 * MINUTE_MS) < 1000);
        let classed = lhd(NOW + 100).touched(lhd(NOW + 50).touched(dated));
        assert_eq!(lfu(later).frequency(classed), LFU_INITIAL - 2);
        for bits in [dated, counted, classed] {
            assert!(lru(later).idle(bits).abs_diff(2 * MINUTE_MS) < 1000);
            assert!(lhd(later).idle(bits).abs_diff(2 * MINUTE_MS) < 1000);
        }
        assert_eq!(
            [dated, counted, classed].map(|bits| lhd(later).class(bits)),
            [0, 0, 2]
        );
    }

    #[test]
    fn shows_what_redis_would_keep() {
        assert_eq!(
            u64::from(lru(NOW).in_redis(lru(NOW).fresh())),
            (NOW / 1000) & 0xFF_FFFF
        );
        let counted = lfu(NOW).used_often(77);
        assert_eq!(
            u64::from(lfu(NOW).in_redis(counted)),
            ((NOW / MINUTE_MS) & 0xFFFF) << 8 | 77
        );
    }
}
