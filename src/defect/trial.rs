//! Trials: is a planted defect caught, by which rule, after how many plans, with how long a plan?

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::harmless::HARMLESS;
use super::other::other_systems;
use super::{Defect, known};
use crate::campaign::{self, Totals, pace};
use crate::coverage::{Promised, Waits};
use crate::finding::{Finding, Origin};
use crate::generate::{self, Corpus, Shape};
use crate::invariant;
use crate::judge::broken_part;
use crate::profile::Profile;
use crate::runner;
use crate::shrink::Budget;
use crate::site::SiteKind;
use crate::target::sim::Sim;
use crate::target::{Interrupt, Target};
use crate::verdict::Verdict;

/// The result of a trial.
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

/// The default plans for a trial of a defect, as if it had never been seen: the plans that are known to show it
/// are not among those that random ones are near to.
pub fn unseen(defect: &Defect) -> Shape {
    let others = known::all().iter().filter(|of| of.defect != defect.name);
    Shape::default().near(Corpus::of(others.map(|of| of.plan.clone())))
}

/// Runs generated plans until one catches what is wrong with the target, and shrinks it; or until it is interrupted.
/// Where none does, their waits are judged together.
///
/// # Errors
/// When no plan can be generated.
pub fn run(
    target: &dyn Target,
    shape: &Shape,
    seed: u64,
    plans: u32,
    interrupt: &Interrupt,
) -> Result<Trial, String> {
    let strategy = generate::plans(&shape.clone().possible(|step| target.cannot(step)));
    let mut trial = Trial {
        seed,
        plans: 0,
        caught: None,
        unknown: 0,
    };
    let mut totals = Totals::default();
    let waits = &mut totals.coverage.waits;
    waits.promised = Some(Promised::of(&target.profile()));
    for index in 0..plans {
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
        let (plan, run_seed) = campaign::case(&strategy, seed, index)?;
        trial.plans += 1;
        let outcome = runner::run_confirmed(target, &plan, run_seed);
        waits.add(&Waits::of(&outcome.history));
        totals
            .not_asked
            .extend(outcome.history.not_asked().iter().cloned());
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
    pace::complete(target, waits, &shape.sessions, seed);
    totals.cases = trial.plans.into();
    let by_all = pace::findings(&totals, target.name(), &shape.sessions, seed);
    trial.caught = by_all.into_iter().next();
    Ok(trial)
}

/// Other systems that are right too, on the simulated target: those that work in another way, and those
/// with another profile. Each with its name and what it does otherwise.
pub fn harmless_sims() -> Vec<(&'static str, &'static str, Sim)> {
    let ways = HARMLESS.iter().map(|way| {
        let plant = move |ports: &mut _, settings: &mut _| way.plant(ports, settings);
        (way.name, way.what, Sim::altered(Arc::new(plant)))
    });
    ways.chain(other_systems().map(|other| (other.name, other.what, other.sim(None))))
        .collect()
}

/// Why a defect that the reference shows cannot be seen of a system with another profile: what the rule
/// that the trial broke rests on is not seen there. `None` where it can, or where the trial broke
/// none.
pub fn why_not_asked(trial: &Trial, other: &Profile) -> Option<String> {
    let Finding { plan, history, .. } = trial.caught.as_ref()?;
    let reference = Profile::reference();
    let settled = history.end.as_ref().and_then(|end| end.settled.as_deref());
    let site = SiteKind::default();
    let broken = broken_part(plan, site, reference.clone(), &history.events, settled)?;
    invariant::why_not_asked(broken, &reference, other)
}
