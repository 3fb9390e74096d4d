//! The wire: malformed requests, requests in pieces, deep pipelines, and lengths that are only announced.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::client::encode;
use crate::support::{PATIENCE, Server, Setup, Value};

/// Sends the bytes, then the end of the stream; everything that comes back before the server closes.
fn answer(server: &Server, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    for piece in pieces {
        // The server may have closed after an error already: then its answer is what matters.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _: std::io::Result<()> = stream.shutdown(Shutdown::Write);
    read_all(&mut stream)
}

/// What the server sends until it closes by itself.
fn answer_until_close(server: &Server, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    stream.write_all(request).expect("the server reads");
    read_all(&mut stream)
}

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return all,
            Ok(length) => all.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return all,
            Err(error) => panic!(
                "the server neither answers nor closes: {error}; so far {:?}",
                String::from_utf8_lossy(&all)
            ),
        }
    }
}

/// Requests that are odd or wrong in some way. None has a zero byte outside of a bulk: there Redis, written in C, takes the
/// request to end, and waits for more.
const ODD: &[&[u8]] = &[
    b"PING\r\n",
    b"PING\n",
    b"  ping   hello  \r\n",
    b"\r\n\r\nPING\r\n",
    b"\n",
    b"   \r\nPING\r\n",
    b"*0\r\nPING\r\n",
    b"*-1\r\nPING\r\n",
    b"*-10\r\nPING\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$4\r\nPINGxxPING\r\n",
    b"*1\r\n$0\r\n\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-2\r\n",
    b"*2\r\n$4\r\nECHO\r\n$-1\r\n",
    b"*x\r\n",
    b"*\r\n",
    b"*1x\r\n",
    b"* 1\r\n",
    b"*+1\r\n",
    b"*01\r\n$4\r\nPING\r\n",
    b"*1\n$4\r\nPING\r\n",
    b"*1048577\r\n",
    b"*2147483647\r\n",
    b"*2147483648\r\n",
    b"*9223372036854775807\r\n",
    b"*9223372036854775808\r\n",
    b"*-9223372036854775808\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n:4\r\n",
    b"*1\r\n\xff\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$4x\r\nPING\r\n",
    b"*1\r\n$ 4\r\nPING\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$9223372036854775807\r\n",
    b"*1\r\n$9223372036854775808\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfoo\r\n",
    b"SET x \"unbalanced\r\n",
    b"SET x 'unbalanced\r\n",
    b"SET x \"a\"b\r\n",
    b"SET x \"\\x41\\n\\t\\\"\"\r\nGET x\r\n",
    b"SET x 'it\\'s'\r\nGET x\r\n",
    b"ECHO \"\"\r\n",
    b"\"PING\"\r\n",
    b"+PING\r\n",
    b"$4\r\nPING\r\n",
    b":1\r\n",
    b"\xff\xfe\r\n",
    b"nosuch a b c\r\n",
    b"nosuch \"with \\r\\n line end\"\r\n",
    b"GET\r\n",
    b"PING\r\nnosuch\r\nPING\r\n",
    b"*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n",
    b"SET x 1\r\nGET x\r\nDEL x\r\n*1\r\nx",
    b"QUIT\r\nPING\r\n",
    b"PING",
    b"*1\r\n$4\r\nPI",
];

