//! What a target cannot do, so that no plan is drawn with it.

use std::collections::BTreeSet;

use crate::plan::{FaultKind, Scope, SessionId, Step, StepKind, Variety};

/// Kinds of fault and of step of which a target refuses every one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Impossible {
    faults: BTreeSet<FaultKind>,
    steps: BTreeSet<StepKind>,
}

impl Impossible {
    /// What is refused in plans of these sessions; `cannot` says why a step is.
    pub fn of(sessions: &[SessionId], cannot: impl Fn(&Step) -> Option<String>) -> Self {
        let (variety, scope) = (Variety::Drawn, Scope::Anywhere(sessions));
        let all_refused =
            |steps: Vec<Step>| !steps.is_empty() && steps.iter().all(|step| cannot(step).is_some());
        let injected = |kind: &FaultKind| {
            let faults = kind.each(variety, scope).into_iter();
            faults.map(Step::Inject).collect()
        };
        let faults = FaultKind::ALL.into_iter();
        let steps = StepKind::ALL.into_iter().filter(|kind| {
            // Faults are listed by kind, and time passes on every target.
            !matches!(kind, StepKind::Inject | StepKind::Heal | StepKind::Wait)
        });
        Self {
            faults: faults.filter(|kind| all_refused(injected(kind))).collect(),
            steps: steps
                .filter(|kind| all_refused(kind.each(variety, scope)))
                .collect(),
        }
    }

    /// Whether a step is one of them.
    pub(super) fn has(&self, step: &Step) -> bool {
        match step {
            Step::Inject(fault) | Step::Heal(fault) => self.faults.contains(&fault.kind()),
            _ => self.steps.contains(&step.kind()),
        }
    }
}
