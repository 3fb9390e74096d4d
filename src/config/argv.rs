//! The command line, as redis-server takes it: `minium [file] [--directive value ...] [-]`.
//!
//! Directives are not options in the usual sense: each takes as many values as follow it, and a value may itself begin
//! with two dashes. So they are read here by Redis's rules; clap lays out the help.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

use super::load::{Origin, Statement, quoted};
use crate::protocol::inline;

/// What the arguments say.
pub enum Parsed {
    /// Print this text and exit.
    Print(String),
    /// Start a server.
    Serve(Arguments),
}

/// The arguments of a start.
pub struct Arguments {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Whether more configuration comes from standard input.
    pub stdin: bool,
    /// The directives, in order.
    pub statements: Vec<Statement>,
}

/// Reads the arguments after the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Parsed {
    let args: Vec<Vec<u8>> = args.into_iter().map(OsString::into_encoded_bytes).collect();
    match args.first().map(Vec::as_slice) {
        Some(b"--help" | b"-h") => Parsed::Print(help()),
        Some(b"--version" | b"-v") => Parsed::Print(version()),
        _ => Parsed::Serve(directives(&args)),
    }
}

fn directives(args: &[Vec<u8>]) -> Arguments {
    let file = args.first().filter(|first| !first.starts_with(b"-"));
    let mut parsed = Arguments {
        file: file.map(|path| PathBuf::from(String::from_utf8_lossy(path).into_owned())),
        stdin: false,
        statements: Vec::new(),
    };
    // A name has been read whose first value has not: what follows is a value, dashes or not.
    let mut awaits_value = false;
    for (index, arg) in args.iter().enumerate().skip(usize::from(file.is_some())) {
        let last = index + 1 == args.len();
        if arg == b"-" && (index == 0 || last) {
            parsed.stdin = true;
        } else if !awaits_value && arg.starts_with(b"--") {
            // `--port 7000` may also come as one argument.
            let mut words = inline::split(&arg[2..])
                .unwrap_or_else(|| vec![arg[2..].to_vec()])
                .into_iter();
            let name = words.next().unwrap_or_default();
            let mut values: Vec<_> = words.collect();
            awaits_value = values.is_empty();
            // `--save` without a value turns snapshots off, as scripts rely on that build their arguments from a list.
            let none_follows = last || args[index + 1].starts_with(b"--");
            if awaits_value && none_follows && name.eq_ignore_ascii_case(b"save") {
                values.push(Vec::new());
                awaits_value = false;
            }
            parsed.statements.push(statement(index, name, values));
        } else {
            awaits_value = false;
            match parsed.statements.last_mut() {
                Some(statement) => statement.args.push(arg.clone()),
                None => parsed
                    .statements
                    .push(statement(index, arg.clone(), Vec::new())),
            }
        }
    }
    for statement in &mut parsed.statements {
        if let Origin::Argument { text, .. } = &mut statement.origin {
            // As Redis shows it: values always in quotes.
            *text = quoted(&statement.name);
            for value in &statement.args {
                text.push(' ');
                text.push_str(&inline::quote(value));
            }
        }
    }
    parsed
}

/// A statement that begins at `args[index]`; its text is known when its values are.
fn statement(index: usize, name: Vec<u8>, args: Vec<Vec<u8>>) -> Statement {
    Statement {
        name,
        args,
        origin: Origin::Argument {
            number: index + 1,
            text: String::new(),
        },
    }
}

fn version() -> String {
    format!(
        "Minium server v={} bits={}\n",
        env!("CARGO_PKG_VERSION"),
        usize::BITS
    )
}

