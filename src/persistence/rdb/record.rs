//! What a file is made of: its items, where each of them ends, and what a key's record tells before the value.
//!
//! To find an item's end costs a small part of what it costs to build the value, so one thread can cut a file into pieces for
//! many that build.

use super::format::{FormatError, Input, OLD_NAN, RawString, kind, module, opcode};
use crate::keyspace::access::AccessClock;

/// An item of a file. A record's value follows in the input; the others have been read whole.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A key. Its value is next.
    Record(Head<'a>),
    /// The database of the records that follow.
    Database(u64),
    /// Something about the file: a name and a value.
    Aux(RawString<'a>, RawString<'a>),
    /// The source of a function library.
    Library(RawString<'a>),
    /// Data of the module whose type has this number.
    Module(u64),
    /// How much of something is to be expected.
    Hint,
    /// The end. A checksum may follow.
    End,
}

/// What a record tells of a key before its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The type of the value.
    pub kind: u8,
    /// The name.
    pub key: RawString<'a>,
    /// What else is told of it.
    pub attributes: Attributes,
}

/// What a record tells of a key beside its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The moment from which the key is dead, in milliseconds since the epoch.
    pub deadline: Option<u64>,
    /// Seconds since the key was used, if the file says so.
    pub idle: Option<u64>,
    /// How often it is used, as LFU counts, if the file says so.
    pub frequency: Option<u8>,
}

impl Attributes {
    /// The bits of the access clock for a key that is stored now. What is told in the units of another policy does not count.
    #[inline]
    pub fn access(&self, clock: AccessClock) -> u32 {
        match (clock.is_lfu(), self.frequency, self.idle) {
            (true, Some(frequency), _) => clock.used_often(frequency),
            (false, _, Some(seconds)) => clock.idle_for(seconds),
            _ => clock.fresh(),
        }
    }
}

/// A file's way to say that there is no deadline.
const NEVER: i64 = -1;

