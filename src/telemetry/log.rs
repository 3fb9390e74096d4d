//! The log: one line per event, in the form that Redis users and their tools know, or as JSON.
//!
//! ```text
//! 4711:M 22 Nov 2026 15:40:02.123 * Ready to accept connections tcp 127.0.0.1:6379
//! ```

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{ChronoLocal, FormatTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogFormat, LogLevel};

/// The least important level that is written; see [`rank`].
static LEVEL: AtomicU8 = AtomicU8::new(0);
/// Whether lines are JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// Starts logging to `file`, or to standard output if that is empty.
pub fn start(level: LogLevel, file: &str, format: LogFormat) {
    set_level(level);
    set_format(format);
    let layer = || {
        let file = file.to_owned();
        let writer = move || LogFile(file.clone());
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(writer)
    };
    let text = layer().event_format(RedisFormat(clock()));
    let json = layer().json().flatten_event(true).with_target(false);
    let wanted = |json| {
        dynamic_filter_fn(move |metadata, _| {
            rank(metadata.level()) >= LEVEL.load(Relaxed) && JSON.load(Relaxed) == json
        })
    };
    let layers = vec![
        text.with_filter(wanted(false)).boxed(),
        json.with_filter(wanted(true)).boxed(),
    ];
    let subscriber = tracing_subscriber::registry().with(layers);
    // A second start, as tests may make, keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Changes what lines look like.
pub fn set_format(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Relaxed);
}

/// Changes the least important level that is written.
pub fn set_level(level: LogLevel) {
    let rank = match level {
        LogLevel::Debug => 0,
        LogLevel::Verbose => 1,
        LogLevel::Notice => 2,
        LogLevel::Warning => 3,
        LogLevel::Nothing => u8::MAX,
    };
    LEVEL.store(rank, Relaxed);
}

/// Redis's four levels over tracing's five.
fn rank(level: &Level) -> u8 {
    match *level {
        Level::TRACE => 0,
        Level::DEBUG => 1,
        Level::INFO => 2,
        Level::WARN | Level::ERROR => 3,
    }
}

fn clock() -> ChronoLocal {
    ChronoLocal::new("%d %b %Y %H:%M:%S%.3f".to_owned())
}

struct RedisFormat(ChronoLocal);

impl<S, N> FormatEvent<S, N> for RedisFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(line, "{}:M ", std::process::id())?;
        self.0.format_time(&mut line)?;
        let mark = ['.', '-', '*', '#'][usize::from(rank(event.metadata().level()))];
        write!(line, " {mark} ")?;
        context.format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}

/// Opens the file for every line, so that it may be moved away and a new one begins.
struct LogFile(String);

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            io::stdout().write(line)
        } else {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.0)?
                .write(line)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.0.is_empty() {
            io::stdout().flush()
        } else {
            Ok(())
        }
    }
}
