//! Replies that a client has not taken yet, and the limit on them.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::stream::Stream;
use crate::config::OutputLimit;

/// A block that may take further replies, in bytes; a larger reply gets one of its own.
const BLOCK: usize = 16 << 10;

/// Replies that the socket did not take, oldest first. Empty, and without memory, for a client that reads.
#[derive(Debug, Default)]
pub struct Output {
    blocks: VecDeque<Vec<u8>>,
    /// Bytes of the first block that are written.
    written: usize,
    /// Bytes in all blocks that are not.
    pending: usize,
    /// Bytes that the blocks take.
    allocated: usize,
    /// Since when so much waits that it must not for long.
    above_soft_limit: Option<Instant>,
}

impl Output {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.pending
    }

    /// How many blocks hold them.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Bytes that the blocks take, and the list of them.
    pub fn memory(&self) -> usize {
        self.allocated + self.blocks.capacity() * size_of::<Vec<u8>>()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending == 0
    }

    /// Sends `replies` behind what waits already, as far as the socket takes them, and keeps the rest. `replies` is
    /// empty afterwards, also if that fails: others use it next.
    #[inline]
    pub fn send(&mut self, stream: &Stream, replies: &mut Vec<u8>) -> io::Result<usize> {
        let sent = self.send_now(stream, replies);
        if let Ok(sent) = sent
            && sent < replies.len()
        {
            self.keep(replies, sent);
        }
        replies.clear();
        sent
    }

    /// Sends as much of `replies` as the socket takes, if nothing waits already.
    #[inline]
    fn send_now(&self, stream: &Stream, replies: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        if self.is_empty() {
            while sent < replies.len() {
                match stream.try_write(&replies[sent..]) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => sent += n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(sent)
    }

    /// Keeps `replies` behind what waits already, and sends nothing. `replies` is empty afterwards.
    pub fn hold(&mut self, replies: &mut Vec<u8>) {
        self.keep(replies, 0);
        replies.clear();
    }

    /// Keeps the replies, of which the first `sent` bytes are written.
    fn keep(&mut self, replies: &mut Vec<u8>, sent: usize) {
        let rest = &replies[sent..];
        self.pending += rest.len();
        if let Some(last) = self.blocks.back_mut()
            && last.len() + rest.len() <= BLOCK
        {
            self.allocated -= last.capacity();
            last.extend_from_slice(rest);
            self.allocated += last.capacity();
            return;
        }
        let block = if rest.len() > BLOCK && rest.len() > replies.capacity() / 2 {
            if sent > 0 {
                // Then nothing waited before, and this becomes the first block.
                self.written = sent;
            }
            std::mem::take(replies)
        } else {
            rest.to_vec()
        };
        self.allocated += block.capacity();
        self.blocks.push_back(block);
    }

    /// Writes what waits; ready when nothing does. Answers how many bytes were written.
    pub fn poll_flush(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        while let Some(first) = self.blocks.front() {
            let n = ready!(stream.poll_write(cx, &first[self.written..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += n;
            self.written += n;
            self.pending -= n;
            if self.written == first.len() {
                self.allocated -= first.capacity();
                self.blocks.pop_front();
                self.written = 0;
            }
        }
        *self = Output::default();
        Poll::Ready(Ok(()))
    }

    /// Whether more waits than the soft limit, and for longer than it allows.
    pub fn is_above_soft(&mut self, limit: &OutputLimit) -> bool {
        if limit.soft == 0 || (self.pending as u64) < limit.soft {
            self.above_soft_limit = None;
            return false;
        }
        let since = *self.above_soft_limit.get_or_insert_with(Instant::now);
        since.elapsed() > Duration::from_secs(limit.soft_seconds)
    }
}
