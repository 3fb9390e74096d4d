//! One client: bytes in, commands, bytes out.
//!
//! All connections of a worker share its read buffer and its reply buffer, for a turn is synchronous: whatever one read
//! brings is parsed and run, and the replies are written, before another connection has its turn. So an idle
//! connection owns no buffer at all. Only a request that has not arrived whole, and replies that the client
//! does not take, are kept with the connection.

mod blocked;
mod input;
mod limits;
mod moving;
mod sending;

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;
use tokio::io::ReadBuf;
use tracing::debug;

use self::input::Input;
pub use self::limits::{evict_clients, limit_of_all};
pub use self::moving::Home;
use self::sending::{ReadyErr, shrink};
use super::local::Local;
use super::output::Output;
use super::stream::Stream;
use super::worker::{Scratch, Worker};
use crate::clients::{Client, Footprint};
use crate::command::dispatch::{Batch, Flow, GROUP, Prepared};
use crate::protocol::{
    Limits, OwnedRequest, Parser, ProtocolError, Reply, Request, Span, Step, inline,
};

/// Replies are written when so many bytes have gathered, before further requests of the same read run.
const FLUSH_AT: usize = 64 << 10;

/// One client.
pub struct Connection {
    stream: Stream,
    client: Client,
    input: Option<Box<Input>>,
    output: Output,
    /// What the others think that it holds.
    shown: Footprint,
    /// Whether its replies are limited as they are written, before any of them is sent.
    has_hard_limit: bool,
    /// Whether its replies are kept until the disk has what they acknowledge.
    is_held: bool,
    /// Whether it was seen not to take replies that it waits to get rid of requests for.
    is_deaf: bool,
    home: Home,
    local: Rc<Local>,
    worker: Rc<Worker>,
}

/// How a turn ended.
enum Turn {
    /// There may be more to read.
    Done,
    /// The next request has to wait until clients are no longer paused.
    Postponed,
    /// The last request waits to be answered.
    Blocked,
    /// The client has to take replies before it is served further.
    Backlogged,
    /// Replies are to be flushed, then the connection closed.
    Closing,
    /// The connection goes on with the worker of this number.
    Leaving(usize),
    /// The connection is over.
    Closed,
}

impl Connection {
    /// A connection that has just come to its worker.
    pub fn new(
        stream: Stream,
        client: Client,
        home: Home,
        local: Rc<Local>,
        worker: Rc<Worker>,
    ) -> Connection {
        Connection {
            stream,
            client,
            input: None,
            output: Output::default(),
            shown: Footprint::default(),
            has_hard_limit: false,
            is_held: false,
            is_deaf: false,
            home,
            local,
            worker,
        }
    }

    /// Serves the client until one side ends it, or it goes on elsewhere.
    pub async fn serve(mut self) {
        let mut turn = if !self.settle(&Rc::clone(&self.worker)) {
            Turn::Closed
        } else if self.client.wait.is_some() {
            Turn::Blocked
        } else {
            Turn::Done
        };
        loop {
            if self.is_held && !matches!(turn, Turn::Closed) {
                self.wait_for_disk().await;
            }
            if std::mem::take(&mut self.client.has_published) {
                self.wait_for_traffic().await;
            }
            turn = match turn {
                Turn::Done => poll_fn(|cx| self.poll_turn(cx)).await,
                Turn::Postponed => self.wait_for_resume().await,
                Turn::Blocked => match self.leave() {
                    Some(leaving) => leaving,
                    None => self.wait_for_answer().await,
                },
                Turn::Backlogged => {
                    self.wait_for_reader().await;
                    self.run_kept()
                }
                Turn::Closing => {
                    self.local.close();
                    poll_fn(|cx| self.poll_drain(cx)).await;
                    Turn::Closed
                }
                Turn::Leaving(to) => return self.go(to),
                Turn::Closed => break,
            }
        }
        end(&mut self.client, &self.worker).await;
    }

