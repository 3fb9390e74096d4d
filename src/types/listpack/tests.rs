//! Listpacks against a vector of strings.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Change {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    Insert(usize, Vec<u8>),
    InsertAfter(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    SplitAndAppend(usize),
    SplitAndSwap(usize),
}

/// Strings and integers around the bounds of all encodings.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let number = |n: i64| n.to_string().into_bytes();
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..5),
        proptest::sample::select(vec![
            0usize, 1, 62, 63, 64, 65, 120, 125, 126, 127, 128, 4094, 4095, 4096, 16_380, 16_385
        ])
        .prop_map(|len| vec![b'x'; len]),
        (0u32..64, -2i64..3)
            .prop_map(move |(bit, off)| number((1i64 << bit.min(62)).wrapping_add(off))),
        (0u32..64, -2i64..3).prop_map(move |(bit, off)| number((-1i64 << bit).wrapping_add(off))),
        Just(number(i64::MAX)),
        Just(number(i64::MIN)),
        Just(b"007".to_vec()),
        Just(b"-0".to_vec()),
        Just(b"9223372036854775808".to_vec()),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0usize..40;
    prop_oneof![
        3 => value().prop_map(Change::PushBack),
        2 => value().prop_map(Change::PushFront),
        2 => (at.clone(), value()).prop_map(|(at, value)| Change::Insert(at, value)),
        1 => (at.clone(), value()).prop_map(|(at, value)| Change::InsertAfter(at, value)),
        2 => (at.clone(), value()).prop_map(|(at, value)| Change::Replace(at, value)),
        2 => (at.clone(), 0usize..5).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => at.clone().prop_map(Change::SplitAndAppend),
        1 => at.prop_map(Change::SplitAndSwap),
    ]
}

fn apply(list: &mut Listpack, model: &mut Vec<Vec<u8>>, change: Change) {
    let place_of = |list: &Listpack, at: usize| list.as_ref().nth(at);
    match change {
        Change::PushBack(value) => {
            list.push_back(StringRef::Bytes(&value));
            model.push(value);
        }
        Change::PushFront(value) => {
            list.push_front(StringRef::Bytes(&value));
            model.insert(0, value);
        }
        Change::Insert(at, value) => {
            if let Some(place) = place_of(list, at) {
                list.insert(place, StringRef::Bytes(&value));
                model.insert(at, value);
            }
        }
        Change::InsertAfter(at, value) => {
            if let Some(place) = place_of(list, at) {
                list.insert_after(place, StringRef::Bytes(&value));
                model.insert(at + 1, value);
            }
        }
        Change::Replace(at, value) => {
            if let Some(place) = place_of(list, at) {
                list.replace(place, StringRef::Bytes(&value));
                model[at] = value;
            }
        }
        Change::Remove(at, count) => {
            if let Some(place) = place_of(list, at) {
                list.remove(place, count);
                model.drain(at..model.len().min(at + count));
            }
        }
        Change::SplitAndAppend(at) => {
            if let Some(place) = place_of(list, at) {
                let rest = list.split_off(place);
                assert_eq!(rest.as_ref().len(), model.len() - at);
                list.append(rest.as_ref());
            }
        }
        Change::SplitAndSwap(at) => {
            if let Some(place) = place_of(list, at) {
                let mut rest = list.split_off(place);
                rest.append(list.as_ref());
                *list = rest;
                model.rotate_left(at);
            }
        }
    }
}

fn check(list: &Listpack, model: &[Vec<u8>]) {
    let look = ListpackRef::validated(list.as_ref().bytes()).expect("a sound listpack");
    assert_eq!(look.len(), model.len());
    assert_eq!(look.is_empty(), model.is_empty());
    let forward: Vec<Vec<u8>> = look.iter().map(StringRef::to_vec).collect();
    assert_eq!(forward, model);
    let mut backward: Vec<Vec<u8>> = look.iter().rev().map(StringRef::to_vec).collect();
    backward.reverse();
    assert_eq!(backward, model);
    for (index, value) in model.iter().enumerate() {
        let place = look.nth(index).expect("an element");
        assert!(look.get(place).equals(value));
        let stride = 1 + index % 3;
        let first = index % stride;
        let found = look
            .find(value, first, stride)
            .map(|place| look.get(place).to_vec());
        assert_eq!(found.as_ref(), Some(value));
        assert_eq!(
            look.find(value, first, stride),
            (first..model.len())
                .step_by(stride)
                .find(|&at| &model[at] == value)
                .and_then(|at| look.nth(at))
        );
    }
    assert_eq!(look.nth(model.len()), None);
}

proptest! {
    #[test]
    fn behaves_like_a_vector(changes in proptest::collection::vec(change(), 0..60)) {
        let (mut list, mut model) = (Listpack::new(), Vec::new());
        for change in changes {
            apply(&mut list, &mut model, change);
            check(&list, &model);
        }
    }

    #[test]
    fn bytes_from_outside_are_refused_or_readable(
        values in proptest::collection::vec(value(), 0..8),
        harm in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<proptest::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let list: Listpack = values.iter().map(|value| StringRef::Bytes(value)).collect();
        let mut bytes = list.into_bytes();
        for (place, byte) in harm {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(list) = ListpackRef::validated(&bytes) {
            let forward: Vec<Vec<u8>> = list.iter().map(StringRef::to_vec).collect();
            let mut backward: Vec<Vec<u8>> = list.iter().rev().map(StringRef::to_vec).collect();
            backward.reverse();
            prop_assert_eq!(list.len(), forward.len());
            prop_assert_eq!(forward, backward);
        }
    }
}

#[test]
fn is_what_redis_writes() {
    // Taken from the payload of DUMP for the hash {"field": "-1", "7": "5000"}, in this order.
    let list: Listpack = [&b"field"[..], b"-1", b"7", b"5000"]
        .into_iter()
        .map(StringRef::Bytes)
        .collect();
    let mut expected = vec![0, 0, 0, 0, 4, 0];
    expected.extend_from_slice(b"\x85field\x06");
    expected.extend_from_slice(&[0xDF, 0xFF, 2, 7, 1, 0xF1, 0x88, 0x13, 3, 0xFF]);
    expected[0] = expected.len() as u8;
    assert_eq!(list.into_bytes(), expected);
}

#[test]
fn counts_past_what_the_header_holds() {
    let mut list = Listpack::new();
    for n in 0..70_000 {
        list.push_back(StringRef::Int(n % 100));
    }
    assert_eq!(list.as_ref().len(), 70_000);
    let place = list.as_ref().first().unwrap();
    list.remove(place, 10_000);
    assert_eq!(list.as_ref().len(), 60_000);
    assert_eq!(list.as_ref().announced(), 60_000);
}
