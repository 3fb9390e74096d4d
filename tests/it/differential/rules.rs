//! What a command needs to be compared fairly. All of it follows from the command as it is sent, because a mangled
//! command needs the rule of what it has become.

use std::time::Duration;

use super::arguments::{KEYS, SHORT, as_integer};
use super::mangle::JUNK;

/// The rule by which two replies count as the same. Errors are always compared byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// As multisets, on every level.
    Unordered,
    /// Byte for byte if the value is packed in the same way on both sides, else as multisets.
    OrderedIfPacked,
    /// Byte for byte, unless the key is a set: then as multisets, or of a part of it only the length.
    OrderedUnlessSet { part: bool },
    /// Byte for byte, unless elements have zero bytes, up to which Redis sorts texts: then as above.
    OrderedByText { part: bool },
    /// The same number of elements.
    Length,
    /// Times in seconds, which may differ by as long as the case has run.
    Seconds,
    /// Times in milliseconds, likewise.
    Milliseconds,
    /// Any key that exists, or null on both sides.
    RandomKey,
    /// So many members of the collection. What was taken out is put back and taken out again alike.
    RandomMembers,
    /// The first call of an iteration, which the harness completes and compares as a set.
    Scan,
    /// A digest; where it differs, the data must be the same all the same.
    Digest,
    /// Each reply by the rule of the command that was queued for it.
    Queued,
}

impl Compare {
    /// The rule for the replies to a command.
    pub fn of(command: &[Vec<u8>]) -> Self {
        match name(command).as_slice() {
            b"KEYS" | b"SINTER" | b"SUNION" | b"SDIFF" => Self::Unordered,
            b"HGETALL" | b"HKEYS" | b"HVALS" | b"SMEMBERS" => Self::OrderedIfPacked,
            b"TTL" | b"EXPIRETIME" => Self::Seconds,
            b"PTTL" | b"PEXPIRETIME" => Self::Milliseconds,
            b"OBJECT" if word(command, 1) == b"IDLETIME" => Self::Seconds,
            b"RANDOMKEY" => Self::RandomKey,
            b"SPOP" | b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" => Self::RandomMembers,
            b"SCAN" | b"HSCAN" | b"SSCAN" | b"ZSCAN" => Self::Scan,
            b"SORT" | b"SORT_RO" => Sorting::of(command).rule(),
            b"DEBUG" if word(command, 1).starts_with(b"DIGEST") => Self::Digest,
            b"EXEC" => Self::Queued,
            _ => Self::Exact,
        }
    }

    /// Whether the harness asks further commands before it can judge the reply.
    pub fn is_conversation(self) -> bool {
        matches!(
            self,
            Self::Scan | Self::RandomKey | Self::RandomMembers | Self::Digest
        )
    }
}

/// The options of SORT on which it depends whether the order of the reply is defined.
#[derive(Default)]
struct Sorting {
    alphabetic: bool,
    by_other_keys: bool,
    unsorted: bool,
    part: bool,
    store: bool,
}

impl Sorting {
    fn of(command: &[Vec<u8>]) -> Self {
        let mut sorting = Self::default();
        let mut at = 2;
        while at < command.len() {
            match word(command, at).as_slice() {
                b"ALPHA" => sorting.alphabetic = true,
                b"BY" => {
                    at += 1;
                    let pattern = command.get(at).is_some_and(|word| word.contains(&b'*'));
                    sorting.by_other_keys |= pattern;
                    sorting.unsorted |= !pattern;
                }
                b"LIMIT" => {
                    at += 2;
                    sorting.part = true;
                }
                b"STORE" => {
                    at += 1;
                    sorting.store = true;
                }
                b"GET" => at += 1,
                _ => {}
            }
            at += 1;
        }
        sorting
    }

    /// Numbers that are equal are sorted by the elements' own bytes. Texts of other keys that are equal are not.
    fn has_ties(&self) -> bool {
        self.alphabetic && self.by_other_keys && !self.unsorted
    }

    fn rule(&self) -> Compare {
        if self.store {
            Compare::Exact
        } else if self.unsorted {
            Compare::OrderedUnlessSet { part: self.part }
        } else if !self.alphabetic {
            Compare::Exact
        } else if !self.by_other_keys {
            Compare::OrderedByText { part: self.part }
        } else if self.part {
            Compare::Length
        } else {
            Compare::Unordered
        }
    }
}

