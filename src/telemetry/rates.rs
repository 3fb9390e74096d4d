//! Rates: how fast counters grew of late, averaged over sixteen samples.

use std::time::Instant;

use parking_lot::Mutex;

/// With ten samples a second a rate looks back 1.6 seconds.
const SAMPLES: usize = 16;

/// Growth per second of `N` counters. Sampled by the background, read by INFO.
#[derive(Debug)]
pub struct Rates<const N: usize>(Mutex<State<N>>);

#[derive(Debug)]
struct State<const N: usize> {
    sampled: Instant,
    totals: [u64; N],
    samples: [[u64; N]; SAMPLES],
    next: usize,
}

impl<const N: usize> Rates<N> {
    /// All rates at zero, of counters at zero.
    pub fn new(now: Instant) -> Rates<N> {
        Rates(Mutex::new(State {
            sampled: now,
            totals: [0; N],
            samples: [[0; N]; SAMPLES],
            next: 0,
        }))
    }

    /// Takes the counters' values at `now`. A counter that was set back counts from zero.
    pub fn sample(&self, now: Instant, totals: [u64; N]) {
        let mut state = self.0.lock();
        let micros = now.saturating_duration_since(state.sampled).as_micros() as u64;
        if micros == 0 {
            return;
        }
        let next = state.next;
        for (counter, &total) in totals.iter().enumerate() {
            let grown = total.checked_sub(state.totals[counter]).unwrap_or(total);
            state.samples[next][counter] =
                (u128::from(grown) * 1_000_000 / u128::from(micros)) as u64;
        }
        state.totals = totals;
        state.sampled = now;
        state.next = (next + 1) % SAMPLES;
    }

    /// The rates, per second.
    pub fn per_second(&self) -> [u64; N] {
        let state = self.0.lock();
        std::array::from_fn(|counter| {
            state
                .samples
                .iter()
                .map(|sample| sample[counter])
                .sum::<u64>()
                / SAMPLES as u64
        })
    }

    /// Forgets the samples.
    pub fn reset(&self) {
        self.0.lock().samples = [[0; N]; SAMPLES];
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_steady_growth_is_its_own_rate() {
        let mut now = Instant::now();
        let rates = Rates::new(now);
        for tick in 1..=SAMPLES as u64 {
            now += Duration::from_millis(100);
            rates.sample(now, [tick * 50, tick]);
        }
        assert_eq!(rates.per_second(), [500, 10]);
        // After RESETSTAT the counters begin at zero again, which is no giant leap.
        rates.reset();
        rates.sample(now + Duration::from_millis(100), [16, 0]);
        assert_eq!(rates.per_second(), [10, 0]);
    }

    #[test]
    fn a_sample_without_time_between_changes_nothing() {
        let now = Instant::now();
        let rates = Rates::new(now);
        rates.sample(now, [1000]);
        assert_eq!(rates.per_second(), [0]);
    }
}
