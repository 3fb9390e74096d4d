//! CLIENT: connections as they and the operator see them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::connection::client_name;
use super::{Call, Categories, Command, Error, Flags, Group, Instance, Outcome, help, tracking};
use crate::clients::{Answer, Class, Handle, PauseMode, ReplyMode, line, seconds_since};
use crate::protocol::{Request, number};

/// What the rows of this family have in common.
pub(super) const ROW: Command = Command {
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE),
    group: Group::Connection,
    categories: Categories::CONNECTION,
    ..Command::DEFAULT
};

/// What the rows have in common that are for operators.
const OPERATORS: Command = Command {
    flags: ROW.flags.union(Flags::ADMIN),
    ..ROW
};

const EVERY_CONNECTION: &str = "O(N) where N is the number of connections";
const TO_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "client",
    arity: -2,
    group: Group::Connection,
    since: "2.4.0",
    summary: "Commands about connections.",
    complexity: "Depends on the subcommand.",
    subcommands: &[
        tracking::CACHING,
        Command {
            name: "getname",
            run: get_name,
            arity: 2,
            since: "2.6.9",
            summary: "Answers the name of this connection.",
            ..ROW
        },
        tracking::GETREDIR,
        Command {
            group: Group::Connection,
            categories: Categories::CONNECTION,
            ..help::ROW
        },
        Command {
            name: "id",
            run: id,
            arity: 2,
            since: "5.0.0",
            summary: "Answers the number of this connection, which no other ever has.",
            ..ROW
        },
        Command {
            name: "info",
            run: info,
            arity: 2,
            since: "6.2.0",
            summary: "Describes this connection.",
            tips: &["nondeterministic_output"],
            ..ROW
        },
        Command {
            name: "kill",
            run: kill,
            arity: -3,
            since: "2.4.0",
            summary: "Ends the connections that fit every given filter.",
            complexity: EVERY_CONNECTION,
            syntax: "(filter: old-format: ip:port | new-format: ([ID client-id] | \
                     [TYPE (client-type: NORMAL | MASTER | SLAVE | REPLICA | PUBSUB)] | [USER username] | \
                     [ADDR addr: ip:port] | [LADDR laddr: ip:port] | [SKIPME (skipme: YES | NO)] | [MAXAGE maxage<integer>]) ...)",
            ..OPERATORS
        },
        Command {
            name: "list",
            run: list,
            arity: -2,
            since: "2.4.0",
            summary: "Describes all connections, those of a type or those of the given numbers.",
            complexity: EVERY_CONNECTION,
            syntax: "[TYPE (client-type: NORMAL | MASTER | REPLICA | PUBSUB)] [ID client-id [client-id ...]]",
            tips: &["nondeterministic_output"],
            ..OPERATORS
        },
        Command {
            name: "no-evict",
            run: no_evict,
            arity: 3,
            since: "7.0.0",
            summary: "Spares this connection when connections are ended for their memory, or no longer.",
            syntax: "(enabled: ON | OFF)",
            ..OPERATORS
        },
        Command {
            name: "no-touch",
            run: no_touch,
            arity: 3,
            since: "7.2.0",
            summary: "Lets the reads of this connection leave no trace on when keys were last used, or no longer.",
            syntax: "(enabled: ON | OFF)",
            ..ROW
        },
        Command {
            name: "pause",
            run: pause,
            arity: -3,
            since: "3.0.0",
            summary: "Holds back the commands of all connections, or those that write, for some milliseconds.",
            syntax: "timeout [mode: WRITE | ALL]",
            ..OPERATORS
        },
        Command {
            name: "reply",
            run: reply,
            arity: 3,
            since: "3.2.0",
            summary: "Turns replies to this connection on or off, or skips the next one.",
            syntax: "(action: ON | OFF | SKIP)",
            ..ROW
        },
        Command {
            name: "setinfo",
            run: set_info,
            arity: 4,
            since: "7.2.0",
            summary: "Tells which client library uses this connection, or its version.",
            syntax: "(attr: LIB-NAME libname | LIB-VER libver)",
            tips: TO_ALL_NODES,
            ..ROW
        },
        Command {
            name: "setname",
            run: set_name,
            arity: 3,
            since: "2.6.9",
            summary: "Names this connection.",
            syntax: "connection-name",
            tips: TO_ALL_NODES,
            ..ROW
        },
        tracking::TRACKING,
        tracking::TRACKINGINFO,
        Command {
            name: "unblock",
            run: unblock,
            arity: -3,
            since: "5.0.0",
            summary: "Ends the wait of another connection, as if its time were over or with an error.",
            complexity: "O(log N) where N is the number of connections",
            syntax: "client-id<integer> [unblock-type: TIMEOUT | ERROR]",
            ..OPERATORS
        },
        Command {
            name: "unpause",
            run: unpause,
            arity: 2,
            since: "6.2.0",
            summary: "Lets the commands go on that CLIENT PAUSE holds back.",
            complexity: "O(N) where N is the number of connections held back",
            ..OPERATORS
        },
    ],
    ..Command::DEFAULT
}];

