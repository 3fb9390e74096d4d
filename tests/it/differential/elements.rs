//! What collections are made of: members that meet and that cross the borders of encodings, how many, and scores.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::{Words, float, integer, key, one_of, repeat, sequence, texts, word};

/// Integers around the borders of the sizes in which packed buffers and integer sets store them.
fn border_integer() -> Words {
    let widths = select(vec![7u32, 8, 12, 13, 15, 16, 23, 24, 31, 32, 63]);
    (widths, -2..2i128, any::<bool>())
        .prop_map(|(width, offset, negative)| {
            let border = (1i128 << width) + offset;
            let border = if negative { -border } else { border };
            vec![border.to_string().into_bytes()]
        })
        .boxed()
}

/// What a reader of integers must leave as it is written.
fn nearly_integer() -> Words {
    texts(&[
        "01", "+1", "-0", "00", " 1", "1 ", "1.0", "1e3", "0x1", "-", "-01", "--1",
    ])
}

/// Lengths around the limits of compact encodings, of packed strings, and of whole nodes of a list.
fn long_member() -> Words {
    let lengths = prop_oneof![
        6 => 61..68usize,
        2 => 1..12usize,
        1 => 250..260usize,
        1 => 4090..4100usize,
        1 => select(vec![8000usize, 8180, 8190, 8200, 20_000]),
    ];
    (lengths, select(vec![b'm', b'n']))
        .prop_map(|(length, letter)| vec![vec![letter; length]])
        .boxed()
}

/// A member, a field, an element of a list.
pub fn member() -> Words {
    let small = (0..8i64).prop_map(|number| vec![number.to_string().into_bytes()]);
    let letters = texts(&["a", "b", "c", "d", "e", "f", "A", "B"]);
    let odd = select(vec![
        &b""[..],
        b"nul\0x",
        b"\xff",
        b"\r\n",
        b"*",
        b"key with spaces",
    ])
    .prop_map(|text| vec![text.to_vec()]);
    let bytes = vec(1..=u8::MAX, 1..20).prop_map(|bytes| vec![bytes]);
    prop_oneof![
        8 => small,
        5 => letters,
        2 => border_integer(),
        1 => nearly_integer(),
        2 => long_member(),
        1 => odd,
        1 => bytes,
    ]
    .boxed()
}

/// Only numbers, so that sets of integers stay such, and SORT finds numbers.
pub fn numeric_member() -> Words {
    let small = (-4..12i64).prop_map(|number| vec![number.to_string().into_bytes()]);
    prop_oneof![4 => small, 1 => border_integer()].boxed()
}

/// A run of consecutive numbers as many arguments: enough now and then to cross the usual limits of compact encodings.
pub fn run(each: fn(i64) -> Vec<String>) -> Words {
    let lengths = prop_oneof![
        12 => 2..12i64,
        2 => 124..132i64,
        1 => 508..516i64,
    ];
    let starts = select(vec![0i64, 0, 0, 5, 100, -5, 120, 32_760, 2_147_483_640]);
    (starts, lengths)
        .prop_map(move |(start, length)| {
            let words = (start..start + length).flat_map(each);
            words.map(String::into_bytes).collect()
        })
        .boxed()
}

/// Several members, sometimes many.
pub fn members(times: Range<usize>) -> Words {
    prop_oneof![
        12 => repeat(member(), times.clone()),
        4 => repeat(numeric_member(), times),
        2 => run(|number| vec![number.to_string()]),
        1 => run(|number| vec![format!("m{number}")]),
    ]
    .boxed()
}

/// How many random members: few, all, absurdly many, but not absurdly many with repetitions.
pub fn random_count() -> Words {
    let few = (-12..12i64).prop_map(|number| vec![number.to_string().into_bytes()]);
    let odd = texts(&[
        "9223372036854775807",
        "-9223372036854775808",
        "4611686018427387904",
        "4611686018427387903",
        "4294967296",
        "1000",
        "-600",
        "abc",
        "",
        "1.5",
        "-0",
        "01",
        "9223372036854775808",
    ]);
    prop_oneof![6 => few, 1 => odd].boxed()
}

/// A score, mostly one that is met again.
pub fn score() -> Words {
    let small = (-4..8i64).prop_map(|number| vec![number.to_string().into_bytes()]);
    let halves = (-8..8i64).prop_map(|number| vec![(number as f64 / 4.0).to_string().into_bytes()]);
    let odd = texts(&[
        "inf",
        "-inf",
        "+inf",
        "-0",
        "0",
        "0.0",
        "9007199254740993",
        "1e100",
        "4611686018427387905",
        "-9223372036854775808",
        "9223372036854775807",
        "1e17",
        "1e21",
        "123456789.5",
        "0x1p3",
        "nan",
    ]);
    prop_oneof![8 => small, 3 => halves, 2 => odd, 1 => float()].boxed()
}

/// The end of a range of scores.
pub fn score_bound() -> Words {
    let infinite = texts(&["-inf", "+inf", "inf", "(inf", "(-inf", "+"]);
    let bad = texts(&["(", "((1", "[1", "(nan", "nan", "", "( 1", "-"]);
    prop_oneof![
        6 => score(),
        3 => prefixed(b"(", score()),
        3 => infinite,
        1 => bad,
    ]
    .boxed()
}

/// The end of a range of members with equal scores.
pub fn lex_bound() -> Words {
    let infinite = texts(&["-", "+"]);
    let bad = texts(&["", "a", "-a", "+a", "1", "--"]);
    prop_oneof![
        4 => prefixed(b"[", member()),
        4 => prefixed(b"(", member()),
        4 => infinite,
        1 => texts(&["[", "("]),
        1 => bad,
    ]
    .boxed()
}

fn prefixed(prefix: &'static [u8], words: Words) -> Words {
    words
        .prop_map(move |words| {
            let with = |word: Vec<u8>| [prefix, &word].concat();
            words.into_iter().map(with).collect()
        })
        .boxed()
}

/// How many keys follow, and the keys; the number is wrong now and then.
pub fn counted_keys() -> Words {
    let right = vec(key(), 1..4).prop_map(|keys| {
        let mut words = vec![keys.len().to_string().into_bytes()];
        words.extend(keys.concat());
        words
    });
    let wrong = sequence([integer(), repeat(key(), 1..4)]);
    prop_oneof![12 => right, 1 => wrong].boxed()
}

/// `LIMIT` with an offset and a count.
pub fn limit() -> Words {
    let offset = (0..5i64).prop_map(|number| vec![number.to_string().into_bytes()]);
    let count = (-1..6i64).prop_map(|number| vec![number.to_string().into_bytes()]);
    sequence([
        word("LIMIT"),
        prop_oneof![6 => offset, 1 => integer()].boxed(),
        prop_oneof![6 => count, 1 => integer()].boxed(),
    ])
}

/// `MATCH` of members.
pub fn member_pattern() -> Words {
    one_of([
        texts(&["*", "?", "m*", "[0-5]", "*1*", "[^a-c]", "", "m1?0", "\\*"]),
        member(),
    ])
}
