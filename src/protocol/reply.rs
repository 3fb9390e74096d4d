//! Replies: the one encoder, for RESP2 and RESP3.
//!
//! A command says what it means (a map, a double, no value) and the encoder says it in the client's version of the
//! protocol. Bytes go straight into the connection's output buffer; there is no tree of values in between.

use std::fmt::Display;
use std::io::Write;

use super::number::{i64_len, write_f64};

/// The version of the protocol that a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    #[default]
    Resp2,
    Resp3,
}

/// Where an aggregate begins whose length is not known yet; see [`Reply::deferred`].
#[must_use = "an aggregate without its header is no valid reply"]
#[derive(Debug)]
pub struct Deferred(usize);

/// Writes replies to the end of a buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    version: Version,
    most: usize,
}

impl<'a> Reply<'a> {
    /// Replies go behind what `out` holds already.
    pub fn new(out: &'a mut Vec<u8>, version: Version) -> Self {
        Self::bounded(out, version, usize::MAX)
    }

    /// As [`Self::new`], but nothing more is written once `out` is longer than `most` bytes, since nobody will get it.
    #[inline]
    pub fn bounded(out: &'a mut Vec<u8>, version: Version, most: usize) -> Self {
        Self { out, version, most }
    }

    /// Whether what is written is dropped; see [`Self::bounded`].
    #[inline]
    pub fn is_full(&self) -> bool {
        self.out.len() > self.most
    }

    /// The version that replies are written in.
    #[inline]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Writes what follows in another version, as `HELLO` asks for.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Bytes in the output buffer, those of earlier replies included.
    pub fn buffered(&self) -> usize {
        self.out.len()
    }

    /// Takes back what was written since the buffer held `start` bytes.
    pub fn take_back(&mut self, start: usize) {
        self.out.truncate(start);
    }

    /// The text of the error that was written since the buffer held `start` bytes, up to its end; `None` if something else was
    /// written, or nothing.
    #[inline]
    pub fn error_since(&self, start: usize) -> Option<&[u8]> {
        let text = self.out.get(start..)?.strip_prefix(b"-")?;
        text.split(|&byte| byte == b'\r').next()
    }

