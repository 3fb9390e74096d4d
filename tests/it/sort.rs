//! What SORT does where random commands seldom reach: with many elements, and while other clients write.

use crate::support::{Setup, Value};

fn numbers(reply: &Value) -> Vec<i64> {
    let number = |value: &Value| value.text().parse().expect("a number");
    reply.elements().iter().map(number).collect()
}

/// LIMIT takes its part from anywhere in the order, in both directions.
#[test]
fn limit_answers_a_part_of_the_order() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    // 7919 has no divisor in common with 5000: every number below 5000 once, far from order.
    let mixed: Vec<String> = (0..5000).map(|n| (n * 7919 % 5000).to_string()).collect();
    for push in ["RPUSH", "SADD"] {
        let key = format!("{push}ed");
        let mut command = vec![push.to_owned(), key.clone()];
        command.extend(mixed.iter().cloned());
        assert_eq!(client.call(&command).int(), 5000);
        for (offset, count) in [(0, 10), (2345, 7), (4995, 100), (5000, 1), (0, 5000)] {
            let expected: Vec<i64> = (offset..5000.min(offset + count)).collect();
            let line = format!("SORT {key} LIMIT {offset} {count}");
            assert_eq!(numbers(&client.line(&line)), expected, "{line}");
            let expected: Vec<i64> = expected.iter().map(|n| 4999 - n).collect();
            let line = format!("{line} DESC");
            assert_eq!(numbers(&client.line(&line)), expected, "{line}");
        }
    }
}

/// The keys that patterns lead to lie in any shard, and are seen at one moment with the sorted one.
#[test]
fn patterns_see_other_keys_at_one_moment() {
    const PAIRS: i64 = 20;
    let server = Setup::minium().with("io-threads", "4").start();
    let mut client = server.connect();
    let ids: Vec<String> = (0..PAIRS).map(|id| id.to_string()).collect();
    client.call(&[&["RPUSH".to_owned(), "ids".to_owned()], &ids[..]].concat());
    let set_all = |round: i64| -> Vec<String> {
        let pairs = (0..PAIRS).flat_map(|id| [format!("weight:{id}"), round.to_string()]);
        ["MSET".to_owned()].into_iter().chain(pairs).collect()
    };
    client.call(&set_all(0));
    std::thread::scope(|scope| {
        let mut writer = server.connect();
        let writing = scope.spawn(move || {
            for round in 1..=300 {
                assert!(writer.call(&set_all(round)).is_ok());
            }
        });
        while !writing.is_finished() {
            let seen = numbers(&client.line("SORT ids BY weight:* GET weight:*"));
            assert_eq!(seen.len() as i64, PAIRS);
            assert!(seen.iter().all(|round| round == &seen[0]), "{seen:?}");
        }
    });
    assert_eq!(
        numbers(&client.line("SORT ids BY weight:* GET weight:* LIMIT 0 1")),
        [300]
    );
}

/// The name of an option as the argument of another does not hide the key to store under, whatever shard that is in.
#[test]
fn the_last_store_is_found() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    client.line("RPUSH list 2 1");
    for key in 0..20 {
        let line = format!("SORT list STORE GET STORE {key}");
        assert_eq!(client.line(&line), Value::Int(2), "{line}");
        assert_eq!(numbers(&client.line(&format!("LRANGE {key} 0 -1"))), [1, 2]);
    }
}
