//! `minium --healthcheck`: asks the server that the same configuration describes whether it answers.
//!
//! It is the binary's own client because a container image of one file holds no other.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::listener;
use crate::config::Config;

/// How long connecting, asking and answering may take each.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks with a PING. A server that wants a password first is alive as well.
///
/// # Errors
/// When nobody listens, nothing is answered in time, or the answer is another one, such as while data is loaded.
pub fn check(config: &Config) -> io::Result<()> {
    if config.network.port == 0 {
        let stream = UnixStream::connect(&config.network.unixsocket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        return ask(stream);
    }
    let first = listener::tcp_addresses(config)?
        .first()
        .map(|first| first.address);
    let mut address = first.unwrap_or_else(|| ([127, 0, 0, 1], config.network.port).into());
    if address.ip().is_unspecified() {
        let loopback: [SocketAddr; 2] = [
            ([127, 0, 0, 1], address.port()).into(),
            ([0, 0, 0, 0, 0, 0, 0, 1], address.port()).into(),
        ];
        address = loopback[usize::from(address.is_ipv6())];
    }
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    ask(stream)
}

fn ask(mut stream: impl Read + Write) -> io::Result<()> {
    stream.write_all(b"PING\r\n")?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n") && answer.len() < 256 {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    if answer == b"+PONG\r\n" || answer.starts_with(b"-NOAUTH") {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&answer).trim_end().to_owned(),
    ))
}
