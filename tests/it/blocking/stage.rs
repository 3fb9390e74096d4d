//! Several connections of one server on which commands are said one after the other, so that who waits and who is served is
//! the same every time.

use std::time::Duration;

use crate::support::{Client, Server, Value, client::encode, wait_for};

/// A connection whose replies may be long in coming.
struct Actor {
    client: Client,
    id: i64,
    /// Replies that have not come.
    pending: usize,
}

/// The connections of one server.
pub struct Stage {
    actors: Vec<Actor>,
    prompter: Client,
}

impl Stage {
    /// So many connections, and one more that looks at them.
    pub fn new(server: &Server, actors: usize) -> Stage {
        let actor = || {
            let mut client = server.connect();
            let id = client.line("CLIENT ID").int();
            let soon = client.set_reply_limit(Duration::from_millis(1));
            soon.expect("a socket");
            Actor {
                client,
                id,
                pending: 0,
            }
        };
        let mut prompter = server.connect();
        prompter.line("FLUSHALL");
        Stage {
            actors: (0..actors).map(|_| actor()).collect(),
            prompter,
        }
    }

    /// Whether a connection waits.
    pub fn is_waiting(&self, actor: usize) -> bool {
        self.actors[actor].pending > 0
    }

    /// The id of a connection.
    pub fn id(&self, actor: usize) -> i64 {
        self.actors[actor].id
    }

    /// A connection says commands, separated by `;`; answers what came of them at once, from whom. Whoever is left without a
    /// reply is blocked.
    #[track_caller]
    pub fn say(&mut self, actor: usize, commands: &str) -> Vec<(usize, Value)> {
        let mut request = Vec::new();
        let mut count = 0;
        for command in commands.split(';') {
            encode(
                &mut request,
                &command.split_whitespace().collect::<Vec<_>>(),
            );
            count += 1;
        }
        let speaker = &mut self.actors[actor];
        speaker.pending += count;
        speaker.client.write(&request).expect("a server that reads");
        let mut heard = Vec::new();
        // The speaker first: when it has all its replies, or waits, the others have what its commands gave them.
        self.listen(actor, &mut heard);
        for other in (0..self.actors.len()).filter(|&other| other != actor) {
            self.listen(other, &mut heard);
        }
        heard
    }

    /// Takes the replies of a connection until it has all, or waits.
    #[track_caller]
    fn listen(&mut self, number: usize, heard: &mut Vec<(usize, Value)>) {
        let (actor, prompter) = (&mut self.actors[number], &mut self.prompter);
        wait_for("replies, or being blocked", || {
            let list = format!("CLIENT LIST ID {}", actor.id);
            // Whoever is blocked now has been given all that came before.
            let is_blocked = actor.pending > 0 && prompter.line(&list).text().contains(" flags=b ");
            while actor.pending > 0
                && let Ok(reply) = actor.client.try_read()
            {
                actor.pending -= 1;
                heard.push((number, reply));
            }
            actor.pending == 0 || is_blocked
        });
    }
}
