//! One Lua state, and how a script runs in it.
//!
//! A state belongs to one thread. It is made when the thread first needs it, and made anew when the scripts were flushed, as Redis
//! does.
//!
//! The collector stands still while a source is parsed: the parser of Lua 5.1 keeps the name of a chunk where the collector does not
//! see it (CVE-2025-49844). No code of a script runs meanwhile.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use mlua::chunk::ChunkMode;
use mlua::debug::HookTriggers;
use mlua::{Function, IntoLua, Lua, LuaOptions, StdLib, Table, Value, VmState};

use super::api::{self, Memory};
use super::compiled::{Compiled, Known};
use super::functions::{Catalogue, Header, Library, LibraryError};
use super::host::{self, Host, Refusal};
use super::limit;
use super::reply::{self, ErrorReply};
use super::sandbox::{self, Sandbox};
use super::script::{Script, Scripts, Sha};
use super::shelf::{self, Shelf};
use super::thrown::{self, Thrown};
use crate::protocol::{Reply, Request, Version};

/// After so many instructions of the interpreter the script's host may look around.
const INSTRUCTIONS: u32 = 100_000;
/// Longer sources are refused; the parser counts in 32 bits.
const MAX_SOURCE: usize = 256 << 20;
/// Runs between two helps for the collector, which does a larger part of its work at once otherwise.
const RUNS_PER_COLLECTION: u32 = 50;

thread_local! {
    static ENGINE: RefCell<Option<Rc<Engine>>> = const { RefCell::new(None) };
}

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub enum Callee<'a> {
    /// A script, which finds its keys and arguments as globals.
    Script(&'a Compiled),
    /// A function, which is given both, and its name.
    Function(&'a Function, &'a str),
}

/// How a run went wrong.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client is told of this error.
    Error(ErrorReply),
    /// Everything that was done is to be undone, and the script run again with everything locked.
    StartOver,
}

impl Callee<'_> {
    fn name(self) -> String {
        match self {
            Callee::Script(script) => script.script.name(),
            Callee::Function(_, name) => name.to_owned(),
        }
    }
}

impl Failure {
    fn error(text: impl Into<Vec<u8>>) -> Failure {
        Failure::Error(ErrorReply {
            text: text.into(),
            is_counted: false,
        })
    }
}

/// One Lua state with everything that scripts find in it.
#[derive(Debug)]
pub struct Engine {
    lua: Lua,
    sandbox: Sandbox,
    memory: Rc<Memory>,
    known: RefCell<Known>,
    shelf: Shelf,
    generation: u64,
    runs: Cell<u32>,
    /// What all states take, and what of it this one.
    states: Arc<AtomicUsize>,
    shown: Cell<usize>,
}

impl Engine {
    /// The state of this thread.
    ///
    /// # Errors
    /// When the system has no memory for one.
    pub fn of_thread(scripts: &Scripts) -> Result<Rc<Engine>, Failure> {
        ENGINE.with_borrow_mut(|kept| {
            if let Some(engine) = kept
                && engine.generation == scripts.generation()
            {
                return Ok(Rc::clone(engine));
            }
            let engine = Engine::new(scripts);
            let engine = Rc::new(engine.map_err(|error| Failure::error(format!("ERR {error}")))?);
            *kept = Some(Rc::clone(&engine));
            Ok(engine)
        })
    }

