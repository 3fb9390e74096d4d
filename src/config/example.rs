//! `redis.conf.example`: every honoured directive with its documentation and default, written from the declarations.

use super::directive::{Directive, Effect};
use super::load::quoted;
use super::{Config, SECTIONS};

const PREAMBLE: &str = "\
# Minium: every directive that has an effect, with its default.
#
#   minium /path/to/this/file
#
# One directive per line: a name and its values, separated by blanks. A value with blanks stands in quotes.
# A size in bytes may have a unit, in any letter case: 1k = 1000, 1kb = 1024, 1m = 1000 * 1000, 1mb = 1024 * 1024,
# 1g = 1000 * 1000 * 1000, 1gb = 1024 * 1024 * 1024.
#
# Other files are read where they are named; wildcards are allowed:
#
#   include /path/to/other.conf
#
# A directive of Redis 7.2 that is missing here is accepted and kept, but does nothing yet; when it is set to
# something else than its default, a line in the log says what is missing.
";

/// The text of the example file.
pub fn text() -> String {
    let default = Config::default();
    let mut text = PREAMBLE.to_owned();
    for section in SECTIONS {
        let honoured = section
            .directives
            .iter()
            .filter(|directive| directive.effect == Effect::Honoured);
        let mut honoured = honoured.filter(|directive| !directive.hidden).peekable();
        if honoured.peek().is_some() {
            text.push_str(&format!("\n{:#^80}\n", format!(" {} ", section.title)));
        }
        for directive in honoured {
            describe(directive, &default, &mut text);
        }
    }
    text
}

fn describe(directive: &Directive, default: &Config, text: &mut String) {
    text.push('\n');
    for line in directive.doc.lines() {
        text.push_str(format!("# {}", line.trim()).trim_end());
        text.push('\n');
    }
    for args in directive.lines(default) {
        let args: Vec<_> = args.iter().map(|arg| quoted(arg)).collect();
        text.push_str(&format!("{} {}\n", directive.name, args.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set `MINIUM_BLESS=1` to write the file instead of comparing it.
    #[test]
    fn the_file_is_what_the_declarations_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/redis.conf.example");
        if std::env::var_os("MINIUM_BLESS").is_some() {
            std::fs::write(path, text()).unwrap();
        }
        let file = std::fs::read_to_string(path).unwrap();
        assert!(
            file == text(),
            "redis.conf.example is out of date: run this test with MINIUM_BLESS=1"
        );
    }
}
