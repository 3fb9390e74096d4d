//! FUNCTION and FCALL, beside what `redis-server` answers, and what is left of functions after a restart.

use crate::command;
use crate::support::{Client, Server, Setup, Value};

/// The same commands to both servers, which must answer alike.
struct Both {
    ours: Client,
    theirs: Client,
    _servers: [Server; 2],
}

impl Both {
    fn start() -> Both {
        let (ours, theirs) = (Setup::minium().start(), Setup::redis().start());
        Both {
            ours: ours.connect(),
            theirs: theirs.connect(),
            _servers: [ours, theirs],
        }
    }

    #[track_caller]
    fn call<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Value {
        let (ours, theirs) = (self.ours.call(words), self.theirs.call(words));
        assert_eq!(ours, theirs, "{:?}", words[0].as_ref().escape_ascii());
        ours
    }

    #[track_caller]
    fn load(&mut self, source: &str) -> Value {
        let (ours, theirs) = (load(&mut self.ours, source), load(&mut self.theirs, source));
        assert_eq!(ours, theirs, "{source}");
        ours
    }
}

fn load(client: &mut Client, source: &str) -> Value {
    client.call(&["FUNCTION", "LOAD", source])
}

/// A library `name` with a function that answers `value`.
fn library(name: &str, function: &str, value: &str) -> String {
    format!(
        "#!lua name={name}\nredis.register_function('{function}', function(keys, args) {value} end)"
    )
}

#[test]
fn libraries_are_refused_alike() {
    let mut both = Both::start();
    for source in [
        "return 1",
        "#!lua name=a",
        "#!lua\nreturn 1",
        "#!lua name=\nreturn 1",
        "#!lua name=a-b\nreturn 1",
        "#!lua name=a name=b\nreturn 1",
        "#!lua name=a x=y\nreturn 1",
        "#!js name=a\nreturn 1",
        "#!lua name=a\nreturn 1",
        "#!lua name=a\nreturn ((",
        "#!lua name=a\nreturn foo",
        "#!lua name=a\nfoo = 1",
        "#!lua name=a\nlocal t = string.rep('a', 3)",
        "#!lua name=a\nredis.call('ping')",
        "#!lua name=a\nredis.log()",
        "#!lua name=a\nlocal t = nil + 1",
        "#!lua name=a\nredis.register_function()",
        "#!lua name=a\nredis.register_function(1)",
        "#!lua name=a\nredis.register_function('f', 1)",
        "#!lua name=a\nredis.register_function({}, function() end)",
        "#!lua name=a\nredis.register_function('f-', function() end)",
        "#!lua name=a\nredis.register_function('f', function() end, 1)",
        "#!lua name=a\nredis.register_function{}",
        "#!lua name=a\nredis.register_function{function_name='f'}",
        "#!lua name=a\nredis.register_function{callback=function() end}",
        "#!lua name=a\nredis.register_function{function_name={}}",
        "#!lua name=a\nredis.register_function{callback=1}",
        "#!lua name=a\nredis.register_function{description={}}",
        "#!lua name=a\nredis.register_function{flags=1}",
        "#!lua name=a\nredis.register_function{flags={'no-such'}}",
        "#!lua name=a\nredis.register_function{flags={{}}}",
        "#!lua name=a\nredis.register_function{[true]=1}",
        "#!lua name=a\nredis.register_function{other=1}",
        "#!lua name=a\nlocal f = function() end redis.register_function('f', f) redis.register_function('f', f)",
    ] {
        assert!(both.load(source).is_error(), "{source}");
    }
    both.load(&library("a", "f", "return 1"));
    both.load(&library("a", "f", "return 1"));
    both.load(&library("b", "F", "return 1"));
    for words in [
        command!["FUNCTION", "LOAD", "OTHER", "x"].to_vec(),
        command!["FUNCTION", "LOAD"].to_vec(),
        command!["FUNCTION", "DELETE", "none"].to_vec(),
        command!["FUNCTION", "FLUSH", "LATER"].to_vec(),
        command!["FUNCTION", "FLUSH", "SYNC", "SYNC"].to_vec(),
        command!["FUNCTION", "RESTORE", "x", "FLUSH", "y"].to_vec(),
        command!["FUNCTION", "LIST", "LIBRARYNAME"].to_vec(),
        command!["FUNCTION", "LIST", "WITHCODE", "WITHCODE"].to_vec(),
        command!["FUNCTION", "RESTORE", "x"].to_vec(),
        command!["FUNCTION", "RESTORE", "x", "SOMEHOW"].to_vec(),
        command!["FUNCTION", "KILL"].to_vec(),
        command!["FCALL", "none", "0"].to_vec(),
        command!["FCALL", "f", "x"].to_vec(),
        command!["FCALL", "f", "2", "k"].to_vec(),
        command!["FCALL", "f", "-1"].to_vec(),
        command!["FCALL_RO", "f", "0"].to_vec(),
    ] {
        assert!(both.call(&words).is_error(), "{words:?}");
    }
}