    fn new(scripts: &Scripts) -> mlua::Result<Engine> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let memory = Rc::new(Memory::default());
        api::replace_random(&lua, &memory)?;
        let redis = api::table(&lua, &memory)?;
        let sandbox = sandbox::close(&lua, redis)?;
        let shelf = Shelf::new(&lua, &sandbox)?;
        let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS);
        lua.set_global_hook(triggers, |_, _| {
            match host::ask(|host| host.look_around()) {
                Some(Some(end)) => Err(Thrown::End(end).into()),
                _ => Ok(VmState::Continue),
            }
        })?;
        lua.set_memory_limit(limit::MAX)?;
        Ok(Engine {
            lua,
            sandbox,
            memory,
            known: RefCell::default(),
            shelf,
            generation: scripts.generation(),
            runs: Cell::new(0),
            states: Arc::clone(&scripts.states),
            shown: Cell::new(0),
        })
    }

    /// The state itself, for who makes functions in it.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// What scripts have as their environment.
    pub fn environment(&self) -> &Table {
        &self.sandbox.environment
    }

    /// What the state takes, in bytes.
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// The script of this name, if it was compiled.
    pub fn script_named(&self, sha: &Sha) -> Option<Rc<Compiled>> {
        self.known.borrow().named(sha)
    }

    /// The script with this source, if it was compiled.
    pub fn script_with_source(&self, source: &[u8]) -> Option<Rc<Compiled>> {
        self.known.borrow().with_source(source)
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// When Lua does not understand it: its message.
    pub fn compile(&self, script: Arc<Script>) -> Result<Rc<Compiled>, Vec<u8>> {
        let environment = self.sandbox.environment.clone();
        let function = compile(&self.lua, script.code(), "@user_script", environment)?;
        Ok(self.known.borrow_mut().add(script, function))
    }

    /// Makes a library of a source, which must not take longer than `limit` to register its functions.
    ///
    /// # Errors
    /// When it is none, or has the name of one that it is not to replace.
    pub fn load_library(
        &self,
        source: &[u8],
        limit: Option<Duration>,
        catalogue: &Catalogue,
        replaces: bool,
    ) -> Result<Arc<Library>, LibraryError> {
        let header = Header::read(source)?;
        catalogue.admit(&header.name, replaces)?;
        // What was replaced or refused since would fill Lua's stack of references in the end.
        self.shelf.clear_out(catalogue);
        let registered = self.shelf.run(&self.lua, &self.sandbox, &header, limit)?;
        let (declarations, functions) = shelf::sorted(registered);
        let library = Library::new(&header, declarations)?;
        self.shelf.keep(library.id, functions);
        Ok(library)
    }

    /// The function of this name in a library of the catalogue, whose source runs first if it has not in this state.
    ///
    /// # Errors
    /// When it ends with an error that it did not end with before; the function is none if it was not registered this time.
    pub fn function(
        &self,
        catalogue: &Catalogue,
        library: &Library,
        name: &str,
    ) -> Result<Option<Function>, LibraryError> {
        if let Some(found) = self.shelf.get(library, name) {
            return Ok(found);
        }
        self.shelf.clear_out(catalogue);
        let header = Header::read(&library.source)?;
        // It has ended once, and finds nothing that could make a difference.
        let registered = self.shelf.run(&self.lua, &self.sandbox, &header, None)?;
        self.shelf.keep(library.id, shelf::sorted(registered).1);
        Ok(self.shelf.get(library, name).flatten())
    }

    /// Runs a script or function with the keys and arguments at these places of a request, and answers what it returned.
    ///
    /// # Errors
    /// When the script ends with an error, or has to start over.
    pub fn run(
        &self,
        callee: Callee<'_>,
        request: Request<'_>,
        keys: Range<usize>,
        arguments: Range<usize>,
        host: &mut dyn Host,
    ) -> Result<Returned, Failure> {
        self.memory.version.set(Version::Resp2);
        let random = self.memory.random.get();
        let run = || -> mlua::Result<(bool, Value)> {
            let keys = self.strings(request, keys)?;
            let arguments = self.strings(request, arguments)?;
            match callee {
                Callee::Script(script) => {
                    let run = &self.sandbox.run;
                    run.call((&script.function, keys, arguments))
                }
                Callee::Function(function, _) => {
                    self.sandbox.run_with.call((function, keys, arguments))
                }
            }
        };
        let result = host::lend(host, run);
        self.collect();
        let version = self.memory.version.get();
        let failure = match result {
            Ok((true, value)) => return Ok(Returned { value, version }),
            Ok((false, value)) => failure(&value, callee),
            Err(error) => failure(&Value::Error(Box::new(error)), callee),
        };
        if failure == Failure::StartOver {
            self.memory.random.set(random);
        }
        Err(failure)
    }

    fn strings(&self, request: Request<'_>, places: Range<usize>) -> mlua::Result<Table> {
        let strings = places.map(|place| Argument(request.arg(place)));
        limit::lifted(&self.lua, || self.lua.create_sequence_from(strings))
    }

    fn collect(&self) {
        let runs = self.runs.get() + 1;
        self.runs.set(runs % RUNS_PER_COLLECTION);
        self.show(self.memory());
        if runs == RUNS_PER_COLLECTION {
            // Nothing of a script runs in the collector: there are no finalizers.
            let _ = self.lua.gc_step();
        }
    }
}

