//! The contract's numbers, where systems promise others.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::fields::Period;

/// The numbers that a system promises. All times are the system's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Attempts of one S3 sync.
    pub sync_attempts: u32,
    /// Requests to the agent without an answer, before it is given up.
    pub agent_attempts: u32,
    /// How long the agent may take to answer.
    pub agent_timeout: Duration,
    /// The longest wait before it is asked again.
    pub agent_wait: Duration,
    /// The longest of the first waits, from which they double; a system that promises none may begin
    /// with `agent_wait`.
    pub agent_first_wait: Duration,
    /// Attempts of one push.
    pub push_attempts: u32,
    /// Receives of a message before it is a dead letter.
    pub receives: u32,
    /// How long a message that was received stays hidden from other receivers.
    pub visibility: Duration,
    /// Failed syncs in a row that open the S3 breaker.
    pub breaker_failures: u32,
    /// How long the breaker stays open before a probe may begin.
    pub cool_down: Duration,
    /// The longest wait before what was put off is tried again.
    pub put_off: Duration,
    /// How soon a container is up again after its death.
    pub restart: Duration,
    /// How long a healed system has to come to rest by itself.
    pub recovery: Duration,
}

impl Limits {
    /// Those of the contract (`docs/contract.md`, Numbers).
    pub const CONTRACT: Self = Self {
        sync_attempts: 3,
        agent_attempts: 5,
        agent_timeout: Duration::from_secs(30),
        agent_wait: Duration::from_secs(60),
        agent_first_wait: Duration::from_secs(15),
        push_attempts: 3,
        receives: 3,
        visibility: Duration::from_secs(120),
        breaker_failures: 5,
        cool_down: Duration::from_secs(30),
        put_off: Duration::from_secs(60),
        restart: Duration::from_secs(120),
        recovery: Duration::from_secs(600),
    };
}

/// The section `[limits]`: what is left out is the contract's. Only the first wait for the agent is then
/// bounded by the longest one alone.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LimitsSection {
    /// Attempts of a sync with S3.
    sync_attempts: Option<std::num::NonZeroU32>,
    /// Attempts of a request to the agent.
    agent_attempts: Option<std::num::NonZeroU32>,
    /// How long it waits for an answer of the agent.
    agent_timeout: Option<Period>,
    /// The longest wait between two requests to the agent.
    agent_wait: Option<Period>,
    /// The longest first wait between them [default: that of `agent-wait`].
    agent_first_wait: Option<Period>,
    /// Attempts of a push.
    push_attempts: Option<std::num::NonZeroU32>,
    /// How often a message is received before it goes to the dead-letter queue.
    receives: Option<std::num::NonZeroU32>,
    /// For how long the queue hides a message that was received.
    visibility: Option<Period>,
    /// Syncs that fail in a row before the breaker opens.
    breaker_failures: Option<std::num::NonZeroU32>,
    /// How long the breaker stays open.
    cool_down: Option<Period>,
    /// The longest time between two attempts of what was put off.
    put_off: Option<Period>,
    /// How soon a container that died is up again.
    restart: Option<Period>,
    /// How soon all is well again, once all faults are healed.
    recovery: Option<Period>,
}

impl LimitsSection {
    pub(super) fn limits(&self) -> Limits {
        let contract = Limits::CONTRACT;
        let count = |own: Option<std::num::NonZeroU32>, of: u32| own.map_or(of, |own| own.get());
        let time = |own: Option<Period>, of: Duration| own.map_or(of, |own| own.0);
        let agent_wait = time(self.agent_wait, contract.agent_wait);
        Limits {
            sync_attempts: count(self.sync_attempts, contract.sync_attempts),
            agent_attempts: count(self.agent_attempts, contract.agent_attempts),
            agent_timeout: time(self.agent_timeout, contract.agent_timeout),
            agent_wait,
            agent_first_wait: time(self.agent_first_wait, agent_wait),
            push_attempts: count(self.push_attempts, contract.push_attempts),
            receives: count(self.receives, contract.receives),
            visibility: time(self.visibility, contract.visibility),
            breaker_failures: count(self.breaker_failures, contract.breaker_failures),
            cool_down: time(self.cool_down, contract.cool_down),
            put_off: time(self.put_off, contract.put_off),
            restart: time(self.restart, contract.restart),
            recovery: time(self.recovery, contract.recovery),
        }
    }
}
