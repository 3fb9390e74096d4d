//! What INFO and MEMORY STATS tell of the process: true beside each other, and beside what was done.

use std::collections::HashMap;

use crate::support::{Client, PATIENCE, Setup, Value, holds_within, wait_for};
use crate::{alone, command};

fn info(client: &mut Client) -> HashMap<String, String> {
    let info = client.line("INFO memory").text();
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn number(fields: &HashMap<String, String>, name: &str) -> i64 {
    fields[name]
        .parse()
        .unwrap_or_else(|_| panic!("{name}: {}", fields[name]))
}

fn input_rate(client: &mut Client) -> String {
    let stats = client.line("INFO stats").text();
    let rate = stats
        .lines()
        .find_map(|line| line.strip_prefix("instantaneous_input_kbps:"));
    rate.expect("INFO stats tells the rate").to_owned()
}

/// MEMORY STATS without what has parts of its own.
fn stats(client: &mut Client) -> HashMap<String, i64> {
    let reply = client.line("MEMORY STATS");
    reply
        .elements()
        .chunks(2)
        .filter_map(|pair| match &pair[1] {
            Value::Int(value) => Some((pair[0].text(), *value)),
            _ => None,
        })
        .collect()
}

#[test]
fn the_parts_make_up_the_whole() {
    let _alone = alone();
    let server = Setup::minium().start();
    let mut client = server.connect();
    let empty = info(&mut client);
    for i in 0..20 {
        let sets: Vec<_> = (0..1000)
            .map(|n| command!["SET", format!("key:{i}:{n}"), "x".repeat(400), "EX", "1000"])
            .collect();
        client.try_pipeline(&sets).expect("replies");
    }
    let (full, stats) = (info(&mut client), stats(&mut client));
    let [used, overhead, dataset, startup] = [
        "memory",
        "memory_overhead",
        "memory_dataset",
        "memory_startup",
    ]
    .map(|name| number(&full, &format!("used_{name}")));
    assert_eq!(overhead + dataset, used);
    assert!(startup <= number(&empty, "used_memory"), "{startup}");
    // 20,000 entries of 432 bytes; what finds them and their deadlines is overhead.
    let entries = 20_000 * (448 - 8);
    assert!(
        (dataset - entries).abs() < entries / 10,
        "{dataset} of data, {entries} in entries"
    );
    assert!(overhead - number(&empty, "used_memory_overhead") > 20_000 * 16);

    for (name, other) in [
        ("used_memory", "total.allocated"),
        ("used_memory_startup", "startup.allocated"),
        ("used_memory_overhead", "overhead.total"),
        ("used_memory_dataset", "dataset.bytes"),
        ("allocator_resident", "allocator.resident"),
    ] {
        let (told, too) = (number(&full, name), stats[other]);
        assert!((told - too).abs() < 1 << 20, "{name} {told}, {other} {too}");
    }
    assert_eq!(stats["keys.count"], 20_000);
    assert_eq!(
        stats["keys.bytes-per-key"],
        (stats["total.allocated"] - stats["startup.allocated"]) / 20_000
    );
    let [resident, of_allocator] =
        ["used_memory_rss", "allocator_resident"].map(|name| number(&full, name));
    assert!(
        used < of_allocator && of_allocator < resident,
        "{used}, {of_allocator}, {resident}"
    );
    assert_eq!(number(&full, "mem_fragmentation_bytes"), resident - used);
    assert_eq!(number(&full, "rss_overhead_bytes"), resident - of_allocator);
}

#[test]
fn a_peak_is_remembered() {
    let _alone = alone();
    let server = Setup::minium().start();
    let mut client = server.connect();
    client.call(&command!["SET", "k", "x".repeat(50 << 20)]);
    let before = number(&info(&mut client), "used_memory");
    client.call(&command!["SET", "k", "x".repeat(90 << 20)]);
    // The background is to see it, in the moment in which it samples the rates. To ask for the peak would be seen as well.
    for _ in 0..2 {
        let rate = input_rate(&mut client);
        wait_for("a sample", || input_rate(&mut client) != rate);
    }
    client.line("FLUSHALL");
    assert!(holds_within(PATIENCE, || number(
        &info(&mut client),
        "used_memory"
    ) < before / 2));
    let peak = number(&info(&mut client), "used_memory_peak");
    assert!(peak > 90 << 20, "{peak}");
}

#[test]
fn a_share_of_the_memory_is_a_limit_in_bytes() {
    let _alone = alone();
    let server = Setup::minium().start();
    let mut client = server.connect();
    let limit = |client: &mut Client, text: &str| {
        assert_eq!(
            client.line(&format!("CONFIG SET maxmemory {text}")).text(),
            "OK"
        );
        let got = client.line("CONFIG GET maxmemory").elements()[1].text();
        (got, number(&info(client), "maxmemory"))
    };
    let (all, whole) = limit(&mut client, "100%");
    assert_eq!(all, "100%");
    let machine = number(&info(&mut client), "total_system_memory");
    assert!(0 < whole && whole <= machine, "{whole} of {machine}");
    let (quarter, bytes) = limit(&mut client, "25%");
    assert_eq!((quarter.as_str(), bytes), ("25%", whole / 4));
    assert_eq!(limit(&mut client, "1mb"), ("1048576".to_owned(), 1 << 20));
    assert_eq!(limit(&mut client, "0").1, 0);
    for wrong in ["101%", "-1%", "%", "1%%"] {
        assert!(
            client
                .line(&format!("CONFIG SET maxmemory {wrong}"))
                .is_error(),
            "{wrong}"
        );
    }
}
