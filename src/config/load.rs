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
        let statements = if toml::is_toml(path) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(args: &[&str], environment: &[(&str, &str)], stdin: &str) -> Result<Loaded, String> {
        let environment = environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let started = start(
            args.iter().map(OsString::from),
            environment,
            &mut stdin.as_bytes(),
        );
        match started.map_err(|error| error.to_string())? {
            Start::Serve(loaded) => Ok(*loaded),
            Start::Print(text) => Err(text),
        }
    }

    fn get(loaded: &Loaded, name: &str) -> String {
        String::from_utf8_lossy(&lookup(name.as_bytes()).unwrap().get(&loaded.config)).into_owned()
    }

    /// A folder that holds files of these names and texts.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn later_sources_override_earlier_ones() {
        let folder = folder(&[("m.conf", "port 1\nhz 1\ntimeout 1\ndatabases 1\n")]);
        let file = folder.path().join("m.conf");
        let args = [file.to_str().unwrap(), "--databases", "4", "-"];
        let environment = [("MINIUM_TIMEOUT", "3"), ("MINIUM_DATABASES", "3")];
        let loaded = serve(&args, &environment, "hz 2\ntimeout 2\n")
            .unwrap_or_else(|error| panic!("{error}"));
        let network = &loaded.config.network;
        let found = (
            network.port,
            loaded.config.general.hz,
            network.timeout,
            loaded.config.general.databases,
        );
        assert_eq!(found, (1, 2, 3, 4));
        assert_eq!(loaded.source.as_deref(), Some(file.as_path()));
        assert!(loaded.warnings.is_empty());
    }

    #[test]
    fn save_points_add_up_once_the_defaults_are_gone() {
        let save = |args: &[&str], environment: &[(&str, &str)], stdin| {
            let loaded = serve(args, environment, stdin).unwrap_or_else(|error| panic!("{error}"));
            get(&loaded, "save")
        };
        assert_eq!(save(&[], &[], ""), "3600 1 300 100 60 10000");
        assert_eq!(save(&["-"], &[], "save 9 1\nsave 8 2 7 3\n"), "9 1 8 2 7 3");
        assert_eq!(
            save(&["-", "--save", "5", "5"], &[], "save 9 1\n"),
            "9 1 5 5"
        );
        assert_eq!(save(&["-", "--save", ""], &[], "save 9 1\n"), "");
        assert_eq!(
            save(&["-"], &[("MINIUM_SAVE", "4 4 3 3")], "save 9 1\n"),
            "4 4 3 3"
        );
        assert_eq!(save(&["--save", "", "--save", "6", "6"], &[], ""), "6 6");
    }

    #[test]
    fn several_arguments_may_come_in_one_text() {
        let loaded = serve(
            &["-", "--bind", "a -b"],
            &[],
            "client-output-buffer-limit \"pubsub 1 2 3\"\n",
        );
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(get(&loaded, "bind"), "a -b");
        assert_eq!(
            loaded
                .config
                .clients
                .client_output_buffer_limit
                .pubsub
                .soft_seconds,
            3
        );
    }

    #[test]
    fn an_unknown_directive_stops_the_start_with_its_place_and_the_nearest_name() {
        let folder = folder(&[("m.conf", "port 1\n\n  maxmemroy 1gb\n")]);
        let file = folder.path().join("m.conf").to_str().unwrap().to_owned();
        let error = serve(&[&file], &[], "").err().unwrap_or_default();
        let expected = format!(
            "\n*** FATAL CONFIG FILE ERROR (Minium {}) ***\nIn {file}\n\
            Reading the configuration file, at line 3\n>>> 'maxmemroy 1gb'\n\
            Bad directive or wrong number of arguments\ndid you mean 'maxmemory'?",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(error, expected);

        let error = serve(&["--hz", "5", "--frobnicate", "a b"], &[], "")
            .err()
            .unwrap_or_default();
        let expected = "Reading the command line, at argument 3\n>>> 'frobnicate \"a b\"'\n\
            Bad directive or wrong number of arguments";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn a_bad_value_stops_the_start() {
        for (line, reason) in [
            ("port x", "argument couldn't be parsed into an integer"),
            ("port", "wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            ("bind a \"b", "Unbalanced quotes in configuration line"),
            ("dir /no/such/folder", "No such file or directory"),
            (
                "include /no/such/file",
                "Fatal error, can't open config file '/no/such/file': No such file or directory",
            ),
        ] {
            let error = serve(&["-"], &[], line).err().unwrap_or_default();
            assert!(
                error.ends_with(&format!(">>> '{line}'\n{reason}")),
                "{line}: {error}"
            );
        }
    }

    #[test]
    fn includes_are_read_in_place_and_end() {
        let folder = folder(&[
            ("a.part", "hz 1\n"),
            ("b.part", "hz 2\ntimeout 9\n"),
            ("loop.conf", ""),
        ]);
        let path = folder.path().display();
        let text = format!("timeout 1\ninclude {path}/*.part\nhz 7\n");
        let loaded = serve(&["-"], &[], &text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (loaded.config.general.hz, loaded.config.network.timeout),
            (7, 9)
        );

        let looped = folder.path().join("loop.conf");
        std::fs::write(&looped, format!("include {}\n", looped.display())).unwrap();
        let error = serve(&[looped.to_str().unwrap()], &[], "")
            .err()
            .unwrap_or_default();
        assert!(
            error.ends_with("included files are nested too deeply"),
            "{error}"
        );
    }

    #[test]
    fn what_has_no_effect_is_told_once_unless_nothing_is_asked() {
        let text =
            "cluster-enabled yes\ncluster-enabled yes\ndaemonize no\nlua-replicate-commands yes\n";
        let loaded = serve(&["-", "--slaveof", "h", "1"], &[], text)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            loaded.warnings,
            [
                "'lua-replicate-commands' (-, line 4) has no effect: it is obsolete",
                "'cluster-enabled' (-, line 2) has no effect: \
                    cluster mode is not supported: all keys are on this server",
                "'replicaof' (argument 2) has no effect: replication is not supported",
            ]
        );
        assert_eq!(get(&loaded, "replicaof"), "h 1");
    }

    #[test]
    fn a_toml_file_says_the_same_as_redis_conf() {
        let folder = folder(&[
            (
                "m.toml",
                "maxmemory = \"1gb\"\nsave = [\"9 1\", \"8 2\"]\nappendonly = true\ninclude = [\"INC\"]\n",
            ),
            (
                "m.conf",
                "maxmemory 1gb\nsave 9 1\nsave 8 2\nappendonly yes\ninclude INC\n",
            ),
            ("rest.conf", "rename-command FLUSHALL \"\"\nhz 3\n"),
        ]);
        let values = |name: &str| {
            let path = folder.path().join(name);
            let include = folder.path().join("rest.conf");
            let text = std::fs::read_to_string(&path)
                .unwrap()
                .replace("INC", include.to_str().unwrap());
            std::fs::write(&path, text).unwrap();
            let loaded =
                serve(&[path.to_str().unwrap()], &[], "").unwrap_or_else(|error| panic!("{error}"));
            directives()
                .map(|directive| directive.get(&loaded.config))
                .collect::<Vec<_>>()
        };
        assert_eq!(values("m.toml"), values("m.conf"));
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let error = serve(&["/no/such/file.conf"], &[], "")
            .err()
            .unwrap_or_default();
        let expected = "***\nFatal error, can't open config file '/no/such/file.conf': No such file or directory";
        assert!(error.ends_with(expected), "{error}");
    }
}
