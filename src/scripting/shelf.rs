//! The functions that libraries have made in one Lua state.
//!
//! A library's source runs once in each state, when that first needs one of its functions. While it runs it finds nothing but
//! `redis`, and in that what registers functions; when its functions run they find what scripts find. They cannot have two
//! environments, so they have one of their own that looks in the one place or the other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use mlua::{Function, Lua, LuaString, Table, Value, Variadic};

use super::engine::compile;
use super::functions::{Catalogue, Declaration, Header, Library, LibraryError, is_name};
use super::host::{self, Host, Refusal};
use super::log::Line;
use super::reply;
use super::sandbox::Sandbox;
use super::script::ScriptFlags;
use super::thrown::{self, Thrown};
use crate::protocol::{Request, Version};

/// What a library may use of `redis` while it is loaded, beside what registers functions.
const VISIBLE: [&str; 7] = [
    "log",
    "LOG_DEBUG",
    "LOG_VERBOSE",
    "LOG_NOTICE",
    "LOG_WARNING",
    "REDIS_VERSION",
    "REDIS_VERSION_NUM",
];

/// A function as it was registered.
pub type Registered = (Declaration, Function);

/// What libraries have made in a state.
#[derive(Debug)]
pub struct Shelf {
    /// What the functions of libraries have as their environment.
    environment: Table,
    /// Where that looks things up.
    lookup: Table,
    /// What it finds while a library is loaded, and else.
    loading: Table,
    running: Table,
    /// Those that the library which is being loaded has registered.
    registered: Rc<RefCell<Option<Vec<Registered>>>>,
    /// Those of each library that was loaded, by its number.
    loaded: RefCell<HashMap<u64, HashMap<String, Function>>>,
}

impl Shelf {
    /// An empty shelf.
    ///
    /// # Errors
    /// When Lua has no memory left.
    pub fn new(lua: &Lua, sandbox: &Sandbox) -> mlua::Result<Shelf> {
        let registered = Rc::default();
        let redis: Table = sandbox.environment.get("redis")?;
        let visible = lua.create_table()?;
        for name in VISIBLE {
            visible.raw_set(name, redis.get::<Value>(name)?)?;
        }
        let slot = Rc::clone(&registered);
        let register = move |lua: &Lua, words: Variadic<Value>| register(lua, &slot, &words);
        visible.raw_set("register_function", lua.create_function(register)?)?;
        visible.set_metatable(sandbox.globals.metatable())?;
        let loading = lua.create_table()?;
        loading.raw_set("redis", sandbox.view.call::<Table>(visible)?)?;
        loading.set_metatable(sandbox.globals.metatable())?;
        let running = sandbox.environment.clone();
        let lookup = lua.create_table()?;
        lookup.raw_set("__index", &running)?;
        let contents = lua.create_table()?;
        contents.set_metatable(Some(lookup.clone()))?;
        Ok(Shelf {
            environment: sandbox.view.call(contents)?,
            lookup,
            loading,
            running,
            registered,
            loaded: RefCell::default(),
        })
    }

    /// Runs the source of a library, which must not take longer than `limit`; answers what it registered.
    ///
    /// # Errors
    /// When Lua does not understand it, or it ends with an error.
    pub fn run(
        &self,
        lua: &Lua,
        sandbox: &Sandbox,
        header: &Header<'_>,
        limit: Option<Duration>,
    ) -> Result<Vec<Registered>, LibraryError> {
        let text = |text: Vec<u8>| String::from_utf8_lossy(&text).into_owned();
        let environment = self.environment.clone();
        let chunk = compile(lua, header.code(), "@user_function", environment)
            .map_err(|message| LibraryError::Compiling(text(message)))?;
        let mut host = Loading {
            end: limit.map(|limit| Instant::now() + limit),
        };
        *self.registered.borrow_mut() = Some(Vec::new());
        let run = || -> mlua::Result<(bool, Value)> {
            self.lookup.raw_set("__index", &self.loading)?;
            sandbox.run.call(chunk)
        };
        let result = host::lend(&mut host, run);
        let restored = self.lookup.raw_set("__index", &self.running);
        let registered = self.registered.borrow_mut().take().unwrap_or_default();
        let failed = |value: &Value| LibraryError::Registering(text(message_of(value)));
        match result.and_then(|result| restored.map(|()| result)) {
            Ok((true, _)) => Ok(registered),
            Ok((false, value)) => Err(failed(&value)),
            Err(error) => Err(failed(&Value::Error(Box::new(error)))),
        }
    }

    /// Keeps the functions of the library of this number.
    pub fn keep(&self, id: u64, functions: HashMap<String, Function>) {
        self.loaded.borrow_mut().insert(id, functions);
    }

    /// The function that was kept, if its library was.
    pub fn get(&self, library: &Library, name: &str) -> Option<Option<Function>> {
        let loaded = self.loaded.borrow();
        let functions = loaded.get(&library.id)?;
        Some(functions.get(name).cloned())
    }

    /// Forgets the libraries that are no longer in the catalogue.
    pub fn clear_out(&self, catalogue: &Catalogue) {
        let mut loaded = self.loaded.borrow_mut();
        loaded.retain(|&id, _| catalogue.has(id));
    }
}

/// Takes functions and declarations apart.
pub fn sorted(registered: Vec<Registered>) -> (Vec<Declaration>, HashMap<String, Function>) {
    let part = |(declaration, function): Registered| {
        let name = declaration.name.clone();
        (declaration, (name, function))
    };
    registered.into_iter().map(part).unzip()
}

