//! Writing to a client's socket beside its connection.
//!
//! To wake a connection, so that it looks at what there is and sends it, costs a good part of what sending costs, and a wait for the processor if
//! it lives on another thread. So where a connection stands still with nothing to send, others write for it:
//!
//! - between its turns its worker does, with its mail (`server/local.rs`);
//! - while a busy script holds its worker that refuses its requests (`server/meanwhile.rs`);
//! - while its call waits it lends the socket, with the record of that call ([`Waiting`](super::Waiting)), to whoever answers.
//!
//! All know the socket by its number, which stays the socket's: the connection does not end but by a turn, and not before a call
//! that somebody has taken out is answered.

use std::io;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

/// Writes as many of the bytes as the socket takes now, and answers how many these are.
///
/// # Errors
/// When the peer has gone.
pub fn write(descriptor: i32, bytes: &[u8]) -> io::Result<usize> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let mut written = 0;
    while written < bytes.len() {
        match send(descriptor, &bytes[written..], flags) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => written += n,
            Err(Errno::EAGAIN) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(written)
}
