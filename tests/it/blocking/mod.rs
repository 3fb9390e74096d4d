//! Calls that wait: who is served, with what, in which order, and what else ends their wait; side by side with the reference.

mod answers;
mod interleavings;
mod stage;
mod stress;

use std::time::{Duration, Instant};

use self::stage::Stage;
use crate::support::{Client, Server, Setup, wait_for};

fn pair() -> [Server; 2] {
    let debug = |setup: Setup| setup.with("enable-debug-command", "yes").start();
    let minium = Setup::minium().with("io-threads", "4");
    [debug(minium), debug(Setup::redis())]
}

/// Plays scenes on both servers; a scene is lines of a connection's number and what it says. `{n}` is the id of a connection.
#[track_caller]
fn agree(scenes: &[&[&str]]) {
    let servers = pair();
    for scene in scenes {
        let mut stages = servers.each_ref().map(|server| Stage::new(server, 4));
        for line in *scene {
            let (actor, commands) = line.split_once(": ").expect("a number and commands");
            let actor: usize = actor.parse().expect("a number");
            let [ours, reference] = stages.each_mut().map(|stage| {
                let mut commands = commands.to_owned();
                for number in 0..4 {
                    commands =
                        commands.replace(&format!("{{{number}}}"), &stage.id(number).to_string());
                }
                stage.say(actor, &commands)
            });
            // HELLO tells the version.
            if !commands.starts_with("HELLO") {
                assert_eq!(ours, reference, "{line} of {scene:#?}");
            }
        }
    }
}

#[test]
fn whatever_fills_a_key_serves_who_waits_for_it() {
    agree(&[
        &["0: BLPOP k 0", "1: LPUSH k a b c", "1: LRANGE k 0 -1"],
        &["0: BRPOP k 0", "1: RPUSH k a b c", "1: LRANGE k 0 -1"],
        &[
            "0: BLPOP k 0",
            "1: RPUSH j a",
            "1: RENAME j k",
            "1: EXISTS j k",
        ],
        &[
            "0: BLPOP k 0",
            "1: RPUSH j a b",
            "1: COPY j k",
            "1: LRANGE k 0 -1",
        ],
        &[
            "0: BLPOP k 0",
            "1: SELECT 5",
            "1: RPUSH k a",
            "1: MOVE k 0",
            "1: EXISTS k",
        ],
        &[
            "0: BLPOP k 0",
            "1: RPUSH j 3 1 2",
            "1: SORT j STORE k",
            "1: LRANGE k 0 -1",
        ],
        &[
            "0: BLPOP k 0",
            "1: SELECT 5",
            "1: RPUSH k a",
            "1: SWAPDB 0 5",
            "1: EXISTS k",
        ],
        &[
            "0: SELECT 5",
            "0: BLPOP k 0",
            "1: RPUSH k a",
            "1: SWAPDB 0 5",
            "1: EXISTS k",
        ],
        &[
            "0: BLPOP k 0",
            "1: RPUSH j a",
            "1: LMOVE j k LEFT RIGHT",
            "1: EXISTS k",
        ],
        &[
            "0: BLPOP k 0",
            "1: SET k x",
            "1: DEL k",
            "1: ZADD k 1 m",
            "1: DEL k",
            "1: RPUSH k a",
        ],
        &[
            "0: BZPOPMIN k 0",
            "1: RPUSH k a",
            "1: DEL k",
            "1: ZADD k 2 b 1 a",
        ],
        &["0: BZPOPMAX k 0", "1: ZADD k 2 b 1 a", "1: ZRANGE k 0 -1"],
        &[
            "0: BZPOPMIN k 0",
            "1: ZADD j 2 b 1 a",
            "1: ZUNIONSTORE k 1 j",
        ],
        &[
            "0: BZPOPMIN k 0",
            "1: ZADD j 2 b 1 a",
            "1: ZRANGESTORE k j 0 0",
        ],
        &["0: BZPOPMIN k 0", "1: ZINCRBY k 4 a"],
        &[
            "0: BLMPOP 0 2 j k RIGHT COUNT 2",
            "1: RPUSH k a b c",
            "1: LRANGE k 0 -1",
        ],
        &[
            "0: BZMPOP 0 2 j k MAX COUNT 2",
            "1: ZADD k 1 a 2 b 3 c",
            "1: ZRANGE k 0 -1",
        ],
        &[
            "0: BZMPOP 0 1 k MIN",
            "1: ZADD k 1 a 2 b 3 c",
            "1: ZRANGE k 0 -1",
        ],
        &[
            "0: BLMOVE k j LEFT RIGHT 0",
            "1: RPUSH k a b",
            "1: LRANGE j 0 -1",
        ],
        &[
            "0: BRPOPLPUSH k k 0",
            "1: RPUSH k a b c",
            "1: LRANGE k 0 -1",
        ],
        &[
            "0: BRPOPLPUSH k j 0",
            "1: BLPOP j 0",
            "2: RPUSH k a",
            "2: EXISTS k j",
        ],
        &[
            "0: HELLO 3",
            "0: BZPOPMIN k 0",
            "1: ZADD k 2 b",
            "0: BZMPOP 0 1 k MAX",
            "1: ZADD k 1.5 b",
        ],
    ]);
}

