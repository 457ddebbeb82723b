//! The reference edit system: what Shakedown tests by default.
//!
//! A [`Worker`] does the work of one client's sessions, one instruction at a time: it asks the
//! agent, edits, commits, pushes, builds and deploys, and repairs at its start what a crash left.
//! It is written against [`ports`], and does not know whether they are real.

pub mod ports;
pub mod retry;
pub mod settings;

mod breaker;
mod container;
pub(crate) mod deploy;
mod instruction;
mod publish;
mod recovery;

pub mod production;

pub use container::Worker;
