//! Lua scripts made from a small grammar, as EVAL, EVALSHA and functions. What has no order of its own (`pairs`, members of sets), what is
//! meant to differ (random numbers, blocking calls, fractions as arguments of commands) and what tells of dead keys until they are found (DBSIZE) is not in it.

use std::fmt::Write;

use fastrand::Rng;
use proptest::prelude::*;
use sha1_smol::Sha1;

use super::Generator;
use super::arguments::KEYS;
use super::step::Step;
use crate::command;

/// Of the others `COMMAND GETKEYS` tells more on the reference: it finds keys behind what is no number of keys.
pub const COMMANDS: &[&str] = &["FUNCTION"];

/// Functions, each in a library of its own, that are loaded over and over.
const FUNCTIONS: u64 = 3;
/// Different scripts of EVAL and EVALSHA within one run of the tests, so that the latter finds some.
const SCRIPTS: u64 = 3000;

pub fn generators() -> Vec<Generator> {
    let number = || any::<u64>();
    let given = || (0..3_usize, any::<u64>());
    let unmangled = |command: Vec<Vec<u8>>| Step {
        mangle: false,
        ..Step::new(command)
    };
    let eval = move |name: &'static str| {
        (number(), given()).prop_map(move |(seed, given)| {
            let source = source(seed % SCRIPTS);
            unmangled(call(name, source.as_bytes(), given))
        })
    };
    let by_name = (number(), given()).prop_map(move |(seed, given)| {
        let name = Sha1::from(source(seed % SCRIPTS)).digest().to_string();
        unmangled(call("EVALSHA", name.as_bytes(), given))
    });
    let load = number().prop_map(move |seed| {
        let (function, body) = (seed % FUNCTIONS, source(seed / FUNCTIONS));
        let library = format!(
            "#!lua name=l{function}\nredis.register_function('f{function}', function(KEYS, ARGV)\n{body}\nend)"
        );
        unmangled(command!["FUNCTION", "LOAD", "REPLACE", library].into())
    });
    let function = move |name: &'static str| {
        (number(), given()).prop_map(move |(seed, given)| {
            let function = format!("f{}", seed % FUNCTIONS);
            unmangled(call(name, function.as_bytes(), given))
        })
    };
    vec![
        (8, eval("EVAL").boxed()),
        (2, eval("EVAL_RO").boxed()),
        (3, by_name.boxed()),
        (3, load.boxed()),
        (6, function("FCALL").boxed()),
        (1, function("FCALL_RO").boxed()),
    ]
}

/// A call with some keys, not always as many as the script asks for, and arguments.
fn call(name: &str, script: &[u8], (keys, seed): (usize, u64)) -> Vec<Vec<u8>> {
    let mut rng = Rng::with_seed(seed);
    let mut words = vec![name.into(), script.to_vec(), keys.to_string().into_bytes()];
    for _ in 0..keys {
        words.push(KEYS[rng.usize(..KEYS.len())].to_vec());
    }
    for _ in 0..rng.usize(..4) {
        let arguments: [&[u8]; 8] = [b"7", b"-2", b"0.5", b"text", b"", b"x\0y", b"1e3", b"10"];
        words.push(arguments[rng.usize(..arguments.len())].to_vec());
    }
    words
}

fn source(seed: u64) -> String {
    let mut maker = Maker {
        rng: Rng::with_seed(seed),
        locals: 0,
        text: String::new(),
    };
    let statements = maker.rng.usize(1..6);
    for _ in 0..statements {
        maker.statement(2);
    }
    let result = maker.result();
    maker.text + "return " + &result
}

/// Writes one script.
struct Maker {
    rng: Rng,
    /// How many of `v1`, `v2`, ... are visible.
    locals: usize,
    text: String,
}

