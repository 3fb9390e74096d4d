//! Concurrent clients on a few keys see what they would see if their calls happened one at a time, each between its sending and its
//! answer: single commands, calls that wait, transactions and scripts as a whole.

mod checker;

use std::collections::VecDeque;
use std::time::Instant;

use fastrand::Rng;

use self::checker::{Done, Model, Track, is_linearizable};
use crate::support::{Client, Server, Setup, Value, client::encode};

const SEEDS: u64 = 10;
const CLIENTS: usize = 5;
const CALLS: usize = 120;

/// Keys that hold a number, and keys that hold a list; few, so that calls meet.
const NUMBERS: usize = 2;
const LISTS: usize = 2;

/// All keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    numbers: [Option<i64>; NUMBERS],
    lists: [VecDeque<i64>; LISTS],
}

/// One command.
#[derive(Clone, Copy, Debug)]
enum Command {
    Get(usize),
    Set(usize, i64),
    Incr(usize),
    Push(usize, i64),
    Pop(usize),
    Len(usize),
}

/// What is asked as one step.
#[derive(Clone, Debug)]
enum Step {
    One(Command),
    /// BLPOP on both lists, which waits for some milliseconds.
    Wait,
    Transaction(Vec<Command>),
    /// A script that adds to one number what it takes from the other, and answers both.
    Script(i64),
}

/// A step and its answer: numbers, and nothing where there was none.
#[derive(Clone, Debug)]
struct Call {
    step: Step,
    answer: Vec<Option<i64>>,
}

impl Command {
    fn random(rng: &mut Rng, fresh: &mut i64) -> Command {
        let (number, list) = (rng.usize(..NUMBERS), rng.usize(..LISTS));
        *fresh += 1;
        match rng.u8(..8) {
            0 | 1 => Command::Get(number),
            2 => Command::Set(number, *fresh),
            3 | 4 => Command::Incr(number),
            5 | 6 => Command::Push(list, *fresh),
            _ if rng.bool() => Command::Pop(list),
            _ => Command::Len(list),
        }
    }

    fn text(self) -> String {
        match self {
            Command::Get(number) => format!("GET n{number}"),
            Command::Set(number, value) => format!("SET n{number} {value} GET"),
            Command::Incr(number) => format!("INCR n{number}"),
            Command::Push(list, value) => format!("LPUSH l{list} {value}"),
            Command::Pop(list) => format!("LPOP l{list}"),
            Command::Len(list) => format!("LLEN l{list}"),
        }
    }

    /// Does it, and answers.
    fn act(self, state: &mut State) -> Option<i64> {
        match self {
            Command::Get(number) => state.numbers[number],
            Command::Set(number, value) => state.numbers[number].replace(value),
            Command::Incr(number) => {
                let value = state.numbers[number].unwrap_or(0) + 1;
                state.numbers[number] = Some(value);
                Some(value)
            }
            Command::Push(list, value) => {
                state.lists[list].push_front(value);
                Some(state.lists[list].len() as i64)
            }
            Command::Pop(list) => state.lists[list].pop_front(),
            Command::Len(list) => Some(state.lists[list].len() as i64),
        }
    }
}

impl Model for State {
    type Call = Call;

    fn after(&self, call: &Call) -> Option<State> {
        let mut state = self.clone();
        let answer: Vec<_> = match &call.step {
            Step::One(command) => vec![command.act(&mut state)],
            Step::Transaction(commands) => commands
                .iter()
                .map(|command| command.act(&mut state))
                .collect(),
            // Who has waited takes from the list that was filled first, not from the first that it names.
            Step::Wait => match call.answer[..] {
                [Some(list), _] => vec![Some(list), state.lists[list as usize].pop_front()],
                _ if self.lists.iter().all(VecDeque::is_empty) => vec![None],
                _ => return None,
            },
            Step::Script(amount) => {
                let [from, to] = [0, 1].map(|number| self.numbers[number].unwrap_or(0));
                state.numbers = [Some(from - amount), Some(to + amount)];
                vec![state.numbers[0], state.numbers[1]]
            }
        };
        (answer == call.answer).then_some(state)
    }
}

