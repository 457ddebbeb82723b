//! Reports of small runs, read as a person would.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::campaign::{CampaignEnd, Summary, Totals, Unjudged};
use crate::coverage::{AskedCount, ByPhase, Coverage, RuledOut};
use crate::finding::Origin;
use crate::history::{Branch, Commit, Event, GitOutcome, History, What};
use crate::plan::{Edit, Mark, Phase, Plan, SessionId, Step};
use crate::verdict::{NotAsked, Rule, Violation};

const PLAIN: Style = Style::PLAIN;

fn plan() -> Plan {
    "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\ncrash acme\nwait 30s\n"
        .parse()
        .unwrap()
}

/// Twenty rejected pushes, and the session's record.
fn history() -> History {
    let session = SessionId::new("acme", "home");
    let branch = Arc::new(Branch {
        commits: vec![Commit {
            subject: "Change the headline (edit-1)".into(),
            adds: vec![Mark::Edit(1)],
            merge: false,
            content: None,
        }],
        tree: vec![Mark::Edit(1)],
    });
    let mut events = vec![Event {
        at: Duration::ZERO,
        what: What::StepBegan {
            index: Some(0),
            step: Step::Instruct(session.clone(), Edit::Change),
            mark: Some(Mark::Edit(1)),
        },
    }];
    events.extend((1..=20).map(|second| Event {
        at: Duration::from_secs(second),
        what: What::Pushed {
            client: session.client.clone(),
            session: Some(session.clone()),
            outcome: GitOutcome::Rejected,
            branch: Some(branch.clone()),
        },
    }));
    events.push(Event {
        at: Duration::from_secs(21),
        what: What::RecordWritten {
            session,
            record: Arc::new(crate::history::Record {
                status: "running".into(),
                last_error: Some("a long story; ".repeat(20)),
                warnings: vec![],
            }),
        },
    });
    History {
        events,
        ..History::default()
    }
}

