//! Shrinking on a cheaper target: what shows there is made small there, and confirmed where it was
//! found.

use std::time::Instant;

use super::{Budget, Progress, shrink};
use crate::finding::Finding;
use crate::plan::{Plan, Step};
use crate::target::Target;
use crate::verdict::Violation;

/// Seeds that the twin is tried with: it has other chances than the target.
const SEEDS: u64 = 8;
/// Runs that show how often a plan violates, where that is not certain.
const CONFIRMATIONS: u32 = 8;
/// A plan that has not shown its violation in so many runs is not believed.
const DOUBTED: u32 = 3;
/// How much longer waits are tried, one after the other, where the plan as it is does not show the
/// violation on the target: what takes no time on the twin, such as a build, takes some there.
const SLOWER: [u32; 3] = [1, 2, 4];

/// The smallest plan that shows the violation on the twin, if it shows there and the plan then
/// shows it on the target too. The runs on both are counted.
pub(super) fn shrink_on_twin(
    target: &dyn Target,
    twin: &dyn Target,
    found: &Finding,
    budget: &Budget,
    progress: &mut dyn FnMut(Progress),
) -> Option<Finding> {
    let began = Instant::now();
    let violation = &found.violation;
    // Where time is real, the seed decides little.
    let seeds = if twin.is_deterministic() { SEEDS } else { 1 };
    let seen = (0..seeds).find_map(|more| {
        let seed = found.seed.wrapping_add(more);
        let seen = Finding::of_run(twin, &found.plan, seed)?;
        seen.violation.is_same(violation).then_some(seen)
    })?;
    let mut smallest = shrink(twin, &seen, &Budget::for_target(twin), progress);
    smallest.origin.clone_from(&found.origin);
    smallest.target.clone_from(&found.target);
    let as_it_is = smallest.plan.clone();
    for times in SLOWER {
        smallest.plan = with_longer_waits(&as_it_is, times);
        let is_spent = began.elapsed() >= budget.time;
        let is_counted = target.runs_for_shrinking().is_some();
        if times > 1 && (smallest.plan == as_it_is || is_spent || is_counted) {
            break;
        }
        let (shown, of) = confirm(target, &mut smallest, violation, &|| {
            began.elapsed() >= budget.time
        });
        smallest.shrink_runs += of;
        smallest.reproduced = (shown, of);
        if shown > 0 {
            smallest.rename();
            return Some(smallest);
        }
    }
    None
}

/// The plan with so many times the time of each wait.
fn with_longer_waits(plan: &Plan, times: u32) -> Plan {
    let mut longer = plan.clone();
    for step in &mut longer.steps {
        if let Step::Wait(time) = step {
            *time *= times;
        }
    }
    longer
}

/// Runs the smallest plan on the target, and puts what is seen there in the place of what was
/// seen elsewhere. Returns how often it showed, of how many runs.
pub(super) fn confirm(
    target: &dyn Target,
    smallest: &mut Finding,
    violation: &Violation,
    is_spent: &dyn Fn() -> bool,
) -> (u32, u32) {
    let (mut shown, mut of) = (0, 0);
    let most = target.runs_for_shrinking().unwrap_or(CONFIRMATIONS);
    while of < most.min(CONFIRMATIONS) {
        let is_hopeless = shown == 0 && of >= DOUBTED;
        if is_hopeless || shown > 0 && is_spent() {
            break;
        }
        of += 1;
        let seen = Finding::of_run(target, &smallest.plan, smallest.seed);
        if let Some(seen) = seen.filter(|seen| seen.violation.is_same(violation)) {
            shown += 1;
            if shown == 1 {
                smallest.violation = seen.violation;
                smallest.history = seen.history;
            }
        }
    }
    (shown, of)
}
