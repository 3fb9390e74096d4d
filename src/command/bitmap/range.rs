//! The bits of a range: BITCOUNT, BITPOS.

use std::ops::Range;

use super::ROW;
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::types::bits;
use crate::types::string::Decimal;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bitcount",
        run: bitcount,
        arity: -2,
        since: "2.6.0",
        summary: "Counts the set bits in the string value of a key, or in a part of it.",
        syntax: "key [range: start end [unit: BYTE | BIT]]",
        ..READER
    },
    Command {
        name: "bitpos",
        run: bitpos,
        arity: -3,
        since: "2.8.7",
        summary: "Finds the first bit that is 0 or that is 1 in the string value of a key, or in a part of it.",
        syntax: "key bit [range: start [end-unit-block: end [unit: BYTE | BIT]]]",
        ..READER
    },
];

/// What these rows have in common.
const READER: Command = Command {
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    complexity: "O(N) in the length of the part",
    ..ROW
};

/// What the ends of a range are counted in.
#[derive(Clone, Copy)]
enum Unit {
    Byte,
    Bit,
}

/// A part of a string: both ends are included and count from the end when negative.
struct Part {
    start: i64,
    end: i64,
    unit: Unit,
}

const WHOLE: Part = Part {
    start: 0,
    end: -1,
    unit: Unit::Byte,
};

impl Unit {
    /// The argument at `index`, or bytes if it is not there.
    fn parse(call: &Call<'_>, index: usize) -> Result<Unit, Error> {
        match call.request.get(index) {
            None => Ok(Unit::Byte),
            Some(word) if word.eq_ignore_ascii_case(b"BYTE") => Ok(Unit::Byte),
            Some(word) if word.eq_ignore_ascii_case(b"BIT") => Ok(Unit::Bit),
            Some(_) => Err(Error::Syntax),
        }
    }
}

impl Part {
    /// The bits of the part that a string has.
    fn of(self, string: &[u8]) -> Range<u64> {
        let width = match self.unit {
            Unit::Byte => bits::in_bytes(1),
            Unit::Bit => 1,
        };
        let length = (bits::in_bytes(string.len()) / width) as i64;
        let from_start = |index: i64| match index {
            ..0 => (length + index).max(0),
            _ => index,
        };
        let (start, end) = (from_start(self.start), from_start(self.end).min(length - 1));
        if start > end {
            return 0..0;
        }
        start as u64 * width..(end as u64 + 1) * width
    }
}

// A key that does not exist is answered whatever the other arguments are, so their errors have to wait.

fn bitcount(call: &mut Call<'_>) -> Outcome {
    let part = counted_part(call);
    let count = match call.db.read(call.key(1)) {
        Some(entry) => {
            let mut room = Decimal::default();
            let string = entry.string()?.bytes(&mut room);
            part?.map_or(0, |part| bits::count(string, part.of(string)))
        }
        None => 0,
    };
    call.reply.int(count.cast_signed());
    Ok(())
}

fn counted_part(call: &Call<'_>) -> Result<Option<Part>, Error> {
    match call.len() {
        2 => Ok(Some(WHOLE)),
        4 | 5 => {
            let (start, end) = (call.int(2)?, call.int(3)?);
            // Both before the beginning would meet there, although there is nothing between them.
            if start < 0 && end < 0 && start > end {
                return Ok(None);
            }
            let unit = Unit::parse(call, 4)?;
            Ok(Some(Part { start, end, unit }))
        }
        _ => Err(Error::Syntax),
    }
}

fn bitpos(call: &mut Call<'_>) -> Outcome {
    let wanted = match call.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(Error::text("ERR The bit argument must be 1 or 0.")),
    };
    let part = searched_part(call);
    let is_open = call.len() < 5;
    let Some(entry) = call.db.read(call.key(1)) else {
        call.reply.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let mut room = Decimal::default();
    let string = entry.string()?.bytes(&mut room);
    let range = part?.of(string);
    let place = match bits::find(string, wanted, range.clone()) {
        Some(place) => place.cast_signed(),
        // Without an end, the string is followed by zeros.
        None if !wanted && is_open && !range.is_empty() => range.end.cast_signed(),
        None => -1,
    };
    call.reply.int(place);
    Ok(())
}

fn searched_part(call: &Call<'_>) -> Result<Part, Error> {
    match call.len() {
        3 => Ok(WHOLE),
        4..=6 => Ok(Part {
            start: call.int(3)?,
            unit: Unit::parse(call, 5)?,
            end: match call.len() {
                4 => WHOLE.end,
                _ => call.int(4)?,
            },
        }),
        _ => Err(Error::Syntax),
    }
}
