//! Replies that cannot be judged by themselves: the harness asks both servers further.

use super::differences;
use super::pair::{DATABASES, Difference, Pair, Side, paired};
use super::rules;
use super::step::Step;
use crate::command;
use crate::support::Value;

impl Pair {
    /// Asks both servers, and compares the replies byte for byte.
    fn ask(&mut self, command: &[Vec<u8>]) -> Result<Value, Difference> {
        let ours = self.minium.call(command)?;
        let theirs = self.redis.call(command)?;
        expect(command, ours.clone(), theirs)?;
        Ok(ours)
    }

    /// Whether the key is no sorted set, or one whose scores are all equal.
    pub fn is_level(&mut self, key: &[u8]) -> Result<bool, Difference> {
        let mut score_at = |rank| {
            let reply = self
                .redis
                .call(&command!["ZRANGE", key, rank, rank, "WITHSCORES"])?;
            // Its form depends on the protocol's version: a flat list, or one of pairs.
            Ok(match &reply {
                Value::Array(found) => match found.as_slice() {
                    [Value::Array(pair)] => pair.last().cloned(),
                    flat => flat.last().cloned(),
                },
                _ => None,
            })
        };
        Ok(score_at("0")? == score_at("-1")?)
    }

    /// Goes on with both iterations until their ends. Cursors mean nothing to another server; what was found does.
    pub fn compare_scan(
        &mut self,
        step: &Step,
        ours: Value,
        theirs: Value,
    ) -> Result<(), Difference> {
        let name = rules::name(&step.command);
        let at = if name == b"SCAN" { 1 } else { 2 };
        if step.command.get(at).is_none_or(|cursor| cursor != b"0") {
            return Ok(());
        }
        let finish = |side: &mut Side, first: Value| {
            let mut found = Vec::new();
            let mut reply = first;
            loop {
                let [cursor, elements] = reply.elements() else {
                    return Ok(reply);
                };
                found.extend_from_slice(elements.elements());
                if cursor.bytes() == b"0" {
                    break;
                }
                let mut next = step.command.clone();
                next[at] = cursor.bytes().to_vec();
                reply = side.call(&next)?;
            }
            if matches!(name.as_slice(), b"HSCAN" | b"ZSCAN") {
                let Value::Map(mut pairs) = paired(&found).unordered() else {
                    unreachable!("pairs stay pairs");
                };
                pairs.dedup();
                return Ok(Value::Map(pairs));
            }
            found.sort();
            found.dedup();
            Ok(Value::Array(found))
        };
        let ours = finish(&mut self.minium, ours)?;
        let theirs = finish(&mut self.redis, theirs)?;
        expect(&step.command, ours, theirs)
    }

    /// Any key will do as long as there is one, and it is there.
    pub fn compare_random_keys(
        &mut self,
        step: &Step,
        ours: Value,
        theirs: Value,
    ) -> Result<(), Difference> {
        if ours.is_null() || theirs.is_null() {
            return expect(&step.command, ours, theirs);
        }
        let exists = command!["EXISTS", ours.bytes()];
        let found = self.minium.call(&exists)?;
        expect(&exists, found, Value::Int(1))
    }

