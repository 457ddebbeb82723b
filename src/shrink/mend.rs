//! Plans mended without a run: what the model does not allow goes, and what can change nothing.

use std::cell::RefCell;
use std::time::Duration;

use crate::generate::Draft;
use crate::plan::{ClientId, Fault, Plan, SessionId, Step};

use super::simpler::{Subject, subject, with_names};
use super::time::is_time;

/// The plan without the steps that make no sense in it or change nothing, and without sessions
/// that no step names.
pub(super) fn mended(mut plan: Plan) -> Plan {
    plan.comments.clear();
    let mut draft = Draft::new(&plan.sessions, 0);
    plan.steps.retain(|step| {
        let enabled = draft.model.enables(step);
        if enabled {
            draft.take(step);
        }
        enabled
    });
    join_waits(&mut plan.steps);
    drop_idle_end(&mut plan);
    drop_unused_sessions(&mut plan);
    plan
}

/// At the end of the plan everything is healed before any time has passed, and the system is let
/// run: a fault that begins there does nothing, and waiting without one is no different.
fn drop_idle_end(plan: &mut Plan) {
    loop {
        let mut active: Vec<&Fault> = Vec::new();
        for step in &plan.steps {
            match step {
                Step::Inject(fault) => active.push(fault),
                Step::Heal(fault) => active.retain(|other| *other != fault),
                _ => {}
            }
        }
        let is_idle = match plan.steps.last() {
            Some(Step::Inject(_) | Step::Heal(_)) => true,
            Some(step) => is_time(step) && active.is_empty(),
            None => false,
        };
        if !is_idle {
            break;
        }
        plan.steps.pop();
    }
}

/// Waits one after the other are one.
fn join_waits(steps: &mut Vec<Step>) {
    let mut joined: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps.drain(..) {
        match (joined.last_mut(), &step) {
            (Some(Step::Wait(before)), Step::Wait(more)) => {
                *before = before.saturating_add(*more).min(Duration::from_secs(3600));
            }
            _ => joined.push(step),
        }
    }
    *steps = joined;
}

fn drop_unused_sessions(plan: &mut Plan) {
    let steps = &plan.steps;
    let is_named = |session: &SessionId| {
        steps
            .iter()
            .any(|step| matches!(subject(step), Subject::Session(of) if of == session))
    };
    let client_is_named = |session: &SessionId| {
        steps
            .iter()
            .any(|step| matches!(subject(step), Subject::Client(of) if *of == session.client))
    };
    let sessions = plan.sessions.clone();
    plan.sessions.retain(|session| {
        // A plan for a client alone needs one session of it, not all.
        let has_named = || {
            sessions
                .iter()
                .any(|s| s.client == session.client && is_named(s))
        };
        let is_first = || sessions.iter().find(|s| s.client == session.client) == Some(session);
        is_named(session) || client_is_named(session) && !has_named() && is_first()
    });
    // Faults of everything need something.
    if plan.sessions.is_empty() {
        plan.sessions.extend(sessions.into_iter().take(1));
    }
}

/// The plan in the form that all plans have which differ from it in names only: what was tried
/// with one of them need not be tried with another.
pub(super) fn canonical(plan: &Plan) -> Plan {
    let mut clients: Vec<ClientId> = Vec::new();
    let mut sessions: Vec<SessionId> = Vec::new();
    let mut steps = plan.steps.clone();
    for step in &mut steps {
        // Borrowed by both, one after the other.
        let known = RefCell::new(&mut clients);
        let client = |client: &mut ClientId| {
            let mut known = known.borrow_mut();
            *client = format!("c{}", index_in(&mut known, client)).as_str().into();
        };
        let session = |session: &mut SessionId| {
            let thread = format!("t{}", index_in(&mut sessions, session));
            let mut owner = session.client.clone();
            client(&mut owner);
            *session = SessionId::new(&owner.0, &thread);
        };
        with_names(step, session, client);
    }
    let rest = plan.sessions.len().saturating_sub(sessions.len());
    Plan {
        sessions: vec![SessionId::new("c0", "t0"); rest],
        steps,
        comments: Vec::new(),
    }
}

fn index_in<T: Clone + PartialEq>(known: &mut Vec<T>, item: &T) -> usize {
    known.iter().position(|of| of == item).unwrap_or_else(|| {
        known.push(item.clone());
        known.len() - 1
    })
}

/// Whether a plan is another one, or the same with longer waits: what does not show there is not
/// looked for in less time.
pub(super) fn outlasts(plan: &Plan, other: &Plan) -> bool {
    let covers = |(a, b): (&Step, &Step)| match (a, b) {
        (Step::Wait(long), Step::Wait(short)) => long >= short,
        (a, b) => a == b,
    };
    plan.sessions.len() == other.sessions.len()
        && plan.steps.len() == other.steps.len()
        && plan.steps.iter().zip(&other.steps).all(covers)
}
