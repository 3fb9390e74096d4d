//! The language of the wire: requests in, replies out.
//!
//! This room knows bytes. It knows no keys and no sockets, so all of it can be tested, fuzzed and measured without
//! either.
//!
//! | file | holds |
//! | --- | --- |
//! | [`inline`] | splitting and quoting of the lines a person types |
//! | [`number`] | integers and doubles as clients write and read them |
//! | [`glob`] | the pattern language of `KEYS`, `SCAN` and `PSUBSCRIBE` |

mod float;
pub mod glob;
pub mod inline;
pub mod number;
