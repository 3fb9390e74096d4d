//! What a command needs to be compared fairly. All of it follows from the command as it is sent, because a mangled
//! command needs the rule of what it has become.

use std::time::Duration;

use super::arguments::{SHORT, as_integer};

/// The rule by which two replies count as the same. Errors are always compared byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// As multisets, on every level.
    Unordered,
    /// Times in seconds, which may differ by as long as the case has run.
    Seconds,
    /// Times in milliseconds, likewise.
    Milliseconds,
    /// Any key that exists, or null on both sides.
    RandomKey,
    /// The first call of an iteration, which the harness completes and compares as a set.
    Scan,
}

impl Compare {
    /// The rule for the replies to a command.
    pub fn of(command: &[Vec<u8>]) -> Self {
        match name(command).as_slice() {
            b"KEYS" => Self::Unordered,
            b"TTL" | b"EXPIRETIME" => Self::Seconds,
            b"PTTL" | b"PEXPIRETIME" => Self::Milliseconds,
            b"OBJECT" if word(command, 1) == b"IDLETIME" => Self::Seconds,
            b"RANDOMKEY" => Self::RandomKey,
            b"SCAN" => Self::Scan,
            _ => Self::Exact,
        }
    }

    /// Whether the harness asks further commands before it can judge the reply.
    pub fn is_conversation(self) -> bool {
        matches!(self, Self::Scan | Self::RandomKey)
    }
}

/// Whether dead keys must be gone before, because the reply counts them until they are found.
pub fn counts_dead_keys(command: &[Vec<u8>]) -> bool {
    match name(command).as_slice() {
        b"DBSIZE" => true,
        b"DEBUG" => word(command, 1) == b"DIGEST-VALUE",
        _ => false,
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

fn name(command: &[Vec<u8>]) -> Vec<u8> {
    word(command, 0)
}

/// A word of the command in capitals; empty when there is none.
fn word(command: &[Vec<u8>], at: usize) -> Vec<u8> {
    command.get(at).map(|word| upper(word)).unwrap_or_default()
}

fn upper(word: &[u8]) -> Vec<u8> {
    word.to_ascii_uppercase()
}
