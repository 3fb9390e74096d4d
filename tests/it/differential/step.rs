//! One command of a case.

use std::fmt;

/// One command of a case.
#[derive(Clone)]
pub struct Step {
    pub command: Vec<Vec<u8>>,
    /// Whether arguments may be exchanged for nonsense.
    pub mangle: bool,
    /// Which of the connections to each server sends it.
    pub connection: usize,
}

impl Step {
    pub fn new(command: impl Into<Vec<Vec<u8>>>) -> Self {
        Self {
            command: command.into(),
            mangle: true,
            connection: 0,
        }
    }
}

/// Arguments and replies longer than this are cut in messages.
const SHOWN: usize = 120;

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.connection > 0 {
            write!(out, "(connection {}) ", self.connection)?;
        }
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
