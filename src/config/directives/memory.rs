//! How much memory the data may take, and how it is given back.

use crate::config::directive::directives;
use crate::config::value::{INT_MAX, MemoryLimit, MemoryOrPercent, Named, YesNo, choices, integer};

const LAZY: &str = "what takes long to free is always freed in the background";

choices! {
    /// Which keys make room when `maxmemory` is reached.
    pub enum EvictionPolicy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl",
        AllkeysLru = "allkeys-lru",
        AllkeysLfu = "allkeys-lfu",
        AllkeysRandom = "allkeys-random",
        AllkeysLhd = "allkeys-lhd",
        NoEviction = "noeviction",
    }
}

directives! {
    /// How much memory the data may take, and how it is given back.
    pub struct Memory as memory, "MEMORY" {
        /// Bytes that the data may take, or a percentage of the container's or else the machine's memory. 0 means no limit.
        maxmemory: MemoryLimit = MemoryLimit::Bytes(0) => MemoryOrPercent { max: u64::MAX };
        /// Which keys make room then: volatile-lru, volatile-lfu, volatile-random or volatile-ttl among those
        /// that expire, allkeys-lru, allkeys-lfu or allkeys-random among all; noeviction refuses writes instead. Not in
        /// Redis: allkeys-lhd (least hit density) learns from what is used again which keys earn their memory.
        maxmemory_policy: EvictionPolicy = EvictionPolicy::NoEviction => Named;
        /// Candidates that are compared for each key evicted.
        maxmemory_samples: u32 = 5 => integer(1, INT_MAX);
        /// How long a command may be held up by eviction: 0 is least, 10 is usual, 100 is without limit.
        maxmemory_eviction_tenacity: u32 = 10 => integer(0, 100);
        /// How many hits the access counter of the lfu policies takes to be full: the larger, the more.
        lfu_log_factor: u32 = 10 => integer(0, INT_MAX);
        /// Minutes after which that counter is lowered. 0 means that it never is.
        lfu_decay_time: u32 = 1 => integer(0, INT_MAX);
        /// How hard expired keys are looked for, 1 to 10. More effort takes more CPU and leaves fewer of them.
        active_expire_effort: u32 = 1 => integer(1, 10);
        /// Free evicted values in the background.
        lazyfree_lazy_eviction: bool = true => YesNo, inert(LAZY);
        /// Free expired values in the background.
        lazyfree_lazy_expire: bool = true => YesNo, inert(LAZY);
        /// Free in the background what a command overwrites, as RENAME or SET may.
        lazyfree_lazy_server_del: bool = true => YesNo, inert(LAZY);
        /// Let DEL free in the background, as UNLINK does.
        lazyfree_lazy_user_del: bool = true => YesNo, inert(LAZY);
        /// Let FLUSHALL and FLUSHDB free in the background when they name neither SYNC nor ASYNC.
        lazyfree_lazy_user_flush: bool = true => YesNo;
        /// Rehash in small steps all the time.
        activerehashing: bool = true => YesNo, inert("the table grows by small splits and never rehashes");
    }
}