fn id(call: &mut Call<'_>) -> Outcome {
    call.reply.int(call.client.id as i64);
    Ok(())
}

fn get_name(call: &mut Call<'_>) -> Outcome {
    let name = call.client.handle.names.lock().name.clone();
    if name.is_empty() {
        call.reply.null();
    } else {
        call.reply.bulk(name.as_bytes());
    }
    Ok(())
}

fn set_name(call: &mut Call<'_>) -> Outcome {
    let name = client_name(call.arg(2))?;
    name.clone_into(&mut call.client.handle.names.lock().name);
    call.reply.ok();
    Ok(())
}

fn set_info(call: &mut Call<'_>) -> Outcome {
    let attribute = String::from_utf8_lossy(call.arg(2));
    let library = call.is(2, "LIB-NAME");
    if !library && !call.is(2, "LIB-VER") {
        return Err(Error::quoting(
            "ERR Unrecognized option '",
            call.arg(2),
            "'",
        ));
    }
    let value = client_name(call.arg(3)).map_err(|_| {
        Error::text(format!(
            "ERR {attribute} cannot contain spaces, newlines or special characters."
        ))
    })?;
    let mut names = call.client.handle.names.lock();
    value.clone_into(if library {
        &mut names.library
    } else {
        &mut names.library_version
    });
    drop(names);
    call.reply.ok();
    Ok(())
}

/// Whether an argument says on or off.
pub(super) fn on_or_off(call: &Call<'_>, index: usize) -> Result<bool, Error> {
    match call.is(index, "ON") {
        true => Ok(true),
        false if call.is(index, "OFF") => Ok(false),
        false => Err(Error::Syntax),
    }
}

fn no_evict(call: &mut Call<'_>) -> Outcome {
    call.client.no_evict = on_or_off(call, 2)?;
    call.reply.ok();
    Ok(())
}

fn no_touch(call: &mut Call<'_>) -> Outcome {
    call.client.no_touch = on_or_off(call, 2)?;
    call.reply.ok();
    Ok(())
}

fn reply(call: &mut Call<'_>) -> Outcome {
    if call.is(2, "SKIP") {
        if call.client.reply_mode != ReplyMode::Off {
            call.client.reply_mode = ReplyMode::SkipNext;
        }
    } else if on_or_off(call, 2)? {
        call.client.reply_mode = ReplyMode::On;
        call.reply.ok();
    } else {
        call.client.reply_mode = ReplyMode::Off;
    }
    Ok(())
}

