//! One command of a case, and how the two replies to it are compared.

use std::fmt;
use std::time::Duration;

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

/// One command of a case.
#[derive(Clone)]
pub struct Step {
    pub command: Vec<Vec<u8>>,
    pub compare: Compare,
    /// How long a key may live that this command leaves behind; the next command comes after its death on both sides.
    pub lifetime: Option<Duration>,
    /// Whether dead keys must be gone before, because the reply counts them until they are found.
    pub purge: bool,
    /// Whether arguments may be exchanged for nonsense.
    pub mangle: bool,
}

impl Step {
    pub fn new(command: impl Into<Vec<Vec<u8>>>) -> Self {
        Self {
            command: command.into(),
            compare: Compare::Exact,
            lifetime: None,
            purge: false,
            mangle: true,
        }
    }

    /// Whether the harness asks further commands before it can judge the reply.
    pub fn is_conversation(&self) -> bool {
        matches!(self.compare, Compare::Scan | Compare::RandomKey)
    }
}

/// Arguments and replies longer than this are cut in messages.
const SHOWN: usize = 120;

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, argument) in self.command.iter().enumerate() {
            if i > 0 {
                out.write_str(" ")?;
            }
            let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
            if argument.len() > SHOWN {
                let start = argument[..SHOWN].escape_ascii();
                write!(out, "\"{start}...\"<{} bytes>", argument.len())?;
            } else if !argument.is_empty() && argument.iter().all(plain) {
                write!(out, "{}", argument.escape_ascii())?;
            } else {
                write!(out, "\"{}\"", argument.escape_ascii())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
