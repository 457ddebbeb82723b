//! A counterexample of the model, shown on a target.
//!
//! The model has fewer requests than a real system, and its waits are exact. So the plan that a
//! path leads to names moments that are only about right. Here the moments nearby are tried, the
//! nearest first, until the target breaks the same rule.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::plan::{Plan, Step};
use crate::runner;
use crate::target::Target;
use crate::verdict::{Rule, Verdict, Violation};

/// A plan that a target breaks a rule in.
#[derive(Clone, Debug)]
pub struct Shown {
    pub plan: Plan,
    /// The run's seed.
    pub seed: u64,
    pub violation: Violation,
}

/// Runs that are enough for every mutant that a target can show.
pub const MOST_RUNS: u32 = 2000;
/// Each plan is run with these.
const SEEDS: [u64; 2] = [1, 2];
const A_MINUTE: Duration = Duration::from_secs(60);

/// Looks among the plans near to one for the nearest in which a target breaks a rule. `None` where
/// so many runs show none.
pub fn find(target: &dyn Target, plan: &Plan, rule: Rule, most_runs: u32) -> Option<Shown> {
    let mut known = HashSet::from([plan.to_string()]);
    let mut next = VecDeque::from([plan.clone()]);
    let mut runs = 0;
    while let Some(plan) = next.pop_front() {
        for seed in SEEDS {
            if runs == most_runs {
                return None;
            }
            runs += 1;
            if let Verdict::Violated(violation) = runner::run(target, &plan, seed).verdict
                && violation.rule == rule
            {
                return Some(Shown {
                    plan,
                    seed,
                    violation,
                });
            }
        }
        for plan in neighbours(&plan) {
            if known.insert(plan.to_string()) {
                next.push_back(plan);
            }
        }
    }
    None
}

/// The plans that differ in one moment: it is a request later or earlier, a wait is longer, or
/// there is one more at the end; or it is not waited for.
fn neighbours(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let with = |step: Option<Step>| {
            let mut plan = plan.clone();
            plan.steps.splice(at..=at, step);
            plan
        };
        match step {
            Step::Until {
                session,
                phase,
                requests,
            } => {
                let until = |requests| Step::Until {
                    session: session.clone(),
                    phase: *phase,
                    requests,
                };
                plans.push(with(Some(until(requests + 1))));
                plans.extend(requests.checked_sub(1).map(|less| with(Some(until(less)))));
                plans.push(with(None));
            }
            Step::UntilStarted { .. } => plans.push(with(None)),
            Step::Wait(time) => {
                plans.push(with(Some(Step::Wait(*time + A_MINUTE))));
                plans.push(with(None));
            }
            _ => {}
        }
    }
    if !matches!(plan.steps.last(), Some(Step::Wait(_))) {
        let mut longer = plan.clone();
        longer.steps.push(Step::Wait(A_MINUTE));
        plans.push(longer);
    }
    plans
}
