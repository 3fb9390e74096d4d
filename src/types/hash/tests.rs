//! Hashes against a map from names to values and deadlines.

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;
use proptest::prelude::*;

use super::super::sample::tests::assert_uniform;
use super::*;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

const SMALL: Limits = Limits {
    entries: 8,
    value: 12,
};
const NOTHING_PACKED: Limits = Limits {
    entries: 0,
    value: 0,
};
/// When all these changes happen; deadlines are around it.
const NOW: u64 = 1000;

#[derive(Clone, Debug)]
enum Change {
    Set(Vec<u8>, Vec<u8>),
    SetInteger(Vec<u8>, i64),
    SetTimed(Vec<u8>, Vec<u8>, Option<u64>),
    Deadline(Vec<u8>, Option<u64>),
    LiveSlot(Vec<u8>),
    Remove(Vec<u8>),
    Reap(usize),
    Expect(usize),
    Limit(usize),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0u8..12).prop_map(|n| n.to_string().into_bytes()),
        8 => (0u8..12).prop_map(|n| format!("f{n}").into_bytes()),
        1 => Just(Vec::new()),
        1 => Just(vec![b'x'; 13]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        30 => proptest::collection::vec(any::<u8>(), 0..12),
        5 => any::<i32>().prop_map(|n| n.to_string().into_bytes()),
        1 => Just(vec![b'y'; 300]),
    ]
}

fn deadline() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        1 => Just(None),
        2 => (NOW - 3..NOW + 3).prop_map(Some),
        1 => (1u64..1 << 46).prop_map(Some),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (name(), value()).prop_map(|(name, value)| Change::Set(name, value)),
        2 => (name(), -300i64..300).prop_map(|(name, n)| Change::SetInteger(name, n)),
        3 => (name(), value(), deadline()).prop_map(|(name, value, at)| Change::SetTimed(name, value, at)),
        5 => (name(), deadline()).prop_map(|(name, at)| Change::Deadline(name, at)),
        2 => name().prop_map(Change::LiveSlot),
        5 => name().prop_map(Change::Remove),
        2 => (0usize..12).prop_map(Change::Reap),
        1 => (0usize..10).prop_map(Change::Expect),
        1 => (6usize..10).prop_map(Change::Limit),
    ]
}

fn is_dead(deadline: Option<u64>) -> bool {
    deadline.is_some_and(|at| at <= NOW)
}

fn content(hash: HashRef<'_>) -> Model {
    let fields = hash
        .iter()
        .map(|(name, field)| (name.to_vec(), (field.value.to_vec(), field.deadline)));
    let content: Model = fields.collect();
    assert_eq!(content.len(), hash.len(), "a field comes twice");
    content
}

