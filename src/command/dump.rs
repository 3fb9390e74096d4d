//! DUMP: a value as bytes that RESTORE takes, here and on a Redis server.

use super::{Call, Categories, Command, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::persistence::rdb::encode;

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "dump",
    run: dump,
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Generic,
    categories: Categories::KEYSPACE,
    since: "2.6.0",
    summary: "Answers the value as bytes that RESTORE takes, here and on other servers.",
    complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects \
                 composing the value and M their average size. For small string values the time complexity is thus \
                 O(1)+O(1*M) where M is small, so simply O(1).",
    syntax: "key",
    tips: &["nondeterministic_output"],
    ..Command::DEFAULT
}];

fn dump(call: &mut Call<'_>) -> Outcome {
    let compresses = call.config.persistence.rdbcompression;
    match call.db.read(call.key(1)) {
        Some(entry) => call.reply.bulk(&encode::payload(entry.value(), compresses)),
        None => call.reply.null(),
    }
    Ok(())
}
