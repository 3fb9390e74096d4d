//! Commands about the connection itself: AUTH, HELLO, PING, ECHO, SELECT, RESET, QUIT.

use std::sync::atomic::Ordering::Relaxed;

use super::{Call, Categories, Command, Deprecated, Error, Flags, Group, Outcome};
use crate::clients::Class;
use crate::protocol::{Request, Version, number};

const ALWAYS: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST);
const BEFORE_AUTH: Flags = ALWAYS.union(Flags::NO_AUTH).union(Flags::ALLOW_BUSY);

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "auth",
        run: auth,
        arity: -2,
        is_secret: |_, place| place > 0,
        flags: BEFORE_AUTH,
        group: Group::Connection,
        categories: Categories::CONNECTION,
        summary: "Proves to the server who the client is.",
        complexity: "O(N) where N is the number of passwords defined for the user",
        syntax: "[username] password",
        ..Command::DEFAULT
    },
    Command {
        name: "echo",
        run: echo,
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        group: Group::Connection,
        categories: Categories::CONNECTION,
        summary: "Answers the given string.",
        syntax: "message",
        ..Command::DEFAULT
    },
    Command {
        name: "hello",
        run: hello,
        arity: -1,
        is_secret: is_credential,
        flags: BEFORE_AUTH,
        group: Group::Connection,
        categories: Categories::CONNECTION,
        since: "6.0.0",
        summary: "Agrees on the protocol version, and authenticates and names the client on the way.",
        syntax: "[arguments: protover [AUTH (auth: username password)] [SETNAME clientname]]",
        ..Command::DEFAULT
    },
    Command {
        name: "ping",
        run: ping,
        arity: -1,
        flags: Flags::FAST,
        group: Group::Connection,
        categories: Categories::CONNECTION,
        summary: "Answers PONG, or the given string.",
        syntax: "[message]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..Command::DEFAULT
    },
    Command {
        name: "quit",
        run: quit,
        arity: -1,
        flags: BEFORE_AUTH.union(Flags::NOT_QUEUED),
        group: Group::Connection,
        categories: Categories::CONNECTION,
        summary: "Closes the connection.",
        deprecated: Some(Deprecated {
            since: "7.2.0",
            instead: "just closing the connection",
        }),
        ..Command::DEFAULT
    },
    Command {
        name: "reset",
        run: reset,
        arity: 1,
        flags: BEFORE_AUTH.union(Flags::NOT_QUEUED),
        group: Group::Connection,
        categories: Categories::CONNECTION,
        since: "6.2.0",
        summary: "Puts the connection back into its first state.",
        ..Command::DEFAULT
    },
    Command {
        name: "select",
        run: select,
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        group: Group::Connection,
        categories: Categories::CONNECTION,
        summary: "Changes the selected database.",
        syntax: "index",
        ..Command::DEFAULT
    },
];

fn ping(call: &mut Call<'_>) -> Outcome {
    let is_listening = call.client.class == Class::Pubsub && call.client.version == Version::Resp2;
    match call.len() {
        1 | 2 if is_listening => {
            call.reply.array(2);
            call.reply.bulk(b"pong");
            call.reply.bulk(call.request.get(1).unwrap_or_default());
        }
        1 => call.reply.pong(),
        2 => call.reply.bulk(call.request.arg(1)),
        _ => return Err(Error::Arity("ping".to_owned())),
    }
    Ok(())
}

fn echo(call: &mut Call<'_>) -> Outcome {
    call.reply.bulk(call.request.arg(1));
    Ok(())
}

fn quit(call: &mut Call<'_>) -> Outcome {
    call.client.close = true;
    call.reply.ok();
    Ok(())
}

fn select(call: &mut Call<'_>) -> Outcome {
    call.client.database = call.database(1)?;
    call.reply.ok();
    Ok(())
}

