//! Start and end: the command line, mistakes in a config file, signals.

use std::process::{Command, Output, Stdio};

use crate::support::{Setup, Value, wait_for};

#[test]
fn the_log_says_what_tools_wait_for() {
    let server = Setup::minium().start();
    let log = server.log();
    assert!(log.contains(&format!(" PID: {}", server.pid())), "{log}");
    assert!(log.contains("Ready to accept connections"), "{log}");
}

#[test]
fn huge_pages_are_used_if_asked_for() {
    for (disabled, enabled) in [("yes", "0"), ("no", "1")] {
        let setup = Setup::minium().with("disable-thp", disabled);
        assert_eq!(setup.start().status("THP_enabled"), enabled);
    }
    assert_eq!(Setup::minium().start().status("THP_enabled"), "0");
}

#[test]
fn signals_end_the_server_gracefully() {
    for signal in ["TERM", "INT"] {
        let mut server = Setup::minium().unix().start();
        let mut client = server.connect();
        assert!(client.line("SET a 1").is_ok());
        server.signal(signal);
        let status = server.wait_for_end();
        assert_eq!(
            status.code(),
            Some(0),
            "after SIG{signal}: {}",
            server.log()
        );
        assert_eq!(
            client.read_to_close().expect("a clean close"),
            b"",
            "after SIG{signal}"
        );
        assert!(
            !server.unix_socket().exists(),
            "the unix socket is left behind after SIG{signal}"
        );
    }
}

#[test]
fn shutdown_ends_the_server_and_its_errors_are_those_of_redis() {
    let (mut minium, redis) = (Setup::minium().start(), Setup::redis().start());
    let (mut ours, mut theirs) = (minium.connect(), redis.connect());
    for line in [
        "SHUTDOWN NOSUCH",
        "SHUTDOWN SAVE NOSAVE",
        "SHUTDOWN ABORT",
        "SHUTDOWN ABORT NOW",
        "SHUTDOWN NOSAVE ABORT",
    ] {
        assert_eq!(ours.line(line), theirs.line(line), "for {line}");
    }
    ours.write(b"SHUTDOWN NOSAVE\r\n").expect("it listens");
    assert_eq!(minium.wait_for_end().code(), Some(0));
}

#[test]
fn a_config_file_and_arguments_make_the_configuration() {
    let server = Setup::minium()
        .config("test.conf", "# a comment\nmaxmemory 1mb\n  hz   20\nrequirepass \"with \\x73pace\"\nmaxmemory 3mb\nappendonly no\n")
        .with("hz", "30")
        .start();
    let mut client = server.connect_raw();
    assert!(client.call(&["AUTH", "with space"]).is_ok());
    let get = |client: &mut crate::support::Client, name: &str| {
        client.call(&["CONFIG", "GET", name]).elements()[1].text()
    };
    assert_eq!(get(&mut client, "maxmemory"), "3145728", "the later of two");
    assert_eq!(
        get(&mut client, "hz"),
        "30",
        "an argument goes before the file"
    );
    let file = client.line("INFO server").text();
    assert!(
        file.lines()
            .any(|line| line.starts_with("config_file:/") && line.ends_with("/test.conf")),
        "{file}"
    );
}

#[test]
fn toml_and_the_environment_configure_as_well() {
    let server = Setup::minium()
        .config(
            "test.toml",
            "maxmemory = \"2mb\"\nhz = 20\nappendonly = false\n",
        )
        .env("MINIUM_DATABASES", "3")
        .start();
    let mut client = server.connect();
    assert_eq!(
        client.line("CONFIG GET maxmemory").elements()[1].text(),
        "2097152"
    );
    assert_eq!(client.line("CONFIG GET hz").elements()[1].text(), "20");
    assert_eq!(
        client.line("SELECT 3"),
        Value::Error(b"ERR DB index is out of range".to_vec())
    );
}

fn minium(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_minium"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("minium can be started");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), input.as_bytes())
        .expect("it reads");
    child.wait_with_output().expect("its end")
}

#[test]
fn a_mistake_in_the_configuration_stops_the_start_and_is_explained() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("wrong.conf");
    for (text, explanations) in [
        (
            "port 0\nmaxmemroy 1mb\n",
            &["line 2", ">>> 'maxmemroy 1mb'", "'maxmemory'"][..],
        ),
        (
            "proto-max-bulk-len lots\n",
            &[
                "line 1",
                ">>> 'proto-max-bulk-len lots'",
                "argument must be a memory value",
            ],
        ),
        (
            "\n\nappendonly perhaps\n",
            &["line 3", "argument must be 'yes' or 'no'"],
        ),
        ("port\n", &["line 1", "wrong number of arguments"]),
        (
            "requirepass \"open\n",
            &["line 1", "Unbalanced quotes in configuration line"],
        ),
    ] {
        std::fs::write(&file, text).expect("a config file");
        let output = minium(&[file.to_str().expect("UTF-8")], "");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "for {text:?}: {said}");
        assert!(
            said.contains(file.to_str().expect("UTF-8")),
            "the file is not named for {text:?}: {said}"
        );
        for explanation in explanations {
            assert!(
                said.contains(explanation),
                "no {explanation:?} for {text:?}: {said}"
            );
        }
    }
    let missing = minium(&["/no/such/file.conf"], "");
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn standard_input_may_be_the_config_file() {
    let output = minium(&["-"], "port 0\nnosuchdirective 1\n");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line 2") && said.contains("nosuchdirective"),
        "{said}"
    );
}

#[test]
fn help_and_version_are_printed() {
    for (argument, text) in [
        ("--help", "Usage"),
        ("-h", "Usage"),
        ("--version", env!("CARGO_PKG_VERSION")),
        ("-v", env!("CARGO_PKG_VERSION")),
    ] {
        let output = minium(&[argument], "");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{argument}");
        assert!(said.contains(text), "{argument} printed {said}");
    }
}

#[test]
fn a_taken_port_is_an_error_with_its_number() {
    let first = Setup::minium().start();
    let second = Setup::minium().port(first.port()).try_start();
    let log = second.err().expect("the second does not start");
    assert!(log.contains(&first.port().to_string()), "{log}");
    wait_for("the first still answers", || {
        first.connect().line("PING") == Value::Simple(b"PONG".to_vec())
    });
}
