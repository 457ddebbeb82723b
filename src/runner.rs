//! One plan on one target: disturb, heal, recover, send work once more, judge.

mod recovery;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::history::{Event, FORMAT, Header, History, HistoryEnd, ProfileRef, Snapshot, What};
use crate::invariant::not_asked;
use crate::judge::Judge;
use crate::model::Model;
use crate::plan::{ClientId, Mark, Plan, Step};
use crate::target::{Doubt, Run, Target, TargetError, slowed};
use crate::verdict::{Verdict, Violation};

/// How often what was seen is judged while a plan waits, where time is real.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The result of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// What happened.
    pub history: History,
    /// The steps that the target cannot make, by index from 0, and why; they were left out.
    pub left_out: Vec<(usize, String)>,
    /// What was seen last, once the system had come to rest; `None` where it did not get so far.
    pub settled: Option<Arc<Snapshot>>,
    /// What was broken and did not end the run, the first of each kind.
    pub passed_over: Vec<Violation>,
    /// Why what it shows may be the machine's doing.
    pub(crate) doubt: Option<Doubt>,
}

impl Outcome {
    /// What is left of a run that the harness could not carry out.
    pub fn unknown(why: String) -> Self {
        Self {
            verdict: Verdict::Unknown { why },
            history: History::default(),
            left_out: Vec::new(),
            settled: None,
            passed_over: Vec::new(),
            doubt: None,
        }
    }

    /// Whether it is unknown, and the machine stalled.
    pub(crate) fn is_left_by_stall(&self) -> bool {
        matches!(self.doubt, Some(Doubt::Stalled(_)))
            && matches!(self.verdict, Verdict::Unknown { .. })
    }

    /// Takes its verdict back, and says why.
    pub(crate) fn leave_unknown(&mut self, why: String) {
        self.verdict = Verdict::Unknown { why };
        if let Some(end) = &mut self.history.end {
            end.verdict = self.verdict.clone();
        }
    }
}

/// Runs a plan against a fresh system of the target, and judges it. Ends at the first violation.
pub fn run(target: &dyn Target, plan: &Plan, seed: u64) -> Outcome {
    run_recorded(target, plan, seed, &mut |_| {})
}

/// Runs a plan as [`run`] does, and shows each event to `record` as soon as it is judged.
pub fn run_recorded(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    record: &mut dyn FnMut(&Event),
) -> Outcome {
    let mut outcome = run_doubted(target, plan, seed, 1, record);
    if let (Verdict::Violated(violation), Some(doubt)) = (&outcome.verdict, &outcome.doubt)
        && violation.depends_on_time()
    {
        let why = format!(
            "{} ({}) was violated, but {}. {}. {QUIETER}",
            violation.rule,
            violation.kind,
            reason(doubt),
            observed(violation)
        );
        outcome.leave_unknown(why);
    }
    outcome
}

/// Runs a plan as [`run_confirmed_recorded`] does.
pub fn run_confirmed(target: &dyn Target, plan: &Plan, seed: u64) -> Outcome {
    run_confirmed_recorded(target, plan, seed, &mut |_| {})
}

/// How many times slower a plan is run again to see whether a violation in real time shows again.
/// The last only where the machine stalled in the one before.
const SLOWER: [u32; 3] = [1, 2, 4];

/// How many times slower the next run is, where the machine stalled so that runs are unknown: twice for each of those, and a step
/// less for each that it did not.
#[derive(Default)]
pub(crate) struct Slowdown {
    /// Beyond once.
    more: AtomicU32,
}

impl Slowdown {
    const MOST: u32 = 3;

