//! SORT and SORT_RO: the elements of a list, set or sorted set in an order that other keys may tell, replaced by what
//! other keys hold, and stored.
//!
//! - [`options`] reads the request; [`pattern`] leads from an element to a value of another key; [`order`] sorts.
//!
//! The elements are copied first: patterns look at keys by what the elements name, so such a call holds every shard,
//! and nothing that it read can stay borrowed meanwhile.

mod options;
mod order;
mod pattern;

use std::ops::Range;

use super::blocking::Patience;
use super::list::layout;
use super::{Call, Categories, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome};
use crate::keyspace::effects::Event;
use crate::keyspace::{Db, Key, ValueRef};
use crate::types::WrongType;
use crate::types::list::{End, List, ListRef};
use crate::types::set::{Set, SetRef};
use crate::types::string::StringRef;
use crate::types::zset::{Zset, ZsetRef};
use options::Options;
use order::Texts;

/// The key to sort, and those that its elements lead to.
const SORTED: KeySpec = KeySpec::at(1, KeyFlags::RO.union(KeyFlags::ACCESS));
const LED_TO: KeySpec = KeySpec::unknown(KeyFlags::RO.union(KeyFlags::ACCESS));

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sort",
        run: sort,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[
            SORTED,
            LED_TO,
            KeySpec::unknown(KeyFlags::OW.union(KeyFlags::UPDATE)),
        ],
        find_keys: Some(options::find_keys),
        summary: "Answers the elements of a list, set or sorted set in order, or stores them as a list.",
        syntax: "key [BY by-pattern: pattern#1] [LIMIT (limit: offset count)] \
            [GET get-pattern: pattern#1 [GET get-pattern: pattern#1 ...]] [order: ASC | DESC] [sorting: ALPHA] \
            [STORE destination#2]",
        ..SORT
    },
    Command {
        name: "sort_ro",
        run: sort_ro,
        flags: Flags::READONLY,
        keys: &[SORTED, LED_TO],
        find_keys: Some(options::find_sorted),
        since: "7.0.0",
        summary: "Answers the elements of a list, set or sorted set in order.",
        syntax: "key [BY by-pattern: pattern#1] [LIMIT (limit: offset count)] \
            [GET get-pattern: pattern#1 [GET get-pattern: pattern#1 ...]] [order: ASC | DESC] [sorting: ALPHA]",
        ..SORT
    },
];

/// What these rows have in common.
const SORT: Command = Command {
    arity: -2,
    touches_unnamed_keys: options::touches_unnamed_keys,
    group: Group::Generic,
    categories: Categories::SET
        .union(Categories::SORTEDSET)
        .union(Categories::LIST)
        .union(Categories::DANGEROUS),
    complexity: "O(N + M log M) where N is the number of elements and M the number of those answered; O(N) if they stay \
        in their order",
    ..Command::DEFAULT
};

fn sort(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call.request, true)?;
    run(call, &options)
}

fn sort_ro(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call.request, false)?;
    run(call, &options)
}

fn run(call: &mut Call<'_>, options: &Options<'_>) -> Outcome {
    let mut elements = Texts::default();
    let in_script = call.patience == Patience::Scripted;
    let order = match call.db.read(call.key(1)) {
        None => Vec::new(),
        Some(entry) => {
            let source = Source::of(entry.value())?;
            let part = options.part(source.len());
            // What is stored, or what a script does, must not depend on the order in which a set happens to be.
            let is_repeatable = options.store.is_some() || in_script;
            if options.keeps_order && !(source.is_set() && is_repeatable) {
                kept(&source, options, part, &mut elements)
            } else {
                source.copy(0..source.len(), &mut elements);
                arranged(&mut call.db, options, &elements, part)?
            }
        }
    };
    match options.store {
        None => answer(call, options, &elements, &order),
        Some(place) => store(call, call.key(place), options, &elements, &order),
    }
    Ok(())
}

