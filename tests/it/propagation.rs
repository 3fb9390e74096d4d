//! What is appended to the append-only file, beside what a real redis-server appends for the same commands.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Client, Server, Setup, Value, wait_for};

/// Commands, and what we append where that is something else on purpose; `T` is a moment that is near. Semicolons separate commands.
const LINES: &[(&str, Option<&str>)] = &[
    // What a condition has decided needs no condition any more, and an old value is not answered twice.
    ("SET a 1", None),
    ("SET a 2 NX", None),
    ("SET b 2 XX", None),
    ("SET a 2 XX", Some("SET a 2")),
    ("SET new 2 NX", Some("SET new 2")),
    ("SET a 3 GET", None),
    ("SET a 3 XX GET", Some("SET a 3")),
    ("SET c 3 GET EX 100", None),
    ("SET c 3 KEEPTTL", None),
    ("SET c 3 KEEPTTL GET", None),
    ("SET c 3 PX 100000", None),
    ("SET c 3 EXAT 4000000000", None),
    ("SET c 3 PXAT 4000000000000", None),
    ("SETNX a 1", None),
    ("SETNX d 1", None),
    ("SETEX a 100 1", None),
    ("PSETEX a 100000 1", None),
    ("GET a", None),
    ("GETSET a 2", None),
    ("GETSET e 2", None),
    ("GETEX a", None),
    ("GETEX none EX 100", None),
    ("GETEX a EX 100", None),
    ("GETEX a PX 100000", None),
    ("GETEX a EXAT 4000000000", None),
    ("GETEX a PERSIST", None),
    ("GETEX a PERSIST", None),
    ("GETEX a PXAT 1", None),
    ("GETDEL e", None),
    ("GETDEL e", None),
    ("MSET a 1 b 2 a 3", None),
    ("MSETNX b 1 f 2", None),
    ("MSETNX g 1 h 2", None),
    ("INCR a", None),
    ("INCRBY none 5", None),
    ("INCRBYFLOAT a 1.5", None),
    ("DECR f2", None),
    ("DECRBY f2 3", None),
    ("APPEND a x", None),
    ("INCR a", None),
    ("SETRANGE a 1 yz", None),
    ("SETRANGE k 1 yz", None),
    // Strings as bits.
    ("SETBIT bits 7 0", None),
    ("SETBIT bits 6 1", None),
    ("BITOP NOT bits2 bits", None),
    ("BITOP OR bits3 none2 none3", None),
    ("BITFIELD fields GET u8 0", None),
    ("BITFIELD fields SET u8 0 0 INCRBY u8 8 1 GET u8 8", None),
    ("BITFIELD fields OVERFLOW FAIL INCRBY u2 0 9", None),
    // Keys of any type.
    ("EXPIRE a 100", None),
    ("EXPIRE a 100 NX", None),
    ("EXPIRE a 200 GT", Some("PEXPIREAT a T")),
    ("PEXPIRE a 100000 XX", Some("PEXPIREAT a T")),
    ("EXPIREAT a 4000000000", None),
    ("PEXPIREAT a 4000000000000", None),
    ("PEXPIREAT a 4000000000 LT", None),
    ("EXPIRE none 100", None),
    ("PERSIST b", None),
    ("EXPIRE b 100", None),
    ("PERSIST b", None),
    ("PEXPIRE b -1", None),
    ("EXPIREAT c 1", None),
    ("RENAME g i", None),
    ("RENAMENX i d", None),
    ("RENAMENX i j", None),
    ("COPY j j2", None),
    ("COPY j j2", None),
    ("COPY j j2 DB 1 REPLACE", None),
    ("MOVE j2 1", None),
    ("MOVE j2 2", None),
    ("DEL none none2", None),
    ("DEL j none", None),
    ("UNLINK h none", None),
    ("TOUCH d", None),
    ("SWAPDB 4 5", None),
    ("SWAPDB 4 4", None),
    ("SELECT 1; INCR n; SELECT 0; INCR n", None),
    ("FLUSHDB", None),
    // Again, though nothing is there any more.
    ("FLUSHDB", None),
    ("MULTI; FLUSHDB; EXEC", None),
    // Lists.
    ("RPUSH l a b c d e f g", None),
    ("LPUSH l 1", None),
    ("LPUSHX l 1", None),
    ("RPUSHX none 1", None),
    ("LPOP l", None),
    ("RPOP l 2", None),
    ("LPOP l 0", None),
    ("LMPOP 2 none l LEFT", None),
    ("LMPOP 2 none l RIGHT COUNT 2", None),
    ("LMOVE l l2 LEFT RIGHT", None),
    ("RPOPLPUSH l l2", None),
    ("LINSERT l2 BEFORE none 1", None),
    ("RPUSH l3 a b a c", None),
    ("LINSERT l3 BEFORE b 1", None),
    ("LSET l3 0 x", None),
    ("LREM l3 0 none", None),
    ("LREM l3 0 a", None),
    ("LTRIM l3 0 1", None),
    ("LMPOP 1 l3 LEFT COUNT 10", None),
    ("RPUSH nums 3 1 2; SORT nums STORE sorted", None),
    // Calls that may wait, and find what they want.
    ("RPUSH bl 1 2 3 4 5 6; BLPOP none bl 1", None),
    ("BRPOP bl 1", None),
    ("BLMOVE bl bl2 LEFT RIGHT 1", None),
    ("BRPOPLPUSH bl bl2 1", None),
    ("BLMPOP 1 2 none bl LEFT", None),
    ("ZADD bz 1 a 2 b 3 c; BZPOPMIN none bz 1", None),
    ("BZPOPMAX bz 1", None),
    ("BZMPOP 1 1 bz MIN", None),
    ("SORT none STORE sorted", None),
    // Sets. What chance chose leaves in one command.
    ("SADD s 1 2 3 4 5", None),
    ("SADD s 1", None),
    ("SREM s 5 none", None),
    ("SREM s none", None),
    ("SMOVE s s2 4", None),
    ("SMOVE s s2 none", None),
    ("SADD one x", None),
    ("SPOP one", None),
    ("SPOP one", None),
    ("SADD two x y; SPOP two 2", None),
    ("SPOP s 0", None),
    ("SUNIONSTORE u s s2", None),
    ("SINTERSTORE i s none", None),
    ("SDIFFSTORE u none s", None),
    ("SDIFFSTORE u none s", None),
    // Sorted sets.
    ("ZADD z 1 a 2 b 3 c", None),
    ("ZADD z 1 a", None),
    ("ZADD z GT CH 5 a 1 b", None),
    ("ZADD z XX INCR 1.5 a", None),
    ("ZADD z NX 1 a", None),
    ("ZINCRBY z 2 a", None),
    ("ZREM z none", None),
    ("ZREM z c none", None),
    ("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g", None),
    ("ZPOPMIN z", None),
    ("ZPOPMAX z 2", None),
    ("ZPOPMIN z 0", None),
    ("ZMPOP 2 none z MAX", None),
    ("ZMPOP 2 none z MIN COUNT 2", None),
    ("ZRANGESTORE z2 z 0 -1", None),
    ("ZRANGESTORE z2 none 0 -1", None),
    ("ZADD z3 1 a 2 b 3 c 4 d", None),
    ("ZREMRANGEBYRANK z3 0 0", None),
    ("ZREMRANGEBYRANK z3 9 9", None),
    ("ZREMRANGEBYSCORE z3 2 2", None),
    ("ZREMRANGEBYLEX z3 - (d", None),
    ("ZUNIONSTORE z4 2 z3 s WEIGHTS 2 3", None),
    ("ZINTERSTORE z4 2 z3 none", None),
    ("ZDIFFSTORE z4 2 z3 s", None),
    // Hashes.
    ("HSET h a 1 b 2", None),
    ("HSET h a 1", None),
    ("HMSET h a 1 c 1.5", None),
    ("HSETNX h a 1", None),
    ("HSETNX h d 1", None),
    ("HINCRBY h a 5", None),
    ("HINCRBYFLOAT h c 1.5", None),
    ("HDEL h none", None),
    ("HDEL h a none", None),
    // Errors change nothing.
    ("SET str x; INCR str", None),
    ("LPUSH str x", None),
    ("HSET str x", None),
    ("NONESUCH", None),
    // Transactions.
    ("MULTI; SET t 1; EXEC", None),
    ("MULTI; SET t 1; GET t; INCR t; EXEC", None),
    ("MULTI; GET t; EXEC", None),
    ("MULTI; SET t 1; DISCARD", None),
    ("MULTI; SET t 1; NONESUCH; EXEC", None),
    (
        "MULTI; SET t 1 EX 100; SADD m 7; SPOP m; EXPIRE t -1; EXEC",
        None,
    ),
    ("WATCH t; SET t 2; MULTI; SET t 3; EXEC", None),
    // The journal goes on in the database in which a transaction began.
    (
        "MULTI; INCR n; SELECT 3; INCR n; EXEC; SELECT 0",
        Some("MULTI; INCR n; SELECT 3; INCR n; SELECT 0; EXEC"),
    ),
    ("SELECT 3; INCR n; SELECT 0", None),
    // The dead are removed by whoever meets them.
    ("PSETEX dead 1 x; wait; GET dead", None),
    ("PSETEX dead 1 x; wait; INCR dead", None),
    ("PSETEX dead 1 x; wait; RANDOMKEY; EXISTS dead", None),
    (
        "PSETEX dead 1 x; wait; MULTI; SET dead 1; INCR dead; EXEC",
        None,
    ),
    ("FLUSHALL", None),
    ("FLUSHALL ASYNC", None),
    ("flushall", None),
    ("FLUSHALL NONESUCH", None),
];

