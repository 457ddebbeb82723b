//! Each entry of the sometimes-list by the shortest history that reaches it, and histories that
//! only seem to.

mod containers;
mod publishing;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::history::{Commit, Content, Death, GitOutcome, Record, S3Operation, S3Outcome};
use crate::plan::{Cut, Place, SessionId};
use crate::profile::{LineReader, Profile};

const SESSIONS: &str = "session acme/home\nsession acme/blog\nsession globex/home\n";

fn plan(steps: &str) -> Plan {
    format!("{}\n{SESSIONS}{steps}", crate::plan::VERSION_LINE)
        .parse()
        .unwrap()
}

/// A history with one event a second.
fn history(events: &[What]) -> History {
    let events = events.iter().zip(1..).map(|(what, second)| Event {
        at: Duration::from_secs(second),
        what: what.clone(),
    });
    History {
        events: events.collect(),
        ..History::default()
    }
}

fn cover(steps: &str, events: &[What]) -> Coverage {
    let plan = plan(steps);
    let mut history = history(events);
    for event in &mut history.events {
        if let What::StepBegan {
            index: Some(at),
            step,
            ..
        } = &mut event.what
        {
            step.clone_from(&plan.steps[*at]);
        }
    }
    Coverage::of(&plan, &history)
}

#[track_caller]
fn reaches(entry: Sometimes, steps: &str, events: &[What]) {
    let reached = cover(steps, events).sometimes;
    assert!(reached.contains_key(&entry), "{entry} not in {reached:?}");
}

#[track_caller]
fn misses(entry: Sometimes, steps: &str, events: &[What]) {
    let reached = cover(steps, events).sometimes;
    assert!(!reached.contains_key(&entry), "{entry} in {reached:?}");
}

