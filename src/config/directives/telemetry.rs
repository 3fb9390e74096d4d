//! What the server tells about itself and its keys.

use crate::config::compound::{Events, KeyspaceEvents, Percentiles};
use crate::config::directive::directives;
use crate::config::value::{YesNo, integer};

directives! {
    /// What the server tells about itself and its keys.
    pub struct Telemetry as telemetry, "TELEMETRY" {
        /// Microseconds above which a command goes to the slow log. 0 logs all, -1 none.
        slowlog_log_slower_than: i64 = 10_000 => integer(-1, i64::MAX);
        /// Entries that the slow log keeps.
        slowlog_max_len: usize = 128 => integer(0, i64::MAX);
        /// Milliseconds above which an event is a latency spike. 0 watches none.
        latency_monitor_threshold: u64 = 0 => integer(0, i64::MAX);
        /// Keep a histogram of the time each command takes.
        latency_tracking: bool = true => YesNo;
        /// Percentiles of these histograms that INFO shows. "" shows none.
        latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9] => Percentiles;
        /// Which changes of keys are published. "" publishes none; else K, E or both for the channel of the key and
        /// of the event, and some of g $ l s h z t (the types), x (expired), e (evicted), d (modules), m (missed),
        /// n (new), A (all but m and n).
        notify_keyspace_events: KeyspaceEvents = KeyspaceEvents::default() => Events;
    }
}
