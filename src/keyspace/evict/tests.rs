//! Evictors against keyspaces whose best victims are known.

use std::collections::HashMap;

use super::super::access::{AccessClock, Record};
use super::super::db::{Db, Key};
use super::super::entry::NewValue;
use super::*;
use crate::command::Instance;
use crate::config::Config;

const NOW: u64 = 1_790_000_000_000;
const LONG: Duration = Duration::from_secs(600);

fn moment(record: Record) -> Moment {
    Moment {
        now: NOW,
        access: AccessClock::new(NOW, record, 10, 1),
        may_expire: true,
    }
}

fn ground<'a>(
    keyspace: &'a Keyspace,
    effects: &'a Effects,
    only_volatile: bool,
    ranking: Ranking,
) -> Ground<'a> {
    Ground {
        keyspace,
        effects,
        choice: Choice {
            only_volatile,
            ranking,
        },
        samples: 5,
        moment: moment(match ranking {
            Ranking::Frequency => Record::Count,
            Ranking::Density => Record::Class,
            _ => Record::Date,
        }),
    }
}

fn name(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

fn within<R>(
    keyspace: &Keyspace,
    database: usize,
    n: u64,
    act: impl FnOnce(&mut Db<'_>, Key<'_>) -> R,
) -> R {
    let name = name(n);
    let key = Key::new(&name);
    let effects = Effects::default();
    let locked = keyspace.lock_one(key.hash);
    // Long ago, so that nobody is dead yet.
    let moment = Moment {
        now: 0,
        ..moment(Record::Date)
    };
    act(&mut Db::new(locked, database, moment, &effects), key)
}

fn add(keyspace: &Keyspace, database: usize, n: u64, deadline: Option<u64>, access: u32) {
    within(keyspace, database, n, |db, key| {
        db.insert(key, NewValue::Int(1), deadline);
        db.touch = false;
        db.write(key).expect("just inserted").set_access(access);
    });
}

fn has(keyspace: &Keyspace, database: usize, n: u64) -> bool {
    within(keyspace, database, n, |db, key| db.view(key).is_some())
}

fn evict(ground: &Ground<'_>, keys: u64) -> End {
    let goal = ground.effects.evicted.get() + keys;
    let enough = || ground.effects.evicted.get() == goal;
    Evictor::new().run(ground, LONG, enough)
}

#[test]
fn keeps_those_who_rank_lowest() {
    const KEYS: u64 = 4000;
    let clock = moment(Record::Date).access;
    for (ranking, volatile) in [
        (Ranking::Recency, false),
        (Ranking::Recency, true),
        (Ranking::Frequency, false),
        (Ranking::Frequency, true),
        (Ranking::Deadline, true),
        (Ranking::Density, false),
    ] {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        for n in 0..KEYS {
            // The greater the number, the less is it missed.
            let access = match ranking {
                Ranking::Frequency => clock.used_often((255 - n * 256 / KEYS) as u8),
                _ => clock.idle_for(n),
            };
            let deadline = volatile.then_some(NOW + 2 * KEYS - n);
            add(&keyspace, 0, n, deadline, access);
        }
        let ground = ground(&keyspace, &effects, volatile, ranking);
        assert_eq!(evict(&ground, KEYS / 2), End::Enough);
        let kept = |range: std::ops::Range<u64>| range.filter(|&n| has(&keyspace, 0, n)).count();
        // Now and then somebody is drawn into bad company.
        let best = kept(0..KEYS / 10);
        assert!(best + 4 >= KEYS as usize / 10, "{ranking:?} kept {best}");
        let worst = kept(KEYS * 9 / 10..KEYS);
        assert!(worst < KEYS as usize / 50, "{ranking:?} kept {worst}");
    }
}

#[test]
fn volatile_policies_take_all_that_expire_and_nobody_else() {
    for ranking in [Ranking::Recency, Ranking::Deadline, Ranking::Random] {
        let (keyspace, effects) = (Keyspace::new(3, 1), Effects::default());
        for n in 0..3000 {
            let deadline = (n % 3 == 0).then_some(NOW + n);
            add(&keyspace, n as usize % 2 * 2, n, deadline, 0);
        }
        let ground = ground(&keyspace, &effects, true, ranking);
        assert_eq!(evict(&ground, 3000), End::Nobody);
        assert_eq!(effects.evicted.get(), 1000);
        assert!((0..3000).all(|n| has(&keyspace, n as usize % 2 * 2, n) == (n % 3 != 0)));
    }
}

#[test]
fn finds_the_few_that_may_go_among_many() {
    for ranking in [Ranking::Deadline, Ranking::Random] {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        for n in 0..300_000 {
            let deadline = (n < 3).then_some(NOW + n);
            add(&keyspace, 0, n, deadline, 0);
        }
        let ground = ground(&keyspace, &effects, true, ranking);
        assert_eq!(evict(&ground, 4), End::Nobody);
        assert_eq!(effects.evicted.get(), 3);
    }
}

#[test]
fn all_databases_take_part_by_their_size() {
    for ranking in [Ranking::Recency, Ranking::Random] {
        let (keyspace, effects) = (Keyspace::new(2, 1), Effects::default());
        for n in 0..8000 {
            add(&keyspace, usize::from(n % 4 == 0), n, None, 0);
        }
        evict(&ground(&keyspace, &effects, false, ranking), 4000);
        let small = keyspace.lock_all().len(1);
        assert!((850..1150).contains(&small), "{ranking:?}: {small} of 2000");
    }
}

#[test]
fn the_dead_go_first_and_count_as_expired() {
    let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
    for n in 0..1000 {
        let deadline = (n % 10 == 0).then_some(NOW - 1);
        add(
            &keyspace,
            0,
            n,
            deadline,
            moment(Record::Date).access.idle_for(n),
        );
    }
    evict(&ground(&keyspace, &effects, false, Ranking::Recency), 100);
    let expired = effects.expired.get();
    // Some 400 keys are looked at for 100 that go, and a tenth of all are dead.
    assert!((25..=100).contains(&expired), "{expired} of 100");
    assert_eq!(keyspace.lock_all().len(0) as u64, 900 - expired);
}

#[test]
fn who_is_used_in_the_meantime_stays() {
    let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
    add(
        &keyspace,
        0,
        1,
        None,
        moment(Record::Date).access.idle_for(1000),
    );
    let ground = ground(&keyspace, &effects, false, Ranking::Recency);
    let mut evictor = Evictor::new();
    evictor.prepare(&ground);
    let spot = evictor.spot(&ground).expect("there is a key");
    evictor.look(&ground, spot);
    let candidate = evictor.pool.take_best().expect("it was seen");
    within(&keyspace, 0, 1, |db, key| {
        db.read(key);
    });
    assert!(!ground.evict(candidate));
    assert_eq!(effects.evicted.get(), 0);
    assert!(has(&keyspace, 0, 1));
}

/// How far counts are from all being the same.
fn chi_square(counts: impl Iterator<Item = u64> + Clone) -> f64 {
    let expected = counts.clone().sum::<u64>() as f64 / counts.clone().count() as f64;
    counts
        .map(|count| (count as f64 - expected).powi(2) / expected)
        .sum()
}

#[test]
fn a_random_victim_may_be_any_key_with_the_same_chance() {
    const KEYS: u64 = 50;
    for volatile in [false, true] {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        let deadline = volatile.then_some(NOW);
        for n in 0..KEYS {
            add(&keyspace, 0, n, deadline, 0);
        }
        let ground = ground(&keyspace, &effects, volatile, Ranking::Random);
        let mut evictor = Evictor::new();
        let mut gone = vec![0; KEYS as usize];
        for round in 1..=10_000 {
            evictor.run(&ground, LONG, || effects.evicted.get() == round);
            let victim = (0..KEYS)
                .find(|&n| !has(&keyspace, 0, n))
                .expect("one is gone");
            gone[victim as usize] += 1;
            add(&keyspace, 0, victim, deadline, 0);
        }
        // 49 degrees of freedom: a fair draw goes beyond this once in a million runs.
        let distance = chi_square(gone.iter().copied());
        assert!(distance < 112.0, "chi-square {distance}: {gone:?}");
    }
}

#[test]
fn every_key_is_looked_at_with_the_same_chance() {
    const KEYS: u64 = 5000;
    for volatile_share in [1, 4] {
        let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
        for n in 0..KEYS {
            let deadline = (n % volatile_share == 0).then_some(NOW);
            add(&keyspace, 0, n, deadline, 0);
        }
        let ground = ground(&keyspace, &effects, volatile_share > 1, Ranking::Recency);
        let mut evictor = Evictor::new();
        let mut seen: HashMap<Vec<u8>, u64> = HashMap::new();
        let (mut looks, mut candidates) = (0, 0);
        while candidates < 100 * KEYS / volatile_share {
            let spot = evictor.spot(&ground).expect("there are keys");
            let shard = keyspace.lock(spot.shard);
            let table = shard.table(0).expect("there are keys");
            let places = evictor.draw(&ground, table, spot, ground.samples);
            looks += 1;
            candidates += places.len() as u64;
            for place in places {
                *seen.entry(table.get(place).key().to_vec()).or_default() += 1;
            }
        }
        let each = candidates as f64 / looks as f64;
        assert!((4.0..8.0).contains(&each), "{each} candidates a look");
        let times = |n| seen.get(&name(n)).copied().unwrap_or(0);
        let keys = (0..KEYS).step_by(volatile_share as usize);
        // The mean is 100, and the rarest of 5000 comes at 60.
        let least = keys.clone().map(times).min();
        let most = keys.map(times).max();
        assert!(
            least > Some(40) && most < Some(200),
            "{least:?} to {most:?}"
        );
    }
}

#[test]
fn stops_when_the_time_is_up() {
    let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
    for n in 0..100 {
        add(&keyspace, 0, n, None, 0);
    }
    let ground = ground(&keyspace, &effects, false, Ranking::Recency);
    let end = Evictor::new().run(&ground, Duration::ZERO, || false);
    assert_eq!((end, effects.evicted.get()), (End::OutOfTime, STEPS as u64));
}

#[test]
fn two_evictors_take_each_key_once() {
    let keyspace = Keyspace::new(1, 2);
    for n in 0..20_000 {
        add(&keyspace, 0, n, None, 0);
    }
    let evicted: u64 = std::thread::scope(|scope| {
        let threads = [Ranking::Recency, Ranking::Random].map(|ranking| {
            let keyspace = &keyspace;
            scope.spawn(move || {
                let effects = Effects::default();
                let ground = ground(keyspace, &effects, false, ranking);
                assert_eq!(Evictor::new().run(&ground, LONG, || false), End::Nobody);
                effects.evicted.get()
            })
        });
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!((evicted, keyspace.lock_all().len(0)), (20_000, 0));
}

#[test]
fn tenacity_is_time() {
    assert_eq!(budget(0), Duration::ZERO);
    assert_eq!(budget(10), Duration::from_micros(500));
    assert!((100..150).contains(&budget(99).as_secs()));
    assert_eq!(budget(100), Duration::MAX);
}

#[test]
fn the_time_above_the_limit_is_kept() {
    let statistics = Statistics::default();
    statistics.note(false);
    assert_eq!(
        (statistics.current(), statistics.total()),
        (Duration::ZERO, Duration::ZERO)
    );
    statistics.note(true);
    while statistics.current() < Duration::from_millis(1) {
        std::hint::spin_loop();
    }
    statistics.note(false);
    assert_eq!(statistics.current(), Duration::ZERO);
    assert!(statistics.total() >= Duration::from_millis(1));
}

/// Hits in a hundred requests, drawn by `next`, to a cache of `room` keys.
fn hits(ranking: Ranking, room: usize, requests: u64, mut next: impl FnMut(u64) -> u64) -> f64 {
    let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
    let mut ground = ground(&keyspace, &effects, false, ranking);
    let mut evictor = Evictor::new();
    let mut held = 0;
    let mut hits = 0;
    for request in 0..requests {
        let record = ground.moment.access.record();
        ground.moment.access = AccessClock::new(NOW + request, record, 10, 1);
        let name = name(next(request));
        let key = Key::new(&name);
        let mut db = Db::new(keyspace.lock_one(key.hash), 0, ground.moment, &effects);
        if db.read(key).is_some() {
            hits += 1;
            continue;
        }
        db.insert(key, NewValue::Int(1), None);
        drop(db);
        held += 1;
        let before = effects.evicted.get();
        let excess = held - held.min(room);
        evictor.run(&ground, LONG, || {
            effects.evicted.get() - before >= excess as u64
        });
        held -= excess;
    }
    100.0 * f64::from(hits) / requests as f64
}

#[test]
fn learns_what_comes_round_and_what_never_comes_again() {
    const REQUESTS: u64 = 60_000;
    let around = |request| request % 1200;
    let recency = hits(Ranking::Recency, 1000, REQUESTS, around);
    let density = hits(Ranking::Density, 1000, REQUESTS, around);
    assert!(
        density > 65.0 && density > recency + 30.0,
        "{density} and {recency}"
    );

    // Every other request is part of a scan; the others favour the low numbers.
    let mut rng = fastrand::Rng::with_seed(1);
    let mut scanned = |request| match request % 2 {
        0 => 1_000_000 + request,
        _ => (4000.0 * rng.f64().powi(3)) as u64,
    };
    let recency = hits(Ranking::Recency, 1000, REQUESTS, &mut scanned);
    let density = hits(Ranking::Density, 1000, REQUESTS, &mut scanned);
    assert!(density > recency + 3.0, "{density} and {recency}");
}

#[test]
fn of_two_alike_the_larger_goes() {
    let (keyspace, effects) = (Keyspace::new(1, 1), Effects::default());
    for n in 0..2000 {
        let bytes = vec![b'x'; if n % 2 == 0 { 10 } else { 1000 }];
        within(&keyspace, 0, n, |db, key| {
            db.insert(key, NewValue::Bytes(&bytes), None);
        });
    }
    let ground = ground(&keyspace, &effects, false, Ranking::Density);
    evict(&ground, 800);
    let small = (0..1000).filter(|n| has(&keyspace, 0, n * 2)).count();
    assert!(small > 950, "{small}");
}

#[test]
fn changes_that_wait_for_the_disk_are_not_held_against_keys() {
    const ABOVE: u64 = 1 << 40;
    let instance = Instance::new(Config::default(), None, 1).expect("no name is taken");
    let gauge = Gauge {
        keyspace: &instance.keyspace,
        limit: 0,
        untold: ABOVE as i64,
    };
    assert!(gauge.excess() >= ABOVE);
    instance.journal.memory().fetch_add(ABOVE / 2, Relaxed);
    let excess = gauge.excess();
    assert!((ABOVE / 2..ABOVE).contains(&excess), "{excess}");
    instance.journal.memory().fetch_add(ABOVE, Relaxed);
    assert_eq!(gauge.excess(), 0);
}
