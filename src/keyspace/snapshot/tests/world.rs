//! A keyspace to which random things happen: every way in which a key can change beside a snapshot.

use super::*;

/// A keyspace to which random things happen.
pub(super) struct World {
    pub(super) keyspace: Keyspace,
    pub(super) effects: Effects,
    pub(super) rng: Rng,
    pub(super) now: u64,
    pub(super) names: usize,
    /// Elements of the largest collections.
    pub(super) most: usize,
    pub(super) cycle: expire::Cycle,
    pub(super) walk: defrag::Walk,
}

impl World {
    pub(super) fn new(seed: u64, names: usize, most: usize) -> World {
        World {
            keyspace: Keyspace::new(DATABASES, 1),
            effects: Effects::default(),
            rng: Rng::with_seed(seed),
            now: NOW,
            names,
            most,
            cycle: expire::Cycle::new(),
            walk: defrag::Walk::moving_all(),
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            access: AccessClock::new(self.now, Record::Date, 10, 1),
            may_expire: true,
        }
    }

    pub(super) fn name(&mut self) -> Vec<u8> {
        format!("key:{}", self.rng.usize(..self.names)).into_bytes()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = match self.rng.u8(..10) {
            0 => self.rng.usize(4000..200_000),
            1..3 => self.rng.usize(..200),
            _ => self.rng.usize(..20),
        };
        std::iter::repeat_with(|| self.rng.alphanumeric() as u8)
            .take(length)
            .collect()
    }

    fn element(&mut self) -> Vec<u8> {
        format!("element:{}", self.rng.usize(..2 * self.most)).into_bytes()
    }

    fn elements(&mut self) -> Vec<Vec<u8>> {
        let count = match self.rng.u8(..8) {
            0 => self.rng.usize(1..=self.most),
            1..4 => self.rng.usize(1..40),
            _ => self.rng.usize(1..4),
        };
        (0..count).map(|_| self.element()).collect()
    }

    fn deadline(&mut self) -> Option<u64> {
        self.rng.bool().then(|| self.now + self.rng.u64(..400))
    }

