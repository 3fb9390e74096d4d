//! The tables beside `redis` that scripts find: one opener each.
//!
//! Scripts match on the texts of their errors and on every byte that they make, so the reference's C libraries are followed to the
//! letter, down to what they do with numbers that no integer holds. Lua's values are read raw: no metamethod runs, so a
//! library never comes back to the script that called it.
//!
//! Recursion and results are bounded below what a worker's stack, and the 8,000 slots of Lua's, can hold.

mod arguments;
pub mod bit;
pub mod cjson;
pub mod cmsgpack;
mod convert;
pub mod structs;
#[cfg(test)]
mod tests;

use mlua::{Function, Lua, Table};

/// Makes a library's table in a state, once for each.
pub type Open = fn(&Lua) -> mlua::Result<Table>;

/// Every library by the name that scripts call it. Scripts see a table of functions and numbers, which they cannot change.
pub const ALL: &[(&str, Open)] = &[
    ("bit", bit::open),
    ("cjson", cjson::open),
    ("cmsgpack", cmsgpack::open),
    ("os", os),
    ("struct", structs::open),
];

/// Values that one call may return, so that all of them fit on Lua's stack.
const MAX_RESULTS: usize = 7_500;

/// Bytes that a library makes of its arguments at most. A few nested tables, each twice in the next, become more than any
/// memory holds.
const MAX_OUTPUT: usize = if cfg!(test) { 16 << 20 } else { 512 << 20 };

/// Of `os` only what tells the processor time that the process has used.
fn os(lua: &Lua) -> mlua::Result<Table> {
    let whole: Table = lua.globals().raw_get("os")?;
    let table = lua.create_table()?;
    table.raw_set("clock", whole.raw_get::<Function>("clock")?)?;
    Ok(table)
}