const SCRIPT: &str =
    "return{redis.call('incrby',KEYS[1],-ARGV[1]),redis.call('incrby',KEYS[2],ARGV[1])}";

impl Step {
    fn random(rng: &mut Rng, fresh: &mut i64) -> Step {
        match rng.u8(..10) {
            0..5 => Step::One(Command::random(rng, fresh)),
            5 | 6 => Step::Wait,
            7 | 8 => {
                let commands = 0..rng.usize(2..5);
                Step::Transaction(commands.map(|_| Command::random(rng, fresh)).collect())
            }
            _ => Step::Script(rng.i64(1..5)),
        }
    }

    /// Asks the server, as one step if that is `whole`.
    fn ask(&self, client: &mut Client, whole: bool) -> Vec<Option<i64>> {
        match self {
            Step::One(command) => vec![number(&client.line(&command.text()))],
            Step::Wait => {
                let reply = client.line("BLPOP l0 l1 0.005");
                if reply.is_null() {
                    return vec![None];
                }
                let [key, element] = [0, 1].map(|at| reply.elements()[at].text());
                let list = key.strip_prefix('l').and_then(|list| list.parse().ok());
                vec![list, element.parse().ok()]
            }
            Step::Transaction(commands) if whole => {
                let mut request = Vec::new();
                encode(&mut request, &["MULTI"]);
                for command in commands {
                    encode(&mut request, &command.text().split(' ').collect::<Vec<_>>());
                }
                encode(&mut request, &["EXEC"]);
                client.write(&request).expect("a server");
                (0..=commands.len()).for_each(|_| assert!(!client.read().is_error()));
                client.read().elements().iter().map(number).collect()
            }
            Step::Transaction(commands) => {
                let replies = commands.iter().map(|command| client.line(&command.text()));
                replies.map(|reply| number(&reply)).collect()
            }
            Step::Script(amount) => {
                let amount = amount.to_string();
                let reply = client.call(&["EVAL", SCRIPT, "2", "n0", "n1", &amount]);
                reply.elements().iter().map(number).collect()
            }
        }
    }
}

fn number(reply: &Value) -> Option<i64> {
    match reply {
        Value::Int(number) => Some(*number),
        reply if reply.is_null() => None,
        reply => reply.text().parse().ok(),
    }
}

/// Lets clients do random things at the same time; transactions as such only if they are to be `whole`.
fn history(server: &Server, seed: u64, whole: bool) -> Vec<Track<Call>> {
    server.connect().line("FLUSHALL");
    let start = std::sync::Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        let start = &start;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn(move || {
                    let mut client = server.connect();
                    let mut rng = Rng::with_seed(seed * CLIENTS as u64 + number as u64);
                    // Each pushes and sets values of its own.
                    let mut fresh = number as i64 * 1_000_000;
                    let mut track = Vec::new();
                    start.wait();
                    for _ in 0..CALLS {
                        let step = Step::random(&mut rng, &mut fresh);
                        let began = Instant::now();
                        let answer = step.ask(&mut client, whole);
                        let ended = Instant::now();
                        let call = Call { step, answer };
                        track.push(Done { call, began, ended });
                    }
                    track
                })
            })
            .collect();
        let clients = clients.into_iter();
        clients
            .map(|client| client.join().expect("a client"))
            .collect()
    })
}

fn server() -> Server {
    Setup::minium().with("io-threads", "4").start()
}

#[test]
fn calls_happen_one_at_a_time() {
    let server = server();
    let base = fastrand::u64(..1 << 32);
    for seed in base..base + SEEDS {
        let tracks = history(&server, seed, true);
        assert!(
            is_linearizable::<State>(&tracks),
            "seed {seed}: {tracks:#?}"
        );
    }
}

/// The check can fail: what is not done as a whole is found out.
#[test]
fn transactions_that_are_torn_are_found_out() {
    let server = server();
    let found = (0..50).any(|seed| !is_linearizable::<State>(&history(&server, seed, false)));
    assert!(found, "no history shows that transactions were torn");
}
