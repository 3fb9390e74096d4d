//! The same random commands for Minium and for a real redis-server: every reply must be the same.
//!
//! A *step* is one command; rules.rs tells how its replies are compared. A *generator* makes steps, a *family* is a file of
//! generators; to put a new family of commands under test, write its file, make a [`Family`] of it, and play it. A *case* is a
//! sequence of steps on an empty server. Cases come in rounds, and each round uses a random part of all generators, so that some
//! rounds do few things often (Groce and others, "Swarm testing", 2012). A failing case is shrunk and printed with the seed of its run:
//!
//! - `DIFFERENTIAL_SEED=n` plays that run again;
//! - `DIFFERENTIAL_COMMANDS=n` plays about that many commands in each test instead of the usual number;
//!   tests/differential-long plays ten million in all;
//! - `MINIUM_TEST_SERVER=redis-server` lets Redis play against itself, to find out whether the generators are at fault.

mod arguments;
mod bits;
mod conversation;
mod differences;
mod elements;
mod encodings;
mod events;
mod expiry;
mod hashes;
mod keys;
mod lists;
mod log;
mod mangle;
mod pair;
mod rules;
mod scripts;
mod server;
mod sets;
mod sorted_sets;
mod sorting;
mod step;
mod strings;
mod table;
mod transactions;

use std::cell::{Cell, RefCell};

use proptest::collection::vec;
use proptest::strategy::{BoxedStrategy, Strategy, Union};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use pair::{Case, Pair};
use step::Step;

/// One source of steps, and how often it is used beside the others.
type Generator = (u32, BoxedStrategy<Step>);

/// Commands that belong together.
struct Family {
    commands: &'static [&'static str],
    generators: fn() -> Vec<Generator>,
}

impl Family {
    const fn new(commands: &'static [&'static str], generators: fn() -> Vec<Generator>) -> Self {
        Self {
            commands,
            generators,
        }
    }
}

const STRINGS: Family = Family::new(strings::COMMANDS, strings::generators);
const KEYS: Family = Family::new(keys::COMMANDS, keys::generators);
const EXPIRY: Family = Family::new(expiry::COMMANDS, expiry::generators);
const SERVER: Family = Family::new(server::COMMANDS, server::generators);
const HASHES: Family = Family::new(hashes::COMMANDS, hashes::generators);
const LISTS: Family = Family::new(lists::COMMANDS, lists::generators);
const SETS: Family = Family::new(sets::COMMANDS, sets::generators);
const SORTED_SETS: Family = Family::new(sorted_sets::COMMANDS, sorted_sets::generators);
const BITS: Family = Family::new(bits::COMMANDS, bits::generators);
const SORTING: Family = Family::new(sorting::COMMANDS, sorting::generators);
const SCRIPTS: Family = Family::new(scripts::COMMANDS, scripts::generators);
const TRANSACTIONS: Family = Family::new(transactions::COMMANDS, Vec::new);

/// Every family under test.
const FAMILIES: &[Family] = &[
    STRINGS,
    KEYS,
    EXPIRY,
    SERVER,
    HASHES,
    LISTS,
    SETS,
    SORTED_SETS,
    BITS,
    SORTING,
    SCRIPTS,
    TRANSACTIONS,
];

/// Commands played in one test.
const COMMANDS: u64 = 40_000;
const CASES_PER_ROUND: u32 = 20;

#[test]
fn strings() {
    play(&[STRINGS]);
}

#[test]
fn keys() {
    play(&[KEYS, EXPIRY, SERVER]);
}

#[test]
fn hashes() {
    play(&[HASHES]);
}

#[test]
fn lists() {
    play(&[LISTS]);
}

#[test]
fn sets() {
    play(&[SETS]);
}

#[test]
fn sorted_sets() {
    play(&[SORTED_SETS]);
}

#[test]
fn bits() {
    play(&[BITS]);
}

#[test]
fn sorting() {
    play(&[SORTING]);
}

#[test]
fn scripts() {
    play(&[SCRIPTS]);
}

#[test]
fn transactions() {
    play(&[TRANSACTIONS, STRINGS]);
}

#[test]
fn everything() {
    play(FAMILIES);
}

/// Plays commands of these families, and now and then one about keys of any type.
fn play(families: &[Family]) {
    let seed = number_from_environment("DIFFERENTIAL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let wanted = number_from_environment("DIFFERENTIAL_COMMANDS").unwrap_or(COMMANDS);
    eprintln!("DIFFERENTIAL_SEED={seed}");
    let commands: Vec<_> = families.iter().flat_map(|family| family.commands).collect();
    let own: Vec<_> = families
        .iter()
        .flat_map(|family| (family.generators)())
        .chain(server::about(
            &commands.into_iter().copied().collect::<Vec<_>>(),
        ))
        .collect();
    let usual: Vec<_> = [keys::generators(), expiry::generators()].concat();
    let transactions = families
        .iter()
        .any(|family| family.commands == transactions::COMMANDS);
    let mut choice = fastrand::Rng::with_seed(seed);
    let pair = RefCell::new(Pair::start());
    let played = Cell::new(0);
    while played.get() < wanted {
        let some = own.iter().filter(|_| choice.bool()).cloned();
        let mut round: Vec<_> = some.collect();
        round.extend(usual.iter().filter(|_| choice.u8(..8) == 0).cloned());
        if round.is_empty() {
            continue;
        }
        let steps = mangle::sometimes(Union::new_weighted(round)).boxed();
        let steps = if transactions && choice.bool() {
            transactions::around(steps)
        } else {
            steps.prop_map(|step| vec![step]).boxed()
        };
        let cases = (
            proptest::bool::ANY,
            proptest::bool::weighted(0.8),
            vec(steps, 1..150),
        )
            .prop_map(|(resp3, active_expiry, steps)| Case {
                resp3,
                active_expiry,
                steps: steps.concat(),
            });
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
