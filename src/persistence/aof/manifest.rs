//! The manifest: which files make up the log, in order.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.1.incr.aof seq 1 type h
//! file appendonly.aof.2.incr.aof seq 2 type i
//! ```
//!
//! The base (`b`) holds all keys at one moment, the increments (`i`) what happened since. History (`h`) is what a newer base has
//! made useless and is to be removed. The format is that of Redis 7.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::protocol::inline;

/// The longest line, its end included, in bytes.
const LONGEST_LINE: usize = 1024;

/// The longest name as it stands in quotes, which leaves room for everything else on its line.
const LONGEST_NAME: usize = LONGEST_LINE - "file  seq 4611686018427387904 type b\n".len();

/// Bytes that a manifest may have. Redis knows no limit, but would not come near this one in thousands of years.
const LARGEST: u64 = 64 << 20;

/// The highest number a part may have, which leaves room for all that will ever follow.
const HIGHEST: u64 = 1 << 62;

/// Which files make up the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The files' common name, as `appendfilename` gives it.
    stem: String,
    /// The file that holds all keys at one moment.
    pub base: Option<Part>,
    /// Files that are no longer needed.
    pub history: Vec<Part>,
    /// What happened since, oldest first.
    pub increments: Vec<Part>,
    /// The highest number that a base has had.
    last_base: u64,
    /// The highest number that an increment has had.
    last_increment: u64,
}

/// One file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the log's folder.
    pub name: String,
    /// Its number among its kind.
    pub sequence: u64,
}

/// In which form a base holds the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a snapshot.
    Rdb,
    /// As the commands that make them.
    Commands,
}

