//! Walking over keys: SCAN and KEYS.
//!
//! A cursor of SCAN is a hash position, so a scan has no state in the server, and growth, shrinking and other clients'
//! writes between its calls cannot make it miss a key that is there throughout.

use super::{Call, Categories, Command, Error, Flags, Group, Outcome};
use crate::keyspace::Key;
use crate::protocol::{Reply, glob};

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

/// Keys that a call of SCAN looks at if it does not say how many.
const DEFAULT_COUNT: u64 = 10;

/// Keys that a step of a well-filled table visits.
const KEYS_PER_STEP: u64 = 6;

/// Steps that a call takes at most for each key it was asked to look at.
const STEPS_PER_COUNT: u64 = 10;

/// Steps taken under one lock: some tens of microseconds.
const SLICE: u64 = 256;

fn scan(call: &mut Call<'_>) -> Outcome {
    let cursor = parse_cursor(call.arg(1)).ok_or(Error::InvalidCursor)?;
    let mut count = DEFAULT_COUNT;
    let mut pattern = None;
    let mut type_name = None;
    let mut argument = 2;
    while argument < call.len() {
        let value = argument + 1;
        if value == call.len() {
            return Err(Error::Syntax);
        }
        if call.is(argument, "COUNT") {
            count = u64::try_from(call.int(value)?)
                .ok()
                .filter(|&count| count > 0)
                .ok_or(Error::Syntax)?;
        } else if call.is(argument, "MATCH") {
            pattern = narrowing(call.arg(value));
        } else if call.is(argument, "TYPE") {
            type_name = Some(call.arg(value));
        } else {
            return Err(Error::Syntax);
        }
        argument += 2;
    }

    // The keys come before the cursor is known, but behind it in the reply.
    let mut keys = Vec::new();
    let mut reply = Reply::new(&mut keys, call.reply.version());
    let (mut seen, mut matching) = (0, 0);
    // A call's work is bounded even if it finds few keys or none. Shards without keys cost next to nothing.
    let mut steps = count.saturating_mul(STEPS_PER_COUNT);
    let mut position = position_of(cursor);
    while let Some(at) = position {
        let wanted = count.saturating_sub(seen).div_ceil(KEYS_PER_STEP);
        let slice = wanted.min(SLICE).min(steps).max(1) as usize;
        let mut left = slice;
        position = call.db.walk(at, &mut left, |entry| {
            seen += 1;
            let wanted = pattern.is_none_or(|pattern| glob::matches(pattern, entry.key(), false))
                && type_name.is_none_or(|name: &[u8]| {
                    name.eq_ignore_ascii_case(entry.value().type_name().as_bytes())
                });
            if wanted {
                matching += 1;
                reply.bulk(entry.key());
            }
        });
        steps = steps.saturating_sub((slice - left) as u64);
        // Should a table be so deep that the cursor has not moved, the call goes on until it has.
        if (seen >= count || steps == 0) && position.map(cursor_of) != Some(cursor) {
            break;
        }
    }
    call.reply.array(2);
    call.reply
        .bulk(position.map_or(0, cursor_of).to_string().as_bytes());
    call.reply.array(matching);
    call.reply.raw(&keys);
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