#[test]
fn who_came_first_is_served_first_behind_the_whole_command() {
    agree(&[
        &[
            "0: BLPOP k 0",
            "1: BRPOP k 0",
            "2: BLPOP k 0",
            "3: RPUSH k a b",
            "3: RPUSH k c d e",
            "3: LRANGE k 0 -1",
        ],
        &[
            "0: BLPOP k 0",
            "1: MULTI;RPUSH k a;LPOP k;EXEC",
            "1: RPUSH k b",
        ],
        &[
            "0: BLPOP k 0",
            "1: MULTI;RPUSH k a;RPUSH k b;LPUSH k c;LLEN k;EXEC",
            "1: LLEN k",
        ],
        &[
            "0: BLPOP k 0",
            "1: MULTI;RPUSH k a;DEL k;EXEC",
            "1: RPUSH k b",
        ],
        &[
            "0: BLPOP k 0",
            "1: MULTI;RPUSH k a;DEL k;SADD k m;EXEC",
            "1: DEL k",
            "1: RPUSH k b",
        ],
        &[
            "0: BLPOP j k 0",
            "1: MULTI;RPUSH k a;RPUSH j b;EXEC",
            "1: LRANGE k 0 -1;LRANGE j 0 -1",
        ],
        &[
            "0: BLPOP j k 0",
            "1: BLPOP k j 0",
            "2: MULTI;RPUSH k a;RPUSH j b;EXEC",
        ],
        &[
            "0: BLPOP k 0",
            "1: BZPOPMIN k 0",
            "2: BLPOP k 0",
            "3: ZADD k 1 m",
            "3: RPUSH k a b",
        ],
        &[
            "0: BLMOVE k j LEFT LEFT 0",
            "1: BLPOP k 0",
            "2: SET j x",
            "2: RPUSH k a b",
            "2: EXISTS k",
        ],
        &["0: BLPOP k k 0", "1: RPUSH k a b", "1: LRANGE k 0 -1"],
        &[
            "0: BLPOP k 0",
            "1: EVAL redis.call('rpush','k','a','b');return(redis.call('llen','k')) 1 k",
            "1: LLEN k",
        ],
    ]);
}

#[test]
fn what_comes_behind_a_call_that_waits_runs_after_it() {
    agree(&[
        &[
            "0: BLPOP k 0;SET a 1;GET a;BLPOP j 0;PING",
            "1: GET a",
            "1: RPUSH k x",
            "1: GET a",
            "1: RPUSH j y",
        ],
        &[
            "0: BLPOP k 0;MULTI;INCR n;EXEC",
            "1: GET n",
            "1: RPUSH k x",
            "1: GET n",
        ],
    ]);
}

#[test]
fn inside_of_something_larger_nothing_waits() {
    agree(&[
        &[
            "0: MULTI;BLPOP k 0;BLMPOP 0 1 k LEFT;BLMOVE k j LEFT LEFT 0;BRPOPLPUSH k j 0;BZPOPMIN k 0;BZMPOP 0 1 k MIN;WAIT 1 0;EXEC",
        ],
        &[
            "0: HELLO 3",
            "0: MULTI;BLPOP k 0;BLMOVE k j LEFT LEFT 0;BZPOPMIN k 0;EXEC",
        ],
        &[
            "0: RPUSH k a b c",
            "0: MULTI;BLPOP k 0;BRPOP k 0;BLMPOP 0 1 k LEFT;EXEC",
        ],
        &[
            "0: BLPOP k 0",
            "1: MULTI;RPUSH k a;BLPOP k 0;EXEC",
            "1: RPUSH k b",
        ],
    ]);
}

