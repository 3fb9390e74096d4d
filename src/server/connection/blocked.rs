//! A connection whose call waits, for others or for the end of a pause: it runs nothing else, but goes on reading, so that it hears
//! when the client goes, and goes on sending what others have for it. While there is nothing of either, it lends its socket to whoever
//! serves the call.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::input::Input;
use super::{Connection, Turn, Worker, shrink};
use crate::clients::{Answer, Class, Client, ReplyMode, Until, Waiting};
use crate::command::dispatch::Flow;
use crate::command::instance::unix_millis;
use crate::command::script::kill;
use crate::protocol::Parser;

impl Connection {
    /// Waits until the client's call is answered, its time is over or the client is gone; then goes on with what it has sent
    /// meanwhile.
    pub(super) async fn wait_for_answer(&mut self) -> Turn {
        let worker = Rc::clone(&self.worker);
        let Some(wait) = &mut self.client.wait else {
            return self.run_kept();
        };
        let ticket = wait.ticket;
        let mut over = pin!(is_over(&worker, wait.most, wait.until.take()));
        let mut is_over = false;
        let mut is_lent = false;
        let answer = poll_fn(|cx| {
            is_lent = is_lent && !self.client.handle.take_back(ticket);
            if is_lent {
                // Somebody writes to the socket, or has.
                return self.poll_answer(cx);
            }
            if self.poll_mail(cx).is_ready() || self.poll_ahead(cx).is_ready() {
                return Poll::Ready(None);
            }
            if !is_over && over.as_mut().poll(cx).is_ready() {
                is_over = true;
                if let Some(waiting) = claim(&self.client) {
                    return Poll::Ready(Some(Answer::TimedOut(waiting)));
                }
                // Somebody is about to answer.
            }
            is_lent = self.is_at_rest() && self.client.handle.lend(ticket, cx.waker().clone());
            if is_lent {
                return Poll::Pending;
            }
            self.poll_answer(cx)
        })
        .await;
        match answer {
            Some(answer) => self.resume(&worker, answer),
            None => Turn::Closed,
        }
    }

    /// Waits until clients are no longer paused or this one is gone; then goes on with what it has sent.
    pub(super) async fn wait_for_resume(&mut self) -> Turn {
        let worker = Rc::clone(&self.worker);
        self.client.handle.blocked.store(true, Relaxed);
        let mut resume = pin!(worker.instance.pause.ended(unix_millis));
        let is_gone = poll_fn(|cx| {
            if self.poll_mail(cx).is_ready() || self.poll_ahead(cx).is_ready() {
                return Poll::Ready(true);
            }
            resume.as_mut().poll(cx).map(|()| false)
        })
        .await;
        self.client.handle.blocked.store(false, Relaxed);
        if is_gone {
            return Turn::Closed;
        }
        self.run_kept()
    }

    /// The answer to the client's call, if that waits.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        match &mut self.client.wait {
            Some(wait) => Pin::new(&mut wait.answer).poll(cx).map(Result::ok),
            None => Poll::Ready(None),
        }
    }

    /// Whether there is nothing to send but the answer, and nothing to go on with behind it.
    fn is_at_rest(&self) -> bool {
        self.client.reply_mode == ReplyMode::On
            && self.client.class == Class::Normal
            && self.output.is_empty()
            && self.input.is_none()
            && !self.local.has_mail()
    }

    /// Reads on, for later; ready when the client has gone, or has sent more than it may.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let worker = Rc::clone(&self.worker);
        loop {
            let buffer = &mut worker.scratch.borrow_mut().read;
            let is_first = self.input.is_none();
            let Some(read) = ready!(self.poll_read(cx, &worker, buffer)) else {
                return Poll::Ready(());
            };
            if is_first {
                let input = Input::new(&buffer[..read], Parser::default(), &[], 0);
                self.input = Some(Box::new(input));
            }
            if !self.settle(&worker) {
                return Poll::Ready(());
            }
        }
    }

    /// Sends the answer and runs what came behind the call.
    fn resume(&mut self, worker: &Rc<Worker>, answer: Answer) -> Turn {
        worker.begin_turn(self.client.id);
        self.client.wait = None;
        let scratch = &mut *worker.scratch.borrow_mut();
        let replies = &mut scratch.replies;
        // What was sent to the client before it was answered goes in front.
        worker.take_signals();
        if self.local.has_mail() && !self.deliver(worker, replies) {
            return Turn::Closed;
        }
        let flow = worker.batch().answer(&mut self.client, answer, replies);
        let sent = self.send(worker, replies);
        shrink(replies);
        if sent.is_err() || !self.settle(worker) {
            return Turn::Closed;
        }
        if flow == Flow::Close {
            return Turn::Closing;
        }
        self.handle(worker, scratch, 0)
    }
}

/// Ends the wait of a client that has gone, if it waits.
pub(super) async fn give_up(client: &mut Client, worker: &Worker) {
    let waiting = match claim(client) {
        Some(waiting) => waiting,
        None => {
            let Some(wait) = client.wait.take() else {
                return;
            };
            // Somebody was faster. What it took for the client is lost, as it would be a moment later.
            match wait.answer.await {
                Ok(Answer::TimedOut(waiting) | Answer::GivenUp(waiting)) => waiting,
                _ => return,
            }
        }
    };
    worker.begin_turn(client.id);
    waiting.leave_all(&worker.instance.keyspace);
}

/// Takes a client's call back from those who would answer it, unless one of them has it already.
fn claim(client: &Client) -> Option<Box<Waiting>> {
    let wait = client.wait.as_ref()?;
    client.handle.claim(Some(wait.ticket))
}

/// Waits until a call has waited for as many milliseconds as it may, or something has come about that it waits for and nobody
/// serves it with.
async fn is_over(worker: &Worker, most: Option<u64>, until: Option<Until>) {
    let deadline = most.and_then(|most| Instant::now().checked_add(Duration::from_millis(most)));
    let time = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => pending().await,
        }
    };
    let event = async {
        match until {
            Some(Until::Synced(position)) => worker.instance.journal.until_synced(position).await,
            Some(Until::Settled(runs)) => kill::settled(&worker.instance, &runs).await,
            None => pending().await,
        }
    };
    tokio::select! {
        () = time => {}
        () = event => {}
    }
}
