//! Where Minium answers otherwise than redis-server 7.0 on purpose. docs/compatibility.md tells users the same.

use super::pair::Difference;
use super::step::Step;
use crate::support::Value;

/// One intended difference.
struct Intended {
    /// Why it is right.
    #[allow(dead_code, reason = "for the reader")]
    reason: &'static str,
    /// Whether it explains that this command got the first reply from Minium and the second one from Redis.
    explains: fn(&[Vec<u8>], &Value, &Value) -> bool,
}

const INTENDED: &[Intended] = &[
    Intended {
        reason: "Redis keeps one object for each small integer, and all keys with that value share its idle time",
        explains: |command, minium, redis| {
            is(command, "OBJECT", "IDLETIME")
                && matches!((minium, redis), (Value::Int(0..=1), Value::Int(2..)))
        },
    },
    Intended {
        reason: "COPY makes an object of its own of a shared small integer; here a small integer never was an object",
        explains: |command, minium, redis| {
            is(command, "OBJECT", "REFCOUNT")
                && (minium, redis) == (&Value::Int(i64::from(i32::MAX)), &Value::Int(1))
        },
    },
    Intended {
        reason: "Redis reads a cursor with a zero byte up to there",
        explains: |command, minium, _| {
            command[0].eq_ignore_ascii_case(b"SCAN")
                && command[1].contains(&0)
                && *minium == Value::Error(b"ERR invalid cursor".to_vec())
        },
    },
    Intended {
        reason: "Redis 7.2 lets COMMAND GETKEYS look at a command without arguments, 7.0 did not",
        explains: |command, _, redis| {
            let refusal = b"ERR wrong number of arguments for 'command|getkeys' command";
            is(command, "COMMAND", "GETKEYS")
                && command.len() == 3
                && *redis == Value::Error(refusal.to_vec())
        },
    },
];

fn is(command: &[Vec<u8>], name: &str, subcommand: &str) -> bool {
    let [first, second, ..] = command else {
        return false;
    };
    first.eq_ignore_ascii_case(name.as_bytes())
        && second.eq_ignore_ascii_case(subcommand.as_bytes())
}

/// Accepts an intended difference, and makes an error of any other.
pub fn accept_or(step: &Step, ours: Value, theirs: Value) -> Result<(), Difference> {
    if INTENDED
        .iter()
        .any(|intended| (intended.explains)(&step.command, &ours, &theirs))
    {
        return Ok(());
    }
    Err(Difference::Reply {
        step: step.clone(),
        ours,
        theirs,
    })
}
