//! Up to which size a collection keeps its compact encoding.

use crate::config::directive::directives;
use crate::config::value::{INT_MAX, LONG_MAX, integer, memory};

const NO_STREAMS: &str = "streams are not supported yet";

directives! {
    /// Up to which size a collection keeps its compact encoding.
    pub struct Encoding as encoding, "COMPACT ENCODINGS" {
        /// Fields up to which a hash is one packed buffer.
        hash_max_listpack_entries: usize = 512 => integer(0, i64::MAX),
            alias("hash-max-ziplist-entries");
        /// Bytes of a field or value up to which a hash is one packed buffer.
        hash_max_listpack_value: usize = 64 => memory(0, LONG_MAX),
            alias("hash-max-ziplist-value");
        /// Size of one node of a list: a number of elements, or -1 to -5 for 4, 8, 16, 32 or 64 kb.
        list_max_listpack_size: i32 = -2 => integer(i32::MIN as i64, INT_MAX),
            alias("list-max-ziplist-size");
        /// Nodes at each end of a list that are not compressed. 0 means that none is compressed.
        list_compress_depth: u32 = 0 => integer(0, INT_MAX);
        /// Elements up to which a set of integers is one sorted array.
        set_max_intset_entries: usize = 512 => integer(0, i64::MAX);
        /// Elements up to which a set is one packed buffer.
        set_max_listpack_entries: usize = 128 => integer(0, i64::MAX);
        /// Bytes of an element up to which a set is one packed buffer.
        set_max_listpack_value: usize = 64 => integer(0, i64::MAX);
        /// Elements up to which a sorted set is one packed buffer.
        zset_max_listpack_entries: usize = 128 => integer(0, i64::MAX),
            alias("zset-max-ziplist-entries");
        /// Bytes of an element up to which a sorted set is one packed buffer.
        zset_max_listpack_value: usize = 64 => memory(0, LONG_MAX),
            alias("zset-max-ziplist-value");
        /// Bytes up to which a HyperLogLog keeps its sparse form.
        hll_sparse_max_bytes: usize = 3000 => memory(0, LONG_MAX),
            inert("HyperLogLogs are not supported yet");
        /// Bytes of one node of a stream. 0 means no limit.
        stream_node_max_bytes: usize = 4096 => memory(0, LONG_MAX), inert(NO_STREAMS);
        /// Entries of one node of a stream. 0 means no limit.
        stream_node_max_entries: u64 = 100 => integer(0, i64::MAX), inert(NO_STREAMS);
    }
}
