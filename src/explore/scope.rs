//! How much is explored: what there is, what may happen to it, and when to end.

mod lacks;

use std::time::Duration;

use super::system::{Act, Habits, ModelFault};
use crate::plan::{Edit, Outsider};

/// A small configuration of the model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// From 1 to 3.
    pub clients: u8,
    /// Sessions of each client, 1 or 2.
    pub sessions: u8,
    /// Instructions in all.
    pub instructions: u8,
    /// Faults that may be active at once.
    pub faults: u8,
    /// Injections in all; `None` for no bound.
    pub injections: u8,
    /// Crashes in all, with the workspace or without.
    pub crashes: u8,
    /// Commits of outsiders in all.
    pub outsiders: u8,
    /// Messages that come again, and requests to push again, in all.
    pub repeats: u8,
    pub edits: Vec<Edit>,
    pub kinds: Vec<Outsider>,
    pub fault_kinds: Vec<ModelFault>,
    /// Whether a crash may take the workspace.
    pub loses_workspace: bool,
    pub habits: Habits,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            clients: 2,
            sessions: 1,
            instructions: 2,
            faults: 1,
            injections: 1,
            crashes: 1,
            outsiders: 0,
            repeats: 0,
            edits: vec![Edit::Change],
            kinds: vec![Outsider::Clean, Outsider::Conflicting],
            fault_kinds: vec![ModelFault::S3Denied],
            loses_workspace: true,
            habits: Habits::default(),
        }
    }
}

impl Scope {
    /// What the tester might do to a client, by its own.
    pub(super) fn disturbances(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        for session in 0..usize::from(self.sessions) {
            acts.extend(self.edits.iter().map(|edit| Act::Instruct(session, *edit)));
            if self.outsiders > 0 {
                let kinds = self.kinds.iter();
                acts.extend(kinds.map(|kind| Act::PushFromOutside(session, *kind)));
            }
            if self.repeats > 0 {
                acts.extend([Act::Redeliver(session), Act::RetryPush(session)]);
            }
        }
        if self.crashes > 0 {
            acts.push(Act::Crash);
            if self.loses_workspace {
                acts.push(Act::LoseWorkspace);
            }
        }
        for fault in self.own_faults() {
            acts.extend([Act::Inject(fault), Act::Heal(fault)]);
        }
        acts
    }

    /// The faults that are on one client, for each session that they may be on.
    fn own_faults(&self) -> impl Iterator<Item = ModelFault> + '_ {
        let own = self.fault_kinds.iter().filter(|fault| !fault.is_shared());
        own.flat_map(|fault| match fault {
            ModelFault::BuildError(_) => (0..self.sessions).map(ModelFault::BuildError).collect(),
            ModelFault::BuildWarning(_) => {
                (0..self.sessions).map(ModelFault::BuildWarning).collect()
            }
            other => vec![*other],
        })
    }

    /// The faults that are on all clients at once.
    pub(super) fn shared_faults(&self) -> impl Iterator<Item = ModelFault> + '_ {
        let fault_kinds = self.fault_kinds.iter().copied();
        fault_kinds.filter(|fault| fault.is_shared())
    }
}

/// When an exploration ends before it is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bounds {
    /// Distinct states.
    pub states: Option<u64>,
    pub time: Option<Duration>,
    /// Resident memory of the process, bytes.
    pub memory: Option<u64>,
}
