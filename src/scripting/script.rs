//! A script: its source, the flags that its first line gives, and the registry of all that were loaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use bitflags::bitflags;
use dashmap::DashMap;
use sha1_smol::Sha1;
use thiserror::Error;

use crate::protocol::inline;

/// The SHA1 of a source.
pub type Sha = [u8; 20];

bitflags! {
    /// What a script says of itself in its first line.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ScriptFlags: u8 {
        /// It changes nothing.
        const NO_WRITES = 1;
        /// It runs even when there is no memory.
        const ALLOW_OOM = 1 << 1;
        /// It runs even on stale data.
        const ALLOW_STALE = 1 << 2;
        /// It does not run on a cluster.
        const NO_CLUSTER = 1 << 3;
        /// It touches keys of several slots.
        const ALLOW_CROSS_SLOT_KEYS = 1 << 4;
        /// It says nothing of itself, so that its commands are looked at one by one.
        const UNSAID = 1 << 5;
    }
}

/// The flags by the names that scripts and functions give them.
pub const FLAG_NAMES: &[(&str, ScriptFlags)] = &[
    ("no-writes", ScriptFlags::NO_WRITES),
    ("allow-oom", ScriptFlags::ALLOW_OOM),
    ("allow-stale", ScriptFlags::ALLOW_STALE),
    ("no-cluster", ScriptFlags::NO_CLUSTER),
    ("allow-cross-slot-keys", ScriptFlags::ALLOW_CROSS_SLOT_KEYS),
];

impl ScriptFlags {
    /// What a source says of itself.
    ///
    /// # Errors
    /// When its first line is one for programs, and not as it should be.
    pub fn of(body: &[u8]) -> Result<ScriptFlags, HeaderError> {
        Ok(header(body)?.0)
    }

    /// The flag of this name.
    pub fn by_name(name: &[u8]) -> Option<ScriptFlags> {
        let mut flags = FLAG_NAMES.iter();
        flags.find_map(|(known, flag)| (known.as_bytes() == name).then_some(*flag))
    }
}

/// What is wrong with a script's first line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HeaderError {
    /// It has no end.
    #[error("Invalid script shebang")]
    Endless,
    /// Its quotes are not balanced.
    #[error("Invalid engine in script shebang")]
    Quotes,
    /// It is not for Lua.
    #[error("Unexpected engine in script shebang: {0}")]
    Engine(String),
    /// A flag that does not exist.
    #[error("Unexpected flag in script shebang: {0}")]
    Flag(String),
    /// An option that does not exist.
    #[error("Unknown lua shebang option: {0}")]
    Option(String),
}

/// A script.
#[derive(Debug)]
pub struct Script {
    /// Its name.
    pub sha: Sha,
    /// Its source, the first line included.
    pub body: Box<[u8]>,
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// Where the part for Lua begins.
    code: usize,
    /// Whether it once touched what it had not named, so that everything is locked for it from then on.
    pub needs_all: AtomicBool,
}

impl Script {
    /// Reads the first line of a source.
    ///
    /// # Errors
    /// When it is one for programs, and not as it should be.
    pub fn new(sha: Sha, body: &[u8]) -> Result<Script, HeaderError> {
        let (flags, code) = header(body)?;
        Ok(Script {
            sha,
            body: body.into(),
            flags,
            code,
            needs_all: AtomicBool::new(false),
        })
    }

    /// The part for Lua; its first line is empty where the source has flags, so that lines keep their numbers.
    pub fn code(&self) -> &[u8] {
        &self.body[self.code..]
    }

