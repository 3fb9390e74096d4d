//! The command table of docs/compatibility.md, which is written from the rows of the commands.
//!
//! `MINIUM_BLESS=1 cargo test --test it compatibility` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use minium::command::{Command, FAMILIES, Group, help, syntax};

const BEGIN: &str = "<!-- The tables from here on are written from the source; see tests/it/compatibility.rs. -->\n";
const END: &str = "<!-- Up to here. -->\n";

/// Every command as a table of its group.
fn tables() -> String {
    let rows = || FAMILIES.iter().copied().flatten();
    let mut groups: Vec<Group> = Vec::new();
    for row in rows() {
        if !groups.contains(&row.group) {
            groups.push(row.group);
        }
    }
    groups.sort_by_key(|group| group.name());
    let mut text = String::new();
    for group in groups {
        let mut lines: Vec<String> = Vec::new();
        for row in rows().filter(|row| row.group == group) {
            if row.subcommands.is_empty() || row.arity == -1 {
                lines.push(line("", row));
            }
            let container = format!("{} ", row.name.to_ascii_uppercase());
            let subcommands = row
                .subcommands
                .iter()
                .filter(|row| row.name != help::ROW.name);
            lines.extend(subcommands.map(|row| line(&container, row)));
        }
        lines.sort();
        write!(
            text,
            "\n### {}\n\n| Command | What it does |\n| --- | --- |\n{}",
            group.name(),
            lines.concat()
        )
        .expect("writing to a String cannot fail");
    }
    text
}

fn line(container: &str, row: &Command) -> String {
    let usage = format!(
        "{container}{} {}",
        row.name.to_ascii_uppercase(),
        syntax::plain(row.syntax)
    );
    let usage = usage.trim_end().replace('|', "\\|");
    format!("| `{usage}` | {} |\n", row.summary)
}

#[test]
fn the_command_table_is_that_of_the_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    let page = fs::read_to_string(&path).expect("docs/compatibility.md");
    let (before, rest) = page.split_once(BEGIN).expect("where the tables begin");
    let (_, after) = rest.split_once(END).expect("where the tables end");
    let expected = format!("{before}{BEGIN}{}\n{END}{after}", tables());
    if std::env::var_os("MINIUM_BLESS").is_some() {
        fs::write(&path, expected).expect("docs/compatibility.md can be written");
    } else {
        assert!(
            page == expected,
            "docs/compatibility.md is out of date; MINIUM_BLESS=1 writes it"
        );
    }
}

#[test]
fn every_row_is_documented() {
    fn check(row: &Command) {
        assert!(
            row.summary.ends_with('.'),
            "{}: {:?} is no sentence",
            row.name,
            row.summary
        );
        assert!(!row.since.is_empty(), "{}", row.name);
        row.subcommands.iter().for_each(check);
    }
    FAMILIES.iter().copied().flatten().for_each(check);
}
