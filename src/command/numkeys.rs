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
