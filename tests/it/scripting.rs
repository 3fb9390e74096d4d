//! Scripts: what they answer beside the reference, that they are atomic whatever keys they touch, and that none brings the server down.

use std::thread;
use std::time::Duration;

use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, wait_for};

fn eval(client: &mut Client, script: &str, arguments: &[&str]) -> Value {
    client.call(&[&["EVAL", script], arguments].concat())
}

/// An error that begins with these words.
#[track_caller]
fn refused(reply: &Value, beginning: &str) {
    let text = reply.text();
    assert!(
        reply.is_error() && text.starts_with(beginning),
        "{reply:?} is not {beginning}"
    );
}

#[test]
fn scripts_answer_what_the_reference_answers() {
    let servers = [Setup::minium().start(), Setup::redis().start()];
    let mut clients = servers.each_ref().map(Server::connect);
    let scripts: &[(&str, &[&str])] = &[
        ("return {1, 2, {3, 'x'}, false, true, nil, 5}", &["0"]),
        ("return {3.99, -3.99, 2^53, '', {}}", &["0"]),
        (
            "return redis.call('set', KEYS[1], ARGV[1])",
            &["1", "s", "v"],
        ),
        ("return redis.call('incr', KEYS[1])", &["1", "s"]),
        ("return redis.pcall('incr', KEYS[1])", &["1", "s"]),
        (
            "local t = redis.pcall('incr', KEYS[1]) return {t.err, type(t)}",
            &["1", "s"],
        ),
        (
            "local ok, e = pcall(redis.call, 'incr', 's') return {tostring(ok), type(e), e}",
            &["0"],
        ),
        (
            "local ok, e = xpcall(function() return redis.call('incr', 's') end, function(e) return e.err end) return e",
            &["0"],
        ),
        (
            "local co = coroutine.create(function() redis.call('incr', 's') end) local ok, e = coroutine.resume(co) return {type(e), e.err}",
            &["0"],
        ),
        ("return unknown", &["0"]),
        // Members of a set come in the order of their bytes, whatever the set's own is.
        (
            "redis.call('sadd', 'set', 'b', 'a', 'aa', 'B', '1', 'azz') return redis.call('sort', 'set', 'by', 'nosort', 'get', '#')",
            &["0"],
        ),
        (
            "return redis.call('sort', 'set', 'by', 'nosort', 'limit', 1, 2, 'desc')",
            &["0"],
        ),
        // As many values as the interpreter's stack holds.
        (
            "local t = {} for i = 1, 7999 do t[i] = i end return redis.call('lpush', 'long', unpack(t))",
            &["0"],
        ),
        (
            "local t = {} for i = 1, 7998 do t[i] = i end return select('#', unpack(t, 1))",
            &["0"],
        ),
        (
            "local t = {} for i = 1, 7997 do t[i] = i end return select('#', unpack(t, 1, 7997))",
            &["0"],
        ),
        (
            "local t = {} for i = 1, 8000 do t[i] = i end return select('#', unpack(t))",
            &["0"],
        ),
        (
            "local t = {} for i = 1, 7999 do t[i] = i end return select('#', unpack(t, 1))",
            &["0"],
        ),
        ("return {unpack({1, 2, 3}, 0.9, 2.9)}", &["0"]),
        ("return {unpack({1, 2, 3}, '2')}", &["0"]),
        ("return {unpack({1, 2, 3}, -1, 1)}", &["0"]),
        ("local a = unpack({1, 2, 3}, false) return a", &["0"]),
        ("local a = unpack({1, 2, 3}, 1, {}) return a", &["0"]),
        ("return {unpack({1, 2, 3}, nil, 2)}", &["0"]),
        ("local a = unpack('x') return a", &["0"]),
        (
            "return {redis.acl_check_cmd('get', 'k'), redis.acl_check_cmd('SET', 'k', 'v'), redis.acl_check_cmd('debug', 'sleep')}",
            &["0"],
        ),
        ("return redis.acl_check_cmd('config', 'get', 'x')", &["0"]),
        ("return redis.acl_check_cmd('get')", &["0"]),
        ("return redis.acl_check_cmd('nosuch')", &["0"]),
        ("return redis.acl_check_cmd('config', 'nosuch')", &["0"]),
        ("return redis.acl_check_cmd('config')", &["0"]),
        ("return redis.acl_check_cmd()", &["0"]),
        ("return redis.acl_check_cmd({})", &["0"]),
        (
            "local ok, e = pcall(redis.acl_check_cmd, 'nosuch') return {tostring(ok), e}",
            &["0"],
        ),
        ("unknown = 1", &["0"]),
        ("redis.call = nil", &["0"]),
        ("string.x = 1", &["0"]),
        ("setmetatable(_G, {})", &["0"]),
        ("rawset(_G, 'x', 1)", &["0"]),
        ("print('x')", &["0"]),
        ("local x = pairs(nil) return x", &["0"]),
        ("error('abc')", &["0"]),
        ("error({err='MY abc'})", &["0"]),
        ("return redis.error_reply('MY text')", &["0"]),
        ("return redis.error_reply('-text')", &["0"]),
        ("return redis.error_reply(1)", &["0"]),
        ("return redis.status_reply('fine')", &["0"]),
        ("return {err='a b'}", &["0"]),
        ("return {ok='a b'}", &["0"]),
        ("local function f() return 1 + f() end return f()", &["0"]),
        (
            "math.randomseed(10) return {tostring(math.random()), math.random(10), math.random(5, 10)}",
            &["0"],
        ),
        ("return redis.sha1hex('')", &["0"]),
        ("return redis.log(1)", &["0"]),
        ("return redis.log('x', 'y')", &["0"]),
        ("return redis.call()", &["0"]),
        ("return redis.call('nosuch')", &["0"]),
        ("return redis.call('get')", &["0"]),
        ("return redis.call('eval', 'return 1', '0')", &["0"]),
        ("return redis.call('set', {}, '0')", &["0"]),
        (
            "redis.call('set', 'n', 10) return redis.call('incrby', 'n', 5)",
            &["0"],
        ),
        ("return x =", &["0"]),
        ("return 1", &["a"]),
        ("return 1", &["-1"]),
        ("return 1", &["2", "a"]),
        ("return {loadstring('return 5 5')}", &["0"]),
        ("return loadstring('return 5')()", &["0"]),
        ("return {#KEYS, #ARGV, KEYS[1], ARGV[1]}", &["1", "a", "b"]),
        (
            "#!lua flags=no-writes\nreturn redis.call('set', 'a', 'b')",
            &["0"],
        ),
        ("#!lua flags=nonesuch\nreturn 1", &["0"]),
        ("#!lua name=x\nreturn 1", &["0"]),
        ("#!perl\nreturn 1", &["0"]),
        ("#!lua", &["0"]),
        ("#!lua\nreturn redis.call('get', 's')", &["0"]),
        ("return {unpack({1, 2, 3}, 2)}", &["0"]),
        ("return select('#', unpack({1, 2, 3}, -5, 5))", &["0"]),
        ("return {unpack({}, 0, 100000)}", &["0"]),
        (
            "local t = {} for i = 1, 7800 do t[i] = 'x' .. i end return redis.call('rpush', 'l', unpack(t))",
            &["0"],
        ),
        (
            "redis.call('select', 5) redis.call('set', 'in5', 1) return redis.call('dbsize')",
            &["0"],
        ),
        ("return redis.call('get', 'in5')", &["0"]),
        ("return redis.acl_check_cmd('set', 'a', 'b')", &["0"]),
        ("return redis.acl_check_cmd('nosuch')", &["0"]),
        ("redis.set_repl(9)", &["0"]),
        ("redis.setresp(4)", &["0"]),
        (
            "redis.setresp(3) redis.call('hset', 'h', 'f', 'v') return redis.call('hgetall', 'h').map.f",
            &["0"],
        ),
        (
            "redis.setresp(3) redis.call('zadd', 'z', 1.5, 'm') return tostring(redis.call('zscore', 'z', 'm').double)",
            &["0"],
        ),
        (
            "redis.setresp(3) redis.call('sadd', 'set', 'm') return tostring(redis.call('smembers', 'set').set.m)",
            &["0"],
        ),
        (
            "redis.setresp(3) return tostring(redis.call('get', 'nothing'))",
            &["0"],
        ),
        ("return tostring(redis.call('get', 'nothing'))", &["0"]),
        ("return {map={a=1}}", &["0"]),
        ("return {set={a=true}}", &["0"]),
        ("return {double=1.5}", &["0"]),
        ("return {big_number='123'}", &["0"]),
        (
            "return {verbatim_string={format='txt', string='abc'}}",
            &["0"],
        ),
    ];
    for hello in ["2", "3"] {
        for (script, arguments) in scripts {
            let [ours, reference] = clients.each_mut().map(|client| {
                client.call(&["HELLO", hello]);
                eval(client, script, arguments)
            });
            assert_eq!(ours, reference, "{script} in RESP{hello}");
        }
    }
}

