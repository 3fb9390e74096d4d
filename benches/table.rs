//! The table at a million keys: what a search, an insertion and a removal cost, and how many bytes a key.
//!
//! Keys are 16 bytes in items of 96, spread over 64 tables as a keyspace spreads them over shards, and
//! met in an order that has nothing to do with their places, so that caches do not flatter.

use std::ptr::NonNull;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use minium::table::{Stored, Table};

const KEYS: u64 = 1_000_000;
const PREFIX_BITS: u32 = 6;
/// Searches of one sample, in groups as a pipelined batch makes them.
const SEARCHES: usize = 1 << 16;
const BATCH: usize = 16;

#[repr(C, align(8))]
struct Content {
    key: [u8; 16],
    value: [u8; 80],
}

struct Item(Box<Content>);

// SAFETY: a box of an 8-aligned type gives such addresses, user space ends below 2⁴⁸; `from_raw`
// undoes `into_raw`; the views are plain references.
unsafe impl Stored for Item {
    type Ref<'a> = &'a Content;
    type Mut<'a> = &'a mut [u8; 80];

    fn into_raw(self) -> NonNull<u8> {
        NonNull::from(Box::leak(self.0)).cast()
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: by contract `raw` is a box that `into_raw` gave up.
        Self(unsafe { Box::from_raw(raw.cast().as_ptr()) })
    }

    unsafe fn as_ref<'a>(raw: NonNull<u8>) -> &'a Content {
        // SAFETY: by contract the box is alive and not changed during `'a`.
        unsafe { raw.cast().as_ref() }
    }

    unsafe fn as_mut<'a>(raw: NonNull<u8>) -> &'a mut [u8; 80] {
        // SAFETY: by contract the box is alive and lent to nobody else during `'a`.
        unsafe { &mut raw.cast::<Content>().as_mut().value }
    }

    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8] {
        &item.key
    }

    fn rehash(key: &[u8]) -> u64 {
        hash(key)
    }
}

fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// Good enough to scatter numbers, and cheap beside what is measured.
fn hash(key: &[u8]) -> u64 {
    let number = u64::from_be_bytes(key[8..].try_into().unwrap());
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}

struct Tables(Vec<Table<Item>>);

impl Tables {
    fn filled(keys: u64) -> Self {
        let tables = std::iter::repeat_with(|| Table::new(PREFIX_BITS));
        let mut tables = Self(tables.take(1 << PREFIX_BITS).collect());
        (0..keys).for_each(|number| tables.insert(number));
        tables
    }

    fn of(&self, hash: u64) -> &Table<Item> {
        &self.0[(hash >> (64 - PREFIX_BITS)) as usize]
    }

    fn of_mut(&mut self, hash: u64) -> &mut Table<Item> {
        &mut self.0[(hash >> (64 - PREFIX_BITS)) as usize]
    }

    fn insert(&mut self, number: u64) {
        let key = key(number);
        let item = Item(Box::new(Content {
            key,
            value: [1; 80],
        }));
        self.of_mut(hash(&key)).insert(hash(&key), item);
    }

    fn remove(&mut self, number: u64) {
        let key = key(number);
        let table = self.of_mut(hash(&key));
        let place = table.find(hash(&key), &key).expect("the key is there");
        drop(table.remove(place));
    }

    fn read(&self, hash: u64, key: &[u8]) -> u8 {
        let table = self.of(hash);
        table
            .find(hash, key)
            .map_or(0, |place| table.get(place).value[79])
    }

    fn bytes_per_key(&self) -> f64 {
        let bytes: usize = self.0.iter().map(Table::table_bytes).sum();
        bytes as f64 / self.0.iter().map(Table::len).sum::<usize>() as f64
    }
}

fn main() {
    for keys in [10_000, 100_000, KEYS, 2_000_000, 5_000_000] {
        let bytes = Tables::filled(keys).bytes_per_key();
        println!("{keys:>8} keys: {bytes:.2} bytes of table a key");
    }
    divan::main();
}

fn numbers(from: u64) -> Vec<u64> {
    let mut rng = fastrand::Rng::with_seed(1);
    (0..SEARCHES).map(|_| from + rng.u64(..KEYS)).collect()
}

fn search(bencher: Bencher<'_, '_>, from: u64) {
    let (tables, numbers) = (Tables::filled(KEYS), numbers(from));
    let bencher = bencher.counter(ItemsCount::new(SEARCHES));
    bencher.bench_local(|| {
        for &number in &numbers {
            let key = key(number);
            black_box(tables.read(hash(&key), &key));
        }
    });
}

#[divan::bench(sample_count = 50)]
fn find_hit(bencher: Bencher<'_, '_>) {
    search(bencher, 0);
}

#[divan::bench(sample_count = 50)]
fn find_miss(bencher: Bencher<'_, '_>) {
    search(bencher, KEYS);
}

#[divan::bench(sample_count = 50)]
fn find_hit_prefetched(bencher: Bencher<'_, '_>) {
    let (tables, numbers) = (Tables::filled(KEYS), numbers(0));
    let bencher = bencher.counter(ItemsCount::new(SEARCHES));
    bencher.bench_local(|| {
        for batch in numbers.chunks_exact(BATCH) {
            let keys: [_; BATCH] = std::array::from_fn(|at| key(batch[at]));
            let hashes = keys.map(|key| hash(&key));
            for hash in hashes {
                tables.of(hash).prefetch_bucket(hash);
            }
            for hash in hashes {
                tables.of(hash).prefetch_entry(hash);
            }
            for (key, hash) in keys.iter().zip(hashes) {
                black_box(tables.read(hash, key));
            }
        }
    });
}

/// Growth from nothing, allocation of the items included.
#[divan::bench(sample_count = 5)]
fn insert_a_million(bencher: Bencher<'_, '_>) {
    let bencher = bencher.counter(ItemsCount::new(KEYS));
    bencher.bench_local(|| Tables::filled(KEYS));
}

/// Down to nothing, freeing of the items included.
#[divan::bench(sample_count = 5)]
fn remove_a_million(bencher: Bencher<'_, '_>) {
    let bencher = bencher.counter(ItemsCount::new(KEYS));
    bencher
        .with_inputs(|| Tables::filled(KEYS))
        .bench_local_refs(|tables| (0..KEYS).for_each(|number| tables.remove(number)));
}

/// A whole scan, the items not touched.
#[divan::bench(sample_count = 20)]
fn scan_a_million(bencher: Bencher<'_, '_>) {
    let tables = Tables::filled(KEYS);
    let bencher = bencher.counter(ItemsCount::new(KEYS));
    bencher.bench_local(|| {
        let mut count = 0;
        for (number, table) in tables.0.iter().enumerate() {
            let mut position = Some((number as u64) << (64 - PREFIX_BITS));
            while let Some(here) = position {
                position = table.scan_places(here, |_| count += 1);
            }
        }
        assert_eq!(count, KEYS);
    });
}

#[divan::bench(sample_count = 50)]
fn random(bencher: Bencher<'_, '_>) {
    let tables = Tables::filled(KEYS);
    let mut rng = fastrand::Rng::with_seed(1);
    let bencher = bencher.counter(ItemsCount::new(SEARCHES));
    bencher.bench_local(|| {
        for _ in 0..SEARCHES {
            black_box(tables.0[rng.usize(..1 << PREFIX_BITS)].random(&mut rng));
        }
    });
}