    /// One turn: sends what has come from elsewhere, flushes what waits, reads what is there and runs it.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        self.local.set_idle(false);
        if self.local.is_killed() {
            return Poll::Ready(Turn::Closed);
        }
        let worker = Rc::clone(&self.worker);
        if self.local.has_mail() {
            if !self.deliver(&worker, &mut worker.scratch.borrow_mut().replies) {
                return Poll::Ready(Turn::Closed);
            }
            if self.is_held {
                return Poll::Ready(Turn::Done);
            }
        }
        if !self.output.is_empty() && (self.poll_flush(cx).is_ready_err() || !self.settle(&worker))
        {
            return Poll::Ready(Turn::Closed);
        }
        let scratch = &mut *worker.scratch.borrow_mut();
        let read = match self.poll_read(cx, &worker, &mut scratch.read) {
            Poll::Pending => {
                // Room may have been made in vain.
                if self.input.is_some() && !self.settle(&worker) {
                    return Poll::Ready(Turn::Closed);
                }
                if let Some(turn) = self.leave() {
                    return Poll::Ready(turn);
                }
                self.local.set_idle(self.output.is_empty());
                self.local.park(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(None) => return Poll::Ready(Turn::Closed),
            Poll::Ready(Some(read)) => read,
        };
        // What others had for the client before they were answered goes in front of what it asked since, or it could take an answer for
        // newer than what contradicts it.
        worker.take_signals();
        if self.local.has_mail() && !self.deliver(&worker, &mut scratch.replies) {
            return Poll::Ready(Turn::Closed);
        }
        Poll::Ready(self.handle(&worker, scratch, read))
    }

    /// Reads what is there, behind what is kept of a request, if something is; answers how much that was, and nothing if the
    /// client has gone.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        buffer: &mut [u8],
    ) -> Poll<Option<usize>> {
        let read = match &mut self.input {
            Some(input) if input.is_large() => poll_onto(&mut self.stream, cx, input),
            input => {
                let read = poll_into(&mut self.stream, cx, buffer);
                if let (Poll::Ready(Ok(read)), Some(input)) = (&read, input) {
                    input.append(&buffer[..*read]);
                }
                read
            }
        };
        let read = ready!(read).ok().filter(|&read| read > 0);
        if let Some(read) = read {
            worker.stats().reads.add(1);
            worker.stats().bytes_in.add(read as u64);
        }
        Poll::Ready(read)
    }

    /// Runs the requests in the input, or in the first `read` bytes of the worker's buffer.
    fn handle(&mut self, worker: &Worker, scratch: &mut Scratch, read: usize) -> Turn {
        worker.begin_turn(self.client.id);
        self.home.count_turn();
        // What has come may be too much, though it will not be there any more when it has run.
        if self.input.is_some() && !self.settle(worker) {
            return Turn::Closed;
        }
        let Scratch {
            read: buffer,
            replies,
            spans,
        } = scratch;
        let served = match self.input.take() {
            None => {
                spans.clear();
                let mut parser = Parser::default();
                let bytes = &buffer[..read];
                let (used, served) = self.serve_bytes(worker, bytes, &mut parser, spans, replies);
                if used < read {
                    let input = Input::new(&bytes[used..], parser, spans, served.missing());
                    self.input = Some(Box::new(input));
                }
                served
            }
            Some(mut input) => {
                let Input {
                    bytes,
                    parser,
                    spans,
                    ..
                } = &mut *input;
                let (used, served) = self.serve_bytes(worker, bytes, parser, spans, replies);
                if used < bytes.len() {
                    input.advance(used, served.missing());
                    self.input = Some(input);
                }
                served
            }
        };
        if replies.len() > self.client.reply_room {
            let length = std::mem::take(replies).len();
            self.overflow(worker, length);
            return Turn::Closed;
        }
        let sent = self.send(worker, replies);
        shrink(replies);
        let handle = &self.client.handle;
        handle.last_interaction.store(worker.now(), Relaxed);
        if sent.is_err() || !self.settle(worker) {
            return Turn::Closed;
        }
        match served {
            Served::Close => Turn::Closing,
            Served::Postponed => Turn::Postponed,
            Served::Blocked => Turn::Blocked,
            Served::Backlogged => Turn::Backlogged,
            Served::All(_) if self.is_backlogged(worker) => Turn::Backlogged,
            Served::All(_) => Turn::Done,
        }
    }

