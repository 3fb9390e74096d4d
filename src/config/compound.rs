//! The kinds of values that have parts: addresses, save points, buffer limits, sets of flags, lists of lines.
//!
//! Their arguments arrive one by one from a file (`save 3600 1`), or all in one text from `CONFIG SET` or the
//! environment (`save "3600 1"`); both mean the same, so each kind first takes its arguments apart into words.

use super::value::{Invalid, Kind, format_memory, parse_memory, single};
use crate::protocol::{inline, number};

/// The words of `args`: an argument that holds blanks counts as several, an empty one as none.
fn words(args: &[&[u8]]) -> Result<Vec<Vec<u8>>, Invalid> {
    let mut words = Vec::new();
    for arg in args {
        words.extend(inline::split(arg).ok_or(Invalid("unbalanced quotes".into()))?);
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}

/// `words` joined by single spaces.
fn joined(words: &[Vec<u8>]) -> Vec<u8> {
    words.join(&b' ')
}

/// One address of `bind`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindAddress {
    /// An IP address or host name; `*` is every IPv4 address and `::*` every IPv6 address.
    pub host: String,
    /// Written with a leading `-`: the server starts although this machine does not have the address.
    pub optional: bool,
}

impl BindAddress {
    /// Every address of this machine.
    pub fn everywhere() -> Vec<BindAddress> {
        vec![
            BindAddress {
                host: "*".into(),
                optional: false,
            },
            BindAddress {
                host: "::*".into(),
                optional: true,
            },
        ]
    }
}

/// As many addresses as Redis takes.
const MOST_BIND_ADDRESSES: usize = 16;

pub(super) struct Bind;

impl Bind {
    fn words(value: &[BindAddress]) -> Vec<Vec<u8>> {
        value
            .iter()
            .map(|address| {
                format!(
                    "{}{}",
                    if address.optional { "-" } else { "" },
                    address.host
                )
                .into_bytes()
            })
            .collect()
    }
}

impl Kind<Vec<BindAddress>> for Bind {
    fn set(&self, value: &mut Vec<BindAddress>, args: &[&[u8]]) -> Result<(), Invalid> {
        let words = words(args)?;
        if words.len() > MOST_BIND_ADDRESSES {
            return Err("Too many bind addresses specified.".into());
        }
        *value = words
            .into_iter()
            .map(|word| {
                let text = String::from_utf8(word)
                    .map_err(|_| Invalid("argument must be valid UTF-8".into()))?;
                let host = text.strip_prefix('-').unwrap_or(&text).to_owned();
                Ok(BindAddress {
                    optional: host.len() < text.len(),
                    host,
                })
            })
            .collect::<Result<_, Invalid>>()?;
        Ok(())
    }

    fn get(&self, value: &Vec<BindAddress>) -> Vec<u8> {
        joined(&Self::words(value))
    }

    fn lines(&self, value: &Vec<BindAddress>) -> Vec<Vec<Vec<u8>>> {
        if value.is_empty() {
            vec![vec![Vec::new()]]
        } else {
            vec![Self::words(value)]
        }
    }
}

/// A snapshot is due when `seconds` have passed and `changes` keys have changed since the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

/// Save points; the lines of a file add up.
pub(super) struct Save;

impl Save {
    fn line(point: &SavePoint) -> Vec<Vec<u8>> {
        vec![
            point.seconds.to_string().into_bytes(),
            point.changes.to_string().into_bytes(),
        ]
    }
}

impl Kind<Vec<SavePoint>> for Save {
    fn set(&self, value: &mut Vec<SavePoint>, args: &[&[u8]]) -> Result<(), Invalid> {
        let words = words(args)?;
        if words.is_empty() {
            value.clear();
            return Ok(());
        }
        let invalid = || Invalid("Invalid save parameters".into());
        let number = |word: &[u8], min: i64| {
            number::parse_i64(word)
                .filter(|number| *number >= min)
                .map(i64::unsigned_abs)
                .ok_or_else(invalid)
        };
        let points = words
            .chunks(2)
            .map(|pair| match pair {
                [seconds, changes] => Ok(SavePoint {
                    seconds: number(seconds, 1)?,
                    changes: number(changes, 0)?,
                }),
                _ => Err(invalid()),
            })
            .collect::<Result<Vec<_>, Invalid>>()?;
        value.extend(points);
        Ok(())
    }

