//! Trials: is a planted defect caught, by which rule, after how many plans, with how long a plan?

use std::sync::Arc;

use super::Defect;
use super::harmless::Harmless;
use crate::campaign;
use crate::generate::{self, Shape};
use crate::plan::Plan;
use crate::runner;
use crate::shrink::{self, Budget};
use crate::target::Target;
use crate::target::sim::Sim;
use crate::verdict::{Verdict, Violation};

/// What came of a trial.
#[derive(Clone, Debug)]
pub struct Trial {
    pub seed: u64,
    /// Plans that were run, the one that caught it included.
    pub plans: u32,
    pub caught: Option<Caught>,
    /// Plans that the harness could not judge.
    pub unknown: u32,
}

/// The plan that caught a defect.
#[derive(Clone, Debug)]
pub struct Caught {
    pub violation: Violation,
    /// Steps of the plan as it was generated.
    pub first_steps: usize,
    pub plan: Plan,
    pub shrink_runs: u32,
}

/// The simulated target with the defect planted in every container.
pub fn planted_sim(defect: &'static Defect) -> Sim {
    Sim::altered(Arc::new(move |ports, settings| {
        defect.plant(ports, settings)
    }))
}

/// Runs generated plans until one catches what is wrong with the target, and shrinks it.
///
/// # Errors
/// When no plan can be generated.
pub fn run(target: &dyn Target, shape: &Shape, seed: u64, plans: u32) -> Result<Trial, String> {
    let strategy = generate::plans(shape);
    let mut trial = Trial {
        seed,
        plans: 0,
        caught: None,
        unknown: 0,
    };
    for index in 0..plans {
        let (plan, run_seed) = campaign::case(&strategy, seed, index)?;
        trial.plans += 1;
        let outcome = runner::run(target, &plan, run_seed);
        match outcome.verdict {
            Verdict::Held => {}
            Verdict::Unknown { .. } => trial.unknown += 1,
            Verdict::Violated(violation) => {
                let shrunk = shrink::shrink(
                    target,
                    &plan,
                    run_seed,
                    &violation,
                    &outcome.history,
                    &Budget::for_target(target),
                    &mut |_| {},
                );
                trial.caught = Some(Caught {
                    violation: shrunk.violation,
                    first_steps: plan.steps.len(),
                    plan: shrunk.plan,
                    shrink_runs: shrunk.runs,
                });
                return Ok(trial);
            }
        }
    }
    Ok(trial)
}

/// The simulated target with every container working in another way that is right too.
pub fn harmless_sim(way: &'static Harmless) -> Sim {
    Sim::altered(Arc::new(move |ports, settings| way.plant(ports, settings)))
}
