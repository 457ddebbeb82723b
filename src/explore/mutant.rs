//! Mistakes to put into the abstract system, what its clients share, or the judge's model: what
//! exploration must catch.

/// One mistake.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutant {
    // Of the system.
    StaysDown,
    ForgetsPutOffPush,
    ForgetsPutOffDeploy,
    ForgetsHandled,
    ForgetsCommit,
    ForcePushes,
    DropsOutsider,
    ClaimsPush,
    AcknowledgesAtDelivery,
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
    CountsCutOff,
    KeepsDeadProbe,
    ProbesAtOnce,
    ProbesTwice,
    // Of the model that judges.
    MissesDeaths,
    MissesRecords,
    MissesDeliveries,
    MissesOutsiders,
    MissesCommits,
    MissesSyncEnds,
    MissesLimits,
}
