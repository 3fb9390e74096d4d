//! Fields that die before their hash does. Redis has this since 7.4 and 8.0, so there is no older server to compare with:
//! these replies and errors are those of its documentation.

use std::time::{Duration, Instant};

use crate::command;
use crate::support::{Client, Server, Setup, Value, wait_for};

/// In seconds since the epoch: later than any test runs.
const LATE: u64 = 4_000_000_000;

/// A reply on one line: `1 -2`, `a nil`.
fn told(reply: &Value) -> String {
    match reply {
        Value::Int(number) => number.to_string(),
        reply if reply.is_null() => "nil".to_owned(),
        Value::Array(elements) => elements.iter().map(told).collect::<Vec<_>>().join(" "),
        other => other.text(),
    }
}

/// Plays lines, each with the reply that it ought to have.
#[track_caller]
fn play(client: &mut Client, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(told(&client.line(line)), *expected, "{line}");
    }
}

/// The forms of a hash: what OBJECT ENCODING says, and the largest one that is packed.
const FORMS: [(&str, &str); 2] = [("listpackex", "128"), ("hashtable", "0")];

/// A server whose hashes are packed up to so many fields, and that removes what is dead only where it is met.
fn start(packed: &str) -> (Server, Client) {
    let server = Setup::minium()
        .with("enable-debug-command", "yes")
        .with("hash-max-listpack-entries", packed)
        .start();
    let mut client = server.connect();
    client.line("DEBUG SET-ACTIVE-EXPIRE 0");
    (server, client)
}

/// Waits for the death of a field that was given a short time; to ask for what is left of it removes nothing.
#[track_caller]
fn await_death(client: &mut Client, key: &str, field: &str) {
    let line = format!("HPTTL {key} FIELDS 1 {field}");
    wait_for("a field's death", || told(&client.line(&line)) == "-2");
}

