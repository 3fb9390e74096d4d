//! Listpacks from damaged or hostile files: whatever the bytes, they are refused, or they are an ordinary sequence of
//! strings and integers that reads alike from both ends and survives changes.
//!
//! `tests/fuzz/run 60 listpack`
#![no_main]

use libfuzzer_sys::fuzz_target;
use minium::types::listpack::{Listpack, ListpackRef};
use minium::types::string::StringRef;

/// All elements, first to last.
fn read(list: ListpackRef<'_>) -> Vec<Vec<u8>> {
    list.iter().map(StringRef::to_vec).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = ListpackRef::validated(bytes) else {
        return;
    };
    let mut model = read(list);
    assert_eq!(list.len(), model.len());
    let mut backwards: Vec<_> = list.iter().rev().map(StringRef::to_vec).collect();
    backwards.reverse();
    assert_eq!(backwards, model);
    for (index, element) in model.iter().enumerate() {
        let place = list.nth(index).expect("counted");
        assert!(list.get(place).equals(element));
        let found = list.find(element, 0, 1).expect("it is there");
        assert!(found <= place && list.get(found).equals(element));
    }

    let mut changed = Listpack::from_bytes(bytes.to_vec());
    changed.push_front(StringRef::Int(-4097));
    changed.push_back(StringRef::Bytes(b"back"));
    model.insert(0, b"-4097".to_vec());
    model.push(b"back".to_vec());
    let middle = changed.as_ref().nth(model.len() / 2).expect("two at least");
    changed.replace(middle, StringRef::Bytes(&[b'x'; 128]));
    model[changed.as_ref().len() / 2] = vec![b'x'; 128];
    let first = changed.as_ref().first().expect("two at least");
    changed.remove(first, 1);
    model.remove(0);
    let changed = ListpackRef::validated(changed.as_ref().bytes()).expect("changes keep it whole");
    assert_eq!(read(changed), model);
});
