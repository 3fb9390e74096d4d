//! The tables beside `redis` that scripts find: one opener each.

use mlua::{Function, Lua, Table};

/// Makes a library's table in a state, once for each.
pub type Open = fn(&Lua) -> mlua::Result<Table>;

/// Every library by the name that scripts call it. Scripts see a table of functions and numbers, which they cannot change.
pub const ALL: &[(&str, Open)] = &[("os", os)];

/// Of `os` only what tells the processor time that the process has used.
fn os(lua: &Lua) -> mlua::Result<Table> {
    let whole: Table = lua.globals().raw_get("os")?;
    let table = lua.create_table()?;
    table.raw_set("clock", whole.raw_get::<Function>("clock")?)?;
    Ok(table)
}
