//! The kinds of single values: how text becomes yes or no, a number, a size, a word, a name, and back.
//!
//! A kind is separate from the type that it fills, because one type has several spellings: a `u64` may be a count, a
//! size in bytes or an octal mode, each with its own limits and its own words for a refusal.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::PathBuf;

use crate::protocol::number;

/// Why a value was refused, in the words that a client sees.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub Cow<'static, str>);

impl From<&'static str> for Invalid {
    fn from(reason: &'static str) -> Self {
        Invalid(reason.into())
    }
}

impl From<String> for Invalid {
    fn from(reason: String) -> Self {
        Invalid(reason.into())
    }
}

/// A spelling of values of type `T`.
pub trait Kind<T> {
    /// Reads `args` into `value`; leaves it alone on an error.
    fn set(&self, value: &mut T, args: &[&[u8]]) -> Result<(), Invalid>;

    /// The value as `CONFIG GET` shows it.
    fn get(&self, value: &T) -> Vec<u8>;

    /// The value as lines of a file, each a list of arguments.
    fn lines(&self, value: &T) -> Vec<Vec<Vec<u8>>> {
        vec![vec![self.get(value)]]
    }

    /// Forgets what earlier lines added, for values that lines add to.
    fn clear(&self, _value: &mut T) {}
}

/// The only argument.
pub(super) fn single<'a>(args: &[&'a [u8]]) -> Result<&'a [u8], Invalid> {
    match args {
        [only] => Ok(only),
        _ => Err("wrong number of arguments".into()),
    }
}

fn utf8(arg: &[u8]) -> Result<&str, Invalid> {
    std::str::from_utf8(arg).map_err(|_| "argument must be valid UTF-8".into())
}

/// `yes` or `no`.
pub(super) struct YesNo;

impl Kind<bool> for YesNo {
    fn set(&self, value: &mut bool, args: &[&[u8]]) -> Result<(), Invalid> {
        let arg = single(args)?;
        *value = if arg.eq_ignore_ascii_case(b"yes") {
            true
        } else if arg.eq_ignore_ascii_case(b"no") {
            false
        } else {
            return Err("argument must be 'yes' or 'no'".into());
        };
        Ok(())
    }

    fn get(&self, value: &bool) -> Vec<u8> {
        if *value {
            b"yes".to_vec()
        } else {
            b"no".to_vec()
        }
    }
}

fn out_of_range(min: impl Display, max: impl Display) -> Invalid {
    format!("argument must be between {min} and {max} inclusive").into()
}

/// The largest C `int`: the limit of many directives.
pub(super) const INT_MAX: i64 = i32::MAX as i64;

/// A whole number from `min` to `max`.
pub(super) struct Integer {
    pub min: i64,
    pub max: i64,
}

/// A whole number from `min` to `max`.
pub(super) const fn integer(min: i64, max: i64) -> Integer {
    Integer { min, max }
}

impl Integer {
    fn parse(&self, args: &[&[u8]]) -> Result<i64, Invalid> {
        let number = number::parse_i64(single(args)?).ok_or(Invalid(
            "argument couldn't be parsed into an integer".into(),
        ))?;
        if number < self.min || number > self.max {
            return Err(out_of_range(self.min, self.max));
        }
        Ok(number)
    }
}

impl<T: TryFrom<i64> + Display> Kind<T> for Integer {
    fn set(&self, value: &mut T, args: &[&[u8]]) -> Result<(), Invalid> {
        *value = T::try_from(self.parse(args)?).map_err(|_| out_of_range(self.min, self.max))?;
        Ok(())
    }

    fn get(&self, value: &T) -> Vec<u8> {
        value.to_string().into_bytes()
    }
}

/// A whole number that is accepted up to the largest `int` and then moved into `min..=max`.
pub(super) struct Clamped {
    pub min: i64,
    pub max: i64,
}

impl<T: TryFrom<i64> + Display> Kind<T> for Clamped {
    fn set(&self, value: &mut T, args: &[&[u8]]) -> Result<(), Invalid> {
        let number = integer(0, INT_MAX).parse(args)?.clamp(self.min, self.max);
        *value = T::try_from(number).map_err(|_| out_of_range(self.min, self.max))?;
        Ok(())
    }

    fn get(&self, value: &T) -> Vec<u8> {
        value.to_string().into_bytes()
    }
}

/// Reads a size in bytes: digits, then nothing or one of `b k kb m mb g gb` (`k` is 1000, `kb` is 1024).
/// None when it is anything else or does not fit in 64 bits.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    std::str::from_utf8(number)
        .ok()?
        .parse::<u64>()
        .ok()?
        .checked_mul(factor)
}

