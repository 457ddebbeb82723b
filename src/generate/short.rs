//! Short plans, in order: each edit, then each disturbance before an instruction and at each of its
//! phases. Where a run takes half a minute these find most, before any random plan does.

use std::time::Duration;

use super::{Draft, Shape};
use crate::plan::{Edit, Phase, Plan, Scope, SessionId, Step, StepKind, Variety};

/// How long a fault goes on after the instruction that it met.
const MEANWHILE: Duration = Duration::from_secs(20);

/// The phases at which a disturbance falls.
const PHASES: [Phase; 4] = [
    Phase::Thinking,
    Phase::Building,
    Phase::Deploying,
    Phase::Done,
];

/// The short plans that a shape allows, each of one session.
pub fn short_plans(shape: &Shape) -> Vec<Plan> {
    let Some(session) = shape.sessions.first() else {
        return Vec::new();
    };
    let instruct = |edit| Step::Instruct(session.clone(), edit);
    let until = |phase| Step::Until {
        session: session.clone(),
        phase,
        requests: 0,
    };
    let alone = std::slice::from_ref(session);
    let steps = |kind: StepKind| kind.each(Variety::Few, Scope::Anywhere(alone));
    let edits = steps(StepKind::Instruct).into_iter();
    let mut plans: Vec<Vec<Step>> = edits
        .map(|edit| vec![edit, until(Phase::Done), instruct(Edit::Change)])
        .collect();
    let is_disturbance = |kind: &StepKind| {
        !matches!(
            kind,
            StepKind::Instruct
                | StepKind::Until
                | StepKind::UntilStarted
                | StepKind::Wait
                | StepKind::Heal
        )
    };
    let kinds = StepKind::ALL.into_iter().filter(is_disturbance);
    let disturbances: Vec<Step> = kinds.flat_map(steps).collect();
    for disturbance in &disturbances {
        plans.push(vec![
            disturbance.clone(),
            instruct(Edit::Change),
            Step::Wait(MEANWHILE),
        ]);
    }
    for phase in PHASES {
        for disturbance in &disturbances {
            let mut steps = vec![instruct(Edit::Change), until(phase), disturbance.clone()];
            match phase {
                // What is done is disturbed by the next one.
                Phase::Done => steps.extend([instruct(Edit::Change), Step::Wait(MEANWHILE)]),
                _ => steps.push(Step::Wait(MEANWHILE)),
            }
            plans.push(steps);
        }
    }
    plans.retain(|steps| is_allowed(shape, session, steps));
    plans
        .into_iter()
        .map(|steps| Plan {
            sessions: vec![session.clone()],
            steps,
            comments: Vec::new(),
        })
        .collect()
}

fn is_allowed(shape: &Shape, session: &SessionId, steps: &[Step]) -> bool {
    let mut draft = Draft::new(std::slice::from_ref(session), 0);
    steps.len() <= shape.max_steps
        && steps.iter().all(|step| {
            let is_allowed = draft.model.enables(step) && !shape.impossible.has(step);
            draft.take(step);
            is_allowed
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::FaultKind;
    use std::collections::BTreeSet;

    #[test]
    fn every_fault_is_in_a_short_plan_and_no_plan_comes_twice() {
        let plans = short_plans(&Shape::default());
        let texts: BTreeSet<String> = plans.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), plans.len());
        for kind in FaultKind::ALL {
            let injects = |step: &Step| matches!(step, Step::Inject(fault) if fault.kind() == kind);
            let of_kind = plans.iter().filter(|plan| plan.steps.iter().any(injects));
            assert!(of_kind.count() >= PHASES.len(), "{}", kind.name());
        }
        assert!(plans.iter().all(|plan| plan.steps.len() <= 5));
        let without = Shape::default().possible(|step| match step {
            Step::Crash(_) => Some("no".into()),
            _ => None,
        });
        let left = short_plans(&without);
        assert!(left.len() < plans.len());
        assert!(
            left.iter()
                .flat_map(|plan| &plan.steps)
                .all(|step| !matches!(step, Step::Crash(_)))
        );
    }
}
