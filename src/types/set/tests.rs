//! Sets against a set of strings, across all forms; and whether chance is fair.

use std::collections::{BTreeSet, HashSet};

use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::types::sample::tests::assert_uniform;

type Model = BTreeSet<Vec<u8>>;

#[derive(Clone, Debug)]
enum Change {
    Add(Vec<u8>),
    AddMany(Vec<Vec<u8>>),
    Remove(Vec<u8>),
    Pop,
    /// So many of all, in parts of 16.
    PopMany(usize),
    SortIntegers,
}

/// Integers and words, few enough to meet again, some too long to be packed.
fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-6i64..12).prop_map(|n| n.to_string().into_bytes()),
        1 => prop::sample::select(vec![40_000i64, -5_000_000_000, i64::MIN, i64::MAX])
            .prop_map(|n| n.to_string().into_bytes()),
        2 => prop::sample::select(vec!["", "a", "b", "-0", "007", "+1"])
            .prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::sample::select(vec![3usize, 4, 5, 300]).prop_map(|len| vec![b'x'; len]),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => member().prop_map(Change::Add),
        2 => prop::collection::vec(member(), 1..12).prop_map(Change::AddMany),
        4 => member().prop_map(Change::Remove),
        2 => Just(Change::Pop),
        2 => (0usize..16).prop_map(Change::PopMany),
        1 => Just(Change::SortIntegers),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        0usize..8,
        0usize..8,
        prop::sample::select(vec![0usize, 2, 4, 64]),
    )
        .prop_map(|(integers, entries, value)| Limits {
            integers,
            packed: crate::types::Limits { entries, value },
        })
}

fn bytes(member: &[u8]) -> StringRef<'_> {
    StringRef::Bytes(member)
}

fn content(set: SetRef<'_>) -> Model {
    let members: Vec<_> = set.iter().map(StringRef::to_vec).collect();
    let distinct: Model = members.iter().cloned().collect();
    assert_eq!(members.len(), distinct.len(), "a member comes twice");
    assert_eq!(members.len(), set.len());
    distinct
}

fn apply(set: &mut Set, model: &mut Model, change: Change, limits: &Limits) {
    let mut rng = Rng::with_seed(7);
    match change {
        Change::Add(member) => {
            assert_eq!(set.add(bytes(&member), limits), model.insert(member));
        }
        Change::AddMany(members) => {
            set.expect(members.len(), bytes(&members[0]), limits);
            for member in members {
                assert_eq!(set.add(bytes(&member), limits), model.insert(member));
            }
        }
        Change::Remove(member) => {
            assert_eq!(set.remove(bytes(&member)), model.remove(&member));
        }
        Change::Pop if !model.is_empty() => {
            set.pop(&mut rng, |member| assert!(model.remove(&member.to_vec())));
        }
        Change::PopMany(sixteenths) => {
            let count = model.len() * sixteenths / 16;
            let expected = model.len() - count;
            set.pop_many(count, limits, &mut rng, |member| {
                assert!(model.remove(&member.to_vec()));
            });
            assert_eq!(model.len(), expected);
        }
        Change::SortIntegers => {
            set.sort_integers(limits);
            let integers = model.iter().all(|member| bytes(member).integer().is_some());
            if integers && model.len() <= limits.integers {
                assert_eq!(set.encoding_name(), "intset");
            }
        }
        Change::Pop => {}
    }
}

/// A set with these members, having come to its form by being filled in their order.
fn filled(members: &[Vec<u8>], limits: &Limits) -> (Set, Model) {
    let mut set = Set::default();
    for member in members {
        set.add(bytes(member), limits);
    }
    (set, members.iter().cloned().collect())
}

fn visited(members: &[Vec<u8>]) -> Model {
    let distinct: Model = members.iter().cloned().collect();
    assert_eq!(members.len(), distinct.len(), "a member is visited twice");
    distinct
}

