//! Snapshots against a reading of the whole keyspace at the moment when they begin.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::keyspace::access::{AccessClock, Record};
use crate::keyspace::db::{Db, Expiry, Key, Moment};
use crate::keyspace::effects::{Effects, Event};
use crate::keyspace::entry::{EntryMut, NewValue, ValueMut, ValueRef};
use crate::keyspace::evict::{Choice, Evictor, Ground, Ranking};
use crate::keyspace::{defrag, expire};
use crate::types::hash::Hash;
use crate::types::list::{End, Layout, List};
use crate::types::members::Members;
use crate::types::set::{self, Set};
use crate::types::string::StringRef;
use crate::types::zset::Zset;
use crate::types::{Collection, Limits, Object};
use world::World;

const DATABASES: usize = 3;
const NOW: u64 = 1_790_000_000_000;
const LONG: Duration = Duration::from_secs(600);
const LIMITS: Limits = Limits {
    entries: 16,
    value: 64,
};
const SET_LIMITS: set::Limits = set::Limits {
    integers: 16,
    packed: LIMITS,
};

/// What a key holds, in a form that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Zset(BTreeMap<Vec<u8>, u64>),
    Hash(BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>),
}

/// Database and key.
type Name = (usize, Vec<u8>);

/// All keys with their deadlines and values.
type Picture = BTreeMap<Name, (Option<u64>, Content)>;

fn content(value: ValueRef<'_>) -> Content {
    if let Ok(string) = value.string() {
        return Content::String(string.to_vec());
    }
    if let Ok(list) = value.collection::<List>() {
        return Content::List(
            list.iter()
                .map(|element| element.as_ref().to_vec())
                .collect(),
        );
    }
    if let Ok(set) = value.collection::<Set>() {
        return Content::Set(set.iter().map(StringRef::to_vec).collect());
    }
    if let Ok(zset) = value.collection::<Zset>() {
        let pairs = zset
            .iter()
            .map(|(member, score)| (member.to_vec(), score.to_bits()));
        return Content::Zset(pairs.collect());
    }
    let hash = value
        .collection::<Hash>()
        .expect("there are no other types");
    let fields = hash
        .iter()
        .map(|(name, field)| (name.to_vec(), (field.value.to_vec(), field.deadline)));
    Content::Hash(fields.collect())
}

/// Everything that the keyspace holds now.
fn picture(locked: &mut Locked<'_>) -> Picture {
    let mut picture = Picture::new();
    for shard in locked.all() {
        for (database, table) in shard.tables() {
            for entry in table.iter() {
                let value = (entry.deadline(), content(entry.value()));
                picture.insert((database, entry.key().to_vec()), value);
            }
        }
    }
    picture
}

/// Puts the pieces of a snapshot together again.
#[derive(Debug, Default)]
struct Collector {
    picture: Picture,
    /// The collection that is being told, and how many elements are to come.
    open: Option<(Name, Option<u64>, Content, usize)>,
    /// Collections that came in pieces.
    in_pieces: usize,
}

impl Collector {
    fn take(&mut self, piece: Piece<'_>) -> Result<(), Infallible> {
        match piece {
            Piece::Entry { database, entry } => {
                assert!(self.open.is_none(), "a key in the middle of another");
                let value = (entry.deadline(), content(entry.value()));
                self.add((database, entry.key().to_vec()), value);
            }
            Piece::Begin {
                database,
                key,
                deadline,
                kind,
                count,
                ..
            } => {
                assert!(self.open.is_none(), "a key in the middle of another");
                let content = match kind {
                    Kind::Set => Content::Set(BTreeSet::new()),
                    Kind::Zset => Content::Zset(BTreeMap::new()),
                    Kind::Hash { .. } => Content::Hash(BTreeMap::new()),
                };
                self.open = Some(((database, key.to_vec()), deadline, content, count));
                self.in_pieces += 1;
            }
            Piece::Members(members) => {
                let (_, _, content, count) = self.open.as_mut().expect("a collection has begun");
                for member in members {
                    let member = member.as_ref();
                    let key = member.key().to_vec();
                    let is_new = match content {
                        Content::Set(set) => set.insert(key),
                        Content::Zset(zset) => zset.insert(key, member.score().to_bits()).is_none(),
                        Content::Hash(hash) => {
                            let field = (member.value().to_vec(), member.deadline());
                            hash.insert(key, field).is_none()
                        }
                        Content::String(_) | Content::List(_) => unreachable!(),
                    };
                    assert!(is_new, "an element came twice");
                    *count = count
                        .checked_sub(1)
                        .expect("no more elements than announced");
                }
            }
            Piece::End => {
                let (name, deadline, content, count) = self.open.take().expect("it has begun");
                assert_eq!(count, 0, "fewer elements than announced");
                self.add(name, (deadline, content));
            }
        }
        Ok(())
    }

