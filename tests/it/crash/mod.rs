//! A server that is killed again and again while clients write, and what it knows when it starts over what it left.
//!
//! A round is a kill: several [writers](writer) write numbered steps, each to keys of its own in one of two databases, and remember
//! which were acknowledged; at a random moment, often in the middle of a rewrite or a save, the server gets SIGKILL. It starts again
//! in the same folder, and each writer's keys must be as after one of its steps: nothing half done, nothing missing in between. How
//! late that step must be is what the modes differ in. Kills leave what the system was given to write, so what is lost is what the
//! server itself still held; under `appendfsync no`, where a power failure may take more, some rounds cut the log's end off as well.
//!
//! - `MINIUM_CRASH_SEED=n` draws the same steps and moments again, though threads will not run as they did;
//! - `MINIUM_CRASH_ROUNDS=n` kills that often, over all tests here, instead of the usual number; tests/crash-long does it 1,000 times.
//!
//! What lay in the folder when a round failed stays in target/tmp.

mod facts;
mod writer;

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, Server, Setup, wait_for};
use writer::Writer;

/// Kills in all tests together.
const ROUNDS: u64 = 50;

const WRITERS: usize = 4;

/// A count of the transactions of all writers of a database.
const SHARED: &str = "shared";

/// Each writer's part of it.
const SHARE: &str = "share";

/// Steps of each writer.
type Floors = [usize; WRITERS];

/// What `appendfsync everysec` may lose.
const TWO_SECONDS: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Always,
    EverySecond,
    No,
    /// No append-only file at all.
    Snapshots,
}

#[test]
fn always_loses_nothing_that_was_acknowledged() {
    play(Mode::Always);
}

#[test]
fn every_second_loses_two_seconds_at_most() {
    play(Mode::EverySecond);
}

#[test]
fn without_fsync_there_are_no_gaps() {
    play(Mode::No);
}

#[test]
fn snapshots_are_of_one_moment() {
    play(Mode::Snapshots);
}

impl Mode {
    fn setup(self) -> Setup {
        let (appendonly, appendfsync) = match self {
            Mode::Always => ("yes", "always"),
            Mode::EverySecond => ("yes", "everysec"),
            Mode::No => ("yes", "no"),
            Mode::Snapshots => ("no", "everysec"),
        };
        Setup::minium()
            .with("appendonly", appendonly)
            .with("appendfsync", appendfsync)
            .with("auto-aof-rewrite-min-size", "4mb")
    }
}

/// What happens in a round.
#[derive(Debug)]
struct Plan {
    /// How long clients write before the command.
    before: Duration,
    /// What is begun before the kill.
    command: Option<&'static str>,
    /// How long before it.
    after: Duration,
    /// The form of a base that is written.
    preamble: &'static str,
    timestamps: &'static str,
    /// Microseconds that each key of a snapshot takes more.
    key_delay: u8,
    /// Whether the log's end is cut off.
    cuts: bool,
}

impl Plan {
    fn draw(mode: Mode, choice: &mut fastrand::Rng) -> Plan {
        let command = match (mode, choice.u8(..5)) {
            (Mode::Snapshots, _) => None,
            (_, 0) => None,
            (_, 1) => Some("BGSAVE"),
            _ => Some("BGREWRITEAOF"),
        };
        let is_long = mode == Mode::EverySecond && choice.u8(..5) == 0;
        let yes_or_no = |choice: &mut fastrand::Rng| if choice.bool() { "yes" } else { "no" };
        Plan {
            before: Duration::from_millis(choice.u64(50..300) + if is_long { 2200 } else { 0 }),
            command,
            after: Duration::from_micros(choice.u64(..60_000)),
            preamble: yes_or_no(choice),
            timestamps: yes_or_no(choice),
            key_delay: if choice.bool() { choice.u8(..30) } else { 0 },
            cuts: mode == Mode::No && choice.bool(),
        }
    }
}

/// What was seen in all rounds.
#[derive(Debug, Default)]
struct Counts {
    acknowledged: usize,
    /// Acknowledged steps that were lost.
    lost: usize,
    /// How long before the kill the earliest of them had been acknowledged, where nothing was cut off.
    longest_lost: Duration,
    /// Kills in the middle of a rewrite or save.
    interrupted: usize,
    cut: usize,
}

