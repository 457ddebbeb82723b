//! A violation in the one form that it has from the run that showed it to the last report.

pub mod family;
mod name;

use std::path::PathBuf;
use std::time::Duration;

use proptest::test_runner::Config as ProptestConfig;
use serde::{Deserialize, Serialize};

use crate::explain::{Explanation, explain, leave_out};
use crate::history::History;
use crate::plan::Plan;
use crate::runner;
use crate::shrink::{self, Budget, Progress};
use crate::site::SiteKind;
use crate::target::Target;
use crate::verdict::{Verdict, Violation};

/// Longer plans are not run without each of their steps.
const EXPLAINED_UP_TO: usize = 20;

/// A violation, and the smallest plan that is known to show it. What is kept on the disk has neither
/// its history nor its explanation: both follow from the rest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The rule and a hash of the plan, the same for plans that differ in nothing but names.
    pub id: String,
    /// How the plan came to be.
    #[serde(flatten)]
    pub origin: Origin,
    /// The target that it was found on.
    pub target: String,
    /// The plan.
    #[serde(with = "plan_as_text")]
    pub plan: Plan,
    /// The run's seed.
    #[serde(with = "seed_as_text")]
    pub seed: u64,
    /// The violation.
    pub violation: Violation,
    /// Steps of the plan that showed it first.
    pub first_steps: usize,
    /// Runs that shrinking took, the ones aside that confirm the plan in the end.
    pub shrink_runs: u32,
    /// The target that the plan was made small on: the one it was found on, or its cheaper twin.
    pub shrunk_on: String,
    /// How often the plan broke the rule, of how many runs; 1 of 1 where the target is
    /// deterministic.
    pub reproduced: (u32, u32),
    /// Other failures that were met while shrinking, each once.
    pub others: Vec<Violation>,
    /// Where the plan is kept; empty where it is not.
    #[serde(default)]
    pub file: PathBuf,
    /// How many other plans failed in the same way.
    #[serde(skip)]
    pub more: u64,
    /// The first of those, where they are kept.
    #[serde(skip)]
    pub more_files: Vec<PathBuf>,
    /// What happened in the run that shows it.
    #[serde(skip)]
    pub history: History,
    /// Why the plan violates.
    #[serde(skip)]
    pub explanation: Option<Explanation>,
}

/// Where a finding's plan came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The case of this number of a campaign, from 0.
    Case(u64),
    /// A kept plan that was run again.
    Kept,
    /// A plan that was given to be run or shrunk.
    Given,
    /// All shorter plans of an alphabet were run before it.
    Explored,
    /// The scenario of this name.
    Scenario(String),
    /// Only the campaign's plans together show it, so many of them. The plan is one whose run shows such
    /// waits.
    Campaign(u64),
}

impl Finding {
    /// A violation as a run shows it.
    pub fn new(
        target: &str,
        origin: Origin,
        plan: Plan,
        seed: u64,
        violation: Violation,
        history: History,
    ) -> Self {
        Self {
            id: name::id(violation.rule, &plan),
            origin,
            target: target.into(),
            first_steps: plan.steps.len(),
            plan,
            seed,
            violation,
            shrink_runs: 0,
            shrunk_on: target.into(),
            reproduced: (1, 1),
            others: Vec::new(),
            file: PathBuf::new(),
            more: 0,
            more_files: Vec::new(),
            history,
            explanation: None,
        }
    }

    /// What a run of a plan violates, if it does.
    pub fn of(
        target: &str,
        origin: Origin,
        plan: &Plan,
        seed: u64,
        verdict: &Verdict,
        history: &History,
    ) -> Option<Self> {
        let Verdict::Violated(violation) = verdict else {
            return None;
        };
        let (plan, violation, history) = (plan.clone(), violation.clone(), history.clone());
        Some(Self::new(target, origin, plan, seed, violation, history))
    }

    /// Runs a plan; what it violates, if it does.
    pub fn of_run(target: &dyn Target, plan: &Plan, seed: u64) -> Option<Self> {
        let outcome = runner::run(target, plan, seed);
        let (on, given) = (target.name(), Origin::Given);
        Self::of(on, given, plan, seed, &outcome.verdict, &outcome.history)
    }

