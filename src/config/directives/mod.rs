//! The declarations of all directives, one file per concern.

pub mod clients;
pub mod cluster;
pub mod encoding;
pub mod general;
pub mod memory;
pub mod network;
pub mod persistence;
pub mod replication;
pub mod security;
pub mod system;
pub mod telemetry;
pub mod tls;
