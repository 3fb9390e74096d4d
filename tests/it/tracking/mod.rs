//! Client-side caching: who is told of which changes, in which form and order, and that nobody is told too late.

mod stage;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use fastrand::Rng;

use self::stage::{compare, pair};
use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, info, wait_for};

/// A client that speaks RESP3.
fn modern(server: &Server) -> Client {
    let mut client = server.connect();
    client.line("HELLO 3");
    client
}

fn push(words: &[&str]) -> Value {
    let [word, keys @ ..] = words else {
        panic!("a push has a word");
    };
    let bulk = |word: &str| Value::Bulk(word.as_bytes().to_vec());
    let keys = keys.iter().map(|key| bulk(key)).collect();
    Value::Push(vec![bulk(word), Value::Array(keys)])
}

#[test]
fn who_is_told_what_is_as_with_redis() {
    // What Redis answers with ids: 50 is a, 51 b, 52 listener, 53 modern, 54 writer.
    let names = ["a", "b", "listener", "modern", "writer"];
    let steps = [
        ("listener", "SUBSCRIBE __redis__:invalidate"),
        ("modern", "HELLO 3"),
        // RESP2 without somebody to tell: nothing comes.
        (
            "a",
            "CLIENT TRACKING ON; GET x; CLIENT GETREDIR; CLIENT TRACKINGINFO",
        ),
        ("writer", "SET x 1"),
        // Redirected.
        (
            "a",
            "CLIENT TRACKING ON REDIRECT 52; GET x; GET x; MGET x y; CLIENT GETREDIR; CLIENT TRACKINGINFO",
        ),
        ("writer", "SET x 2; SET x 3; SET y 1; SET z 1"),
        ("a", "GET x; SET x 4; GET x"),
        (
            "modern",
            "CLIENT TRACKING ON; GET x; GET y; EXISTS nonesuch; STRLEN x; TTL y",
        ),
        ("writer", "MSET x 1 y 2 nonesuch 3"),
        ("modern", "GET x; SET x 5; GET x; INCR x; GET x"),
        (
            "modern",
            "MGET x y; MULTI; INCR x; GET y; DEL y; GET x; EXEC; INCR x",
        ),
        ("writer", "MULTI; INCR x; INCR x; EXEC"),
        ("modern", "LPUSH x; LPUSH x 1; LRANGE x 0 -1; GET"),
        ("writer", "DEL x"),
        // By name, whatever the database.
        ("modern", "SELECT 3; GET x; SELECT 0"),
        ("writer", "SET x 1"),
        // What is not read by a reading command.
        (
            "modern",
            "APPEND x 1; GETSET x 2; INCR x; WATCH x; UNWATCH; TYPE x",
        ),
        ("writer", "EXPIRE x 100; PERSIST x; PERSIST x; EXPIRE x -1"),
        (
            "modern",
            "GET a; GET b; GET c; HGETALL h; SINTER s t; ZRANGE z 0 -1; SORT_RO l; OBJECT ENCODING h; XNOSUCH",
        ),
        (
            "writer",
            "SET a 1; RENAME a b; COPY b c; HSET h f 1; SADD s 1; SADD t 1; SINTERSTORE u s t; MOVE c 1; RPUSH l 1",
        ),
        (
            "writer",
            "HSET h f 2; SADD s 1; SREM s 2; ZADD z 1 m; ZADD z 1 m; GETEX b EX 100; GETDEL b",
        ),
        // OPTIN and OPTOUT.
        (
            "modern",
            "CLIENT TRACKING ON OPTIN; CLIENT TRACKING OFF; CLIENT TRACKING ON OPTIN; GET x; CLIENT CACHING YES; GET y; GET z",
        ),
        ("writer", "MSET x 1 y 1 z 1"),
        (
            "modern",
            "CLIENT CACHING NO; CLIENT CACHING MAYBE; CLIENT CACHING YES; CLIENT TRACKINGINFO; CLIENT ID; MULTI; GET x; GET y; EXEC; GET z",
        ),
        ("writer", "MSET x 1 y 1 z 1"),
        (
            "modern",
            "CLIENT CACHING YES; NOSUCH; GET x; MULTI; CLIENT CACHING YES; GET y; EXEC; GET z; CLIENT CACHING YES; GET; GET z",
        ),
        ("writer", "MSET x 1 y 1 z 1"),
        (
            "modern",
            "CLIENT TRACKING ON OPTOUT; CLIENT TRACKING OFF; CLIENT TRACKING ON OPTOUT; GET x; CLIENT CACHING NO; GET y; GET z; CLIENT CACHING YES",
        ),
        ("writer", "MSET x 1 y 1 z 1"),
        // NOLOOP.
        (
            "modern",
            "CLIENT TRACKING OFF; CLIENT TRACKING ON NOLOOP; MGET x y; SET x 1; CLIENT TRACKINGINFO",
        ),
        ("writer", "MSET x 1 y 1"),
        // Everything goes.
        ("writer", "FLUSHDB; FLUSHALL"),
        ("modern", "GET x; MULTI; PING; FLUSHALL; EXEC"),
        ("writer", "SET x 1"),
        // BCAST.
        (
            "modern",
            "CLIENT TRACKING ON BCAST; CLIENT TRACKING OFF; CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:; GET x; CLIENT TRACKINGINFO",
        ),
        ("writer", "SET x 1"),
        ("writer", "MSET user:1 1 item:1 1 other 1 item:0 1 user:1 2"),
        ("modern", "SET user:1 1"),
        (
            "modern",
            "CLIENT TRACKING ON BCAST PREFIX us; CLIENT TRACKING ON BCAST PREFIX user:1; CLIENT TRACKING ON BCAST PREFIX user:",
        ),
        (
            "modern",
            "CLIENT TRACKING ON BCAST PREFIX new: NOLOOP; SET new:1 1",
        ),
        (
            "a",
            "CLIENT TRACKING OFF; CLIENT TRACKING ON BCAST REDIRECT 52 PREFIX new: PREFIX other",
        ),
        ("b", "CLIENT TRACKING ON BCAST REDIRECT 53 PREFIX other"),
        (
            "modern",
            "MULTI; SET new:1 1; SET other:1 2; DEL item:0; EXEC",
        ),
        (
            "writer",
            "MULTI; SET new:1 1; SET other:1 2; DEL item:0; GET x; EXEC",
        ),
        ("writer", "RENAME other:1 new:2; FLUSHDB"),
        // Redirected to one that has not subscribed, to oneself, to nobody.
        (
            "a",
            "CLIENT TRACKING OFF; CLIENT TRACKING ON REDIRECT 54; GET x",
        ),
        ("writer", "SET x 1; PING"),
        (
            "modern",
            "CLIENT TRACKING OFF; CLIENT TRACKING ON REDIRECT 53; GET x; SET x 2",
        ),
        (
            "b",
            "CLIENT TRACKING OFF; CLIENT TRACKING ON REDIRECT 999999; CLIENT TRACKING ON REDIRECT 0; CLIENT TRACKING ON REDIRECT -1",
        ),
        (
            "b",
            "CLIENT TRACKING ON REDIRECT x; CLIENT TRACKING ON REDIRECT 50 REDIRECT 51; CLIENT TRACKING ON REDIRECT; CLIENT TRACKING",
        ),
        (
            "b",
            "CLIENT TRACKING MAYBE; CLIENT TRACKING ON PREFIX a; CLIENT TRACKING ON BCAST OPTIN; CLIENT TRACKING ON OPTIN OPTOUT",
        ),
        (
            "b",
            "CLIENT TRACKING ON BCAST PREFIX foo PREFIX foobar; CLIENT TRACKINGINFO; CLIENT CACHING YES; CLIENT GETREDIR",
        ),
        (
            "b",
            "CLIENT TRACKING ON; CLIENT TRACKING ON BCAST; CLIENT CACHING YES; CLIENT CACHING NO; CLIENT TRACKING ON NOSUCH",
        ),
        // Replies are off, pushes are not.
        (
            "modern",
            "CLIENT TRACKING OFF; CLIENT TRACKING ON; GET x; CLIENT REPLY SKIP; SET x 1",
        ),
        // RESP2 again.
        ("modern", "GET x; HELLO 2"),
        ("writer", "SET x 1"),
        ("modern", "HELLO 3; GET x; RESET"),
        ("writer", "SET x 1; FLUSHALL"),
    ];
    compare(&names, &steps);
}

