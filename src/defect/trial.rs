//! Trials: is a planted defect caught, by which rule, after how many plans, with how long a plan?

use std::sync::Arc;

use super::Defect;
use super::harmless::Harmless;
use crate::campaign;
use crate::finding::{Finding, Origin};
use crate::generate::{self, Shape};
use crate::runner;
use crate::shrink::Budget;
use crate::target::Target;
use crate::target::sim::Sim;
use crate::verdict::Verdict;

/// What came of a trial.
#[derive(Clone, Debug)]
pub struct Trial {
    pub seed: u64,
    /// Plans that were run, the one that caught it included.
    pub plans: u32,
    pub caught: Option<Finding>,
    /// Plans that the harness could not judge.
    pub unknown: u32,
}

/// The simulated target with the defect planted in every container.
pub fn planted_sim(defect: &'static Defect) -> Sim {
    let plant = move |ports: &mut _, settings: &mut _| defect.plant(ports, settings);
    Sim::planted(defect.name, Arc::new(plant))
}

/// Runs generated plans until one catches what is wrong with the target, and shrinks it.
///
/// # Errors
/// When no plan can be generated.
pub fn run(target: &dyn Target, shape: &Shape, seed: u64, plans: u32) -> Result<Trial, String> {
    let strategy = generate::plans(&shape.clone().possible(|step| target.cannot(step)));
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
                let origin = Origin::Case(index.into());
                let (on, history) = (target.name(), outcome.history);
                let found = Finding::new(on, origin, plan, run_seed, violation, history);
                let budget = Budget::for_target(target);
                trial.caught = Some(found.shrunk(target, &budget, &mut |_| {}));
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