proptest! {
    #[test]
    fn holds_what_was_added_and_not_removed(
        limits in limits(),
        changes in prop::collection::vec(change(), 0..60),
        asked in prop::collection::vec(member(), 4),
    ) {
        let (mut set, mut model) = (Set::default(), Model::new());
        for change in changes {
            apply(&mut set, &mut model, change, &limits);
            prop_assert_eq!(content(set.view()), model.clone());
            if let Some((packing, packed)) = set.packed() {
                let again = Set::from_packed(packing, packed.to_vec()).unwrap();
                prop_assert_eq!(content(again.view()), model.clone());
            }
            for member in &asked {
                prop_assert_eq!(set.view().contains(bytes(member)), model.contains(member));
            }
            prop_assert_eq!(content(set.clone().view()), model.clone());
        }
    }

    #[test]
    fn algebra_is_that_of_sets(
        inputs in prop::collection::vec((limits(), prop::collection::vec(member(), 0..25)), 1..6),
    ) {
        let filled: Vec<_> = inputs.iter().map(|(limits, members)| filled(members, limits)).collect();
        let models: Vec<&Model> = filled.iter().map(|(_, model)| model).collect();
        let mut sets: Vec<SetRef<'_>> = filled.iter().map(|(set, _)| set.view()).collect();

        let (first, others) = (sets[0], &mut sets[1..]);
        let mut found = Vec::new();
        algebra::difference(first, others, |member| found.push(member.to_vec()));
        let mut expected = models[0].clone();
        expected.retain(|member| !models[1..].iter().any(|model| model.contains(member)));
        prop_assert_eq!(visited(&found), expected);

        let mut found = Vec::new();
        algebra::union(&mut sets, |member| found.push(member.to_vec()));
        prop_assert_eq!(visited(&found), models.iter().flat_map(|model| model.iter().cloned()).collect::<Model>());

        let mut expected = models[0].clone();
        expected.retain(|member| models.iter().all(|model| model.contains(member)));
        let result = Set::of_intersection(&mut sets, &inputs[0].0);
        prop_assert_eq!(content(result.view()), expected);
    }
}

#[test]
fn the_larger_side_of_a_difference_may_be_either() {
    let limits = ordinary();
    let numbered = |range: std::ops::Range<usize>| {
        let members: Vec<_> = range.map(|n| format!("m{n}").into_bytes()).collect();
        filled(&members, &limits).0
    };
    let first = numbered(0..1000);
    let others: Vec<Set> = (0..8).map(|n| numbered(n * 10..n * 10 + 15)).collect();
    let mut views: Vec<_> = others.iter().map(Set::view).collect();
    let mut left = 0;
    algebra::difference(first.view(), &mut views, |_| left += 1);
    assert_eq!(left, 1000 - 85);
}

fn ordinary() -> Limits {
    Limits {
        integers: 512,
        packed: crate::types::Limits {
            entries: 128,
            value: 64,
        },
    }
}

#[test]
fn forms_change_at_the_limits() {
    let limits = ordinary();
    let number = |n: usize| n.to_string().into_bytes();
    let encoding = |members: &[Vec<u8>]| filled(members, &limits).0.encoding_name();
    let integers: Vec<_> = (0..513).map(number).collect();
    assert_eq!(encoding(&integers[..512]), "intset");
    assert_eq!(encoding(&integers), "hashtable");
    for (integers, form) in [(127, "listpack"), (128, "hashtable")] {
        let mut members: Vec<_> = (0..integers).map(number).collect();
        members.push(b"word".to_vec());
        assert_eq!(encoding(&members), form, "{integers} integers and a word");
    }
    assert_eq!(encoding(&[vec![b'x'; 64]]), "listpack");
    assert_eq!(encoding(&[vec![b'x'; 65]]), "hashtable");
    assert_eq!(encoding(&[vec![b'x'; 64], vec![b'x'; 65]]), "hashtable");
}