    fn add(&mut self, name: Name, value: (Option<u64>, Content)) {
        let former = self.picture.insert(name, value);
        assert!(former.is_none(), "a key came twice");
    }
}

fn begin(keyspace: &Keyspace) -> (Snapshot, Picture) {
    let mut locked = keyspace.lock_all();
    let picture = picture(&mut locked);
    (
        Snapshot::begin(&mut locked).expect("no other runs"),
        picture,
    )
}

/// Takes a snapshot in the smallest slices with changes between them; gives it up after so many, if that is asked for.
fn snapshot_among_changes(
    world: &mut World,
    each: usize,
    give_up_after: Option<usize>,
) -> Collector {
    let (snapshot, expected) = begin(&world.keyspace);
    for (database, counts) in snapshot.counts().iter().enumerate() {
        let keys = expected.keys().filter(|(number, _)| *number == database);
        assert_eq!(counts.keys, keys.count());
    }
    let mut collector = Collector::default();
    let mut walk = Walk::in_steps(snapshot.control, &world.keyspace);
    let mut steps = 0;
    loop {
        if steps % 3 == 0 {
            world.acts(each);
        }
        if give_up_after == Some(steps) {
            world.keyspace.snapshots.cancel();
        }
        steps += 1;
        let Ok(more) = walk.step(&world.keyspace, &mut |piece| collector.take(piece));
        if !more {
            break;
        }
    }
    world.acts(each);
    let is_complete = walk.finish(&world.keyspace);
    if is_complete {
        let got = &collector.picture;
        for (name, value) in &expected {
            assert_eq!(
                got.get(name),
                Some(value),
                "{}",
                String::from_utf8_lossy(&name.1)
            );
        }
        assert_eq!(got.len(), expected.len(), "there was nothing else");
    }
    assert_eq!(
        is_complete,
        give_up_after.is_none_or(|after| after >= steps)
    );
    assert!(world.is_settled());
    collector
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_snapshot_is_what_was_there_when_it_began(
        seed: u64, names in 1usize..60, most in prop_oneof![Just(30), Just(1500)],
        before in 0usize..300, each in 0usize..6,
    ) {
        let mut world = World::new(seed, names, most);
        for _ in 0..2 {
            world.acts(before);
            world.enlarge();
            snapshot_among_changes(&mut world, each, None);
        }
    }

    #[test]
    fn a_snapshot_given_up_leaves_nothing_behind(
        seed: u64, names in 1usize..60, most in prop_oneof![Just(30), Just(1500)],
        before in 0usize..300, each in 0usize..6, after in 0usize..100,
    ) {
        let mut world = World::new(seed, names, most);
        world.acts(before);
        world.enlarge();
        snapshot_among_changes(&mut world, each, Some(after));
        world.acts(before);
        world.enlarge();
        snapshot_among_changes(&mut world, each, None);
    }
}

#[test]
fn large_collections_come_in_pieces_whatever_becomes_of_them_meanwhile() {
    let mut in_pieces = 0;
    for seed in 0..20 {
        // So few names that most changes are to one of three large collections.
        let mut world = World::new(seed, 4, 3000);
        world.acts(100);
        world.enlarge();
        in_pieces += snapshot_among_changes(&mut world, 2, None).in_pieces;
    }
    assert!(in_pieces > 20, "{in_pieces} came in pieces");
}

