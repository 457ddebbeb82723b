//! Why a plan violates a rule, step by step: what the model expected, what was observed, which
//! events between two steps matter, and what happens when a step is left out.

mod leave_out;
pub(crate) mod look;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::history::describe::describe;
use crate::history::{Event, History, What};
use crate::judge::follow;
use crate::model::Model;
use crate::plan::Plan;
use crate::site::SiteKind;
use crate::verdict::{Subject, Violation};
use look::look;

pub use leave_out::leave_out;

/// The explanation of a violation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// What an engineer should know first, in a sentence or two.
    pub summary: String,
    /// The plan's steps that were made, in order, and then recovery where it came so far.
    pub steps: Vec<Explained>,
    /// The events that the violation depends on, by index in the history: the one that violates, or
    /// those that say why a thing is as it is.
    pub decisive: Vec<usize>,
    /// The same in a sentence, where no event violates by itself.
    pub because: Option<String>,
    /// The target on which steps were left out, if they were.
    pub left_out_on: Option<String>,
}

/// One step, up to the next one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The step's index in the plan, from 0; `None` for recovery.
    pub step: Option<usize>,
    /// Its text.
    pub text: String,
    /// When it began, in the system's own time.
    pub at: Duration,
    /// The event that began it, by index in the history.
    pub begun: usize,
    /// What came to be expected or was seen anew while the step lasted.
    pub changes: Vec<Change>,
    /// The events that changed it, by index in the history, and those that are decisive.
    pub events: Vec<usize>,
    /// Whether the violation was seen here.
    pub violates: bool,
    /// What happens when the step is left out; `None` where that was not tried.
    pub without: Option<Without>,
}

/// What the model expects of one thing at the end of a step, against what is seen of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// The thing.
    pub about: String,
    /// What was expected.
    pub expected: String,
    /// What was seen instead.
    pub observed: String,
}

/// What a plan does without one of its steps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Without {
    /// Steps that make no sense without it and went too, by index.
    pub also: Vec<usize>,
    /// How it ends without the step.
    pub outcome: WithoutOutcome,
}

/// How the plan without the step ends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum WithoutOutcome {
    /// Every rule holds: the violation needs the step.
    Holds,
    /// The same violation: the step does not matter.
    Same,
    /// Another rule, or another demand of the same rule, is violated.
    Other {
        /// That one.
        violation: Box<Violation>,
    },
    /// The harness could not judge.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Explains a violation by the history of the run that showed it, without another run.
pub fn explain(
    plan: &Plan,
    site: SiteKind,
    history: &History,
    violation: &Violation,
) -> Explanation {
    let events = &history.events;
    let mut steps: Vec<Explained> = Vec::new();
    let mut before = rows(&Model::new(plan), 0);
    // What it was when the step began.
    let mut at_begin = before.clone();
    let mut changed = None;
    follow(
        plan,
        site,
        history.profile(),
        events,
        &mut |model, index| {
            let now = rows(model, index);
            if let Some(about) = &violation.about
                && is_change(about, &events[index].what, &before, &now)
            {
                changed = Some(index);
            }
            if let Some(begun) = begun(&events[index], index) {
                close(steps.last_mut(), &at_begin, &before);
                at_begin = before.clone();
                steps.push(begun);
            } else if now != before
                && let Some(step) = steps.last_mut()
            {
                step.events.push(index);
            }
            before = now;
        },
    );
    close(steps.last_mut(), &at_begin, &before);
    let violating = steps.iter_mut().find(|step| step.step == violation.step);
    if let Some(step) = violating {
        step.violates = true;
        let about = violation.about.as_ref().map(Subject::to_string);
        let row = about.and_then(|about| before.get_key_value(&about));
        if let Some((about, (expected, observed))) = row
            && !step.changes.iter().any(|change| change.about == *about)
        {
            // It has long been as it is, and should have changed.
            step.changes.push(Change {
                about: about.clone(),
                expected: expected.clone(),
                observed: observed.clone(),
            });
        }
    }
    let about = violation.about.as_ref();
    let reason = about.map(|about| Reason::of(about, changed, events));
    let mut decisive: Vec<usize> = reason.iter().flat_map(Reason::decisive).collect();
    if !violation.after_recovery {
        decisive.extend(events.len().checked_sub(1));
    }
    for index in &decisive {
        let of_step = steps.iter_mut().rfind(|step| step.begun <= *index);
        if let Some(step) = of_step
            && let Err(place) = step.events.binary_search(index)
        {
            step.events.insert(place, *index);
        }
    }
    let mut explanation = Explanation {
        summary: String::new(),
        steps,
        decisive,
        because: reason.map(|reason| reason.sentence(events)),
        left_out_on: None,
    };
    explanation.summarize(violation);
    explanation
}

/// Why a thing is as it is, though no event violates by itself.
struct Reason<'a> {
    about: &'a Subject,
    /// The last event that changed it.
    changed: Option<usize>,
    /// What its client did last, where recovery did not change the thing.
    last: Option<usize>,
    /// Whether nothing at all happened for it in recovery.
    is_silent: bool,
}

