//! Values of records, as the keyspace holds them.
//!
//! What is packed in a form that values have here is checked and then taken as it lies; what is too large for that under the
//! limits in force, or packed in a form of the past, is built anew. Everything else comes element by element, and an
//! [`Assembly`] may get them in several portions.
//!
//! The structure of packed values is always checked, and the order of sorted sets: the types rely on it. Whether an element
//! occurs twice is asked of packed ones only when the check is to be deep, as `sanitize-dump-payload` has it, because that
//! costs more than all the rest.

use std::borrow::Cow;
use std::collections::HashSet;

use thiserror::Error;

use super::format::{self, FormatError, Input, RawString, Text, kind, node};
use super::{ziplist, zipmap};
use crate::keyspace::NewValue;
use crate::keyspace::entry::{MAX_INLINE, MAX_INLINE_PACKED};
use crate::protocol::number;
use crate::types::hash::{Hash, PackedRef};
use crate::types::intset::{self, IntsetRef};
use crate::types::list::{self, End, List};
use crate::types::listpack::{self, Listpack, ListpackRef};
use crate::types::set::{self, Set};
use crate::types::string::{Decimal, StringRef};
use crate::types::zset::{self, Zset};
use crate::types::{Collection, Limits, Object, Packing};

/// Which forms values are to have, and how much is asked of those from outside.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Up to which size a hash is packed.
    pub hash: Limits,
    /// Up to which sizes a set is.
    pub set: set::Limits,
    /// Up to which size a sorted set is.
    pub zset: Limits,
    /// How lists are laid out.
    pub list: list::Layout,
    /// Whether elements that occur twice are looked for in packed values.
    pub deep: bool,
}