impl<'a> Item<'a> {
    /// Reads the next item, but for a record's value.
    ///
    /// # Errors
    /// When the input ends before the item does, or holds none.
    #[inline]
    pub fn read(input: &mut Input<'a>) -> Result<Item<'a>, FormatError> {
        let (mut deadline, mut attributes) = (NEVER, Attributes::default());
        loop {
            match input.byte()? {
                opcode::EXPIRETIME_MS => deadline = input.i64()?,
                opcode::EXPIRETIME => deadline = i64::from(input.i32()?) * 1000,
                opcode::IDLE => attributes.idle = Some(input.length()?),
                opcode::FREQ => attributes.frequency = Some(input.byte()?),
                code @ opcode::SLOT_INFO.. => return Item::other(code, input),
                kind => {
                    attributes.deadline =
                        (deadline != NEVER).then(|| deadline.max(0).cast_unsigned());
                    return Ok(Item::Record(Head {
                        kind,
                        key: input.string()?,
                        attributes,
                    }));
                }
            }
        }
    }

    /// Reads an item that is no record and does not belong to one.
    fn other(code: u8, input: &mut Input<'a>) -> Result<Item<'a>, FormatError> {
        Ok(match code {
            opcode::SELECTDB => Item::Database(input.length()?),
            opcode::RESIZEDB => {
                lengths(input, 2)?;
                Item::Hint
            }
            opcode::SLOT_INFO => {
                lengths(input, 3)?;
                Item::Hint
            }
            opcode::AUX => Item::Aux(input.string()?, input.string()?),
            opcode::FUNCTION2 => Item::Library(input.string()?),
            opcode::MODULE_AUX => {
                let id = input.length()?;
                // When it is to be loaded, before or behind the keys.
                lengths(input, 2)?;
                skip_module(input)?;
                Item::Module(id)
            }
            opcode::EOF => Item::End,
            _ => return Err(FormatError::Kind(code)),
        })
    }
}

/// The name of a module's type by its number: nine characters of six bits each, and a version of ten bits.
pub fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let character = |place: u32| char::from(CHARACTERS[(id >> (10 + 6 * place) & 0x3F) as usize]);
    (0..9).rev().map(character).collect()
}

/// Passes over a value of any type whose end can be told without knowing what it means.
///
/// # Errors
/// When the input ends before the value does, holds none, or is of a type whose end cannot be told.
#[inline]
pub fn skip_value(kind: u8, input: &mut Input<'_>) -> Result<(), FormatError> {
    match kind {
        kind::STRING => strings(input, 1),
        _ if kind::is_packed(kind) => strings(input, 1),
        kind::LIST | kind::SET | kind::LIST_QUICKLIST => each(input, |input| strings(input, 1)),
        kind::HASH => each(input, |input| strings(input, 2)),
        kind::ZSET => each(input, |input| {
            strings(input, 1)?;
            skip_old_score(input)
        }),
        kind::ZSET_2 => each(input, |input| {
            strings(input, 1)?;
            input.f64().map(drop)
        }),
        kind::LIST_QUICKLIST_2 => each(input, |input| {
            lengths(input, 1)?;
            strings(input, 1)
        }),
        kind::HASH_METADATA_PRE_GA => skip_timed_fields(input),
        kind::HASH_METADATA => {
            input.u64()?;
            skip_timed_fields(input)
        }
        kind::HASH_LISTPACK_EX => {
            input.u64()?;
            strings(input, 1)
        }
        kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3 => {
            skip_stream(kind, input)
        }
        kind::MODULE_2 => {
            lengths(input, 1)?;
            skip_module(input)
        }
        _ => Err(FormatError::Kind(kind)),
    }
}

/// Passes over as many things as a length says.
#[inline]
fn each(
    input: &mut Input<'_>,
    mut skip: impl FnMut(&mut Input<'_>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let count = input.length()?;
    (0..count).try_for_each(|_| skip(input))
}

#[inline]
fn strings(input: &mut Input<'_>, count: usize) -> Result<(), FormatError> {
    (0..count).try_for_each(|_| input.string().map(drop))
}

fn lengths(input: &mut Input<'_>, count: usize) -> Result<(), FormatError> {
    (0..count).try_for_each(|_| input.length().map(drop))
}

fn skip_timed_fields(input: &mut Input<'_>) -> Result<(), FormatError> {
    each(input, |input| {
        lengths(input, 1)?;
        strings(input, 2)
    })
}

fn skip_old_score(input: &mut Input<'_>) -> Result<(), FormatError> {
    match input.byte()? {
        OLD_NAN.. => Ok(()),
        len => input.take(len.into()).map(drop),
    }
}

fn skip_module(input: &mut Input<'_>) -> Result<(), FormatError> {
    loop {
        match input.length()? {
            module::EOF => return Ok(()),
            module::SINT | module::UINT => lengths(input, 1)?,
            module::FLOAT => drop(input.i32()?),
            module::DOUBLE => drop(input.f64()?),
            module::STRING => strings(input, 1)?,
            part => return Err(FormatError::ModulePart(part)),
        }
    }
}

/// A stream: its entries in listpacks, its numbers, and the groups of those who read it.
fn skip_stream(kind: u8, input: &mut Input<'_>) -> Result<(), FormatError> {
    /// Bytes of an entry's id where it is not two lengths.
    const ID: usize = 16;
    let counts_reads = kind >= kind::STREAM_LISTPACKS_2;
    let tells_activity = kind >= kind::STREAM_LISTPACKS_3;
    each(input, |input| strings(input, 2))?;
    // How many entries, and the last id; since Redis 7 also the first id, that of the last one deleted, and how many ever were.
    lengths(input, if counts_reads { 8 } else { 3 })?;
    each(input, |input| {
        strings(input, 1)?;
        lengths(input, if counts_reads { 3 } else { 2 })?;
        each(input, |input| {
            input.take(ID + 8)?;
            lengths(input, 1)
        })?;
        each(input, |input| {
            strings(input, 1)?;
            input.take(if tells_activity { 16 } else { 8 })?;
            each(input, |input| input.take(ID).map(drop))
        })
    })
}
