//! The guarantee of scans and sweeps, while the table changes under them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::model::hashes;
use super::{Item, Key, check, filled, hash_of, insert, key, remove, scatter};
use crate::table::{SWEPT_MARKS, Sweep, Table};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The keys below `lasting` stay; batches of others come and go between the steps of the scan.
    #[test]
    fn scan_visits_what_is_present_throughout(
        hashes in hashes(),
        lasting in 0..1500u64,
        passing in prop::collection::vec((any::<bool>(), 0..6000u64, 0..2500u64, 1..60usize), 0..60),
        begin_full in any::<bool>(),
    ) {
        let mut table = Table::new(0);
        let mut present = BTreeSet::new();
        let change = |table: &mut Table<Item>, present: &mut BTreeSet<Key>, add, first: u64, count| {
            for key in (first..first + count).map(|number| hashes.key(1_000_000 + number)) {
                if add && present.insert(key) {
                    insert(table, key, 0);
                } else if !add && present.remove(&key) {
                    remove(table, &key).unwrap();
                }
            }
        };
        if begin_full {
            change(&mut table, &mut present, true, 0, 8500);
        }
        for number in 0..lasting {
            insert(&mut table, hashes.key(number), 0);
        }

        let mut missing: BTreeSet<Key> = (0..lasting).map(|number| hashes.key(number)).collect();
        let mut passing = passing.into_iter();
        let mut position = 0;
        'walk: loop {
            let (add, first, count, steps) = passing.next().unwrap_or((true, 0, 0, usize::MAX));
            change(&mut table, &mut present, add, first, count);
            for _ in 0..steps {
                let mut visited = Vec::new();
                let next = table.scan(position, |item| visited.push(item.key));
                for key in visited {
                    missing.remove(&key);
                    // The scan's unit is the window, of 24 bits.
                    prop_assert!(hash_of(&key) >> 40 >= position >> 40);
                    prop_assert!(next.is_none_or(|next| hash_of(&key) < next));
                }
                match next {
                    Some(next) => prop_assert!(next > position),
                    None => break 'walk,
                }
                position = next.unwrap();
            }
        }
        prop_assert_eq!(missing, BTreeSet::new());
    }

    /// Positions name whole hashes, and a table of a shard has its part of them.
    #[test]
    fn scan_of_a_quiet_table_visits_each_item_once(prefix_bits in 0..=16u32, part in any::<u64>(), count in 0..5000u64) {
        let prefix = part & !(u64::MAX.checked_shr(prefix_bits).unwrap());
        let mut table = Table::new(prefix_bits);
        for number in 0..count {
            insert(&mut table, key(prefix | scatter(number) >> prefix_bits, number), number);
        }
        check(&table);
        let mut numbers = Vec::new();
        let mut position = Some(prefix);
        while let Some(here) = position {
            position = table.scan(here, |item| numbers.push(item.value));
            if let Some(next) = position {
                prop_assert!(next > here);
                prop_assert_eq!(next & !(u64::MAX >> prefix_bits), prefix);
            }
        }
        numbers.sort_unstable();
        prop_assert!(numbers.into_iter().eq(0..count));
    }

    /// Whoever makes up a cursor gets an answer, and the walk from it ends.
    #[test]
    fn any_position_is_accepted(position in any::<u64>(), count in 0..3000u64) {
        let table = filled(count);
        let mut seen = BTreeSet::new();
        let mut next = Some(position);
        while let Some(here) = next {
            next = table.scan(here, |item| { seen.insert(item.key); });
        }
        prop_assert!((0..count).map(|number| key(scatter(number), number)).filter(|key| hash_of(key) >= position).all(|key| seen.contains(&key)));
    }
}

/// Deep segments need more than the window to tell homes apart.
#[test]
fn scan_of_deep_segments_visits_everything() {
    let mut table = Table::new(0);
    for number in 0..2000 {
        insert(&mut table, key(scatter(number) >> 18, number), number);
    }
    while table.directory.segment(0).depth() < 18 {
        table.directory.split(0);
    }
    check(&table);
    let mut seen = BTreeSet::new();
    let mut position = Some(0);
    let mut steps = 0;
    while let Some(here) = position {
        position = table.scan(here, |item| {
            seen.insert(item.value);
        });
        assert!(position.is_none_or(|next| next > here));
        steps += 1;
    }
    assert!(seen.into_iter().eq(0..2000));
    assert!(steps > 200, "the deep segment takes many steps, not one");
}

#[test]
fn sweep_finds_the_marked_and_wanted_only() {
    let mut table = filled(20_000);
    for number in (0..20_000).step_by(3) {
        let place = table
            .find(scatter(number), &key(scatter(number), number))
            .unwrap();
        table.set_marks(place, SWEPT_MARKS[0] | 4);
    }
    for number in (1..20_000).step_by(3) {
        let place = table
            .find(scatter(number), &key(scatter(number), number))
            .unwrap();
        table.set_marks(place, SWEPT_MARKS[1]);
    }
    let (mut position, mut looked, mut pauses) = (0, 0, 0);
    let mut budget = 10;
    loop {
        let found = table.sweep(SWEPT_MARKS[0], position, &mut budget, |item| {
            looked += 1;
            assert_eq!(item.value % 3, 0, "an unmarked item was touched");
            item.value % 2 == 0
        });
        match found {
            Sweep::Found {
                place,
                position: here,
            } => {
                let item = table.remove(place);
                assert_eq!(item.0.value % 6, 0);
                position = here;
            }
            Sweep::Paused(here) => {
                assert!(here >= position && budget == 0);
                position = here;
                pauses += 1;
                budget = 10;
            }
            Sweep::Finished => break,
        }
    }
    check(&table);
    assert_eq!(
        (table.len(), SWEPT_MARKS.map(|mark| table.marked_len(mark))),
        (20_000 - 3334, [6667 - 3334, 6667])
    );
    assert!(pauses > 20 && looked >= 6667);
    assert_eq!(
        filled(100).sweep(SWEPT_MARKS[0], 0, &mut 0, |_| true),
        Sweep::Finished,
        "no marks, nothing to look for"
    );
}
