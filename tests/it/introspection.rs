//! What COMMAND tells about every command, beside what a real redis-server tells.

use std::collections::BTreeMap;

use crate::support::{Client, Server, Setup, Value, wait_for};

/// Where redis-server 7.0, which the tests run, differs from 7.2, which Minium follows: command, field and reason.
#[rustfmt::skip]
const OTHER_IN_7_0: &[(&str, &str, &str)] = &[
    ("client|setname", "tips", "7.2 added policies"),
    ("command|getkeys", "arity", "7.2 takes commands without arguments"),
    ("command|getkeysandflags", "arity", "7.2 takes commands without arguments"),
    ("zrank", "arity", "WITHSCORE is of 7.2"),
    ("zrevrank", "arity", "WITHSCORE is of 7.2"),
    ("config|resetstat", "tips", "7.2 added policies"),
    ("config|rewrite", "tips", "7.2 added policies"),
    ("msetnx", "tips", "7.2 removed policies"),
    ("randomkey", "tips", "7.2 added a policy"),
    ("scan", "tips", "7.2 added a policy"),
    ("bitop", "arguments", "7.2 names the operations; DIFF, DIFF1, ANDOR and ONE are of 8.2"),
    ("client|kill", "arguments", "7.2 names an argument otherwise; MAXAGE is of 7.4"),
    ("client|list", "arguments", "7.2 has no group around ID"),
    ("config|get", "arguments", "7.2 has no group around the parameter"),
    ("hscan", "arguments", "NOVALUES is of 7.4"),
    ("lcs", "arguments", "7.2 names an argument otherwise"),
    ("sort", "arguments", "7.2 names two arguments otherwise"),
    ("sort_ro", "arguments", "7.2 names two arguments otherwise"),
    ("set", "arguments", "IFEQ is of Valkey"),
    ("zrank", "arguments", "WITHSCORE is of 7.2"),
    ("zrevrank", "arguments", "WITHSCORE is of 7.2"),
    ("command|getkeys", "arguments", "7.0 does not document them"),
    ("command|getkeysandflags", "arguments", "7.0 does not document them"),
    ("client|pause", "since", "7.2 names a released version"),
    ("psetex", "deprecated_since", "deprecated by 7.2"),
    ("quit", "deprecated_since", "deprecated by 7.2"),
    ("setex", "deprecated_since", "deprecated by 7.2"),
    ("setnx", "deprecated_since", "deprecated by 7.2"),
    ("psetex", "replaced_by", "deprecated by 7.2"),
    ("quit", "replaced_by", "deprecated by 7.2"),
    ("setex", "replaced_by", "deprecated by 7.2"),
    ("setnx", "replaced_by", "deprecated by 7.2"),
    ("latency|histogram", "arguments", "COMMAND is a list of names"),
    ("latency|reset", "tips", "7.2 has another policy"),
    ("psubscribe", "arguments", "7.2 has no block around it"),
    ("blmove", "flags", "scripts may call it since 7.2"),
    ("blpop", "flags", "scripts may call it since 7.2"),
    ("brpop", "flags", "scripts may call it since 7.2"),
    ("brpoplpush", "flags", "scripts may call it since 7.2"),
    ("bzpopmax", "flags", "scripts may call it since 7.2"),
    ("bzpopmin", "flags", "scripts may call it since 7.2"),
    ("wait", "flags", "scripts may call it since 7.2"),
];

/// Commands that came after 7.0.
const NEWER: &[&str] = &[
    "client|no-touch",
    "client|setinfo",
    "hexpire",
    "hexpireat",
    "hexpiretime",
    "hgetdel",
    "hgetex",
    "hpersist",
    "hpexpire",
    "hpexpireat",
    "hpexpiretime",
    "hpttl",
    "hsetex",
    "httl",
    "waitaof",
];

/// What is known of a command: a value for each field.
type Facts = BTreeMap<&'static str, Value>;

