//! Walking over keys: SCAN and KEYS; and what HSCAN, SSCAN and ZSCAN have in common with them.
//!
//! A cursor is a hash position, so a scan has no state in the server, and growth, shrinking and other clients'
//! writes between its calls cannot make it miss what is there throughout.

use super::{Call, Categories, Command, Error, Flags, Group, Outcome};
use crate::keyspace::Key;
use crate::protocol::{Reply, Version, glob};
use crate::types::Collection;
use crate::types::string::{Decimal, StringRef};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "keys",
        run: keys,
        arity: 2,
        flags: Flags::READONLY.union(Flags::EXCLUSIVE),
        group: Group::Generic,
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        summary: "Answers the names of all keys that match a pattern.",
        complexity: "O(N) where N is the number of keys in the database",
        syntax: "pattern",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        ..Command::DEFAULT
    },
    Command {
        name: "scan",
        run: scan,
        arity: -2,
        flags: Flags::READONLY.union(Flags::TOUCHES_ARBITRARY_KEYS),
        group: Group::Generic,
        categories: Categories::KEYSPACE,
        since: "2.8.0",
        summary: "Answers the names of some keys and a cursor to go on with.",
        complexity: "O(1) for a call, O(N) for a whole walk where N is the number of keys in the database",
        syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
        tips: &[
            "nondeterministic_output",
            "request_policy:special",
            "response_policy:special",
        ],
        ..Command::DEFAULT
    },
];

/// Bits of a hash position that a cursor leaves out, so that languages whose numbers are doubles can hold it. Positions
/// differ above them unless a table has over a thousand billion buckets.
const CURSOR_SHIFT: u32 = 11;

/// Keys or elements that a call looks at if it does not say how many.
const DEFAULT_COUNT: u64 = 10;

/// Keys that a step of a well-filled table visits.
const KEYS_PER_STEP: u64 = 6;

/// Steps that a call takes at most for each key or element it was asked to look at.
const STEPS_PER_COUNT: u64 = 10;

/// Steps taken under one lock: some tens of microseconds.
const SLICE: u64 = 256;

/// What is walked over: it decides which options there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// Keys, with TYPE.
    Keys,
    /// A hash's fields, with NOVALUES.
    Fields,
    /// The members of a set or sorted set.
    Members,
}

/// What stands behind the cursor.
struct Options<'a> {
    count: u64,
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
    values: bool,
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a>, first: usize, walked: Walked) -> Result<Options<'a>, Error> {
        let mut options = Options {
            count: DEFAULT_COUNT,
            pattern: None,
            type_name: None,
            values: true,
        };
        let mut place = first;
        while place < call.len() {
            if walked == Walked::Fields && call.is(place, "NOVALUES") {
                options.values = false;
                place += 1;
                continue;
            }
            let value = place + 1;
            if value == call.len() {
                return Err(Error::Syntax);
            }
            if call.is(place, "COUNT") {
                options.count = u64::try_from(call.int(value)?)
                    .ok()
                    .filter(|&count| count > 0)
                    .ok_or(Error::Syntax)?;
            } else if call.is(place, "MATCH") {
                options.pattern = narrowing(call.arg(value));
            } else if walked == Walked::Keys && call.is(place, "TYPE") {
                options.type_name = Some(call.arg(value));
            } else {
                return Err(Error::Syntax);
            }
            place += 2;
        }
        Ok(options)
    }
}

/// What one call has found: names and values, encoded as they go into its reply.
pub struct Found<'a> {
    options: &'a Options<'a>,
    seen: u64,
    len: usize,
    encoded: Vec<u8>,
}

impl<'a> Found<'a> {
    fn new(options: &'a Options<'a>) -> Found<'a> {
        Found {
            options,
            seen: 0,
            len: 0,
            encoded: Vec::new(),
        }
    }

    /// Counts a key or element as looked at, and answers whether its name is asked for.
    pub fn admits(&mut self, name: StringRef<'_>) -> bool {
        self.seen += 1;
        self.options.pattern.is_none_or(|pattern| {
            glob::matches(pattern, name.bytes(&mut Decimal::default()), false)
        })
    }

    /// Whether values are asked for, too: HSCAN without NOVALUES.
    pub fn wants_values(&self) -> bool {
        self.options.values
    }

    /// Puts a name or a value into the reply.
    pub fn put(&mut self, string: StringRef<'_>) {
        // Bulk strings are the same in both versions of the protocol.
        string.answer(&mut Reply::new(&mut self.encoded, Version::Resp2));
        self.len += 1;
    }

    /// Whether the call has looked at as much as it was asked to.
    fn is_enough(&self) -> bool {
        self.seen >= self.options.count
    }

    /// Writes the reply of a call that ended before `position`.
    fn answer(&self, reply: &mut Reply<'_>, position: Option<u64>) {
        reply.array(2);
        let cursor = position.map_or(0, cursor_of);
        reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
        reply.array(self.len);
        reply.raw(&self.encoded);
    }
}

