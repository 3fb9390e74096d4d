//! LCS: what two strings have in common, in order.

use crate::command::{Begin, Call, Command, Error, Find, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::types::lcs::{self, Alignment, Run};
use crate::types::string::StringRef;

/// The row of this command.
pub const COMMANDS: &[Command] = &[Command {
    name: "lcs",
    run: lcs,
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec {
        flags: KeyFlags::RO.union(KeyFlags::ACCESS),
        begin: Begin::Index(1),
        find: Find::Range { last: 1, step: 1 },
    }],
    group: Group::String,
    since: "7.0.0",
    summary: "Finds the longest common subsequence of two strings.",
    complexity: "O(N*M) in the lengths of the strings",
    syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    ..Command::DEFAULT
}];

fn lcs(call: &mut Call<'_>) -> Outcome {
    let keys = [call.key(1), call.key(2)];
    // Both are looked for, whatever the first one is.
    let found = keys.map(|key| match call.db.read(key) {
        Some(entry) => entry.string().map(|string| string.len()),
        None => Ok(0),
    });
    let [Ok(first), Ok(second)] = found else {
        return Err(Error::text(
            "ERR The specified keys must contain string values",
        ));
    };
    let lengths = [first, second];
    let (mut only_length, mut indexes, mut with_lengths, mut shortest) = (false, false, false, 0);
    let mut place = 3;
    while place < call.len() {
        if call.is(place, "IDX") {
            indexes = true;
        } else if call.is(place, "LEN") {
            only_length = true;
        } else if call.is(place, "WITHMATCHLEN") {
            with_lengths = true;
        } else if call.is(place, "MINMATCHLEN") && place + 1 < call.len() {
            place += 1;
            shortest = call.int(place)?;
        } else {
            return Err(Error::Syntax);
        }
        place += 1;
    }
    if only_length && indexes {
        return Err(Error::text(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    check_size(call, lengths)?;
    let [a, b] = keys.map(|key| {
        let string = call.db.peek(key).and_then(|entry| entry.string().ok());
        string.map(StringRef::to_vec).unwrap_or_default()
    });
    if only_length {
        call.reply.count(lcs::length(&a, &b));
        return Ok(());
    }
    let alignment = Alignment::new(&a, &b).map_err(|_| {
        Error::text("ERR Insufficient memory, failed allocating transient memory for LCS")
    })?;
    if !indexes {
        call.reply.bulk(&alignment.subsequence());
        return Ok(());
    }
    call.reply.map(2);
    call.reply.bulk(b"matches");
    let matches = call.reply.deferred();
    let mut count = 0;
    let shortest = usize::try_from(shortest).unwrap_or(0);
    for Run { a, b, length } in alignment.runs().filter(|run| run.length >= shortest) {
        call.reply.array(if with_lengths { 3 } else { 2 });
        for start in [a, b] {
            call.reply.array(2);
            call.reply.count(start);
            call.reply.count(start + length - 1);
        }
        if with_lengths {
            call.reply.count(length);
        }
        count += 1;
    }
    call.reply.end_array(matches, count);
    call.reply.bulk(b"len");
    call.reply.count(alignment.length());
    Ok(())
}

/// Refuses strings whose plain table of 32-bit lengths would be larger than `proto-max-bulk-len`. Ours is smaller, but
/// the time grows with it all the same, and a client meets the limit where it met it before.
fn check_size(call: &Call<'_>, [a, b]: [usize; 2]) -> Outcome {
    const TOO_LONG: usize = u32::MAX as usize - 1;
    if a >= TOO_LONG || b >= TOO_LONG {
        return Err(Error::text("ERR String too long for LCS"));
    }
    let table = (a + 1)
        .saturating_mul(b + 1)
        .saturating_mul(size_of::<u32>());
    if table > call.config.clients.proto_max_bulk_len {
        return Err(Error::text(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    Ok(())
}
