//! A small blocking client: it sends exactly the bytes that it is given and hands back replies unchanged.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::resp::Value;

/// A reply that takes longer than this fails the test instead of hanging it.
const REPLY_LIMIT: Duration = Duration::from_secs(30);

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One connection to a server.
pub struct Client {
    stream: Stream,
    received: Vec<u8>,
    consumed: usize,
    peer: String,
}

impl Client {
    /// Connects over TCP.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let client = Self::over(Stream::Tcp(stream), address.to_string());
        client.set_reply_limit(REPLY_LIMIT)?;
        Ok(client)
    }

    /// Connects over a unix socket.
    pub fn connect_unix(path: &Path) -> io::Result<Self> {
        let client = Self::over(
            Stream::Unix(UnixStream::connect(path)?),
            path.display().to_string(),
        );
        client.set_reply_limit(REPLY_LIMIT)?;
        Ok(client)
    }

    fn over(stream: Stream, peer: String) -> Self {
        Self {
            stream,
            received: Vec::new(),
            consumed: 0,
            peer,
        }
    }

    /// Fails any read or write that takes longer than `limit`.
    pub fn set_reply_limit(&self, limit: Duration) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream
                .set_read_timeout(Some(limit))
                .and_then(|()| stream.set_write_timeout(Some(limit))),
            Stream::Unix(stream) => stream
                .set_read_timeout(Some(limit))
                .and_then(|()| stream.set_write_timeout(Some(limit))),
        }
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// Ends the sending half: the server sees the end of the stream.
    pub fn finish_writing(&self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        }
    }

    /// Reads some bytes into the buffer; 0 at the end of the stream.
    fn fill(&mut self) -> io::Result<usize> {
        if self.consumed == self.received.len() {
            self.received.clear();
            self.consumed = 0;
        }
        let mut chunk = [0; 64 * 1024];
        let length = loop {
            let read = match &mut self.stream {
                Stream::Tcp(stream) => stream.read(&mut chunk),
                Stream::Unix(stream) => stream.read(&mut chunk),
            };
            // A process that was stopped and goes on finds it so.
            if !matches!(&read, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
                break read?;
            }
        };
        self.received.extend_from_slice(&chunk[..length]);
        Ok(length)
    }

    /// Reads the next reply or push.
    pub fn try_read(&mut self) -> io::Result<Value> {
        loop {
            let parsed = Value::parse(&self.received[self.consumed..])
                .map_err(|error| io::Error::other(error.to_string()))?;
            if let Some((value, length)) = parsed {
                self.consumed += length;
                return Ok(value);
            }
            if self.fill()? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("{} closed the connection", self.peer),
                ));
            }
        }
    }

    /// Reads the next reply or push.
    ///
    /// # Panics
    /// When the connection fails or is closed.
    #[track_caller]
    pub fn read(&mut self) -> Value {
        self.try_read()
            .unwrap_or_else(|error| panic!("no reply from {}: {error}", self.peer))
    }

    /// Everything that the server still sends until it closes the connection.
    pub fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error),
            }
        }
        let rest = self.received.split_off(self.consumed);
        self.received.clear();
        self.consumed = 0;
        Ok(rest)
    }

    /// Sends one command and waits for its reply.
    pub fn try_call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Value> {
        let mut request = Vec::new();
        encode(&mut request, arguments);
        self.write(&request)?;
        self.try_read()
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Panics
    /// When the connection fails or is closed.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Value {
        self.try_call(arguments)
            .unwrap_or_else(|error| panic!("no reply from {}: {error}", self.peer))
    }

    /// Sends a command written as one line of words and waits for its reply.
    #[track_caller]
    pub fn line(&mut self, line: &str) -> Value {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Sends all commands at once, then reads as many replies.
    pub fn try_pipeline<C: AsRef<[Vec<u8>]>>(&mut self, commands: &[C]) -> io::Result<Vec<Value>> {
        let mut request = Vec::new();
        for command in commands {
            encode(&mut request, command.as_ref());
        }
        self.write(&request)?;
        commands.iter().map(|_| self.try_read()).collect()
    }
}

/// Appends one command as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(out: &mut Vec<u8>, arguments: &[A]) {
    write!(out, "*{}\r\n", arguments.len()).expect("a Vec takes all");
    for argument in arguments {
        let argument = argument.as_ref();
        write!(out, "${}\r\n", argument.len()).expect("a Vec takes all");
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}
