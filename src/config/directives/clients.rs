//! What clients may ask of the server, and how much of it.

use crate::config::compound::{OutputBuffers, OutputLimits};
use crate::config::directive::directives;
use crate::config::value::{LONG_MAX, MemoryLimit, MemoryOrPercent, integer, memory};

directives! {
    /// What clients may ask of the server, and how much of it.
    pub struct Clients as clients, "CLIENTS" {
        /// Connections served at once. Those beyond it get an error and are closed.
        maxclients: u32 = 10_000 => integer(1, u32::MAX as i64);
        /// Bytes of one argument that a client may send. At least 1mb.
        proto_max_bulk_len: usize = 512 << 20 => memory(1 << 20, LONG_MAX);
        /// Bytes of requests that may gather for one client before it is disconnected. At least 1mb.
        client_query_buffer_limit: usize = 1 << 30 => memory(1 << 20, LONG_MAX);
        /// Bytes of replies that may wait for a client which does not read them, for each class of clients:
        /// client-output-buffer-limit <normal|replica|pubsub> <hard> <soft> <soft seconds>
        /// The client is disconnected at <hard>, or after <soft seconds> above <soft>. 0 means no limit.
        client_output_buffer_limit: OutputLimits = OutputLimits::default() => OutputBuffers;
        /// Bytes that all clients together may take, or a percentage of maxmemory: the largest are disconnected when it
        /// is reached, but for those that said CLIENT NO-EVICT. At least 128kb; 0 means no limit.
        maxmemory_clients: MemoryLimit = MemoryLimit::Percent(10) => MemoryOrPercent { max: LONG_MAX };
        /// Keys that are remembered for client-side caching. 0 means no limit.
        tracking_table_max_keys: u64 = 1_000_000 => integer(0, i64::MAX);
    }
}
