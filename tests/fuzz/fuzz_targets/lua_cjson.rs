//! JSON from whoever calls a script: whatever the text, it is refused, or a value whose JSON is read again as long as it was.
//!
//! `tests/fuzz/run 60 lua_cjson`
#![no_main]

use libfuzzer_sys::fuzz_target;
use minium::scripting::libraries::cjson;
use mlua::{Function, Lua, LuaString, Table, Value};

thread_local! {
    static LIBRARY: (Lua, Table) = {
        let lua = Lua::new();
        let library = cjson::open(&lua).expect("a library");
        (lua, library)
    };
}

fuzz_target!(|text: &[u8]| {
    LIBRARY.with(|(lua, library)| {
        let function = |name: &str| library.get::<Function>(name).expect("a function");
        let (encode, decode) = (function("encode"), function("decode"));
        let text = lua.create_string(text).expect("a string");
        let encoded = decode
            .call::<Value>(text)
            .and_then(|value| encode.call::<LuaString>(value));
        // Numbers without JSON are read, but not written.
        let Ok(encoded) = encoded else { return };
        let again: Value = decode.call(&encoded).expect("what was written is read");
        let again: LuaString = encode.call(again).expect("and written again");
        assert_eq!(again.as_bytes().len(), encoded.as_bytes().len());
    });
});
