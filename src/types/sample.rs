//! Random elements of a collection: each is as likely as any other, and so is each choice of so many of them.

use fastrand::Rng;

/// Which random elements are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// So many different ones, or all if there are fewer.
    Distinct(usize),
    /// So many, each drawn from all, so that one may come several times.
    Repeated(usize),
}

/// Visits random ones of `len` elements, of which there is at least one. Linear in `len`: for packed collections, and for
/// larger ones when a good part of them is wanted.
pub fn visit<T: Copy>(
    mut elements: impl Iterator<Item = T>,
    len: usize,
    sampling: Sampling,
    rng: &mut Rng,
    mut visit: impl FnMut(T),
) {
    match sampling {
        Sampling::Distinct(count) if count >= len => elements.for_each(visit),
        Sampling::Distinct(1) | Sampling::Repeated(1) => {
            elements.nth(rng.usize(..len)).into_iter().for_each(visit);
        }
        Sampling::Distinct(mut wanted) => {
            // Each element is taken with the share of what is still wanted in what is still to come.
            let mut left = len;
            while wanted > 0
                && let Some(element) = elements.next()
            {
                if rng.usize(..left) < wanted {
                    visit(element);
                    wanted -= 1;
                }
                left -= 1;
            }
        }
        Sampling::Repeated(count) => {
            let all: Vec<T> = elements.collect();
            for _ in 0..count {
                visit(all[rng.usize(..all.len())]);
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::HashMap;
    use std::hash::Hash;

    use super::*;

    /// Panics if outcomes that ought to be equally likely are not, on the evidence of so many draws. A fair draw fails
    /// once in some millions of runs.
    pub fn assert_uniform<T: Eq + Hash>(outcomes: usize, draws: impl Iterator<Item = T>) {
        let mut counts: HashMap<T, f64> = HashMap::new();
        let mut total = 0.0;
        for outcome in draws {
            *counts.entry(outcome).or_default() += 1.0;
            total += 1.0;
        }
        assert!(counts.len() <= outcomes, "more outcomes than there can be");
        let expected = total / outcomes as f64;
        let missing = (outcomes - counts.len()) as f64 * expected;
        let distance: f64 = counts
            .values()
            .map(|count| (count - expected).powi(2) / expected)
            .sum();
        // Near a normal distribution with mean `freedom` and variance twice that.
        let freedom = outcomes as f64 - 1.0;
        let limit = freedom + 5.5 * (2.0 * freedom).sqrt() + 10.0;
        assert!(
            distance + missing < limit,
            "chi-square {} of at most {limit}",
            distance + missing
        );
    }

    fn sample(len: usize, sampling: Sampling, rng: &mut Rng) -> Vec<usize> {
        let mut found = Vec::new();
        visit(0..len, len, sampling, rng, |element| found.push(element));
        found
    }

    #[test]
    fn every_choice_of_distinct_elements_is_as_likely() {
        let mut rng = Rng::new();
        for (len, wanted, choices) in [(6, 3, 20), (7, 1, 7), (5, 4, 5), (4, 4, 1)] {
            let draws = (0..choices * 1000).map(|_| {
                let choice = sample(len, Sampling::Distinct(wanted), &mut rng);
                assert_eq!(choice.len(), wanted);
                choice
            });
            assert_uniform(choices, draws);
        }
    }

    #[test]
    fn every_sequence_of_repeated_draws_is_as_likely() {
        let mut rng = Rng::new();
        let draws = (0..64_000).map(|_| sample(4, Sampling::Repeated(3), &mut rng));
        assert_uniform(64, draws);
    }

    #[test]
    fn asking_for_more_than_there_are_gives_all() {
        let mut rng = Rng::new();
        assert_eq!(
            sample(3, Sampling::Distinct(usize::MAX), &mut rng),
            [0, 1, 2]
        );
        assert!(sample(3, Sampling::Distinct(0), &mut rng).is_empty());
        assert_eq!(sample(1, Sampling::Repeated(4), &mut rng), [0; 4]);
    }
}
