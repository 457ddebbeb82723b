//! Entries for pushes, builds, deploys and the breaker.

use super::*;
use crate::history::BuildEnd;

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
fn builds_that_a_shim_shows_count_without_a_word() {
    let session = SessionId::new("acme", "home");
    let client = session.client.clone();
    let of = |n, code, end: &[What]| {
        let mark = Mark::Edit(n);
        let end_of_build = BuildEnd {
            code: Some(code),
            ..BuildEnd::default()
        };
        let mut events = vec![
            What::delivered(&session, mark, 1),
            What::BuildEnded {
                client: client.clone(),
                command: "npm run build".into(),
                end: Arc::new(end_of_build),
            },
        ];
        events.extend_from_slice(end);
        events.push(What::acknowledged(&session, mark));
        events
    };
    let put = [put("acme", true)];
    let refused = [
        put[0].clone(),
        What::S3Asked {
            client: client.clone(),
            operation: S3Operation::Put,
            outcome: S3Outcome::Denied,
        },
    ];
    let entry = Sometimes::BrokenBuildRepaired;
    reaches(entry, "", &[of(1, 1, &[]), of(2, 0, &put)].concat());
    misses(entry, "", &[of(1, 1, &[]), of(2, 0, &refused)].concat());
    misses(entry, "", &[of(1, 1, &[]), of(2, 0, &[])].concat());
    misses(entry, "", &[of(1, 1, &put), of(2, 1, &put)].concat());
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
