//! Scripts that run for too long: what everybody else is answered meanwhile, and what ends them, beside the reference.

use crate::support::client::encode;
use crate::support::{Client, Server, Setup, Value, wait_for};

const LIBRARY: &str = "#!lua name=spins
    redis.register_function{function_name = 'spin', callback = function() while true do end end, flags = {'no-writes'}}
    redis.register_function('stubborn', function()
        while true do pcall(function() while true do end end) end
    end)
    redis.register_function('writer', function(keys) redis.call('set', keys[1], 1) while true do end end)";

/// What runs for too long, what may end it, and what may not because it is for the other kind.
struct Spinner {
    call: &'static [&'static str],
    kills: &'static str,
    does_not: &'static str,
}

const fn script(call: &'static [&'static str]) -> Spinner {
    Spinner {
        call,
        kills: "SCRIPT KILL",
        does_not: "FUNCTION KILL",
    }
}

const fn function(call: &'static [&'static str]) -> Spinner {
    Spinner {
        call,
        kills: "FUNCTION KILL",
        does_not: "SCRIPT KILL",
    }
}

const READERS: [Spinner; 5] = [
    script(&["EVAL", "while true do end", "0"]),
    script(&[
        "EVAL_RO",
        "while true do pcall(redis.call, 'get', KEYS[1]) end",
        "1",
        "held",
    ]),
    function(&["FCALL", "spin", "1", "held", "an argument", ""]),
    function(&["FCALL_RO", "spin", "0"]),
    function(&["FCALL", "stubborn", "0"]),
];

const WRITERS: [Spinner; 2] = [
    script(&[
        "EVAL",
        "redis.call('set', KEYS[1], 1) while true do end",
        "1",
        "held",
    ]),
    function(&["FCALL", "writer", "1", "held"]),
];

/// Requests that are answered at once; each row is one connection.
const ANSWERED: &[&[&str]] = &[
    &[
        "PING",
        "GET k",
        "GET held",
        "SET k 1",
        "FUNCTION LIST",
        "SCRIPT FLUSH",
    ],
    &["FUNCTION STATS"],
    &[
        "NOSUCH",
        "GET",
        "SCRIPT",
        "SCRIPT NOSUCH",
        "FUNCTION STATS x",
        "SCRIPT KILL x",
    ],
    &[
        "CLIENT ID",
        "CONFIG GET maxmemory",
        "SUBSCRIBE c",
        "EVAL x 0",
        "FCALL spin 0",
    ],
    &["SHUTDOWN", "SHUTDOWN SAVE"],
];

/// Requests that change what the server knows of their client.
const ALLOWED: &[&[&str]] = &[
    &["MULTI", "PING", "SET k 1", "EXEC", "EXEC"],
    &["MULTI", "DISCARD", "WATCH k", "UNWATCH"],
    &["MULTI", "RESET", "AUTH x", "QUIT"],
];

/// A server on which a script is declared, its client, and a way to connect to a worker that does not run it.
struct Scene {
    server: Server,
    spinning: Client,
}

impl Scene {
    fn begin(setup: Setup, spinner: &Spinner) -> Scene {
        let server = setup.with("busy-reply-threshold", "10").start();
        let mut loader = server.connect();
        loader.call(&["FUNCTION", "LOAD", LIBRARY]);
        let mut spinning = server.connect_raw();
        let mut request = Vec::new();
        encode(&mut request, spinner.call);
        spinning.write(&request).expect("written");
        let scene = Scene { server, spinning };
        let mut other = scene.elsewhere();
        wait_for("the script to be declared", || {
            other.line("PING").text().starts_with("BUSY")
        });
        scene
    }

    /// Connections are dealt to the workers in turn, and of two the one that runs the script has had the last.
    fn elsewhere(&self) -> Client {
        let client = self.server.connect_raw();
        drop(self.server.connect_raw());
        client
    }

    fn ask(&self, rows: &[&[&str]]) -> Vec<String> {
        let mut answers = Vec::new();
        for row in rows {
            let mut client = self.elsewhere();
            for line in *row {
                answers.push(format!("{line}: {:?}", timeless(client.line(line))));
            }
        }
        answers
    }
}

/// FUNCTION STATS without the time that has passed.
fn timeless(reply: Value) -> Value {
    match reply {
        Value::Array(parts) => {
            let mut parts: Vec<Value> = parts.into_iter().map(timeless).collect();
            if let Some(place) = parts
                .iter()
                .position(|part| *part == Value::Bulk(b"duration_ms".to_vec()))
            {
                assert!((10..60_000).contains(&parts[place + 1].int()), "{parts:?}");
                parts.remove(place + 1);
            }
            Value::Array(parts)
        }
        other => other,
    }
}

fn servers() -> [Setup; 3] {
    [
        Setup::redis(),
        Setup::minium().with("io-threads", "2"),
        // All are served by the worker that runs the script.
        Setup::minium().with("io-threads", "1"),
    ]
}

#[test]
fn who_asks_meanwhile_is_answered_as_by_the_reference() {
    for spinner in READERS {
        let [theirs, ours, alone] = servers().map(|setup| {
            let mut scene = Scene::begin(setup, &spinner);
            let mut answers = scene.ask(ANSWERED);
            let mut killer = scene.elsewhere();
            for line in [spinner.does_not, spinner.kills] {
                answers.push(format!("{line}: {:?}", killer.line(line)));
            }
            answers.push(format!("its end: {:?}", scene.spinning.read()));
            wait_for("the end", || !killer.line("PING").is_error());
            for line in ["FUNCTION STATS", "SCRIPT KILL", "FUNCTION KILL"] {
                answers.push(format!("{line}: {:?}", killer.line(line)));
            }
            answers
        });
        compare(&spinner, &theirs, &ours, &alone);
    }
}

