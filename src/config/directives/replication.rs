//! Directives of primaries and replicas, kept so that existing files load.

use crate::config::compound::Primary;
use crate::config::directive::directives;
use crate::config::value::{INT_MAX, LONG_MAX, OneOf, Secret, Text, YesNo, integer, memory};

const ALONE: &str = "replication is not supported";

directives! {
    /// Primaries and replicas.
    pub struct Replication as replication, "REPLICATION" {
        /// The primary to copy, as host and port.
        replicaof: String = String::new() => Primary, alias("slaveof"), at_start, inert(ALONE);
        /// Password of the primary.
        masterauth: Vec<u8> = Vec::new() => Secret, sensitive, inert(ALONE);
        /// User name at the primary.
        masteruser: String = String::new() => Text, sensitive, inert(ALONE);
        /// Answer while the link to the primary is down.
        replica_serve_stale_data: bool = true => YesNo, alias("slave-serve-stale-data"), inert(ALONE);
        /// Refuse writes on a replica.
        replica_read_only: bool = true => YesNo, alias("slave-read-only"), inert(ALONE);
        /// Send snapshots to replicas without a file.
        repl_diskless_sync: bool = true => YesNo, inert(ALONE);
        /// Seconds to wait for more replicas before that.
        repl_diskless_sync_delay: u32 = 5 => integer(0, INT_MAX), inert(ALONE);
        /// Replicas after which the wait ends.
        repl_diskless_sync_max_replicas: u32 = 0 => integer(0, INT_MAX), inert(ALONE);
        /// Load a snapshot from the primary without a file.
        repl_diskless_load: &'static str = "disabled" => OneOf(&["disabled", "on-empty-db", "swapdb"]),
            inert(ALONE);
        /// Let the kernel delay packets to replicas.
        repl_disable_tcp_nodelay: bool = false => YesNo, inert(ALONE);
        /// Seconds between pings to replicas.
        repl_ping_replica_period: u32 = 10 => integer(1, INT_MAX), alias("repl-ping-slave-period"), inert(ALONE);
        /// Seconds without traffic after which a link is down.
        repl_timeout: u32 = 60 => integer(1, INT_MAX), inert(ALONE);
        /// Bytes of recent writes kept for replicas that come back.
        repl_backlog_size: u64 = 1 << 20 => memory(1, LONG_MAX), inert(ALONE);
        /// Seconds for which they are kept without replicas.
        repl_backlog_ttl: u64 = 3600 => integer(0, i64::MAX), inert(ALONE);
        /// Rank in a failover.
        replica_priority: u32 = 100 => integer(0, INT_MAX), alias("slave-priority"), inert(ALONE);
        /// Show this replica to Sentinel.
        replica_announced: bool = true => YesNo, inert(ALONE);
        /// Address to announce.
        replica_announce_ip: String = String::new() => Text, alias("slave-announce-ip"), inert(ALONE);
        /// Port to announce.
        replica_announce_port: u16 = 0 => integer(0, 65535), alias("slave-announce-port"), inert(ALONE);
        /// Replicas without which writes are refused.
        min_replicas_to_write: u32 = 0 => integer(0, INT_MAX), alias("min-slaves-to-write"), inert(ALONE);
        /// Seconds by which these replicas may lag.
        min_replicas_max_lag: u32 = 10 => integer(0, INT_MAX), alias("min-slaves-max-lag"), inert(ALONE);
        /// Keep a replica from evicting by itself.
        replica_ignore_maxmemory: bool = true => YesNo, alias("slave-ignore-maxmemory"), inert(ALONE);
        /// Empty a replica in the background before it loads.
        replica_lazy_flush: bool = false => YesNo, alias("slave-lazy-flush"), inert(ALONE);
        /// Go on replicating when a replica cannot write to disk.
        replica_ignore_disk_write_errors: bool = false => YesNo, inert(ALONE);
        /// Delete snapshots that were made for replicas only.
        rdb_del_sync_files: bool = false => YesNo, inert(ALONE);
        /// What to do when a replicated command fails.
        propagation_error_behavior: &'static str = "ignore" =>
            OneOf(&["ignore", "panic", "panic-on-replicas"]), inert(ALONE);
    }
}
