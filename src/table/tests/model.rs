//! Random operations on the table and on a `BTreeMap`, hashes kind and cruel.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Item, Key, alive, check, hash_of, insert, key, remove, scatter};
use crate::table::{SWEPT_MARKS, Table};

/// How the numbers of a test become hashes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hashes {
    Scattered,
    Equal,
    EqualWindow,
    Sequential,
    /// Crowds around a few points, each of which deepens one corner of the directory.
    Crowded,
}

impl Hashes {
    pub(super) fn key(self, number: u64) -> Key {
        let hash = match self {
            Self::Scattered => scatter(number),
            Self::Equal => 0xABCD_EF01_2345_6789,
            Self::EqualWindow => 0xABCD_EF00_0000_0000 | scatter(number) >> 24,
            Self::Sequential => number,
            Self::Crowded => scatter(number) >> (number % 5 * 4),
        };
        key(hash, number)
    }
}

pub(super) fn hashes() -> impl Strategy<Value = Hashes> {
    use Hashes::*;
    prop_oneof![4 => Just(Scattered), 1 => Just(Equal), 1 => Just(EqualWindow), 1 => Just(Sequential), 2 => Just(Crowded)]
}

#[derive(Clone, Debug)]
enum Step {
    Put(u64, u64),
    Change(u64, u64),
    Move(u64),
    Remove(u64),
    Mark(u64, u8),
    Find(u64),
    /// Puts so many numbers from one on, so that tables grow large.
    PutMany(u64, u64),
    RemoveMany(u64, u64),
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0..3000u64;
    let many = 1..1500u64;
    let step = prop_oneof![
        8 => (number.clone(), any::<u64>()).prop_map(|(number, value)| Step::Put(number, value)),
        2 => (number.clone(), any::<u64>()).prop_map(|(number, value)| Step::Change(number, value)),
        2 => number.clone().prop_map(Step::Move),
        6 => number.clone().prop_map(Step::Remove),
        4 => (number.clone(), 0..8u8).prop_map(|(number, marks)| Step::Mark(number, marks)),
        2 => number.clone().prop_map(Step::Find),
        2 => (number.clone(), many.clone()).prop_map(|(first, count)| Step::PutMany(first, count)),
        2 => (number, many).prop_map(|(first, count)| Step::RemoveMany(first, count)),
    ];
    prop::collection::vec(prop_oneof![60 => step, 1 => Just(Step::Take)], 1..120)
}

type Model = BTreeMap<Key, (u64, u8)>;

fn put(table: &mut Table<Item>, model: &mut Model, key: Key, value: u64) {
    match model.get_mut(&key) {
        None => {
            insert(table, key, value);
            model.insert(key, (value, 0));
        }
        Some(known) => {
            let place = table.find(hash_of(&key), &key).unwrap();
            assert_eq!(table.replace(place, Item::new(key, value)).0.value, known.0);
            known.0 = value;
        }
    }
}

fn run(table: &mut Table<Item>, model: &mut Model, hashes: Hashes, step: &Step) {
    match *step {
        Step::Put(number, value) => put(table, model, hashes.key(number), value),
        Step::Change(number, value) => {
            let key = hashes.key(number);
            if let Some(place) = table.find(hash_of(&key), &key) {
                *table.get_mut(place) = value;
                model.get_mut(&key).unwrap().0 = value;
            }
        }
        Step::Move(number) => {
            let key = hashes.key(number);
            if let Some(place) = table.find(hash_of(&key), &key) {
                table.update(place, |item| Item::new(item.0.key, item.0.value));
            }
        }
        Step::Remove(number) => {
            let key = hashes.key(number);
            assert_eq!(
                remove(table, &key),
                model.remove(&key).map(|(value, _)| value)
            );
        }
        Step::Mark(number, marks) => {
            let key = hashes.key(number);
            if let Some(place) = table.find(hash_of(&key), &key) {
                table.set_marks(place, marks);
                model.get_mut(&key).unwrap().1 = marks;
            }
        }
        Step::Find(number) => {
            let key = hashes.key(number);
            let found = table
                .find(hash_of(&key), &key)
                .map(|place| (table.get(place).value, table.marks(place)));
            assert_eq!(found, model.get(&key).copied());
        }
        Step::PutMany(first, count) => {
            for number in first..first + count {
                put(table, model, hashes.key(number), number);
            }
        }
        Step::RemoveMany(first, count) => {
            for number in first..first + count {
                run(table, model, hashes, &Step::Remove(number));
            }
        }
        Step::Take => {
            let taken: Vec<_> = table.take().into_iter().collect();
            assert_eq!(
                (
                    taken.len(),
                    table.len(),
                    SWEPT_MARKS.map(|mark| table.marked_len(mark))
                ),
                (model.len(), 0, [0, 0])
            );
            model.clear();
        }
    }
}

fn agree(table: &Table<Item>, model: &Model) {
    check(table);
    assert_eq!(alive(), model.len() as isize);
    let items: BTreeMap<Key, u64> = table.iter().map(|item| (item.key, item.value)).collect();
    assert!(
        items
            .into_iter()
            .eq(model.iter().map(|(&key, &(value, _))| (key, value)))
    );
    for (key, &(value, marks)) in model {
        let place = table.find(hash_of(key), key).unwrap();
        assert_eq!((table.get(place).value, table.marks(place)), (value, marks));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn table_does_what_a_map_does(hashes in hashes(), steps in steps()) {
        let mut table = Table::new(0);
        let mut model = Model::new();
        for step in &steps {
            run(&mut table, &mut model, hashes, step);
            check(&table);
        }
        agree(&table, &model);
        drop(table);
        prop_assert_eq!(alive(), 0);
    }

    /// Beyond depth 16 homes come of the keys themselves. No table of a test gets there by itself.
    #[test]
    fn deep_segments_work_by_rehashing(steps in steps(), spread in 0..24u32) {
        let mut table = Table::new(0);
        let mut model = Model::new();
        let crowded = |number| key(scatter(number) >> (40 - spread), number);
        for number in 0..600 {
            put(&mut table, &mut model, crowded(number), number);
        }
        while table.directory.segment(0).depth() < 18 {
            table.directory.split(0);
        }
        check(&table);
        for number in 300..900 {
            put(&mut table, &mut model, crowded(number), number + 1);
        }
        for number in 0..600 {
            let key = crowded(number);
            prop_assert_eq!(remove(&mut table, &key), model.remove(&key).map(|(value, _)| value));
        }
        for step in &steps {
            run(&mut table, &mut model, Hashes::Scattered, step);
        }
        agree(&table, &model);
    }
}

#[test]
fn thousands_of_equal_hashes_fit() {
    let mut table = Table::new(0);
    for number in 0..5000 {
        insert(&mut table, Hashes::Equal.key(number), number);
    }
    check(&table);
    for number in 0..5000 {
        assert_eq!(remove(&mut table, &Hashes::Equal.key(number)), Some(number));
    }
    check(&table);
}

#[test]
fn half_eaten_iterator_frees_the_rest() {
    let mut items = super::filled(5000).into_iter();
    assert_eq!(items.by_ref().take(1234).count(), 1234);
    assert_eq!(alive(), 5000 - 1234);
    drop(items);
    assert_eq!(alive(), 0);
}
