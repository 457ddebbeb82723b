//! Our shrinker against proptest's own, on the same plans that show the planted defects.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use proptest::strategy::{BoxedStrategy, ValueTree};
use proptest::test_runner::{Config as ProptestConfig, TestCaseError, TestError, TestRunner};

use super::Defect;
use super::trial::planted_sim;
use crate::campaign;
use crate::generate::{Counted, Shape, counted_plans};
use crate::history::{History, What};
use crate::plan::Plan;
use crate::runner::{self, Outcome};
use crate::shrink::{Budget, shrink};
use crate::target::Target;
use crate::verdict::{Verdict, Violation};

/// Runs that proptest may use: its own default for 256 cases.
const PROPTEST_RUNS: u32 = 4 * 256;

/// A plan that shows a defect, as a campaign finds it.
#[derive(Clone)]
pub struct Find {
    defect: &'static Defect,
    /// The campaign's seed, and the case's number.
    case: (u64, u64),
    pub plan: Plan,
    run_seed: u64,
    pub violation: Violation,
    history: History,
}

/// What one shrinker made of it.
#[derive(Clone, Debug)]
pub struct Side {
    pub plan: Plan,
    /// The seed that the plan shows it with.
    pub run_seed: u64,
    /// What the smallest plan violates.
    pub violation: Violation,
    /// Runs that it took.
    pub runs: u32,
}

impl Find {
    /// Looks for a plan that shows the defect, as a campaign on sim with this seed would.
    ///
    /// # Errors
    /// When no plan can be generated.
    pub fn first(
        defect: &'static Defect,
        shape: &Shape,
        seed: u64,
        plans: u32,
    ) -> Result<Option<Self>, String> {
        let target = planted_sim(defect);
        let strategy = counted_plans(shape);
        for index in 0..u64::from(plans) {
            let (tree, run_seed) = campaign::tree(&strategy, seed, index)?;
            let (plan, _) = tree.current();
            let outcome = runner::run(&target, &plan, run_seed);
            if let Verdict::Violated(violation) = outcome.verdict {
                return Ok(Some(Self {
                    defect,
                    case: (seed, index),
                    plan,
                    run_seed,
                    violation,
                    history: outcome.history,
                }));
            }
        }
        Ok(None)
    }

    /// Lets our shrinker work on it.
    pub fn by_us(&self) -> Side {
        let target = planted_sim(self.defect);
        let smallest = shrink(
            &target,
            &self.plan,
            self.run_seed,
            &self.violation,
            &self.history,
            &Budget::for_target(&target),
            &mut |_| {},
        );
        Side {
            plan: smallest.plan,
            run_seed: smallest.seed,
            violation: smallest.violation,
            runs: smallest.runs,
        }
    }

    /// Lets proptest's own shrinker work on it.
    ///
    /// # Errors
    /// When the plan cannot be generated again, or does not show the defect again.
    pub fn by_proptest(&self, shape: &Shape) -> Result<Side, String> {
        let (seed, index) = self.case;
        let target = planted_sim(self.defect);
        by_proptest(&target, &counted_plans(shape), seed, index)?
            .ok_or_else(|| format!("the plan that showed {} no longer does", self.defect.name))
    }
}

/// Lets proptest shrink the case of this number as it does for a test that fails: any violation
/// is a failure, and the steps that a run did not come to are told.
fn by_proptest(
    target: &dyn Target,
    strategy: &BoxedStrategy<Counted>,
    seed: u64,
    index: u64,
) -> Result<Option<Side>, String> {
    let (tree, run_seed) = campaign::tree(strategy, seed, index)?;
    let mut runner = TestRunner::new(ProptestConfig {
        max_shrink_iters: PROPTEST_RUNS,
        max_shrink_time: 0,
        failure_persistence: None,
        verbose: 0,
        ..ProptestConfig::default()
    });
    let runs = Cell::new(0);
    let violated = Cell::new(None);
    let result = runner.run_one(tree, |(plan, made)| {
        runs.set(runs.get() + 1);
        let Outcome {
            verdict, history, ..
        } = runner::run(target, &plan, run_seed);
        if let Some(made) = made {
            let is_step = |what: &What| matches!(what, What::StepBegan { .. });
            let begun = history.events.iter().filter(|event| is_step(&event.what));
            made.store(begun.count(), Ordering::SeqCst);
        }
        match verdict {
            Verdict::Violated(violation) => {
                violated.set(Some(violation));
                Err(TestCaseError::fail("violated"))
            }
            Verdict::Held | Verdict::Unknown { .. } => Ok(()),
        }
    });
    let Err(TestError::Fail(_, (plan, _))) = result else {
        return Ok(None);
    };
    Ok(violated.take().map(|violation| Side {
        plan,
        run_seed,
        violation,
        // The first run is no shrinking.
        runs: runs.get() - 1,
    }))
}