/// Later versions of the reference than the one at hand let scripts call these, too.
#[test]
fn inside_of_a_script_nothing_waits() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let script = "return {redis.call('blpop', 'k', 0), redis.call('rpush', 'k', 'x'), redis.call('blpop', 'k', 0)}";
    let reply = client.call(&["EVAL", script, "1", "k"]);
    let answers = reply.elements();
    assert!(answers[0].is_null());
    assert_eq!(answers[2].elements()[1].text(), "x");
}

#[test]
fn who_wants_no_replies_gets_none_for_having_waited() {
    let server = Setup::minium().start();
    let [mut client, mut other] = [server.connect(), server.connect()];
    let calls = b"CLIENT REPLY SKIP\r\nBLPOP k 0\r\nPING\r\nCLIENT REPLY OFF\r\nBLPOP k 0\r\nCLIENT REPLY ON\r\n";
    client.write(calls).expect("a server");
    for _ in 0..2 {
        wait_for("it to wait", || blocking_keys(&mut other) == [1, 1]);
        other.line("RPUSH k x");
    }
    assert_eq!(client.read().text(), "PONG");
    assert!(client.read().is_ok());
    assert_eq!(other.line("LLEN k").int(), 0);
}

#[test]
fn waits_end_when_they_are_told_to() {
    agree(&[
        &[
            "0: BLPOP k 0",
            "1: CLIENT UNBLOCK {0}",
            "1: RPUSH k a",
            "1: LLEN k",
        ],
        &[
            "0: BLPOP k 0",
            "1: CLIENT UNBLOCK {0} TIMEOUT",
            "0: BLMOVE k j LEFT LEFT 0",
            "1: CLIENT UNBLOCK {0} error",
        ],
        &[
            "0: HELLO 3",
            "0: BLMOVE k j LEFT LEFT 0",
            "1: CLIENT UNBLOCK {0}",
            "0: BZMPOP 0 1 k MIN",
            "1: CLIENT UNBLOCK {0}",
        ],
        &[
            "0: WAIT 1 0",
            "1: CLIENT UNBLOCK {0}",
            "0: WAIT 2 0",
            "1: CLIENT UNBLOCK {0} ERROR",
        ],
        &[
            "0: CLIENT UNBLOCK {0}",
            "0: CLIENT UNBLOCK x",
            "0: CLIENT UNBLOCK -1",
            "0: CLIENT UNBLOCK {1} NOW",
            "0: CLIENT UNBLOCK 1 2 3",
        ],
        &[
            "0: BLPOP k j 0",
            "1: BLPOP j 0",
            "2: CLIENT UNBLOCK {0}",
            "2: RPUSH j a b",
            "2: LLEN j",
        ],
    ]);
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    agree(&[&[
        "0: BLPOP k",
        "0: BLPOP k x",
        "0: BLPOP k -1",
        "0: BLPOP k -0.5",
        "0: BLPOP k nan",
        "0: BLPOP k 0x",
        "0: BLPOP k 1_0",
        "0: BLMOVE k j LEFT UP 0",
        "0: BLMOVE k j LEFT RIGHT x",
        "0: BLMPOP 0 0 k LEFT",
        "0: BLMPOP 0 2 k LEFT",
        "0: BLMPOP x 1 k LEFT",
        "0: BLMPOP -1 1 k LEFT",
        "0: BLMPOP 0 1 k LEFT COUNT 0",
        "0: BLMPOP 0 1 k LEFT COUNT 1 COUNT 2",
        "0: BZMPOP 0 1 k LEFT",
        "0: BZPOPMIN k x",
        "0: WAIT x 0",
        "0: WAIT 0 x",
        "0: WAIT 0 -1",
        "0: WAIT 0 0",
        "0: WAIT -1 0",
        "0: SET s x",
        "0: BLPOP s 0",
        "0: BLPOP k s 0",
        "0: BLMOVE s k LEFT LEFT 0",
        "0: BZPOPMAX s 0",
        "0: RPUSH l a",
        "0: BLMOVE l s LEFT LEFT 0",
        "0: BLPOP s l 0",
        "0: BLPOP l s 0",
        "0: BLPOP l s 0",
    ]]);
}

