//! What runs reached: a pure function of plan and history that adds up over a campaign.
//!
//! Counts are read from events: a fault that no request met counts as injected and not as hit,
//! and a `Sometimes` entry is reached when the endpoints' record shows it.

mod agent;
mod asked;
mod crashes;
mod deploys;
mod faults;
mod publishing;
mod ruled_out;
mod saved;
mod sometimes;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::history::{Branch, CallAnswer, Claim, Event, History, What};
use crate::plan::{ClientId, Edit, Fault, Mark, Phase, Plan, Step};
use crate::verdict::Rule;

pub use asked::{AskedCount, counted_for};
pub use ruled_out::RuledOut;
pub use sometimes::Sometimes;
pub use waits::{Promised, Retried, Spread, Waits};

/// How often a fault was made, and how often something ran into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FaultCount {
    /// How often it was injected.
    pub injected: u64,
    /// Requests, builds and deaths that show the fault.
    pub hits: u64,
}

/// Where containers were when a disturbance came: how often in each phase, and how often at no
/// instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ByPhase {
    /// In the order of [`Phase::ALL`].
    pub phases: [u64; Phase::ALL.len()],
    /// Those that came while nothing was in work.
    pub idle: u64,
}

impl ByPhase {
    fn count(&mut self, phase: Option<Phase>) {
        match phase {
            Some(phase) => self.phases[phase as usize] += 1,
            None => self.idle += 1,
        }
    }

    /// How often the disturbance came in this phase.
    pub fn of(&self, phase: Phase) -> u64 {
        self.phases[phase as usize]
    }
}

/// What one run, or a whole campaign, reached.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Plans that were run.
    pub plans: u64,
    /// Steps that began.
    pub steps: u64,
    /// By the step's first word.
    #[serde(deserialize_with = "saved::named")]
    pub step_kinds: BTreeMap<&'static str, u64>,
    /// Instructions by what they asked for.
    pub edits: BTreeMap<Edit, u64>,
    /// By the fault's name. Out-of-memory counts as injected when its limit is set.
    #[serde(deserialize_with = "saved::named")]
    pub faults: BTreeMap<&'static str, FaultCount>,
    /// Phases that began: see [`Phases`](crate::history::phases::Phases).
    pub phases: BTreeMap<Phase, u64>,
    /// By the name of a fault, or of a step that disturbs at once.
    #[serde(deserialize_with = "saved::named")]
    pub disturbed: BTreeMap<&'static str, ByPhase>,
    /// Containers that ended.
    pub deaths: u64,
    /// What was asked of services that the tester does not serve, and how often.
    #[serde(default)]
    pub not_served: BTreeMap<String, u64>,
    /// Pushes that reached the remote.
    pub git_pushes: u64,
    /// Fetches that reached the remote.
    pub git_fetches: u64,
    /// Requests that reached S3.
    pub s3_requests: u64,
    /// Requests that reached the agent.
    pub agent_requests: u64,
    /// Messages that went to containers.
    pub deliveries: u64,
    /// Messages that went to dead-letter queues.
    pub dead_letters: u64,
    /// Events of all kinds.
    pub events: u64,
    /// In how many plans each was reached.
    pub sometimes: BTreeMap<Sometimes, u64>,
    /// How often each rule could have been broken; one that is missing could not.
    #[serde(default)]
    pub asked: BTreeMap<Rule, AskedCount>,
    /// How long containers waited between attempts.
    #[serde(default)]
    pub waits: Waits,
}

impl Coverage {
    /// What one run reached.
    pub fn of(plan: &Plan, history: &History) -> Self {
        let mut watch = Watch::new(plan, history);
        for event in &history.events {
            watch.see(event);
        }
        watch.finish(history)
    }

