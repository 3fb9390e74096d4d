//! Where Minium answers otherwise than redis-server 7.0 on purpose. docs/compatibility.md tells users the same.

use super::pair::Difference;
use super::rules;
use super::step::Step;
use crate::support::Value;

/// A command and the two replies that differ.
struct Exchange<'a> {
    command: &'a [Vec<u8>],
    /// The reply to what was asked immediately before.
    context: Option<&'a Value>,
    minium: &'a Value,
    redis: &'a Value,
}

/// One intended difference.
struct Intended {
    /// Why it is right.
    #[allow(dead_code, reason = "for the reader")]
    reason: &'static str,
    /// Whether it explains the two replies.
    explains: fn(&Exchange<'_>) -> bool,
}

const INTENDED: &[Intended] = &[
    Intended {
        reason: "Redis keeps one object for each small integer, and all keys with that value share its idle time",
        explains: |exchange| {
            exchange.is("OBJECT", "IDLETIME")
                && matches!(
                    (exchange.minium, exchange.redis),
                    (Value::Int(0..=1), Value::Int(2..))
                )
        },
    },
    Intended {
        reason: "COPY makes an object of its own of a shared small integer; here a small integer never was an object",
        explains: |exchange| {
            exchange.is("OBJECT", "REFCOUNT")
                && *exchange.minium == Value::Int(i64::from(i32::MAX))
                && *exchange.redis == Value::Int(1)
        },
    },
    Intended {
        reason: "within a transaction, Redis also counts the arguments of the command that set the value",
        explains: |exchange| {
            exchange.is("OBJECT", "REFCOUNT")
                && (exchange.minium, exchange.redis) == (&Value::Int(1), &Value::Int(2))
        },
    },
    Intended {
        reason: "COMMAND GETKEYS of Redis reads a number of keys as far as it is one",
        explains: |exchange| {
            let refusal = b"ERR Invalid arguments specified for command";
            exchange.is("COMMAND", "GETKEYS") && *exchange.minium == Value::Error(refusal.to_vec())
        },
    },
    Intended {
        reason: "Redis reads a cursor with a zero byte up to there",
        explains: |exchange| {
            let name = rules::name(exchange.command);
            let cursor = exchange.command.get(if name == b"SCAN" { 1 } else { 2 });
            name.ends_with(b"SCAN")
                && cursor.is_some_and(|cursor| cursor.contains(&0))
                && *exchange.minium == Value::Error(b"ERR invalid cursor".to_vec())
        },
    },
    Intended {
        reason: "Redis 7.2 lets COMMAND GETKEYS look at a command without arguments, 7.0 did not",
        explains: |exchange| {
            exchange.is("COMMAND", "GETKEYS")
                && exchange.command.len() == 3
                && exchange
                    .redis_says("ERR wrong number of arguments for 'command|getkeys' command")
        },
    },
    Intended {
        reason: "Redis 7.2 packs small sets that are not all integers, 7.0 did not",
        explains: |exchange| exchange.encodings("set", "listpack", "hashtable"),
    },
    Intended {
        reason: "Redis 7.2 chooses the form of a new set by the number of members given, even if some of them are equal",
        explains: |exchange| {
            exchange.encodings("set", "listpack", "intset")
                || exchange.encodings("set", "hashtable", "intset")
        },
    },
    Intended {
        reason: "Redis 7.2 names a list of one packed node after the node",
        explains: |exchange| exchange.encodings("list", "listpack", "quicklist"),
    },
    Intended {
        reason: "Redis 7.2 makes a table at once for more fields than a packed hash holds, even if some of them are equal",
        explains: |exchange| exchange.encodings("hash", "hashtable", "listpack"),
    },
    Intended {
        reason: "Redis 7.2 does the same with sorted sets, and with a range stored whose length it does not know",
        explains: |exchange| exchange.encodings("zset", "skiplist", "listpack"),
    },
    Intended {
        reason: "Redis 7.2 refuses a rank whose opposite is no integer, 7.0 did not",
        explains: |exchange| {
            let refusal = b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
            rules::name(exchange.command) == b"LPOS"
                && *exchange.minium == Value::Error(refusal.to_vec())
        },
    },
    Intended {
        reason: "Redis 7.2 has directives for packed sets, 7.0 had not",
        explains: |exchange| {
            let directive = rules::word(exchange.command, 2);
            exchange.is("CONFIG", "SET")
                && directive.starts_with(b"SET-MAX-LISTPACK-")
                && exchange.redis_says(&format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{}'",
                    exchange.command[2].escape_ascii()
                ))
        },
    },
    Intended {
        reason: "Redis 7.2 lets ZRANK and ZREVRANK tell the score as well, 7.0 did not",
        explains: |exchange| {
            let name = rules::name(exchange.command);
            matches!(name.as_slice(), b"ZRANK" | b"ZREVRANK")
                && exchange.command.len() > 3
                && exchange.redis_says(&format!(
                    "ERR wrong number of arguments for '{}' command",
                    name.to_ascii_lowercase().escape_ascii()
                ))
        },
    },
    Intended {
        reason: "the same, asked of COMMAND GETKEYS",
        explains: |exchange| {
            exchange.is("COMMAND", "GETKEYS")
                && matches!(
                    rules::word(exchange.command, 2).as_slice(),
                    b"ZRANK" | b"ZREVRANK"
                )
                && exchange.redis_says("ERR Invalid number of arguments specified for command")
        },
    },
    Intended {
        reason: "Redis 7.2 writes scores with as few digits as tell them from all others, 7.0 with 17",
        explains: |exchange| {
            rules::name(exchange.command).starts_with(b"Z")
                && same_scores(exchange.minium, exchange.redis)
        },
    },
];