    fn get(&self, value: &Vec<SavePoint>) -> Vec<u8> {
        joined(&value.iter().flat_map(Self::line).collect::<Vec<_>>())
    }

    fn lines(&self, value: &Vec<SavePoint>) -> Vec<Vec<Vec<u8>>> {
        if value.is_empty() {
            return vec![vec![Vec::new()]];
        }
        value.iter().map(Self::line).collect()
    }

    fn clear(&self, value: &mut Vec<SavePoint>) {
        value.clear();
    }
}

/// How much output may wait for one client before it is disconnected. 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which the client is disconnected at once.
    pub hard: u64,
    /// Bytes at which it is disconnected after `soft_seconds` without a break.
    pub soft: u64,
    pub soft_seconds: u64,
}

/// The limit of each class of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        OutputLimits {
            normal: OutputLimit {
                hard: 0,
                soft: 0,
                soft_seconds: 0,
            },
            replica: OutputLimit {
                hard: 256 << 20,
                soft: 64 << 20,
                soft_seconds: 60,
            },
            pubsub: OutputLimit {
                hard: 32 << 20,
                soft: 8 << 20,
                soft_seconds: 60,
            },
        }
    }
}

/// Groups of `<class> <hard> <soft> <soft seconds>`; a class that is not named keeps its limit.
pub(super) struct OutputBuffers;

impl Kind<OutputLimits> for OutputBuffers {
    fn set(&self, value: &mut OutputLimits, args: &[&[u8]]) -> Result<(), Invalid> {
        let words = words(args)?;
        if words.len() % 4 != 0 {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = *value;
        for group in words.chunks_exact(4) {
            let class = match group[0].to_ascii_lowercase().as_slice() {
                b"normal" => &mut limits.normal,
                b"slave" | b"replica" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => {
                    return Err(
                        "Invalid client class specified in buffer limit configuration.".into(),
                    );
                }
            };
            let limit = || {
                Some(OutputLimit {
                    hard: parse_memory(&group[1])?,
                    soft: parse_memory(&group[2])?,
                    soft_seconds: number::parse_i64(&group[3])?.try_into().ok()?,
                })
            };
            *class = limit().ok_or(Invalid(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into(),
            ))?;
        }
        *value = limits;
        Ok(())
    }

    fn get(&self, value: &OutputLimits) -> Vec<u8> {
        [
            ("normal", value.normal),
            ("slave", value.replica),
            ("pubsub", value.pubsub),
        ]
        .map(|(class, limit)| {
            format!(
                "{class} {} {} {}",
                limit.hard, limit.soft, limit.soft_seconds
            )
        })
        .join(" ")
        .into_bytes()
    }

    fn lines(&self, value: &OutputLimits) -> Vec<Vec<Vec<u8>>> {
        [
            ("normal", value.normal),
            ("replica", value.replica),
            ("pubsub", value.pubsub),
        ]
        .map(|(class, limit)| {
            let (hard, soft) = (format_memory(limit.hard), format_memory(limit.soft));
            [class.to_owned(), hard, soft, limit.soft_seconds.to_string()]
                .map(String::into_bytes)
                .to_vec()
        })
        .to_vec()
    }
}

/// Which events on keys are published, one bit for each letter of `notify-keyspace-events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyspaceEvents(u16);

impl KeyspaceEvents {
    pub const GENERIC: Self = Self(1 << 0);
    pub const STRING: Self = Self(1 << 1);
    pub const LIST: Self = Self(1 << 2);
    pub const SET: Self = Self(1 << 3);
    pub const HASH: Self = Self(1 << 4);
    pub const ZSET: Self = Self(1 << 5);
    pub const EXPIRED: Self = Self(1 << 6);
    pub const EVICTED: Self = Self(1 << 7);
    pub const STREAM: Self = Self(1 << 8);
    pub const MODULE: Self = Self(1 << 9);
    /// A key was created. Not among `A`.
    pub const NEW: Self = Self(1 << 10);
    /// Publish on `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: Self = Self(1 << 11);
    /// Publish on `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: Self = Self(1 << 12);
    /// A read found no key. Not among `A`.
    pub const KEY_MISS: Self = Self(1 << 13);
    /// What the letter `A` stands for.
    pub const ALL: Self = Self((1 << 10) - 1);

