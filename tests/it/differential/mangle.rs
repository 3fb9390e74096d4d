//! Nearly valid commands: an argument too few or too many, out of place, or nonsense.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::arguments::{KEYS, as_integer};
use super::step::Step;

#[derive(Clone, Copy, Debug)]
enum Harm {
    Drop,
    Double,
    Swap,
    Replace(&'static [u8]),
    Append(&'static [u8]),
    Rename(&'static [u8]),
}

/// What takes the place of an argument; it may become a key.
pub const JUNK: &[&[u8]] = &[
    b"",
    b"-1",
    b"9223372036854775808",
    b"abc",
    b"NX",
    b"XX",
    b"GET",
    b"KEEPTTL",
    b"a",
    b"j\0",
    b"*",
    b"\r\n",
];

/// Harms about one step in twelve.
pub fn sometimes(steps: impl Strategy<Value = Step>) -> impl Strategy<Value = Step> {
    let junk = || select(JUNK);
    let harm = prop_oneof![
        Just(Harm::Drop),
        Just(Harm::Double),
        Just(Harm::Swap),
        junk().prop_map(Harm::Replace),
        junk().prop_map(Harm::Append),
        select(vec![&b"NOSUCH"[..], b"", b"get ", b"SE\r\nT"]).prop_map(Harm::Rename),
    ];
    let harm = prop_oneof![11 => Just(None), 1 => harm.prop_map(Some)];
    (steps, harm, any::<Index>(), any::<Index>()).prop_map(|(step, harm, at, other)| match harm {
        Some(harm) if step.mangle => harmed(step, harm, at, other),
        _ => step,
    })
}

fn harmed(step: Step, harm: Harm, at: Index, other: Index) -> Step {
    let mut command = step.command.clone();
    if command.len() > 1 {
        let at = 1 + at.index(command.len() - 1);
        match harm {
            Harm::Drop => drop(command.remove(at)),
            Harm::Double => command.insert(at, command[at].clone()),
            Harm::Swap => command.swap(at, 1 + other.index(step.command.len() - 1)),
            Harm::Replace(junk) => command[at] = junk.to_vec(),
            Harm::Append(_) | Harm::Rename(_) => {}
        }
    }
    match harm {
        Harm::Append(junk) => command.push(junk.to_vec()),
        Harm::Rename(name) => command[0] = name.to_vec(),
        _ => {}
    }
    if may_race(&command) {
        step
    } else {
        Step { command, ..step }
    }
}

/// Whether the command might now end a key at some moment during the case, end one that nobody would look for, or cost much
/// memory.
fn may_race(command: &[Vec<u8>]) -> bool {
    let name = command[0].to_ascii_uppercase();
    let numbers = || command[1..].iter().filter_map(|word| as_integer(word));
    match name.as_slice() {
        b"SETRANGE" => numbers().any(|number| (4000..=536_870_912).contains(&number)),
        b"SETBIT" | b"BITFIELD" => numbers().any(|number| (40_000..1 << 32).contains(&number)),
        b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" => numbers().any(|number| number < -1000),
        b"SET" | b"SETEX" | b"PSETEX" | b"GETEX" | b"EXPIRE" | b"PEXPIRE" | b"EXPIREAT"
        | b"PEXPIREAT" => {
            let known = |key: &Vec<u8>| KEYS.iter().chain(JUNK).any(|known| known == key);
            numbers().any(|number| (1..=60_000).contains(&number))
                || !command.get(1).is_some_and(known)
        }
        _ => false,
    }
}
