//! Fields set and removed: HSET, HMSET, HSETNX, HDEL.

use super::limits;
use crate::command::{Call, Command, Deprecated, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::types::Collection;
use crate::types::hash::Hash;
use crate::types::string::StringRef;

/// The rows of these commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hdel",
        run: hdel,
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::DELETE))],
        summary: "Removes fields from a hash, and the hash with the last one.",
        complexity: "O(N) in the number of fields to be removed",
        syntax: "key field [field ...]",
        ..SET
    },
    Command {
        name: "hmset",
        run: hmset,
        summary: "Sets the values of several fields of a hash.",
        deprecated: Some(Deprecated {
            since: "4.0.0",
            instead: "`HSET` with multiple field-value pairs",
        }),
        ..SET
    },
    Command {
        name: "hset",
        run: hset,
        summary: "Sets the values of fields of a hash.",
        ..SET
    },
    Command {
        name: "hsetnx",
        run: hsetnx,
        arity: 4,
        keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::INSERT))],
        summary: "Sets the value of a field that a hash does not have.",
        complexity: "O(1)",
        syntax: "key field value",
        ..SET
    },
];

/// What these rows have in common.
const SET: Command = Command {
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::at(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    group: Group::Hash,
    since: "2.0.0",
    complexity: "O(N) in the number of fields",
    syntax: "key field value [field value ...]",
    ..Command::DEFAULT
};

fn hset(call: &mut Call<'_>) -> Outcome {
    let created = set_all(call)?;
    call.reply.count(created);
    Ok(())
}

fn hmset(call: &mut Call<'_>) -> Outcome {
    set_all(call)?;
    call.reply.ok();
    Ok(())
}

/// Sets the fields that begin at the second argument to the values behind them; answers how many are new.
fn set_all(call: &mut Call<'_>) -> Result<usize, Error> {
    if !call.len().is_multiple_of(2) {
        return Err(Error::Arity(call.command.full_name.clone()));
    }
    let (key, request, limits) = (call.key(1), call.request, limits(call.config));
    let fields = call.len() / 2 - 1;
    let created = call.db.update_or_insert(key, |hash: &mut Hash| {
        hash.expect(fields, limits);
        let places = (2..request.len()).step_by(2);
        let set = |&place: &usize| {
            let value = StringRef::Bytes(request.arg(place + 1));
            hash.set(request.arg(place), value, limits)
        };
        places.filter(set).count()
    })?;
    call.db.changed_by(key, Event::HSET, fields);
    Ok(created)
}

fn hsetnx(call: &mut Call<'_>) -> Outcome {
    let (key, field, value) = (call.key(1), call.arg(2), StringRef::Bytes(call.arg(3)));
    let (limits, now, scribe) = (limits(call.config), call.db.now(), call.db.scribe());
    let (created, expired) = call.db.update_or_insert(key, |hash: &mut Hash| {
        let (slot, expired) = hash.live_slot(field, now);
        if expired {
            scribe.field_went(key.bytes, field);
        }
        let created = hash.at(slot).is_none() && hash.set_at(slot, field, value, None, limits);
        (created, expired)
    })?;
    call.db.fields_expired(key, expired.into(), false);
    if created {
        call.db.changed(key, Event::HSET);
    }
    call.reply.int(created.into());
    Ok(())
}

fn hdel(call: &mut Call<'_>) -> Outcome {
    let (key, fields) = (call.key(1), call.args_from(2));
    let change = |hash: &mut Hash| {
        let removed = fields.filter(|field| hash.remove(field)).count();
        (removed, hash.is_empty())
    };
    let (removed, emptied) = call.db.update(key, change)?.unwrap_or_default();
    call.db.removed(key, Event::HDEL, removed, emptied);
    call.reply.count(removed);
    Ok(())
}
