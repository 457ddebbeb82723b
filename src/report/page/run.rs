//! What the page of one run shows, gathered from its plan, its events and the model.

use serde::Serialize;

use super::bars::{Bar, Bars};
use super::lanes::{Kind, Lane, Lanes, Place, Tone};
use crate::explain::Explanation;
use crate::explain::look::{Agreement, Look, Row, look};
use crate::finding::Finding;
use crate::history::describe::describe;
use crate::history::{History, Snapshot, What};
use crate::judge::follow;
use crate::model::Model;
use crate::plan::{Plan, Role, Step};
use crate::site::SiteKind;
use crate::verdict::{Rule, Subject, Verdict, Violation};

/// One run, and what is reported of it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    pub target: &'a str,
    pub site: SiteKind,
    pub plan: &'a Plan,
    /// The run's seed.
    pub seed: u64,
    pub verdict: &'a Verdict,
    pub history: &'a History,
    /// What was seen last; without it, what the events show is used in its place.
    pub settled: Option<&'a Snapshot>,
    /// The steps that the target cannot make, by index from 0, and why.
    pub left_out: &'a [(usize, String)],
    /// How the plan came to be.
    pub origin: &'a str,
    /// The command that runs the plan again.
    pub replay: &'a str,
    /// What is known of its violation.
    pub finding: Option<&'a Finding>,
}

/// The page's data.
#[derive(Debug, Serialize)]
pub(super) struct Data<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    /// The event that violates; none when it was seen after recovery.
    violating: Option<usize>,
    explanation: Option<&'a Explanation>,
    plan: String,
    lanes: Vec<Lane>,
    steps: Vec<StepRow>,
    /// The event at which recovery began.
    healed: Option<usize>,
    events: Vec<EventRow>,
    bars: Vec<Bar>,
    pub(super) looks: Vec<Look>,
}

#[derive(Debug, Serialize)]
struct StepRow {
    text: String,
    kind: StepKind,
    /// The event that began it.
    event: Option<usize>,
    /// Why it was left out.
    left_out: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum StepKind {
    Work,
    Fault,
    Heal,
    Time,
}

#[derive(Debug, Serialize)]
struct EventRow {
    /// The system's own time, in seconds.
    at: f64,
    /// The step under way.
    step: Option<usize>,
    lane: usize,
    /// Another lane that it is of interest in.
    #[serde(skip_serializing_if = "Option::is_none")]
    also: Option<usize>,
    kind: Kind,
    tone: Tone,
    who: String,
    text: String,
}

impl<'a> Data<'a> {
    pub(super) fn of(run: &Run<'a>) -> Self {
        let events = &run.history.events;
        let lanes = Lanes::of(run.plan);
        let violation = match run.verdict {
            Verdict::Violated(violation) => Some(violation),
            Verdict::Held | Verdict::Unknown { .. } => None,
        };
        let violating = violation
            .filter(|violation| !violation.after_recovery)
            .and(events.len().checked_sub(1));
        let mut looks = Vec::new();
        let mut bars = Bars::new(&lanes);
        let mut rows = Vec::with_capacity(events.len());
        let mut step = None;
        // The model as it was before the event.
        let mut before = Model::new(run.plan);
        let mut at_violation = None;
        let mut last_look = None;
        follow(
            run.plan,
            run.site,
            run.history.profile(),
            events,
            &mut |model, index| {
                let event = &events[index];
                let begins = match &event.what {
                    What::StepBegan {
                        index: Some(step), ..
                    } => Some(Some(*step)),
                    What::Healed => Some(None),
                    _ => None,
                };
                if let Some(next) = begins {
                    if let Some(after) = last_look.replace(next) {
                        looks.push(look(&before, None, after, index));
                    }
                    step = next;
                }
                bars.see(model, index, event);
                let Place { lane, also } = lanes.place(model, &event.what);
                let (who, text) = describe(&event.what);
                rows.push(EventRow {
                    at: event.at.as_secs_f64(),
                    step,
                    lane,
                    also,
                    kind: Kind::of(&event.what),
                    tone: if violating == Some(index) {
                        Tone::Bad
                    } else {
                        Tone::of(&event.what)
                    },
                    who,
                    text,
                });
                // What a violating event did is not of what the model expected.
                if violating == Some(index) {
                    at_violation = Some(model.clone());
                } else {
                    before.clone_from(model);
                }
            },
        );
        if let Some(after) = last_look {
            // A run that ended in the middle had no time for what was to come.
            let end = violating.is_none().then_some(run.settled);
            let mut last = look(&before, end, after, events.len());
            if let Some(now) = &at_violation {
                let mut now = look(now, None, after, events.len());
                now.rows = seen_now(last.rows, now.rows);
                last = now;
            }
            if let Some(violation) = violation {
                mark(&mut last.rows, violation);
            }
            looks.push(last);
        }
        Self {
            verdict: run.verdict,
            violating,
            explanation: run.finding.and_then(|finding| finding.explanation.as_ref()),
            plan: run.plan.to_string(),
            steps: steps(run),
            healed: events.iter().position(|event| event.what == What::Healed),
            events: rows,
            bars: bars.finish(),
            looks,
            lanes: lanes.all,
        }
    }
}

/// What was expected before an event, against what is seen after it.
fn seen_now(before: Vec<Row>, now: Vec<Row>) -> Vec<Row> {
    let rows = now.into_iter().map(|mut row| {
        if let Some(was) = before.iter().find(|was| was.about == row.about) {
            row.expected.clone_from(&was.expected);
        }
        row
    });
    rows.collect()
}

/// Marks what a violation is about, and has the rule among the rows, whose expected and observed are above
/// the table.
fn mark(rows: &mut Vec<Row>, violation: &Violation) {
    let about = match (&violation.about, violation.rule) {
        // The model takes in no event of a breaker that it cannot explain.
        (None, Rule::Breaker) => Some(Subject::Breaker),
        (about, _) => about.clone(),
    };
    let about = about.map(|about| about.to_string());
    for row in rows.iter_mut() {
        if Some(&row.about) == about.as_ref() {
            row.agrees = Agreement::Differs;
            if violation.about.is_none() {
                row.observed.clone_from(&violation.observed);
            }
        }
    }
    let rule = format!("rule {}", violation.rule);
    rows.retain(|row| row.about != rule);
    let row = Row {
        about: rule,
        expected: "is kept".into(),
        observed: format!("is violated ({}), see above", violation.kind),
        agrees: Agreement::Differs,
    };
    rows.insert(0, row);
}

fn steps(run: &Run<'_>) -> Vec<StepRow> {
    let began = |index| {
        run.history.events.iter().position(
            |event| matches!(event.what, What::StepBegan { index: Some(at), .. } if at == index),
        )
    };
    let left_out = |index| {
        let of_step = |(step, _): &&(usize, String)| *step == index;
        run.left_out
            .iter()
            .find(of_step)
            .map(|(_, why)| why.clone())
    };
    let row = |(index, step): (usize, &Step)| StepRow {
        text: step.to_string(),
        kind: StepKind::of(step),
        event: began(index),
        left_out: left_out(index),
    };
    run.plan.steps.iter().enumerate().map(row).collect()
}

impl StepKind {
    fn of(step: &Step) -> Self {
        match step.role() {
            Role::Work => Self::Work,
            Role::Time => Self::Time,
            Role::Heal => Self::Heal,
            Role::Fault => Self::Fault,
        }
    }
}
