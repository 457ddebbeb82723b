//! What a scope lacks to reach what the contract wants to be reached sometimes.

use super::Scope;
use crate::coverage::Sometimes;
use crate::explore::system::ModelFault;
use crate::plan::{Edit, Outsider};

impl Scope {
    /// The options that it lacks to reach an entry of the sometimes-list.
    pub fn lacks(&self, entry: Sometimes) -> Vec<&'static str> {
        let has = |fault_kinds: &[ModelFault]| {
            self.injections > 0
                && self.faults > 0
                && fault_kinds
                    .iter()
                    .any(|fault| self.fault_kinds.contains(fault))
        };
        let s3 = [
            ModelFault::S3Denied,
            ModelFault::S3Missing,
            ModelFault::S3Down,
            ModelFault::S3Partial,
            ModelFault::S3AckLost,
        ];
        let git = [ModelFault::GitAuth, ModelFault::GitDown];
        let lacks: Vec<(bool, &'static str)> = match entry {
            Sometimes::BreakerOpened | Sometimes::ProbeFailed | Sometimes::BreakerClosedAgain => {
                vec![(has(&s3), "--of s3-denied")]
            }
            Sometimes::PushRebased => vec![(self.outsiders > 0, "--outsiders 1")],
            Sometimes::ConflictMerged => vec![(
                self.outsiders > 0 && self.kinds.contains(&Outsider::Conflicting),
                "--outsiders 1",
            )],
            Sometimes::SavedThenPushed => vec![(has(&git), "--of git-auth")],
            Sometimes::CrashIn(_)
            | Sometimes::CrashDuringDeploy
            | Sometimes::CrashBetweenCommitAndPush => vec![(self.crashes > 0, "--crashes 1")],
            Sometimes::CrashDuringRecovery => vec![(self.crashes > 1, "--crashes 2")],
            Sometimes::OutOfMemoryRestart => vec![
                (has(&[ModelFault::OutOfMemory]), "--of out-of-memory"),
                (
                    self.edits.contains(&Edit::MemoryHungry),
                    "--edits memory-hungry",
                ),
            ],
            Sometimes::DeadLettered => vec![(
                has(&[ModelFault::OutOfMemory]) || self.crashes > 2,
                "--of out-of-memory --edits memory-hungry, or --crashes 3",
            )],
            Sometimes::PartitionHealed => vec![(has(&[ModelFault::Partition]), "--of partition")],
            Sometimes::AgentTimedOutThenAnswered => {
                vec![(has(&[ModelFault::AgentSlow]), "--of agent-slow")]
            }
            Sometimes::BackedOffThenAnswered => {
                vec![(has(&[ModelFault::AgentThrottled]), "--of agent-error")]
            }
            Sometimes::Redelivered => vec![(
                self.crashes + self.repeats > 0,
                "--crashes 1 or --repeats 1",
            )],
            Sometimes::WarnedBuildDeployed => vec![(
                self.edits.contains(&Edit::Warn) || has(&[ModelFault::BuildWarning(0)]),
                "--edits warn",
            )],
            Sometimes::BrokenBuildRepaired => vec![
                (
                    self.edits.contains(&Edit::BreakBuild) && self.edits.contains(&Edit::Repair),
                    "--edits break-build,repair",
                ),
                (self.instructions > 1, "--instructions 2"),
            ],
            Sometimes::TwoFaultsAtOnce => vec![(
                self.faults > 1 && self.injections > 1,
                "--faults 2 --injections 2",
            )],
            Sometimes::HealthyWhileOtherFailed => vec![(self.clients > 1, "--clients 2")],
        };
        lacks
            .into_iter()
            .filter(|(is_there, _)| !is_there)
            .map(|(_, option)| option)
            .collect()
    }
}
