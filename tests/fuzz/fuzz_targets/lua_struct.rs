//! Formats and structures from whoever calls a script: they are refused, or what was unpacked can be packed with the same format.
//!
//! `tests/fuzz/run 60 lua_struct`
//!
//! The first line of the input is the format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use minium::scripting::libraries::structs;
use mlua::{Function, Lua, LuaString, MultiValue, Table};

thread_local! {
    static LIBRARY: (Lua, Table) = {
        let lua = Lua::new();
        let library = structs::open(&lua).expect("a library");
        (lua, library)
    };
}

fuzz_target!(|input: &[u8]| {
    LIBRARY.with(|(lua, library)| {
        let function = |name: &str| library.get::<Function>(name).expect("a function");
        let end = input.iter().position(|&byte| byte == b'\n');
        let (format, data) = input.split_at(end.unwrap_or(input.len()));
        let string = |bytes: &[u8]| lua.create_string(bytes).expect("a string");
        let _: Result<f64, _> = function("size").call(string(format));
        let unpacked: Result<MultiValue, _> =
            function("unpack").call((string(format), string(data)));
        let Ok(mut values) = unpacked else { return };
        values.pop_back();
        // A size that was read for a string is not among the values.
        if !format.windows(2).any(|option| option == b"c0") {
            values.push_front(mlua::Value::String(string(format)));
            let _: LuaString = function("pack").call(values).expect("values are packed");
        }
    });
});