fn session(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn step(step: usize) -> What {
    // Which step of the plan it is comes with the plan.
    What::StepBegan {
        index: Some(step),
        step: Step::Wait(Duration::ZERO),
        mark: None,
    }
}

/// A line of the log, with the phase and the claim that the target would read from it.
fn log(client: &str, line: &str) -> What {
    let sessions = ["acme/home", "acme/blog", "globex/home"].map(session);
    let reader = LineReader::new(Profile::reference(), &sessions);
    reader.read(line).logged(client.into(), Duration::ZERO)
}

fn enter(of: &str, phase: Phase) -> What {
    let client = session(of).client.0;
    log(&client, &format!("INFO [{of}] [{phase}] {phase} edit-1"))
}

fn say(of: &str, words: &str) -> What {
    log(&session(of).client.0, &format!("INFO [{of}] {words}"))
}

fn delivered(of: &str, n: u32, receives: u32) -> What {
    What::delivered(&session(of), Mark::Edit(n), receives)
}

fn acknowledged(of: &str, n: u32) -> What {
    What::acknowledged(&session(of), Mark::Edit(n))
}

fn started(client: &str) -> What {
    What::Started {
        client: client.into(),
    }
}

fn died(client: &str, cause: Death) -> What {
    What::Died {
        client: client.into(),
        cause,
    }
}

/// A branch from marks; `0` is a merge, negative numbers for outsiders.
fn branch(commits: &[i32]) -> Arc<Branch> {
    let commits = commits.iter().map(|n| Commit {
        subject: format!("commit {n}").into(),
        adds: match n {
            0 => vec![],
            1.. => vec![Mark::Edit(n.unsigned_abs())],
            _ => vec![Mark::Outside(n.unsigned_abs())],
        },
        merge: *n == 0,
        content: None,
    });
    Arc::new(Branch {
        commits: commits.collect(),
        tree: vec![],
    })
}

fn committed(of: &str, commits: &[i32]) -> What {
    What::Committed {
        session: session(of),
        branch: branch(commits),
    }
}

fn pushed(of: &str, outcome: GitOutcome, commits: &[i32]) -> What {
    What::Pushed {
        client: session(of).client,
        session: Some(session(of)),
        outcome,
        branch: Some(branch(commits)),
    }
}

fn put(client: &str, answered: bool) -> What {
    What::ObjectPut {
        client: client.into(),
        key: "index.html".into(),
        content: Arc::new(Content {
            digest: 1,
            size: 1,
            marks: vec![],
            names: vec![],
        }),
        answered,
    }
}

fn s3(client: &str, operation: S3Operation, outcome: S3Outcome) -> What {
    What::S3Asked {
        client: client.into(),
        operation,
        outcome,
    }
}

fn asked(status: Option<u16>, retry_after: u64) -> What {
    What::AgentAsked {
        client: "acme".into(),
        mark: Some(Mark::Edit(1)),
        status,
        retry_after: (retry_after > 0).then(|| Duration::from_secs(retry_after)),
        cut: None,
    }
}

fn record(of: &str, last_error: Option<&str>) -> What {
    What::RecordWritten {
        session: session(of),
        record: Arc::new(Record {
            status: "running".into(),
            last_error: last_error.map(str::to_owned),
            warnings: vec![],
        }),
    }
}

const HOME: &str = "acme/home";
const BLOG: &str = "acme/blog";
const OTHER: &str = "globex/home";
const OPENED: &str = "Circuit breaker open for S3";
const ATTEMPT: &str = "S3 sync attempt 1/3";
const FAILED: &str = "S3 sync failed after retries: Access Denied";
const DONE: &str = "S3 sync complete: 2 objects changed";

#[test]
fn two_faults_at_once_need_one_that_is_hit() {
    let steps = "inject git-auth\ninject s3-denied acme\n";
    let denied = s3("acme", S3Operation::Put, S3Outcome::Denied);
    let both = [step(0), step(1), denied.clone()];
    reaches(Sometimes::TwoFaultsAtOnce, steps, &both);
    misses(Sometimes::TwoFaultsAtOnce, steps, &both[..2]);
    misses(Sometimes::TwoFaultsAtOnce, steps, &[step(1), denied]);
}

#[test]
fn a_fault_is_hit_by_what_shows_it_while_it_is_active() {
    let fetched = |outcome| What::Fetched {
        client: "acme".into(),
        outcome,
    };
    let refused = What::Refused {
        client: "acme".into(),
        place: Place::Table,
    };
    for (fault, hit) in [
        ("s3-denied", s3("acme", S3Operation::Put, S3Outcome::Denied)),
        (
            "s3-denied acme",
            s3("acme", S3Operation::Put, S3Outcome::Denied),
        ),
        (
            "s3-missing acme",
            s3("acme", S3Operation::List, S3Outcome::NoSuchBucket),
        ),
        (
            "s3-down refused",
            s3("acme", S3Operation::List, S3Outcome::Unavailable),
        ),
        (
            "s3-partial acme 1",
            s3("acme", S3Operation::Put, S3Outcome::Unavailable),
        ),
        ("s3-ack-lost acme", put("acme", false)),
        (
            "queue-down refused",
            What::Refused {
                client: "acme".into(),
                place: Place::Queue,
            },
        ),
        ("git-auth", fetched(GitOutcome::AuthFailed)),
        ("git-down", pushed(HOME, GitOutcome::Unavailable, &[])),
        ("build-error acme/home", say(HOME, "Build failed: injected")),
        (
            "build-warning acme/home",
            say(HOME, "Build completed with warnings: x"),
        ),
        ("out-of-memory acme", died("acme", Death::OutOfMemory)),
        ("agent-slow", asked(None, 0)),
        ("agent-error 529", asked(Some(529), 0)),
        (
            "agent-cut empty",
            What::AgentAsked {
                client: "acme".into(),
                mark: None,
                status: Some(200),
                retry_after: None,
                cut: Some(Cut::Empty),
            },
        ),
        ("store-throttled", refused),
    ] {
        let steps = format!("inject {fault}\nheal {fault}\n");
        let name = fault.split(' ').next().unwrap();
        let count = |events: &[What]| cover(&steps, events).faults[name];
        let once = FaultCount {
            injected: 1,
            hits: 1,
        };
        assert_eq!(count(&[step(0), hit.clone()]), once, "{fault}");
        let after = count(&[step(0), step(1), hit.clone()]);
        assert_eq!(after.hits, 0, "{fault}");
        let other_client = fault
            .contains("acme")
            .then(|| fault.replace("acme", "globex"));
        if let Some(fault) = other_client {
            let elsewhere = cover(&format!("inject {fault}\n"), &[step(0), hit]);
            assert_eq!(elsewhere.faults[name].hits, 0, "{fault}");
        }
    }
}

#[test]
fn counts_add_up_over_runs() {
    let steps = "instruct acme/home change\ninject git-auth\n";
    let one = cover(
        steps,
        &[
            step(0),
            delivered(HOME, 1, 1),
            enter(HOME, Phase::Pushing),
            step(1),
            pushed(HOME, GitOutcome::AuthFailed, &[]),
            put("acme", true),
            asked(Some(200), 0),
        ],
    );
    assert_eq!((one.steps, one.git_pushes, one.s3_requests), (2, 1, 1));
    assert_eq!((one.deliveries, one.agent_requests, one.events), (1, 1, 7));
    assert_eq!(one.step_kinds, [("inject", 1), ("instruct", 1)].into());
    // A fault of all clients disturbs both containers, wherever they are.
    let by_phase = one.disturbed["git-auth"];
    assert_eq!((by_phase.of(Phase::Pushing), by_phase.idle), (1, 1));
    let mut sum = Coverage::default();
    sum.add(&one);
    sum.add(&one);
    assert_eq!((sum.plans, sum.steps, sum.edits[&Edit::Change]), (2, 4, 2));
    assert_eq!(sum.faults["git-auth"].hits, 2);
    assert_eq!(sum.disturbed["git-auth"].of(Phase::Pushing), 2);
    assert_eq!(sum.not_reached().len(), Sometimes::all().count());
}

#[test]
fn a_rule_was_asked_where_something_could_have_broken_it() {
    let of = cover(
        "instruct acme/home break-build\ninject s3-denied acme\n",
        &[
            step(0),
            delivered("acme/home", 1, 1),
            What::ObjectDeleted {
                client: "acme".into(),
                key: "a.html".into(),
            },
            step(1),
            What::S3Asked {
                client: "acme".into(),
                operation: S3Operation::Put,
                outcome: S3Outcome::Denied,
            },
            delivered("acme/home", 1, 1),
        ],
    );
    let times = |rule| of.asked.get(&rule).map(|asked| (asked.plans, asked.times));
    for rule in [Rule::Breaker, Rule::BoundedRetries, Rule::ExactlyOnce] {
        assert_eq!(times(rule), Some((1, 1)), "{rule}");
    }
    assert_eq!(times(Rule::NoDanglingPage), Some((1, 1)));
    // Nothing was stored after the build broke, and nothing recovered.
    for rule in [Rule::NoBrokenDeploy, Rule::NothingLost, Rule::Fresh] {
        assert_eq!(times(rule), None, "{rule}");
    }
}
