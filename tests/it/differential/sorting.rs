//! SORT of lists, sets and sorted sets, by themselves and by other keys.

use super::Generator;
use super::arguments::{
    Words, any_word, call, key, maybe, one_of, options, repeat, sequence, texts, word,
};
use super::elements::{limit, member, numeric_member};

/// The family's commands.
pub const COMMANDS: &[&str] = &["SORT", "SORT_RO"];

/// Names of other keys, or of fields in them, made of elements: members such as "a" and "1" complete names of keys.
fn pattern() -> Words {
    texts(&[
        "*", "{t}*", "*->a", "*->1", "{t}*->a", "*->", "->*", "*->*", "*->a->b", "x*y", "*-",
        "a*b*",
    ])
}

fn get() -> Words {
    sequence([
        word("GET"),
        one_of([
            texts(&["#", "#", "a", "", "##", "a->b"]),
            pattern(),
            pattern(),
        ]),
    ])
}

fn order() -> Words {
    any_word(&["ASC", "DESC"])
}

fn by(pattern: Words) -> Words {
    sequence([word("BY"), pattern])
}

fn store() -> Words {
    sequence([word("STORE"), key()])
}

/// No number so large or so small that it is out of range: Redis would take it and some of those after it for none.
fn fraction() -> Words {
    texts(&[
        "0.5", "-0.5", "1e3", "-2.25", "1E-5", " 1.5", "1.5 ", "inf", "-inf", "nan", "0x10", "",
        "abc", "1,5", ".5", "5.",
    ])
}

pub fn generators() -> Vec<Generator> {
    let constant = || texts(&["nosort", "", "a", "#"]);
    let numbers = || {
        repeat(
            one_of([numeric_member(), numeric_member(), fraction()]),
            1..6,
        )
    };
    let texts = || repeat(member(), 1..6);
    let scored = |members: fn() -> Words| repeat(sequence([numeric_member(), members()]), 1..5);
    let anyhow = || {
        one_of([
            by(pattern()),
            by(constant()),
            word("ALPHA"),
            limit(),
            get(),
            order(),
        ])
    };
    vec![
        call(
            4,
            "SORT",
            [key(), options([limit(), get(), order(), store()])],
        ),
        call(
            4,
            "SORT",
            [
                key(),
                by(pattern()),
                options([limit(), get(), order(), store()]),
            ],
        ),
        call(
            4,
            "SORT",
            [
                key(),
                word("ALPHA"),
                options([limit(), get(), order(), store()]),
            ],
        ),
        call(
            3,
            "SORT",
            [
                key(),
                by(constant()),
                options([limit(), get(), order(), store(), word("ALPHA")]),
            ],
        ),
        call(
            3,
            "SORT",
            [
                key(),
                by(pattern()),
                word("ALPHA"),
                options([limit(), get(), order()]),
            ],
        ),
        call(
            2,
            "SORT_RO",
            [key(), repeat(anyhow(), 0..4), maybe(store())],
        ),
        call(3, "RPUSH", [key(), numbers()]),
        call(3, "SADD", [key(), numbers()]),
        call(3, "ZADD", [key(), scored(numeric_member)]),
        call(1, "RPUSH", [key(), texts()]),
        call(1, "SADD", [key(), texts()]),
        call(1, "ZADD", [key(), scored(member)]),
        call(
            3,
            "SET",
            [key(), one_of([numeric_member(), fraction(), member()])],
        ),
        call(
            3,
            "HSET",
            [
                key(),
                any_word(&["a", "1"]),
                one_of([numeric_member(), member()]),
            ],
        ),
        call(2, "LRANGE", [key(), any_word(&["0"]), any_word(&["-1"])]),
        call(1, "DEL", [key()]),
    ]
}
