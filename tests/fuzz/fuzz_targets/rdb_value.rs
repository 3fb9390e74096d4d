//! Values from damaged or hostile snapshots and DUMP payloads: whatever the bytes, they are refused, or they are a value whose
//! end was found, which can be read, and which survives changes.
//!
//! `tests/fuzz/run 60 rdb_value`
//!
//! The first byte of the input is the type of the value, the second chooses the rules; the rest is the value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use minium::keyspace::entry::EntryRef;
use minium::keyspace::{Entry, NewValue, digest};
use minium::persistence::rdb::decode::{self, Rules};
use minium::persistence::rdb::format::Input;
use minium::persistence::rdb::record::skip_value;
use minium::types::hash::Hash;
use minium::types::list::{End, Layout, List};
use minium::types::set::{self, Set};
use minium::types::string::StringRef;
use minium::types::zset::Zset;
use minium::types::{Collection, Limits, Object, Packing};

fn rules(choice: u8) -> Rules {
    let entries = if choice & 1 == 0 { 3 } else { 512 };
    let limits = Limits { entries, value: 64 };
    Rules {
        hash: limits,
        set: set::Limits {
            integers: entries,
            packed: limits,
        },
        zset: limits,
        list: Layout::new(
            if choice & 2 == 0 { 4 } else { -2 },
            u32::from(choice >> 4 & 1),
            Layout::PLAIN,
        ),
        deep: choice & 4 == 0,
    }
}

/// The collection as one that can change.
fn changeable<T: Collection>(entry: EntryRef<'_>) -> Option<T> {
    if let Some((packing, bytes)) = entry.value().packed() {
        return T::from_packed(packing, bytes.to_vec());
    }
    let object: Box<Object> = entry.copy_as(b"k", None).into_object()?;
    T::of(&object).map(|_| ())?;
    let mut object = *object;
    T::of_mut(&mut object).map(std::mem::take)
}

fn change(entry: EntryRef<'_>, rules: &Rules) {
    let new = b"surely not there";
    if let Some(mut list) = changeable::<List>(entry) {
        let len = list.view().len();
        list.push(End::Front, [&new[..]].into_iter(), &rules.list);
        list.push(End::Back, [&new[..]].into_iter(), &rules.list);
        assert_eq!(list.view().iter().rev().count(), len + 2);
        list.pop(End::Back, len + 2, &rules.list, |_| {});
        assert!(list.is_empty());
    } else if let Some(mut set) = changeable::<Set>(entry) {
        let members: Vec<_> = set.view().iter().map(StringRef::to_vec).collect();
        set.add(StringRef::Bytes(new), &rules.set);
        for member in &members {
            set.remove(StringRef::Bytes(member));
        }
        assert!(!rules.deep || set.view().len() == 1);
    } else if let Some(mut zset) = changeable::<Zset>(entry) {
        let members: Vec<_> = zset
            .view()
            .iter()
            .map(|(member, _)| member.to_vec())
            .collect();
        zset.set(new, rules.zset, |_| Some(0.5));
        for member in &members {
            zset.remove(member);
        }
        assert!(!rules.deep || zset.view().len() == 1);
    } else if let Some(mut hash) = changeable::<Hash>(entry) {
        let names: Vec<_> = hash.view().iter().map(|(name, _)| name.to_vec()).collect();
        hash.set(new, StringRef::Int(7), rules.hash);
        for name in &names {
            hash.remove(name);
        }
        assert!(!rules.deep || hash.view().len() == 1);
    }
}

fuzz_target!(|input: &[u8]| {
    let [kind, choice, bytes @ ..] = input else {
        return;
    };
    let rules = rules(*choice);
    let (mut read, mut skipped) = (Input::new(bytes), Input::new(bytes));
    let take = |value: NewValue<'_>| {
        let entry = Entry::new(b"k", value, None);
        digest::of_value(entry.as_ref());
        change(entry.as_ref(), &rules);
        let value = entry.as_ref().value();
        assert!(!matches!(value.packed(), Some((Packing::List, bytes)) if bytes.len() > 1 << 20));
    };
    if decode::value(*kind, &mut read, &rules, take).is_ok() {
        skip_value(*kind, &mut skipped).expect("what can be read can be passed over");
        assert_eq!(read.position(), skipped.position());
    }
});
