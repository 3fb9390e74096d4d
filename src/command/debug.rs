//! DEBUG: what tests of servers ask for. Off unless `enable-debug-command` allows it.
//!
//! As in Redis its subcommands have no rows of their own: they are one command to ACLs and statistics. It runs with
//! every shard locked, so DEBUG SLEEP holds up whoever wants a key, and a digest is of one moment.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::config::NO_CONFIG_FILE;
use super::help::{self, Line};
use super::{Call, Command, Error, Flags, Group, Outcome, aof, function, load, save};
use crate::config::rewrite::replace_file;
use crate::config::value::{parse_memory, plain};
use crate::keyspace::digest::{self, Digest};
use crate::keyspace::effects::Event;
use crate::keyspace::{Key, NewValue, ValueRef};
use crate::protocol::{Version, glob, number};
use crate::types::Packing;
use crate::types::list::Layout;
use crate::types::listpack::{self, ListpackRef};
use crate::types::string;

/// The rows of this family.
pub const COMMANDS: &[Command] = &[Command {
    name: "debug",
    run: debug,
    arity: -2,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::PROTECTED)
        .union(Flags::EXCLUSIVE),
    group: Group::Server,
    summary: "Helps to test the server.",
    complexity: "Depends on subcommand.",
    ..Command::DEFAULT
}];

/// A subcommand: its word, how many arguments it may have (the command's name and the word among them), and what it does.
struct Subcommand {
    name: &'static str,
    least: usize,
    most: usize,
    run: fn(&mut Call<'_>) -> Outcome,
    /// How it is called, and what it does.
    help: Line<'static>,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "change-repl-id",
        least: 2,
        most: 2,
        run: accept,
        help: (
            "CHANGE-REPL-ID",
            "Accepted without effect: there is no replication.",
        ),
    },
    Subcommand {
        name: "config-rewrite-force-all",
        least: 2,
        most: 2,
        run: rewrite_config_in_full,
        help: (
            "CONFIG-REWRITE-FORCE-ALL",
            "Like CONFIG REWRITE, with a line for every directive. Not for TOML.",
        ),
    },
    Subcommand {
        name: "digest",
        least: 2,
        most: 2,
        run: digest,
        help: (
            "DIGEST",
            "A digest of all data, equal on servers that hold the same.",
        ),
    },
    Subcommand {
        name: "digest-value",
        least: 2,
        most: usize::MAX,
        run: digest_value,
        help: (
            "DIGEST-VALUE [<key> ...]",
            "Digests of the values of these keys.",
        ),
    },
    Subcommand {
        name: "error",
        least: 3,
        most: 3,
        run: error,
        help: ("ERROR <text>", "Answer with this error."),
    },
    Subcommand {
        name: "listpack",
        least: 3,
        most: 3,
        run: listpack,
        help: (
            "LISTPACK <key>",
            "Print the elements of a packed value, and the bytes they take, to the standard output.",
        ),
    },
    Subcommand {
        name: "loadaof",
        least: 2,
        most: usize::MAX,
        run: aof::load_again,
        help: (
            "LOADAOF",
            "Forget all keys and load them from the append-only file again.",
        ),
    },
    Subcommand {
        name: "log",
        least: 3,
        most: 3,
        run: log,
        help: ("LOG <message>", "Write a line to the server's log."),
    },
    Subcommand {
        name: "object",
        least: 3,
        most: 3,
        run: object,
        help: ("OBJECT <key>", "How a value is stored."),
    },
    Subcommand {
        name: "pause-cron",
        least: 3,
        most: 3,
        run: pause_cron,
        help: (
            "PAUSE-CRON <0|1>",
            "1 stops what the server does in the background, 0 lets it go on.",
        ),
    },
    Subcommand {
        name: "populate",
        least: 3,
        most: 5,
        run: populate,
        help: (
            "POPULATE <count> [<prefix>] [<size>]",
            "Create the string keys <prefix>:0, <prefix>:1 and so on, where they are missing.",
        ),
    },
    Subcommand {
        name: "protocol",
        least: 3,
        most: 3,
        run: protocol,
        help: ("PROTOCOL <type>", "Answer with an example of a reply type."),
    },
    Subcommand {
        name: "quicklist-packed-threshold",
        least: 3,
        most: 3,
        run: quicklist_packed_threshold,
        help: (
            "QUICKLIST-PACKED-THRESHOLD <size>",
            "Elements from this size on are put into lists unencoded. 0 restores the usual size.",
        ),
    },
    Subcommand {
        name: "reload",
        least: 2,
        most: usize::MAX,
        run: reload,
        help: (
            "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
            "Save all keys, forget them and load them again. NOFLUSH keeps them, MERGE replaces those that are there, NOSAVE loads what was \
             saved before.",
        ),
    },
    Subcommand {
        name: "replybuffer",
        least: 4,
        most: 4,
        run: accept,
        help: ("REPLYBUFFER <option> <value>", "Accepted without effect."),
    },
    Subcommand {
        name: "set-active-expire",
        least: 3,
        most: 3,
        run: set_active_expire,
        help: (
            "SET-ACTIVE-EXPIRE <0|1>",
            "0 leaves expired keys alone until they are asked for, 1 removes them.",
        ),
    },
    Subcommand {
        name: "set-disable-deny-scripts",
        least: 3,
        most: 3,
        run: set_disable_deny_scripts,
        help: (
            "SET-DISABLE-DENY-SCRIPTS <0|1>",
            "1 lets scripts call DEBUG, 0 does not.",
        ),
    },
    Subcommand {
        name: "sleep",
        least: 3,
        most: 3,
        run: sleep,
        help: (
            "SLEEP <seconds>",
            "Hold up all access to keys for so long. Decimals are allowed.",
        ),
    },
    Subcommand {
        name: "stringmatch-len",
        least: 4,
        most: 4,
        run: stringmatch_len,
        help: (
            "STRINGMATCH-LEN <length> <pattern>",
            "Whether a pattern matches a string of so many letters a.",
        ),
    },
];

