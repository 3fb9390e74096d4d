//! Key specifications: where a command's keys are among its arguments, and what happens to them.

use bitflags::bitflags;

use super::Command;
use crate::protocol::{Request, number};

bitflags! {
    /// What a command does with the keys of one [`KeySpec`]. Names are those of COMMAND INFO.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KeyFlags: u16 {
        /// Reads the value only.
        const RO = 1;
        /// Reads and changes the value.
        const RW = 1 << 1;
        /// Overwrites the value unread.
        const OW = 1 << 2;
        /// Removes the key.
        const RM = 1 << 3;
        /// Returns or copies the value's content.
        const ACCESS = 1 << 4;
        /// Changes the value's content.
        const UPDATE = 1 << 5;
        /// Adds content to the value.
        const INSERT = 1 << 6;
        /// Removes content from the value.
        const DELETE = 1 << 7;
        /// Not really a key.
        const NOT_KEY = 1 << 8;
        /// Arguments decide which of the flags hold.
        const VARIABLE_FLAGS = 1 << 9;
        /// May miss keys.
        const INCOMPLETE = 1 << 10;
    }
}

/// Where some of a command's keys are among its arguments.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// What happens to them.
    pub flags: KeyFlags,
    /// Where to begin.
    pub begin: Begin,
    /// How to go on.
    pub find: Find,
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At this argument; the command's name is 0.
    Index(usize),
    /// Behind this word; `from` is where its search starts, counted from the end if negative.
    Keyword(&'static str, i32),
    /// The arguments have to be understood; the row's function finds what they name.
    Unknown,
}

/// How keys follow from where the search began.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// From the beginning to `last` (counted from the beginning, or from the end of the arguments if negative), every
    /// `step`-th argument.
    Range {
        /// The last key.
        last: i32,
        /// Distance between keys.
        step: usize,
    },
    /// The argument `count` places behind the beginning tells how many keys start `first` places behind it.
    Count {
        /// Where the number of keys is.
        count: usize,
        /// Where the first key is.
        first: usize,
        /// Distance between keys.
        step: usize,
    },
    /// As [`Begin::Unknown`].
    Unknown,
}

impl KeySpec {
    /// One key at argument `index`.
    pub const fn at(index: usize, flags: KeyFlags) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::Range { last: 0, step: 1 },
        }
    }

    /// As many keys as argument `index` says, behind it.
    pub const fn counted(index: usize, flags: KeyFlags) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::Count {
                count: 0,
                first: 1,
                step: 1,
            },
        }
    }

    /// Keys from argument `index` to the last one, every `step`-th.
    pub const fn from(index: usize, step: usize, flags: KeyFlags) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::Range { last: -1, step },
        }
    }
}

impl Command {
    /// The arguments that are keys, by position, and what happens to them; `None` if the arguments contradict the
    /// specifications.
    pub fn key_positions(&self, request: Request<'_>) -> Option<Vec<(usize, KeyFlags)>> {
        if let Some(find) = self.find_keys {
            return find(request);
        }
        let mut found = Vec::new();
        for spec in self.keys {
            spec.find(request, &mut found)?;
        }
        Some(found)
    }
}

impl KeySpec {
    /// Keys that cannot be found by looking where arguments stand.
    pub const fn unknown(flags: KeyFlags) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Unknown,
            find: Find::Unknown,
        }
    }

    fn find(&self, request: Request<'_>, found: &mut Vec<(usize, KeyFlags)>) -> Option<()> {
        let begin = match self.begin {
            Begin::Index(index) => index,
            Begin::Unknown => return Some(()),
            Begin::Keyword(word, from) => match keyword(request, word, from) {
                Some(place) => place + 1,
                None => return Some(()),
            },
        };
        let before = found.len();
        let mut is_number = true;
        let (first, last, step) = match self.find {
            Find::Range { last, step } if last >= 0 => (begin, begin + last as usize, step),
            Find::Range { last, step } => (
                begin,
                request.len().checked_sub(last.unsigned_abs() as usize)?,
                step,
            ),
            Find::Count { count, first, step } => {
                let place = begin + count;
                let text = request.get(place)?;
                let room = (request.len().saturating_sub(begin + first)).div_ceil(step);
                let is_possible = |&keys: &usize| (1..=room).contains(&keys);
                let exact = number::parse_i64(text).and_then(|keys| usize::try_from(keys).ok());
                let exact = exact.filter(is_possible);
                is_number = exact.is_some();
                let keys = exact.or_else(|| usize::try_from(leading_number(text)).ok());
                let keys = keys.filter(is_possible)?;
                (begin + first, begin + first + (keys - 1) * step, step)
            }
            Find::Unknown => return Some(()),
        };
        if last >= request.len() {
            return None;
        }
        found.extend(
            (first..=last)
                .step_by(step)
                .map(|place| (place, self.flags)),
        );
        if !is_number {
            // In Redis another function finds them then, which names the destination last.
            found.rotate_left(before);
        }
        Some(())
    }
}

/// The number with which a text begins, in the low 32 bits as C's `atoi` has it: so Redis reads a count that is none. The command
/// itself will refuse it.
fn leading_number(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    let digits = digits.iter().take_while(|digit| digit.is_ascii_digit());
    let number = digits.fold(0_i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let longer = number.saturating_mul(10);
        if is_negative {
            longer.saturating_sub(digit)
        } else {
            longer.saturating_add(digit)
        }
    });
    number as i32
}

/// The argument that is `word`, searched from `from`, which counts from the end if negative (and then backwards).
fn keyword(request: Request<'_>, word: &str, from: i32) -> Option<usize> {
    let is_word = |&place: &usize| request.arg(place).eq_ignore_ascii_case(word.as_bytes());
    if from >= 0 {
        (from as usize..request.len()).find(is_word)
    } else {
        let last = request.len().checked_sub(from.unsigned_abs() as usize)?;
        (1..=last).rev().find(is_word)
    }
}