    /// One random change of any kind.
    pub(super) fn act(&mut self) {
        let name = self.name();
        let other = self.name();
        let target = self.rng.usize(..DATABASES);
        let database = self.rng.usize(..DATABASES);
        let (key, to) = (Key::new(&name), Key::new(&other));
        let choice = self.rng.u8(..100);
        match choice {
            0 => return self.now += self.rng.u64(..100),
            1..4 => {
                self.cycle
                    .run(&self.keyspace, &self.effects, self.now, 10, LONG);
                return;
            }
            4 => return self.walk.run(&self.keyspace, LONG),
            5..8 => return self.evict(),
            8 => {
                let mut locked = self.keyspace.lock_all();
                return locked.swap(database, target, self.now, &self.effects);
            }
            9 if self.rng.u8(..6) == 0 => {
                let mut locked = self.keyspace.lock_all();
                for table in locked.take(database, self.now, &self.effects) {
                    locked.free_after(table);
                }
                return;
            }
            _ => {}
        }
        let (bytes, elements, deadline) = (self.bytes(), self.elements(), self.deadline());
        let score = f64::from(self.rng.i8(..));
        let number = self.rng.usize(..);
        let layout = Layout::new(if self.rng.bool() { 8 } else { -2 }, 0, Layout::PLAIN);
        let mut rng = self.rng.fork();
        let moment = self.moment();
        let locked = self.keyspace.lock_many([key.hash, to.hash].into_iter());
        let mut db = Db::new(locked, database, moment, &self.effects);
        let expiry = match (number % 3, deadline) {
            (0, Some(deadline)) => Expiry::At(deadline),
            (1, _) => Expiry::Keep,
            _ => Expiry::Never,
        };
        match choice {
            10..18 => db.set(key, NewValue::string(&bytes), expiry),
            18..21 => db.set(key, NewValue::Int(number as i64), expiry),
            21..24 => db.set(key, NewValue::growing(bytes), expiry),
            24..28 => {
                // In place, as INCR and APPEND.
                if let Some(entry) = db.write(key) {
                    match entry.into_value() {
                        ValueMut::Int(n) => *n = n.wrapping_add(1),
                        ValueMut::Inline(bytes) => bytes.fill(b'x'),
                        ValueMut::Object(Object::String(old)) => old.extend_from_slice(&bytes),
                        _ => {}
                    }
                }
            }
            28..33 => drop(db.delete(key)),
            33..37 => drop(db.set_deadline(key, deadline)),
            37..41 => rename(&mut db, key, to),
            41..44 => move_to(&mut db, key, target),
            44..47 if key.bytes != to.bytes => {
                let copy = db
                    .peek(key)
                    .map(|from| from.copy_as(to.bytes, from.deadline()));
                if let Some(copy) = copy {
                    db.within(target, |db| db.put(to, copy));
                }
            }
            47..49 => {
                let mut set = Set::default();
                for element in &elements {
                    set.add(StringRef::Bytes(element), &SET_LIMITS);
                }
                db.store(key, set, Event::SUNIONSTORE);
            }
            49..57 => {
                let _ = db.update_or_insert(key, |set: &mut Set| {
                    for element in &elements {
                        set.add(StringRef::Bytes(element), &SET_LIMITS);
                    }
                });
            }
            57..61 => {
                let _ = db.update(key, |set: &mut Set| {
                    let len = set.view().len();
                    let rest = match number % 3 {
                        0 if len > 1 => {
                            set.pop_many(number / 3 % (len - 1) + 1, &SET_LIMITS, &mut rng, |_| ())
                        }
                        1 => {
                            set.pop(&mut rng, |_| ());
                            None
                        }
                        _ => {
                            for element in &elements {
                                set.remove(StringRef::Bytes(element));
                            }
                            None
                        }
                    };
                    drop(rest);
                });
            }
            61..69 => {
                let _ = db.update_or_insert(key, |zset: &mut Zset| {
                    for element in &elements {
                        zset.set(element, LIMITS, |old| Some(old.unwrap_or(0.0) + score));
                    }
                });
            }
            69..73 => {
                let _ = db.update(key, |zset: &mut Zset| {
                    let len = zset.view().len();
                    if number.is_multiple_of(2) {
                        let start = number / 2 % len;
                        let end = (start + elements.len()).min(len);
                        zset.remove_range(start..end);
                    } else {
                        for element in &elements {
                            zset.remove(element);
                        }
                    }
                });
            }
            73..81 => {
                let _ = db.update_or_insert(key, |hash: &mut Hash| {
                    for element in &elements {
                        let value = StringRef::Bytes(&bytes[..bytes.len().min(40)]);
                        let slot = hash.slot(element);
                        hash.set_at(slot, element, value, deadline, LIMITS);
                    }
                });
            }
            81..86 => {
                let _ = db.update(key, |hash: &mut Hash| {
                    for element in &elements {
                        match number % 3 {
                            0 => drop(hash.remove(element)),
                            1 => hash.set_deadline(hash.slot(element), deadline),
                            _ => drop(hash.live_slot(element, NOW + 100)),
                        }
                    }
                });
            }
            86..88 => db.expire_all_fields(key),
            88..94 => {
                let _ = db.update_or_insert(key, |list: &mut List| {
                    let end = if number.is_multiple_of(2) {
                        End::Front
                    } else {
                        End::Back
                    };
                    list.push(end, elements.iter().map(|element| &element[..]), &layout);
                });
            }
            94..100 => {
                let _ = db.update(key, |list: &mut List| {
                    let len = list.view().len();
                    let some = elements.len().min(len / 2);
                    match number % 6 {
                        0 => list.pop(End::Front, some, &layout, |_| ()),
                        1 => list.pop(End::Back, some + 1, &layout, |_| ()),
                        2 => list.trim(some, some, &layout),
                        3 => list.set(number / 6 % len, &bytes, &layout),
                        4 => drop(list.insert(&elements[0], true, &bytes, &layout)),
                        _ => drop(list.remove_equal(&elements[0], End::Back, 3, &layout)),
                    }
                });
            }
            _ => {}
        }
    }

