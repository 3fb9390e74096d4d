//! Packed hashes with deadlines from damaged or hostile files: whatever the bytes, they are refused, or they are a hash whose
//! fields are found by name, die in order and survive changes.
//!
//! `tests/fuzz/run 60 timed_hash`
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use minium::types::hash::{Hash, HashRef, PackedRef};
use minium::types::string::StringRef;
use minium::types::{Collection, Limits, Packing};

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn read(hash: HashRef<'_>) -> Model {
    let fields = hash.iter();
    fields
        .map(|(name, field)| (name.to_vec(), (field.value.to_vec(), field.deadline)))
        .collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(packed) = PackedRef::validated_timed(bytes) else {
        return;
    };
    let mut model = read(HashRef::Packed(packed));
    assert_eq!(model.len(), packed.len(), "a field comes twice");
    let mut hash = Hash::from_packed(Packing::TimedHash, bytes.to_vec()).expect("a packed hash");
    for (name, (value, deadline)) in &model {
        let field = hash.view().find(name).expect("it is there");
        assert!(field.value.equals(value));
        assert_eq!(field.deadline, *deadline);
    }

    let first = model.values().filter_map(|(_, deadline)| *deadline).min();
    assert_eq!(hash.view().soonest(), first);
    if let Some(now) = first {
        let mut dead = Vec::new();
        let count = hash.reap(now, &mut usize::MAX.clone(), |name| {
            dead.push(name.to_vec())
        });
        assert!(count > 0 && count == dead.len());
        model.retain(|name, (_, deadline)| *deadline != Some(now) || !dead.contains(name));
        assert!(model.values().all(|(_, deadline)| *deadline != Some(now)));
        assert_eq!(hash.view().len(), model.len());
    }
    let limits = Limits {
        entries: model.len() / 2 + 1,
        value: 64,
    };
    hash.set(b"new", StringRef::Int(-4097), limits);
    hash.set_deadline(hash.slot(b"new"), Some(77));
    model.insert(b"new".to_vec(), (b"-4097".to_vec(), Some(77)));
    assert_eq!(read(hash.view()), model);
    if let Some((_, bytes)) = hash.packed() {
        PackedRef::validated_timed(bytes).expect("changes keep it whole");
    }
});
