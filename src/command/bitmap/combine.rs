//! Several bitmaps into one: BITOP.

use smallvec::SmallVec;

use super::ROW;
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::keyspace::{Expiry, Key, NewValue};
use crate::types::bits::combine::Operation;
use crate::types::string::Decimal;

/// The row of this command.
pub const COMMANDS: &[Command] = &[Command {
    name: "bitop",
    run: bitop,
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: &[
        KeySpec::at(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::from(3, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    since: "2.6.0",
    summary: "Combines the string values of keys bit by bit and stores the result.",
    complexity: "O(N) in the length of all strings",
    syntax: "(operation: AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE) destkey key [key ...]",
    ..ROW
}];

/// Sources that need no memory beyond the call.
const FEW: usize = 8;

fn bitop(call: &mut Call<'_>) -> Outcome {
    let (name, operation) = Operation::by_name(call.arg(1)).ok_or(Error::Syntax)?;
    let sources = call.len() - 3;
    match operation {
        Operation::Not if sources != 1 => {
            return Err(Error::text(
                "ERR BITOP NOT must be called with a single source key.",
            ));
        }
        Operation::Diff | Operation::Diff1 | Operation::AndOr if sources < 2 => {
            return Err(Error::text(format!(
                "ERR BITOP {name} must be called with at least two source keys."
            )));
        }
        _ => {}
    }
    let keys: SmallVec<[Key<'_>; FEW]> = (3..call.len()).map(|place| call.key(place)).collect();
    for &key in &keys {
        if let Some(entry) = call.db.read(key) {
            entry.string()?;
        }
    }
    let result = {
        let mut rooms: SmallVec<[Decimal; FEW]> = keys.iter().map(|_| Decimal::default()).collect();
        let sources: SmallVec<[&[u8]; FEW]> = keys
            .iter()
            .zip(&mut rooms)
            .map(|(&key, room)| match call.db.view(key) {
                Some(entry) => Ok(entry.string()?.bytes(room)),
                None => Ok(&[][..]),
            })
            .collect::<Result<_, Error>>()?;
        operation.apply(&sources)?
    };
    let (destination, length) = (call.key(2), result.len());
    if length > 0 {
        call.db
            .set(destination, NewValue::growing(result), Expiry::Never);
        call.db.changed(destination, Event::SET);
    } else if call.db.delete(destination) {
        call.db.changed(destination, Event::DEL);
    }
    call.reply.count(length);
    Ok(())
}
