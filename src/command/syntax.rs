//! The notation in which rows write their arguments, and the trees that COMMAND DOCS makes of it.
//!
//! ```text
//! key                     an argument; its name tells its type, or `increment<double>` says it
//! NX                      a token: a word to be given as it is
//! EX seconds              a token with its argument
//! [ ... ]                 may be left out
//! ( ... )                 stays together
//! NX | XX                 one of them
//! key [key ...]           one or more; also for several arguments together: key value [key value ...]
//! GET pattern [GET pattern ...]   repeated with its token
//! (NX | XX) ...           one or more of a group
//! [condition: NX | XX]    the group's name, which COMMAND DOCS shows and a reader may skip
//! old-format: ip:port     an argument named otherwise than it is shown
//! pattern#1               found by the row's second key specification; keys that do not say so are numbered in their order
//! ```

use super::KeySpec;

/// An argument, as COMMAND DOCS describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// What it is called.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// What is shown in its place.
    pub display: String,
    /// Which of the row's key specifications finds it, for keys.
    pub key_spec: Option<usize>,
    /// The word before it, or the word that it is.
    pub token: Option<String>,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// Is repeated with its token.
    pub multiple_token: bool,
    /// The members of a group.
    pub members: Vec<Argument>,
}

/// What an argument holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    String,
    /// A 64-bit integer.
    Integer,
    /// A double.
    Double,
    /// A key.
    Key,
    /// A glob pattern.
    Pattern,
    /// A moment in seconds or milliseconds since the epoch.
    UnixTime,
    /// A token and nothing else.
    PureToken,
    /// One of the members.
    OneOf,
    /// All members, in their order.
    Block,
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::String,
        Kind::Integer,
        Kind::Double,
        Kind::Key,
        Kind::Pattern,
        Kind::UnixTime,
        Kind::PureToken,
        Kind::OneOf,
        Kind::Block,
    ];

    /// The word that COMMAND DOCS uses.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }

    /// What an argument of this name holds in most commands. Keys are told from other words by the row having any.
    fn of(name: &str, has_keys: bool) -> Kind {
        match name {
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey"
            | "sourcekey" | "src" | "dst" | "storekey" | "storedistkey"
                if has_keys =>
            {
                Kind::Key
            }
            "bit" | "client-id" | "count" | "cursor" | "db" | "decrement" | "destination-db"
            | "end" | "frequency" | "increment" | "index" | "index1" | "index2" | "len"
            | "limit" | "milliseconds" | "min-match-len" | "ms" | "num-matches" | "numfields"
            | "numkeys" | "numlocal" | "numreplicas" | "offset" | "port" | "protover" | "rank"
            | "seconds" | "slot" | "start" | "stop" | "timeout" | "ttl" | "version" | "weight" => {
                Kind::Integer
            }
            "height" | "latitude" | "longitude" | "max" | "min" | "radius" | "score" | "width" => {
                Kind::Double
            }
            "pattern" | "by-pattern" | "get-pattern" => Kind::Pattern,
            "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
            _ => Kind::String,
        }
    }
}

/// The arguments that a row's syntax describes; `None` if it breaks the notation.
pub fn parse(syntax: &str, keys: &[KeySpec]) -> Option<Vec<Argument>> {
    let words = words(syntax);
    let mut parser = Parser {
        words: &words,
        has_keys: !keys.is_empty(),
    };
    let mut arguments = parser.sequence()?;
    if !parser.words.is_empty() {
        return None;
    }
    number_keys(&mut arguments, &mut (0..keys.len()));
    Some(arguments)
}

/// Which argument names an element of the collection under the first key, if any does and no option comes before it.
pub fn element_place(arguments: &[Argument]) -> Option<usize> {
    leaves(arguments)
        .position(|argument| matches!(argument.name.as_str(), "field" | "member"))
        .map(|position| position + 1)
}

/// Arguments that must be given, groups taken apart.
fn leaves(arguments: &[Argument]) -> Box<dyn Iterator<Item = &Argument> + '_> {
    let given = arguments.iter().filter(|argument| !argument.optional);
    Box::new(given.flat_map(|argument| match argument.kind {
        Kind::Block => leaves(&argument.members),
        _ => Box::new(std::iter::once(argument)),
    }))
}

