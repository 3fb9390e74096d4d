//! What the set commands do where a comparison with the installed server does not reach: the packed form of version 7.2,
//! the way in which large sets are freed, and replies of absurd length.

use crate::support::{Client, Setup, Value, wait_for};

fn encoding(client: &mut Client, key: &str) -> String {
    client.call(&["OBJECT", "ENCODING", key]).text()
}

/// Adds so many members whose names begin with `prefix`, 1000 at a time.
fn fill(client: &mut Client, key: &str, prefix: &str, members: usize) {
    let members: Vec<_> = (0..members).map(|i| format!("{prefix}{i}")).collect();
    for some in members.chunks(1000) {
        let mut command = vec!["SADD", key];
        command.extend(some.iter().map(String::as_str));
        client.call(&command);
    }
}

#[test]
fn forms_follow_the_thresholds_of_the_moment() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    for (line, form) in [
        ("SADD s 1 2 3", "intset"),
        ("SADD s word", "listpack"),
        ("SREM s word", "listpack"),
        ("CONFIG SET set-max-listpack-entries 4", "listpack"),
        ("SADD s 4", "listpack"),
        ("SADD s 4", "listpack"),
        ("SADD s 5 6", "hashtable"),
        ("SREM s 7", "hashtable"),
        // Nearly all go, and what stays is packed.
        ("SPOP s 5", "listpack"),
        ("SUNIONSTORE s s", "intset"),
        ("CONFIG SET set-max-intset-entries 2", "intset"),
        ("SADD s 7 8", "hashtable"),
        ("DEL s", ""),
        ("CONFIG SET set-max-listpack-value 3", ""),
        ("SADD s abc", "listpack"),
        ("SADD s abcd", "hashtable"),
        ("DEL s", ""),
        ("SADD s 1 2 3", "listpack"),
        ("DEL s", ""),
        ("SADD s 1 2", "intset"),
        ("SADD s 1 2 1", "hashtable"),
        ("DEL s", ""),
        ("SADD s a b c d", "listpack"),
        ("SADD s a b c d a", "hashtable"),
    ] {
        client.line(line);
        if !form.is_empty() {
            assert_eq!(encoding(&mut client, "s"), form, "{line}");
        }
    }
}

#[test]
fn a_stored_intersection_of_integers_is_an_intset_whatever_it_was_made_of() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    for prefix in ["1", "w"] {
        for key in ["large", "larger"] {
            fill(&mut client, key, prefix, 700);
        }
    }
    client.line("SADD small 10 12 15 word");
    for (line, members, form) in [
        ("SINTERSTORE d large small", 3, "intset"),
        ("SADD small w1", 1, ""),
        ("SINTERSTORE d large small", 4, "listpack"),
        ("SINTERSTORE d large larger", 1400, "hashtable"),
        ("SUNIONSTORE d large small", 1401, "hashtable"),
        ("SDIFFSTORE d small large", 1, "listpack"),
        ("SREM small word w1", 2, ""),
        ("SUNIONSTORE d small small", 3, "intset"),
    ] {
        assert_eq!(client.line(line), Value::Int(members), "{line}");
        if !form.is_empty() {
            assert_eq!(encoding(&mut client, "d"), form, "{line}");
        }
    }
}

#[test]
fn a_large_set_is_freed_off_the_request_path_however_it_goes() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let lazily_freed = |client: &mut Client| {
        let info = client.line("INFO memory").text();
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("lazyfreed_objects:"));
        line.and_then(|count| count.parse::<u64>().ok())
    };
    client.line("SET other x");
    for line in [
        "DEL big",
        "UNLINK big",
        "RENAME other big",
        "SET big x",
        "SUNIONSTORE big nothing",
        "SINTERSTORE big few few",
        "PEXPIRE big 1",
        "SPOP big 20000",
        "SPOP big 19990",
    ] {
        client.line("DEL big");
        client.line("SADD few a b");
        fill(&mut client, "big", "m", 20_000);
        client.line("CONFIG RESETSTAT");
        let before = lazily_freed(&mut client);
        client.line(line);
        wait_for(line, || {
            lazily_freed(&mut client)
                .zip(before)
                .is_some_and(|(now, before)| now == before + 1)
        });
    }
}

#[test]
fn a_reply_that_would_never_end_is_refused() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    client.line("SADD ints 1 2 3");
    client.line("SADD words a b c");
    fill(&mut client, "table", "m", 500);
    for key in ["ints", "words", "table"] {
        for count in ["-9223372036854775807", "-1000000000000"] {
            let reply = client.call(&["SRANDMEMBER", key, count]);
            assert!(reply.is_error(), "{key} {count}");
        }
        let all = client.call(&["SCARD", key]).int() as usize;
        let reply = client.call(&["SRANDMEMBER", key, "9223372036854775807"]);
        assert_eq!(reply.elements().len(), all);
        let reply = client.call(&["SPOP", key, "9223372036854775807"]);
        assert_eq!(reply.elements().len(), all);
    }
    assert_eq!(client.line("EXISTS ints words table"), Value::Int(0));
}
