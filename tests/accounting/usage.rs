//! Memory as it is told: a key's, against what the server's use of memory grows by when there are many of its kind.

use fastrand::Rng;

use crate::support::{Client, PATIENCE, Server, Setup, Value, holds_within};
use crate::{alone, command};

type Words = Vec<Vec<u8>>;

/// A field of INFO's memory section.
fn memory(client: &mut Client, field: &str) -> i64 {
    let info = client.line("INFO memory").text();
    let prefix = format!("{field}:");
    let value = info.lines().find_map(|line| line.strip_prefix(&prefix));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {field} in {info}"))
}

fn used(client: &mut Client) -> i64 {
    memory(client, "used_memory")
}

fn run(client: &mut Client, commands: &[Words]) {
    for batch in commands.chunks(200) {
        for reply in client.try_pipeline(batch).expect("replies") {
            assert!(!reply.is_error(), "{reply:?}");
        }
    }
}

/// Waits until all that was removed is freed.
fn settle(client: &mut Client) {
    let freed = || memory(client, "lazyfree_pending_objects") == 0;
    assert!(holds_within(PATIENCE, freed), "what was removed is freed");
}

fn flush(client: &mut Client) {
    client.line("FLUSHALL");
    settle(client);
}

/// What MEMORY USAGE tells of these keys, together.
fn told<K: AsRef<[u8]>>(client: &mut Client, keys: &[K], samples: &str) -> i64 {
    let ask = |key: &K| command!["MEMORY", "USAGE", key, "SAMPLES", samples];
    let calls: Vec<_> = keys.iter().map(ask).collect();
    let replies = client.try_pipeline(&calls).expect("replies");
    replies.iter().map(Value::int).sum()
}

/// A command on a key with many elements, in calls of at most a thousand words.
fn fill(command: &str, key: &str, elements: impl Iterator<Item = Words>) -> Vec<Words> {
    let words: Vec<Words> = elements.collect();
    let calls = words.chunks(250);
    calls
        .map(|some| {
            let head = command![command, key];
            head.into_iter()
                .chain(some.iter().flatten().cloned())
                .collect()
        })
        .collect()
}

fn text(i: usize, size: usize) -> Vec<u8> {
    let mut text = format!("{:x}:", i * 0x9E37_79B9).into_bytes();
    text.resize(size.max(text.len()), b'x');
    text
}

