//! Where the server listens, and what the sockets are like.

use crate::config::compound::{Bind, BindAddress};
use crate::config::directive::directives;
use crate::config::value::{INT_MAX, Permissions, Text, YesNo, integer};

directives! {
    /// Where the server listens, and what the sockets are like.
    pub struct Network as network, "NETWORK" {
        /// Addresses to listen on, up to 16. "*" is every IPv4 address, "::*" every IPv6 address.
        /// With a leading "-" the server starts even where the machine does not have that address.
        bind: Vec<BindAddress> = BindAddress::everywhere() => Bind;
        /// Refuse clients from other machines as long as no password is set.
        protected_mode: bool = true => YesNo;
        /// TCP port to listen on. 0 means no TCP.
        port: u16 = 6379 => integer(0, 65535);
        /// Connections that may wait to be accepted. The kernel lowers it to net.core.somaxconn.
        tcp_backlog: u32 = 511 => integer(0, INT_MAX), at_start;
        /// Path of a unix socket to listen on as well. Empty means none.
        unixsocket: String = String::new() => Text, at_start;
        /// Permissions of that socket, in octal. 0 leaves them to the umask.
        unixsocketperm: u32 = 0 => Permissions, at_start;
        /// Close a connection that was idle for this many seconds. 0 means never.
        timeout: u32 = 0 => integer(0, INT_MAX);
        /// Seconds of silence after which the kernel probes whether a peer is alive. 0 means no probes.
        tcp_keepalive: u32 = 300 => integer(0, INT_MAX);
        /// Threads that serve connections, up to 128. 0 means one for each core.
        io_threads: u32 = 0 => integer(0, 128), at_start;
        /// Whether clients are spread over all of them even when fewer have time enough.
        io_threads_always_active: bool = false => YesNo;
        /// Mark on every listening socket, for packet filters.
        socket_mark_id: u32 = 0 => integer(0, u32::MAX as i64), at_start,
            inert("sockets are not marked");
        /// Local address of outgoing connections.
        bind_source_addr: String = String::new() => Text,
            inert("the server opens no connections of its own");
        /// Whether I/O threads read and parse.
        io_threads_do_reads: bool = false => YesNo, at_start,
            inert("every thread reads, parses and runs commands");
    }
}
