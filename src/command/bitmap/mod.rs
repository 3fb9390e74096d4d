//! Bitmap commands: strings taken for arrays of bits.
//!
//! - [`bit`] reads and writes one bit: GETBIT, SETBIT; [`range`] counts and searches in many: BITCOUNT, BITPOS.
//! - [`combine`] makes one bitmap of several: BITOP.
//! - [`field`] takes a few bits for an integer: BITFIELD.
//!
//! What they compute is in [`types::bits`](crate::types::bits).

pub mod bit;
pub mod combine;
pub mod field;
pub mod range;

use super::{Call, Command, Error, Group};
use crate::protocol::number;

/// What all rows have in common.
const ROW: Command = Command {
    group: Group::Bitmap,
    ..Command::DEFAULT
};

/// Reads the place of a bit, counted in `unit` bits, and answers it in bits.
///
/// # Errors
/// When it is no number, or lies behind the longest string that a client could send.
fn offset(call: &Call<'_>, text: &[u8], unit: u64) -> Result<u64, Error> {
    let longest = call.config.clients.proto_max_bulk_len;
    number::parse_i64(text)
        .and_then(|place| u64::try_from(place).ok())
        .and_then(|place| place.checked_mul(unit))
        .filter(|&offset| offset / 8 < longest as u64)
        .ok_or(Error::text(
            "ERR bit offset is not an integer or out of range",
        ))
}
