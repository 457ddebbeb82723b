//! Simpler variants of a plan: fewer sessions, simpler arguments.

use std::time::Duration;

use crate::plan::{ClientId, Edit, NameMut, Outsider, Phase, Plan, SessionId, Step, Subject};

/// The plan with one session's steps left out, or made another session's.
pub(super) fn with_fewer_sessions(plan: &Plan) -> Vec<Plan> {
    let mut found = Vec::new();
    for gone in plan.sessions.iter().rev() {
        let mut without = plan.clone();
        without
            .steps
            .retain(|step| !matches!(step.subject(), Subject::Session(of) if of == gone));
        found.push(without);
        for kept in plan.sessions.iter().take_while(|kept| *kept != gone) {
            let mut merged = plan.clone();
            let is_last = |client: &ClientId| {
                plan.sessions.iter().filter(|s| s.client == *client).count() == 1
            };
            for step in &mut merged.steps {
                rename(step, gone, kept, is_last(&gone.client));
            }
            found.push(merged);
        }
    }
    found
}

/// Makes a step of one session another's; with `whole_client`, its client's steps too.
fn rename(step: &mut Step, from: &SessionId, to: &SessionId, whole_client: bool) {
    match step.name_mut() {
        Some(NameMut::Session(session)) if session == from => *session = to.clone(),
        Some(NameMut::Client(client)) if whole_client && *client == from.client => {
            *client = to.client.clone();
        }
        _ => {}
    }
}

/// The plan with a simpler variant of one step, simplest first. A fault changes with its heal.
/// `needed` is how long the step lasted until the violation was seen in it, if it was.
pub(super) fn with_simpler_step(plan: &Plan, at: usize, needed: Option<Duration>) -> Vec<Plan> {
    let replaced = |step: Step| {
        let mut simpler = plan.clone();
        simpler.steps[at] = step;
        simpler
    };
    match &plan.steps[at] {
        Step::Instruct(session, edit) => Edit::ALL
            .into_iter()
            .take_while(|simpler| simpler != edit)
            .map(|simpler| replaced(Step::Instruct(session.clone(), simpler)))
            .collect(),
        Step::Until {
            session,
            phase,
            requests,
        } => {
            let until = |phase: Phase, requests: u32| {
                replaced(Step::Until {
                    session: session.clone(),
                    phase,
                    requests,
                })
            };
            // A later phase without requests says more than an earlier one with many.
            let later = Phase::ALL
                .into_iter()
                .filter(|later| later > phase && *requests > 0)
                .map(|later| until(later, 0));
            fewer(*requests)
                .into_iter()
                .map(|fewer| until(*phase, fewer))
                .chain(later)
                .collect()
        }
        Step::UntilStarted { client, requests } => fewer(*requests)
            .into_iter()
            .map(|requests| {
                replaced(Step::UntilStarted {
                    client: client.clone(),
                    requests,
                })
            })
            .collect(),
        Step::Wait(time) => shorter_waits(*time, needed)
            .into_iter()
            .map(|shorter| replaced(Step::Wait(shorter)))
            .collect(),
        Step::PushFromOutside(session, Outsider::Conflicting) => {
            vec![replaced(Step::PushFromOutside(
                session.clone(),
                Outsider::Clean,
            ))]
        }
        Step::LoseWorkspace(client) => vec![replaced(Step::Crash(client.clone()))],
        Step::Inject(fault) => fault
            .simpler()
            .into_iter()
            .map(|simpler| {
                let mut plan = plan.clone();
                for step in &mut plan.steps[at..] {
                    match step {
                        Step::Inject(of) | Step::Heal(of) if of == fault => *of = simpler.clone(),
                        _ => {}
                    }
                }
                plan
            })
            .collect(),
        Step::PushFromOutside(_, Outsider::Clean)
        | Step::Heal(_)
        | Step::Crash(_)
        | Step::RetryPush(_)
        | Step::Redeliver(_) => Vec::new(),
    }
}

/// Shorter waits. What was needed shows how long is enough, and then the next shorter one may do;
/// else they come from the middle upwards, so that the least that is enough is found by halving.
fn shorter_waits(time: Duration, needed: Option<Duration>) -> Vec<Duration> {
    const USUAL: [u64; 6] = [1, 5, 15, 40, 130, 300];
    let usual = USUAL.into_iter().map(Duration::from_secs);
    let below: Vec<Duration> = usual.filter(|shorter| *shorter < time).collect();
    if let Some(needed) = needed {
        let enough = below
            .iter()
            .position(|wait| *wait >= needed)
            .unwrap_or(below.len());
        let near = enough.saturating_sub(1)..(enough + 1).min(below.len());
        return below[near].iter().rev().copied().collect();
    }
    let mut found = Vec::new();
    let mut rest = below.as_slice();
    while !rest.is_empty() {
        let middle = rest.len() / 2;
        found.push(rest[middle]);
        rest = &rest[middle + 1..];
    }
    found
}

fn fewer(requests: u32) -> Vec<u32> {
    let mut fewer = vec![0, requests / 2, requests.saturating_sub(1)];
    fewer.retain(|n| *n < requests);
    fewer.dedup();
    fewer
}
