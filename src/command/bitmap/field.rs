//! Integers of a few bits: BITFIELD, and BITFIELD_RO for replicas.

use smallvec::SmallVec;

use super::{ROW, offset};
use crate::command::string::edit;
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::protocol::{Reply, Request};
use crate::types::bits::{
    self,
    field::{FieldType, Overflow},
};
use crate::types::string::Decimal;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bitfield",
        run: bitfield,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::at(
            1,
            KeyFlags::RW
                .union(KeyFlags::ACCESS)
                .union(KeyFlags::UPDATE)
                .union(KeyFlags::VARIABLE_FLAGS),
        )],
        since: "3.2.0",
        summary: "Reads, sets and adds to integers of any width at any bit of the string value of a key.",
        syntax: "key [operation: GET (get-block: encoding offset) | \
            (write: [OVERFLOW (overflow-block: WRAP | SAT | FAIL)] \
            (write-operation: SET (set-block: encoding offset value<integer>) | \
            INCRBY (incrby-block: encoding offset increment)))] ...",
        ..FIELD
    },
    Command {
        name: "bitfield_ro",
        run: bitfield_ro,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
        since: "6.0.0",
        summary: "Reads integers of any width at any bit of the string value of a key.",
        syntax: "key [GET (get-block: encoding offset) [GET (get-block: encoding offset) ...]]",
        ..FIELD
    },
];

/// What these rows have in common.
const FIELD: Command = Command {
    arity: -2,
    complexity: "O(1) for each operation",
    ..ROW
};

/// What to do with one field.
struct Operation {
    field: FieldType,
    offset: u64,
    action: Action,
}

enum Action {
    Get,
    Set(i64, Overflow),
    Increment(i64, Overflow),
}

type Operations = SmallVec<[Operation; 4]>;

/// What the operations of one call did.
#[derive(Default)]
struct Changes {
    /// Fields that were stored.
    stored: usize,
    /// Those of them that have another value now.
    different: usize,
}

fn bitfield(call: &mut Call<'_>) -> Outcome {
    let operations = parse(call)?;
    let Some(reach) = reach(&operations) else {
        return read(call, &operations);
    };
    let key = call.key(1);
    let reply = &mut call.reply;
    let edited = edit(&mut call.db, key, reach, |bytes| {
        reply.array(operations.len());
        let mut changes = Changes::default();
        for operation in &operations {
            operation.run(bytes, reply, &mut changes);
        }
        changes
    })?;
    let changed = if edited.grew {
        // Growing is a change, even where every field overflowed.
        edited.answer.stored.max(1)
    } else {
        edited.answer.different
    };
    if changed > 0 {
        call.db.changed_by(key, Event::SETBIT, changed);
    }
    Ok(())
}

fn bitfield_ro(call: &mut Call<'_>) -> Outcome {
    let operations = parse(call)?;
    if reach(&operations).is_some() {
        return Err(Error::text(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    read(call, &operations)
}

fn parse(call: &Call<'_>) -> Result<Operations, Error> {
    let mut operations = Operations::new();
    let mut overflow = Overflow::Wrap;
    let mut place = 2;
    while place < call.len() {
        let arguments = call.len() - place - 1;
        if call.is(place, "OVERFLOW") && arguments >= 1 {
            overflow = parse_overflow(call.arg(place + 1))?;
            place += 2;
            continue;
        }
        let has_value = call.is(place, "SET") || call.is(place, "INCRBY");
        let is_whole = if has_value {
            arguments >= 3
        } else {
            call.is(place, "GET") && arguments >= 2
        };
        if !is_whole {
            return Err(Error::Syntax);
        }
        let field = FieldType::parse(call.arg(place + 1)).ok_or(Error::text(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ))?;
        let offset = match call.arg(place + 2) {
            [b'#', index @ ..] => offset(call, index, field.width())?,
            text => offset(call, text, 1)?,
        };
        let action = if call.is(place, "SET") {
            Action::Set(call.int(place + 3)?, overflow)
        } else if has_value {
            Action::Increment(call.int(place + 3)?, overflow)
        } else {
            Action::Get
        };
        place += if has_value { 4 } else { 3 };
        operations.push(Operation {
            field,
            offset,
            action,
        });
    }
    Ok(operations)
}

fn parse_overflow(word: &[u8]) -> Result<Overflow, Error> {
    [
        ("WRAP", Overflow::Wrap),
        ("SAT", Overflow::Saturate),
        ("FAIL", Overflow::Fail),
    ]
    .into_iter()
    .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word))
    .map(|(_, overflow)| overflow)
    .ok_or(Error::text("ERR Invalid OVERFLOW type specified"))
}

/// Whether these arguments of BITFIELD write nothing. Arguments that will be refused may.
pub fn only_reads(request: Request<'_>) -> bool {
    let mut place = 2;
    while place < request.len() {
        let word = request.arg(place);
        place += if word.eq_ignore_ascii_case(b"GET") {
            3
        } else if word.eq_ignore_ascii_case(b"OVERFLOW") {
            2
        } else {
            return false;
        };
    }
    place == request.len()
}

/// How many bytes the string needs so that every field that is written lies within it; `None` if none is written.
fn reach(operations: &[Operation]) -> Option<usize> {
    operations
        .iter()
        .filter(|operation| !matches!(operation.action, Action::Get))
        .map(|operation| bits::byte_of(operation.offset + operation.field.width() - 1) + 1)
        .max()
}

fn read(call: &mut Call<'_>, operations: &[Operation]) -> Outcome {
    let mut room = Decimal::default();
    let bytes = match call.db.read(call.key(1)) {
        Some(entry) => entry.string()?.bytes(&mut room),
        None => &[],
    };
    call.reply.array(operations.len());
    for operation in operations {
        call.reply.int(operation.field.get(bytes, operation.offset));
    }
    Ok(())
}

impl Operation {
    fn run(&self, bytes: &mut [u8], reply: &mut Reply<'_>, changes: &mut Changes) {
        let before = self.field.get(bytes, self.offset);
        let (after, answer) = match self.action {
            Action::Get => return reply.int(before),
            Action::Set(value, overflow) => {
                let after = self.field.assign(value, overflow);
                (after, before)
            }
            Action::Increment(by, overflow) => {
                let after = self.field.add(before, by, overflow);
                (after, after.unwrap_or(before))
            }
        };
        let Some(after) = after else {
            return reply.null();
        };
        self.field.set(bytes, self.offset, after);
        changes.stored += 1;
        changes.different += usize::from(after != before);
        reply.int(answer);
    }
}