    /// Makes some keys large collections.
    pub(super) fn enlarge(&mut self) {
        for _ in 0..self.names.min(4) {
            let (name, database) = (self.name(), self.rng.usize(..DATABASES));
            let deadlines: Vec<_> = (0..self.most).map(|_| self.deadline()).collect();
            let elements: Vec<_> = (0..self.most).map(|n| format!("element:{n}")).collect();
            let (key, kind, moment) = (Key::new(&name), self.rng.u8(..5), self.moment());
            let locked = self.keyspace.lock_one(key.hash);
            let mut db = Db::new(locked, database, moment, &self.effects);
            let (mut set, mut zset, mut hash, mut list) = <(Set, Zset, Hash, List)>::default();
            for (element, deadline) in elements.iter().zip(deadlines) {
                let bytes = element.as_bytes();
                let value = StringRef::Bytes(bytes);
                set.add(value, &SET_LIMITS);
                zset.set(bytes, LIMITS, |_| Some(bytes.len() as f64));
                let deadline = deadline.filter(|_| kind == 2);
                hash.set_at(hash.slot(bytes), bytes, value, deadline, LIMITS);
                list.push(
                    End::Back,
                    [bytes].into_iter(),
                    &Layout::new(-2, 0, Layout::PLAIN),
                );
            }
            match kind {
                0 => db.store(key, set, Event::SUNIONSTORE),
                1 => db.store(key, zset, Event::ZUNIONSTORE),
                2 | 3 => db.store(key, hash, Event::HSET),
                _ => db.store(key, list, Event::RPUSH),
            }
        }
    }

    pub(super) fn evict(&mut self) {
        let ground = Ground {
            keyspace: &self.keyspace,
            effects: &self.effects,
            choice: Choice {
                only_volatile: false,
                ranking: if self.rng.bool() {
                    Ranking::Random
                } else {
                    Ranking::Recency
                },
            },
            samples: 5,
            moment: self.moment(),
        };
        let before = self.effects.evicted.get() + self.effects.expired.get();
        Evictor::new().run(&ground, LONG, || {
            self.effects.evicted.get() + self.effects.expired.get() > before
        });
    }

    pub(super) fn acts(&mut self, most: usize) {
        for _ in 0..self.rng.usize(..=most) {
            self.act();
        }
    }

    /// Whether all entries are of one generation, and no shard takes part in a snapshot.
    pub(super) fn is_settled(&self) -> bool {
        let mut locked = self.keyspace.lock_all();
        let generation = locked.all()[0].generation;
        !self.keyspace.snapshots.is_running()
            && self.keyspace.snapshots.held_bytes() == 0
            && locked.all().iter().all(|shard| {
                let mut entries = shard.tables().flat_map(|(_, table)| table.iter());
                shard.snapshot.is_none()
                    && entries.all(|entry| entry.is_of(generation) && !is_preserving(entry))
            })
    }
}

fn is_preserving(entry: EntryRef<'_>) -> bool {
    match entry.value() {
        ValueRef::Object(object) => object.members().is_some_and(Members::is_preserving),
        _ => false,
    }
}

fn rename(db: &mut Db<'_>, key: Key<'_>, to: Key<'_>) {
    if key.bytes != to.bytes && db.write(key).is_some() {
        let entry = db.remove(key).expect("just seen");
        db.put(to, entry.renamed(to.bytes));
    }
}

fn move_to(db: &mut Db<'_>, key: Key<'_>, target: usize) {
    if target != db.index
        && db.write(key).is_some()
        && !db.within(target, |db| db.peek(key).is_some())
    {
        let entry = db.remove(key).expect("just seen");
        db.within(target, |db| db.put(key, entry));
    }
}
