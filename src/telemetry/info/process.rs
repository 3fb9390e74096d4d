//! The process: which server this is, and what of the machine it uses.

use std::fmt::Display;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Sources, Text, decimals, fields};
use crate::config::Config;
use crate::config::value::Choice;
use crate::telemetry::cpu::{self, Cpu};
use crate::telemetry::memory::{self, Overhead, human};

/// Bits of the access clock, whose unit is a second.
const LRU_CLOCK: u64 = 0xFF_FFFF;

pub(super) fn server(text: &mut Text, sources: &Sources<'_>) {
    let Sources {
        config, identity, ..
    } = sources;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let uptime = identity.uptime.as_secs();
    let executable = std::env::current_exe().unwrap_or_default();
    fields!(text;
        redis_version: crate::REDIS_VERSION,
        minium_version: env!("CARGO_PKG_VERSION"),
        redis_git_sha1: "00000000",
        redis_git_dirty: 0,
        redis_build_id: 0,
        redis_mode: "standalone",
        os: operating_system(),
        arch_bits: usize::BITS,
        monotonic_clock: "POSIX clock_gettime",
        multiplexing_api: "epoll",
        atomicvar_api: "std",
        gcc_version: "0.0.0",
        process_id: std::process::id(),
        process_supervised: "no",
        run_id: identity.run_id,
        tcp_port: config.network.port,
        server_time_usec: now.as_micros(),
        uptime_in_seconds: uptime,
        uptime_in_days: uptime / (24 * 3600),
        hz: config.general.hz,
        configured_hz: config.general.hz,
        lru_clock: now.as_secs() & LRU_CLOCK,
        executable: executable.display(),
        config_file: identity.config_file.map(|path| path.display().to_string()).unwrap_or_default(),
        io_threads_active: u8::from(sources.telemetry.workers_in_use.load(Relaxed) > 1),
    );
    listeners(text, config);
}

/// The name, release and architecture of the system.
fn operating_system() -> String {
    let read = |name| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    format!(
        "{} {} {}",
        read("ostype").trim(),
        read("osrelease").trim(),
        std::env::consts::ARCH
    )
}

fn listeners(text: &mut Text, config: &Config) {
    let network = &config.network;
    if network.port != 0 {
        let addresses = network.bind.iter().map(|address| {
            format!(
                ",bind={}{}",
                if address.optional { "-" } else { "" },
                address.host
            )
        });
        text.field(
            "listener0",
            format_args!(
                "name=tcp{},port={}",
                addresses.collect::<String>(),
                network.port
            ),
        );
    }
    if !network.unixsocket.is_empty() {
        text.field(
            "listener1",
            format_args!("name=unix,bind={}", network.unixsocket),
        );
    }
}

pub(super) fn memory(text: &mut Text, sources: &Sources<'_>) {
    let report = sources.memory();
    let machine = memory::of_machine();
    let limit = memory::limit(sources.config.memory.maxmemory);
    let (kept_free, program) = (report.kept_free(), report.program());
    let (resident, of_allocator) = (report.resident.all, report.resident.anonymous);
    let reclaimer = &sources.keyspace.reclaimer;
    let (states, sources_of_scripts) = (sources.scripts.states(), sources.scripts.memory());
    let functions = sources.functions.memory();
    fields!(text;
        used_memory: report.used,
        used_memory_human: human(report.used),
        used_memory_rss: resident,
        used_memory_rss_human: human(resident),
        used_memory_peak: report.peak,
        used_memory_peak_human: human(report.peak),
        used_memory_peak_perc: percent(report.peak_percent()),
        used_memory_overhead: report.overhead(),
        used_memory_startup: report.startup,
        used_memory_dataset: report.dataset(),
        used_memory_dataset_perc: percent(report.dataset_percent()),
        allocator_allocated: report.used,
        // The allocator does not tell which of its pages are in use.
        allocator_active: of_allocator,
        allocator_resident: of_allocator,
        total_system_memory: machine,
        total_system_memory_human: human(machine),
        used_memory_lua: states,
        used_memory_vm_eval: states,
        used_memory_lua_human: human(states as u64),
        used_memory_scripts_eval: sources_of_scripts,
        number_of_cached_scripts: sources.scripts.len(),
        number_of_functions: sources.functions.functions(),
        number_of_libraries: sources.functions.libraries().len(),
        used_memory_vm_functions: 0,
        used_memory_vm_total: states,
        used_memory_vm_total_human: human(states as u64),
        used_memory_functions: functions,
        used_memory_scripts: sources_of_scripts + functions,
        used_memory_scripts_human: human((sources_of_scripts + functions) as u64),
        maxmemory: limit,
        maxmemory_human: human(limit),
        maxmemory_policy: sources.config.memory.maxmemory_policy.name(),
        allocator_frag_ratio: decimals(kept_free.ratio),
        allocator_frag_bytes: kept_free.bytes,
        allocator_rss_ratio: decimals(Overhead::NONE.ratio),
        allocator_rss_bytes: Overhead::NONE.bytes,
        rss_overhead_ratio: decimals(program.ratio),
        rss_overhead_bytes: program.bytes,
        mem_fragmentation_ratio: decimals(report.fragmentation().ratio),
        mem_fragmentation_bytes: report.fragmentation().bytes,
        mem_not_counted_for_evict: sources.journal.memory().load(Relaxed),
        mem_replication_backlog: 0,
        mem_total_replication_buffers: 0,
        mem_clients_slaves: 0,
        mem_clients_normal: report.clients,
        mem_cluster_links: 0,
        mem_aof_buffer: sources.journal.memory().load(Relaxed),
        mem_allocator: "mimalloc",
        active_defrag_running: u8::from(sources.keyspace.defragmentation.is_running.load(Relaxed)),
        lazyfree_pending_objects: reclaimer.pending(),
        lazyfreed_objects: reclaimer.freed(),
    );
}

fn percent(number: f64) -> impl Display {
    format!("{number:.2}%")
}

pub(super) fn cpu(text: &mut Text, _: &Sources<'_>) {
    let (process, children, main) = (cpu::of_process(), cpu::of_children(), cpu::of_main_thread());
    let mut time = |whose: &str, Cpu { system, user }: Cpu| {
        text.field(format_args!("used_cpu_sys{whose}"), seconds(system));
        text.field(format_args!("used_cpu_user{whose}"), seconds(user));
    };
    time("", process);
    time("_children", children);
    time("_main_thread", main);
}

fn seconds(micros: u64) -> impl Display {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