#[test]
fn functions_run_as_scripts_do() {
    let mut both = Both::start();
    both.load(
        "#!lua name=many
         local calls = 0
         redis.register_function('set', function(keys, args) return redis.call('SET', keys[1], args[1]) end)
         redis.register_function('get', function(keys) return redis.call('GET', keys[1]) end)
         redis.register_function('count', function() calls = calls + 1 return calls end)
         redis.register_function('echo', function(keys, args) return {keys, args, #keys, {ok = 'fine'}} end)
         redis.register_function('wrong', function() return redis.call('SET', 'x') end)
         redis.register_function('throws', function() error('no') end)
         redis.register_function('answers', function() return redis.error_reply('MY no') end)
         redis.register_function('globals', function() x = 1 end)
         redis.register_function('late', function() return redis.register_function('l', function() end) end)
         redis.register_function('libraries', function() return cjson.encode({1, {a = bit.band(7, 3)}}) end)
         redis.register_function('nothing', function() return nosuch end)
         redis.register_function('undeclared', function() redis.call('SET', 'other', '1') return redis.call('GET', 'other') end)
         redis.register_function{function_name='reader', callback=function(keys) return redis.call('GET', keys[1]) end, \
                                 flags={'no-writes', 'ALLOW-STALE'}, description='reads'}
         redis.register_function{function_name='liar', callback=function(keys) return redis.call('SET', keys[1], '1') end, \
                                 flags={'no-writes'}}",
    );
    for line in [
        "FCALL set 1 k v",
        "FCALL GET 1 k",
        "FCALL echo 2 a b c d",
        "FCALL count 0",
        "FCALL count 0",
        "FCALL wrong 0",
        "FCALL throws 0",
        "FCALL answers 0",
        "FCALL globals 0",
        "FCALL late 0",
        "FCALL libraries 0",
        "FCALL nothing 0",
        "FCALL undeclared 0",
        "FCALL reader 1 k",
        "FCALL_RO reader 1 k",
        "FCALL_RO get 1 k",
        "FCALL liar 1 k",
        "FCALL_RO liar 1 k",
        "FUNCTION STATS",
    ] {
        both.call(&line.split(' ').collect::<Vec<_>>());
    }
    for words in [
        ["FUNCTION", "LIST", "LIBRARYNAME", "MANY"],
        ["FUNCTION", "LIST", "LIBRARYNAME", "x*"],
    ] {
        let (ours, theirs) = (both.ours.call(&words), both.theirs.call(&words));
        assert_eq!(sorted(&ours), sorted(&theirs));
    }
    // In a transaction, too.
    both.call(&["MULTI"]);
    both.call(&["FCALL", "set", "1", "k", "w"]);
    both.load(&library("b", "g", "return 2"));
    both.call(&["FCALL", "g", "0"]);
    both.call(&["EXEC"]);
}

/// The functions of each library by name: their order means nothing.
fn sorted(value: &Value) -> Vec<String> {
    let mut parts: Vec<_> = match value {
        Value::Array(parts) => parts.iter().flat_map(sorted).collect(),
        other => vec![format!("{other:?}")],
    };
    parts.sort();
    parts
}

#[test]
fn every_worker_finds_a_function_and_none_that_is_gone() {
    let server = Setup::minium().with("io-threads", "4").start();
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    load(&mut clients[0], &library("a", "f", "return 1"));
    for client in &mut clients {
        assert_eq!(client.call(&["FCALL", "f", "0"]).int(), 1);
    }
    let next = library("a", "f", "return 2");
    clients[1].call(&["FUNCTION", "LOAD", "REPLACE", &next]);
    for client in &mut clients {
        assert_eq!(client.call(&["FCALL", "f", "0"]).int(), 2);
    }
    // What was made for scripts goes, what was made for functions is made again.
    clients[2].call(&["SCRIPT", "FLUSH"]);
    for client in &mut clients {
        assert_eq!(client.call(&["FCALL", "f", "0"]).int(), 2);
    }
    clients[3].call(&["FUNCTION", "DELETE", "a"]);
    for client in &mut clients {
        assert!(client.call(&["FCALL", "f", "0"]).is_error());
    }
}

#[test]
fn a_library_that_does_not_end_is_not_loaded() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let reply = load(&mut client, "#!lua name=a\nwhile 1 do end");
    assert_eq!(
        reply.text(),
        "ERR Error registering functions: ERR FUNCTION LOAD timeout"
    );
    let reply = load(
        &mut client,
        "#!lua name=a\nlocal function f() return f() end f()",
    );
    assert!(reply.text().contains("FUNCTION LOAD timeout"), "{reply:?}");
    assert!(client.call(&["PING"]).text().contains("PONG"));
}

#[test]
fn dumps_are_restored_by_either_server() {
    let mut both = Both::start();
    both.load(&library("a", "f", "return 1"));
    both.load(&library(
        "b",
        "g",
        &format!("return '{}'", "x".repeat(1000)),
    ));
    let payloads = [
        both.ours.call(&["FUNCTION", "DUMP"]).bytes().to_vec(),
        both.theirs.call(&["FUNCTION", "DUMP"]).bytes().to_vec(),
    ];
    for payload in payloads {
        let mut restore = |policy: &str| {
            let words = command!["FUNCTION", "RESTORE", payload, policy];
            both.call(&words)
        };
        assert!(restore("FLUSH").is_ok());
        assert!(restore("REPLACE").is_ok());
        both.call(&["FUNCTION", "DELETE", "a"]);
        let words = command!["FUNCTION", "RESTORE", payload, "APPEND"];
        // Either of the two libraries is met first, and only b is there.
        assert!(both.call(&words).is_error());
        both.call(&["FUNCTION", "DELETE", "b"]);
        assert!(both.call(&words).is_ok());
        assert_eq!(both.call(&["FCALL", "f", "0"]).int(), 1);
        assert_eq!(both.call(&["FCALL", "g", "0"]).bytes().len(), 1000);
        // A function of another library is in the way.
        both.call(&["FUNCTION", "FLUSH"]);
        both.load(&library("c", "G", "return 3"));
        for policy in ["APPEND", "REPLACE"] {
            let words = command!["FUNCTION", "RESTORE", payload, policy];
            assert!(both.call(&words).is_error());
        }
        assert_eq!(both.call(&["FCALL", "g", "0"]).int(), 3);
        let mut damaged = payload.clone();
        damaged[3] ^= 1;
        assert!(
            both.call(&command!["FUNCTION", "RESTORE", damaged])
                .is_error()
        );
    }
    // A payload of a key.
    both.call(&["SET", "k", "v"]);
    let dump = both.theirs.call(&["DUMP", "k"]).bytes().to_vec();
    assert!(both.call(&command!["FUNCTION", "RESTORE", dump]).is_error());
}

#[test]
fn functions_are_saved_and_loaded_by_either_server() {
    let source = library("kept", "f", &format!("return '{}'", "long ".repeat(100)));
    let save = |server: &Server| {
        let mut client = server.connect();
        load(&mut client, &source);
        client.call(&["SET", "k", "v"]);
        assert!(client.call(&["SAVE"]).is_ok());
        std::fs::read(server.dir().join("dump.rdb")).expect("a file")
    };
    let files = [
        save(&Setup::minium().start()),
        save(&Setup::redis().start()),
    ];
    for file in files {
        for setup in [Setup::minium(), Setup::redis()] {
            let server = setup.file("dump.rdb", &file).start();
            let mut client = server.connect();
            assert_eq!(client.call(&["FCALL", "f", "0"]).bytes().len(), 500);
            assert_eq!(client.call(&["GET", "k"]).bytes(), b"v");
        }
    }
}

#[test]
fn functions_outlive_a_restart_with_the_append_only_file() {
    for preamble in ["yes", "no"] {
        let mut server = Setup::minium()
            .with("appendonly", "yes")
            .with("appendfsync", "always")
            .with("enable-debug-command", "yes")
            .with("aof-use-rdb-preamble", preamble)
            .start();
        let mut client = server.connect();
        load(
            &mut client,
            &library("a", "f", "return redis.call('INCR', keys[1])"),
        );
        load(&mut client, &library("gone", "g", "return 1"));
        client.call(&["FCALL", "f", "1", "k"]);
        client.call(&["FUNCTION", "DELETE", "gone"]);
        server.start_again();
        let mut client = server.connect();
        assert_eq!(client.call(&["FCALL", "f", "1", "k"]).int(), 2);
        assert!(client.call(&["FCALL", "g", "0"]).is_error());
        // What a rewrite makes of it, and what comes after.
        client.call(&["BGREWRITEAOF"]);
        crate::support::wait_for("the rewrite", || {
            let info = client.call(&["INFO", "persistence"]).text();
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrites:1")
        });
        load(&mut client, &library("b", "h", "return 3"));
        server.start_again();
        let mut client = server.connect();
        assert_eq!(client.call(&["FCALL", "f", "1", "k"]).int(), 3);
        assert_eq!(client.call(&["FCALL", "h", "0"]).int(), 3);
        assert_eq!(client.call(&["DEBUG", "RELOAD"]).text(), "OK");
        assert_eq!(client.call(&["FCALL", "h", "0"]).int(), 3);
    }
}

#[test]
fn a_reload_may_add_to_what_there_is() {
    let server = Setup::minium().with("enable-debug-command", "yes").start();
    let mut client = server.connect();
    load(&mut client, &library("a", "f", "return 1"));
    client.call(&["SET", "k", "saved"]);
    client.call(&["SAVE"]);
    let next = library("a", "f", "return 2");
    client.call(&["FUNCTION", "LOAD", "REPLACE", &next]);
    load(&mut client, &library("b", "g", "return 3"));
    client.call(&["SET", "k", "changed"]);
    client.call(&["SET", "new", "there"]);
    let twice = client.line("DEBUG RELOAD NOSAVE NOFLUSH");
    assert!(twice.is_error(), "{twice:?}");
    assert!(client.line("DEBUG RELOAD NOSAVE NOFLUSH MERGE").is_ok());
    assert_eq!(client.line("FCALL f 0").int(), 1);
    assert_eq!(client.line("FCALL g 0").int(), 3);
    assert_eq!(client.line("GET k").bytes(), b"saved");
    assert_eq!(client.line("GET new").bytes(), b"there");
}
