//! The worker's numbers; the defaults are the contract's.

use std::time::Duration;

use super::retry::Backoff;
use crate::plan::ClientId;

/// What a container is configured with. All times are the system's own.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    pub client: ClientId,
    /// Attempts of one S3 sync.
    pub sync: Backoff,
    /// How long one attempt of a sync may take.
    pub sync_attempt_limit: Duration,
    /// Attempts to get an answer of the agent.
    pub agent: Backoff,
    pub agent_limit: Duration,
    /// Attempts of one push.
    pub push: Backoff,
    /// How long one git command that contacts the remote may take.
    pub git_limit: Duration,
    /// How long one request to the queue or the session table may take, long polling aside.
    pub request_limit: Duration,
    /// Requests to the session table, tried again until one succeeds.
    pub store: Backoff,
    /// Failed syncs in a row that open the breaker.
    pub breaker_failures: u32,
    /// How long the breaker stays open before a probe.
    pub cool_down: Duration,
    /// How long a probe holds its permit; longer than any sync can take.
    pub probe_permit: Duration,
    /// The shortest and the longest wait before what was put off is tried again.
    pub put_off: (Duration, Duration),
    /// How long a message stays invisible; extended at a third of it while at work.
    pub visibility: Duration,
    /// The receive after which the queue gives a message up.
    pub last_receive: u32,
    /// How long one poll for an instruction waits.
    pub poll: Duration,
    /// Whether a build is deployed before its commit is pushed, and not after.
    pub deploys_first: bool,
}

impl Settings {
    /// The contract's numbers for a client's container.
    pub fn of(client: ClientId) -> Self {
        let seconds = Duration::from_secs;
        Self {
            client,
            sync: Backoff::new(3, seconds(1), seconds(30)),
            sync_attempt_limit: seconds(25),
            agent: Backoff::new(5, seconds(2), seconds(60)),
            agent_limit: seconds(30),
            push: Backoff::new(3, seconds(1), seconds(30)),
            git_limit: seconds(30),
            request_limit: seconds(10),
            store: Backoff::new(u32::MAX, seconds(1), seconds(30)),
            breaker_failures: 5,
            cool_down: seconds(30),
            probe_permit: seconds(120),
            put_off: (seconds(15), seconds(60)),
            visibility: seconds(120),
            last_receive: 3,
            poll: seconds(5),
            deploys_first: false,
        }
    }
}
