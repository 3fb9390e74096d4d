//! Finding a command by name: one multiplication and one 16-byte compare for every usual name.

use std::collections::HashMap;

use super::keyspec::{Begin, Find};
use super::{Command, Flags};

/// A command as the server knows it: its row and what was worked out from it at start.
#[derive(Debug)]
pub struct Entry {
    /// The declaration.
    pub row: &'static Command,
    /// `config`, or `config|get` for a subcommand.
    pub full_name: String,
    /// Where its counters are; dense from 0.
    pub id: usize,
    /// Its subcommands.
    pub subcommands: Vec<Entry>,
    /// Which shards are locked for it.
    pub locks: Locks,
}

/// Which shards are locked while a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// None.
    Nothing,
    /// That of the key at this argument.
    One(usize),
    /// Those of all keys in this range of arguments, the last counted from the end if negative.
    Range {
        /// The first key.
        first: usize,
        /// The last key.
        last: i32,
        /// Distance between keys.
        step: usize,
    },
    /// Those of the keys that all specifications of the row find.
    Specs,
    /// All.
    All,
}

impl Locks {
    fn of(row: &Command) -> Locks {
        if row.flags.contains(Flags::EXCLUSIVE) {
            return Locks::All;
        }
        match row.keys {
            [] => Locks::Nothing,
            [spec] => match (spec.begin, spec.find) {
                (Begin::Index(first), Find::Range { last: 0, .. }) => Locks::One(first),
                (Begin::Index(first), Find::Range { last, step }) => {
                    let last = if last > 0 { first as i32 + last } else { last };
                    Locks::Range { first, last, step }
                }
                _ => Locks::Specs,
            },
            _ => Locks::Specs,
        }
    }
}

/// A name folded to upper case and padded to 16 bytes, so that names compare as one number.
type Folded = u128;

/// Every command by name.
#[derive(Debug)]
pub struct Registry {
    entries: Vec<Entry>,
    /// Open addressing over the folded names; `EMPTY` where nothing is.
    slots: Box<[(Folded, u16)]>,
    /// Names that do not fit 16 bytes.
    long: HashMap<String, u16>,
    count: usize,
}

const EMPTY: u16 = u16::MAX;
const SLOTS: usize = 1024;

impl Registry {
    /// Takes in every row.
    pub fn new(families: &[&'static [Command]]) -> Registry {
        let mut count = 0;
        let mut entries = Vec::new();
        for row in families.iter().flat_map(|family| family.iter()) {
            entries.push(entry(row, None, &mut count));
        }
        let mut registry = Registry {
            entries,
            slots: vec![(0, EMPTY); SLOTS].into_boxed_slice(),
            long: HashMap::new(),
            count,
        };
        for index in 0..registry.entries.len() {
            registry.bind(registry.entries[index].row.name, index as u16);
        }
        registry
    }

    fn bind(&mut self, name: &str, index: u16) {
        let Some(folded) = fold(name.as_bytes()) else {
            self.long.insert(name.to_ascii_lowercase(), index);
            return;
        };
        let mut slot = slot_of(folded);
        while self.slots[slot].1 != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = (folded, index);
    }

    /// The command of this name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        let Some(folded) = fold(name) else {
            return self.find_long(name);
        };
        let mut slot = slot_of(folded);
        loop {
            let (candidate, index) = self.slots[slot];
            if index == EMPTY {
                return None;
            }
            // Folding takes a few other bytes for letters, so the name itself has the last word.
            if candidate == folded {
                let entry = &self.entries[usize::from(index)];
                return entry
                    .row
                    .name
                    .as_bytes()
                    .eq_ignore_ascii_case(name)
                    .then_some(entry);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    #[cold]
    fn find_long(&self, name: &[u8]) -> Option<&Entry> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        self.long
            .get(&name)
            .map(|&index| &self.entries[usize::from(index)])
    }

    /// The command or, for `config|get` and the like, the subcommand of this full name.
    pub fn find_full(&self, name: &[u8]) -> Option<&Entry> {
        match name.iter().position(|&byte| byte == b'|') {
            None => self.find(name),
            Some(bar) => self.find(&name[..bar])?.subcommand(&name[bar + 1..]),
        }
    }

    /// The command or subcommand of this id.
    pub fn by_id(&self, id: usize) -> Option<&Entry> {
        // Ids were given in this order, to a command before its subcommands.
        let command = self
            .entries
            .partition_point(|entry| entry.id <= id)
            .checked_sub(1)?;
        let command = &self.entries[command];
        std::iter::once(command)
            .chain(&command.subcommands)
            .find(|entry| entry.id == id)
    }

    /// The commands, without their subcommands.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.entries.iter()
    }

    /// How many ids were given, to commands and subcommands.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no commands.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Entry {
    /// The subcommand of this name, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&Entry> {
        self.subcommands
            .iter()
            .find(|entry| entry.row.name.as_bytes().eq_ignore_ascii_case(name))
    }
}

fn entry(row: &'static Command, container: Option<&str>, count: &mut usize) -> Entry {
    let id = *count;
    *count += 1;
    let full_name = container.map_or(row.name.to_owned(), |container| {
        format!("{container}|{}", row.name)
    });
    let subcommands = row
        .subcommands
        .iter()
        .map(|row| entry(row, Some(&full_name), count))
        .collect();
    Entry {
        row,
        full_name,
        id,
        subcommands,
        locks: Locks::of(row),
    }
}

#[inline]
fn fold(name: &[u8]) -> Option<Folded> {
    let mut padded = [0; 16];
    padded.get_mut(..name.len())?.copy_from_slice(name);
    Some(u128::from_ne_bytes(padded) & u128::from_ne_bytes([0xDF; 16]))
}

#[inline]
fn slot_of(folded: Folded) -> usize {
    let mixed = (folded as u64 ^ (folded >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 54) as usize % SLOTS
}
