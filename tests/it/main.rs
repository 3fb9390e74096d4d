//! Behaviour over a real socket: one binary, because linking is slow, and one module for each behaviour.

#[path = "../support/mod.rs"]
mod support;

mod administration;
mod append_only;
mod atomicity;
mod bitmaps;
mod blocking;
mod client_memory;
mod clients;
mod compatibility;
mod config_reference;
mod connections;
mod container;
mod counting;
mod crash;
mod differential;
mod eviction;
mod field_expiry;
mod functions;
mod hashes;
mod information;
mod introspection;
mod libraries;
mod lifecycle;
mod linearizability;
mod loading;
mod notation;
mod notifications;
mod output_limits;
mod pause;
mod propagation;
mod protocol;
mod pubsub;
mod recipes;
mod scan;
mod scripting;
mod sets;
mod snapshots;
mod sort;
mod strings;
mod transactions;
mod users;
mod zsets;
