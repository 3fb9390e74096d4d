//! Pub/sub: SUBSCRIBE and its kin, PUBLISH, SPUBLISH, and PUBSUB, which tells who listens to what.

use super::{Call, Command, Error, Flags, Group, KeyFlags, KeySpec, Outcome, help};
use crate::clients::Topic;

/// What the rows have in common that begin and end subscriptions.
const LISTENING: Command = Command {
    arity: -2,
    flags: Flags::PUBSUB
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE),
    group: Group::PubSub,
    since: "2.0.0",
    complexity: "O(N) where N is the number of names",
    ..Command::DEFAULT
};

/// What the rows have in common that send messages.
const SENDING: Command = Command {
    arity: 3,
    flags: Flags::PUBSUB
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::MAY_REPLICATE),
    ..LISTENING
};

/// What the rows of PUBSUB have in common.
const TELLING: Command = Command {
    flags: Flags::PUBSUB.union(Flags::LOADING).union(Flags::STALE),
    since: "2.8.0",
    ..LISTENING
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "subscribe",
        run: |call| subscribe(call, Topic::Channel),
        summary: "Listens to channels.",
        syntax: "channel [channel ...]",
        ..LISTENING
    },
    Command {
        name: "unsubscribe",
        run: |call| unsubscribe(call, Topic::Channel),
        arity: -1,
        summary: "Listens to these channels no longer, or to none any more.",
        syntax: "[channel [channel ...]]",
        ..LISTENING
    },
    Command {
        name: "psubscribe",
        run: |call| subscribe(call, Topic::Pattern),
        summary: "Listens to all channels whose names match these patterns.",
        syntax: "pattern<pattern> [pattern<pattern> ...]",
        ..LISTENING
    },
    Command {
        name: "punsubscribe",
        run: |call| unsubscribe(call, Topic::Pattern),
        arity: -1,
        summary: "Listens by these patterns no longer, or by none any more.",
        syntax: "[pattern<pattern> [pattern<pattern> ...]]",
        ..LISTENING
    },
    Command {
        name: "ssubscribe",
        run: |call| subscribe(call, Topic::Shard),
        keys: &[KeySpec::from(1, 1, KeyFlags::NOT_KEY)],
        since: "7.0.0",
        summary: "Listens to shard channels.",
        syntax: "shardchannel [shardchannel ...]",
        ..LISTENING
    },
    Command {
        name: "sunsubscribe",
        run: |call| unsubscribe(call, Topic::Shard),
        arity: -1,
        keys: &[KeySpec::from(1, 1, KeyFlags::NOT_KEY)],
        since: "7.0.0",
        summary: "Listens to these shard channels no longer, or to none any more.",
        syntax: "[shardchannel [shardchannel ...]]",
        ..LISTENING
    },
    Command {
        name: "publish",
        run: |call| publish(call, Topic::Channel),
        summary: "Sends a message to all who listen to a channel.",
        complexity: "O(N+M) where N is the number of those who listen and M that of all patterns",
        syntax: "channel message",
        ..SENDING
    },
    Command {
        name: "spublish",
        run: |call| publish(call, Topic::Shard),
        keys: &[KeySpec::at(1, KeyFlags::NOT_KEY)],
        since: "7.0.0",
        summary: "Sends a message to all who listen to a shard channel.",
        complexity: "O(N) where N is the number of those who listen",
        syntax: "shardchannel message",
        ..SENDING
    },
    Command {
        name: "pubsub",
        arity: -2,
        group: Group::PubSub,
        since: "2.8.0",
        summary: "Tells who listens to what.",
        complexity: "Depends on the subcommand.",
        subcommands: &[
            Command {
                name: "channels",
                run: |call| channels(call, Topic::Channel),
                summary: "Lists the channels that somebody listens to by name.",
                complexity: "O(N) where N is the number of these channels",
                syntax: "[pattern<pattern>]",
                ..TELLING
            },
            Command {
                since: "6.2.0",
                group: Group::PubSub,
                ..help::ROW
            },
            Command {
                name: "numpat",
                run: numpat,
                arity: 2,
                summary: "Counts the patterns that somebody listens by.",
                complexity: "O(1)",
                ..TELLING
            },
            Command {
                name: "numsub",
                run: |call| numsub(call, Topic::Channel),
                summary: "Counts those who listen to each of these channels by name.",
                syntax: "[channel [channel ...]]",
                ..TELLING
            },
            Command {
                name: "shardchannels",
                run: |call| channels(call, Topic::Shard),
                since: "7.0.0",
                summary: "Lists the shard channels that somebody listens to.",
                complexity: "O(N) where N is the number of these channels",
                syntax: "[pattern<pattern>]",
                ..TELLING
            },
            Command {
                name: "shardnumsub",
                run: |call| numsub(call, Topic::Shard),
                since: "7.0.0",
                summary: "Counts those who listen to each of these shard channels.",
                syntax: "[shardchannel [shardchannel ...]]",
                ..TELLING
            },
        ],
        ..Command::DEFAULT
    },
];

