//! What arguments are made of: few keys, so that commands meet; values and numbers at the borders where mistakes live.
//!
//! A [`Words`] makes none, one or several arguments; a command is its name and a list of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::Generator;
use super::step::Step;

/// A source of arguments.
pub type Words = BoxedStrategy<Vec<Vec<u8>>>;

/// Every key that commands use: few, so that they meet.
pub const KEYS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"{t}1",
    b"{t}2",
    b"",
    b"k\x00\r\n\xff",
    b"key:with:a:name:that:is:longer:than:any:inline:buffer:could:reasonably:be:expected:to:hold:0123456789",
];

/// One of [`KEYS`].
pub fn key() -> Words {
    select(KEYS).prop_map(|key| vec![key.to_vec()]).boxed()
}

/// Exactly this word, in capitals as often as not.
pub fn word(text: &'static str) -> Words {
    prop_oneof![3 => Just(text.to_owned()), 1 => Just(text.to_ascii_lowercase())]
        .prop_map(|text| vec![text.into_bytes()])
        .boxed()
}

/// One of these words.
pub fn any_word(words: &'static [&'static str]) -> Words {
    one_of(words.iter().map(|text| word(text)))
}

/// One of several sources.
pub fn one_of(sources: impl IntoIterator<Item = Words>) -> Words {
    proptest::strategy::Union::new(sources).boxed()
}

/// Nothing, or what the source makes.
pub fn maybe(source: Words) -> Words {
    proptest::option::of(source)
        .prop_map(Option::unwrap_or_default)
        .boxed()
}

/// The source's words several times over.
pub fn repeat(source: Words, times: std::ops::Range<usize>) -> Words {
    vec(source, times).prop_map(|words| words.concat()).boxed()
}

/// Several sources one after the other.
pub fn sequence<const N: usize>(sources: [Words; N]) -> Words {
    Vec::from(sources).prop_map(|words| words.concat()).boxed()
}

/// None to three of these options, in any order, perhaps twice, perhaps contradicting each other.
pub fn options<const N: usize>(sources: [Words; N]) -> Words {
    let some = repeat(one_of(sources.iter().cloned()), 1..2);
    let more = repeat(one_of(sources), 2..4);
    prop_oneof![2 => Just(Vec::new()), 3 => some, 2 => more].boxed()
}

fn number(source: impl Strategy<Value = i64> + 'static) -> Words {
    source
        .prop_map(|number| vec![number.to_string().into_bytes()])
        .boxed()
}

/// One of these texts.
pub fn texts(texts: &'static [&'static str]) -> Words {
    select(texts)
        .prop_map(|text| vec![text.as_bytes().to_vec()])
        .boxed()
}

/// What is nearly an integer, and what is none at all.
fn bad_integer() -> Words {
    texts(&[
        "",
        " 1",
        "1 ",
        "+1",
        "-0",
        "01",
        "1.0",
        "0x10",
        "1e3",
        "abc",
        "9223372036854775808",
        "-9223372036854775809",
        "1\0",
        "nan",
    ])
}

/// Integers at all the borders.
pub fn integer() -> Words {
    let borders = select(vec![
        i64::MAX,
        i64::MIN,
        i64::MAX - 1,
        i64::MIN + 1,
        1 << 31,
        -(1 << 31),
        (1 << 31) - 1,
        1 << 32,
        10_000,
        9_999,
    ]);
    prop_oneof![6 => number(-20..20i64), 2 => number(any::<i64>()), 2 => number(borders), 1 => bad_integer()].boxed()
}

/// Floating-point numbers in the forms that people write and the ones that a parser trips over.
pub fn float() -> Words {
    let plain = (-1000..1000i64, 0..4usize).prop_map(|(number, places)| {
        let scaled = number as f64 / 10f64.powi(i32::try_from(places).expect("few places"));
        vec![format!("{scaled:.places$}").into_bytes()]
    });
    let any = any::<f64>().prop_map(|number| vec![format!("{number:e}").into_bytes()]);
    let odd = texts(&[
        "0",
        "-0",
        "-0.0",
        "1e3",
        "1E-5",
        "5e-324",
        "1.7976931348623157e308",
        "1e308",
        "-1e308",
        "3.0e10",
        "inf",
        "-inf",
        "+inf",
        "nan",
        "Infinity",
        "1e5000",
        "0x1p3",
        ".5",
        "5.",
        "1e",
        "--1",
        " 1.5",
        "1.5 ",
        "1,5",
        "",
        "abc",
        "0.1",
        "0.2",
        "1e-17",
        "1e-18",
        "123456789012345678901234567890",
        "0.00000000000000001",
    ]);
    prop_oneof![4 => plain, 1 => any, 3 => odd, 3 => integer()].boxed()
}

/// A time to live in seconds that no test lives through, or none that is one.
fn seconds() -> Words {
    let odd = select(vec![
        0,
        -1,
        -100,
        i64::MIN,
        i64::MAX,
        i64::MAX / 1000,
        i64::MAX / 1000 + 1,
        i64::MIN / 1000,
    ]);
    prop_oneof![6 => number(100..1_000_000_000i64), 1 => number(odd), 1 => bad_lifetime()].boxed()
}

