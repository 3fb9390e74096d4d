//! COMMAND: what clients are told about the commands, all of it from their rows.

use super::registry::Entry;
use super::syntax::{self, Argument, Kind};
use super::{
    Begin, Call, Categories, Command, Error, Find, Flags, Group, KeyFlags, KeySpec, Outcome,
    bitmap, help,
};
use crate::protocol::{OwnedRequest, Reply, Request, glob};

const FLAGS: Flags = Flags::LOADING.union(Flags::STALE);

/// What the rows of this family have in common.
const ROW: Command = Command {
    flags: FLAGS,
    group: Group::Server,
    categories: Categories::CONNECTION,
    ..Command::DEFAULT
};

/// Of those rows, what the ones that write down many commands have in common.
const LISTING: Command = Command {
    complexity: "O(N) where N is the number of commands asked for",
    tips: &["nondeterministic_output_order"],
    ..ROW
};

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "command",
    run: all,
    arity: -1,
    since: "2.8.13",
    summary: "Describes all commands.",
    complexity: "O(N) where N is the number of commands",
    subcommands: &[
        Command {
            name: "count",
            run: count,
            arity: 2,
            since: "2.8.13",
            summary: "Counts the commands.",
            ..ROW
        },
        Command {
            name: "docs",
            run: docs,
            arity: -2,
            since: "7.0.0",
            summary: "Documents the given commands, or all: what they do, and which arguments they take.",
            syntax: "[command-name [command-name ...]]",
            ..LISTING
        },
        Command {
            name: "getkeys",
            run: get_keys,
            arity: -3,
            since: "2.8.13",
            summary: "Finds the keys among the arguments of a command.",
            complexity: "O(N) where N is the number of arguments",
            syntax: "command [arg [arg ...]]",
            ..ROW
        },
        Command {
            name: "getkeysandflags",
            run: get_keys_and_flags,
            arity: -3,
            since: "7.0.0",
            summary: "Finds the keys among the arguments of a command, and tells what it does with each.",
            complexity: "O(N) where N is the number of arguments",
            syntax: "command [arg [arg ...]]",
            ..ROW
        },
        Command {
            group: Group::Server,
            categories: Categories::CONNECTION,
            ..help::ROW
        },
        Command {
            name: "info",
            run: info,
            arity: -2,
            since: "2.8.13",
            summary: "Describes the given commands, or all: arity, flags, keys, categories.",
            syntax: "[command-name [command-name ...]]",
            ..LISTING
        },
        Command {
            name: "list",
            run: list,
            arity: -2,
            since: "7.0.0",
            summary: "Names the commands, or those of a module, of an ACL category or matching a pattern.",
            complexity: "O(N) where N is the number of commands",
            syntax: "[FILTERBY (filterby: MODULE module-name | ACLCAT category | PATTERN pattern)]",
            ..LISTING
        },
    ],
    ..LISTING
}];

fn all(call: &mut Call<'_>) -> Outcome {
    let entries = call.instance.commands.iter();
    call.reply.array(entries.clone().count());
    entries.for_each(|entry| describe(&mut call.reply, entry));
    Ok(())
}

fn count(call: &mut Call<'_>) -> Outcome {
    call.reply.count(call.instance.commands.iter().count());
    Ok(())
}

