//! The sometimes-list of the contract: what a campaign must have reached to have tested what it
//! claims to test.

use std::fmt;

use crate::plan::Phase;

/// The entries in the contract's order: a variant, its name, and what must have happened. Those of
/// the first group come before the crashes in each phase.
macro_rules! sometimes {
    (before { $($before:ident = $name:literal $about:literal;)+ }
     after { $($after:ident = $after_name:literal $after_about:literal;)+ }) => {
        /// One entry of the list.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Sometimes {
            $(#[doc = $about] $before,)+
            /// A container died in this phase of an instruction.
            CrashIn(Phase),
            $(#[doc = $after_about] $after,)+
        }

        impl Sometimes {
            /// Every entry, in the contract's order.
            pub fn all() -> impl Iterator<Item = Self> {
                let before = [$(Self::$before),+];
                let after = [$(Self::$after),+];
                let crashes = Phase::ALL.map(Self::CrashIn);
                before.into_iter().chain(crashes).chain(after)
            }

            /// What a run must have reached, in a sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$before => $about,)+
                    Self::CrashIn(_) => "A container died in this phase of an instruction.",
                    $(Self::$after => $after_about,)+
                }
            }
        }

        impl fmt::Display for Sometimes {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$before => f.write_str($name),)+
                    Self::CrashIn(phase) => write!(f, "crash in {phase}"),
                    $(Self::$after => f.write_str($after_name),)+
                }
            }
        }
    };
}

sometimes!(
    before {
        BreakerOpened = "breaker opened" "The breaker opened.";
        ProbeFailed = "probe failed" "A probe of the breaker failed.";
        BreakerClosedAgain = "breaker closed again" "The breaker closed again.";
        PushRebased = "push rejected then rebased"
            "A push was rejected, and the work was pushed after a rebase.";
        ConflictMerged = "conflict resolved with both changes kept"
            "A conflict was resolved by a merge that keeps both changes.";
        SavedThenPushed = "work saved locally, pushed later"
            "Work was saved locally, and pushed later.";
    }
    after {
        CrashDuringDeploy = "crash during a deploy"
            "A container died after the first request of a sync and before its end.";
        CrashBetweenCommitAndPush = "crash between commit and push"
            "A container died with a commit of its instruction that the remote lacked.";
        CrashDuringRecovery = "crash during recovery"
            "A container died again before it had repaired what its last death left.";
        OutOfMemoryRestart = "out-of-memory restart"
            "A container ran out of memory and was restarted.";
        PartitionHealed = "partition healed" "A partition was healed.";
        AgentTimedOutThenAnswered = "agent timed out then answered"
            "The agent timed out, then answered.";
        BackedOffThenAnswered = "429 backed off then answered"
            "The agent answered 429, and answered well after the wait.";
        Redelivered = "message redelivered" "A message was delivered again.";
        DeadLettered = "message dead-lettered" "A message went to a dead-letter queue.";
        WarnedBuildDeployed = "warned build deployed" "A build with warnings was deployed.";
        BrokenBuildRepaired = "broken build repaired" "A broken build was repaired.";
        TwoFaultsAtOnce = "two faults at once"
            "Two faults were active at once, and one of them was hit meanwhile.";
        HealthyWhileOtherFailed = "healthy session deployed while another failed"
            "A session was deployed while another's record had an error.";
    }
);
