//! Which step flips the verdict: the plan is run with each step left out in turn.

use super::{Without, WithoutOutcome};
use crate::generate::Draft;
use crate::plan::Plan;
use crate::runner;
use crate::target::Target;
use crate::verdict::{Verdict, Violation};

/// Runs the plan without each of its steps, with the same seed. Steps that make no sense any more
/// go with the one that is left out. `go_on` is asked before each run; what it refuses is not
/// tried.
pub fn leave_out(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    violation: &Violation,
    go_on: &mut dyn FnMut() -> bool,
) -> Vec<Option<Without>> {
    let steps = 0..plan.steps.len();
    let try_without = |gone: usize| {
        if !go_on() {
            return None;
        }
        let (rest, also) = without(plan, gone);
        let outcome = match runner::run(target, &rest, seed).verdict {
            Verdict::Held => WithoutOutcome::Holds,
            Verdict::Violated(other) if other.is_same(violation) => WithoutOutcome::Same,
            Verdict::Violated(other) => WithoutOutcome::Other {
                violation: Box::new(other),
            },
            Verdict::Unknown { why } => WithoutOutcome::Unknown { why },
        };
        Some(Without { also, outcome })
    };
    steps.map(try_without).collect()
}

/// The plan without a step, and the other steps that go with it.
fn without(plan: &Plan, gone: usize) -> (Plan, Vec<usize>) {
    let mut draft = Draft::new(&plan.sessions, 0);
    let mut also = Vec::new();
    let mut steps = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        if at == gone {
            continue;
        }
        if draft.model.enables(step) {
            draft.take(step);
            steps.push(step.clone());
        } else {
            also.push(at);
        }
    }
    let rest = Plan {
        sessions: plan.sessions.clone(),
        steps,
        comments: Vec::new(),
    };
    (rest, also)
}
