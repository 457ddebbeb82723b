//! How violations are explained: when they were seen, and the events that they depend on.

use crate::defect::{Defect, known, trial};
use crate::explain::{Explanation, explain};
use crate::history::{History, What};
use crate::runner;
use crate::site::SiteKind;
use crate::verdict::{Verdict, Violation};

/// Runs a known plan with its defect, and explains what is violated.
fn explained(of: &known::Known) -> (Violation, History, Explanation) {
    let defect = Defect::by_name(&of.defect).expect("the defect is in the list");
    let outcome = runner::run(&trial::planted_sim(defect), &of.plan, of.seed);
    let Verdict::Violated(violation) = outcome.verdict else {
        panic!("{}: {:?}\n{}", of.defect, outcome.verdict, of.plan);
    };
    let history = outcome.history;
    let explanation = explain(&of.plan, SiteKind::Shell, &history, &violation);
    (violation, history, explanation)
}

/// The first known plan that shows a defect in this way.
fn known_plan(defect: &str, rule: &str, kind: &str) -> &'static known::Known {
    let shows = |of: &&known::Known| of.defect == defect && of.rule == rule && of.kind == kind;
    let found = known::all().iter().find(shows);
    found.unwrap_or_else(|| panic!("no plan is known for {defect}: {rule} ({kind})"))
}

#[test]
fn what_is_decisive_stands_in_the_step_that_it_came_in() {
    for of in known::all() {
        let (violation, history, explanation) = explained(of);
        let last = history.events.len() - 1;
        let recovers = history.events.iter().any(|e| e.what == What::Healed);
        let of_plan = format!("{}: {violation:?}\n{}", of.defect, of.plan);
        assert_eq!(violation.step.is_none(), recovers, "{of_plan}");
        if violation.after_recovery {
            assert!(violation.about.is_some() && recovers, "{of_plan}");
            assert!(explanation.because.is_some(), "{of_plan}");
        } else {
            assert!(explanation.decisive.contains(&last), "{of_plan}");
        }
        assert!(!explanation.decisive.is_empty(), "{of_plan}");
        for index in explanation.decisive {
            let mut steps = explanation.steps.iter().rev();
            let step = steps.find(|step| step.begun <= index).unwrap();
            assert!(step.events.contains(&index), "{of_plan}");
            assert!(step.events.is_sorted(), "{of_plan}");
        }
    }
}

#[test]
fn an_explanation_ends_with_what_the_violation_hangs_on() {
    let check = |(defect, rule, kind): (&str, &str, &str), place: &str, parts: &[&str]| {
        let (violation, _, explanation) = explained(known_plan(defect, rule, kind));
        assert_eq!(violation.place(), place, "{violation:?}");
        let begin = format!("Seen {place}. Expected: ");
        let summary = explanation.summary;
        assert!(summary.starts_with(&begin), "{summary}");
        for part in parts {
            assert!(summary.contains(part), "{part:?} is not in: {summary}");
        }
        let because = explanation.because.unwrap_or_default();
        assert_eq!(because.is_empty(), parts.is_empty(), "{because}");
    };
    // An event violates, though all had been healed before.
    check(
        ("deploys-failed-build", "no-broken-deploy", "broken"),
        "while it recovered",
        &[],
    );
    // What was last written is what lacks the error; the last event is another one.
    check(
        ("tells-no-dead-letter", "settled", "error-missing"),
        "after recovery",
        &[
            "The record of acme/home last changed at ",
            " s (acme/home: record: running).",
        ],
    );
    check(
        ("hangs-after-agent-error", "nothing-lost", "pending"),
        "after recovery",
        &[
            "(acme: agent asked for edit-1: 429, retry after ",
            "log Backing off 1000000000.0 seconds). Nothing happened for acme in recovery.",
        ],
    );
    check(
        ("never-deletes", "fresh", "mixed"),
        "after recovery",
        &[
            "The site acme last changed at ",
            " s (acme: S3 put index.html",
        ],
    );
    check(
        ("never-cleans", "pushed", "debris"),
        "after recovery",
        &[
            "The workspace of acme/home last changed at ",
            " s (acme: container died: out of memory).",
        ],
    );
    check(
        ("never-tries-again", "fresh", "empty"),
        "after recovery",
        &["No event ever changed the site ", ". The last of "],
    );
    // A rule that mostly holds always, where it only shows at rest.
    check(
        ("no-error-lines", "errors-told", "not-logged"),
        "after recovery",
        &[
            "The last of the log of acme came at ",
            " s (acme/home: log [done] Finished edit-1",
        ],
    );
}
