//! What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER have in common: the count, its bounds, and the shape of the reply.

use super::{Call, Error, Outcome};
use crate::protocol::{Reply, Version};
use crate::types::sample::Sampling;
use crate::types::string::StringRef;

/// Bytes of the shortest element in a reply.
const SHORTEST: usize = b"$0\r\n\r\n".len();

/// Elements drawn between two looks at the reply's length.
const SLICE: usize = 1024;

/// How many elements a call asks for, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    sampling: Sampling,
    with_values: bool,
    /// Bytes that drawing the same elements again and again may bring into the reply.
    limit: usize,
    /// Whether the client is cut off before its reply is as long.
    is_cut_off: bool,
}

/// The elements of a reply, as they are written.
pub struct Elements<'r, 'a> {
    reply: &'r mut Reply<'a>,
    with_values: bool,
    /// Where the reply has become too long.
    end: usize,
}

impl Wanted {
    /// Reads the count behind the key, and the word that asks for values, too, if the command has one. `None` without a
    /// count: then one element is asked for, and not an array.
    ///
    /// # Errors
    /// When the count is no number or out of range, or when anything else follows.
    pub fn parse(call: &Call<'_>, values_word: Option<&str>) -> Result<Option<Wanted>, Error> {
        let most = if values_word.is_some() { 4 } else { 3 };
        if call.len() == 2 {
            return Ok(None);
        }
        if values_word.is_none() && call.len() > most {
            return Err(Error::Syntax);
        }
        let count = call.int(2)?;
        if count == i64::MIN {
            return Err(Error::text(format!(
                "ERR value is out of range, value must between {} and {}",
                -i64::MAX,
                i64::MAX
            )));
        }
        let with_values = call.len() == 4;
        if call.len() > most || (with_values && !values_word.is_some_and(|word| call.is(3, word))) {
            return Err(Error::Syntax);
        }
        // The reply has two elements for each.
        if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(Error::text("ERR value is out of range"));
        }
        let number = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        let sampling = if count < 0 {
            Sampling::Repeated(number)
        } else {
            Sampling::Distinct(number)
        };
        let clients = &call.config.clients;
        let limit = clients.proto_max_bulk_len;
        let hard = clients.client_output_buffer_limit.normal.hard;
        Ok(Some(Wanted {
            sampling,
            with_values,
            limit,
            is_cut_off: hard != 0 && hard <= limit as u64,
        }))
    }

    /// Answers random elements of a collection that has `len` of them. `sample` visits as many as it is told to, and
    /// puts each into the reply.
    ///
    /// # Errors
    /// When the reply becomes longer than the longest string may be. Only repeated draws can bring that about.
    pub fn answer(
        self,
        reply: &mut Reply<'_>,
        len: usize,
        mut sample: impl FnMut(Sampling, &mut Elements<'_, '_>),
    ) -> Outcome {
        let header = |reply: &mut Reply<'_>, count: usize| {
            let flat = self.with_values && reply.version() == Version::Resp2;
            reply.array(if flat { 2 * count } else { count });
        };
        match self.sampling {
            Sampling::Distinct(count) => header(reply, count.min(len)),
            Sampling::Repeated(count) => header(reply, count),
        }
        let mut elements = Elements {
            end: usize::MAX,
            reply,
            with_values: self.with_values,
        };
        match self.sampling {
            Sampling::Distinct(0) => {}
            Sampling::Distinct(_) => sample(self.sampling, &mut elements),
            // Told at once where it is certain, and not after so many draws.
            Sampling::Repeated(count) if count > self.limit / SHORTEST && !self.is_cut_off => {
                return Err(too_long());
            }
            Sampling::Repeated(mut left) => {
                elements.end = elements.reply.buffered().saturating_add(self.limit);
                while left > 0 && !elements.reply.is_full() {
                    let slice = left.min(SLICE);
                    sample(Sampling::Repeated(slice), &mut elements);
                    left -= slice;
                    if elements.are_too_many() {
                        return Err(too_long());
                    }
                }
            }
        }
        Ok(())
    }
}

fn too_long() -> Error {
    Error::text("ERR reply exceeds maximum allowed size (proto-max-bulk-len)")
}

impl<'a> Elements<'_, 'a> {
    /// Puts an element into the reply; `value` writes what belongs to it, if that is asked for.
    pub fn put(&mut self, name: StringRef<'_>, value: impl FnOnce(&mut Reply<'a>)) {
        if self.are_too_many() {
            return;
        }
        if self.with_values && self.reply.version() == Version::Resp3 {
            self.reply.array(2);
        }
        name.answer(self.reply);
        if self.with_values {
            value(self.reply);
        }
    }

    fn are_too_many(&self) -> bool {
        self.reply.buffered() > self.end
    }
}
