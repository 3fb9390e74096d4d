//! What a connection sends: its replies, and what others have for its client. What the socket does not take now waits in its output, and
//! all of it until the disk has what it acknowledges, where that is asked for.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Connection, FLUSH_AT, Worker};
use crate::server::worker::MAX_KEPT_REPLIES;

impl Connection {
    #[inline]
    pub(super) fn send(&mut self, worker: &Worker, replies: &mut Vec<u8>) -> io::Result<()> {
        // Who has a reply may ask another worker, which must already see what the command did to the client.
        self.client.publish();
        self.tell(worker);
        if replies.is_empty() {
            return Ok(());
        }
        if self.is_held || worker.instance.journal.is_unsettled(self.client.written) {
            self.is_held = true;
            self.output.hold(replies);
            return Ok(());
        }
        let sent = self.output.send(&self.stream, replies)?;
        worker.stats().writes.add(1);
        worker.stats().bytes_out.add(sent as u64);
        Ok(())
    }

    /// Sends what others have for the client; answers whether it may go on.
    pub(super) fn deliver(&mut self, worker: &Worker, replies: &mut Vec<u8>) -> bool {
        while self.local.has_mail() {
            self.local.take_mail(replies, FLUSH_AT);
            let sent = self.send(worker, replies);
            shrink(replies);
            if sent.is_err() || !self.settle(worker) {
                return false;
            }
        }
        true
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let flushed = self.output.poll_flush(&mut self.stream, cx, &mut sent);
        self.worker.stats().writes.add(1);
        self.worker.stats().bytes_out.add(sent as u64);
        flushed
    }

    /// Goes on writing what waits; ready when all is written, or nothing more can be or is to be.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let worker = Rc::clone(&self.worker);
        if self.local.is_killed() {
            return Poll::Ready(());
        }
        self.local.park(cx.waker());
        let flushed = self.poll_flush(cx).map(|_| ());
        if self.settle(&worker) {
            flushed
        } else {
            self.local.kill();
            Poll::Ready(())
        }
    }

    /// Waits for something, and sends what others have for the client meanwhile; `None` if the connection is to end.
    async fn attend<T>(&mut self, mut event: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        poll_fn(|cx| {
            if self.poll_mail(cx).is_ready() {
                return Poll::Ready(None);
            }
            event.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Goes on sending what others have for the client; ready when the connection is to end.
    pub(super) fn poll_mail(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let worker = Rc::clone(&self.worker);
        self.local.park(cx.waker());
        let mut goes_on = !self.local.is_killed();
        if goes_on && self.local.has_mail() {
            goes_on = self.deliver(&worker, &mut worker.scratch.borrow_mut().replies);
        }
        if goes_on && !self.output.is_empty() && !self.is_held {
            goes_on = !self.poll_flush(cx).is_ready_err() && self.settle(&worker);
        }
        if goes_on {
            return Poll::Pending;
        }
        self.local.kill();
        Poll::Ready(())
    }

    /// Waits until the disk has what the client wrote, or the client is killed.
    pub(super) async fn wait_for_disk(&mut self) {
        let worker = Rc::clone(&self.worker);
        let settled = pin!(worker.until_settled(self.client.written));
        self.attend(settled).await;
        self.is_held = false;
    }

    /// Waits until what was sent to others has reached them, if that is too much.
    pub(super) async fn wait_for_traffic(&mut self) {
        let worker = Rc::clone(&self.worker);
        let traffic = &worker.instance.clients.traffic;
        if traffic.is_congested() {
            let mut relieved = Box::pin(traffic.relieved());
            self.attend(relieved.as_mut()).await;
        }
    }
}

/// Gives memory back that few replies need.
pub(super) fn shrink(replies: &mut Vec<u8>) {
    if replies.capacity() > MAX_KEPT_REPLIES {
        *replies = Vec::new();
    }
}

pub(super) trait ReadyErr {
    /// Whether the operation ended, and badly.
    fn is_ready_err(&self) -> bool;
}

impl ReadyErr for Poll<io::Result<()>> {
    fn is_ready_err(&self) -> bool {
        matches!(self, Poll::Ready(Err(_)))
    }
}
