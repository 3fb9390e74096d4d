//! Random interleavings of several connections, the same on the reference: every reply, who it goes to and who waits must be the same.

use fastrand::Rng;

use super::pair;
use super::stage::Stage;

const ACTORS: usize = 5;
const SEEDS: u64 = 10;
const STEPS: usize = 40;

/// A command that may wait, of a random kind.
fn blocking(rng: &mut Rng) -> String {
    let [a, b] = [key(rng), key(rng)];
    let end = if rng.bool() { "LEFT" } else { "RIGHT" };
    let other = if rng.bool() { "LEFT" } else { "RIGHT" };
    match rng.u8(..10) {
        0 => format!("BLPOP {a} 0"),
        1 => format!("BLPOP {a} {b} 0"),
        2 => format!("BRPOP {a} {b} 0"),
        3 | 4 => format!("BLMOVE {a} {b} {end} {other} 0"),
        5 => format!("BRPOPLPUSH {a} {b} 0"),
        6 => format!("BLMPOP 0 2 {a} {b} {end} COUNT {}", rng.u8(1..4)),
        7 => format!("BZPOPMIN {a} {b} 0"),
        8 => format!("BZPOPMAX {a} 0"),
        _ => format!("BZMPOP 0 2 {a} {b} MIN COUNT {}", rng.u8(1..4)),
    }
}

/// A command that does not, and most often adds something.
fn other(rng: &mut Rng) -> String {
    let [a, b] = [key(rng), key(rng)];
    let [x, y] = [rng.u8(..100), rng.u8(..100)];
    match rng.u8(..16) {
        0..5 => format!("RPUSH {a} {x}"),
        5 => format!("LPUSH {a} {x} {y}"),
        6..9 => format!("ZADD {a} {x} m{y}"),
        9 => format!("ZADD {a} {x} m{y} {y} m{x}"),
        10 => format!("LMOVE {a} {b} LEFT RIGHT"),
        11 => format!("RENAME {a} {b}"),
        12 => format!("COPY {a} {b} REPLACE"),
        13 => format!("SET {a} {x}"),
        14 => format!("LPOP {a}"),
        _ => format!("DEL {a}"),
    }
}

fn key(rng: &mut Rng) -> &'static str {
    ["k", "l", "m"][rng.usize(..3)]
}

/// What one connection says at once.
fn speech(rng: &mut Rng) -> String {
    match rng.u8(..10) {
        0..5 => blocking(rng),
        5 | 6 => {
            let inner: Vec<_> = (0..rng.usize(1..5))
                .map(|_| {
                    if rng.u8(..5) == 0 {
                        blocking(rng)
                    } else {
                        other(rng)
                    }
                })
                .collect();
            format!("MULTI;{};EXEC", inner.join(";"))
        }
        // What runs behind the calls of several clients that are served together is in no order.
        7 => format!("{};PING", blocking(rng)),
        _ => other(rng),
    }
}

#[test]
fn every_interleaving_ends_as_on_the_reference() {
    let servers = pair();
    let base = fastrand::u64(..u64::MAX / 2);
    for seed in base..base + SEEDS {
        let mut rng = Rng::with_seed(seed);
        let mut stages = servers.each_ref().map(|server| Stage::new(server, ACTORS));
        let mut script = Vec::new();
        for _ in 0..STEPS {
            let free: Vec<_> = (0..ACTORS)
                .filter(|&actor| !stages[0].is_waiting(actor))
                .collect();
            // Nobody speaks who waits, and somebody must be left to wake them.
            let (actor, commands) = match free[..] {
                [] => break,
                [last] => (last, other(&mut rng)),
                _ => (free[rng.usize(..free.len())], speech(&mut rng)),
            };
            script.push(format!("{actor}: {commands}"));
            let [ours, reference] = stages.each_mut().map(|stage| stage.say(actor, &commands));
            assert_eq!(ours, reference, "seed {seed}: {script:#?}");
        }
        for key in ["k", "l", "m"] {
            let free = (0..ACTORS).find(|&actor| !stages[0].is_waiting(actor));
            for look in ["TYPE", "LLEN", "ZCARD"] {
                let Some(actor) = free else { break };
                let commands = format!("{look} {key}");
                let [ours, reference] = stages.each_mut().map(|stage| stage.say(actor, &commands));
                assert_eq!(ours, reference, "seed {seed}: {commands} after {script:#?}");
            }
        }
    }
}
