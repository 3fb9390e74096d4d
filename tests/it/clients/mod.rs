//! Real clients against the server: each does what a program does that caches.
//!
//! Client libraries in other languages run as scripts from `tests/clients`. A script that wants the server restarted says so
//! with a line on its standard output and goes on when it gets a line on its standard input.

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
fn ioredis() {
    node("ioredis.mjs");
}

#[test]
fn node_redis() {
    node("node_redis.mjs");
}

fn python(script: &str) {
    let folder = clients();
    run_script(
        &installed(folder.join(".venv/bin/python")),
        &folder.join("python").join(script),
    );
}

fn node(script: &str) {
    let folder = clients().join("node");
    installed(folder.join("node_modules/.package-lock.json"));
    run_script(Path::new("node"), &folder.join(script));
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

fn run_script(interpreter: &Path, script: &Path) {
    let mut server = Setup::minium().password(PASSWORD).start();
    let mut child = Command::new(interpreter)
        .arg(script)
        .args(["127.0.0.1", &server.port().to_string(), PASSWORD])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error}; run tests/run",
                interpreter.display()
            )
        });
    let mut input = child.stdin.take().expect("a pipe");
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        assert_eq!(
            line,
            "RESTART",
            "{} said something unexpected",
            script.display()
        );
        server.restart();
        // If the script has ended, its status says more than a broken pipe.
        let _: std::io::Result<()> = input.write_all(b"\n");
    }
    let output = child.wait_with_output().expect("the script's end");
    assert!(
        output.status.success(),
        "{} failed:\n{}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}
