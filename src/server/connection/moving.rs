//! A connection moves to another worker: between two turns, with nothing read and nothing to be sent, though its call may wait.

use tracing::info;

use super::{Connection, Turn};
use crate::server::worker::Moving;

/// Turns after which a client counts as one that asks again and again. Who only subscribes, or has one question, stays at home, so
/// that such clients are spread over all workers.
const REGULAR: u32 = 64;

/// Where a connection should live.
#[derive(Debug)]
pub struct Home {
    /// The worker that it was dealt to.
    worker: usize,
    turns: u32,
}

impl Home {
    /// Of a connection that was just dealt to the worker of this number.
    pub fn new(worker: usize) -> Home {
        Home { worker, turns: 0 }
    }

    /// Takes note of a turn.
    #[inline]
    pub fn count_turn(&mut self) {
        self.turns = self.turns.saturating_add(1);
    }
}

impl Connection {
    /// The turn that ends its life with this worker, if it should live with another and nothing keeps it.
    #[inline]
    pub(super) fn leave(&self) -> Option<Turn> {
        let to = self.worker.crew.balance.place(self.home.worker);
        let is_to_go = to != self.worker.number
            && self.home.turns >= REGULAR
            && self.input.is_none()
            && self.output.is_empty()
            && !self.local.has_mail();
        (is_to_go && self.client.handle.place.leave()).then_some(Turn::Leaving(to))
    }

    /// Goes to the worker of this number.
    pub(super) fn go(self, to: usize) {
        let Connection {
            stream,
            client,
            home,
            worker,
            ..
        } = self;
        worker.forget(client.id);
        match stream.unbind() {
            Ok(stream) => worker.hand_over(
                Moving {
                    stream,
                    client,
                    home,
                },
                to,
            ),
            Err(error) => {
                info!("A connection could not be handed over: {error}");
                client.handle.place.arrive(worker.number);
                worker.bury(client);
            }
        }
    }
}
