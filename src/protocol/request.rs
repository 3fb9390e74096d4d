//! Requests: bytes off the wire in, borrowed arguments out.
//!
//! The [`Parser`] never copies an argument and allocates nothing but the [`Span`]s of arguments that have arrived in
//! full: whatever length a client announces, it costs nothing until the bytes are there. When a request comes in
//! pieces the parser remembers how far it got. Its answers, errors included, depend on the bytes alone and not on how
//! they were cut.
//!
//! The leniencies of the reference are kept, since sloppy clients live on them: the two bytes after a bulk string are
//! skipped unseen, any byte may follow the `\r` of a header, and a lone `\n` ends an inline line.

use std::ops::Index;

use memchr::memchr;

use super::inline::is_space;
use super::number::parse_i64;
use super::reply::Reply;

/// Bytes an inline line or a header may have before its line end.
const MAX_LINE: usize = 64 * 1024;
/// Arguments in a request of a client that has yet to authenticate.
const MAX_UNAUTHENTICATED_COUNT: usize = 10;
/// Bytes in an argument of a client that has yet to authenticate.
const MAX_UNAUTHENTICATED_BULK: usize = 16 * 1024;

/// Where an argument lies, in bytes from the start of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte of the argument.
    pub start: usize,
    /// First byte after it.
    pub end: usize,
}

/// A parsed request: its arguments are slices of the buffer it came in. The command's name is argument 0.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Request<'a> {
    /// `buf` begins at the first byte of the request and holds every span.
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Self {
        Self { buf, spans }
    }

    /// The number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are no arguments; never so for a request that the parser has yielded.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes that the request takes as it came.
    pub fn wire_len(&self) -> usize {
        self.buf.len()
    }

    /// The `index`th argument.
    ///
    /// # Panics
    /// If there is none: a command looks at no argument that its arity does not promise. Elsewhere use [`Self::get`].
    #[inline]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        let Span { start, end } = self.spans[index];
        &self.buf[start..end]
    }

    /// The `index`th argument, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let Span { start, end } = *self.spans.get(index)?;
        self.buf.get(start..end)
    }

    /// All arguments in order, the command's name first.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone + use<'a> {
        let buf = self.buf;
        self.spans
            .iter()
            .map(move |span| &buf[span.start..span.end])
    }
}

impl Index<usize> for Request<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.arg(index)
    }
}

/// A request that owns its bytes: an inline line after splitting, a command queued by `MULTI` or called by a script.
#[derive(Clone, Debug, Default)]
pub struct OwnedRequest {
    buf: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedRequest {
    /// The request as commands take it.
    pub fn as_request(&self) -> Request<'_> {
        Request::new(&self.buf, &self.spans)
    }

    /// Forgets the arguments and keeps the room for others.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.spans.clear();
    }

    /// Adds an argument.
    pub fn push(&mut self, argument: &[u8]) {
        self.extend([argument]);
    }

    /// Adds the argument that `write` appends to a buffer.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buf.len();
        write(&mut self.buf);
        self.spans.push(Span {
            start,
            end: self.buf.len(),
        });
    }

    /// Bytes that it has allocated.
    pub fn allocated(&self) -> usize {
        self.buf.capacity() + self.spans.capacity() * size_of::<Span>()
    }
}

impl<A: AsRef<[u8]>> FromIterator<A> for OwnedRequest {
    fn from_iter<I: IntoIterator<Item = A>>(args: I) -> Self {
        let mut owned = Self::default();
        owned.extend(args);
        owned
    }
}

impl<A: AsRef<[u8]>> Extend<A> for OwnedRequest {
    fn extend<I: IntoIterator<Item = A>>(&mut self, args: I) {
        for arg in args {
            let start = self.buf.len();
            self.buf.extend_from_slice(arg.as_ref());
            self.spans.push(Span {
                start,
                end: self.buf.len(),
            });
        }
    }
}

impl From<Request<'_>> for OwnedRequest {
    fn from(request: Request<'_>) -> Self {
        let mut owned = Self {
            buf: Vec::with_capacity(request.iter().map(<[u8]>::len).sum()),
            spans: Vec::with_capacity(request.len()),
        };
        owned.extend(request.iter());
        owned
    }
}

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in one argument (`proto-max-bulk-len`).
    pub max_bulk: usize,
    /// Whether the client may do more than authenticate. Until then its requests are held small.
    pub authenticated: bool,
}