impl Maker {
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.rng.usize(..words.len())]
    }

    fn list(
        &mut self,
        count: std::ops::Range<usize>,
        mut make: impl FnMut(&mut Maker) -> String,
    ) -> String {
        let count = self.rng.usize(count);
        let parts: Vec<_> = (0..count).map(|_| make(self)).collect();
        parts.join(", ")
    }

    fn statement(&mut self, depth: u32) {
        match self.rng.u32(..12) {
            0..5 => {
                let value = match self.rng.u32(..3) {
                    0 => self.command("redis.call"),
                    1 => self.command("redis.pcall"),
                    _ => self.value(2),
                };
                self.locals += 1;
                writeln!(self.text, "local v{} = {value}", self.locals)
                    .expect("a string takes all");
            }
            5 | 6 => {
                let call = self.command("redis.call");
                self.text += &format!("{call}\n");
            }
            7 => {
                let arguments = self.arguments();
                self.locals += 2;
                let (ok, value) = (self.locals - 1, self.locals);
                self.text += &format!("local v{ok}, v{value} = pcall(redis.call, {arguments})\n");
                // Only its text: the older reference has no table there.
                self.text += &format!(
                    "if type(v{value}) == 'table' and v{value}.err then v{value} = v{value}.err end\n"
                );
            }
            8 if self.locals > 0 => {
                let (place, value) = (self.rng.usize(1..=self.locals), self.value(1));
                self.text += &format!("v{place} = {value}\n");
            }
            9 if depth > 0 => {
                let condition = self.condition();
                self.block(&format!("if {condition} then"), depth, "else");
                self.block("", depth, "end");
            }
            10 if depth > 0 => {
                let count = self.rng.u32(0..4);
                let head = self.locals + 1;
                self.locals += 1;
                self.block(&format!("for v{head} = 1, {count} do"), depth, "end");
                self.locals -= 1;
            }
            11 => {
                let odd = self.pick(&[
                    "redis.setresp(3)",
                    "redis.setresp(2)",
                    "redis.log(redis.LOG_DEBUG, 'x')",
                    "if #ARGV > 2 then error('e') end",
                    "if #KEYS > 1 then error({err = 'MY e'}) end",
                    "local function f(a) return a end",
                ]);
                self.text += &format!("{odd}\n");
            }
            _ => {}
        }
    }

    fn block(&mut self, head: &str, depth: u32, end: &str) {
        let locals = self.locals;
        self.text += &format!("{head}\n");
        for _ in 0..self.rng.usize(..3) {
            self.statement(depth - 1);
        }
        self.text += &format!("{end}\n");
        self.locals = locals;
    }

    fn condition(&mut self) -> String {
        let (a, b) = (self.scalar(1), self.scalar(1));
        let compare = self.pick(&["==", "~=", "==", "<"]);
        match self.rng.u32(..4) {
            0 => format!("not {a}"),
            1 => format!("type({a}) == type({b}) and {a} == {b}"),
            2 => format!("(tonumber({a}) or 0) {compare} (tonumber({b}) or 1)"),
            _ => format!("{a} {} {b}", if compare == "<" { "==" } else { compare }),
        }
    }

    /// What the script returns.
    fn result(&mut self) -> String {
        match self.rng.u32(..12) {
            0 => self.command("redis.call"),
            1 => self.command("redis.pcall"),
            2 => "redis.status_reply(tostring(ARGV[1]))".into(),
            3 => "redis.error_reply(tostring(ARGV[1]))".into(),
            4 => self
                .pick(&[
                    "{ok = 'fine'}",
                    "{err = 'MY error'}",
                    "{err = 'no code'}",
                    "{double = 0.5}",
                    "{map = {a = 1}}",
                    "{set = {a = true}}",
                    "{big_number = '12345678901234567890'}",
                    "{verbatim_string = {string = 'x', format = 'txt'}}",
                    "",
                    "nil, 1",
                    "1, 2",
                ])
                .into(),
            _ => self.value(3),
        }
    }

    fn value(&mut self, depth: u32) -> String {
        match self.rng.u32(..10) {
            0..4 if depth > 0 => {
                let elements = self.list(0..5, |maker| maker.value(depth - 1));
                format!("{{{elements}}}")
            }
            4 if depth > 0 => self.command("redis.pcall"),
            5 if depth > 0 => {
                let elements = self.list(0..5, Maker::text_or_number);
                match self.rng.u32(..5) {
                    0 => format!("table.concat({{{elements}}}, ',')"),
                    1 => format!("#{{{elements}}}"),
                    2 => format!("cjson.encode({{{elements}}})"),
                    3 => format!("{{unpack({{{elements}}})}}"),
                    _ => format!(
                        "select('#', {})",
                        if elements.is_empty() {
                            "nil"
                        } else {
                            &elements
                        }
                    ),
                }
            }
            _ => self.scalar(2),
        }
    }

    fn text_or_number(&mut self) -> String {
        match self.rng.bool() {
            true => self.number(1),
            false => self.string(1),
        }
    }

    fn scalar(&mut self, depth: u32) -> String {
        match self.rng.u32(..10) {
            0 => self.pick(&["true", "false", "nil", "false"]).into(),
            1 | 2 if self.locals > 0 => format!("v{}", self.rng.usize(1..=self.locals)),
            3..6 => self.number(depth),
            6 => format!("type({})", self.scalar(0)),
            _ => self.string(depth),
        }
    }

    fn number(&mut self, depth: u32) -> String {
        const NUMBERS: &[&str] = &[
            "0", "1", "-1", "2", "3", "10", "0.5", "-2.5", "3.99", "1e15", "2^53", "1e100", "-7",
            "255",
        ];
        if depth == 0 {
            return self.pick(NUMBERS).into();
        }
        match self.rng.u32(..10) {
            0..3 => self.pick(NUMBERS).into(),
            3 | 4 => {
                let (a, b) = (self.number(depth - 1), self.number(depth - 1));
                let sign = self.pick(&["+", "-", "*", "/", "%", "^"]);
                format!("({a} {sign} {b})")
            }
            5 => format!("#{}", self.string(depth - 1)),
            6 => format!("(tonumber({}) or 0)", self.string(depth - 1)),
            7 => {
                let function = self.pick(&["math.floor", "math.abs", "math.ceil", "bit.bnot"]);
                format!("{function}({})", self.number(depth - 1))
            }
            8 => format!(
                "math.max({}, {})",
                self.number(depth - 1),
                self.number(depth - 1)
            ),
            // An error if that is no number.
            _ => format!("({} + 1)", self.string(depth - 1)),
        }
    }

    fn string(&mut self, depth: u32) -> String {
        const STRINGS: &[&str] = &[
            "''",
            "'a'",
            "'12'",
            "'text'",
            "'a b'",
            "'\\0\\r\\n'",
            "'0x10'",
            "ARGV[1]",
            "ARGV[2]",
            "KEYS[1]",
            "'1e2'",
            "'-3'",
        ];
        if depth == 0 {
            return format!("tostring({})", self.pick(STRINGS));
        }
        let inner = self.string(depth - 1);
        match self.rng.u32(..12) {
            0..4 => format!("tostring({})", self.pick(STRINGS)),
            4 => format!("({inner} .. {})", self.text_or_number()),
            5 => format!("tostring({})", self.number(depth - 1)),
            6 => format!("redis.sha1hex({inner})"),
            7 => format!(
                "string.{}({inner})",
                self.pick(&["upper", "lower", "reverse"])
            ),
            8 => format!(
                "string.sub({inner}, {}, {})",
                self.rng.i32(-3..3),
                self.rng.i32(-3..5)
            ),
            9 => format!("string.rep({inner}, {})", self.rng.i32(-1..4)),
            10 => format!(
                "string.format('{}', {})",
                self.pick(&["%d", "%5.2f", "%g", "%x", "%s", "%q"]),
                self.number(depth - 1)
            ),
            _ => format!(
                "(string.gsub({inner}, '{}', '{}'))",
                self.pick(&["%d", "a", ".", "^%s*", "(%w)(%w)"]),
                self.pick(&["", "x", "%0%0", "%%"])
            ),
        }
    }

    fn command(&mut self, function: &str) -> String {
        format!("{function}({})", self.arguments())
    }

    /// The arguments of redis.call. A key may be one that the script was not given.
    fn arguments(&mut self) -> String {
        let key = |maker: &mut Maker| match maker.rng.u32(..10) {
            0..4 => "(KEYS[1] or 'a')".to_owned(),
            4..6 => "(KEYS[2] or 'b')".to_owned(),
            6 => "'c'".to_owned(),
            7 => "'d'".to_owned(),
            8 => "'{t}1'".to_owned(),
            _ => "'{t}2'".to_owned(),
        };
        const FORMS: &[&str] = &[
            "set K S",
            "set K S",
            "get K",
            "get K",
            "incr K",
            "incrby K I",
            "append K S",
            "strlen K",
            "getrange K I I",
            "setbit K U 1",
            "del K",
            "del K K",
            "exists K K",
            "type K",
            "persist K",
            "expire K 1000",
            "lpush K S S",
            "rpush K I S",
            "lpop K",
            "rpop K U",
            "lrange K 0 -1",
            "llen K",
            "lindex K I",
            "lset K I S",
            "linsert K before S S",
            "hset K S S",
            "hget K S",
            "hdel K S",
            "hlen K",
            "hincrby K S I",
            "hmget K S S",
            "zadd K I S",
            "zadd K I S I S",
            "zscore K S",
            "zrange K 0 -1 withscores",
            "zincrby K I S",
            "zcard K",
            "zpopmin K",
            "zrank K S",
            "sadd K S S",
            "srem K S",
            "scard K",
            "sismember K S",
            "rename K K",
            "copy K K",
            "lmove K K left right",
            "mset K S K S",
            "mget K K",
            "select U",
            "ping",
            "echo S",
            "nosuch K",
            "get",
            "set K",
            "multi",
            "subscribe S",
            "setrange K U S",
            "getdel K",
            "lpos K S",
            "incrbyfloat K 2",
        ];
        let form = self.pick(FORMS);
        let words: Vec<String> = form
            .split(' ')
            .map(|word| match word {
                "K" => key(self),
                "S" => self.string(1),
                "I" => self.rng.i32(-3..12).to_string(),
                "U" => self.rng.i32(0..4).to_string(),
                word => format!("'{word}'"),
            })
            .collect();
        words.join(", ")
    }
}
