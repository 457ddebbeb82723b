//! Bugs that are most likely one: shrinking ends at many smallest plans of the same mistake, which
//! differ in when things are done, how often, to whom, or in steps that only shift the time.
//!
//! The kinds of work and disturbance in a plan are its cause. A bug whose cause is a part of
//! another's, of the same rule and kind, most likely explains that one too; both are reported as one.
//! No plan is dropped for that: the others are named beside the first.

use std::collections::BTreeSet;

use super::Finding;
use crate::plan::{Edit, Fault, Outsider, Step};

/// The bugs of one rule and kind that are reported as one; the first has the smallest cause.
pub type Family<'a> = Vec<&'a Finding>;

/// Sorts bugs of one rule and kind into families, by the first case of each.
pub fn families(bugs: &[Finding]) -> Vec<Family<'_>> {
    let mut ordered: Vec<(BTreeSet<Cause>, usize, &Finding)> = bugs
        .iter()
        .map(|bug| {
            let causes = bug.plan.steps.iter().filter_map(cause);
            (causes.collect(), bug.plan.steps.len(), bug)
        })
        .collect();
    ordered.sort_by_key(|(causes, steps, bug)| (causes.len(), *steps, bug.case()));
    let mut families: Vec<(BTreeSet<Cause>, Family<'_>)> = Vec::new();
    for (causes, _, bug) in ordered {
        let of = families
            .iter_mut()
            .find(|(smallest, _)| smallest.is_subset(&causes));
        match of {
            Some((_, family)) => family.push(bug),
            None => families.push((causes, vec![bug])),
        }
    }
    let mut families: Vec<Family<'_>> = families.into_iter().map(|(_, family)| family).collect();
    families.sort_by_key(|family| family.iter().map(|bug| bug.case()).min());
    families
}

/// A kind of work or disturbance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Cause {
    Instruct(Edit),
    PushFromOutside(Outsider),
    /// S3 takes nothing, or not all, in whatever words.
    S3Refuses,
    /// Any other fault, by its name.
    Fault(&'static str),
    Crash,
    LoseWorkspace,
    RetryPush,
    Redeliver,
}

/// What a step is a cause of; waits and heals are none.
fn cause(step: &Step) -> Option<Cause> {
    Some(match step {
        Step::Until { .. } | Step::UntilStarted { .. } | Step::Wait(_) | Step::Heal(_) => {
            return None;
        }
        Step::Instruct(_, edit) => Cause::Instruct(*edit),
        Step::PushFromOutside(_, outsider) => Cause::PushFromOutside(*outsider),
        Step::Inject(fault) => match fault {
            Fault::S3Denied(_)
            | Fault::S3Missing(_)
            | Fault::S3Down(_)
            | Fault::S3Partial { .. } => Cause::S3Refuses,
            other => Cause::Fault(other.name()),
        },
        Step::Crash(_) => Cause::Crash,
        Step::LoseWorkspace(_) => Cause::LoseWorkspace,
        Step::RetryPush(_) => Cause::RetryPush,
        Step::Redeliver(_) => Cause::Redeliver,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Origin, stale};
    use crate::plan::Plan;

    fn bug(case: u64, lines: &str) -> Finding {
        let sessions = "session acme/home\nsession acme/blog\nsession globex/home\n";
        let plan: Plan = format!("# shakedown plan v1\n{sessions}{lines}")
            .parse()
            .unwrap();
        Finding {
            origin: Origin::Case(case),
            ..stale("sim", plan, 1)
        }
    }

    #[track_caller]
    fn check(plans: &[&str], expected: &[&[u64]]) {
        let bugs: Vec<Finding> = (0..)
            .zip(plans)
            .map(|(case, plan)| bug(case, plan))
            .collect();
        let grouped: Vec<Vec<u64>> = families(&bugs)
            .iter()
            .map(|family| family.iter().filter_map(|bug| bug.case()).collect())
            .collect();
        assert_eq!(grouped, expected);
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
    fn refusals_of_s3_are_one_bug_and_lost_answers_another() {
        check(
            &[
                "inject s3-down reset\ninstruct acme/home change\n",
                "inject s3-denied\ninstruct acme/home change\ninstruct acme/blog change\n",
                "inject s3-ack-lost acme\ninstruct acme/home change\n",
                "inject s3-partial acme 1\ninject s3-ack-lost acme\ninstruct acme/home change\n",
            ],
            &[&[0, 1, 3], &[2]],
        );
    }

    #[test]
    fn another_cause_is_another_bug() {
        check(
            &[
                "instruct acme/home change\npush-from-outside acme/home clean\n",
                "instruct acme/home change\npush-from-outside acme/home conflicting\n",
                "instruct acme/home change\ncrash acme\n",
                "instruct acme/home change\nworkspace-lost acme\n",
                "instruct acme/home warn\ncrash acme\n",
                "inject git-down\ninstruct acme/home change\n",
                "inject git-auth\ninstruct acme/home change\n",
            ],
            &[&[0], &[1], &[2], &[3], &[4], &[5], &[6]],
        );
    }
}
