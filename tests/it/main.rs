//! Behaviour over a real socket: one binary, because linking is slow, and one module for each behaviour.

#[path = "../support/mod.rs"]
mod support;

mod administration;
mod compatibility;
mod config_reference;
mod introspection;
mod notation;
mod strings;
