//! A request that has not arrived whole, and how much memory is made ready for the rest of it.
//!
//! What a client announces costs nothing: the buffer grows in proportion to what has come. A small request takes
//! exactly the bytes that have come, for it is read into the worker's buffer first; a large one is read to where it stays, and
//! ends up in a buffer of its own length if its end is known.

use crate::protocol::{Parser, Span};

/// Where so much is missing, it is read directly behind what is there, in bytes.
const LARGE: usize = 16 << 10;

/// A request that has not arrived whole, or some that must wait.
pub struct Input {
    pub bytes: Vec<u8>,
    /// How far the request at the beginning of `bytes` is read.
    pub parser: Parser,
    /// Its arguments so far.
    pub spans: Vec<Span>,
    /// Bytes that are missing at least.
    missing: usize,
    /// Bytes of the arguments that are summed up, and how many these are.
    summed: (usize, usize),
}

impl Input {
    /// The bytes, and how far the first request in them is read.
    pub fn new(bytes: &[u8], parser: Parser, spans: &[Span], missing: usize) -> Input {
        let mut input = Input {
            bytes: bytes.to_vec(),
            parser,
            spans: spans.to_vec(),
            missing,
            summed: (0, 0),
        };
        input.sum_up();
        input
    }

    /// Drops `used` bytes from the beginning; at least `missing` more are needed to go on.
    pub fn advance(&mut self, used: usize, missing: usize) {
        if used > 0 {
            // What remains is the beginning of something else, which owes its room to its own length.
            self.bytes = self.bytes[used..].to_vec();
            self.summed = (0, 0);
        }
        self.missing = missing;
        self.sum_up();
    }

    fn sum_up(&mut self) {
        let (bytes, spans) = &mut self.summed;
        *bytes += self.spans[*spans..]
            .iter()
            .map(|span| span.end - span.start)
            .sum::<usize>();
        *spans = self.spans.len();
    }

    /// Whether the rest is to be read into [`Input::room`].
    pub fn is_large(&self) -> bool {
        self.missing >= LARGE
    }

    /// Adds bytes that were read elsewhere.
    pub fn append(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// The buffer with room behind what is there.
    pub fn room(&mut self) -> &mut Vec<u8> {
        self.make_room(self.missing.min(LARGE));
        &mut self.bytes
    }

    /// Makes room for `needed` bytes, and for more if more will come, but for no more than as much again as is there.
    fn make_room(&mut self, needed: usize) {
        let len = self.bytes.len();
        if self.bytes.capacity() - len >= needed {
            return;
        }
        let more = if needed <= self.missing {
            self.missing.min(len)
        } else if self.parser.awaits_last() {
            0
        } else {
            len / 2
        };
        self.bytes.reserve_exact(more.max(needed));
    }

    /// Bytes beyond the arguments that are complete, and their headers.
    pub fn unparsed(&self) -> usize {
        self.bytes.len().saturating_sub(self.parser.parsed())
    }

    /// Bytes of arguments that are complete.
    pub fn arguments(&self) -> usize {
        self.summed.0
    }

    /// Room that is made ready, in bytes.
    pub fn free(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// All that it takes, in bytes.
    pub fn memory(&self) -> usize {
        size_of::<Input>() + self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Limits, Step};

    const LIMITS: Limits = Limits {
        max_bulk: 512 << 20,
        authenticated: true,
    };

    /// Feeds a request in reads of at most `read` bytes, all but its last `left` bytes; answers what holds it then.
    fn fed(request: &[u8], read: usize, left: usize) -> Input {
        let mut input = Input::new(&[], Parser::default(), &[], 1);
        let mut at = 0;
        while at < request.len() - left {
            let end = (at + read).min(request.len() - left);
            let came = if input.is_large() {
                let room = input.room();
                let came = (end - at).min(room.capacity() - room.len());
                room.extend_from_slice(&request[at..at + came]);
                came
            } else {
                input.append(&request[at..end]);
                end - at
            };
            assert!(came > 0);
            at += came;
            let Input {
                bytes,
                parser,
                spans,
                ..
            } = &mut input;
            let Ok(Step::NeedMore { at_least }) = parser.step(bytes, spans, &LIMITS) else {
                panic!("the request is not whole")
            };
            input.advance(0, at_least);
        }
        input
    }

    fn request(arguments: usize, size: usize) -> Vec<u8> {
        let mut request = format!("*{arguments}\r\n").into_bytes();
        for _ in 0..arguments {
            request.extend(format!("${size}\r\n").bytes());
            request.resize(request.len() + size, b'x');
            request.extend(b"\r\n");
        }
        request
    }

    #[test]
    fn a_known_end_is_not_passed() {
        for size in [100, 20_000, 1 << 20] {
            let request = request(1, size);
            for read in [1000, 65_536, 65_537, usize::MAX / 2] {
                let input = fed(&request, read, 2);
                assert_eq!(input.bytes, request[..request.len() - 2]);
                assert!(
                    input.bytes.capacity() <= request.len(),
                    "{size} in {read}: {}",
                    input.bytes.capacity()
                );
            }
        }
    }

    #[test]
    fn what_is_announced_costs_nothing() {
        let announced = b"*2\r\n$3\r\nGET\r\n$500000000\r\nabc";
        let mut input = fed(announced, 10, 0);
        assert!(input.is_large());
        input.room();
        assert!(input.bytes.capacity() <= announced.len() + LARGE);
        assert_eq!((input.unparsed(), input.arguments()), (3, 3));
    }

    #[test]
    fn many_arguments_double_the_room_seldom() {
        let request = request(10_000, 10);
        let input = fed(&request, 1000, 2);
        assert!(input.bytes.capacity() <= request.len() * 3 / 2 + 1000);
        assert_eq!(input.arguments(), 9_999 * 10);
    }
}
