//! The programs that come with Redis: redis-cli in all its modes, and redis-benchmark.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use crate::support::client::encode;
use crate::support::{Server, Setup, Value};

fn start(program: &str, server: &Server, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(["-h", "127.0.0.1", "-p", &server.port().to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}; tests/run installs it"))
}

fn run(program: &str, server: &Server, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = start(program, server, arguments);
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the program's end");
    writer
        .join()
        .expect("no panic")
        .expect("the program reads its input");
    output
}

/// What redis-cli prints for these arguments.
fn cli(server: &Server, arguments: &[&str]) -> String {
    cli_with_input(server, arguments, b"")
}

fn cli_with_input(server: &Server, arguments: &[&str], input: &[u8]) -> String {
    let output = run("redis-cli", server, arguments, input);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "redis-cli {arguments:?} failed:\n{out}{err}"
    );
    assert!(err.is_empty(), "redis-cli {arguments:?} complained:\n{err}");
    out.into_owned()
}

#[test]
fn redis_cli_talks_both_protocols() {
    let server = Setup::minium().start();
    for version in ["-2", "-3"] {
        cli(&server, &[version, "flushall"]);
        assert_eq!(
            cli(
                &server,
                &[version, "set", "greeting", "hello world", "EX", "100"]
            ),
            "OK\n"
        );
        assert_eq!(cli(&server, &[version, "get", "greeting"]), "hello world\n");
        assert_eq!(
            cli(&server, &[version, "--no-raw", "get", "greeting"]),
            "\"hello world\"\n"
        );
        assert_eq!(
            cli(&server, &[version, "--no-raw", "get", "nosuch"]),
            "(nil)\n"
        );
        assert_eq!(cli(&server, &[version, "-n", "3", "dbsize"]), "0\n");
        assert_eq!(
            cli(&server, &[version, "incr", "greeting"]),
            "ERR value is not an integer or out of range\n\n"
        );
        assert_eq!(
            cli_with_input(&server, &[version], b"set a 1\nincr a\nmget a b\n"),
            "OK\n2\n2\n\n"
        );
    }
    let information = cli(&server, &["-3", "info", "server"]);
    assert!(information.contains("redis_version:"), "{information}");
    assert_eq!(
        cli(&server, &["-3", "--no-raw", "config", "get", "databases"]),
        "1# \"databases\" => \"16\"\n"
    );
}

#[test]
fn redis_cli_authenticates_and_reads_values_from_standard_input() {
    let server = Setup::minium().password("secret").start();
    assert_eq!(
        cli(&server, &["get", "a"]),
        "NOAUTH Authentication required.\n\n"
    );
    assert_eq!(
        cli_with_input(
            &server,
            &["--no-auth-warning", "-a", "secret", "-x", "set", "a"],
            b"\0binary\n"
        ),
        "OK\n"
    );
    assert_eq!(
        cli(
            &server,
            &["--no-auth-warning", "-a", "secret", "strlen", "a"]
        ),
        "8\n"
    );
}

#[test]
fn redis_cli_loads_a_dump_through_its_pipe() {
    const COMMANDS: usize = 100_000;
    let server = Setup::minium().start();
    let mut dump = Vec::new();
    for i in 0..COMMANDS {
        encode(
            &mut dump,
            &["SET", &format!("key:{i}"), &format!("value:{i}")],
        );
    }
    let report = cli_with_input(&server, &["--pipe"], &dump);
    assert!(
        report.ends_with(&format!("errors: 0, replies: {COMMANDS}\n")),
        "{report}"
    );
    assert_eq!(cli(&server, &["dbsize"]), format!("{COMMANDS}\n"));
    assert_eq!(cli(&server, &["get", "key:99999"]), "value:99999\n");
}

#[test]
fn redis_cli_scans() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    for i in 0..5000 {
        client.line(&format!("SET key:{i} {i}"));
    }
    let mut found: Vec<_> = cli(&server, &["--scan", "--pattern", "key:*7"])
        .lines()
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 500);
    assert!(
        found
            .iter()
            .all(|key| key.starts_with("key:") && key.ends_with('7')),
        "{found:?}"
    );
}