fn stat(client: &mut Client, section: &str, name: &str) -> Option<u64> {
    let info = client.line(&format!("INFO {section}")).text();
    let line = info.lines().find_map(|line| line.split_once(name))?;
    let digits: String = line.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[test]
fn a_deadline_is_set_told_and_taken_back() {
    for (encoding, packed) in FORMS {
        let (_server, mut client) = start(packed);
        play(
            &mut client,
            &[
                ("HEXPIRE h 10 FIELDS 2 a b", "-2 -2"),
                ("HTTL h FIELDS 1 a", "-2"),
                ("HPERSIST h FIELDS 1 a", "-2"),
                ("HSET h a 1 b 2 c 3", "3"),
                ("HTTL h FIELDS 2 a x", "-1 -2"),
                ("HPERSIST h FIELDS 2 a x", "-1 -2"),
                ("HEXPIREAT h 4000000000 FIELDS 2 a x", "1 -2"),
                ("OBJECT ENCODING h", encoding),
                ("HEXPIRETIME h FIELDS 3 a b x", "4000000000 -1 -2"),
                ("HPEXPIRETIME h FIELDS 1 a", "4000000000000"),
                // Rounded up: a field that lives has a second left.
                ("HPEXPIREAT h 4000000000001 FIELDS 1 b", "1"),
                ("HEXPIRETIME h FIELDS 1 b", "4000000001"),
                ("HEXPIRE h 100 FIELDS 1 c", "1"),
                ("HTTL h FIELDS 1 c", "100"),
                ("HPERSIST h FIELDS 3 a b c", "1 1 1"),
                ("HTTL h FIELDS 3 a b c", "-1 -1 -1"),
                // What was packed in this way stays so.
                ("OBJECT ENCODING h", encoding),
                // A moment that has passed is the end at once.
                ("HPEXPIRE h 0 FIELDS 1 a", "2"),
                ("HEXPIREAT h 1 FIELDS 2 b a", "2 -2"),
                ("HGETALL h", "c 3"),
                ("HPEXPIREAT h 0 FIELDS 1 c", "2"),
                ("EXISTS h", "0"),
            ],
        );
        assert_eq!(stat(&mut client, "stats", "expired_subkeys:"), Some(3));
    }
}

#[test]
fn a_condition_says_which_deadlines_may_be_replaced() {
    for (_, packed) in FORMS {
        let (_server, mut client) = start(packed);
        play(
            &mut client,
            &[
                ("HSET h early 1 late 2 never 3", "3"),
                ("HEXPIREAT h 4000000000 FIELDS 1 early", "1"),
                ("HEXPIREAT h 4000002000 FIELDS 1 late", "1"),
                ("HEXPIREAT h 4000001000 NX FIELDS 2 early late", "0 0"),
                ("HEXPIREAT h 4000001000 XX FIELDS 1 never", "0"),
                (
                    "HEXPIREAT h 4000001000 GT FIELDS 3 early late never",
                    "1 0 0",
                ),
                ("HEXPIREAT h 4000001000 GT FIELDS 1 early", "0"),
                // To have no deadline counts as living forever.
                (
                    "HEXPIREAT h 4000001500 LT FIELDS 3 early late never",
                    "0 1 1",
                ),
                (
                    "HEXPIRETIME h FIELDS 3 early late never",
                    "4000001000 4000001500 4000001500",
                ),
                ("HEXPIREAT h 4000003000 XX FIELDS 1 late", "1"),
                ("HEXPIREAT h 1 NX FIELDS 1 early", "0"),
                ("HEXISTS h early", "1"),
            ],
        );
    }
}

#[test]
fn whoever_meets_a_dead_field_takes_it_for_none_and_the_hash_goes_with_the_last() {
    for (_, packed) in FORMS {
        let (_server, mut client) = start(packed);
        play(
            &mut client,
            &[
                ("HSETEX h PX 1 FIELDS 5 a 1 b 2 c 3 d 4 e 5", "1"),
                ("HSET h stays 6", "1"),
            ],
        );
        await_death(&mut client, "h", "e");
        play(
            &mut client,
            &[
                // They are not shown, and only HLEN tells that they are still there.
                ("HGETALL h", "stays 6"),
                ("HKEYS h", "stays"),
                ("HVALS h", "6"),
                ("HSCAN h 0", "0 stays 6"),
                ("HLEN h", "6"),
                // Whoever asks for one by its name removes it.
                ("HGET h a", "nil"),
                ("HEXISTS h b", "0"),
                ("HSTRLEN h c", "0"),
                ("HLEN h", "3"),
                ("HMGET h d stays", "nil 6"),
                ("HLEN h", "2"),
                ("HRANDFIELD h 10", "stays"),
                ("HLEN h", "1"),
            ],
        );
        assert_eq!(stat(&mut client, "stats", "expired_subkeys:"), Some(5));
        play(
            &mut client,
            &[
                ("HSETEX g PX 1 FIELDS 3 x 1 y 2 z 3", "1"),
                ("COPY g g2", "1"),
                ("COPY g g3", "1"),
                ("COPY g g4", "1"),
            ],
        );
        await_death(&mut client, "g", "z");
        play(
            &mut client,
            &[
                ("HGETALL g", ""),
                ("EXISTS g", "1"),
                ("HRANDFIELD g", "nil"),
                ("EXISTS g", "0"),
                ("HMGET g2 x y z", "nil nil nil"),
                ("EXISTS g2", "0"),
                ("HGETDEL g3 FIELDS 3 x y z", "nil nil nil"),
                ("EXISTS g3", "0"),
                // Only HDEL does not look at the time, as in Redis.
                ("HDEL g4 x y z", "3"),
                ("EXISTS g4", "0"),
            ],
        );
    }
}

#[test]
fn a_write_to_a_dead_field_begins_anew() {
    for (_, packed) in FORMS {
        let (_server, mut client) = start(packed);
        client.line("HSETEX h PX 1 FIELDS 6 a 10 b 10 c 10 d 10 e 10 f 10");
        await_death(&mut client, "h", "f");
        play(
            &mut client,
            &[
                ("HINCRBY h a 1", "1"),
                ("HINCRBYFLOAT h b 1.5", "1.5"),
                ("HSETNX h c 1", "1"),
                ("HSETEX h KEEPTTL FIELDS 1 d 1", "1"),
                ("HEXPIRE h 100 FIELDS 1 e", "-2"),
                // HSET does not look at the time before it sets, so that it does not count the field as new, as in Redis.
                ("HSET h f 1", "0"),
                ("HTTL h FIELDS 6 a b c d e f", "-1 -1 -1 -1 -2 -1"),
            ],
        );
    }
}

#[test]
fn old_commands_keep_a_deadline_or_clear_it() {
    for (encoding, packed) in FORMS {
        let (_server, mut client) = start(packed);
        play(
            &mut client,
            &[
                ("HSET h a 1 b 2 c 3", "3"),
                ("HEXPIREAT h 4000000000 FIELDS 3 a b c", "1 1 1"),
                ("HSET h a 5", "0"),
                ("HINCRBY h b 5000000", "5000002"),
                ("HINCRBYFLOAT h c 0.25", "3.25"),
                ("HSETNX h c 1", "0"),
                ("HEXPIRETIME h FIELDS 3 a b c", "-1 4000000000 4000000000"),
                ("HMGET h a b c", "5 5000002 3.25"),
                ("RENAME h g", "OK"),
                ("COPY g k", "1"),
                ("MOVE g 1", "1"),
                ("HEXPIRETIME k FIELDS 3 a b c", "-1 4000000000 4000000000"),
                ("OBJECT ENCODING k", encoding),
                ("EXPIRE k 100", "1"),
                ("HEXPIRETIME k FIELDS 1 b", "4000000000"),
                ("SET k string", "OK"),
                (
                    "HTTL k FIELDS 1 b",
                    "WRONGTYPE Operation against a key holding the wrong kind of value",
                ),
                ("SELECT 1", "OK"),
                ("HEXPIRETIME g FIELDS 3 a b c", "-1 4000000000 4000000000"),
            ],
        );
        // Each change of hands was noticed: one hash is left of those with deadlines.
        let info = client.line("INFO keyspace").text();
        assert!(
            info.contains("db0:keys=1,expires=0,avg_ttl=0\r\n"),
            "{info}"
        );
        assert!(
            info.contains("db1:keys=1,expires=0,avg_ttl=0,subexpiry=1\r\n"),
            "{info}"
        );
        client.line("HDEL g b");
        assert_eq!(stat(&mut client, "keyspace", "subexpiry="), Some(1));
        client.line("HPERSIST g FIELDS 1 c");
        assert_eq!(stat(&mut client, "keyspace", "subexpiry="), None);
    }
}

#[test]
fn deadlines_survive_the_change_to_a_table() {
    let (_server, mut client) = start("4");
    client.line("HSET h a 1 b 2 c 3 d 4");
    client.line(&format!("HEXPIREAT h {LATE} FIELDS 2 b d"));
    play(
        &mut client,
        &[
            ("DEBUG LISTPACK h", "Listpack structure printed on stdout"),
            ("OBJECT ENCODING h", "listpackex"),
            ("HSET h e 5", "1"),
            ("OBJECT ENCODING h", "hashtable"),
            (
                "HEXPIRETIME h FIELDS 5 a b c d e",
                "-1 4000000000 -1 4000000000 -1",
            ),
        ],
    );
}

#[test]
fn fields_are_answered_and_removed_at_once() {
    for (_, packed) in FORMS {
        let (_server, mut client) = start(packed);
        play(
            &mut client,
            &[
                ("HGETDEL h FIELDS 2 a b", "nil nil"),
                ("HSET h a 1 b 2 c 3", "3"),
                ("HGETDEL h FIELDS 3 a x a", "1 nil nil"),
                ("HMGET h a b c", "nil 2 3"),
                ("HGETDEL h FIELDS 2 b c", "2 3"),
                ("EXISTS h", "0"),
            ],
        );
    }
}

#[test]
fn fields_are_answered_and_given_a_deadline_at_once() {
    for (_, packed) in FORMS {
        let (_server, mut client) = start(packed);
        play(
            &mut client,
            &[
                ("HGETEX h EX 10 FIELDS 2 a b", "nil nil"),
                ("HSET h a 1 b 2 c 3", "3"),
                ("HGETEX h FIELDS 2 a x", "1 nil"),
                ("HTTL h FIELDS 1 a", "-1"),
                ("HGETEX h EX 100 FIELDS 1 a", "1"),
                ("HTTL h FIELDS 1 a", "100"),
                ("HGETEX h PX 200000 FIELDS 1 a", "1"),
                ("HTTL h FIELDS 1 a", "200"),
                ("HGETEX h EXAT 4000000000 FIELDS 2 a b", "1 2"),
                ("HGETEX h PXAT 4000000005000 FIELDS 1 b", "2"),
                ("HEXPIRETIME h FIELDS 3 a b c", "4000000000 4000000005 -1"),
                ("HGETEX h PERSIST FIELDS 3 a b c", "1 2 3"),
                ("HTTL h FIELDS 3 a b c", "-1 -1 -1"),
                ("HGETEX h PXAT 1 FIELDS 3 a b x", "1 2 nil"),
                ("HGETALL h", "c 3"),
            ],
        );
    }
}

#[test]
fn fields_are_set_and_given_a_deadline_at_once() {
    for (_, packed) in FORMS {
        let (_server, mut client) = start(packed);
        play(
            &mut client,
            &[
                ("HSETEX h FXX FIELDS 1 a 1", "0"),
                ("EXISTS h", "0"),
                ("HSETEX h FNX EXAT 4000000000 FIELDS 2 a 1 b 2", "1"),
                ("HSETEX h FNX FIELDS 2 b 3 c 3", "0"),
                ("HSETEX h FXX FIELDS 2 b 3 c 3", "0"),
                ("HSETEX h KEEPTTL FIELDS 2 b 4 c 4", "1"),
                ("HEXPIRETIME h FIELDS 3 a b c", "4000000000 4000000000 -1"),
                ("HSETEX h FXX PXAT 4000000005000 FIELDS 1 c 5", "1"),
                ("HSETEX h FIELDS 1 a 6", "1"),
                ("HEXPIRETIME h FIELDS 3 a b c", "-1 4000000000 4000000005"),
                ("HMGET h a b c", "6 4 5"),
                ("HSETEX h EXAT 1 FIELDS 2 a 7 d 7", "1"),
                ("HMGET h a b c d", "nil 4 5 nil"),
                ("HSETEX g PX 0 FIELDS 1 a 1", "1"),
                ("EXISTS g", "0"),
            ],
        );
    }
}

#[test]
fn errors_are_those_of_redis() {
    let (_server, mut client) = start("128");
    client.line("HSET h a 1");
    client.line("SET s 1");
    let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
    let no_integer = "ERR value is not an integer or out of range";
    let negative = "ERR invalid expire time, must be >= 0";
    let no_fields = "ERR Mandatory argument FIELDS is missing or not at the right position";
    let no_count = "ERR Number of fields must be a positive integer";
    let no_match = "ERR The `numfields` parameter must match the number of arguments";
    let two_times = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    let two_conditions = "ERR Only one of FXX or FNX arguments can be specified";
    play(
        &mut client,
        &[
            (
                "HEXPIRE s x",
                "ERR wrong number of arguments for 'hexpire' command",
            ),
            ("HEXPIRE s x FIELDS 1 a", wrong_type),
            ("HEXPIRE h x FIELDS 1 a", no_integer),
            ("HEXPIRE h -1 FIELDS 1 a", negative),
            (
                "HEXPIRE h 70368744178 FIELDS 1 a",
                "ERR invalid expire time in 'hexpire' command",
            ),
            (
                "HPEXPIREAT h 70368744177664 FIELDS 1 a",
                "ERR invalid expire time in 'hpexpireat' command",
            ),
            ("HPEXPIREAT h 70368744177663 FIELDS 1 a", "1"),
            (
                "HEXPIRE h 9223372036854775807 FIELDS 1 a",
                "ERR invalid expire time in 'hexpire' command",
            ),
            ("HEXPIRE h 1 NX 1 FIELDS a", no_fields),
            ("HEXPIRE h 1 NX XX FIELDS 1 a", no_fields),
            (
                "HEXPIRE h 1 FIELDS 0 a",
                "ERR Parameter `numFields` should be greater than 0",
            ),
            (
                "HEXPIRE h 1 FIELDS x a",
                "ERR Parameter `numFields` should be greater than 0",
            ),
            ("HEXPIRE h 1 FIELDS 2 a", no_match),
            ("HEXPIRE h 1 NX FIELDS 1", no_match),
            ("HTTL s FIELDS 1 a", wrong_type),
            ("HTTL h 1 FIELDS a", no_fields),
            ("HTTL h FIELDS -1 a", no_count),
            ("HTTL h FIELDS 9223372036854775807 a", no_match),
            ("HPERSIST h FIELDS 2 a", no_match),
            ("HGETDEL s FIELDS 1 a", wrong_type),
            ("HGETDEL h FIELDS 0 a", no_count),
            ("HGETEX s FIELDS 1 a", wrong_type),
            ("HGETEX h EX x FIELDS 1 a", no_integer),
            ("HGETEX h EX -1 FIELDS 1 a", negative),
            (
                "HGETEX h PXAT 70368744177664 FIELDS 1 a",
                "ERR invalid expire time in 'hgetex' command",
            ),
            ("HGETEX h PXAT 1 1", no_fields),
            ("HGETEX h PERSIST 1 FIELDS 1 a", no_fields),
            (
                "HGETEX h EX 1 FIELDS",
                "ERR wrong number of arguments for 'hgetex' command",
            ),
            ("HGETEX h EX 1 FIELDS 1", no_match),
            ("HSETEX s FIELDS 1 a 1", wrong_type),
            ("HSETEX s FIELDS 0 a 1", "ERR invalid number of fields"),
            (
                "HSETEX h FIELDS 1 a 1 b",
                "ERR wrong number of arguments for 'hsetex' command",
            ),
            (
                "HSETEX h FIELDS 2 a 1",
                "ERR wrong number of arguments for 'hsetex' command",
            ),
            ("HSETEX h FNX FXX FNX FXX", two_conditions),
            ("HSETEX h FNX KEEPTTL EX 1", two_times),
            ("HSETEX h EX 1 PX 1 FIELDS 1 a 1", two_times),
            ("HSETEX h FNX FXX FIELDS 1 a 1", two_conditions),
            ("HSETEX h NX FIELDS 1 a 1", "ERR unknown argument: NX"),
            (
                "HSETEX h FNX KEEPTTL FIELDS 1",
                "ERR wrong number of arguments for 'hsetex' command",
            ),
            ("HSETEX h FNX EX 1 EXAT", two_times),
            (
                "HSETEX h FNX FIELDS 1 EX",
                "ERR wrong number of arguments for 'hsetex' command",
            ),
            ("HSETEX h EXAT 9999999999 FNX EX", two_times),
            ("HGETALL h", "a 1"),
        ],
    );
}

#[test]
fn sort_and_transactions_do_not_see_the_dead() {
    let (server, mut client) = start("128");
    play(
        &mut client,
        &[
            ("RPUSH l 1 2", "2"),
            ("HSET w1 w 2 n one", "2"),
            ("HSETEX w2 PX 1 FIELDS 2 w 1 n two", "1"),
        ],
    );
    await_death(&mut client, "w2", "w");
    play(
        &mut client,
        &[
            ("HSET w2 w 3", "0"),
            ("SORT l BY w*->w GET w*->n", "one nil"),
        ],
    );
    // The death of a field is a change to its key.
    let mut watcher = server.connect();
    client.line("HSETEX h PX 1 FIELDS 2 a 1 b 2");
    client.line("HPERSIST h FIELDS 1 b");
    watcher.line("WATCH h");
    await_death(&mut client, "h", "a");
    client.line("HGET h a");
    play(
        &mut watcher,
        &[("MULTI", "OK"), ("SET k 1", "QUEUED"), ("EXEC", "nil")],
    );
}

#[test]
fn digests_tell_a_hash_with_deadlines_from_one_without() {
    let (_server, mut client) = start("128");
    client.line("HSET a f 1");
    client.line("HSET b f 1");
    let digest =
        |client: &mut Client, key: &str| told(&client.line(&format!("DEBUG DIGEST-VALUE {key}")));
    assert_eq!(digest(&mut client, "a"), digest(&mut client, "b"));
    client.line("HEXPIRE a 100 FIELDS 1 f");
    assert_ne!(digest(&mut client, "a"), digest(&mut client, "b"));
    client.line("HPERSIST a FIELDS 1 f");
    assert_eq!(digest(&mut client, "a"), digest(&mut client, "b"));
}

#[test]
fn dead_fields_go_without_being_asked_for() {
    for (_, packed) in FORMS {
        let server = Setup::minium()
            .with("hash-max-listpack-entries", packed)
            .start();
        let mut client = server.connect();
        for n in 0..50 {
            client.line(&format!("HSETEX dies:{n} PX 5 FIELDS 2 a 1 b 2"));
            client.line(&format!("HSETEX stays:{n} PX 5 FIELDS 1 a 1"));
            client.line(&format!("HSET stays:{n} b 2"));
        }
        client.line("HSETEX later EX 1000 FIELDS 1 a 1");
        wait_for("the dead to be gone", || client.line("DBSIZE").int() == 51);
        wait_for("their fields, too", || {
            (0..50).all(|n| client.line(&format!("HLEN stays:{n}")).int() == 1)
        });
        assert_eq!(stat(&mut client, "stats", "expired_subkeys:"), Some(150));
        assert_eq!(stat(&mut client, "stats", "expired_keys:"), Some(0));
        assert_eq!(stat(&mut client, "keyspace", "subexpiry="), Some(1));
    }
}

/// A hash of many dead fields is taken in slices: while it goes, others wait for a slice and not for the hash.
#[test]
fn a_large_hash_of_dead_fields_goes_without_holding_anybody_up() {
    const FIELDS: usize = 200_000;
    let server = Setup::minium().with("enable-debug-command", "yes").start();
    let mut client = server.connect();
    client.line("DEBUG SET-ACTIVE-EXPIRE 0");
    for begin in (0..FIELDS).step_by(1000) {
        let sets: Vec<_> = (begin..begin + 1000)
            .map(|n| {
                command![
                    "HSETEX",
                    "h",
                    "PX",
                    "1",
                    "FIELDS",
                    "1",
                    format!("field:{n}"),
                    "x"
                ]
            })
            .map(Vec::from)
            .collect();
        client.try_pipeline(&sets).expect("replies");
    }
    await_death(&mut client, "h", &format!("field:{}", FIELDS - 1));
    assert_eq!(client.line("HLEN h").int(), FIELDS as i64);
    client.line("DEBUG SET-ACTIVE-EXPIRE 1");
    let mut longest = Duration::ZERO;
    wait_for("all to be gone", || {
        let begin = Instant::now();
        let gone = client.line("HLEN h").int() == 0;
        longest = longest.max(begin.elapsed());
        gone
    });
    assert_eq!(
        stat(&mut client, "stats", "expired_subkeys:"),
        Some(FIELDS as u64)
    );
    // Loose, for a loaded machine; the hash as a whole takes longer in any case.
    eprintln!("the longest wait was {longest:?}");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}