#[test]
fn of_its_own_changes_a_client_is_told_last() {
    let begin = [
        ("listener", "SUBSCRIBE __redis__:invalidate"),
        ("a", "CLIENT TRACKING ON REDIRECT 52"),
        ("b", "CLIENT TRACKING ON REDIRECT 52"),
    ];
    let steps = [
        ("a", "GET y"),
        ("b", "GET x; GET z"),
        ("b", "MSET x 1 y 2 z 3"),
        ("a", "GET y"),
        ("b", "GET x; GET z"),
        ("b", "MULTI; DEL x; SET y 1; SET z 1; EXEC"),
    ];
    let names = ["a", "b", "listener", "writer"];
    compare(&names, &[&begin[..], &steps[..]].concat());
}

/// One random step of clients that track in different ways, and of one that does not.
fn random_step(rng: &mut Rng) -> (&'static str, String) {
    let names = ["a", "b", "modern", "other", "writer"];
    let name = names[rng.usize(..names.len())];
    let key = |rng: &mut Rng| format!("{}{}", ["user:", "item:", ""][rng.usize(..3)], rng.u8(..4));
    let command = |rng: &mut Rng| {
        let (one, two) = (key(rng), key(rng));
        match rng.u8(..24) {
            0..6 => format!("GET {one}"),
            6..8 => format!("MGET {one} {two}"),
            8 => format!("LRANGE {one} 0 -1"),
            9 => format!("SUNION {one} {two}"),
            10..13 => format!("SET {one} 1"),
            13 => format!("MSET {one} 1 {two} 2"),
            14 => format!("INCR {one}"),
            15 => format!("RPUSH {one} 1"),
            16 => format!("SADD {one} 1"),
            17 => format!("SUNIONSTORE {one} {two}"),
            18 => format!("RENAME {one} {two}"),
            19..21 => format!("DEL {one} {two}"),
            21 => format!("EXPIRE {one} -1"),
            22 => format!("COPY {one} {two} REPLACE"),
            _ => format!("SELECT {}", rng.u8(..2)),
        }
    };
    let caching = ["CLIENT CACHING YES", "CLIENT CACHING NO"][rng.usize(..2)];
    let lines = match rng.u8(..20) {
        0 if name != "writer" => {
            let options = match rng.u8(..6) {
                0 => "ON",
                1 => "ON OPTIN",
                2 => "ON OPTOUT NOLOOP",
                3 => "ON BCAST PREFIX user: PREFIX item:",
                4 => "ON BCAST NOLOOP",
                _ => "ON NOLOOP",
            };
            // In RESP2, who listens is told.
            let redirect = if name.len() == 1 { " REDIRECT 52" } else { "" };
            format!("CLIENT TRACKING OFF; CLIENT TRACKING {options}{redirect}; CLIENT TRACKINGINFO")
        }
        0 => ["FLUSHDB", "FLUSHALL"][rng.usize(..2)].to_owned(),
        1..4 => {
            let commands: Vec<String> = (0..rng.u8(1..5)).map(|_| command(rng)).collect();
            format!("{caching}; MULTI; {}; EXEC", commands.join("; "))
        }
        4..7 => format!("{caching}; {}; {}", command(rng), command(rng)),
        _ => command(rng),
    };
    (name, lines)
}