/// Bytes that are no value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// An item of the format is none.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A listpack is none.
    #[error(transparent)]
    Listpack(#[from] listpack::Damaged),
    /// An intset is none.
    #[error(transparent)]
    Intset(#[from] intset::Damaged),
    /// A ziplist is none.
    #[error(transparent)]
    Ziplist(#[from] ziplist::Damaged),
    /// A zipmap is none.
    #[error(transparent)]
    Zipmap(#[from] zipmap::Damaged),
    /// A field, member or score is missing at the end.
    #[error("the last element lacks what belongs to it")]
    Odd,
    /// What may be there once is there twice.
    #[error("an element occurs twice")]
    Twice,
    /// The members of a packed sorted set are not in order, or one has no score.
    #[error("members are not in the order of their scores")]
    Order,
    /// A score that is not a number.
    #[error("a score is not a number")]
    Score,
    /// A field's deadline that is none.
    #[error("the deadline of a field is out of range")]
    Deadline,
    /// A node of a list that is neither packed nor plain.
    #[error("a list has a node of the unknown kind {0}")]
    Node(u64),
    /// A type that is not held here.
    #[error("the type {0} is not supported")]
    Unsupported(&'static str),
}

/// Whether values of this type can be held.
pub fn holds(kind: u8) -> bool {
    matches!(
        kind::name(kind),
        Some("string" | "list" | "set" | "zset" | "hash")
    )
}

/// Reads a value from the front of the input and passes it on; `None` if it is a collection without elements, which is no
/// value here.
///
/// # Errors
/// When the input ends before the value does, or holds none.
pub fn value<R>(
    kind: u8,
    input: &mut Input<'_>,
    rules: &Rules,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Result<Option<R>, DecodeError> {
    match kind {
        kind::STRING => string(input.string()?, take).map(Some),
        _ if kind::is_packed(kind) => packed(kind, input.string()?, rules, take),
        kind::HASH_LISTPACK_EX => {
            // The soonest deadline, which is that of the first field.
            input.u64()?;
            packed(kind, input.string()?, rules, take)
        }
        _ if !holds(kind) => Err(match kind::name(kind) {
            Some(name) => DecodeError::Unsupported(name),
            None => FormatError::Kind(kind).into(),
        }),
        _ => {
            let mut assembly = Assembly::begin(kind, input, rules)?;
            if !assembly.feed(input)? {
                return Err(FormatError::Truncated.into());
            }
            Ok(assembly.finish(take))
        }
    }
}

fn string<R>(raw: RawString<'_>, take: impl FnOnce(NewValue<'_>) -> R) -> Result<R, DecodeError> {
    Ok(match raw.text()? {
        Text::Lying(StringRef::Int(n)) => take(NewValue::Int(n)),
        Text::Lying(StringRef::Bytes(bytes)) => take(NewValue::string(bytes)),
        Text::Unpacked(bytes) if bytes.len() <= MAX_INLINE => take(NewValue::string(&bytes)),
        Text::Unpacked(bytes) => take(NewValue::growing(bytes)),
    })
}

/// A value that is one string in the file.
fn packed<R>(
    kind: u8,
    raw: RawString<'_>,
    rules: &Rules,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Result<Option<R>, DecodeError> {
    let bytes = raw.bytes()?;
    match kind {
        kind::SET_INTSET => intset(bytes, rules, take),
        kind::SET_LISTPACK => packed_set(bytes, rules, take),
        kind::HASH_LISTPACK => packed_hash(bytes, rules, take),
        kind::ZSET_LISTPACK => packed_zset(bytes, rules, take),
        kind::HASH_ZIPLIST => packed_hash(from_ziplist(&bytes)?, rules, take),
        kind::ZSET_ZIPLIST => packed_zset(from_ziplist(&bytes)?, rules, take),
        kind::HASH_ZIPMAP => hash_from_zipmap(&bytes, rules, take),
        kind::LIST_ZIPLIST => {
            let mut list = List::default();
            push_ziplist(&mut list, &bytes, rules)?;
            Ok(whole(list, take))
        }
        _ => packed_timed_hash(bytes, rules, take),
    }
}

fn from_ziplist(bytes: &[u8]) -> Result<Cow<'static, [u8]>, DecodeError> {
    let list: Listpack = ziplist::elements(bytes)?.into_iter().collect();
    Ok(Cow::Owned(list.into_bytes()))
}

/// A zipmap may hold values longer than any limit, unlike what replaced it.
fn hash_from_zipmap<R>(
    bytes: &[u8],
    rules: &Rules,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Result<Option<R>, DecodeError> {
    let fields = zipmap::fields(bytes)?;
    let list: Listpack = (fields.iter())
        .flat_map(|(name, value)| [name, value].map(|text| StringRef::Bytes(text)))
        .collect();
    let longest = fields
        .iter()
        .map(|(name, value)| name.len().max(value.len()));
    if longest
        .max()
        .is_some_and(|longest| longest > rules.hash.value)
    {
        let fields = PackedRef::new(list.as_ref(), false);
        return hash_of(fields, rules).map(|hash| whole(hash, take));
    }
    packed_hash(Cow::Owned(list.into_bytes()), rules, take)
}

fn push_ziplist(list: &mut List, bytes: &[u8], rules: &Rules) -> Result<(), DecodeError> {
    for element in ziplist::elements(bytes)? {
        push(list, element, rules);
    }
    Ok(())
}

fn push(list: &mut List, element: StringRef<'_>, rules: &Rules) {
    let mut room = Decimal::default();
    let bytes = element.bytes(&mut room);
    list.push(End::Back, std::iter::once(bytes), &rules.list);
}

fn intset<R>(
    bytes: Cow<'_, [u8]>,
    rules: &Rules,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Result<Option<R>, DecodeError> {
    let integers = IntsetRef::validated(&bytes)?;
    let len = integers.len();
    if len <= rules.set.integers {
        return Ok(as_it_lies::<Set, R>(Packing::IntSet, bytes, len == 0, take));
    }
    set_of(integers.iter().map(StringRef::Int), len, rules).map(|set| whole(set, take))
}

fn packed_set<R>(
    bytes: Cow<'_, [u8]>,
    rules: &Rules,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Result<Option<R>, DecodeError> {
    let members = ListpackRef::validated(&bytes)?;
    let len = members.len();
    if rules.deep {
        all_differ(members.iter())?;
    }
    if len <= rules.set.packed.entries {
        return Ok(as_it_lies::<Set, R>(Packing::Set, bytes, len == 0, take));
    }
    set_of(members.iter(), len, rules).map(|set| whole(set, take))
}

fn set_of<'a>(
    members: impl Iterator<Item = StringRef<'a>>,
    len: usize,
    rules: &Rules,
) -> Result<Set, DecodeError> {
    let mut set = Set::default();
    for member in members {
        if set.is_empty() {
            set.expect(len, member, &rules.set);
        }
        if !set.add(member, &rules.set) {
            return Err(DecodeError::Twice);
        }
    }
    Ok(set)
}

fn packed_hash<R>(
    bytes: Cow<'_, [u8]>,
    rules: &Rules,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Result<Option<R>, DecodeError> {
    let list = ListpackRef::validated(&bytes)?;
    let len = list.len();
    if !len.is_multiple_of(2) {
        return Err(DecodeError::Odd);
    }
    if rules.deep {
        all_differ(list.iter().step_by(2))?;
    }
    if len / 2 <= rules.hash.entries {
        return Ok(as_it_lies::<Hash, R>(Packing::Hash, bytes, len == 0, take));
    }
    hash_of(PackedRef::new(list, false), rules).map(|hash| whole(hash, take))
}

fn packed_timed_hash<R>(
    bytes: Cow<'_, [u8]>,
    rules: &Rules,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Result<Option<R>, DecodeError> {
    let fields = PackedRef::validated_timed(&bytes)?;
    if fields.len() <= rules.hash.entries {
        let empty = fields.is_empty();
        return Ok(as_it_lies::<Hash, R>(
            Packing::TimedHash,
            bytes,
            empty,
            take,
        ));
    }
    hash_of(fields, rules).map(|hash| whole(hash, take))
}

fn hash_of(fields: PackedRef<'_>, rules: &Rules) -> Result<Hash, DecodeError> {
    let mut hash = Hash::default();
    hash.expect(fields.len(), rules.hash);
    for (name, field) in fields.iter() {
        let mut room = Decimal::default();
        let name = name.bytes(&mut room);
        let slot = hash.slot(name);
        if !hash.set_at(slot, name, field.value, field.deadline, rules.hash) {
            return Err(DecodeError::Twice);
        }
    }
    Ok(hash)
}

fn packed_zset<R>(
    bytes: Cow<'_, [u8]>,
    rules: &Rules,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Result<Option<R>, DecodeError> {
    let list = ListpackRef::validated(&bytes)?;
    if !zset::is_in_order(list) {
        return Err(DecodeError::Order);
    }
    if rules.deep {
        all_differ(list.iter().step_by(2))?;
    }
    let len = list.len() / 2;
    if len <= rules.zset.entries {
        return Ok(as_it_lies::<Zset, R>(Packing::Zset, bytes, len == 0, take));
    }
    let pairs = zset::ZsetRef::Packed(list).iter();
    let zset = Zset::from_sorted(pairs, rules.zset);
    if zset.view().len() < len {
        return Err(DecodeError::Twice);
    }
    Ok(whole(zset, take))
}

fn all_differ<'a>(mut elements: impl Iterator<Item = StringRef<'a>>) -> Result<(), DecodeError> {
    let mut seen = HashSet::new();
    if elements.all(|element| seen.insert(element.to_vec())) {
        Ok(())
    } else {
        Err(DecodeError::Twice)
    }
}

/// Passes a packed buffer on that is known to be one of this type.
fn as_it_lies<T: Collection, R>(
    packing: Packing,
    bytes: Cow<'_, [u8]>,
    is_empty: bool,
    take: impl FnOnce(NewValue<'_>) -> R,
) -> Option<R> {
    if is_empty {
        return None;
    }
    if bytes.len() <= MAX_INLINE_PACKED {
        return Some(take(NewValue::Packed(packing, &bytes)));
    }
    let value = T::from_packed(packing, bytes.into_owned())?;
    Some(take(NewValue::Object(Box::new(value.into_object()))))
}

/// Passes a collection on that was built here.
fn whole<T: Collection, R>(value: T, take: impl FnOnce(NewValue<'_>) -> R) -> Option<R> {
    if value.is_empty() {
        return None;
    }
    Some(match value.packed() {
        Some((packing, bytes)) if bytes.len() <= MAX_INLINE_PACKED => {
            take(NewValue::Packed(packing, bytes))
        }
        _ => take(NewValue::Object(Box::new(value.into_object()))),
    })
}

/// A collection that is being put together from the elements of its record.
pub struct Assembly<'r> {
    rules: &'r Rules,
    kind: u8,
    /// Elements still to come.
    left: u64,
    /// What fields' deadlines count from, if they are distances.
    origin: u64,
    value: Object,
}

impl<'r> Assembly<'r> {
    /// Whether values of this type come element by element.
    pub fn makes(kind: u8) -> bool {
        matches!(
            kind,
            kind::LIST
                | kind::LIST_QUICKLIST
                | kind::LIST_QUICKLIST_2
                | kind::SET
                | kind::ZSET
                | kind::ZSET_2
                | kind::HASH
                | kind::HASH_METADATA_PRE_GA
                | kind::HASH_METADATA
        )
    }

    /// Reads what stands before the first element of a value of a type that [`Assembly::makes`].
    ///
    /// # Errors
    /// When the input ends before that, or holds something else.
    pub fn begin(
        kind: u8,
        input: &mut Input<'_>,
        rules: &'r Rules,
    ) -> Result<Assembly<'r>, DecodeError> {
        let origin = match kind {
            kind::HASH_METADATA => input.u64()?,
            _ => 0,
        };
        let left = input.length()?;
        let count = usize::try_from(left).unwrap_or(usize::MAX);
        let value = match kind {
            kind::LIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
                Object::List(List::default())
            }
            kind::SET => Object::Set(Set::default()),
            kind::ZSET | kind::ZSET_2 => {
                let mut zset = Zset::default();
                zset.expect(count, rules.zset);
                Object::Zset(zset)
            }
            _ => {
                let mut hash = Hash::default();
                hash.expect(count, rules.hash);
                Object::Hash(hash)
            }
        };
        Ok(Assembly {
            rules,
            kind,
            left,
            origin,
            value,
        })
    }

    /// Takes as many elements from the input as are wanted and there as a whole; answers whether all have come.
    ///
    /// # Errors
    /// When the input holds something else.
    pub fn feed(&mut self, input: &mut Input<'_>) -> Result<bool, DecodeError> {
        while self.left > 0 {
            let before = *input;
            match self.element(input) {
                Ok(()) => self.left -= 1,
                Err(DecodeError::Format(FormatError::Truncated)) => {
                    *input = before;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Passes the value on when all elements have come; `None` if there are none.
    pub fn finish<R>(self, take: impl FnOnce(NewValue<'_>) -> R) -> Option<R> {
        match self.value {
            Object::List(list) => whole(list, take),
            Object::Set(set) => whole(set, take),
            Object::Zset(zset) => whole(zset, take),
            Object::Hash(hash) => whole(hash, take),
            Object::String(_) => None,
        }
    }

    fn element(&mut self, input: &mut Input<'_>) -> Result<(), DecodeError> {
        let rules = self.rules;
        match &mut self.value {
            Object::List(list) => add_to_list(self.kind, list, input, rules),
            Object::Set(set) => {
                let member = input.string()?.text()?;
                if set.is_empty() {
                    let count = usize::try_from(self.left).unwrap_or(usize::MAX);
                    set.expect(count, member.as_ref(), &rules.set);
                }
                is_new(set.add(member.as_ref(), &rules.set))
            }
            Object::Zset(zset) => {
                let member = input.string()?.text()?;
                let score = match self.kind {
                    kind::ZSET_2 => input.f64()?,
                    _ => old_score(input)?,
                };
                if score.is_nan() {
                    return Err(DecodeError::Score);
                }
                let mut room = Decimal::default();
                let change = zset.set(member.as_ref().bytes(&mut room), rules.zset, |old| {
                    old.is_none().then_some(score)
                });
                is_new(change == zset::Change::Added)
            }
            Object::Hash(hash) => {
                let deadline = match self.kind {
                    kind::HASH => None,
                    _ => deadline(input.length()?, self.origin, self.kind)?,
                };
                let (name, value) = (input.string()?.text()?, input.string()?.text()?);
                let mut room = Decimal::default();
                let name = name.as_ref().bytes(&mut room);
                let slot = hash.slot(name);
                is_new(hash.set_at(slot, name, value.as_ref(), deadline, rules.hash))
            }
            Object::String(_) => unreachable!("strings are not made of elements"),
        }
    }
}

fn is_new(new: bool) -> Result<(), DecodeError> {
    if new { Ok(()) } else { Err(DecodeError::Twice) }
}

fn add_to_list(
    kind: u8,
    list: &mut List,
    input: &mut Input<'_>,
    rules: &Rules,
) -> Result<(), DecodeError> {
    match kind {
        kind::LIST => push(list, input.string()?.text()?.as_ref(), rules),
        kind::LIST_QUICKLIST => push_ziplist(list, &input.string()?.bytes()?, rules)?,
        _ => {
            let node = input.length()?;
            let bytes = input.string()?.bytes()?;
            match node {
                node::PLAIN => push(list, StringRef::Bytes(&bytes), rules),
                node::PACKED => list.push_packed(ListpackRef::validated(&bytes)?, &rules.list),
                other => return Err(DecodeError::Node(other)),
            }
        }
    }
    Ok(())
}

/// A score as files up to version 7 have it.
fn old_score(input: &mut Input<'_>) -> Result<f64, DecodeError> {
    match input.byte()? {
        format::OLD_NAN => Err(DecodeError::Score),
        format::OLD_INFINITY => Ok(f64::INFINITY),
        format::OLD_NEGATIVE_INFINITY => Ok(f64::NEG_INFINITY),
        len => number::parse_f64_saturating(input.take(len.into())?).ok_or(DecodeError::Score),
    }
}

/// A field's deadline as hashes of version 12 and its forerunners have it.
fn deadline(told: u64, origin: u64, kind: u8) -> Result<Option<u64>, DecodeError> {
    let deadline = match (told, kind) {
        (0, _) => return Ok(None),
        (told, kind::HASH_METADATA) => origin.checked_add(told - 1),
        (told, _) => Some(told),
    };
    let is_one = |&at: &u64| (1..=i64::MAX.cast_unsigned()).contains(&at);
    deadline
        .filter(is_one)
        .map(Some)
        .ok_or(DecodeError::Deadline)
}

#[cfg(test)]
mod tests;
