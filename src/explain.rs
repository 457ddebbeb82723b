//! Why a plan violates a rule, step by step: what the model expected, what was observed, which
//! events between two steps matter, and what happens when a step is left out.

mod leave_out;
pub(crate) mod look;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::history::{Event, History, What};
use crate::model::Model;
use crate::plan::Plan;
use crate::runner;
use crate::site::SiteKind;
use crate::verdict::Violation;
use look::look;

pub use leave_out::leave_out;

/// The explanation of a violation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// What an engineer should know first, in a sentence or two.
    pub summary: String,
    /// The plan's steps that were made, in order, and then recovery where it came so far.
    pub steps: Vec<Explained>,
    /// The target on which steps were left out, if they were.
    pub left_out_on: Option<String>,
}

/// One step, up to the next one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The step's index in the plan, from 0; `None` for recovery.
    pub step: Option<usize>,
    pub text: String,
    /// When it began, in the system's own time.
    pub at: Duration,
    /// What came to be expected or was seen anew while the step lasted.
    pub changes: Vec<Change>,
    /// The events that changed it, by index in the history, and the one that violates.
    pub events: Vec<usize>,
    /// Whether the violation was seen here.
    pub violates: bool,
    /// What happens when the step is left out; `None` where that was not tried.
    pub without: Option<Without>,
}

/// What the model expects of one thing at the end of a step, against what is seen of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Change {
    pub about: String,
    pub expected: String,
    pub observed: String,
}

/// What a plan does without one of its steps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Without {
    /// Steps that make no sense without it and went too, by index.
    pub also: Vec<usize>,
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
    Other { violation: Box<Violation> },
    /// The harness could not tell.
    Unknown { why: String },
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
    runner::follow(plan, site, events, &mut |model, index| {
        let now = rows(model, index);
        if let Some(begun) = begun(&events[index]) {
            close(steps.last_mut(), &at_begin, &before);
            at_begin = before.clone();
            steps.push(begun);
        } else if now != before
            && let Some(step) = steps.last_mut()
        {
            step.events.push(index);
        }
        before = now;
    });
    close(steps.last_mut(), &at_begin, &before);
    let violating = steps.iter_mut().find(|step| step.step == violation.step);
    if let Some(step) = violating {
        step.violates = true;
        let last = events.len().saturating_sub(1);
        if violation.at == events.last().map_or(Duration::ZERO, |event| event.at)
            && step.events.last() != Some(&last)
        {
            step.events.push(last);
        }
    }
    let mut explanation = Explanation {
        summary: String::new(),
        steps,
        left_out_on: None,
    };
    explanation.summarize(violation);
    explanation
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
        let place = match violation.step {
            Some(step) => format!("while step {} was under way", step + 1),
            None => "after all faults were healed".into(),
        };
        let mut text = format!(
            "Seen {place}. Expected: {}. Observed: {}.",
            one_line(&violation.expected),
            one_line(&violation.observed)
        );
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

fn begun(event: &Event) -> Option<Explained> {
    let (step, text) = match &event.what {
        What::StepBegan { step, text } => (Some(*step), text.to_string()),
        What::Healed => (None, "all faults healed, recovery begins".into()),
        _ => return None,
    };
    Some(Explained {
        step,
        text,
        at: event.at,
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
