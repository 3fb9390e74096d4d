//! The `redis` table.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::{Function, IntoLua, Lua, LuaString, MultiValue, Table, Value, Variadic};

use super::host::{self, Refusal};
use super::limit;
use super::log::Line;
use super::random::{self, Random};
use super::reply;
use super::thrown::{self, Thrown, message};
use crate::protocol::{OwnedRequest, Version, number};

/// What functions of the table keep from call to call.
#[derive(Debug, Default)]
pub struct Memory {
    /// The version of the protocol in which commands answer the script that runs.
    pub version: Cell<Version>,
    /// The state of `math.random`.
    pub random: Cell<Random>,
    scratch: RefCell<Scratch>,
}

/// Buffers of one command.
#[derive(Debug, Default)]
struct Scratch {
    request: OwnedRequest,
    reply: Vec<u8>,
}

/// A reply buffer that a giant reply made larger than this is given back.
const MAX_KEPT: usize = 1 << 20;

/// Which changes are written down and where they go, as `redis.set_repl` has them.
const REPL_AOF: i64 = 1;
const REPL_REPLICA: i64 = 2;

const LOG_LEVELS: [(&str, i64); 4] = [
    ("LOG_DEBUG", 0),
    ("LOG_VERBOSE", 1),
    ("LOG_NOTICE", 2),
    ("LOG_WARNING", 3),
];

/// Makes the table.
pub fn table(lua: &Lua, memory: &Rc<Memory>) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    for (name, raises) in [("call", true), ("pcall", false)] {
        let memory = Rc::clone(memory);
        let call = move |lua: &Lua, words: Variadic<Value>| command(lua, &memory, &words, raises);
        redis.raw_set(name, lua.create_function(call)?)?;
    }
    redis.raw_set("error_reply", with_words(lua, error_reply)?)?;
    redis.raw_set("status_reply", with_words(lua, status_reply)?)?;
    redis.raw_set("sha1hex", with_words(lua, sha1hex)?)?;
    redis.raw_set("log", with_words(lua, log)?)?;
    redis.raw_set("set_repl", with_words(lua, set_repl)?)?;
    redis.raw_set("acl_check_cmd", with_words(lua, acl_check_cmd)?)?;
    let memory = Rc::clone(memory);
    let setresp = move |lua: &Lua, words: Variadic<Value>| set_version(lua, &memory, &words);
    redis.raw_set("setresp", lua.create_function(setresp)?)?;
    // Scripts are always repeated command by command, and there is no debugger.
    let yes = |_: &Lua, _: MultiValue| Ok(true);
    redis.raw_set("replicate_commands", lua.create_function(yes)?)?;
    let no = |_: &Lua, _: MultiValue| Ok(false);
    redis.raw_set("breakpoint", lua.create_function(no)?)?;
    let nothing = |_: &Lua, _: MultiValue| Ok(());
    redis.raw_set("debug", lua.create_function(nothing)?)?;
    for (name, number) in LOG_LEVELS {
        redis.raw_set(name, number)?;
    }
    for (name, number) in [
        ("REPL_NONE", 0),
        ("REPL_AOF", REPL_AOF),
        ("REPL_SLAVE", REPL_REPLICA),
        ("REPL_REPLICA", REPL_REPLICA),
        ("REPL_ALL", REPL_AOF | REPL_REPLICA),
    ] {
        redis.raw_set(name, number)?;
    }
    redis.raw_set("REDIS_VERSION", crate::REDIS_VERSION)?;
    let parts = crate::REDIS_VERSION.split('.').map(str::parse::<i64>);
    let number = parts.fold(0, |number, part| number << 8 | part.unwrap_or(0));
    redis.raw_set("REDIS_VERSION_NUM", number)?;
    Ok(redis)
}

/// A function that looks at its arguments itself.
fn with_words<R: IntoLua + 'static>(
    lua: &Lua,
    function: fn(&Lua, &[Value]) -> mlua::Result<R>,
) -> mlua::Result<Function> {
    lua.create_function(move |lua: &Lua, words: Variadic<Value>| function(lua, &words))
}

