//! The services behind every front, and what they share.

use std::sync::Arc;

use super::CloudConfig;
use super::faults::Faults;
use super::github::GitHub;
use super::hosts::Hosts;
use super::logs::Logs;
use super::outcomes::Outcomes;
use super::recorder::Recorder;
use super::remote::Remote;
use super::s3::S3;
use super::settings::Settings;
use super::sqs::Sqs;
use super::table::Table;
use super::tasks::Tasks;
use super::watch::Watch;
use crate::profile::LineReader;

/// The services of one cloud.
pub(super) struct Services {
    pub(super) recorder: Arc<Recorder>,
    pub(super) faults: Faults,
    pub(super) watch: Watch,
    /// What containers take for the outer world; `None` where they are in the machine's own network.
    pub(super) hosts: Option<Hosts>,
    pub(super) s3: S3,
    pub(super) table: Table,
    pub(super) sqs: Sqs,
    pub(super) logs: Logs,
    pub(super) settings: Settings,
    /// What workers report on by tokens.
    pub(super) tasks: Arc<Tasks>,
    /// The instructions whose outcomes may be reported.
    pub(super) outcomes: Outcomes,
    pub(super) remote: Remote,
    pub(super) github: GitHub,
    /// Reads the lines of the log.
    pub(super) reader: LineReader,
    pub(super) config: CloudConfig,
}
