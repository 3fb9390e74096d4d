//! Strings as arrays of bits.

use proptest::prelude::*;

use super::Generator;
use super::arguments::{
    Words, any_word, call, index, integer, key, maybe, one_of, repeat, sequence, texts, value, word,
};

/// The family's commands.
pub const COMMANDS: &[&str] = &[
    "BITCOUNT",
    "BITFIELD",
    "BITFIELD_RO",
    "BITOP",
    "BITPOS",
    "GETBIT",
    "SETBIT",
];

fn number_below(limit: u32) -> Words {
    (0..limit)
        .prop_map(|number| vec![number.to_string().into_bytes()])
        .boxed()
}

/// Where to write a bit: near, or where no string reaches, but nothing that costs real memory.
fn offset() -> Words {
    let odd = texts(&[
        "-1",
        "4294967296",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "abc",
        "",
        "1.0",
        "01",
    ]);
    one_of([number_below(70), number_below(70), number_below(3000), odd])
}

fn bit() -> Words {
    any_word(&["0", "1", "0", "1", "0", "1", "0", "1", "2", "-1", "x", ""])
}

fn kind_of_field() -> Words {
    let signed = (1..=64u32).prop_map(|bits| vec![format!("i{bits}").into_bytes()]);
    let unsigned = (1..=63u32).prop_map(|bits| vec![format!("u{bits}").into_bytes()]);
    let usual = any_word(&["u8", "i8", "u16", "i16", "u4", "i5", "i64", "u63", "u1"]);
    let bad = texts(&[
        "u64", "i65", "u0", "i0", "x8", "i", "", "u-1", "8", "u 8", "u08",
    ]);
    prop_oneof![4 => usual, 3 => signed, 3 => unsigned, 1 => bad].boxed()
}

/// No number whose product with a width is 2^64 or a little more: Redis does not look whether that is too much.
fn place_of_field() -> Words {
    let numbered = (0..20u32).prop_map(|number| vec![format!("#{number}").into_bytes()]);
    let bad = texts(&[
        "#",
        "#-1",
        "#4611686018427387903",
        "#9223372036854775807",
        "# 1",
        "#x",
    ]);
    prop_oneof![8 => offset(), 4 => numbered, 1 => bad].boxed()
}

/// Parts of BITFIELD that read.
fn read_field() -> Words {
    sequence([word("GET"), kind_of_field(), place_of_field()])
}

fn change_field() -> Words {
    one_of([
        sequence([word("SET"), kind_of_field(), place_of_field(), integer()]),
        sequence([word("INCRBY"), kind_of_field(), place_of_field(), integer()]),
        sequence([
            word("OVERFLOW"),
            any_word(&["WRAP", "SAT", "FAIL", "WRAP", "SAT", "FAIL", "NONE"]),
        ]),
    ])
}

fn bounds() -> Words {
    let unit = || maybe(any_word(&["BYTE", "BIT", "BYTE", "BIT", "WORD"]));
    maybe(sequence([index(), maybe(sequence([index(), unit()]))]))
}

pub fn generators() -> Vec<Generator> {
    let operation = any_word(&["AND", "OR", "XOR", "AND", "OR", "XOR", "NAND", ""]);
    vec![
        call(3, "BITCOUNT", [key(), bounds()]),
        call(
            6,
            "BITFIELD",
            [
                key(),
                repeat(one_of([read_field(), change_field(), change_field()]), 0..5),
            ],
        ),
        call(2, "BITFIELD_RO", [key(), repeat(read_field(), 0..3)]),
        call(
            1,
            "BITFIELD_RO",
            [key(), read_field(), maybe(change_field())],
        ),
        call(3, "BITOP", [operation, key(), repeat(key(), 1..5)]),
        call(1, "BITOP", [word("NOT"), key(), repeat(key(), 1..3)]),
        call(4, "BITPOS", [key(), bit(), bounds()]),
        call(
            2,
            "GETBIT",
            [key(), one_of([offset(), offset(), word("4294967295")])],
        ),
        call(6, "SETBIT", [key(), offset(), bit()]),
        call(
            3,
            "SET",
            [
                key(),
                one_of([value(), texts(&["\0\0\0", "\x7f", "foobar"])]),
            ],
        ),
        call(1, "GET", [key()]),
    ]
}
