//! Mistakes to put into the abstract system, the breaker, or the model that judges: what
//! exploration must catch, each in a scope that is small enough for a test.
//!
//! A mistake of the system shows that the rules see it. A model that is blind to something accuses
//! a system that is right: that shows that exploration would see such a mistake in the model.

use super::scope::Scope;
use super::system::{Habits, Trouble};
use crate::plan::{Edit, Outsider};

/// One mistake.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutant {
    // Of the system.
    StaysDown,
    ForgetsPutOffPush,
    ForgetsPutOffDeploy,
    ForgetsCommit,
    ForcePushes,
    DropsOutsider,
    ClaimsPush,
    AcknowledgesAtDelivery,
    DeadLettersLate,
    TellsNoFailure,
    TellsNoLoss,
    LeavesError,
    CommitsToSibling,
    DeploysBrokenBuild,
    PagesFirst,
    LeavesOldObjects,
    TakesLostAnswerForDone,
    SyncsOnceMore,
    AsksAgentOnceMore,
    IgnoresRetryAfter,
    // Of the breaker that all clients share.
    OpensEarly,
    OpensLate,
    ForgetsReset,
    KeepsDeadProbe,
    ProbesAtOnce,
    ProbesTwice,
    // Of the model that judges.
    MissesDeaths,
    MissesRecords,
    MissesDeliveries,
    MissesPuts,
    MissesAcknowledgements,
    MissesDeadLetters,
    MissesSyncEnds,
    MissesLimits,
}

/// A mistake, and where to look for it.
pub struct Planted {
    pub mutant: Mutant,
    /// Its name in the table.
    pub name: &'static str,
    pub what: &'static str,
    /// The planted defect of the worker that is the same mistake, where there is one.
    pub defect: Option<&'static str>,
    scope: fn() -> Scope,
}

impl Planted {
    /// The scope with the mistake in it.
    pub fn scope(&self) -> Scope {
        let mut scope = (self.scope)();
        scope.habits.mutant = Some(self.mutant);
        scope
    }

    /// The same scope without it, where everything must hold.
    pub fn sound_scope(&self) -> Scope {
        (self.scope)()
    }
}

/// One client, one session, one instruction, and nothing goes wrong.
fn one() -> Scope {
    Scope {
        clients: 1,
        sessions: 1,
        instructions: 1,
        faults: 0,
        injections: 0,
        crashes: 0,
        outsiders: 0,
        repeats: 0,
        edits: vec![Edit::Change],
        kinds: vec![Outsider::Clean],
        troubles: Vec::new(),
        loses_workspace: false,
        habits: Habits::default(),
    }
}

fn two() -> Scope {
    Scope {
        instructions: 2,
        ..one()
    }
}

fn with_crash() -> Scope {
    Scope {
        crashes: 1,
        ..one()
    }
}

fn with_fault(trouble: Trouble) -> Scope {
    Scope {
        faults: 1,
        injections: 1,
        troubles: vec![trouble],
        ..one()
    }
}

fn s3_denied() -> Scope {
    with_fault(Trouble::S3Denied)
}

fn git_auth() -> Scope {
    with_fault(Trouble::GitAuth)
}

fn with_outsider() -> Scope {
    Scope {
        outsiders: 1,
        ..one()
    }
}

fn two_clients() -> Scope {
    Scope {
        clients: 2,
        instructions: 2,
        ..s3_denied()
    }
}

fn out_of_memory() -> Scope {
    Scope {
        edits: vec![Edit::MemoryHungry],
        ..with_fault(Trouble::OutOfMemory)
    }
}

fn breaks_build() -> Scope {
    Scope {
        edits: vec![Edit::BreakBuild],
        ..one()
    }
}