fn reset(call: &mut Call<'_>) -> Outcome {
    call.client.unwatch(&call.instance.keyspace);
    call.instance.pubsub.leave(call.client);
    call.instance.tracking.stop(call.client);
    if call.client.is_monitor {
        call.instance.monitors.remove(&call.client.handle);
        call.client.is_overtaking = true;
    }
    call.client
        .reset(call.config.security.requirepass.is_empty());
    call.reply.set_version(call.client.version);
    call.reply.simple("RESET");
    Ok(())
}

fn auth(call: &mut Call<'_>) -> Outcome {
    match call.len() {
        2 if call.config.security.requirepass.is_empty() => {
            return Err(Error::text(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => authenticate(call, b"default", call.arg(1))?,
        3 => authenticate(call, call.arg(1), call.arg(2))?,
        _ => return Err(Error::Syntax),
    }
    call.reply.ok();
    Ok(())
}

/// Lets the client in if the name is `default` and the password is right; any is while none is required.
fn authenticate(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Outcome {
    let required = &call.config.security.requirepass[..];
    if user != b"default" || !(required.is_empty() || same(password, required)) {
        call.instance.telemetry.auth_failures.fetch_add(1, Relaxed);
        return Err(Error::text(
            "WRONGPASS invalid username-password pair or user is disabled.",
        ));
    }
    call.client.authenticated = true;
    Ok(())
}

/// Compares without telling by its duration how much of the password was right.
fn same(given: &[u8], required: &[u8]) -> bool {
    let difference = given
        .iter()
        .zip(required.iter().cycle())
        .fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == required.len() && std::hint::black_box(difference) == 0
}

/// Whether an argument of HELLO is, or may have been meant to be, a name or a password.
fn is_credential(request: Request<'_>, place: usize) -> bool {
    let follows = |distance: usize| {
        let keyword = place.checked_sub(distance).filter(|&keyword| keyword >= 2);
        keyword.is_some_and(|keyword| request.arg(keyword).eq_ignore_ascii_case(b"AUTH"))
    };
    follows(1) || follows(2)
}

fn hello(call: &mut Call<'_>) -> Outcome {
    let mut version = call.client.version;
    if call.len() > 1 {
        version = match number::parse_i64(call.arg(1)) {
            Some(2) => Version::Resp2,
            Some(3) => Version::Resp3,
            Some(_) => return Err(Error::text("NOPROTO unsupported protocol version")),
            None => {
                return Err(Error::text(
                    "ERR Protocol version is not an integer or out of range",
                ));
            }
        };
    }
    let mut name = None;
    let mut credentials = None;
    let mut place = 2;
    while place < call.len() {
        let left = call.len() - place - 1;
        if call.is(place, "AUTH") && left >= 2 {
            credentials = Some((call.arg(place + 1), call.arg(place + 2)));
            place += 3;
        } else if call.is(place, "SETNAME") && left >= 1 {
            name = Some(client_name(call.arg(place + 1))?);
            place += 2;
        } else {
            let before = "ERR Syntax error in HELLO option '";
            return Err(Error::quoting(before, call.arg(place), "'"));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(call, user, password)?;
    }
    if !call.client.authenticated {
        return Err(Error::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        call.client.handle.names.lock().name = name.to_owned();
    }
    if version != call.client.version {
        call.instance.pubsub.change_version(call.client, version);
    }
    call.client.version = version;
    call.reply.set_version(version);
    // Who has something for it may not wait until others see it in the end.
    call.client.publish();
    let id = call.client.id;
    let reply = &mut call.reply;
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(crate::REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(if version == Version::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(id as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}

/// A client's name, as HELLO and CLIENT SETNAME take it: printable characters without spaces, which CLIENT LIST can show.
pub(super) fn client_name(name: &[u8]) -> Result<&str, Error> {
    let printable = name.iter().all(|byte| (b'!'..=b'~').contains(byte));
    std::str::from_utf8(name)
        .ok()
        .filter(|_| printable)
        .ok_or_else(|| {
            Error::text("ERR Client names cannot contain spaces, newlines or special characters.")
        })
}
