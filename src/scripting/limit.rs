//! What a state may take.
//!
//! The limit is there for what scripts make. While the server makes a value for them it is lifted: such a value is no larger than what
//! the server has of it already, what the script makes next finds the limit as it is, and a limit would have every single step of the
//! making run protected, which takes longer than the step.

use mlua::Lua;

/// What a state may take, in bytes; a script that needs more ends with an error.
pub const MAX: usize = 512 << 20;

/// Makes something for a script.
///
/// # Errors
/// Those of what is made.
pub fn lifted<R>(lua: &Lua, make: impl FnOnce() -> mlua::Result<R>) -> mlua::Result<R> {
    lua.set_memory_limit(0)?;
    let made = make();
    lua.set_memory_limit(MAX)?;
    made
}
