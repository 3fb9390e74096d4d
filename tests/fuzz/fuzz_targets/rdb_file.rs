//! Damaged or hostile snapshot files: whatever the bytes, and however they are cut into pieces, the file is refused or it is
//! loaded, and always with the same outcome.
//!
//! `tests/fuzz/run 60 rdb_file`
//!
//! The checksum is not compared, or hardly any input would be looked at.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use minium::keyspace::Keyspace;
use minium::keyspace::access::{AccessClock, Record};
use minium::persistence::loading::Loading;
use minium::persistence::rdb::cut::Sizes;
use minium::persistence::rdb::decode::Rules;
use minium::persistence::rdb::load::{self, Options, Report};
use minium::types::list::Layout;
use minium::types::{Limits, set};

fn load(bytes: &[u8], sizes: Sizes) -> Option<(Report, String)> {
    let limits = Limits {
        entries: 4,
        value: 16,
    };
    let options = Options {
        rules: Rules {
            hash: limits,
            set: set::Limits {
                integers: 4,
                packed: limits,
            },
            zset: limits,
            list: Layout::new(-2, 0, Layout::PLAIN),
            deep: true,
        },
        databases: 16,
        verify: false,
        skip_unknown: true,
        now: 1,
        access: AccessClock::new(1, Record::Date, 10, 1),
        threads: 1,
        sizes,
        delay: Arc::new(|| Duration::ZERO),
        library: Arc::new(|_| Ok(())),
    };
    let keyspace = Keyspace::new(16, 1);
    let fill = |entries: &mut Vec<_>| keyspace.lock_none().fill(entries);
    let report = load::load_here(bytes, &options, &Loading::default(), fill).ok()?;
    let digest = keyspace.lock_all().digest(0).to_string();
    Some((report, digest))
}

fuzz_target!(|input: &[u8]| {
    let bytes = [b"REDIS0011", input].concat();
    let whole = load(&bytes, Sizes::USUAL);
    for (piece, large) in [(1, 1), (7, 1 << 20), (64, 200)] {
        assert_eq!(load(&bytes, Sizes { piece, large }), whole);
    }
    if let Some((report, _)) = whole {
        assert!(report.end <= bytes.len() as u64);
    }
});