/// Puts our own generator behind `math.random`.
pub fn replace_random(lua: &Lua, memory: &Rc<Memory>) -> mlua::Result<()> {
    let math: Table = lua.globals().raw_get("math")?;
    let kept = Rc::clone(memory);
    let draw = move |lua: &Lua, bounds: Variadic<Value>| {
        let mut random = kept.random.get();
        let drawn = f64::from(random.draw() % random::BOUND.wrapping_sub(1));
        kept.random.set(random);
        let part = drawn / f64::from(random::BOUND - 1);
        let bound = |place: usize| int(lua, &bounds[place], place + 1, "random");
        let (low, high, place) = match bounds.len() {
            0 => return Ok(part),
            1 => (1, bound(0)?, 1),
            2 => (bound(0)?, bound(1)?, 2),
            _ => return Err(message(lua, "wrong number of arguments")),
        };
        if low > high {
            let text = format!("bad argument #{place} to 'random' (interval is empty)");
            return Err(message(lua, text));
        }
        // In 32 bits, as C has it.
        let width = f64::from(high.wrapping_sub(low).wrapping_add(1));
        Ok((part * width).floor() + f64::from(low))
    };
    math.raw_set("random", lua.create_function(draw)?)?;
    let kept = Rc::clone(memory);
    let seed = move |lua: &Lua, seed: Value| {
        kept.random
            .set(Random::seeded(int(lua, &seed, 1, "randomseed")?));
        Ok(())
    };
    math.raw_set("randomseed", lua.create_function(seed)?)
}

/// An argument as C's `int`.
fn int(lua: &Lua, value: &Value, place: usize, name: &str) -> mlua::Result<i32> {
    match lua.coerce_number(value.clone())? {
        Some(number) => Ok(number as i64 as i32),
        None => {
            let text = format!(
                "bad argument #{place} to '{name}' (number expected, got {})",
                thrown::type_name(value)
            );
            Err(message(lua, text))
        }
    }
}

/// Runs a command; its error is thrown or, where not, returned.
fn command(lua: &Lua, memory: &Memory, words: &[Value], raises: bool) -> mlua::Result<Value> {
    let Ok(mut scratch) = memory.scratch.try_borrow_mut() else {
        return Err(Thrown::error("ERR redis.call/pcall calls itself").into());
    };
    let Scratch { request, reply } = &mut *scratch;
    reply.clear();
    if reply.capacity() > MAX_KEPT {
        *reply = Vec::new();
    }
    if let Err(error) = gather(request, words) {
        return fail(lua, error, raises);
    }
    let version = memory.version.get();
    let asked = host::ask_for("redis.call/pcall", |host| {
        host.call(request.as_request(), version, reply)
    });
    match asked {
        Ok(Ok(())) => {}
        Ok(Err(Refusal::Error(text))) => {
            let error = Thrown::Reply {
                text,
                is_counted: true,
            };
            return fail(lua, error, raises);
        }
        Ok(Err(end)) => return Err(Thrown::End(end).into()),
        Err(error) => return fail(lua, error, true),
    }
    if raises && let Some(text) = reply.strip_prefix(b"-") {
        let text = text.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let text = thrown::with_code(&[b"-", text].concat());
        let error = Thrown::Reply {
            text,
            is_counted: true,
        };
        return Err(error.into());
    }
    limit::lifted(lua, || reply::to_lua(lua, reply))
}

fn fail(lua: &Lua, error: Thrown, raises: bool) -> mlua::Result<Value> {
    match error {
        Thrown::Reply { text, is_counted } if !raises => {
            Ok(Value::Table(thrown::table(lua, &text, is_counted)?))
        }
        error => Err(error.into()),
    }
}

/// Makes a request of the arguments of a function.
fn gather(request: &mut OwnedRequest, words: &[Value]) -> Result<(), Thrown> {
    request.clear();
    if words.is_empty() {
        return Err(Thrown::error(
            "ERR Please specify at least one argument for this redis lib call",
        ));
    }
    for word in words {
        match word {
            Value::String(text) => request.push(&text.as_bytes()),
            Value::Integer(number) => request.push_with(|out| number::write_i64(out, *number)),
            Value::Number(number) => request.push_with(|out| number::write_f64(out, *number)),
            _ => {
                return Err(Thrown::error(
                    "ERR Lua redis lib command arguments must be strings or integers",
                ));
            }
        }
    }
    Ok(())
}

