//! The slow log: the latest of the commands that ran for long, as SLOWLOG shows them.
//!
//! Few commands are slow, or somebody watches closely and does not mind; so it is one list behind a lock. An entry keeps the
//! beginning of each argument and of the arguments, so that a log of some entries stays small whatever the clients send.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Arguments that an entry shows, the last of which says how many more there were.
const ARGUMENTS: usize = 32;

/// Bytes that it shows of each.
const ARGUMENT: usize = 128;

/// One command that was slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowCommand {
    /// Counts from 0; never used twice in the life of a server.
    pub id: u64,
    /// When it ended, in seconds since the epoch.
    pub time: u64,
    /// How long it ran, in microseconds.
    pub micros: u64,
    /// Its name and arguments, shortened.
    pub arguments: Vec<Box<[u8]>>,
    /// The address of the client.
    pub peer: String,
    /// What the client calls itself.
    pub name: String,
}

/// The slow commands, latest first.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    commands: VecDeque<SlowCommand>,
    next_id: u64,
}

impl SlowLog {
    /// Adds a command, which gets its id here, and keeps the `most` latest.
    pub fn push(&self, command: SlowCommand, most: usize) {
        let mut log = self.0.lock();
        let id = log.next_id;
        log.next_id += 1;
        log.commands.push_front(SlowCommand { id, ..command });
        log.commands.truncate(most);
    }

    /// Keeps the `most` latest.
    pub fn truncate(&self, most: usize) {
        self.0.lock().commands.truncate(most);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().commands.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `most` latest.
    pub fn latest(&self, most: usize) -> Vec<SlowCommand> {
        self.0.lock().commands.iter().take(most).cloned().collect()
    }

    /// Forgets all, but not which ids were used.
    pub fn clear(&self) {
        self.0.lock().commands.clear();
    }
}

/// The arguments of a command as an entry keeps them.
pub fn shorten<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Box<[u8]>> {
    let count = arguments.len();
    let whole = if count > ARGUMENTS {
        ARGUMENTS - 1
    } else {
        count
    };
    let mut shortened: Vec<Box<[u8]>> = arguments.take(whole).map(shorten_one).collect();
    if count > whole {
        let rest = format!("... ({} more arguments)", count - whole);
        shortened.push(rest.into_bytes().into());
    }
    shortened
}

fn shorten_one(argument: &[u8]) -> Box<[u8]> {
    if argument.len() <= ARGUMENT {
        return argument.into();
    }
    let rest = format!("... ({} more bytes)", argument.len() - ARGUMENT);
    [&argument[..ARGUMENT], rest.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(arguments: &[Vec<u8>]) -> Vec<String> {
        let shortened = shorten(arguments.iter().map(Vec::as_slice));
        let text = shortened.into_iter().map(|it| String::from_utf8(it.into()));
        text.collect::<Result<_, _>>().expect("text")
    }

    #[test]
    fn arguments_are_cut_at_the_limits_and_not_before() {
        let many = |count| vec![b"x".to_vec(); count];
        assert_eq!(shown(&many(32)), ["x"; 32]);
        let cut = shown(&many(33));
        assert_eq!(
            (cut.len(), &*cut[30], &*cut[31]),
            (32, "x", "... (2 more arguments)")
        );
        let long = "a".repeat(128);
        assert_eq!(shown(&[vec![b'a'; 128]]), [&*long]);
        assert_eq!(shown(&[vec![b'a'; 129]]), [long + "... (1 more bytes)"]);
    }
}
