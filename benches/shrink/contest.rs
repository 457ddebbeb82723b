//! Both shrinkers on the same plans: those that show the planted defects.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use shakedown::campaign;
use shakedown::defect::known::{self, Known};
use shakedown::defect::{Defect, planted_sim};
use shakedown::finding::{Finding, Origin};
use shakedown::generate::{Shape, counted_plans};
use shakedown::history::What;
use shakedown::plan::Plan;
use shakedown::runner;
use shakedown::shrink::{Budget, shrink};
use shakedown::verdict::{Verdict, Violation};

use super::measure;

/// Runs that proptest may use: its own default for 256 cases.
const PROPTEST_RUNS: u32 = 4 * 256;

/// The result of a defect with all seeds.
pub struct Row {
    pub defect: &'static Defect,
    pub rounds: Vec<Round>,
    /// Seeds with which no plan showed the defect.
    pub missed: usize,
}

/// The result of one defect with one seed.
#[derive(Clone)]
pub struct Round {
    pub seed: u64,
    /// Steps of the plan that was found, up to the violation.
    pub first_steps: usize,
    pub ours: Side,
    pub proptests: Side,
}

/// What one shrinker made of a plan.
#[derive(Clone)]
pub struct Side {
    pub shown: Known,
    /// Runs that it took.
    pub runs: u32,
    /// The fewest steps known to show the same with the kinds of steps of the plan that was found.
    pub fewest: Option<usize>,
}

impl Side {
    /// Whether no shorter plan is known.
    pub fn is_minimal(&self) -> bool {
        self.fewest.is_none_or(|fewest| self.steps() <= fewest)
    }

    pub fn steps(&self) -> usize {
        self.shown.plan.steps.len()
    }
}

/// Lets both shrinkers work on what every seed finds of every defect, within so many plans.
///
/// # Errors
/// When no plan can be generated.
pub fn run(defects: &[&'static Defect], seeds: Range<u64>, plans: u32) -> Result<Vec<Row>, String> {
    let cases: Vec<(&'static Defect, u64)> = defects
        .iter()
        .flat_map(|defect| seeds.clone().map(|seed| (*defect, seed)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut rounds = Vec::new();
        while let Some((defect, seed)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            rounds.push((defect.name, round(defect, *seed, plans)?));
        }
        Ok::<_, String>(rounds)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rounds = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = threads.into_iter().map(|thread| {
            let died = |_| Err("a thread of the bench panicked".into());
            thread.join().unwrap_or_else(died)
        });
        done.collect::<Result<Vec<_>, String>>()
    })?;
    let rounds: Vec<_> = rounds.into_iter().flatten().collect();
    let row = |defect: &&'static Defect| {
        let own = rounds.iter().filter(|(name, _)| *name == defect.name);
        let mut found: Vec<Round> = own.filter_map(|(_, round)| round.clone()).collect();
        found.sort_by_key(|round| round.seed);
        Row {
            defect,
            missed: seeds.clone().count() - found.len(),
            rounds: found,
        }
    };
    Ok(defects.iter().map(row).collect())
}

fn round(defect: &'static Defect, seed: u64, plans: u32) -> Result<Option<Round>, String> {
    let Some(find) = Find::first(defect, seed, plans)? else {
        return Ok(None);
    };
    Ok(Some(Round {
        seed,
        first_steps: find.seen().steps.len(),
        ours: find.by_us(),
        proptests: find.by_proptest()?,
    }))
}

/// A plan that shows a defect, as a campaign finds it.
struct Find {
    defect: &'static Defect,
    /// The campaign's seed, and the case's number.
    case: (u64, u64),
    found: Finding,
}

impl Find {
    /// Looks for a plan that shows the defect, as a campaign on sim with this seed would.
    fn first(defect: &'static Defect, seed: u64, plans: u32) -> Result<Option<Self>, String> {
        let target = planted_sim(defect);
        let strategy = counted_plans(&Shape::default());
        for index in 0..u64::from(plans) {
            let (tree, run_seed) = campaign::tree(&strategy, seed, index)?;
            let (plan, _) = tree.current();
            let outcome = runner::run(&target, &plan, run_seed);
            if let Verdict::Violated(violation) = outcome.verdict {
                let (origin, history) = (Origin::Case(index), outcome.history);
                return Ok(Some(Self {
                    defect,
                    case: (seed, index),
                    found: Finding::new("sim", origin, plan, run_seed, violation, history),
                }));
            }
        }
        Ok(None)
    }

    fn by_us(&self) -> Side {
        let target = planted_sim(self.defect);
        let budget = Budget::for_target(&target);
        let smallest = shrink(&target, &self.found, &budget, &mut |_| {});
        let runs = smallest.shrink_runs;
        self.side(smallest.plan, smallest.seed, &smallest.violation, runs)
    }

    fn side(&self, plan: Plan, seed: u64, violation: &Violation, runs: u32) -> Side {
        let shown = Known {
            defect: self.defect.name.into(),
            rule: violation.rule.id().into(),
            kind: violation.kind.clone(),
            seed,
            plan,
        };
        Side {
            fewest: measure::fewest(known::all(), &shown, &self.seen()),
            shown,
            runs,
        }
    }

    /// The plan up to the step that violates: what comes after it was never made.
    fn seen(&self) -> Plan {
        let mut seen = self.found.plan.clone();
        if let Some(step) = self.found.violation.step {
            seen.steps.truncate(step + 1);
        }
        seen
    }

    /// Lets proptest's own shrinker work on it, as it does for a test that fails: any violation is
    /// a failure, and the steps that a run did not reach are reported.
    fn by_proptest(&self) -> Result<Side, String> {
        let (seed, index) = self.case;
        let target = planted_sim(self.defect);
        let (tree, run_seed) = campaign::tree(&counted_plans(&Shape::default()), seed, index)?;
        let mut runner = TestRunner::new(Config {
            max_shrink_iters: PROPTEST_RUNS,
            max_shrink_time: 0,
            failure_persistence: None,
            verbose: 0,
            ..Config::default()
        });
        let runs = Cell::new(0);
        let violated = Cell::new(None);
        let result = runner.run_one(tree, |(plan, made)| {
            runs.set(runs.get() + 1);
            let outcome = runner::run(&target, &plan, run_seed);
            if let Some(made) = made {
                let is_step = |what: &What| matches!(what, What::StepBegan { index: Some(_), .. });
                let events = outcome.history.events.iter();
                let begun = events.filter(|event| is_step(&event.what)).count();
                made.store(begun, Ordering::SeqCst);
            }
            match outcome.verdict {
                Verdict::Violated(violation) => {
                    violated.set(Some(violation));
                    Err(TestCaseError::fail("violated"))
                }
                Verdict::Held | Verdict::Unknown { .. } => Ok(()),
            }
        });
        let (Err(TestError::Fail(_, (plan, _))), Some(violation)) = (result, violated.take())
        else {
            let name = self.defect.name;
            return Err(format!("the plan that showed {name} no longer does"));
        };
        // The first run is no shrinking.
        Ok(self.side(plan, run_seed, &violation, runs.get() - 1))
    }
}
