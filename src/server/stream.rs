//! A client's socket, TCP or unix.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A client's socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// A client's socket between two threads.
#[derive(Debug)]
pub enum Unbound {
    /// TCP.
    Tcp(std::net::TcpStream),
    /// A unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Unbound {
    /// Gives the socket to the runtime of the calling thread.
    pub fn bind(self) -> io::Result<Stream> {
        match self {
            Unbound::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            Unbound::Unix(stream) => UnixStream::from_std(stream).map(Stream::Unix),
        }
    }
}

impl Stream {
    /// Takes the socket from the runtime of the calling thread.
    pub fn unbind(self) -> io::Result<Unbound> {
        match self {
            Stream::Tcp(stream) => stream.into_std().map(Unbound::Tcp),
            Stream::Unix(stream) => stream.into_std().map(Unbound::Unix),
        }
    }

    /// Reads what is there, or asks to be woken when something is.
    #[inline]
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }

    /// Ready when a read may find something.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => stream.poll_read_ready(cx),
            Stream::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Reads what is there behind `bytes`, as far as its capacity goes, or asks to be woken when something is there.
    pub fn poll_read_onto(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => pin!(stream.read_buf(bytes)).poll(cx),
            Stream::Unix(stream) => pin!(stream.read_buf(bytes)).poll(cx),
        }
    }

    /// Writes what the socket takes, or asks to be woken when it takes more.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Writes what the socket takes now.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_write(bytes),
            Stream::Unix(stream) => stream.try_write(bytes),
        }
    }
}