/// A syntax as people read it: without names of groups and types.
pub fn plain(syntax: &str) -> String {
    let mut plain = String::new();
    for word in syntax.split(' ') {
        let bare = word.trim_start_matches(['[', '(']);
        plain.push_str(&word[..word.len() - bare.len()]);
        if bare.ends_with(':') {
            continue;
        }
        let name = bare.find(['<', '#']).unwrap_or(bare.len());
        let rest = bare[name..]
            .find([']', ')'])
            .map_or("", |end| &bare[name + end..]);
        plain.extend([&bare[..name], rest, " "]);
    }
    plain.trim_end().to_owned()
}

/// Words, with every bracket and bar as one of its own.
fn words(syntax: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for mut word in syntax.split_ascii_whitespace() {
        while let Some(end) = word.find(['[', ']', '(', ')', '|']) {
            if end > 0 {
                words.push(&word[..end]);
            }
            words.push(&word[end..=end]);
            word = &word[end + 1..];
        }
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

/// Reads words from the front.
struct Parser<'w, 's> {
    words: &'w [&'s str],
    has_keys: bool,
}

impl<'s> Parser<'_, 's> {
    fn peek(&self) -> &'s str {
        self.words.first().copied().unwrap_or_default()
    }

    fn take(&mut self) -> Option<&'s str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// Takes the next word if it is this one.
    fn skip(&mut self, word: &str) -> bool {
        let found = !self.words.is_empty() && self.peek() == word;
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    /// A name and its colon.
    fn label(&mut self) -> Option<&'s str> {
        let label = self.peek().strip_suffix(':')?;
        self.words = &self.words[1..];
        Some(label)
    }

    /// Arguments one after the other, up to a bar, a closing bracket or the end.
    fn sequence(&mut self) -> Option<Vec<Argument>> {
        let mut arguments: Vec<Argument> = Vec::new();
        while !matches!(self.peek(), "" | "|" | "]" | ")" | "...") {
            if self.skip("[") {
                let label = self.label();
                let mut member = self.alternatives(label)?;
                if self.skip("...") {
                    repeat(&mut arguments, &member, label)?;
                } else {
                    member.optional = true;
                    arguments.push(member);
                }
                self.skip("]").then_some(())?;
            } else {
                arguments.push(self.argument()?);
            }
            if !arguments.is_empty() && self.peek() == "..." && self.closes_nothing() {
                self.take();
                arguments.last_mut()?.multiple = true;
            }
        }
        Some(arguments)
    }

    /// Whether the dots ahead stand behind a group of their own, and not at the end of a repetition in brackets.
    fn closes_nothing(&self) -> bool {
        self.words.get(1) != Some(&"]")
    }

    /// What is between two brackets: one argument, several together, or one of several.
    fn alternatives(&mut self, label: Option<&str>) -> Option<Argument> {
        let mut choices = vec![self.choice(label)?];
        while self.skip("|") {
            choices.push(self.choice(None)?);
        }
        Some(match choices.len() {
            1 => choices.pop()?,
            _ => group(Kind::OneOf, label.unwrap_or("option"), choices),
        })
    }

    fn choice(&mut self, label: Option<&str>) -> Option<Argument> {
        let mut sequence = self.sequence()?;
        // With other choices beside this one, the label is that of the whole group.
        let label = label.filter(|_| self.peek() != "|");
        match sequence.len() {
            0 => None,
            1 => Some(sequence.pop()?.labelled(label)),
            _ => Some(group(Kind::Block, label.unwrap_or("data"), sequence)),
        }
    }

    /// One argument: a word, a token with or without what follows it, or a group in parentheses.
    fn argument(&mut self) -> Option<Argument> {
        if let Some(label) = self.label() {
            return Some(self.argument()?.labelled(Some(label)));
        }
        if self.skip("(") {
            let label = self.label();
            let group = self.alternatives(label)?;
            return self.skip(")").then_some(group);
        }
        let word = self.take()?;
        if !is_token(word) {
            return self.leaf(word);
        }
        let next = self.peek();
        let has_argument =
            next == "(" || !(matches!(next, "" | "[" | "]" | ")" | "|" | "...") || is_token(next));
        if has_argument {
            let mut argument = self.argument()?;
            argument.token = Some(word.to_owned());
            return Some(argument);
        }
        let token = Some(word.to_owned());
        Some(Argument {
            token,
            ..Argument::named(&word.to_ascii_lowercase(), Kind::PureToken)
        })
    }

    fn leaf(&self, word: &str) -> Option<Argument> {
        if let Some((word, spec)) = word.split_once('#') {
            let key_spec = Some(spec.parse().ok()?);
            return Some(Argument {
                key_spec,
                ..self.leaf(word)?
            });
        }
        let Some((name, kind)) = word.split_once('<') else {
            return Some(Argument::named(word, Kind::of(word, self.has_keys)));
        };
        let kind = kind.strip_suffix('>')?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        Some(Argument::named(name, kind))
    }
}

