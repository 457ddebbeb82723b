//! Each entry of the sometimes-list by the shortest history that reaches it, and histories that
//! only seem to.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::history::{Commit, Content, Death, GitOutcome, Record, S3Operation, S3Outcome};
use crate::plan::{Place, SessionId};
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
    What::Delivered {
        session: session(of),
        mark: Mark::Edit(n),
        receives,
    }
}

fn acknowledged(of: &str, n: u32) -> What {
    What::Acknowledged {
        session: session(of),
        mark: Mark::Edit(n),
    }
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
fn the_breaker_opens_its_probe_fails_and_the_next_closes_it() {
    let opens = [say(HOME, ATTEMPT), say(HOME, FAILED), say(HOME, OPENED)];
    reaches(Sometimes::BreakerOpened, "", &opens);
    misses(Sometimes::ProbeFailed, "", &opens);
    let fails = [&opens[..], &[say(OTHER, ATTEMPT), say(OTHER, FAILED)]].concat();
    reaches(Sometimes::ProbeFailed, "", &fails);
    misses(Sometimes::BreakerClosedAgain, "", &fails);
    let closes = [&fails[..], &[say(HOME, ATTEMPT), say(HOME, DONE)]].concat();
    reaches(Sometimes::BreakerClosedAgain, "", &closes);
}

#[test]
fn a_sync_that_began_before_the_breaker_opened_is_no_probe() {
    let events = [say(OTHER, ATTEMPT), say(HOME, OPENED), say(OTHER, DONE)];
    misses(Sometimes::BreakerClosedAgain, "", &events);
    let events = [say(OTHER, ATTEMPT), say(HOME, OPENED), say(OTHER, FAILED)];
    misses(Sometimes::ProbeFailed, "", &events);
}

#[test]
fn a_rejected_push_goes_up_rebased_or_merged() {
    let rejected = pushed(HOME, GitOutcome::Rejected, &[-1]);
    let rebased = [rejected.clone(), pushed(HOME, GitOutcome::Done, &[-1, 1])];
    reaches(Sometimes::PushRebased, "", &rebased);
    misses(Sometimes::ConflictMerged, "", &rebased);
    let merged = [
        rejected.clone(),
        pushed(HOME, GitOutcome::Done, &[-1, 1, 0]),
    ];
    reaches(Sometimes::ConflictMerged, "", &merged);
    misses(Sometimes::PushRebased, "", &merged);
    // A forced push drops the outsider's commit: it integrates nothing.
    let forced = [rejected, pushed(HOME, GitOutcome::Done, &[1, 0])];
    misses(Sometimes::ConflictMerged, "", &forced);
    misses(
        Sometimes::PushRebased,
        "",
        &[pushed(HOME, GitOutcome::Done, &[-1, 1])],
    );
}

#[test]
fn a_push_that_ends_with_the_refs_was_rejected_where_the_remote_has_more() {
    let client = || session(HOME).client;
    let began = What::PushBegan { client: client() };
    let fetched = What::Fetched {
        client: client(),
        outcome: GitOutcome::Done,
    };
    let outside = What::OutsiderPushed {
        session: session(HOME),
        mark: Mark::Outside(1),
        branch: branch(&[-1]),
    };
    let up = pushed(HOME, GitOutcome::Done, &[-1, 1]);
    let ours = committed(HOME, &[1]);
    let tried = [
        ours.clone(),
        outside.clone(),
        began.clone(),
        fetched.clone(),
    ];
    let rebased = [
        &tried[..],
        &[committed(HOME, &[-1, 1]), began.clone(), up.clone()],
    ]
    .concat();
    reaches(Sometimes::PushRebased, "", &rebased);
    // One that takes in what the remote has before it pushes is never rejected.
    let polite = [ours, outside, fetched, committed(HOME, &[-1, 1]), began, up];
    misses(Sometimes::PushRebased, "", &polite);
}

#[test]
fn work_saved_locally_is_pushed_later() {
    let saved = say(HOME, "Saved work locally: git push failed");
    let done = pushed(HOME, GitOutcome::Done, &[1]);
    reaches(
        Sometimes::SavedThenPushed,
        "",
        &[saved.clone(), done.clone()],
    );
    misses(
        Sometimes::SavedThenPushed,
        "",
        &[done.clone(), saved.clone()],
    );
    let lost = died("acme", Death::WorkspaceLost);
    misses(Sometimes::SavedThenPushed, "", &[saved, lost, done]);
}

#[test]
fn a_crash_counts_for_the_phase_it_comes_in() {
    for phase in Phase::ALL {
        let events = [
            delivered(HOME, 1, 1),
            enter(HOME, phase),
            died("acme", Death::Crash),
        ];
        reaches(Sometimes::CrashIn(phase), "", &events);
        let sum = cover("", &events);
        assert_eq!(sum.disturbed["crash"].of(phase), 1);
        assert_eq!(sum.phases[&phase], 1);
        misses(
            Sometimes::CrashIn(phase),
            "",
            &[
                delivered(HOME, 1, 1),
                enter(HOME, phase),
                died("globex", Death::Crash),
            ],
        );
    }
    let idle = [
        delivered(HOME, 1, 1),
        enter(HOME, Phase::Done),
        acknowledged(HOME, 1),
        died("acme", Death::Crash),
    ];
    misses(Sometimes::CrashIn(Phase::Done), "", &idle);
    assert_eq!(cover("", &idle).disturbed["crash"].idle, 1);
}

#[test]
fn a_crash_counts_for_what_was_seen_to_begin_without_a_word() {
    let seen = [
        (Phase::Received, delivered(HOME, 1, 1)),
        (Phase::Thinking, asked(Some(200), 0)),
        (Phase::Committing, committed(HOME, &[1])),
        (
            Phase::Pushing,
            What::PushBegan {
                client: session(HOME).client,
            },
        ),
        (Phase::Deploying, put("acme", true)),
        (Phase::Done, acknowledged(HOME, 1)),
    ];
    let events: Vec<What> = seen.iter().map(|(_, what)| what.clone()).collect();
    for (at, (phase, _)) in seen.iter().enumerate() {
        let cut = [&events[..=at], &[died("acme", Death::Crash)]].concat();
        reaches(Sometimes::CrashIn(*phase), "", &cut);
        let is_deploy = *phase == Phase::Deploying;
        let reached = cover("", &cut).sometimes;
        assert_eq!(
            reached.contains_key(&Sometimes::CrashDuringDeploy),
            is_deploy
        );
    }
}

#[test]
fn a_crash_during_a_deploy_comes_between_its_requests() {
    let list = s3("acme", S3Operation::List, S3Outcome::Done);
    let crash = died("acme", Death::Crash);
    let cut = [say(HOME, ATTEMPT), list.clone(), crash.clone()];
    reaches(Sometimes::CrashDuringDeploy, "", &cut);
    misses(
        Sometimes::CrashDuringDeploy,
        "",
        &[say(HOME, ATTEMPT), crash.clone()],
    );
    misses(
        Sometimes::CrashDuringDeploy,
        "",
        &[say(HOME, ATTEMPT), list, say(HOME, DONE), crash],
    );
}

#[test]
fn a_crash_between_commit_and_push_leaves_a_commit_that_the_remote_lacks() {
    let cut = [
        delivered(HOME, 1, 1),
        enter(HOME, Phase::Committing),
        committed(HOME, &[1]),
        died("acme", Death::Crash),
    ];
    reaches(Sometimes::CrashBetweenCommitAndPush, "", &cut);
    let pushed_before = [
        delivered(HOME, 1, 1),
        enter(HOME, Phase::Pushing),
        committed(HOME, &[1]),
        pushed(HOME, GitOutcome::Done, &[1]),
        died("acme", Death::Crash),
    ];
    misses(Sometimes::CrashBetweenCommitAndPush, "", &pushed_before);
}

#[test]
fn a_crash_during_recovery_comes_before_the_last_is_repaired() {
    let crash = died("acme", Death::Crash);
    let twice = [
        delivered(HOME, 1, 1),
        crash.clone(),
        started("acme"),
        crash.clone(),
    ];
    reaches(Sometimes::CrashDuringRecovery, "", &twice);
    let nothing_to_repair = [crash.clone(), started("acme"), crash.clone()];
    misses(Sometimes::CrashDuringRecovery, "", &nothing_to_repair);
    let repaired = [
        delivered(HOME, 1, 1),
        crash.clone(),
        started("acme"),
        delivered(HOME, 1, 2),
        acknowledged(HOME, 1),
        crash,
    ];
    misses(Sometimes::CrashDuringRecovery, "", &repaired);
}

#[test]
fn a_container_that_ran_out_of_memory_starts_again() {
    let killed = died("acme", Death::OutOfMemory);
    reaches(
        Sometimes::OutOfMemoryRestart,
        "",
        &[killed.clone(), started("acme")],
    );
    misses(
        Sometimes::OutOfMemoryRestart,
        "",
        &[killed, started("globex")],
    );
}

#[test]
fn a_partition_is_healed_when_the_container_is_seen_again() {
    let steps = "inject partition acme\nheal partition acme\n";
    let lost = say(HOME, "Network error: queue: no answer within 10 s");
    let seen = say(HOME, "Connection restored: queue");
    let healed = [step(0), step(1), lost.clone(), seen.clone()];
    reaches(Sometimes::PartitionHealed, steps, &healed);
    assert_eq!(cover(steps, &healed).faults["partition"].hits, 1);
    misses(
        Sometimes::PartitionHealed,
        steps,
        &[step(0), lost, seen.clone()],
    );
    let by_the_end = [step(0), What::Healed, seen];
    reaches(
        Sometimes::PartitionHealed,
        "inject partition acme\n",
        &by_the_end,
    );
}

#[test]
fn the_agent_answers_after_it_failed() {
    let unanswered = [asked(None, 0), asked(Some(200), 0)];
    reaches(Sometimes::AgentTimedOutThenAnswered, "", &unanswered);
    misses(Sometimes::AgentTimedOutThenAnswered, "", &unanswered[1..]);
    let throttled = [asked(Some(429), 1), asked(Some(200), 0)];
    reaches(Sometimes::BackedOffThenAnswered, "", &throttled);
    let too_early = [asked(Some(429), 5), asked(Some(200), 0)];
    misses(Sometimes::BackedOffThenAnswered, "", &too_early);
}

#[test]
fn messages_come_again_and_are_given_up() {
    let first = delivered(HOME, 1, 1);
    reaches(
        Sometimes::Redelivered,
        "",
        &[first.clone(), delivered(HOME, 1, 2)],
    );
    // A copy of a message counts its receives anew.
    let copy = [first.clone(), acknowledged(HOME, 1), first.clone()];
    reaches(Sometimes::Redelivered, "", &copy);
    misses(Sometimes::Redelivered, "", &[first, delivered(HOME, 2, 1)]);
    let dead = What::DeadLettered {
        session: session(HOME),
        mark: Mark::Edit(1),
    };
    reaches(Sometimes::DeadLettered, "", std::slice::from_ref(&dead));
    assert_eq!(cover("", &[dead]).dead_letters, 1);
}

#[test]
fn builds_that_warned_or_failed_end_deployed() {
    let warned = say(HOME, "Build completed with warnings: banner");
    let failed = say(HOME, "Build failed: package.json is missing");
    let good = say(HOME, "Build complete");
    let done = say(HOME, DONE);
    let stored = put("acme", true);
    let deployed = [warned.clone(), stored.clone(), done.clone()];
    reaches(Sometimes::WarnedBuildDeployed, "", &deployed);
    misses(
        Sometimes::WarnedBuildDeployed,
        "",
        &[warned.clone(), done.clone()],
    );
    let overtaken = [warned, good.clone(), stored, done.clone()];
    misses(Sometimes::WarnedBuildDeployed, "", &overtaken);
    let repaired = [failed.clone(), good.clone(), done.clone()];
    reaches(Sometimes::BrokenBuildRepaired, "", &repaired);
    misses(Sometimes::BrokenBuildRepaired, "", &[failed, done.clone()]);
    misses(Sometimes::BrokenBuildRepaired, "", &[good, done]);
}

#[test]
fn a_healthy_session_is_deployed_while_another_fails() {
    let healthy = [say(BLOG, "Build complete"), say(BLOG, DONE)];
    let fails = record(HOME, Some("build failed"));
    let both = [std::slice::from_ref(&fails), &healthy[..]].concat();
    reaches(Sometimes::HealthyWhileOtherFailed, "", &both);
    let own = [record(BLOG, Some("deploy put off"))];
    misses(
        Sometimes::HealthyWhileOtherFailed,
        "",
        &[&own, &healthy[..]].concat(),
    );
    let over = [fails, record(HOME, None)];
    misses(
        Sometimes::HealthyWhileOtherFailed,
        "",
        &[&over, &healthy[..]].concat(),
    );
}

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
