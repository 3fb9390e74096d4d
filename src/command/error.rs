//! What a command answers when it cannot do its work. Clients match on these texts, so each is written once, here.

use std::borrow::Cow;
use std::collections::TryReserveError;

use thiserror::Error;

use crate::scripting::busy::BusyError;
use crate::types::WrongType;

/// The end of a command: its reply is written, or this error is to be sent.
pub type Outcome = Result<(), Error>;

/// An error reply; its text begins with the error code.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// The arguments do not fit together.
    #[error("ERR syntax error")]
    Syntax,
    /// The key holds a value of another type.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// Not a 64-bit integer.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// An integer, but not a 32-bit one.
    #[error(
        "ERR value is out of range, value must between {} and {}",
        i32::MIN,
        i32::MAX
    )]
    NotInteger32,
    /// Not an integer from 0 on.
    #[error("ERR value is out of range, must be positive")]
    NotCount,
    /// A number of keys that is none.
    #[error("ERR numkeys should be greater than 0")]
    NumKeys,
    /// A limit on what is counted that is no count.
    #[error("ERR LIMIT can't be negative")]
    NegativeLimit,
    /// The memory is full and nothing may be evicted.
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    /// The last snapshot failed, and the configuration wants no writes then.
    #[error(
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may \
         modify the data set are disabled, because this instance is configured to report errors during writes if RDB \
         snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."
    )]
    NotPersisted,
    /// The system gives no more memory.
    #[error("OOM the system refuses the memory that this command needs")]
    Refused,
    /// The data are not all there yet.
    #[error("LOADING Redis is loading the dataset in memory")]
    Loading,
    /// The name is taken.
    #[error("BUSYKEY Target key name already exists.")]
    BusyKey,
    /// Not a finite decimal number.
    #[error("ERR value is not a valid float")]
    NotFloat,
    /// The result would not fit 64 bits.
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    /// A sum of decimal numbers that is none.
    #[error("ERR increment would produce NaN or Infinity")]
    SumNotFinite,
    /// The key is not there.
    #[error("ERR no such key")]
    NoSuchKey,
    /// A time to wait that is no number of seconds.
    #[error("ERR timeout is not a float or out of range")]
    NotTimeout,
    /// A database number that does not exist.
    #[error("ERR DB index is out of range")]
    DatabaseIndex,
    /// A cursor that is not a number.
    #[error("ERR invalid cursor")]
    InvalidCursor,
    /// The number of arguments does not fit; `0` is the full name.
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(String),
    /// An expiry that cannot be represented; `0` is the full name.
    #[error("ERR invalid expire time in '{0}' command")]
    ExpireTime(&'static str),
    /// As [`Error::Text`], where the text repeats bytes of the request, whatever they are.
    #[error("{}", String::from_utf8_lossy(.0))]
    Quoting(Vec<u8>),
    /// As [`Error::Quoting`], of what was counted as an error before.
    #[error("{}", String::from_utf8_lossy(.0))]
    Counted(Vec<u8>),
    /// Anything said only in one place; the text holds the code.
    #[error("{0}")]
    Text(Cow<'static, str>),
}

impl From<TryReserveError> for Error {
    fn from(_: TryReserveError) -> Error {
        Error::Refused
    }
}

impl From<BusyError> for Error {
    fn from(error: BusyError) -> Error {
        Error::Text(error.to_string().into())
    }
}

impl From<WrongType> for Error {
    fn from(_: WrongType) -> Error {
        Error::WrongType
    }
}

impl Error {
    /// An error that repeats a word of the request between these texts, cut by [`until_zero`].
    pub fn quoting(before: &str, word: &[u8], after: &str) -> Error {
        Error::Quoting([before.as_bytes(), until_zero(word), after.as_bytes()].concat())
    }

    /// An error with a text of its own, which begins with the error code.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Error {
        Error::Text(text.into())
    }
}

/// The part of a word that Redis repeats in an error: a zero byte is the end of a text in C.
pub fn until_zero(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}