    /// Its name in hexadecimal digits.
    pub fn name(&self) -> String {
        self.sha.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn memory(&self) -> usize {
        size_of::<Script>() + self.body.len()
    }
}

/// The name of a source.
pub fn sha_of(body: &[u8]) -> Sha {
    Sha1::from(body).digest().bytes()
}

/// Reads a name in hexadecimal digits of either case.
pub fn parse_sha(text: &[u8]) -> Option<Sha> {
    let mut sha = Sha::default();
    if text.len() != 2 * sha.len() {
        return None;
    }
    for (byte, digits) in sha.iter_mut().zip(text.chunks(2)) {
        let digit = |place: usize| (digits[place] as char).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(sha)
}

/// What the first line of a source says, and where the part for Lua begins.
fn header(body: &[u8]) -> Result<(ScriptFlags, usize), HeaderError> {
    if !body.starts_with(b"#!") {
        return Ok((ScriptFlags::UNSAID, 0));
    }
    let end = body.iter().position(|&byte| byte == b'\n');
    let end = end.ok_or(HeaderError::Endless)?;
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let words = inline::split(&body[..end]).unwrap_or_default();
    let (engine, options) = words.split_first().ok_or(HeaderError::Quotes)?;
    if engine != b"#!lua" {
        return Err(HeaderError::Engine(text(engine)));
    }
    let mut flags = ScriptFlags::empty();
    for option in options {
        let Some(list) = option.strip_prefix(b"flags=") else {
            return Err(HeaderError::Option(text(option)));
        };
        for name in list
            .split(|&byte| byte == b',')
            .filter(|_| !list.is_empty())
        {
            flags |= ScriptFlags::by_name(name).ok_or_else(|| HeaderError::Flag(text(name)))?;
        }
    }
    Ok((flags, end))
}

/// Every script that was loaded or run since the last SCRIPT FLUSH.
#[derive(Debug, Default)]
pub struct Scripts {
    by_sha: DashMap<Sha, Arc<Script>>,
    /// Raised by every flush: what was compiled before is not used any more.
    generation: AtomicU64,
    memory: AtomicUsize,
    /// What the Lua states of all threads take, in bytes, as each of them said last.
    pub(super) states: Arc<AtomicUsize>,
}

impl Scripts {
    /// The script of this name.
    pub fn get(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.by_sha.get(sha).map(|found| Arc::clone(&found))
    }

    /// Keeps a script, unless it is there already.
    pub fn add(&self, script: &Arc<Script>) {
        self.by_sha.entry(script.sha).or_insert_with(|| {
            self.memory.fetch_add(script.memory(), Relaxed);
            Arc::clone(script)
        });
    }

    /// Forgets all scripts.
    pub fn clear(&self) {
        self.by_sha.retain(|_, script| {
            self.memory.fetch_sub(script.memory(), Relaxed);
            false
        });
        self.generation.fetch_add(1, Relaxed);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_sha.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_sha.is_empty()
    }

    /// How often they were flushed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// What the Lua states of all threads take, in bytes.
    pub fn states(&self) -> usize {
        self.states.load(Relaxed)
    }

    /// What the sources take, in bytes.
    pub fn memory(&self) -> usize {
        self.memory.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(body: &str) -> Result<ScriptFlags, String> {
        header(body.as_bytes())
            .map(|(flags, _)| flags)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_line_gives_the_flags() {
        assert_eq!(flags("return 1"), Ok(ScriptFlags::UNSAID));
        assert_eq!(flags("#!lua\nreturn 1"), Ok(ScriptFlags::empty()));
        assert_eq!(flags("#!lua flags=\n"), Ok(ScriptFlags::empty()));
        assert_eq!(
            flags("#!lua flags=no-writes,allow-oom\n"),
            Ok(ScriptFlags::NO_WRITES | ScriptFlags::ALLOW_OOM)
        );
        for (body, error) in [
            ("#!lua", "Invalid script shebang"),
            ("#!lua \"\n", "Invalid engine in script shebang"),
            (
                "#!not-lua\n",
                "Unexpected engine in script shebang: #!not-lua",
            ),
            (
                "#!lua badger=data\n",
                "Unknown lua shebang option: badger=data",
            ),
            (
                "#!lua flags=bad-flag\n",
                "Unexpected flag in script shebang: bad-flag",
            ),
        ] {
            assert_eq!(flags(body), Err(error.to_owned()), "{body}");
        }
    }

    #[test]
    fn lines_keep_their_numbers() {
        let script = Script::new([0; 20], b"#!lua flags=no-writes\nreturn 1").expect("a script");
        assert_eq!(script.code(), b"\nreturn 1");
    }

    #[test]
    fn a_name_is_read_in_either_case() {
        let sha = sha_of(b"return 1");
        let script = Script::new(sha, b"return 1").expect("a script");
        let name = script.name();
        assert_eq!(parse_sha(name.as_bytes()), Some(sha));
        assert_eq!(parse_sha(name.to_uppercase().as_bytes()), Some(sha));
        assert_eq!(parse_sha(&name.as_bytes()[1..]), None);
        assert_eq!(
            parse_sha(name.replace('e', "g").as_bytes()).is_some(),
            !name.contains('e')
        );
    }
}
