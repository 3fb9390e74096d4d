//! Numbers and patterns mean what they mean to the reference: random ones are given to the library and to a real
//! `redis-server`, and the answers compared.

use fastrand::Rng;
use minium::protocol::decimal::Extended;
use minium::protocol::{glob, number};

use crate::support::{Client, Setup, Value};

const BATCH: usize = 500;
const BATCHES: usize = 40;

fn command<const N: usize>(arguments: [&[u8]; N]) -> Vec<Vec<u8>> {
    arguments.map(<[u8]>::to_vec).to_vec()
}

fn pipeline(client: &mut Client, commands: &[Vec<Vec<u8>>]) -> Vec<Value> {
    client
        .try_pipeline(commands)
        .expect("a reply for each command")
}

/// A generator whose seed is printed, so that a failure can be repeated.
fn rng() -> Rng {
    let seed = Rng::new().u64(..);
    println!("seed {seed}");
    Rng::with_seed(seed)
}

fn pick<'a>(rng: &mut Rng, alphabet: &'a [&'a str]) -> &'a str {
    alphabet[rng.usize(..alphabet.len())]
}

fn digits(rng: &mut Rng, most: usize) -> String {
    (0..rng.usize(..=most)).map(|_| rng.digit(10)).collect()
}

/// Text that is a number, nearly a number, or not one, with every magnitude that floats have.
fn number_text(rng: &mut Rng) -> String {
    let sign = pick(rng, &["", "", "-", "+"]);
    match rng.u8(..12) {
        0 => rng.i64(..).to_string(),
        1 => rng.i64(-100..100).to_string(),
        2..5 => format!("{sign}{}.{}", digits(rng, 5), digits(rng, 20)),
        5 => format!("{sign}{}.{}", digits(rng, 40), digits(rng, 40)),
        6 => format!(
            "{sign}{}.{}e{}",
            digits(rng, 5),
            digits(rng, 25),
            rng.i32(-25..25)
        ),
        7 => format!(
            "{sign}{}.{}E{}",
            digits(rng, 9),
            digits(rng, 9),
            rng.i32(-5000..5000)
        ),
        8 => format!(
            "{sign}0x{:x}.{:x}p{}",
            rng.u64(..),
            rng.u64(..),
            rng.i32(-140..70)
        ),
        9 => format!("{sign}0X{:x}p{}", rng.u128(..), rng.i32(-16600..16400)),
        10 => f64::from_bits(rng.u64(..)).to_string(),
        _ => {
            let pieces = [
                "1", "0", ".", "e", "-", "+", "x", "p", " ", "inf", "nan", "INFINITY", "\t", "_",
                "f", "\0",
            ];
            (0..rng.usize(..6)).map(|_| pick(rng, &pieces)).collect()
        }
    }
}

/// What INCRBYFLOAT answers.
fn increment(value: &str, by: &str) -> Vec<u8> {
    let sum = Extended::parse(value.as_bytes())
        .and_then(|value| Some(value + Extended::parse(by.as_bytes())?));
    match sum {
        None => b"ERR value is not a valid float".to_vec(),
        Some(sum) if sum.is_nan() || sum.is_infinite() => {
            b"ERR increment would produce NaN or Infinity".to_vec()
        }
        Some(sum) => {
            let mut text = Vec::new();
            sum.write_human(&mut text);
            text
        }
    }
}

#[test]
fn sums_have_the_digits_of_the_reference() {
    let (server, mut rng) = (Setup::redis().start(), rng());
    let mut client = server.connect();
    for _ in 0..BATCHES {
        let cases: Vec<_> = (0..BATCH)
            .map(|_| (number_text(&mut rng), number_text(&mut rng)))
            .collect();
        let commands: Vec<_> = cases
            .iter()
            .flat_map(|(value, by)| {
                let set = command([b"SET", b"k", value.as_bytes()]);
                [set, command([b"INCRBYFLOAT", b"k", by.as_bytes()])]
            })
            .collect();
        let replies = pipeline(&mut client, &commands);
        for ((value, by), reply) in cases.iter().zip(replies.iter().skip(1).step_by(2)) {
            let ours = increment(value, by);
            assert_eq!(
                reply.bytes().escape_ascii().to_string(),
                ours.escape_ascii().to_string(),
                "{value:?} + {by:?}"
            );
        }
    }
}

#[test]
fn doubles_are_read_as_the_reference_reads_them() {
    let (server, mut rng) = (Setup::redis().start(), rng());
    let mut client = server.connect();
    for _ in 0..BATCHES {
        let cases: Vec<_> = (0..BATCH).map(|_| number_text(&mut rng)).collect();
        let commands: Vec<_> = cases
            .iter()
            .flat_map(|text| {
                let add = command([b"ZADD", b"z", text.as_bytes(), b"m"]);
                [
                    command([b"DEL", b"z"]),
                    add,
                    command([b"ZSCORE", b"z", b"m"]),
                ]
            })
            .collect();
        let replies = pipeline(&mut client, &commands);
        for (text, replies) in cases.iter().zip(replies.chunks(3)) {
            let theirs = (!replies[1].is_error())
                .then(|| replies[2].text().parse::<f64>().expect("a score"));
            assert_eq!(number::parse_f64(text.as_bytes()), theirs, "{text:?}");
        }
    }
}

fn pattern(rng: &mut Rng, alphabet: &[&str]) -> String {
    (0..rng.usize(1..9)).map(|_| pick(rng, alphabet)).collect()
}

#[test]
fn patterns_match_what_the_reference_matches() {
    let (server, mut rng) = (Setup::redis().start(), rng());
    let mut client = server.connect();
    let alphabet = [
        "*", "?", "[", "]", "^", "-", "\\", "a", "b", "c", "A", "Z", "é",
    ];
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for _ in 0..300 {
        let key: String = (0..rng.usize(..5))
            .map(|_| pick(&mut rng, &alphabet[3..]))
            .collect();
        keys.push(key.into_bytes());
    }
    keys.sort();
    keys.dedup();
    pipeline(
        &mut client,
        &keys
            .iter()
            .map(|key| command([b"SET", key, b""]))
            .collect::<Vec<_>>(),
    );
    for _ in 0..BATCHES {
        let patterns: Vec<_> = (0..BATCH / 5)
            .map(|_| pattern(&mut rng, &alphabet))
            .filter(|pattern| pattern != "*")
            .collect();
        let commands: Vec<_> = patterns
            .iter()
            .map(|pattern| command([b"KEYS", pattern.as_bytes()]))
            .collect();
        for (pattern, reply) in patterns.iter().zip(pipeline(&mut client, &commands)) {
            let mut theirs: Vec<_> = reply
                .elements()
                .iter()
                .map(|key| key.bytes().to_vec())
                .collect();
            theirs.sort();
            let ours: Vec<_> = keys
                .iter()
                .filter(|key| glob::matches(pattern.as_bytes(), key, false))
                .cloned()
                .collect();
            assert_eq!(ours, theirs, "{pattern:?}");
        }
    }
}

#[test]
fn patterns_without_case_match_what_the_reference_matches() {
    let (server, mut rng) = (Setup::redis().start(), rng());
    let mut client = server.connect();
    let names: Vec<_> = client
        .line("COMMAND LIST")
        .elements()
        .iter()
        .map(|name| name.bytes().to_vec())
        .collect();
    let alphabet = [
        "*", "*", "*", "?", "[", "[", "]", "^", "-", "\\", "a", "E", "g", "S", "t", "Z",
    ];
    for _ in 0..BATCHES {
        let patterns: Vec<_> = (0..BATCH / 5)
            .map(|_| pattern(&mut rng, &alphabet))
            .collect();
        let commands: Vec<_> = patterns
            .iter()
            .map(|pattern| {
                command([
                    b"COMMAND",
                    b"LIST",
                    b"FILTERBY",
                    b"PATTERN",
                    pattern.as_bytes(),
                ])
            })
            .collect();
        for (pattern, reply) in patterns.iter().zip(pipeline(&mut client, &commands)) {
            let mut theirs: Vec<_> = reply
                .elements()
                .iter()
                .map(|name| name.bytes().to_vec())
                .collect();
            let mut ours: Vec<_> = names
                .iter()
                .filter(|name| glob::matches(pattern.as_bytes(), name, true))
                .cloned()
                .collect();
            theirs.sort();
            ours.sort();
            assert_eq!(ours, theirs, "{pattern:?}");
        }
    }
}
