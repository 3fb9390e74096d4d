//! Cutting: an RDB stream in, pieces of whole records out.
//!
//! The cutter looks no deeper than it must to find where records end, checks the checksum on the way, and deals with all that
//! is no record itself. A collection too large to be held as bytes and as a value at once does not become a piece: it is built
//! here, from as many bytes at a time as are read.

use std::io::Read;

use tracing::{debug, info, warn};

use super::decode::{Assembly, Rules};
use super::format::{
    CHECKSUM_LEN, Checksum, FIRST_WITH_CHECKSUM, FormatError, Input, MAGIC, NEWEST, RawString,
    VERSION_DIGITS,
};
use super::load::{LoadError, Reason};
use super::record::{Attributes, Item, module_name, skip_value};
use crate::keyspace::NewValue;
use crate::persistence::loading::Loading;

/// Some records.
#[derive(Debug, Default)]
pub struct Piece {
    /// Their bytes, selections of databases among them.
    pub bytes: Vec<u8>,
    /// Where these begin in the stream.
    pub offset: u64,
    /// The database of the first record.
    pub database: usize,
}

/// What the cutter has found next.
#[derive(Debug)]
pub enum Cut {
    /// Records to be built.
    Piece(Piece),
    /// A large collection, to be built by [`Cutter::assemble`].
    Large,
    /// The end.
    End,
}

/// What may be in a stream.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many databases there are.
    pub databases: usize,
    /// Whether the checksum is compared.
    pub verify: bool,
    /// Whether what is not supported is passed over, and does not end the loading.
    pub skip_unknown: bool,
    /// How much is cut off at once.
    pub sizes: Sizes,
}

/// How much is cut off at once, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// About how much a piece has.
    pub piece: usize,
    /// From where on a collection is built while it is read.
    pub large: usize,
}

impl Sizes {
    /// A piece stays in the cache of the core that builds it.
    pub const USUAL: Sizes = Sizes {
        piece: 256 << 10,
        large: 16 << 20,
    };
}

/// Reads an RDB stream.
pub struct Cutter<'l, R> {
    stream: R,
    limits: Limits,
    loading: &'l Loading,
    version: u16,
    /// What has been read and not yet cut off.
    buffer: Vec<u8>,
    /// Where the buffer begins in the stream.
    offset: u64,
    /// Of all that has been cut off.
    checksum: Checksum,
    database: usize,
    is_at_end: bool,
    /// What was passed over that was no record.
    unknown: u64,
}

