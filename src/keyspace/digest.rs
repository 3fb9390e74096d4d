//! A digest of values and of whole databases, equal to that of a Redis server with the same data.
//!
//! Tests compare two servers, or one before and after a restart, by twenty bytes. What has no order (keys, members of
//! a set) is combined by exclusive or; what has one is chained. Dead keys do not count.

use std::fmt;

use sha1_smol::Sha1;

use super::db::is_dead;
use super::entry::EntryRef;
use super::shard::Locked;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::zset::Zset;

/// Twenty bytes that stand for data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds something whose place among other things does not matter.
    fn xor(&mut self, bytes: &[u8]) {
        for (sum, byte) in self.0.iter_mut().zip(Sha1::from(bytes).digest().bytes()) {
            *sum ^= byte;
        }
    }

    /// Adds something that comes after all that was added before.
    fn chain(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::from(self.0).digest().bytes();
    }

    /// Adds the number that the wire format of replication gives to a type.
    fn type_number(&mut self, number: u32) {
        self.chain(&number.to_be_bytes());
    }

    /// Adds a pair whose place among other pairs does not matter.
    fn pair(&mut self, first: &[u8], second: &[u8]) {
        let mut pair = Digest::default();
        pair.chain(first);
        pair.chain(second);
        self.xor(&pair.0);
    }

    /// Adds a value and whether it has a deadline.
    fn value(&mut self, entry: EntryRef<'_>) {
        let value = entry.value();
        if let Ok(string) = value.string() {
            self.type_number(0);
            self.chain(&string.to_vec());
        } else if let Ok(list) = value.collection::<List>() {
            self.type_number(1);
            for element in list.iter() {
                self.chain(&element.as_ref().to_vec());
            }
        } else if let Ok(set) = value.collection::<Set>() {
            self.type_number(2);
            for member in set.iter() {
                self.xor(&member.to_vec());
            }
        } else if let Ok(zset) = value.collection::<Zset>() {
            self.type_number(3);
            for (member, score) in zset.iter() {
                self.pair(&member.to_vec(), seventeen_digits(score).as_bytes());
            }
        } else if let Ok(hash) = value.collection::<Hash>() {
            self.type_number(4);
            for (name, field) in hash.iter() {
                let mut pair = Digest::default();
                pair.chain(&name.to_vec());
                pair.chain(&field.value.to_vec());
                if field.deadline.is_some() {
                    pair.xor(b"!!hexpire!!");
                }
                self.xor(&pair.0);
            }
        }
        if entry.deadline().is_some() {
            self.xor(b"!!expire!!");
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A score as C's `%.17g` prints it.
fn seventeen_digits(score: f64) -> String {
    if score.is_infinite() {
        return if score > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits.to_owned(),
    };
    let scientific = format!("{score:.16e}");
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if (-4..17).contains(&exponent) {
        return trimmed(&format!("{score:.*}", (16 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

/// The digest of a value, its key left out.
pub fn of_value(entry: EntryRef<'_>) -> Digest {
    let mut digest = Digest::default();
    digest.value(entry);
    digest
}

impl Locked<'_> {
    /// The digest of all keys that are alive at `now`. The exclusive section must be held. Reads all the data.
    pub fn digest(&mut self, now: u64) -> Digest {
        let mut all = Digest::default();
        for database in 0..self.keyspace().databases() {
            let tables = self.all().iter().filter_map(|shard| shard.table(database));
            let mut entries = tables
                .flat_map(|table| table.iter())
                .filter(|&entry| !is_dead(entry, now))
                .peekable();
            if entries.peek().is_none() {
                continue;
            }
            all.chain(&(database as u32).to_be_bytes());
            for entry in entries {
                let mut one = Digest::default();
                one.chain(entry.key());
                one.value(entry);
                all.xor(&one.0);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_print_as_in_c() {
        for (score, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.1, "3.1000000000000001"),
            (100.0, "100"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (-1.5e-5, "-1.5e-05"),
            (0.0001, "0.0001"),
            (1e300, "1.0000000000000001e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(seventeen_digits(score), text);
        }
    }
}