impl Exchange<'_> {
    fn is(&self, name: &str, subcommand: &str) -> bool {
        rules::name(self.command) == name.as_bytes()
            && rules::word(self.command, 1) == subcommand.as_bytes()
    }

    fn redis_says(&self, error: &str) -> bool {
        *self.redis == Value::Error(error.as_bytes().to_vec())
    }

    /// Whether this is OBJECT ENCODING of a key of this type. Within a transaction the type was not asked for.
    fn encodings(&self, kind: &str, minium: &str, redis: &str) -> bool {
        let is = |reply: &Value, name: &str| *reply == Value::Bulk(name.as_bytes().to_vec());
        self.is("OBJECT", "ENCODING")
            && self
                .context
                .is_none_or(|context| *context == Value::Simple(kind.as_bytes().to_vec()))
            && is(self.minium, minium)
            && is(self.redis, redis)
    }
}

/// Whether the replies differ in the form of numbers only.
fn same_scores(minium: &Value, redis: &Value) -> bool {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    match (minium, redis) {
        _ if minium == redis => true,
        (Value::Bulk(ours), Value::Bulk(theirs)) | (Value::Double(ours), Value::Double(theirs)) => {
            number(ours).is_some_and(|score| number(theirs) == Some(score))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| same_scores(ours, theirs))
        }
        (Value::Map(ours), Value::Map(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| ours.0 == theirs.0 && same_scores(&ours.1, &theirs.1))
        }
        _ => false,
    }
}

/// Whether Redis may keep a collection in a larger form than it needs after this: SORT unpacks sorted sets for good, and
/// SDIFFSTORE may begin with members that it takes out again.
pub fn enlarges(command: &[Vec<u8>]) -> bool {
    matches!(
        rules::name(command).as_slice(),
        b"SORT" | b"SORT_RO" | b"SDIFFSTORE"
    )
}

/// Whether Redis keeps a collection in such a form, and Minium in the one that it needs.
pub fn is_enlarged(command: &[Vec<u8>], minium: &Value, redis: &Value) -> bool {
    let exchange = Exchange {
        command,
        context: None,
        minium,
        redis,
    };
    exchange.encodings("zset", "listpack", "skiplist")
        || exchange.encodings("set", "intset", "hashtable")
}

/// Whether SORT of Redis took a number for none because `errno` still told of an earlier one, which was out of range.
pub fn is_stale_error(command: &[Vec<u8>], minium: &Value, redis: &Value) -> bool {
    let refusal = b"ERR One or more scores can't be converted into double";
    let numeric = |element: &Value| match element {
        Value::Bulk(text) => text
            .trim_ascii_start()
            .first()
            .is_none_or(|first| first.is_ascii_digit() || b"+-.iI".contains(first)),
        _ => true,
    };
    let sorts_itself = command.iter().all(|word| !word.eq_ignore_ascii_case(b"BY"));
    let gets_others = command.iter().any(|word| word.eq_ignore_ascii_case(b"GET"));
    rules::name(command).starts_with(b"SORT")
        && *redis == Value::Error(refusal.to_vec())
        && match minium {
            Value::Array(elements) if sorts_itself && !gets_others => elements.iter().all(numeric),
            other => !other.is_error(),
        }
}

/// Accepts an intended difference, and makes an error of any other.
pub fn accept_or(
    step: &Step,
    context: Option<&Value>,
    ours: Value,
    theirs: Value,
) -> Result<(), Difference> {
    let exchange = Exchange {
        command: &step.command,
        context,
        minium: &ours,
        redis: &theirs,
    };
    if INTENDED
        .iter()
        .any(|intended| (intended.explains)(&exchange))
    {
        return Ok(());
    }
    Err(Difference::Reply {
        step: step.clone(),
        ours,
        theirs,
    })
}