fn scan(call: &mut Call<'_>) -> Outcome {
    let cursor = parse_cursor(call.arg(1)).ok_or(Error::InvalidCursor)?;
    let options = Options::parse(call, 2, Walked::Keys)?;
    let mut found = Found::new(&options);
    // A call's work is bounded even if it finds few keys or none. Shards without keys cost next to nothing.
    let mut steps = options.count.saturating_mul(STEPS_PER_COUNT);
    let mut position = position_of(cursor);
    while let Some(at) = position {
        let wanted = options
            .count
            .saturating_sub(found.seen)
            .div_ceil(KEYS_PER_STEP);
        let slice = wanted.min(SLICE).min(steps).max(1) as usize;
        let mut left = slice;
        position = call.db.walk(at, &mut left, |entry| {
            let name = StringRef::Bytes(entry.key());
            let is_of_type = || {
                options.type_name.is_none_or(|name| {
                    name.eq_ignore_ascii_case(entry.value().type_name().as_bytes())
                })
            };
            if found.admits(name) && is_of_type() {
                found.put(name);
            }
        });
        steps = steps.saturating_sub((slice - left) as u64);
        // Should a table be so deep that the cursor has not moved, the call goes on until it has.
        if (found.is_enough() || steps == 0) && position.map(cursor_of) != Some(cursor) {
            break;
        }
    }
    found.answer(&mut call.reply, position);
    Ok(())
}

/// HSCAN, SSCAN and ZSCAN: the key is the first argument, the cursor the second. `step` visits some elements from a hash
/// position on, offers them to [`Found`], and returns the position that follows; a packed collection is visited whole,
/// whatever the position.
pub fn collection<T: Collection>(
    call: &mut Call<'_>,
    walked: Walked,
    mut step: impl FnMut(T::Ref<'_>, u64, &mut Found<'_>) -> Option<u64>,
) -> Outcome {
    let cursor = parse_cursor(call.arg(2)).ok_or(Error::InvalidCursor)?;
    let options = Options::parse(call, 3, walked);
    let Some(collection) = call.db.collection::<T>(call.key(1))? else {
        // A key that is not there hides what is wrong with the options.
        call.reply.array(2);
        call.reply.bulk(b"0");
        call.reply.empty_array();
        return Ok(());
    };
    let options = options?;
    let mut found = Found::new(&options);
    let mut steps = options.count.saturating_mul(STEPS_PER_COUNT);
    // A cursor behind all hashes goes on at the last: a packed collection is visited all the same.
    let mut position = Some(position_of(cursor).unwrap_or(u64::MAX));
    while let Some(at) = position {
        position = step(collection, at, &mut found);
        steps = steps.saturating_sub(1);
        if (found.is_enough() || steps == 0) && position.map(cursor_of) != Some(cursor) {
            break;
        }
    }
    found.answer(&mut call.reply, position);
    Ok(())
}

/// A number as C's `strtoul` reads it, but without leading space: a sign is allowed, and so is nothing at all.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then_some(u64::from(digit & 0xF))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if negative {
        number.wrapping_neg()
    } else {
        number
    })
}

/// Where a cursor goes on; `None` if that is behind the last key.
fn position_of(cursor: u64) -> Option<u64> {
    (cursor <= u64::MAX >> CURSOR_SHIFT).then_some(cursor << CURSOR_SHIFT)
}

fn cursor_of(position: u64) -> u64 {
    position >> CURSOR_SHIFT
}

/// A pattern, unless it is the one that every name matches.
fn narrowing(pattern: &[u8]) -> Option<&[u8]> {
    (pattern != b"*").then_some(pattern)
}

fn keys(call: &mut Call<'_>) -> Outcome {
    let pattern = call.arg(1);
    if !pattern.iter().any(|byte| b"*?[\\".contains(byte)) {
        let found = call.db.peek(Key::new(pattern)).is_some();
        call.reply.array(found.into());
        if found {
            call.reply.bulk(pattern);
        }
        return Ok(());
    }
    let pattern = narrowing(pattern);
    let (database, now) = (call.db.index, call.db.now());
    let reply = &mut call.reply;
    let begin = reply.deferred();
    let mut count = 0;
    for table in call
        .db
        .locked
        .all()
        .iter()
        .filter_map(|shard| shard.table(database))
    {
        for entry in table.iter() {
            let matches = pattern.is_none_or(|pattern| glob::matches(pattern, entry.key(), false));
            if matches && entry.deadline().is_none_or(|deadline| deadline > now) {
                count += 1;
                reply.bulk(entry.key());
            }
        }
    }
    reply.end_array(begin, count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_strtoul_does() {
        for (text, cursor) in [
            ("", Some(0)),
            ("0", Some(0)),
            ("+7", Some(7)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-", None),
            (" 1", None),
            ("1 ", None),
            ("0x1", None),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()), cursor, "{text:?}");
        }
    }

    #[test]
    fn cursors_fit_a_double() {
        assert_eq!(cursor_of(u64::MAX), (1 << 53) - 1);
        assert_eq!(position_of(cursor_of(3 << 40)), Some(3 << 40));
        assert_eq!(position_of(1 << 53), None);
    }
}