fn report(step: Option<usize>, after_recovery: bool, style: Style) -> String {
    let violation = Violation {
        rule: Rule::CommitsPreserved,
        kind: "lost".into(),
        step,
        after_recovery,
        about: None,
        at: Duration::from_secs(20),
        expected: "edit-1 on the branch thread-home ".repeat(6),
        observed: "no commit".into(),
    };
    let mut found = Finding {
        origin: Origin::Case(3),
        first_steps: 9,
        shrink_runs: 12,
        others: vec![violation.clone(), violation.clone()],
        more: 4,
        more_files: ["a.plan", "b.plan", "c.plan"].map(PathBuf::from).into(),
        ..Finding::new("sim", Origin::Given, plan(), 7, violation, history())
    };
    found.file = "x.plan".into();
    super::violation(&found, "shakedown replay x.plan --target sim", style)
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn a_violation_is_reported_whole() {
    let text = report(Some(1), false, PLAIN);
    assert!(
        text.starts_with("VIOLATED commits-preserved (lost) on sim, at step 2, 20.000 s"),
        "{text}"
    );
    for part in [
        "No force-push drops one.",
        "Plan\n  found with 9 steps, 3 after 12 runs of shrinking; kept in x.plan\n",
        "       session acme/home\n     1  instruct acme/home change\n>    2  crash acme\n     3  wait 30s\n",
        "Observed\n  no commit\n",
        "20.000 s  acme/home    git push: rejected; remote has edit-1\n",
        "4 more plans failed in the same way: a.plan, b.plan, c.plan, and so on.",
        "may be bugs of their own:\ncommits-preserved (lost).",
        "Replay it\n  shakedown replay x.plan --target sim\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert_eq!(text.matches("git push").count(), LAST_EVENTS - 1);
    assert!(text.contains("record: running, lastError"), "{text}");
    assert!(widest(&text) <= PLAIN.width, "{text}");
}

#[test]
fn a_violation_is_marked_at_recovery_and_said_to_be_in_it_or_after_it() {
    for (after, place) in [(true, "after recovery"), (false, "while it recovered")] {
        let text = report(None, after, PLAIN);
        assert!(text.contains(&format!("{place}, 20.000 s")), "{text}");
        assert!(
            text.contains(">       (all faults healed, then recovery)\n"),
            "{text}"
        );
    }
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    assert!(!report(None, true, PLAIN).contains('\x1b'));
    assert!(
        report(
            None,
            true,
            Style {
                coloured: true,
                ..PLAIN
            }
        )
        .contains("\x1b[1;31mVIOLATED\x1b[0m")
    );
}

#[test]
fn a_summary_shows_what_was_run_and_what_was_not_reached() {
    let mut of = Summary {
        target: "sim",
        seed: 0x1f3c,
        asked: Some(256),
        totals: Totals {
            cases: 12_343,
            replayed: 2,
            held: 12_345,
            coverage: Coverage::of(&plan(), &history()),
            left_out: [("no memory limit can be set here".to_owned(), 3)].into(),
            ..Totals::default()
        },
        kept_left_out: 4,
        known: std::collections::BTreeMap::new(),
        found: vec![],
        samples: crate::campaign::Samples::default(),
        took: Duration::from_millis(2500),
        end: CampaignEnd::Completed,
    };
    let text = summary(&of, PLAIN);
    for part in [
        "sim all held: 12,345 plans held, 0 violated, 0 unknown (2 kept, 12,343 new);\n  seed 0x1f3c, 2.5 s\n",
        "1 plan, 1 step, 0 steps a second",
        "20 git pushes",
        "sometimes: 0 of 27 reached",
        "not reached: breaker opened, probe failed",
        "left out 3 steps: no memory limit can be set here",
        "left out 4 kept plans, for which there was no time; all of them: ",
        " run --target sim",
    ] {
        assert!(
            text.contains(part.trim_end()),
            "{part:?} is not in:\n{text}"
        );
    }
    assert!(widest(&text) <= PLAIN.width, "{text}");
    of.totals.leave_unjudged(Unjudged {
        case: Some(3),
        why: "while starting: git is missing; install it".into(),
        file: PathBuf::from("shakedown-out/a.plan"),
    });
    let text = summary(&of, PLAIN);
    assert!(text.contains("sim not all could be judged:"), "{text}");
    assert!(
        text.contains("unknown: while starting: git is missing; install it"),
        "{text}"
    );
    of.totals.violated = 2;
    of.found.push(Finding {
        more: 1,
        ..crate::finding::stale("sim", plan(), 1)
    });
    assert!(
        summary(&of, PLAIN).contains(
            "sim violated: 12,345 plans held, 2 violated, 1 unknown (2 kept, 12,343 new);"
        )
    );
}

#[test]
fn a_summary_shows_which_faults_came_in_which_phases_and_what_rules_were_asked() {
    let mut coverage = Coverage::default();
    let by = |phases: [u64; 8], idle| ByPhase { phases, idle };
    coverage.events = 1;
    coverage.disturbed = [
        ("crash", by([1; 8], 1)),
        ("s3-denied", by([0, 3, 0, 0, 0, 0, 1, 0], 2)),
    ]
    .into();
    let asked = AskedCount {
        plans: 4,
        times: 1234,
    };
    coverage.asked.insert(Rule::Fresh, asked);
    let why = "its instructions come by no queue";
    let hidden = "no words of the log show it";
    let of = Totals {
        coverage,
        ruled_out: RuledOut {
            disturbances: [("redeliver", why), ("queue-down", why)]
                .map(|(name, why)| (name.into(), why.into()))
                .into(),
            phases: [(Phase::Editing, hidden.into())].into(),
        },
        not_asked: [NotAsked {
            rule: Rule::Breaker,
            whole: true,
            why: "the system does not promise it: it has none".into(),
        }]
        .into(),
        ..Totals::default()
    };
    let mut text = String::new();
    let took = Duration::from_secs(1);
    summary::totals(&mut text, &of, took, CampaignEnd::Completed, PLAIN);
    for part in [
        "rule asked           plans      times\n  fresh                    4      1,234\n",
        "could not have been broken: no-broken-deploy (no objects",
        "in every phase: crash",
        "s3-denied           .t...d.i\n",
        "ruled out: queue-down, redeliver: its instructions come by no queue",
        "ruled out: the phase editing: no words of the log show it",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(
        !text.contains("broken: breaker") && !text.contains("breaker (no"),
        "{text}"
    );
    assert!(widest(&text) <= PLAIN.width, "{text}");
}
