//! What the pages' data say of hand-written runs, and that text stays text.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::coverage::{Coverage, RuledOut};
use crate::history::{Branch, Claim, Commit, Event, History, Level, Record, What};
use crate::judge::judge;
use crate::plan::{Mark, Plan, SessionId};
use crate::runner;
use crate::site::SiteKind;
use crate::target::sim::Sim;
use crate::verdict::{Rule, Verdict, Violation};

const PLAN: &str = "# shakedown plan v1\nsession acme/home\nsession globex/home\n\
    instruct acme/home change\ninject s3-denied acme\ncrash acme\nwait 30s\nheal s3-denied acme\n";

fn page_of(plan: &Plan, verdict: &Verdict, history: &History) -> String {
    run(&Run {
        target: "sim",
        site: SiteKind::Shell,
        plan,
        seed: 7,
        verdict,
        history,
        settled: None,
        left_out: &[(4, "it cannot".into())],
        origin: "from a test",
        replay: "shakedown replay x.plan",
        finding: None,
    })
}

/// The data that a page carries.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

/// A run of the simulated system.
fn ran(plan: &str) -> Value {
    let plan: Plan = plan.parse().unwrap();
    let outcome = runner::run(&Sim::default(), &plan, 7);
    data(&page_of(&plan, &outcome.verdict, &outcome.history))
}

fn lane(data: &Value, label: &str) -> u64 {
    let lanes = data["lanes"].as_array().unwrap();
    let at = lanes.iter().position(|lane| lane["label"] == label);
    at.unwrap_or_else(|| panic!("no lane {label}")) as u64
}

/// The bars of a kind.
fn bars<'a>(data: &'a Value, kind: &str) -> Vec<&'a Value> {
    let bars = data["bars"].as_array().unwrap();
    bars.iter().filter(|bar| bar["kind"] == kind).collect()
}

