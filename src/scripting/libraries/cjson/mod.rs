//! `cjson`: JSON, as lua-cjson 2.1 reads and writes it.
//!
//! Strings are bytes, whether or not they are UTF-8. `null` is a light userdata, since a table cannot hold nil; an empty table
//! becomes `{}`. What is set (by `encode_max_depth` and its like) is the library's own and stays for later scripts.

mod decode;
mod encode;

use std::cell::Cell;
use std::rc::Rc;

use mlua::{IntoLuaMulti, Lua, Result, Table, Value};

use super::arguments::{Arguments, function};

/// Tables inside one another that are read or written at most, whatever is set: what fits on a worker's stack.
const MAX_DEPTH: i32 = 1_000;

/// What scripts can set.
#[derive(Clone, Copy)]
struct Settings {
    /// Whether an array that is mostly holes becomes an object; else it is an error.
    sparse_convert: bool,
    /// Times that an array may be longer than it has elements; 0: no limit.
    sparse_ratio: i32,
    /// Length up to which an array may have any number of holes.
    sparse_safe: i32,
    encode_max_depth: i32,
    decode_max_depth: i32,
    encode_invalid_numbers: InvalidNumbers,
    decode_invalid_numbers: bool,
    /// Significant digits.
    number_precision: i32,
    /// Has no meaning here, but can be asked for.
    keep_buffer: bool,
}

/// What becomes of numbers that JSON cannot express.
#[derive(Clone, Copy, PartialEq)]
enum InvalidNumbers {
    Refused,
    Written,
    Null,
}

const DEFAULTS: Settings = Settings {
    sparse_convert: false,
    sparse_ratio: 2,
    sparse_safe: 10,
    encode_max_depth: 1_000,
    decode_max_depth: 1_000,
    encode_invalid_numbers: InvalidNumbers::Refused,
    decode_invalid_numbers: true,
    number_precision: 14,
    keep_buffer: true,
};

/// Makes the library's table, with settings of its own.
pub fn open(lua: &Lua) -> Result<Table> {
    let library = lua.create_table()?;
    let settings = Rc::new(Cell::new(DEFAULTS));
    add(&library, lua, &settings, "encode", |arguments, settings| {
        encode::encode(arguments, &settings.get())
    })?;
    add(&library, lua, &settings, "decode", |arguments, settings| {
        decode::decode(arguments, &settings.get())
    })?;
    add(
        &library,
        lua,
        &settings,
        "encode_sparse_array",
        sparse_array,
    )?;
    add(
        &library,
        lua,
        &settings,
        "encode_invalid_numbers",
        invalid_numbers,
    )?;
    let integer = |name, setting: fn(&mut Settings) -> &mut i32, most| {
        add(
            &library,
            lua,
            &settings,
            name,
            move |arguments, settings| {
                at_most(arguments, 1)?;
                change(settings, |settings| {
                    integer_option(arguments, 1, setting(settings), 1, most)
                })
            },
        )
    };
    integer("encode_max_depth", |s| &mut s.encode_max_depth, i32::MAX)?;
    integer("decode_max_depth", |s| &mut s.decode_max_depth, i32::MAX)?;
    integer("encode_number_precision", |s| &mut s.number_precision, 14)?;
    let switch = |name, setting: fn(&mut Settings) -> &mut bool| {
        add(
            &library,
            lua,
            &settings,
            name,
            move |arguments, settings| {
                at_most(arguments, 1)?;
                change(settings, |settings| {
                    switch_option(arguments, 1, setting(settings))
                })
            },
        )
    };
    switch("encode_keep_buffer", |s| &mut s.keep_buffer)?;
    switch("decode_invalid_numbers", |s| &mut s.decode_invalid_numbers)?;
    library.raw_set("new", lua.create_function(|lua, ()| open(lua))?)?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    Ok(library)
}

/// Puts a function into the library that sees its settings.
fn add<R: IntoLuaMulti>(
    library: &Table,
    lua: &Lua,
    settings: &Rc<Cell<Settings>>,
    name: &str,
    run: impl Fn(&Arguments<'_>, &Cell<Settings>) -> Result<R> + 'static,
) -> Result<()> {
    let settings = Rc::clone(settings);
    let run = function(lua, move |arguments| run(arguments, &settings))?;
    library.raw_set(name, run)
}

/// Changes the settings; what was changed before an error stays so.
fn change<R>(
    settings: &Cell<Settings>,
    with: impl FnOnce(&mut Settings) -> Result<R>,
) -> Result<R> {
    let mut changed = settings.get();
    let result = with(&mut changed);
    settings.set(changed);
    result
}

fn sparse_array(arguments: &Arguments<'_>, settings: &Cell<Settings>) -> Result<(bool, i32, i32)> {
    at_most(arguments, 3)?;
    change(settings, |settings| {
        Ok((
            switch_option(arguments, 1, &mut settings.sparse_convert)?,
            integer_option(arguments, 2, &mut settings.sparse_ratio, 0, i32::MAX)?,
            integer_option(arguments, 3, &mut settings.sparse_safe, 0, i32::MAX)?,
        ))
    })
}

fn invalid_numbers(arguments: &Arguments<'_>, settings: &Cell<Settings>) -> Result<Value> {
    at_most(arguments, 1)?;
    change(settings, |settings| {
        let setting = &mut settings.encode_invalid_numbers;
        match choice(arguments, 1, &["off", "on", "null"])? {
            Some(0) => *setting = InvalidNumbers::Refused,
            Some(1) => *setting = InvalidNumbers::Written,
            Some(_) => *setting = InvalidNumbers::Null,
            None => {}
        }
        Ok(match setting {
            InvalidNumbers::Refused => Value::Boolean(false),
            InvalidNumbers::Written => Value::Boolean(true),
            InvalidNumbers::Null => Value::String(arguments.lua.create_string("null")?),
        })
    })
}

fn at_most(arguments: &Arguments<'_>, most: usize) -> Result<()> {
    if arguments.len() > most {
        return Err(arguments.argument_error(most + 1, "found too many arguments"));
    }
    Ok(())
}

/// Sets an integer if there is an argument for it; returns what it is then.
fn integer_option(
    arguments: &Arguments<'_>,
    position: usize,
    setting: &mut i32,
    least: i32,
    most: i32,
) -> Result<i32> {
    if arguments.given(position).is_some() {
        let value = arguments.integer(position)? as i32;
        if !(least..=most).contains(&value) {
            // Whichever argument it was.
            return Err(arguments.argument_error(
                1,
                format_args!("expected integer between {least} and {most}"),
            ));
        }
        *setting = value;
    }
    Ok(*setting)
}

/// Sets a switch if there is an argument for it; returns what it is then.
fn switch_option(arguments: &Arguments<'_>, position: usize, setting: &mut bool) -> Result<bool> {
    if let Some(choice) = choice(arguments, position, &["off", "on"])? {
        *setting = choice == 1;
    }
    Ok(*setting)
}

/// Which of the names an argument is, if there is one. A boolean stands for the first two.
fn choice(arguments: &Arguments<'_>, position: usize, names: &[&str]) -> Result<Option<usize>> {
    match arguments.given(position) {
        None => Ok(None),
        Some(&Value::Boolean(value)) => Ok(Some(usize::from(value))),
        Some(_) => {
            let name = arguments.string(position)?;
            let found = names
                .iter()
                .position(|known| name.as_bytes() == known.as_bytes());
            let Some(found) = found else {
                let name = name.to_string_lossy();
                return Err(
                    arguments.argument_error(position, format_args!("invalid option '{name}'"))
                );
            };
            Ok(Some(found))
        }
    }
}
