//! Scripts: Lua 5.1 with what Redis gives it, closed off so that no script can change what another one finds.
//!
//! - [`script`] is a script's source with its flags, and the registry that all workers share;
//! - [`engine`] is one Lua state with everything in it. Each worker thread has its own, made when it is first needed, and
//!   compiles a script when it first runs it (`compiled`); [`limit`] is what it may take;
//! - [`sandbox`] is what scripts find in that state; [`api`] the `redis` table; [`libraries`] lists the tables beside it;
//! - [`functions`] is the catalogue of function libraries, and `shelf` what these have made in one state;
//! - [`reply`] turns replies into Lua values and back; [`thrown`] is how errors pass through Lua;
//! - [`host`] is what a running script asks of the server: the rooms above implement it;
//! - [`busy`] knows the scripts that run for too long; [`log`] is what they write to the server's log;
//! - [`random`] is the generator behind `math.random`.
//!
//! Knows no commands, locks or sockets.

pub mod api;
pub mod busy;
mod compiled;
pub mod engine;
pub mod functions;
pub mod host;
pub mod libraries;
mod limit;
pub mod log;
pub mod random;
pub mod reply;
mod sandbox;
pub mod script;
mod shelf;
pub mod thrown;

pub use compiled::Compiled;
pub use engine::{Callee, Engine, Failure};
pub use functions::{Catalogue, Functions, LibraryError};
pub use host::{Host, Refusal};
pub use script::{Script, ScriptFlags, Scripts, Sha};
