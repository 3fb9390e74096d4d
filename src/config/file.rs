//! redis.conf: one directive per line, arguments separated by blanks, quotes where they need them.

use std::path::{Path, PathBuf};

use super::load::{LoadError, Origin, Problem, Statement};
use crate::protocol::{glob, inline};

/// The statements of a file. `path` is for messages.
pub fn statements(text: &[u8], path: &Path) -> Result<Vec<Statement>, LoadError> {
    let mut statements = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let origin = Origin::Line {
            file: path.to_owned(),
            number: index + 1,
            text: String::from_utf8_lossy(line).into_owned(),
        };
        let Some(mut words) = inline::split(line) else {
            return Err(LoadError::at(origin, Problem::Quotes));
        };
        if !words.is_empty() {
            let args = words.split_off(1);
            statements.push(Statement {
                name: words.remove(0),
                args,
                origin,
            });
        }
    }
    Ok(statements)
}

/// The files that the argument of `include` names, in alphabetical order where it has wildcards.
///
/// A pattern that matches nothing names no file; a plain path names itself whether it exists or not.
pub fn expand(pattern: &[u8]) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(pattern);
    if !has_wildcard(&text) {
        return vec![PathBuf::from(text.as_ref())];
    }
    let mut paths = vec![PathBuf::from(if text.starts_with('/') { "/" } else { "" })];
    for part in text.split('/').filter(|part| !part.is_empty()) {
        paths = paths.iter().flat_map(|path| step(path, part)).collect();
    }
    paths.retain(|path| path.exists());
    paths
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The paths below `folder` that match one part of a pattern. A leading dot is matched only by a dot.
fn step(folder: &Path, part: &str) -> Vec<PathBuf> {
    if !has_wildcard(part) {
        return vec![folder.join(part)];
    }
    let listed = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let Ok(entries) = std::fs::read_dir(listed) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| {
            let name = name.as_encoded_bytes();
            (part.starts_with('.') || !name.starts_with(b"."))
                && glob::matches(part.as_bytes(), name, false)
        })
        .collect();
    names.sort_unstable();
    names.into_iter().map(|name| folder.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, Vec<String>)> {
        statements(text.as_bytes(), Path::new("test.conf"))
            .unwrap_or_else(|error| panic!("{error}"))
            .into_iter()
            .map(|statement| {
                let Origin::Line { number, .. } = statement.origin else {
                    panic!("not a line")
                };
                let words = std::iter::once(statement.name)
                    .chain(statement.args)
                    .map(|word| String::from_utf8_lossy(&word).into_owned())
                    .collect();
                (number, words)
            })
            .collect()
    }

    #[test]
    fn lines_become_statements() {
        let text =
            "# comment\n\n  port 6379\t\r\nrequirepass \"a \\\"b\\\" \\x41\"\nlogfile ''\nbind a b";
        let expected = [
            (3, vec!["port", "6379"]),
            (4, vec!["requirepass", "a \"b\" A"]),
            (5, vec!["logfile", ""]),
            (6, vec!["bind", "a", "b"]),
        ];
        let found = words(text);
        assert_eq!(found.len(), expected.len());
        for ((number, words), (line, expected)) in found.iter().zip(expected) {
            assert_eq!(
                (
                    *number,
                    words.iter().map(String::as_str).collect::<Vec<_>>()
                ),
                (line, expected)
            );
        }
    }

    #[test]
    fn unbalanced_quotes_are_refused_with_their_line() {
        let error = statements(b"port 1\nlogfile \"x", Path::new("/etc/test.conf"))
            .unwrap_err()
            .to_string();
        let expected = "In /etc/test.conf\nReading the configuration file, at line 2\n>>> 'logfile \"x'\n\
            Unbalanced quotes in configuration line";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn wildcards_name_existing_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", ".hidden.conf", "c.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let pattern = format!("{}/*.conf", folder.path().display());
        let names: Vec<_> = expand(pattern.as_bytes())
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a.conf", "b.conf"]);
        assert!(expand(format!("{}/*.none", folder.path().display()).as_bytes()).is_empty());
        assert_eq!(expand(b"no/such/file"), [PathBuf::from("no/such/file")]);
    }
}
