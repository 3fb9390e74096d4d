//! The parser against streams whole, cut, malformed and random.

use super::*;
use crate::protocol::Version;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    max_bulk: 512 * 1024 * 1024,
    authenticated: true,
};

/// One request, or what stood in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Args(Vec<Vec<u8>>),
    Line(Vec<u8>),
    Empty,
    Error(ProtocolError),
}

/// Parses a stream that arrives in pieces of the given sizes, and then the rest at once.
fn parse(stream: &[u8], pieces: impl IntoIterator<Item = usize>, limits: &Limits) -> Vec<Event> {
    let (mut parser, mut spans, mut events) = (Parser::default(), Vec::new(), Vec::new());
    let mut begin = 0;
    let mut arrived = 0usize;
    for piece in pieces.into_iter().chain([usize::MAX]) {
        arrived = stream.len().min(arrived.saturating_add(piece));
        loop {
            let buf = &stream[begin..arrived];
            match parser.step(buf, &mut spans, limits) {
                Ok(Step::NeedMore { at_least }) => {
                    assert!(at_least > 0);
                    break;
                }
                Ok(Step::Ready { end }) => {
                    let args = Request::new(&buf[..end], &spans)
                        .iter()
                        .map(<[u8]>::to_vec)
                        .collect();
                    events.push(Event::Args(args));
                    spans.clear();
                    begin += end;
                }
                Ok(Step::Inline { end }) => {
                    events.push(Event::Line(buf[..end].to_vec()));
                    begin += end;
                }
                Ok(Step::Empty { end }) => {
                    events.push(Event::Empty);
                    begin += end;
                }
                Err(error) => {
                    events.push(Event::Error(error));
                    return events;
                }
            }
        }
    }
    events
}

fn whole(stream: &[u8]) -> Vec<Event> {
    parse(stream, [], &LIMITS)
}

fn args(args: &[&str]) -> Event {
    Event::Args(args.iter().map(|arg| arg.as_bytes().to_vec()).collect())
}

#[test]
fn requests_follow_one_another() {
    let stream = b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*0\r\n*-5\r\n\r\n \t\nPING a\n";
    let expected = [
        args(&["PING"]),
        args(&["SET", "k", ""]),
        Event::Empty,
        Event::Empty,
        Event::Empty,
        Event::Empty,
    ];
    assert_eq!(
        whole(stream),
        [&expected[..], &[Event::Line(b"PING a\n".to_vec())]].concat()
    );
}

#[test]
fn headers_of_every_length() {
    for len in [0, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 123_456] {
        let value = "v".repeat(len);
        let stream = format!("*2\r\n$4\r\nECHO\r\n${len}\r\n{value}\r\n");
        assert_eq!(whole(stream.as_bytes()), [args(&["ECHO", &value])]);
    }
    let many: Vec<_> = (0..12_345).map(|_| "x").collect();
    let stream = format!("*{}\r\n{}", many.len(), "$1\r\nx\r\n".repeat(many.len()));
    assert_eq!(whole(stream.as_bytes()), [args(&many)]);
}

#[test]
fn leniencies_of_the_reference() {
    assert_eq!(
        whole(b"*1\r\n$4\r\nPINGxx*1\rx$1\rxAxx"),
        [args(&["PING"]), args(&["A"])]
    );
    assert_eq!(
        whole(b"\r\rPING\r\n"),
        [Event::Line(b"\r\rPING\r\n".to_vec())]
    );
    assert_eq!(whole(b"$4\r\n"), [Event::Line(b"$4\r\n".to_vec())]);
}

#[test]
fn nothing_is_decided_before_its_line_is_whole() {
    for unfinished in [
        "*1",
        "*x\r",
        "*1\r\nP",
        "*1\r\nP\r",
        "*1\n$4\nPING\n",
        "*2147483647\r\n",
        "*1\r\n$536870912\r\n",
        "PING",
    ] {
        assert_eq!(whole(unfinished.as_bytes()), [], "{unfinished}");
    }
}

#[test]
fn faults_are_named_as_the_reference_names_them() {
    use ProtocolError::*;
    let counts = [
        "a",
        "",
        "1a",
        "01",
        "+1",
        "-0",
        " 1",
        "1 ",
        "2147483648",
        "9223372036854775808",
        "1\n$4",
    ];
    let lengths = [
        "-1",
        "",
        "04",
        "4x",
        "536870913",
        "99999999999999999999",
        "4\n",
    ];
    let sigils = [("PING\r\n", b'P'), ("\r\n", b'\r'), ("4\r\n", b'4')];
    let faults = counts
        .map(|count| (format!("*{count}\r\n"), InvalidCount))
        .into_iter();
    let faults = faults.chain(lengths.map(|len| (format!("*1\r\n${len}\r\n"), InvalidBulk)));
    for (stream, error) in
        faults.chain(sigils.map(|(line, got)| (format!("*1\r\n{line}"), ExpectedBulk(got))))
    {
        assert_eq!(
            whole(stream.as_bytes()),
            [Event::Error(error)],
            "{stream:?}"
        );
    }
}

