//! Workers: threads with a runtime each, which serve the connections that live with them.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tracing::{debug, info};

use super::balance::{Balance, LONG_TURN, LOOK};
use super::connection::{Connection, Home, end};
use super::local::Local;
use super::stream::Unbound;
use crate::allocator::pages;
use crate::clients::{Class, Client, Courier, Kind, Place, Signal};
use crate::command::Instance;
use crate::command::dispatch::Batch;
use crate::command::instance::unix_millis;
use crate::command::room;
use crate::config::Config;
use crate::keyspace::evict::Evictor;
use crate::keyspace::meanwhile;
use crate::protocol::Span;
use crate::telemetry::{Telemetry, WorkerStats};

/// Bytes that one read may bring.
const READ_BUFFER: usize = 64 << 10;
/// A reply buffer that a giant reply made larger than this is given back.
pub(super) const MAX_KEPT_REPLIES: usize = 1 << 20;
/// How often clients are looked for that are idle, or do not take their replies.
const IDLE_CHECK: Duration = Duration::from_secs(1);

/// A worker that slept for so many nanoseconds of the second between two of these looks has nothing to do.
const IDLE: u64 = 990_000_000;

/// Signals that are taken at once, before connections have their turns again.
const SIGNALS: usize = 256;

/// Connections whose mail is sent at once, likewise.
const MAIL: usize = 64;

/// A worker's stack, in bytes: scripts may call functions and match patterns that go deep.
const STACK: usize = 8 << 20;

/// A connection that was just accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The socket.
    pub stream: Unbound,
    /// Its number, for CLIENT LIST.
    pub descriptor: i32,
    /// How it came in.
    pub kind: Kind,
}

/// A connection on its way from one worker to another, with nothing read and nothing to be sent.
pub struct Moving {
    /// The socket.
    pub stream: Unbound,
    /// The client's state.
    pub client: Client,
    /// Where it should live.
    pub home: Home,
}

/// What comes to a worker.
enum Arrival {
    Accepted(Accepted),
    Moving(Box<Moving>),
}

/// The workers, as the listener and each other see them.
#[derive(Clone)]
pub struct Crew {
    inboxes: Arc<[UnboundedSender<Arrival>]>,
    next: Arc<AtomicUsize>,
    /// How many of them are in use.
    pub balance: Arc<Balance>,
}

impl Crew {
    /// Gives a connection to the next worker in turn, but past those inside a script if there are others: many clients begin
    /// with a HELLO, which is not answered while that goes on.
    pub fn deal(&self, accepted: Accepted, telemetry: &Telemetry) {
        let workers = self.inboxes.len();
        let turn = self.next.fetch_add(1, Relaxed) % workers;
        let mut others = (turn..turn + workers).map(|number| number % workers);
        let free = others.find(|&number| telemetry.workers[number].script().is_none());
        self.send(free.unwrap_or(turn), Arrival::Accepted(accepted));
    }

    fn send(&self, to: usize, arrival: Arrival) {
        // Should it have panicked, the dropped arrival closes its socket.
        let _ = self.inboxes[to].send(arrival);
    }
}

/// Starts a thread for every worker. They end with the process.
pub fn start(instance: &Arc<Instance>) -> io::Result<Crew> {
    let workers = instance.workers;
    let (inboxes, arrivals): (Vec<_>, Vec<_>) = (0..workers).map(|_| unbounded_channel()).unzip();
    let (ways, signals): (Vec<_>, Vec<_>) = (0..workers)
        .map(|number| Courier::to(number, &instance.clients.traffic))
        .unzip();
    let in_use = Arc::clone(&instance.telemetry.workers_in_use);
    let crew = Crew {
        inboxes: inboxes.into(),
        next: Arc::default(),
        balance: Arc::new(Balance::new(workers, in_use)),
    };
    let ways: Arc<[Courier]> = ways.into();
    for (number, (arrivals, signals)) in arrivals.into_iter().zip(signals).enumerate() {
        let instance = Arc::clone(instance);
        let (crew, ways) = (crew.clone(), Arc::clone(&ways));
        let journal = Arc::clone(&instance.journal);
        let (before, after) = (Arc::clone(&crew.balance), Arc::clone(&crew.balance));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || {
                journal.dispatch();
                before.falls_asleep(number);
            })
            .on_thread_unpark(move || after.wakes(number))
            .build()?;
        let work = move || {
            let worker = Worker::new(instance, number, crew, ways, arrivals, signals);
            let tasks = LocalSet::new();
            tasks.block_on(&runtime, Rc::new(worker).run());
        };
        std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .stack_size(STACK)
            .spawn(work)?;
    }
    Ok(crew)
}