/// Why a manifest cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The system refuses.
    #[error("can't open the AOF manifest file {path} for reading: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// Its text is not that of a manifest.
    #[error("{what}; reading the AOF manifest file {path}, at line {line}: '{text}'")]
    Format {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1 on; 0 for the whole file.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Manifest {
    /// The manifest of a log that has no files yet.
    pub fn new(stem: &str) -> Manifest {
        Manifest {
            stem: stem.to_owned(),
            ..Manifest::default()
        }
    }

    /// The manifest of a single file that is the whole log, as servers before Redis 7 wrote it.
    pub fn of_single_file(stem: &str) -> Manifest {
        Manifest {
            base: Some(Part {
                name: stem.to_owned(),
                sequence: 1,
            }),
            last_base: 1,
            ..Manifest::new(stem)
        }
    }

    /// The name of the manifest's own file.
    pub fn file_name(stem: &str) -> String {
        format!("{stem}.manifest")
    }

    /// Reads the manifest in a log's folder; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or its text is not that of a manifest.
    pub fn read(folder: &Path, stem: &str) -> Result<Option<Manifest>, ManifestError> {
        Manifest::read_file(folder.join(Manifest::file_name(stem)), stem)
    }

    /// The same for a file of any name.
    ///
    /// # Errors
    /// When it cannot be read, or its text is not that of a manifest.
    pub fn read_file(path: PathBuf, stem: &str) -> Result<Option<Manifest>, ManifestError> {
        let failed = |reason| ManifestError::Read {
            path: path.clone(),
            reason,
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
        Manifest::parse(stem, &bytes)
            .map(Some)
            .map_err(|(what, line)| ManifestError::Format {
                text: (bytes.split(|byte| *byte == b'\n').nth(line.wrapping_sub(1)))
                    .map(|line| String::from_utf8_lossy(&line[..line.len().min(128)]).into_owned())
                    .unwrap_or_default(),
                path,
                line,
                what,
            })
    }

    /// Reads a manifest's text; an error says what is wrong and in which line.
    pub fn parse(stem: &str, bytes: &[u8]) -> Result<Manifest, (&'static str, usize)> {
        let mut manifest = Manifest::new(stem);
        if bytes.is_empty() {
            return Err(("Found an empty AOF manifest", 0));
        }
        for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if line.starts_with(b"#") {
                continue;
            }
            (manifest.parse_line(line)).map_err(|what| (what, number + 1))?;
        }
        manifest.go_on_behind_names();
        Ok(manifest)
    }

    fn parse_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        const MALFORMED: &str = "Invalid AOF manifest file format";
        if line.len() > LONGEST_LINE || !line.ends_with(b"\n") {
            return Err("The AOF manifest file contains too long line");
        }
        let words = inline::split(line).ok_or(MALFORMED)?;
        // Pairs of other names may follow some day.
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err(MALFORMED);
        }
        let (mut name, mut sequence, mut kind) = (None, None, None);
        for pair in words.chunks_exact(2) {
            let value = &pair[1];
            match &pair[0].to_ascii_lowercase()[..] {
                b"file" => {
                    let text = String::from_utf8(value.clone()).map_err(|_| MALFORMED)?;
                    if text.contains('/') {
                        return Err("File can't be a path, just a filename");
                    }
                    name = Some(text);
                }
                b"seq" => sequence = str::from_utf8(value).ok().and_then(|it| it.parse().ok()),
                b"type" => kind = value.first().copied(),
                _ => {}
            }
        }
        let name = name.filter(|name| !matches!(&name[..], "" | "." | ".."));
        // Whoever writes it again may have to put it in quotes.
        let name = name.filter(|name| inline::quote(name.as_bytes()).len() <= LONGEST_NAME);
        let sequence = sequence.filter(|sequence| (1..=HIGHEST).contains(sequence));
        let (Some(name), Some(sequence), Some(kind)) = (name, sequence, kind) else {
            return Err(MALFORMED);
        };
        let part = Part { name, sequence };
        match kind {
            b'b' if self.base.is_some() => return Err("Found duplicate base file information"),
            b'b' => {
                self.last_base = sequence;
                self.base = Some(part);
            }
            b'h' => self.history.push(part),
            b'i' if sequence <= self.last_increment => {
                return Err("Found a non-monotonic sequence number");
            }
            b'i' => {
                self.last_increment = sequence;
                self.increments.push(part);
            }
            _ => return Err("Unknown AOF file type"),
        }
        Ok(())
    }

    /// Raises the highest numbers to those in the names, so that no new part is named like one that is there, or like one that is
    /// history and about to be removed.
    fn go_on_behind_names(&mut self) {
        let (mut base, mut increment) = (self.last_base, self.last_increment);
        for part in self.parts().chain(&self.history) {
            match self.place_of(&part.name) {
                Some((sequence, true)) => base = base.max(sequence),
                Some((sequence, false)) => increment = increment.max(sequence),
                None => {}
            }
        }
        (self.last_base, self.last_increment) = (base, increment);
    }

    /// Its text.
    pub fn text(&self) -> String {
        let kinds = [
            (self.base.as_slice(), 'b'),
            (&self.history, 'h'),
            (&self.increments, 'i'),
        ];
        let line = |part: &Part, kind| {
            let is_plain =
                |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
            let name = if part.name.bytes().all(is_plain) {
                part.name.clone()
            } else {
                inline::quote(part.name.as_bytes())
            };
            format!("file {name} seq {} type {kind}\n", part.sequence)
        };
        (kinds.iter())
            .flat_map(|(parts, kind)| parts.iter().map(move |part| line(part, kind)))
            .collect()
    }

    /// Whether no file holds any key or change.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// Whether a file in the log's folder belongs to the log and yet would not be loaded, so that keys would be missing: one that
    /// holds something, is named like a part from `appendfilename` on, and is not named here, or only as history though nothing
    /// has taken its place. It tells a damaged manifest from one that a crash left between two steps.
    pub fn misses(&self, file: &str) -> bool {
        let Some((sequence, is_base)) = self.place_of(file) else {
            return false;
        };
        let is_history = self.history.iter().any(|part| part.name == file);
        if self.parts().any(|part| part.name == file) {
            return false;
        }
        if is_base {
            return self.base.is_none();
        }
        let was_replaced = is_history
            && (self.history.iter())
                .any(|part| matches!(self.place_of(&part.name), Some((_, true))));
        // Older ones may have outlived their removal, but not where no base has ever been replaced.
        let first = match &self.base {
            Some(base) if base.sequence == 1 => 0,
            _ => self.increments.first().map_or(0, |part| part.sequence),
        };
        !was_replaced && sequence >= first
    }

    /// The base that this manifest has for the first time, if it is one that may follow the `present` one: none of whose files it
    /// has forgotten.
    pub fn new_base(&self, present: Option<&Manifest>) -> Option<&Part> {
        let base = self.base.as_ref()?;
        self.place_of(&base.name)?;
        let mut old = present.into_iter().flat_map(Manifest::parts);
        let forgets_none = old.all(|part| *part != *base && self.names(&part.name));
        forgets_none.then_some(base)
    }

    fn names(&self, file: &str) -> bool {
        let mut all = self.parts().chain(&self.history);
        all.any(|part| part.name == file)
    }

    /// The number in the name of a part, and whether it is that of a base.
    fn place_of(&self, file: &str) -> Option<(u64, bool)> {
        let rest = file.strip_prefix(&self.stem)?.strip_prefix('.')?;
        let (sequence, kind) = rest.split_once('.')?;
        let is_base = match kind {
            "base.rdb" | "base.aof" => true,
            "incr.aof" => false,
            _ => return None,
        };
        let sequence = sequence.parse().ok().filter(|it| *it <= HIGHEST)?;
        Some((sequence, is_base))
    }

    /// The files to be loaded, in order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    /// Adds an increment and answers its name.
    pub fn add_increment(&mut self) -> &str {
        self.last_increment += 1;
        let sequence = self.last_increment;
        self.increments.push(Part {
            name: format!("{}.{sequence}.incr.aof", self.stem),
            sequence,
        });
        &self.increments.last().expect("one was just added").name
    }

    /// Puts a new base in place of the old one and of all but the last `keep` increments, which become history. Answers its name.
    pub fn replace_base(&mut self, form: Form, keep: usize) -> &str {
        self.last_base += 1;
        let sequence = self.last_base;
        let extension = match form {
            Form::Rdb => "rdb",
            Form::Commands => "aof",
        };
        self.history.extend(self.base.take());
        let covered = self.increments.len().saturating_sub(keep);
        self.history.extend(self.increments.drain(..covered));
        let base = self.base.insert(Part {
            name: format!("{}.{sequence}.base.{extension}", self.stem),
            sequence,
        });
        &base.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, (&'static str, usize)> {
        Manifest::parse("appendonly.aof", text.as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let mut manifest = Manifest::new("my log.aof");
        manifest.replace_base(Form::Commands, 0);
        manifest.add_increment();
        manifest.replace_base(Form::Rdb, 1);
        manifest.add_increment();
        manifest.add_increment();
        manifest.replace_base(Form::Rdb, 1);
        let text = manifest.text();
        assert_eq!(
            text,
            "file \"my log.aof.3.base.rdb\" seq 3 type b\n\
             file \"my log.aof.1.base.aof\" seq 1 type h\n\
             file \"my log.aof.2.base.rdb\" seq 2 type h\n\
             file \"my log.aof.1.incr.aof\" seq 1 type h\n\
             file \"my log.aof.2.incr.aof\" seq 2 type h\n\
             file \"my log.aof.3.incr.aof\" seq 3 type i\n"
        );
        assert_eq!(Manifest::parse("my log.aof", text.as_bytes()), Ok(manifest));
    }

    #[test]
    fn numbers_go_on_from_where_they_were() {
        let mut manifest = parse("file x seq 7 type b\nfile y seq 40 type i\n").unwrap();
        assert_eq!(manifest.add_increment(), "appendonly.aof.41.incr.aof");
        let base = manifest.replace_base(Form::Rdb, 1);
        assert_eq!(base, "appendonly.aof.8.base.rdb");
        let parts: Vec<_> = manifest.parts().map(|part| &part.name[..]).collect();
        assert_eq!(
            parts,
            ["appendonly.aof.8.base.rdb", "appendonly.aof.41.incr.aof"]
        );
    }

    #[test]
    fn names_are_not_given_twice() {
        let mut manifest = parse(
            "file appendonly.aof.1.base.rdb seq 1 type h\n\
             file appendonly.aof.3.incr.aof seq 1 type i\n",
        )
        .unwrap();
        let base = manifest.replace_base(Form::Rdb, 1);
        assert_eq!(base, "appendonly.aof.2.base.rdb");
        assert_eq!(manifest.add_increment(), "appendonly.aof.4.incr.aof");
    }

    #[test]
    fn comments_and_further_pairs_are_passed_over() {
        let text = "# a comment\nseq 1 FILE a type base size 17\n  \ttype i  file 'b c' seq 2\r\n";
        let manifest = parse(text).unwrap();
        assert_eq!(manifest.base.unwrap().name, "a");
        assert_eq!(manifest.increments[0].name, "b c");
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let malformed = "Invalid AOF manifest file format";
        let long = format!("file {} seq 1 type b\n", "x".repeat(1024));
        let long_in_quotes = format!("file {} seq 1 type b\n", "\x01".repeat(300));
        for (text, what, line) in [
            ("", "Found an empty AOF manifest", 0),
            ("\n", malformed, 1),
            ("file a seq 1 type b\n\n", malformed, 2),
            ("file a seq 1 type\n", malformed, 1),
            ("file a seq 1\n", malformed, 1),
            ("file a seq 0 type b\n", malformed, 1),
            ("file a seq x type b\n", malformed, 1),
            ("file a seq 18446744073709551615 type i\n", malformed, 1),
            ("file .. seq 1 type b\n", malformed, 1),
            ("file 'a seq 1 type b\n", malformed, 1),
            ("file a seq 1 kind b\n", malformed, 1),
            ("file a seq 1 type x\n", "Unknown AOF file type", 1),
            (
                "file ../a seq 1 type b\n",
                "File can't be a path, just a filename",
                1,
            ),
            (
                "file a seq 1 type b",
                "The AOF manifest file contains too long line",
                1,
            ),
            (&long, "The AOF manifest file contains too long line", 1),
            (&long_in_quotes, malformed, 1),
            (
                "file a seq 1 type b\nfile b seq 2 type b\n",
                "Found duplicate base file information",
                2,
            ),
            (
                "file a seq 2 type i\nfile b seq 2 type i\n",
                "Found a non-monotonic sequence number",
                2,
            ),
        ] {
            assert_eq!(parse(text), Err((what, line)), "{text:?}");
        }
    }

    #[test]
    fn parts_that_a_damaged_manifest_hides_are_missed() {
        let base = "file appendonly.aof.1.base.rdb seq 1 type b\n";
        let increment = "file appendonly.aof.1.incr.aof seq 1 type i\n";
        let (base_file, increment_file) =
            ("appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof");
        let whole = parse(&format!("{base}{increment}")).unwrap();
        assert!(!whole.misses(base_file) && !whole.misses(increment_file));
        assert!(parse(base).unwrap().misses(increment_file));
        assert!(parse(increment).unwrap().misses(base_file));
        let made_history = format!("{base}{increment}").replace("type i", "type h");
        assert!(parse(&made_history).unwrap().misses(increment_file));
        // After a rewrite, before the old files are gone.
        let rewritten = parse(
            "file appendonly.aof.2.base.rdb seq 2 type b\n\
             file appendonly.aof.1.base.rdb seq 1 type h\n\
             file appendonly.aof.1.incr.aof seq 1 type h\n",
        )
        .unwrap();
        assert!(!rewritten.misses(base_file) && !rewritten.misses(increment_file));
        // A crash before the manifest named the new base.
        assert!(!whole.misses("appendonly.aof.2.base.rdb"));
        assert!(!whole.misses("temp-appendonly.aof.incr"));
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_but_never_a_panic() {
        let text = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
        let files = ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"];
        for at in 0..text.len() {
            for flip in 1..=u8::MAX {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= flip;
                let Ok(manifest) = Manifest::parse("appendonly.aof", &bytes) else {
                    continue;
                };
                let names: Vec<_> = manifest.parts().map(|part| &part.name[..]).collect();
                let is_whole = names.len() == 2;
                let is_missed = files.iter().any(|file| manifest.misses(file));
                assert!(is_whole || is_missed, "{at} {flip}: {names:?}");
            }
        }
    }
}