    /// Runs the whole requests in `bytes`; answers how many bytes they took. `parser` and `spans` hold the
    /// progress inside the first request, and afterwards that inside the one which is not whole.
    fn serve_bytes(
        &mut self,
        worker: &Worker,
        bytes: &[u8],
        parser: &mut Parser,
        spans: &mut Vec<Span>,
        replies: &mut Vec<u8>,
    ) -> (usize, Served) {
        let mut batch = worker.batch();
        let began = batch.tick;
        let served = self.serve_batch(worker, &mut batch, bytes, parser, spans, replies);
        worker.note_turn(batch.tick.wrapping_sub(began));
        served
    }

    fn serve_batch(
        &mut self,
        worker: &Worker,
        batch: &mut Batch<'_>,
        bytes: &[u8],
        parser: &mut Parser,
        spans: &mut Vec<Span>,
        replies: &mut Vec<u8>,
    ) -> (usize, Served) {
        self.measure_room(worker, &batch.config);
        let effects = &batch.stats.effects;
        effects.invalidations.act_for(self.client.id);
        let mut at = 0;
        loop {
            let mut group: SmallVec<[Place; GROUP]> = SmallVec::new();
            let mut next = at;
            let mut first_span = 0;
            // What a client may send depends on AUTH, so until then each request is seen off before the next is read.
            let limits = Limits {
                max_bulk: batch.config.clients.proto_max_bulk_len,
                authenticated: self.client.authenticated,
            };
            let most = if self.client.authenticated { GROUP } else { 1 };
            let stop = loop {
                if group.len() == most {
                    break Stop::Full;
                }
                match parser.step(&bytes[next..], spans, &limits) {
                    Ok(Step::Ready { end }) => {
                        group.push(Place {
                            start: next,
                            end: next + end,
                            first_span,
                            end_span: spans.len(),
                        });
                        first_span = spans.len();
                        next += end;
                    }
                    Ok(Step::Inline { end }) => break Stop::Inline(next, next + end),
                    Ok(Step::Empty { end }) => next += end,
                    Ok(Step::NeedMore { at_least }) => break Stop::NeedMore(at_least),
                    Err(error) => break Stop::Malformed(error),
                }
            };
            if let Some((flow, at)) = self.run_group(batch, bytes, &group, spans, replies) {
                let served = match flow {
                    Flow::Next | Flow::Overtaking | Flow::Close => {
                        return (bytes.len(), Served::Close);
                    }
                    Flow::Postponed => Served::Postponed,
                    Flow::Blocked => Served::Blocked,
                };
                *parser = Parser::default();
                spans.clear();
                return (at, served);
            }
            spans.drain(..first_span);
            at = next;
            match stop {
                Stop::Full => {}
                Stop::NeedMore(missing) => return (at, Served::All(missing)),
                Stop::Malformed(error) => {
                    self.refuse(error, replies);
                    return (bytes.len(), Served::Close);
                }
                Stop::Inline(start, end) => {
                    match self.run_inline(batch, &bytes[start..end], replies) {
                        Flow::Next | Flow::Overtaking => at = end,
                        Flow::Postponed => return (start, Served::Postponed),
                        Flow::Blocked => return (end, Served::Blocked),
                        Flow::Close => return (bytes.len(), Served::Close),
                    }
                }
            }
            // Under a limit, what one read brings counts as one.
            if replies.len() >= FLUSH_AT && !self.has_hard_limit {
                if self.send(worker, replies).is_err() || !self.settle(worker) {
                    return (bytes.len(), Served::Close);
                }
                if self.is_backlogged(worker) {
                    return (at, Served::Backlogged);
                }
                self.measure_room(worker, &batch.config);
            }
        }
    }