/// Two writers change pairs of keys, always both under one lock and in the same way.
#[test]
fn what_is_changed_under_one_lock_is_never_seen_half_changed() {
    const PAIRS: usize = 60;
    const LARGE: usize = 3;
    /// Lets the writers end, also when the test fails.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let keyspace = Keyspace::new(1, 2);
    let is_over = AtomicBool::new(false);
    let write = |seed, rounds| {
        let effects = Effects::default();
        let mut rng = Rng::with_seed(seed);
        for _ in 0..rounds {
            if is_over.load(Relaxed) {
                break;
            }
            let number = rng.usize(..PAIRS);
            let names = ["left", "right"].map(|side| format!("{side}:{number}"));
            let keys = [Key::new(names[0].as_bytes()), Key::new(names[1].as_bytes())];
            let moment = Moment {
                now: NOW,
                access: AccessClock::new(NOW, Record::Date, 10, 1),
                may_expire: true,
            };
            let locked = keyspace.lock_many(keys.iter().map(|key| key.hash));
            let mut db = Db::new(locked, 0, moment, &effects);
            let (choice, value, first) = (rng.u8(..20), rng.u64(..), rng.usize(..5000));
            for key in keys {
                let field = |n: usize| format!("field:{n}").into_bytes();
                match choice {
                    _ if number < LARGE => {
                        let _ = db.update_or_insert(key, |hash: &mut Hash| {
                            for n in first..first + 10 {
                                if choice < 8 {
                                    hash.remove(&field(n));
                                } else {
                                    hash.set(&field(n), StringRef::Int(value as i64), LIMITS);
                                }
                            }
                        });
                    }
                    0 => drop(db.delete(key)),
                    1..5 => db.set(key, NewValue::Int(value as i64), Expiry::Never),
                    5..8 => db.set(key, NewValue::Bytes(&value.to_ne_bytes()), Expiry::Never),
                    8..10 => drop(db.set_deadline(key, Some(NOW + value % 1000))),
                    _ => {
                        if let Some(ValueMut::Int(n)) = db.write(key).map(EntryMut::into_value) {
                            *n = n.wrapping_add(1);
                        }
                    }
                }
            }
        }
    };
    // At first alone, so that the large ones are large.
    write(0, 50_000);
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        for seed in 1..3 {
            let write = &write;
            scope.spawn(move || write(seed, usize::MAX));
        }
        let mut in_pieces = 0;
        for _ in 0..60 {
            let snapshot = Snapshot::begin(&mut keyspace.lock_all()).expect("no other runs");
            let mut collector = Collector::default();
            let ended = snapshot.run(&keyspace, |piece| collector.take(piece));
            assert_eq!(ended, Ok(()));
            in_pieces += collector.in_pieces;
            let of = |side: &str| -> Vec<_> {
                let names = (0..PAIRS).map(|number| format!("{side}:{number}"));
                names
                    .map(|name| collector.picture.get(&(0, name.into_bytes())))
                    .collect()
            };
            assert!(of("left") == of("right"), "a pair is torn");
        }
        assert!(in_pieces > 0);
    });
}

#[test]
fn large_tables_are_walked_whole() {
    let mut world = World::new(7, 1, 1);
    let moment = world.moment();
    for n in 0..20_000u32 {
        let name = n.to_string();
        let key = Key::new(name.as_bytes());
        let mut db = Db::new(world.keyspace.lock_one(key.hash), 0, moment, &world.effects);
        db.set(key, NewValue::Int(n.into()), Expiry::Never);
    }
    world.names = 20_000;
    let collector = snapshot_among_changes(&mut world, 2, None);
    assert_eq!(collector.picture.len(), 20_000);
}

#[test]
fn a_consumer_that_fails_ends_the_snapshot_in_good_order() {
    let mut world = World::new(1, 50, 600);
    for round in 0..30 {
        world.acts(100);
        let (snapshot, expected) = begin(&world.keyspace);
        let mut pieces = 0;
        let ended = snapshot.run(&world.keyspace, |_| {
            pieces += 1;
            if pieces > round { Err(round) } else { Ok(()) }
        });
        if expected.len() > round {
            assert_eq!(ended, Err(Aborted::Failed(round)));
            assert_eq!(pieces, round + 1, "nothing is passed on after an error");
        }
        assert!(world.is_settled());
    }
}

#[test]
fn there_is_one_snapshot_at_a_time() {
    let keyspace = Keyspace::new(1, 1);
    let (first, _) = begin(&keyspace);
    assert_eq!(Snapshot::begin(&mut keyspace.lock_all()).err(), Some(Busy));
    assert!(keyspace.snapshots.is_running());
    first.abandon(&keyspace);
    let (second, _) = begin(&keyspace);
    second
        .run(&keyspace, |_| Ok::<(), Busy>(()))
        .expect("nothing disturbs it");
    assert!(!keyspace.snapshots.is_running());
}
