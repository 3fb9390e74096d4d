//! Each policy takes those whom it should and keeps the others.

use super::{MIB, assert_none_is_missing, command, info, limited, send};
use crate::support::{Client, Setup};

const FILLERS: usize = 30_000;
const KEPT: usize = 200;

/// Fills a server of 8 MiB with three times that much, and tells how many of the keys are there in the end that `keep` made
/// and used all the while.
fn kept(
    policy: &str,
    make: impl Fn(&str) -> Vec<Vec<u8>>,
    is_used: bool,
    filler: impl Fn(&str) -> Vec<Vec<u8>>,
) -> usize {
    let server = limited(8 * MIB, policy);
    let mut client = server.connect();
    let names: Vec<String> = (0..KEPT).map(|n| format!("kept:{n}")).collect();
    let made: Vec<_> = names.iter().map(|name| make(name)).collect();
    send(&mut client, &made);
    let gets: Vec<_> = names.iter().map(|name| command(&["GET", name])).collect();
    for chunk in 0..FILLERS / 500 {
        if is_used {
            // Often enough for the counters of LFU to tell them from those used once.
            for _ in 0..2 {
                send(&mut client, &gets);
            }
        }
        let fillers: Vec<_> = (0..500)
            .map(|n| filler(&format!("filler:{chunk}:{n}")))
            .collect();
        send(&mut client, &fillers);
    }
    assert_accounted(&mut client, policy);
    let exists: Vec<Vec<u8>> = std::iter::once("EXISTS")
        .chain(names.iter().map(String::as_str))
        .map(|word| word.as_bytes().to_vec())
        .collect();
    client.call(&exists).int() as usize
}

/// Who is not there any more was evicted, and memory is within its limit.
#[track_caller]
fn assert_accounted(client: &mut Client, policy: &str) {
    assert_none_is_missing(client, (FILLERS + KEPT) as u64);
    let evicted = info(client, "evicted_keys");
    assert!(evicted > FILLERS as u64 / 2, "{policy}: {evicted}");
    let used = info(client, "used_memory");
    assert!(used < 8 * MIB + 64 * 1024, "{policy}: {used}");
}

fn plain(name: &str) -> Vec<Vec<u8>> {
    command(&["SET", name, &"x".repeat(700)])
}

fn expiring(name: &str) -> Vec<Vec<u8>> {
    command(&["SET", name, &"x".repeat(700), "EX", "10000"])
}

fn expiring_late(name: &str) -> Vec<Vec<u8>> {
    command(&["SET", name, &"x".repeat(700), "EX", "20000"])
}

#[test]
fn lru_keeps_what_was_used_lately_and_lfu_what_is_used_often() {
    assert_eq!(kept("allkeys-lru", plain, true, plain), KEPT);
    assert_eq!(kept("allkeys-lfu", plain, true, plain), KEPT);
    let dense = kept("allkeys-lhd", plain, true, plain);
    assert!(dense > KEPT * 19 / 20, "{dense}");
    assert_eq!(kept("volatile-lru", expiring, true, expiring), KEPT);
    assert_eq!(kept("volatile-lfu", expiring, true, expiring), KEPT);
}

#[test]
fn volatile_policies_keep_what_does_not_expire() {
    for policy in [
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        assert_eq!(kept(policy, plain, false, expiring), KEPT, "{policy}");
    }
}

#[test]
fn ttl_takes_what_expires_sooner() {
    assert_eq!(kept("volatile-ttl", expiring_late, false, expiring), KEPT);
}

#[test]
fn random_takes_anybody() {
    let kept = kept("allkeys-random", plain, true, plain);
    assert!((1..KEPT).contains(&kept), "{kept}");
}

#[test]
fn all_databases_take_part() {
    let server = limited(8 * MIB, "allkeys-lru");
    let mut client = server.connect();
    for database in ["0", "3"] {
        client.line(&format!("SELECT {database}"));
        let fillers: Vec<_> = (0..20_000).map(|n| plain(&n.to_string())).collect();
        send(&mut client, &fillers);
    }
    // What was written to the first one is older than all of the second.
    let second = client.line("DBSIZE").int();
    client.line("SELECT 0");
    let first = client.line("DBSIZE").int();
    assert!(first < second / 5, "{first} beside {second}");
}

#[test]
fn a_policy_may_be_changed_at_any_time() {
    let server = limited(8 * MIB, "allkeys-lru");
    let (mut client, mut operator) = (server.connect(), server.connect());
    for (round, policy) in [
        "allkeys-lfu",
        "volatile-ttl",
        "allkeys-random",
        "allkeys-lhd",
        "volatile-lfu",
        "allkeys-lru",
    ]
    .into_iter()
    .enumerate()
    {
        let fillers: Vec<_> = (0..10_000)
            .map(|n| expiring(&format!("{round}:{n}")))
            .collect();
        send(&mut client, &fillers);
        assert!(
            operator
                .line(&format!("CONFIG SET maxmemory-policy {policy}"))
                .is_ok()
        );
        assert!(info(&mut operator, "used_memory") < 8 * MIB + 64 * 1024);
    }
    let fillers: Vec<_> = (0..10_000)
        .map(|n| expiring(&format!("last:{n}")))
        .collect();
    send(&mut client, &fillers);
    // The last policy reads what the others left: the newest keys are there.
    let newest: Vec<_> = (9000..10_000)
        .map(|n| command(&["EXISTS", &format!("last:{n}")]))
        .collect();
    let there = client.try_pipeline(&newest).expect("replies");
    let there = there.iter().filter(|reply| reply.int() == 1).count();
    assert!(there > 990, "{there} of 1000");
}

#[test]
fn access_counters_go_up_as_in_redis() {
    let setup = |setup: Setup| {
        setup
            .with("maxmemory-policy", "allkeys-lfu")
            // Every access counts, and time does not.
            .with("lfu-log-factor", "0")
            .with("lfu-decay-time", "0")
            .start()
    };
    let servers = [setup(Setup::minium()), setup(Setup::redis())];
    let answers = servers.each_ref().map(|server| {
        let mut client = server.connect();
        [
            "SET a 1",
            "OBJECT FREQ a",
            "GET a",
            "OBJECT FREQ a",
            "SET a 2",
            "OBJECT FREQ a",
            "SET a something-that-is-longer-than-it-was",
            "OBJECT FREQ a",
            "APPEND a x",
            "OBJECT FREQ a",
            "STRLEN a",
            "OBJECT FREQ a",
            "EXISTS a",
            "TYPE a",
            "TTL a",
            "OBJECT FREQ a",
            "TOUCH a",
            "OBJECT FREQ a",
            "EXPIRE a 1000",
            "OBJECT FREQ a",
            "RPUSH l 1 2 3",
            "LRANGE l 0 -1",
            "LPUSH l 0",
            "OBJECT FREQ l",
            "OBJECT IDLETIME l",
            "CONFIG SET maxmemory-policy allkeys-lru",
            "OBJECT FREQ l",
            "SET n 1",
            "OBJECT REFCOUNT n",
            "CONFIG SET maxmemory 1gb",
            "OBJECT REFCOUNT n",
            "CONFIG SET maxmemory-policy noeviction",
            "OBJECT REFCOUNT n",
        ]
        .map(|line| (line, client.line(line)))
    });
    for (ours, reference) in answers[0].iter().zip(&answers[1]) {
        // In Redis the shared integers show up only in keys that were written since.
        if !ours.0.starts_with("OBJECT REFCOUNT") {
            assert_eq!(ours, reference);
        }
    }
}