    /// Appends bytes that are already encoded.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        if !self.is_full() {
            self.out.extend_from_slice(encoded);
        }
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// `+PONG`.
    #[inline]
    pub fn pong(&mut self) {
        self.raw(b"+PONG\r\n");
    }

    /// `+QUEUED`.
    #[inline]
    pub fn queued(&mut self) {
        self.raw(b"+QUEUED\r\n");
    }

    /// A status line, which must not contain a line end.
    pub fn simple(&mut self, status: &str) {
        debug_assert!(!status.contains(['\r', '\n']), "a status is one line");
        self.raw(b"+");
        self.raw(status.as_bytes());
        self.line_end();
    }

    /// A status line of any bytes; line ends in it become spaces.
    pub fn status(&mut self, text: &[u8]) {
        self.line_of(b'+', |out| out.extend_from_slice(text));
    }

    /// An error. Its text begins with the code (`ERR`, `WRONGTYPE`, ...); line ends in it become spaces.
    #[cold]
    pub fn error(&mut self, error: impl Display) {
        self.error_with(|out| write!(out, "{error}").expect("writing to a Vec cannot fail"));
    }

    /// An error that quotes bytes of a request as they came; otherwise as [`Self::error`].
    #[cold]
    pub fn error_bytes(&mut self, text: &[u8]) {
        self.error_with(|out| out.extend_from_slice(text));
    }

    fn error_with(&mut self, write_text: impl FnOnce(&mut Vec<u8>)) {
        self.line_of(b'-', |out| {
            let start = out.len();
            write_text(out);
            while out.len() > start && matches!(out.last(), Some(b'\r' | b'\n')) {
                out.pop();
            }
        });
    }

    fn line_of(&mut self, sigil: u8, write_text: impl FnOnce(&mut Vec<u8>)) {
        if self.is_full() {
            return;
        }
        self.out.push(sigil);
        let start = self.out.len();
        write_text(self.out);
        for byte in &mut self.out[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.line_end();
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        self.header(b':', value);
    }

    /// A count or length as an integer.
    #[inline]
    pub fn count(&mut self, count: usize) {
        self.length(b':', count);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if self.is_full() {
            return;
        }
        self.out.reserve(bytes.len() + MAX_HEADER + 2);
        self.length(b'$', bytes.len());
        self.raw(bytes);
        self.line_end();
    }

    /// An integer's decimal spelling as a bulk string.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        self.length(b'$', i64_len(value));
        self.raw(itoa::Buffer::new().format(value).as_bytes());
        self.line_end();
    }

    /// No value, where there could have been one.
    #[inline]
    pub fn null(&mut self) {
        self.versioned(b"$-1\r\n", b"_\r\n");
    }

    /// No array, where there could have been one.
    #[inline]
    pub fn null_array(&mut self) {
        self.versioned(b"*-1\r\n", b"_\r\n");
    }

    /// An array without elements.
    #[inline]
    pub fn empty_array(&mut self) {
        self.raw(b"*0\r\n");
    }

    /// The header of an array; `len` elements follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.length(b'*', len);
    }

    /// The header of a map; `len` pairs follow. A flat array in RESP2.
    #[inline]
    pub fn map(&mut self, len: usize) {
        let (sigil, len) = self.map_header(len);
        self.length(sigil, len);
    }

    /// The header of a set; `len` elements follow. An array in RESP2.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.length(self.sigil(b'~'), len);
    }

    /// The header of a message that answers no request; `len` elements follow. An array in RESP2.
    #[inline]
    pub fn push(&mut self, len: usize) {
        self.length(self.sigil(b'>'), len);
    }

    /// The header of an attribute; `len` pairs follow, and then the reply they are about. RESP2 has no such thing:
    /// callers look at [`Self::version`] first.
    pub fn attribute(&mut self, len: usize) {
        debug_assert!(self.version == Version::Resp3, "RESP2 has no attributes");
        self.length(b'|', len);
    }

    /// Begins an array, map, set or push whose length is known only at its end.
    ///
    /// The elements are moved up by a few bytes when the header comes in, once per aggregate.
    pub fn deferred(&mut self) -> Deferred {
        Deferred(self.out.len())
    }

    /// Ends a deferred array of `len` elements.
    pub fn end_array(&mut self, begin: Deferred, len: usize) {
        self.end(begin, b'*', len);
    }

    /// Ends a deferred map of `len` pairs.
    pub fn end_map(&mut self, begin: Deferred, len: usize) {
        let (sigil, len) = self.map_header(len);
        self.end(begin, sigil, len);
    }

    /// Ends a deferred set of `len` elements.
    pub fn end_set(&mut self, begin: Deferred, len: usize) {
        self.end(begin, self.sigil(b'~'), len);
    }

    /// Ends a deferred push of `len` elements.
    pub fn end_push(&mut self, begin: Deferred, len: usize) {
        self.end(begin, self.sigil(b'>'), len);
    }

    /// A double, in the shortest spelling that reads back as the same number. A bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        if self.is_full() {
            return;
        }
        match self.version {
            Version::Resp2 => {
                let begin = self.out.len();
                write_f64(self.out, value);
                let len = self.out.len() - begin;
                self.end(Deferred(begin), b'$', len);
            }
            Version::Resp3 => {
                self.out.push(b',');
                write_f64(self.out, value);
            }
        }
        self.line_end();
    }

    /// A truth value. `1` or `0` in RESP2.
    pub fn boolean(&mut self, value: bool) {
        if value {
            self.versioned(b":1\r\n", b"#t\r\n");
        } else {
            self.versioned(b":0\r\n", b"#f\r\n");
        }
    }

    /// An integer of any size, as its decimal digits. A bulk string in RESP2.
    pub fn big_number(&mut self, digits: &str) {
        match self.version {
            Version::Resp2 => self.bulk(digits.as_bytes()),
            Version::Resp3 => {
                self.raw(b"(");
                self.raw(digits.as_bytes());
                self.line_end();
            }
        }
    }

    /// Text with its format (`txt`, `mkd`), of which three bytes are sent. A bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => {
                let mut prefix = *b"   :";
                for (place, byte) in prefix[..3].iter_mut().zip(format.bytes()) {
                    *place = byte;
                }
                self.length(b'=', prefix.len() + text.len());
                self.raw(&prefix);
                self.raw(text);
                self.line_end();
            }
        }
    }

    #[inline]
    fn line_end(&mut self) {
        self.raw(b"\r\n");
    }

    #[inline]
    fn versioned(&mut self, resp2: &[u8], resp3: &[u8]) {
        match self.version {
            Version::Resp2 => self.raw(resp2),
            Version::Resp3 => self.raw(resp3),
        }
    }

    /// The first byte of an aggregate that RESP2 knows only as an array.
    #[inline]
    fn sigil(&self, resp3: u8) -> u8 {
        if self.version == Version::Resp3 {
            resp3
        } else {
            b'*'
        }
    }

    #[inline]
    fn map_header(&self, pairs: usize) -> (u8, usize) {
        if self.version == Version::Resp3 {
            (b'%', pairs)
        } else {
            (b'*', 2 * pairs)
        }
    }

    #[inline]
    fn length(&mut self, sigil: u8, len: usize) {
        // No buffer holds more than `isize::MAX` bytes or elements.
        self.header(sigil, len.cast_signed() as i64);
    }

    /// One byte, a number and a line end, in one write: the greater part of all headers have one or two digits.
    #[inline]
    fn header(&mut self, sigil: u8, number: i64) {
        match number {
            0..10 => self.raw(&[sigil, digit(number), b'\r', b'\n']),
            10..100 => self.raw(&[sigil, digit(number / 10), digit(number % 10), b'\r', b'\n']),
            _ => {
                let mut line = [sigil; MAX_HEADER];
                let mut buffer = itoa::Buffer::new();
                let digits = buffer.format(number).as_bytes();
                line[1..=digits.len()].copy_from_slice(digits);
                line[digits.len() + 1..digits.len() + 3].copy_from_slice(b"\r\n");
                self.raw(&line[..digits.len() + 3]);
            }
        }
    }

    fn end(&mut self, Deferred(begin): Deferred, sigil: u8, len: usize) {
        let body = self.out.len() - begin;
        self.length(sigil, len);
        self.out[begin..].rotate_left(body);
    }
}