/// What the connections of one worker share.
pub struct Worker {
    /// What all workers share.
    pub instance: Arc<Instance>,
    /// Buffers that a connection uses during its turn.
    pub scratch: RefCell<Scratch>,
    evictor: RefCell<Evictor>,
    /// The number by which the others know it.
    pub number: usize,
    /// The others.
    pub crew: Crew,
    ways: Arc<[Courier]>,
    signals: RefCell<UnboundedReceiver<Signal>>,
    arrivals: RefCell<UnboundedReceiver<Arrival>>,
    connections: RefCell<HashMap<u64, Rc<Local>>>,
    /// Idle connections with mail.
    addressed: RefCell<VecDeque<Rc<Local>>>,
    /// Whose turn it is, or was last.
    turn_of: Cell<u64>,
    /// When the others were last looked after while a script was busy.
    pub(super) last_meanwhile: Cell<Instant>,
    now: Cell<u64>,
    /// When it last looked at the balance, likewise.
    looked: Cell<u64>,
    /// A long turn, in raw clock ticks.
    long_turn: u64,
    /// Told when the disk has more of the journal. One task waits for that, and wakes those of the worker that wait with it.
    settled: Notify,
}

/// Buffers that a connection uses during its turn.
pub struct Scratch {
    /// What was just read.
    pub read: Box<[u8]>,
    /// Replies to it.
    pub replies: Vec<u8>,
    /// Where its arguments are.
    pub spans: Vec<Span>,
}

impl Worker {
    fn new(
        instance: Arc<Instance>,
        number: usize,
        crew: Crew,
        ways: Arc<[Courier]>,
        arrivals: UnboundedReceiver<Arrival>,
        signals: UnboundedReceiver<Signal>,
    ) -> Worker {
        let long_turn = instance.telemetry.ticks(LONG_TURN.as_micros() as u64);
        Worker {
            instance,
            scratch: RefCell::new(Scratch {
                read: vec![0; READ_BUFFER].into_boxed_slice(),
                replies: Vec::new(),
                spans: Vec::new(),
            }),
            evictor: RefCell::default(),
            number,
            crew,
            ways,
            signals: RefCell::new(signals),
            arrivals: RefCell::new(arrivals),
            connections: RefCell::default(),
            addressed: RefCell::default(),
            turn_of: Cell::new(0),
            last_meanwhile: Cell::new(Instant::now()),
            now: Cell::new(unix_millis()),
            looked: Cell::default(),
            long_turn,
            settled: Notify::new(),
        }
    }

    /// Serves every connection that arrives, for good.
    async fn run(self: Rc<Worker>) {
        let weak = Rc::downgrade(&self);
        meanwhile::set(move || {
            if let Some(worker) = weak.upgrade() {
                worker.serve_meanwhile();
            }
        });
        let mut idle_check = tokio::time::interval(IDLE_CHECK);
        let mut settled = self.instance.journal.settled();
        let mut slept = 0;
        loop {
            tokio::select! {
                Some(arrival) = poll_fn(|cx| self.arrivals.borrow_mut().poll_recv(cx)) => self.adopt(arrival),
                () = poll_fn(|cx| self.poll_signals(cx)) => tokio::task::yield_now().await,
                Ok(()) = settled.changed() => self.settled.notify_waiters(),
                _ = idle_check.tick() => {
                    self.end_idle();
                    self.wake_unread();
                    let before = std::mem::replace(&mut slept, self.crew.balance.slept(self.number));
                    if slept.saturating_sub(before) >= IDLE {
                        // What it keeps for blocks to come would stay with it.
                        pages::purge();
                    }
                }
                else => return,
            }
        }
    }

