//! Entries against a struct of their fields.

use super::*;
use crate::types::Packing;
use proptest::prelude::*;

fn string_of(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Int(n) => n.to_string().into_bytes(),
        ValueRef::Inline(bytes) => bytes.to_vec(),
        ValueRef::Object(Object::String(bytes)) => bytes.clone(),
        other => panic!("{other:?} is no string"),
    }
}

/// One change to an entry, and the naive model of an entry: its fields in a struct.
#[derive(Debug, Clone)]
enum Change {
    Deadline(Option<u64>),
    Overwrite(Vec<u8>),
    Access(u32),
    Increment,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<Option<u64>>().prop_map(Change::Deadline),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Change::Overwrite),
        any::<u32>().prop_map(Change::Access),
        Just(Change::Increment),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_struct_of_its_fields(
        key in proptest::collection::vec(any::<u8>(), 0..600),
        value in prop_oneof![
            Just(None),
            proptest::collection::vec(any::<u8>(), 0..100).prop_map(Some),
            proptest::collection::vec(any::<u8>(), MAX_INLINE - 2..MAX_INLINE + 3).prop_map(Some),
        ],
        deadline in any::<Option<u64>>(),
        changes in proptest::collection::vec(change(), 0..12),
    ) {
        let new = value.as_ref().map_or(NewValue::Int(-7), |bytes| NewValue::Bytes(bytes));
        let mut entry = Entry::new(&key, new, deadline);
        let mut model = (value.unwrap_or_else(|| b"-7".to_vec()), deadline, 0);
        for change in changes {
            match change {
                Change::Deadline(deadline) => {
                    entry = entry.with_deadline(deadline);
                    model.1 = deadline;
                }
                Change::Overwrite(bytes) => {
                    let deadline = model.1;
                    if entry.as_mut().overwrite(&NewValue::Bytes(&bytes), deadline) {
                        model.0 = bytes;
                    }
                }
                Change::Access(access) => {
                    entry.as_mut().set_access(access);
                    model.2 = access;
                }
                Change::Increment => match entry.as_mut().into_value() {
                    ValueMut::Int(n) => {
                        *n += 1;
                        model.0 = n.to_string().into_bytes();
                    }
                    ValueMut::Inline(bytes) => {
                        if let (Some(last), Some(copy)) = (bytes.last_mut(), model.0.last_mut()) {
                            *last = last.wrapping_add(1);
                            *copy = *last;
                        }
                    }
                    ValueMut::Object(Object::String(bytes)) => {
                        bytes.push(1);
                        model.0.push(1);
                    }
                    other => panic!("{other:?} is no string"),
                },
            }
            let look = entry.as_ref();
            prop_assert_eq!(look.key(), &key[..]);
            prop_assert_eq!(&string_of(look.value()), &model.0);
            prop_assert_eq!(look.deadline(), model.1);
            prop_assert_eq!(look.access(), model.2);
        }
    }
}

#[test]
fn sizes_are_those_the_memory_figures_rest_on() {
    let short = Entry::new(b"key:000000000001", NewValue::Bytes(b"v0000001"), None);
    assert_eq!(short.as_ref().size(), 32);
    let usual = Entry::new(b"key:000000000001", NewValue::Bytes(&[b'x'; 64]), None);
    assert_eq!(usual.as_ref().size(), 88);
}

#[test]
fn overwrites_in_place_only_within_the_rounded_size() {
    let mut entry = Entry::new(b"key", NewValue::Bytes(b"12345"), None);
    assert!(entry.as_mut().overwrite(&NewValue::Bytes(b"abc"), None));
    assert!(!entry.as_mut().overwrite(&NewValue::Bytes(b"abcdef"), None));
    assert!(!entry.as_mut().overwrite(&NewValue::Bytes(b"abc"), Some(5)));
    assert!(!entry.as_mut().overwrite(&NewValue::Int(3), None));
    assert_eq!(string_of(entry.as_ref().value()), b"abc");
}

#[test]
fn gives_its_object_away_once() {
    let entry = Entry::new(b"key", NewValue::Bytes(&[b'x'; MAX_INLINE + 1]), Some(1));
    let Object::String(bytes) = *entry.into_object().unwrap() else {
        panic!("no string")
    };
    assert_eq!(bytes.len(), MAX_INLINE + 1);
    assert!(
        Entry::new(b"key", NewValue::Int(1), None)
            .into_object()
            .is_none()
    );
}

#[test]
fn holds_a_packed_collection_behind_the_key() {
    let mut entry = Entry::new(
        b"key",
        NewValue::Packed(Packing::Hash, b"0123456789"),
        Some(9),
    );
    let packed = |entry: &Entry| match entry.as_ref().value() {
        ValueRef::Packed(packing, bytes) => (packing, bytes.to_vec()),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        entry.as_ref().size(),
        8 + 8 + (3 + 10_usize).next_multiple_of(8)
    );
    assert_eq!(packed(&entry), (Packing::Hash, b"0123456789".to_vec()));
    assert!(
        entry
            .as_mut()
            .overwrite(&NewValue::Packed(Packing::Set, b"abc456789"), Some(8))
    );
    assert_eq!(packed(&entry), (Packing::Set, b"abc456789".to_vec()));
    assert!(
        !entry
            .as_mut()
            .overwrite(&NewValue::Packed(Packing::Set, b"abc"), Some(8))
    );
    assert!(!entry.as_mut().overwrite(&NewValue::Int(3), Some(8)));
    let entry = entry.with_deadline(None).renamed(b"another name");
    assert_eq!(packed(&entry), (Packing::Set, b"abc456789".to_vec()));
    assert_eq!(
        (entry.as_ref().key(), entry.as_ref().deadline()),
        (&b"another name"[..], None)
    );
}