#[test]
fn whatever_several_clients_do_is_told_as_by_redis() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let names = ["a", "b", "listener", "modern", "other", "writer"];
    let begin = [
        ("listener", "SUBSCRIBE __redis__:invalidate"),
        ("modern", "HELLO 3; CLIENT TRACKING ON"),
        ("other", "HELLO 3; CLIENT TRACKING ON BCAST PREFIX user:"),
        ("a", "CLIENT TRACKING ON REDIRECT 52"),
    ];
    let mut steps: Vec<_> = begin.map(|(name, lines)| (name, lines.to_owned())).into();
    steps.extend((0..1500).map(|_| random_step(&mut rng)));
    compare(&names, &steps);
}

#[test]
fn who_redirects_hears_when_nobody_is_there_to_be_told() {
    for server in pair(|setup| setup) {
        let (mut client, mut listener, mut writer) =
            (modern(&server), modern(&server), server.connect());
        let id = listener.line("CLIENT ID").int();
        client.line(&format!("CLIENT TRACKING ON REDIRECT {id}"));
        client.line("GET x");
        client.line("GET y");
        writer.line("SET x 1");
        assert_eq!(listener.read(), push(&["invalidate", "x"]));
        assert!(listener.line("QUIT").is_ok());
        // From its last reply on it is not there.
        writer.line("SET y 1");
        let broken = client.read();
        let words = broken.elements();
        assert_eq!(
            (words[0].text().as_str(), words[1].int()),
            ("tracking-redir-broken", id)
        );
        let list = writer.line("CLIENT LIST").text();
        let line = list
            .lines()
            .find(|line| line.contains("flags=tR "))
            .expect("its line");
        assert!(line.contains(&format!(" redir={id} ")), "{line}");
        let about = client.line("CLIENT TRACKINGINFO");
        assert!(
            format!("{about:?}").contains("broken_redirect"),
            "{about:?}"
        );
        client.line("CLIENT TRACKING OFF");
        client.line("CLIENT TRACKING ON BCAST");
        let list = writer.line("CLIENT LIST").text();
        assert!(
            list.contains("flags=tB ") && list.contains(" redir=0 "),
            "{list}"
        );
    }
}

