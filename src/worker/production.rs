//! The worker's ports on real services, and the process that runs a worker on them.
//!
//! SQS, the Anthropic Messages API, the `git` command, a build command, S3, DynamoDB and
//! CloudWatch Logs. Every failure is a [`PortError`](super::ports::PortError), without
//! any token or key in it.

mod config;
mod process;

mod agent;
mod builder;
mod clock;
mod log;
mod queue;
mod site;
mod store;
mod workspace;

mod aws;
mod child;
mod cleaning;
mod files;
mod git;
mod refs;
mod secrets;

pub use process::worker_main;
pub use refs::read_ref;
