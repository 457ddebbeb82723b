//! How long containers waited between attempts: samples that add up over a campaign.
//!
//! One run has a handful of them, from which neither growth nor jitter can be seen; a campaign has
//! hundreds. What is not the system's own wait gives no sample: an attempt that was not answered, a wait
//! that was asked for, and whatever a partition hid.

mod spread;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::{Claim, Event, History, S3Outcome, What};
use crate::plan::{ClientId, Cut, Fault, Mark, Outage, Place, Step};
use crate::profile::Profile;
use crate::verdict::Heeded;

pub use spread::Spread;

/// The waits before so many attempts are kept apart.
const ATTEMPTS: usize = 8;

/// Where requests are longer on their way, so are answers, and what is left is not the wait alone.
const QUICK: Duration = Duration::from_millis(50);

/// What is tried again.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Retried {
    /// A request to the agent that was refused, or whose answer was cut.
    Agent,
    /// The same, where a log line shows that the next request was quick on its way.
    QuickAgent,
    /// A request to the agent that was not answered: the wait begins with the request.
    Unanswered,
    /// An S3 sync, by its attempts.
    Sync,
}

/// The waits that runs showed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Waits {
    /// By what was tried again, the waits before its second attempt, before its third, and so on.
    pub between: BTreeMap<Retried, Vec<Spread>>,
    /// How exactly waits are known where time is real, in milliseconds of the system's time; 0 where it is
    /// virtual.
    pub resolution_ms: u64,
    /// What the system promises; `None` until a campaign says so.
    pub promised: Option<Promised>,
}

/// What a system promises of its waits, as its profile says it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Promised {
    /// The longest wait before the agent is asked again.
    pub agent_wait: Duration,
    /// How long the agent has to answer.
    pub agent_timeout: Duration,
    /// The breaches that count.
    #[serde(default)]
    pub heeded: Heeded,
}

impl Promised {
    /// What a profile promises.
    pub fn of(profile: &Profile) -> Self {
        Self {
            agent_wait: profile.limits.agent_wait,
            agent_timeout: profile.limits.agent_timeout,
            heeded: profile.heeded.clone(),
        }
    }
}

impl Retried {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Agent, Self::QuickAgent, Self::Unanswered, Self::Sync];
}

impl Waits {
    /// What one run showed.
    pub fn of(history: &History) -> Self {
        let mut watch = Watch::new(history);
        for event in &history.events {
            watch.see(event);
        }
        watch.seen
    }

    /// Adds what other runs showed.
    pub fn add(&mut self, other: &Self) {
        for (retried, spreads) in &other.between {
            let own = self.between.entry(*retried).or_default();
            own.resize(own.len().max(spreads.len()), Spread::default());
            for (own, other) in own.iter_mut().zip(spreads) {
                own.add(other);
            }
        }
        self.resolution_ms = self.resolution_ms.max(other.resolution_ms);
        self.promised = self.promised.take().or_else(|| other.promised.clone());
    }

    /// The waits before the attempts of one thing, from the second attempt on.
    pub fn before(&self, retried: Retried) -> &[Spread] {
        self.between.get(&retried).map_or(&[], Vec::as_slice)
    }

    fn sample(&mut self, retried: Retried, attempt: usize, wait: Duration) {
        let Some(at) = attempt.checked_sub(2).filter(|at| *at < ATTEMPTS) else {
            return;
        };
        let spreads = self.between.entry(retried).or_default();
        spreads.resize(spreads.len().max(at + 1), Spread::default());
        spreads[at].sample(wait);
    }
}

/// Requests to the agent for one instruction that failed in a row.
#[derive(Default)]
struct Asking {
    failed: usize,
    at: Duration,
    /// How the last of them failed; `None` where the wait after it is not the system's own.
    last: Option<Retried>,
}

/// What was seen of a container's sync.
#[derive(Default)]
struct Syncing {
    /// The last attempt that was logged, and when.
    attempt: Option<(u32, Duration)>,
    /// Its first request.
    first: Option<Duration>,
    /// Its last request, if that was refused at once.
    refused: Option<Duration>,
}

impl Syncing {
    fn asked(&mut self, at: Duration, is_refused: bool) {
        self.first.get_or_insert(at);
        self.refused = is_refused.then_some(at);
    }
}

/// Follows the events of one run.
#[derive(Default)]
pub(super) struct Watch {
    faults: Vec<Fault>,
    asking: BTreeMap<(ClientId, Mark), Asking>,
    syncing: BTreeMap<ClientId, Syncing>,
    /// When each container's last log line was written.
    logged: BTreeMap<ClientId, Duration>,
    /// Clients of which not all was seen since their last message.
    hidden: Vec<ClientId>,
    pub(super) seen: Waits,
}