#[test]
fn sources_are_kept_until_they_are_flushed() {
    let servers = [Setup::minium().start(), Setup::redis().start()];
    let mut clients = servers.each_ref().map(Server::connect);
    let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    for line in [
        &["EVALSHA", sha, "0"][..],
        &["EVALSHA", "abc", "0"],
        &["SCRIPT", "LOAD", "return 1"],
        &["SCRIPT", "LOAD", "return 1 1"],
        &["EVALSHA", sha, "0"],
        &["EVALSHA_RO", &sha.to_uppercase(), "0"],
        &["EVAL_RO", "return redis.call('set', 'a', 'b')", "0"],
        &["SCRIPT", "EXISTS", sha, "abc"],
        &["SCRIPT", "FLUSH", "NOW"],
        &["SCRIPT", "KILL"],
        &["SCRIPT", "FLUSH", "ASYNC"],
        &["EVALSHA", sha, "0"],
        &["SCRIPT", "EXISTS", sha],
    ] {
        let [ours, reference] = clients.each_mut().map(|client| client.call(line));
        assert_eq!(ours, reference, "{line:?}");
    }
}

const ACCOUNTS: usize = 20;

/// Moves sums between accounts of which a script names one or none, from many clients; meanwhile others add all of them up.
fn transfer(server: &Server) {
    let scripts = [
        "redis.call('decrby', KEYS[1], ARGV[3]) redis.call('hincrby', 'log:' .. ARGV[1], 'f', 1) \
         redis.call('incrby', 'account:' .. ARGV[2], ARGV[3]) redis.call('incr', 'done')",
        "redis.call('incr', 'done') redis.call('decrby', 'account:' .. ARGV[1], ARGV[3]) \
         redis.call('incrby', 'account:' .. ARGV[2], ARGV[3])",
    ];
    let sum = format!(
        "local sum = 0 for i = 0, {} do sum = sum + redis.call('get', 'account:' .. i) end return sum",
        ACCOUNTS - 1
    );
    thread::scope(|scope| {
        for worker in 0..6 {
            let mut client = server.connect();
            let sum = &sum;
            scope.spawn(move || {
                for round in 0..300usize {
                    let (from, to) = ((round * 7 + worker) % ACCOUNTS, round * 3 % ACCOUNTS);
                    // A script that once started over begins with all locked: so many different ones.
                    let script = format!("{} -- {}", scripts[round % 2], round % 60 * 10 + worker);
                    let names = [format!("account:{from}"), from.to_string(), to.to_string()];
                    let arguments = ["1", &names[0], &names[1], &names[2], "3"];
                    let reply = eval(&mut client, &script, &arguments);
                    assert!(!reply.is_error(), "{reply:?}");
                    if round % 10 == 0 {
                        assert_eq!(eval(&mut client, sum, &["0"]).int(), 1000 * ACCOUNTS as i64);
                    }
                }
            });
        }
    });
    let mut client = server.connect();
    assert_eq!(
        eval(&mut client, &sum, &["0"]).int(),
        1000 * ACCOUNTS as i64
    );
    assert_eq!(client.line("GET done").text(), "1800");
}

