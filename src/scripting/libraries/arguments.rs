//! What C functions have in Lua's auxiliary library: arguments by position, and errors that say where they happened.

use std::fmt::Display;

use mlua::{Error, Function, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Value};

use super::convert::to_long;
use crate::scripting::thrown::{message, type_name};

/// The arguments of one call of a library's function.
pub(super) struct Arguments<'a> {
    pub(super) lua: &'a Lua,
    values: MultiValue,
}

/// Makes a Lua function of a Rust one.
pub(super) fn function<F, R>(lua: &Lua, run: F) -> Result<Function>
where
    F: Fn(&Arguments<'_>) -> Result<R> + 'static,
    R: IntoLuaMulti,
{
    lua.create_function(move |lua, values| run(&Arguments { lua, values }))
}

/// An error with the place in the script that called the library, as far as there is one: `user_script:1: text`.
pub(super) fn error(lua: &Lua, text: impl Display) -> Error {
    message(lua, text.to_string())
}

impl Arguments<'_> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    /// The argument at a position counted from 1.
    pub(super) fn get(&self, position: usize) -> Option<&Value> {
        self.values.get(position - 1)
    }

    /// The argument at a position, unless it is missing or nil.
    pub(super) fn given(&self, position: usize) -> Option<&Value> {
        self.get(position).filter(|value| !value.is_nil())
    }

    /// A number, or a string that spells one.
    pub(super) fn number(&self, position: usize) -> Result<f64> {
        let value = self.get(position);
        match value {
            Some(&Value::Integer(value)) => return Ok(value as f64),
            Some(&Value::Number(value)) => return Ok(value),
            Some(value @ Value::String(_)) => {
                if let Some(number) = self.lua.coerce_number(value.clone())? {
                    return Ok(number);
                }
            }
            _ => {}
        }
        Err(self.wrong_type(position, "number"))
    }

    /// A number without its fraction.
    pub(super) fn integer(&self, position: usize) -> Result<i64> {
        self.number(position).map(to_long)
    }

    /// As [`integer`](Self::integer), unless the argument is missing or nil.
    pub(super) fn optional_integer(&self, position: usize) -> Result<Option<i64>> {
        self.given(position)
            .map(|_| self.integer(position))
            .transpose()
    }

    /// A string, or a number as Lua spells it.
    pub(super) fn string(&self, position: usize) -> Result<LuaString> {
        match self.get(position) {
            Some(Value::String(value)) => return Ok(value.clone()),
            Some(value @ (Value::Integer(_) | Value::Number(_))) => {
                if let Some(value) = self.lua.coerce_string(value.clone())? {
                    return Ok(value);
                }
            }
            _ => {}
        }
        Err(self.wrong_type(position, "string"))
    }

    /// An error in how the library is used.
    pub(super) fn error(&self, text: impl Display) -> Error {
        error(self.lua, text)
    }

    /// An error in one argument.
    pub(super) fn argument_error(&self, position: usize, text: impl Display) -> Error {
        let called = self.lua.inspect_stack(0, |function| {
            let names = function.names();
            let name = names.name.map(|name| name.into_owned());
            (name, names.name_what == Some("method"))
        });
        let (name, is_method) = called.unwrap_or_default();
        let name = name.as_deref().unwrap_or("?");
        match position {
            1 if is_method => self.error(format_args!("calling '{name}' on bad self ({text})")),
            _ => {
                let position = position - usize::from(is_method && position > 0);
                self.error(format_args!(
                    "bad argument #{position} to '{name}' ({text})"
                ))
            }
        }
    }

    fn wrong_type(&self, position: usize, wanted: &str) -> Error {
        let found = self.get(position).map_or("no value", type_name);
        self.argument_error(position, format_args!("{wanted} expected, got {found}"))
    }
}