    /// Takes the signals that are there, and sends mail; ready when there was any of either.
    fn poll_signals(self: &Rc<Worker>, cx: &mut Context<'_>) -> Poll<()> {
        let mut signals = self.signals.borrow_mut();
        let mut came = Poll::Pending;
        for _ in 0..SIGNALS {
            let Poll::Ready(Some(signal)) = signals.poll_recv(cx) else {
                break;
            };
            self.heed(signal);
            came = Poll::Ready(());
        }
        if self.send_mail() {
            came = Poll::Ready(());
        }
        came
    }

    /// Sends the mail of some connections; answers whether there was any.
    fn send_mail(&self) -> bool {
        let mut addressed = self.addressed.borrow_mut();
        let some = addressed.len().min(MAIL);
        if some == 0 {
            return false;
        }
        let buffer = &mut self.scratch.borrow_mut().replies;
        for connection in addressed.drain(..some) {
            let sent = connection.send_mail(buffer);
            if sent > 0 {
                self.stats().writes.add(1);
                self.stats().bytes_out.add(sent as u64);
            }
        }
        buffer.clear();
        true
    }

    /// Takes all signals that are there, so that what they bring has reached the connections' mail.
    pub fn take_signals(self: &Rc<Worker>) {
        let mut signals = self.signals.borrow_mut();
        while let Ok(signal) = signals.try_recv() {
            self.heed(signal);
        }
    }

    fn heed(self: &Rc<Worker>, signal: Signal) {
        match signal {
            Signal::Kill(id) => {
                if let Some(connection) = self.connection(id) {
                    connection.kill();
                }
            }
            Signal::Deliver { to, letter } => {
                // Counted by this thread alone, a reference costs next to nothing.
                let letter = Rc::new(letter);
                for &id in to.ids() {
                    if let Some(connection) = self.connection(id)
                        && connection.post(Rc::clone(&letter))
                    {
                        let connection = Rc::clone(&connection);
                        self.addressed.borrow_mut().push_back(connection);
                    }
                }
            }
        }
    }