#[test]
fn what_dies_or_has_to_make_room_is_told() {
    for server in pair(|setup| setup.with("maxmemory-policy", "volatile-random")) {
        let (mut client, mut broad, mut writer) =
            (modern(&server), modern(&server), server.connect());
        client.line("CLIENT TRACKING ON");
        broad.line("CLIENT TRACKING ON BCAST NOLOOP");
        // Found dead by a reader, or by nobody: either way it is told.
        for (key, reader) in [("met", true), ("left", false)] {
            writer.call(&["SET", key, "1", "PX", "150"]);
            assert_eq!(broad.read(), push(&["invalidate", key]));
            assert_eq!(client.call(&["GET", key]).text(), "1");
            if reader {
                let begin = Instant::now();
                while !writer.call(&["GET", key]).is_null() {
                    assert!(begin.elapsed() < Duration::from_secs(20));
                }
            }
            assert_eq!(client.read(), push(&["invalidate", key]));
            assert_eq!(broad.read(), push(&["invalidate", key]));
        }
        // What goes to make room for a command is told before its reply, even to who sent it.
        client.line("SETEX volatile 10000 x");
        client.line("GET volatile");
        let used =
            info(&mut client, "used_memory") - info(&mut client, "mem_not_counted_for_evict");
        client.line(&format!("CONFIG SET maxmemory {}", used + 100_000));
        assert_eq!(client.line("SETBIT big 1600000 0").int(), 0);
        let told = client.line("GETBIT big 0");
        if told.is_error() || told == Value::Int(0) {
            panic!("{told:?} before the invalidation");
        }
        assert_eq!(told, push(&["invalidate", "volatile"]));
        assert_eq!(client.read().int(), 0);
    }
}

#[test]
fn no_more_is_remembered_than_may_be() {
    let server = Setup::minium()
        .with("tracking-table-max-keys", "1000")
        .start();
    let (mut client, mut operator) = (modern(&server), server.connect());
    client.line("CLIENT TRACKING ON");
    let mut kept = std::collections::BTreeSet::new();
    for number in 0..5000 {
        let key = format!("key:{number}");
        let mut value = client.call(&["GET", &key]);
        while let Value::Push(words) = &value {
            assert!(
                kept.remove(&words[1].elements()[0].text()),
                "{words:?} is remembered"
            );
            value = client.read();
        }
        assert!(value.is_null());
        kept.insert(key);
        assert!(kept.len() <= 1001);
    }
    let total = info(&mut operator, "tracking_total_keys");
    assert!(total <= 1000, "{total}");
    // A lower limit holds soon, without anybody's command.
    operator.line("CONFIG SET tracking-table-max-keys 10");
    while kept.len() > 10 {
        let told = client.read();
        assert!(
            kept.remove(&told.elements()[1].elements()[0].text()),
            "{told:?} is remembered"
        );
    }
    assert_eq!(info(&mut operator, "tracking_total_keys"), 10);
    for key in &kept {
        operator.call(&["SET", key, "1"]);
        assert_eq!(client.read(), push(&["invalidate", key]));
    }
    let rest = ["keys", "items"].map(|what| info(&mut operator, &format!("tracking_total_{what}")));
    assert_eq!(rest, [0, 0]);
}