#[test]
fn lines_are_bounded() {
    let long = "1".repeat(MAX_LINE);
    assert_eq!(whole(format!("{long}\n").as_bytes()).len(), 1);
    let faults = [
        (format!("1{long}\n"), ProtocolError::InlineTooLong),
        (format!("1{long}"), ProtocolError::InlineTooLong),
        (format!("*{long}"), ProtocolError::CountTooLong),
        (format!("*1\r\n${long}"), ProtocolError::BulkTooLong),
    ];
    for (stream, error) in faults {
        assert_eq!(whole(stream.as_bytes()), [Event::Error(error)]);
        assert_eq!(whole(&stream.as_bytes()[..MAX_LINE]), []);
    }
}

#[test]
fn strangers_are_held_small() {
    let stranger = Limits {
        authenticated: false,
        ..LIMITS
    };
    let one = |stream: &str| parse(stream.as_bytes(), [], &stranger);
    assert_eq!(one("*10\r\n"), []);
    assert_eq!(
        one("*11\r\n"),
        [Event::Error(ProtocolError::UnauthenticatedCount)]
    );
    assert_eq!(one("*1\r\n$16384\r\n"), []);
    assert_eq!(
        one("*1\r\n$16385\r\n"),
        [Event::Error(ProtocolError::UnauthenticatedBulk)]
    );
}

#[test]
fn the_limit_on_arguments_is_the_configured_one() {
    for max_bulk in [3, 1_000, 100_000] {
        let limits = Limits {
            max_bulk,
            authenticated: true,
        };
        let one = |len: usize| parse(format!("*1\r\n${len}\r\n").as_bytes(), [], &limits);
        assert_eq!(
            (one(max_bulk), one(max_bulk + 1)),
            (vec![], vec![Event::Error(ProtocolError::InvalidBulk)])
        );
    }
    let limits = Limits {
        max_bulk: usize::MAX,
        authenticated: true,
    };
    assert_eq!(parse(b"*1\r\n$9223372036854775807\r\nx", [], &limits), []);
}

#[test]
fn what_is_announced_allocates_nothing() {
    let mut spans = Vec::new();
    let step = Parser::default().step(b"*2147483647\r\n$500000000\r\nabc", &mut spans, &LIMITS);
    assert_eq!(
        step,
        Ok(Step::NeedMore {
            at_least: 499_999_999
        })
    );
    assert_eq!(spans.capacity(), 0);
}

#[test]
fn errors_quote_the_byte_as_it_came() {
    for (byte, text) in [
        (b'P', b"got 'P'\r\n"),
        (b'\r', b"got ' '\r\n"),
        (0xff, b"got '\xff'\r\n"),
    ] {
        let mut out = Vec::new();
        ProtocolError::ExpectedBulk(byte).write(&mut Reply::new(&mut out, Version::Resp2));
        assert_eq!(
            out,
            [b"-ERR Protocol error: expected '$', ".as_slice(), text].concat()
        );
    }
}

#[test]
fn an_owned_request_reads_like_a_borrowed_one() {
    let owned: OwnedRequest = ["SET", "", "v"].into_iter().collect();
    let copy = OwnedRequest::from(owned.as_request());
    let request = copy.as_request();
    assert_eq!(
        request.iter().collect::<Vec<_>>(),
        [b"SET".as_slice(), b"", b"v"]
    );
    assert_eq!(
        (request.len(), request.get(2), request.get(3)),
        (3, Some(b"v".as_slice()), None)
    );
    assert_eq!(&request[2], request.arg(2));
}

/// Requests, lines and faults one after the other, some of them cut short or with a byte changed.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let encoded =
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..130), 0..5).prop_map(|args| {
            let mut stream = format!("*{}\r\n", args.len()).into_bytes();
            for arg in args {
                stream.extend(format!("${}\r\n", arg.len()).into_bytes());
                stream.extend(arg);
                stream.extend(b"\r\n");
            }
            stream
        });
    let piece = prop_oneof![4 => encoded, 1 => "[a-z \"]{0,9}\r?\n".prop_map(String::into_bytes), 1 => "[*$\r\n0-9-]{0,9}".prop_map(String::into_bytes)];
    (
        prop::collection::vec(piece, 0..6),
        prop::option::of(any::<(prop::sample::Index, u8)>()),
    )
        .prop_map(|(pieces, change)| {
            let mut stream = pieces.concat();
            if let Some((index, byte)) = change.filter(|_| !stream.is_empty()) {
                let index = index.index(stream.len());
                stream[index] = byte;
            }
            stream
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn cutting_changes_nothing(stream in streams(), pieces in prop::collection::vec(1usize..40, 0..40)) {
        let expected = whole(&stream);
        prop_assert_eq!(parse(&stream, pieces, &LIMITS), expected.as_slice());
        prop_assert_eq!(parse(&stream, vec![1; stream.len()], &LIMITS), expected);
    }
}
