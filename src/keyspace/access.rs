//! The access clock: 32 bits in every entry that say how recently or how often it was used.
//!
//! ```text
//!           31  30                            8 7        0
//! dated    | 0 | ticks of 16 ms                           |
//! counted  | 1 | minutes, 16 bits | 1/128, 7  | counter   |
//! ```
//!
//! Under an LRU-like policy an entry is dated. Under an LFU policy its accesses are counted: a counter that grows with
//! their logarithm and sinks with time, and the last access. The arithmetic of the counter is the one that Redis documents, so
//! OBJECT FREQ and the bars of `lfu-log-factor` mean the same here; the dates are finer, so that keys used within the same
//! second, or equally often, are still told apart. The top bit tells which of the two an entry has, so that a policy
//! chosen at run time misreads none: an entry that was only dated counts as new, with the age of its date.

/// The counter that a new entry starts with under LFU, so that it is not evicted at once.
pub const LFU_INITIAL: u8 = 5;

const COUNTED: u32 = 1 << 31;

const TICK_MS: u64 = 16;
const TICKS: u64 = (1 << 31) - 1;

const MINUTE_MS: u64 = 60_000;
const PARTS_OF_MINUTE: u64 = 128;
const PARTS: u64 = (1 << 23) - 1;

/// Another thread's clock may be ahead of this one by so much; what it dated is not taken for ancient.
const SKEW_MS: u64 = 60 * MINUTE_MS;

/// How accesses are recorded, and the current time in the clock's units.
#[derive(Clone, Copy, Debug)]
pub struct AccessClock {
    lfu: bool,
    now: u64,
    log_factor: u32,
    decay_minutes: u32,
}

impl AccessClock {
    /// A clock showing `now_ms`, in milliseconds since the epoch.
    pub fn new(now_ms: u64, lfu: bool, log_factor: u32, decay_minutes: u32) -> AccessClock {
        AccessClock {
            lfu,
            now: now_ms,
            log_factor,
            decay_minutes,
        }
    }

    /// Whether the entries count accesses (LFU) and do not date them.
    pub fn is_lfu(&self) -> bool {
        self.lfu
    }

    /// The bits of an entry that was just created.
    #[inline]
    pub fn fresh(&self) -> u32 {
        if self.lfu {
            self.used_often(LFU_INITIAL)
        } else {
            self.idle_for(0)
        }
    }

    /// The bits after one more access.
    #[inline]
    pub fn touched(&self, bits: u32) -> u32 {
        if self.lfu {
            self.counted(bits)
        } else {
            self.idle_for(0)
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
        (ticks_of(self.now).wrapping_sub(ticks) & TICKS) as u32
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
        if self.lfu {
            ((last / MINUTE_MS) & 0xFFFF) as u32 * 256 + u32::from(counter(bits))
        } else {
            ((last / 1000) & 0xFF_FFFF) as u32
        }
    }

    /// When the last access was, in milliseconds since the epoch.
    #[inline]
    fn last_access(&self, bits: u32) -> u64 {
        let ahead = self.now.saturating_add(SKEW_MS);
        if bits & COUNTED == 0 {
            let now = ticks_of(ahead);
            let since = now.wrapping_sub(u64::from(bits)) & TICKS;
            now.saturating_sub(since) * TICK_MS
        } else {
            let now = parts_of(ahead);
            let since = now.wrapping_sub(u64::from(bits >> 8)) & PARTS;
            now.saturating_sub(since) * MINUTE_MS / PARTS_OF_MINUTE
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a multiple of anything, some time in this century.
    const NOW: u64 = 1_790_000_123_457;
    const YEAR_MS: u64 = 366 * 24 * 60 * MINUTE_MS;

    fn lru(now: u64) -> AccessClock {
        AccessClock::new(now, false, 10, 1)
    }

    fn lfu(now: u64) -> AccessClock {
        AccessClock::new(now, true, 10, 1)
    }

    #[test]
    fn a_date_is_good_for_a_year_and_to_a_tick() {
        for now in (NOW..).step_by(7_777_777).take(1000) {
            for idle in [0, 1, 15, 16, 17, 999, 1000, 123_456, YEAR_MS] {
                let told = lru(now + idle).idle(lru(now).fresh());
                assert!((idle..idle + TICK_MS).contains(&told), "{idle}: {told}");
            }
        }
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
            AccessClock::new(180_000, true, 10, 0).frequency(bits),
            frequency
        );
        assert_eq!(
            AccessClock::new(240_000, true, 10, 2).frequency(bits),
            frequency - 1
        );
    }

    #[test]
    fn a_counter_that_is_used_all_the_time_sinks_as_well() {
        let mut bits = lfu(0).used_often(200);
        let never_grows = |now| AccessClock::new(now, true, u32::MAX, 1);
        for second in (0..600).step_by(20) {
            bits = never_grows(second * 1000).touched(bits);
        }
        assert_eq!(never_grows(600_000).frequency(bits), 190);
    }

    #[test]
    fn a_policy_chosen_later_reads_what_the_former_left() {
        let dated = lru(NOW).fresh();
        let later = NOW + 2 * MINUTE_MS;
        assert_eq!(lfu(NOW).frequency(dated), LFU_INITIAL);
        assert_eq!(lfu(later).frequency(dated), LFU_INITIAL - 2);
        let counted = lfu(NOW).used_often(255);
        assert!(lru(later).idle(counted).abs_diff(2 * MINUTE_MS) < 1000);
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
