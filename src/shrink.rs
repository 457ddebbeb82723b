//! A plan that breaks a rule, made as short and simple as it can be while it breaks the same rule
//! in the same way.
//!
//! proptest's own shrinking deletes one step at a time and once; a fault and its heal, or two
//! sessions that could be one, survive it. This one spends its runs where they are likely to pay:
//!
//! 1. small plans made of the pieces that the violation points at ([`sketch`]);
//! 2. the plan without the other sessions and clients, and then without halves of what is least
//!    likely to matter ([`clues`], [`sweep`]);
//! 3. where much is left, more small plans: other moments, other ends, other seeds ([`sketch`]);
//! 4. one wait in the place of several ([`time`]), single steps and fewer sessions, and where that
//!    changes nothing small plans again, pairs of steps, and single steps with other seeds;
//! 5. simpler arguments ([`simpler`]), for which some runs are kept.
//!
//! What the model does not allow is mended without a run ([`mend`]), and no plan is run twice,
//! by whatever names.

mod clues;
mod mend;
mod search;
mod simpler;
mod sketch;
mod sweep;
mod time;
mod twin;

use std::time::{Duration, Instant};

use crate::history::History;
use crate::plan::Plan;
use crate::target::Target;
use crate::verdict::Violation;

use search::Search;

/// How much a shrinking may cost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Budget {
    pub runs: u32,
    pub time: Duration,
}

impl Budget {
    /// What is enough for a target: two minutes, in which slow targets can make 40 runs.
    pub fn for_target(target: &dyn Target) -> Self {
        Self {
            runs: if target.is_deterministic() { 60 } else { 40 },
            time: Duration::from_secs(120),
        }
    }
}

/// How far a shrinking is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    pub runs: u32,
    pub steps: usize,
}

/// The smallest plan found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    pub plan: Plan,
    /// The seed of the run that shows it.
    pub seed: u64,
    pub violation: Violation,
    pub history: History,
    /// Runs that it took, the checking ones aside.
    pub runs: u32,
    /// How often the smallest plan broke the rule, of how many runs; 1 of 1 where the target is
    /// deterministic.
    pub reproduced: (u32, u32),
    /// The target that it was made small on: the one that it was found on, or its cheaper twin.
    pub on: &'static str,
    /// Other violations met on the way: each its own failure, not mixed in.
    pub others: Vec<(Plan, Violation)>,
}

/// Shrinks a plan that broke a rule when it was run with this seed: on the target's cheaper twin
/// where it shows there too, else on the target.
pub fn shrink(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    violation: &Violation,
    history: &History,
    budget: &Budget,
    progress: &mut dyn FnMut(Progress),
) -> Shrunk {
    let began = Instant::now();
    if let Some(twin) = target.twin()
        && let Some(smallest) =
            twin::shrink_on_twin(target, twin, plan, seed, violation, budget, progress)
    {
        return smallest;
    }
    let left = Budget {
        time: budget.time.saturating_sub(began.elapsed()),
        ..*budget
    };
    shrink_here(target, plan, seed, violation, history, &left, progress)
}

/// The same on the target itself, whether or not it has a cheaper twin.
pub fn shrink_here(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    violation: &Violation,
    history: &History,
    budget: &Budget,
    progress: &mut dyn FnMut(Progress),
) -> Shrunk {
    Search::new(target, plan, seed, violation, history, budget, progress).smallest()
}

/// Whether two violations are the same failure.
pub fn is_same(a: &Violation, b: &Violation) -> bool {
    a.rule == b.rule && a.kind == b.kind
}
