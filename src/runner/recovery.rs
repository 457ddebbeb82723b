//! Recovery: heal everything, let the system come to rest, and send it work once more.

use std::time::Duration;

use super::{Live, Stop};
use crate::history::{Snapshot, What};
use crate::invariant::is_asked;
use crate::plan::Mark;
use crate::plan::{Edit, Plan, Step};
use crate::target::Run;
use crate::verdict::Rule;

/// A system that is right after this time without an event, and has nothing put off, has recovered.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// A system in which nothing happened for so long does nothing more: longer than the longest wait
/// before put-off work is tried again, and than a probe's permit.
const AT_REST: Duration = Duration::from_secs(300);
/// How long an attempt of what was put off may take.
const ATTEMPT: Duration = Duration::from_secs(15);

/// Heals everything, looks until the system is right or its time is over, and then sends each session
/// work, which has the same time to be done.
pub(super) fn recover(
    system: &mut dyn Run,
    plan: &Plan,
    live: &mut Live<'_>,
    settled: &mut Option<Snapshot>,
) -> Result<(), Stop> {
    live.begin(system, What::Healed)?;
    let active = &live.judge.model.faults;
    let faults: Vec<_> = active.iter().map(|(fault, _)| fault.clone()).collect();
    for fault in faults {
        live.step(system, None, &Step::Heal(fault), None, false)?;
    }
    come_to_rest(system, live, settled)?;
    if !is_asked(Rule::Usable, &live.judge.model.profile, settled.as_ref()) {
        return Ok(());
    }
    for (step, mark) in work(live, plan) {
        live.step(system, None, &step, Some(mark), false)?;
    }
    come_to_rest(system, live, settled)
}

/// A plain change for each session, and before it a repair where its branch does not build.
fn work(live: &Live<'_>, plan: &Plan) -> Vec<(Step, Mark)> {
    let model = &live.judge.model;
    let steps = model.sessions.iter().enumerate().flat_map(|(at, session)| {
        let is_broken = model.build_of(&session.remote.tree).fails || model.may_be_broken(at);
        let repair = is_broken.then_some(Edit::Repair);
        let edits = repair.into_iter().chain([Edit::Change]);
        edits.map(|edit| Step::Instruct(session.id.clone(), edit))
    });
    let made = plan.marks().into_iter().flatten();
    let edits = made.filter(|mark| matches!(mark, Mark::Edit(_))).count();
    let marks = (edits as u32 + 1..).map(Mark::Edit);
    steps.zip(marks).collect()
}

/// Looks until the system is right and has done what it had put off, or its time is over.
fn come_to_rest(
    system: &mut dyn Run,
    live: &mut Live<'_>,
    settled: &mut Option<Snapshot>,
) -> Result<(), Stop> {
    let limits = live.judge.model.profile.limits;
    let mut deadline = system.now() + limits.recovery;
    let mut ended = live.judge.model.ended_instructions();
    let mut quiet = FIRST_LOOK;
    loop {
        let left = deadline.saturating_sub(system.now());
        let is_at_rest = system.rest(quiet, left, &mut live.events)?;
        let seen = system.snapshot()?.as_seen_by(&live.judge.model.profile);
        let seen = settled.insert(seen);
        live.judge_new(system)?;
        // The bound is for what is left once the queue is worked off, however long it was.
        let by_now = live.judge.model.ended_instructions();
        if system.now() >= deadline && by_now > ended {
            (deadline, ended) = (system.now() + limits.recovery, by_now);
        }
        let is_final = system.now() >= deadline || (is_at_rest && quiet >= AT_REST);
        let mut violation = live.judge.recovered(seen);
        // Building takes time, so it is done for a last word only.
        if (is_final || violation.is_none()) && live.build_shown(system, seen) {
            live.judge_new(system)?;
            violation = live.judge.recovered(seen);
        }
        // What was put off is tried again by then, and may do harm.
        let put_off = live.judge.model.put_off;
        let due = put_off.map_or(Duration::ZERO, |at| at + limits.put_off + ATTEMPT);
        let not_due = due.saturating_sub(system.now());
        match violation {
            None if not_due.is_zero() || is_final => return Ok(()),
            None => quiet = not_due.clamp(FIRST_LOOK, AT_REST),
            Some(violation) if is_final => return Err(Stop::Violated(violation.into())),
            Some(_) => quiet = (quiet * 3).min(AT_REST),
        }
    }
}
