//! INFO: what dashboards and exporters read.

use std::collections::BTreeMap;

use crate::support::{Client, Setup};

/// Sections in their order, each with its fields.
fn sections(client: &mut Client, which: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let text = client.line(&format!("INFO {which}")).text();
    assert!(text.ends_with("\r\n") || text.is_empty(), "{text:?}");
    let mut sections = BTreeMap::new();
    let mut current = String::new();
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            current = name.to_owned();
            sections.insert(current.clone(), BTreeMap::new());
        } else {
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("no field: {line:?}"));
            let fields = sections
                .get_mut(&current)
                .unwrap_or_else(|| panic!("{line:?} stands before any section"));
            assert!(
                fields.insert(name.to_owned(), value.to_owned()).is_none(),
                "{name} comes twice"
            );
        }
    }
    sections
}

/// Fields of Redis that say something about a part that Minium does not have, each with the reason.
const ABSENT: &[(&str, &str)] = &[];

#[test]
fn every_field_of_redis_is_there_and_as_numeric() {
    let (minium, redis) = (Setup::minium().start(), Setup::redis().start());
    let (mut ours, mut theirs) = (minium.connect(), redis.connect());
    for client in [&mut ours, &mut theirs] {
        for line in [
            "SET a 1",
            "SET b 2 EX 100",
            "GET a",
            "GET nosuch",
            "INCR a b",
        ] {
            client.line(line);
        }
    }
    let (ours, theirs) = (
        sections(&mut ours, "everything"),
        sections(&mut theirs, "everything"),
    );
    let mut wrong = Vec::new();
    for (section, fields) in &theirs {
        let Some(our_fields) = ours.get(section) else {
            wrong.push(format!("no section {section}"));
            continue;
        };
        for (field, value) in fields {
            if ABSENT.iter().any(|(absent, _)| absent == field) {
                continue;
            }
            match our_fields.get(field) {
                None => wrong.push(format!("{section}: no {field}")),
                Some(ours) if value.parse::<f64>().is_ok() && ours.parse::<f64>().is_err() => {
                    wrong.push(format!("{section}: {field} is {ours}, Redis says {value}"));
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sections_are_chosen_as_in_redis() {
    let (minium, redis) = (Setup::minium().start(), Setup::redis().start());
    let (mut ours, mut theirs) = (minium.connect(), redis.connect());
    for client in [&mut ours, &mut theirs] {
        client.line("SET a 1");
    }
    for which in [
        "",
        "default",
        "all",
        "server",
        "SERVER",
        "clients memory",
        "nosuch",
        "nosuch cpu",
        "keyspace",
        "commandstats",
        "all nosuch",
    ] {
        let (ours, theirs) = (sections(&mut ours, which), sections(&mut theirs, which));
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>(),
            "INFO {which}"
        );
    }
}

#[test]
fn what_happened_is_counted() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let before = sections(&mut client, "stats");
    for line in [
        "SET a 1",
        "SET b 2 EX 100",
        "GET a",
        "GET a",
        "GET nosuch",
        "INCR b",
        "INCR nosuch x",
        "nosuchcommand",
    ] {
        client.line(line);
    }
    let after = sections(&mut client, "everything");
    let grown = |field: &str| {
        let number = |sections: &BTreeMap<String, BTreeMap<String, String>>| {
            sections["Stats"][field].parse::<u64>().expect("a number")
        };
        number(&after) - number(&before)
    };
    assert_eq!(grown("keyspace_hits"), 2, "GET a, twice");
    assert_eq!(grown("keyspace_misses"), 1, "GET nosuch");
    assert_eq!(grown("total_error_replies"), 2);
    // Commands that no row is found for are not processed; INFO itself is counted when it is done.
    assert_eq!(grown("total_commands_processed"), 7);
    assert!(grown("total_net_input_bytes") > 100);
    let db0 = &after["Keyspace"]["db0"];
    assert!(db0.starts_with("keys=2,expires=1,avg_ttl="), "{db0}");
    let get = &after["Commandstats"]["cmdstat_get"];
    assert!(
        get.starts_with("calls=3,usec=") && get.ends_with(",rejected_calls=0,failed_calls=0"),
        "{get}"
    );
    assert!(after["Commandstats"]["cmdstat_incr"].ends_with(",rejected_calls=1,failed_calls=0"));
    assert_eq!(after["Errorstats"]["errorstat_ERR"], "count=2");
    assert_eq!(after["Clients"]["connected_clients"], "1");
    assert!(client.line("CONFIG RESETSTAT").is_ok());
    assert_eq!(
        sections(&mut client, "stats")["Stats"]["keyspace_hits"],
        "0"
    );
}