/// How far a call of [`Parser::step`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A request ends at byte `end`, and the spans of its arguments have been appended.
    Ready { end: usize },
    /// `buf[..end]` is a line for [`super::inline::split`], its line end included. It holds at least one word, or an
    /// unbalanced quote.
    Inline { end: usize },
    /// `buf[..end]` is a request without arguments, which is to be passed over in silence.
    Empty { end: usize },
    /// No step can be made with fewer than `at_least` (one or more) bytes beyond those shown. The number is what the
    /// client announced, not what will come: allocate no more for it than the client has earned.
    NeedMore { at_least: usize },
}

/// Why a request cannot be read. There is no way to find where the next one begins, so the connection must close.
///
/// The text is the error reply's; [`ProtocolError::write`] sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("ERR Protocol error: invalid multibulk length")]
    InvalidCount,
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    UnauthenticatedCount,
    #[error("ERR Protocol error: too big mbulk count string")]
    CountTooLong,
    #[error("ERR Protocol error: expected '$', got '{}'", .0.escape_ascii())]
    ExpectedBulk(u8),
    #[error("ERR Protocol error: invalid bulk length")]
    InvalidBulk,
    #[error("ERR Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulk,
    #[error("ERR Protocol error: too big bulk count string")]
    BulkTooLong,
    #[error("ERR Protocol error: too big inline request")]
    InlineTooLong,
    #[error("ERR Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
}

impl ProtocolError {
    /// Replies with the error. A byte of the request is quoted as it came, text or not.
    pub fn write(&self, reply: &mut Reply<'_>) {
        match *self {
            Self::ExpectedBulk(byte) => {
                reply.error_bytes(
                    &[
                        b"ERR Protocol error: expected '$', got '".as_slice(),
                        &[byte],
                        b"'",
                    ]
                    .concat(),
                );
            }
            _ => reply.error(self),
        }
    }
}

/// Progress inside one request, so that no line is searched twice when it arrives in pieces.
#[derive(Debug, Default)]
pub struct Parser {
    /// Start of the first header or bulk string that is not complete.
    pos: usize,
    /// Arguments announced and not complete; 0 before the count is known.
    remaining: usize,
    /// Length of the argument at `pos`, once its header has been read.
    bulk: Option<usize>,
    /// Bytes of the line at `pos` that hold no line end.
    searched: usize,
}

impl Parser {
    /// Bytes of the request that are parsed: headers, and arguments that are complete.
    pub fn parsed(&self) -> usize {
        self.pos
    }

    /// Whether the bytes that are missing are known to be the request's last.
    pub fn awaits_last(&self) -> bool {
        self.remaining == 1 && self.bulk.is_some()
    }