fn play(mode: Mode) {
    let seed = from_environment("MINIUM_CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    let all = from_environment("MINIUM_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let rounds = (all + mode as u64) / 4;
    eprintln!("{mode:?}: MINIUM_CRASH_SEED={seed}");
    let mut choice = fastrand::Rng::with_seed(seed);
    let mut server = mode.setup().start();
    let mut writers: Vec<_> = (0..WRITERS).map(|n| Writer::new(n, seed)).collect();
    let mut counts = Counts::default();
    let evidence = Evidence::new(mode);
    for round in 0..rounds {
        let plan = Plan::draw(mode, &mut choice);
        eprintln!("round {round}: {plan:?}");
        let start = Increment::newest(server.dir());
        let (killed, floors) = write_and_kill(mode, &mut server, &mut writers, &plan);
        counts.interrupted += usize::from(remove_temporary(server.dir()));
        evidence.keep(server.dir());
        if plan.cuts {
            counts.cut += 1;
            cut(server.dir(), start.as_ref(), &mut choice);
        }
        server.start_again();
        let mut client = server.connect();
        for (writer, &floor) in writers.iter_mut().zip(&floors) {
            let needed = match mode {
                Mode::Always => writer.acknowledged_by(killed),
                Mode::EverySecond => writer.acknowledged_by(killed - TWO_SECONDS),
                Mode::No => 0,
                Mode::Snapshots => floor,
            };
            look_at(writer, &mut client, needed, killed, plan.cuts, &mut counts);
        }
        look_at_shared(&writers, &mut client);
    }
    if mode != Mode::Snapshots {
        nothing_is_left_over(&server);
    }
    assert!(rounds < 12 || counts.interrupted > 0, "{counts:?}");
    eprintln!("{mode:?}: {rounds} rounds, {counts:?}");
}

/// Has all writers write until the server is killed as planned. When that was, and how many steps of each writer a snapshot that
/// is known to be complete holds at least.
fn write_and_kill(
    mode: Mode,
    server: &mut Server,
    writers: &mut [Writer],
    plan: &Plan,
) -> (Instant, Floors) {
    let address = server.address();
    let progress: [AtomicUsize; WRITERS] = Default::default();
    let acknowledged = || progress.each_ref().map(|count| count.load(SeqCst));
    let mut client = server.connect();
    for (name, value) in [
        ("aof-use-rdb-preamble", plan.preamble),
        ("aof-timestamp-enabled", plan.timestamps),
        ("rdb-key-save-delay", &plan.key_delay.to_string()),
    ] {
        assert!(client.call(&["CONFIG", "SET", name, value]).is_ok());
    }
    thread::scope(|scope| {
        for (writer, progress) in writers.iter_mut().zip(&progress) {
            scope.spawn(move || writer.write(address, progress));
        }
        let operated = panic::catch_unwind(panic::AssertUnwindSafe(|| match mode {
            Mode::Snapshots => save_until(Instant::now() + plan.before, &mut client, acknowledged),
            _ => {
                thread::sleep(plan.before);
                if let Some(command) = plan.command {
                    // One that began by itself may run already.
                    client.line(command);
                }
                thread::sleep(plan.after);
                Floors::default()
            }
        }));
        let killed = Instant::now();
        // Whatever happened: the writers go on until then.
        server.kill();
        let log = server.log();
        assert!(!log.contains("panicked"), "{log}");
        (
            killed,
            operated.unwrap_or_else(|cause| panic::resume_unwind(cause)),
        )
    })
}

/// Saves again and again until the time has come, in the middle of one save or between two. What had been acknowledged when the last
/// one that is complete began.
fn save_until(end: Instant, client: &mut Client, acknowledged: impl Fn() -> Floors) -> Floors {
    let mut floors = Floors::default();
    while Instant::now() < end {
        let before = acknowledged();
        assert!(!client.line("BGSAVE").is_error());
        while is_saving(client) {
            if Instant::now() >= end {
                return floors;
            }
            thread::sleep(Duration::from_millis(1));
        }
        floors = before;
    }
    floors
}

fn is_saving(client: &mut Client) -> bool {
    let info = client.line("INFO persistence").text();
    assert!(info.contains("rdb_last_bgsave_status:ok"), "{info}");
    info.contains("rdb_bgsave_in_progress:1")
}

impl Writer {
    /// How many steps had been acknowledged by then.
    fn acknowledged_by(&self, moment: Instant) -> usize {
        let is_early = |at: Option<Instant>| at.is_some_and(|at| at <= moment);
        (self.steps.iter())
            .take_while(|step| is_early(step.acknowledged))
            .count()
    }
}

/// Compares a writer's keys with its steps, the first of which are `needed`, and goes on from there.
fn look_at(
    writer: &mut Writer,
    client: &mut Client,
    needed: usize,
    killed: Instant,
    was_cut: bool,
    counts: &mut Counts,
) {
    client.line(&format!("SELECT {}", writer.database()));
    let found = facts::read(client, &writer.prefix());
    let changes = writer.steps.iter().map(|step| &step.changes[..]);
    let moment = facts::moment(&writer.facts, changes, &found)
        .unwrap_or_else(|text| panic!("writer {}: {text}", writer.number));
    let acknowledged = (writer.steps.iter())
        .take_while(|step| step.acknowledged.is_some())
        .count();
    assert!(
        moment >= needed,
        "writer {}: {moment} steps are there, {needed} of {acknowledged} acknowledged ones must be",
        writer.number
    );
    counts.acknowledged += acknowledged;
    counts.lost += acknowledged.saturating_sub(moment);
    let first_lost = writer.steps.get(moment).and_then(|step| step.acknowledged);
    if let Some(at) = first_lost
        && !was_cut
    {
        let age = killed.saturating_duration_since(at);
        counts.longest_lost = counts.longest_lost.max(age);
    }
    writer.facts = found;
    writer.steps.clear();
}

/// What the writers of a database count together is the sum of what each counted in the same transactions.
fn look_at_shared(writers: &[Writer], client: &mut Client) {
    for database in 0..2 {
        client.line(&format!("SELECT {database}"));
        let shared = client.call(&["GET", SHARED]);
        let shared = if shared.is_null() {
            "0".to_owned()
        } else {
            shared.text()
        };
        let shares = (writers.iter())
            .filter(|writer| writer.database() == database)
            .filter_map(|writer| writer.facts.get(SHARE));
        let sum: u64 = shares
            .map(|share| share.parse::<u64>().expect("a count"))
            .sum();
        assert_eq!(shared, sum.to_string(), "the count in database {database}");
    }
}

/// After a rewrite the log is a manifest, a base and an increment, whatever was interrupted before.
fn nothing_is_left_over(server: &Server) {
    let mut client = server.connect();
    let mut is_idle = || {
        let info = client.line("INFO persistence").text();
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    };
    wait_for("the end of a rewrite that began by itself", &mut is_idle);
    assert!(!server.connect().line("BGREWRITEAOF").is_error());
    wait_for("the end of the rewrite", &mut is_idle);
    let folder = server.dir().join("appendonlydir");
    let files: Vec<_> = entries(&folder).collect();
    assert_eq!(files.len(), 3, "{files:?}");
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the server");
    entries.map(|entry| entry.expect("an entry").path())
}

/// Removes what a rewrite or a save that was interrupted has left behind; whether there was something.
fn remove_temporary(folder: &Path) -> bool {
    let is_temporary = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("temp-")
    };
    let temporary: Vec<_> = entries(folder).filter(is_temporary).collect();
    for path in &temporary {
        fs::remove_file(path).expect("a file that nobody holds");
    }
    !temporary.is_empty()
}

