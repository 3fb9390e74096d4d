//! Finding a command by name: one multiplication and one 16-byte compare for every usual name.

use std::collections::HashMap;

use thiserror::Error;
use tracing::warn;

use super::locks::Locks;
use super::{Command, syntax};

/// A command as the server knows it: its row and what was worked out from it at start.
#[derive(Debug)]
pub struct Entry {
    /// The declaration.
    pub row: &'static Command,
    /// `config`, or `config|get` for a subcommand.
    pub full_name: String,
    /// What clients call it: the row's name, unless `rename-command` changed it. Empty if nobody may call it.
    pub called: Box<[u8]>,
    /// Where its counters are; dense from 0.
    pub id: usize,
    /// Its subcommands.
    pub subcommands: Vec<Entry>,
    /// Which shards are locked for it.
    pub locks: Locks,
    /// The argument that names an element of the collection under the key.
    pub element: Option<usize>,
}

/// A name folded to upper case and padded to 16 bytes, so that names compare as one number.
type Folded = u128;

/// Every command by name.
#[derive(Debug)]
pub struct Registry {
    entries: Vec<Entry>,
    /// Open addressing over the folded names; `EMPTY` where nothing is.
    slots: Box<[(Folded, u16)]>,
    /// Names that do not fit 16 bytes, in lower case.
    long: HashMap<Vec<u8>, u16>,
    count: usize,
}

/// A command was to be given a name that another one has.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("rename-command {0}: Target command name already exists")]
pub struct NameTaken(String);

const EMPTY: u16 = u16::MAX;
const SLOTS: usize = 1024;

impl Registry {
    /// Takes in every row. `renames` are pairs of an old and a new name, applied in order; an empty new name hides the
    /// command, and an old name that nobody has changes nothing but the log.
    ///
    /// # Errors
    /// When a new name is taken.
    pub fn new<'a>(
        families: &[&'static [Command]],
        renames: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Registry, NameTaken> {
        let mut count = 0;
        let mut entries = Vec::new();
        for row in families.iter().flat_map(|family| family.iter()) {
            entries.push(entry(row, None, &mut count));
        }
        for (old, new) in renames {
            rename(&mut entries, old, new)?;
        }
        let mut registry = Registry {
            entries,
            slots: vec![(0, EMPTY); SLOTS].into_boxed_slice(),
            long: HashMap::new(),
            count,
        };
        for index in 0..registry.entries.len() {
            let name = registry.entries[index].called.clone();
            if !name.is_empty() {
                registry.bind(&name, index as u16);
            }
        }
        Ok(registry)
    }

    fn bind(&mut self, name: &[u8], index: u16) {
        let Some(folded) = fold(name) else {
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
                if entry.called.eq_ignore_ascii_case(name) {
                    return Some(entry);
                }
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    #[cold]
    fn find_long(&self, name: &[u8]) -> Option<&Entry> {
        self.long
            .get(&name.to_ascii_lowercase())
            .map(|&index| &self.entries[usize::from(index)])
    }

    /// The command whose row has this name, in any case, whatever clients call it.
    pub fn find_row(&self, name: &[u8]) -> Option<&Entry> {
        let is_it = |entry: &&Entry| entry.row.name.as_bytes().eq_ignore_ascii_case(name);
        let found = self.find(name).filter(is_it);
        found.or_else(|| self.entries.iter().find(is_it))
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

    /// The commands that can be called, without their subcommands.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.entries.iter().filter(|entry| !entry.called.is_empty())
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

fn rename(entries: &mut [Entry], old: &[u8], new: &[u8]) -> Result<(), NameTaken> {
    let place = |name: &[u8]| {
        entries
            .iter()
            .position(|entry| entry.called.eq_ignore_ascii_case(name))
    };
    let Some(found) = place(old).filter(|_| !old.is_empty()) else {
        let old = String::from_utf8_lossy(old);
        warn!("rename-command: there is no command '{old}'");
        return Ok(());
    };
    if !new.is_empty() && place(new).is_some_and(|other| other != found) {
        return Err(NameTaken(String::from_utf8_lossy(new).into_owned()));
    }
    entries[found].called = new.into();
    Ok(())
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
        called: row.name.as_bytes().into(),
        id,
        subcommands,
        locks: Locks::of(row),
        element: syntax::parse(row.syntax, row.keys)
            .and_then(|arguments| syntax::element_place(&arguments)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::FAMILIES;

    fn registry(renames: &[(&str, &str)]) -> Result<Registry, NameTaken> {
        let renames = renames
            .iter()
            .map(|(old, new)| (old.as_bytes(), new.as_bytes()));
        Registry::new(FAMILIES, renames)
    }

    fn found(registry: &Registry, name: &str) -> Option<&'static str> {
        registry.find(name.as_bytes()).map(|entry| entry.row.name)
    }

    #[test]
    fn every_command_is_found_by_its_name_in_any_case() {
        let registry = registry(&[]).expect("no two commands have one name");
        for entry in registry.iter() {
            let name = entry.row.name;
            assert_eq!(found(&registry, name), Some(name));
            assert_eq!(found(&registry, &name.to_ascii_uppercase()), Some(name));
            assert_eq!(found(&registry, &format!("{name}-")), None);
        }
        for other in [
            "",
            "G%T",
            "config|get",
            "a name that is longer than sixteen bytes",
        ] {
            assert_eq!(found(&registry, other), None, "{other}");
        }
    }

    #[test]
    fn a_renamed_command_answers_to_its_new_name_only() {
        let long = "a-name-of-more-than-sixteen-bytes";
        let all = registry(&[]).map(|registry| registry.iter().count());
        let renamed = registry(&[
            ("GET", "fetch"),
            ("set", long),
            ("del", ""),
            ("fetch", "get2"),
            ("nonesuch", "x"),
        ]);
        let registry = renamed.expect("the names are free");
        for (name, row) in [
            ("get", None),
            ("fetch", None),
            ("GET2", Some("get")),
            ("set", None),
            (long, Some("set")),
            ("del", None),
            ("", None),
        ] {
            assert_eq!(found(&registry, name), row, "{name}");
        }
        assert_eq!(Ok(registry.iter().count() + 1), all);
        for row in ["get", "set", "del", "mget"] {
            let found = registry.find_row(row.as_bytes());
            assert_eq!(found.map(|entry| entry.row.name), Some(row));
        }
        assert!(registry.find_row(b"get2").is_none());
        assert_eq!(
            registry.by_id(registry.len() - 1).map(|entry| entry.id),
            Some(registry.len() - 1)
        );
    }

    #[test]
    fn a_name_that_is_taken_is_refused() {
        assert_eq!(
            registry(&[("get", "SET")]).err(),
            Some(NameTaken("SET".to_owned()))
        );
        assert!(registry(&[("get", "GET")]).is_ok());
    }
}