impl<'l, R: Read> Cutter<'l, R> {
    /// Reads what a stream begins with.
    ///
    /// # Errors
    /// When it cannot be read, or is no RDB stream of a version that is known.
    pub fn new(
        stream: R,
        limits: Limits,
        loading: &'l Loading,
    ) -> Result<Cutter<'l, R>, LoadError> {
        let mut cutter = Cutter {
            stream,
            limits,
            loading,
            version: 0,
            buffer: Vec::new(),
            offset: 0,
            checksum: Checksum::new(),
            database: 0,
            is_at_end: false,
            unknown: 0,
        };
        let start = MAGIC.len() + VERSION_DIGITS;
        if !cutter.fill(start)? {
            return Err(cutter.error_at_end());
        }
        let (magic, digits) = cutter.buffer[..start].split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(cutter.error(Reason::Signature));
        }
        let version = std::str::from_utf8(digits).ok();
        let version = version.and_then(|digits| digits.parse().ok());
        let version = version.filter(|version| (1..=NEWEST).contains(version));
        let digits = String::from_utf8_lossy(digits).into_owned();
        cutter.version = version.ok_or_else(|| cutter.error(Reason::Version(digits)))?;
        cutter.cut_off(start);
        Ok(cutter)
    }

    /// Where the stream has been cut off so far; after the end, where the RDB data ended in it.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many things were passed over that are no records.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Finds what comes next. A former piece's bytes may be handed back for the next one.
    ///
    /// # Errors
    /// When the stream cannot be read, ends before the data do, holds something else, or something that is not supported.
    pub fn next(&mut self, mut spare: Vec<u8>) -> Result<Cut, LoadError> {
        if self.is_at_end {
            return Ok(Cut::End);
        }
        let mut wanted = self.limits.sizes.piece;
        loop {
            let has_more = self.fill(wanted)?;
            let (database, end, is_last) = self.look()?;
            if end > 0 {
                spare.clear();
                spare.extend_from_slice(&self.buffer[end..]);
                let mut bytes = std::mem::replace(&mut self.buffer, spare);
                bytes.truncate(end);
                self.checksum.update(&bytes);
                let first = std::mem::replace(&mut self.database, database);
                let offset = self.offset;
                self.offset += end as u64;
                if is_last {
                    self.finish()?;
                }
                return Ok(Cut::Piece(Piece {
                    bytes,
                    offset,
                    database: first,
                }));
            }
            if !has_more {
                return Err(self.error_at_end());
            }
            // What did not fit is looked through once more when there is twice as much of it.
            wanted = self.buffer.len() * 2;
            if wanted > self.limits.sizes.large && self.is_large_collection() {
                return Ok(Cut::Large);
            }
        }
    }

    /// Looks through the buffer: the database after the last whole item, where that ends, and whether it is the last of all.
    fn look(&mut self) -> Result<(usize, usize, bool), LoadError> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut input = Input::new(&buffer);
        let (mut database, mut end) = (self.database, 0);
        let result = loop {
            let item = Item::read(&mut input);
            let whole = item.and_then(|item| {
                if let Item::Record(head) = item {
                    skip_value(head.kind, &mut input)?;
                }
                Ok(item)
            });
            let at = self.offset + end as u64;
            let found = match whole {
                Ok(Item::End) => break Ok((database, input.position(), true)),
                Ok(Item::Database(number)) => {
                    self.number_of(number).map(|number| database = number)
                }
                Ok(item) => self.note(item),
                Err(FormatError::Truncated) => break Ok((database, end, false)),
                Err(error) => Err(error.into()),
            };
            if let Err(reason) = found {
                break Err(LoadError { offset: at, reason });
            }
            end = input.position();
        };
        self.buffer = buffer;
        result
    }

    fn number_of(&self, database: u64) -> Result<usize, Reason> {
        let databases = self.limits.databases;
        let number = usize::try_from(database).ok();
        number
            .filter(|&number| number < databases)
            .ok_or(Reason::Database {
                database,
                databases,
            })
    }

    /// Deals with an item that is no record.
    fn note(&mut self, item: Item<'_>) -> Result<(), Reason> {
        match item {
            Item::Aux(name, value) => note_aux(name, value, self.loading)?,
            Item::Module(id) => {
                let name = module_name(id);
                self.pass_over(format!("data of the module type '{name}'"))?;
            }
            Item::Record(_) | Item::Database(_) | Item::Library(_) | Item::Hint | Item::End => {}
        }
        Ok(())
    }

    fn pass_over(&mut self, what: String) -> Result<(), Reason> {
        if !self.limits.skip_unknown {
            return Err(Reason::Unsupported(what));
        }
        warn!("Loading without {what}, which is not supported");
        self.unknown += 1;
        Ok(())
    }

    /// Whether the buffer begins with a record whose value comes element by element.
    fn is_large_collection(&self) -> bool {
        /// Bytes that may stand before the first element: a deadline and a length.
        const PREAMBLE: usize = 8 + 9;
        let mut input = Input::new(&self.buffer);
        let item = Item::read(&mut input);
        let comes_in_elements =
            matches!(item, Ok(Item::Record(head)) if Assembly::makes(head.kind));
        comes_in_elements && input.remaining() >= PREAMBLE
    }

    /// Builds the large collection that was found, and passes it on with its database; answers whether it has elements.
    ///
    /// # Errors
    /// As [`Cutter::next`].
    pub fn assemble(
        &mut self,
        rules: &Rules,
        take: impl FnOnce(usize, &[u8], Attributes, NewValue<'_>),
    ) -> Result<bool, LoadError> {
        let start = self.offset;
        let mut input = Input::new(&self.buffer);
        let Ok(Item::Record(head)) = Item::read(&mut input) else {
            return Err(self.error(FormatError::Truncated));
        };
        let key = head.key.bytes().map_err(|error| self.error(error))?;
        let (key, attributes) = (key.into_owned(), head.attributes);
        let mut assembly = Assembly::begin(head.kind, &mut input, rules)
            .map_err(|error| LoadError::in_value(start, &key, error))?;
        let (mut used, mut is_all_read) = (input.position(), false);
        loop {
            self.cut_off(used);
            self.loading.advance(used as u64);
            let mut input = Input::new(&self.buffer);
            let is_whole = assembly.feed(&mut input).map_err(|error| {
                LoadError::in_value(self.offset + input.position() as u64, &key, error)
            })?;
            used = input.position();
            if is_whole {
                break;
            }
            if self.loading.is_stopped() {
                return Err(self.error(Reason::Stopped));
            }
            if is_all_read {
                return Err(self.error_at_end());
            }
            // A single element may be larger than all that was read.
            let wanted = self.limits.sizes.piece.max(self.buffer.len() * 2);
            is_all_read = !self.fill(used + wanted)?;
        }
        self.cut_off(used);
        self.loading.advance(used as u64);
        let database = self.database;
        let take = |value: NewValue<'_>| take(database, &key, attributes, value);
        Ok(assembly.finish(take).is_some())
    }

    /// Reads and compares the checksum that follows the end.
    fn finish(&mut self) -> Result<(), LoadError> {
        self.is_at_end = true;
        if self.version < FIRST_WITH_CHECKSUM {
            // A version that is another by damage would pass for one that has no checksum.
            return match self.fill(1)? {
                true => Err(self.error(Reason::GoesOn(self.version))),
                false => Ok(()),
            };
        }
        if !self.fill(CHECKSUM_LEN)? {
            return Err(self.error_at_end());
        }
        let computed = self.checksum.value();
        let told = Input::new(&self.buffer).u64();
        let told = told.map_err(|error| self.error(error))?;
        self.offset += CHECKSUM_LEN as u64;
        if !self.limits.verify {
            return Ok(());
        }
        if told == 0 {
            warn!("RDB file was saved with checksum disabled: no check performed.");
        } else if told != computed {
            return Err(self.error(Reason::Checksum { computed, told }));
        }
        Ok(())
    }

    /// Reads until the buffer holds so many bytes; answers whether it does.
    fn fill(&mut self, len: usize) -> Result<bool, LoadError> {
        let mut filled = self.buffer.len();
        if filled >= len {
            return Ok(true);
        }
        self.buffer.resize(len, 0);
        let result = loop {
            match self.stream.read(&mut self.buffer[filled..]) {
                Ok(0) => break Ok(filled == len),
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let offset = self.offset + filled as u64;
                    break Err(LoadError {
                        offset,
                        reason: error.into(),
                    });
                }
            }
        };
        self.buffer.truncate(filled);
        result
    }

    /// Forgets bytes at the front of the buffer.
    fn cut_off(&mut self, len: usize) {
        self.checksum.update(&self.buffer[..len]);
        self.buffer.drain(..len);
        self.offset += len as u64;
    }

    /// The stream has come to its end before the data have.
    fn error_at_end(&self) -> LoadError {
        LoadError {
            offset: self.offset + self.buffer.len() as u64,
            reason: FormatError::Truncated.into(),
        }
    }

    fn error(&self, reason: impl Into<Reason>) -> LoadError {
        LoadError {
            offset: self.offset,
            reason: reason.into(),
        }
    }
}

