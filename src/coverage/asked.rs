//! How often each rule could have been broken: a rule that held where nothing could break it says nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Coverage;
use crate::history::{GitOutcome, History, S3Outcome, What};
use crate::plan::{ClientId, Edit, Fault, Mark, Place, Plan, Step};
use crate::verdict::Rule;

/// How often a rule was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AskedCount {
    /// Plans in which something could have broken it.
    pub plans: u64,
    /// What could have broken it, see [`counted_for`].
    pub times: u64,
}

/// What is counted for each rule, in the contract's order.
const COUNTED: [(Rule, &str); 15] = [
    (Rule::NoBrokenDeploy, "objects stored after a build broke"),
    (Rule::NoDanglingPage, "objects stored and deleted"),
    (Rule::CommitsPreserved, "changes of branches"),
    (Rule::ExactlyOnce, "instructions delivered again"),
    (Rule::NoCascade, "changes in plans with several sessions"),
    (Rule::Breaker, "S3 requests that failed"),
    (Rule::BoundedRetries, "requests that failed"),
    (Rule::StaysUp, "faults and deaths"),
    (Rule::ErrorsTold, "ends of instructions"),
    (Rule::NoSecretTold, "log lines, records, pushes and objects"),
    (Rule::NothingLost, "instructions of runs that recovered"),
    (Rule::Pushed, "branches of runs that recovered"),
    (Rule::Fresh, "sites of runs that recovered"),
    (Rule::Settled, "sessions of runs that recovered"),
    (Rule::Usable, "instructions sent after recovery"),
];

/// What is counted for a rule, in the plural.
pub fn counted_for(rule: Rule) -> &'static str {
    COUNTED[rule as usize].1
}

/// Counts in one run.
#[derive(Default)]
pub(super) struct Asked {
    times: [u64; COUNTED.len()],
    /// Clients of whom a build was broken.
    broken: BTreeSet<ClientId>,
    delivered: BTreeSet<Mark>,
    has_several: bool,
}

impl Asked {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            has_several: plan.sessions.len() > 1,
            ..Self::default()
        }
    }

    pub(super) fn see(&mut self, what: &What) {
        match what {
            What::StepBegan { index, step, .. } => self.step(index.is_some(), step),
            What::Delivered { mark, .. } => {
                let is_again = !self.delivered.insert(*mark);
                self.times[Rule::ExactlyOnce as usize] += u64::from(is_again);
            }
            What::Acknowledged { .. }
            | What::DeadLettered { .. }
            | What::OutcomeReported { .. } => {
                self.count(&[Rule::ErrorsTold]);
            }
            What::AgentAsked { status, .. } if *status != Some(200) => {
                self.count(&[Rule::BoundedRetries]);
            }
            What::Fetched { outcome, .. } if *outcome != GitOutcome::Done => {
                self.count(&[Rule::BoundedRetries]);
            }
            What::Pushed { outcome, .. } => {
                self.change();
                self.count(&[Rule::CommitsPreserved, Rule::NoSecretTold]);
                if *outcome != GitOutcome::Done {
                    self.count(&[Rule::BoundedRetries]);
                }
            }
            What::Committed { .. } => {
                self.change();
                self.count(&[Rule::CommitsPreserved]);
            }
            What::ObjectPut { client, .. } => {
                self.change();
                self.count(&[Rule::NoDanglingPage, Rule::NoSecretTold]);
                if self.broken.contains(client) {
                    self.count(&[Rule::NoBrokenDeploy]);
                }
            }
            What::ObjectDeleted { .. } => self.count(&[Rule::NoDanglingPage]),
            What::S3Asked { outcome, .. } if *outcome != S3Outcome::Done => {
                self.count(&[Rule::Breaker, Rule::BoundedRetries]);
            }
            What::Refused { place, .. } => {
                self.count(&[Rule::BoundedRetries]);
                if *place == Place::S3 {
                    self.count(&[Rule::Breaker]);
                }
            }
            What::RecordWritten { .. } => {
                self.change();
                self.count(&[Rule::NoSecretTold]);
            }
            What::Logged { .. } => self.count(&[Rule::NoSecretTold]),
            What::Died { .. } => self.count(&[Rule::StaysUp]),
            _ => {}
        }
    }

    fn step(&mut self, is_of_plan: bool, step: &Step) {
        match step {
            Step::Instruct(..) if !is_of_plan => self.count(&[Rule::Usable]),
            Step::Instruct(session, edit) => {
                self.count(&[Rule::NothingLost]);
                if *edit == Edit::BreakBuild {
                    self.broken.insert(session.client.clone());
                }
            }
            Step::Inject(fault) => {
                self.count(&[Rule::StaysUp]);
                if let Fault::BuildError(session) = fault {
                    self.broken.insert(session.client.clone());
                }
            }
            _ => {}
        }
    }

    /// Something of one session changed.
    fn change(&mut self) {
        if self.has_several {
            self.count(&[Rule::NoCascade]);
        }
    }

    fn count(&mut self, rules: &[Rule]) {
        for rule in rules {
            self.times[*rule as usize] += 1;
        }
    }

    /// Adds what was counted for the rules that were asked.
    pub(super) fn finish(mut self, plan: &Plan, history: &History, sum: &mut Coverage) {
        let has_recovered = history
            .end
            .as_ref()
            .is_some_and(|end| end.settled.is_some());
        let (sessions, clients) = (plan.sessions.len() as u64, plan.clients().len() as u64);
        let after_recovery = [
            (Rule::NothingLost, self.times[Rule::NothingLost as usize]),
            (Rule::Pushed, sessions),
            (Rule::Fresh, clients),
            (Rule::Settled, sessions),
        ];
        for (rule, times) in after_recovery {
            self.times[rule as usize] = if has_recovered { times } else { 0 };
        }
        let unasked = history.not_asked();
        for ((rule, _), times) in COUNTED.into_iter().zip(self.times) {
            if times > 0 && !unasked.iter().any(|it| it.whole && it.rule == rule) {
                sum.asked.insert(rule, AskedCount { plans: 1, times });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariant;

    #[test]
    fn every_rule_has_its_row() {
        assert_eq!(COUNTED.map(|(rule, _)| rule).to_vec(), invariant::rules());
        for (at, (rule, _)) in COUNTED.into_iter().enumerate() {
            assert_eq!(rule as usize, at);
        }
    }
}
