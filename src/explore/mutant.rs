//! Mistakes to put into the abstract system, the breaker, or the model that judges: what
//! exploration must catch, each in a scope that is small enough for a test.
//!
//! A mistake of the system shows that the rules see it. A model that is blind to something accuses
//! a system that is right: that shows that exploration would see such a mistake in the model.

use super::scope::Scope;
use super::system::{Habits, ModelFault};
use crate::plan::{Edit, Outsider};

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

    #[cfg(test)]
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
        fault_kinds: Vec::new(),
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

fn with_fault(fault: ModelFault) -> Scope {
    Scope {
        faults: 1,
        injections: 1,
        fault_kinds: vec![fault],
        ..one()
    }
}

fn s3_denied() -> Scope {
    with_fault(ModelFault::S3Denied)
}

fn git_auth() -> Scope {
    with_fault(ModelFault::GitAuth)
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
        ..with_fault(ModelFault::OutOfMemory)
    }
}

fn breaks_build() -> Scope {
    Scope {
        edits: vec![Edit::BreakBuild],
        ..one()
    }
}

macro_rules! mutants {
    ($($mutant:ident, $name:literal, $defect:expr, $what:literal, $scope:expr;)+) => {
        /// One mistake.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Mutant {
            $(#[doc = $what] $mutant),+
        }

        /// Every mistake.
        pub const MUTANTS: &[Planted] = &[$(Planted {
            mutant: Mutant::$mutant,
            name: $name,
            what: $what,
            defect: $defect,
            scope: $scope,
        }),+];
    };
}

mutants! {
    // Of the system.
    StaysDown, "stays-down", None,
        "a transition lost: a container that was killed is not started again",
        with_crash;
    ForgetsPutOffPush, "forgets-put-off-push", Some("forgets-unpushed"),
        "a transition lost: what was saved locally is not pushed later",
        git_auth;
    ForgetsPutOffDeploy, "forgets-put-off-deploy", Some("never-tries-again"),
        "a transition lost: a deploy that was put off is not tried again",
        s3_denied;
    ForgetsCommit, "forgets-commit", Some("applies-redelivered"),
        "a precondition dropped: the edit is made whether its commit is there or not",
        with_crash;
    ForcePushes, "force-pushes", Some("force-push"),
        "a precondition dropped: the push goes up whatever the remote has",
        with_outsider;
    DropsOutsider, "drops-outsider", Some("force-push-on-conflict"),
        "a conflict is resolved without the other's commit",
        || Scope {
            kinds: vec![Outsider::Conflicting],
            ..with_outsider()
        };
    ClaimsPush, "claims-push", Some("claims-push"),
        "a push that was refused is taken for done",
        git_auth;
    AcknowledgesAtDelivery, "acknowledges-at-delivery", Some("acknowledges-on-receipt"),
        "a message is deleted before its outcome is durable",
        one;
    DeadLettersLate, "dead-letters-late", None,
        "a wrong count: a message is given up after 4 receives",
        out_of_memory;
    TellsNoFailure, "tells-no-failure", Some("tells-no-error"),
        "a failed build is not written into the record",
        breaks_build;
    TellsNoLoss, "tells-no-loss", Some("forgets-lost-work"),
        "work that was lost with the workspace is not reported as lost",
        || Scope {
            crashes: 1,
            loses_workspace: true,
            ..git_auth()
        };
    LeavesError, "leaves-error", Some("keeps-error"),
        "the error of a deploy that was put off stays when it is made up for",
        s3_denied;
    CommitsToSibling, "commits-to-sibling", None,
        "a commit lands on the branch of the client's other session too",
        || Scope {
            sessions: 2,
            ..one()
        };
    DeploysBrokenBuild, "deploys-broken-build", Some("deploys-failed-build"),
        "a precondition dropped: a build is deployed whether it failed or not",
        breaks_build;
    PagesFirst, "pages-first", Some("pages-first"),
        "pages go up before the assets that they name",
        one;
    LeavesOldObjects, "leaves-old-objects", Some("never-deletes"),
        "a transition lost: objects of older builds are not deleted",
        two;
    TakesLostAnswerForDone, "takes-lost-answer-for-done", Some("swallows-put-errors"),
        "a sync is taken for done when an answer does not come",
        || with_fault(ModelFault::S3AckLost);
    SyncsOnceMore, "syncs-once-more", Some("six-sync-attempts"),
        "a wrong count: four attempts of a sync",
        s3_denied;
    AsksAgentOnceMore, "asks-agent-once-more", Some("eight-agent-attempts"),
        "a wrong count: six requests to the agent",
        || with_fault(ModelFault::AgentSlow);
    IgnoresRetryAfter, "ignores-retry-after", Some("ignores-retry-after"),
        "the agent is asked again before the time that it asked for",
        || with_fault(ModelFault::AgentThrottled);
    // Of the breaker that all clients share.
    OpensEarly, "opens-early", Some("breaker-opens-early"),
        "a wrong count: the breaker opens after 4 failed syncs in a row",
        s3_denied;
    OpensLate, "opens-late", Some("breaker-never-opens"),
        "a wrong count: the breaker opens after 6 failed syncs in a row",
        s3_denied;
    ForgetsReset, "forgets-reset", Some("never-resets-count"),
        "a forgotten reset: a success does not set the count of failures back",
        || Scope {
            injections: 2,
            instructions: 2,
            ..s3_denied()
        };
    KeepsDeadProbe, "keeps-dead-probe", Some("probe-permit-lost"),
        "a probe lost: its container dies, and no container may probe any more",
        || Scope {
            crashes: 1,
            ..s3_denied()
        };
    ProbesAtOnce, "probes-at-once", Some("short-cool-down"),
        "a precondition dropped: a probe begins before the cool-down is over",
        s3_denied;
    ProbesTwice, "probes-twice", Some("probe-lets-all-through"),
        "a precondition dropped: a second probe begins beside the first",
        two_clients;
    // Of the model that judges.
    MissesDeaths, "judge-misses-deaths", None,
        "the model is blind to the death of a container",
        || Scope {
            crashes: 1,
            loses_workspace: true,
            ..git_auth()
        };
    MissesRecords, "judge-misses-records", None,
        "the model is blind to session records",
        breaks_build;
    MissesDeliveries, "judge-misses-deliveries", None,
        "the model is blind to deliveries: a forgotten reset of the agent's attempts",
        || Scope {
            crashes: 1,
            ..with_fault(ModelFault::AgentSlow)
        };
    MissesPuts, "judge-misses-puts", None,
        "the model is blind to objects that are put",
        one;
    MissesAcknowledgements, "judge-misses-acknowledgements", None,
        "the model is blind to messages that are deleted",
        one;
    MissesDeadLetters, "judge-misses-dead-letters", None,
        "the model is blind to messages that are given up",
        out_of_memory;
    MissesSyncEnds, "judge-misses-sync-ends", None,
        "the model's breaker is blind to syncs that succeed: its count is not set back",
        || Scope {
            injections: 2,
            instructions: 2,
            ..s3_denied()
        };
    MissesLimits, "judge-counts-to-4", None,
        "a wrong count: the model's breaker opens after 4 failed syncs in a row",
        s3_denied;
}

#[cfg(test)]
mod tests;