    /// In the order in which `CONFIG GET` writes them.
    const LETTERS: [(Self, u8); 14] = [
        (Self::GENERIC, b'g'),
        (Self::STRING, b'$'),
        (Self::LIST, b'l'),
        (Self::SET, b's'),
        (Self::HASH, b'h'),
        (Self::ZSET, b'z'),
        (Self::EXPIRED, b'x'),
        (Self::EVICTED, b'e'),
        (Self::STREAM, b't'),
        (Self::MODULE, b'd'),
        (Self::NEW, b'n'),
        (Self::KEYSPACE, b'K'),
        (Self::KEYEVENT, b'E'),
        (Self::KEY_MISS, b'm'),
    ];

    /// Whether every event of `other` is among these.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether some events of `other` are among these.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// One bit for each letter, in the order of the constants.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// What [`Self::bits`] answered.
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    fn from_letters(letters: &[u8]) -> Option<Self> {
        letters.iter().try_fold(Self::default(), |events, letter| {
            let added = match letter {
                b'A' => Self::ALL,
                letter => Self::LETTERS.iter().find(|(_, known)| known == letter)?.0,
            };
            Some(Self(events.0 | added.0))
        })
    }

    fn letters(self) -> Vec<u8> {
        let all = self.contains(Self::ALL);
        let rest = Self::LETTERS
            .iter()
            .filter(|(event, _)| self.contains(*event) && !(all && Self::ALL.contains(*event)));
        all.then_some(b'A')
            .into_iter()
            .chain(rest.map(|(_, letter)| *letter))
            .collect()
    }
}

pub(super) struct Events;

impl Kind<KeyspaceEvents> for Events {
    fn set(&self, value: &mut KeyspaceEvents, args: &[&[u8]]) -> Result<(), Invalid> {
        *value = KeyspaceEvents::from_letters(single(args)?).ok_or(Invalid(
            "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into(),
        ))?;
        Ok(())
    }

    fn get(&self, value: &KeyspaceEvents) -> Vec<u8> {
        value.letters()
    }
}

/// Percentiles from 0 to 100.
pub(super) struct Percentiles;

impl Percentiles {
    fn words(value: &[f64]) -> Vec<Vec<u8>> {
        let format = |percentile: &f64| {
            let text = format!("{percentile:.6}");
            text.trim_end_matches('0')
                .trim_end_matches('.')
                .as_bytes()
                .to_vec()
        };
        value.iter().map(format).collect()
    }
}

impl Kind<Vec<f64>> for Percentiles {
    fn set(&self, value: &mut Vec<f64>, args: &[&[u8]]) -> Result<(), Invalid> {
        let parse = |word: Vec<u8>| {
            let percentile = number::parse_f64(&word).ok_or(Invalid(
                "Invalid latency-tracking-info-percentiles parameters".into(),
            ))?;
            if !(0.0..=100.0).contains(&percentile) {
                return Err(Invalid::from(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
                ));
            }
            Ok(percentile)
        };
        *value = words(args)?
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    fn get(&self, value: &Vec<f64>) -> Vec<u8> {
        joined(&Self::words(value))
    }

    fn lines(&self, value: &Vec<f64>) -> Vec<Vec<Vec<u8>>> {
        if value.is_empty() {
            vec![vec![Vec::new()]]
        } else {
            vec![Self::words(value)]
        }
    }
}

/// How the server shuts down when a signal ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShutdownFlags {
    /// Save even without save points.
    pub save: bool,
    /// Do not save even with save points.
    pub nosave: bool,
    /// Do not wait for lagging replicas.
    pub now: bool,
    /// Exit even if saving fails.
    pub force: bool,
}

pub(super) struct ShutdownOptions;

impl ShutdownOptions {
    fn words(value: &ShutdownFlags) -> Vec<Vec<u8>> {
        let named = [
            (value.save, "save"),
            (value.nosave, "nosave"),
            (value.now, "now"),
            (value.force, "force"),
        ];
        let set: Vec<_> = named
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| name.as_bytes().to_vec())
            .collect();
        if set.is_empty() {
            vec![b"default".to_vec()]
        } else {
            set
        }
    }
}

