//! Traffic: who is connected, what they asked, and how long it took.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Sources, Text, decimals, fields, tame};
use crate::clients::{Class, Handle};
use crate::telemetry::stats::CommandTotals;

pub(super) fn clients(text: &mut Text, sources: &Sources<'_>) {
    let clients = sources.clients.all();
    let held = || clients.iter().map(|client| client.account.footprint());
    let (input, output) = sources.clients.memory.largest_recently();
    fields!(text;
        connected_clients: clients.len(),
        cluster_connections: 0,
        maxclients: sources.config.clients.maxclients,
        client_recent_max_input_buffer: held().map(|held| held.input()).fold(input, usize::max),
        client_recent_max_output_buffer: held().map(|held| held.output).fold(output, usize::max),
        blocked_clients: clients.iter().filter(|client| client.blocked.load(Relaxed)).count(),
        tracking_clients: sources.tracking.trackers(),
        pubsub_clients: held().filter(|held| held.class == Class::Pubsub).count(),
        clients_in_timeout_table: clients.iter().filter(|client| client.has_deadline()).count(),
        total_blocking_keys: sources.keyspace.waitroom.keys(),
        total_blocking_keys_on_nokey: 0,
    );
}

/// What each worker does, as Redis 8 shows it of its threads.
pub(super) fn threads(text: &mut Text, sources: &Sources<'_>) {
    let clients = sources.clients.all();
    let workers = &sources.telemetry.workers[..sources.identity.workers];
    for (number, worker) in workers.iter().enumerate() {
        let lives_there = |client: &&Arc<Handle>| client.place.current().worker() == number;
        let clients = clients.iter().filter(lives_there).count();
        let (reads, writes) = (worker.reads.get(), worker.writes.get());
        text.line(format_args!(
            "io_thread_{number}:clients={clients},reads={reads},writes={writes}"
        ));
    }
}

