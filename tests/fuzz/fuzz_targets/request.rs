//! Requests from a hostile client: whatever the bytes, and however they are cut, the parser answers the same, never
//! panics, and holds no more spans than the bytes that have arrived can pay for.
//!
//! `tests/fuzz/run 60 request`
//!
//! The first byte of the input sets the limits, the next few the sizes of the pieces; the rest is the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use minium::protocol::{Limits, Parser, ProtocolError, Request, Span, Step, inline};

/// Bytes of the input that say how the stream is cut.
const CUTS: usize = 8;
/// The shortest argument on the wire: `$0\r\n\r\n`.
const SHORTEST_ARGUMENT: usize = 6;

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Args(Vec<Vec<u8>>),
    Line(Option<Vec<Vec<u8>>>),
    Empty,
    Error(ProtocolError),
}

fn parse(stream: &[u8], pieces: impl Iterator<Item = usize>, limits: &Limits) -> Vec<Event> {
    let (mut parser, mut spans, mut events) = (Parser::default(), Vec::<Span>::new(), Vec::new());
    let (mut begin, mut arrived) = (0, 0);
    for piece in pieces.chain([stream.len()]) {
        arrived = stream.len().min(arrived + piece);
        loop {
            let buf = &stream[begin..arrived];
            let step = parser.step(buf, &mut spans, limits);
            assert!(spans.len() * SHORTEST_ARGUMENT <= buf.len());
            assert!(spans.capacity() <= 4 + 2 * stream.len() / SHORTEST_ARGUMENT);
            let (event, end) = match step {
                Ok(Step::NeedMore { at_least }) => {
                    assert!(at_least > 0);
                    break;
                }
                Ok(Step::Ready { end }) => {
                    let args = Request::new(buf, &spans)
                        .iter()
                        .map(<[u8]>::to_vec)
                        .collect();
                    (Event::Args(args), end)
                }
                Ok(Step::Inline { end }) => (Event::Line(inline::split(&buf[..end])), end),
                Ok(Step::Empty { end }) => (Event::Empty, end),
                Err(error) => {
                    events.push(Event::Error(error));
                    return events;
                }
            };
            assert!(end > 0);
            spans.clear();
            events.push(event);
            begin += end;
        }
    }
    events
}

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, ref cuts @ ..], stream)) = input.split_first_chunk::<{ CUTS + 1 }>() else {
        return;
    };
    let limits = Limits {
        max_bulk: if flags & 2 == 0 {
            512 * 1024 * 1024
        } else {
            16
        },
        authenticated: flags & 1 == 0,
    };
    let pieces = cuts
        .iter()
        .cycle()
        .take(stream.len())
        .map(|&cut| usize::from(cut) + 1);
    let whole = parse(stream, std::iter::empty(), &limits);
    assert_eq!(parse(stream, pieces, &limits), whole);
    assert_eq!(
        parse(stream, std::iter::repeat_n(1, stream.len()), &limits),
        whole
    );
});
