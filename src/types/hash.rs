//! Hashes: fields with values.
//!
//! A small hash is one listpack, which is searched from its beginning; past the limits it becomes a table of fields, and
//! stays one however small it gets.

use fastrand::Rng;

use super::listpack::{self, Listpack, ListpackRef};
use super::members::{self, Members};
use super::sample::{self, Sampling};
use super::string::{Decimal, StringRef};
use super::{Collection, Limits, Packing, is_object};

/// A hash.
#[derive(Clone, Debug)]
pub enum Hash {
    /// Fields, each followed by its value.
    Packed(Listpack),
    /// Fields by name.
    Table(Members),
}

/// A hash. To read.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// As [`Hash::Packed`].
    Packed(ListpackRef<'a>),
    /// As [`Hash::Table`].
    Table(&'a Members),
}

/// Where a field is or would be, as [`Hash::slot`] found out. Good until the hash changes.
#[derive(Clone, Copy, Debug)]
pub struct Slot(Form);

#[derive(Clone, Copy, Debug)]
enum Form {
    /// The place of the value, if the field is there.
    Packed(Option<listpack::Place>),
    Table(members::Slot),
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::Packed(Listpack::new())
    }
}

impl Collection for Hash {
    type Ref<'a> = HashRef<'a>;

    is_object!(Hash);

    fn view(&self) -> HashRef<'_> {
        match self {
            Hash::Packed(list) => HashRef::Packed(list.as_ref()),
            Hash::Table(members) => HashRef::Table(members),
        }
    }

    fn view_packed(packing: Packing, bytes: &[u8]) -> Option<HashRef<'_>> {
        (packing == Packing::Hash).then(|| HashRef::Packed(ListpackRef::new(bytes)))
    }

    fn from_packed(packing: Packing, bytes: Vec<u8>) -> Option<Hash> {
        (packing == Packing::Hash).then(|| Hash::Packed(Listpack::from_bytes(bytes)))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Hash::Packed(list) => Some((Packing::Hash, list.as_ref().bytes())),
            Hash::Table(_) => None,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Hash::Packed(list) => list.as_ref().is_empty(),
            Hash::Table(members) => members.is_empty(),
        }
    }
}

impl Hash {
    /// The table, if it is one.
    pub(super) fn members(&self) -> Option<&Members> {
        match self {
            Hash::Table(members) => Some(members),
            Hash::Packed(_) => None,
        }
    }

    /// How many blocks of memory have to be freed with it.
    pub fn blocks(&self) -> usize {
        match self {
            Hash::Packed(_) => 1,
            Hash::Table(members) => members.len(),
        }
    }

    /// Bytes of heap, estimated from `samples` elements, or from all if it is 0.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            Hash::Packed(list) => list.capacity(),
            Hash::Table(members) => members.memory(samples),
        }
    }

    /// The encoding's name, as OBJECT ENCODING answers it.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Hash::Packed(_) => Packing::Hash.encoding_name(),
            Hash::Table(_) => "hashtable",
        }
    }

    /// Makes ready for so many fields, whether they are new or not, of which all will be given to [`Hash::set`] at once.
    pub fn expect(&mut self, fields: usize, limits: Limits) {
        if fields > limits.entries {
            self.table();
        }
    }

    /// Where a field is, or would be.
    #[inline]
    pub fn slot(&self, field: &[u8]) -> Slot {
        Slot(match self {
            Hash::Packed(list) => Form::Packed(value_place(list.as_ref(), field)),
            Hash::Table(members) => Form::Table(members.slot(field)),
        })
    }

    /// The value at a slot.
    pub fn at(&self, slot: Slot) -> Option<StringRef<'_>> {
        match (self, slot.0) {
            (Hash::Packed(list), Form::Packed(place)) => {
                place.map(|place| list.as_ref().get(place))
            }
            (Hash::Table(members), Form::Table(members::Slot::At(place))) => {
                Some(StringRef::Bytes(members.at(place).value()))
            }
            _ => None,
        }
    }

    /// Sets the value of a field; answers whether the field is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: StringRef<'_>, limits: Limits) -> bool {
        self.set_at(self.slot(field), field, value, limits)
    }

    /// As [`Hash::set`], where the field's slot is known.
    pub fn set_at(
        &mut self,
        slot: Slot,
        field: &[u8],
        value: StringRef<'_>,
        limits: Limits,
    ) -> bool {
        let length = value.len();
        match (&mut *self, slot.0) {
            (Hash::Packed(list), Form::Packed(place))
                if field.len().max(length) <= limits.value
                    && list.has_room_for(field.len() + length) =>
            {
                match place {
                    Some(place) => list.replace(place, value),
                    None => {
                        list.push_back(StringRef::Bytes(field));
                        list.push_back(value);
                    }
                }
                // The limit may have come down since.
                if list.as_ref().len() / 2 > limits.entries {
                    self.table();
                }
                place.is_none()
            }
            (Hash::Table(members), Form::Table(slot)) => {
                members.set_at(slot, field, value.bytes(&mut Decimal::default()))
            }
            _ => self
                .table()
                .set(field, value.bytes(&mut Decimal::default())),
        }
    }

    /// Takes a field out; answers whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Hash::Packed(list) => {
                let found = list.as_ref().find(field, 0, 2);
                if let Some(place) = found {
                    list.remove(place, 2);
                }
                found.is_some()
            }
            Hash::Table(members) => members.remove(field).is_some(),
        }
    }

    /// The large form, into which a small hash is converted.
    fn table(&mut self) -> &mut Members {
        if let Hash::Packed(list) = self {
            let mut members = Members::default();
            for (field, value) in HashRef::Packed(list.as_ref()).iter() {
                members.set(
                    field.bytes(&mut Decimal::default()),
                    value.bytes(&mut Decimal::default()),
                );
            }
            *self = Hash::Table(members);
        }
        match self {
            Hash::Table(members) => members,
            Hash::Packed(_) => unreachable!("just converted"),
        }
    }
}