/// Logs what a file tells of itself, in Redis's words.
fn note_aux(
    name: RawString<'_>,
    value: RawString<'_>,
    loading: &Loading,
) -> Result<(), FormatError> {
    let (name, value) = (name.bytes()?, value.bytes()?);
    let text = value.escape_ascii();
    let number = || {
        let text = std::str::from_utf8(&value).ok();
        text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    match &name[..] {
        [b'%', ..] => info!("RDB '{}': {text}", name.escape_ascii()),
        b"redis-ver" => info!("Loading RDB produced by version {text}"),
        b"valkey-ver" => info!("Loading RDB produced by Valkey version {text}"),
        b"ctime" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let now = now.map_or(0, |elapsed| elapsed.as_secs());
            info!("RDB age {} seconds", now.saturating_sub(number()));
        }
        b"used-mem" => {
            loading.note_used_memory(number());
            let megabytes = number() as f64 / (1024.0 * 1024.0);
            info!("RDB memory usage when created {megabytes:.2} Mb");
        }
        b"aof-preamble" if number() != 0 => info!("RDB has an AOF tail"),
        b"aof-base" if number() != 0 => info!("RDB is base AOF"),
        _ => debug!("RDB field '{}': {text}", name.escape_ascii()),
    }
    Ok(())
}
