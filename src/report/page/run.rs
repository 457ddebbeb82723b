//! What the page of one run shows, gathered from its plan, its events and the model.

use serde::Serialize;

use super::bars::{Bar, Bars};
use super::lanes::{Kind, Lane, Lanes, Place, Tone};
use crate::explain::Explanation;
use crate::explain::look::{Look, look};
use crate::finding::Finding;
use crate::history::describe::describe;
use crate::history::{History, Snapshot, What};
use crate::invariant::not_asked_of;
use crate::judge::follow;
use crate::model::Model;
use crate::plan::{Plan, Role, Step};
use crate::regression::Seed;
use crate::site::SiteKind;
use crate::verdict::{NotAsked, Verdict, Violation};

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
    target: &'a str,
    seed: String,
    #[serde(flatten)]
    verdict: &'a Verdict,
    /// The violated rule in the contract's words.
    words: &'a str,
    /// When in the run it was seen, in words.
    place: String,
    /// The event that violates; none when it was seen after recovery.
    violating: Option<usize>,
    origin: &'a str,
    replay: &'a str,
    others: Vec<String>,
    explanation: Option<&'a Explanation>,
    plan: String,
    /// The parts of rules that were not asked, and why.
    not_asked: Vec<NotAsked>,
    lanes: Vec<Lane>,
    steps: Vec<StepRow>,
    /// The event at which recovery began.
    healed: Option<usize>,
    events: Vec<EventRow>,
    bars: Vec<Bar>,
    looks: Vec<Look>,
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
                    tone: Tone::of(&event.what),
                    who,
                    text,
                });
                // What a violating event did is not of what the model expected.
                if violating != Some(index) {
                    before.clone_from(model);
                }
            },
        );
        if let Some(after) = last_look {
            // A run that ended in the middle had no time for what was to come.
            let end = violating.is_none().then_some(run.settled);
            looks.push(look(&before, end, after, events.len()));
        }
        Self {
            target: run.target,
            seed: Seed(run.seed).to_string(),
            verdict: run.verdict,
            words: violation.map_or("", |violation| violation.rule.words()),
            place: violation.map(Violation::place).unwrap_or_default(),
            violating,
            origin: run.origin,
            replay: run.replay,
            others: run
                .finding
                .iter()
                .flat_map(|finding| &finding.others)
                .map(|other| format!("{} ({})", other.rule, other.kind))
                .collect(),
            explanation: run.finding.and_then(|finding| finding.explanation.as_ref()),
            plan: run.plan.to_string(),
            not_asked: not_asked_of(run.history),
            steps: steps(run),
            healed: events.iter().position(|event| event.what == What::Healed),
            events: rows,
            bars: bars.finish(),
            looks,
            lanes: lanes.all,
        }
    }
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