/// What is sorted.
enum Source<'a> {
    List(ListRef<'a>),
    Set(SetRef<'a>),
    Zset(ZsetRef<'a>),
}

impl<'a> Source<'a> {
    fn of(value: ValueRef<'a>) -> Result<Source<'a>, WrongType> {
        let list = || value.collection::<List>().map(Source::List);
        let set = || value.collection::<Set>().map(Source::Set);
        let zset = || value.collection::<Zset>().map(Source::Zset);
        list().or_else(|_| set()).or_else(|_| zset())
    }

    fn is_set(&self) -> bool {
        matches!(self, Source::Set(_))
    }

    fn len(&self) -> usize {
        match self {
            Source::List(list) => list.len(),
            Source::Set(set) => set.len(),
            Source::Zset(zset) => zset.len(),
        }
    }

    /// Copies a part of the elements.
    fn copy(&self, part: Range<usize>, to: &mut Texts) {
        if part.is_empty() {
            return;
        }
        match self {
            Source::List(list) => list
                .iter_from(part.start)
                .take(part.len())
                .for_each(|element| to.push(element.as_ref())),
            Source::Set(set) => set
                .iter()
                .skip(part.start)
                .take(part.len())
                .for_each(|member| to.push(member)),
            Source::Zset(zset) => zset
                .range(part, false)
                .for_each(|(member, _)| to.push(member)),
        }
    }
}

/// Copies the elements that LIMIT leaves of those in their own order, and answers their indexes. DESC counts from
/// the last one, but in a set, which has no last one.
fn kept(
    source: &Source<'_>,
    options: &Options<'_>,
    part: Range<usize>,
    elements: &mut Texts,
) -> Vec<usize> {
    let indexes = 0..part.len();
    if options.descending && !source.is_set() {
        let length = source.len();
        source.copy(length - part.end..length - part.start, elements);
        indexes.rev().collect()
    } else {
        source.copy(part, elements);
        indexes.collect()
    }
}

/// The indexes of the elements that LIMIT leaves, in order.
fn arranged(
    db: &mut Db<'_>,
    options: &Options<'_>,
    elements: &Texts,
    part: Range<usize>,
) -> Result<Vec<usize>, Error> {
    // A BY that names no keys comes here with a set only, which is then put into the order of its bytes.
    let by = options.by.as_ref().filter(|_| !options.keeps_order);
    let mut name = Vec::new();
    if !(options.alpha || options.keeps_order) {
        let numbers: Option<Vec<f64>> = match by {
            None => elements
                .iter()
                .map(|element| order::number_of(StringRef::Bytes(element)))
                .collect(),
            Some(pattern) => elements
                .iter()
                .map(|element| match pattern.follow(element, db, &mut name) {
                    Some(weight) => order::number_of(weight),
                    None => Some(0.0),
                })
                .collect(),
        };
        let numbers = numbers.ok_or(Error::text(
            "ERR One or more scores can't be converted into double",
        ))?;
        return Ok(order::by_number(
            &numbers,
            elements,
            options.descending,
            part,
        ));
    }
    let Some(pattern) = by else {
        return Ok(order::by_text(
            elements.iter().map(Some),
            options.descending,
            part,
        ));
    };
    let mut weights = Texts::default();
    let found: Vec<Option<usize>> = elements
        .iter()
        .map(|element| {
            weights.push(pattern.follow(element, db, &mut name)?);
            Some(weights.len() - 1)
        })
        .collect();
    let keys = found
        .iter()
        .map(|weight| weight.map(|index| weights.get(index)));
    Ok(order::by_text(keys, options.descending, part))
}

fn answer(call: &mut Call<'_>, options: &Options<'_>, elements: &Texts, order: &[usize]) {
    let reply = &mut call.reply;
    reply.array(order.len() * options.gets.len().max(1));
    each_value(
        &mut call.db,
        options,
        elements,
        order,
        |value| match value {
            Some(value) => value.answer(reply),
            None => reply.null(),
        },
    );
}

fn store(
    call: &mut Call<'_>,
    key: Key<'_>,
    options: &Options<'_>,
    elements: &Texts,
    order: &[usize],
) {
    let mut values = Texts::default();
    each_value(&mut call.db, options, elements, order, |value| {
        values.push(value.unwrap_or(StringRef::Bytes(b"")));
    });
    let mut list = List::default();
    list.push(End::Back, values.iter(), &layout(call));
    call.db.store(key, list, Event::SORTSTORE);
    call.reply.count(values.len());
}

/// Passes on what is answered for each element: itself, or what the GETs lead to.
fn each_value(
    db: &mut Db<'_>,
    options: &Options<'_>,
    elements: &Texts,
    order: &[usize],
    mut take: impl FnMut(Option<StringRef<'_>>),
) {
    let mut name = Vec::new();
    for element in order.iter().map(|&index| elements.get(index)) {
        if options.gets.is_empty() {
            take(Some(StringRef::Bytes(element)));
        }
        for get in &options.gets {
            take(get.follow(element, db, &mut name));
        }
    }
}