impl<'a> Reason<'a> {
    fn of(about: &'a Subject, changed: Option<usize>, events: &[Event]) -> Self {
        let healed = events.iter().position(|event| event.what == What::Healed);
        let is_new = |index: Option<usize>| index.is_some() && index > healed;
        let is_of_it = |event: &Event| match (&event.what, about) {
            (What::Logged { client, .. }, Subject::Log(of)) => client == of,
            (_, Subject::Log(_)) | (What::StepBegan { .. } | What::Healed, _) => false,
            (what, about) => about.client().is_none() || what.subject().0 == about.client(),
        };
        let last = events.iter().rposition(is_of_it);
        Self {
            about,
            changed,
            last: last.filter(|_| last != changed && !is_new(changed)),
            is_silent: healed.is_some() && !is_new(changed) && !is_new(last),
        }
    }

    fn decisive(&self) -> impl Iterator<Item = usize> {
        self.changed.into_iter().chain(self.last)
    }

    fn sentence(&self, events: &[Event]) -> String {
        let about = self.about;
        let event = |index: usize| {
            let event = &events[index];
            let (who, what) = describe(&event.what);
            format!("at {:.3} s ({who}: {what})", event.at.as_secs_f64())
        };
        let mut text = match (self.changed, about) {
            (Some(changed), _) => format!("The {about} last changed {}.", event(changed)),
            (None, Subject::Log(_)) => String::new(),
            (None, _) => format!("No event ever changed the {about}."),
        };
        let whole = match about.client() {
            Some(client) if !matches!(about, Subject::Log(_)) => client.to_string(),
            _ => format!("the {about}"),
        };
        if let Some(last) = self.last {
            text.push_str(&format!(" The last of {whole} came {}.", event(last)));
        }
        if self.is_silent {
            text.push_str(&format!(" Nothing happened for {whole} in recovery."));
        }
        one_line(text.trim_start())
    }
}

/// Whether an event changed what is seen of a thing.
fn is_change(about: &Subject, what: &What, before: &Rows, now: &Rows) -> bool {
    match (about, what) {
        (
            Subject::Site(of),
            What::ObjectPut { client, .. } | What::ObjectDeleted { client, .. },
        ) => client == of,
        (Subject::Workspace(of), What::Died { client, .. }) => *client == of.client,
        (Subject::Workspace(of), What::Committed { session, .. }) => session == of,
        (Subject::Site(_) | Subject::Workspace(_) | Subject::Log(_), _) => false,
        _ => {
            let observed = |rows: &Rows| rows.get(&about.to_string()).map(|row| row.1.clone());
            observed(before) != observed(now)
        }
    }
}

impl Explanation {
    /// Takes in what [`leave_out`] found, one outcome for each step of the plan.
    pub fn take_outcomes(
        &mut self,
        outcomes: Vec<Option<Without>>,
        on: &str,
        violation: &Violation,
    ) {
        self.left_out_on = Some(on.to_owned());
        for (index, outcome) in outcomes.into_iter().enumerate() {
            let step = self.steps.iter_mut().find(|step| step.step == Some(index));
            if let Some(step) = step {
                step.without = outcome;
            }
        }
        self.summarize(violation);
    }

    fn summarize(&mut self, violation: &Violation) {
        let mut text = format!(
            "Seen {}. Expected: {}. Observed: {}.",
            violation.place(),
            one_line(&violation.expected),
            one_line(&violation.observed)
        );
        if let Some(because) = &self.because {
            text.push_str(&format!(" {because}"));
        }
        let on = self.left_out_on.as_deref().unwrap_or_default();
        let of = |is: &dyn Fn(&WithoutOutcome) -> bool| -> Vec<String> {
            let steps = self.steps.iter().filter_map(|step| {
                let without = step.without.as_ref()?;
                is(&without.outcome).then_some(step.step? + 1)
            });
            steps.map(|number| number.to_string()).collect()
        };
        let needed = of(&|outcome| *outcome == WithoutOutcome::Holds);
        let idle = of(&|outcome| *outcome == WithoutOutcome::Same);
        let changing = of(&|outcome| matches!(outcome, WithoutOutcome::Other { .. }));
        for (steps, then) in [
            (needed, "every rule holds"),
            (changing, "another failure shows"),
            (idle, "it fails just the same"),
        ] {
            if !steps.is_empty() {
                text.push_str(&format!(
                    " On {on}, without step{} {}: {then}.",
                    if steps.len() == 1 { "" } else { "s" },
                    listed(&steps),
                ));
            }
        }
        self.summary = text;
    }
}

/// What each thing is to be, and what it is.
type Rows = BTreeMap<String, (String, String)>;

fn rows(model: &Model, index: usize) -> Rows {
    let rows = look(model, None, None, index).rows.into_iter();
    rows.map(|row| (row.about, (row.expected, row.observed)))
        .collect()
}

fn begun(event: &Event, index: usize) -> Option<Explained> {
    let (step, text) = match &event.what {
        What::StepBegan {
            index: Some(index),
            step,
            ..
        } => (Some(*index), step.to_string()),
        What::Healed => (None, "all faults healed, recovery begins".into()),
        _ => return None,
    };
    Some(Explained {
        step,
        text,
        at: event.at,
        begun: index,
        changes: Vec::new(),
        events: Vec::new(),
        violates: false,
        without: None,
    })
}

/// Notes what changed while a step lasted.
fn close(step: Option<&mut Explained>, before: &Rows, after: &Rows) {
    if let Some(step) = step {
        let changed = after
            .iter()
            .filter(|(about, row)| before.get(*about) != Some(row));
        step.changes = changed
            .map(|(about, (expected, observed))| Change {
                about: about.clone(),
                expected: expected.clone(),
                observed: observed.clone(),
            })
            .collect();
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// `1`, `1 or 2`, `1, 2 or 3`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests;
