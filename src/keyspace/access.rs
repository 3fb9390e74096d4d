//! The access clock: 24 bits in every entry that say how recently or how often it was used.
//!
//! Under an LRU-like policy they are the last access in seconds; under an LFU policy, a logarithmic counter (8 bits)
//! and the minute of its last decay (16 bits). The layout and the arithmetic are those that Redis documents for
//! `maxmemory-policy`, so OBJECT IDLETIME, OBJECT FREQ and RDB files mean the same here.

/// The counter that a new entry starts with under LFU, so that it is not evicted at once.
pub const LFU_INITIAL: u8 = 5;

/// How accesses are recorded, and the current time in the clock's units.
#[derive(Clone, Copy, Debug)]
pub struct AccessClock {
    lfu: bool,
    now: u32,
    log_factor: u32,
    decay_minutes: u32,
}

impl AccessClock {
    /// A clock showing `now_ms`, in milliseconds since the epoch.
    pub fn new(now_ms: u64, lfu: bool, log_factor: u32, decay_minutes: u32) -> AccessClock {
        let seconds = now_ms / 1000;
        let now = if lfu {
            (seconds / 60) & 0xFFFF
        } else {
            seconds & 0xFF_FFFF
        };
        AccessClock {
            lfu,
            now: now as u32,
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
            self.now << 8 | u32::from(LFU_INITIAL)
        } else {
            self.now
        }
    }

    /// The bits after one more access.
    #[inline]
    pub fn touched(&self, bits: u32) -> u32 {
        if self.lfu {
            self.counted(bits)
        } else {
            self.now
        }
    }

    /// Seconds since the last access, under an LRU-like policy.
    pub fn idle_seconds(&self, bits: u32) -> u64 {
        u64::from(self.now.wrapping_sub(bits) & 0xFF_FFFF)
    }

    /// Bits that say the entry was last used `idle` seconds ago.
    pub fn idle_for(&self, idle: u64) -> u32 {
        (u64::from(self.now).wrapping_sub(idle) & 0xFF_FFFF) as u32
    }

    /// Bits that say the entry's access counter is `frequency`.
    pub fn used_often(&self, frequency: u8) -> u32 {
        self.now << 8 | u32::from(frequency)
    }

    /// The access counter now, after the decay that time has brought.
    pub fn frequency(&self, bits: u32) -> u8 {
        let minutes = self.now.wrapping_sub(bits >> 8) & 0xFFFF;
        let periods = minutes.checked_div(self.decay_minutes).unwrap_or(0);
        (bits & 0xFF).saturating_sub(periods) as u8
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
        self.now << 8 | u32::from(grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lru_counts_idle_seconds_across_the_wrap() {
        let before = AccessClock::new(0xFF_FFFF * 1000, false, 10, 1);
        let after = AccessClock::new(0x100_0004 * 1000, false, 10, 1);
        assert_eq!(after.idle_seconds(before.fresh()), 5);
        assert_eq!(after.idle_seconds(after.idle_for(77)), 77);
    }

    #[test]
    fn lfu_grows_with_use_and_decays_with_time() {
        let clock = AccessClock::new(60_000, true, 10, 1);
        let mut bits = clock.fresh();
        for _ in 0..1000 {
            bits = clock.touched(bits);
        }
        let frequency = clock.frequency(bits);
        assert!(
            (6..60).contains(&frequency),
            "1000 uses at factor 10 should count about 18, got {frequency}"
        );
        let later = AccessClock::new(180_000, true, 10, 1);
        assert_eq!(later.frequency(bits), frequency - 2);
        let never = AccessClock::new(180_000, true, 10, 0);
        assert_eq!(never.frequency(bits), frequency);
    }
}