fn info(call: &mut Call<'_>) -> Outcome {
    if call.len() == 2 {
        return all(call);
    }
    call.reply.array(call.len() - 2);
    for name in call.args_from(2) {
        match call.instance.commands.find_full(name) {
            Some(entry) => describe(&mut call.reply, entry),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn docs(call: &mut Call<'_>) -> Outcome {
    let commands = &call.instance.commands;
    let found: Vec<&Entry> = match call.len() {
        2 => commands.iter().collect(),
        _ => call
            .args_from(2)
            .filter_map(|name| commands.find_full(name))
            .collect(),
    };
    documents(&mut call.reply, found.into_iter());
    Ok(())
}

fn list(call: &mut Call<'_>) -> Outcome {
    let matching: Box<dyn Fn(&Entry) -> bool> = match call.len() {
        2 => Box::new(|_| true),
        5 if call.is(2, "FILTERBY") => {
            let wanted = call.arg(4);
            if call.is(3, "MODULE") {
                // Every command is built in.
                Box::new(|_| false)
            } else if call.is(3, "ACLCAT") {
                let wanted = Categories::by_name(wanted);
                Box::new(move |entry| entry.row.all_categories().intersects(wanted))
            } else if call.is(3, "PATTERN") {
                Box::new(move |entry| glob::matches(wanted, entry.full_name.as_bytes(), true))
            } else {
                return Err(Error::Syntax);
            }
        }
        _ => return Err(Error::Syntax),
    };
    let entries = call
        .instance
        .commands
        .iter()
        .flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands));
    let found: Vec<&Entry> = entries.filter(|entry| matching(entry)).collect();
    call.reply.array(found.len());
    found
        .iter()
        .for_each(|entry| call.reply.bulk(entry.full_name.as_bytes()));
    Ok(())
}

fn get_keys(call: &mut Call<'_>) -> Outcome {
    let request: OwnedRequest = call.args_from(2).collect();
    let keys = find_keys(call, request.as_request())?;
    call.reply.array(keys.len());
    keys.iter()
        .for_each(|&(place, _)| call.reply.bulk(call.request.arg(2 + place)));
    Ok(())
}

fn get_keys_and_flags(call: &mut Call<'_>) -> Outcome {
    let request: OwnedRequest = call.args_from(2).collect();
    let keys = find_keys(call, request.as_request())?;
    call.reply.array(keys.len());
    for &(place, flags) in &keys {
        call.reply.array(2);
        call.reply.bulk(call.request.arg(2 + place));
        key_flags(&mut call.reply, flags);
    }
    Ok(())
}

/// Where the keys of a request are among its arguments, and what would happen to them.
fn find_keys(call: &Call<'_>, request: Request<'_>) -> Result<Vec<(usize, KeyFlags)>, Error> {
    let mut entry = call.instance.commands.find(request.arg(0));
    if let Some(container) = entry
        && let Some(word) = request.get(1)
        && !container.subcommands.is_empty()
    {
        entry = container.subcommand(word);
    }
    let row = entry
        .ok_or(Error::text("ERR Invalid command specified"))?
        .row;
    if row
        .keys
        .iter()
        .all(|spec| spec.flags.contains(KeyFlags::NOT_KEY))
    {
        return Err(Error::text("ERR The command has no key arguments"));
    }
    if !row.accepts(request.len()) {
        return Err(Error::text(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let mut keys = row.key_positions(request).unwrap_or_default();
    keys.retain(|(_, flags)| !flags.contains(KeyFlags::NOT_KEY));
    if keys.is_empty() && !row.flags.contains(Flags::NO_MANDATORY_KEYS) {
        return Err(Error::text("ERR Invalid arguments specified for command"));
    }
    for (_, flags) in &mut keys {
        if flags.contains(KeyFlags::VARIABLE_FLAGS) {
            *flags = settled(row, request, *flags);
        }
    }
    Ok(keys)
}

/// What a command whose key flags depend on its arguments does with these.
fn settled(row: &Command, request: Request<'_>, flags: KeyFlags) -> KeyFlags {
    match row.name {
        "set"
            if request
                .iter()
                .skip(3)
                .any(|word| word.eq_ignore_ascii_case(b"get")) =>
        {
            KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE
        }
        "set" => KeyFlags::OW | KeyFlags::UPDATE,
        "bitfield" if bitmap::field::only_reads(request) => KeyFlags::RO | KeyFlags::ACCESS,
        "bitfield" => KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE,
        _ => flags,
    }
}

/// What COMMAND INFO tells about one command.
fn describe(reply: &mut Reply<'_>, entry: &Entry) {
    let row = entry.row;
    let range = KeyRange::of(row.keys);
    reply.array(10);
    reply.bulk(entry.full_name.as_bytes());
    reply.int(row.arity.into());
    let mut flags = row.flags.intersection(Flags::SHOWN);
    flags.set(Flags::MOVABLEKEYS, range.misses_some);
    status_set(
        reply,
        flags
            .iter_names()
            .map(|(name, _)| name.to_ascii_lowercase()),
    );
    reply.int(range.first.into());
    reply.int(range.last.into());
    reply.int(range.step.into());
    let categories = row.all_categories();
    status_set(
        reply,
        categories
            .iter_names()
            .map(|(name, _)| format!("@{}", name.to_ascii_lowercase())),
    );
    reply.set(row.tips.len());
    row.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(row.keys.len());
    row.keys.iter().for_each(|spec| describe_keys(reply, spec));
    if entry.subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(entry.subcommands.len());
        entry
            .subcommands
            .iter()
            .for_each(|entry| describe(reply, entry));
    }
}

/// The keys as older clients are told of them: one range of arguments.
struct KeyRange {
    first: i32,
    last: i32,
    step: i32,
    /// Whether there may be other keys, so that clients have to ask with COMMAND GETKEYS.
    misses_some: bool,
}

impl KeyRange {
    /// The range that holds the keys of those specifications that join into one.
    fn of(specs: &[KeySpec]) -> KeyRange {
        let mut range = KeyRange {
            first: 0,
            last: 0,
            step: 0,
            misses_some: false,
        };
        for spec in specs {
            let (Begin::Index(first), Find::Range { last, step }) = (spec.begin, spec.find) else {
                range.misses_some = true;
                continue;
            };
            range.misses_some |= spec.flags.contains(KeyFlags::INCOMPLETE);
            let (first, step) = (first as i32, step as i32);
            let last = if last < 0 { last } else { first + last };
            let joins =
                range.first == 0 || (step == 1 && range.step == 1 && range.last == first - 1);
            if !joins || (step != 1 && specs.len() > 1) {
                range.misses_some = true;
                continue;
            }
            if range.first == 0 {
                range.first = first;
            }
            (range.last, range.step) = (last, step);
        }
        range
    }
}

fn describe_keys(reply: &mut Reply<'_>, spec: &KeySpec) {
    let number = |reply: &mut Reply<'_>, name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.int(value);
    };
    reply.map(3);
    reply.bulk(b"flags");
    key_flags(reply, spec.flags);
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => {
            type_and_spec(reply, "index", 1);
            number(reply, "index", index as i64);
        }
        Begin::Keyword(word, from) => {
            type_and_spec(reply, "keyword", 2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            number(reply, "startfrom", from.into());
        }
        Begin::Unknown => type_and_spec(reply, "unknown", 0),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step } => {
            type_and_spec(reply, "range", 3);
            number(reply, "lastkey", last.into());
            number(reply, "keystep", step as i64);
            number(reply, "limit", 0);
        }
        Find::Count { count, first, step } => {
            type_and_spec(reply, "keynum", 3);
            number(reply, "keynumidx", count as i64);
            number(reply, "firstkey", first as i64);
            number(reply, "keystep", step as i64);
        }
        Find::Unknown => type_and_spec(reply, "unknown", 0),
    }
}

/// Begins one half of a key specification, of which so many fields follow.
fn type_and_spec(reply: &mut Reply<'_>, kind: &str, fields: usize) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields);
}

fn key_flags(reply: &mut Reply<'_>, flags: KeyFlags) {
    // The four that exclude each other stay in capitals.
    let word = |name: &str| {
        if name.len() == 2 {
            name.to_owned()
        } else {
            name.to_ascii_lowercase()
        }
    };
    status_set(reply, flags.iter_names().map(|(name, _)| word(name)));
}

fn status_set(reply: &mut Reply<'_>, words: impl Iterator<Item = String>) {
    let words: Vec<String> = words.collect();
    reply.set(words.len());
    words.iter().for_each(|word| reply.simple(word));
}

/// A map from full names to what COMMAND DOCS tells about each.
fn documents<'e>(reply: &mut Reply<'_>, entries: impl ExactSizeIterator<Item = &'e Entry>) {
    reply.map(entries.len());
    for entry in entries {
        reply.bulk(entry.full_name.as_bytes());
        document(reply, entry);
    }
}

