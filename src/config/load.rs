//! Start-up: where settings come from, in which order they count, and what is said about them.
//!
//! Every source is read into [`Statement`]s, which are applied one after the other: the file, standard input, the
//! environment, the arguments. What comes later overrides what came before.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::directive::{Directive, Effect};
use super::value::{Invalid, plain};
use super::{Config, argv, directives, environment, file, lookup, nearest::nearest, toml};
use crate::protocol::inline;

/// Where a statement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file, counted from 1.
    Line {
        file: PathBuf,
        number: usize,
        text: String,
    },
    /// An argument of the command line, counted from 1.
    Argument { number: usize, text: String },
    /// A variable of the environment.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Line { file, number, .. } => write!(f, "{}, line {number}", file.display()),
            Origin::Argument { number, .. } => write!(f, "argument {number}"),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One setting, not yet looked at: a name and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub name: Vec<u8>,
    pub args: Vec<Vec<u8>>,
    pub origin: Origin,
}

/// What is wrong with a statement. The words are Redis's where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("Bad directive or wrong number of arguments{}", suggest(.0))]
    Unknown(Option<&'static str>),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("Unbalanced quotes in configuration line")]
    Quotes,
    #[error("included files are nested too deeply")]
    Depth,
    #[error("Fatal error, can't open config file '{path}': {reason}", path = .path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{0}")]
    Toml(String),
}

fn suggest(name: &Option<&'static str>) -> String {
    name.map(|name| format!("\ndid you mean '{name}'?"))
        .unwrap_or_default()
}

/// Why the configuration could not be loaded: a message of several lines for the terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\n*** FATAL CONFIG FILE ERROR (Minium {version}) ***\n{place}{problem}", version = env!("CARGO_PKG_VERSION"),
    place = locate(.origin))]
pub struct LoadError {
    /// None when no statement is at fault, as when the file itself cannot be read.
    pub origin: Option<Box<Origin>>,
    pub problem: Problem,
}

/// Tools search for the two lines that begin with `Reading` and `>>>`.
fn locate(origin: &Option<Box<Origin>>) -> String {
    match origin.as_deref() {
        None => String::new(),
        Some(Origin::Line { file, number, text }) => {
            format!(
                "In {}\nReading the configuration file, at line {number}\n>>> '{text}'\n",
                file.display()
            )
        }
        Some(Origin::Argument { number, text }) => {
            format!("Reading the command line, at argument {number}\n>>> '{text}'\n")
        }
        Some(Origin::Variable(name)) => format!("Reading the environment variable {name}\n"),
    }
}

impl LoadError {
    pub(super) fn at(origin: Origin, problem: impl Into<Problem>) -> Self {
        LoadError {
            origin: Some(Box::new(origin)),
            problem: problem.into(),
        }
    }
}

/// What start-up found.
pub struct Loaded {
    pub config: Config,
    /// The absolute path of the file that `CONFIG REWRITE` writes to.
    pub source: Option<PathBuf>,
    /// One line for each thing that is accepted but not done, to be logged.
    pub warnings: Vec<String>,
}

/// What the command line asks for.
pub enum Start {
    /// Print this text and exit.
    Print(String),
    /// Run a server.
    Serve(Box<Loaded>),
}

/// Reads the whole configuration. `args` are the arguments after the program's name; `environment` and `stdin` are
/// handed in so that nothing here depends on the process. `stdin` is read only when an argument asks for it.
pub fn start(
    args: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    stdin: &mut dyn Read,
) -> Result<Start, LoadError> {
    let command = match argv::parse(args) {
        argv::Parsed::Print(text) => return Ok(Start::Print(text)),
        argv::Parsed::Serve(command) => command,
    };
    let mut loader = Loader::default();
    let source = command
        .file
        .map(|path| std::path::absolute(&path).unwrap_or(path));
    if let Some(path) = &source {
        loader.read(path, None)?;
    }
    if command.stdin {
        let mut text = Vec::new();
        stdin
            .read_to_end(&mut text)
            .map_err(|error| unreadable(None, Path::new("-"), &error))?;
        loader.apply_all(file::statements(&text, Path::new("-"))?)?;
    }
    let (statements, warnings) = environment::statements(environment)?;
    loader.warnings.extend(warnings);
    loader.override_all(statements)?;
    loader.apply_all(command.statements)?;
    Ok(Start::Serve(Box::new(loader.finish(source))))
}

