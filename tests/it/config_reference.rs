//! The configuration beside a real redis-server's: the same names, the same defaults, the same answers to CONFIG SET.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use minium::config::directive::Change;
use minium::config::{Config, directives, lookup};

use crate::support::{Client, Setup};

fn config_get(client: &mut Client, pattern: &str) -> BTreeMap<String, String> {
    let reply = client.call(&["CONFIG", "GET", pattern]);
    reply
        .elements()
        .chunks(2)
        .map(|pair| (pair[0].text(), pair[1].text()))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const IN_THE_BACKGROUND: &str = "nobody is to wait while something large is freed";

/// Where the defaults differ, and why.
const OTHER_DEFAULTS: &[(&str, &str)] = &[
    ("port", "given by this test"),
    ("bind", "given by this test"),
    ("save", "given by this test"),
    ("dir", "given by this test"),
    ("activedefrag", "the process is to stay near its limit"),
    (
        "active-defrag-threshold-upper",
        "the process is to stay near its limit",
    ),
    ("io-threads", "one for each core is what the server is for"),
    ("lazyfree-lazy-eviction", IN_THE_BACKGROUND),
    ("lazyfree-lazy-expire", IN_THE_BACKGROUND),
    ("lazyfree-lazy-server-del", IN_THE_BACKGROUND),
    ("lazyfree-lazy-user-del", IN_THE_BACKGROUND),
    ("lazyfree-lazy-user-flush", IN_THE_BACKGROUND),
    ("maxmemory-clients", "clients pay before keys"),
];

#[test]
fn every_directive_of_the_reference_is_known_with_its_default() {
    let server = Setup::redis().start();
    let reference = config_get(&mut server.connect(), "*");
    assert!(reference.len() > 150, "{}", reference.len());
    let ours: BTreeMap<_, _> = Config::default()
        .get(&[b"*"])
        .into_iter()
        .map(|(name, value)| (text(&name), text(&value)))
        .collect();
    for (name, value) in reference {
        let directive = lookup(name.as_bytes()).unwrap_or_else(|| panic!("{name} is not known"));
        let Some(known) = ours.get(&name) else {
            // Newer versions hide some directives from patterns.
            assert!(directive.hidden, "{name} is not shown");
            continue;
        };
        if !OTHER_DEFAULTS.iter().any(|(other, _)| *other == name) {
            assert_eq!(*known, value, "{name}");
        }
    }
}

/// Directives whose change the reference applies to itself, so that its answer depends on the machine.
#[rustfmt::skip]
const APPLIED: &[&str] = &[
    "port", "bind", "maxclients", "oom-score-adj", "oom-score-adj-values", "appendonly", "locale-collate",
    "jemalloc-bg-thread", "proc-title-template", "requirepass",
];

/// Where the answers differ, and why: a directive, and one value of it or none for all of them.
#[rustfmt::skip]
const OTHER_ANSWERS: &[(&str, Option<&str>, &str)] = &[
    ("maxmemory", None, "percentages are accepted too"),
    ("maxmemory-policy", None, "there is one policy more to choose from"),
    ("activedefrag", None, "the reference may be built without it"),
    ("cluster-announce-hostname", None, "any text is kept, as it is announced to nobody"),
    ("loglevel", None, "the reference does not know 'nothing' yet"),
    ("repl-backlog-size", None, "the reference raises small values when it allocates the backlog"),
    ("maxmemory-clients", Some("9223372036854775808"), "the reference overflows into a percentage"),
    ("maxmemory-clients", Some("18446744073709551615"), "the reference overflows into a percentage"),
    ("notify-keyspace-events", Some("AKEmn"), "the reference forgets 'n' beside 'A'"),
    ("save", Some("7 "), "the reference takes the empty word for 0"),
    ("latency-tracking-info-percentiles", Some(" 7"), "blanks around words are no words"),
    ("latency-tracking-info-percentiles", Some("7 "), "blanks around words are no words"),
];

fn answers_differ(name: &str, value: Option<&str>) -> bool {
    OTHER_ANSWERS
        .iter()
        .any(|(other, others, _)| *other == name && *others == value)
}

/// Values of every kind, right and wrong.
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "yes", "NO", "maybe", "0", "1", "7", "-1", "-7", "007", "+7", " 7", "7 ", "1e3", "0x10", "100", "101",
    "511", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551615",
    "1k", "1KB", "3mb", "2G", "1gb", "1tb", "12.5mb", "1 kb", "10%", "100%", "101%", "-5%", "everysec",
    "ALWAYS", "allkeys-lru", "volatile-ttl", "noeviction", "clients", "default", "save now", "save nosave",
    "force", "warning", "3600 1", "3600 1 60", "60 -1", "0 1", "a b", "KEA", "Elg$", "KEx?", "AKEmn",
    "50 99 99.9", "99.99 100", "-1 50", "50 x", "nan", "normal 0 0 0", "normal 1mb 2kb 3",
    "slave 1 1 1 pubsub 2 2 2", "replica 1 1", "master 0 0 0", "normal 1 1 -1", "normal x 1 1", "a/b",
    "file.rdb", "disabled", "swapdb", "ip", "allchannels", "ignore", "absolute",
];