/// Commands that may change keys, but are in no line.
const UNTESTED: &[&str] = &["restore", "restore-asking"];

/// A server and a client of it.
struct Side {
    server: Server,
    client: Client,
}

impl Side {
    fn start(setup: Setup) -> Side {
        let server = setup
            .with("appendonly", "yes")
            .with("appendfsync", "always")
            .with("aof-use-rdb-preamble", "no")
            .with("enable-debug-command", "yes")
            .start();
        let mut client = server.connect();
        assert!(client.line("DEBUG SET-ACTIVE-EXPIRE 0").is_ok());
        Side { server, client }
    }

    /// Runs the commands of every line, and answers what each of them appended.
    fn appended(&mut self) -> Vec<String> {
        for (line, _) in LINES {
            for command in line.split("; ") {
                match command {
                    "wait" => self.wait(),
                    _ => drop(self.client.line(command)),
                }
            }
            self.client.line("SET end-of line");
            self.client.line("DEL end-of");
        }
        let log = self.log();
        let mut lines = vec![Vec::new()];
        for command in log {
            if command == "SET end-of line" {
                lines.push(Vec::new());
            } else if command != "DEL end-of" {
                lines.last_mut().expect("one at least").push(command);
            }
        }
        lines.iter().map(|commands| commands.join("; ")).collect()
    }

