//! SCAN's promise: whatever is there from the first call to the last is returned, whatever else comes and goes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::command;
use crate::support::{Client, Server, Setup, wait_for};

/// One whole iteration: all keys returned, and the largest number of keys that one call returned.
fn scan_all(client: &mut Client, options: &[&str]) -> (HashSet<String>, usize) {
    let (mut found, mut most) = (HashSet::new(), 0);
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.call(&[&["SCAN", &cursor][..], options].concat());
        let [next, keys] = reply.elements() else {
            panic!("{reply:?}")
        };
        most = most.max(keys.elements().len());
        found.extend(keys.elements().iter().map(|key| key.text()));
        cursor = next.text();
        if cursor == "0" {
            return (found, most);
        }
    }
}

/// Stays throughout.
fn stable(i: usize) -> String {
    format!("stable:{i}")
}

const STABLE: usize = 2_000;

/// Adds and removes ten times as many other keys until told to stop: the table grows and shrinks all the while.
fn disturb(server: &Server, name: usize, stop: &AtomicBool) {
    const OTHERS: usize = 20_000;
    let mut client = server.connect();
    let key = |i: usize| format!("other:{name}:{i}");
    while !stop.load(Ordering::Relaxed) {
        let numbers: Vec<_> = (0..OTHERS).collect();
        for chunk in numbers.chunks(500) {
            let sets: Vec<_> = chunk
                .iter()
                .map(|&i| command!["SET", key(i), "x"])
                .collect();
            client.try_pipeline(&sets).expect("replies");
        }
        for chunk in numbers.chunks(500) {
            let deletes: Vec<_> = chunk.iter().map(|&i| command!["DEL", key(i)]).collect();
            client.try_pipeline(&deletes).expect("replies");
        }
    }
}

#[test]
fn every_key_that_stays_is_returned_while_others_come_and_go() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let expected: HashSet<_> = (0..STABLE).map(stable).collect();
    for i in 0..STABLE {
        client.call(&["SET", &stable(i), "x"]);
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for name in 0..2 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || disturb(server, name, stop));
        }
        // If a check below fails, the threads must still end, or the panic would never come out of the scope.
        let _stop = StopOnDrop(&stop);
        let mut iterate = |options: &[&str]| {
            let (found, _) = scan_all(&mut client, options);
            let missed: Vec<_> = expected.difference(&found).collect();
            assert!(
                missed.is_empty(),
                "SCAN {options:?} missed {} keys: {:?}",
                missed.len(),
                &missed[..missed.len().min(5)]
            );
            assert!(
                found
                    .iter()
                    .all(|key| key.starts_with("stable:") || key.starts_with("other:"))
            );
        };
        for _ in 0..4 {
            iterate(&["COUNT", "10"]);
            iterate(&["COUNT", "1000"]);
            iterate(&["MATCH", "stable:*", "COUNT", "97"]);
            iterate(&["TYPE", "string", "COUNT", "1000"]);
        }
    });
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn count_bounds_the_work_of_a_call_and_mass_deletion_leaves_no_long_walk() {
    const KEYS: usize = 50_000;
    let server = Setup::minium().start();
    let mut client = server.connect();
    for chunk in (0..KEYS).collect::<Vec<_>>().chunks(1000) {
        let sets: Vec<_> = chunk
            .iter()
            .map(|i| command!["SET", format!("key:{i}"), "x"])
            .collect();
        client.try_pipeline(&sets).expect("replies");
    }
    let (found, most) = scan_all(&mut client, &["COUNT", "10"]);
    assert_eq!(found.len(), KEYS);
    assert!(most < 100, "COUNT 10 returned {most} keys at once");
    for chunk in (10..KEYS).collect::<Vec<_>>().chunks(1000) {
        let deletes: Vec<_> = chunk
            .iter()
            .map(|i| command!["DEL", format!("key:{i}")])
            .collect();
        client.try_pipeline(&deletes).expect("replies");
    }
    wait_for("few calls suffice for few keys", || {
        let mut calls = 0;
        let mut cursor = "0".to_owned();
        loop {
            let reply = client.call(&["SCAN", &cursor, "COUNT", "100"]);
            calls += 1;
            cursor = reply.elements()[0].text();
            if cursor == "0" {
                break calls < 50;
            }
        }
    });
}