/// Writes a size in the largest unit that divides it.
pub(super) fn format_memory(bytes: u64) -> String {
    [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")]
        .into_iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .map_or_else(
            || bytes.to_string(),
            |(unit, name)| format!("{}{name}", bytes / unit),
        )
}

/// A size in bytes from `min` to `max`.
pub(super) struct Memory {
    pub min: u64,
    pub max: u64,
}

/// A size in bytes from `min` to `max`.
pub(super) const fn memory(min: u64, max: u64) -> Memory {
    Memory { min, max }
}

/// The largest size that is a signed 64-bit number: the limit of most sizes.
pub(super) const LONG_MAX: u64 = i64::MAX as u64;

impl<T: TryFrom<u64> + TryInto<u64> + Display + Copy> Kind<T> for Memory {
    fn set(&self, value: &mut T, args: &[&[u8]]) -> Result<(), Invalid> {
        let bytes =
            parse_memory(single(args)?).ok_or(Invalid("argument must be a memory value".into()))?;
        if bytes < self.min || bytes > self.max {
            return Err(out_of_range(self.min, self.max));
        }
        *value = T::try_from(bytes).map_err(|_| out_of_range(self.min, self.max))?;
        Ok(())
    }

    fn get(&self, value: &T) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    fn lines(&self, value: &T) -> Vec<Vec<Vec<u8>>> {
        let text = (*value)
            .try_into()
            .map_or_else(|_| value.to_string(), format_memory);
        vec![vec![text.into_bytes()]]
    }
}

/// A limit given in bytes or as a share of some total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    Bytes(u64),
    /// 1 to 100.
    Percent(u8),
}

impl MemoryLimit {
    /// The limit in bytes where `total` is the whole. 0 means no limit.
    pub fn bytes_of(self, total: u64) -> u64 {
        match self {
            MemoryLimit::Bytes(bytes) => bytes,
            MemoryLimit::Percent(percent) => (u128::from(total) * u128::from(percent) / 100) as u64,
        }
    }
}

/// A size in bytes up to `max`, or a percentage.
pub(super) struct MemoryOrPercent {
    pub max: u64,
}

impl Kind<MemoryLimit> for MemoryOrPercent {
    fn set(&self, value: &mut MemoryLimit, args: &[&[u8]]) -> Result<(), Invalid> {
        let arg = single(args)?;
        *value = if let Some(bytes) = parse_memory(arg) {
            if bytes > self.max {
                return Err(out_of_range(0, self.max));
            }
            MemoryLimit::Bytes(bytes)
        } else {
            let percent = arg
                .strip_suffix(b"%")
                .and_then(number::parse_i64)
                .filter(|percent| *percent >= 0)
                .ok_or(Invalid("argument must be a memory or percent value".into()))?;
            match u8::try_from(percent) {
                Ok(0) => MemoryLimit::Bytes(0),
                Ok(percent @ 1..=100) => MemoryLimit::Percent(percent),
                _ => return Err("percentage argument must be less or equal to 100".into()),
            }
        };
        Ok(())
    }

    fn get(&self, value: &MemoryLimit) -> Vec<u8> {
        match value {
            MemoryLimit::Bytes(bytes) => bytes.to_string(),
            MemoryLimit::Percent(percent) => format!("{percent}%"),
        }
        .into_bytes()
    }

    fn lines(&self, value: &MemoryLimit) -> Vec<Vec<Vec<u8>>> {
        let text = match value {
            MemoryLimit::Bytes(bytes) => format_memory(*bytes).into_bytes(),
            MemoryLimit::Percent(_) => self.get(value),
        };
        vec![vec![text]]
    }
}

/// File permissions in octal, 0 to 777.
pub(super) struct Permissions;

impl Kind<u32> for Permissions {
    fn set(&self, value: &mut u32, args: &[&[u8]]) -> Result<(), Invalid> {
        let mode = std::str::from_utf8(single(args)?)
            .ok()
            .and_then(|text| u32::from_str_radix(text, 8).ok())
            .ok_or(Invalid(
                "argument couldn't be parsed as an octal number".into(),
            ))?;
        if mode > 0o777 {
            return Err(out_of_range(0, 777));
        }
        *value = mode;
        Ok(())
    }

    fn get(&self, value: &u32) -> Vec<u8> {
        format!("{value:o}").into_bytes()
    }
}

/// Any text; empty means that there is none.
pub(super) struct Text;

impl Kind<String> for Text {
    fn set(&self, value: &mut String, args: &[&[u8]]) -> Result<(), Invalid> {
        *value = utf8(single(args)?)?.to_owned();
        Ok(())
    }

