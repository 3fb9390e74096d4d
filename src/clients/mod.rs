//! Clients: what a command sees of its connection, and the registry in which connections see each other.
//!
//! [`Client`] belongs to one connection and is changed without locks; its [`Handle`] is the part that other workers may
//! look at, and through which they reach it ([`Courier`]) where it lives ([`Place`]). [`Memory`] is what they all hold together, [`Monitors`] are those who are shown what the others
//! do.

mod client;
mod delivery;
mod line;
mod memory;
mod monitors;
mod pause;
mod place;
mod registry;
pub mod socket;
mod subscriptions;
pub mod tracking;
mod transaction;
mod waiting;

pub use client::{Class, Client, ReplyMode};
pub use delivery::{Courier, Letter, Recipients, Signal, Traffic};
pub use line::{line, seconds_since};
pub use memory::{Footprint, Memory};
pub use monitors::Monitors;
pub use pause::{Pause, PauseMode};
pub use place::Place;
pub use registry::{Handle, Kind, Names, Registry};
pub use subscriptions::{Name, Subscriptions, Topic};
pub use transaction::{Transaction, WatchedKey, Watching};
pub use waiting::{Answer, Hashes, ScriptRun, Until, Wait, Waiting};
