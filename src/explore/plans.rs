//! All short plans of an alphabet, run against the worker itself, shortest first.
//!
//! Plans that can say nothing new are not run, each for a reason that is counted ([`Pruned`]): they
//! make no sense, are another plan by other names or in another order, end as a shorter plan does,
//! or lead to a state that another plan led to before. What is equal is judged by
//! [`Run::fingerprint`](crate::target::Run::fingerprint) and by the whole of the
//! [`Model`](crate::model::Model), so that a plan which goes on from an equal state is judged
//! alike; the chance that two different states have the same hash is one in 2^64 for each pair.
//!
//! Results are taken in the order of the plans, so that an exploration comes out the same on any
//! number of threads. Prefixes are run again for each plan: futures cannot be copied, and most of a
//! short plan's time is its recovery.

pub mod alphabet;
mod level;
pub mod minima;
mod order;
mod symmetry;

use std::time::{Duration, Instant};

use crate::finding::Finding;
use crate::model::Model;
use crate::plan::Plan;
use crate::target::{Interrupt, Target};

use alphabet::{Alphabet, Letter};
use level::Search;
use order::Order;
use symmetry::Symmetry;

/// What is explored.
#[derive(Clone, Debug)]
pub struct Config {
    pub alphabet: Alphabet,
    /// The most steps of a plan.
    pub depth: usize,
    /// Every plan is run with each of these.
    pub seeds: Vec<u64>,
    /// Plans that run at the same time.
    pub jobs: usize,
    /// Goes on after a violation; the first of each kind is reported.
    pub keep_going: bool,
    /// Ends after so many plans.
    pub max_plans: Option<u64>,
    /// Ends after so long.
    pub time: Option<Duration>,
    pub pruning: Pruning,
    pub quiet: bool,
    /// What the progress line begins with.
    pub title: String,
}

/// Which equal plans are not run again. To run some of them all the same is for tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pruning {
    pub names: bool,
    pub orders: bool,
    pub ends: bool,
    pub states: bool,
}

impl Pruning {
    pub const ALL: Self = Self {
        names: true,
        orders: true,
        ends: true,
        states: true,
    };
    #[cfg(test)]
    pub const NONE: Self = Self {
        names: false,
        orders: false,
        ends: false,
        states: false,
    };
}

/// Why plans were not run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Pruned {
    /// The model does not enable the last step. Nothing that begins so is run either.
    Senseless,
    /// Other names of sessions and clients make it a smaller plan.
    Renamed,
    /// Steps that commute make it a smaller plan in another order.
    Reordered,
    /// It heals a fault at the moment when it began.
    Undone,
    /// It ends as a shorter plan does. Longer plans may begin so.
    PlansEnd,
    /// It leads to a state that a plan before led to, as does all that begins so.
    Seen,
}

impl Pruned {
    pub const ALL: [Self; 6] = [
        Self::Senseless,
        Self::Renamed,
        Self::Reordered,
        Self::Undone,
        Self::PlansEnd,
        Self::Seen,
    ];

    /// The reason, as a report has it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Senseless => "whose last step makes no sense there",
            Self::Renamed => "that are smaller plans by other names",
            Self::Reordered => "that are smaller plans in another order",
            Self::Undone => "with a fault that is healed as it begins",
            Self::PlansEnd => "that end as shorter plans do",
            Self::Seen => "that lead to a state seen before",
        }
    }
}

/// The result of the plans with one number of steps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Level {
    pub steps: usize,
    /// Plans that were run and judged.
    pub run: u64,
    pub held: u64,
    pub violated: u64,
    pub unknown: u64,
    /// Plans that were not, by [`Pruned`].
    pub pruned: [u64; 6],
    /// States that the plans led to, before recovery, and that none before had led to.
    pub states: u64,
    /// Plans with a step less that were gone on from, and how many there are.
    pub begun_from: (u64, u64),
}

/// Why an exploration ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlansEnd {
    /// All plans were run.
    Covered,
    Violated,
    Interrupted,
    TimeOver,
    MaxPlans,
}

