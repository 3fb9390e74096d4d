//! The same random commands for Minium and for a real redis-server: every reply must be the same.
//!
//! A *step* is one command; rules.rs tells how its replies are compared. A *generator* makes steps, a *family* is a file of generators; to put
//! a new family of commands under test, write its file and name it in [`families`]. A *case* is a sequence of steps on an empty
//! server. Cases come in rounds, and each round uses a random half of all generators, so that some rounds do few things often
//! (Groce and others, "Swarm testing", 2012). A failing case is shrunk and printed with the seed of its run:
//!
//! - `DIFFERENTIAL_SEED=n` plays that run again;
//! - `DIFFERENTIAL_COMMANDS=n` plays about that many commands instead of the usual number.

mod arguments;
mod differences;
mod expiry;
mod keys;
mod mangle;
mod pair;
mod rules;
mod server;
mod step;
mod strings;
mod table;

use std::cell::{Cell, RefCell};

use proptest::collection::vec;
use proptest::strategy::{BoxedStrategy, Strategy, Union};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use pair::{Case, Pair};
use step::Step;

/// One source of steps, how often it is used beside the others, and its name in messages.
type Generator = (u32, BoxedStrategy<Step>);

/// Every family under test.
fn families() -> Vec<Generator> {
    [
        strings::generators(),
        keys::generators(),
        expiry::generators(),
        server::generators(),
    ]
    .concat()
}

/// Commands played in one run.
const COMMANDS: u64 = 250_000;
const CASES_PER_ROUND: u32 = 40;

#[test]
fn random_commands_get_the_replies_of_redis() {
    let seed = number_from_environment("DIFFERENTIAL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let wanted = number_from_environment("DIFFERENTIAL_COMMANDS").unwrap_or(COMMANDS);
    eprintln!("DIFFERENTIAL_SEED={seed}");
    let families = families();
    let mut choice = fastrand::Rng::with_seed(seed);
    let pair = RefCell::new(Pair::start());
    let played = Cell::new(0);
    while played.get() < wanted {
        let round: Vec<_> = families.iter().filter(|_| choice.bool()).cloned().collect();
        if round.is_empty() {
            continue;
        }
        let steps = vec(mangle::sometimes(Union::new_weighted(round)), 1..150);
        let cases = (proptest::bool::ANY, proptest::bool::weighted(0.8), steps).prop_map(
            |(resp3, active_expiry, steps)| Case {
                resp3,
                active_expiry,
                steps,
            },
        );
        let config = Config {
            cases: CASES_PER_ROUND,
            rng_seed: RngSeed::Fixed(choice.u64(..)),
            failure_persistence: None,
            max_shrink_iters: 4000,
            max_shrink_time: 60_000,
            ..Config::default()
        };
        let result = TestRunner::new(config).run(&cases, |case| {
            played.set(played.get() + case.steps.len() as u64);
            pair.borrow_mut()
                .play(&case)
                .map_err(|difference| TestCaseError::fail(difference.to_string()))
        });
        match result {
            Ok(()) => {}
            Err(TestError::Fail(reason, case)) => {
                panic!("{reason}\nin the shortest case found:\n{case}\nDIFFERENTIAL_SEED={seed}")
            }
            Err(error) => panic!("{error}\nDIFFERENTIAL_SEED={seed}"),
        }
    }
    eprintln!("{} commands played", played.get());
}

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
    )
}