    /// The connection of this id, which may have to be fetched from the inbox first.
    fn connection(self: &Rc<Worker>, id: u64) -> Option<Ref<'_, Rc<Local>>> {
        let find = || Ref::filter_map(self.connections.borrow(), |all| all.get(&id)).ok();
        find().or_else(|| {
            self.adopt_arrivals();
            find()
        })
    }

    /// Adopts the connections that have arrived since.
    pub(super) fn adopt_arrivals(self: &Rc<Worker>) {
        let next = || self.arrivals.borrow_mut().try_recv().ok();
        while let Some(arrival) = next() {
            self.adopt(arrival);
        }
    }

    /// Every connection by its id.
    pub(super) fn connections(&self) -> Ref<'_, HashMap<u64, Rc<Local>>> {
        self.connections.borrow()
    }

    /// The client whose turn it is, or was last.
    pub(super) fn turn_of(&self) -> u64 {
        self.turn_of.get()
    }

    /// Takes note of whose turn it is.
    #[inline]
    pub(super) fn begin_turn(&self, id: u64) {
        self.turn_of.set(id);
    }

    fn adopt(self: &Rc<Worker>, arrival: Arrival) {
        let (stream, client, home) = match arrival {
            Arrival::Accepted(accepted) => {
                let place = Place::at(self.number, &self.ways);
                let clients = &self.instance.clients;
                let descriptor = accepted.descriptor;
                let handle = clients.register(accepted.kind, descriptor, unix_millis(), place);
                let is_open = self.config().security.requirepass.is_empty();
                let client = Client::new(handle, is_open);
                client.publish();
                (accepted.stream, client, Home::new(self.number))
            }
            Arrival::Moving(moving) => {
                let Moving {
                    stream,
                    client,
                    home,
                } = *moving;
                (stream, client, home)
            }
        };
        let stream = match stream.bind() {
            Ok(stream) => stream,
            Err(error) => {
                info!("A connection could not be served: {error}");
                self.bury(client);
                return;
            }
        };
        let local = Rc::new(Local::new(client.handle.descriptor));
        self.connections
            .borrow_mut()
            .insert(client.id, Rc::clone(&local));
        if client.handle.killed.load(SeqCst) {
            // Perhaps while it was on its way.
            local.kill();
        }
        let connection = Connection::new(stream, client, home, local, Rc::clone(self));
        tokio::task::spawn_local(connection.serve());
    }

    /// Ends a client whose socket this thread cannot serve.
    pub fn bury(self: &Rc<Worker>, mut client: Client) {
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move { end(&mut client, &worker).await });
    }

    /// Hands a connection over to another worker.
    pub fn hand_over(&self, moving: Moving, to: usize) {
        let handle = Arc::clone(&moving.client.handle);
        self.crew.send(to, Arrival::Moving(Box::new(moving)));
        handle.place.arrive(to);
    }

    /// Waits until what was written up to a position of the journal may be acknowledged.
    pub async fn until_settled(&self, position: u64) {
        loop {
            let news = self.settled.notified();
            if self.instance.journal.is_settled(position) {
                return;
            }
            news.await;
        }
    }

    /// Forgets a connection that ended.
    pub fn forget(&self, id: u64) {
        self.connections.borrow_mut().remove(&id);
    }

    /// Ends the connections that were silent for longer than `timeout`, but for those that are blocked.
    fn end_idle(&self) {
        let limit = u64::from(self.config().network.timeout) * 1000;
        if limit == 0 {
            return;
        }
        let now = unix_millis();
        for (&id, connection) in self.connections.borrow().iter() {
            let Some(handle) = self.instance.clients.get(id) else {
                continue;
            };
            let silent = now.saturating_sub(handle.last_interaction.load(Relaxed));
            // Who waits, watches or has subscribed has nothing to ask.
            let is_patient = handle.blocked.load(Relaxed)
                || handle.is_monitor.load(Relaxed)
                || handle.account.footprint().class == Class::Pubsub;
            if silent > limit && !is_patient {
                debug!("Closing idle client {id} at {}", handle.kind.peer());
                connection.kill();
            }
        }
    }

    /// Wakes the connections whose replies are not taken: their time may be over.
    fn wake_unread(&self) {
        for connection in self.connections.borrow().values() {
            if connection.has_output.get() {
                connection.wake();
            }
        }
    }

    /// The configuration in force.
    #[inline]
    pub fn config(&self) -> arc_swap::Guard<Arc<Config>> {
        self.instance.config.load()
    }

    /// The counters of this worker.
    #[inline]
    pub fn stats(&self) -> &WorkerStats {
        &self.instance.telemetry.workers[self.number]
    }

    /// When the last batch began, in milliseconds since the epoch.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// Takes note of how many raw clock ticks requests took that were run in one go.
    #[inline]
    pub fn note_turn(&self, ticks: u64) {
        if ticks >= self.long_turn {
            self.crew.balance.note_long_turn();
        }
    }

    #[cold]
    fn look(&self, now: u64, all: bool) {
        self.looked.set(now);
        self.crew.balance.look(self.number, all);
    }

    /// Looks at the clock, once for all requests of one read.
    #[inline]
    pub fn batch(&self) -> Batch<'_> {
        let config = self.config();
        let now = unix_millis();
        self.now.set(now);
        if now.abs_diff(self.looked.get()) >= LOOK.as_millis() as u64 {
            self.look(now, config.network.io_threads_always_active);
        }
        let may_expire = self.instance.pause.mode(now).is_none();
        let moment = room::moment(&config, now, may_expire);
        Batch {
            instance: &self.instance,
            config,
            stats: self.stats(),
            moment,
            time: now,
            tick: self.instance.telemetry.clock.raw(),
            evictor: &self.evictor,
            has_made_room: false,
        }
    }
}