#[test]
fn a_form_is_chosen_for_what_is_to_come() {
    let limits = ordinary();
    let expecting = |set: &Set, members, first: &[u8]| {
        let mut set = set.clone();
        set.expect(members, bytes(first), &limits);
        set.encoding_name()
    };
    let empty = Set::default();
    assert_eq!(expecting(&empty, 512, b"1"), "intset");
    assert_eq!(expecting(&empty, 513, b"1"), "hashtable");
    assert_eq!(expecting(&empty, 128, b"a"), "listpack");
    assert_eq!(expecting(&empty, 129, b"a"), "hashtable");
    let (integers, _) = filled(&[b"1".to_vec()], &limits);
    assert_eq!(expecting(&integers, 512, b"a"), "intset");
    assert_eq!(expecting(&integers, 513, b"a"), "hashtable");
    let (words, _) = filled(&[b"a".to_vec()], &limits);
    assert_eq!(expecting(&words, 128, b"1"), "listpack");
    assert_eq!(expecting(&words, 129, b"1"), "hashtable");
}

/// Sets of so many members in every form.
fn forms(len: usize) -> Vec<Set> {
    let numbers = (0..len).map(|n| (n * 7).to_string().into_bytes());
    let words = (0..len).map(|n| format!("w{n}").into_bytes());
    let small = Limits {
        integers: 0,
        packed: crate::types::Limits {
            entries: 0,
            value: 0,
        },
    };
    let words: Vec<_> = words.collect();
    vec![
        filled(&numbers.collect::<Vec<_>>(), &ordinary()).0,
        filled(&words, &ordinary()).0,
        filled(&words, &small).0,
    ]
}

#[test]
fn random_members_are_each_as_likely() {
    let mut rng = Rng::new();
    for mut set in forms(50) {
        let popped = (0..50_000).map(|_| {
            let mut popped = Vec::new();
            set.pop(&mut rng, |member| popped = member.to_vec());
            set.add(bytes(&popped), &ordinary());
            popped
        });
        assert_uniform(50, popped.collect::<Vec<_>>().into_iter());
        for sampling in [
            Sampling::Repeated(1),
            Sampling::Repeated(3),
            Sampling::Distinct(5),
            Sampling::Distinct(40),
        ] {
            let mut shown = Vec::new();
            for _ in 0..5000 {
                set.view().sample(sampling, &mut rng, |member| {
                    shown.push(member.to_vec());
                });
            }
            assert_uniform(50, shown.into_iter());
        }
    }
}

#[test]
fn every_choice_of_popped_members_is_as_likely() {
    let mut rng = Rng::new();
    for set in forms(6) {
        for (count, choices) in [(2, 15), (3, 20), (5, 6)] {
            let draws = (0..choices * 1000).map(|_| {
                let (mut set, mut popped) = (set.clone(), HashSet::new());
                set.pop_many(count, &ordinary(), &mut rng, |member| {
                    popped.insert(member.to_vec());
                });
                let mut popped: Vec<_> = popped.into_iter().collect();
                popped.sort();
                popped
            });
            assert_uniform(choices, draws);
        }
    }
}

#[test]
fn popping_nearly_all_makes_a_table_small_again() {
    let mut table = forms(1000).pop().expect("a table");
    assert!(
        table
            .pop_many(800, &ordinary(), &mut Rng::new(), |_| ())
            .is_none()
    );
    assert_eq!(table.encoding_name(), "hashtable");
    let former = table.pop_many(190, &ordinary(), &mut Rng::new(), |_| ());
    assert!(former.is_some_and(|former| former.blocks() > 190));
    assert_eq!(
        (table.encoding_name(), table.view().len()),
        ("listpack", 10)
    );
}

#[test]
fn a_scan_meets_what_is_there_throughout() {
    let mut set = forms(3000).pop().expect("a table");
    let (mut seen, mut position, mut step) = (HashSet::new(), Some(0), 0);
    while let Some(at) = position {
        position = set.view().scan(at, |member| {
            seen.insert(member.to_vec());
        });
        // The odd ones leave meanwhile, and others come.
        set.remove(bytes(format!("w{}", 2 * step + 1).as_bytes()));
        set.add(bytes(format!("new{step}").as_bytes()), &ordinary());
        step += 1;
    }
    assert!(
        (0..3000)
            .step_by(2)
            .all(|n| seen.contains(format!("w{n}").as_bytes()))
    );
}
