//! One plan on one target: disturb, heal, recover, judge.

use crate::history::History;
use crate::plan::Plan;
use crate::target::Target;
use crate::verdict::Verdict;

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub verdict: Verdict,
    pub history: History,
    /// The steps that the target cannot make, by index from 0, and why; they were left out.
    pub left_out: Vec<(usize, String)>,
}

/// Runs a plan against a fresh system of the target, and judges it.
pub fn run(target: &dyn Target, plan: &Plan, seed: u64) -> Outcome {
    let _ = (target, plan, seed);
    todo!()
}
