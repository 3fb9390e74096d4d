//! The command line of the wire: a request typed as plain words, the way `telnet` or a configuration file holds it.
//!
//! Words are separated by blanks. `"double quotes"` understand `\n \r \t \a \b`, `\xhh` and a backslash before
//! anything else; `'single quotes'` understand only `\'`. A closing quote must end its word. [`quote`] is the inverse:
//! whatever it prints, [`split`] reads back as one word.

use std::fmt::Write;

/// The blanks of C's `isspace`, which has one more (`\v`) than [`u8::is_ascii_whitespace`].
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Splits a line into its words, or `None` when a quote is left open or is followed by something other than a blank.
///
/// A blank line has no words. The line may or may not still carry its line end.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return Some(words);
        }
        let (word, after) = next_word(rest)?;
        words.push(word);
        rest = after;
    }
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&byte| is_space(byte)).count();
    &line[blanks..]
}

/// Reads one word from a line that begins with it; returns the word and what follows.
fn next_word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        match *rest {
            // `\v` and `\f` separate words only where a word has not begun: the reference has it so.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some((word, rest)),
            [b'"', ref quoted @ ..] => {
                let after = double_quoted(quoted, &mut word)?;
                return Some((word, after));
            }
            [b'\'', ref quoted @ ..] => {
                let after = single_quoted(quoted, &mut word)?;
                return Some((word, after));
            }
            [byte, ref after @ ..] => {
                word.push(byte);
                rest = after;
            }
        }
    }
}

/// Reads up to the closing `"` and returns what follows it.
fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [] => return None,
            [b'"', ref after @ ..] => return at_word_end(after),
            [b'\\', b'x', high, low, ref after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex_digit(high) << 4 | hex_digit(low));
                after
            }
            [b'\\', escaped, ref after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                after
            }
            [byte, ref after @ ..] => {
                word.push(byte);
                after
            }
        }
    }
}

/// Reads up to the closing `'` and returns what follows it.
fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [] => return None,
            [b'\\', b'\'', ref after @ ..] => {
                word.push(b'\'');
                after
            }
            [b'\'', ref after @ ..] => return at_word_end(after),
            [byte, ref after @ ..] => {
                word.push(byte);
                after
            }
        }
    }
}

fn at_word_end(after_quote: &[u8]) -> Option<&[u8]> {
    after_quote
        .first()
        .is_none_or(|&byte| is_space(byte))
        .then_some(after_quote)
}

/// The value of an ASCII hexadecimal digit.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Writes bytes as one double-quoted word of printable ASCII, for logs, `MONITOR` and rewritten configuration files.
pub fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            0x07 => quoted.push_str("\\a"),
            0x08 => quoted.push_str("\\b"),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => write!(quoted, "\\x{byte:02x}").expect("writing to a String cannot fail"),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let words = split(line.as_bytes())?;
        Some(
            words
                .into_iter()
                .map(|word| String::from_utf8(word).unwrap())
                .collect(),
        )
    }

    fn some(expected: &[&str]) -> Option<Vec<String>> {
        Some(expected.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn words_are_separated_by_blanks() {
        assert_eq!(
            words("SET  key\tvalue \r\n"),
            some(&["SET", "key", "value"])
        );
        assert_eq!(words(" \t\x0b\x0c\r\n"), some(&[]));
        assert_eq!(words(""), some(&[]));
        assert_eq!(words("a\x0bb \x0bc"), some(&["a\x0bb", "c"]));
    }

    #[test]
    fn double_quotes_escape() {
        assert_eq!(
            words(r#""a b" "\n\r\t\a\b\"\\\z""#),
            some(&["a b", "\n\r\t\x07\x08\"\\z"])
        );
        assert_eq!(words(r#""\x41\x4a\x4" """#), some(&["AJx4", ""]));
        assert_eq!(split(br#""\xFf""#), Some(vec![vec![0xff]]));
    }

    #[test]
    fn single_quotes_escape_only_themselves() {
        assert_eq!(
            words(r"'it\'s' '\n\x41' ''"),
            some(&["it's", r"\n\x41", ""])
        );
    }

    #[test]
    fn a_quote_may_open_inside_a_word_and_must_close_at_its_end() {
        assert_eq!(words(r#"foo"bar" x'y z'"#), some(&["foobar", "xy z"]));
        for unbalanced in [
            r#""foo"bar"#,
            r#""foo"'bar'"#,
            "'a'b",
            r#""open"#,
            "'open",
            r#""a\""#,
            r#"" "" "#,
            "\"\\",
        ] {
            assert_eq!(words(unbalanced), None, "{unbalanced}");
        }
        assert_eq!(words("\"a\"\x0b'b'\x0cc"), some(&["a", "b", "c"]));
    }

    #[test]
    fn quoting_is_readable() {
        assert_eq!(
            quote(b"a\"\\\n\r\t\x07\x08 ~\x00\x7f\xff"),
            r#""a\"\\\n\r\t\a\b ~\x00\x7f\xff""#
        );
    }

    proptest! {
        #[test]
        fn what_is_quoted_splits_back(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(line.as_bytes()), Some(words));
        }
    }
}