    /// What does not fit together, where something does not: it was changed or damaged.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let (step, steps) = (self.violation.step?, self.plan.steps.len());
        (step >= steps).then(|| {
            format!(
                "step {} of the plan of {} violates, which has {steps}",
                step.saturating_add(1),
                self.id
            )
        })
    }

    /// When in its run it was seen, as every report says it.
    pub fn place(&self) -> String {
        match self.origin {
            Origin::Campaign(_) => "over the campaign".into(),
            _ => self.violation.place(),
        }
    }

    /// Whether it is a kept plan that was run again.
    pub fn is_known(&self) -> bool {
        self.origin == Origin::Kept
    }

    /// The number of its case, of a generated plan.
    pub fn case(&self) -> Option<u64> {
        match self.origin {
            Origin::Case(number) => Some(number),
            _ => None,
        }
    }

    /// Gives it the id of the plan that it has now.
    pub(crate) fn rename(&mut self) {
        self.id = name::id(self.violation.rule, &self.plan);
    }

    /// The same with the smallest plan that shows it.
    pub fn shrunk(
        &self,
        target: &dyn Target,
        budget: &Budget,
        progress: &mut dyn FnMut(Progress),
    ) -> Self {
        shrink::shrink(target, self, budget, progress)
    }

    /// Explains it by its history alone.
    pub fn explain(&mut self, site: SiteKind) {
        self.explanation = Some(explain(&self.plan, site, &self.history, &self.violation));
    }

    /// Explains it. The plan is run without each of its steps where the seed decides: on the
    /// target, or on its twin if it shows there with the same seed. Too many steps would be no
    /// explanation.
    pub fn explain_on(&mut self, target: &dyn Target) {
        let Self {
            plan,
            seed,
            violation,
            ..
        } = self;
        let mut explanation = explain(plan, target.site(), &self.history, violation);
        let certain = if target.is_deterministic() {
            Some(target)
        } else {
            target
                .twin()
                .map(|twin| twin as &dyn Target)
                .filter(|twin| {
                    let verdict = runner::run(*twin, plan, *seed).verdict;
                    matches!(&verdict, Verdict::Violated(other) if other.is_same(violation))
                })
        };
        if let Some(on) = certain.filter(|_| plan.steps.len() <= EXPLAINED_UP_TO) {
            let outcomes = leave_out(on, plan, *seed, violation, &mut || true);
            explanation.take_outcomes(outcomes, on.name(), violation);
        }
        self.explanation = Some(explanation);
    }

    /// How the plan came to be, and where it is kept: `found with 23 steps, 4 after 31 runs of
    /// shrinking; kept in FILE`.
    pub fn provenance(&self) -> String {
        let is_shrunk = self.shrink_runs > 0 || self.plan.steps.len() < self.first_steps;
        let steps = |verb: &str| {
            if !is_shrunk {
                return format!("{verb} with {} steps", self.first_steps);
            }
            let (times, of) = self.reproduced;
            let is_elsewhere = self.shrunk_on != self.target;
            let on = match is_elsewhere || (times, of) != (1, 1) {
                true => format!(" on {}", self.shrunk_on),
                false => String::new(),
            };
            let shown = match (times, of) {
                (1, 1) => String::new(),
                _ => format!(", violated in {times} of {of} runs"),
            };
            format!(
                "{verb} with {} steps, {} after {} runs of shrinking{on}{shown}",
                self.first_steps,
                self.plan.steps.len(),
                self.shrink_runs,
            )
        };
        let text = match &self.origin {
            Origin::Case(_) => steps("found"),
            Origin::Given => steps("given"),
            Origin::Kept => String::new(),
            Origin::Explored => format!(
                "no shorter plan of the alphabet violates a rule in this way, and {} of this length \
                 or more do",
                self.more + 1
            ),
            Origin::Scenario(name) => format!("the scenario {name}"),
            Origin::Campaign(plans) => format!(
                "seen in the waits of all {plans} plans of the campaign together; this one shows such waits, \
                 and nothing that is wrong by itself"
            ),
        };
        let kept = match self.file.as_os_str().is_empty() {
            true => String::new(),
            false => format!("kept in {}", self.file.display()),
        };
        match (text.is_empty(), kept.is_empty()) {
            (false, false) => format!("{text}; {kept}"),
            _ => format!("{text}{kept}"),
        }
    }
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

/// A site that was left stale, for tests.
#[cfg(test)]
pub(crate) fn stale(target: &str, plan: Plan, seed: u64) -> Finding {
    let violation = Violation {
        rule: crate::verdict::Rule::Fresh,
        kind: "stale".into(),
        step: None,
        after_recovery: true,
        about: None,
        at: Duration::ZERO,
        expected: "the newest build".into(),
        observed: "an older one".into(),
    };
    Finding::new(
        target,
        Origin::Given,
        plan,
        seed,
        violation,
        History::default(),
    )
}

mod plan_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::plan::Plan;

    pub(super) fn serialize<S: Serializer>(plan: &Plan, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(plan)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Plan, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|error: crate::plan::ParseError| {
            D::Error::custom(format!("no plan: {}", error.message))
        })
    }
}

mod seed_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::regression::{Seed, parse_seed};

    pub(super) fn serialize<S: Serializer>(seed: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Seed(*seed))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        parse_seed(&text).ok_or_else(|| D::Error::custom(format!("no seed: {text}")))
    }
}