impl Watch {
    pub(super) fn new(history: &History) -> Self {
        let scale = history.header.as_ref().and_then(|it| it.time_scale);
        let mut watch = Self::default();
        watch.seen.resolution_ms = scale.map_or(0, |scale| (1.0 / scale).ceil() as u64);
        watch
    }

    pub(super) fn see(&mut self, event: &Event) {
        match &event.what {
            What::StepBegan { step, .. } => self.step(step),
            What::Started { client } | What::Died { client, .. } => self.forget(client),
            What::Delivered { session, mark, .. } => {
                self.asking.retain(|(_, of), _| of != mark);
                if !self.is_partitioned(&session.client) {
                    self.hidden.retain(|of| *of != session.client);
                }
            }
            What::AgentAsked {
                client,
                mark: Some(mark),
                status,
                retry_after,
                cut,
            } => {
                if self.hidden.contains(client) {
                    return;
                }
                let own = self.asking.entry((client.clone(), *mark)).or_default();
                let wait = event.at.saturating_sub(own.at);
                let sent = self.logged.get(client).copied().unwrap_or_default();
                let quick = QUICK + Duration::from_millis(self.seen.resolution_ms);
                if let Some(last) = own.last {
                    self.seen.sample(last, own.failed + 1, wait);
                    if last == Retried::Agent && event.at.saturating_sub(sent) <= quick {
                        self.seen.sample(Retried::QuickAgent, own.failed + 1, wait);
                    }
                }
                let last = match (status, cut) {
                    (Some(200), None) => {
                        *own = Asking::default();
                        return;
                    }
                    (None, _) => Some(Retried::Unanswered),
                    // What was cut by its length may be gone on with at once.
                    (_, Some(Cut::MaxTokens)) => None,
                    (Some(_), _) => retry_after.is_none().then_some(Retried::Agent),
                };
                *own = Asking {
                    failed: own.failed + 1,
                    at: event.at,
                    last,
                };
            }
            What::ObjectPut { client, .. } | What::ObjectDeleted { client, .. } => {
                self.sync(client).asked(event.at, false);
            }
            What::S3Asked {
                client, outcome, ..
            } => {
                let hangs = |fault: &Fault| fault.outage() == Some(Outage::Timeout);
                let is_refused = *outcome != S3Outcome::Done && !self.faults.iter().any(hangs);
                self.sync(client).asked(event.at, is_refused);
            }
            What::Logged {
                client,
                claim,
                stamp,
                ..
            } => {
                *super::entry(&mut self.logged, client) = *stamp;
                if let Some(claim) = claim {
                    self.claimed(client, *claim, *stamp);
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, step: &Step) {
        let fault = match step {
            Step::Inject(fault) => {
                self.faults.push(fault.clone());
                fault
            }
            Step::Heal(fault) => {
                self.faults.retain(|own| own != fault);
                fault
            }
            _ => return,
        };
        if let Fault::Partition(client) = fault {
            let client = client.clone();
            self.forget(&client);
            self.hidden.push(client);
        }
        // A request that waits for its answer may get one now.
        if fault.place() == Place::Agent {
            for asking in self.asking.values_mut() {
                asking.last = None;
            }
        }
    }

    fn is_partitioned(&self, client: &ClientId) -> bool {
        let cuts = |fault: &Fault| matches!(fault, Fault::Partition(of) if of == client);
        self.faults.iter().any(cuts)
    }

    fn forget(&mut self, client: &ClientId) {
        self.asking.retain(|(of, _), _| of != client);
        self.syncing.remove(client);
    }

    fn sync(&mut self, client: &ClientId) -> &mut Syncing {
        super::entry(&mut self.syncing, client)
    }

    fn claimed(&mut self, client: &ClientId, claim: Claim, stamp: Duration) {
        let attempt = match claim {
            Claim::SyncAttempt(attempt) => Some((attempt, stamp)),
            Claim::SyncDone | Claim::SyncFailed | Claim::SyncPrevented => None,
            _ => return,
        };
        let is_hidden = self.hidden.contains(client);
        let quick = QUICK + Duration::from_millis(self.seen.resolution_ms);
        let sync = self.sync(client);
        let new = Syncing {
            attempt,
            ..Syncing::default()
        };
        let before = std::mem::replace(sync, new);
        if let (Some((attempt, _)), Some((last, began))) = (attempt, before.attempt)
            && let (Some(first), Some(refused)) = (before.first, before.refused)
            && !is_hidden
            && attempt == last + 1
            && began <= first
            && first <= began + quick
            && refused <= stamp
        {
            self.seen
                .sample(Retried::Sync, attempt as usize, stamp - refused);
        }
    }
}

#[cfg(test)]
mod tests;