impl Argument {
    fn named(name: &str, kind: Kind) -> Argument {
        Argument {
            name: name.to_owned(),
            kind,
            display: name.to_owned(),
            key_spec: None,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            members: Vec::new(),
        }
    }

    fn labelled(mut self, label: Option<&str>) -> Argument {
        if let Some(label) = label {
            label.clone_into(&mut self.name);
            if self.kind == Kind::PureToken {
                label.clone_into(&mut self.display);
            }
        }
        self
    }
}

fn group(kind: Kind, name: &str, members: Vec<Argument>) -> Argument {
    Argument {
        members,
        ..Argument::named(name, kind)
    }
}

/// Marks the last arguments as repeated, of which `again` is the repetition in brackets.
fn repeat(arguments: &mut Vec<Argument>, again: &Argument, label: Option<&str>) -> Option<()> {
    if again.kind == Kind::Block && again.token.is_none() {
        let together = arguments.len().checked_sub(again.members.len())?;
        let members = arguments.split_off(together);
        if members != again.members {
            return None;
        }
        let name = label.unwrap_or("data");
        arguments.push(Argument {
            multiple: true,
            ..group(Kind::Block, name, members)
        });
        return Some(());
    }
    let last = arguments.last_mut()?;
    let with_token = again.token.is_some();
    let same = Argument {
        token: last.token.clone(),
        ..again.clone()
    } == *last;
    if !same || (with_token && again.token != last.token) {
        return None;
    }
    last.multiple = true;
    last.multiple_token = with_token;
    Some(())
}

/// Words that are given as they are: anything but an argument's name.
fn is_token(word: &str) -> bool {
    !word.starts_with(|first: char| first.is_ascii_lowercase())
}