/// Both servers' facts are equal but for the exceptions, and there is no exception without a difference.
fn compare(ours: &BTreeMap<String, Facts>, reference: &BTreeMap<String, Facts>) {
    let mut wrong = Vec::new();
    for (name, facts) in ours {
        let Some(expected) = reference.get(name) else {
            if !NEWER.contains(&name.as_str()) {
                wrong.push(format!("{name}: the reference does not have it"));
            }
            continue;
        };
        for (field, value) in facts {
            let expected = expected.get(field);
            let excepted = OTHER_IN_7_0
                .iter()
                .any(|(other, of, _)| other == name && of == field);
            match (expected == Some(value), excepted) {
                (true, true) => {
                    wrong.push(format!("{name}: {field} is equal, so it is no exception"));
                }
                (false, false) => {
                    wrong.push(format!("{name}: {field} is {value:?}, not {expected:?}"));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn resp3(setup: Setup) -> (Server, Client) {
    let server = setup.start();
    let mut client = server.connect();
    client.call(&["HELLO", "3"]);
    (server, client)
}

/// Flattens one element of COMMAND's reply and its subcommands into facts by full name.
fn collect_info(entry: &Value, facts: &mut BTreeMap<String, Facts>) {
    const FIELDS: [&str; 8] = [
        "arity",
        "flags",
        "first key",
        "last key",
        "step",
        "categories",
        "tips",
        "key specifications",
    ];
    let fields = entry.elements();
    let known = FIELDS
        .iter()
        .zip(&fields[1..])
        .map(|(&name, value)| (name, without_notes(&value.unordered())));
    facts.insert(fields[0].text(), known.collect());
    fields[9]
        .elements()
        .iter()
        .for_each(|entry| collect_info(entry, facts));
}

/// Key specifications without the sentences that explain some of them.
fn without_notes(value: &Value) -> Value {
    match value {
        Value::Set(elements) => Value::Set(elements.iter().map(without_notes).collect()),
        Value::Map(pairs) => Value::Map(
            pairs
                .iter()
                .filter(|(key, _)| key.bytes() != b"notes")
                .cloned()
                .collect(),
        ),
        other => other.clone(),
    }
}

#[test]
fn command_info_is_that_of_the_reference() {
    let facts = |setup| {
        let (_server, mut client) = resp3(setup);
        let mut facts = BTreeMap::new();
        client
            .call(&["COMMAND"])
            .elements()
            .iter()
            .for_each(|entry| collect_info(entry, &mut facts));
        facts
    };
    let ours = facts(Setup::minium());
    assert!(ours.len() > 50, "only {} commands", ours.len());
    compare(&ours, &facts(Setup::redis()));
}

/// Flattens a map of COMMAND DOCS and of the subcommands in it into facts by full name.
fn collect_docs(docs: &Value, facts: &mut BTreeMap<String, Facts>) {
    const FIELDS: [&str; 5] = [
        "group",
        "since",
        "deprecated_since",
        "replaced_by",
        "arguments",
    ];
    let Value::Map(commands) = docs else {
        panic!("expected a map, got {docs:?}")
    };
    for (name, fields) in commands {
        let Value::Map(fields) = fields else {
            panic!("expected a map, got {fields:?}")
        };
        let mut known = Facts::new();
        for (field, value) in fields {
            let field = field.text();
            if let Some(name) = FIELDS.iter().find(|name| **name == field) {
                known.insert(name, structure(value));
            } else if field == "subcommands" {
                collect_docs(value, facts);
            }
        }
        facts.insert(name.text(), known);
    }
}

/// Descriptions of arguments without what 7.0 words otherwise or does not tell: since when they exist, how they are
/// shown, what groups of them are called.
fn structure(value: &Value) -> Value {
    const LEFT_OUT: [&[u8]; 4] = [b"since", b"deprecated_since", b"summary", b"display_text"];
    match value {
        Value::Array(elements) => Value::Array(elements.iter().map(structure).collect()),
        Value::Map(pairs) => {
            let is_group = pairs.iter().any(|(key, _)| key.bytes() == b"arguments");
            let kept = pairs.iter().filter(|(key, _)| {
                !(LEFT_OUT.contains(&key.bytes()) || is_group && key.bytes() == b"name")
            });
            let mut kept: Vec<_> = kept
                .map(|(key, value)| (key.clone(), structure(value)))
                .collect();
            kept.sort();
            Value::Map(kept)
        }
        Value::Set(_) => value.unordered(),
        Value::Bulk(text) => Value::Bulk(
            text.iter()
                .map(|&byte| if byte == b'_' { b'-' } else { byte })
                .collect(),
        ),
        other => other.clone(),
    }
}

#[test]
fn command_docs_are_those_of_the_reference() {
    let facts = |setup| {
        let (_server, mut client) = resp3(setup);
        let mut facts = BTreeMap::new();
        collect_docs(&client.call(&["COMMAND", "DOCS"]), &mut facts);
        facts
    };
    compare(&facts(Setup::minium()), &facts(Setup::redis()));
}

/// Requests that both servers must answer alike.
#[rustfmt::skip]
const SAME: &[&str] = &[
    "command foo", "command count foo", "command info nosuch get|x config|nosuch", "command docs nosuch",
    "command list foo", "command list filterby", "command list filterby module", "command list filterby module json",
    "command list filterby foo bar", "command list filterby aclcat nosuch", "command list filterby pattern nosuch*",
    "command list filterby pattern ge?", "command list filterby pattern GET",
    "command list filterby pattern get filterby pattern set", "command info get",
    "command getkeys", "command getkeys get a", "command getkeys get a b",
    "command getkeys nosuch a", "command getkeys ping a", "command getkeys echo a", "command getkeys set a b",
    "command getkeys mget a b c", "command getkeys mset a 1 b 2", "command getkeys mset a 1 b",
    "command getkeys memory usage a", "command getkeys memory nosuch a", "command getkeys client list",
    "command getkeys object encoding a", "command getkeys lcs a b len", "command getkeys copy a b db 1",
    "command getkeysandflags get a", "command getkeysandflags set a b", "command getkeysandflags set a b ex 10 get",
    "command getkeysandflags rename a b", "command getkeysandflags mset a 1 b 2", "command getkeysandflags del a b",
    "command getkeysandflags getex a persist", "command getkeys bitop and a b c",
    "command getkeysandflags bitop not a b", "command getkeysandflags bitfield a",
    "command getkeysandflags bitfield a get u8 0 overflow sat", "command getkeysandflags bitfield a get u8 0 set u8 0 1",
    "command getkeysandflags bitfield a foo", "command getkeysandflags bitfield_ro a get u8 0",
    "command getkeys sort a", "command getkeys sort a foo store b", "command getkeys sort_ro a store b",
    "command getkeysandflags sort a limit 0 store b by store get store store c STORE d store", "command getkeysandflags ping a",
    "client", "client foo", "client id extra", "client getname", "client getname extra", "client setname",
    "client setname me", "client getname", "client list type nosuch", "client list type", "client list type master",
    "client list type replica", "client list type slave", "client list type pubsub", "client list id",
    "client list id x", "client list id 1000 2000", "client list foo", "client list foo bar baz",
    "client info extra", "client kill", "client kill 1.2.3.4:5", "client kill id", "client kill id 0",
    "client kill id -1", "client kill id x", "client kill id 123456", "client kill type nosuch", "client kill type x y",
    "client kill type replica", "client kill user nosuch", "client kill addr 1.2.3.4:5", "client kill laddr 1.2.3.4:5",
    "client kill skipme maybe", "client kill skipme yes id 777", "client kill foo bar", "client kill id 777 foo",
    "client kill addr 1.2.3.4:5 laddr 1.2.3.4:6 user default type normal skipme no",
    "client no-evict", "client no-evict maybe", "client no-evict on", "client no-evict off",
    "client reply", "client reply maybe", "client reply on", "client pause", "client pause x", "client pause -1",
    "client pause 1 foo", "client pause 1 write extra", "client pause x foo",
    "client unpause", "client unpause extra", "client setname café", "client getname",
];

#[test]
fn answers_and_errors_are_those_of_the_reference() {
    for version in ["2", "3"] {
        let (ours, reference) = (Setup::minium().start(), Setup::redis().start());
        let (mut ours, mut reference) = (ours.connect(), reference.connect());
        for client in [&mut ours, &mut reference] {
            client.call(&["HELLO", version]);
        }
        for line in SAME {
            assert_eq!(
                ours.line(line).unordered(),
                reference.line(line).unordered(),
                "{line} in RESP{version}"
            );
        }
    }
}

/// The names of the fields in a line of CLIENT LIST.
fn field_names(line: &str) -> Vec<String> {
    line.split(' ')
        .map(|field| field.split('=').next().expect("a name").to_owned())
        .collect()
}

#[test]
fn client_list_has_the_fields_of_the_reference() {
    let line = |setup: Setup| setup.start().connect().line("client info").text();
    let mut expected = field_names(&line(Setup::redis()));
    expected.extend(["lib-name", "lib-ver"].map(str::to_owned));
    assert_eq!(field_names(&line(Setup::minium())), expected);
}

#[test]
fn client_list_shows_what_each_client_said_of_itself() {
    let server = Setup::minium().start();
    let (mut first, mut second) = (server.connect(), server.connect());
    for line in [
        "client setname worker",
        "client setinfo lib-name cachelib",
        "client setinfo LIB-VER 1.2",
        "select 3",
    ] {
        assert!(first.line(line).is_ok(), "{line}");
    }
    first.line("client no-touch on");
    first.line("get nothing");
    let id = first.line("client id").int();
    let shown = second.line(&format!("client list id {id}")).text();
    for field in [
        "name=worker",
        "lib-name=cachelib",
        "lib-ver=1.2\n",
        "db=3",
        "flags=T",
        "cmd=client|id",
        "user=default",
    ] {
        assert!(shown.contains(field), "{field} is missing in {shown}");
    }
    wait_for("the two of them alone", || {
        second.line("client list").text().lines().count() == 2
    });
    assert!(
        second
            .line("client setinfo lib-foo x")
            .text()
            .contains("Unrecognized option 'lib-foo'")
    );
    assert!(
        second
            .call(&["client", "setinfo", "lib-ver", "a b"])
            .text()
            .contains("lib-ver cannot contain spaces")
    );
}

#[test]
fn killed_clients_are_gone_at_once_and_the_killer_gets_its_reply() {
    let server = Setup::minium().start();
    let (mut killer, mut victim, mut other) =
        (server.connect(), server.connect(), server.connect());
    wait_for("the three of them alone", || {
        killer.line("client list").text().lines().count() == 3
    });
    let id = victim.line("client id").int();
    assert_eq!(killer.line(&format!("client kill id {id}")).int(), 1);
    assert_eq!(
        killer.line(&format!("client kill id {id}")).int(),
        0,
        "nobody is killed twice"
    );
    let shown = killer.line("client list").text();
    assert!(!shown.contains(&format!("id={id} ")), "{shown}");
    assert!(
        victim
            .read_to_close()
            .expect("a closed connection")
            .is_empty()
    );
    assert_eq!(
        killer.line("client kill maxage 100000 skipme no").int(),
        0,
        "nobody is that old"
    );
    assert_eq!(
        killer.line("client kill type normal").int(),
        1,
        "the killer itself is skipped"
    );
    assert!(
        other
            .read_to_close()
            .expect("a closed connection")
            .is_empty()
    );
    assert_eq!(killer.line("client kill type normal skipme no").int(), 1);
    assert!(
        killer
            .read_to_close()
            .expect("a closed connection")
            .is_empty()
    );
}

#[test]
fn client_reply_modes() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    client
        .write(b"client reply off\r\nping\r\nnosuch\r\nclient reply on\r\n")
        .expect("a write");
    assert!(client.read().is_ok());
    client
        .write(b"client reply skip\r\nping\r\necho a\r\n")
        .expect("a write");
    assert_eq!(client.read().bytes(), b"a");
    client
        .write(b"client reply skip\r\nclient reply skip\r\necho a\r\necho b\r\n")
        .expect("a write");
    assert_eq!(client.read().bytes(), b"b");
    client
        .write(b"client reply skip\r\nclient reply on\r\necho a\r\n")
        .expect("a write");
    assert!(client.read().is_ok());
    assert_eq!(client.read().bytes(), b"a");
}

#[test]
fn help_lists_every_subcommand() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    for (container, word) in [("client", "KILL"), ("COMMAND", "DOCS")] {
        let reply = client.call(&[container, "help"]);
        let lines: Vec<_> = reply.elements().iter().map(Value::text).collect();
        let first = format!(
            "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            container.to_uppercase()
        );
        assert_eq!(lines[0], first);
        assert_eq!(lines[lines.len() - 2..], ["HELP", "    Print this help."]);
        assert!(
            lines.iter().any(|line| line.starts_with(word)),
            "{word} is not in {lines:?}"
        );
    }
}

#[test]
fn paused_commands_go_on_by_themselves() {
    let server = Setup::minium().start();
    let (mut operator, mut writer) = (server.connect(), server.connect());
    let blocked = |operator: &mut Client| {
        operator
            .line("info clients")
            .text()
            .contains("blocked_clients:1\r\n")
    };
    // By CLIENT UNPAUSE: what was sent together runs in its order.
    assert!(operator.line("client pause 100000 write").is_ok());
    writer
        .write(b"get a\r\nset a 1\r\nget a\r\n")
        .expect("a write");
    assert!(writer.read().is_null(), "reads are not held back");
    wait_for("the writer to be held back", || blocked(&mut operator));
    assert!(operator.line("client list").text().contains(" flags=b "));
    assert!(operator.line("get a").is_null());
    assert!(operator.line("client unpause").is_ok());
    assert!(writer.read().is_ok());
    assert_eq!(writer.read().bytes(), b"1");
    assert!(!blocked(&mut operator));
    // By the end of the time.
    assert!(operator.line("client pause 200").is_ok());
    assert!(writer.line("set a 2").is_ok());
    // Not at all: a killed client is not waited for.
    let id = writer.line("client id").int();
    assert!(operator.line("client pause 100000 write").is_ok());
    writer.write(b"set a 3\r\n").expect("a write");
    wait_for("the writer to be held back", || blocked(&mut operator));
    assert_eq!(operator.line(&format!("client kill id {id}")).int(), 1);
    assert!(
        writer
            .read_to_close()
            .expect("a closed connection")
            .is_empty()
    );
    assert!(operator.line("client unpause").is_ok());
    assert_eq!(operator.line("get a").bytes(), b"2");
}