/// What is in the hash when it is looked at in every way.
fn check(hash: &Hash, model: &Model) {
    let view = hash.view();
    assert_eq!(&content(view), model);
    assert_eq!(&content(hash.clone().view()), model);
    let live: Vec<_> = model.iter().filter(|(_, (_, at))| !is_dead(*at)).collect();
    assert_eq!(view.live_len(NOW), live.len());
    assert_eq!(view.live(NOW).count(), live.len());
    for name in (0..12).flat_map(|n| [n.to_string(), format!("f{n}")]) {
        let name = name.as_bytes();
        let known = model.get(name);
        let found = view
            .find(name)
            .map(|field| (field.value.to_vec(), field.deadline));
        assert_eq!(found.as_ref(), known);
        let found = view.get(name, NOW).map(StringRef::to_vec);
        let alive = known.filter(|(_, at)| !is_dead(*at));
        assert_eq!(found.as_ref(), alive.map(|(value, _)| value));
    }
    let mut scanned = Model::new();
    let mut position = Some(0);
    while let Some(at) = position {
        position = view.scan(at, |name, field| {
            scanned.insert(name.to_vec(), (field.value.to_vec(), field.deadline));
        });
    }
    assert_eq!(&scanned, model);
    // The bound is one, and it is there exactly when there is something to bound.
    let first = model.values().filter_map(|(_, at)| *at).min();
    assert_eq!(view.soonest().is_some(), first.is_some());
    assert!(view.soonest() <= first);
    if let Some((Packing::TimedHash, bytes)) = hash.packed() {
        PackedRef::validated_timed(bytes).expect("triplets in order");
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(changes in proptest::collection::vec(change(), 0..120)) {
        let (mut hash, mut model) = (Hash::default(), Model::new());
        let (mut limits, mut large, mut timed) = (SMALL, false, false);
        for change in changes {
            let mut sets = false;
            match change {
                Change::Set(name, value) => {
                    (sets, large) = (true, large || name.len().max(value.len()) > limits.value);
                    let new = hash.set(&name, StringRef::Bytes(&value), limits);
                    prop_assert_eq!(new, model.insert(name, (value, None)).is_none());
                }
                Change::SetInteger(name, n) => {
                    (sets, large) = (true, large || name.len() > limits.value);
                    let new = hash.set(&name, StringRef::Int(n), limits);
                    prop_assert_eq!(new, model.insert(name, (n.to_string().into_bytes(), None)).is_none());
                }
                Change::SetTimed(name, value, at) => {
                    (sets, large) = (true, large || name.len().max(value.len()) > limits.value);
                    timed |= at.is_some();
                    let slot = hash.slot(&name);
                    let new = hash.set_at(slot, &name, StringRef::Bytes(&value), at, limits);
                    prop_assert_eq!(new, model.insert(name, (value, at)).is_none());
                }
                Change::Deadline(name, at) => {
                    hash.set_deadline(hash.slot(&name), at);
                    if let Some(field) = model.get_mut(&name) {
                        field.1 = at;
                        timed |= at.is_some();
                    }
                }
                Change::LiveSlot(name) => {
                    let (slot, removed) = hash.live_slot(&name, NOW);
                    let dead = model.get(&name).is_some_and(|(_, at)| is_dead(*at));
                    prop_assert_eq!(removed, dead);
                    if dead {
                        model.remove(&name);
                    }
                    prop_assert_eq!(hash.at(slot).is_some(), model.contains_key(&name));
                }
                Change::Remove(name) => {
                    prop_assert_eq!(hash.remove(&name), model.remove(&name).is_some());
                }
                Change::Reap(most) => {
                    let mut budget = most;
                    let mut names = Vec::new();
                    let count = hash.reap(NOW, &mut budget, |name| names.push(name.to_vec()));
                    prop_assert!(count <= most);
                    let before = model.len();
                    model.retain(|name, (_, at)| !is_dead(*at) || !names.contains(name));
                    prop_assert_eq!(before - model.len(), count);
                    if budget > 0 {
                        prop_assert!(model.values().all(|(_, at)| !is_dead(*at)));
                        prop_assert!(!hash.view().may_hold_dead(NOW));
                    }
                }
                Change::Expect(fields) => {
                    large |= fields > limits.entries;
                    hash.expect(fields, limits);
                }
                Change::Limit(entries) => limits.entries = entries,
            }
            large |= sets && model.len() > limits.entries;
            prop_assert_eq!(hash.encoding_name(), match (large, timed) {
                (true, _) => "hashtable",
                (false, true) => "listpackex",
                (false, false) => "listpack",
            });
            prop_assert_eq!(hash.is_empty(), model.is_empty());
            check(&hash, &model);
        }
    }
}

proptest! {
    /// Damaged files: what is not refused can be read and changed as any hash.
    #[test]
    fn bytes_that_pass_for_triplets_are_a_hash(
        fields in proptest::collection::vec((name(), value(), deadline()), 0..8),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        const ROOMY: Limits = Limits { entries: 512, value: 1 << 20 };
        let mut hash = Hash::default();
        for (name, value, at) in &fields {
            hash.set_at(hash.slot(name), name, StringRef::Bytes(value), *at, ROOMY);
        }
        let Some((Packing::TimedHash, bytes)) = hash.packed() else {
            return Ok(());
        };
        let mut bytes = bytes.to_vec();
        for (at, byte) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let Ok(packed) = PackedRef::validated_timed(&bytes) else {
            prop_assert!(!damage.is_empty(), "what was written is refused");
            return Ok(());
        };
        let mut model = content(HashRef::Packed(packed));
        let mut hash = Hash::from_packed(Packing::TimedHash, bytes.clone()).expect("a packing of hashes");
        for name in model.keys() {
            prop_assert!(hash.view().find(name).is_some());
        }
        hash.set_at(hash.slot(b"new"), b"new", StringRef::Int(1), Some(NOW), ROOMY);
        model.insert(b"new".to_vec(), (b"1".to_vec(), Some(NOW)));
        check(&hash, &model);
        hash.reap(NOW, &mut usize::MAX.clone(), |_| {});
        model.retain(|_, (_, at)| !is_dead(*at));
        check(&hash, &model);
    }
}

fn hash_of(fields: usize, limits: Limits) -> Hash {
    let mut hash = Hash::default();
    for n in 0..fields {
        hash.set(
            format!("field:{n}").as_bytes(),
            StringRef::Int(n as i64),
            limits,
        );
    }
    hash
}

#[test]
fn every_choice_of_random_fields_is_as_likely_in_all_forms() {
    let packed = Limits {
        entries: 512,
        value: 64,
    };
    let mut rng = Rng::new();
    for (limits, dead) in [
        (packed, 0),
        (NOTHING_PACKED, 0),
        (packed, 5),
        (NOTHING_PACKED, 5),
    ] {
        let mut hash = hash_of(20 + dead, limits);
        for n in 20..20 + dead {
            let slot = hash.slot(format!("field:{n}").as_bytes());
            hash.set_deadline(slot, Some(NOW));
        }
        for (sampling, outcomes) in [
            (Sampling::Distinct(1), 20),
            (Sampling::Distinct(2), 190),
            (Sampling::Distinct(18), 190),
            (Sampling::Repeated(2), 400),
        ] {
            let draws = (0..outcomes * 200).map(|_| {
                let mut drawn = Vec::new();
                hash.view().sample(sampling, NOW, &mut rng, |name, value| {
                    assert_eq!(name.to_vec(), [b"field:", &value.to_vec()[..]].concat());
                    drawn.push(value.integer().expect("set as an integer"));
                });
                if let Sampling::Distinct(_) = sampling {
                    drawn.sort_unstable();
                }
                drawn
            });
            assert_uniform(outcomes, draws);
        }
    }
}

#[test]
fn nothing_is_drawn_when_all_fields_are_dead() {
    for limits in [SMALL, NOTHING_PACKED] {
        let mut hash = hash_of(3, limits);
        for n in 0..3 {
            hash.set_deadline(hash.slot(format!("field:{n}").as_bytes()), Some(NOW));
        }
        for sampling in [Sampling::Distinct(2), Sampling::Repeated(2)] {
            let none = |_: StringRef<'_>, _: StringRef<'_>| panic!("a dead field was drawn");
            hash.view().sample(sampling, NOW, &mut Rng::new(), none);
        }
    }
}

#[test]
fn a_walk_over_a_table_visits_each_field_once() {
    let hash = hash_of(3000, NOTHING_PACKED);
    let mut visits: HashMap<Vec<u8>, usize> = HashMap::new();
    let (mut position, mut steps) = (Some(0), 0);
    while let Some(at) = position {
        position = hash.view().scan(at, |name, _| {
            *visits.entry(name.to_vec()).or_default() += 1;
        });
        steps += 1;
    }
    assert!(steps > 100, "a step visits a few fields only");
    assert_eq!(visits.len(), 3000);
    assert!(visits.values().all(|&times| times == 1));
}

#[test]
fn a_large_sweep_goes_in_slices_and_misses_nothing_that_changes_meanwhile() {
    let mut hash = hash_of(10_000, NOTHING_PACKED);
    let slot = |hash: &Hash, n: usize| hash.slot(format!("field:{n}").as_bytes());
    for n in 0..10_000 {
        let at = if n % 2 == 0 { NOW } else { NOW + 5000 };
        hash.set_deadline(slot(&hash, n), Some(at));
    }
    let (mut removed, mut slices) = (0, 0);
    while hash.view().may_hold_dead(NOW) {
        let mut budget = 100;
        let count = hash.reap(NOW, &mut budget, |_| {});
        assert!(count <= 100);
        removed += count;
        slices += 1;
        if slices == 1 {
            // Where the sweep has been already, somebody sets a field that dies before all others.
            let gone = (0..10_000).find(|&n| hash.at(slot(&hash, n)).is_none());
            let name = format!("field:{}", gone.expect("one was removed"));
            let (slot, value) = (hash.slot(name.as_bytes()), StringRef::Int(1));
            hash.set_at(slot, name.as_bytes(), value, Some(NOW + 1), NOTHING_PACKED);
        }
    }
    assert_eq!((removed, hash.view().len()), (5000, 5001));
    assert!(slices > 50);
    assert!(hash.view().may_hold_dead(NOW + 1));
    assert_eq!(hash.reap(NOW + 1, &mut usize::MAX.clone(), |_| {}), 1);
    assert_eq!(hash.view().soonest(), Some(NOW + 5000));
}

#[test]
fn a_hash_without_deadlines_takes_no_byte_for_them() {
    let table = hash_of(1000, NOTHING_PACKED);
    assert!(matches!(table, Hash::Table(_)));
    assert_eq!(size_of::<Hash>(), size_of::<Members>());
    // The allocator makes 64 of 56, too.
    assert_eq!(size_of::<Members>(), 64);
}

#[test]
fn damaged_triplets_are_refused() {
    let list = |elements: &[StringRef<'static>]| -> Vec<u8> {
        elements.iter().copied().collect::<Listpack>().into_bytes()
    };
    let (a, b, n) = (
        StringRef::Bytes(b"a"),
        StringRef::Bytes(b"b"),
        StringRef::Int,
    );
    for good in [
        vec![],
        vec![a, a, n(0)],
        vec![b, a, n(5), a, a, n(5)],
        vec![b, a, n(5), a, a, n(0), n(1), n(1), n(0)],
    ] {
        let bytes = list(&good);
        let found = PackedRef::validated_timed(&bytes).expect("good triplets");
        assert_eq!(found.len() * 3, good.len());
    }
    for (what, bad) in [
        ("pairs", vec![a, a]),
        ("a deadline that is a string", vec![a, a, b]),
        ("a negative deadline", vec![a, a, n(-1)]),
        ("a later one first", vec![a, a, n(2), b, b, n(1)]),
        ("none first", vec![a, a, n(0), b, b, n(1)]),
        ("a field twice", vec![a, a, n(1), a, b, n(2)]),
        (
            "an integer twice",
            vec![n(1), a, n(1), StringRef::Bytes(b"1"), b, n(2)],
        ),
    ] {
        assert!(PackedRef::validated_timed(&list(&bad)).is_err(), "{what}");
    }
}