/// Gives keys the specifications in their order; the last one finds all that are left.
fn number_keys(arguments: &mut [Argument], specs: &mut std::ops::Range<usize>) {
    for argument in arguments {
        if argument.kind == Kind::Key && argument.key_spec.is_none() {
            argument.key_spec = Some(specs.start);
            if specs.len() > 1 {
                specs.next();
            }
        }
        number_keys(&mut argument.members, specs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{KeyFlags, KeySpec};

    /// Writes a tree on one line: `name:kind`, its token before it, what holds of it behind it.
    fn shown(arguments: &[Argument]) -> String {
        let one = |argument: &Argument| {
            let mut text = argument
                .token
                .as_ref()
                .map_or(String::new(), |token| format!("{token} "));
            text.push_str(&format!("{}:{}", argument.name, argument.kind.name()));
            if argument.display != argument.name && argument.members.is_empty() {
                text.push_str(&format!("={}", argument.display));
            }
            if let Some(spec) = argument.key_spec {
                text.push_str(&format!("#{spec}"));
            }
            for (holds, mark) in [
                (argument.optional, '?'),
                (argument.multiple, '+'),
                (argument.multiple_token, '!'),
            ] {
                text.extend(holds.then_some(mark));
            }
            if !argument.members.is_empty() {
                text.push_str(&format!("({})", shown(&argument.members)));
            }
            text
        };
        arguments.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn tree(syntax: &str) -> String {
        const KEYS: &[KeySpec] = &[KeySpec::at(1, KeyFlags::RO), KeySpec::at(2, KeyFlags::OW)];
        parse(syntax, KEYS).map_or("broken".to_owned(), |arguments| shown(&arguments))
    }

    #[test]
    fn elements_are_found_behind_their_key() {
        for (syntax, place) in [
            ("key member [member ...]", Some(2)),
            ("key field value [field value ...]", Some(2)),
            (
                "key [NX | XX] [CH] score member [score member ...]",
                Some(3),
            ),
            ("key count", None),
            ("key cursor [MATCH pattern]", None),
        ] {
            let arguments = parse(syntax, &[KeySpec::at(1, KeyFlags::RO)]);
            let found = arguments.and_then(|arguments| element_place(&arguments));
            assert_eq!(found, place, "{syntax}");
        }
    }

    #[test]
    fn trees() {
        for (syntax, expected) in [
            ("", ""),
            ("key", "key:key#0"),
            ("key newkey", "key:key#0, newkey:key#1"),
            (
                "key value [key value ...]",
                "data:block+(key:key#0, value:string)",
            ),
            (
                "key value [pair: key value ...]",
                "pair:block+(key:key#0, value:string)",
            ),
            ("[name [name ...]]", "name:string?+"),
            (
                "cursor [MATCH pattern] [COUNT count]",
                "cursor:integer, MATCH pattern:pattern?, COUNT count:integer?",
            ),
            (
                "[NX | XX] [GET]",
                "option:oneof?(NX nx:pure-token, XX xx:pure-token), GET get:pure-token?",
            ),
            (
                "[condition: NX | XX]",
                "condition:oneof?(NX nx:pure-token, XX xx:pure-token)",
            ),
            ("[change: CH]", "CH change:pure-token?"),
            (
                "(LEFT | RIGHT)",
                "option:oneof(LEFT left:pure-token, RIGHT right:pure-token)",
            ),
            (
                "[LIMIT offset count]",
                "data:block?(LIMIT offset:integer, count:integer)",
            ),
            (
                "[AUTH (auth: username password)]",
                "AUTH auth:block?(username:string, password:string)",
            ),
            ("[ID client-id [client-id ...]]", "ID client-id:integer?+"),
            ("[GET pattern [GET pattern ...]]", "GET pattern:pattern?+!"),
            (
                "[GET (get: name offset) [GET (get: name offset) ...]]",
                "GET get:block?+!(name:string, offset:integer)",
            ),
            ("increment<double>", "increment:double"),
            (
                "key [BY by: pattern#1] [STORE destination#2]",
                "key:key#0, BY by:pattern=pattern#1?, STORE destination:key#2?",
            ),
            (
                "(filter: old: ip:port | new: ([ID client-id] | [SKIPME (YES | NO)]) ...)",
                "filter:oneof(old:string=ip:port, new:oneof+(ID client-id:integer?, \
              SKIPME option:oneof?(YES yes:pure-token, NO no:pure-token)))",
            ),
            (
                "[write: key [NX | XX] | value]",
                "write:oneof?(data:block(key:key#0, option:oneof?(NX nx:pure-token, XX xx:pure-token)), value:string)",
            ),
        ] {
            assert_eq!(tree(syntax), expected, "{syntax}");
        }
    }

    #[test]
    fn broken_notation() {
        for syntax in [
            "[key",
            "key]",
            "(a | )",
            "a | b",
            "[a ...]",
            "a [b ...]",
            "a<number>",
            "A b [C b ...]",
            "()",
        ] {
            assert_eq!(tree(syntax), "broken", "{syntax}");
        }
    }

    #[test]
    fn plain_text() {
        for (syntax, expected) in [
            ("", ""),
            ("key [condition: NX | XX]", "key [NX | XX]"),
            ("(filter: old: ip:port | new: (a))", "(ip:port | (a))"),
            ("increment<double>", "increment"),
            ("[BY by: pattern#1] [end]", "[BY pattern] [end]"),
            ("[score<double> [score<double> ...]]", "[score [score ...]]"),
        ] {
            assert_eq!(plain(syntax), expected);
        }
    }

    #[test]
    fn every_row_keeps_the_notation() {
        fn check(row: &crate::command::Command) {
            assert!(
                parse(row.syntax, row.keys).is_some(),
                "{}: {}",
                row.name,
                row.syntax
            );
            row.subcommands.iter().for_each(check);
        }
        crate::command::FAMILIES
            .iter()
            .copied()
            .flatten()
            .for_each(check);
    }
}
