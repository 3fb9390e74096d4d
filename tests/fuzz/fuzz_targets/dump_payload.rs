//! DUMP payloads from damaged or hostile servers: whatever the bytes, RESTORE refuses them, or they are a value that DUMP makes
//! a payload of which is the same value again.
//!
//! `tests/fuzz/run 60 dump_payload`
//!
//! The input is type and value; version and checksum are put behind it, or hardly any input would be looked at.
#![no_main]

use libfuzzer_sys::fuzz_target;
use minium::keyspace::{Entry, digest};
use minium::persistence::rdb::decode::{self, Rules};
use minium::persistence::rdb::encode;
use minium::persistence::rdb::format::{self, Checksum, Input};
use minium::types::list::Layout;
use minium::types::{Limits, set};

fn rules(entries: usize) -> Rules {
    let limits = Limits { entries, value: 64 };
    Rules {
        hash: limits,
        set: set::Limits {
            integers: entries,
            packed: limits,
        },
        zset: limits,
        list: Layout::new(-2, 0, Layout::PLAIN),
        deep: true,
    }
}

fn restore(payload: &[u8], rules: &Rules) -> Option<Entry> {
    let mut input =
        Input::new(format::payload::body(payload).expect("version and checksum are right"));
    let kind = input.byte().ok()?;
    let entry = decode::value(kind, &mut input, rules, |value| {
        Entry::new(b"k", value, None)
    });
    entry.ok()?.filter(|_| input.remaining() == 0)
}

fuzz_target!(|body: &[u8]| {
    let mut payload = [body, &format::NEWEST.to_le_bytes()].concat();
    payload.extend(Checksum::of(&payload).to_le_bytes());
    let Some(entry) = restore(&payload, &rules(512)) else {
        return;
    };
    let digest = digest::of_value(entry.as_ref());
    for compresses in [false, true] {
        let dumped = encode::payload(entry.as_ref().value(), compresses);
        // Packed, and packed no longer.
        for entries in [512, 1] {
            let again = restore(&dumped, &rules(entries)).expect("what was dumped can be restored");
            assert_eq!(digest::of_value(again.as_ref()), digest);
        }
    }
});
