//! The thirteen scenarios of the contract: plans with what is to be seen in their runs, and when.
//!
//! A scenario passes when its run holds every rule and meets every expectation. Everything is
//! judged from the run's history, so that the same checker serves every target.

mod check;
mod expect;
mod list;
mod watched;

#[cfg(test)]
mod tests;

use crate::campaign;
use crate::plan::Plan;
use crate::runner::{Outcome, QUIETER};
use crate::target::{Interrupt, Target};
use crate::verdict::Verdict;

pub use check::{Unmet, Why, unmet};
pub use expect::{Count, Expectation, Sight, Since};
pub use watched::Watched;

/// A plan, and what is expected of its run.
#[derive(Debug)]
pub struct Scenario {
    /// Its number in the contract's table, from 1.
    pub number: u32,
    /// Its name on the command line.
    pub name: &'static str,
    /// Its name in the contract's table.
    pub title: &'static str,
    /// The most seconds of the system's own time that pass in a real second, where time is real:
    /// above it, how quick the machine is would decide.
    pub pace: u32,
    /// The plan's text, from the folder `scenarios`.
    pub text: &'static str,
    /// In order, where one is to follow another.
    pub expect: &'static [Expectation],
}

impl Scenario {
    /// All of them, by number.
    pub fn all() -> &'static [Self] {
        list::SCENARIOS
    }

    /// The one of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|scenario| scenario.name == name)
    }

    /// The scenario's plan.
    pub fn plan(&self) -> Plan {
        // The texts are part of the program, and a test reads them all.
        self.text.parse().unwrap_or_else(|error| {
            panic!(
                "scenarios/{}.plan is part of this program: {error}",
                self.name
            )
        })
    }

    /// The time scale to run it with where this one is asked for.
    pub fn time_scale(&self, asked: f64) -> f64 {
        asked.max(1.0 / f64::from(self.pace))
    }

    /// Runs the scenario's plan on a target, with a run seed. As with violations, an expectation that a slow machine
    /// may have missed fails the scenario only when it is missed again, in a run in which the machine did not stall.
    pub fn run(
        &'static self,
        target: &(dyn Target + Sync),
        seed: u64,
        interrupt: &Interrupt,
    ) -> ScenarioRun {
        const AGAIN: usize = 3;
        let mut first = self.run_once(target, seed, interrupt);
        if target.is_deterministic() || !first.is_missing_something() {
            return first;
        }
        let mut missed_quietly = usize::from(first.outcome.doubt.is_none());
        for _ in 0..AGAIN {
            let again = self.run_once(target, seed, interrupt);
            if again.is_missing_something() {
                missed_quietly += usize::from(again.outcome.doubt.is_none());
                if missed_quietly > 1 {
                    return first;
                }
            } else if first.outcome.doubt.is_some() {
                return again;
            }
        }
        first.outcome.leave_unknown(format!(
            "an expectation was not met, but that did not show twice in {} runs in which the machine did not stall. \
             {QUIETER}",
            AGAIN + 1
        ));
        first
    }

    fn run_once(
        &'static self,
        target: &(dyn Target + Sync),
        seed: u64,
        interrupt: &Interrupt,
    ) -> ScenarioRun {
        let plan = self.plan();
        let (outcome, _) = campaign::run_one(target, plan.clone(), seed, interrupt);
        ScenarioRun {
            scenario: self,
            target: target.name(),
            seed,
            unmet: unmet(self.expect, &outcome.history.events),
            watched: Watched::of(&outcome.history),
            plan,
            outcome,
        }
    }
}

/// How the run of a scenario ended.
#[derive(Debug)]
pub struct ScenarioRun {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// The name of the target.
    pub target: &'static str,
    /// The run's seed.
    pub seed: u64,
    /// The plan.
    pub plan: Plan,
    /// The result of its run.
    pub outcome: Outcome,
    /// The expectations that were not met.
    pub unmet: Vec<Unmet>,
    /// What was watched meanwhile.
    pub watched: Watched,
}

/// The result of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grade {
    /// Every rule and expectation held.
    Passed,
    /// A rule was violated, or an expectation was not met.
    Failed,
    /// The harness could not judge, or the target cannot make one of the plan's steps.
    Unknown,
}

impl ScenarioRun {
    /// Whether all that fails it is an expectation.
    fn is_missing_something(&self) -> bool {
        self.outcome.verdict == Verdict::Held && self.grade() == Grade::Failed
    }

    /// How the scenario ended.
    pub fn grade(&self) -> Grade {
        match &self.outcome.verdict {
            Verdict::Violated(_) => Grade::Failed,
            Verdict::Unknown { .. } => Grade::Unknown,
            Verdict::Held if !self.outcome.left_out.is_empty() => Grade::Unknown,
            Verdict::Held if self.unmet.is_empty() => Grade::Passed,
            Verdict::Held => Grade::Failed,
        }
    }
}
