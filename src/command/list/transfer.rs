//! From one list to another, or from one end of a list to the other: LMOVE, and RPOPLPUSH, which it replaced.

use super::{ROW, TAKES, end, layout, popped, pushed};
use crate::command::{Call, Command, Deprecated, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::types::Collection;
use crate::types::list::{End, Layout, List};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lmove",
        run: lmove,
        arity: 5,
        since: "6.2.0",
        summary: "Takes an element from an end of one list, adds it at an end of another and answers it.",
        syntax: "source destination (wherefrom: LEFT | RIGHT) (whereto: LEFT | RIGHT)",
        ..TRANSFER
    },
    Command {
        name: "rpoplpush",
        run: rpoplpush,
        arity: 3,
        since: "1.2.0",
        summary: "Takes the last element of one list, adds it at the beginning of another and answers it.",
        syntax: "source destination",
        deprecated: Some(Deprecated {
            since: "6.2.0",
            instead: "`LMOVE` with the `RIGHT` and `LEFT` arguments",
        }),
        ..TRANSFER
    },
];

/// What these rows have in common with those that wait.
pub(super) const TRANSFER: Command = Command {
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::at(1, TAKES),
        KeySpec::at(2, KeyFlags::RW.union(KeyFlags::INSERT)),
    ],
    ..ROW
};

fn lmove(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (end(call, 3)?, end(call, 4)?);
    transfer_or_null(call, from, to)
}

fn rpoplpush(call: &mut Call<'_>) -> Outcome {
    transfer_or_null(call, End::Back, End::Front)
}

fn transfer_or_null(call: &mut Call<'_>, from: End, to: End) -> Outcome {
    if !transfer(call, from, to)? {
        call.reply.null();
    }
    Ok(())
}

/// Moves an element between the lists that the first two arguments name, and answers it; answers nothing if there is no source,
/// and tells whether there is.
pub(super) fn transfer(call: &mut Call<'_>, from: End, to: End) -> Result<bool, Error> {
    let (source, destination, layout) = (call.key(1), call.key(2), layout(call));
    let db = &mut call.db;
    let Some(entry) = db.write(source) else {
        return Ok(false);
    };
    entry.as_ref().collection::<List>()?;
    if let Some(entry) = db.write(destination) {
        entry.as_ref().collection::<List>()?;
    }
    let same = source.bytes == destination.bytes;
    let taken = db.update::<List, _>(source, |list| {
        let element = take(list, from, &layout);
        if same {
            list.push(to, [&element[..]].into_iter(), &layout);
        }
        (element, list.is_empty())
    })?;
    let (element, emptied) = taken.expect("the list was just seen");
    if !same {
        db.update_or_insert::<List, _>(destination, |list| {
            list.push(to, [&element[..]].into_iter(), &layout);
        })?;
    }
    db.changed(destination, pushed(to));
    db.changed_too(source, popped(from));
    if emptied {
        db.changed_too(source, Event::DEL);
    }
    call.reply.bulk(&element);
    Ok(true)
}

/// Removes the element at an end.
fn take(list: &mut List, end: End, layout: &Layout) -> Vec<u8> {
    let mut taken = Vec::new();
    list.pop(end, 1, layout, |element| taken = element.to_vec());
    taken
}