/// Whether the command leaves the same data behind on every server, or what the harness can make the same again.
pub fn has_one_outcome(command: &[Vec<u8>]) -> bool {
    match name(command).as_slice() {
        b"SORT" => {
            let sorting = Sorting::of(command);
            !sorting.store || !sorting.has_ties()
        }
        // How far a number lies below a field's least one may overflow in Redis, which then takes the greatest.
        b"BITFIELD" => {
            let word = |text: &[u8]| command.iter().any(|word| upper(word) == text);
            let far_below =
                |word: &Vec<u8>| as_integer(word).is_some_and(|number| number < -1 << 61);
            !(word(b"SAT") && word(b"SET") && command.iter().any(far_below))
        }
        _ => true,
    }
}

/// Whether the command may make a key and say nothing of it in Redis, so that a transaction which watches it goes on.
pub fn makes_keys_in_silence(command: &[Vec<u8>]) -> bool {
    name(command) == b"BITFIELD" && command.iter().any(|word| upper(word) == b"FAIL")
}

/// Whether Redis 7.0 takes as many arguments for the command as 7.2 does. Else only one of them would abort a transaction.
pub fn has_arity_of_redis(command: &[Vec<u8>]) -> bool {
    match name(command).as_slice() {
        b"ZRANK" | b"ZREVRANK" => command.len() <= 3,
        b"COMMAND" => command.len() != 3,
        _ => true,
    }
}

/// Whether dead keys must be gone before, because the reply counts them until they are found.
pub fn counts_dead_keys(command: &[Vec<u8>]) -> bool {
    matches!(name(command).as_slice(), b"DBSIZE" | b"DEBUG")
}

/// What is asked immediately before the command, because its reply alone cannot be judged.
pub fn question_before(command: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let key = || command.get(1).cloned().unwrap_or_default();
    if counts_dead_keys(command) {
        // To touch a dead key is to find it.
        let keys = KEYS.iter().chain(JUNK).map(|key| key.to_vec());
        return Some([b"TOUCH".to_vec()].into_iter().chain(keys).collect());
    }
    if name(command) == b"OBJECT" && word(command, 1) == b"ENCODING" {
        // Which differences are intended depends on the type.
        return Some(vec![
            b"TYPE".to_vec(),
            command.get(2).cloned().unwrap_or_default(),
        ]);
    }
    match Compare::of(command) {
        Compare::OrderedIfPacked => Some(vec![b"OBJECT".to_vec(), b"ENCODING".to_vec(), key()]),
        Compare::OrderedUnlessSet { .. } => Some(vec![b"TYPE".to_vec(), key()]),
        Compare::OrderedByText { .. } => {
            let words = [
                b"SORT_RO".to_vec(),
                key(),
                b"BY".to_vec(),
                b"nosort".to_vec(),
            ];
            Some(words.into())
        }
        _ => None,
    }
}

/// The sorted set of which the command takes a range by members. Such a range means something only if all scores are
/// equal; else it is whatever the search happens to meet, in Redis even by the chance of a skip list.
pub fn lexical_key(command: &[Vec<u8>]) -> Option<&Vec<u8>> {
    let by_lex = || command.iter().any(|word| upper(word) == b"BYLEX");
    match name(command).as_slice() {
        b"ZLEXCOUNT" | b"ZRANGEBYLEX" | b"ZREVRANGEBYLEX" | b"ZREMRANGEBYLEX" => command.get(1),
        b"ZRANGE" if by_lex() => command.get(1),
        b"ZRANGESTORE" if by_lex() => command.get(2),
        _ => None,
    }
}

/// How long a key may live that this command leaves behind, when it is so short that the harness waits for its end.
pub fn short_lifetime(command: &[Vec<u8>]) -> Option<Duration> {
    let in_milliseconds = command
        .iter()
        .any(|word| matches!(upper(word).as_slice(), b"PX" | b"PSETEX" | b"PEXPIRE"));
    if !in_milliseconds {
        return None;
    }
    let longest = command
        .iter()
        .filter_map(|word| as_integer(word))
        .filter(|number| (1..=SHORT).contains(number))
        .max()?;
    Some(Duration::from_millis(longest.unsigned_abs()))
}

/// What a command does to the transaction of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Begin,
    End,
}

impl Turn {
    pub fn of(command: &[Vec<u8>]) -> Option<Self> {
        match (name(command).as_slice(), command.len()) {
            (b"MULTI", 1) => Some(Self::Begin),
            // With arguments it is an error that ends the transaction.
            (b"EXEC", _) | (b"DISCARD" | b"RESET", 1) => Some(Self::End),
            _ => None,
        }
    }
}

/// The command's name in capitals.
pub fn name(command: &[Vec<u8>]) -> Vec<u8> {
    word(command, 0)
}

/// A word of the command in capitals; empty when there is none.
pub fn word(command: &[Vec<u8>], at: usize) -> Vec<u8> {
    command.get(at).map(|word| upper(word)).unwrap_or_default()
}

fn upper(word: &[u8]) -> Vec<u8> {
    word.to_ascii_uppercase()
}