/// Every mistake.
pub const MUTANTS: &[Planted] = &[
    Planted {
        mutant: Mutant::StaysDown,
        name: "stays-down",
        what: "a transition lost: a container that was killed is not started again",
        defect: None,
        scope: with_crash,
    },
    Planted {
        mutant: Mutant::ForgetsPutOffPush,
        name: "forgets-put-off-push",
        what: "a transition lost: what was saved locally is not pushed later",
        defect: Some("forgets-unpushed"),
        scope: git_auth,
    },
    Planted {
        mutant: Mutant::ForgetsPutOffDeploy,
        name: "forgets-put-off-deploy",
        what: "a transition lost: a deploy that was put off is not tried again",
        defect: Some("never-tries-again"),
        scope: s3_denied,
    },
    Planted {
        mutant: Mutant::ForgetsCommit,
        name: "forgets-commit",
        what: "a precondition dropped: the edit is made whether its commit is there or not",
        defect: Some("applies-redelivered"),
        scope: with_crash,
    },
    Planted {
        mutant: Mutant::ForcePushes,
        name: "force-pushes",
        what: "a precondition dropped: the push goes up whatever the remote has",
        defect: Some("force-push"),
        scope: with_outsider,
    },
    Planted {
        mutant: Mutant::DropsOutsider,
        name: "drops-outsider",
        what: "a conflict is resolved without the other's commit",
        defect: Some("force-push-on-conflict"),
        scope: || Scope {
            kinds: vec![Outsider::Conflicting],
            ..with_outsider()
        },
    },
    Planted {
        mutant: Mutant::ClaimsPush,
        name: "claims-push",
        what: "a push that was refused is taken for done",
        defect: Some("claims-push"),
        scope: git_auth,
    },
    Planted {
        mutant: Mutant::AcknowledgesAtDelivery,
        name: "acknowledges-at-delivery",
        what: "a message is deleted before its outcome is durable",
        defect: Some("acknowledges-on-receipt"),
        scope: one,
    },
    Planted {
        mutant: Mutant::DeadLettersLate,
        name: "dead-letters-late",
        what: "a wrong count: a message is given up after 4 receives",
        defect: None,
        scope: out_of_memory,
    },
    Planted {
        mutant: Mutant::TellsNoFailure,
        name: "tells-no-failure",
        what: "a failed build is not told in the record",
        defect: Some("tells-no-error"),
        scope: breaks_build,
    },
    Planted {
        mutant: Mutant::TellsNoLoss,
        name: "tells-no-loss",
        what: "work that went with the workspace is not told as lost",
        defect: Some("forgets-lost-work"),
        scope: || Scope {
            crashes: 1,
            loses_workspace: true,
            ..git_auth()
        },
    },
    Planted {
        mutant: Mutant::LeavesError,
        name: "leaves-error",
        what: "the error of a deploy that was put off stays when it is made up for",
        defect: Some("keeps-error"),
        scope: s3_denied,
    },
    Planted {
        mutant: Mutant::CommitsToSibling,
        name: "commits-to-sibling",
        what: "a commit lands on the branch of the client's other session too",
        defect: None,
        scope: || Scope {
            sessions: 2,
            ..one()
        },
    },
    Planted {
        mutant: Mutant::DeploysBrokenBuild,
        name: "deploys-broken-build",
        what: "a precondition dropped: a build is deployed whether it failed or not",
        defect: Some("deploys-failed-build"),
        scope: breaks_build,
    },
    Planted {
        mutant: Mutant::PagesFirst,
        name: "pages-first",
        what: "pages go up before the assets that they name",
        defect: Some("pages-first"),
        scope: one,
    },
    Planted {
        mutant: Mutant::LeavesOldObjects,
        name: "leaves-old-objects",
        what: "a transition lost: objects of older builds are not deleted",
        defect: Some("never-deletes"),
        scope: two,
    },
    Planted {
        mutant: Mutant::TakesLostAnswerForDone,
        name: "takes-lost-answer-for-done",
        what: "a sync is taken for done when an answer does not come",
        defect: Some("swallows-put-errors"),
        scope: || with_fault(Trouble::S3AckLost),
    },
    Planted {
        mutant: Mutant::SyncsOnceMore,
        name: "syncs-once-more",
        what: "a wrong count: four attempts of a sync",
        defect: Some("six-sync-attempts"),
        scope: s3_denied,
    },
    Planted {
        mutant: Mutant::AsksAgentOnceMore,
        name: "asks-agent-once-more",
        what: "a wrong count: six requests to the agent",
        defect: Some("eight-agent-attempts"),
        scope: || with_fault(Trouble::AgentSlow),
    },
    Planted {
        mutant: Mutant::IgnoresRetryAfter,
        name: "ignores-retry-after",
        what: "the agent is asked again before the time that it asked for",
        defect: Some("ignores-retry-after"),
        scope: || with_fault(Trouble::AgentThrottled),
    },
    Planted {
        mutant: Mutant::OpensEarly,
        name: "opens-early",
        what: "a wrong count: the breaker opens after 4 failed syncs in a row",
        defect: Some("breaker-opens-early"),
        scope: s3_denied,
    },
    Planted {
        mutant: Mutant::OpensLate,
        name: "opens-late",
        what: "a wrong count: the breaker opens after 6 failed syncs in a row",
        defect: Some("breaker-never-opens"),
        scope: s3_denied,
    },
    Planted {
        mutant: Mutant::ForgetsReset,
        name: "forgets-reset",
        what: "a forgotten reset: a success does not set the count of failures back",
        defect: Some("never-resets-count"),
        scope: || Scope {
            injections: 2,
            instructions: 2,
            ..s3_denied()
        },
    },
    Planted {
        mutant: Mutant::KeepsDeadProbe,
        name: "keeps-dead-probe",
        what: "a probe lost: its container dies, and nobody may probe any more",
        defect: Some("probe-permit-lost"),
        scope: || Scope {
            crashes: 1,
            ..s3_denied()
        },
    },
    Planted {
        mutant: Mutant::ProbesAtOnce,
        name: "probes-at-once",
        what: "a precondition dropped: a probe begins before the cool-down is over",
        defect: Some("short-cool-down"),
        scope: s3_denied,
    },
    Planted {
        mutant: Mutant::ProbesTwice,
        name: "probes-twice",
        what: "a precondition dropped: a second probe begins beside the first",
        defect: Some("probe-lets-all-through"),
        scope: two_clients,
    },
    Planted {
        mutant: Mutant::MissesDeaths,
        name: "judge-misses-deaths",
        what: "the model is blind to the death of a container",
        defect: None,
        scope: || Scope {
            crashes: 1,
            loses_workspace: true,
            ..git_auth()
        },
    },
    Planted {
        mutant: Mutant::MissesRecords,
        name: "judge-misses-records",
        what: "the model is blind to session records",
        defect: None,
        scope: breaks_build,
    },
    Planted {
        mutant: Mutant::MissesDeliveries,
        name: "judge-misses-deliveries",
        what: "the model is blind to deliveries: a forgotten reset of the agent's attempts",
        defect: None,
        scope: || Scope {
            crashes: 1,
            ..with_fault(Trouble::AgentSlow)
        },
    },
    Planted {
        mutant: Mutant::MissesPuts,
        name: "judge-misses-puts",
        what: "the model is blind to objects that are put",
        defect: None,
        scope: one,
    },
    Planted {
        mutant: Mutant::MissesAcknowledgements,
        name: "judge-misses-acknowledgements",
        what: "the model is blind to messages that are deleted",
        defect: None,
        scope: one,
    },
    Planted {
        mutant: Mutant::MissesDeadLetters,
        name: "judge-misses-dead-letters",
        what: "the model is blind to messages that are given up",
        defect: None,
        scope: out_of_memory,
    },
    Planted {
        mutant: Mutant::MissesSyncEnds,
        name: "judge-misses-sync-ends",
        what: "the model's breaker is blind to syncs that succeed: its count is not set back",
        defect: None,
        scope: || Scope {
            injections: 2,
            instructions: 2,
            ..s3_denied()
        },
    },
    Planted {
        mutant: Mutant::MissesLimits,
        name: "judge-counts-to-4",
        what: "a wrong count: the model's breaker opens after 4 failed syncs in a row",
        defect: None,
        scope: s3_denied,
    },
];

#[cfg(test)]
mod tests;
