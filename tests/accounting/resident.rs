//! What the process has in memory, against what it has in use.

use crate::support::{PATIENCE, Setup, holds_within};
use crate::{alone, command};

type Words = Vec<Vec<u8>>;

/// Memory goes back to the system although the thread whose heap it lies in has nothing to do.
#[test]
fn what_others_free_of_a_workers_memory_is_given_back() {
    let _alone = alone();
    const KEYS: usize = 400_000;
    /// Buffers, the program, and pages that are in use in part.
    const REST: u64 = 48 << 20;
    let server = Setup::minium().start();
    // Connections go to the workers in turn.
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let mut all = |client: usize, make: &dyn Fn(usize) -> Words, step: usize| {
        let keys: Vec<Words> = (0..KEYS).step_by(step).map(make).collect();
        for some in keys.chunks(1000) {
            clients[client].try_pipeline(some).expect("replies");
        }
    };
    let key = |i: usize| format!("key:{i:08}");
    all(0, &|i| command!["SET", key(i), "x".repeat(200)].to_vec(), 1);
    let full = server.resident_bytes();
    assert!(full > 2 * REST, "the test needs memory: {full}");
    // Its own worker makes room on every page, and so takes charge of them again; the other frees what is left.
    all(0, &|i| command!["DEL", key(i)].to_vec(), 3);
    all(1, &|i| command!["DEL", key(i)].to_vec(), 1);
    assert!(
        holds_within(PATIENCE, || server.resident_bytes() < REST),
        "{} of {full} bytes are still there",
        server.resident_bytes()
    );
}
