//! Runs of systems of which not all is seen: one that keeps the contract is not accused, and mistakes that the
//! rest shows are found.

use std::sync::Arc;

use crate::campaign;
use crate::defect::known::{self, Known};
use crate::defect::{Defect, trial};
use crate::generate::{Shape, plans};
use crate::profile::Evidence::{self, Agent, Log, Process, Queue, Record, Remote, Site, Workspace};
use crate::profile::{Profile, REFERENCE};
use crate::runner;
use crate::target::Profiled;
use crate::target::sim::Sim;
use crate::verdict::Verdict;

/// The reference profile of a system of which this is not seen.
pub(super) fn without(hidden: &[Evidence]) -> Arc<Profile> {
    let answer = |it: &Evidence| format!("{it} = {{ not = \"hidden\" }}\n");
    let answers: String = hidden.iter().map(answer).collect();
    let text = REFERENCE.replace("[sees]\n", &format!("[sees]\n{answers}"));
    Profile::parse(&text).unwrap().into()
}

/// What is not seen at once: each kind alone, and what systems of others lack together.
const HIDDEN: &[&[Evidence]] = &[
    &[Queue],
    &[Agent],
    &[Remote],
    &[Workspace],
    &[Site],
    &[Record],
    &[Log],
    &[Process],
    &[Record, Log],
    &[Remote, Workspace],
    &[Log, Site],
    &[Queue, Process],
    &[Workspace, Process],
    &[Queue, Agent],
    &[Agent, Workspace],
    &[Queue, Workspace, Process],
    &[Queue, Agent, Workspace, Record, Log, Process],
];

#[test]
fn a_system_that_keeps_the_contract_is_not_accused_for_what_is_not_seen_of_it() {
    let strategy = plans(&Shape::default());
    for (n, hidden) in HIDDEN.iter().enumerate() {
        let target = Profiled::new(Box::new(Sim::default()), without(hidden));
        for case in 0..60 {
            let (plan, seed) = campaign::case(&strategy, 0x5ee + n as u64, case).unwrap();
            let verdict = runner::run(&target, &plan, seed).verdict;
            assert_eq!(verdict, Verdict::Held, "{hidden:?} {seed:#x}\n{plan}");
        }
    }
}

/// Defects, and what none of them can be seen without: by their known plans they are found where any other kind is
/// hidden.
const FOUND_BUT_FOR: &[(&str, &[Evidence])] = &[
    ("deploys-failed-build", &[Site]),
    ("pages-first", &[Site]),
    ("force-push", &[Remote]),
    ("applies-redelivered", &[Remote]),
    ("marks-neighbour", &[Record]),
    ("one-workspace", &[Remote]),
    ("breaker-opens-early", &[Log, Site]),
    ("prevents-silently", &[Log, Record]),
    ("prevents-others-silently", &[Log, Record]),
    ("eight-agent-attempts", &[Agent]),
    ("ignores-retry-after", &[Agent]),
    ("no-wait-for-table", &[Record]),
    ("panics-on-denied", &[Process]),
    ("tells-no-put-off-push", &[Queue, Remote, Record]),
    ("stops-polling", &[Queue]),
    ("gives-up-at-second-receive", &[Queue, Remote, Record]),
    ("forgets-unpushed-in-crash", &[Remote, Workspace]),
    ("never-tries-again", &[Queue, Remote, Site]),
    ("tells-no-warning", &[Queue, Record]),
    ("refuses-after-failed-build", &[Queue, Remote]),
];

#[test]
fn what_the_rest_shows_is_still_found() {
    let mut missed = Vec::new();
    for (name, needed) in FOUND_BUT_FOR {
        let defect = Defect::by_name(name).unwrap();
        for hidden in Evidence::ALL.into_iter().filter(|it| !needed.contains(it)) {
            let target = Profiled::new(Box::new(trial::planted_sim(defect)), without(&[hidden]));
            let shows = |of: &Known| match runner::run(&target, &of.plan, of.seed).verdict {
                Verdict::Violated(violation) => violation.rule.id() == of.rule,
                _ => false,
            };
            let mut own = known::all().iter().filter(|of| of.defect == *name);
            if !own.any(shows) {
                missed.push(format!("{name} without {hidden}"));
            }
        }
    }
    assert_eq!(missed, [""; 0]);
}