/// The result of an exploration.
#[derive(Clone, Debug)]
pub struct Summary {
    pub target: &'static str,
    pub seeds: Vec<u64>,
    /// Letters of the alphabet, heals included.
    pub letters: usize,
    pub sessions: usize,
    pub clients: usize,
    /// All plans of so many steps as the finished levels have, whether they make sense or not.
    pub spelled: f64,
    pub levels: Vec<Level>,
    /// The first of each kind of violation, in the order of the plans.
    pub found: Vec<Finding>,
    /// Plans that the harness could not judge, and why; the first few.
    pub unknown: Vec<(Plan, u64, String)>,
    pub ended: PlansEnd,
    pub took: Duration,
}

impl Summary {
    /// Plans that were run.
    pub fn run(&self) -> u64 {
        self.levels.iter().map(|level| level.run).sum()
    }

    /// The most steps for which all plans were run.
    pub fn covered(&self) -> usize {
        match self.ended {
            PlansEnd::Covered => self.levels.len(),
            _ => self.levels.len().saturating_sub(1),
        }
    }
}

/// Plans of an alphabet, and which of them are run.
struct Space<'a> {
    alphabet: &'a Alphabet,
    symmetry: Symmetry,
    order: Order,
    pruning: Pruning,
}

/// What is done with a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Run,
    /// Neither it nor what begins so.
    Cut(Pruned),
    /// What begins so may be run. Where its state can be known, it is worth a look.
    Passed(Pruned, Look),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    AtState,
    Not,
}

impl Space<'_> {
    /// What to do with a plan, given the model before its last step.
    fn fate(&self, model: &Model, word: &[Letter]) -> Fate {
        let Some(last) = word.last() else {
            return Fate::Run;
        };
        if !model.enables(self.alphabet.step(*last)) {
            return Fate::Cut(Pruned::Senseless);
        }
        if self.pruning.names && self.symmetry.cuts(word) {
            return Fate::Cut(Pruned::Renamed);
        }
        if self.pruning.orders && self.order.cuts(word) {
            return Fate::Cut(Pruned::Reordered);
        }
        if self.pruning.ends {
            if self.order.undoes(word) {
                return Fate::Cut(Pruned::Undone);
            }
            match self
                .order
                .end(self.alphabet, word, !model.faults.is_empty())
            {
                order::PlanEnd::New => {}
                order::PlanEnd::Heals => return Fate::Passed(Pruned::PlansEnd, Look::Not),
                order::PlanEnd::Waits => return Fate::Passed(Pruned::PlansEnd, Look::AtState),
            }
        }
        if self.pruning.names && self.symmetry.has_twin(word) {
            return Fate::Passed(Pruned::Renamed, Look::Not);
        }
        Fate::Run
    }
}

/// When an exploration is to end early.
struct Limits<'a> {
    interrupt: &'a Interrupt,
    deadline: Option<Instant>,
    max_plans: Option<u64>,
}

/// Runs all plans up to the depth, shortest first. `interrupt` ends it early.
pub fn explore(target: &(dyn Target + Sync), config: &Config, interrupt: &Interrupt) -> Summary {
    let began = Instant::now();
    let space = Space {
        alphabet: &config.alphabet,
        symmetry: Symmetry::of(&config.alphabet),
        order: Order::of(&config.alphabet),
        pruning: config.pruning,
    };
    let limits = Limits {
        interrupt,
        deadline: config.time.and_then(|time| began.checked_add(time)),
        max_plans: config.max_plans,
    };
    let mut summary = Summary {
        target: target.name(),
        seeds: config.seeds.clone(),
        letters: config.alphabet.steps.len(),
        sessions: config.alphabet.sessions.len(),
        clients: config.alphabet.clients().len(),
        spelled: 0.0,
        levels: Vec::new(),
        found: Vec::new(),
        unknown: Vec::new(),
        ended: PlansEnd::Covered,
        took: Duration::ZERO,
    };
    let seeds = config.seeds.iter();
    let mut searches: Vec<Search> = seeds.map(|seed| Search::new(*seed)).collect();
    'depths: for steps in 1..=config.depth {
        let is_last = steps == config.depth;
        summary.levels.push(Level {
            steps,
            ..Level::default()
        });
        for search in &mut searches {
            search.go_deeper(target, &space, config, &limits, is_last, &mut summary);
            if summary.ended != PlansEnd::Covered {
                break 'depths;
            }
        }
        summary.spelled += config.alphabet.plans_of(steps);
    }
    summary.took = began.elapsed();
    summary
}

#[cfg(test)]
mod tests;