#[test]
fn what_scripts_do_to_keys_that_they_do_not_name_is_atomic_and_repeated_from_the_log() {
    let setup = Setup::minium()
        .with("io-threads", "4")
        .with("appendonly", "yes")
        .with("appendfsync", "always");
    let mut server = setup.with("enable-debug-command", "yes").start();
    let mut client = server.connect();
    for account in 0..ACCOUNTS {
        client.line(&format!("SET account:{account} 1000"));
    }
    transfer(&server);
    let before = client.line("DEBUG DIGEST");
    server.start_again();
    assert_eq!(server.connect().line("DEBUG DIGEST"), before);
}

#[test]
fn what_one_script_does_is_one_transaction_of_the_log() {
    let server = Setup::minium()
        .with("appendonly", "yes")
        .with("appendfsync", "always")
        .start();
    let mut client = server.connect();
    let script = "redis.call('set', KEYS[1], 1) redis.call('incr', 'other') redis.set_repl(redis.REPL_NONE) \
                  redis.call('set', 'unrepeated', 1) redis.set_repl(redis.REPL_ALL) redis.call('del', KEYS[1])";
    eval(&mut client, script, &["1", "k"]);
    eval(
        &mut client,
        "return redis.call('set', KEYS[1], 2)",
        &["1", "k"],
    );
    let log = std::fs::read_dir(server.dir().join("appendonlydir")).expect("the log's folder");
    let log: String = log
        .filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok())
        .collect();
    let words: Vec<&str> = log
        .split("\r\n")
        .filter(|word| !word.starts_with(['*', '$']))
        .collect();
    let words = words.join(" ");
    assert!(
        words.contains("MULTI set k 1 incr other del k EXEC set k 2"),
        "{words}"
    );
    assert!(
        !words.contains("unrepeated") && !words.contains("EVAL"),
        "{words}"
    );
}

