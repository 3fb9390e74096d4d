//! The table's size in memory, how it follows the number of items, and how evenly it draws.

use fastrand::Rng;

use super::model::Hashes;
use super::{Item, alive, check, filled, insert, key, remove, scatter};
use crate::table::Table;

#[test]
fn a_key_costs_less_than_twelve_bytes_on_average() {
    let sizes: Vec<u64> = (0..12)
        .map(|step| (8000.0 * 2f64.powf(f64::from(step) / 12.0)) as u64)
        .collect();
    let costs: Vec<f64> = sizes
        .iter()
        .map(|&size| filled(size).table_bytes() as f64 / size as f64)
        .collect();
    let mean = costs.iter().sum::<f64>() / costs.len() as f64;
    println!("bytes a key: {costs:.2?}, mean {mean:.2}");
    assert!(mean <= 12.0, "{mean}");
    assert!(costs.iter().all(|&cost| cost <= 12.6), "{costs:?}");
}

#[test]
fn memory_follows_the_items_down() {
    const COUNT: u64 = 100_000;
    let mut table = filled(COUNT);
    for number in 0..COUNT {
        assert_eq!(
            remove(&mut table, &key(scatter(number), number)),
            Some(number)
        );
        let left = COUNT - number - 1;
        if left > 0 && left.is_multiple_of(9973) {
            check(&table);
            let cost = table.table_bytes() as f64 / left as f64;
            assert!(cost <= 19.0, "{cost} bytes a key with {left} left");
        }
    }
    check(&table);
    assert_eq!((table.len(), table.table_bytes(), alive()), (0, 0, 0));
}

/// Removal in hash order empties segments one after the other, each beside a full one.
#[test]
fn removal_in_hash_order_gives_memory_back() {
    let mut table = filled(50_000);
    let mut position = Some(0);
    while let Some(here) = position {
        let mut keys = Vec::new();
        position = table.scan(here, |item| keys.push(item.key));
        for key in &keys {
            remove(&mut table, key).unwrap();
        }
        if table.len() == 1000 {
            check(&table);
            assert!(table.table_bytes() < 100_000, "{}", table.table_bytes());
        }
    }
    check(&table);
    assert_eq!(table.table_bytes(), 0);
}

/// At whatever size, on the way up and on the way down, taking one key and putting it back must not
/// rebuild every time. The first item of a table is the exception: without it the table owns nothing.
#[test]
fn no_size_makes_one_key_thrash() {
    let mut table = filled(1);
    for number in 1..3000 {
        assert!(
            rebuilds_at(&mut table, number) <= 1,
            "{number} on the way up"
        );
        insert(&mut table, key(scatter(number), number), number);
    }
    for number in (1..3000).rev() {
        remove(&mut table, &key(scatter(number), number)).unwrap();
        assert!(
            rebuilds_at(&mut table, number) <= 2,
            "{number} on the way down"
        );
    }
}

/// Inserts and removes one key again and again; tells how often that changed the table's size.
fn rebuilds_at(table: &mut Table<Item>, number: u64) -> usize {
    let key = key(scatter(number), number);
    let mut rebuilds = 0;
    for _ in 0..8 {
        let before = table.table_bytes();
        insert(table, key, number);
        let between = table.table_bytes();
        remove(table, &key).unwrap();
        rebuilds += usize::from(before != between) + usize::from(between != table.table_bytes());
    }
    rebuilds
}

/// Hashes that do not scatter must not blow up the directory either.
#[test]
fn lopsided_hashes_cost_bounded_memory() {
    for hashes in [
        Hashes::Equal,
        Hashes::EqualWindow,
        Hashes::Sequential,
        Hashes::Crowded,
    ] {
        let mut table = Table::new(0);
        for number in 0..4000 {
            insert(&mut table, hashes.key(number), 0);
        }
        let cost = table.table_bytes() / 4000;
        assert!(cost <= 24, "{cost} bytes a key, {hashes:?}");
    }
}

/// Pearson's test at five standard deviations, on segments of unlike depth and size.
#[test]
fn random_is_even() {
    let mut rng = Rng::with_seed(7);
    let mut table: Table<Item> = Table::new(0);
    assert_eq!(table.random(&mut rng), None);
    // Twice as many in one half, and many in one corner: depths 0 to 3.
    for number in 0..1400 {
        let hash = scatter(number);
        let hash = if number % 3 == 0 {
            hash
        } else if number % 3 == 1 {
            hash >> 1
        } else {
            hash >> 2
        };
        insert(&mut table, key(hash, number), number);
    }
    let depths: Vec<u32> = table
        .directory
        .entries()
        .iter()
        .map(|segment| segment.depth())
        .collect();
    assert!(depths.iter().max() > depths.iter().min(), "{depths:?}");

    const DRAWS_EACH: usize = 100;
    let mut drawn = vec![0f64; table.len()];
    for _ in 0..table.len() * DRAWS_EACH {
        let place = table.random(&mut rng).unwrap();
        drawn[table.get(place).value as usize] += 1.0;
    }
    let expected = DRAWS_EACH as f64;
    let statistic: f64 = drawn
        .iter()
        .map(|count| (count - expected).powi(2) / expected)
        .sum();
    let freedom = drawn.len() as f64 - 1.0;
    assert!(
        statistic < freedom + 5.0 * (2.0 * freedom).sqrt(),
        "{statistic} with {freedom} degrees of freedom"
    );
}

/// Where drawing is hopeless the fallback still gives an item.
#[test]
fn random_of_a_lopsided_table_gives_an_item() {
    let mut rng = Rng::with_seed(7);
    let mut table = filled(3000);
    for number in 0..3000 {
        insert(&mut table, Hashes::Equal.key(10_000 + number), 0);
    }
    for number in 0..2999 {
        remove(&mut table, &key(scatter(number), number));
    }
    for number in 0..2999 {
        remove(&mut table, &Hashes::Equal.key(10_000 + number));
    }
    for _ in 0..100 {
        assert!(table.random(&mut rng).is_some());
    }
}