#[test]
fn odd_requests_get_the_bytes_of_redis_and_the_same_end() {
    let (minium, redis) = (Setup::minium().start(), Setup::redis().start());
    let long_inline = vec![b'a'; 70_000];
    let long_count = [b"*".as_slice(), &[b'1'; 70_000]].concat();
    let long_length = [b"*1\r\n$".as_slice(), &[b'1'; 70_000]].concat();
    let long_name = [
        vec![b'n'; 300],
        b" ".to_vec(),
        vec![b'a'; 300],
        b" b\r\n".to_vec(),
    ]
    .concat();
    let many_arguments = format!("nosuch {}\r\n", "argument ".repeat(50)).into_bytes();
    let more = [
        long_inline,
        long_count,
        long_length,
        long_name,
        many_arguments,
    ];
    let mut different = Vec::new();
    for request in ODD.iter().copied().chain(more.iter().map(Vec::as_slice)) {
        let theirs = answer(&redis, &[request]);
        let mut ours = answer(&minium, &[request]);
        if ours == theirs && String::from_utf8_lossy(&theirs).contains("Protocol error") {
            // After such an error Redis ends the connection without waiting for the client to do so.
            ours = answer_until_close(&minium, request);
        }
        if ours != theirs {
            let shown = &request[..request.len().min(80)];
            different.push(format!(
                "{}\n  minium: {}\n  redis:  {}",
                shown.escape_ascii(),
                ours.escape_ascii(),
                theirs.escape_ascii()
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_stranger_may_announce_little_before_it_authenticates() {
    let (minium, redis) = (
        Setup::minium().password("secret").start(),
        Setup::redis().password("secret").start(),
    );
    for request in [
        &b"*11\r\n"[..],
        b"*10\r\n$4\r\nPING\r\n",
        b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET a\r\n",
    ] {
        let (ours, theirs) = (answer(&minium, &[request]), answer(&redis, &[request]));
        assert_eq!(
            ours.escape_ascii().to_string(),
            theirs.escape_ascii().to_string(),
            "for {}",
            request.escape_ascii()
        );
    }
}

#[test]
fn requests_may_be_cut_anywhere() {
    let server = Setup::minium().start();
    let mut request = Vec::new();
    for command in [
        &["SET", "a", "value"][..],
        &["APPEND", "a", "\r\n$3\r\n"],
        &["GET", "a"],
        &["ECHO", ""],
        &["nosuch", "x"],
        &["STRLEN", "a"],
    ] {
        encode(&mut request, command);
        request.extend_from_slice(b"PING inline\r\n\r\n");
    }
    let whole = answer(&server, &[&request]);
    assert_eq!(
        whole.iter().filter(|&&byte| byte == b'\n').count(),
        6 + 2 * 8 + 2 - 2,
        "{}",
        whole.escape_ascii()
    );
    let every_byte: Vec<_> = request.chunks(1).collect();
    assert_eq!(
        answer(&server, &every_byte).escape_ascii().to_string(),
        whole.escape_ascii().to_string(),
        "byte by byte"
    );
    let cuts = proptest::collection::btree_set(0..request.len(), 0..8);
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&cuts, |cuts| {
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([request.len()]) {
            pieces.push(&request[start..cut]);
            start = cut;
        }
        prop_assert_eq!(answer(&server, &pieces), whole.clone());
        Ok(())
    });
    result.expect("the same answer however the request is cut");
}

#[test]
fn a_deep_pipeline_is_answered_in_order() {
    const DEPTH: i64 = 200_000;
    let server = Setup::minium().start();
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    let mut sending = stream.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || {
        let mut request = Vec::new();
        (0..DEPTH).for_each(|_| encode(&mut request, &["INCR", "counter"]));
        sending
            .write_all(&request)
            .expect("the server reads while it answers");
    });
    let expected: Vec<u8> = (1..=DEPTH)
        .flat_map(|number| format!(":{number}\r\n").into_bytes())
        .collect();
    let mut replies = vec![0; expected.len()];
    stream.read_exact(&mut replies).expect("all replies");
    assert!(replies == expected, "replies out of order");
    sender.join().expect("the sender ends");
}

#[test]
fn announced_lengths_take_no_memory() {
    const CONNECTIONS: usize = 200;
    const ALLOWED: u64 = 16 << 20;
    let server = Setup::minium().start();
    server.connect().line("PING");
    let before = server.resident_bytes();
    let open: Vec<_> = (0..CONNECTIONS)
        .map(|i| {
            let mut client = server.connect_raw();
            let request: &[u8] = if i % 2 == 0 {
                b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$536870912\r\nsome bytes"
            } else {
                b"*1048576\r\n$4\r\nMGET\r\n"
            };
            client.write(request).expect("the server reads");
            client
        })
        .collect();
    // An answer on a later connection to each worker means that the announcements were read.
    for _ in 0..32 {
        assert_eq!(
            server.connect().line("PING"),
            Value::Simple(b"PONG".to_vec())
        );
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(
        grown < ALLOWED,
        "{CONNECTIONS} announcements took {grown} bytes"
    );
    drop(open);
}

#[test]
fn a_large_value_comes_back_whole() {
    let server = Setup::minium().start();
    let mut client = server.connect();
    let value: Vec<u8> = (0..64 << 20)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    assert!(client.call(&[b"SET", b"large".as_slice(), &value]).is_ok());
    assert!(
        client.call(&["GET", "large"]) == Value::Bulk(value),
        "the value has changed"
    );
}

#[test]
fn a_query_beyond_its_limit_ends_the_connection() {
    let server = Setup::minium()
        .with("client-query-buffer-limit", "1mb")
        .start();
    let mut client = server.connect();
    client
        .set_reply_limit(Duration::from_secs(10))
        .expect("a socket option");
    let mut refused = client
        .write(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$100000000\r\n")
        .is_err();
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..90 {
        refused = refused || client.write(&chunk).is_err();
    }
    refused = refused || client.read_to_close().is_ok_and(|rest| rest.is_empty());
    assert!(refused, "the server took it all");
    assert!(server.connect().line("GET x").is_null());
}