fn document(reply: &mut Reply<'_>, entry: &Entry) {
    let row = entry.row;
    let arguments = syntax::parse(row.syntax, row.keys).unwrap_or_default();
    let map = reply.deferred();
    let mut fields = 3;
    let text = |reply: &mut Reply<'_>, name: &str, value: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    };
    text(reply, "summary", row.summary);
    text(reply, "since", row.since);
    text(reply, "group", row.group.name());
    if !row.complexity.is_empty() {
        fields += 1;
        text(reply, "complexity", row.complexity);
    }
    if let Some(deprecated) = row.deprecated {
        fields += 3;
        reply.bulk(b"doc_flags");
        reply.set(1);
        reply.simple("deprecated");
        text(reply, "deprecated_since", deprecated.since);
        text(reply, "replaced_by", deprecated.instead);
    }
    if !arguments.is_empty() {
        fields += 1;
        reply.bulk(b"arguments");
        document_arguments(reply, &arguments);
    }
    if !entry.subcommands.is_empty() {
        fields += 1;
        reply.bulk(b"subcommands");
        documents(reply, entry.subcommands.iter());
    }
    reply.end_map(map, fields);
}

fn document_arguments(reply: &mut Reply<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        let map = reply.deferred();
        let mut fields = 2;
        reply.bulk(b"name");
        reply.bulk(argument.name.as_bytes());
        reply.bulk(b"type");
        reply.bulk(argument.kind.name().as_bytes());
        if !matches!(argument.kind, Kind::OneOf | Kind::Block) {
            fields += 1;
            reply.bulk(b"display_text");
            reply.bulk(argument.display.as_bytes());
        }
        if let Some(spec) = argument.key_spec {
            fields += 1;
            reply.bulk(b"key_spec_index");
            reply.count(spec);
        }
        if let Some(token) = &argument.token {
            fields += 1;
            reply.bulk(b"token");
            reply.bulk(token.as_bytes());
        }
        let flags: Vec<String> = [
            ("optional", argument.optional),
            ("multiple", argument.multiple),
            ("multiple_token", argument.multiple_token),
        ]
        .into_iter()
        .filter(|&(_, holds)| holds)
        .map(|(name, _)| name.to_owned())
        .collect();
        if !flags.is_empty() {
            fields += 1;
            reply.bulk(b"flags");
            status_set(reply, flags.into_iter());
        }
        if !argument.members.is_empty() {
            fields += 1;
            reply.bulk(b"arguments");
            document_arguments(reply, &argument.members);
        }
        reply.end_map(map, fields);
    }
}
