//! What snapshot files are written with in the tests: a value of each form that a file knows.

use crate::support::{Client, Value};

/// What a file is written with; each with a reason to be written in another way.
pub(crate) fn fill(client: &mut Client) {
    let mut call = |arguments: &[&[u8]]| {
        let reply = client.call(arguments);
        assert!(
            !matches!(reply, Value::Error(_)),
            "{}: {reply:?}",
            arguments.concat().escape_ascii()
        );
    };
    let numbers = |count: usize| (0..count).map(|n| n.to_string().into_bytes());
    let with = |head: &[&[u8]], rest: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        head.iter().map(|word| word.to_vec()).chain(rest).collect()
    };
    let mut all = |head: &[&[u8]], rest: Vec<Vec<u8>>| {
        let words = with(head, rest);
        call(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    };
    // Strings: as integers of each width, short, compressible, not compressible, with a length of each form.
    let noise = |len: usize| {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect::<Vec<u8>>()
    };
    for (name, value) in [
        ("int8", b"-128".to_vec()),
        ("int16", b"128".to_vec()),
        ("int32", b"-2147483648".to_vec()),
        ("int64", b"2147483648".to_vec()),
        ("no int", b"007".to_vec()),
        ("empty", Vec::new()),
        ("20 bytes", vec![b'a'; 20]),
        ("21 bytes", vec![b'a'; 21]),
        ("63 bytes", noise(63)),
        ("64 bytes", noise(64)),
        ("long", noise(20_000)),
        ("longer", b"compressible ".repeat(20_000)),
    ] {
        all(&[b"SET", name.as_bytes()], vec![value]);
    }
    all(&[b"SET", b"grown"], vec![b"a".to_vec()]);
    all(&[b"APPEND", b"grown"], vec![b"b".to_vec()]);
    all(&[b"SET", &b"\0\xFF key".repeat(60)], vec![noise(10)]);
    // Lists: packed, of several chunks, with elements that are not encoded, with compressed chunks.
    all(
        &[b"RPUSH", b"list"],
        numbers(5).chain([noise(30)]).collect(),
    );
    all(&[b"RPUSH", b"long list"], numbers(20_000).collect());
    all(&[b"LPUSH", b"long list"], vec![noise(300); 100]);
    all(
        &[b"CONFIG", b"SET", b"list-compress-depth"],
        vec![b"1".to_vec()],
    );
    all(&[b"RPUSH", b"compressed list"], numbers(20_000).collect());
    all(
        &[b"CONFIG", b"SET", b"list-compress-depth"],
        vec![b"0".to_vec()],
    );
    all(
        &[b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD"],
        vec![b"100b".to_vec()],
    );
    all(
        &[b"RPUSH", b"plain list"],
        vec![noise(10), noise(200), vec![b'p'; 500], noise(10)],
    );
    all(
        &[b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD"],
        vec![b"0".to_vec()],
    );
    // Sets: integers of each width, packed, a table.
    all(&[b"SADD", b"ints 16"], numbers(100).collect());
    all(
        &[b"SADD", b"ints 32"],
        numbers(3).chain([b"70000".to_vec()]).collect(),
    );
    all(
        &[b"SADD", b"ints 64"],
        numbers(3)
            .chain([b"-9223372036854775808".to_vec()])
            .collect(),
    );
    all(&[b"SADD", b"set"], numbers(3).chain([noise(20)]).collect());
    all(
        &[b"SADD", b"large set"],
        numbers(5000).chain([noise(90)]).collect(),
    );
    // Sorted sets: scores of all kinds, packed and not.
    let scores = [
        "-inf",
        "-1.5",
        "0",
        "3",
        "3.0000000000000004",
        "1e300",
        "inf",
    ];
    for (name, members) in [("zset", 7), ("large zset", 1000)] {
        let pairs = (0..members).flat_map(|n| {
            let score = scores[n % scores.len()].as_bytes().to_vec();
            [score, format!("member {n}").into_bytes()]
        });
        all(&[b"ZADD", name.as_bytes()], pairs.collect());
    }
    // Hashes: packed and not.
    for (name, fields) in [("hash", 7), ("large hash", 1000)] {
        let pairs = (0..fields).flat_map(|n| [format!("field {n}").into_bytes(), noise(n % 80)]);
        all(&[b"HSET", name.as_bytes()], pairs.collect());
    }
    // Deadlines, and other databases.
    for key in ["int8", "list", "set", "zset", "hash", "long list"] {
        all(&[b"PEXPIRE", key.as_bytes()], vec![b"10000000".to_vec()]);
    }
    for database in ["1", "7", "15"] {
        all(&[b"SELECT"], vec![database.into()]);
        all(&[b"SET", b"here"], vec![database.into()]);
        all(
            &[b"SET", b"soon gone", b"x", b"PX"],
            vec![b"10000000".to_vec()],
        );
    }
    all(&[b"SELECT"], vec![b"0".to_vec()]);
}
