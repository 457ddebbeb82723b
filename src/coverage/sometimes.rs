//! The sometimes-list of the contract: what a campaign must have reached to have tested what it
//! claims to test.

use std::fmt;

use crate::plan::Phase;

/// One entry of the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sometimes {
    /// The breaker opened.
    BreakerOpened,
    /// A probe of the breaker failed.
    ProbeFailed,
    /// The breaker closed again.
    BreakerClosedAgain,
    /// A push was rejected, and the work went up rebased.
    PushRebased,
    /// A conflict was resolved by a merge that keeps both changes.
    ConflictMerged,
    /// Work was saved locally, and pushed later.
    SavedThenPushed,
    /// A container died in this phase of an instruction.
    CrashIn(Phase),
    /// A container died after the first request of a sync and before its end.
    CrashDuringDeploy,
    /// A container died with a commit of its instruction that the remote lacked.
    CrashBetweenCommitAndPush,
    /// A container died again before it had repaired what its last death left.
    CrashDuringRecovery,
    /// A container ran out of memory and was restarted.
    OutOfMemoryRestart,
    /// A partition was healed.
    PartitionHealed,
    /// The agent timed out, then answered.
    AgentTimedOutThenAnswered,
    /// The agent answered 429, and answered well after the wait.
    BackedOffThenAnswered,
    /// A message was delivered again.
    Redelivered,
    /// A message went to a dead-letter queue.
    DeadLettered,
    /// A build with warnings was deployed.
    WarnedBuildDeployed,
    /// A broken build was repaired.
    BrokenBuildRepaired,
    /// Two faults were active at once, and one of them was hit meanwhile.
    TwoFaultsAtOnce,
    /// A session was deployed while another's record had an error.
    HealthyWhileOtherFailed,
}

impl Sometimes {
    /// Every entry, in the contract's order.
    pub fn all() -> impl Iterator<Item = Self> {
        let before = [
            Self::BreakerOpened,
            Self::ProbeFailed,
            Self::BreakerClosedAgain,
            Self::PushRebased,
            Self::ConflictMerged,
            Self::SavedThenPushed,
        ];
        let after = [
            Self::CrashDuringDeploy,
            Self::CrashBetweenCommitAndPush,
            Self::CrashDuringRecovery,
            Self::OutOfMemoryRestart,
            Self::PartitionHealed,
            Self::AgentTimedOutThenAnswered,
            Self::BackedOffThenAnswered,
            Self::Redelivered,
            Self::DeadLettered,
            Self::WarnedBuildDeployed,
            Self::BrokenBuildRepaired,
            Self::TwoFaultsAtOnce,
            Self::HealthyWhileOtherFailed,
        ];
        before
            .into_iter()
            .chain(Phase::ALL.map(Self::CrashIn))
            .chain(after)
    }
}

impl fmt::Display for Sometimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CrashIn(phase) => return write!(f, "crash in {phase}"),
            Self::BreakerOpened => "breaker opened",
            Self::ProbeFailed => "probe failed",
            Self::BreakerClosedAgain => "breaker closed again",
            Self::PushRebased => "push rejected then rebased",
            Self::ConflictMerged => "conflict resolved with both changes kept",
            Self::SavedThenPushed => "work saved locally, pushed later",
            Self::CrashDuringDeploy => "crash during a deploy",
            Self::CrashBetweenCommitAndPush => "crash between commit and push",
            Self::CrashDuringRecovery => "crash during recovery",
            Self::OutOfMemoryRestart => "out-of-memory restart",
            Self::PartitionHealed => "partition healed",
            Self::AgentTimedOutThenAnswered => "agent timed out then answered",
            Self::BackedOffThenAnswered => "429 backed off then answered",
            Self::Redelivered => "message redelivered",
            Self::DeadLettered => "message dead-lettered",
            Self::WarnedBuildDeployed => "warned build deployed",
            Self::BrokenBuildRepaired => "broken build repaired",
            Self::TwoFaultsAtOnce => "two faults at once",
            Self::HealthyWhileOtherFailed => "healthy session deployed while another failed",
        })
    }
}
