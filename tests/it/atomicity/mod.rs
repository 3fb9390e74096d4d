//! Commands on several keys are one step to everybody else, and never wait for each other in a circle.
//!
//! All scenarios run at once on one server, their commands in pipelines so that workers overlap, and each checks its invariant
//! all the while. A deadlock shows as a reply that does not come within the client's limit.

mod collections;
mod keys;
mod transactions;

use crate::support::{Client, Server, Setup, Value};

/// Batches that each connection sends.
const ROUNDS: usize = 400;
/// Commands in a batch.
const DEPTH: usize = 16;

/// What one connection does; it is told its number among those of the scenario.
type Scenario = fn(&Server, usize);

#[test]
fn commands_on_several_keys_are_atomic_and_do_not_deadlock() {
    run(keys::prepare, keys::SCENARIOS, keys::check_the_end);
}

#[test]
fn commands_on_several_collections_are_atomic_and_do_not_deadlock() {
    run(
        collections::prepare,
        collections::SCENARIOS,
        collections::check_the_end,
    );
}

#[test]
fn transactions_are_atomic_and_do_not_deadlock() {
    run(
        transactions::prepare,
        transactions::SCENARIOS,
        transactions::check_the_end,
    );
}

fn run(prepare: fn(&mut Client), scenarios: &[Scenario], check_the_end: fn(&mut Client)) {
    let server = Setup::minium().with("io-threads", "4").start();
    prepare(&mut server.connect());
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..3)
            .flat_map(|worker| scenarios.iter().map(move |scenario| (worker, scenario)))
            .map(|(worker, scenario)| {
                let server = &server;
                scope.spawn(move || scenario(server, worker))
            })
            .collect();
        for scenario in running {
            if let Err(panic) = scenario.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    check_the_end(&mut server.connect());
}

/// Sends batches of what `command` makes and hands each reply to `check`.
fn play(
    server: &Server,
    database: &str,
    mut command: impl FnMut(usize) -> Vec<Vec<u8>>,
    mut check: impl FnMut(&[Vec<u8>], Value),
) {
    let mut client = server.connect();
    assert!(client.call(&["SELECT", database]).is_ok());
    for round in 0..ROUNDS {
        let batch: Vec<_> = (0..DEPTH).map(|i| command(round * DEPTH + i)).collect();
        let replies = client
            .try_pipeline(&batch)
            .expect("an answer: without one, commands wait for each other for ever");
        for (command, reply) in batch.iter().zip(replies) {
            check(command, reply);
        }
    }
}

#[track_caller]
fn all_equal(reply: &Value) {
    let elements = reply.elements();
    assert!(
        elements.iter().all(|element| *element == elements[0]),
        "torn: {reply:?}"
    );
}

/// A command written as one line of words.
fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.into()).collect()
}
