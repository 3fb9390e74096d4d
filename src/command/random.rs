//! What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER have in common: the count, its bounds, and the shape of the reply.

use super::{Call, Error, Outcome};
use crate::protocol::{Reply, Version};
use crate::types::sample::Sampling;
use crate::types::string::StringRef;

/// Bytes of a reply after which drawing the same elements again and again ends in an error.
const MAX_REPLY: usize = 512 << 20;

/// Bytes of the shortest element in a reply.
const MIN_ELEMENT: usize = b"$0\r\n\r\n".len();

/// Elements drawn between two looks at the reply's length.
const SLICE: usize = 1024;

/// How many elements a call asks for, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    sampling: Sampling,
    with_values: bool,
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
        Ok(Some(Wanted {
            sampling,
            with_values,
        }))
    }

    /// Answers random elements of a collection that has `len` of them. `sample` visits as many as it is told to, and
    /// passes each to [`Wanted::put`].
    ///
    /// # Errors
    /// When the reply becomes too long.
    pub fn answer(
        self,
        reply: &mut Reply<'_>,
        len: usize,
        mut sample: impl FnMut(Sampling, &mut Reply<'_>),
    ) -> Outcome {
        let per_element = if self.with_values && reply.version() == Version::Resp2 {
            2
        } else {
            1
        };
        match self.sampling {
            Sampling::Distinct(count) => {
                reply.array(count.min(len) * per_element);
                if count > 0 {
                    sample(self.sampling, reply);
                }
            }
            Sampling::Repeated(count) => {
                if count > MAX_REPLY / MIN_ELEMENT {
                    return Err(too_long());
                }
                reply.array(count * per_element);
                let end = reply.buffered() + MAX_REPLY;
                let mut left = count;
                while left > 0 {
                    let slice = left.min(SLICE);
                    sample(Sampling::Repeated(slice), reply);
                    left -= slice;
                    if reply.buffered() > end {
                        return Err(too_long());
                    }
                }
            }
        }
        Ok(())
    }

    /// Answers one element; `value` writes what belongs to it, if that is asked for.
    pub fn put(
        self,
        reply: &mut Reply<'_>,
        name: StringRef<'_>,
        value: impl FnOnce(&mut Reply<'_>),
    ) {
        if self.with_values && reply.version() == Version::Resp3 {
            reply.array(2);
        }
        name.answer(reply);
        if self.with_values {
            value(reply);
        }
    }
}

fn too_long() -> Error {
    Error::text("ERR the reply would be longer than 512 MB")
}