/// A kind of key: its name, how many are made, and how.
type Kind = (&'static str, usize, fn(&str, usize) -> Vec<Words>);

fn set(key: &str, value: &[u8]) -> Vec<Words> {
    vec![command!["SET", key, value].to_vec()]
}

fn fields(key: &str, count: usize, size: usize) -> Vec<Words> {
    let pair = |i| vec![text(i, 8), text(i, size)];
    fill("HSET", key, (0..count).map(pair))
}

fn members(command: &str, key: &str, count: usize, size: usize) -> Vec<Words> {
    fill(command, key, (0..count).map(|i| vec![text(i, size)]))
}

fn scored(key: &str, count: usize, size: usize) -> Vec<Words> {
    let pair = |i: usize| vec![(i * 7 % 1000).to_string().into_bytes(), text(i, size)];
    fill("ZADD", key, (0..count).map(pair))
}

const KINDS: &[Kind] = &[
    ("integer", 2000, |key, i| set(key, i.to_string().as_bytes())),
    ("string of 16", 2000, |key, i| set(key, &text(i, 16))),
    ("string of 44", 2000, |key, i| set(key, &text(i, 44))),
    ("string of 100 that expires", 2000, |key, i| {
        vec![command!["SET", key, text(i, 100), "EX", "10000"].to_vec()]
    }),
    ("string of 1000", 1000, |key, i| set(key, &text(i, 1000))),
    ("string of 5000", 1000, |key, i| set(key, &text(i, 5000))),
    ("string of 70000", 200, |key, i| set(key, &text(i, 70_000))),
    ("string of 600000", 50, |key, i| set(key, &text(i, 600_000))),
    ("string of 1 MiB", 50, |key, i| set(key, &text(i, 1 << 20))),
    ("string that grew", 1000, |key, i| {
        let append = |size| command!["APPEND", key, text(i, size)].to_vec();
        vec![append(20), append(300), append(1000)]
    }),
    ("hash of 5, packed", 2000, |key, _| fields(key, 5, 10)),
    ("hash of 100, packed", 1000, |key, _| fields(key, 100, 20)),
    ("hash of 1000", 100, |key, _| fields(key, 1000, 50)),
    ("hash of 1000 of many sizes", 100, |key, i| {
        // The same five fields are looked at in each hash, so each field has to be of all sizes.
        let pair = |n| vec![text(n, 8), text(n, 20 + (31 * n + 17 * i) % 200)];
        fill("HSET", key, (0..1000).map(pair))
    }),
    ("hash of 30 long fields", 500, |key, _| fields(key, 30, 200)),
    ("list of 5, packed", 2000, |key, _| {
        members("RPUSH", key, 5, 12)
    }),
    ("list of 100, packed", 1000, |key, _| {
        members("RPUSH", key, 100, 20)
    }),
    ("list of 500", 200, |key, _| members("RPUSH", key, 500, 40)),
    ("list of 5000", 50, |key, _| members("LPUSH", key, 5000, 30)),
    ("list of long elements", 100, |key, _| {
        members("RPUSH", key, 20, 20_000)
    }),
    ("set of 50 integers", 1000, |key, _| {
        fill(
            "SADD",
            key,
            (0..50).map(|i: usize| command![i.to_string()].to_vec()),
        )
    }),
    ("set of 400 large integers", 300, |key, _| {
        fill(
            "SADD",
            key,
            (0..400).map(|i: usize| command![(i << 33).to_string()].to_vec()),
        )
    }),
    ("set of 20, packed", 2000, |key, _| {
        members("SADD", key, 20, 12)
    }),
    ("set of 1000", 100, |key, _| members("SADD", key, 1000, 20)),
    ("set of 10000", 20, |key, _| {
        members("SADD", key, 10_000, 12)
    }),
    ("sorted set of 10, packed", 2000, |key, _| {
        scored(key, 10, 12)
    }),
    ("sorted set of 120, packed", 500, |key, _| {
        scored(key, 120, 20)
    }),
    ("sorted set of 1000", 100, |key, _| scored(key, 1000, 20)),
    ("sorted set of 10000", 20, |key, _| scored(key, 10_000, 16)),
];

#[test]
fn memory_usage_is_what_a_key_really_takes() {
    let _alone = alone();
    let server = Setup::minium().start();
    let mut client = server.connect();
    let mut wrong = Vec::new();
    for (name, count, make) in KINDS {
        let keys: Vec<String> = (0..*count).map(|i| format!("key:{i:08}")).collect();
        let load = |client: &mut Client| {
            for (i, key) in keys.iter().enumerate() {
                run(client, &make(key, i));
            }
        };
        // Once before, for the buffers that commands of this size bring about.
        load(&mut client);
        flush(&mut client);
        let before = used(&mut client);
        load(&mut client);
        let truth = used(&mut client) - before;
        // Five samples may happen to be long ones.
        for (samples, most) in [("0", 4.0), ("5", 10.0)] {
            let told = told(&mut client, &keys, samples);
            let error = (told as f64 / truth as f64 - 1.0) * 100.0;
            if error.abs() > most {
                wrong.push(format!(
                    "{name}, samples {samples}: {told} of {truth}, {error:+.2}%"
                ));
            }
        }
        flush(&mut client);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Random commands that write, on a few thousand keys of all types.
fn random_commands(rng: &mut Rng, count: usize) -> Vec<Words> {
    let types = ["s", "s", "s", "h", "l", "c", "z"];
    (0..count)
        .map(|_| {
            let kind = types[rng.usize(..types.len())];
            let mut key = || format!("{kind}:{}", rng.usize(..1500)).into_bytes();
            let (key, other) = (key(), key());
            let n = rng.usize(..300);
            let most = [10, 30, 100, 2000, 20_000][rng.usize(..5)];
            let size = rng.usize(..most);
            let some = || (0..n / 4).map(|i| text(n + i, 10));
            let head = |words: &[&str]| -> Words {
                let mut head: Words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
                head.insert(1, key.clone());
                head
            };
            let with = |words: &[&str], tail: &mut dyn Iterator<Item = Vec<u8>>| -> Words {
                head(words).into_iter().chain(tail).collect()
            };
            match (kind, rng.u32(..14)) {
                (_, 0) => head(&["DEL"]),
                (_, 1) => with(&["RENAME"], &mut [other].into_iter()),
                (_, 2) => with(&["COPY"], &mut [other, b"REPLACE".to_vec()].into_iter()),
                (_, 3) => head(&["EXPIRE", "10000"]),
                (_, 4) => head(&["PERSIST"]),
                (_, 5) => head(&["PEXPIRE", "-1"]),
                ("s", 6..=9) => with(&["SET"], &mut [text(n, size)].into_iter()),
                ("s", 10) => head(&["SET", "12345"]),
                ("s", 11) => with(&["APPEND"], &mut [text(n, size)].into_iter()),
                ("s", _) => head(&["SETRANGE", &n.to_string(), "range"]),
                ("h", 6..=9) => with(
                    &["HSET", "f", "v"],
                    &mut some().flat_map(|f| [f, text(n, size)]),
                ),
                ("h", _) => with(&["HDEL", "f"], &mut some()),
                ("l", 6..=9) => with(&["RPUSH", "e"], &mut some()),
                ("l", 10) => with(&["LPUSH"], &mut [text(n, size)].into_iter()),
                ("l", _) => head(&["LTRIM", "5", &n.to_string()]),
                ("c", 6..=9) => with(&["SADD", "1"], &mut some()),
                ("c", 10) => head(&["SPOP", &n.to_string()]),
                ("c", _) => with(&["SREM", "1"], &mut some()),
                (_, 6..=9) => with(
                    &["ZADD", "1", "m"],
                    &mut some().flat_map(|m| [n.to_string().into_bytes(), m]),
                ),
                (_, 10) => head(&["ZPOPMIN", &n.to_string()]),
                _ => with(&["ZREM", "m"], &mut some()),
            }
        })
        .collect()
}

/// Whatever was done, what is used is the sum of what the keys take; and nothing once they are gone.
#[test]
fn use_is_the_sum_of_the_keys_after_any_commands() {
    let _alone = alone();
    /// Buffers of the server, which are larger at one time than at another.
    const CONSTANT: i64 = 128 << 10;
    let server: Server = Setup::minium().start();
    let mut client = server.connect();
    // What the first call of a command brings about stays, as the distribution of its durations.
    let all = random_commands(&mut Rng::with_seed(9), 5000);
    client.try_pipeline(&all).expect("replies");
    client.line("KEYS *");
    flush(&mut client);
    let start = used(&mut client);
    for seed in 0..4 {
        let mut rng = Rng::with_seed(seed);
        for round in 0..3 {
            for batch in random_commands(&mut rng, 20_000).chunks(100) {
                // RENAME of a missing key is an error, and no matter.
                client.try_pipeline(batch).expect("replies");
            }
            settle(&mut client);
            let growth = used(&mut client) - start;
            let keys = client.line("KEYS *");
            let keys: Vec<&[u8]> = keys.elements().iter().map(Value::bytes).collect();
            assert!(keys.len() > 2000, "{} keys", keys.len());
            let told = told(&mut client, &keys, "0");
            assert!(
                (told - growth).abs() < growth / 200 + CONSTANT,
                "seed {seed}, round {round}: {told} in {} keys, use grew by {growth}",
                keys.len()
            );
        }
        if seed % 2 == 0 {
            flush(&mut client);
        } else {
            let keys = client.line("KEYS *");
            for some in keys.elements().chunks(100) {
                let unlink = [b"UNLINK".to_vec()].into_iter();
                let unlink = unlink.chain(some.iter().map(|key| key.bytes().to_vec()));
                client.call(&unlink.collect::<Words>());
            }
            settle(&mut client);
        }
        let left = used(&mut client) - start;
        assert!(
            left.abs() < CONSTANT,
            "seed {seed}: {left} bytes stay behind"
        );
    }
}