fn debug(call: &mut Call<'_>) -> Outcome {
    if call.len() == 2 && call.is(1, "HELP") {
        let lines: Vec<Line<'_>> = SUBCOMMANDS
            .iter()
            .map(|subcommand| subcommand.help)
            .collect();
        return help::lines(call, &lines);
    }
    let fits = |found: &&Subcommand| {
        call.is(1, found.name) && (found.least..=found.most).contains(&call.len())
    };
    match SUBCOMMANDS.iter().find(fits) {
        Some(found) => (found.run)(call),
        None => Err(Error::quoting(
            "ERR unknown subcommand or wrong number of arguments for '",
            call.arg(1),
            "'. Try DEBUG HELP.",
        )),
    }
}

fn accept(call: &mut Call<'_>) -> Outcome {
    call.reply.ok();
    Ok(())
}

fn rewrite_config_in_full(call: &mut Call<'_>) -> Outcome {
    let path = call.instance.config_file.as_deref();
    let path = path.ok_or_else(|| Error::text(NO_CONFIG_FILE))?;
    let config = call.instance.config.load();
    std::fs::read(path)
        .and_then(|original| replace_file(path, &config.rewrite_in_full(&original)))
        .map_err(|error| {
            let reason = plain(&error);
            Error::text(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {reason}"))
        })?;
    accept(call)
}

fn digest(call: &mut Call<'_>) -> Outcome {
    let now = call.db.now();
    let digest = call.db.locked.digest(now);
    call.reply.simple(&digest.to_string());
    Ok(())
}

fn digest_value(call: &mut Call<'_>) -> Outcome {
    call.reply.array(call.len() - 2);
    for place in 2..call.len() {
        let digest = call
            .db
            .peek(call.key(place))
            .map_or_else(Digest::default, digest::of_value);
        call.reply.simple(&digest.to_string());
    }
    Ok(())
}

fn error(call: &mut Call<'_>) -> Outcome {
    Err(Error::text(
        String::from_utf8_lossy(call.arg(2)).into_owned(),
    ))
}

fn log(call: &mut Call<'_>) -> Outcome {
    tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(call.arg(2)));
    call.reply.ok();
    Ok(())
}

fn object(call: &mut Call<'_>) -> Outcome {
    let access = call.db.moment.access;
    let entry = call.db.even_dead(call.key(2)).ok_or(Error::NoSuchKey)?;
    let idle = if access.is_lfu() {
        0
    } else {
        access.idle(entry.access()) / 1000
    };
    let line = format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle}",
        entry.key().as_ptr(),
        entry.value().encoding_name(),
        serialized_length(entry.value()),
        access.in_redis(entry.access()),
    );
    call.reply.simple(&line);
    Ok(())
}

/// The bytes that a value takes in an RDB file, if it is not compressed; for one that is not packed, those in memory.
fn serialized_length(value: ValueRef<'_>) -> usize {
    /// Longer strings are not looked at as integers.
    const LONGEST_INTEGER: usize = 11;
    let string = |length| match length {
        0..64 => 1 + length,
        64..0x4000 => 2 + length,
        _ => 5 + length,
    };
    let Ok(text) = value.string() else {
        return match (value, value.packed()) {
            (_, Some((_, bytes))) => string(bytes.len()),
            (ValueRef::Object(object), None) => object.memory(0),
            _ => 0,
        };
    };
    match text.integer().filter(|_| text.len() <= LONGEST_INTEGER) {
        Some(-0x80..=0x7F) => 2,
        Some(-0x8000..=0x7FFF) => 3,
        Some(-0x8000_0000..=0x7FFF_FFFF) => 5,
        _ => string(text.len()),
    }
}