fn pause(call: &mut Call<'_>) -> Outcome {
    let mode = match call.len() {
        3 => PauseMode::All,
        4 if call.is(3, "ALL") => PauseMode::All,
        4 if call.is(3, "WRITE") => PauseMode::Write,
        4 => return Err(Error::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => {
            let before = "ERR unknown subcommand or wrong number of arguments for '";
            return Err(Error::quoting(before, call.arg(1), "'. Try CLIENT HELP."));
        }
    };
    let timeout = number::parse_i64(call.arg(2));
    let timeout = timeout.ok_or(Error::text("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Error::text("ERR timeout is negative"))?;
    let now = call.db.now();
    let until = now
        .checked_add(timeout)
        .filter(|&until| until <= i64::MAX as u64);
    let until = until.ok_or(Error::text("ERR timeout is out of range"))?;
    call.instance.pause.start(mode, until, now);
    call.reply.ok();
    Ok(())
}

fn unblock(call: &mut Call<'_>) -> Outcome {
    let answer: fn(_) -> _ = match call.len() {
        3 => Answer::TimedOut,
        4 if call.is(3, "TIMEOUT") => Answer::TimedOut,
        4 if call.is(3, "ERROR") => Answer::GivenUp,
        4 => {
            return Err(Error::text(
                "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
        _ => {
            return Err(Error::quoting(
                "ERR unknown subcommand or wrong number of arguments for '",
                call.arg(1),
                "'. Try CLIENT HELP.",
            ));
        }
    };
    let client = u64::try_from(call.int(2)?).ok();
    let client = client.and_then(|id| call.instance.clients.get(id));
    let waiting = client.and_then(|client| client.claim(None));
    call.reply.count(waiting.iter().count());
    if let Some(waiting) = waiting {
        waiting.end(answer);
    }
    Ok(())
}

fn unpause(call: &mut Call<'_>) -> Outcome {
    call.instance.pause.end();
    call.reply.ok();
    Ok(())
}

/// The class of connections that a client means.
fn class_named(name: &[u8]) -> Result<Class, Error> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Class::Normal),
        b"master" => Ok(Class::Master),
        b"slave" | b"replica" => Ok(Class::Replica),
        b"pubsub" => Ok(Class::Pubsub),
        _ => Err(Error::quoting("ERR Unknown client type '", name, "'")),
    }
}

fn class_of(handle: &Handle) -> Class {
    handle.account.footprint().class
}

/// Which connections CLIENT KILL and CLIENT LIST mean: those that fit all that is given.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    class: Option<Class>,
    user: Option<Cow<'a, str>>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    /// Seconds that the connection has lasted.
    min_age: Option<u64>,
    skip: Option<u64>,
}

impl<'a> Filter<'a> {
    /// The filters of CLIENT KILL in its new form.
    fn parse(call: &Call<'a>) -> Result<Filter<'a>, Error> {
        let me = Some(call.client.id);
        let mut filter = Filter {
            skip: me,
            ..Filter::default()
        };
        for place in (2..call.len()).step_by(2) {
            if place + 1 == call.len() {
                return Err(Error::Syntax);
            }
            let value = call.arg(place + 1);
            if call.is(place, "ID") {
                let id = number::parse_i64(value).filter(|&id| id > 0);
                let id = id.ok_or(Error::text("ERR client-id should be greater than 0"))?;
                filter.id = Some(id.unsigned_abs());
            } else if call.is(place, "TYPE") {
                filter.class = Some(class_named(value)?);
            } else if call.is(place, "ADDR") {
                filter.address = Some(value);
            } else if call.is(place, "LADDR") {
                filter.local_address = Some(value);
            } else if call.is(place, "USER") {
                let user = String::from_utf8_lossy(value);
                if user != "default" {
                    return Err(Error::quoting("ERR No such user '", value, "'"));
                }
                filter.user = Some(user);
            } else if call.is(place, "SKIPME") {
                filter.skip = match call.is(place + 1, "YES") {
                    true => me,
                    false if call.is(place + 1, "NO") => None,
                    false => return Err(Error::Syntax),
                };
            } else if call.is(place, "MAXAGE") {
                let age = number::parse_i64(value);
                let age = age.ok_or(Error::text("ERR maxage is not an integer or out of range"))?;
                let age = u64::try_from(age).ok().filter(|&age| age > 0);
                filter.min_age =
                    Some(age.ok_or(Error::text("ERR maxage should be greater than 0"))?);
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(filter)
    }

    fn fits(&self, handle: &Handle, now: u64) -> bool {
        self.id.is_none_or(|id| handle.id == id)
            && self.skip.is_none_or(|id| handle.id != id)
            && self.class.is_none_or(|class| class_of(handle) == class)
            && self
                .address
                .is_none_or(|address| handle.kind.peer().as_bytes() == address)
            && self
                .local_address
                .is_none_or(|address| handle.kind.local().as_bytes() == address)
            && self
                .user
                .as_ref()
                .is_none_or(|user| handle.names.lock().user == **user)
            && self
                .min_age
                .is_none_or(|age| seconds_since(handle.connected, now) >= age)
    }
}

fn kill(call: &mut Call<'_>) -> Outcome {
    let old_form = call.len() == 3;
    let filter = if old_form {
        Filter {
            address: Some(call.arg(2)),
            ..Filter::default()
        }
    } else {
        Filter::parse(call)?
    };
    let now = call.db.now();
    let doomed: Vec<_> = present(call)
        .filter(|handle| filter.fits(handle, now))
        .collect();
    for handle in &doomed {
        if handle.id == call.client.id {
            // It still gets the reply.
            call.client.close = true;
        } else {
            handle.kill();
        }
    }
    match doomed.len() {
        0 if old_form => return Err(Error::text("ERR No such client")),
        _ if old_form => call.reply.ok(),
        killed => call.reply.count(killed),
    }
    Ok(())
}

fn info(call: &mut Call<'_>) -> Outcome {
    call.client.publish();
    let text = line_of(call, &call.client.handle) + "\n";
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn list(call: &mut Call<'_>) -> Outcome {
    call.client.publish();
    let mut text = String::new();
    let mut append = |handle: &Handle| {
        text.push_str(&line_of(call, handle));
        text.push('\n');
    };
    if call.len() == 2 {
        present(call).for_each(|handle| append(&handle));
    } else if call.len() == 4 && call.is(2, "TYPE") {
        let class = class_named(call.arg(3))?;
        present(call)
            .filter(|handle| class_of(handle) == class)
            .for_each(|handle| append(&handle));
    } else if call.len() > 3 && call.is(2, "ID") {
        for id in call.args_from(3) {
            let id = number::parse_i64(id).ok_or(Error::text("ERR Invalid client ID"))?;
            let found = u64::try_from(id)
                .ok()
                .and_then(|id| call.instance.clients.get(id));
            found
                .filter(|handle| handle.is_present())
                .inspect(|handle| append(handle));
        }
    } else {
        return Err(Error::Syntax);
    }
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn present(call: &Call<'_>) -> impl Iterator<Item = Arc<Handle>> + use<> {
    call.instance
        .clients
        .all()
        .into_iter()
        .filter(|handle| handle.is_present())
}

fn line_of(call: &Call<'_>, handle: &Handle) -> String {
    let mine = handle.id == call.client.id;
    describe(
        call.instance,
        handle,
        call.db.now(),
        mine.then_some(call.request),
    )
}

/// The line that CLIENT LIST and the log have for a connection; see [`line`].
pub fn describe(
    instance: &Instance,
    handle: &Handle,
    now: u64,
    runs: Option<Request<'_>>,
) -> String {
    let last_command = handle.last_command.load(Relaxed);
    let last_command = instance.commands.by_id(last_command.into());
    let name = last_command.map_or("NULL", |entry| &entry.full_name);
    line(handle, name, now, runs)
}