#[test]
fn a_time_may_be_a_fraction() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    for (call, least) in [
        ("BLPOP k 0.05", 50),
        ("BLMOVE k j LEFT LEFT .1", 100),
        ("BZMPOP 0.001 1 k MIN", 1),
        ("WAIT 1 40", 40),
    ] {
        let began = Instant::now();
        let reply = client.line(call);
        let took = began.elapsed();
        assert!(reply.is_null() || reply.int() == 0, "{call}: {reply:?}");
        assert!(took >= Duration::from_millis(least), "{call} took {took:?}");
        assert!(took < Duration::from_secs(5), "{call} took {took:?}");
    }
    assert_eq!(blocking_keys(&mut client), [0, 0]);
    for call in ["BLPOP k 1e300", "BLPOP k inf", "BLPOP k 9223372036854775"] {
        let reply = client.line(call);
        assert_eq!(reply.text(), "ERR timeout is out of range", "{call}");
    }
}

/// How many clients are blocked, and how many keys they wait for.
fn blocking_keys(client: &mut Client) -> [usize; 2] {
    let info = client.line("INFO clients").text();
    ["blocked_clients:", "total_blocking_keys:"].map(|field| {
        let line = info.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|number| number.parse().ok()).expect(field)
    })
}

#[test]
fn a_client_that_goes_while_it_waits_takes_nothing_along() {
    let server = Setup::minium().with("io-threads", "4").start();
    let mut other = server.connect();
    let id = {
        let mut gone = server.connect();
        let mut killed = server.connect();
        let id = killed.line("CLIENT ID").int();
        gone.write(b"BLPOP j k 0\r\nPING\r\n").expect("a server");
        killed
            .write(b"BLMOVE k d LEFT LEFT 0\r\n")
            .expect("a server");
        wait_for("two who wait", || blocking_keys(&mut other) == [2, 2]);
        id
    };
    assert!(other.line(&format!("CLIENT KILL ID {id}")).int() <= 1);
    wait_for("nobody who waits", || blocking_keys(&mut other) == [0, 0]);
    assert_eq!(other.line("RPUSH k a").int(), 1);
    assert_eq!(other.line("LLEN k").int(), 1, "nobody took it");
    // So does one who sends more than it may.
    other.line("DEL k");
    other.line("CONFIG SET client-query-buffer-limit 1048576");
    let mut greedy = server.connect();
    greedy.write(b"BLPOP k 0\r\n").expect("a server");
    wait_for("one who waits", || blocking_keys(&mut other) == [1, 1]);
    let _ = greedy.write(&b"PING\r\n".repeat(500_000));
    wait_for("its end", || blocking_keys(&mut other) == [0, 0]);
}

#[test]
fn the_log_repeats_what_was_taken() {
    let setup = Setup::minium()
        .with("appendonly", "yes")
        .with("appendfsync", "always");
    let mut server = setup.with("io-threads", "4").start();
    {
        let mut stage = Stage::new(&server, 4);
        for (actor, line) in [
            (0, "BLPOP k 0"),
            (1, "BLMOVE k j RIGHT LEFT 0"),
            (2, "BZMPOP 0 1 z MAX COUNT 2"),
            (3, "RPUSH k a b c"),
            (3, "MULTI;ZADD z 1 a 2 b 3 c;EXEC"),
        ] {
            stage.say(actor, line);
        }
    }
    server.kill();
    server.start_again();
    let mut client = server.connect();
    for (line, expected) in [
        ("LRANGE k 0 -1", "b"),
        ("LRANGE j 0 -1", "c"),
        ("ZRANGE z 0 -1", "a"),
    ] {
        let reply = client.line(line);
        let elements: Vec<_> = reply.elements().iter().map(|it| it.text()).collect();
        assert_eq!(elements, [expected], "{line}");
    }
}