    /// Parses on in `buf`, which begins at the first byte of the request.
    ///
    /// After [`Step::NeedMore`] call again with the same bytes and more behind them; the spans appended so far must
    /// stay in `spans`. After any other step the parser is ready for the request that begins at `end`. Constant time
    /// per argument; bytes of arguments are not looked at.
    ///
    /// # Errors
    /// The connection is beyond repair; neither the parser nor `spans` is of use any more.
    #[inline]
    pub fn step(
        &mut self,
        buf: &[u8],
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Step, ProtocolError> {
        let (mut pos, mut remaining) = (self.pos, self.remaining);
        if remaining == 0 {
            if let Some((count, len)) = self.short_header(buf, b'*')
                && count <= MAX_UNAUTHENTICATED_COUNT
            {
                (pos, remaining) = (len, count);
            } else {
                match *buf {
                    [] => return Ok(Step::NeedMore { at_least: 1 }),
                    [b'*', ..] => {}
                    _ => return self.inline(buf),
                }
                let Some((count, end)) = self.count(buf, limits)? else {
                    return Ok(Step::NeedMore { at_least: 1 });
                };
                (pos, remaining) = (end, count);
            }
            if remaining == 0 {
                return Ok(Step::Empty { end: pos });
            }
        }
        while remaining > 0 {
            let len = match self.bulk.take() {
                Some(len) => len,
                None => {
                    if let Some((len, header)) = self.short_header(&buf[pos..], b'$')
                        && len <= limits.max_bulk
                    {
                        pos += header;
                        len
                    } else if let Some((len, end)) = self.bulk_header(buf, pos, limits)? {
                        pos = end;
                        len
                    } else {
                        (self.pos, self.remaining) = (pos, remaining);
                        return Ok(Step::NeedMore { at_least: 1 });
                    }
                }
            };
            let available = buf.len() - pos;
            if available < len + LINE_END {
                *self = Self {
                    pos,
                    remaining,
                    bulk: Some(len),
                    searched: 0,
                };
                return Ok(Step::NeedMore {
                    at_least: len + LINE_END - available,
                });
            }
            spans.push(Span {
                start: pos,
                end: pos + len,
            });
            pos += len + LINE_END;
            remaining -= 1;
        }
        *self = Self::default();
        Ok(Step::Ready { end: pos })
    }

    /// The quick way to read a header. A line that has been searched in part is searched to its end instead.
    #[inline(always)]
    fn short_header(&self, buf: &[u8], sigil: u8) -> Option<(usize, usize)> {
        if self.searched == 0 {
            short_header(buf, sigil)
        } else {
            None
        }
    }

    /// Reads the line that says how many arguments follow; a negative number counts as none.
    #[cold]
    fn count(
        &mut self,
        buf: &[u8],
        limits: &Limits,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        const MAX_COUNT: i64 = i32::MAX as i64;
        let Some(line) = self.line(buf, 0, ProtocolError::CountTooLong)? else {
            return Ok(None);
        };
        let count = parse_i64(&line[1..])
            .filter(|&count| count <= MAX_COUNT)
            .ok_or(ProtocolError::InvalidCount)?;
        let count = usize::try_from(count).unwrap_or(0);
        if count > MAX_UNAUTHENTICATED_COUNT && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        Ok(Some((count, line.len() + LINE_END)))
    }

    /// Reads the line that says how long the next argument is.
    #[cold]
    fn bulk_header(
        &mut self,
        buf: &[u8],
        start: usize,
        limits: &Limits,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        let Some(line) = self.line(buf, start, ProtocolError::BulkTooLong)? else {
            return Ok(None);
        };
        // An empty line is refused for what stands in the place of its `$`: the line end.
        let (&sigil, digits) = line.split_first().unwrap_or((&b'\r', &[]));
        if sigil != b'$' {
            return Err(ProtocolError::ExpectedBulk(sigil));
        }
        let len = parse_i64(digits)
            .and_then(|len| usize::try_from(len).ok())
            .filter(|&len| len <= limits.max_bulk);
        let len = len.ok_or(ProtocolError::InvalidBulk)?;
        if len > MAX_UNAUTHENTICATED_BULK && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedBulk);
        }
        Ok(Some((len, start + line.len() + LINE_END)))
    }

    /// The header line at `start` without its line end, once that is complete.
    fn line<'b>(
        &mut self,
        buf: &'b [u8],
        start: usize,
        too_long: ProtocolError,
    ) -> Result<Option<&'b [u8]>, ProtocolError> {
        let Some(len) = self.search(&buf[start..], b'\r', too_long)? else {
            return Ok(None);
        };
        if start + len + 1 == buf.len() {
            return Ok(None);
        }
        self.searched = 0;
        Ok(Some(&buf[start..start + len]))
    }

    /// Takes a whole line as an inline request.
    #[cold]
    fn inline(&mut self, buf: &[u8]) -> Result<Step, ProtocolError> {
        let Some(len) = self.search(buf, b'\n', ProtocolError::InlineTooLong)? else {
            return Ok(Step::NeedMore { at_least: 1 });
        };
        self.searched = 0;
        let end = len + 1;
        let blank = buf[..end].iter().all(|&byte| is_space(byte));
        Ok(if blank {
            Step::Empty { end }
        } else {
            Step::Inline { end }
        })
    }

    /// Finds the byte that ends a line, from where the last search stopped.
    fn search(
        &mut self,
        text: &[u8],
        end: u8,
        too_long: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let window = &text[..text.len().min(MAX_LINE + 1)];
        let found = memchr(end, &window[self.searched..]).map(|offset| self.searched + offset);
        if found.is_none() && window.len() > MAX_LINE {
            return Err(too_long);
        }
        self.searched = found.unwrap_or(window.len());
        Ok(found)
    }
}

/// Bytes of a line end.
const LINE_END: usize = 2;

/// Reads a header of at most four digits when it is whole and plain; returns its number and its length in bytes.
/// Nearly every header is such a one; everything else, faults included, is left to the search for a line.
#[inline(always)]
fn short_header(buf: &[u8], sigil: u8) -> Option<(usize, usize)> {
    #[inline(always)]
    fn number<const N: usize>(digits: [u8; N]) -> Option<(usize, usize)> {
        let plain = digits.iter().all(u8::is_ascii_digit) && (N == 1 || digits[0] != b'0');
        let value = digits.iter().fold(0, |value, &digit| {
            value * 10 + usize::from(digit.wrapping_sub(b'0'))
        });
        plain.then_some((value, 1 + N + LINE_END))
    }
    match *buf {
        [first, ..] if first != sigil => None,
        [_, a, b'\r', _, ..] => number([a]),
        [_, a, b, b'\r', _, ..] => number([a, b]),
        [_, a, b, c, b'\r', _, ..] => number([a, b, c]),
        [_, a, b, c, d, b'\r', _, ..] => number([a, b, c, d]),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
