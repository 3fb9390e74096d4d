//! The same events for the same commands: what Redis tells those who listen to `__key*__:*`, in its order.

use std::cell::{Cell, RefCell};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use super::step::Step;
use super::{
    BITS, EXPIRY, HASHES, KEYS, LISTS, SETS, SORTED_SETS, SORTING, STRINGS, mangle,
    number_from_environment, rules,
};
use crate::support::{Client, Server, Setup};

/// Commands played.
const COMMANDS: u64 = 30_000;

/// A server, one who calls commands, and one who listens.
struct Ear {
    _server: Server,
    speaker: Client,
    listener: Client,
}

impl Ear {
    fn start(setup: &Setup) -> Ear {
        let server = setup
            .clone()
            .with("enable-debug-command", "yes")
            .env("LC_ALL", "C")
            .start();
        let (speaker, mut listener) = (server.connect(), server.connect());
        assert!(!listener.line("PSUBSCRIBE __key*__:*").is_error());
        assert!(!listener.line("SUBSCRIBE end").is_error());
        Ear {
            _server: server,
            speaker,
            listener,
        }
    }

    fn begin(&mut self, classes: &str) {
        for line in ["FLUSHALL", "SELECT 0", "DEBUG SET-ACTIVE-EXPIRE 0"] {
            self.speaker.line(line);
        }
        let set = ["CONFIG", "SET", "notify-keyspace-events", classes];
        assert!(self.speaker.call(&set).is_ok(), "{classes}");
    }

    /// Whether a command is refused, and what is heard of it: channel and payload of each event.
    fn hear(&mut self, step: &Step) -> (bool, Vec<String>) {
        let is_refused = self.speaker.call(&step.command).is_error();
        self.speaker.line("PUBLISH end of");
        let mut heard = Vec::new();
        loop {
            let message = self.listener.read();
            match message.elements() {
                [_, channel, payload] if channel.bytes() == b"end" => {
                    assert_eq!(payload.bytes(), b"of");
                    return (is_refused, heard);
                }
                [_, _, channel, payload] => {
                    let [channel, payload] =
                        [channel, payload].map(|part| part.bytes().escape_ascii().to_string());
                    heard.push(format!("{channel} {payload}"));
                }
                _ => panic!("{message:?}"),
            }
        }
    }
}

/// Whether a command leaves the same on both servers, at any time, and tells it in the same order.
fn is_determined(step: &Step) -> bool {
    let has = |words: &[&str]| {
        let is_one = |word: &Vec<u8>| {
            words
                .iter()
                .any(|it| word.eq_ignore_ascii_case(it.as_bytes()))
        };
        step.command.iter().any(is_one)
    };
    // They may set a key that is dead already, and not every command looks at all the keys that it could find dead.
    let deadlines = has(&["EXAT", "PXAT"]) || rules::short_lifetime(&step.command).is_some();
    // A BITFIELD that changes nothing is announced all the same.
    let may_fail = has(&["FAIL"]);
    // The members of a set come in an order of their own, and so do the keys that are looked for in vain.
    let orders = has(&["SORT", "SORT_RO"]) && has(&["BY", "GET"]);
    // Nor are members of different scores in an order by name.
    let lexical = rules::lexical_key(&step.command).is_some();
    let others = has(&["SPOP", "FLUSHALL", "DEBUG", "CONFIG", "RESET"]);
    !(deadlines || may_fail || orders || lexical || others)
}

#[test]
fn events() {
    let seed = number_from_environment("DIFFERENTIAL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let wanted = number_from_environment("DIFFERENTIAL_COMMANDS").unwrap_or(COMMANDS);
    eprintln!("DIFFERENTIAL_SEED={seed}");
    let families = [
        STRINGS,
        KEYS,
        EXPIRY,
        HASHES,
        LISTS,
        SETS,
        SORTED_SETS,
        BITS,
        SORTING,
    ];
    let all: Vec<_> = (families.iter())
        .flat_map(|family| (family.generators)())
        .collect();
    let ears = RefCell::new([Setup::minium(), Setup::redis()].map(|setup| Ear::start(&setup)));
    let mut choice = fastrand::Rng::with_seed(seed);
    let played = Cell::new(0);
    while played.get() < wanted {
        let mut round: Vec<_> = all
            .iter()
            .filter(|_| choice.u8(..4) == 0)
            .cloned()
            .collect();
        if round.is_empty() {
            round.push(all[0].clone());
        }
        let steps = mangle::sometimes(Union::new_weighted(round))
            .boxed()
            .prop_filter("it leaves the same on both", is_determined);
        // All letters half of the time, for an event in the wrong class shows only where it is missing.
        let classes = prop_oneof![Just("KEAmn".to_owned()), "[KE][KEg$lshzxetdmn]{1,6}"];
        let cases = (classes, vec(steps, 1..60));
        let config = Config {
            cases: 20,
            rng_seed: RngSeed::Fixed(choice.u64(..)),
            failure_persistence: None,
            max_shrink_iters: 4000,
            max_shrink_time: 60_000,
            ..Config::default()
        };
        let result = TestRunner::new(config).run(&cases, |(classes, steps)| {
            played.set(played.get() + steps.len() as u64);
            let [minium, redis] = &mut *ears.borrow_mut();
            minium.begin(&classes);
            redis.begin(&classes);
            for step in &steps {
                let [mut ours, mut theirs] = [minium.hear(step), redis.hear(step)];
                if ours.0 != theirs.0 {
                    // By their versions; from here on the data may differ, too.
                    return Ok(());
                }
                if ours.0 {
                    // Whether a key is looked for before the fault is found is nobody's business.
                    ours.1.retain(|event| !event.contains("keymiss"));
                    theirs.1.retain(|event| !event.contains("keymiss"));
                }
                if ours != theirs {
                    return Err(TestCaseError::fail(format!(
                        "{step}\n  minium: {ours:#?}\n  redis:  {theirs:#?}"
                    )));
                }
            }
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(TestError::Fail(reason, case)) => {
                panic!("{reason}\nin the shortest case found:\n{case:#?}\nDIFFERENTIAL_SEED={seed}")
            }
            Err(error) => panic!("{error}\nDIFFERENTIAL_SEED={seed}"),
        }
    }
    eprintln!("{} commands played", played.get());
}