fn unreadable(origin: Option<&Origin>, path: &Path, error: &std::io::Error) -> LoadError {
    LoadError {
        origin: origin.cloned().map(Box::new),
        problem: Problem::Unreadable {
            path: path.to_owned(),
            reason: plain(error),
        },
    }
}

/// Directives that earlier versions of Redis had and that it still reads without effect.
const OBSOLETE: [&str; 3] = [
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "lua-replicate-commands",
];

/// Files that include each other end here.
const DEEPEST_INCLUDE: usize = 16;

/// Applies statements in order.
#[derive(Default)]
struct Loader {
    config: Config,
    /// The directives named so far, each with the place where it was named last.
    seen: Vec<(&'static Directive, Origin)>,
    warnings: Vec<String>,
    /// How many files are open.
    depth: usize,
}

impl Loader {
    /// Applies the file at `path`; `origin` is the statement that includes it.
    fn read(&mut self, path: &Path, origin: Option<&Origin>) -> Result<(), LoadError> {
        if self.depth == DEEPEST_INCLUDE {
            return Err(LoadError {
                origin: origin.cloned().map(Box::new),
                problem: Problem::Depth,
            });
        }
        let text = std::fs::read(path).map_err(|error| unreadable(origin, path, &error))?;
        let statements = if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            toml::statements(&text, path)?
        } else {
            file::statements(&text, path)?
        };
        self.depth += 1;
        self.apply_all(statements)?;
        self.depth -= 1;
        Ok(())
    }

    fn apply_all(&mut self, statements: Vec<Statement>) -> Result<(), LoadError> {
        statements
            .into_iter()
            .try_for_each(|statement| self.apply(statement))
    }

    /// Like [`Loader::apply_all`], but a statement replaces what the lines before it added up.
    fn override_all(&mut self, statements: Vec<Statement>) -> Result<(), LoadError> {
        for statement in statements {
            if let Some(directive) = lookup(&statement.name) {
                directive.clear(&mut self.config);
            }
            self.apply(statement)?;
        }
        Ok(())
    }

    fn apply(&mut self, statement: Statement) -> Result<(), LoadError> {
        let Statement { name, args, origin } = statement;
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        if let Some(directive) = lookup(&name) {
            let known = self
                .seen
                .iter()
                .position(|(other, _)| other.name == directive.name);
            if known.is_none() {
                // The defaults count only where nothing is said.
                directive.clear(&mut self.config);
            }
            if let Err(reason) = directive.set(&mut self.config, &args) {
                return Err(LoadError::at(origin, reason));
            }
            match known {
                Some(at) => self.seen[at].1 = origin,
                None => self.seen.push((directive, origin)),
            }
            return Ok(());
        }
        let name = String::from_utf8_lossy(&name).to_ascii_lowercase();
        if name == "include" && !args.is_empty() {
            for pattern in args {
                for path in file::expand(pattern) {
                    self.read(&path, Some(&origin))?;
                }
            }
            return Ok(());
        }
        if OBSOLETE.contains(&name.as_str()) && args.len() == 1 {
            self.warnings
                .push(format!("'{name}' ({origin}) has no effect: it is obsolete"));
            return Ok(());
        }
        let names = directives()
            .flat_map(|directive| directive.names())
            .chain(["include"]);
        Err(LoadError::at(
            origin,
            Problem::Unknown(nearest(&name, names).filter(|near| *near != name)),
        ))
    }

    fn finish(mut self, source: Option<PathBuf>) -> Loaded {
        let default = Config::default();
        for (directive, origin) in &self.seen {
            // At its default an inert directive asks for nothing that is missing.
            if let Effect::Inert(missing) = directive.effect
                && directive.get(&self.config) != directive.get(&default)
            {
                self.warnings.push(format!(
                    "'{}' ({origin}) has no effect: {missing}",
                    directive.name
                ));
            }
        }
        Loaded {
            config: self.config,
            source,
            warnings: self.warnings,
        }
    }
}

/// A word as it stands in redis.conf: quoted only where it must be.
pub(super) fn quoted(word: &[u8]) -> String {
    let bare = !word.is_empty()
        && word
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte));
    if bare {
        String::from_utf8_lossy(word).into_owned()
    } else {
        inline::quote(word)
    }
}