#[test]
fn scripts_of_different_shards_run_at_the_same_time_and_a_busy_one_can_be_killed() {
    let server = Setup::minium()
        .with("io-threads", "4")
        .with("busy-reply-threshold", "2000")
        .start();
    let mut looping = server.connect();
    let mut others: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    let mut request = Vec::new();
    encode(&mut request, &["EVAL", "while true do end", "1", "{loop}"]);
    looping.write(&request).expect("the server reads");
    // Those of the same worker hear when the script is declared, the others at once.
    let replies: Vec<Value> = thread::scope(|scope| {
        let waits: Vec<_> = others
            .iter_mut()
            .enumerate()
            .map(|(number, client)| {
                let key = format!("k{number}");
                scope
                    .spawn(move || eval(client, "return redis.call('incr', KEYS[1])", &["1", &key]))
            })
            .collect();
        waits
            .into_iter()
            .map(|wait| wait.join().expect("a reply"))
            .collect()
    });
    let ran = replies.iter().filter(|reply| !reply.is_error()).count();
    assert!(ran >= 3, "only {ran} ran beside it: {replies:?}");
    wait_for("the script to be declared", || {
        others
            .iter_mut()
            .all(|client| client.line("PING").is_error())
    });
    for client in &mut others {
        refused(
            &client.line("GET {loop}"),
            "BUSY Redis is busy running a script.",
        );
        refused(&client.line("SHUTDOWN"), "BUSY");
        refused(&client.line("FUNCTION FLUSH"), "BUSY");
    }
    let mut late = server.connect_raw();
    assert!(late.line("SCRIPT KILL").is_ok());
    refused(
        &looping.read(),
        "ERR Script killed by user with SCRIPT KILL...",
    );
    for client in &mut others {
        wait_for("the end of the script", || {
            client.line("PING").text() == "PONG"
        });
    }
}

/// Clients leave that have something to do with a key of a script without end: their workers have to wait for its shard, and serve the
/// others meanwhile.
#[test]
fn who_waits_for_a_busy_script_tells_others_that_it_is() {
    let server = Setup::minium().with("busy-reply-threshold", "50").start();
    let mut watcher = server.connect();
    let mut staying: Vec<Client> = (0..6).map(|_| server.connect_raw()).collect();
    let mut leaving: Vec<Client> = (0..12).map(|_| server.connect()).collect();
    for (number, client) in leaving.iter_mut().enumerate() {
        match number % 2 {
            0 => assert_eq!(client.line("WATCH k").text(), "OK"),
            _ => client.write(b"BLPOP k 0\r\n").expect("the server reads"),
        }
    }
    wait_for("them to wait", || {
        let info = watcher.line("INFO clients").text();
        info.contains("blocked_clients:6\r\n")
    });
    let mut looping = server.connect();
    let mut request = Vec::new();
    encode(&mut request, &["EVAL", "while true do end", "1", "k"]);
    looping.write(&request).expect("the server reads");
    let is_busy = |client: &mut Client| client.line("PING").text().starts_with("BUSY");
    for client in &mut staying {
        wait_for("the script to be declared", || is_busy(client));
    }
    drop(leaving);
    for _ in 0..20 {
        for client in &mut staying {
            assert!(is_busy(client));
        }
    }
    for client in &mut staying[1..] {
        assert_ne!(client.line("SCRIPT KILL").text(), "PONG");
    }
    wait_for("those who left to be gone", || {
        watcher
            .line("INFO clients")
            .text()
            .contains("connected_clients:8\r\n")
    });
}