/// The place of a field's value.
#[inline]
fn value_place(list: ListpackRef<'_>, field: &[u8]) -> Option<listpack::Place> {
    list.next(list.find(field, 0, 2)?)
}

/// The fields of a packed hash with their values.
fn pairs(list: ListpackRef<'_>) -> impl Iterator<Item = (StringRef<'_>, StringRef<'_>)> {
    let mut elements = list.iter();
    std::iter::from_fn(move || Some((elements.next()?, elements.next()?)))
}

/// A field of a large hash with its value.
fn pair(member: super::member::MemberRef<'_>) -> (StringRef<'_>, StringRef<'_>) {
    (
        StringRef::Bytes(member.key()),
        StringRef::Bytes(member.value()),
    )
}

impl<'a> HashRef<'a> {
    /// How many fields there are.
    pub fn len(self) -> usize {
        match self {
            HashRef::Packed(list) => list.len() / 2,
            HashRef::Table(members) => members.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<StringRef<'a>> {
        match self {
            HashRef::Packed(list) => value_place(list, field).map(|place| list.get(place)),
            HashRef::Table(members) => members
                .get(field)
                .map(|member| StringRef::Bytes(member.value())),
        }
    }

    /// Fields with their values.
    pub fn iter(self) -> impl Iterator<Item = (StringRef<'a>, StringRef<'a>)> {
        let (packed, table) = match self {
            HashRef::Packed(list) => (Some(pairs(list)), None),
            HashRef::Table(members) => (None, Some(members.iter().map(pair))),
        };
        let packed = packed.into_iter().flatten();
        packed.chain(table.into_iter().flatten())
    }

    /// One step of a walk: visits a few fields from a hash position on and returns the position that follows. A packed hash
    /// is visited whole, from any position.
    pub fn scan(
        self,
        position: u64,
        mut visit: impl FnMut(StringRef<'_>, StringRef<'_>),
    ) -> Option<u64> {
        match self {
            HashRef::Packed(list) => {
                pairs(list).for_each(|(field, value)| visit(field, value));
                None
            }
            HashRef::Table(members) => members.scan(position, |member| {
                let (field, value) = pair(member);
                visit(field, value);
            }),
        }
    }

    /// Visits random fields.
    pub fn sample(
        self,
        sampling: Sampling,
        rng: &mut Rng,
        mut visit: impl FnMut(StringRef<'_>, StringRef<'_>),
    ) {
        match self {
            HashRef::Packed(list) => {
                sample::visit(pairs(list), self.len(), sampling, rng, |(field, value)| {
                    visit(field, value);
                });
            }
            HashRef::Table(members) => members.sample(sampling, rng, |member| {
                let (field, value) = pair(member);
                visit(field, value);
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use fastrand::Rng;
    use proptest::prelude::*;

    use super::super::sample::tests::assert_uniform;
    use super::*;

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;

    const SMALL: Limits = Limits {
        entries: 8,
        value: 12,
    };
    const NOTHING_PACKED: Limits = Limits {
        entries: 0,
        value: 0,
    };

    #[derive(Clone, Debug)]
    enum Change {
        Set(Vec<u8>, Vec<u8>),
        SetInteger(Vec<u8>, i64),
        Remove(Vec<u8>),
        Expect(usize),
        Limit(usize),
    }

    fn field() -> impl Strategy<Value = Vec<u8>> {
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

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            6 => (field(), value()).prop_map(|(field, value)| Change::Set(field, value)),
            2 => (field(), -300i64..300).prop_map(|(field, n)| Change::SetInteger(field, n)),
            5 => field().prop_map(Change::Remove),
            1 => (0usize..10).prop_map(Change::Expect),
            1 => (6usize..10).prop_map(Change::Limit),
        ]
    }

    fn content(hash: HashRef<'_>) -> Model {
        let pairs = hash.iter().map(|(f, v)| (f.to_vec(), v.to_vec()));
        let content: Model = pairs.collect();
        assert_eq!(content.len(), hash.len(), "a field comes twice");
        content
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(changes in proptest::collection::vec(change(), 0..120)) {
            let (mut hash, mut model) = (Hash::default(), Model::new());
            let (mut limits, mut large) = (SMALL, false);
            for change in changes {
                let mut sets = false;
                match change {
                    Change::Set(field, value) => {
                        (sets, large) = (true, large || field.len().max(value.len()) > limits.value);
                        let new = hash.set(&field, StringRef::Bytes(&value), limits);
                        prop_assert_eq!(new, model.insert(field, value).is_none());
                    }
                    Change::SetInteger(field, n) => {
                        (sets, large) = (true, large || field.len() > limits.value);
                        let new = hash.set(&field, StringRef::Int(n), limits);
                        prop_assert_eq!(new, model.insert(field, n.to_string().into_bytes()).is_none());
                    }
                    Change::Remove(field) => {
                        prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                    }
                    Change::Expect(fields) => {
                        large |= fields > limits.entries;
                        hash.expect(fields, limits);
                    }
                    Change::Limit(entries) => limits.entries = entries,
                }
                large |= sets && model.len() > limits.entries;
                prop_assert_eq!(hash.encoding_name(), if large { "hashtable" } else { "listpack" });
                prop_assert_eq!(hash.is_empty(), model.is_empty());
                prop_assert_eq!(&content(hash.view()), &model);
                prop_assert_eq!(&content(hash.clone().view()), &model);
                for n in 0..12 {
                    for field in [n.to_string(), format!("f{n}")] {
                        let found = hash.view().get(field.as_bytes()).map(StringRef::to_vec);
                        prop_assert_eq!(found.as_ref(), model.get(field.as_bytes()));
                    }
                }
                let mut scanned = Model::new();
                let mut position = Some(0);
                while let Some(at) = position {
                    position = hash.view().scan(at, |field, value| {
                        scanned.insert(field.to_vec(), value.to_vec());
                    });
                }
                prop_assert_eq!(&scanned, &model);
            }
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
    fn every_choice_of_random_fields_is_as_likely_in_both_forms() {
        let packed = Limits {
            entries: 512,
            value: 64,
        };
        let mut rng = Rng::new();
        for limits in [packed, NOTHING_PACKED] {
            let hash = hash_of(20, limits);
            for (sampling, outcomes) in [
                (Sampling::Distinct(1), 20),
                (Sampling::Distinct(2), 190),
                (Sampling::Distinct(18), 190),
                (Sampling::Repeated(2), 400),
            ] {
                let draws = (0..outcomes * 200).map(|_| {
                    let mut drawn = Vec::new();
                    hash.view().sample(sampling, &mut rng, |field, value| {
                        assert_eq!(field.to_vec(), [b"field:", &value.to_vec()[..]].concat());
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
    fn a_walk_over_a_table_visits_each_field_once() {
        let hash = hash_of(3000, NOTHING_PACKED);
        let mut visits: HashMap<Vec<u8>, usize> = HashMap::new();
        let (mut position, mut steps) = (Some(0), 0);
        while let Some(at) = position {
            position = hash.view().scan(at, |field, _| {
                *visits.entry(field.to_vec()).or_default() += 1;
            });
            steps += 1;
        }
        assert!(steps > 100, "a step visits a few fields only");
        assert_eq!(visits.len(), 3000);
        assert!(visits.values().all(|&times| times == 1));
    }
}
