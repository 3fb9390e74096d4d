//! MessagePack from whoever calls a script: whatever the bytes, they are refused, or values that can be packed.
//!
//! `tests/fuzz/run 60 lua_cmsgpack`
#![no_main]

use libfuzzer_sys::fuzz_target;
use minium::scripting::libraries::cmsgpack;
use mlua::{Function, Lua, LuaString, MultiValue, Table};

thread_local! {
    static LIBRARY: (Lua, Table) = {
        let lua = Lua::new();
        let library = cmsgpack::open(&lua).expect("a library");
        (lua, library)
    };
}

fuzz_target!(|bytes: &[u8]| {
    LIBRARY.with(|(lua, library)| {
        let function = |name: &str| library.get::<Function>(name).expect("a function");
        let bytes = lua.create_string(bytes).expect("a string");
        let Ok(values) = function("unpack").call::<MultiValue>(&bytes) else {
            return;
        };
        if !values.is_empty() {
            let packed: LuaString = function("pack").call(values).expect("values are packed");
            assert!(!packed.as_bytes().is_empty());
        }
        // Value by value there are as many.
        let one: MultiValue = function("unpack_one").call(bytes).expect("a value");
        assert!((1..=2).contains(&one.len()));
    });
});
