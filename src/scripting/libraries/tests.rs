//! Bounds of the libraries, and what one run of a script cannot show; that they answer as the reference does is compared with it
//! over a socket.

use mlua::{Error, Lua, MultiValue, Value};

use super::ALL;
use crate::scripting::thrown::Thrown;

/// A state with the libraries, as scripts have it.
fn state() -> Lua {
    let lua = Lua::new();
    for (name, open) in ALL {
        let library = open(&lua).expect("a library");
        lua.globals().set(*name, library).expect("a global");
    }
    lua
}

/// What a script returns, as Lua prints it, or the text of its error.
fn answer(lua: &Lua, script: &str) -> String {
    match lua.load(script).set_name("@user_script").eval() {
        Ok(values) => printed(&values),
        Err(error) => text_of(&error),
    }
}

fn printed(values: &MultiValue) -> String {
    let text = |value: &Value| value.to_string().expect("text").escape_debug().to_string();
    values.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn text_of(error: &Error) -> String {
    let thrown = Thrown::of(error).expect("an error of ours");
    thrown.to_string()
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let lua = state();
    for (script, expected) in cases {
        assert_eq!(answer(&lua, script), *expected, "{script}");
    }
}

#[test]
fn errors_say_where_they_happened() {
    check(&[
        (
            "\n\nreturn cjson.encode(tostring)",
            "user_script:3: Cannot serialise function: type not supported",
        ),
        (
            "local bitwise = bit\nreturn bitwise.band({})",
            "user_script:2: bad argument #1 to 'band' (number expected, got table)",
        ),
        (
            "return cmsgpack:unpack()",
            "user_script:1: calling 'unpack' on bad self (string expected, got table)",
        ),
    ]);
    // Called by no line of a script, there is no place to name.
    let lua = state();
    let encode: mlua::Function = lua.load("cjson.encode").eval().expect("a function");
    let error = encode.call::<()>(()).expect_err("no argument");
    assert_eq!(
        text_of(&error),
        "bad argument #1 to '?' (expected 1 argument)"
    );
}

#[test]
fn depth_is_bounded() {
    let nest = "local t = {} for _ = 1, 5000 do t = {t} end ";
    check(&[
        (
            &format!("{nest} return cjson.encode(t)"),
            "user_script:1: Cannot serialise, excessive nesting (1001)",
        ),
        (
            &format!("{nest} cjson.encode_max_depth(2^31 - 1) return cjson.encode(t)"),
            "user_script:1: Cannot serialise, excessive nesting (1001)",
        ),
        (
            "local t = {} t.t = t return cjson.encode(t)",
            "user_script:1: Cannot serialise, excessive nesting (1001)",
        ),
        (
            "cjson.decode_max_depth(2^31 - 1) return cjson.decode(('['):rep(5000))",
            "user_script:1: Found too many nested data structures (1001) at character 1001",
        ),
        (
            "return #cjson.encode(cjson.decode(('['):rep(1000) .. (']'):rep(1000)))",
            "2000",
        ),
        (
            "cjson.decode_max_depth(5) return cjson.decode('[[[[[[]]]]]]')",
            "user_script:1: Found too many nested data structures (6) at character 6",
        ),
        (
            "return cmsgpack.unpack(('\\145'):rep(100000))",
            "user_script:1: stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
        ),
        // Sixteen tables deep, and nil in the seventeenth.
        (
            "local t = {} t[1] = t return (cmsgpack.pack(t):gsub('\\145', '['):gsub('\\192', 'nil'))",
            "[[[[[[[[[[[[[[[[nil",
        ),
    ]);
}

#[test]
fn what_is_made_is_bounded() {
    let double = "local t = ('x'):rep(1000) for _ = 1, 40 do t = {t, t} end ";
    check(&[
        (
            &format!("{double} return cjson.encode(t)"),
            "user_script:1: Cannot serialise, the result is too long",
        ),
        (
            "cjson.encode_sparse_array(true, 0) return #cjson.encode({[2^31 - 1] = 1})",
            "user_script:1: Cannot serialise, the result is too long",
        ),
        (
            "return cmsgpack.unpack(('\\1'):rep(8000))",
            "user_script:1: stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
        ),
        (
            "return select('#', cmsgpack.unpack(('\\160'):rep(7000)))",
            "7000",
        ),
        (
            "return struct.unpack(('c0'):rep(8000), '')",
            "user_script:1: format 'c0' needs a previous size",
        ),
        (
            "return struct.unpack(('s'):rep(8000), ('\\0'):rep(8000))",
            "user_script:1: stack overflow (too many results)",
        ),
        // What is announced and not there takes no memory.
        (
            "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
            "user_script:1: Missing bytes in input.",
        ),
        (
            "return struct.pack('c2147483647', 'x')",
            "user_script:1: bad argument #3 to 'pack' (string too short)",
        ),
        (
            "return struct.size('c2147483648')",
            "user_script:1: integral size overflow",
        ),
        (
            "return struct.unpack('c2147483647', 'x')",
            "user_script:1: bad argument #2 to 'unpack' (data string too short)",
        ),
    ]);
}

#[test]
fn as_many_digits_as_there_are() {
    // More than eight digits, or the least number of them, once wrote beyond the end.
    check(&[
        ("return bit.tohex(0xdeadbeef, 2^31)", "DEADBEEF"),
        ("return bit.tohex(0xdeadbeef, -2^31)", "DEADBEEF"),
        ("return bit.tohex(0xdeadbeef, 2^31 - 1)", "deadbeef"),
        ("return bit.tohex(0xdeadbeef, -3)", "EEF"),
        ("return bit.tohex(0xdeadbeef, 0)", ""),
    ]);
}

#[test]
fn settings_stay_and_are_the_tables_own() {
    check(&[
        ("return cjson.encode_number_precision(3)", "3"),
        (
            "return cjson.encode(1/3), cjson.new().encode(1/3)",
            "0.333 0.33333333333333",
        ),
        (
            "return cjson.encode_sparse_array(true, -1, 3)",
            "user_script:1: bad argument #1 to 'encode_sparse_array' (expected integer between 0 and 2147483647)",
        ),
        // What stood before the wrong argument was set.
        ("return cjson.encode_sparse_array()", "true 2 10"),
    ]);
}
