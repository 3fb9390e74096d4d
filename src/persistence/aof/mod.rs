//! The append-only file: every change as the commands that make it again.

pub mod journal;