#[test]
fn what_scripts_read_and_write_is_told_of() {
    let tracks = "HELLO 3; CLIENT TRACKING ON";
    let reads = "EVAL return(redis.call('get',KEYS[1])) 1";
    let writes = "EVAL return(redis.call('set',KEYS[1],1)) 1";
    compare(
        &["a", "b", "c"],
        &[
            ("a", tracks),
            ("b", "HELLO 3; CLIENT TRACKING ON NOLOOP"),
            ("c", "HELLO 3; CLIENT TRACKING ON BCAST"),
            ("a", &format!("{reads} k")),
            ("a", &format!("{writes} k")),
            ("a", &format!("{reads} k")),
            ("b", &format!("{reads} k")),
            ("b", &format!("{writes} k")),
            ("b", "EVAL return(redis.call('set','k',2)) 0"),
            ("b", "FUNCTION FLUSH"),
            (
                "a",
                "MULTI; EVAL return(redis.call('get',KEYS[1])) 1 m; GET n; EXEC",
            ),
            (
                "b",
                "MULTI; EVAL return(redis.call('mset','m',1,'n',2)) 0; EXEC",
            ),
            (
                "a",
                "EVAL_RO return(redis.call('mget',KEYS[1],KEYS[2])) 2 m n",
            ),
            (
                "b",
                "EVAL redis.call('del','m');redis.call('del','n');return(1) 0",
            ),
            // A script that fails has changed what it changed.
            ("a", "GET k"),
            ("b", "EVAL redis.call('set','k',3);error('x') 0"),
        ],
    );
}

#[test]
fn what_a_served_wait_changes_is_told_of() {
    for server in pair(|setup| setup) {
        let (mut reader, mut waiter) = (modern(&server), modern(&server));
        let mut pusher = server.connect();
        for client in [&mut reader, &mut waiter] {
            assert!(client.line("CLIENT TRACKING ON").is_ok());
            client.line("LRANGE to 0 -1");
        }
        waiter
            .write(b"BLMOVE from to LEFT RIGHT 0\r\n")
            .expect("written");
        wait_for("it to wait", || info(&mut pusher, "blocked_clients") == 1);
        assert_eq!(pusher.line("RPUSH from x").int(), 1);
        let told = push(&["invalidate", "to"]);
        assert_eq!(reader.read(), told);
        // Its own reply first.
        assert_eq!(waiter.read().text(), "x");
        assert_eq!(waiter.read(), told);
    }
}

#[test]
fn who_hears_nothing_of_itself_hears_what_is_remembered_no_longer() {
    let server = Setup::minium().start();
    let mut client = modern(&server);
    client.line("CLIENT TRACKING ON NOLOOP");
    client.line("MGET a b");
    assert!(client.line("CONFIG SET tracking-table-max-keys 1").is_ok());
    let told = client.read();
    assert!(
        [push(&["invalidate", "a"]), push(&["invalidate", "b"])].contains(&told),
        "{told:?}"
    );
}

#[test]
fn what_is_remembered_is_memory_that_comes_back() {
    let server = Setup::minium().start();
    let (mut client, mut operator) = (modern(&server), server.connect());
    client.line("CLIENT TRACKING ON");
    operator.line("FLUSHALL SYNC");
    assert_eq!(
        client.read(),
        Value::Push(vec![Value::Bulk(b"invalidate".to_vec()), Value::Null])
    );
    let before = info(&mut operator, "used_memory");
    const KEYS: u64 = 20_000;
    for part in 0..KEYS / 100 {
        let keys = (0..100).map(|number| format!("a-key-that-is-not-there:{part}:{number}"));
        let words: Vec<String> = std::iter::once("MGET".to_owned()).chain(keys).collect();
        assert_eq!(client.call(&words).elements().len(), 100);
    }
    assert_eq!(info(&mut operator, "tracking_total_items"), KEYS);
    let grown = info(&mut operator, "used_memory") - before;
    assert!(
        (50 * KEYS..200 * KEYS).contains(&grown),
        "{} bytes a key",
        grown / KEYS
    );
    operator.line("FLUSHALL");
    wait_for("the memory is free again", || {
        info(&mut operator, "used_memory") < before + 5 * KEYS
    });
    client.line("CLIENT TRACKING OFF");
    drop(client);
    wait_for("nobody tracks", || {
        info(&mut operator, "tracking_clients") == 0
    });
}

