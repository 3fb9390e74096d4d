//! Listening sockets: binding them, and letting clients in or turning them away.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};
use tracing::{info, warn};

use super::StartError;
use super::stream::Unbound;
use super::worker::{Accepted, Crew};
use crate::clients::Kind;
use crate::command::Instance;
use crate::config::Config;

/// How long to wait before accepting again when the system is out of descriptors.
const RETRY: Duration = Duration::from_millis(10);

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

const PROTECTED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password \
is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to \
connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode \
sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same \
host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG \
REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis \
configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started \
the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication \
password for the default user. NOTE: You only need to do one of the above things in order for the server to start \
accepting connections from the outside.\r\n";

/// A listening socket.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener, SocketAddr),
    /// A unix socket; its file is removed in the end.
    Unix(UnixListener, SocketFile),
}

/// Tells the log that clients are served by a listener.
pub fn announce(listener: impl fmt::Display) {
    info!("Ready to accept connections {listener}");
}

/// The file of a unix socket.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listener::Tcp(_, address) => write!(f, "tcp {address}"),
            Listener::Unix(_, file) => write!(f, "unix {}", file.0.display()),
        }
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug)]
pub struct TcpAddress {
    /// Where.
    pub address: SocketAddr,
    /// Whether the server starts even where the machine does not have it.
    optional: bool,
}

/// Listens wherever the configuration says.
///
/// # Errors
/// An address that cannot be had, unless it is marked as optional.
pub fn bind(config: &Config) -> Result<Vec<Listener>, StartError> {
    let network = &config.network;
    let failure = |address: &str| {
        let address = address.to_owned();
        move |reason| StartError::Listen { address, reason }
    };
    let mut listeners = Vec::new();
    for address in resolve(config) {
        let (name, address) = address;
        let address = address.map_err(failure(&name))?;
        listeners.extend(bind_tcp([&address], network.tcp_backlog).map_err(failure(&name))?);
    }
    if !network.unixsocket.is_empty() {
        let path = PathBuf::from(&network.unixsocket);
        let listener = bind_unix(path, network.unixsocketperm, network.tcp_backlog);
        listeners.push(listener.map_err(failure(&network.unixsocket))?);
    }
    Ok(listeners)
}

/// The TCP addresses that the configuration names.
///
/// # Errors
/// A host name that is not known.
pub fn tcp_addresses(config: &Config) -> io::Result<Vec<TcpAddress>> {
    resolve(config).map(|(_, address)| address).collect()
}

/// Each address as it is written, and what it means.
fn resolve(config: &Config) -> impl Iterator<Item = (String, io::Result<TcpAddress>)> {
    let port = config.network.port;
    let named = config.network.bind.iter().filter(move |_| port != 0);
    named.map(move |bind| {
        let host = match bind.host.as_str() {
            "*" => "0.0.0.0",
            "::*" => "::",
            host => host,
        };
        let found = (host, port).to_socket_addrs().and_then(|mut found| {
            let none = || io::Error::from(io::ErrorKind::AddrNotAvailable);
            found.next().ok_or_else(none)
        });
        let optional = bind.optional;
        let address = found.map(|address| TcpAddress { address, optional });
        (format!("{host}:{port}"), address)
    })
}

/// Listens on these addresses, but for optional ones that the machine does not have. To be called on the
/// runtime that will accept.
pub fn bind_tcp<'a>(
    addresses: impl IntoIterator<Item = &'a TcpAddress>,
    backlog: u32,
) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for &TcpAddress { address, optional } in addresses {
        match bind_one(address, backlog) {
            Ok(listener) => listeners.push(listener),
            Err(error) if optional && is_missing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(listeners)
}

/// Whether the machine does not have the address or its protocol.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::ENOPROTOOPT | libc::EPROTONOSUPPORT)
    )
}

fn bind_one(address: SocketAddr, backlog: u32) -> io::Result<Listener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.min(i32::MAX as u32) as i32)?;
    Ok(Listener::Tcp(
        TcpListener::from_std(socket.into())?,
        address,
    ))
}

fn bind_unix(path: PathBuf, permissions: u32, backlog: u32) -> io::Result<Listener> {
    // Whatever an earlier run left there; a living server's socket would be lost, as with Redis.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(&path)?)?;
    let file = SocketFile(path);
    if permissions != 0 {
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(permissions))?;
    }
    socket.listen(backlog.min(i32::MAX as u32) as i32)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into())?, file))
}

impl Listener {
    /// The address of a TCP socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(_, address) => Some(*address),
            Listener::Unix(..) => None,
        }
    }

    /// Accepts connections for good, and deals them out to the workers.
    pub async fn accept(self, instance: Arc<Instance>, crew: Crew) {
        loop {
            match self.next(&instance).await {
                Ok(Some(accepted)) => crew.deal(accepted, &instance.telemetry),
                Ok(None) => {}
                Err(error) => {
                    warn!("Accepting client connection: {error}");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// The next client that may come in; `None` for one that was turned away or is gone already.
    async fn next(&self, instance: &Instance) -> io::Result<Option<Accepted>> {
        let accepted = match self {
            Listener::Tcp(listener, _) => {
                let (stream, peer) = listener.accept().await?;
                let Ok(local) = stream.local_addr() else {
                    return Ok(None);
                };
                let keepalive = instance.config.load().network.tcp_keepalive;
                if prepare(&SockRef::from(&stream), keepalive).is_err() {
                    return Ok(None);
                }
                let descriptor = stream.as_raw_fd();
                let stream = Unbound::Tcp(stream.into_std()?);
                Accepted {
                    stream,
                    descriptor,
                    kind: Kind::Tcp { peer, local },
                }
            }
            Listener::Unix(listener, file) => {
                let (stream, _) = listener.accept().await?;
                let descriptor = stream.as_raw_fd();
                let stream = Unbound::Unix(stream.into_std()?);
                Accepted {
                    stream,
                    descriptor,
                    kind: Kind::Unix(file.0.display().to_string()),
                }
            }
        };
        Ok(admit(instance, accepted))
    }
}

/// Answers at once, and finds out about dead peers.
fn prepare(socket: &SockRef<'_>, keepalive: u32) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if keepalive != 0 {
        let seconds = u64::from(keepalive);
        let probe = TcpKeepalive::new()
            .with_time(Duration::from_secs(seconds))
            .with_interval(Duration::from_secs((seconds / 3).max(1)))
            .with_retries(3);
        socket.set_tcp_keepalive(&probe)?;
    }
    Ok(())
}

fn admit(instance: &Instance, accepted: Accepted) -> Option<Accepted> {
    let config = instance.config.load();
    instance.telemetry.connections.fetch_add(1, Relaxed);
    let refusal = if instance.clients.len() >= config.clients.maxclients as usize {
        TOO_MANY
    } else if config.network.protected_mode
        && config.security.requirepass.is_empty()
        && !accepted.kind.is_local()
    {
        PROTECTED
    } else {
        return Some(accepted);
    };
    instance
        .telemetry
        .rejected_connections
        .fetch_add(1, Relaxed);
    // The peer may be gone already; then there is nobody to tell.
    use std::io::Write;
    let _ = match accepted.stream {
        Unbound::Tcp(mut stream) => stream.write(refusal),
        Unbound::Unix(mut stream) => stream.write(refusal),
    };
    None
}