#[test]
fn lanes_bars_and_looks_follow_the_run() {
    let data = ran(PLAN);
    assert_eq!(data["verdict"], "held");
    let labels: Vec<&str> = data["lanes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lane| lane["label"].as_str().unwrap())
        .collect();
    assert_eq!(
        labels,
        [
            "plan",
            "faults",
            "S3 breaker",
            "acme container",
            "acme site",
            "acme/home",
            "acme/home branch",
            "globex container",
            "globex site",
            "globex/home",
            "globex/home branch"
        ]
    );
    let [fault] = bars(&data, "fault")[..] else {
        panic!("not one fault")
    };
    assert_eq!(fault["label"], "s3-denied acme");
    let began = |step: usize| data["steps"][step]["event"].clone();
    assert_eq!((&fault["from"], &fault["to"]), (&began(1), &began(4)));
    let [down] = bars(&data, "down")[..] else {
        panic!("not one death")
    };
    assert_eq!(down["lane"], lane(&data, "acme container"));
    // The crash came before the delivery, so there is one handling, which ends well, and one for each
    // session after recovery.
    let handlings = bars(&data, "handling");
    let ends: Vec<(&str, &str)> = handlings
        .iter()
        .map(|bar| {
            (
                bar["label"].as_str().unwrap(),
                bar["tone"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        ends,
        [("edit-1", "good"), ("edit-2", "good"), ("edit-3", "good")]
    );
    assert!(!bars(&data, "sync").is_empty());
    assert!(
        bars(&data, "breaker")
            .iter()
            .any(|bar| bar["label"] == "closed")
    );
    // A look for each step, and one after recovery, where everything is as expected.
    let looks = data["looks"].as_array().unwrap();
    assert_eq!(looks.len(), 6);
    let last = looks.last().unwrap();
    assert_eq!(last["after"], Value::Null);
    let rows = last["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["agrees"] == "agrees"), "{last:#}");
    for about in [
        "S3 breaker",
        "queue",
        "container acme",
        "site acme",
        "branch of acme/home",
        "work of acme/home",
        "record of acme/home",
        "rule fresh",
    ] {
        assert!(rows.iter().any(|row| row["about"] == about), "{about}");
    }
    // In the middle, what was asked for is still to come.
    let middle = &looks[2];
    assert_eq!(middle["faults"], serde_json::json!(["s3-denied acme"]));
    let queue = &middle["rows"][1];
    assert_eq!(
        (&queue["observed"], &queue["agrees"]),
        (&"waiting: edit-1".into(), &"waits".into())
    );
    assert_eq!(data["steps"][4]["left_out"], "it cannot");
}

#[test]
fn a_violation_at_an_event_is_reported_with_what_was_expected_before_it_and_seen_after_it() {
    let plan: Plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home change\n"
        .parse()
        .unwrap();
    let session = SessionId::new("acme", "home");
    let commit = Commit {
        subject: "Change (edit-1)".into(),
        adds: vec![Mark::Edit(1)],
        merge: false,
        content: None,
    };
    let branch = |commits: usize| {
        Arc::new(Branch {
            commits: vec![commit.clone(); commits],
            tree: vec![Mark::Edit(1); commits],
        })
    };
    let events = [
        What::StepBegan {
            index: Some(0),
            step: plan.steps[0].clone(),
            mark: Some(Mark::Edit(1)),
        },
        What::Committed {
            session: session.clone(),
            branch: branch(1),
        },
        What::Committed {
            session,
            branch: branch(2),
        },
    ];
    let events = events.into_iter().zip(1..).map(|(what, second)| Event {
        at: Duration::from_secs(second),
        what,
    });
    let history = History {
        events: events.collect(),
        ..History::default()
    };
    let verdict = judge(
        &plan,
        SiteKind::Shell,
        history.profile(),
        &history.events,
        None,
    );
    assert!(
        matches!(&verdict, Verdict::Violated(v) if v.rule == Rule::ExactlyOnce),
        "{verdict:?}"
    );
    let data = data(&page_of(&plan, &verdict, &history));
    assert_eq!(data["violating"], 2);
    let rows = data["looks"][0]["rows"].as_array().unwrap();
    let branch = rows
        .iter()
        .find(|row| row["about"] == "branch of acme/home")
        .unwrap();
    assert_eq!(
        branch["observed"],
        "remote: nothing; only in the workspace: edit-1, edit-1"
    );
    let rule = &rows[0];
    assert_eq!(
        (&rule["about"], &rule["agrees"]),
        (&"rule exactly-once".into(), &"differs".into())
    );
    assert_eq!(data["events"][2]["tone"], "bad");
}

#[test]
fn a_page_speaks_without_its_script() {
    let plan: Plan = PLAN.parse().unwrap();
    let violation = Violation {
        rule: Rule::Fresh,
        kind: "stale".into(),
        step: None,
        after_recovery: true,
        about: None,
        at: Duration::from_millis(2_500),
        expected: "the site shows edit-1".into(),
        observed: "it is empty".into(),
    };
    let outcome = runner::run(&Sim::default(), &plan, 7);
    let violated = Verdict::Violated(violation);
    let page = page_of(&plan, &violated, &outcome.history);
    let (plain, _) = page.split_once("<script").unwrap();
    for part in [
        "VIOLATED",
        "fresh (stale)",
        "after recovery · 2.500 s into the run",
        "the site shows edit-1",
        "it is empty",
        "<li>inject s3-denied acme</li>",
        "<li>heal s3-denied acme, left out: it cannot</li>",
        "shakedown replay x.plan",
        "from a test",
        " UTC, ",
        env!("CARGO_PKG_VERSION"),
        "<dt>not asked</dt>",
        "<tr><td>",
    ] {
        assert!(plain.contains(part), "{part:?} is not in\n{plain}");
    }
    assert_eq!(plain.matches("the site shows edit-1").count(), 1);
    let mut of = Campaign {
        title: "Campaign on sim".into(),
        command: "shakedown run --seed 1".into(),
        seconds: 81.46,
        plans: 3,
        made: Made::now(),
        ..Campaign::default()
    };
    of.cover(&Coverage::of(&plan, &outcome.history), &RuledOut::default());
    let page = super::campaign(&of);
    let (plain, _) = page.split_once("<script").unwrap();
    for part in [
        "HELD",
        "81.5 s",
        "shakedown run --seed 1",
        "<th scope=\"row\">s3-denied</th>",
        "not reached",
        "<dt>kept plan</dt>",
        "<dt>Machine</dt>",
    ] {
        assert!(plain.contains(part), "{part:?} is not in\n{plain}");
    }
}

#[test]
fn no_text_ends_the_script_that_holds_it() {
    let plan: Plan = PLAN.parse().unwrap();
    let hostile = "</script><!-- <script> \u{2028} & \"quoted\" \\";
    let session = SessionId::new("acme", "home");
    let at = Duration::ZERO;
    let logged = What::Logged {
        client: "acme".into(),
        stamp: at,
        session: Some(session.clone()),
        level: Level::Info,
        text: hostile.into(),
        phase: None,
        claim: Some(Claim::SyncDone),
    };
    let record = What::RecordWritten {
        session,
        record: Arc::new(Record {
            last_error: Some(hostile.into()),
            ..Record::default()
        }),
    };
    let events = [logged, record].map(|what| Event { at, what }).into();
    let verdict = Verdict::Violated(Violation {
        rule: Rule::Fresh,
        kind: hostile.into(),
        step: None,
        after_recovery: true,
        about: None,
        at,
        expected: hostile.into(),
        observed: hostile.into(),
    });
    let history = History {
        events,
        ..History::default()
    };
    let page = page_of(&plan, &verdict, &history);
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "the data's and the script's own"
    );
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("<!--").count(), 0);
    let data = data(&page);
    assert_eq!(data["observed"], hostile);
    assert_eq!(data["events"][0]["text"], format!("log {hostile}"));
    assert_eq!(
        data["events"][0]["also"], 2,
        "the breaker's lane shows it, too"
    );
}

#[test]
fn pages_hold_all_that_they_need() {
    let plan: Plan = PLAN.parse().unwrap();
    let unknown = Verdict::Unknown {
        why: "no ports".into(),
    };
    let pages = [
        page_of(&plan, &unknown, &History::default()),
        campaign(&Campaign::default()),
    ];
    for page in pages {
        assert!(page.contains("default-src 'none'"));
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            // The name of SVG is no address that anybody asks.
            let page = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!page.contains(outside), "{outside}");
        }
    }
}

#[test]
fn a_campaign_is_the_same_after_it_was_saved() {
    let mut of = Campaign {
        version: campaign::VERSION,
        title: "Campaign on sim".into(),
        asked: Some(3),
        ..Campaign::default()
    };
    let plan: Plan = PLAN.parse().unwrap();
    let outcome = runner::run(&Sim::default(), &plan, 7);
    of.cover(&Coverage::of(&plan, &outcome.history), &RuledOut::default());
    let saved = serde_json::to_string(&of).unwrap();
    assert_eq!(serde_json::from_str::<Campaign>(&saved).unwrap(), of);
    let row = |name: &str| of.disturbances.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("s3-denied").made, Some(1));
    assert_eq!(row("crash").made, Some(1));
    assert_eq!(row("git-down").made, Some(0));
    assert_eq!(of.sometimes.len(), 27);
}