#[test]
fn config_set_answers_as_the_reference() {
    let server = Setup::redis()
        .with("enable-protected-configs", "yes")
        .start();
    let mut client = server.connect();
    let mut compared = 0;
    let mut differences = Vec::new();
    for directive in
        directives().filter(|directive| directive.change == Change::Anytime && !directive.hidden)
    {
        let name = directive.name;
        let skipped =
            APPLIED.contains(&name) || answers_differ(name, None) || name.starts_with("tls-");
        if skipped || config_get(&mut client, name).is_empty() {
            continue;
        }
        let mut ours = Config::default();
        // Begin with the same value: the harness sets some of its own.
        let start = text(&directive.get(&ours));
        assert!(
            client.call(&["CONFIG", "SET", name, &start]).is_ok(),
            "{name} {start:?}"
        );
        for value in VALUES
            .iter()
            .filter(|value| !answers_differ(name, Some(value)))
        {
            let reply = client.call(&["CONFIG", "SET", name, value]);
            let answer = match ours.set(&[(name.as_bytes(), value.as_bytes())], true) {
                Ok(changed) => {
                    ours = changed;
                    "OK".to_owned()
                }
                Err(error) => error.to_string(),
            };
            let kept = &config_get(&mut client, name)[name];
            let found = (answer, text(&directive.get(&ours)));
            let wanted = (reply.text(), kept.clone());
            if found != wanted {
                differences.push(format!(
                    "CONFIG SET {name} {value:?}: {found:?} instead of {wanted:?}"
                ));
            }
            compared += 1;
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared > 5_000, "only {compared} answers were compared");
}

#[test]
fn refusals_that_come_before_the_value_are_the_reference_s() {
    let server = Setup::redis().start();
    let mut client = server.connect();
    let ours = Config::default();
    let cases: &[&[&str]] = &[
        &["foo", "1"],
        &["hz", "1", "foo", "1"],
        &["databases", "1", "foo", "1"],
        &["foo", "1", "databases", "1"],
        &["DATABASES", "1"],
        &["dir", "/"],
        &["hz", "1", "hz", "2"],
        &["hz", "1", "HZ", "2"],
        &["hz", "1", "timeout", "x", "maxmemory-samples", "0"],
        &["slave-priority", "x"],
        &["user", "x"],
        &["include", "x"],
    ];
    for case in cases {
        let pairs: Vec<_> = case
            .chunks(2)
            .map(|pair| (pair[0].as_bytes(), pair[1].as_bytes()))
            .collect();
        let answer = ours
            .set(&pairs, true)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        let reply = client.call(&[&["CONFIG", "SET"], *case].concat());
        assert_eq!(answer, reply.text(), "{case:?}");
    }
}

#[test]
fn directives_that_the_reference_cannot_change_are_fixed_here_too() {
    let server = Setup::redis()
        .with("enable-protected-configs", "yes")
        .start();
    let mut client = server.connect();
    for (name, value) in config_get(&mut client, "*") {
        let directive = lookup(name.as_bytes()).unwrap_or_else(|| panic!("{name} is not known"));
        // Values that the kernel refuses are no matter here: the reply names another reason then.
        let reply = client.call(&["CONFIG", "SET", &name, &value]).text();
        let fixed = reply.contains("can't set immutable config");
        assert_eq!(
            directive.change == Change::AtStart,
            fixed,
            "{name}: {reply}"
        );
    }
}

/// What redis-server prints when it refuses a configuration, without its first line, which names the program.
fn refusal(configuration: &str) -> String {
    let mut server = Command::new("redis-server")
        .args(["-", "--port", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-server starts");
    let mut stdin = server.stdin.take().expect("its standard input");
    stdin.write_all(configuration.as_bytes()).expect("it reads");
    drop(stdin);
    let output = server.wait_with_output().expect("it ends");
    let printed = text(&output.stderr);
    let (_, refusal) = printed
        .split_once("***\n")
        .unwrap_or_else(|| panic!("{configuration}: {printed}"));
    refusal.trim_end().to_owned()
}

#[test]
fn a_bad_line_is_reported_as_the_reference_does() {
    for line in [
        "port x",
        "port 1 2",
        "PORT",
        "prot 6379",
        "maxmemory-clients 101%",
        "bind \"a",
        "bind \"a\"b",
        "save 1",
        "save 3600 1 60",
        "client-output-buffer-limit normal 1 2",
        "appendfsync sometimes",
        "unixsocketperm 999",
        "unixsocketperm 1777",
        "io-threads 129",
        "dbfilename a/b",
        "appendfilename \"\"",
        "replicaof host 70000",
        "notify-keyspace-events KEq",
        "rename-command onlyone",
        "lua-replicate-commands",
        "shutdown-on-sigterm save nosave",
    ] {
        let configuration = format!("# a comment\n\n \t{line} \n");
        let mut input = configuration.as_bytes();
        let started = minium::config::start(["-".into()], [], &mut input);
        let error = started
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        let wanted = refusal(&configuration).replace("between 1 and 128", "between 0 and 128");
        assert!(
            error.contains(&wanted),
            "{line}:\n{error}\ninstead of\n{wanted}"
        );
    }
}
