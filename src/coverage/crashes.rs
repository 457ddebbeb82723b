//! Where containers are when they die, and what a death cuts off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Coverage, Reached, Sometimes, entry, marks_added};
use crate::history::phases::Phases;
use crate::history::{Branch, Claim, Death, What};
use crate::plan::{ClientId, Mark, Phase, SessionId};

#[derive(Default)]
pub(super) struct Crashes {
    phases: Phases,
    containers: BTreeMap<ClientId, Container>,
    branches: BTreeMap<SessionId, Branches>,
}

#[derive(Default)]
struct Container {
    /// A sync is under way, and whether a request of it was seen.
    syncing: Option<bool>,
    /// Whether its log reports syncs: if not, a deploy is seen by its phase alone.
    logs_syncs: bool,
    /// Delivered, and neither acknowledged nor given up.
    in_flight: BTreeSet<Mark>,
    /// The last death left something to repair, and how far that has come.
    repair: Option<Repair>,
    ran_out_of_memory: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Repair {
    Down,
    Restarted,
}

/// A session's branch, in the workspace and on the remote.
#[derive(Default)]
struct Branches {
    local: Arc<Branch>,
    remote: Arc<Branch>,
}

impl Branches {
    fn has_unpushed(&self) -> bool {
        let on_remote: BTreeSet<Mark> = marks_added(&self.remote).collect();
        marks_added(&self.local).any(|mark| !on_remote.contains(&mark))
    }
}

impl Crashes {
    /// Where the client's container is.
    pub(super) fn phase(&self, client: &ClientId) -> Option<Phase> {
        self.phases.of(client)
    }

    pub(super) fn see(&mut self, what: &What, sum: &mut Coverage, reached: &mut Reached) {
        self.look(what, sum, reached);
        if let Some(began) = self.phases.see(what) {
            *sum.phases.entry(began.phase).or_default() += 1;
        }
    }

    fn look(&mut self, what: &What, sum: &mut Coverage, reached: &mut Reached) {
        match what {
            What::Delivered { session, mark, .. } => {
                self.container(&session.client).in_flight.insert(*mark);
            }
            What::Acknowledged { session, mark } | What::DeadLettered { session, mark } => {
                let container = self.container(&session.client);
                container.in_flight.remove(mark);
                container.repair = None;
            }
            What::Committed { session, branch } => {
                entry(&mut self.branches, session).local = branch.clone();
            }
            What::Pushed {
                session: Some(session),
                branch: Some(branch),
                ..
            }
            | What::OutsiderPushed {
                session, branch, ..
            } => entry(&mut self.branches, session).remote = branch.clone(),
            What::ObjectPut { client, .. }
            | What::ObjectDeleted { client, .. }
            | What::S3Asked { client, .. } => {
                if let Some(asked) = &mut self.container(client).syncing {
                    *asked = true;
                }
            }
            What::Logged {
                client,
                claim: Some(claim),
                ..
            } => self.claimed(client, *claim),
            What::Started { client } => {
                let container = self.container(client);
                if container.repair.is_some() {
                    container.repair = Some(Repair::Restarted);
                }
                if std::mem::take(&mut container.ran_out_of_memory) {
                    reached.insert(Sometimes::OutOfMemoryRestart);
                }
            }
            What::Died { client, cause } => self.died(client, *cause, sum, reached),
            _ => {}
        }
    }

    fn container(&mut self, client: &ClientId) -> &mut Container {
        entry(&mut self.containers, client)
    }

    fn claimed(&mut self, client: &ClientId, claim: Claim) {
        let container = self.container(client);
        match claim {
            Claim::SyncAttempt(_) => {
                container.logs_syncs = true;
                container.syncing = container.syncing.or(Some(false));
            }
            Claim::SyncDone | Claim::SyncFailed => container.syncing = None,
            _ => {}
        }
    }

    fn died(&mut self, client: &ClientId, cause: Death, sum: &mut Coverage, reached: &mut Reached) {
        let has_unpushed = self
            .branches
            .iter()
            .any(|(session, branches)| session.client == *client && branches.has_unpushed());
        if cause == Death::WorkspaceLost {
            self.branches.retain(|session, _| session.client != *client);
        }
        let phase = self.phases.of(client);
        let container = self.container(client);
        let row = match cause {
            Death::Crash => "crash",
            Death::OutOfMemory => "out-of-memory",
            Death::WorkspaceLost => "workspace-lost",
            // A finding, not a disturbance: the judge reports it.
            Death::Exit => "exit",
        };
        sum.disturbed.entry(row).or_default().count(phase);
        if let Some(phase) = phase {
            reached.insert(Sometimes::CrashIn(phase));
            if has_unpushed && matches!(phase, Phase::Committing | Phase::Pushing) {
                reached.insert(Sometimes::CrashBetweenCommitAndPush);
            }
        }
        let is_deploying = !container.logs_syncs && phase == Some(Phase::Deploying);
        if container.syncing == Some(true) || is_deploying {
            reached.insert(Sometimes::CrashDuringDeploy);
        }
        if container.repair == Some(Repair::Restarted) {
            reached.insert(Sometimes::CrashDuringRecovery);
        }
        if !container.in_flight.is_empty() || has_unpushed {
            container.repair = Some(Repair::Down);
        }
        container.ran_out_of_memory |= cause == Death::OutOfMemory;
        container.syncing = None;
    }
}