/// The file that the log grows in.
#[derive(PartialEq, Eq)]
struct Increment {
    path: PathBuf,
    size: u64,
}

impl Increment {
    fn newest(folder: &Path) -> Option<Increment> {
        let folder = folder.join("appendonlydir");
        let manifest = fs::read_to_string(folder.join("appendonly.aof.manifest")).ok()?;
        let line = manifest.lines().rfind(|line| line.ends_with("type i"))?;
        let path = folder.join(line.split(' ').nth(1)?);
        let size = fs::metadata(&path).ok()?.len();
        Some(Increment { path, size })
    }
}

/// Cuts off a part of what was appended since the server started, as a power failure may.
fn cut(folder: &Path, start: Option<&Increment>, choice: &mut fastrand::Rng) {
    let end = Increment::newest(folder).expect("a log");
    let kept = match start {
        Some(start) if start.path == end.path => start.size,
        _ => 0,
    };
    let file = fs::OpenOptions::new().write(true).open(&end.path);
    file.and_then(|file| file.set_len(choice.u64(kept..=end.size)))
        .expect("a file that can be cut");
}

/// A copy of the folder as the kill left it, which stays when the test fails.
struct Evidence(PathBuf);

impl Evidence {
    fn new(mode: Mode) -> Evidence {
        let name = format!("crash-{mode:?}-{}", std::process::id());
        Evidence(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn keep(&self, folder: &Path) {
        self.forget();
        copy(folder, &self.0);
    }

    fn forget(&self) {
        // There may be none yet.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's folder: {}", self.0.display());
        } else {
            self.forget();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder for evidence");
    for path in entries(from) {
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a copy");
        }
    }
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
    )
}