/// The text of what ended a library's source.
fn message_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Table(table) => {
            reply::error_of(table).map_or_else(|| b"ERR unknown error".to_vec(), |error| error.text)
        }
        Value::Error(error) => match Thrown::of(error) {
            Some(Thrown::End(Refusal::Killed(text))) => format!("ERR {text}").into_bytes(),
            _ => thrown::text_of(value),
        },
        value => thrown::text_of(value),
    }
}

/// The server as a library sees it while it is loaded: it does nothing but look at the time.
struct Loading {
    end: Option<Instant>,
}

impl Host for Loading {
    fn call(&mut self, _: Request<'_>, _: Version, _: &mut Vec<u8>) -> Result<(), Refusal> {
        let text = b"ERR redis.call/pcall can only be called inside a script invocation";
        Err(Refusal::Error(text.to_vec()))
    }

    fn may_run(&mut self, _: Request<'_>) -> Option<bool> {
        None
    }

    fn set_repeated(&mut self, _: bool) {}

    fn log(&mut self, line: Line) -> Result<(), Refusal> {
        line.write();
        Ok(())
    }

    fn look_around(&mut self) -> Option<Refusal> {
        let is_over = self.end.is_some_and(|end| Instant::now() > end);
        is_over.then_some(Refusal::Killed("FUNCTION LOAD timeout"))
    }
}

fn refused(text: &str) -> mlua::Error {
    Thrown::error(format!("ERR {text}")).into()
}

/// `redis.register_function`.
fn register(
    lua: &Lua,
    registered: &RefCell<Option<Vec<Registered>>>,
    words: &[Value],
) -> mlua::Result<()> {
    let mut registered = registered.borrow_mut();
    let Some(registered) = registered.as_mut() else {
        let text = "redis.register_function can only be called on FUNCTION LOAD command";
        return Err(refused(text));
    };
    let (name, function) = match words {
        [Value::Table(named)] => named_arguments(lua, named)?,
        [_] => {
            return Err(refused(
                "calling redis.register_function with a single argument is only applicable to Lua table (representing named \
                 arguments).",
            ));
        }
        [name, callback] => positional_arguments(lua, name, callback)?,
        _ => {
            let text = "wrong number of arguments to redis.register_function";
            return Err(refused(text));
        }
    };
    if !is_name(&name.as_bytes()) {
        return Err(refused(&LibraryError::Name.to_string()));
    }
    let (mut declaration, function) = function;
    declaration.name = name.to_string_lossy();
    let mut others = registered.iter();
    if others.any(|(other, _)| other.name == declaration.name) {
        return Err(refused("Function already exists in the library"));
    }
    registered.push((declaration, function));
    Ok(())
}

/// What a function is registered with: its name, and the rest.
type Arguments = (LuaString, Registered);

fn unnamed(description: Option<Vec<u8>>, flags: ScriptFlags) -> Declaration {
    Declaration {
        name: String::new(),
        description,
        flags,
        needs_all: AtomicBool::new(false),
    }
}

fn positional_arguments(lua: &Lua, name: &Value, callback: &Value) -> mlua::Result<Arguments> {
    let Some(name) = string(lua, name)? else {
        let text = "first argument to redis.register_function must be a string";
        return Err(refused(text));
    };
    let Value::Function(callback) = callback else {
        let text = "second argument to redis.register_function must be a function";
        return Err(refused(text));
    };
    let declaration = unnamed(None, ScriptFlags::empty());
    Ok((name, (declaration, callback.clone())))
}

fn named_arguments(lua: &Lua, named: &Table) -> mlua::Result<Arguments> {
    let (mut name, mut description, mut callback) = (None, None, None);
    let mut flags = ScriptFlags::empty();
    for pair in named.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(key) = string(lua, &key)? else {
            let text = "named argument key given to redis.register_function is not a string";
            return Err(refused(text));
        };
        let is = |word: &str| key.as_bytes().eq_ignore_ascii_case(word.as_bytes());
        if is("function_name") {
            name = string(lua, &value)?;
            if name.is_none() {
                return Err(refused(
                    "function_name argument given to redis.register_function must be a string",
                ));
            }
        } else if is("description") {
            description = string(lua, &value)?.map(|text| text.as_bytes().to_vec());
            if description.is_none() {
                return Err(refused(
                    "description argument given to redis.register_function must be a string",
                ));
            }
        } else if is("callback") {
            let Value::Function(function) = value else {
                return Err(refused(
                    "callback argument given to redis.register_function must be a function",
                ));
            };
            callback = Some(function);
        } else if is("flags") {
            let Value::Table(names) = value else {
                return Err(refused(
                    "flags argument to redis.register_function must be a table representing function flags",
                ));
            };
            flags = read_flags(lua, &names)?;
        } else {
            return Err(refused("unknown argument given to redis.register_function"));
        }
    }
    let missing = |what| {
        refused(&format!(
            "redis.register_function must get a {what} argument"
        ))
    };
    let name = name.ok_or_else(|| missing("function name"))?;
    let callback = callback.ok_or_else(|| missing("callback"))?;
    Ok((name, (unnamed(description, flags), callback)))
}

fn read_flags(lua: &Lua, names: &Table) -> mlua::Result<ScriptFlags> {
    let mut flags = ScriptFlags::empty();
    for place in 1.. {
        let name: Value = names.raw_get(place)?;
        if name.is_nil() {
            break;
        }
        let name = string(lua, &name)?.map(|name| name.as_bytes().to_ascii_lowercase());
        let flag = name.and_then(|name| ScriptFlags::by_name(&name));
        flags |= flag.ok_or_else(|| refused("unknown flag given"))?;
    }
    Ok(flags)
}

/// A string, or a number as Lua spells it.
fn string(lua: &Lua, value: &Value) -> mlua::Result<Option<LuaString>> {
    match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => lua.coerce_string(value.clone()),
        _ => Ok(None),
    }
}
