//! Plans in which less is waited for: one wait in the place of several, a wait in the place of
//! another session's progress.

use std::time::Duration;

use crate::plan::{Plan, SessionId, Step, Subject};

/// Whether a step lets time pass.
pub(super) fn is_time(step: &Step) -> bool {
    matches!(
        step,
        Step::Until { .. } | Step::UntilStarted { .. } | Step::Wait(_)
    )
}

/// The plan without what other sessions, or other clients, do; the time that they took is waited.
/// `lasted` has how long each step took.
pub(super) fn only(plan: &Plan, lasted: &[Duration], keep: &dyn Fn(&SessionId) -> bool) -> Plan {
    let mut steps = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        let is_kept = match step.subject() {
            Subject::All => true,
            Subject::Session(of) => keep(of),
            Subject::Client(of) => plan.sessions.iter().any(|s| s.client == *of && keep(s)),
        };
        if is_kept {
            steps.push(step.clone());
        } else if is_time(step) {
            let lasted = lasted.get(at).copied().unwrap_or_default();
            steps.extend(whole_seconds(lasted).map(Step::Wait));
        }
    }
    Plan {
        steps,
        ..plan.clone()
    }
}

/// The plan with a single wait that is long, at each place in turn, the last first. Nothing where the plan
/// would not be shorter for it.
pub(super) fn with_one_wait(plan: &Plan, long: Duration) -> Vec<Plan> {
    let rest: Vec<Step> = plan.steps.iter().filter(|s| !is_time(s)).cloned().collect();
    if plan.steps.len() < rest.len() + 2 {
        return Vec::new();
    }
    let waiting_after = |count: usize| {
        let mut steps = rest.clone();
        steps.insert(count, Step::Wait(long));
        Plan {
            steps,
            ..plan.clone()
        }
    };
    (1..=rest.len()).rev().map(waiting_after).collect()
}

/// The plan with two neighbours in time made one wait, in the place of either.
pub(super) fn with_merged_waits(plan: &Plan, lasted: &[Duration]) -> Vec<Plan> {
    let times: Vec<usize> = (0..plan.steps.len())
        .filter(|at| is_time(&plan.steps[*at]))
        .collect();
    let mut found = Vec::new();
    for pair in times.windows(2).rev() {
        let sum = pair.iter().filter_map(|at| lasted.get(*at)).sum();
        let Some(wait) = whole_seconds(sum) else {
            continue;
        };
        for (stays, goes) in [(pair[1], pair[0]), (pair[0], pair[1])] {
            let mut merged = plan.clone();
            merged.steps[stays] = Step::Wait(wait);
            merged.steps.remove(goes);
            found.push(merged);
        }
    }
    found
}

/// The plan with one of its times made long, and another step left out.
pub(super) fn with_longer_wait(plan: &Plan, long: Duration) -> Vec<Plan> {
    let mut found = Vec::new();
    for at in (0..plan.steps.len()).rev() {
        let is_short = match &plan.steps[at] {
            Step::Wait(time) => *time < long,
            step => is_time(step),
        };
        if !is_short {
            continue;
        }
        for gone in (0..plan.steps.len()).rev().filter(|gone| *gone != at) {
            let mut candidate = plan.clone();
            candidate.steps[at] = Step::Wait(long);
            candidate.steps.remove(gone);
            found.push(candidate);
        }
    }
    found
}

/// A time in the seconds that plans are written in, rounded up; nothing for no time.
fn whole_seconds(time: Duration) -> Option<Duration> {
    let seconds = time.as_millis().div_ceil(1000);
    (seconds > 0).then(|| Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
}