/// The only argument, if it is a string.
fn only_string(words: &[Value]) -> Option<&LuaString> {
    match words {
        [Value::String(text)] => Some(text),
        _ => None,
    }
}

fn error_reply(lua: &Lua, words: &[Value]) -> mlua::Result<Table> {
    let text = match only_string(words) {
        Some(text) => {
            let text = text.as_bytes();
            let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
            let sign = if text.starts_with(b"-") {
                &b""[..]
            } else {
                b"-"
            };
            thrown::with_code(&[sign, text].concat())
        }
        None => b"ERR wrong number or type of arguments".to_vec(),
    };
    thrown::table(lua, &text, false)
}

fn status_reply(lua: &Lua, words: &[Value]) -> mlua::Result<Table> {
    let Some(text) = only_string(words) else {
        return thrown::table(lua, b"ERR wrong number or type of arguments", false);
    };
    let table = lua.create_table()?;
    table.raw_set("ok", text)?;
    Ok(table)
}

fn sha1hex(lua: &Lua, words: &[Value]) -> mlua::Result<String> {
    let [value] = words else {
        return Err(Thrown::error("ERR wrong number of arguments").into());
    };
    let text = lua.coerce_string(value.clone())?;
    let bytes = text.map_or_else(Vec::new, |text| text.as_bytes().to_vec());
    Ok(sha1_smol::Sha1::from(bytes).digest().to_string())
}

fn set_version(lua: &Lua, memory: &Memory, words: &[Value]) -> mlua::Result<()> {
    host::ask_for("redis.setresp", |_| ())?;
    let [value] = words else {
        return Err(Thrown::error("ERR redis.setresp() requires one argument.").into());
    };
    let version = match lua
        .coerce_number(value.clone())?
        .map(|number| number as i64)
    {
        Some(2) => Version::Resp2,
        Some(3) => Version::Resp3,
        _ => return Err(Thrown::error("ERR RESP version must be 2 or 3.").into()),
    };
    memory.version.set(version);
    Ok(())
}

fn set_repl(lua: &Lua, words: &[Value]) -> mlua::Result<Value> {
    host::ask_for("redis.set_repl", |_| ())?;
    let [value] = words else {
        return Err(Thrown::error("ERR redis.set_repl() requires one argument.").into());
    };
    let flags = lua.coerce_number(value.clone())?.unwrap_or(0.0) as i64;
    if flags & !(REPL_AOF | REPL_REPLICA) != 0 {
        let text =
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(Thrown::error(text).into());
    }
    host::ask_for("redis.set_repl", |host| {
        host.set_repeated(flags & REPL_AOF != 0);
    })?;
    Ok(Value::Nil)
}

fn acl_check_cmd(_: &Lua, words: &[Value]) -> mlua::Result<bool> {
    let mut request = OwnedRequest::default();
    gather(&mut request, words)?;
    let may = host::ask_for("redis.acl_check_cmd", |host| {
        host.may_run(request.as_request())
    })?;
    may.ok_or_else(|| Thrown::error("ERR Invalid command passed to redis.acl_check_cmd()").into())
}

fn log(lua: &Lua, words: &[Value]) -> mlua::Result<Value> {
    let [level, parts @ ..] = words else {
        return Err(Thrown::error("ERR redis.log() requires two arguments or more.").into());
    };
    if parts.is_empty() {
        return Err(Thrown::error("ERR redis.log() requires two arguments or more.").into());
    }
    let Some(level) = lua.coerce_number(level.clone())? else {
        return Err(Thrown::error("ERR First argument must be a number (log level).").into());
    };
    let mut text = String::new();
    for (place, part) in parts.iter().enumerate() {
        if let Some(part) = lua.coerce_string(part.clone())? {
            if place > 0 {
                text.push(' ');
            }
            text.push_str(&part.to_string_lossy());
        }
    }
    let line =
        Line::new(level as i64, text).ok_or_else(|| Thrown::error("ERR Invalid debug level."))?;
    match host::ask_for("redis.log", |host| host.log(line))? {
        Ok(()) => Ok(Value::Nil),
        Err(end) => Err(Thrown::End(end).into()),
    }
}