    fn get(&self, value: &String) -> Vec<u8> {
        value.clone().into_bytes()
    }
}

/// Any bytes: passwords need not be text.
pub(super) struct Secret;

impl Kind<Vec<u8>> for Secret {
    fn set(&self, value: &mut Vec<u8>, args: &[&[u8]]) -> Result<(), Invalid> {
        *value = single(args)?.to_vec();
        Ok(())
    }

    fn get(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }
}

/// The name of a file or folder inside `dir`: no path.
pub(super) struct BaseName {
    /// The directive, for the words of a refusal.
    pub directive: &'static str,
    /// `filename` or `dirname`.
    pub noun: &'static str,
    pub may_be_empty: bool,
}

impl Kind<String> for BaseName {
    fn set(&self, value: &mut String, args: &[&[u8]]) -> Result<(), Invalid> {
        let name = utf8(single(args)?)?;
        if name.is_empty() && !self.may_be_empty {
            return Err(format!("{} can't be empty", self.directive).into());
        }
        if name.contains(['/', '\\']) {
            return Err(format!("{} can't be a path, just a {}", self.directive, self.noun).into());
        }
        *value = name.to_owned();
        Ok(())
    }

    fn get(&self, value: &String) -> Vec<u8> {
        value.clone().into_bytes()
    }
}

/// A folder that exists; shown and kept as an absolute path.
pub(super) struct Directory;

impl Kind<PathBuf> for Directory {
    fn set(&self, value: &mut PathBuf, args: &[&[u8]]) -> Result<(), Invalid> {
        let refuse = |error: std::io::Error| Invalid(plain(&error).into());
        let path = std::fs::canonicalize(utf8(single(args)?)?).map_err(refuse)?;
        // Reading it is what tells a folder that may be entered from one that may not.
        std::fs::read_dir(&path).map_err(refuse)?;
        *value = path;
        Ok(())
    }

    fn get(&self, value: &PathBuf) -> Vec<u8> {
        let path = std::fs::canonicalize(value).unwrap_or_else(|_| value.clone());
        path.into_os_string().into_encoded_bytes()
    }

    fn lines(&self, value: &PathBuf) -> Vec<Vec<Vec<u8>>> {
        vec![vec![value.as_os_str().as_encoded_bytes().to_vec()]]
    }
}

/// The system's words for an error, without Rust's ` (os error 2)`.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// An enumeration whose values have names in the configuration.
pub trait Choice: Copy + PartialEq + 'static {
    /// The values and their names, in the order in which a refusal lists them.
    const NAMES: &'static [(Self, &'static str)];

    /// The name of this value.
    fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("", |(_, name)| name)
    }
}

fn none_of<'a>(names: impl Iterator<Item = &'a str>) -> Invalid {
    let names: Vec<_> = names.collect();
    format!(
        "argument(s) must be one of the following: {}",
        names.join(", ")
    )
    .into()
}

/// The name of one value of a [`Choice`].
pub(super) struct Named;

impl<T: Choice> Kind<T> for Named {
    fn set(&self, value: &mut T, args: &[&[u8]]) -> Result<(), Invalid> {
        let arg = single(args)?;
        let (found, _) = T::NAMES
            .iter()
            .find(|(_, name)| name.as_bytes().eq_ignore_ascii_case(arg))
            .ok_or_else(|| none_of(T::NAMES.iter().map(|(_, name)| *name)))?;
        *value = *found;
        Ok(())
    }

    fn get(&self, value: &T) -> Vec<u8> {
        value.name().as_bytes().to_vec()
    }
}

/// One of some words, for directives that are kept but mean nothing here.
pub(super) struct OneOf(pub &'static [&'static str]);

impl Kind<&'static str> for OneOf {
    fn set(&self, value: &mut &'static str, args: &[&[u8]]) -> Result<(), Invalid> {
        let arg = single(args)?;
        *value = self
            .0
            .iter()
            .find(|name| name.as_bytes().eq_ignore_ascii_case(arg))
            .ok_or_else(|| none_of(self.0.iter().copied()))?;
        Ok(())
    }

    fn get(&self, value: &&'static str) -> Vec<u8> {
        value.as_bytes().to_vec()
    }
}

/// Declares an enumeration and the names of its values.
macro_rules! choices {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$value_meta:meta])* $value:ident = $text:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$value_meta])* $value, )*
        }

        impl $crate::config::value::Choice for $name {
            const NAMES: &'static [(Self, &'static str)] = &[$(($name::$value, $text)),*];
        }
    };
}
pub(super) use choices;