    /// Runs a plan as [`run_confirmed`] does, so many times slower.
    pub(crate) fn run(&self, target: &dyn Target, plan: &Plan, seed: u64) -> Outcome {
        let times = 1 + self.more.load(Ordering::Relaxed);
        let outcome = confirmed(target, plan, seed, times, &mut |_| {});
        let change = |more: u32| {
            Some(match outcome.is_left_by_stall() {
                true => (2 * more + 1).min(Self::MOST),
                false => more.saturating_sub(1),
            })
        };
        // A change is never refused.
        let _ = self
            .more
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        outcome
    }
}

/// Runs a plan as [`run_recorded`] does. Where time is real, a violation that the machine may have
/// made is believed only when it shows again, at once or in a run at half the speed, and not only
/// in runs in which the machine stalled. What no slowness can make is believed at once, unless
/// something stalled.
pub fn run_confirmed_recorded(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    record: &mut dyn FnMut(&Event),
) -> Outcome {
    confirmed(target, plan, seed, 1, record)
}

fn confirmed(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    slower: u32,
    record: &mut dyn FnMut(&Event),
) -> Outcome {
    let mut first = run_doubted(target, plan, seed, slower, record);
    let Verdict::Violated(violation) = first.verdict.clone() else {
        return first;
    };
    let by_time = violation.depends_on_time();
    if target.is_deterministic() || !by_time && first.doubt.is_none() {
        return first;
    }
    let (mut runs, mut shown) = (1, 1);
    let mut is_quiet = first.doubt.is_none();
    let mut reasons: Vec<String> = first.doubt.iter().map(reason).collect();
    let mut stalled = is_quiet;
    for times in SLOWER {
        if times > 2 && !stalled {
            break;
        }
        let again = run_doubted(target, plan, seed, times * slower, &mut |_| {});
        runs += 1;
        stalled = again.doubt.is_some();
        let shows = |verdict| matches!(verdict, Verdict::Violated(it) if it.is_same(&violation));
        if shows(again.verdict) {
            shown += 1;
            is_quiet |= !stalled;
            reasons.extend(again.doubt.iter().map(reason));
        }
        if shown > 1 && (is_quiet || !by_time) {
            return first;
        }
    }
    let where_it_showed = match is_quiet {
        true => "may be the machine's doing".to_owned(),
        false => format!("only where the machine stalled: {}", reasons.join("; ")),
    };
    first.leave_unknown(format!(
        "{} ({}) was violated in {shown} of {runs} runs of the plan with the same seed, some of them \
         slower, and that {where_it_showed}. {}. {QUIETER}",
        violation.rule,
        violation.kind,
        observed(&violation)
    ));
    first
}

/// What to do where the machine may have made what was seen.
pub(crate) const QUIETER: &str =
    "Run it again on a quiet machine, with fewer `--jobs`, or a larger `--time-scale`";

fn reason(doubt: &Doubt) -> String {
    let (Doubt::Stalled(why) | Doubt::Failed(why)) = doubt;
    why.clone()
}

fn observed(violation: &Violation) -> String {
    format!("Observed was: {}", violation.observed)
}

/// Runs a plan as [`run`] does, and asks between its last step and recovery whether to go on, given
/// what is known and the system itself. Returns `None` where that was denied.
pub(crate) fn run_if(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    goes_on: &mut dyn FnMut(&Model, &dyn Run) -> bool,
) -> Option<Outcome> {
    carry_out(target, plan, seed, 1, &mut |_| {}, goes_on)
}

/// Runs a plan so many times slower, and says what may be the machine's doing; what cannot be the
/// system's alone is unknown already.
fn run_doubted(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    times: u32,
    record: &mut dyn FnMut(&Event),
) -> Outcome {
    let outcome = carry_out(target, plan, seed, times, record, &mut |_, _| true);
    // The run goes on whenever it is asked whether to.
    outcome.unwrap_or_else(|| Outcome::unknown("the run was left".into()))
}

/// What the history of such a run begins with.
pub fn header(target: &dyn Target, plan: &Plan, seed: u64) -> Header {
    Header {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").into(),
        profile: ProfileRef::from(&*target.profile()),
        target: target.name().into(),
        site: target.site().name().into(),
        seed,
        time_scale: target.time_scale(),
        defect: target.defect().map(str::to_owned),
        plan: plan.clone(),
    }
}