impl Kind<ShutdownFlags> for ShutdownOptions {
    fn set(&self, value: &mut ShutdownFlags, args: &[&[u8]]) -> Result<(), Invalid> {
        let unknown = || {
            Invalid(
                "argument(s) must be one of the following: default, save, nosave, now, force"
                    .into(),
            )
        };
        let words = words(args)?;
        if words.is_empty() {
            return Err(unknown());
        }
        let mut flags = ShutdownFlags::default();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => flags.save = true,
                b"nosave" => flags.nosave = true,
                b"now" => flags.now = true,
                b"force" => flags.force = true,
                _ => return Err(unknown()),
            }
        }
        if flags.save && flags.nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        *value = flags;
        Ok(())
    }

    fn get(&self, value: &ShutdownFlags) -> Vec<u8> {
        joined(&Self::words(value))
    }

    fn lines(&self, value: &ShutdownFlags) -> Vec<Vec<Vec<u8>>> {
        vec![Self::words(value)]
    }
}

/// The arguments of every line that names the directive, each with at least `least` and at most `most` of them.
pub(super) struct Lines {
    pub least: usize,
    pub most: usize,
}

impl Kind<Vec<Vec<Vec<u8>>>> for Lines {
    fn set(&self, value: &mut Vec<Vec<Vec<u8>>>, args: &[&[u8]]) -> Result<(), Invalid> {
        // One text that holds a whole line, as the environment and TOML give it.
        let line = match args {
            [text] if self.least > 1 || text.contains(&b' ') => {
                inline::split(text).ok_or(Invalid("unbalanced quotes".into()))?
            }
            args => args.iter().map(|arg| arg.to_vec()).collect(),
        };
        if line.len() < self.least || line.len() > self.most {
            return Err("Bad directive or wrong number of arguments".into());
        }
        value.push(line);
        Ok(())
    }

    fn get(&self, value: &Vec<Vec<Vec<u8>>>) -> Vec<u8> {
        value
            .iter()
            .map(|line| joined(line))
            .collect::<Vec<_>>()
            .join(&b'\n')
    }

    fn lines(&self, value: &Vec<Vec<Vec<u8>>>) -> Vec<Vec<Vec<u8>>> {
        value.clone()
    }

    fn clear(&self, value: &mut Vec<Vec<Vec<u8>>>) {
        value.clear();
    }
}

/// The three kernel scores of `oom-score-adj-values`.
pub(super) struct OomScores;

impl Kind<[i32; 3]> for OomScores {
    fn set(&self, value: &mut [i32; 3], args: &[&[u8]]) -> Result<(), Invalid> {
        let scores: [Vec<u8>; 3] = words(args)?
            .try_into()
            .map_err(|_| Invalid("wrong number of arguments".into()))?;
        let mut parsed = [0; 3];
        for (slot, word) in parsed.iter_mut().zip(&scores) {
            *slot = number::parse_i64(word)
                .filter(|score| (-2000..=2000).contains(score))
                .and_then(|score| i32::try_from(score).ok())
                .ok_or(Invalid(
                    "Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into(),
                ))?;
        }
        *value = parsed;
        Ok(())
    }

    fn get(&self, value: &[i32; 3]) -> Vec<u8> {
        value.map(|score| score.to_string()).join(" ").into_bytes()
    }

    fn lines(&self, value: &[i32; 3]) -> Vec<Vec<Vec<u8>>> {
        vec![value.map(|score| score.to_string().into_bytes()).to_vec()]
    }
}

/// `<host> <port>`, or `no one`, which is kept as no text at all.
pub(super) struct Primary;

impl Kind<String> for Primary {
    fn set(&self, value: &mut String, args: &[&[u8]]) -> Result<(), Invalid> {
        let [host, port]: [Vec<u8>; 2] = words(args)?
            .try_into()
            .map_err(|_| Invalid("wrong number of arguments".into()))?;
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            value.clear();
            return Ok(());
        }
        let port = number::parse_i64(&port)
            .filter(|port| (0..=65535).contains(port))
            .ok_or(Invalid("Invalid master port".into()))?;
        let host =
            String::from_utf8(host).map_err(|_| Invalid("argument must be valid UTF-8".into()))?;
        *value = format!("{host} {port}");
        Ok(())
    }

    fn get(&self, value: &String) -> Vec<u8> {
        value.clone().into_bytes()
    }

    fn lines(&self, value: &String) -> Vec<Vec<Vec<u8>>> {
        let line = value
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| word.as_bytes().to_vec());
        if value.is_empty() {
            Vec::new()
        } else {
            vec![line.collect()]
        }
    }
}
