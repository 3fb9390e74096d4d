//! Commands whose keys are counted by an argument before them: `numkeys key [key ...]`.

use std::ops::Range;

use super::{Call, Error};
use crate::protocol::number;

/// The places of the keys that argument `place` counts, and that follow it.
///
/// # Errors
/// `too_few` unless the number is an integer above 0, `too_many` if there are not so many arguments behind it.
pub fn keys(
    call: &Call<'_>,
    place: usize,
    too_few: Error,
    too_many: Error,
) -> Result<Range<usize>, Error> {
    let count = number::parse_i64(call.arg(place))
        .and_then(|count| usize::try_from(count).ok())
        .filter(|&count| count > 0)
        .ok_or(too_few)?;
    let first = place + 1;
    if count > call.len() - first {
        return Err(too_many);
    }
    Ok(first..first + count)
}

/// What LMPOP, ZMPOP and those of their kind that wait are asked: `numkeys key [key ...] end [COUNT count]`.
#[derive(Debug)]
pub struct NumberedPop<E> {
    /// The places of the keys.
    pub keys: Range<usize>,
    /// The end to take elements from.
    pub end: E,
    /// How many elements to take.
    pub count: usize,
}

/// Reads the arguments from `place` on; `end` reads the word at a place.
///
/// # Errors
/// When they are not as they should be.
pub fn pop<E>(
    call: &Call<'_>,
    place: usize,
    end: impl FnOnce(&Call<'_>, usize) -> Result<E, Error>,
) -> Result<NumberedPop<E>, Error> {
    let keys = keys(call, place, Error::NumKeys, Error::Syntax)?;
    let place = keys.end;
    if place == call.len() {
        return Err(Error::Syntax);
    }
    let end = end(call, place)?;
    let mut count = None;
    for option in (place + 1..call.len()).step_by(2) {
        let value = option + 1;
        if count.is_some() || value == call.len() || !call.is(option, "COUNT") {
            return Err(Error::Syntax);
        }
        let wanted = call.count(value).ok().filter(|&count| count > 0);
        count = Some(wanted.ok_or_else(|| Error::text("ERR count should be greater than 0"))?);
    }
    Ok(NumberedPop {
        keys,
        end,
        count: count.unwrap_or(1),
    })
}
