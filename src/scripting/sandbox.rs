//! What scripts find in a Lua state: the interpreter's own functions, some of them in a form that keeps scripts apart.
//!
//! Most of it is written in Lua (`sandbox.lua`); here is what that needs from outside.

use mlua::{Function, Lua, LuaString, MultiValue, Table, Value};

use super::engine;
use super::host::Refusal;
use super::libraries;
use super::thrown::{self, Thrown, message};

/// The name of the chunk, as frames of its functions have it.
pub const CHUNK: &str = "=redis";

/// The parts of a closed sandbox that the engine uses.
#[derive(Debug)]
pub struct Sandbox {
    /// The real table of globals.
    pub globals: Table,
    /// What scripts have as their environment.
    pub environment: Table,
    /// Calls a function that finds its keys and arguments as globals; answers whether that went well and what it returned or
    /// [explained](explain).
    pub run: Function,
    /// The same with both as its arguments.
    pub run_with: Function,
    /// Makes a table one that scripts cannot change.
    pub view: Function,
}

/// Opens the libraries and closes the sandbox around them.
pub fn close(lua: &Lua, redis: Table) -> mlua::Result<Sandbox> {
    let globals = lua.globals();
    for (name, open) in libraries::ALL {
        globals.raw_set(*name, open(lua)?)?;
    }
    globals.raw_set("redis", redis)?;
    let native = natives(lua)?;
    let own = lua.create_table()?;
    for name in [
        "collectgarbage",
        "error",
        "getfenv",
        "getmetatable",
        "next",
        "pairs",
        "pcall",
        "rawequal",
        "rawget",
        "rawset",
        "select",
        "setfenv",
        "setmetatable",
        "tonumber",
        "type",
        "unpack",
        "xpcall",
    ] {
        own.raw_set(name, globals.raw_get::<Value>(name)?)?;
    }
    let parts: Table = lua
        .load(include_str!("sandbox.lua"))
        .set_name(CHUNK)
        .set_environment(own)
        .call((native, &globals))?;
    let environment: Table = parts.raw_get("sandbox")?;
    // For what asks the thread and not a function.
    lua.set_globals(environment.clone())?;
    Ok(Sandbox {
        globals,
        environment,
        run: parts.raw_get("run")?,
        run_with: parts.raw_get("run_with")?,
        view: parts.raw_get("view")?,
    })
}

fn natives(lua: &Lua) -> mlua::Result<Table> {
    let native = lua.create_table()?;
    let readonly = |lua: &Lua, assigned: MultiValue| -> mlua::Result<()> {
        let text = "Attempt to modify a readonly table";
        // A function that was to do it has no place.
        Err(if assigned.is_empty() {
            Thrown::Message(text.to_owned()).into()
        } else {
            message(lua, text)
        })
    };
    native.raw_set("readonly", lua.create_function(readonly)?)?;
    let missing = |lua: &Lua, (_, name): (Value, Value)| -> mlua::Result<()> {
        let name = match name {
            Value::String(_) | Value::Integer(_) | Value::Number(_) => name.to_string()?,
            _ => {
                let text = "Second argument to luaProtectedTableError must be a string or number";
                return Err(message(lua, text));
            }
        };
        let text = format!("Script attempted to access nonexistent global variable '{name}'");
        Err(message(lua, text))
    };
    native.raw_set("missing", lua.create_function(missing)?)?;
    let fail = |lua: &Lua, text: String| -> mlua::Result<()> { Err(message(lua, text)) };
    native.raw_set("fail", lua.create_function(fail)?)?;
    native.raw_set("bad", lua.create_function(bad)?)?;
    native.raw_set("caught", lua.create_function(caught)?)?;
    native.raw_set("thrown", lua.create_function(seen)?)?;
    native.raw_set("explain", lua.create_function(explain)?)?;
    native.raw_set("compile", lua.create_function(compile)?)?;
    Ok(native)
}

/// Refuses an argument of a function, as the interpreter would.
fn bad(
    lua: &Lua,
    (place, name, wanted, value): (usize, String, String, Value),
) -> mlua::Result<()> {
    let found = match &value {
        Value::Nil if wanted == "invalid option" => String::new(),
        value if wanted == "invalid option" => format!(" '{}'", value.to_string()?),
        Value::Nil => " expected, got nil".to_owned(),
        value => format!(" expected, got {}", thrown::type_name(value)),
    };
    let text = format!("bad argument #{place} to '{name}' ({wanted}{found})");
    Err(message(lua, text))
}

/// What a script sees of an error that it caught; the end of the script it does not catch. With `as_text` an error reply is its text.
fn caught(lua: &Lua, (value, as_text): (Value, bool)) -> mlua::Result<Value> {
    let value = visible(lua, value)??;
    if let Value::Table(table) = &value
        && as_text
    {
        let text: Value = table.get("err")?;
        if matches!(
            text,
            Value::String(_) | Value::Integer(_) | Value::Number(_)
        ) {
            return Ok(text);
        }
    }
    Ok(value)
}

/// What a script's own error handler sees of an error, and whether it is the end of the script.
fn seen(lua: &Lua, value: Value) -> mlua::Result<(Value, bool)> {
    Ok(match visible(lua, value)? {
        Ok(value) => (value, false),
        Err(_) => (Value::Nil, true),
    })
}

/// What a script sees of an error that passes by; the end of the script as it is.
fn visible(lua: &Lua, value: Value) -> mlua::Result<Result<Value, Thrown>> {
    let Value::Error(error) = &value else {
        return Ok(Ok(value));
    };
    Ok(Ok(match Thrown::of(error) {
        Some(end @ Thrown::End(_)) => return Ok(Err(end.clone())),
        Some(Thrown::Reply { text, is_counted }) => {
            Value::Table(thrown::table(lua, text, *is_counted)?)
        }
        _ => Value::String(lua.create_string(thrown::text_of(&value))?),
    }))
}

/// Handles the error that ends a script, while the script's frames are still there: makes it a table with the place where it arose.
/// A script that is to start over just ends.
fn explain(lua: &Lua, value: Value) -> mlua::Result<Value> {
    let table = match visible(lua, value.clone())? {
        Err(Thrown::End(Refusal::Killed(text))) => {
            thrown::table(lua, format!("ERR {text}").as_bytes(), false)?
        }
        Err(_) => return Ok(value),
        Ok(Value::Table(table)) => table,
        Ok(other) => {
            let text = [b"ERR ", &thrown::text_of(&other)[..]].concat();
            thrown::table(lua, &text, false)?
        }
    };
    let place = (1..)
        .map_while(|level| lua.inspect_stack(level, script_line))
        .flatten()
        .next();
    if let Some((source, line)) = place {
        table.raw_set("source", source)?;
        table.raw_set("line", line)?;
    }
    Ok(Value::Table(table))
}

/// The source and the line of a frame, if a script's function runs in it.
fn script_line(frame: &mlua::debug::Debug<'_>) -> Option<(String, usize)> {
    let line = frame.current_line()?;
    let source = frame.source().source?.into_owned();
    (source != CHUNK).then_some((source, line))
}

/// Compiles what a script made; a failure is nothing and the error, as Lua has it.
fn compile(lua: &Lua, (source, name): (LuaString, LuaString)) -> mlua::Result<(Value, Value)> {
    let environment = lua.globals();
    match engine::compile(
        lua,
        &source.as_bytes(),
        &name.to_string_lossy(),
        environment,
    ) {
        Ok(function) => Ok((Value::Function(function), Value::Nil)),
        Err(text) => Ok((Value::Nil, Value::String(lua.create_string(text)?))),
    }
}