/// Of the same kind in milliseconds, and sometimes so short that the harness waits for the end.
fn milliseconds() -> Words {
    let odd = select(vec![
        0,
        -1,
        -100_000,
        i64::MIN,
        i64::MAX,
        i64::MAX - 2_000_000_000_000,
    ]);
    prop_oneof![4 => number(100_000..1_000_000_000_000i64), 1 => number(1..=SHORT), 1 => number(odd), 1 => bad_lifetime()].boxed()
}

/// Milliseconds that the harness waits for.
pub const SHORT: i64 = 3;

/// Not [`bad_integer`]: what C's library reads as one second must not become a race.
fn bad_lifetime() -> Words {
    texts(&[
        "",
        " 200",
        "+200",
        "0200",
        "200.5",
        "abc",
        "9223372036854775808",
        "-0",
    ])
}

/// A moment far away, from so few that they are met again, or one in the past.
fn unix_seconds() -> Words {
    let far = select(vec![4_102_444_800i64, 4_102_444_801, 5_000_000_000]);
    let odd = select(vec![
        0,
        -1,
        1,
        1_000_000_000,
        i64::MAX,
        i64::MIN,
        i64::MAX / 1000,
    ]);
    prop_oneof![5 => number(far), 2 => number(odd), 1 => bad_lifetime()].boxed()
}

fn unix_milliseconds() -> Words {
    let far = select(vec![
        4_102_444_800_000i64,
        4_102_444_800_001,
        4_102_444_801_000,
        5_000_000_000_000,
    ]);
    let odd = select(vec![0, -1, 1, 1_000_000_000, i64::MAX, i64::MIN]);
    prop_oneof![5 => number(far), 2 => number(odd), 1 => bad_lifetime()].boxed()
}

/// The four ways to say when a key dies, by the option's or the command's name.
pub fn lifetime(unit: &str) -> Words {
    match unit {
        "EX" | "SETEX" | "EXPIRE" => seconds(),
        "PX" | "PSETEX" | "PEXPIRE" => milliseconds(),
        "EXAT" | "EXPIREAT" => unix_seconds(),
        "PXAT" | "PEXPIREAT" => unix_milliseconds(),
        other => panic!("no unit of time: {other}"),
    }
}

/// Of strings: short and long, around the limits of encodings, numbers, and bytes that text has none of.
pub fn value() -> Words {
    let around_embedding = (40..50usize).prop_map(|length| vec![vec![b'x'; length]]);
    let bytes = vec(any::<u8>(), 0..40).prop_map(|bytes| vec![bytes]);
    let long = (1..30usize).prop_map(|kilobytes| vec![vec![b'l'; 1000 * kilobytes]]);
    prop_oneof![4 => integer(), 3 => bytes, 2 => float(), 2 => around_embedding, 2 => letters(), 1 => long].boxed()
}

/// Short strings over two letters, which have much in common.
pub fn letters() -> Words {
    vec(select(vec![b'x', b'y']), 0..12)
        .prop_map(|text| vec![text])
        .boxed()
}

/// Positions in a string, from both ends and far beyond.
pub fn index() -> Words {
    let far = select(vec![
        100,
        -100,
        5000,
        i64::MAX,
        i64::MIN,
        1 << 31,
        -(1 << 31),
        1 << 32,
    ]);
    prop_oneof![6 => number(-15..15i64), 1 => number(far), 1 => bad_integer()].boxed()
}

/// An offset to write at: near, or beyond what a string may hold, but nothing that costs real memory.
pub fn offset() -> Words {
    let odd = select(vec![
        -1,
        3000,
        536_870_912,
        536_870_911 + 2,
        i64::MAX,
        i64::MIN,
        1 << 32,
    ]);
    prop_oneof![6 => number(0..60i64), 2 => number(odd), 1 => bad_integer()].boxed()
}

/// A database: mostly one of those whose state is compared in the end.
pub fn database() -> Words {
    prop_oneof![8 => number(0..4i64), 1 => number(select(vec![15, 16, -1, i64::MAX, i64::MIN])), 1 => bad_integer()].boxed()
}

/// Patterns that match some of [`KEYS`], and some that end in the middle.
pub fn pattern() -> Words {
    texts(&[
        "*", "?", "a", "[ab]", "[^a]", "[a-c]", "[c-a]", "{t}*", "{t}[1-1]", "key*9", "*:*:*", "",
        "\\a", "\\", "[", "[a", "[^", "[]", "a*b", "**", "*?*", "[\\a]", "[a-", "\\*",
    ])
}

/// Commands under `name` with these arguments, the name in any case.
pub fn call<const N: usize>(weight: u32, name: &'static str, arguments: [Words; N]) -> Generator {
    let name = prop_oneof![6 => Just(name.to_owned()), 1 => Just(name.to_ascii_lowercase()), 1 => Just(mixed_case(name))];
    let step = (name, Vec::from(arguments)).prop_map(move |(name, arguments)| {
        let mut command = vec![name.into_bytes()];
        command.extend(arguments.concat());
        Step::new(command)
    });
    (weight, step.boxed())
}

/// The generator, its arguments left as they are.
pub fn unmangled((weight, steps): Generator) -> Generator {
    (
        weight,
        steps
            .prop_map(|step| Step {
                mangle: false,
                ..step
            })
            .boxed(),
    )
}

/// The integer that a word is.
pub fn as_integer(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn mixed_case(name: &str) -> String {
    name.chars()
        .enumerate()
        .map(|(i, letter)| {
            if i % 2 == 0 {
                letter
            } else {
                letter.to_ascii_lowercase()
            }
        })
        .collect()
}