pub(super) fn stats(text: &mut Text, sources: &Sources<'_>) {
    let telemetry = sources.telemetry;
    let rates = telemetry.rates();
    let expiry = &sources.keyspace.expiry;
    let moves = &sources.keyspace.defragmentation;
    let tracked = sources.tracking.total();
    let reads = telemetry.sum(|worker| &worker.reads);
    let busy: u64 = (0..sources.commands.len())
        .map(|id| telemetry.command(id).micros)
        .sum();
    fields!(text;
        total_connections_received: telemetry.connections.load(Relaxed),
        total_commands_processed: telemetry.sum(|worker| &worker.commands),
        instantaneous_ops_per_sec: rates.commands,
        total_net_input_bytes: telemetry.sum(|worker| &worker.bytes_in),
        total_net_output_bytes: telemetry.sum(|worker| &worker.bytes_out),
        total_net_repl_input_bytes: 0,
        total_net_repl_output_bytes: 0,
        instantaneous_input_kbps: decimals(rates.bytes_in as f64 / 1024.0),
        instantaneous_output_kbps: decimals(rates.bytes_out as f64 / 1024.0),
        instantaneous_input_repl_kbps: decimals(0.0),
        instantaneous_output_repl_kbps: decimals(0.0),
        rejected_connections: telemetry.rejected_connections.load(Relaxed),
        sync_full: 0,
        sync_partial_ok: 0,
        sync_partial_err: 0,
        expired_subkeys: telemetry.sum(|worker| &worker.effects.expired_fields),
        expired_keys: telemetry.sum(|worker| &worker.effects.expired),
        expired_stale_perc: decimals(expiry.stale_percent()),
        expired_time_cap_reached_count: expiry.time_cap_reached(),
        expire_cycle_cpu_milliseconds: expiry.busy().as_millis(),
        evicted_keys: telemetry.sum(|worker| &worker.effects.evicted),
        evicted_clients: sources.clients.memory.evicted(),
        total_eviction_exceeded_time: sources.keyspace.evictions.total().as_millis(),
        current_eviction_exceeded_time: sources.keyspace.evictions.current().as_millis(),
        keyspace_hits: telemetry.sum(|worker| &worker.effects.hits),
        keyspace_misses: telemetry.sum(|worker| &worker.effects.misses),
        pubsub_channels: sources.listened_to[0],
        pubsub_patterns: sources.listened_to[1],
        pubsubshard_channels: sources.listened_to[2],
        latest_fork_usec: 0,
        total_forks: 0,
        migrate_cached_sockets: 0,
        slave_expires_tracked_keys: 0,
        active_defrag_hits: moves.moved.load(Relaxed),
        active_defrag_misses: moves.left.load(Relaxed),
        active_defrag_key_hits: moves.keys.load(Relaxed),
        active_defrag_key_misses: moves.left.load(Relaxed),
        total_active_defrag_time: 0,
        current_active_defrag_time: 0,
        tracking_total_keys: tracked.keys,
        tracking_total_items: tracked.clients,
        tracking_total_prefixes: sources.tracking.prefixes(),
        unexpected_error_replies: 0,
        total_error_replies: telemetry.sum(|worker| &worker.errors),
        dump_payload_sanitizations: 0,
        total_reads_processed: reads,
        total_writes_processed: telemetry.sum(|worker| &worker.writes),
        io_threaded_reads_processed: 0,
        io_threaded_writes_processed: 0,
        client_query_buffer_limit_disconnections: telemetry.sum(|worker| &worker.query_limit_disconnections),
        client_output_buffer_limit_disconnections: telemetry.sum(|worker| &worker.output_limit_disconnections),
        reply_buffer_shrinks: 0,
        reply_buffer_expands: 0,
        // There is no one event loop: a turn of it is a read with the commands that it brought.
        eventloop_cycles: reads,
        eventloop_duration_sum: busy,
        eventloop_duration_cmd_sum: busy,
        instantaneous_eventloop_cycles_per_sec: rates.reads,
        instantaneous_eventloop_duration_usec: busy.checked_div(reads).unwrap_or(0),
        acl_access_denied_auth: telemetry.auth_failures.load(Relaxed),
        acl_access_denied_cmd: 0,
        acl_access_denied_key: 0,
        acl_access_denied_channel: 0,
    );
}

pub(super) fn command_stats(text: &mut Text, sources: &Sources<'_>) {
    for (id, name) in sources.commands.iter().enumerate() {
        let totals = sources.telemetry.command(id);
        if totals == CommandTotals::default() {
            continue;
        }
        let CommandTotals {
            calls,
            micros,
            rejected,
            failed,
        } = totals;
        let each = micros as f64 / calls.max(1) as f64;
        text.field(
            format_args!("cmdstat_{name}"),
            format_args!(
                "calls={calls},usec={micros},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    }
}

pub(super) fn error_stats(text: &mut Text, sources: &Sources<'_>) {
    for (code, count) in sources.telemetry.errors() {
        text.field(
            format_args!("errorstat_{}", tame(&code)),
            format_args!("count={count}"),
        );
    }
}

pub(super) fn latency_stats(text: &mut Text, sources: &Sources<'_>) {
    let directives = &sources.config.telemetry;
    if !directives.latency_tracking {
        return;
    }
    for (id, name) in sources.commands.iter().enumerate() {
        let durations = sources.telemetry.durations(id);
        if durations.total() == 0 {
            continue;
        }
        let mut percentiles = String::new();
        for &percent in &directives.latency_tracking_info_percentiles {
            let nanos = sources.telemetry.nanos(durations.percentile(percent));
            let comma = if percentiles.is_empty() { "" } else { "," };
            write!(
                percentiles,
                "{comma}p{percent}={:.3}",
                nanos as f64 / 1000.0
            )
            .expect("a string takes all");
        }
        text.field(format_args!("latency_percentiles_usec_{name}"), percentiles);
    }
}
