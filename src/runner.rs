//! One plan on one target: disturb, heal, recover, judge.

use std::time::Duration;

use crate::history::{Event, History, Snapshot, What};
use crate::invariant::{Breach, check_event, check_recovered};
use crate::model::Model;
use crate::plan::{Plan, Step};
use crate::site::SiteKind;
use crate::target::{Run, Target, TargetError};
use crate::verdict::{Rule, Verdict, Violation};

/// How long a healed system has to come to rest by itself (`docs/contract.md`, After recovery).
pub const RECOVERY_BOUND: Duration = Duration::from_secs(600);
/// A system that is right after this time without an event has recovered.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// A system in which nothing happened for so long does nothing more: longer than the longest wait
/// before put-off work is tried again, and than a probe's permit.
const AT_REST: Duration = Duration::from_secs(300);

/// How often what was seen is judged while a plan waits, where time is real.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub verdict: Verdict,
    pub history: History,
    /// The steps that the target cannot make, by index from 0, and why; they were left out.
    pub left_out: Vec<(usize, String)>,
    /// What was seen last, once the system had come to rest; `None` where it did not come so far.
    pub settled: Option<Snapshot>,
}

impl Outcome {
    /// What is left of a run that the harness could not carry out.
    pub fn unknown(why: String) -> Self {
        Self {
            verdict: Verdict::Unknown { why },
            history: History::default(),
            left_out: Vec::new(),
            settled: None,
        }
    }
}

/// Runs a plan against a fresh system of the target, and judges it. Ends at the first violation.
pub fn run(target: &dyn Target, plan: &Plan, seed: u64) -> Outcome {
    let outcome = run_if(target, plan, seed, &mut |_, _| true);
    // Whoever always goes on gets an outcome.
    outcome.unwrap_or_else(|| Outcome::unknown("the run was left".into()))
}

/// Runs a plan as [`run`] does, and asks between its last step and recovery whether to go on, given
/// what is known and the system itself. Returns `None` where that was denied.
pub fn run_if(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    goes_on: &mut dyn FnMut(&Model, &dyn Run) -> bool,
) -> Option<Outcome> {
    let mut judge = Judge::new(plan);
    judge.model.site = target.site();
    let mut left_out = Vec::new();
    let mut settled = None;
    let ended = target
        .start(&plan.sessions, seed)
        .map_err(Stop::from)
        .and_then(|mut system| {
            let system = &mut *system;
            let ended = disturb(target, system, plan, &mut judge, &mut left_out).and_then(|()| {
                if !goes_on(&judge.model, system) {
                    return Ok(false);
                }
                recover(system, &mut judge, &mut settled).map(|()| true)
            });
            doubted(ended, system)
        });
    let verdict = match ended {
        Ok(true) => Verdict::Held,
        Ok(false) => return None,
        Err(Stop::Violated(violation)) => Verdict::Violated(*violation),
        Err(Stop::Failed(error)) => Verdict::Unknown {
            why: error.to_string(),
        },
    };
    Some(Outcome {
        verdict,
        history: History {
            events: judge.events,
        },
        left_out,
        settled,
    })
}

/// Why a run ended early.
enum Stop {
    Violated(Box<Violation>),
    Failed(TargetError),
}

impl From<TargetError> for Stop {
    fn from(error: TargetError) -> Self {
        Self::Failed(error)
    }
}

/// A violation that a busy machine may have made is no verdict.
fn doubted(ended: Result<bool, Stop>, system: &dyn Run) -> Result<bool, Stop> {
    match (ended, system.doubt()) {
        (Err(Stop::Violated(violation)), Some(doubt)) if violation.hangs_on_time() => {
            Err(Stop::Failed(TargetError::new(
                format!("judging whether {} holds", violation.rule),
                format!("{doubt}; seen was: {}", violation.observed),
                "run it again in quiet, with fewer `--jobs`, or a larger `--time-scale`",
            )))
        }
        (ended, _) => ended,
    }
}

/// Takes the plan's steps.
fn disturb(
    target: &dyn Target,
    system: &mut dyn Run,
    plan: &Plan,
    judge: &mut Judge,
    left_out: &mut Vec<(usize, String)>,
) -> Result<(), Stop> {
    let marks = plan.marks();
    for (index, step) in plan.steps.iter().enumerate() {
        if let Some(why) = target.cannot(step) {
            left_out.push((index, why));
            continue;
        }
        let now = system.now();
        judge.begin_step(index, step, now);
        judge.model.begin_step(step, marks[index], now);
        match step {
            Step::Wait(time) if !target.is_deterministic() => wait(system, *time, judge)?,
            _ => {
                system.apply(step, marks[index], &mut judge.events)?;
                judge.judge_new()?;
            }
        }
    }
    Ok(())
}

/// Waits where time is real, and ends as soon as something is wrong: what is judged at the end of a
/// long wait may have been seen at its beginning.
fn wait(system: &mut dyn Run, time: Duration, judge: &mut Judge) -> Result<(), Stop> {
    let end = system.now() + time;
    loop {
        let left = end.saturating_sub(system.now());
        if left.is_zero() {
            return Ok(());
        }
        let part = Step::Wait(left.min(LOOK_EVERY));
        system.apply(&part, None, &mut judge.events)?;
        judge.judge_new()?;
    }
}