#[test]
fn redis_cli_finds_big_keys() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    for (size, name) in [(700, "big"), (3, "small")] {
        let numbers: Vec<_> = (0..size).map(|i| i.to_string()).collect();
        let mut fill = |command: &str, kind: &str, elements: &[String]| {
            let key = format!("{name} {kind}");
            let mut arguments = vec![command, &key];
            arguments.extend(elements.iter().map(String::as_str));
            client.call(&arguments);
        };
        let pairs: Vec<_> = numbers
            .iter()
            .flat_map(|i| [i.clone(), i.clone()])
            .collect();
        fill("SET", "string", &["x".repeat(size)]);
        fill("HSET", "hash", &pairs);
        fill("RPUSH", "list", &numbers);
        fill("SADD", "set", &numbers);
        fill("ZADD", "zset", &pairs);
    }

    let report = words(&cli(&server, &["--bigkeys"]));
    assert!(
        report.contains("Sampled 10 keys in the keyspace!"),
        "{report}"
    );
    for (kind, unit) in [
        ("string", "bytes"),
        ("hash", "fields"),
        ("list", "items"),
        ("set", "members"),
        ("zset", "members"),
    ] {
        for line in [
            format!("Biggest {kind} found '\"big {kind}\"' has 700 {unit}"),
            format!("2 {kind}s with 703 {unit} (20.00% of keys, avg size 351.50)"),
        ] {
            assert!(report.contains(&line), "no {line:?} in {report}");
        }
    }

    let report = words(&cli(&server, &["--memkeys"]));
    for kind in ["string", "hash", "list", "set", "zset"] {
        let key = format!("big {kind}");
        let bytes = client.call(&["MEMORY", "USAGE", &key]).int();
        let line = format!("Biggest {kind} found '\"{key}\"' has {bytes} bytes");
        assert!(report.contains(&line), "no {line:?} in {report}");
    }
}

/// The text with single spaces: redis-cli pads words to columns.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads the program's first lines and ends it: these modes go on for ever.
fn first_lines(server: &Server, arguments: &[&str], count: usize) -> Vec<String> {
    let mut child = start("redis-cli", server, arguments);
    let lines = BufReader::new(child.stdout.take().expect("a pipe"))
        .lines()
        .take(count);
    let lines = lines.map(|line| line.expect("text")).collect();
    child.kill().expect("it runs");
    child.wait().expect("its end");
    lines
}

#[test]
fn redis_cli_shows_statistics() {
    let server = Setup::minium().start();
    server.connect().line("SET a 1");
    let lines = first_lines(&server, &["--stat", "-i", "0.01"], 4);
    let [_, heading, row, _] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(heading.starts_with("keys       mem"), "{heading}");
    let columns: Vec<_> = row.split_whitespace().collect();
    assert_eq!(columns[0], "1", "keys, in {row:?}");
    assert!(columns[1].ends_with(['K', 'M', 'B']), "memory, in {row:?}");
}

#[test]
fn redis_cli_measures_latency() {
    let server = Setup::minium().start();
    let report = cli(&server, &["--latency", "-i", "0.2", "--raw"]);
    let numbers: Vec<f64> = report
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [min, max, average, samples] = numbers[..] else {
        panic!("{report}")
    };
    assert!(
        min <= average && average <= max && max < 1000.0 && samples > 1.0,
        "{report}"
    );
}

/// The benchmark ends at the first error reply, so its success says that every command was understood.
#[test]
fn redis_benchmark_runs_its_whole_list() {
    let server = Setup::minium().start();
    for pipeline in ["1", "16"] {
        let arguments = ["-n", "2000", "-r", "1000", "-P", pipeline, "--csv"];
        let output = run("redis-benchmark", &server, &arguments, b"");
        let text = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && complaints.is_empty(),
            "{text}{complaints}"
        );
        let ran: Vec<_> = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split(['"', ' ']).nth(1))
            .collect();
        assert_eq!(ran.join(" "), BENCHMARKS, "{text}");
    }
    let mut client = server.connect();
    let counters = client.line("KEYS counter:*");
    assert!(counters.elements().len() > 500, "INCR has counted");
    assert_eq!(
        client.line("LLEN mylist"),
        Value::Int(2 * 2000),
        "what both runs have pushed less what they have popped"
    );
}

const BENCHMARKS: &str = "PING_INLINE PING_MBULK SET GET INCR LPUSH RPUSH LPOP RPOP SADD HSET SPOP ZADD ZPOPMIN LPUSH \
    LRANGE_100 LRANGE_300 LRANGE_500 LRANGE_600 MSET";