    /// Waits until keys that live for a millisecond are dead.
    fn wait(&mut self) {
        let mut micros = || {
            let time = self.client.line("TIME");
            let parts = time
                .elements()
                .iter()
                .map(|part| part.text().parse::<u64>());
            let parts: Vec<_> = parts.map(|part| part.expect("a number")).collect();
            parts[0] * 1_000_000 + parts[1]
        };
        let begin = micros();
        wait_for("time to pass", || micros() > begin + 3000);
    }

    /// The commands in the append-only file, but for the choice of the first database.
    fn log(&self) -> Vec<String> {
        let path = self
            .server
            .dir()
            .join("appendonlydir/appendonly.aof.1.incr.aof");
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (mut at, mut commands) = (0, Vec::new());
        while at < bytes.len() {
            let parsed = Value::parse(&bytes[at..]).expect("whole commands");
            let (command, length) = parsed.expect("whole commands");
            at += length;
            let words = command.elements().iter().map(|word| near(&word.text()));
            commands.push(words.collect::<Vec<_>>().join(" "));
        }
        assert_eq!(commands.first().map(String::as_str), Some("SELECT 0"));
        commands.split_off(1)
    }
}

/// A word, or `T` if it is a moment that is near, in milliseconds since the epoch.
fn near(word: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    match word.parse::<u128>() {
        Ok(time) if time.abs_diff(now.as_millis()) < 1_000_000 => "T".to_owned(),
        _ => word.to_owned(),
    }
}

#[test]
fn changes_are_appended_as_the_reference_appends_them() {
    let mut ours = Side::start(Setup::minium());
    let mut reference = Side::start(Setup::redis());
    let appended = ours.appended();
    let expected = reference.appended();
    assert_eq!(appended.len(), LINES.len() + 1);
    assert_eq!(expected.len(), LINES.len() + 1);
    let mut wrong = Vec::new();
    for ((line, difference), (appended, expected)) in
        LINES.iter().zip(appended.iter().zip(&expected))
    {
        let wanted = difference.unwrap_or(expected);
        if appended != wanted {
            wrong.push(format!(
                "{line}\n    ours:      {appended}\n    reference: {expected}"
            ));
        } else if difference.is_some_and(|ours| ours == expected) {
            wrong.push(format!("{line} is no difference"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for name in commands_that_write(&mut ours.client) {
        // Of subcommands, only FUNCTION has some that write, and there are no functions yet.
        if name.contains('|') {
            continue;
        }
        let is_tested = LINES.iter().any(|(line, _)| {
            let mut commands = line.split("; ").map(|command| command.split(' ').next());
            commands.any(|first| first.is_some_and(|first| first.eq_ignore_ascii_case(&name)))
        });
        let about = reference.client.call(&["COMMAND", "INFO", &name]);
        let is_known = !about.elements()[0].is_null();
        assert!(
            is_tested || !is_known || UNTESTED.contains(&&*name),
            "no line tells what {name} appends"
        );
    }
}

/// The names of the commands that may change keys.
fn commands_that_write(client: &mut Client) -> Vec<String> {
    let names = client.line("COMMAND LIST FILTERBY ACLCAT write");
    names.elements().iter().map(Value::text).collect()
}
