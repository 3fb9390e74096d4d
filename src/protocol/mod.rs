//! The language of the wire: requests in, replies out.
//!
//! This room knows bytes. It knows no keys and no sockets, so all of it can be tested, fuzzed and measured without
//! either.
//!
//! | file | holds |
//! | --- | --- |
//! | [`request`] | the incremental parser and the borrowed request it yields |
//! | [`inline`] | splitting and quoting of the lines a person types |
//! | [`reply`] | the one encoder, for RESP2 and RESP3 |
//! | [`number`] | integers and doubles as clients write and read them |
//! | [`decimal`] | the 80-bit arithmetic behind `INCRBYFLOAT` |
//! | [`glob`] | the pattern language of `KEYS`, `SCAN` and `PSUBSCRIBE` |

pub mod decimal;
mod float;
pub mod glob;
pub mod inline;
pub mod number;
pub mod reply;
pub mod request;

pub use reply::{Reply, Version};
pub use request::{Limits, OwnedRequest, Parser, ProtocolError, Request, Span, Step};