fn help() -> String {
    let flag = |name: &'static str, short, text| {
        Arg::new(name)
            .long(name)
            .short(short)
            .help(text)
            .action(ArgAction::SetTrue)
    };
    Command::new("minium")
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .override_usage("minium [FILE] [--DIRECTIVE VALUE...]... [-]")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(Arg::new("FILE").help("Configuration: redis.conf syntax, or TOML when the name ends in .toml"))
        .arg(
            Arg::new("directive")
                .long("DIRECTIVE")
                .value_name("VALUE...")
                .help("Any directive of the configuration; overrides the file and the environment"),
        )
        .arg(Arg::new("-").help("Read more configuration from standard input"))
        .arg(
            Arg::new("healthcheck")
                .long("healthcheck")
                .help("As the first argument: do not serve, but ask the server of this configuration for a PONG")
                .action(ArgAction::SetTrue),
        )
        .arg(flag("help", 'h', "Print this help"))
        .arg(flag("version", 'v', "Print the version"))
        .after_help(
            "Examples:\n  \
             minium                                   listen on port 6379 with the defaults\n  \
             minium /etc/minium.conf --port 7000      a file, and one directive that overrides it\n  \
             minium --maxmemory 100mb --save ''       directives alone\n  \
             echo 'maxmemory 100mb' | minium -        configuration from standard input\n\n\
             Environment:\n  \
             MINIUM_<DIRECTIVE>        sets a directive, as MINIUM_MAXMEMORY=100mb does\n  \
             MINIUM_<DIRECTIVE>_FILE   sets it to the content of a file\n\n\
             redis.conf.example documents every directive.",
        )
        .render_help()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(args: &[&str]) -> (Option<String>, bool, Vec<String>) {
        let Parsed::Serve(arguments) = parse(args.iter().map(OsString::from)) else {
            panic!("{args:?}")
        };
        let lines = arguments.statements.iter().map(|statement| {
            let words = std::iter::once(&statement.name).chain(&statement.args);
            words.map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
        });
        (
            arguments.file.map(|file| file.display().to_string()),
            arguments.stdin,
            lines.collect(),
        )
    }

    #[test]
    fn directives_take_the_values_that_follow() {
        let cases: &[(&[&str], &[&str])] = &[
            (
                &["--port", "7000", "--bind", "a", "b"],
                &["port 7000", "bind a b"],
            ),
            (&["--port 7000", "--hz", "5"], &["port 7000", "hz 5"]),
            (
                &["--save", "3600", "1", "--save", "60", "100"],
                &["save 3600 1", "save 60 100"],
            ),
            (&["--save", "", "--hz", "5"], &["save \"\"", "hz 5"]),
            (&["--save", "--hz", "5"], &["save \"\"", "hz 5"]),
            (&["--hz", "5", "--save"], &["hz 5", "save \"\""]),
            (
                &["--requirepass", "--secret", "--hz", "5"],
                &["requirepass --secret", "hz 5"],
            ),
            (&["--logfile", "-", "--hz", "5"], &["logfile -", "hz 5"]),
            (&["-x"], &["-x"]),
        ];
        for (args, lines) in cases {
            assert_eq!(
                arguments(args),
                (
                    None,
                    false,
                    lines.iter().map(|line| (*line).to_owned()).collect()
                )
            );
        }
    }

    #[test]
    fn a_file_comes_first_and_standard_input_first_or_last() {
        assert_eq!(
            arguments(&["a.conf"]),
            (Some("a.conf".into()), false, vec![])
        );
        assert_eq!(arguments(&["-"]), (None, true, vec![]));
        assert_eq!(
            arguments(&["a.conf", "--hz", "5", "-"]),
            (Some("a.conf".into()), true, vec!["hz 5".into()])
        );
        assert_eq!(
            arguments(&["-", "--hz", "5"]),
            (None, true, vec!["hz 5".into()])
        );
    }

    #[test]
    fn help_and_version_are_printed() {
        for (flag, expected) in [
            ("-h", "MINIUM_<DIRECTIVE>_FILE"),
            ("--help", "[FILE]"),
            ("-v", "Minium server v="),
        ] {
            let Parsed::Print(text) = parse([OsString::from(flag)]) else {
                panic!("{flag}")
            };
            assert!(text.contains(expected), "{text}");
        }
    }
}
