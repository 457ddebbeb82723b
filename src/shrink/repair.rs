//! Plans repaired without a run: steps are removed that the model does not allow or that change nothing.

use std::time::Duration;

use crate::generate::Draft;
use crate::plan::{ClientId, Fault, NameMut, Plan, SessionId, Step, Subject};

use super::time::is_time;

/// The plan without the steps that make no sense in it or change nothing, and without sessions
/// that no step names.
pub(super) fn repaired(mut plan: Plan) -> Plan {
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
            .any(|step| matches!(step.subject(), Subject::Session(of) if of == session))
    };
    let client_is_named = |session: &SessionId| {
        steps
            .iter()
            .any(|step| matches!(step.subject(), Subject::Client(of) if *of == session.client))
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
pub(crate) fn canonical(plan: &Plan) -> Plan {
    let mut clients: Vec<ClientId> = Vec::new();
    let mut sessions: Vec<SessionId> = Vec::new();
    let mut steps = plan.steps.clone();
    let plain = |client: &ClientId, known: &mut Vec<ClientId>| {
        ClientId::from(&*format!("c{}", index_in(known, client)))
    };
    for step in &mut steps {
        match step.name_mut() {
            Some(NameMut::Client(client)) => *client = plain(client, &mut clients),
            Some(NameMut::Session(session)) => {
                let thread = format!("t{}", index_in(&mut sessions, session));
                let client = plain(&session.client, &mut clients);
                *session = SessionId::new(&client.0, &thread);
            }
            None => {}
        }
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
/// looked for in less time. A wait that steps come after may be too long for them, so it counts
/// only where it is nearly the same.
pub(super) fn outlasts(plan: &Plan, other: &Plan) -> bool {
    let last = plan.steps.len().saturating_sub(1);
    let covers = |(at, (a, b)): (usize, (&Step, &Step))| match (a, b) {
        (Step::Wait(long), Step::Wait(short)) => {
            long >= short && (at == last || *long < *short * 2)
        }
        (a, b) => a == b,
    };
    let pairs = plan.steps.iter().zip(&other.steps);
    plan.sessions.len() == other.sessions.len()
        && plan.steps.len() == other.steps.len()
        && pairs.enumerate().all(covers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(steps: &str) -> Plan {
        let text = format!(
            "# shakedown plan v1\nsession acme/home\nsession acme/blog\nsession globex/home\n{steps}"
        );
        text.parse().unwrap()
    }

    /// Repairs the first plan; the second is what stays.
    fn check_mended(steps: &str, expected: &str) {
        let repaired = repaired(plan(steps)).steps;
        assert_eq!(repaired, plan(expected).steps, "{steps}");
    }

    #[test]
    fn what_makes_no_sense_or_changes_nothing_goes() {
        // Nothing was injected, nothing crashed, nothing was sent.
        check_mended(
            "heal git-auth\nuntil acme started\nredeliver acme/home\ncrash acme\n",
            "crash acme\n",
        );
        check_mended(
            "instruct acme/home change\nwait 5s\n",
            "instruct acme/home change\n",
        );
        check_mended(
            "instruct acme/home change\nwait 5s\ninject git-auth\n",
            "instruct acme/home change\n",
        );
        check_mended(
            "inject git-auth\nwait 5s\nwait 10s\nheal git-auth\nwait 1s\ncrash acme\n",
            "inject git-auth\nwait 15s\nheal git-auth\nwait 1s\ncrash acme\n",
        );
        // While a fault lasts, waiting counts.
        check_mended("inject git-auth\nwait 5s\n", "inject git-auth\nwait 5s\n");
    }

    #[test]
    fn a_mended_plan_declares_what_it_names() {
        let sessions = |steps| {
            let sessions = repaired(plan(steps)).sessions;
            sessions.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(sessions("instruct acme/blog change\n"), ["acme/blog"]);
        assert_eq!(sessions("crash acme\n"), ["acme/home"]);
        assert_eq!(
            sessions("instruct globex/home change\ncrash acme\n"),
            ["acme/home", "globex/home"]
        );
    }

    #[test]
    fn plans_that_differ_in_names_are_one() {
        let one = canonical(&repaired(plan("instruct acme/blog change\ncrash acme\n")));
        let other = canonical(&repaired(plan(
            "instruct globex/home change\ncrash globex\n",
        )));
        assert_eq!(one, other);
        let two = canonical(&repaired(plan("instruct acme/blog change\ncrash globex\n")));
        assert_ne!(one, two);
    }

    #[test]
    fn a_longer_wait_covers_a_shorter_one_at_the_end() {
        let waiting = |first, last| {
            plan(&format!(
                "inject git-auth\nwait {first}s\ninstruct acme/home change\nwait {last}s\n"
            ))
        };
        assert!(outlasts(&waiting(10, 600), &waiting(10, 5)));
        assert!(outlasts(&waiting(11, 600), &waiting(10, 600)));
        assert!(!outlasts(&waiting(600, 5), &waiting(300, 5)));
        assert!(!outlasts(&waiting(10, 5), &waiting(10, 600)));
    }
}
