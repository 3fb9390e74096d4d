//! Intsets from damaged or hostile files: whatever the bytes, they are refused, or they are an ordinary set of integers.
//!
//! `tests/fuzz/run 60 intset`
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use minium::types::intset::{Intset, IntsetRef};

fuzz_target!(|bytes: &[u8]| {
    let Ok(set) = IntsetRef::validated(bytes) else {
        return;
    };
    let mut model: BTreeSet<i64> = set.iter().collect();
    assert!(set.iter().eq(model.iter().copied()));
    assert!(set.iter().all(|n| set.contains(n)));

    let mut changed = Intset::from_bytes(bytes.to_vec());
    for n in [0, i64::from(i16::MIN), i64::from(i32::MAX), i64::MIN, -1] {
        assert_eq!(changed.insert(n), model.insert(n));
    }
    let some: Vec<i64> = model.iter().copied().step_by(2).collect();
    for n in some {
        assert!(changed.remove(n) && model.remove(&n));
    }
    let changed = IntsetRef::validated(changed.as_ref().bytes()).expect("changes keep it whole");
    assert!(changed.iter().eq(model));
});