    /// Members must be as many, distinct unless asked for otherwise, and each known to the other server with the same value.
    pub fn compare_random_members(
        &mut self,
        step: &Step,
        ours: Value,
        theirs: Value,
    ) -> Result<(), Difference> {
        let command = &step.command;
        let drawn = match (drawn(command, &ours), drawn(command, &theirs)) {
            (Some(ours), Some(theirs)) => [ours, theirs],
            _ => return expect(command, ours, theirs),
        };
        let repeats = command.get(2).is_some_and(|count| count.starts_with(b"-"));
        let shape = |members: &[Drawn]| {
            let mut names: Vec<_> = members.iter().map(|drawn| &drawn.name).collect();
            names.sort();
            names.dedup();
            let different = if repeats { None } else { Some(names.len()) };
            (members.len(), different)
        };
        if std::mem::discriminant(&ours) != std::mem::discriminant(&theirs)
            || shape(&drawn[0]) != shape(&drawn[1])
            || (!repeats && shape(&drawn[0]) != (drawn[0].len(), Some(drawn[0].len())))
        {
            return differences::accept_or(step, None, ours, theirs);
        }
        if drawn[0].is_empty() {
            return Ok(());
        }
        if rules::name(command) == b"SPOP" {
            return self.pop_alike(step, &drawn, &ours, &theirs);
        }
        for (members, other) in drawn.iter().zip([&mut self.redis, &mut self.minium]) {
            let question = lookup(command, members.iter().map(|drawn| &drawn.name));
            let known = other.call(&question)?;
            let values = members.iter().map(|drawn| drawn.value.clone());
            for (known, value) in known.elements().iter().zip(values) {
                let lost = known.is_null() || *known == Value::Int(0);
                match value {
                    _ if lost => return differences::accept_or(step, None, ours, theirs),
                    Some(value) => expect(&question, value, known.clone())?,
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Each server popped members of its own choice. Both get back what either has lost, and lose the same.
    fn pop_alike(
        &mut self,
        step: &Step,
        drawn: &[Vec<Drawn>; 2],
        ours: &Value,
        theirs: &Value,
    ) -> Result<(), Difference> {
        let key = &step.command[1];
        if self.ask(&command!["EXISTS", key])? == Value::Int(0) {
            return expect(&step.command, ours.unordered(), theirs.unordered());
        }
        let all = Value::Int(i64::try_from(drawn[0].len()).expect("few members"));
        let with = |name: &str, members: &[Drawn]| {
            let mut command = Vec::from(command![name, key]);
            command.extend(members.iter().map(|drawn| drawn.name.bytes().to_vec()));
            command
        };
        for (members, side) in drawn.iter().zip([&mut self.minium, &mut self.redis]) {
            let back = with("SADD", members);
            expect(&back, side.call(&back)?, all.clone())?;
        }
        let out = with("SREM", &drawn[0]);
        let removed = self.ask(&out)?;
        expect(&out, removed, all)
    }

    /// Digests may differ because versions write scores differently. Then the data itself is compared.
    pub fn compare_data(
        &mut self,
        step: &Step,
        ours: Value,
        theirs: Value,
    ) -> Result<(), Difference> {
        let mut sorted_sets = 0;
        if step.command.len() > 2 {
            for key in &step.command[2..] {
                sorted_sets += self.compare_value(key)?;
            }
        } else {
            for database in DATABASES {
                self.ask(&command!["SELECT", database])?;
                let keys = command!["KEYS", "*"];
                let found = self.minium.call(&keys)?.unordered();
                expect(&keys, found.clone(), self.redis.call(&keys)?.unordered())?;
                for key in found.elements() {
                    sorted_sets += self.compare_value(key.bytes())?;
                }
            }
        }
        if sorted_sets > 0 {
            Ok(())
        } else {
            differences::accept_or(step, None, ours, theirs)
        }
    }

    /// Compares a key's whole value; the number of sorted sets that it is.
    fn compare_value(&mut self, key: &[u8]) -> Result<u32, Difference> {
        let kind = self.ask(&command!["TYPE", key])?;
        let read = match kind.bytes() {
            b"string" => Vec::from(command!["GET", key]),
            b"list" => command!["LRANGE", key, "0", "-1"].into(),
            b"set" => command!["SMEMBERS", key].into(),
            b"hash" => command!["HGETALL", key].into(),
            b"zset" => command!["ZRANGE", key, "0", "-1", "WITHSCORES"].into(),
            _ => return Ok(0),
        };
        let replies = [self.minium.call(&read)?, self.redis.call(&read)?];
        let [ours, theirs] = replies.map(|reply| match kind.bytes() {
            b"hash" => match &reply {
                Value::Array(words) => paired(words).unordered(),
                map => map.unordered(),
            },
            b"set" => reply.unordered(),
            _ => reply,
        });
        expect(&read, ours, theirs)?;
        Ok(u32::from(kind.bytes() == b"zset"))
    }
}

fn expect(command: &[Vec<u8>], ours: Value, theirs: Value) -> Result<(), Difference> {
    if ours == theirs {
        Ok(())
    } else {
        differences::accept_or(&Step::new(command), None, ours, theirs)
    }
}

/// A member that a server chose, and its value or score if that was asked for.
#[derive(Clone)]
struct Drawn {
    name: Value,
    value: Option<Value>,
}

/// The members in a reply; `None` when it has the form of none.
fn drawn(command: &[Vec<u8>], reply: &Value) -> Option<Vec<Drawn>> {
    let single = |name: &Value| Drawn {
        name: name.clone(),
        value: None,
    };
    let pair = |pair: &[Value]| match pair {
        [name, value] => Some(Drawn {
            name: name.clone(),
            value: Some(value.clone()),
        }),
        _ => None,
    };
    match reply {
        Value::Bulk(_) => Some(vec![single(reply)]),
        Value::Array(elements) | Value::Set(elements) => {
            if rules::word(command, 3).is_empty() {
                Some(elements.iter().map(single).collect())
            } else if matches!(elements.first(), Some(Value::Array(_))) {
                let pairs = elements.iter();
                pairs.map(|element| pair(element.elements())).collect()
            } else {
                elements.chunks(2).map(pair).collect()
            }
        }
        _ => None,
    }
}

/// A command that asks the values of members, or whether they are any.
fn lookup<'a>(command: &[Vec<u8>], members: impl Iterator<Item = &'a Value>) -> Vec<Vec<u8>> {
    let name = match rules::name(command).as_slice() {
        b"HRANDFIELD" => "HMGET",
        b"ZRANDMEMBER" => "ZMSCORE",
        _ => "SMISMEMBER",
    };
    let mut question = Vec::from(command![name, command[1]]);
    question.extend(members.map(|member| member.bytes().to_vec()));
    question
}