impl Engine {
    /// Tells what the state takes.
    fn show(&self, bytes: usize) {
        let before = self.shown.replace(bytes);
        // The difference may be negative and wrap; the sum comes out right.
        self.states.fetch_add(bytes.wrapping_sub(before), Relaxed);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.show(0);
    }
}

/// An argument of a request, as a string.
struct Argument<'a>(&'a [u8]);

impl IntoLua for Argument<'_> {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        lua.create_string(self.0).map(Value::String)
    }
}

/// What a script returned.
#[derive(Debug)]
pub struct Returned {
    value: Value,
    version: Version,
}

impl Returned {
    /// Writes it as a reply; `on_error` is told of every error inside it.
    ///
    /// # Errors
    /// The error, if the script returned one; nothing is written then.
    pub fn write(
        &self,
        reply: &mut Reply<'_>,
        on_error: &mut dyn FnMut(&ErrorReply),
    ) -> Result<(), ErrorReply> {
        reply::write(reply, &self.value, self.version, on_error)
    }
}

/// The failure of a script or function that threw a value.
fn failure(value: &Value, callee: Callee<'_>) -> Failure {
    let name = callee.name();
    match value {
        Value::Table(table) => {
            let error = reply::error_of(table);
            let mut error = error.unwrap_or_else(|| ErrorReply {
                text: b"ERR unknown error".to_vec(),
                is_counted: false,
            });
            let source: Result<String, _> = table.raw_get("source");
            let line: Result<usize, _> = table.raw_get("line");
            if let (Ok(source), Ok(line)) = (source, line) {
                let place = format!(" script: {name}, on {source}:{line}.");
                error.text.extend_from_slice(place.as_bytes());
            }
            Failure::Error(error)
        }
        Value::Error(error) => match Thrown::of(error) {
            Some(Thrown::End(Refusal::StartOver)) => Failure::StartOver,
            Some(Thrown::End(Refusal::Killed(text))) => {
                Failure::error(format!("ERR {text} script: {name}"))
            }
            _ => other_failure(value, &name),
        },
        _ => other_failure(value, &name),
    }
}

/// The failure of what nobody could explain: there was no memory or no stack for that.
fn other_failure(value: &Value, name: &str) -> Failure {
    let mut text = format!("ERR Error running script {name}, ").into_bytes();
    text.extend_from_slice(&thrown::text_of(value));
    Failure::error(text)
}

/// Compiles a source in an environment.
///
/// # Errors
/// When Lua does not understand it: its message.
pub fn compile(
    lua: &Lua,
    source: &[u8],
    name: &str,
    environment: Table,
) -> Result<Function, Vec<u8>> {
    if source.first() == Some(&0x1B) {
        return Err(b"bytecode is not allowed".to_vec());
    }
    if source.len() > MAX_SOURCE {
        return Err(b"the source is too long".to_vec());
    }
    let name = name.split('\0').next().unwrap_or_default();
    lua.gc_stop();
    let function = lua
        .load(source)
        .set_name(name)
        .set_mode(ChunkMode::Text)
        .set_environment(environment)
        .into_function();
    lua.gc_restart();
    function.map_err(|error| thrown::text_of(&Value::Error(Box::new(error))))
}