/// Bytes in the longest header: its first byte, a sign and 19 digits, the line end.
const MAX_HEADER: usize = 1 + 20 + 2;

/// The character of a number below ten.
#[inline]
fn digit(number: i64) -> u8 {
    b'0' + number as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reply looks like in RESP2 and in RESP3.
    fn both(write: impl Fn(&mut Reply<'_>)) -> (String, String) {
        let encode = |version| {
            let mut out = Vec::new();
            write(&mut Reply::new(&mut out, version));
            String::from_utf8(out).unwrap()
        };
        (encode(Version::Resp2), encode(Version::Resp3))
    }

    fn check(write: impl Fn(&mut Reply<'_>), resp2: &str, resp3: &str) {
        assert_eq!(both(write), (resp2.to_owned(), resp3.to_owned()));
    }

    #[test]
    fn each_type_in_both_versions() {
        check(|reply| reply.null(), "$-1\r\n", "_\r\n");
        check(|reply| reply.null_array(), "*-1\r\n", "_\r\n");
        check(|reply| reply.map(12), "*24\r\n", "%12\r\n");
        check(|reply| reply.set(2), "*2\r\n", "~2\r\n");
        check(|reply| reply.push(3), "*3\r\n", ">3\r\n");
        check(|reply| reply.boolean(true), ":1\r\n", "#t\r\n");
        check(|reply| reply.boolean(false), ":0\r\n", "#f\r\n");
        check(|reply| reply.double(0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
        check(
            |reply| reply.double(f64::NEG_INFINITY),
            "$4\r\n-inf\r\n",
            ",-inf\r\n",
        );
        check(
            |reply| reply.double(1.7976931348623157e308),
            "$23\r\n1.7976931348623157e+308\r\n",
            ",1.7976931348623157e+308\r\n",
        );
        check(
            |reply| reply.big_number("-123"),
            "$4\r\n-123\r\n",
            "(-123\r\n",
        );
        check(
            |reply| reply.verbatim("txt", b"hi"),
            "$2\r\nhi\r\n",
            "=6\r\ntxt:hi\r\n",
        );
        check(
            |reply| reply.verbatim("md", b""),
            "$0\r\n\r\n",
            "=4\r\nmd :\r\n",
        );
    }

    #[test]
    fn types_that_both_versions_share() {
        let same = |write: fn(&mut Reply<'_>), encoded: &str| check(write, encoded, encoded);
        same(|reply| reply.ok(), "+OK\r\n");
        same(|reply| reply.pong(), "+PONG\r\n");
        same(|reply| reply.queued(), "+QUEUED\r\n");
        same(
            |reply| reply.simple("Background saving started"),
            "+Background saving started\r\n",
        );
        same(|reply| reply.array(0), "*0\r\n");
        same(|reply| reply.empty_array(), "*0\r\n");
        same(|reply| reply.count(100), ":100\r\n");
        same(|reply| reply.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n");
        same(|reply| reply.raw(b"+X\r\n"), "+X\r\n");
    }

    #[test]
    fn errors_stay_on_their_line() {
        check(
            |reply| reply.error("ERR bad\r\nthing\n\r\n"),
            "-ERR bad  thing\r\n",
            "-ERR bad  thing\r\n",
        );
        let mut out = b"\r\n".to_vec();
        Reply::new(&mut out, Version::Resp2).error_bytes(b"ERR \xff\n");
        assert_eq!(out, b"\r\n-ERR \xff\r\n");
    }

    #[test]
    fn a_deferred_length_comes_before_the_elements() {
        let write = |reply: &mut Reply<'_>| {
            reply.ok();
            let outer = reply.deferred();
            reply.bulk(b"k");
            let inner = reply.deferred();
            (0..11).for_each(|value| reply.int(value));
            reply.end_set(inner, 11);
            reply.end_map(outer, 1);
            let none = reply.deferred();
            reply.end_array(none, 0);
            let push = reply.deferred();
            reply.end_push(push, 0);
        };
        let elements = ":0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:10\r\n";
        check(
            write,
            &format!("+OK\r\n*2\r\n$1\r\nk\r\n*11\r\n{elements}*0\r\n*0\r\n"),
            &format!("+OK\r\n%1\r\n$1\r\nk\r\n~11\r\n{elements}*0\r\n>0\r\n"),
        );
    }

    #[test]
    fn beyond_its_bound_a_reply_does_not_grow() {
        const BOUND: usize = 100;
        let kinds: &[fn(&mut Reply<'_>)] = &[
            |reply| reply.simple("status"),
            |reply| reply.error("ERR text"),
            |reply| reply.int(-12_345),
            |reply| reply.bulk(b"some bytes"),
            |reply| reply.bulk_int(7),
            |reply| reply.null(),
            |reply| reply.map(1),
            |reply| reply.double(0.1),
            |reply| reply.boolean(true),
            |reply| reply.big_number("123456789"),
            |reply| reply.verbatim("txt", b"text"),
            |reply| {
                let begin = reply.deferred();
                reply.ok();
                reply.end_set(begin, 1);
            },
        ];
        for version in [Version::Resp2, Version::Resp3] {
            for (number, kind) in kinds.iter().enumerate() {
                let mut out = Vec::new();
                let mut reply = Reply::bounded(&mut out, version, BOUND);
                (0..1000).for_each(|_| kind(&mut reply));
                assert!(reply.is_full());
                let len = out.len();
                assert!(len < BOUND + 30, "kind {number} in {version:?}: {len}");
            }
        }
    }

    #[test]
    fn the_version_may_change_between_replies() {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Version::Resp2);
        reply.null();
        reply.set_version(Version::Resp3);
        reply.null();
        assert_eq!(out, b"$-1\r\n_\r\n");
    }

    proptest! {
        #[test]
        fn integers(value in prop_oneof![any::<i64>(), -200i64..200, Just(i64::MIN), Just(i64::MAX)]) {
            let encoded = format!(":{value}\r\n${}\r\n{value}\r\n", value.to_string().len());
            let (resp2, resp3) = both(|reply| { reply.int(value); reply.bulk_int(value); });
            prop_assert_eq!(&resp2, &encoded);
            prop_assert_eq!(&resp3, &encoded);
        }
    }
}
