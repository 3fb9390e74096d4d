//! Replies that a client has not taken yet, and the limit on them.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::stream::Stream;
use crate::config::OutputLimit;

/// A block that may take further replies; a larger reply gets one of its own.
const BLOCK: usize = 16 << 10;

/// Replies that the socket did not take, oldest first. Empty, and without memory, for a client that reads.
#[derive(Debug, Default)]
pub struct Output {
    blocks: VecDeque<Vec<u8>>,
    /// Bytes of the first block that are written.
    written: usize,
    /// Bytes in all blocks that are not.
    pending: usize,
    above_soft_limit: Option<Instant>,
}

impl Output {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.pending
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending == 0
    }

    /// Sends `replies` behind what waits already, as far as the socket takes them, and keeps the rest. `replies` is
    /// empty afterwards.
    #[inline]
    pub fn send(&mut self, stream: &Stream, replies: &mut Vec<u8>) -> io::Result<usize> {
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
        if sent < replies.len() {
            self.keep(&replies[sent..]);
        }
        replies.clear();
        Ok(sent)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.pending += bytes.len();
        match self.blocks.back_mut() {
            Some(last) if last.len() + bytes.len() <= BLOCK => last.extend_from_slice(bytes),
            _ => {
                let mut block = Vec::with_capacity(bytes.len().max(BLOCK));
                block.extend_from_slice(bytes);
                self.blocks.push_back(block);
            }
        }
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
                self.blocks.pop_front();
                self.written = 0;
            }
        }
        self.above_soft_limit = None;
        Poll::Ready(Ok(()))
    }

    /// Whether the client is to be cut off.
    pub fn exceeds(&mut self, limit: &OutputLimit) -> bool {
        let above = |bound: u64| bound != 0 && self.pending as u64 > bound;
        if above(limit.hard) {
            return true;
        }
        if !above(limit.soft) {
            self.above_soft_limit = None;
            return false;
        }
        let since = *self.above_soft_limit.get_or_insert_with(Instant::now);
        since.elapsed().as_secs() > limit.soft_seconds
    }
}
