//! Snapshots that cannot be written: a name that is taken, a disk that is full.

use std::fs;

use super::{bgsave, info};
use crate::support::{Server, Setup, Value, wait_for};

/// Nothing can take the place of a folder.
fn block(server: &Server) {
    fs::create_dir(server.dir().join("dump.rdb")).expect("a folder");
}

#[test]
fn a_snapshot_that_fails_is_told_and_stops_writes() {
    let setups = [Setup::minium(), Setup::redis()];
    let replies = setups.map(|setup| {
        let server = setup.with("save", "3600 1000000").start();
        let mut client = server.connect();
        let mut replies = vec![client.line("SET a 1")];
        block(&server);
        replies.push(client.line("SAVE"));
        replies.push(client.line("SET a 2"));
        bgsave(&mut client);
        for field in ["rdb_last_bgsave_status", "rdb_changes_since_last_save"] {
            replies.push(Value::Simple(info(&mut client, field).into()));
        }
        for line in [
            "SET a 3",
            "GET a",
            "PING",
            "MULTI",
            "SET a 3",
            "EXEC",
            "MULTI",
            "GET a",
            "EXEC",
            "CONFIG SET stop-writes-on-bgsave-error no",
            "SET a 4",
            "PING",
            "CONFIG SET stop-writes-on-bgsave-error yes",
            "DEL a",
            "CONFIG SET save ",
            "SET a 5",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            replies.push(client.call(&words));
        }
        client.call(&["CONFIG", "SET", "save", "3600 1000000"]);
        replies.push(client.line("SHUTDOWN"));
        replies.push(client.line("GET a"));
        let log = server.log();
        assert!(log.contains("Error moving temp DB file"), "{log}");
        assert!(
            log.contains("Error trying to save the DB, can't exit."),
            "{log}"
        );
        fs::remove_dir(server.dir().join("dump.rdb")).expect("an empty folder");
        bgsave(&mut client);
        replies.push(client.line("SET a 6"));
        replies.push(Value::Simple(
            info(&mut client, "rdb_last_bgsave_status").into(),
        ));
        replies
    });
    assert_eq!(replies[0], replies[1]);
}

#[test]
fn force_ends_a_server_that_cannot_save() {
    let mut server = Setup::minium().with("save", "3600 1").start();
    let mut client = server.connect();
    assert!(client.line("SET a 1").is_ok());
    block(&server);
    server.signal("TERM");
    wait_for("the refusal", || {
        server
            .log()
            .contains("Errors trying to shut down the server")
    });
    assert_eq!(client.line("GET a").text(), "1");
    client.write(b"SHUTDOWN FORCE\r\n").expect("it listens");
    assert_eq!(server.wait_for_end().code(), Some(0));
    assert!(server.log().contains("Exit anyway"), "{}", server.log());
}

#[test]
fn a_full_disk_is_an_error_and_leaves_the_last_file_alone() {
    // A file system of a few pages, which only the server sees; a user namespace gives the right to mount it.
    let user = if crate::support::is_root() {
        ""
    } else {
        "--user --map-root-user"
    };
    let server = Setup::minium()
        .with("enable-protected-configs", "yes")
        .under(&["sh", "-c", &format!(
            "exec unshare {user} --mount sh -c 'mkdir disk && mount -t tmpfs -o size=128k none disk && exec \"$@\"' sh \"$@\""
        ), "sh"])
        .start();
    let mut client = server.connect();
    assert!(
        client.line("CONFIG SET dir disk").is_ok(),
        "{}",
        server.log()
    );
    assert!(client.line("SET a 1").is_ok());
    assert!(client.line("SAVE").is_ok());
    for number in 0..100 {
        let noise: String = (0..4000)
            .map(|n| char::from(33 + ((n * n + number * 7) % 89) as u8))
            .collect();
        assert!(
            client
                .call(&["SET", &format!("key {number}"), &noise])
                .is_ok()
        );
    }
    assert!(client.line("CONFIG SET rdbcompression no").is_ok());
    assert_eq!(client.line("SAVE"), Value::Error(b"ERR".to_vec()));
    bgsave(&mut client);
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "err");
    let log = server.log();
    assert!(
        log.contains("Write error saving DB on disk(write): No space left on device"),
        "{log}"
    );
    assert!(client.line("FLUSHALL").is_ok());
    assert!(client.line("SAVE").is_ok(), "the space is free again");
    bgsave(&mut client);
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
}
