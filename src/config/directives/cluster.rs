//! Directives of Redis Cluster, kept so that existing files load.

use crate::config::directive::directives;
use crate::config::value::{INT_MAX, OneOf, Text, YesNo, integer, memory};

const SINGLE: &str = "cluster mode is not supported: all keys are on this server";

directives! {
    /// Redis Cluster.
    pub struct Cluster as cluster, "CLUSTER" {
        /// Be a node of a cluster.
        cluster_enabled: bool = false => YesNo, at_start, inert(SINGLE);
        /// File of the node's state.
        cluster_config_file: String = "nodes.conf".into() => Text, at_start, inert(SINGLE);
        /// Milliseconds after which a silent node has failed.
        cluster_node_timeout: u64 = 15_000 => integer(0, i64::MAX), inert(SINGLE);
        /// Milliseconds between pings.
        cluster_ping_interval: u64 = 0 => integer(0, i64::MAX), hidden, inert(SINGLE);
        /// Port of the cluster bus.
        cluster_port: u16 = 0 => integer(0, 65535), at_start, inert(SINGLE);
        /// How old the data of a replica may be in a failover.
        cluster_replica_validity_factor: u32 = 10 => integer(0, INT_MAX),
            alias("cluster-slave-validity-factor"), inert(SINGLE);
        /// Replicas that a primary keeps when others migrate.
        cluster_migration_barrier: u32 = 1 => integer(0, INT_MAX), inert(SINGLE);
        /// Let replicas migrate.
        cluster_allow_replica_migration: bool = true => YesNo, inert(SINGLE);
        /// Refuse commands unless all slots are served.
        cluster_require_full_coverage: bool = true => YesNo, inert(SINGLE);
        /// Keep a replica from failing over.
        cluster_replica_no_failover: bool = false => YesNo, alias("cluster-slave-no-failover"), inert(SINGLE);
        /// Allow reads while the cluster is down.
        cluster_allow_reads_when_down: bool = false => YesNo, inert(SINGLE);
        /// Allow sharded channels while the cluster is down.
        cluster_allow_pubsubshard_when_down: bool = true => YesNo, inert(SINGLE);
        /// Bytes that may wait on one link of the cluster.
        cluster_link_sendbuf_limit: u64 = 0 => memory(0, u64::MAX), inert(SINGLE);
        /// Address to announce.
        cluster_announce_ip: String = String::new() => Text, inert(SINGLE);
        /// Host name to announce.
        cluster_announce_hostname: String = String::new() => Text, inert(SINGLE);
        /// Name for people to announce.
        cluster_announce_human_nodename: String = String::new() => Text, inert(SINGLE);
        /// Port to announce.
        cluster_announce_port: u16 = 0 => integer(0, 65535), inert(SINGLE);
        /// TLS port to announce.
        cluster_announce_tls_port: u16 = 0 => integer(0, 65535), inert(SINGLE);
        /// Bus port to announce.
        cluster_announce_bus_port: u16 = 0 => integer(0, 65535), inert(SINGLE);
        /// What clients are told to connect to.
        cluster_preferred_endpoint_type: &'static str = "ip" =>
            OneOf(&["ip", "hostname", "unknown-endpoint"]), inert(SINGLE);
    }
}
