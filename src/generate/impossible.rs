//! What a target cannot do, so that no plan is drawn with it.

use std::collections::BTreeMap;

use crate::plan::{FaultKind, Scope, SessionId, Step, StepKind, Variety};

/// Kinds of fault and of step of which a target refuses every one, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Impossible {
    faults: BTreeMap<FaultKind, String>,
    steps: BTreeMap<StepKind, String>,
}

impl Impossible {
    /// What is refused in plans of these sessions; `cannot` says why a step is.
    pub fn of(sessions: &[SessionId], cannot: impl Fn(&Step) -> Option<String>) -> Self {
        let (variety, scope) = (Variety::Drawn, Scope::Anywhere(sessions));
        // The reason of the last one, where all are refused.
        let refused = |steps: Vec<Step>| {
            let mut reasons = steps.iter().map(&cannot);
            reasons.try_fold(None, |_, why| Some(Some(why?))).flatten()
        };
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
            faults: faults
                .filter_map(|kind| Some((kind, refused(injected(&kind))?)))
                .collect(),
            steps: steps
                .filter_map(|kind| Some((kind, refused(kind.each(variety, scope))?)))
                .collect(),
        }
    }

    /// The names of those kinds, each with the reason.
    pub(crate) fn reasons(&self) -> BTreeMap<String, String> {
        let faults = self.faults.iter().map(|(kind, why)| (kind.name(), why));
        let steps = self.steps.iter().map(|(kind, why)| (kind.name(), why));
        let all = faults.chain(steps);
        all.map(|(name, why)| (name.into(), why.clone())).collect()
    }

    /// Whether a step is one of them.
    pub(super) fn has(&self, step: &Step) -> bool {
        match step {
            Step::Inject(fault) | Step::Heal(fault) => self.faults.contains_key(&fault.kind()),
            _ => self.steps.contains_key(&step.kind()),
        }
    }
}