fn listpack(call: &mut Call<'_>) -> Outcome {
    let entry = call.db.peek(call.key(2)).ok_or(Error::NoSuchKey)?;
    let packed = entry.value().packed();
    let list = match packed {
        Some((packing, bytes)) if packing != Packing::IntSet => ListpackRef::new(bytes),
        _ => return Err(Error::text("ERR Not a listpack encoded object.")),
    };
    let elements = list.iter().enumerate().map(|(index, element)| {
        let bytes = listpack::element_len(element);
        format!(
            "{index}: {bytes} bytes, {}\n",
            element.to_vec().escape_ascii()
        )
    });
    let head = format!("{} bytes, {} elements\n", list.bytes().len(), list.len());
    let text: String = std::iter::once(head).chain(elements).collect();
    // Nobody may be listening at the other end.
    let _ = std::io::stdout().write_all(text.as_bytes());
    call.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

fn pause_cron(call: &mut Call<'_>) -> Outcome {
    call.instance
        .debug
        .cron_paused
        .store(switch(call.arg(2)), Relaxed);
    accept(call)
}

fn reload(call: &mut Call<'_>) -> Outcome {
    let (mut saves, mut flushes, mut merges) = (true, true, false);
    for place in 2..call.len() {
        if call.is(place, "NOSAVE") {
            saves = false;
        } else if call.is(place, "NOFLUSH") {
            flushes = false;
        } else if call.is(place, "MERGE") {
            merges = true;
        } else {
            return Err(Error::text(
                "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ));
        }
    }
    if saves {
        save::save_here(call.instance, call.config, &mut call.db.locked)
            .map_err(|_| Error::text("ERR"))?;
    }
    if flushes {
        forget_all(call);
    }
    let locked = &mut call.db.locked;
    let path = Path::new(&call.config.persistence.dbfilename);
    load::snapshot_exclusively(call.instance, locked, path, merges).map_err(|error| {
        tracing::warn!("{error}");
        Error::text("ERR Error trying to load the RDB dump, check server logs.")
    })?;
    tracing::warn!("DB reloaded by DEBUG RELOAD");
    accept(call)
}

/// Removes all keys and functions, as if they had never been.
pub(super) fn forget_all(call: &mut Call<'_>) {
    for database in 0..call.instance.keyspace.databases() {
        let (now, locked) = (call.db.moment.now, &mut call.db.locked);
        for table in locked.take(database, now, &call.stats.effects) {
            locked.free_after(table);
        }
    }
    function::forget_all(call.instance);
}

fn set_active_expire(call: &mut Call<'_>) -> Outcome {
    call.instance
        .debug
        .active_expire
        .store(switch(call.arg(2)), Relaxed);
    accept(call)
}

fn set_disable_deny_scripts(call: &mut Call<'_>) -> Outcome {
    let is_on = switch(call.arg(2));
    call.instance.debug.called_by_scripts.store(is_on, Relaxed);
    accept(call)
}

fn quicklist_packed_threshold(call: &mut Call<'_>) -> Outcome {
    /// A listpack tells the length of an element in 32 bits, and its own, too.
    const MAX: usize = (4 << 30) - (1 << 20);
    let size = parse_memory(call.arg(2)).and_then(|size| usize::try_from(size).ok());
    let size = size.filter(|&size| size <= MAX).ok_or_else(|| {
        Error::text("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    })?;
    let size = if size == 0 { Layout::PLAIN } else { size };
    call.instance.debug.plain_elements.store(size, Relaxed);
    accept(call)
}

/// Whether a switch is on: any number but zero.
fn switch(argument: &[u8]) -> bool {
    number::parse_i64(argument).is_some_and(|number| number != 0)
}

fn populate(call: &mut Call<'_>) -> Outcome {
    let count = call.count(2)?;
    let prefix = if call.len() > 3 { call.arg(3) } else { b"key" };
    let size = if call.len() > 4 { call.count(4)? } else { 0 };
    if size > call.config.clients.proto_max_bulk_len {
        return Err(Error::text(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ));
    }
    for number in 0..count {
        let name = [prefix, b":", number.to_string().as_bytes()].concat();
        let key = Key::new(&name);
        if call.db.peek(key).is_some() {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        let value = string::as_integer(&value).map_or(NewValue::Bytes(&value), NewValue::Int);
        call.db.insert(key, value, None);
        call.db.changed(key, Event::SET);
    }
    accept(call)
}

fn sleep(call: &mut Call<'_>) -> Outcome {
    let seconds = number::parse_f64(call.arg(2)).unwrap_or(0.0);
    if let Ok(duration) = Duration::try_from_secs_f64(seconds) {
        std::thread::sleep(duration);
    }
    accept(call)
}

fn stringmatch_len(call: &mut Call<'_>) -> Outcome {
    let length = usize::try_from(call.int(2)?)
        .ok()
        .filter(|&length| length <= call.config.clients.proto_max_bulk_len);
    let text = vec![b'a'; length.ok_or(Error::NotInteger)?];
    let matches = glob::matches(call.arg(3), &text, false);
    call.reply.int(i64::from(matches));
    Ok(())
}

fn protocol(call: &mut Call<'_>) -> Outcome {
    let reply = &mut call.reply;
    match call.request.arg(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        #[allow(
            clippy::approx_constant,
            reason = "the example that Redis gives, not the constant"
        )]
        b"double" => reply.double(3.141),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.version() == Version::Resp3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if reply.version() == Version::Resp2 => {
            return Err(Error::text("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            return Err(Error::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
