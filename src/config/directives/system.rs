//! Directives about the machine and the process that have no meaning here, kept so that existing files load.

use crate::config::compound::OomScores;
use crate::config::directive::directives;
use crate::config::value::{INT_MAX, LONG_MAX, OneOf, Text, YesNo, integer, memory};

const FOREGROUND: &str =
    "the server runs in the foreground; a service manager or container puts it in the background";
const NO_SYSLOG: &str = "the log goes to standard output or to logfile";
const NO_DEFRAG: &str = "large collections are passed through in slices of a fixed size";
const NO_TITLE: &str = "the title of the process is left alone";
const NO_AFFINITY: &str = "threads run on any core the process may use; taskset restricts them";
const NO_OOM: &str = "the kernel's score of the process is left alone";

directives! {
    /// The machine and the process.
    pub struct System as system, "SYSTEM" {
        /// Run in the background.
        daemonize: bool = false => YesNo, at_start, inert(FOREGROUND);
        /// Tell a supervisor that the server is ready.
        supervised: &'static str = "no" => OneOf(&["upstart", "systemd", "auto", "no"]), at_start,
            inert("no supervisor is told");
        /// Log to the system log.
        syslog_enabled: bool = false => YesNo, at_start, inert(NO_SYSLOG);
        /// Name in the system log.
        syslog_ident: String = "redis".into() => Text, at_start, inert(NO_SYSLOG);
        /// Facility in the system log.
        syslog_facility: &'static str = "local0" => OneOf(&[
            "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
        ]), at_start, inert(NO_SYSLOG);
        /// Log a report when the server crashes.
        crash_log_enabled: bool = true => YesNo, inert("a crash is logged in one line");
        /// Test the memory after a crash.
        crash_memcheck_enabled: bool = true => YesNo, inert("the memory is not tested after a crash");
        /// Exit rather than abort on a failed assertion.
        use_exit_on_panic: bool = false => YesNo, hidden, inert("a failed assertion aborts");
        /// Milliseconds after which a stuck server logs where it is.
        watchdog_period: u32 = 0 => integer(0, INT_MAX), hidden, inert("there is no watchdog");
        /// Show a logo at start.
        always_show_logo: bool = false => YesNo, at_start, inert("there is no logo");
        /// Change the title of the process.
        set_proc_title: bool = true => YesNo, at_start, inert(NO_TITLE);
        /// The title.
        proc_title_template: String = "{title} {listen-addr} {server-mode}".into() => Text, inert(NO_TITLE);
        /// Order of text.
        locale_collate: String = String::new() => Text, inert("text is ordered by its bytes");
        /// Warnings about the machine that do not stop the start.
        ignore_warnings: String = String::new() => Text, inert("no such warning stops the start");
        /// Set the kernel's score of the process.
        oom_score_adj: &'static str = "no" => OneOf(&["no", "yes", "relative", "absolute"]), inert(NO_OOM);
        /// The scores.
        oom_score_adj_values: [i32; 3] = [0, 200, 800] => OomScores, inert(NO_OOM);
        /// Do without transparent huge pages: to clear one when it is needed holds clients up.
        disable_thp: bool = true => YesNo, at_start;
        /// Cores of the threads that serve.
        server_cpulist: String = String::new() => Text, named("server_cpulist"), at_start, inert(NO_AFFINITY);
        /// Cores of the background threads.
        bio_cpulist: String = String::new() => Text, named("bio_cpulist"), at_start, inert(NO_AFFINITY);
        /// Cores on which the log is rewritten.
        aof_rewrite_cpulist: String = String::new() => Text, named("aof_rewrite_cpulist"), at_start,
            inert(NO_AFFINITY);
        /// Cores on which snapshots are taken.
        bgsave_cpulist: String = String::new() => Text, named("bgsave_cpulist"), at_start, inert(NO_AFFINITY);
        /// Let jemalloc free in the background.
        jemalloc_bg_thread: bool = true => YesNo, inert("jemalloc is not the allocator");
        /// Adapt hz to the number of clients.
        dynamic_hz: bool = true => YesNo, inert("background work does not depend on the number of clients");
        /// Move data together in memory.
        activedefrag: bool = true => YesNo;
        /// Wasted bytes from which that starts.
        active_defrag_ignore_bytes: u64 = 100 << 20 => memory(1, LONG_MAX);
        /// Percentage of waste from which it starts.
        active_defrag_threshold_lower: u32 = 10 => integer(0, 1000);
        /// Percentage of waste at which it works hardest.
        active_defrag_threshold_upper: u32 = 20 => integer(0, 1000);
        /// Least percentage of CPU.
        active_defrag_cycle_min: u32 = 1 => integer(1, 99);
        /// Most percentage of CPU.
        active_defrag_cycle_max: u32 = 25 => integer(1, 99);
        /// Fields of a collection that are handled in one step.
        active_defrag_max_scan_fields: u64 = 1000 => integer(1, i64::MAX), inert(NO_DEFRAG);
    }
}