    /// Adds what other runs reached.
    pub fn add(&mut self, other: &Self) {
        self.plans += other.plans;
        self.steps += other.steps;
        self.deaths += other.deaths;
        self.git_pushes += other.git_pushes;
        self.git_fetches += other.git_fetches;
        self.s3_requests += other.s3_requests;
        self.agent_requests += other.agent_requests;
        self.deliveries += other.deliveries;
        self.dead_letters += other.dead_letters;
        self.events += other.events;
        add_counts(&mut self.step_kinds, &other.step_kinds);
        add_counts(&mut self.edits, &other.edits);
        add_counts(&mut self.phases, &other.phases);
        add_counts(&mut self.sometimes, &other.sometimes);
        self.waits.add(&other.waits);
        for (name, count) in &other.not_served {
            *self.not_served.entry(name.clone()).or_default() += count;
        }
        for (rule, count) in &other.asked {
            let sum = self.asked.entry(*rule).or_default();
            sum.plans += count.plans;
            sum.times += count.times;
        }
        for (name, count) in &other.faults {
            let sum = self.faults.entry(name).or_default();
            sum.injected += count.injected;
            sum.hits += count.hits;
        }
        for (name, by_phase) in &other.disturbed {
            let sum = self.disturbed.entry(name).or_default();
            sum.idle += by_phase.idle;
            for (sum, count) in sum.phases.iter_mut().zip(by_phase.phases) {
                *sum += count;
            }
        }
    }

    /// The entries of the sometimes-list that no plan reached.
    pub fn not_reached(&self) -> Vec<Sometimes> {
        Sometimes::all()
            .filter(|entry| !self.sometimes.contains_key(entry))
            .collect()
    }
}

fn add_counts<K: Copy + Ord>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(*key).or_default() += count;
    }
}

/// The entries of the sometimes-list that a run has reached so far.
type Reached = BTreeSet<Sometimes>;

/// Follows the events of one run.
struct Watch<'a> {
    plan: &'a Plan,
    sum: Coverage,
    reached: Reached,
    faults: faults::Faults,
    crashes: crashes::Crashes,
    publishing: publishing::Publishing,
    deploys: deploys::Deploys,
    agent: agent::AgentAndQueue,
    asked: asked::Asked,
    waits: waits::Watch,
}

impl<'a> Watch<'a> {
    fn new(plan: &'a Plan, history: &History) -> Self {
        let sum = Coverage {
            plans: 1,
            ..Coverage::default()
        };
        Self {
            plan,
            sum,
            reached: Reached::default(),
            faults: faults::Faults::default(),
            crashes: crashes::Crashes::default(),
            publishing: publishing::Publishing::default(),
            deploys: deploys::Deploys::default(),
            agent: agent::AgentAndQueue::default(),
            asked: asked::Asked::new(plan),
            waits: waits::Watch::new(history),
        }
    }

    fn see(&mut self, event: &Event) {
        let what = &event.what;
        self.count(what);
        // A step reads the phases as they are before it.
        if let What::StepBegan {
            index: Some(_),
            step,
            ..
        } = what
        {
            self.step(step);
        }
        self.faults.see(what, &mut self.sum, &mut self.reached);
        self.crashes.see(what, &mut self.sum, &mut self.reached);
        self.publishing.see(what, &mut self.reached);
        self.deploys.see(what, &mut self.reached);
        self.agent.see(event, &mut self.reached);
        self.asked.see(what);
        self.waits.see(event);
    }

    fn step(&mut self, step: &Step) {
        *self.sum.step_kinds.entry(step.name()).or_default() += 1;
        match step {
            Step::Instruct(_, edit) => *self.sum.edits.entry(*edit).or_default() += 1,
            Step::PushFromOutside(session, _) => {
                self.disturb(step.name(), Some(&session.client));
            }
            Step::Redeliver(session) => self.disturb(step.name(), Some(&session.client)),
            Step::Inject(fault) => {
                self.sum.faults.entry(fault.name()).or_default().injected += 1;
                // Its deaths are counted, by the phase that they come in.
                if !matches!(fault, Fault::OutOfMemory(_)) {
                    self.disturb(fault.name(), fault.client());
                }
                self.faults.inject(fault);
            }
            Step::Heal(fault) => self.faults.heal(fault),
            Step::Until { .. }
            | Step::UntilStarted { .. }
            | Step::Wait(_)
            | Step::Crash(_)
            | Step::LoseWorkspace(_)
            | Step::RetryPush(_) => {}
        }
    }

