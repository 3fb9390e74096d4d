//! Real clients against the server: each does what a program of its language does.
//!
//! Client libraries in other languages run as scripts from `tests/clients`, a folder for each language. A script that wants the
//! server restarted says so with a line on its standard output and goes on when it gets a line on its standard input.

mod command_line;
mod rust;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Setup;

const PASSWORD: &str = "a password, with \"quotes\"";

#[test]
fn redis_py() {
    python("cache_sync.py");
}

#[test]
fn redis_py_asyncio() {
    python("cache_asyncio.py");
}

#[test]
fn redis_py_data_types() {
    python("data_types.py");
}

#[test]
fn redis_py_transactions() {
    python("transactions.py");
}

#[test]
fn redis_py_with_local_copies() {
    python("local_cache.py");
}

#[test]
fn ioredis() {
    node("ioredis.mjs");
}

#[test]
fn node_redis() {
    node("node_redis.mjs");
}

#[test]
fn ioredis_data_types() {
    node("ioredis_data_types.mjs");
}

#[test]
fn node_redis_data_types() {
    node("node_redis_data_types.mjs");
}

#[test]
fn phpredis() {
    script("php", "php/phpredis.php");
}

#[test]
fn ruby_redis() {
    script("ruby", "ruby/redis_rb.rb");
}

#[test]
fn perl_redis() {
    script("perl", "perl/redis.pl");
}

#[test]
fn lua_redis() {
    script("lua5.1", "lua/redis_lua.lua");
}

#[test]
fn hiredis() {
    let folder = tempfile::tempdir().expect("a folder for the program");
    let program = folder.path().join("hiredis");
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(clients().join("c/hiredis.c"))
        .arg("-lhiredis")
        .output()
        .unwrap_or_else(|error| panic!("cannot start cc: {error}; run tests/run"));
    assert!(
        compiled.status.success(),
        "hiredis.c does not compile; tests/run installs the library:\n{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    converse(Command::new(program));
}

/// Runs a script of the folder `python`, whose modules it may import.
pub(crate) fn python(script: &str) {
    let folder = clients().join("python");
    let mut command = Command::new(installed(clients().join(".venv/bin/python")));
    command.arg(folder.join(script)).env("PYTHONPATH", folder);
    converse(command);
}

/// Runs a script of the folder `node`.
pub(crate) fn node(name: &str) {
    installed(clients().join("node/node_modules/.package-lock.json"));
    script("node", &format!("node/{name}"));
}

/// Runs a script that needs no folder of packages.
pub(crate) fn script(interpreter: &str, path: &str) {
    let mut command = Command::new(interpreter);
    command.arg(clients().join(path));
    converse(command);
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A missing peer is a failure: a test that was skipped has not passed.
fn installed(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing: run tests/run, which installs the client libraries",
        path.display()
    );
    path
}

/// Gives a client program a server, and a new one whenever it asks, until it ends; its status says whether all was well.
fn converse(mut program: Command) {
    let mut server = Setup::minium().password(PASSWORD).start();
    let mut child = program
        .args(["127.0.0.1", &server.port().to_string(), PASSWORD])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {program:?}: {error}; run tests/run"));
    let mut input = child.stdin.take().expect("a pipe");
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        assert_eq!(line, "RESTART", "{program:?} said something unexpected");
        server.restart();
        // If the program has ended, its status says more than a broken pipe.
        let _: std::io::Result<()> = input.write_all(b"\n");
    }
    let output = child.wait_with_output().expect("the program's end");
    assert!(
        output.status.success(),
        "{program:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
