//! The one loop that feeds the model: an event begins its step, the rules are asked, the model takes
//! it in. Runs, written histories, reports and explanations all go through it.

use std::sync::Arc;

use crate::history::{Event, Snapshot, What};
use crate::invariant::{
    Breach, Invariant, check_event, check_recovered, passed_over, passed_over_after,
};
use crate::model::Model;
use crate::oracle::Asked;
use crate::plan::Plan;
use crate::profile::{Evidence, Profile};
use crate::site::SiteKind;
use crate::verdict::{Rule, Verdict, Violation};

/// Gives an event to a model. `ask` sees the model as it is before, with the step begun; what it
/// finds wrong is returned, and the model does not take in the event then.
///
/// What the profile says cannot be seen of the system is passed over.
pub fn feed<B>(
    model: &mut Model,
    event: &Event,
    ask: impl FnOnce(&Model) -> Option<B>,
) -> Option<B> {
    let sees_all = model.profile.unseen.is_empty();
    let is_unseen = |it| model.profile.unseen(it).is_some();
    if !sees_all && event.what.evidence().is_some_and(is_unseen) {
        return None;
    }
    if let What::StepBegan { step, mark, .. } = &event.what {
        model.begin_step(step, *mark, event.at);
    }
    let broken = ask(model);
    if broken.is_none() {
        model.observe(event);
    }
    broken
}

/// Gives a history's events to a model, and shows it after each, with the event's index.
pub fn follow(
    plan: &Plan,
    site: SiteKind,
    profile: Arc<Profile>,
    events: &[Event],
    see: &mut dyn FnMut(&Model, usize),
) {
    let mut model = Judge::new(plan, site, profile).model;
    for (index, event) in events.iter().enumerate() {
        feed(&mut model, event, |_| None::<()>);
        see(&model, index);
    }
}

/// Judges the events of one run, one after the other.
#[derive(Clone, Debug)]
pub struct Judge {
    /// What is known so far.
    pub model: Model,
    /// The step under way, by index; `None` before the first one and in recovery.
    step: Option<usize>,
    /// What was broken and did not end the run, the first of each kind.
    passed_over: Vec<Violation>,
}

impl Judge {
    /// A judge of a run that begins.
    pub fn new(plan: &Plan, site: SiteKind, profile: Arc<Profile>) -> Self {
        let oracle = Asked(site.oracle(&profile));
        let mut model = Model::new(plan).with_profile(profile);
        model.oracle = oracle;
        Self {
            model,
            step: None,
            passed_over: Vec::new(),
        }
    }

    /// Asks every rule about an event, and takes it in where none is broken.
    ///
    /// # Errors
    /// The violation of the first rule that the event breaks.
    pub fn take(&mut self, event: &Event) -> Result<(), Box<Violation>> {
        match event.what {
            What::StepBegan {
                index: Some(index), ..
            } => self.step = Some(index),
            What::Healed => self.step = None,
            _ => {}
        }
        let heeds_all = self.model.profile.heeded.is_all();
        let mut known = Vec::new();
        let broken = feed(&mut self.model, event, |model| {
            if !heeds_all {
                known = passed_over(model, event);
            }
            check_event(model, event)
        });
        for (part, breach) in known {
            self.pass_over(part.rule, breach, false);
        }
        let Some((part, breach)) = broken else {
            return Ok(());
        };
        self.model.now = event.at;
        Err(self.violation(part.rule, breach, false).into())
    }

    /// The first rule for recovery that what is seen breaks.
    pub fn recovered(&mut self, seen: &Snapshot) -> Option<Violation> {
        if !self.model.profile.heeded.is_all() {
            for (part, breach) in passed_over_after(&self.model, seen) {
                self.pass_over(part.rule, breach, true);
            }
        }
        let (part, breach) = check_recovered(&self.model, seen)?;
        Some(self.violation(part.rule, breach, true))
    }

    /// What was broken and did not end the run, the first of each kind.
    pub fn passed_over(&self) -> &[Violation] {
        &self.passed_over
    }

    fn pass_over(&mut self, rule: Rule, breach: Breach, after_recovery: bool) {
        let new = self.violation(rule, breach, after_recovery);
        if !self.passed_over.iter().any(|known| known.is_same(&new)) {
            self.passed_over.push(new);
        }
    }

    fn violation(&self, rule: Rule, breach: Breach, after_recovery: bool) -> Violation {
        Violation {
            rule,
            kind: breach.kind.into(),
            step: self.step,
            after_recovery,
            about: breach.about,
            at: self.model.now,
            expected: breach.expected,
            observed: breach.observed,
        }
    }
}

/// Judges events that were written down before, and what was seen after recovery.
pub fn judge(
    plan: &Plan,
    site: SiteKind,
    profile: Arc<Profile>,
    events: &[Event],
    recovered: Option<&Snapshot>,
) -> Verdict {
    let mut judge = Judge::new(plan, site, profile);
    for event in events {
        if let Err(violation) = judge.take(event) {
            return Verdict::Violated(*violation);
        }
    }
    let violation = recovered.and_then(|seen| judge.recovered(seen));
    violation.map_or(Verdict::Held, Verdict::Violated)
}

/// The part of a rule that such events, or what was seen after them, break first, and what must be seen
/// for that beside what the part needs: the event itself.
pub(crate) fn broken_part(
    plan: &Plan,
    site: SiteKind,
    profile: Arc<Profile>,
    events: &[Event],
    recovered: Option<&Snapshot>,
) -> Option<(&'static Invariant, Option<Evidence>)> {
    let mut model = Judge::new(plan, site, profile).model;
    for event in events {
        if let Some((part, _)) = feed(&mut model, event, |model| check_event(model, event)) {
            return Some((part, event.what.evidence()));
        }
    }
    Some((check_recovered(&model, recovered?)?.0, None))
}

#[cfg(test)]
mod hidden;
#[cfg(test)]
mod histories;
