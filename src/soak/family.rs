//! Bugs that are most likely one: shrinking ends at several smallest plans of the same mistake,
//! which differ in when things are done, or in steps that only shift the time.
//!
//! What a plan does, its waits and heals aside, is its cause. A bug whose cause is in the cause of
//! another of the same rule and kind, in this order and up to names, explains that one too; both
//! are told as one. No plan is dropped for that: the others are named beside the first.

use std::collections::BTreeMap;

use super::bug::Bug;
use crate::plan::{ClientId, Fault, Plan, SessionId, Step};

/// The bugs of one rule and kind that are told as one; the first has the smallest cause.
pub type Family<'a> = Vec<&'a Bug>;

/// Sorts bugs of one rule and kind into families, by the first case of each.
pub fn families(bugs: &[Bug]) -> Vec<Family<'_>> {
    let mut ordered: Vec<(&Bug, Vec<Step>, usize)> = bugs
        .iter()
        .map(|bug| {
            let plan = bug.plan.parse::<Plan>().unwrap_or_default();
            let steps = plan.steps.len();
            (bug, cause(plan), steps)
        })
        .collect();
    ordered.sort_by_key(|(bug, cause, steps)| (cause.len(), *steps, bug.case));
    let mut families: Vec<(Vec<Step>, Family<'_>)> = Vec::new();
    for (bug, cause, _) in ordered {
        let of = families
            .iter_mut()
            .find(|(smallest, _)| is_in(smallest, &cause, &Names::default()));
        match of {
            Some((_, family)) => family.push(bug),
            None => families.push((cause, vec![bug])),
        }
    }
    let mut families: Vec<Family<'_>> = families.into_iter().map(|(_, family)| family).collect();
    families.sort_by_key(|family| family.iter().map(|bug| bug.case).min());
    families
}

/// The steps that disturb or ask for work.
fn cause(plan: Plan) -> Vec<Step> {
    let is_waiting = |step: &Step| {
        matches!(
            step,
            Step::Until { .. } | Step::UntilStarted { .. } | Step::Wait(_) | Step::Heal(_)
        )
    };
    let steps = plan.steps.into_iter();
    steps.filter(|step| !is_waiting(step)).collect()
}

/// Which names of one plan stand for which of the other.
#[derive(Clone, Default)]
struct Names {
    clients: BTreeMap<ClientId, ClientId>,
    sessions: BTreeMap<SessionId, SessionId>,
}

impl Names {
    fn client(&mut self, of: &ClientId, in_other: &ClientId) -> bool {
        pair(&mut self.clients, of, in_other)
    }

    fn session(&mut self, of: &SessionId, in_other: &SessionId) -> bool {
        self.client(&of.client, &in_other.client) && pair(&mut self.sessions, of, in_other)
    }
}

/// Takes two names for each other, unless one of them stands for a third.
fn pair<K: Clone + Ord>(names: &mut BTreeMap<K, K>, of: &K, in_other: &K) -> bool {
    match names.get(of) {
        Some(known) => known == in_other,
        None if names.values().any(|known| known == in_other) => false,
        None => {
            names.insert(of.clone(), in_other.clone());
            true
        }
    }
}

/// Whether the steps are among the others in the same order, under some choice of names.
fn is_in(steps: &[Step], others: &[Step], names: &Names) -> bool {
    let Some((first, rest)) = steps.split_first() else {
        return true;
    };
    (0..others.len()).any(|at| {
        let mut names = names.clone();
        is_alike(first, &others[at], &mut names) && is_in(rest, &others[at + 1..], &names)
    })
}

/// Whether two steps do the same to what the names make the same.
fn is_alike(one: &Step, two: &Step, names: &mut Names) -> bool {
    match (one, two) {
        (Step::Instruct(a, edit), Step::Instruct(b, other)) => edit == other && names.session(a, b),
        (Step::PushFromOutside(a, outsider), Step::PushFromOutside(b, other)) => {
            outsider == other && names.session(a, b)
        }
        (Step::RetryPush(a), Step::RetryPush(b)) | (Step::Redeliver(a), Step::Redeliver(b)) => {
            names.session(a, b)
        }
        (Step::Crash(a), Step::Crash(b)) | (Step::LoseWorkspace(a), Step::LoseWorkspace(b)) => {
            names.client(a, b)
        }
        (Step::Inject(a), Step::Inject(b)) => is_same_fault(a, b, names),
        _ => false,
    }
}

/// Whether two faults are of one kind; how an outage shows or a refusal is worded is no cause.
fn is_same_fault(one: &Fault, two: &Fault, names: &mut Names) -> bool {
    if one.name() != two.name() {
        return false;
    }
    match (one, two) {
        (
            Fault::BuildError(a) | Fault::BuildWarning(a),
            Fault::BuildError(b) | Fault::BuildWarning(b),
        ) => names.session(a, b),
        _ => match (one.client(), two.client()) {
            (Some(a), Some(b)) => names.client(a, b),
            (None, None) => true,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Rule, Violation};
    use std::time::Duration;

    fn bug(case: u64, lines: &str) -> Bug {
        let sessions = "session acme/home\nsession acme/blog\nsession globex/home\n";
        let plan: Plan = format!("# shakedown plan v1\n{sessions}{lines}")
            .parse()
            .unwrap();
        let violation = Violation {
            rule: Rule::CommitsPreserved,
            kind: "remote".into(),
            step: None,
            at: Duration::ZERO,
            expected: String::new(),
            observed: String::new(),
        };
        Bug::new(case, &plan, 1, violation)
    }

    #[track_caller]
    fn check(plans: &[&str], expected: &[&[u64]]) {
        let bugs: Vec<Bug> = (0..)
            .zip(plans)
            .map(|(case, plan)| bug(case, plan))
            .collect();
        let told: Vec<Vec<u64>> = families(&bugs)
            .iter()
            .map(|family| family.iter().map(|bug| bug.case).collect())
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn plans_that_differ_in_time_or_in_more_of_the_same_are_one_bug() {
        check(
            &[
                "instruct acme/home change\ncrash globex\nuntil globex started\n\
                 push-from-outside acme/home clean\ninstruct acme/home change\n",
                "instruct globex/home change\nuntil globex/home editing\n\
                 push-from-outside globex/home clean\n",
                "instruct acme/blog change\nwait 1s\npush-from-outside acme/blog clean\n",
            ],
            &[&[1, 2, 0]],
        );
    }

    #[test]
    fn another_cause_or_order_or_session_is_another_bug() {
        check(
            &[
                "instruct acme/home change\npush-from-outside acme/home clean\n",
                "instruct acme/home change\npush-from-outside acme/home conflicting\n",
                "push-from-outside acme/home clean\ninstruct acme/home change\n",
                "instruct acme/home change\npush-from-outside acme/blog clean\n",
                "inject s3-down reset\ninstruct acme/home change\n",
                "inject s3-down timeout\ninstruct acme/home change\n",
                "inject s3-denied\ninstruct acme/home change\n",
                "inject s3-denied acme\ninstruct acme/home change\n",
            ],
            &[&[0], &[1], &[2], &[3], &[4, 5], &[6], &[7]],
        );
    }
}
