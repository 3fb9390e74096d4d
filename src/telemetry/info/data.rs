//! The data: how many keys there are, and where else they are kept.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Sources, Text, decimals, fields};
use crate::persistence::aof::journal::Journal;

pub(super) fn persistence(text: &mut Text, sources: &Sources<'_>) {
    let changes = sources.telemetry.sum(|worker| &worker.effects.dirty);
    let rdb = sources.saver.report();
    let progress = rdb.keys_saved as f64 * 100.0 / rdb.keys.max(1) as f64;
    fields!(text;
        loading: u8::from(sources.loading.is_active()),
        async_loading: 0,
        current_cow_peak: 0,
        // What a snapshot keeps of former states; Redis has copies of pages there.
        current_cow_size: sources.keyspace.snapshots.held_bytes(),
        current_cow_size_age: 0,
        current_fork_perc: decimals(progress),
        current_save_keys_processed: rdb.keys_saved,
        current_save_keys_total: rdb.keys,
        rdb_changes_since_last_save: changes.saturating_sub(rdb.changes_saved),
        rdb_bgsave_in_progress: u8::from(rdb.since.is_some()),
        rdb_last_save_time: rdb.last_save,
        rdb_last_bgsave_status: if rdb.is_ok { "ok" } else { "err" },
        rdb_last_bgsave_time_sec: seconds(rdb.last_duration),
        rdb_current_bgsave_time_sec: seconds(rdb.since.map(|since| since.elapsed())),
        rdb_saves: rdb.begun,
        rdb_last_cow_size: 0,
        rdb_last_load_keys_expired: sources.loading.keys_expired(),
        rdb_last_load_keys_loaded: sources.loading.keys_loaded(),
    );
    append_only_file(text, sources.journal);
    fields!(text;
        module_fork_in_progress: 0,
        module_fork_last_cow_size: 0,
    );
    let status = &sources.journal.status;
    if sources.config.persistence.appendonly {
        fields!(text;
            aof_current_size: status.size.load(Relaxed),
            aof_base_size: status.base_size.load(Relaxed),
            aof_pending_rewrite: u8::from(status.rewrite_scheduled.load(Relaxed)),
            aof_buffer_length: sources.journal.waiting(),
            aof_pending_bio_fsync: u8::from(status.fsync_pending.load(Relaxed)),
            aof_delayed_fsync: status.delayed_fsyncs.load(Relaxed),
        );
    }
    let loading = sources.loading;
    if loading.is_active() {
        fields!(text;
            loading_start_time: loading.started(),
            loading_total_bytes: loading.total(),
            loading_rdb_used_mem: loading.used_memory(),
            loading_loaded_bytes: loading.loaded(),
            loading_loaded_perc: decimals(loading.percent()),
            loading_eta_seconds: loading.seconds_left(),
        );
    }
}

fn append_only_file(text: &mut Text, journal: &Journal) {
    let status = &journal.status;
    let is_on = journal.is_on() || status.awaits_base.load(Relaxed);
    let word = |is_well| if is_well { "ok" } else { "err" };
    let began = status.rewrite_began.load(Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs() as i64);
    fields!(text;
        aof_enabled: u8::from(is_on),
        aof_rewrite_in_progress: u8::from(began >= 0),
        aof_rewrite_scheduled: u8::from(status.rewrite_scheduled.load(Relaxed)),
        aof_last_rewrite_time_sec: status.last_rewrite_took.load(Relaxed),
        aof_current_rewrite_time_sec: if began < 0 { -1 } else { now - began },
        aof_last_bgrewrite_status: word(!status.rewrite_failed.load(Relaxed)),
        aof_rewrites: status.rewrites.load(Relaxed),
        aof_rewrites_consecutive_failures: status.rewrite_failures.load(Relaxed),
        aof_last_write_status: word(status.failure().is_none()),
        aof_last_cow_size: 0,
    );
}

/// Whole seconds, or -1.
fn seconds(duration: Option<Duration>) -> i64 {
    duration.map_or(-1, |duration| duration.as_secs().cast_signed())
}

pub(super) fn replication(text: &mut Text, sources: &Sources<'_>) {
    const NO_ID: &str = "0000000000000000000000000000000000000000";
    fields!(text;
        role: "master",
        connected_slaves: 0,
        master_failover_state: "no-failover",
        master_replid: sources.identity.replication_id,
        master_replid2: NO_ID,
        master_repl_offset: 0,
        second_repl_offset: -1,
        repl_backlog_active: 0,
        repl_backlog_size: sources.config.replication.repl_backlog_size,
        repl_backlog_first_byte_offset: 0,
        repl_backlog_histlen: 0,
    );
}

pub(super) fn cluster(text: &mut Text, _: &Sources<'_>) {
    fields!(text; cluster_enabled: 0);
}

pub(super) fn keyspace(text: &mut Text, sources: &Sources<'_>) {
    for (database, counts) in sources
        .databases
        .iter()
        .enumerate()
        .filter(|(_, counts)| counts.keys > 0)
    {
        let average = if counts.expires > 0 {
            sources.keyspace.expiry.average_ttl(database)
        } else {
            0
        };
        // Redis has this since 7.4 and always. Readers made for the version that we tell expect three numbers, and get
        // no more as long as nobody gives a deadline to a field.
        let fields = match counts.fields_expire {
            0 => String::new(),
            keys => format!(",subexpiry={keys}"),
        };
        text.field(
            format_args!("db{database}"),
            format_args!(
                "keys={},expires={},avg_ttl={average}{fields}",
                counts.keys, counts.expires
            ),
        );
    }
}