    /// Runs a group; answers how it was left before its end, and where to go on.
    fn run_group(
        &mut self,
        batch: &mut Batch<'_>,
        bytes: &[u8],
        group: &[Place],
        spans: &[Span],
        replies: &mut Vec<u8>,
    ) -> Option<(Flow, usize)> {
        let prepared: SmallVec<[Prepared<'_>; GROUP]> = group
            .iter()
            .map(|place| {
                let spans = &spans[place.first_span..place.end_span];
                batch.prepare(Request::new(&bytes[place.start..place.end], spans))
            })
            .collect();
        if prepared.len() > 1 {
            batch.prefetch(&self.client, &prepared);
        }
        for (prepared, place) in prepared.iter().zip(group) {
            let start = replies.len();
            match batch.run(&mut self.client, prepared, replies) {
                Flow::Next => {}
                Flow::Blocked => return Some((Flow::Blocked, place.end)),
                Flow::Overtaking => self.collect_mail(start, replies),
                flow => return Some((flow, place.start)),
            }
        }
        None
    }

    #[cold]
    fn run_inline(&mut self, batch: &mut Batch<'_>, line: &[u8], replies: &mut Vec<u8>) -> Flow {
        let Some(words) = inline::split(line) else {
            self.refuse(ProtocolError::UnbalancedQuotes, replies);
            return Flow::Close;
        };
        if words.is_empty() {
            return Flow::Next;
        }
        let request: OwnedRequest = words.into_iter().collect();
        let batch = &mut *batch;
        let mut inner = Batch {
            config: batch.instance.config.load(),
            ..*batch
        };
        let prepared = inner.prepare(request.as_request());
        let start = replies.len();
        let flow = inner.run(&mut self.client, &prepared, replies);
        batch.tick = inner.tick;
        batch.config = inner.config;
        if flow == Flow::Overtaking {
            self.collect_mail(start, replies);
            return Flow::Next;
        }
        flow
    }

    /// Puts everything that was sent to the client in front of the reply that begins at `start`.
    #[cold]
    fn collect_mail(&mut self, start: usize, replies: &mut Vec<u8>) {
        self.client.is_overtaking = false;
        self.worker.take_signals();
        let reply = replies.split_off(start);
        self.local.take_mail(replies, usize::MAX);
        replies.extend_from_slice(&reply);
    }

    #[cold]
    fn refuse(&self, error: ProtocolError, replies: &mut Vec<u8>) {
        debug!(
            "Protocol error ({error}) from client {} at {}",
            self.client.id,
            self.client.handle.kind.peer()
        );
        error.write(&mut Reply::new(replies, self.client.version));
    }

    /// Runs the requests that had to wait.
    fn run_kept(&mut self) -> Turn {
        if self.local.is_killed() {
            return Turn::Closed;
        }
        let worker = Rc::clone(&self.worker);
        self.handle(&worker, &mut worker.scratch.borrow_mut(), 0)
    }
}

/// Takes back whatever a client that is gone has left with others.
pub async fn end(client: &mut Client, worker: &Worker) {
    let instance = &worker.instance;
    blocked::give_up(client, worker).await;
    worker.begin_turn(client.id);
    instance.pubsub.leave(client);
    client.unwatch(&instance.keyspace);
    instance.tracking.stop(client);
    if client.is_monitor {
        instance.monitors.remove(&client.handle);
    }
    instance.clients.unregister(&client.handle);
    worker.forget(client.id);
}

/// What became of the bytes of one read.
enum Served {
    /// All whole requests ran; so many bytes of the next are missing at least.
    All(usize),
    /// A request has to wait.
    Postponed,
    /// A request waits to be answered.
    Blocked,
    /// A request has to wait until the client has taken replies.
    Backlogged,
    /// The connection is to end.
    Close,
}

impl Served {
    fn missing(&self) -> usize {
        match self {
            Served::All(missing) => *missing,
            Served::Postponed | Served::Blocked | Served::Backlogged | Served::Close => 0,
        }
    }
}

/// A whole request in a buffer.
struct Place {
    start: usize,
    end: usize,
    first_span: usize,
    end_span: usize,
}

/// Why a group ends.
enum Stop {
    Full,
    Inline(usize, usize),
    NeedMore(usize),
    Malformed(ProtocolError),
}

/// Reads into a buffer that others use after.
#[inline]
fn poll_into(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    stream
        .poll_read(cx, &mut buffer)
        .map_ok(|()| buffer.filled().len())
}

/// Reads behind what is there of a request. Room is made when something is there to read, and not before.
fn poll_onto(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    input: &mut Input,
) -> Poll<io::Result<usize>> {
    ready!(stream.poll_read_ready(cx))?;
    stream.poll_read_onto(cx, input.room())
}
