//! A base in commands: every key as the commands that make it, for `aof-use-rdb-preamble no`.

use crate::keyspace::EntryRef;
use crate::keyspace::snapshot::{Kind, Piece};
use crate::protocol::number::write_f64;
use crate::types::hash::{Field, Hash};
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::string::{Decimal, StringRef};
use crate::types::zset::Zset;

/// Elements that one command brings.
const ELEMENTS: usize = 64;

/// Pieces of a snapshot become commands here.
#[derive(Debug, Default)]
pub struct Commands {
    /// Commands that are complete.
    pub bytes: Vec<u8>,
    database: Option<usize>,
    /// The large collection that is on its way.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    key: Vec<u8>,
    kind: Kind,
    deadline: Option<u64>,
}

/// Words of a command to come.
#[derive(Debug, Default)]
struct Words {
    bytes: Vec<u8>,
    count: usize,
}

impl Words {
    fn word(&mut self, word: &[u8]) {
        let mut digits = itoa::Buffer::new();
        self.bytes.push(b'$');
        self.bytes
            .extend_from_slice(digits.format(word.len()).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(word);
        self.bytes.extend_from_slice(b"\r\n");
        self.count += 1;
    }

    fn string(&mut self, string: StringRef<'_>) {
        self.word(string.bytes(&mut Decimal::default()));
    }

    fn score(&mut self, score: f64) {
        let mut text = Vec::new();
        write_f64(&mut text, score);
        self.word(&text);
    }
}

impl Commands {
    /// Adds what makes a library of functions.
    pub fn library(&mut self, source: &[u8]) {
        self.command(&[b"FUNCTION", b"LOAD", source], |_| {});
    }

    /// Adds what makes a piece; answers how many keys are complete with it.
    pub fn piece(&mut self, piece: Piece<'_>) -> u64 {
        match piece {
            Piece::Entry { database, entry } => {
                self.select(database);
                self.entry(entry);
                return 1;
            }
            Piece::Begin {
                database,
                key,
                deadline,
                kind,
                ..
            } => {
                self.select(database);
                self.current = Some(Current {
                    key: key.to_vec(),
                    kind,
                    deadline,
                });
            }
            Piece::Members(members) => {
                let Some(current) = self.current.take() else {
                    return 0;
                };
                let key = &current.key[..];
                let members = members.iter().map(|member| member.as_ref());
                match current.kind {
                    Kind::Set => self.elements(b"SADD", key, members, |words, member| {
                        words.word(member.key());
                    }),
                    Kind::Zset => self.elements(b"ZADD", key, members, |words, member| {
                        words.score(member.score());
                        words.word(member.key());
                    }),
                    Kind::Hash { .. } => self.fields(key, || {
                        members.clone().map(|member| {
                            let field = Field {
                                value: StringRef::Bytes(member.value()),
                                deadline: member.deadline(),
                            };
                            (StringRef::Bytes(member.key()), field)
                        })
                    }),
                }
                self.current = Some(current);
            }
            Piece::End => {
                if let Some(current) = self.current.take() {
                    self.deadline(&current.key, current.deadline);
                }
                return 1;
            }
        }
        0
    }

    fn entry(&mut self, entry: EntryRef<'_>) {
        let (key, value) = (entry.key(), entry.value());
        if let Ok(string) = value.string() {
            self.command(&[b"SET", key], |words| words.string(string));
        } else if let Ok(list) = value.collection::<List>() {
            self.elements(b"RPUSH", key, list.iter(), |words, element| {
                words.string(element.as_ref());
            });
        } else if let Ok(set) = value.collection::<Set>() {
            self.elements(b"SADD", key, set.iter(), Words::string);
        } else if let Ok(zset) = value.collection::<Zset>() {
            self.elements(b"ZADD", key, zset.iter(), |words, (member, score)| {
                words.score(score);
                words.string(member);
            });
        } else if let Ok(hash) = value.collection::<Hash>() {
            self.fields(key, || hash.iter());
        }
        self.deadline(key, entry.deadline());
    }

    fn fields<'a, I: Iterator<Item = (StringRef<'a>, Field<'a>)>>(
        &mut self,
        key: &[u8],
        fields: impl Fn() -> I,
    ) {
        self.elements(b"HSET", key, fields(), |words, (name, field)| {
            words.string(name);
            words.string(field.value);
        });
        for (name, field) in fields() {
            if let Some(deadline) = field.deadline {
                let at = deadline.to_string();
                self.command(
                    &[b"HPEXPIREAT", key, at.as_bytes(), b"FIELDS", b"1"],
                    |words| words.string(name),
                );
            }
        }
    }

    fn deadline(&mut self, key: &[u8], deadline: Option<u64>) {
        if let Some(deadline) = deadline {
            let at = deadline.to_string();
            self.command(&[b"PEXPIREAT", key, at.as_bytes()], |_| {});
        }
    }

    fn select(&mut self, database: usize) {
        if self.database != Some(database) {
            self.database = Some(database);
            self.command(&[b"SELECT", database.to_string().as_bytes()], |_| {});
        }
    }

    /// Adds commands that bring elements to a key.
    fn elements<T>(
        &mut self,
        name: &[u8],
        key: &[u8],
        elements: impl Iterator<Item = T>,
        mut add: impl FnMut(&mut Words, T),
    ) {
        let mut elements = elements.peekable();
        while elements.peek().is_some() {
            self.command(&[name, key], |words| {
                (elements.by_ref().take(ELEMENTS)).for_each(|element| add(words, element));
            });
        }
    }

    fn command(&mut self, beginning: &[&[u8]], rest: impl FnOnce(&mut Words)) {
        let mut words = Words::default();
        beginning.iter().for_each(|word| words.word(word));
        rest(&mut words);
        let mut digits = itoa::Buffer::new();
        self.bytes.push(b'*');
        self.bytes
            .extend_from_slice(digits.format(words.count).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.append(&mut words.bytes);
    }
}