#[test]
fn waitaof_waits_for_the_disk() {
    let refused = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    let setup = Setup::minium().with("appendonly", "yes");
    let server = setup.with("appendfsync", "no").start();
    let [mut client, mut other] = [server.connect(), server.connect()];
    let both = |reply: &crate::support::Value| [0, 1].map(|at| reply.elements()[at].int());
    assert_eq!(
        both(&client.line("WAITAOF 1 0 0")),
        [1, 0],
        "it wrote nothing"
    );
    client.line("SET a 1");
    assert_eq!(both(&client.line("WAITAOF 0 0 0"))[1], 0);
    assert_eq!(
        both(&client.line("WAITAOF 1 0 10")),
        [0, 0],
        "nobody asks the disk"
    );
    client.write(b"WAITAOF 1 0 0\r\n").expect("a server");
    wait_for("one who waits", || blocking_keys(&mut other)[0] == 1);
    other.line("CONFIG SET appendfsync everysec");
    other.line("SET b 1");
    assert_eq!(both(&client.read()), [1, 0]);
    assert_eq!(
        both(&client.line("WAITAOF 1 1 10")),
        [1, 0],
        "there are no replicas"
    );
    for (call, error) in [
        (
            "WAITAOF 2 0 0",
            "ERR value is out of range, value must between 0 and 1",
        ),
        (
            "WAITAOF x 0 0",
            "ERR value is not an integer or out of range",
        ),
        (
            "WAITAOF 0 -1 0",
            "ERR value is out of range, must be positive",
        ),
        ("WAITAOF 0 0 -1", "ERR timeout is negative"),
    ] {
        assert_eq!(client.line(call).text(), error, "{call}");
    }
    other.line("CONFIG SET appendfsync no");
    client.line("SET a 2");
    client.write(b"WAITAOF 1 0 0\r\n").expect("a server");
    wait_for("one who waits", || blocking_keys(&mut other)[0] == 1);
    other.line("CONFIG SET appendonly no");
    assert_eq!(client.read().text(), refused);
    assert_eq!(client.line("WAITAOF 1 0 0").text(), refused);
}

#[test]
fn a_key_that_is_restored_serves_who_waits() {
    let answers = pair().map(|server| {
        let mut client = server.connect();
        let mut answers = Vec::new();
        for (fill, wait) in [
            ("RPUSH j a b", "BLPOP k 0"),
            ("RPUSH j a b", "BLMOVE k l RIGHT LEFT 0"),
            ("ZADD j 2 b 1 a", "BZPOPMIN k 0"),
            ("ZADD j 2 b 1 a", "BZMPOP 0 2 i k MAX COUNT 5"),
        ] {
            client.line("FLUSHALL");
            client.line(fill);
            let dump = client.line("DUMP j");
            let mut waiter = server.connect();
            waiter
                .write(format!("{wait}\r\n").as_bytes())
                .expect("written");
            wait_for("it to wait", || blocked_clients(&mut client) == 1);
            answers.push(client.call(&[b"RESTORE", &b"k"[..], b"0", dump.bytes()]));
            answers.push(waiter.read());
            answers.push(client.line("EXISTS k"));
        }
        answers
    });
    assert_eq!(answers[0], answers[1]);
}

fn blocked_clients(client: &mut Client) -> u64 {
    let info = client.line("INFO clients").text();
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("blocked_clients:"));
    count.expect("a field").parse().expect("a number")
}

#[test]
fn a_pause_holds_back_who_would_serve() {
    agree(&[
        &[
            "0: BLPOP k 0",
            "1: CLIENT PAUSE 600000 WRITE",
            "2: RPUSH k a b",
            "1: CLIENT UNPAUSE",
            "1: LRANGE k 0 -1",
        ],
        &[
            "0: BZPOPMIN k 0",
            "1: CLIENT PAUSE 600000 WRITE",
            "2: ZADD k 1 a",
            "1: CLIENT UNBLOCK {0}",
            "1: CLIENT UNPAUSE",
            "1: EXISTS k",
        ],
        // Who would wait is held back before.
        &[
            "1: CLIENT PAUSE 600000 WRITE",
            "0: BLPOP k 0",
            "2: RPUSH k a",
            "1: LLEN k",
        ],
    ]);
}

#[test]
fn a_server_ends_though_clients_wait() {
    for mut server in pair() {
        let mut client = server.connect();
        let mut waiters = [(); 8].map(|()| server.connect());
        for waiter in &mut waiters {
            waiter.write(b"BLPOP k 0\r\nPING\r\n").expect("written");
        }
        wait_for("all to wait", || blocked_clients(&mut client) == 8);
        client.write(b"SHUTDOWN NOSAVE\r\n").expect("written");
        assert!(server.wait_for_end().success());
        for waiter in &mut waiters {
            assert!(waiter.try_read().is_err());
        }
    }
}