#[test]
fn a_script_that_has_written_ends_with_the_server_only() {
    let mut server = Setup::minium().with("busy-reply-threshold", "50").start();
    let mut looping = server.connect();
    let mut request = Vec::new();
    let script =
        "redis.call('set', KEYS[1], 1) while true do pcall(redis.call, 'get', KEYS[1]) end";
    encode(&mut request, &["EVAL", script, "1", "k"]);
    looping.write(&request).expect("the server reads");
    let mut clients: Vec<Client> = (0..4).map(|_| server.connect_raw()).collect();
    for client in &mut clients {
        wait_for("the script to be declared", || {
            client.line("SCRIPT KILL").text().starts_with("UNKILLABLE")
        });
    }
    clients[0]
        .write(b"SHUTDOWN NOSAVE\r\n")
        .expect("the server reads");
    clients[1]
        .write(b"*2\r\n$8\r\nSHUTDOWN\r\n$6\r\nNOSAVE\r\n")
        .expect("the server reads");
    assert!(server.wait_for_end().success());
}

#[test]
fn a_script_that_takes_too_much_ends_with_an_error() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    client
        .set_reply_limit(Duration::from_secs(60))
        .expect("a socket");
    for script in [
        "return string.rep('x', 2147483647)",
        "local t = {} while true do t[#t + 1] = string.rep('x', 1000000) .. #t end",
        "local function f() return f() + 1 end return f()",
        "local s = 'return 1' for i = 1, 300 do s = 'return function() ' .. s .. ' end' end return loadstring(s)()",
        "return string.find(string.rep('a', 60000), string.rep('a?', 30000))",
        "return {unpack({}, 1, 10000000)}",
        "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x",
        "return string.gsub('x', '.', function(x) return string.gsub(x, '.', error) end)",
        "return table.concat({{}})",
    ] {
        let reply = eval(&mut client, script, &["0"]);
        assert!(reply.is_error(), "{script}: {reply:?}");
        assert_eq!(client.line("PING").text(), "PONG");
    }
    // A table that holds itself: as deep as Lua goes, and then an error.
    let mut request = Vec::new();
    let script = "local a = {} local b = {a} a[1] = b return a";
    encode(&mut request, &["EVAL", script, "0"]);
    encode(&mut request, &["QUIT"]);
    client.write(&request).expect("the server reads");
    let reply = client.read_to_close().expect("a reply");
    let reply = String::from_utf8_lossy(&reply);
    assert!(reply.starts_with("*1\r\n*1\r\n"));
    assert!(reply.ends_with("-ERR reached lua stack limit\r\n+OK\r\n"));
    let mut client = server.connect();
    assert_eq!(
        eval(&mut client, "return string.rep('', 2147483647)", &["0"]).text(),
        ""
    );
    assert_eq!(client.line("PING").text(), "PONG");
}

#[test]
fn debug_may_be_called_if_it_was_allowed() {
    let servers = [Setup::minium(), Setup::redis()]
        .map(|setup| setup.with("enable-debug-command", "yes").start());
    let mut clients = servers.each_ref().map(Server::connect);
    let kinds = [
        "string", "integer", "double", "bignum", "null", "array", "set", "map", "attrib",
        "verbatim", "true", "false", "nothing",
    ];
    let example = "redis.setresp(ARGV[2]) return redis.call('debug', 'protocol', ARGV[1])";
    for allowed in ["0", "1"] {
        for client in &mut clients {
            client.line(&format!("DEBUG SET-DISABLE-DENY-SCRIPTS {allowed}"));
        }
        for (kind, version) in kinds.iter().flat_map(|kind| [(kind, "2"), (kind, "3")]) {
            for inner in ["2", "3"] {
                let [ours, theirs] = clients.each_mut().map(|client| {
                    client.line(&format!("HELLO {version}"));
                    eval(client, example, &["0", kind, inner])
                });
                assert_eq!(ours, theirs, "{kind} {inner} {version}");
            }
        }
    }
    // The time of a script stands still: a key that was there stays.
    let sleep = "redis.call('set', KEYS[1], 'v', 'px', 5) redis.call('debug', 'sleep', 0.02) return redis.call('exists', KEYS[1])";
    for client in &mut clients {
        assert_eq!(eval(client, sleep, &["1", "k"]).int(), 1);
        client.line("DEBUG SET-DISABLE-DENY-SCRIPTS 0");
        refused(
            &eval(client, example, &["0", "map", "3"]),
            "ERR This Redis command is not allowed",
        );
    }
}