/// A cache beside a connection, as client libraries keep it.
struct Cache {
    connection: Client,
    values: HashMap<String, u64>,
}

impl Cache {
    fn new(server: &Server, options: &str) -> Cache {
        let mut connection = modern(server);
        connection.line(&format!("CLIENT TRACKING ON {options}"));
        Cache {
            connection,
            values: HashMap::new(),
        }
    }

    /// The reply to a request; what it is told meanwhile it forgets.
    fn call(&mut self, words: &[&str]) -> Value {
        let mut request = Vec::new();
        encode(&mut request, words);
        self.connection.write(&request).expect("written");
        loop {
            match self.connection.read() {
                Value::Push(words) => self.forget(&words[1]),
                reply => return reply,
            }
        }
    }

    fn forget(&mut self, keys: &Value) {
        if keys.is_null() {
            self.values.clear();
            return;
        }
        for key in keys.elements() {
            self.values.remove(&key.text());
        }
    }

    fn get(&mut self, key: &str) -> u64 {
        if let Some(value) = self.values.get(key) {
            return *value;
        }
        let reply = self.call(&["GET", key]);
        let value = if reply.is_null() {
            0
        } else {
            reply.text().parse().expect("a number")
        };
        self.values.insert(key.to_owned(), value);
        value
    }
}

/// Writers raise numbers and say, when they are answered, how far they are. Readers keep copies. Whoever learns how far a number is,
/// and then has one reply from the server, must not find an older copy of it.
#[test]
fn no_copy_is_older_than_what_a_writer_was_told() {
    const KEYS: usize = 8;
    const WRITERS: usize = 3;
    let server = Setup::minium().with("io-threads", "4").start();
    let answered: [AtomicU64; KEYS] = Default::default();
    let is_over = AtomicBool::new(false);
    let limit = Duration::from_secs(4);
    let hits = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, answered, is_over) = (&server, &answered, &is_over);
            scope.spawn(move || {
                let mut client = server.connect();
                let mut rng = Rng::with_seed(writer as u64);
                let begin = Instant::now();
                while begin.elapsed() < limit {
                    // A key has one writer, so its numbers grow.
                    let number = writer + WRITERS * rng.usize(..=(KEYS - 1 - writer) / WRITERS);
                    let key = format!("key:{number}");
                    let raised = match rng.u8(..4) {
                        0 => {
                            let incr = vec![b"INCR".to_vec(), key.into_bytes()];
                            let requests = [vec![b"MULTI".to_vec()], incr, vec![b"EXEC".to_vec()]];
                            let replies = client.try_pipeline(&requests).expect("replies");
                            replies[2].elements()[0].int()
                        }
                        _ => client.call(&["INCR", &key]).int(),
                    };
                    answered[number].store(raised as u64, SeqCst);
                    if rng.u8(..8) == 0 {
                        // The reader's caches are to be used as well.
                        std::thread::yield_now();
                    }
                }
                is_over.store(true, SeqCst);
            });
        }
        for reader in 0..6 {
            let (server, answered, is_over, hits) = (&server, &answered, &is_over, &hits);
            scope.spawn(move || {
                let options = ["", "NOLOOP", "BCAST", "BCAST PREFIX key:", "", "OPTOUT"][reader];
                let mut cache = Cache::new(server, options);
                let mut rng = Rng::with_seed(100 + reader as u64);
                while !is_over.load(SeqCst) {
                    for _ in 0..4 {
                        cache.get(&format!("key:{}", rng.usize(..KEYS)));
                    }
                    let number = rng.usize(..KEYS);
                    let least = answered[number].load(SeqCst);
                    cache.call(&["PING"]);
                    let key = format!("key:{number}");
                    if cache.values.contains_key(&key) {
                        hits.fetch_add(1, SeqCst);
                    }
                    let found = cache.get(&key);
                    assert!(
                        found >= least,
                        "{options}: {key} is {least}, the copy {found}"
                    );
                }
            });
        }
    });
    assert!(
        hits.load(SeqCst) > 100,
        "the caches were used {hits:?} times"
    );
}
