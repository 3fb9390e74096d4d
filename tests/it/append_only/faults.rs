//! Logs that are damaged, and places that take none. No server may start without what it could not read.

use std::fs;
use std::path::PathBuf;

use super::{FOLDER, MANIFEST, appending, assert_redis_loads, files, rewrite, with_files};
use crate::snapshots::{digest, info};
use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, is_root, wait_for};

const BASE: &str = "appendonlydir/appendonly.aof.1.base.aof";
const INCREMENT: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const TEXT: &str =
    "file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";

/// Commands as they stand in a file.
fn commands(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        encode(&mut bytes, &line.split(' ').collect::<Vec<_>>());
    }
    bytes
}

/// A log in which nothing is wrong.
fn sound() -> Vec<(String, Vec<u8>)> {
    let base = commands(&["SELECT 0", "SET a 1", "SELECT 5", "RPUSH l 1 2 3"]);
    let increment = commands(&["SELECT 0", "SET a 2", "MULTI", "INCR a", "INCR a", "EXEC"]);
    vec![
        (BASE.to_owned(), base),
        (INCREMENT.to_owned(), increment),
        (MANIFEST.to_owned(), TEXT.into()),
    ]
}

/// [`sound`] with one file changed.
fn with(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<(String, Vec<u8>)> {
    let mut files = sound();
    let file = files.iter_mut().find(|file| file.0 == name);
    change(&mut file.expect("a file of the log").1);
    files
}

fn without(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = sound();
    files.retain(|file| file.0 != name);
    files
}

/// Checks that no server starts with these files, and that it says why.
#[track_caller]
fn assert_refused(setup: Setup, files: &[(String, Vec<u8>)], reasons: &[&str]) {
    let started = with_files(setup, files).try_start();
    let log = match started {
        Ok(server) => panic!(
            "it started, and should have said {reasons:?}:\n{}",
            server.log()
        ),
        Err(log) => log,
    };
    for reason in reasons {
        assert!(log.contains(reason), "'{reason}' is not in\n{log}");
    }
}

#[test]
fn a_sound_log_is_loaded() {
    let server = with_files(appending(Setup::minium()), &sound()).start();
    let mut client = server.connect();
    assert_eq!(client.line("GET a").text(), "4");
    assert_redis_loads(&server, &mut client, "a log written by hand");
}

#[test]
fn a_log_with_a_missing_or_damaged_file_is_refused() {
    let minium = || appending(Setup::minium());
    for name in [BASE, INCREMENT] {
        let file = name.strip_prefix("appendonlydir/").expect("its folder");
        let reason = format!("The append log file {file} doesn't exist");
        assert_refused(minium(), &without(name), &[&reason]);
    }
    assert_refused(
        minium(),
        &without(MANIFEST),
        &["The AOF manifest does not name", ".base.aof"],
    );
    let manifests: &[(&str, &str)] = &[
        ("", "Found an empty AOF manifest"),
        ("file\n", "Invalid AOF manifest file format"),
        ("file a seq x type b\n", "Invalid AOF manifest file format"),
        ("file a seq 1 type x\n", "Unknown AOF file type"),
        ("file ../a seq 1 type b\n", "File can't be a path"),
        (
            "file a seq 1 type b\nfile b seq 2 type b\n",
            "Found duplicate base file information",
        ),
        (
            "file a seq 2 type i\nfile b seq 1 type i\n",
            "Found a non-monotonic sequence number",
        ),
        (
            "file appendonly.aof.1.base.aof seq 1 type b\n",
            "The AOF manifest does not name",
        ),
    ];
    for (text, reason) in manifests {
        let files = with(MANIFEST, |bytes| *bytes = text.as_bytes().to_vec());
        assert_refused(minium(), &files, &[reason, "anifest"]);
    }
    let middle = commands(&["SELECT 0", "SET a 2"]).len();
    for (garbage, reason) in [
        (
            "garbage\r\n",
            "Bad file format reading the append only file",
        ),
        ("*x\r\n", "Bad file format reading the append only file"),
        (
            "*1\r\n$-5\r\n",
            "Bad file format reading the append only file",
        ),
        ("*1\r\n$8\r\nnonesuch\r\n", "reading the append only file"),
    ] {
        for name in [BASE, INCREMENT] {
            let files = with(name, |bytes| {
                bytes.splice(middle..middle, garbage.bytes());
            });
            let file = name.strip_prefix("appendonlydir/").expect("its folder");
            let place = format!("{file} at offset {middle}");
            assert_refused(minium(), &files, &[reason, &place]);
        }
    }
    // Only the last file can be torn.
    let files = with(BASE, |bytes| bytes.truncate(bytes.len() - 1));
    let reason = "the truncated file is not the last file: appendonly.aof.1.base.aof";
    assert_refused(minium(), &files, &[reason]);
}

#[test]
fn a_damaged_snapshot_in_a_base_is_refused() {
    let server = appending(Setup::minium()).start();
    let mut client = server.connect();
    assert!(client.call(&["SET", "a", &"value".repeat(20)]).is_ok());
    rewrite(&mut client);
    let whole = files(server.dir());
    let base = whole
        .iter()
        .position(|(name, _)| name.ends_with(".base.rdb"));
    let base = base.expect("a base");
    let length = whole[base].1.len();
    for damage in [length - 1, length - 9, 60] {
        for cut in [true, false] {
            let mut files = whole.clone();
            if cut {
                files[base].1.truncate(damage);
            } else {
                files[base].1[damage] ^= 0x10;
            }
            let reasons =
                ["Error reading the RDB base file appendonly.aof.2.base.rdb, AOF loading aborted"];
            assert_refused(appending(Setup::minium()), &files, &reasons);
        }
    }
}

#[test]
fn a_torn_end_is_cut_off_or_refused() {
    let whole = commands(&["SELECT 0", "SET a 2", "MULTI", "INCR a", "INCR a", "EXEC"]).len();
    let single = commands(&["SELECT 0", "SET a 2"]).len();
    let value = commands(&["SELECT 0"]).len();
    for (length, cut_to, left) in [
        (whole - 1, single, "2"),
        // Nothing of a transaction whose EXEC is missing.
        (whole - commands(&["EXEC"]).len(), single, "2"),
        (single + 5, single, "2"),
        (single - 1, value, "1"),
        (value - 1, 0, "1"),
    ] {
        let files = with(INCREMENT, |bytes| bytes.truncate(length));
        let setup = appending(Setup::minium()).with("aof-load-truncated", "no");
        let reason = format!(
            "Unexpected end of file reading the append only file appendonly.aof.1.incr.aof behind offset {cut_to}"
        );
        assert_refused(setup, &files, &[&reason]);
        let setup = appending(Setup::minium()).with("aof-load-truncated", "yes");
        let server = with_files(setup, &files).start();
        let mut client = server.connect();
        assert_eq!(client.line("GET a").text(), left, "cut at {length}");
        let log = server.log();
        let warning = format!("Truncating the AOF appendonly.aof.1.incr.aof at offset {cut_to}");
        assert!(log.contains(&warning), "{log}");
        let size = fs::metadata(server.dir().join(INCREMENT))
            .expect("a file")
            .len();
        assert_eq!(size, cut_to as u64);
        // What is written next begins behind whole commands, in a database that is named.
        assert!(client.line("SET after 1").is_ok());
        assert_redis_loads(&server, &mut client, &format!("a log cut at {length}"));
    }
}

/// Mounts a file system of its own in place of a folder, which only the server sees.
fn mounted(setup: Setup, folder: &str, options: &str, then: &str) -> Setup {
    let user = if is_root() {
        ""
    } else {
        "--user --map-root-user"
    };
    let script = format!(
        "exec unshare {user} --mount sh -c 'mkdir {folder} && mount -t tmpfs -o {options} none {folder} && {then} && exec \"$@\"' \
         sh \"$@\""
    );
    setup.under(&["sh", "-c", &script, "sh"])
}

/// What is mounted for a server [`on_a_small_disk`].
fn disk(server: &Server) -> PathBuf {
    let dir = server.dir().strip_prefix("/").expect("an absolute path");
    PathBuf::from(format!("/proc/{}/root", server.pid()))
        .join(dir)
        .join("disk")
}

#[test]
fn a_folder_that_cannot_be_written_stops_the_start() {
    let setup = mounted(appending(Setup::minium()), FOLDER, "ro", "true");
    assert_refused(setup, &[], &[FOLDER, "Read-only file system"]);
    let setup = appending(Setup::minium()).file(FOLDER, b"a file");
    assert_refused(setup, &[], &[FOLDER, "Not a directory"]);
}

/// A server whose log has room for about 100 kB, and for as much again when [`free`] was called.
fn on_a_small_disk(setup: Setup) -> Server {
    let filler = "head -c 100000 /dev/zero > disk/filler";
    mounted(setup.with("dir", "disk"), "disk", "size=200k", filler).start()
}

fn free(server: &Server) {
    fs::remove_file(disk(server).join("filler")).expect("it is there");
}

/// Sets keys until that is refused.
fn write_until_refused(client: &mut Client) -> Value {
    let value = "v".repeat(4000);
    let mut refusal = None;
    wait_for("a refusal", || {
        let reply = client.call(&["SET", "a", &value]);
        refusal = (!reply.is_ok()).then_some(reply);
        refusal.is_some()
    });
    refusal.expect("it was awaited")
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let replies = [Setup::minium(), Setup::redis()].map(|setup| {
        let setup = setup
            .with("appendonly", "yes")
            .with("appendfsync", "everysec");
        let server = on_a_small_disk(setup.with("enable-debug-command", "yes"));
        let mut client = server.connect();
        let mut replies = vec![write_until_refused(&mut client)];
        for line in [
            "PING", "STRLEN a", "DEL a", "SET a 1", "MULTI", "SET a 1", "EXEC", "MULTI",
            "STRLEN a", "EXEC",
        ] {
            replies.push(client.line(line));
        }
        let status = |client: &mut Client| info(client, "aof_last_write_status");
        replies.push(Value::Simple(status(&mut client).into()));
        free(&server);
        wait_for("the end of the error", || status(&mut client) == "ok");
        replies.push(client.line("SET b 1"));
        replies.push(client.line("CONFIG SET appendfsync always"));
        replies.push(client.line("SET b 2"));
        // Nothing that was accepted is missing.
        let redis = with_files(appending(Setup::redis()), &log_of(&server)).start();
        assert_eq!(digest(&mut redis.connect()), digest(&mut client));
        replies
    });
    assert_eq!(replies[0], replies[1]);
    let text =
        String::from_utf8_lossy(b"MISCONF Errors writing to the AOF file: No space left on device");
    assert_eq!(replies[0][0], Value::Error(text.as_bytes().to_vec()));
}

fn log_of(server: &Server) -> Vec<(String, Vec<u8>)> {
    files(&disk(server))
}

#[test]
fn under_always_a_full_disk_is_the_end() {
    let mut server = on_a_small_disk(appending(Setup::minium()));
    let mut client = server.connect();
    let value = "v".repeat(4000);
    while client
        .try_call(&["SET", "a", &value])
        .is_ok_and(|reply| reply.is_ok())
    {}
    assert_eq!(server.wait_for_end().code(), Some(1));
    let log = server.log();
    let reason =
        "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...";
    assert!(log.contains(reason), "{log}");
}
