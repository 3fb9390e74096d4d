//! Inside a list: LSET, LINSERT, LREM, LTRIM.

use super::{ROW, layout};
use crate::command::{Call, Command, Error, Flags, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::types::list::{End, List};
use crate::types::{Collection, index};

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lset",
        run: lset,
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
        summary: "Puts another element in the place of the one at an index of a list.",
        complexity: "O(1) at either end; elsewhere O(N) with a small factor in the distance to the nearer end",
        syntax: "key index element",
        ..ROW
    },
    Command {
        name: "linsert",
        run: linsert,
        arity: 5,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::INSERT))],
        since: "2.2.0",
        summary: "Puts an element before or after the first one in a list that equals another.",
        complexity: "O(N) in the number of elements before that one",
        syntax: "key (where: BEFORE | AFTER) pivot element",
        ..ROW
    },
    Command {
        name: "lrem",
        run: lrem,
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        summary: "Removes the elements of a list that equal another: all, or a number of them from the beginning or the end.",
        complexity: "O(N) in the length of the list",
        syntax: "key count element",
        ..ROW
    },
    Command {
        name: "ltrim",
        run: ltrim,
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        summary: "Removes the elements of a list before one index and after another.",
        complexity: "O(N) in the number of elements removed",
        syntax: "key start stop",
        ..ROW
    },
];

fn lset(call: &mut Call<'_>) -> Outcome {
    let (key, at, layout) = (call.key(1), call.int(2), layout(call));
    let changed = call.db.update::<List, Outcome>(key, |list| {
        let place = index::place(at?, list.view().len())
            .ok_or_else(|| Error::text("ERR index out of range"))?;
        list.set(place, call.request.arg(3), &layout);
        Ok(())
    })?;
    changed.ok_or(Error::NoSuchKey)??;
    call.db.changed(key, Event::LSET);
    call.reply.ok();
    Ok(())
}

fn linsert(call: &mut Call<'_>) -> Outcome {
    let behind = match (call.is(2, "BEFORE"), call.is(2, "AFTER")) {
        (false, false) => return Err(Error::Syntax),
        (_, after) => after,
    };
    let (key, pivot, layout) = (call.key(1), call.arg(3), layout(call));
    let len = call.db.update::<List, _>(key, |list| {
        let inserted = list.insert(pivot, behind, call.request.arg(4), &layout);
        inserted.then(|| list.view().len())
    })?;
    match len {
        Some(Some(len)) => {
            call.db.changed(key, Event::LINSERT);
            call.reply.count(len);
        }
        Some(None) => call.reply.int(-1),
        None => call.reply.int(0),
    }
    Ok(())
}

fn lrem(call: &mut Call<'_>) -> Outcome {
    let count = call.int(2)?;
    let end = if count < 0 { End::Back } else { End::Front };
    let most = match usize::try_from(count.unsigned_abs()) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(most) => most,
    };
    let (key, wanted, layout) = (call.key(1), call.arg(3), layout(call));
    let removed = call.db.update::<List, _>(key, |list| {
        let removed = list.remove_equal(wanted, end, most, &layout);
        (removed, list.is_empty())
    })?;
    let (removed, emptied) = removed.unwrap_or_default();
    call.db.removed(key, Event::LREM, removed, emptied);
    call.reply.count(removed);
    Ok(())
}

fn ltrim(call: &mut Call<'_>) -> Outcome {
    let (start, stop) = (call.int(2)?, call.int(3)?);
    let (key, layout) = (call.key(1), layout(call));
    if let Some(entry) = call.db.write(key) {
        let len = entry.as_ref().collection::<List>()?.len();
        let kept = index::range(start, stop, len);
        let removed = len - kept.len();
        if kept.is_empty() {
            // Whole, so that a large one does not hold the client up.
            call.db.delete(key);
        } else if removed > 0 {
            call.db.update::<List, _>(key, |list| {
                list.trim(kept.start, len - kept.end, &layout);
            })?;
        }
        match removed {
            0 => call.db.changed_too(key, Event::LTRIM),
            _ => call.db.removed(key, Event::LTRIM, removed, kept.is_empty()),
        }
    }
    call.reply.ok();
    Ok(())
}
