//! What stays of a plan that did not hold: the plan, its history, and its smallest form.

use std::path::PathBuf;
use std::time::Duration;

use proptest::test_runner::Config as ProptestConfig;

use super::case::{Case, Slip};
use super::{Campaign, CampaignError, Found};
use crate::explain::{Explanation, explain, leave_out};
use crate::history::History;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::regression::{self, Origin, Seed};
use crate::runner;
use crate::shrink::{Budget, is_same, shrink};
use crate::target::Target;
use crate::verdict::{Verdict, Violation};

/// Longer plans are not run without each of their steps.
const EXPLAINED_UP_TO: usize = 20;

impl Campaign<'_> {
    /// Makes the plan of each new failure as small as it can be, and keeps it.
    pub(super) fn shrink_and_keep(&mut self, target: &dyn Target) -> Result<(), CampaignError> {
        let budget = shrink_budget(target);
        for found in self.summary.found.iter_mut().filter(|found| found.is_known) {
            found.explanation = Some(found.explained_on(target));
        }
        for found in self
            .summary
            .found
            .iter_mut()
            .filter(|found| !found.is_known)
        {
            let title = format!("shrinking {}", found.violation.rule);
            let most = u64::from(budget.runs);
            let mut progress = Progress::begin(self.config.quiet, &title, most);
            let smallest = shrink(
                target,
                &found.plan,
                found.seed,
                &found.violation,
                &found.history,
                &budget,
                &mut |at| {
                    progress.at(u64::from(at.runs), most, &format!("{} steps", at.steps));
                },
            );
            progress.end();
            found.shrink_to(smallest);
            found.explanation = Some(found.explained_on(target));
            let origin = Origin {
                rule: found.violation.rule,
                target: target.name(),
                seed: found.seed,
                command: &self.config.command,
            };
            let folder = &self.config.regressions;
            found.file = regression::keep(folder, &found.plan, &origin).map_err(|why| {
                CampaignError::Write {
                    path: folder.clone(),
                    why,
                }
            })?;
        }
        Ok(())
    }

    /// Writes a plan that did not hold, and beside it what happened.
    pub(super) fn put_down(
        &self,
        case: &Case,
        history: &History,
    ) -> Result<PathBuf, CampaignError> {
        let name = format!("{}-run-{}.plan", self.slip_name(), Seed(case.seed));
        let path = self.config.out.join(name);
        Slip::at(&path)
            .and_then(|mut slip| slip.write(case))
            .and_then(|()| history.write_file(&path.with_extension("jsonl")))
            .map_err(|why| CampaignError::Write {
                path: path.clone(),
                why,
            })?;
        Ok(path)
    }
}

impl Found {
    fn explained_on(&self, target: &dyn Target) -> Explanation {
        explain_on(
            target,
            &self.plan,
            self.seed,
            &self.history,
            &self.violation,
        )
    }
}

/// Why a plan violates. It is run without each of its steps where the seed decides: on the target,
/// or on its twin if it shows there with the same seed. Too many steps are no explanation.
pub fn explain_on(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    history: &History,
    violation: &Violation,
) -> Explanation {
    let mut explanation = explain(plan, target.site(), history, violation);
    let certain = if target.is_deterministic() {
        Some(target)
    } else {
        target
            .twin()
            .map(|twin| twin as &dyn Target)
            .filter(|twin| {
                let verdict = runner::run(*twin, plan, seed).verdict;
                matches!(&verdict, Verdict::Violated(other) if is_same(other, violation))
            })
    };
    if let Some(on) = certain.filter(|_| plan.steps.len() <= EXPLAINED_UP_TO) {
        let outcomes = leave_out(on, plan, seed, violation, &mut || true);
        explanation.take_outcomes(outcomes, on.name(), violation);
    }
    explanation
}

/// What shrinking may cost: what fits the target, unless `PROPTEST_MAX_SHRINK_ITERS` or
/// `PROPTEST_MAX_SHRINK_TIME` (milliseconds) says otherwise.
pub fn shrink_budget(target: &dyn Target) -> Budget {
    let asked = ProptestConfig::default();
    let mut budget = Budget::for_target(target);
    // proptest's own marks for "not set".
    if asked.max_shrink_iters != u32::MAX {
        budget.runs = asked.max_shrink_iters;
    }
    if asked.max_shrink_time != 0 {
        budget.time = Duration::from_millis(asked.max_shrink_time.into());
    }
    budget
}
