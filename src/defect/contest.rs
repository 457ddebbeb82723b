//! Our shrinker against proptest's own, on the same plans that show the planted defects.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as ProptestConfig, TestCaseError, TestError, TestRunner};

use super::Defect;
use super::known::{self, Known};
use super::trial::planted_sim;
use crate::campaign;
use crate::finding::{Finding, Origin};
use crate::generate::{Shape, counted_plans};
use crate::history::What;
use crate::plan::Plan;
use crate::runner::{self, Outcome};
use crate::shrink::Budget;
use crate::target::Interrupt;
use crate::verdict::{Verdict, Violation};

/// Runs that proptest may use: its own default for 256 cases.
const PROPTEST_RUNS: u32 = 4 * 256;

/// The result of a defect with all seeds.
#[derive(Clone)]
pub struct Row {
    pub defect: &'static Defect,
    pub rounds: Vec<Round>,
    /// Seeds with which no plan showed the defect.
    pub missed: u64,
}

/// The result of one defect with one seed.
#[derive(Clone, Debug)]
pub struct Round {
    pub seed: u64,
    /// Steps of the plan that was found, up to the violation.
    pub first_steps: usize,
    pub ours: Side,
    pub proptests: Side,
}

/// Which plans the shrinkers meet.
#[derive(Clone, Debug)]
pub struct Contest {
    pub shape: Shape,
    pub seeds: Range<u64>,
    /// Plans that each defect may take to be found.
    pub plans: u32,
    pub jobs: usize,
}

impl Contest {
    /// Lets both shrinkers work on what every seed finds of every defect.
    ///
    /// # Errors
    /// When no plan can be generated, or it was interrupted.
    pub fn run(
        &self,
        defects: &[&'static Defect],
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Row>, String> {
        let seeds = self.seeds.clone().count() as u64;
        let total = seeds * defects.len() as u64;
        let next = AtomicU64::new(0);
        let (send, done) = mpsc::channel();
        let mut rounds: Vec<(u64, Option<Round>)> = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                let (send, next) = (send.clone(), &next);
                scope.spawn(move || {
                    while !interrupt.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= total {
                            break;
                        }
                        let defect = defects[(index / seeds) as usize];
                        let round = self.round(defect, self.seeds.start + index % seeds);
                        if send.send((index, round)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(send);
            while let Ok((index, round)) = done.recv() {
                rounds.push((index, round?));
                progress(rounds.len() as u64);
            }
            Ok::<(), String>(())
        })?;
        if (rounds.len() as u64) < total {
            return Err("interrupted; start it again, or with fewer defects".into());
        }
        rounds.sort_by_key(|(index, _)| *index);
        let mut rounds = rounds.into_iter().map(|(_, round)| round);
        let row = |defect: &&'static Defect| {
            let all: Vec<Option<Round>> = rounds.by_ref().take(seeds as usize).collect();
            Row {
                defect,
                missed: all.iter().filter(|round| round.is_none()).count() as u64,
                rounds: all.into_iter().flatten().collect(),
            }
        };
        Ok(defects.iter().map(row).collect())
    }

    fn round(&self, defect: &'static Defect, seed: u64) -> Result<Option<Round>, String> {
        let Some(find) = Find::first(defect, &self.shape, seed, self.plans)? else {
            return Ok(None);
        };
        Ok(Some(Round {
            seed,
            first_steps: find.seen().steps.len(),
            ours: find.by_us(),
            proptests: find.by_proptest(&self.shape)?,
        }))
    }
}

/// A plan that shows a defect, as a campaign finds it.
#[derive(Clone)]
pub struct Find {
    defect: &'static Defect,
    /// The campaign's seed, and the case's number.
    case: (u64, u64),
    pub found: Finding,
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
    /// The fewest steps known to show the same with the kinds of steps of the plan that was found.
    pub fewest: Option<usize>,
}

impl Side {
    /// Whether no shorter plan is known.
    pub fn is_minimal(&self) -> bool {
        self.fewest
            .is_none_or(|fewest| self.plan.steps.len() <= fewest)
    }

    /// The plan, as it is kept with its defect.
    pub fn known(&self, defect: &Defect) -> Known {
        Known {
            defect: defect.name.into(),
            rule: self.violation.rule.id().into(),
            kind: self.violation.kind.clone(),
            seed: self.run_seed,
            plan: self.plan.clone(),
        }
    }
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
                    found: Finding::new(
                        "sim",
                        Origin::Case(index),
                        plan,
                        run_seed,
                        violation,
                        outcome.history,
                    ),
                }));
            }
        }
        Ok(None)
    }

    /// Lets our shrinker work on it.
    pub fn by_us(&self) -> Side {
        let target = planted_sim(self.defect);
        let budget = Budget::for_target(&target);
        let smallest = self.found.shrunk(&target, &budget, &mut |_| {});
        self.side(
            smallest.plan,
            smallest.seed,
            smallest.violation,
            smallest.shrink_runs,
        )
    }

    fn side(&self, plan: Plan, run_seed: u64, violation: Violation, runs: u32) -> Side {
        Side {
            fewest: known::fewest(known::all(), self.defect, &violation, &self.seen()),
            plan,
            run_seed,
            violation,
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
    ///
    /// # Errors
    /// When the plan cannot be generated again, or does not show the defect again.
    pub fn by_proptest(&self, shape: &Shape) -> Result<Side, String> {
        let (seed, index) = self.case;
        let target = planted_sim(self.defect);
        let (tree, run_seed) = campaign::tree(&counted_plans(shape), seed, index)?;
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
            } = runner::run(&target, &plan, run_seed);
            if let Some(made) = made {
                let is_step = |what: &What| matches!(what, What::StepBegan { index: Some(_), .. });
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
        let (Err(TestError::Fail(_, (plan, _))), Some(violation)) = (result, violated.take())
        else {
            return Err(format!(
                "the plan that showed {} no longer does",
                self.defect.name
            ));
        };
        // The first run is no shrinking.
        Ok(self.side(plan, run_seed, violation, runs.get() - 1))
    }
}