/// Heals everything, and looks until the system is right or its time is over.
fn recover(
    system: &mut dyn Run,
    judge: &mut Judge,
    settled: &mut Option<Snapshot>,
) -> Result<(), Stop> {
    judge.begin_recovery(system.now());
    let faults: Vec<_> = judge.model.faults.iter().map(|(f, _)| f.clone()).collect();
    for fault in faults {
        let heal = Step::Heal(fault);
        judge.model.begin_step(&heal, None, system.now());
        system.apply(&heal, None, &mut judge.events)?;
    }
    let deadline = system.now() + RECOVERY_BOUND;
    let mut quiet = FIRST_LOOK;
    loop {
        let left = deadline.saturating_sub(system.now());
        let is_at_rest = system.rest(quiet, left, &mut judge.events)?;
        let seen = settled.insert(system.snapshot()?);
        judge.judge_new()?;
        let Some((rule, breach)) = check_recovered(&judge.model, seen) else {
            return Ok(());
        };
        let is_final = system.now() >= deadline || (is_at_rest && quiet >= AT_REST);
        if is_final {
            return Err(Stop::Violated(judge.violation(rule, breach, true).into()));
        }
        quiet = (quiet * 3).min(AT_REST);
    }
}

/// Judges a history that was written down before: the plan's steps stand in it as events.
pub fn judge(plan: &Plan, events: &[Event], recovered: Option<&Snapshot>) -> Verdict {
    judge_on(SiteKind::Shell, plan, events, recovered)
}

/// Judges a history, as [`judge`] does, of a system whose sites are of this kind.
pub fn judge_on(
    site: SiteKind,
    plan: &Plan,
    events: &[Event],
    recovered: Option<&Snapshot>,
) -> Verdict {
    let mut judge = Judge::new(plan);
    judge.model.site = site;
    let marks = plan.marks();
    for event in events {
        judge.events.push(event.clone());
        if let What::StepBegan { step: index, .. } = event.what
            && let Some(step) = plan.steps.get(index)
        {
            judge.step = Some(index);
            judge.model.begin_step(step, marks[index], event.at);
        }
        if event.what == What::Healed {
            judge.step = None;
            let faults: Vec<_> = judge.model.faults.iter().map(|(f, _)| f.clone()).collect();
            for fault in faults {
                let heal = Step::Heal(fault);
                judge.model.begin_step(&heal, None, event.at);
            }
        }
        if let Err(Stop::Violated(violation)) = judge.judge_new() {
            return Verdict::Violated(*violation);
        }
    }
    let breach = recovered.and_then(|seen| check_recovered(&judge.model, seen));
    match breach {
        Some((rule, breach)) => Verdict::Violated(judge.violation(rule, breach, true)),
        None => Verdict::Held,
    }
}

/// Gives a history's events to a model, as judgement does, and shows it after each, with the
/// event's index.
pub fn follow(plan: &Plan, site: SiteKind, events: &[Event], see: &mut dyn FnMut(&Model, usize)) {
    let mut model = Model::new(plan);
    model.site = site;
    let marks = plan.marks();
    for (index, event) in events.iter().enumerate() {
        match &event.what {
            What::StepBegan { step, .. } => {
                if let Some(of_plan) = plan.steps.get(*step) {
                    model.begin_step(of_plan, marks[*step], event.at);
                }
            }
            What::Healed => {
                let faults: Vec<_> = model.faults.iter().map(|(f, _)| f.clone()).collect();
                for fault in faults {
                    model.begin_step(&Step::Heal(fault), None, event.at);
                }
            }
            _ => {}
        }
        model.observe(event);
        see(&model, index);
    }
}

/// Judges events as they come.
struct Judge {
    model: Model,
    events: Vec<Event>,
    judged: usize,
    step: Option<usize>,
}

impl Judge {
    fn new(plan: &Plan) -> Self {
        Self {
            model: Model::new(plan),
            events: Vec::new(),
            judged: 0,
            step: None,
        }
    }

    fn begin_step(&mut self, index: usize, step: &Step, at: Duration) {
        self.step = Some(index);
        let text = step.to_string().into();
        let what = What::StepBegan { step: index, text };
        self.events.push(Event { at, what });
    }

    fn begin_recovery(&mut self, at: Duration) {
        self.step = None;
        let what = What::Healed;
        self.events.push(Event { at, what });
    }

    /// Asks every rule about the events that came since, and takes them in.
    fn judge_new(&mut self) -> Result<(), Stop> {
        while let Some(event) = self.events.get(self.judged) {
            if let Some((rule, breach)) = check_event(&self.model, event) {
                self.model.now = event.at;
                // What comes after the violation is not of the story.
                self.events.truncate(self.judged + 1);
                return Err(Stop::Violated(self.violation(rule, breach, false).into()));
            }
            self.model.observe(event);
            self.judged += 1;
        }
        Ok(())
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

#[cfg(test)]
mod tests;
