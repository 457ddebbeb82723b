//! Which steps to leave out next: the least likely to matter first, by halves.

use crate::plan::{Plan, Step};

use super::clues::Clues;

/// Steps that are left out together: a fault with its heal, a crash with the `until started` that
/// it makes sensible; every other step alone. The least likely to matter come first.
pub(super) fn units(plan: &Plan, clues: &Clues) -> Vec<Vec<usize>> {
    let mut is_taken = vec![false; plan.steps.len()];
    let mut units: Vec<(u32, Vec<usize>)> = Vec::new();
    for at in 0..plan.steps.len() {
        if is_taken[at] {
            continue;
        }
        let mut unit = vec![at];
        unit.extend(partner(plan, at).filter(|partner| !is_taken[*partner]));
        for of in &unit {
            is_taken[*of] = true;
        }
        units.push((clues.weigh(plan, at), unit));
    }
    units.sort_by_key(|(weight, _)| *weight);
    units.into_iter().map(|(_, unit)| unit).collect()
}

fn partner(plan: &Plan, at: usize) -> Option<usize> {
    let belongs = |other: &Step| match (&plan.steps[at], other) {
        (Step::Inject(fault), Step::Heal(of)) => fault == of,
        (
            Step::Crash(client) | Step::LoseWorkspace(client),
            Step::UntilStarted { client: of, .. },
        ) => client == of,
        _ => false,
    };
    let after = &plan.steps[at + 1..];
    after.iter().position(belongs).map(|found| at + 1 + found)
}

/// The plan without some of its steps.
pub(super) fn without(plan: &Plan, gone: &[usize]) -> Plan {
    let mut at = 0;
    let mut candidate = plan.clone();
    candidate.steps.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
    candidate
}
