//! A minute in the life of a cache: sizes drift over the whole range and back, keys expire, change and go, on all workers, and
//! the limit holds all the while. `benches/churn.py` does the same for longer and at full size.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::{MIB, command, info};
use crate::support::{Client, Setup, Value};

const LENGTH: Duration = Duration::from_secs(60);
const LIMIT: u64 = 48 * MIB;
const WRITERS: u64 = 3;
const KEYS: u64 = 300_000;
/// Commands that a writer sends at once.
const BATCH: usize = 10;
/// What all writers together may have on its way, which counts before anything can be evicted for it; and what the two workers may
/// just be writing as replies.
const IN_FLIGHT: u64 = (WRITERS + 2) * BATCH as u64 * (64 << 10) * 9 / 4;

/// A value that tells whose it is.
fn value(key: &str, size: usize) -> String {
    key.bytes()
        .cycle()
        .take(size.max(key.len()))
        .map(char::from)
        .collect()
}

/// The usual size after this share of the time: from 16 bytes to 64 KiB and back, twice, evenly in its logarithm.
fn usual_size(share: f64) -> f64 {
    let up_and_down = 1.0 - ((share * 4.0) % 2.0 - 1.0).abs();
    16.0 * 4096f64.powf(up_and_down)
}

/// One change, or one look.
fn step(dice: &mut fastrand::Rng, usual: f64) -> (String, Vec<Vec<u8>>) {
    // Low numbers come more often.
    let most = dice.u64(1..KEYS);
    let key = format!("key:{}", dice.u64(..most));
    let size = (usual * (0.25 + 2.0 * dice.f64())) as usize;
    let words = match dice.u32(..100) {
        0..40 => command(&["SET", &key, &value(&key, size)]),
        40..65 => {
            let lifetime = dice.u32(100..20_000).to_string();
            command(&["SET", &key, &value(&key, size), "PX", &lifetime])
        }
        65..70 => command(&["DEL", &key]),
        70..75 => {
            let (list, element) = (format!("list:{key}"), value(&key, size.min(500)));
            command(&["RPUSH", &list, &element, &element, &element])
        }
        75..80 => {
            let (hash, element) = (format!("hash:{key}"), value(&key, size.min(500)));
            command(&["HSET", &hash, "a", &element, "b", &element])
        }
        _ => command(&["GET", &key]),
    };
    (key, words)
}

#[test]
fn a_minute_of_churn_keeps_the_limit_and_every_value_right() {
    let server = Setup::minium()
        .with("io-threads", "2")
        .with("maxmemory", &LIMIT.to_string())
        .with("maxmemory-policy", "allkeys-lru")
        .start();
    let begin = Instant::now();
    let share = || begin.elapsed().as_secs_f64() / LENGTH.as_secs_f64();
    let is_over = AtomicBool::new(false);
    let mut highest = 0;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mut client = server.connect();
            let is_over = &is_over;
            scope.spawn(move || {
                let mut dice = fastrand::Rng::with_seed(writer);
                while !is_over.load(Relaxed) {
                    let usual = usual_size(share());
                    let (keys, commands): (Vec<_>, Vec<_>) =
                        (0..BATCH).map(|_| step(&mut dice, usual)).unzip();
                    let replies = client.try_pipeline(&commands).expect("replies");
                    for ((key, command), reply) in keys.iter().zip(&commands).zip(replies) {
                        assert!(!reply.is_error(), "{reply:?}");
                        if let (b"GET", Value::Bulk(bytes)) = (&command[0][..], &reply) {
                            let text = value(key, bytes.len());
                            assert!(text.as_bytes() == bytes, "{key} holds what is not its own");
                        }
                    }
                }
            });
        }
        let mut observer = server.connect();
        // A slow machine takes longer to come to the limit.
        let is_enough = |observer: &mut Client| {
            begin.elapsed() > 12 * LENGTH || info(observer, "evicted_keys") > 10_000
        };
        while begin.elapsed() < LENGTH || !is_enough(&mut observer) {
            highest = highest.max(info(&mut observer, "used_memory"));
        }
        is_over.store(true, Relaxed);
    });
    let mut client = server.connect();
    assert!(highest < LIMIT + IN_FLIGHT + MIB, "{highest}");
    assert!(highest > LIMIT * 9 / 10, "{highest}");
    assert!(info(&mut client, "evicted_keys") > 10_000);
    assert!(info(&mut client, "expired_keys") > 1000);
    assert!(client.line("DBSIZE").int() > 0);
}