/// What is answered by another worker and by the script's own, beside the reference.
fn compare(spinner: &Spinner, theirs: &[String], ours: &[String], alone: &[String]) {
    for (answers, who) in [(ours, "another worker"), (alone, "the same worker")] {
        for (ours, theirs) in answers.iter().zip(theirs) {
            assert_eq!(ours, theirs, "by {who} during {:?}", spinner.call);
        }
    }
}

#[test]
fn what_has_written_is_not_killed() {
    for spinner in WRITERS {
        let [theirs, ours, alone] = servers().map(|setup| {
            let scene = Scene::begin(setup, &spinner);
            let mut answers = scene.ask(ANSWERED);
            let mut killer = scene.elsewhere();
            for line in [spinner.does_not, spinner.kills] {
                answers.push(format!("{line}: {:?}", killer.line(line)));
            }
            answers
        });
        compare(&spinner, &theirs, &ours, &alone);
    }
}

#[test]
fn transactions_may_be_given_up_meanwhile() {
    let [theirs, ours] = [Setup::redis(), Setup::minium().with("io-threads", "2")]
        .map(|setup| Scene::begin(setup, &READERS[0]).ask(ALLOWED));
    assert_eq!(ours, theirs);
}

#[test]
fn what_runs_is_told_in_either_protocol() {
    for setup in [
        Setup::redis(),
        Setup::minium().with("io-threads", "1"),
        Setup::minium().with("io-threads", "2"),
    ] {
        let server = setup.with("busy-reply-threshold", "10").start();
        let mut client = server.connect();
        client.call(&["FUNCTION", "LOAD", LIBRARY]);
        client.line("HELLO 3");
        let mut request = Vec::new();
        encode(&mut request, &["FCALL", "spin", "0"]);
        let mut spinning = server.connect_raw();
        spinning.write(&request).expect("written");
        wait_for("the function to be declared", || {
            client.line("PING").is_error()
        });
        let Value::Map(stats) = client.line("FUNCTION STATS") else {
            panic!("no map");
        };
        let Value::Map(running) = &stats[0].1 else {
            panic!("nothing runs: {stats:?}");
        };
        let names: Vec<_> = running.iter().map(|(name, _)| name.text()).collect();
        assert_eq!(names, ["name", "command", "duration_ms"]);
        assert_eq!(running[0].1.text(), "spin");
        assert!(client.line("FUNCTION KILL").is_ok());
    }
}

/// Many clients begin with a HELLO, also those that come to end the script.
#[test]
fn who_comes_while_a_script_is_busy_may_say_hello() {
    let scene = Scene::begin(Setup::minium().with("io-threads", "2"), &READERS[0]);
    for _ in 0..4 {
        let mut client = scene.server.connect_raw();
        assert!(matches!(client.line("HELLO 3"), Value::Map(_)));
        assert!(client.line("PING").text().starts_with("BUSY"));
    }
}

/// A script that nobody was told of yet is waited for, until it is declared.
#[test]
fn who_asks_before_a_script_is_declared_waits_for_that() {
    const SCRIPT: &str = "redis.call('echo', 'on') while true do end";
    const SOURCE: &str = "#!lua name=late
        redis.register_function('late', function() redis.call('echo', 'on') while true do end end)";
    let spinners = [
        script(&["EVAL", SCRIPT, "0"]),
        function(&["FCALL", "late", "0"]),
    ];
    let ask = |setup: Setup, spinner: &Spinner, line: &str| {
        let server = setup.with("busy-reply-threshold", "300").start();
        // They are with different workers.
        let (mut other, mut spinning) = (server.connect_raw(), server.connect_raw());
        other.call(&["FUNCTION", "LOAD", SOURCE]);
        let mut request = Vec::new();
        encode(&mut request, spinner.call);
        spinning.write(&request).expect("written");
        wait_for("the script to run", || {
            let info = other.line("INFO commandstats");
            info.is_error() || info.text().contains("cmdstat_echo:calls=1,")
        });
        let asked = timeless(other.line(line));
        if spinner.kills != line {
            assert!(other.line(spinner.kills).is_ok());
        }
        (asked, spinning.read())
    };
    for spinner in spinners {
        for line in [spinner.kills, spinner.does_not, "FUNCTION STATS"] {
            let [theirs, ours, alone] = servers().map(|setup| ask(setup, &spinner, line));
            for ours in [ours, alone] {
                assert_eq!(ours, theirs, "{line} during {:?}", spinner.call);
            }
        }
    }
}

/// A script that ends by itself is waited for no longer than that, and one that has ended not at all.
#[test]
fn who_asks_before_a_script_ends_by_itself_waits_for_that() {
    const SCRIPT: &str = "redis.call('echo', 'on')
        local began = os.clock() while os.clock() - began < 0.2 do end return 'over'";
    let server = Setup::minium().with("io-threads", "2").start();
    let (mut other, mut spinning) = (server.connect_raw(), server.connect_raw());
    let mut request = Vec::new();
    encode(&mut request, &["EVAL", SCRIPT, "0"]);
    spinning.write(&request).expect("written");
    wait_for("the script to run", || {
        let info = other.line("INFO commandstats").text();
        info.contains("cmdstat_echo:calls=1,")
    });
    other.write(b"SCRIPT KILL\r\n").expect("written");
    assert_eq!(spinning.read().text(), "over");
    for _ in 0..2 {
        assert!(other.read().text().starts_with("NOTBUSY"));
        other.write(b"FUNCTION KILL\r\n").expect("written");
    }
    assert!(other.read().text().starts_with("NOTBUSY"));
}