fn carry_out(
    target: &dyn Target,
    plan: &Plan,
    seed: u64,
    times: u32,
    record: &mut dyn FnMut(&Event),
    goes_on: &mut dyn FnMut(&Model, &dyn Run) -> bool,
) -> Option<Outcome> {
    let mut live = Live::new(target, plan, record);
    let mut left_out = Vec::new();
    let mut settled = None;
    let mut doubt = None;
    let ended = target
        .start_slowed(&plan.sessions, seed, times)
        .map_err(Stop::from)
        .and_then(|mut system| {
            let system = &mut *system;
            let ended = disturb(target, system, plan, &mut live, &mut left_out).and_then(|()| {
                if !goes_on(&live.judge.model, system) {
                    return Ok(false);
                }
                recovery::recover(system, plan, &mut live, &mut settled).map(|()| true)
            });
            doubt = system.doubt();
            ended
        });
    let verdict = match ended {
        Err(Stop::Violated(violation)) if matches!(doubt, Some(Doubt::Failed(_))) => {
            Verdict::Unknown {
                why: format!(
                    "{} ({}) was violated, but the machine failed: {}. {}. Give the machine what it \
                     lacks, and run it again",
                    violation.rule,
                    violation.kind,
                    doubt.iter().map(reason).collect::<String>(),
                    observed(&violation)
                ),
            }
        }
        Ok(true) => Verdict::Held,
        Ok(false) => return None,
        Err(Stop::Violated(violation)) => Verdict::Violated(*violation),
        Err(Stop::Failed(error)) => Verdict::Unknown {
            why: error.to_string(),
        },
    };
    // Where the harness failed, what came last was not judged, and is written all the same.
    live.events[live.judged..]
        .iter()
        .for_each(&mut *live.record);
    let settled = settled.map(Arc::new);
    let mut header = header(target, plan, seed);
    header.time_scale = header.time_scale.map(|scale| slowed(scale, times));
    let passed_over = live.judge.passed_over().to_vec();
    let end = HistoryEnd {
        verdict: verdict.clone(),
        events: live.events.len(),
        left_out: left_out.clone(),
        not_asked: not_asked(&target.profile(), settled.as_deref()),
        settled: settled.clone(),
    };
    Some(Outcome {
        verdict,
        history: History {
            header: Some(header),
            events: live.events,
            end: Some(end),
        },
        left_out,
        settled,
        passed_over,
        doubt,
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

/// Takes the plan's steps.
fn disturb(
    target: &dyn Target,
    system: &mut dyn Run,
    plan: &Plan,
    live: &mut Live<'_>,
    left_out: &mut Vec<(usize, String)>,
) -> Result<(), Stop> {
    let in_parts = !target.is_deterministic();
    for (index, (step, mark)) in plan.steps.iter().zip(plan.marks()).enumerate() {
        match target.cannot(step) {
            Some(why) => left_out.push((index, why)),
            None => live.step(system, Some(index), step, mark, in_parts)?,
        }
    }
    Ok(())
}

/// The events of a run, judged as they come.
struct Live<'a> {
    judge: Judge,
    events: Vec<Event>,
    judged: usize,
    /// Whether commits are built, which takes real time.
    builds: bool,
    /// The marks of the commits that were to be built.
    tried: BTreeSet<Vec<Mark>>,
    record: &'a mut dyn FnMut(&Event),
}

impl<'a> Live<'a> {
    fn new(target: &dyn Target, plan: &Plan, record: &'a mut dyn FnMut(&Event)) -> Self {
        Self {
            judge: Judge::new(plan, target.site(), target.profile()),
            events: Vec::new(),
            judged: 0,
            builds: !target.is_deterministic(),
            tried: BTreeSet::new(),
            record,
        }
    }

    /// Begins a step, carries it out, and judges what happened.
    fn step(
        &mut self,
        system: &mut dyn Run,
        index: Option<usize>,
        step: &Step,
        mark: Option<Mark>,
        waits_in_parts: bool,
    ) -> Result<(), Stop> {
        let what = What::StepBegan {
            index,
            step: step.clone(),
            mark,
        };
        self.begin(system, what)?;
        match step {
            Step::Wait(time) if waits_in_parts => self.wait(system, *time),
            _ => {
                system.apply(step, mark, &mut self.events)?;
                self.judge_new(system)
            }
        }
    }

    /// What the tester does is judged at once, so that the system's answer finds it known.
    fn begin(&mut self, system: &mut dyn Run, what: What) -> Result<(), Stop> {
        let at = system.now();
        self.events.push(Event { at, what });
        self.judge_new(system)
    }

    /// Waits where time is real, and ends as soon as something is wrong: what is judged at the end
    /// of a long wait may have been seen at its beginning.
    fn wait(&mut self, system: &mut dyn Run, time: Duration) -> Result<(), Stop> {
        let end = system.now() + time;
        loop {
            let left = end.saturating_sub(system.now());
            if left.is_zero() {
                return Ok(());
            }
            let part = Step::Wait(left.min(LOOK_EVERY));
            system.apply(&part, None, &mut self.events)?;
            self.judge_new(system)?;
        }
    }

    /// Judges the events that came since.
    fn judge_new(&mut self, system: &mut dyn Run) -> Result<(), Stop> {
        loop {
            self.build_what_is_broken(system);
            let Some(event) = self.events.get(self.judged) else {
                return Ok(());
            };
            system.goes_on()?;
            self.judged += 1;
            (self.record)(event);
            if let Err(violation) = self.judge.take(event) {
                // What comes after the violation is not of the story.
                self.events.truncate(self.judged);
                return Err(Stop::Violated(violation));
            }
        }
    }
}

impl Live<'_> {
    /// Builds what an object was made of before it is judged, where that fails by its edits: the
    /// build knows better.
    fn build_what_is_broken(&mut self, system: &mut dyn Run) {
        let Some(Event { at, what }) = self.events.get(self.judged).filter(|_| self.builds) else {
            return;
        };
        if let What::ObjectPut {
            client, content, ..
        } = what
            && self.judge.model.build_of(&content.marks).fails
        {
            let (at, client, content) = (*at, client.clone(), content.clone());
            let built = self.build(system, at, &client, &content.marks);
            self.events.splice(self.judged..self.judged, built);
        }
    }

    /// Builds what the sites show. Returns whether anything new is known then.
    fn build_shown(&mut self, system: &mut dyn Run, seen: &Snapshot) -> bool {
        // What has happened meanwhile comes after it.
        let at = self.events.last().map_or(Duration::ZERO, |event| event.at);
        let known = self.events.len();
        for (client, objects) in seen.sites.get().into_iter().flatten() {
            let oracle = self.judge.model.oracle.clone();
            let marks = oracle.marks(objects).unwrap_or_default();
            let built = self.build(system, at, client, marks);
            self.events.extend(built);
        }
        self.events.len() > known
    }

    /// Builds the commits with these marks, where that was not tried before.
    fn build(
        &mut self,
        system: &mut dyn Run,
        at: Duration,
        client: &ClientId,
        marks: &[Mark],
    ) -> Vec<Event> {
        if !self.builds || marks.is_empty() || !self.tried.insert(marks.to_vec()) {
            return Vec::new();
        }
        let builds = system.build_commits(client, marks).into_iter();
        let what = builds.map(|build| What::SiteBuilt {
            client: client.clone(),
            build: Arc::new(build),
        });
        what.map(|what| Event { at, what }).collect()
    }
}

#[cfg(test)]
mod tests;