    /// Notes where the containers that a disturbance concerns are.
    fn disturb(&mut self, name: &'static str, client: Option<&ClientId>) {
        let clients = self.plan.clients();
        let by_phase = self.sum.disturbed.entry(name).or_default();
        for of in clients.iter().filter(|of| client.is_none_or(|c| c == *of)) {
            by_phase.count(self.crashes.phase(of));
        }
    }

    fn count(&mut self, what: &What) {
        self.sum.events += 1;
        match what {
            What::StepBegan { index: Some(_), .. } => self.sum.steps += 1,
            What::Pushed { .. } => self.sum.git_pushes += 1,
            What::Fetched { .. } => self.sum.git_fetches += 1,
            What::ObjectPut { .. } | What::ObjectDeleted { .. } | What::S3Asked { .. } => {
                self.sum.s3_requests += 1;
            }
            What::AgentAsked { .. } => self.sum.agent_requests += 1,
            What::Delivered { .. } => self.sum.deliveries += 1,
            What::DeadLettered { .. } => self.sum.dead_letters += 1,
            What::Died { .. } => self.sum.deaths += 1,
            What::Called { call, .. } if call.answer == CallAnswer::NotServed => {
                *self.sum.not_served.entry(call.name()).or_default() += 1;
            }
            _ => {}
        }
    }

    fn finish(mut self, history: &History) -> Coverage {
        self.asked.finish(self.plan, history, &mut self.sum);
        self.sum.sometimes = self.reached.into_iter().map(|entry| (entry, 1)).collect();
        self.sum.waits = self.waits.seen;
        self.sum
    }
}

/// Whether a log line says that a build was a partial one; the claim alone does not say so.
fn is_warned_build(claim: Option<Claim>, text: &str) -> bool {
    claim == Some(Claim::BuildDone) && text.starts_with("Build completed with warnings")
}

/// The container that an event shows at work on an endpoint, where it shows one.
pub(crate) fn seen_at_work(what: &What) -> Option<&ClientId> {
    match what {
        What::Delivered { session, .. }
        | What::Acknowledged { session, .. }
        | What::RetryDelivered { session }
        | What::OutcomeReported { session, .. }
        | What::RecordWritten { session, .. } => Some(&session.client),
        What::AgentAsked { client, .. }
        | What::Fetched { client, .. }
        | What::PushBegan { client }
        | What::Pushed { client, .. }
        | What::ObjectPut { client, .. }
        | What::ObjectDeleted { client, .. }
        | What::S3Asked { client, .. }
        | What::Refused { client, .. }
        | What::TaskReported { client, .. }
        | What::Called { client, .. }
        | What::BuildBegan { client, .. }
        | What::BuildEnded { client, .. }
        | What::Logged { client, .. } => Some(client),
        _ => None,
    }
}

/// The entry of a map by a key that is cloned only where it is new.
fn entry<'m, K: Clone + Ord, V: Default>(map: &'m mut BTreeMap<K, V>, key: &K) -> &'m mut V {
    if !map.contains_key(key) {
        map.insert(key.clone(), V::default());
    }
    map.get_mut(key).expect("it was inserted above")
}

/// The marks that the commits of a branch add.
fn marks_added(branch: &Branch) -> impl Iterator<Item = Mark> + '_ {
    branch
        .commits
        .iter()
        .flat_map(|commit| &commit.adds)
        .copied()
}

#[cfg(test)]
mod tests;
