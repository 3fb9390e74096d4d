//! How a command that ran is repeated: as it came, unless it has said something else by its
//! [scribe](crate::keyspace::propagation::Scribe).
//!
//! Whoever runs commands calls this behind each of them, and submits what gathered before the shards are let go: behind every command,
//! or behind all those of a transaction.

use super::{Call, Flags};

impl Call<'_> {
    /// How many changes this worker has made.
    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.stats.effects.dirty.get()
    }

    /// Whether anybody wants to know how to repeat commands. The answer holds while the call lasts.
    #[inline]
    pub(super) fn is_propagated(&self) -> bool {
        self.stats.effects.propagation.is_on()
    }

    /// Adds the command that just ran to what is repeated, if there were only `before` changes when it began.
    #[inline]
    pub(super) fn propagate(&mut self, before: u64) {
        let propagation = &self.stats.effects.propagation;
        // By a new name nobody else would find the command.
        let row = self.command.row.name.as_bytes();
        let is_renamed = *self.command.called != *row;
        let name = if is_renamed { row } else { self.arg(0) };
        // What a script did is repeated by its commands.
        let is_script = self.command.row.flags.contains(Flags::RUNS_SCRIPT);
        let changed = self.changes() != before && !is_script;
        let words = self.request.iter().enumerate();
        let words = words.map(|(place, word)| if place == 0 { name } else { word });
        propagation.add(self.db.index, changed, words);
    }

    /// Hands over what gathered, while its shards are still held.
    #[inline]
    pub(super) fn submit(&mut self, before: u64) {
        if let Some(position) = self.stats.effects.propagation.submit()
            && self.changes() != before
        {
            self.client.written = position;
        }
    }
}

#[cfg(test)]
mod tests;
