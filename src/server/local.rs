//! The part of a connection that its worker reaches: its end, and its mail, which is what others have for its client.
//!
//! A connection sends its mail itself when it has a turn. Between its turns, while nothing else is left to be sent, it is *idle*: then its
//! worker writes the mail to the socket, since to wake thousands of connections for a message takes longer than to write it for them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

use crate::clients::{Letter, socket};

/// Letters of together so many bytes are sent to a connection at once.
const SENT_AT_ONCE: usize = 64 << 10;

/// The part of a connection that its worker reaches.
pub struct Local {
    descriptor: i32,
    killed: Cell<bool>,
    /// Whether replies wait that the client does not take.
    pub has_output: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// What others have for the client, oldest first.
    mail: RefCell<VecDeque<Rc<Letter>>>,
    /// Bytes of the first letter that are sent.
    begun: Cell<usize>,
    /// Whether its worker sends its mail: it is between its turns, and all that was to be sent before is sent.
    is_idle: Cell<bool>,
    /// Whether it takes no more mail, since it is about to end.
    is_closing: Cell<bool>,
}

impl Local {
    /// For a connection with the socket of this number.
    pub fn new(descriptor: i32) -> Local {
        Local {
            descriptor,
            killed: Cell::default(),
            has_output: Cell::default(),
            waker: RefCell::default(),
            mail: RefCell::default(),
            begun: Cell::default(),
            is_idle: Cell::default(),
            is_closing: Cell::default(),
        }
    }

    /// Whether the connection is to end.
    pub fn is_killed(&self) -> bool {
        self.killed.get()
    }

    /// Remembers how to wake the connection.
    #[inline]
    pub fn park(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }

    /// Leaves mail for the client; answers whether it is the first that its worker is to send.
    pub fn post(&self, letter: Rc<Letter>) -> bool {
        if self.is_closing.get() {
            return false;
        }
        let mut mail = self.mail.borrow_mut();
        mail.push_back(letter);
        if self.is_idle.get() {
            return mail.len() == 1;
        }
        drop(mail);
        self.wake();
        false
    }

    /// Lets its worker send its mail, or not any more.
    #[inline]
    pub fn set_idle(&self, is_idle: bool) {
        self.is_idle.set(is_idle);
    }

    /// Sends mail, as the connection itself would, through a buffer; what the socket does not take is left to it. Answers how many bytes
    /// were sent.
    pub fn send_mail(&self, buffer: &mut Vec<u8>) -> usize {
        if !self.is_idle.get() {
            // It has had a turn since, and sends it or has sent it.
            return 0;
        }
        let mut mail = self.mail.borrow_mut();
        let sent = match &*mail.make_contiguous() {
            [] => return 0,
            [letter, others @ ..] if others.is_empty() || letter.len() > SENT_AT_ONCE => {
                socket::write(self.descriptor, letter)
            }
            letters => {
                buffer.clear();
                for letter in letters {
                    if buffer.len() + letter.len() > SENT_AT_ONCE {
                        break;
                    }
                    buffer.extend_from_slice(letter);
                }
                socket::write(self.descriptor, buffer)
            }
        };
        // If the peer has gone, the connection will find out.
        let sent = sent.unwrap_or(0);
        let mut left = sent;
        while let Some(letter) = mail.front()
            && letter.len() <= left
        {
            left -= letter.len();
            mail.pop_front();
        }
        if mail.is_empty() {
            *mail = VecDeque::new();
        } else {
            drop(mail);
            self.begun.set(left);
            self.is_idle.set(false);
            self.wake();
        }
        sent
    }

    /// Takes no more mail.
    pub fn close(&self) {
        self.is_closing.set(true);
        self.mail.take();
    }

    /// Whether there is mail.
    #[inline]
    pub fn has_mail(&self) -> bool {
        !self.mail.borrow().is_empty()
    }

    /// Moves mail behind `replies` until these are `enough` bytes long.
    pub fn take_mail(&self, replies: &mut Vec<u8>, enough: usize) {
        let mut mail = self.mail.borrow_mut();
        while replies.len() < enough
            && let Some(letter) = mail.pop_front()
        {
            replies.extend_from_slice(&letter[self.begun.take()..]);
        }
        if mail.is_empty() {
            // An idle connection owns no buffer.
            *mail = VecDeque::new();
        }
    }

    /// Ends the connection.
    pub fn kill(&self) {
        self.killed.set(true);
        self.wake();
    }

    /// Lets the connection look after itself.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::clients::{Courier, Recipients, Signal};

    fn letter(byte: u8, len: usize) -> Rc<Letter> {
        let (courier, mut inbox) = Courier::to(0, &Arc::default());
        courier.deliver(Recipients::One(1), Bytes::from(vec![byte; len]));
        match inbox.try_recv() {
            Ok(Signal::Deliver { letter, .. }) => Rc::new(letter),
            other => panic!("{other:?} is no letter"),
        }
    }

    #[test]
    fn what_the_worker_does_not_send_the_connection_does() {
        const LENGTHS: [&[usize]; 5] = [
            &[10],
            &[10, 20, 30],
            &[3 << 20],
            &[10, 3 << 20, 10],
            &[20 << 10; 500],
        ];
        for lengths in LENGTHS {
            let (socket, mut peer) = UnixStream::pair().expect("sockets");
            peer.set_nonblocking(true).expect("a socket");
            let local = Local::new(socket.as_raw_fd());
            local.set_idle(true);
            let mut expected = Vec::new();
            for (number, &len) in lengths.iter().enumerate() {
                let letter = letter(number as u8, len);
                expected.extend_from_slice(&letter);
                assert_eq!(local.post(letter), number == 0);
            }
            let sent = local.send_mail(&mut Vec::new());
            let mut received = vec![0; sent];
            peer.read_exact(&mut received).expect("what was sent");
            assert!(peer.read(&mut [0]).is_err(), "no more was sent");
            assert_eq!(local.has_mail(), sent < expected.len());
            // Now it is the connection's, and what comes later goes behind it.
            if local.has_mail() {
                assert!(!local.post(letter(b'x', 10)));
                expected.extend_from_slice(&[b'x'; 10]);
                assert_eq!(local.send_mail(&mut Vec::new()), 0);
                local.take_mail(&mut received, usize::MAX);
            }
            assert!(received == expected, "{lengths:?}");
        }
    }

    #[test]
    fn nothing_is_sent_during_a_turn() {
        let (socket, _peer) = UnixStream::pair().expect("sockets");
        let local = Local::new(socket.as_raw_fd());
        local.set_idle(true);
        assert!(local.post(letter(b'x', 10)));
        local.set_idle(false);
        assert_eq!(local.send_mail(&mut Vec::new()), 0);
        assert!(local.has_mail());
    }
}
