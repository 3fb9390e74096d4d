//! The latency monitor: moments at which clients had to wait for longer than `latency-monitor-threshold`, as LATENCY shows them.
//!
//! For each kind of event it keeps the worst of every second in which there was one, the latest 160 of them. Only commands are
//! kinds of events here: what the server does beside them is done on threads that no client waits for.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use parking_lot::Mutex;

/// Seconds that are kept of each kind.
const SAMPLES: usize = 160;

/// The width of a graph's ruler, and the most columns of a graph.
const COLUMNS: usize = 80;

/// The height of a graph.
const ROWS: u64 = 4;

/// The worst that happened within one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Seconds since the epoch.
    pub time: u64,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// What happened of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Oldest first, never empty.
    pub samples: VecDeque<Sample>,
    /// The longest since the series began, in milliseconds.
    pub worst: u64,
}

/// What happened, by the kind of the event.
#[derive(Debug, Default)]
pub struct Spikes(Mutex<BTreeMap<&'static str, Series>>);

impl Spikes {
    /// Takes note of an event.
    pub fn note(&self, event: &'static str, sample: Sample) {
        let mut all = self.0.lock();
        let Series { samples, worst } = all.entry(event).or_default();
        *worst = sample.millis.max(*worst);
        match samples.back_mut() {
            Some(last) if last.time == sample.time => last.millis = sample.millis.max(last.millis),
            _ => {
                if samples.len() == SAMPLES {
                    samples.pop_front();
                }
                samples.push_back(sample);
            }
        }
    }

    /// Every kind of which something happened, by name.
    pub fn all(&self) -> Vec<(&'static str, Series)> {
        let all = self.0.lock();
        all.iter()
            .map(|(event, series)| (*event, series.clone()))
            .collect()
    }

    /// The kind of this name in any case, and what happened of it.
    pub fn series(&self, event: &[u8]) -> Option<(&'static str, Series)> {
        let all = self.0.lock();
        let found = all.iter().find(|(name, _)| is_called(name, event))?;
        Some((found.0, found.1.clone()))
    }

    /// Forgets the kinds of these names, or all if there are none; answers how many.
    pub fn reset(&self, events: &[&[u8]]) -> usize {
        let mut all = self.0.lock();
        let before = all.len();
        all.retain(|name, _| {
            !(events.is_empty() || events.iter().any(|event| is_called(name, event)))
        });
        before - all.len()
    }
}

fn is_called(name: &str, event: &[u8]) -> bool {
    name.as_bytes().eq_ignore_ascii_case(event)
}

impl Series {
    /// How bad it was on the whole, in one sentence for each figure; `now` is in seconds since the epoch.
    pub fn summary(&self, now: u64) -> String {
        let count = self.samples.len().max(1) as u64;
        let average = self.samples.iter().map(|it| it.millis).sum::<u64>() / count;
        let deviation = self
            .samples
            .iter()
            .map(|it| it.millis.abs_diff(average))
            .sum::<u64>()
            / count;
        let oldest = self.samples.front().map_or(now, |it| it.time);
        let period = now.saturating_sub(oldest).max(1) as f64 / count as f64;
        format!(
            "{count} latency spikes (average {average}ms, mean deviation {deviation}ms, period {period:.2} sec). Worst all time \
             event {}ms.",
            self.worst
        )
    }

    /// The samples as columns of characters, the latest to the right, over how long ago each was; `now` is in seconds since the
    /// epoch.
    pub fn graph(&self, event: &str, now: u64) -> String {
        let samples = || {
            self.samples
                .iter()
                .skip(self.samples.len().saturating_sub(COLUMNS))
        };
        let low = samples().map(|it| it.millis).min().unwrap_or_default();
        let high = samples().map(|it| it.millis).max().unwrap_or_default();
        let mut graph = String::new();
        let worst = self.worst;
        write!(
            graph,
            "{event} - high {high} ms, low {low} ms (all time high {worst} ms)\n{}\n",
            "-".repeat(COLUMNS)
        )
        .expect("a string takes all");
        for row in (0..ROWS).rev() {
            for sample in samples() {
                // In steps of a third of a row.
                let height = (sample.millis - low) * (3 * ROWS - 1) / (high - low).max(1);
                graph.push(match height.checked_sub(3 * row) {
                    None => ' ',
                    Some(0) => '_',
                    Some(1) => 'o',
                    Some(_) => '#',
                });
            }
            graph.push('\n');
        }
        let ages: Vec<String> = samples()
            .map(|it| age(now.saturating_sub(it.time)))
            .collect();
        let height = ages.iter().map(String::len).max().unwrap_or_default();
        for row in 0..height {
            graph.push('\n');
            graph.extend(ages.iter().map(|age| age.chars().nth(row).unwrap_or(' ')));
        }
        graph.push('\n');
        graph
    }
}

/// Seconds in the largest unit that they fill.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spikes(samples: &[(u64, u64)]) -> Spikes {
        let spikes = Spikes::default();
        for &(time, millis) in samples {
            spikes.note("command", Sample { time, millis });
        }
        spikes
    }

    fn series(samples: &[(u64, u64)]) -> Series {
        spikes(samples)
            .series(b"Command")
            .expect("something happened")
            .1
    }

    #[test]
    fn of_each_second_the_worst_is_kept_and_of_seconds_the_latest() {
        let two = series(&[(7, 300), (7, 200), (8, 100), (8, 150)]);
        let samples: Vec<_> = two.samples.iter().map(|it| (it.time, it.millis)).collect();
        assert_eq!((samples, two.worst), (vec![(7, 300), (8, 150)], 300));
        let many: Vec<_> = (1000..1161).map(|time| (time, 2160 - time)).collect();
        let many = series(&many);
        assert_eq!(
            (many.samples.len(), many.samples[0].time, many.worst),
            (160, 1001, 1160)
        );
    }

    #[test]
    fn a_reset_forgets_what_is_named_or_all() {
        let spikes = spikes(&[(1, 1)]);
        spikes.note("fast-command", Sample { time: 1, millis: 1 });
        assert_eq!(spikes.reset(&[b"nonesuch", b"COMMAND"]), 1);
        assert_eq!(spikes.all().len(), 1);
        assert_eq!((spikes.reset(&[]), spikes.reset(&[])), (1, 0));
    }

    #[test]
    fn a_graph_grows_with_its_samples() {
        let graph = series(&[(0, 100), (3590, 200), (3600, 320)]).graph("command", 3605);
        let lines: Vec<_> = graph.lines().collect();
        assert_eq!(
            lines[0],
            "command - high 320 ms, low 100 ms (all time high 320 ms)"
        );
        assert_eq!(lines[2..6], ["  #", "  #", " ##", "_##"]);
        assert_eq!(lines[7..], ["115", "h5s", " s "]);
        let flat = series(&[(1, 5), (2, 5)]).graph("command", 2);
        assert_eq!(flat.lines().nth(5), Some("__"));
    }

    #[test]
    fn a_summary_has_average_deviation_and_period() {
        let text = series(&[(100, 10), (104, 30)]).summary(110);
        let expected = "2 latency spikes (average 20ms, mean deviation 10ms, period 5.00 sec). Worst all time event 30ms.";
        assert_eq!(text, expected);
    }
}