/// Whether a command begins or ends subscriptions: what it answers is sent even to a client that wants no replies.
pub(super) fn answers_by_push(row: &Command) -> bool {
    row.flags.contains(Flags::PUBSUB.union(Flags::NOSCRIPT))
}

/// Whether a client that has subscribed in RESP2, where a message looks as a reply does, may call a command.
pub(super) fn is_allowed_while_listening(row: &Command) -> bool {
    answers_by_push(row) || matches!(row.name, "ping" | "quit" | "reset")
}

fn subscribe(call: &mut Call<'_>, topic: Topic) -> Outcome {
    if call.is_nested() && topic == Topic::Shard {
        return Err(Error::text(
            "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client",
        ));
    }
    for name in call.args_from(1) {
        call.instance.pubsub.subscribe(call.client, topic, name);
        confirm(call, topic, Some(name));
    }
    Ok(())
}

fn unsubscribe(call: &mut Call<'_>, topic: Topic) -> Outcome {
    if call.len() > 1 {
        for name in call.args_from(1) {
            call.instance.pubsub.unsubscribe(call.client, topic, name);
            confirm(call, topic, Some(name));
        }
        return Ok(());
    }
    let all = call.client.subscribed(topic);
    for name in &all {
        call.instance.pubsub.unsubscribe(call.client, topic, name);
        confirm(call, topic, Some(name));
    }
    if all.is_empty() {
        confirm(call, topic, None);
    }
    Ok(())
}

/// Says what was done to a subscription, and how many there are now. Channels and patterns are counted together.
fn confirm(call: &mut Call<'_>, topic: Topic, name: Option<&[u8]>) {
    let subscriptions = call.client.subscriptions.as_ref();
    let count = subscriptions.map_or(0, |all| match topic {
        Topic::Shard => all.count(Topic::Shard),
        Topic::Channel | Topic::Pattern => all.count(Topic::Channel) + all.count(Topic::Pattern),
    });
    call.reply.push(3);
    call.reply.bulk(call.command.row.name.as_bytes());
    match name {
        Some(name) => call.reply.bulk(name),
        None => call.reply.null(),
    }
    call.reply.count(count);
}

fn publish(call: &mut Call<'_>, topic: Topic) -> Outcome {
    let (channel, message) = (call.arg(1), call.arg(2));
    let pubsub = &call.instance.pubsub;
    let receivers = if call.is_nested() {
        let outbox = &call.stats.effects.outbox;
        outbox.add(topic == Topic::Shard, &[channel], message);
        pubsub.receivers(topic, channel)
    } else {
        call.client.has_published = true;
        pubsub.publish(topic, channel, message)
    };
    call.reply.count(receivers);
    Ok(())
}

fn channels(call: &mut Call<'_>, topic: Topic) -> Outcome {
    if call.len() > 3 {
        return Err(unknown_subcommand(call));
    }
    let pattern = call.request.get(2);
    let found = call.instance.pubsub.channels(topic, pattern);
    call.reply.array(found.len());
    found.iter().for_each(|name| call.reply.bulk(name));
    Ok(())
}

fn numsub(call: &mut Call<'_>, topic: Topic) -> Outcome {
    call.reply.array(2 * (call.len() - 2));
    for name in call.args_from(2) {
        call.reply.bulk(name);
        let listeners = call.instance.pubsub.listeners(topic, name);
        call.reply.count(listeners);
    }
    Ok(())
}

fn numpat(call: &mut Call<'_>) -> Outcome {
    call.reply.count(call.instance.pubsub.count(Topic::Pattern));
    Ok(())
}

fn unknown_subcommand(call: &Call<'_>) -> Error {
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    Error::quoting(before, call.arg(1), "'. Try PUBSUB HELP.")
}
