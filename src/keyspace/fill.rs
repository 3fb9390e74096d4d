//! Filling: many new entries at once, as they come from a file.
//!
//! They are put into hash order first. So each shard is locked once, and the places that the next ones will have come into the
//! cache while this one is stored.

use std::cmp::Reverse;

use thiserror::Error;

use super::db;
use super::entry::Entry;
use super::shard::{Locked, Shard};
use crate::table::hash;

/// So many entries ahead of the one that is stored, places are brought into the cache.
const AHEAD: usize = 8;

/// An entry that is to be stored.
#[derive(Debug)]
pub struct Fresh {
    hash: u64,
    database: u32,
    entry: Entry,
}

/// A key that is there already.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the key '{}' is in database {database} twice", key.escape_ascii())]
pub struct Duplicate {
    /// The database.
    pub database: usize,
    /// The key.
    pub key: Vec<u8>,
}

impl Fresh {
    /// An entry for a database, which must exist.
    #[inline]
    pub fn new(database: usize, entry: Entry) -> Fresh {
        Fresh {
            hash: hash::of(entry.as_ref().key()),
            database: database as u32,
            entry,
        }
    }
}

impl Locked<'_> {
    /// Stores entries, and leaves the list empty. Where nothing is locked, one shard after the other is.
    ///
    /// # Errors
    /// When a key is there already; some of the other entries are stored then.
    pub fn fill(&mut self, entries: &mut Vec<Fresh>) -> Result<(), Duplicate> {
        let keyspace = self.keyspace();
        entries.sort_unstable_by_key(|fresh| Reverse(fresh.hash));
        while let Some(next) = entries.last() {
            let number = keyspace.shard_of(next.hash);
            self.visit(number, |shard| {
                while let Some(fresh) =
                    entries.pop_if(|next| keyspace.shard_of(next.hash) == number)
                {
                    if let Some(ahead) = entries.len().checked_sub(AHEAD) {
                        let ahead = &entries[ahead];
                        if let Some(table) = shard.table(ahead.database as usize) {
                            table.prefetch_bucket(ahead.hash);
                        }
                    }
                    store(shard, fresh)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Locked<'_> {
    /// Removes what there is under the names of entries, so that they can be stored. Nobody is told of it.
    pub fn make_way(&mut self, entries: &[Fresh]) {
        let keyspace = self.keyspace();
        for fresh in entries {
            let (hash, database) = (fresh.hash, fresh.database as usize);
            let gone = self.visit(keyspace.shard_of(hash), |shard| {
                let key = fresh.entry.as_ref().key();
                let place = shard.table_mut(database).find(hash, key)?;
                shard.remove(database, place)
            });
            if let Some(entry) = gone {
                keyspace.reclaimer.discard(entry);
            }
        }
    }
}

fn store(shard: &mut Shard, fresh: Fresh) -> Result<(), Duplicate> {
    let Fresh {
        hash,
        database,
        entry,
    } = fresh;
    let database = database as usize;
    let key = entry.as_ref().key();
    if shard.table_mut(database).find(hash, key).is_some() {
        let key = key.to_vec();
        return Err(Duplicate { database, key });
    }
    let marks = db::marks_of(entry.as_ref());
    let place = shard.insert(database, hash, entry);
    if marks != 0 {
        shard.table_mut(database).set_marks(place, marks);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{Keyspace, NewValue};

    fn fresh(database: usize, name: &str, deadline: Option<u64>) -> Fresh {
        Fresh::new(
            database,
            Entry::new(name.as_bytes(), NewValue::Int(7), deadline),
        )
    }

    #[test]
    fn entries_are_found_where_they_belong_and_their_deadlines_are_marked() {
        let keyspace = Keyspace::new(4, 2);
        let names: Vec<String> = (0..3000).map(|number| format!("key:{number}")).collect();
        let deadline = |at: usize| at.is_multiple_of(3).then_some(1 << 40);
        let entry = |(at, name): (usize, &String)| fresh(at % 4, name, deadline(at));
        let mut entries: Vec<Fresh> = names.iter().enumerate().map(entry).collect();
        keyspace.lock_none().fill(&mut entries).unwrap();
        assert!(entries.is_empty());
        let counts = keyspace.lock_all().counts();
        assert_eq!(counts.iter().map(|count| count.keys).sum::<usize>(), 3000);
        assert_eq!(
            counts.iter().map(|count| count.expires).sum::<usize>(),
            1000
        );
        for (at, name) in names.iter().enumerate() {
            let hash = hash::of(name.as_bytes());
            let shard = keyspace.lock(keyspace.shard_of(hash));
            let table = shard.table(at % 4).unwrap();
            let place = table.find(hash, name.as_bytes()).unwrap();
            assert_eq!(table.get(place).deadline(), deadline(at));
        }
    }

    #[test]
    fn a_key_may_be_in_each_database_but_not_twice_in_one() {
        let keyspace = Keyspace::new(2, 1);
        let mut locked = keyspace.lock_all();
        locked
            .fill(&mut vec![fresh(0, "k", None), fresh(1, "k", None)])
            .unwrap();
        let twice = locked.fill(&mut vec![fresh(1, "k", None)]);
        let key = b"k".to_vec();
        assert_eq!(twice, Err(Duplicate { database: 1, key }));
    }
}
