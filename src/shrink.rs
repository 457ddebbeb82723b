//! A plan that breaks a rule, made as short and simple as it can be while it breaks the same rule
//! in the same way.
//!
//! proptest's own shrinking deletes one step at a time and once; a fault and its heal, or two
//! sessions that could be one, survive it. This one spends its runs where they are likely to pay:
//!
//! 1. small plans made of the pieces that the violation points at (`sketch`);
//! 2. the plan without the other sessions and clients, and then without halves of what is least
//!    likely to matter (`clues`, `sweep`);
//! 3. where much is left, more small plans: other moments, other ends, other seeds (`sketch`);
//! 4. one wait in the place of several (`time`), single steps and fewer sessions, and where that
//!    changes nothing small plans again, pairs of steps, and single steps with other seeds;
//! 5. simpler arguments (`simpler`), for which some runs are kept.
//!
//! What the model does not allow is repaired without a run (`repair`), and no plan is run twice,
//! by whatever names.

mod clues;
mod repair;
mod search;
mod simpler;
mod sketch;
mod sweep;
mod time;
mod twin;

use std::time::{Duration, Instant};

use crate::finding::Finding;
use crate::target::Target;

pub(crate) use repair::canonical;
use search::Search;

/// How much a shrinking may cost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Budget {
    /// Runs of plans.
    pub runs: u32,
    /// Real time.
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
    /// Runs of plans.
    pub runs: u32,
    /// Steps of the smallest plan so far.
    pub steps: usize,
}

/// Shrinks the plan of a finding: on the target's cheaper twin where it shows there too, else on
/// the target, where its runs are not counted. Returns the finding with the smallest plan.
pub fn shrink(
    target: &dyn Target,
    found: &Finding,
    budget: &Budget,
    progress: &mut dyn FnMut(Progress),
) -> Finding {
    let began = Instant::now();
    if let Some(twin) = target.twin()
        && let Some(smallest) = twin::shrink_on_twin(target, twin, found, budget, progress)
    {
        return smallest;
    }
    if target.runs_for_shrinking().is_some() {
        return found.clone();
    }
    let left = Budget {
        time: budget.time.saturating_sub(began.elapsed()),
        ..*budget
    };
    shrink_here(target, found, &left, progress)
}

/// The same on the target itself, whether or not it has a cheaper twin.
pub fn shrink_here(
    target: &dyn Target,
    found: &Finding,
    budget: &Budget,
    progress: &mut dyn FnMut(Progress),
) -> Finding {
    let smallest = Search::new(target, found, budget, progress).smallest();
    shown_or_found(target, found, smallest)
}

/// How often a found plan is run again where a smaller one does not show the violation any more.
const AGAIN: u32 = 3;

/// The smallest plan where it was seen to break the rule in the end, and otherwise the one that was
/// found: a plan that shows nothing is no finding.
fn shown_or_found(target: &dyn Target, found: &Finding, smallest: Finding) -> Finding {
    if smallest.reproduced.0 > 0 {
        return smallest;
    }
    let shows = |_: &u32| {
        let again = Finding::of_run(target, &found.plan, found.seed);
        again.is_some_and(|again| again.violation.is_same(&found.violation))
    };
    let shown = (0..AGAIN).filter(shows).count() as u32;
    Finding {
        shrink_runs: smallest.shrink_runs,
        others: smallest.others,
        // The run that found it is one of them.
        reproduced: (1 + shown, 1 + AGAIN),
        ..found.clone()
    }
}

#[cfg(test)]
mod tests;
