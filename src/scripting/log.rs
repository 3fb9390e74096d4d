//! Lines that scripts write to the server's log.

use tracing::{Level, debug, info, trace, warn};

/// A line, and how important it is.
#[derive(Debug)]
pub struct Line {
    level: Level,
    text: String,
}

impl Line {
    /// A line of one of the levels of `redis.log`, if there is such a level.
    pub fn new(level: i64, text: String) -> Option<Line> {
        let level = match level {
            0 => Level::TRACE,
            1 => Level::DEBUG,
            2 => Level::INFO,
            3 => Level::WARN,
            _ => return None,
        };
        Some(Line { level, text })
    }

    /// What it takes, in bytes.
    pub fn memory(&self) -> usize {
        size_of::<Line>() + self.text.len()
    }

    /// Writes it.
    pub fn write(&self) {
        let text = &self.text;
        match self.level {
            Level::TRACE => trace!("{text}"),
            Level::DEBUG => debug!("{text}"),
            Level::INFO => info!("{text}"),
            _ => warn!("{text}"),
        }
    }
}