#[test]
fn what_starts_over_is_logged_once() {
    let server = Setup::minium()
        .with("io-threads", "2")
        .with("enable-debug-command", "yes")
        .start();
    let mut operator = server.connect();
    let mut clients = [server.connect(), server.connect()];
    let mut runs = 0;
    wait_for("a script that started over", || {
        operator.line("SCRIPT FLUSH");
        operator.line("CONFIG RESETSTAT");
        // It holds every shard when the script wants one.
        clients[0].write(b"DEBUG SLEEP 0.05\r\n").expect("written");
        let script = "redis.log(redis.LOG_WARNING, 'said' .. ARGV[1]) redis.call('ping') return redis.call('get', 'k')";
        eval(&mut clients[1], script, &["0", " once"]);
        clients[0].read();
        runs += 1;
        let info = operator.line("INFO commandstats").text();
        info.contains("cmdstat_ping:calls=2,")
    });
    assert_eq!(server.log().matches("said once").count(), runs);
    // One that says much may not start over, and is not kept waiting with it.
    let script = "for i = 1, 2000 do redis.log(redis.LOG_WARNING, 'much' .. ('x'):rep(100)) end \
                  redis.call('set', 'l', 1) redis.call('get', 'm') return 1";
    assert_eq!(eval(&mut operator, script, &["0"]).int(), 1);
    assert_eq!(server.log().matches("muchx").count(), 2000);
}

/// What was published of Lua in Redis, one attempt each; docs/scripting.md says what stands against it.
#[test]
fn published_attacks_lead_nowhere() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let mut check = |script: &str, expected: &str| {
        let reply = eval(&mut client, script, &["0"]);
        assert!(reply.text().contains(expected), "{script}: {reply:?}");
    };
    let readonly = "Attempt to modify a readonly table";
    // CVE-2022-24735: code left where the scripts of others find it.
    for script in [
        "redis.call = function() return 1 end",
        "string.upper = nil",
        "_G.redis = nil",
        "rawset(redis, 'call', nil)",
        "rawset(_G.string, 'upper', nil)",
        "table.insert(redis, 1)",
        "setmetatable(redis, {})",
        "getmetatable(_G).__index = nil",
        "for k, v in pairs(_G) do if type(v) == 'table' then v.x = 1 end end",
        "setfenv(0, {})",
        "setfenv(pcall, {})",
        "getfenv(pcall).x = 1",
        "getfenv(redis.call).x = 1",
        "getfenv(0).x = 1",
    ] {
        check(script, readonly);
    }
    check(
        "local _, t = pairs(redis) return tostring(t == redis)",
        "true",
    );
    // CVE-2025-46818: the same through the metatables of strings.
    check(
        "getmetatable('').__index = function() return 1 end",
        readonly,
    );
    check(
        "getmetatable('').__index.upper = function() return 1 end",
        readonly,
    );
    check("getmetatable('').__add = function() return 1 end", readonly);
    check("return ('x'):upper()", "X");
    // CVE-2022-24736 and relatives: sources made to confuse the parser, and bytecode.
    check(
        "return tostring(loadstring(string.dump(function() return 1 end)))",
        "nil",
    );
    check("return tostring(loadstring('return ...'))", "function");
    check(
        "return tostring(load(function() return nil end))",
        "function",
    );
    // CVE-2025-46817: an overflow in the number of results.
    for bounds in [
        "0, 2147483647",
        "-2147483648, 2147483647",
        "1, 1e10",
        "-1e10, 1",
        "0, 1/0",
    ] {
        check(
            &format!("return {{unpack({{1}}, {bounds})}}"),
            "too many results to unpack",
        );
    }
    // CVE-2025-46819: brackets of excessive level.
    check(
        "return tostring(loadstring('return [' .. string.rep('=', 1000000) .. '[x'))",
        "",
    );
    check("return tostring(#loadstring('return [==[x]==]')())", "1");
    // CVE-2025-49844: a chunk's name that is collected while the chunk is parsed.
    check(
        "local n = 0 for i = 1, 300 do local f = load(function() collectgarbage() return nil end, 'name' .. i) \
         collectgarbage() f = loadstring(string.rep('local a = {1, 2, 3} ', 150), string.rep('n', i)) \
         if f then n = n + 1 end end return tostring(n)",
        "300",
    );
    // CVE-2024-46981: what the collector calls at the end.
    check("newproxy(true)", "nonexistent global variable 'newproxy'");
    check(
        "collectgarbage('stop') return collectgarbage('count') > 0 and 'counts'",
        "counts",
    );
    assert_eq!(client.line("PING").text(), "PONG");
}
