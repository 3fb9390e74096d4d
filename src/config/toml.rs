//! TOML: the same names as redis.conf, one key each.
//!
//! A string, number or boolean is the only argument; an array is several. For a directive that stands on lines of its
//! own (`user`, `include`), each string of an array is such a line. There are no tables.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::load::{LoadError, Origin, Problem, Statement};
use super::lookup;

/// Whether the file of this name is TOML.
pub fn is_toml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "toml")
}

/// A file, and where its lines are.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// The line on which `offset` lies.
    fn origin(&self, offset: usize) -> Origin {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let number = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let text = self
            .text
            .lines()
            .nth(number - 1)
            .unwrap_or_default()
            .trim()
            .to_owned();
        Origin::Line {
            file: self.path.to_owned(),
            number,
            text,
        }
    }

    fn refuse(&self, offset: usize, reason: &str) -> LoadError {
        LoadError::at(self.origin(offset), Problem::Toml(reason.to_owned()))
    }
}

/// The statements of a file, in its order. `path` is for messages.
pub fn statements(text: &[u8], path: &Path) -> Result<Vec<Statement>, LoadError> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let readable = String::from_utf8_lossy(&text[..error.valid_up_to()]);
        Source {
            path,
            text: &readable,
        }
        .refuse(readable.len(), "TOML must be valid UTF-8")
    })?;
    let source = Source { path, text };
    let mut statements = Vec::new();
    for (name, value) in entries(text).map_err(|(offset, reason)| source.refuse(offset, &reason))? {
        let origin = source.origin(name.span().start);
        let name = name.get_ref().as_bytes().to_vec();
        let mut args = Vec::new();
        match value.get_ref() {
            DeValue::Array(elements) => {
                for element in elements {
                    args.push(scalar(element).ok_or_else(|| {
                        source.refuse(
                            element.span().start,
                            "an array holds strings, numbers and booleans only",
                        )
                    })?);
                }
            }
            _ => args.push(scalar(&value).ok_or_else(|| {
                source.refuse(
                    value.span().start,
                    "a value is a string, a number, a boolean or an array of these",
                )
            })?),
        }
        if lookup(&name).is_some_and(|directive| directive.file_only) {
            let line = |arg| Statement {
                name: name.clone(),
                args: vec![arg],
                origin: origin.clone(),
            };
            statements.extend(args.into_iter().map(line));
        } else {
            statements.push(Statement { name, args, origin });
        }
    }
    Ok(statements)
}

type Entry<'a> = (Spanned<std::borrow::Cow<'a, str>>, Spanned<DeValue<'a>>);

/// Keys and values in the order of the text, or where it is wrong and why.
fn entries(text: &str) -> Result<Vec<Entry<'_>>, (usize, String)> {
    let table = DeTable::parse(text).map_err(|error| {
        (
            error.span().unwrap_or(0..0).start,
            error.message().to_owned(),
        )
    })?;
    let mut entries: Vec<_> = table.into_inner().into_iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    Ok(entries)
}

/// The argument that a value stands for.
fn scalar(value: &Spanned<DeValue<'_>>) -> Option<Vec<u8>> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()?
            .to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(true) => "yes".to_owned(),
        DeValue::Boolean(false) => "no".to_owned(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => return None,
    };
    Some(text.into_bytes())
}

/// A key of a text, for rewriting.
pub(super) struct Key {
    pub name: String,
    /// Where its value stands, in bytes.
    pub value: Range<usize>,
    pub args: Vec<Vec<u8>>,
}

/// The keys of a text in its order. None when it is not TOML.
pub(super) fn keys(text: &str) -> Option<Vec<Key>> {
    let keys = entries(text).ok()?.into_iter().map(|(name, value)| Key {
        name: name.get_ref().to_string(),
        value: value.span(),
        args: match value.get_ref() {
            DeValue::Array(elements) => elements.iter().filter_map(scalar).collect(),
            _ => scalar(&value).into_iter().collect(),
        },
    });
    Some(keys.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let statements =
            statements(text.as_bytes(), Path::new("m.toml")).map_err(|error| error.to_string())?;
        Ok(statements
            .into_iter()
            .map(|one| {
                (
                    text_of(&one.name),
                    one.args.iter().map(|arg| text_of(arg)).collect(),
                )
            })
            .collect())
    }

    #[test]
    fn values_become_arguments() {
        let text = "# comment\nport = 7_000\nmaxmemory = \"1gb\"\nappendonly = true\nbind = [\"a\", \"b\"]\n\
            unixsocketperm = 700\nlatency-tracking-info-percentiles = [50, 99.9]\nuser = [\"a on\", \"b off\"]\n";
        let expected: &[(&str, &[&str])] = &[
            ("port", &["7000"]),
            ("maxmemory", &["1gb"]),
            ("appendonly", &["yes"]),
            ("bind", &["a", "b"]),
            ("unixsocketperm", &["700"]),
            ("latency-tracking-info-percentiles", &["50", "99.9"]),
            ("user", &["a on"]),
            ("user", &["b off"]),
        ];
        let found = read(text).unwrap_or_default();
        assert_eq!(found.len(), expected.len());
        for ((name, args), (expected_name, expected_args)) in found.iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert_eq!(args, expected_args);
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, line, word) in [
            ("port = 1\n\nhz = \n", 3, "hz ="),
            ("port = 1\n[network]\nhz = 1\n", 2, "[network]"),
            ("port = 1\nbind = [[\"a\"]]\n", 2, "bind"),
            ("port = 1\nport = 2\n", 2, "port = 2"),
            ("port = 1979-05-27\n", 1, "port"),
        ] {
            let error = read(text).expect_err(text);
            assert!(
                error.contains(&format!("at line {line}\n>>> '{word}")),
                "{text}: {error}"
            );
        }
    }
}
